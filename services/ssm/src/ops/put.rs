//! Writing and deleting parameters.

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_ssm_contract::{
    DeleteParameter, DeleteParameterRequest, DeleteParameterResult, DeleteParameters,
    DeleteParametersRequest, DeleteParametersResult, HierarchyTypeMismatchException,
    InvalidAllowedPatternException, ParameterAlreadyExists, ParameterMaxVersionLimitExceeded,
    ParameterPatternMismatchException, ParameterTier, ParameterType, PutParameter,
    PutParameterRequest, PutParameterResult,
};
use haar_wire::AwsError;
use regex::RegexBuilder;

use super::remove;
use super::tag::add_tags;
use crate::Ssm;
use crate::announce::{self, Change};
use crate::lookup::{find_row, version};
use crate::refusal::invalid;
use crate::render::about;
use crate::rules::{name, policy};
use crate::state::{Key, ParameterRow, Value, VersionRow, versions};

/// Most bytes of a compiled `AllowedPattern`: a value is read while nobody else commits, and a
/// larger one could take minutes for it. *Ours.*
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Letters of a value at most, by tier.
const STANDARD_MAX: usize = 4096;
const ADVANCED_MAX: usize = 8192;
/// Versions that are kept of a parameter.
const VERSIONS_MAX: usize = 100;
/// The key of secure strings that name none.
const DEFAULT_KEY: &str = "alias/aws/ssm";

impl Command<PutParameter> for Ssm {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutParameterRequest,
    ) -> Answer<PutParameter> {
        name::check(&input.name)?;
        let key: Key = (call.account.clone(), call.region.clone(), input.name.clone());
        let old = tx.get::<ParameterRow>(&key);
        let before = old.as_ref().and_then(|row| version(tx, &key, row.version));
        check_overwrite(&input, before.as_deref())?;
        let kind = input.r#type.or(before.as_ref().map(|before| before.kind));
        let kind = kind
            .ok_or_else(|| invalid("A parameter type is required when you create a parameter."))?;
        check_value(&input, kind)?;
        let policies = match input.policies.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => policy::read(text)?,
            None => policy::Policies::default(),
        };
        let tier = tier_of(&input, before.as_deref(), !policies.all.is_empty())?;
        let number = old.as_ref().map_or(1, |row| row.version + 1);
        let value = match kind {
            ParameterType::SecureString => {
                let plain = input.value.as_bytes();
                Value::Sealed(self.key.seal(&call.ids, &about(&key, number), plain))
            }
            _ => Value::Plain(input.value),
        };
        let key_id = match kind {
            ParameterType::SecureString => {
                let kept = before.as_ref().and_then(|before| before.key_id.clone());
                Some(input.key_id.or(kept).unwrap_or_else(|| DEFAULT_KEY.to_owned()))
            }
            _ => None,
        };
        let mut tags = old.as_ref().map(|row| row.tags.clone()).unwrap_or_default();
        add_tags(&mut tags, input.tags.unwrap_or_default())?;
        drop_oldest(tx, &key)?;
        // *Ours*: a version without a description keeps the one before it.
        let kept = before.as_ref().and_then(|before| before.description.clone());
        tx.put(VersionRow {
            key: (key.clone(), number),
            kind,
            value,
            key_id,
            description: input.description.or(kept),
            allowed_pattern: input.allowed_pattern,
            tier,
            data_type: input.data_type.unwrap_or_else(|| "text".to_owned()),
            policies: policies.all,
            labels: Default::default(),
            modified_at: call.now,
            modified_by: call.principal.arn(),
        });
        let row = ParameterRow { key, version: number, expires_at: policies.expires_at, tags };
        let (key, change) = (row.key.clone(), old.map_or(Change::Create, |_| Change::Update));
        tx.put(row);
        announce::changed(&self.doors.outbox, tx, &key, change, call.now);
        Ok(PutParameterResult { version: Some(number), tier: Some(tier) })
    }
}

fn check_overwrite(
    input: &PutParameterRequest,
    before: Option<&VersionRow>,
) -> Result<(), AwsError> {
    let overwrite = input.overwrite == Some(true);
    if overwrite && input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        return Err(invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter \
             with tags, please remove overwrite flag. To update tags for an existing parameter, \
             please use AddTagsToResource or RemoveTagsFromResource.",
        ));
    }
    let Some(before) = before else { return Ok(()) };
    if !overwrite {
        let text = "The parameter already exists. To overwrite this value, set the overwrite \
                    option in the request to true.";
        return Err(ParameterAlreadyExists::message(text).into());
    }
    if input.r#type.is_some_and(|kind| kind != before.kind) {
        let text = "Parameter Store doesn't support changing a parameter type in a hierarchy. For \
                    example, you can't change a parameter from a String type to a SecureString \
                    type. You must create a new, unique parameter.";
        return Err(HierarchyTypeMismatchException::message(text).into());
    }
    Ok(())
}

fn check_value(input: &PutParameterRequest, kind: ParameterType) -> Result<(), AwsError> {
    if input.value.is_empty() {
        let text = "1 validation error detected: Value '' at 'value' failed to satisfy \
                    constraint: Member must have length greater than or equal to 1.";
        return Err(invalid(text));
    }
    if input.value.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}")) {
        let text =
            "Parameter value can't nest another parameter. Do not use \"{{}}\" in the value.";
        return Err(invalid(text));
    }
    if input.key_id.is_some() && kind != ParameterType::SecureString {
        return Err(invalid("KeyId is required for SecureString type parameter only."));
    }
    if let Some(pattern) = input.allowed_pattern.as_deref().filter(|pattern| !pattern.is_empty())
        && !is_allowed(pattern, &input.value)?
    {
        let text =
            format!("Parameter value, cannot be validated against allowedPattern: {pattern}");
        return Err(ParameterPatternMismatchException::message(text).into());
    }
    match input.data_type.as_deref() {
        None | Some("text" | "aws:ssm:integration") => Ok(()),
        Some("aws:ec2:image") if input.value.starts_with("ami-") => Ok(()),
        Some("aws:ec2:image") => {
            let text = format!("The value {} is not an image's id", input.value);
            Err(invalid(text))
        }
        Some(other) => Err(invalid(format!(
            "The following data type is not supported: {other} (Data type names are all lowercase.)"
        ))),
    }
}

/// Whether a value is what a pattern allows. Short classes hold ASCII alone where they can, as in
/// Java: Unicode's would make many a pattern too large.
fn is_allowed(pattern: &str, value: &str) -> Result<bool, AwsError> {
    let whole = format!("^(?:{pattern})$");
    let mut plain = regex::bytes::RegexBuilder::new(&whole);
    plain.unicode(false).size_limit(PATTERN_BYTES_MAX);
    if let (true, Ok(regex)) = (value.is_ascii(), plain.build()) {
        return Ok(regex.is_match(value.as_bytes()));
    }
    let built = RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).build();
    built.map(|regex| regex.is_match(value)).map_err(|_| {
        let text = format!("Invalid regular expression pattern: {pattern}");
        InvalidAllowedPatternException::message(text).into()
    })
}

/// The tier of a new version: a parameter that is advanced stays so.
fn tier_of(
    input: &PutParameterRequest,
    before: Option<&VersionRow>,
    has_policies: bool,
) -> Result<ParameterTier, AwsError> {
    use ParameterTier::{Advanced, IntelligentTiering, Standard};
    let was_advanced = before.is_some_and(|before| before.tier == Advanced);
    let length = input.value.len();
    let needs_advanced = length > STANDARD_MAX || has_policies;
    let tier = match input.tier {
        Some(Standard) if was_advanced => {
            return Err(invalid(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter \
                 from the advanced-parameter tier to the standard-parameter tier. If necessary, \
                 you can delete the advanced parameter and recreate it as a standard parameter.",
            ));
        }
        Some(Advanced) => Advanced,
        Some(IntelligentTiering) if needs_advanced || was_advanced => Advanced,
        None if was_advanced => Advanced,
        _ => Standard,
    };
    if tier == Standard && length > STANDARD_MAX {
        return Err(invalid(format!(
            "Standard tier parameters support a maximum parameter value of {STANDARD_MAX} \
             characters. To create a larger parameter value, upgrade the parameter to use the \
             advanced-parameter tier. For more information, see \
             https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html",
        )));
    }
    if tier == Standard && has_policies {
        return Err(invalid(
            "Parameter policies are only supported for parameters that use the \
             advanced-parameter tier.",
        ));
    }
    if length > ADVANCED_MAX {
        return Err(invalid(format!(
            "Advanced tier parameters support a maximum parameter value of {ADVANCED_MAX} \
             characters.",
        )));
    }
    Ok(tier)
}

/// Makes room for one more version; a labelled version is never dropped by itself.
fn drop_oldest(tx: &mut Tx, key: &Key) -> Result<(), AwsError> {
    if versions(tx, key).count() < VERSIONS_MAX {
        return Ok(());
    }
    let Some(oldest) = versions(tx, key).next() else { return Ok(()) };
    if !oldest.labels.is_empty() {
        let text = format!(
            "You attempted to create a new version of {} by calling the PutParameter API with the \
             overwrite flag. Version {}, the oldest version, can't be deleted because it has a \
             label associated with it. Move the label to another version of the parameter, and \
             try again.",
            key.2, oldest.key.1
        );
        return Err(ParameterMaxVersionLimitExceeded::message(text).into());
    }
    tx.remove::<VersionRow>(&oldest.key);
    Ok(())
}

impl Command<DeleteParameter> for Ssm {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteParameterRequest,
    ) -> Answer<DeleteParameter> {
        let row = find_row(tx, call, &input.name)?;
        remove(&self.doors.outbox, tx, &row.key, call.now);
        Ok(DeleteParameterResult {})
    }
}

impl Command<DeleteParameters> for Ssm {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteParametersRequest,
    ) -> Answer<DeleteParameters> {
        let (mut deleted, mut missing) = (Vec::new(), Vec::new());
        for name in input.names {
            match find_row(tx, call, &name) {
                Ok(row) => {
                    remove(&self.doors.outbox, tx, &row.key, call.now);
                    deleted.push(name);
                }
                Err(_) => missing.push(name),
            }
        }
        Ok(DeleteParametersResult {
            deleted_parameters: Some(deleted),
            invalid_parameters: Some(missing),
        })
    }
}
