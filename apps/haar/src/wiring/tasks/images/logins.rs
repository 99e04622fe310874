//! Who haar is to other registries.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use haar_clock::Clock;
use haar_ecs::doors::{ImageRequest, PullError, PullStage};
use haar_kernel::Auth;
use haar_registry::{CredentialHelper, DockerConfig, Login};
use haar_secretsmanager_contract::{GetSecretValue, GetSecretValueRequest};
use haar_types::Arn;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;

use super::TaskImages;

/// How long a credential helper may take: it may have to ask a keyring.
const HELPER_WAIT: Duration = Duration::from_secs(10);

/// What the secret of `repositoryCredentials` holds. *Developer Guide > Using non-AWS container
/// images in Amazon ECS*.
#[derive(Deserialize)]
struct LoginDocument {
    username: String,
    password: String,
}

impl TaskImages {
    /// The login for a registry: the secret that the container definition names, else what
    /// `docker login` keeps on this machine, else none.
    pub(super) async fn login(
        &self,
        host: &str,
        request: &ImageRequest,
    ) -> Result<Option<Login>, PullError> {
        match &request.credentials_parameter {
            None => Ok(docker_login(host).await),
            Some(secret) => match self.secret_login(secret, request).await {
                Ok(login) => Ok(Some(login)),
                Err(reason) => {
                    Err(PullError { stage: PullStage::Login, reason, is_transient: false })
                }
            },
        }
    }

    /// Reads the secret as the execution role may.
    async fn secret_login(&self, secret: &str, request: &ImageRequest) -> Result<Login, String> {
        let role = request.execution_role.as_deref();
        if role.is_none() && self.doors.settings.auth == Auth::Enforce {
            return Err("the task has no execution role".to_owned());
        }
        let caller = super::super::caller(&self.doors, &*self.iam, &request.account, role)?;
        let region = secret.parse::<Arn>().ok().and_then(|arn| arn.region().parse().ok());
        let region = region.unwrap_or_else(|| request.region.clone());
        let input = GetSecretValueRequest { secret_id: secret.to_owned(), ..Default::default() };
        let answer = self.doors.call::<GetSecretValue>(caller, &region, input).await;
        let value = answer.map_err(|error| {
            format!(
                "failed to fetch secret {secret} from secrets manager: {}: {}",
                error.name(),
                error.message()
            )
        })?;
        let text = value.secret_string.unwrap_or_default();
        let login: LoginDocument = serde_json::from_str(&text)
            .map_err(|_| format!("secret {secret} is no JSON object with username and password"))?;
        Ok(Login { username: login.username, password: login.password })
    }
}

/// A login of `docker login`; a file that cannot be read counts for none.
async fn docker_login(host: &str) -> Option<Login> {
    let path = docker_config()?;
    let bytes = tokio::fs::read(&path).await.ok()?;
    match DockerConfig::parse(&bytes) {
        Ok(config) => match config.helper(host) {
            Some(helper) => ask(&helper).await.or_else(|| config.login(host)),
            None => config.login(host),
        },
        Err(error) => {
            tracing::warn!(path = %path.display(), error, "the logins of docker cannot be read");
            None
        }
    }
}

/// Asks a credential helper; one that does not answer, or has nothing, counts for none.
async fn ask(helper: &CredentialHelper) -> Option<Login> {
    let CredentialHelper { program, server } = helper;
    let asked = run(program, server);
    let said = match Clock::system().timeout(HELPER_WAIT, asked).await {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => {
            tracing::warn!(program, %error, "a credential helper cannot be run");
            return None;
        }
        Err(_) => {
            tracing::warn!(program, "a credential helper does not answer");
            return None;
        }
    };
    CredentialHelper::login(&said)
}

async fn run(program: &str, server: &str) -> std::io::Result<Vec<u8>> {
    let mut child = tokio::process::Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(server.as_bytes()).await?;
    }
    Ok(child.wait_with_output().await?.stdout)
}

fn docker_config() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = of("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(of("HOME")?).join(".docker")));
    Some(folder?.join("config.json"))
}
