//! What the room asks of the rest of haar, beside its neighbours' peeks.

use std::sync::Arc;

use async_trait::async_trait;
use haar_iam_contract::passing::check_pass_role;
use haar_kernel::{ApiDoor, Doors};
use haar_substrate::{ImageConfig, ImageId};
use haar_types::{AccountId, Region, Timestamp};

/// An image that is ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadyImage {
    /// What the substrate calls it.
    pub id: ImageId,
    /// What its registry calls it: the digest of the index where there is one.
    pub digest: String,
    /// Its registry has it by that digest: what was brought in by hand is what its name says now.
    pub is_kept_by_digest: bool,
    /// How it wants to run.
    pub config: ImageConfig,
}

/// What is to be pulled, and on whose behalf.
#[derive(Clone, Debug)]
pub struct ImageRequest {
    /// Whose task it is for.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// As the container definition names it, or with `@DIGEST` where the digest is known.
    pub image: String,
    /// Who pulls from private registries: the execution role.
    pub execution_role: Option<String>,
    /// ARN of the secret that holds user name and password: `repositoryCredentials`.
    pub credentials_parameter: Option<String>,
}

/// Why an image could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PullError {
    /// What was being done.
    pub stage: PullStage,
    /// In words, for the customer: `failed to resolve ref docker.io/library/web:1: …`.
    pub reason: String,
    /// The same may succeed later.
    pub is_transient: bool,
}

/// What there is to do before an image is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullStage {
    /// Read the secret that holds the registry's login.
    Login,
    /// Find the image in its registry.
    Manifest,
    /// Fetch and unpack its layers.
    Layers,
}

/// Where images come from: haar's own registry, remote ones, the store.
#[async_trait]
pub trait Images: Send + Sync + 'static {
    /// Makes an image be here, unpacked.
    async fn pull(&self, request: &ImageRequest) -> Result<ReadyImage, PullError>;
}

/// Reads values that `secrets` name.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// The value of a secret or parameter, by `valueFrom`, as the execution role may read it.
    ///
    /// # Errors
    /// In words, for the customer.
    async fn read(
        &self,
        account: &AccountId,
        region: &Region,
        execution_role: Option<&str>,
        value_from: &str,
    ) -> Result<String, String>;

    /// A file of `environmentFiles`, by its object's ARN, as the execution role may read it.
    ///
    /// # Errors
    /// In words, for the customer.
    async fn file(
        &self,
        account: &AccountId,
        region: &Region,
        execution_role: Option<&str>,
        arn: &str,
    ) -> Result<String, String>;
}

/// Temporary credentials of a task's role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleCredentials {
    /// `ASIA…`
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// Its session's token.
    pub session_token: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Gives tasks their role's credentials.
pub trait Credentials: Send + Sync + 'static {
    /// New credentials for a session that is named after the task.
    fn mint(&self, account: &AccountId, role_arn: &str, session: &str) -> Option<RoleCredentials>;
}

/// Log streams, where containers' output goes.
#[async_trait]
pub trait LogStreams: Send + Sync + 'static {
    /// Makes a stream be there, and its group where that is asked for, as the execution role may.
    ///
    /// # Errors
    /// In words, for the customer: the group is not there.
    async fn ensure(
        &self,
        stream: &StreamName,
        create_group: bool,
        execution_role: Option<&str>,
    ) -> Result<(), String>;

    /// What a stream holds from a time on: for going on after a restart.
    async fn events_since(&self, stream: &StreamName, from: Timestamp) -> Vec<(Timestamp, String)>;
}

/// A log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamName {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// Its group.
    pub group: String,
    /// Its name.
    pub stream: String,
}

/// All doors of the room beside the common ones. Cheap to clone.
#[derive(Clone)]
pub struct TaskDoors {
    /// Where images come from.
    pub images: Arc<dyn Images>,
    /// Who reads secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Where output goes.
    pub logs: Arc<dyn LogStreams>,
    /// Who gives credentials.
    pub credentials: Arc<dyn Credentials>,
    /// haar's API, for the code inside.
    pub api: Arc<dyn ApiDoor>,
    /// Programs really run inside tasks and may connect to what is there for them: metadata,
    /// credentials, the API. False where the substrate only plays.
    pub serves_inside: bool,
}

/// Refuses a role that the caller may not pass to tasks. In permissive mode any will do.
pub(crate) fn may_pass_role(
    doors: &Doors,
    call: &haar_kernel::Call,
    snapshot: &haar_ledger::Snapshot,
    role: Option<&str>,
) -> Result<(), haar_wire::AwsError> {
    const SERVICE: &str = "ecs-tasks.amazonaws.com";
    role.map_or(Ok(()), |role| check_pass_role(doors, call, snapshot, role, SERVICE))
}

/// The same of both roles of a definition. AWS docs: *Amazon ECS Developer Guide > Amazon ECS
/// CodeDeploy IAM role*, where who starts a service's tasks must be allowed to pass them.
pub(crate) fn may_pass_roles(
    doors: &Doors,
    call: &haar_kernel::Call,
    snapshot: &haar_ledger::Snapshot,
    definition: &haar_ecs_contract::model::TaskDefinition,
) -> Result<(), haar_wire::AwsError> {
    may_pass_role(doors, call, snapshot, definition.task_role_arn.as_deref())?;
    may_pass_role(doors, call, snapshot, definition.execution_role_arn.as_deref())
}
