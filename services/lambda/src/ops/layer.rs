//! Layers.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Flow, Query};
use haar_lambda_contract::model::{
    Architecture, DeleteLayerVersion, GetLayerVersion, GetLayerVersionByArn,
    GetLayerVersionResponse, LayerVersionContentOutput, LayersListItem, ListLayerVersions,
    ListLayerVersionsResponse, ListLayers, ListLayersResponse, PublishLayerVersion,
    PublishLayerVersionResponse, Runtime,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::code::CodeSource;
use super::code_storage;
use super::listing::{Listing, sortable};
use super::permission::no_such_resource;
use crate::render::{known_list, long_time, size};
use crate::rules::names::{layer_key, layer_version_key};
use crate::state::{Code, LayerKey, LayerRow, LayerVersionKey, LayerVersionRow};
use crate::{Lambda, Refusal, render};

/// AWS docs: *Lambda API Reference > PublishLayerVersion*.
impl Flow<PublishLayerVersion> for Lambda {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        mut input: Input<PublishLayerVersion>,
    ) -> Answer<PublishLayerVersion> {
        let source = CodeSource::of_layer(&mut input)?;
        let snapshot = self.doors.ledger.snapshot();
        let fits = |size| self.check_code_storage(&call, &snapshot, size);
        let code = self.take_code(&call, source, fits).await?;
        self.commit(|tx| Ok(publish(&self, &call, tx, input, code)?)).await
    }
}

fn publish(
    room: &Lambda,
    call: &Call,
    tx: &mut Tx,
    input: Input<PublishLayerVersion>,
    code: Code,
) -> Result<PublishLayerVersionResponse, Refusal> {
    let layer = layer_key(&call.account, &call.region, &input.layer_name)?;
    room.check_code_storage(call, tx, code.size)?;
    let present = tx.get::<LayerRow>(&layer).map_or(0, |row| row.version_count);
    let texts = |list: &[Runtime]| list.iter().map(|one| one.as_str().to_owned()).collect();
    let names = |list: &[Architecture]| list.iter().map(|one| one.as_str().to_owned()).collect();
    let row = LayerVersionRow {
        key: LayerVersionKey { layer: layer.clone(), version: present + 1 },
        code,
        description: input.description.unwrap_or_default(),
        license_info: input.license_info,
        runtimes: input.compatible_runtimes.as_deref().map(texts),
        architectures: input.compatible_architectures.as_deref().map(names),
        created_at: call.now,
        statements: Vec::new(),
        revision_id: call.ids.uuid(),
    };
    tx.put(LayerRow { key: layer, version_count: present + 1 });
    code_storage::put_layer_version(tx, row.clone());
    Ok(PublishLayerVersionResponse {
        content: Some(content(room, call, &row)),
        layer_arn: Some(row.key.layer.arn().into()),
        layer_version_arn: Some(row.key.arn().into()),
        description: Some(row.description),
        created_date: Some(long_time(row.created_at)),
        version: Some(size(row.key.version)),
        compatible_runtimes: row.runtimes.as_deref().map(known_list),
        license_info: row.license_info,
        compatible_architectures: row.architectures.as_deref().map(known_list),
    })
}

fn content(room: &Lambda, call: &Call, row: &LayerVersionRow) -> LayerVersionContentOutput {
    LayerVersionContentOutput {
        location: Some(room.downloads.url(call, &row.code.digest)),
        code_sha256: Some(row.code.sha256.clone()),
        code_size: Some(size(row.code.size)),
        ..LayerVersionContentOutput::default()
    }
}

/// AWS docs: *Lambda API Reference > GetLayerVersion*.
impl Query<GetLayerVersion> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetLayerVersion>,
    ) -> Answer<GetLayerVersion> {
        let key = named_version(call, &input.layer_name, input.version_number)?;
        Ok(get(self, call, snapshot, &key)?)
    }
}

/// AWS docs: *Lambda API Reference > GetLayerVersionByArn*.
impl Query<GetLayerVersionByArn> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetLayerVersionByArn>,
    ) -> Answer<GetLayerVersionByArn> {
        let key = layer_version_key(&input.arn).ok_or_else(no_such_resource)?;
        Ok(get(self, call, snapshot, &key)?)
    }
}

fn get(
    room: &Lambda,
    call: &Call,
    snapshot: &Snapshot,
    key: &LayerVersionKey,
) -> Result<GetLayerVersionResponse, Refusal> {
    let row = snapshot.get::<LayerVersionRow>(key).ok_or_else(no_such_resource)?;
    Ok(GetLayerVersionResponse {
        content: Some(content(room, call, &row)),
        layer_arn: Some(key.layer.arn().into()),
        layer_version_arn: Some(key.arn().into()),
        description: Some(row.description.clone()),
        created_date: Some(long_time(row.created_at)),
        version: Some(size(key.version)),
        compatible_runtimes: row.runtimes.as_deref().map(known_list),
        license_info: row.license_info.clone(),
        compatible_architectures: row.architectures.as_deref().map(known_list),
    })
}

/// The layer version that a name and a number mean.
///
/// # Errors
/// When the number is none, or the layer of another region.
pub(super) fn named_version(
    call: &Call,
    name: &str,
    number: i64,
) -> Result<LayerVersionKey, Refusal> {
    let layer = layer_key(&call.account, &call.region, name)?;
    let version = u64::try_from(number).ok().filter(|number| *number > 0);
    let version =
        version.ok_or_else(|| Refusal::invalid("Layer Version Cannot be less than 1."))?;
    Ok(LayerVersionKey { layer, version })
}

/// AWS docs: *Lambda API Reference > DeleteLayerVersion*.
impl Command<DeleteLayerVersion> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteLayerVersion>,
    ) -> Answer<DeleteLayerVersion> {
        let key = named_version(call, &input.layer_name, input.version_number)?;
        // Functions that use it keep it.
        code_storage::remove_layer_version(tx, &key);
        Ok(Default::default())
    }
}

/// Whether a layer version fits what a listing asks for.
fn fits(row: &LayerVersionRow, runtime: Option<Runtime>, on: Option<Architecture>) -> bool {
    let has = |list: &Option<Vec<String>>, wanted: &str| {
        list.as_ref().is_some_and(|list| list.iter().any(|one| one == wanted))
    };
    runtime.is_none_or(|runtime| has(&row.runtimes, runtime.as_str()))
        && on.is_none_or(|on| has(&row.architectures, on.as_str()))
}

/// AWS docs: *Lambda API Reference > ListLayerVersions*. Newest first.
impl Query<ListLayerVersions> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListLayerVersions>,
    ) -> Answer<ListLayerVersions> {
        let layer = layer_key(&call.account, &call.region, &input.layer_name)?;
        let subject = format!("layer-versions/{}", layer.name);
        let listing = Listing::new(call, &subject, input.marker.as_deref(), input.max_items)?;
        let versions = snapshot
            .range::<LayerVersionRow>(LayerVersionKey::all(&layer))
            .rev()
            .filter(|row| fits(row, input.compatible_runtime, input.compatible_architecture));
        let page = listing.page(versions, |row| sortable(u64::MAX - row.key.version));
        let shown = page.items.iter().map(|row| render::layer_version(row)).collect();
        Ok(ListLayerVersionsResponse { layer_versions: Some(shown), next_marker: page.next })
    }
}

/// AWS docs: *Lambda API Reference > ListLayers*.
impl Query<ListLayers> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListLayers>,
    ) -> Answer<ListLayers> {
        let listing = Listing::new(call, "layers", input.marker.as_deref(), input.max_items)?;
        let layers = snapshot.range::<LayerRow>(LayerKey::all(&call.account, &call.region));
        let latest = layers.filter_map(|layer| {
            snapshot
                .range::<LayerVersionRow>(LayerVersionKey::all(&layer.key))
                .rev()
                .find(|row| fits(row, input.compatible_runtime, input.compatible_architecture))
        });
        let page = listing.page(latest, |row| row.key.layer.name.clone());
        let shown = page.items.iter().map(|row| LayersListItem {
            layer_name: Some(row.key.layer.name.clone()),
            layer_arn: Some(row.key.layer.arn().into()),
            latest_matching_version: Some(render::layer_version(row)),
        });
        Ok(ListLayersResponse { layers: Some(shown.collect()), next_marker: page.next })
    }
}
