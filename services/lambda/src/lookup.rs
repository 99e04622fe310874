//! Finding functions, versions, aliases and layers; the refusals when they are not there.

use std::sync::Arc;

use haar_ledger::Snapshot;
use haar_types::{AccountId, Arn, Region};

use crate::Refusal;
use crate::rules::names::{FunctionName, Qualifier, function_and_qualifier};
use crate::state::{
    AliasRow, FunctionKey, FunctionRow, FunctionState, QualifiedKey, Version, VersionKey,
    VersionRow,
};

/// A version that a caller named, directly or by an alias.
#[derive(Clone, Debug)]
pub struct ResolvedVersion {
    /// What all versions share.
    pub function: Arc<FunctionRow>,
    /// The version itself.
    pub version: Arc<VersionRow>,
    /// The alias, when the caller named one.
    pub alias: Option<Arc<AliasRow>>,
    /// The qualifier as the caller gave it.
    pub qualifier: Option<String>,
}

impl ResolvedVersion {
    /// The ARN as the caller named it: the function's `invoked_function_arn`.
    pub fn invoked_arn(&self) -> Arn {
        self.function.key.qualified_arn(self.qualifier.as_deref())
    }

    /// The key under which policies, asynchronous settings and provisioned concurrency hang:
    /// the alias or version that was named, `$LATEST` spelled out where nothing was.
    pub fn settings_key(&self) -> QualifiedKey {
        let qualifier = self.qualifier.as_deref().unwrap_or("$LATEST");
        QualifiedKey::new(&self.function.key, Some(qualifier))
    }

    /// Refuses to invoke what is not ready.
    ///
    /// # Errors
    /// While the function is pending, and after its creation failed.
    pub fn check_invocable(&self) -> Result<(), Refusal> {
        let state = match &self.version.state {
            FunctionState::Active => return Ok(()),
            FunctionState::Pending => "Pending",
            FunctionState::Failed(_) => "Failed",
        };
        Err(Refusal::ResourceConflict(format!(
            "The operation cannot be performed at this time. The function is currently in the \
             following state: {state}"
        )))
    }
}

/// Finds the version that a name and a qualifier mean to a caller in `account` and `region`.
/// `chance`, uniform in `0..1`, chooses among an alias's weighted versions.
///
/// # Errors
/// When the name is no function's, or its qualifier names nothing.
pub fn resolve(
    snapshot: &Snapshot,
    account: &AccountId,
    region: &Region,
    name: &str,
    qualifier: Option<&str>,
    chance: f64,
) -> Result<ResolvedVersion, Refusal> {
    let (key, qualifier) = function_and_qualifier(account, region, name, qualifier)?;
    resolve_key(snapshot, &key, qualifier.as_deref(), chance)
}

/// The same for a function that is known by its key.
///
/// # Errors
/// When there is no such function, version or alias.
pub fn resolve_key(
    snapshot: &Snapshot,
    key: &FunctionKey,
    qualifier: Option<&str>,
    chance: f64,
) -> Result<ResolvedVersion, Refusal> {
    let not_found = || Refusal::no_function(key.qualified_arn(qualifier));
    let function = snapshot.get::<FunctionRow>(key).ok_or_else(not_found)?;
    let (version, alias) = match qualifier.map(Qualifier::parse) {
        None => (Version::Latest, None),
        Some(Qualifier::Version(version)) => (version, None),
        Some(Qualifier::Alias(name)) => {
            let key = QualifiedKey::new(key, Some(&name));
            let alias = snapshot.get::<AliasRow>(&key).ok_or_else(not_found)?;
            (alias.route(chance), Some(alias))
        }
    };
    let version = VersionKey { function: key.clone(), version };
    let version = snapshot.get::<VersionRow>(&version).ok_or_else(not_found)?;
    Ok(ResolvedVersion { function, version, alias, qualifier: qualifier.map(str::to_owned) })
}

/// Finds a function whose name may carry no qualifier.
///
/// # Errors
/// When it is not there, or a qualifier was given.
pub fn find_unqualified(
    snapshot: &Snapshot,
    account: &AccountId,
    region: &Region,
    name: &str,
) -> Result<Arc<FunctionRow>, Refusal> {
    find_function(snapshot, &unqualified_key(account, region, name)?)
}

/// The function that a name without a qualifier means.
///
/// # Errors
/// When a qualifier was given, or the function is of another region.
pub fn unqualified_key(
    account: &AccountId,
    region: &Region,
    name: &str,
) -> Result<FunctionKey, Refusal> {
    let parsed = FunctionName::parse(name);
    let key = parsed.key(account, region)?;
    match parsed.qualifier {
        Some(_) => Err(Refusal::invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not \
             support this operation. Please specify either a function name or an unqualified \
             function ARN.",
        )),
        None => Ok(key),
    }
}

/// Finds a function.
///
/// # Errors
/// When it is not there.
pub fn find_function(snapshot: &Snapshot, key: &FunctionKey) -> Result<Arc<FunctionRow>, Refusal> {
    snapshot.get::<FunctionRow>(key).ok_or_else(|| Refusal::no_function(key.arn()))
}

/// Finds a version.
///
/// # Errors
/// When it is not there.
pub fn find_version(snapshot: &Snapshot, key: &VersionKey) -> Result<Arc<VersionRow>, Refusal> {
    snapshot.get::<VersionRow>(key).ok_or_else(|| Refusal::no_function(key.arn()))
}

/// Finds an alias.
///
/// # Errors
/// When it is not there.
pub fn find_alias(snapshot: &Snapshot, key: &QualifiedKey) -> Result<Arc<AliasRow>, Refusal> {
    snapshot.get::<AliasRow>(key).ok_or_else(|| Refusal::no_alias(key.arn()))
}

/// Refuses a change to a function that is still being created or changed.
///
/// # Errors
/// With AWS's words.
pub fn check_settled(version: &VersionRow) -> Result<(), Refusal> {
    use crate::state::UpdateStatus::InProgress;
    let busy = version.state == FunctionState::Pending || version.last_update == Some(InProgress);
    if busy { Err(Refusal::update_in_progress(version.version_key().arn())) } else { Ok(()) }
}

/// Refuses a change that was made for another revision.
///
/// # Errors
/// When a revision is given and it is not the newest.
pub fn check_revision(given: Option<&str>, newest: &str, verbs: &str) -> Result<(), Refusal> {
    match given {
        Some(given) if given != newest => Err(Refusal::old_revision(verbs)),
        _ => Ok(()),
    }
}
