//! A function's settings: defaults, and what AWS refuses beyond its model's constraints.

use haar_types::{MemoryMib, hex};

use crate::refusal::Refusal;
use crate::state::{FunctionKey, FunctionSettings, Logging};

use super::environment;

/// `MemorySize` where none is given.
pub const MEMORY_DEFAULT: MemoryMib = MemoryMib(128);
/// The greatest `MemorySize` outside of capacity providers.
pub const MEMORY_MAX: MemoryMib = MemoryMib(10_240);
/// `Timeout` where none is given, in seconds.
pub const TIMEOUT_S_DEFAULT: u32 = 3;
/// The longest `Timeout`, in seconds.
pub const TIMEOUT_S_MAX: u32 = 900;
/// `EphemeralStorage` where none is given.
pub const EPHEMERAL_STORAGE_DEFAULT: MemoryMib = MemoryMib(512);
/// Layers per function.
pub const LAYERS_MAX: usize = 5;
/// Bytes of a function and its layers when unpacked.
pub const UNZIPPED_BYTES_MAX: u64 = 262_144_000;
/// Bytes of an archive that is sent within a request.
pub const ZIP_BYTES_MAX: usize = 50 << 20;

/// Runtimes that a function may be created with. AWS docs: *Lambda runtimes*.
const TAKEN_RUNTIMES: &[&str] = &[
    "nodejs24.x",
    "nodejs22.x",
    "nodejs20.x",
    "nodejs18.x",
    "nodejs16.x",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.9",
    "python3.8",
    "java25",
    "java21",
    "java17",
    "java11",
    "java8.al2",
    "java8",
    "dotnet10",
    "dotnet8",
    "dotnet6",
    "ruby4.0",
    "ruby3.4",
    "ruby3.3",
    "ruby3.2",
    "ruby2.7",
    "go1.x",
    "provided.al2023",
    "provided.al2",
    "provided",
];

/// Runtimes that AWS no longer takes, with what it recommends.
const REFUSED_RUNTIMES: &[(&str, &str)] = &[
    ("nodejs", "nodejs24.x"),
    ("nodejs4.3", "nodejs24.x"),
    ("nodejs4.3-edge", "nodejs24.x"),
    ("nodejs6.10", "nodejs24.x"),
    ("nodejs8.10", "nodejs24.x"),
    ("nodejs10.x", "nodejs24.x"),
    ("nodejs12.x", "nodejs24.x"),
    ("nodejs14.x", "nodejs24.x"),
    ("python2.7", "python3.14"),
    ("python3.6", "python3.14"),
    ("python3.7", "python3.14"),
    ("dotnetcore1.0", "dotnet10"),
    ("dotnetcore2.0", "dotnet10"),
    ("dotnetcore2.1", "dotnet10"),
    ("dotnetcore3.1", "dotnet10"),
    ("ruby2.5", "ruby3.4"),
];

/// What is logged where nothing else is asked for.
pub fn default_logging(function: &FunctionKey) -> Logging {
    Logging {
        format: "Text".to_owned(),
        application_level: None,
        system_level: None,
        group: format!("/aws/lambda/{}", function.name),
    }
}

/// Refuses settings that AWS would refuse.
///
/// # Errors
/// With AWS's words for the first that is wrong.
pub fn check(settings: &FunctionSettings) -> Result<(), Refusal> {
    check_sizes(settings)?;
    check_runtime(settings)?;
    if let Some(variables) = &settings.environment {
        environment::check(variables)?;
    }
    check_layers(settings)?;
    check_targets(settings)?;
    check_mounts(settings)?;
    check_logging(&settings.logging)
}

fn check_sizes(settings: &FunctionSettings) -> Result<(), Refusal> {
    if settings.memory > MEMORY_MAX {
        return Err(Refusal::invalid(
            "'MemorySize' value failed to satisfy constraint: Member must have value less than \
             or equal to 10240",
        ));
    }
    if settings.timeout_s > TIMEOUT_S_MAX {
        let constraint = "Member must have value less than or equal to 900";
        return Err(Refusal::constraint(settings.timeout_s, "timeout", constraint));
    }
    Ok(())
}

fn check_runtime(settings: &FunctionSettings) -> Result<(), Refusal> {
    if settings.package_type != "Zip" {
        return check_image(settings);
    }
    let (Some(runtime), Some(handler)) = (&settings.runtime, &settings.handler) else {
        return Err(Refusal::invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment \
             packages.",
        ));
    };
    if handler.is_empty() {
        return Err(Refusal::invalid("Handler must not be empty."));
    }
    if let Some((_, newer)) = REFUSED_RUNTIMES.iter().find(|(refused, _)| refused == runtime) {
        return Err(Refusal::invalid(format!(
            "The runtime parameter of {runtime} is no longer supported for creating or updating \
             AWS Lambda functions. We recommend you use the new runtime ({newer}) while creating \
             or updating functions."
        )));
    }
    if !TAKEN_RUNTIMES.contains(&runtime.as_str()) {
        return Err(Refusal::invalid(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum \
             value set: [{}] or be a valid ARN",
            TAKEN_RUNTIMES.join(", ")
        )));
    }
    if settings.snap_start == "PublishedVersions" && !can_snap_start(runtime) {
        return Err(Refusal::invalid(format!(
            "{runtime} is not supported for SnapStart enabled functions."
        )));
    }
    Ok(())
}

/// An image brings all of these itself.
fn check_image(settings: &FunctionSettings) -> Result<(), Refusal> {
    let brought = settings.runtime.is_some() || settings.handler.is_some();
    if brought || !settings.layers.is_empty() {
        return Err(Refusal::invalid(
            "Please don't provide Handler or Runtime or Layer when the intended function \
             PackageType is Image.",
        ));
    }
    if settings.snap_start == "PublishedVersions" {
        return Err(Refusal::invalid("Container images are not supported for SnapStart."));
    }
    Ok(())
}

/// AWS docs: *Developer Guide > Lambda SnapStart > Supported features and limitations*.
fn can_snap_start(runtime: &str) -> bool {
    ["java11", "java17", "java21", "java25", "dotnet8", "dotnet10"].contains(&runtime)
        || ["python3.12", "python3.13", "python3.14"].contains(&runtime)
}

fn check_layers(settings: &FunctionSettings) -> Result<(), Refusal> {
    if settings.layers.len() > LAYERS_MAX {
        return Err(Refusal::invalid(format!("Cannot reference more than {LAYERS_MAX} layers.")));
    }
    let bare = |arn: &str| arn.rsplit_once(':').map(|(layer, _)| layer.to_owned());
    for (at, layer) in settings.layers.iter().enumerate() {
        let twin = settings.layers[..at].iter().find(|other| bare(&other.arn) == bare(&layer.arn));
        if let Some(twin) = twin {
            return Err(Refusal::invalid(format!(
                "Two different versions of the same layer are not allowed to be referenced in the \
                 same function. {} and {} are versions of the same layer.",
                twin.arn, layer.arn
            )));
        }
    }
    Ok(())
}

/// Refuses code and layers that are too large together.
///
/// # Errors
/// With AWS's words.
pub fn check_unzipped(code: u64, settings: &FunctionSettings) -> Result<(), Refusal> {
    let layers: u64 = settings.layers.iter().map(|layer| layer.unzipped_size).sum();
    if layers == 0 || code + layers <= UNZIPPED_BYTES_MAX {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Function code combined with layers exceeds the maximum allowed size of \
         {UNZIPPED_BYTES_MAX} bytes. The actual size is {} bytes.",
        code + layers
    )))
}

fn check_targets(settings: &FunctionSettings) -> Result<(), Refusal> {
    let Some(target) = settings.dead_letter_arn.as_deref().filter(|arn| !arn.is_empty()) else {
        return Ok(());
    };
    let service = target.split(':').nth(2).unwrap_or_default();
    if !matches!(service, "sqs" | "sns") || target.ends_with(".fifo") {
        return Err(Refusal::invalid(
            "The provided target arn is invalid. Only standard SQS queues and SNS topics are \
             supported as dead letter targets.",
        ));
    }
    Ok(())
}

/// There is no file system to mount, and no image to configure.
fn check_mounts(settings: &FunctionSettings) -> Result<(), Refusal> {
    if let Some(one) = settings.file_systems.first() {
        return Err(Refusal::invalid(format!("The access point {} does not exist.", one.arn)));
    }
    if settings.image.is_some() && settings.package_type == "Zip" {
        return Err(Refusal::invalid(
            "ImageConfig is not supported for functions with packageType Zip",
        ));
    }
    Ok(())
}

fn check_logging(logging: &Logging) -> Result<(), Refusal> {
    let has_level = logging.application_level.is_some() || logging.system_level.is_some();
    if logging.format == "Text" && has_level {
        return Err(Refusal::invalid(
            "To use ApplicationLogLevel and SystemLogLevel, you must set LogFormat to JSON.",
        ));
    }
    Ok(())
}

/// Fills in the levels that a format has and drops those that it has not.
pub fn complete_logging(mut logging: Logging) -> Logging {
    if logging.format == "JSON" {
        logging.application_level.get_or_insert_with(|| "INFO".to_owned());
        logging.system_level.get_or_insert_with(|| "INFO".to_owned());
    }
    logging
}

/// The ARN that stands for a runtime's patch version: the same for the same runtime, always.
/// *Ours*: AWS's are opaque hashes.
pub fn runtime_version_arn(region: &str, runtime: &str) -> String {
    use sha2::{Digest as _, Sha256};
    ["arn:aws:lambda:", region, "::runtime:", &hex(&Sha256::digest(runtime))].concat()
}

#[cfg(test)]
mod tests {
    use haar_blobs::Digest;
    use haar_types::{AccountId, Region};

    use super::*;
    use crate::state::LayerUse;

    fn settings() -> FunctionSettings {
        let function = FunctionKey::new(&AccountId::default(), &Region::default(), "f");
        FunctionSettings {
            runtime: Some("python3.12".into()),
            handler: Some("app.handler".into()),
            role: "arn:aws:iam::000000000000:role/r".into(),
            timeout_s: TIMEOUT_S_DEFAULT,
            memory: MEMORY_DEFAULT,
            environment: None,
            package_type: "Zip".into(),
            architecture: "x86_64".into(),
            ephemeral_storage: EPHEMERAL_STORAGE_DEFAULT,
            layers: Vec::new(),
            vpc: None,
            dead_letter_arn: None,
            kms_key_arn: None,
            tracing: "PassThrough".into(),
            file_systems: Vec::new(),
            image: None,
            snap_start: "None".into(),
            logging: default_logging(&function),
        }
    }

    fn text(result: Result<(), Refusal>) -> String {
        match result {
            Err(Refusal::InvalidParameterValue(text) | Refusal::Validation(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_fine() {
        assert_eq!(check(&settings()), Ok(()));
    }

    #[test]
    fn sizes_have_their_limits() {
        let large = FunctionSettings { memory: MemoryMib(10_241), ..settings() };
        assert!(text(check(&large)).contains("less than or equal to 10240"));
        let long = FunctionSettings { timeout_s: 901, ..settings() };
        assert_eq!(
            text(check(&long)),
            "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: \
             Member must have value less than or equal to 900"
        );
    }

    #[test]
    fn a_zip_needs_runtime_and_handler_and_an_image_neither() {
        let bare = FunctionSettings { handler: None, ..settings() };
        assert!(text(check(&bare)).starts_with("Runtime and Handler are mandatory"));
        let image = FunctionSettings { package_type: "Image".into(), runtime: None, ..bare };
        assert_eq!(check(&image), Ok(()));
        let both = FunctionSettings { runtime: Some("python3.13".into()), ..image };
        assert!(text(check(&both)).starts_with("Please don't provide Handler or Runtime"));
    }

    #[test]
    fn runtimes_of_long_ago_are_refused_with_a_newer_one() {
        let old = FunctionSettings { runtime: Some("python2.7".into()), ..settings() };
        assert_eq!(
            text(check(&old)),
            "The runtime parameter of python2.7 is no longer supported for creating or updating \
             AWS Lambda functions. We recommend you use the new runtime (python3.14) while \
             creating or updating functions."
        );
    }

    #[test]
    fn what_is_no_runtime_is_refused_with_those_that_are() {
        let odd = FunctionSettings { runtime: Some("cobol85".into()), ..settings() };
        let refused = text(check(&odd));
        let begins = "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy \
                      enum value set: [nodejs24.x, ";
        assert!(refused.starts_with(begins), "{refused}");
        assert!(refused.ends_with("] or be a valid ARN"), "{refused}");
        for known in TAKEN_RUNTIMES {
            let taken = FunctionSettings { runtime: Some((*known).into()), ..settings() };
            assert_eq!(check(&taken), Ok(()));
            let wire: Result<haar_lambda_contract::model::Runtime, _> = known.parse();
            assert!(wire.is_ok(), "{known} is not in the model");
        }
    }

    #[test]
    fn layers_are_few_and_each_once() {
        let layer = |name: &str, version| LayerUse {
            arn: format!("arn:aws:lambda:us-east-1:000000000000:layer:{name}:{version}"),
            code_size: 1,
            unzipped_size: 200 << 20,
            sha256: String::new(),
            digest: Digest::of(b""),
        };
        let two = vec![layer("a", 1), layer("a", 2)];
        let twice = FunctionSettings { layers: two, ..settings() };
        assert!(text(check(&twice)).starts_with("Two different versions of the same layer"));
        let six = (0..6).map(|at| layer(&at.to_string(), 1)).collect();
        let many = FunctionSettings { layers: six, ..settings() };
        assert_eq!(text(check(&many)), "Cannot reference more than 5 layers.");
        let one = FunctionSettings { layers: vec![layer("a", 1)], ..settings() };
        assert_eq!(check_unzipped(50 << 20, &one), Ok(()));
        assert!(text(check_unzipped(60 << 20, &one)).contains("actual size is 272629760"));
    }

    #[test]
    fn log_levels_belong_to_json() {
        let logging = Logging { system_level: Some("WARN".into()), ..settings().logging };
        let plain = FunctionSettings { logging: logging.clone(), ..settings() };
        assert!(text(check(&plain)).contains("you must set LogFormat to JSON"));
        let json = complete_logging(Logging { format: "JSON".into(), ..logging });
        assert_eq!(json.application_level.as_deref(), Some("INFO"));
        assert_eq!(json.system_level.as_deref(), Some("WARN"));
    }

    #[test]
    fn only_queues_and_topics_take_dead_letters() {
        let to = |arn: &str| FunctionSettings { dead_letter_arn: Some(arn.into()), ..settings() };
        assert_eq!(check(&to("arn:aws:sqs:us-east-1:000000000000:q")), Ok(()));
        assert!(check(&to("arn:aws:sqs:us-east-1:000000000000:q.fifo")).is_err());
        assert!(check(&to("arn:aws:lambda:us-east-1:000000000000:function:f")).is_err());
    }
}
