//! `haar exec`: a command in a container of a task, as `aws ecs execute-command` runs it, without
//! AWS's plugin.

mod conversation;
mod terminal;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::block_on;
use super::client::EndpointArguments;
use conversation::Conversation;
use terminal::RawTerminal;

/// What runs where no command is named.
const SHELL: &str = "/bin/sh";

/// See [`run`].
#[derive(Args)]
pub(crate) struct ExecArguments {
    #[command(flatten)]
    endpoint: EndpointArguments,
    /// The task, by its id or ARN; it was run with enableExecuteCommand.
    task: String,
    /// The container; needed where the task has several.
    #[arg(short, long)]
    container: Option<String>,
    /// The task's cluster; the ARN's, else `default`, where not told.
    #[arg(long)]
    cluster: Option<String>,
    /// The task's region; the ARN's, else the shell's, else the cloud's, where not told.
    #[arg(long)]
    region: Option<String>,
    /// The command and its arguments; /bin/sh where not told.
    #[arg(trailing_var_arg = true)]
    command: Vec<String>,
}

/// Runs the command with a terminal where standard input and output are one, else with pipes;
/// answers its exit code.
pub(super) fn run(arguments: &ExecArguments) -> Result<ExitCode, String> {
    let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    block_on(async {
        let session = offered(arguments).await?;
        let conversation = Conversation::open(&session, has_terminal).await?;
        let raw = has_terminal.then(RawTerminal::enter).transpose();
        let raw = raw.map_err(|error| format!("could not set up the terminal: {error}"))?;
        let code = conversation.hold().await;
        drop(raw); // what is printed next is for people again
        Ok(ExitCode::from(u8::try_from(code?).unwrap_or(u8::MAX)))
    })
}

/// Has the cloud offer a session.
async fn offered(arguments: &ExecArguments) -> Result<Value, String> {
    let words = arguments.command.iter().map(String::as_str);
    let command = match arguments.command.is_empty() {
        true => SHELL.to_owned(),
        false => shlex::try_join(words).map_err(|error| format!("the command {error}"))?,
    };
    let arn = Arn::parse(&arguments.task);
    let of_arn = |part: fn(&Arn) -> &str| arn.as_ref().map(|arn| part(arn).to_owned());
    let cluster = arguments.cluster.clone().or_else(|| of_arn(|arn| &arn.cluster));
    let region = arguments.region.clone().or_else(|| of_arn(|arn| &arn.region));
    let client = arguments.endpoint.client()?;
    let region = client.region(region.as_deref()).await;
    let mut input = json!({ "task": arguments.task, "command": command, "interactive": true });
    let named = [("cluster", cluster), ("container", arguments.container.clone())];
    for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        input[name] = value.into();
    }
    let target = "AmazonEC2ContainerServiceV20141113.ExecuteCommand";
    client.call(("ecs", &region), target, &input).await
}

/// What a task's ARN tells beside its id.
struct Arn {
    region: String,
    cluster: String,
}

impl Arn {
    /// `arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID`.
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", _, "ecs", region, _, task] = parts[..] else { return None };
        let (cluster, _) = task.strip_prefix("task/")?.split_once('/')?;
        Some(Self { region: region.to_owned(), cluster: cluster.to_owned() })
    }
}
