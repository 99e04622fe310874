//! Functions: create, get, list, delete.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Flow, Query};
use haar_lambda_contract::model::{
    Concurrency, CreateFunction, DeleteFunction, DeleteFunctionResponse, FunctionCodeLocation,
    FunctionConfiguration, GetFunction, GetFunctionConfiguration, GetFunctionResponse,
    ListFunctions, ListFunctionsResponse,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::code::CodeSource;
use super::code_signing;
use super::code_storage::{self, put_version};
use super::listing::{Listing, sortable};
use super::version::publish;
use crate::lookup::{ResolvedVersion, find_function, resolve, unqualified_key};
use crate::rules::names::{Qualifier, function_and_qualifier};
use crate::rules::{settings, tags};
use crate::state::{
    AliasRow, Code, EventInvokeRow, FunctionKey, FunctionPolicyRow, FunctionRow, FunctionState,
    ProvisionedRow, QualifiedKey, RecursiveLoop, RuntimeManagement, UrlRow, Version, VersionKey,
    VersionRow,
};
use crate::{Lambda, Refusal, render};

/// AWS docs: *Lambda API Reference > CreateFunction*.
impl Flow<CreateFunction> for Lambda {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        mut input: Input<CreateFunction>,
    ) -> Answer<CreateFunction> {
        check_supported(&input)?;
        let source = CodeSource::of_create(&self, &mut input)?;
        let snapshot = self.doors.ledger.snapshot();
        let fits = |size| self.check_code_storage(&call, &snapshot, size);
        let code = self.take_code(&call, source, fits).await?;
        self.commit(|tx| Ok(create(&self, &call, tx, &input, code)?)).await
    }
}

/// Refuses what haar could record but not do. *Ours*: AWS has all of these.
fn check_supported(input: &Input<CreateFunction>) -> Result<(), Refusal> {
    let asked = [
        (input.capacity_provider_config.is_some(), "CapacityProviderConfig"),
        (input.durable_config.is_some(), "DurableConfig"),
        (input.publish_to.is_some(), "PublishTo"),
        (input.tenancy_config.is_some(), "TenancyConfig"),
    ];
    match asked.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, name)) => Err(Refusal::invalid(format!("{name} is not implemented by haar"))),
        None => Ok(()),
    }
}

fn create(
    room: &Lambda,
    call: &Call,
    tx: &mut Tx,
    input: &Input<CreateFunction>,
    code: Code,
) -> Result<FunctionConfiguration, Refusal> {
    let key = unqualified_key(&call.account, &call.region, &input.function_name)?;
    if tx.contains::<FunctionRow>(&key) {
        return Err(Refusal::ResourceConflict(format!("Function already exist: {}", key.name)));
    }
    room.check_code_storage(call, tx, code.size)?; // others may have been faster
    let settings = super::function_configuration::new_settings(room, tx, &key, input)?;
    settings::check(&settings)?;
    settings::check_unzipped(code.unzipped_size, &settings)?;
    room.check_role(call, tx, &settings.role, &key)?;
    if let Some(target) = &settings.dead_letter_arn {
        room.check_dead_letters(&key, &settings.role, target)?;
    }
    let signing = match input.code_signing_config_arn.as_deref() {
        Some(_) if settings.package_type != "Zip" => return Err(code_signing::no_images()),
        Some(arn) => Some(code_signing::find(call, tx, arn)?.key.clone()),
        None => None,
    };
    code_signing::check_code(tx, &key, signing.as_ref())?;
    let tags = input.tags.clone().unwrap_or_default();
    tags::check(&tags)?;
    tx.put(FunctionRow {
        key: key.clone(),
        created_at: call.now,
        version_count: 0,
        tags,
        reserved_concurrency: None,
        recursive_loop: RecursiveLoop::default(),
        code_signing: signing,
    });
    let latest = VersionRow {
        function: key.clone(),
        version: Version::Latest,
        code,
        settings,
        description: input.description.clone().unwrap_or_default(),
        published_from: String::new(),
        state: FunctionState::Pending,
        last_update: None,
        revision_id: call.ids.uuid(),
        build_id: call.ids.uuid(),
        last_modified_at: call.now,
        runtime_management: RuntimeManagement::default(),
        replaced: None,
    };
    put_version(tx, latest.clone());
    let arn = latest.version_key().arn();
    let shown = match input.publish {
        Some(true) => publish(call, tx, &latest, None)?,
        _ => Arc::new(latest),
    };
    // Of a published function too, as on AWS: tags, for one, are given to what this names.
    Ok(render::function_configuration(&shown, arn))
}

/// AWS docs: *Lambda API Reference > GetFunction*.
impl Query<GetFunction> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetFunction>,
    ) -> Answer<GetFunction> {
        let qualifier = input.qualifier.as_deref();
        let found = find_named(call, snapshot, &input.function_name, qualifier)?;
        let row = &found.version;
        let tags = Some(found.function.tags.clone()).filter(|tags| !tags.is_empty());
        Ok(GetFunctionResponse {
            configuration: Some(render::function_configuration(row, found.invoked_arn())),
            code: Some(self.location(call, &row.code)),
            tags,
            concurrency: found.function.reserved_concurrency.map(|reserved| Concurrency {
                reserved_concurrent_executions: Some(reserved as i32),
            }),
            ..GetFunctionResponse::default()
        })
    }
}

impl Lambda {
    /// Where a version's code is to be had.
    fn location(&self, call: &Call, code: &Code) -> FunctionCodeLocation {
        if let Some(image) = &code.image {
            return FunctionCodeLocation {
                repository_type: Some("ECR".to_owned()),
                image_uri: Some(image.uri.clone()),
                resolved_image_uri: Some(image.resolved_uri(&code.digest)),
                ..FunctionCodeLocation::default()
            };
        }
        let location = match &code.folder {
            Some(folder) => format!("file://{}", folder.display()),
            None => self.downloads.url(call, &code.digest),
        };
        FunctionCodeLocation {
            repository_type: Some("S3".to_owned()),
            location: Some(location),
            ..FunctionCodeLocation::default()
        }
    }
}

/// AWS docs: *Lambda API Reference > GetFunctionConfiguration*.
impl Query<GetFunctionConfiguration> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetFunctionConfiguration>,
    ) -> Answer<GetFunctionConfiguration> {
        let qualifier = input.qualifier.as_deref();
        let found = find_named(call, snapshot, &input.function_name, qualifier)?;
        Ok(render::function_configuration(&found.version, found.invoked_arn()))
    }
}

/// An alias is shown with its own version, never with a weighted one.
fn find_named(
    call: &Call,
    snapshot: &Snapshot,
    name: &str,
    qualifier: Option<&str>,
) -> Result<ResolvedVersion, Refusal> {
    const BEHIND_ALL_WEIGHTS: f64 = 2.0;
    resolve(snapshot, &call.account, &call.region, name, qualifier, BEHIND_ALL_WEIGHTS)
}

/// AWS docs: *Lambda API Reference > ListFunctions*.
impl Query<ListFunctions> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListFunctions>,
    ) -> Answer<ListFunctions> {
        let all = input.function_version.is_some();
        let subject = if all { "versions-of-all" } else { "functions" };
        let listing = Listing::new(call, subject, input.marker.as_deref(), input.max_items)?;
        let replicas_only = input
            .master_region
            .as_deref()
            .is_some_and(|region| region != "ALL" && region != call.region.as_str());
        let functions = functions_after(call, snapshot, &listing).filter(|_| !replicas_only);
        let versions = functions.flat_map(|function| {
            let range = if all {
                VersionKey::all(&function.key)
            } else {
                VersionKey::latest(&function.key)..=VersionKey::latest(&function.key)
            };
            snapshot.range::<VersionRow>(range)
        });
        let page = listing.page(versions, |row| listing_key(row));
        let shown = page.items.iter().map(|row| {
            let key = row.version_key();
            let arn = if all { key.qualified_arn() } else { key.arn() };
            render::function_configuration(row, arn)
        });
        Ok(ListFunctionsResponse { functions: Some(shown.collect()), next_marker: page.next })
    }
}

/// The caller's functions from the one on that a listing's marker names.
fn functions_after<'a>(
    call: &Call,
    snapshot: &'a Snapshot,
    listing: &Listing,
) -> impl Iterator<Item = Arc<FunctionRow>> + 'a {
    let all = FunctionKey::all(&call.account, &call.region);
    let first = match listing.after.as_deref().and_then(|after| after.split(' ').next()) {
        Some(name) => FunctionKey::new(&call.account, &call.region, name),
        None => all.start().clone(),
    };
    snapshot.range::<FunctionRow>(first..=all.end().clone())
}

/// `NAME NUMBER`; a blank sorts before all that names may hold.
fn listing_key(row: &VersionRow) -> String {
    let number = match row.version {
        Version::Latest => 0,
        Version::Number(number) => number,
    };
    format!("{} {}", row.function.name, sortable(number))
}

/// AWS docs: *Lambda API Reference > DeleteFunction*.
impl Command<DeleteFunction> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteFunction>,
    ) -> Answer<DeleteFunction> {
        let (account, region) = (&call.account, &call.region);
        let qualifier = input.qualifier.as_deref();
        let (key, qualifier) =
            function_and_qualifier(account, region, &input.function_name, qualifier)?;
        let function = find_function(tx, &key)?;
        match qualifier.as_deref().map(Qualifier::parse) {
            None => remove_all(tx, &function.key),
            Some(Qualifier::Version(version)) => remove_version(tx, &key, version)?,
            Some(Qualifier::Alias(_)) => {
                let text = "Deletion of aliases is not currently supported.";
                return Err(Refusal::invalid(text).into());
            }
        }
        Ok(DeleteFunctionResponse { status_code: Some(204) })
    }
}

fn remove_version(tx: &mut Tx, key: &FunctionKey, version: Version) -> Result<(), Refusal> {
    if version == Version::Latest {
        return Err(Refusal::invalid(
            "$LATEST version cannot be deleted without deleting the function.",
        ));
    }
    let at = VersionKey { function: key.clone(), version };
    let uses =
        |alias: &Arc<AliasRow>| alias.version == version || alias.weights.contains_key(&version);
    let aliases: Vec<String> = tx
        .range::<AliasRow>(QualifiedKey::all(key))
        .filter(uses)
        .map(|alias| alias.name.clone())
        .collect();
    if !aliases.is_empty() {
        return Err(Refusal::ResourceConflict(format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            aliases.join(", ")
        )));
    }
    // Removing what is not there succeeds, as on AWS.
    code_storage::remove_version(tx, &at);
    remove_qualifier(tx, &QualifiedKey::new(key, Some(&version.to_string())));
    Ok(())
}

/// Removes all that hangs on a qualifier.
pub(super) fn remove_qualifier(tx: &mut Tx, key: &QualifiedKey) {
    tx.remove::<FunctionPolicyRow>(key);
    tx.remove::<UrlRow>(key);
    tx.remove::<EventInvokeRow>(key);
    tx.remove::<ProvisionedRow>(key);
}

fn remove_all(tx: &mut Tx, key: &FunctionKey) {
    let versions: Vec<VersionKey> =
        tx.range::<VersionRow>(VersionKey::all(key)).map(|row| row.version_key()).collect();
    let aliases: Vec<QualifiedKey> = tx
        .range::<AliasRow>(QualifiedKey::all(key))
        .map(|alias| QualifiedKey::new(key, Some(&alias.name)))
        .collect();
    remove_qualifier(tx, &QualifiedKey::new(key, None));
    for alias in &aliases {
        remove_qualifier(tx, alias);
        tx.remove::<AliasRow>(alias);
    }
    for version in &versions {
        remove_qualifier(tx, &QualifiedKey::new(key, Some(&version.version.to_string())));
        code_storage::remove_version(tx, version);
    }
    tx.remove::<FunctionRow>(key);
}
