//! Makes the tour's calls: with the aws CLI, or by plain HTTP where it is not installed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::process::Command;

use super::super::client::{Client, scope};
use super::calls::Call;

const REGION: &str = "us-east-1";

pub(super) struct Speaker {
    pub(super) client: Client,
    /// Where the calls' files are.
    folder: PathBuf,
    /// The aws CLI, where it is used.
    aws: Option<PathBuf>,
}

/// What a call printed.
pub(super) struct Heard {
    /// The command line, or the request's first line.
    pub(super) said: String,
    /// The answer.
    pub(super) text: String,
    /// An invocation's payload.
    pub(super) payload: String,
    /// An invocation's log tail.
    pub(super) log_tail: String,
}

impl Speaker {
    pub(super) fn new(endpoint: &str, folder: &Path, may_use_aws: bool) -> Result<Self, String> {
        let aws = may_use_aws.then(|| find_program("aws")).flatten();
        Ok(Self { client: Client::new(endpoint)?, folder: folder.to_owned(), aws })
    }

    pub(super) fn name(&self) -> String {
        match &self.aws {
            Some(path) => format!("the aws CLI at {}", path.display()),
            None => "plain HTTP; the aws CLI is not used".to_owned(),
        }
    }

    /// Makes one call; an error answer is an error here.
    pub(super) async fn say(&self, call: &Call) -> Result<Heard, String> {
        for (name, content) in &call.files {
            let written = std::fs::write(self.folder.join(name), content);
            written.map_err(|error| format!("could not write {name}: {error}"))?;
        }
        match &self.aws {
            Some(aws) => self.say_with_aws(aws, call).await,
            None => self.say_with_http(call).await,
        }
    }

    /// Makes one call by plain HTTP, to be shown to nobody.
    pub(super) async fn ask(&self, call: &Call) -> Result<Heard, String> {
        self.say_with_http(call).await
    }

    async fn say_with_aws(&self, aws: &Path, call: &Call) -> Result<Heard, String> {
        let said = format!("aws {}", shown(&call.command));
        let output = Command::new(aws)
            // Older versions read no `AWS_ENDPOINT_URL`, and 1 reads none for queues: they would
            // call AWS.
            .args(["--endpoint-url", &self.client.endpoint()])
            .args(&call.command)
            .current_dir(&self.folder)
            .env("AWS_ENDPOINT_URL", self.client.endpoint())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_PAGER", "")
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN")
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| format!("could not run {}: {error}", aws.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{said}: {}", complaint.trim()));
        }
        let payload = std::fs::read_to_string(self.folder.join("answer.json")).unwrap_or_default();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let log_tail = decoded(document["LogResult"].as_str());
        Ok(Heard { said, text, payload, log_tail })
    }

    async fn say_with_http(&self, call: &Call) -> Result<Heard, String> {
        let said = format!("{} {} ({})", call.method, call.path, shown(&call.command));
        let scope = scope(call.service, REGION);
        let mut headers = vec![("authorization", scope.as_str())];
        headers.extend(call.headers.iter().map(|(name, value)| (*name, value.as_str())));
        let body = call.body.clone().into();
        let answer = self.client.send(call.method.clone(), &call.path, &headers, body).await?;
        let text = answer.text();
        if answer.status >= 300 {
            return Err(format!("{said}: {} {text}", answer.status));
        }
        let log_tail = decoded(answer.header("x-amz-log-result"));
        Ok(Heard { said, payload: text.clone(), text, log_tail })
    }
}

/// A command line as one would type it.
fn shown(words: &[String]) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    let quoted = words.iter().map(|word| match word.chars().all(is_plain) {
        true => word.clone(),
        false => format!("'{word}'"),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn decoded(text: Option<&str>) -> String {
    let bytes = text.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|found| found.is_file())
}
