//! `haar up`: the cloud, in the foreground, until it is told to stop.

use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use haar_clock::IdSource;
use haar_gateway::Gateway;
use haar_kernel::{Auth, QuotaOverride, Settings};
use haar_types::{AccountId, Region};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::memory;
use crate::wiring::{self, Notices};

/// Start the cloud.
#[derive(Args, Clone, Debug)]
pub(crate) struct UpArguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:4566",
        value_parser = parse_listen,
        env = "HAAR_LISTEN"
    )]
    pub(crate) listen: SocketAddr,
    /// Where state is kept. Without it: haar in $XDG_DATA_HOME, else in ~/.local/share, else in
    /// /var/lib.
    #[arg(long, value_name = "DIR", env = "HAAR_DATA_DIR", conflicts_with = "ephemeral")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Keep nothing: state lives in memory and ends with the process.
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Who is let in.
    #[arg(long, value_enum, default_value = "permissive", env = "HAAR_AUTH")]
    pub(crate) auth: AuthMode,
    /// What runs functions and containers.
    #[arg(long, value_enum, default_value = "oci")]
    pub(crate) substrate: SubstrateKind,
    /// The account of callers whose key names none.
    #[arg(long, default_value = AccountId::DEFAULT)]
    pub(crate) account_id: AccountId,
    /// The region of callers that name none.
    #[arg(long, default_value = Region::DEFAULT, value_parser = parse_region)]
    pub(crate) region: Region,
    /// Where accounts' default VPCs lie. Without it: 172.31.0.0/16 as on AWS, or where this host
    /// or another haar on it uses that, the next below, down to 172.16.0.0/16.
    #[arg(
        long,
        value_name = "RANGE",
        value_parser = wiring::ground::parse,
        env = "HAAR_DEFAULT_VPC"
    )]
    pub(crate) default_vpc: Option<Ipv4Addr>,
    /// A node_modules folder with @aws-sdk: Node functions find all that is in it. Without it, they
    /// find @aws-sdk and @smithy where npm puts what is installed for all.
    #[arg(long, value_name = "DIR", env = "HAAR_NODE_MODULES")]
    pub(crate) node_modules: Option<PathBuf>,
    /// Divide AWS's long documented waits (async retries, idle reaping) by this.
    #[arg(
        long,
        default_value_t = 1,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) wait_divisor: u32,
    /// Give the containers of tasks users of their own: their root is nobody on this machine.
    #[arg(long, env = "HAAR_USER_NAMESPACES")]
    pub(crate) user_namespaces: bool,
    /// Take signatures of any age.
    #[arg(long)]
    pub(crate) no_clock_skew_check: bool,
    /// Put another limit in the place of one of AWS's quotas, for all or for one account or
    /// region: lambda/L-B99A9384=50, 111122223333/eu-west-1/lambda/L-B99A9384=50.
    #[arg(
        long = "quota",
        value_name = "[ACCOUNT/][REGION/]SERVICE/CODE=VALUE",
        value_parser = parse_quota
    )]
    pub(crate) quotas: Vec<QuotaOverride>,
    /// What to log: error, warn, info, debug, or tracing's directives.
    #[arg(long, default_value = "info", value_parser = parse_log, env = "HAAR_LOG")]
    pub(crate) log: String,
}

/// See [`Auth`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthMode {
    /// Any key works; loopback only.
    Permissive,
    /// Signatures and policies decide every call.
    Enforce,
}

impl From<AuthMode> for Auth {
    fn from(mode: AuthMode) -> Self {
        match mode {
            AuthMode::Permissive => Self::Permissive,
            AuthMode::Enforce => Self::Enforce,
        }
    }
}

/// What runs things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SubstrateKind {
    /// The embedded runtime: namespaces and cgroups, no daemon.
    Oci,
}

impl UpArguments {
    /// The directory that state is kept in, by default `~/.local/share/haar`. Never relative: the
    /// helper process works elsewhere, and a server's groups are named after it.
    fn data_dir(&self) -> PathBuf {
        absolute(&self.chosen_dir())
    }

    fn chosen_dir(&self) -> PathBuf {
        if let Some(chosen) = &self.data_dir {
            return chosen.clone();
        }
        if self.ephemeral {
            // a name that nobody can have taken before
            let name = format!("haar-{}", IdSource::system().uuid());
            return std::env::temp_dir().join(name);
        }
        let share = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(|| {
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"))
        });
        share.unwrap_or_else(|| PathBuf::from("/var/lib")).join("haar")
    }

    fn settings(&self, port: u16) -> Settings {
        Settings {
            auth: self.auth.into(),
            account: self.account_id.clone(),
            region: self.region.clone(),
            port,
            data_dir: self.data_dir(),
            ephemeral: self.ephemeral,
            wait_divisor: self.wait_divisor,
            user_namespaces: self.user_namespaces,
            clock_skew_check: !self.no_clock_skew_check,
            default_vpc: self.default_vpc,
            node_modules: self.node_modules.as_ref().map(|named| absolute(named)),
            quotas: self.quotas.iter().cloned().collect(),
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A name in the form of AWS's regions. Which of them there are is not asked: a private one may
/// come with the next SDK.
fn parse_region(text: &str) -> Result<Region, String> {
    let mut words = text.split('-');
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let number = words.next_back().unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match is_number && (2..=3).contains(&words.clone().count()) && words.all(is_word) {
        true => text.parse(),
        false => Err(format!("'{text}' is not the name of a region, such as us-east-1")),
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "it is not an address and a port, such as 127.0.0.1:4566".to_owned())
}

/// One that haar asks for: any other would do nothing.
fn parse_quota(text: &str) -> Result<QuotaOverride, String> {
    let told: QuotaOverride = text.parse()?;
    let all = || haar_lambda::QUOTAS.iter().chain(&haar_events::QUOTAS);
    if all().any(|quota| told.is_of(quota)) {
        return Ok(told);
    }
    let known: Vec<String> = all()
        .map(|quota| {
            format!("{}/{} ({}, {})", quota.service, quota.code, quota.name, quota.default)
        })
        .collect();
    Err(format!("haar has no such quota; it has {}", known.join(", ")))
}

/// A level, or directives that name one each.
fn parse_log(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let refused = |directive: &str| {
        let levels = LEVELS.join(", ");
        format!("'{directive}' is neither a level ({levels}) nor TARGET=LEVEL")
    };
    let plain = (!text.is_empty() && !text.contains('[')).then(|| text.split(',').map(str::trim));
    for directive in plain.into_iter().flatten() {
        let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(directive));
        let names_one = directive.split_once('=').is_some_and(|(target, _)| !target.is_empty());
        let is_read = || tracing_subscriber::EnvFilter::try_new(directive).is_ok();
        if !(is_level || names_one && is_read()) {
            return Err(refused(directive));
        }
    }
    tracing_subscriber::EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// Runs the cloud; returns when it has stopped.
pub(crate) fn run(arguments: &UpArguments, json: bool) -> ExitCode {
    log_to_stderr(&arguments.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16))
        .on_thread_park(memory::lie_down)
        .thread_keep_alive(memory::HELPERS_STAY)
        .enable_all()
        .build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve(arguments, json)),
        Err(error) => Err(format!("could not start: {error}")),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            crate::commands::fail(&message, json);
            ExitCode::FAILURE
        }
    }
}

/// Logs as text lines on standard error.
fn log_to_stderr(filter: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let subscriber = subscriber.with_ansi(!is_plain && std::io::stderr().is_terminal());
    let _ = subscriber.with_writer(std::io::stderr).try_init(); // a second cloud in one process
}

async fn serve(arguments: &UpArguments, json: bool) -> Result<(), String> {
    let listener =
        Gateway::bind(arguments.listen, arguments.auth.into()).await.map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let stopping = CancellationToken::new();
    stop_on_signals(stopping.clone())?;

    let settings = arguments.settings(address.port());
    if let Some(named) = &settings.node_modules {
        haar_lambda::runtimes::check_node_modules(named)?;
    }
    let cloud = wiring::start(settings.clone(), stopping).await?;
    crate::commands::announce(&match json {
        true => document(&settings, address, &cloud.notices),
        false => text(address, &cloud.notices),
    });
    cloud.serve(listener).await;
    cloud.stop().await;
    Ok(())
}

/// What people are told when the cloud can be called.
fn text(address: SocketAddr, notices: &Notices) -> String {
    let warning = notices.warning.as_ref();
    let warning = warning.map(|text| format!("Not all can run here: {text} (see haar doctor).\n"));
    let key = notices.root_key.as_ref().map(|key| {
        format!(
            "The root user's key of account {}, shown this once:\n  \
             export AWS_ACCESS_KEY_ID={}\n  export AWS_SECRET_ACCESS_KEY={}\n",
            key.account, key.access_key_id, key.secret_access_key,
        )
    });
    let (warning, key) = (warning.unwrap_or_default(), key.unwrap_or_default());
    format!("{warning}{key}haar is ready on http://{address}")
}

/// The same for programs, as one document.
fn document(settings: &Settings, address: SocketAddr, notices: &Notices) -> String {
    let data_dir = (!settings.ephemeral).then_some(&settings.data_dir);
    let mut document = json!({
        "url": format!("http://{address}"),
        "account": settings.account.as_str(),
        "region": settings.region.as_str(),
        "auth": match settings.auth {
            Auth::Permissive => "permissive",
            Auth::Enforce => "enforce",
        },
        "dataDir": data_dir,
        "pid": std::process::id(),
    });
    if let Some(warning) = &notices.warning {
        document["warning"] = json!(warning);
    }
    if let Some(key) = &notices.root_key {
        document["accessKeyId"] = json!(key.access_key_id);
        document["secretAccessKey"] = json!(key.secret_access_key);
    }
    document.to_string()
}

/// The first SIGINT or SIGTERM stops gracefully; a second one ends the process.
#[allow(clippy::disallowed_methods)] // spawns the one loop that waits for signals
fn stop_on_signals(stopping: CancellationToken) -> Result<(), String> {
    let watch = |kind| signal(kind).map_err(|error| format!("could not watch signals: {error}"));
    let (mut interrupt, mut terminate) =
        (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stopping.is_cancelled() {
                std::process::exit(130);
            }
            stopping.cancel();
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_do_nothing_is_refused_with_what_is_known() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            arguments: UpArguments,
        }
        let read = |words: &[&str]| {
            let words = ["up"].iter().chain(words);
            let read = <Line as clap::Parser>::try_parse_from(words);
            read.map(|line| line.arguments).map_err(|error| error.to_string())
        };
        for (words, known) in [
            (["--quota", "lambda/nope=3"], "lambda/L-B99A9384 (Concurrent executions, 1000)"),
            (["--log", "bogus"], "'bogus' is neither a level (off, error"),
            (["--log", "bogus,=,x"], "'bogus' is neither"),
            (["--log", "info,="], "'=' is neither"),
            (["--log", "haar_ecs=loud"], "'haar_ecs=loud' is neither"),
            (["--wait-divisor", "0"], "0 is not in 1.."),
            (["--listen", "localhost:4566"], "an address and a port, such as 127.0.0.1:4566"),
            (["--listen", ":4566"], "such as 127.0.0.1:4566"),
            (["--listen", "4566"], "such as 127.0.0.1:4566"),
        ] {
            // written without the breaks of a narrow terminal
            let refusal =
                read(&words).unwrap_err().split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(refusal.contains(known), "{words:?}: {refusal}");
        }
        for words in [
            ["--quota", "111122223333/eu-west-1/lambda/L-B99A9384=50"],
            ["--quota", "lambda/event-source-filters=10"],
            ["--log", "off"],
            ["--log", "WARN"],
            ["--log", "info,haar_ecs=debug,[span]=trace"],
            ["--log", ""],
            ["--wait-divisor", "60"],
            ["--listen", "[::1]:0"],
        ] {
            assert!(read(&words).is_ok(), "{words:?}");
        }
    }
}
