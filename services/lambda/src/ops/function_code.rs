//! A function's code, changed.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_lambda_contract::model::{FunctionConfiguration, UpdateFunctionCode};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::code::CodeSource;
use super::code_signing;
use super::code_storage::{holds, put_version};
use super::version::publish;
use crate::lookup::{check_revision, check_settled, find_unqualified, find_version};
use crate::rules::settings;
use crate::state::{Build, Code, FunctionRow, FunctionState, UpdateStatus, VersionKey, VersionRow};
use crate::{Lambda, Refusal, render};

/// AWS docs: *Lambda API Reference > UpdateFunctionCode*.
impl Flow<UpdateFunctionCode> for Lambda {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        mut input: Input<UpdateFunctionCode>,
    ) -> Answer<UpdateFunctionCode> {
        let snapshot = self.doors.ledger.snapshot();
        let name = &input.function_name;
        let function = find_unqualified(&snapshot, &call.account, &call.region, name)?;
        let latest = find_version(&snapshot, &VersionKey::latest(&function.key))?;
        let source = CodeSource::of_update(&self, &mut input, &latest.settings.package_type)?;
        // one of the same size may be the same: its digest tells when it is unpacked
        let is_trial = input.dry_run == Some(true);
        let fits = |size| match is_trial || has_of_size(&snapshot, &function, size) {
            true => Ok(()),
            false => self.check_code_storage(&call, &snapshot, size),
        };
        let code = self.take_code(&call, source, fits).await?;
        self.commit(|tx| Ok(update(&self, &call, tx, &input, code)?)).await
    }
}

/// Whether one of a function's versions has code of this size.
fn has_of_size(snapshot: &Snapshot, function: &FunctionRow, size: u64) -> bool {
    let mut versions = snapshot.range::<VersionRow>(VersionKey::all(&function.key));
    versions.any(|row| row.code.size == size)
}

fn update(
    room: &Lambda,
    call: &Call,
    tx: &mut Tx,
    input: &Input<UpdateFunctionCode>,
    code: Code,
) -> Result<FunctionConfiguration, Refusal> {
    let function = find_unqualified(tx, &call.account, &call.region, &input.function_name)?;
    let latest = find_version(tx, &VersionKey::latest(&function.key))?;
    let verbs = "GetFunction/GetAlias";
    check_revision(input.revision_id.as_deref(), &latest.revision_id, verbs)?;
    check_settled(&latest)?;
    if input.dry_run != Some(true) && !holds(tx, &function.key, &code.sha256) {
        room.check_code_storage(call, tx, code.size)?;
    }
    code_signing::check_code(tx, &function.key, function.code_signing.as_ref())?;
    let mut settings = latest.settings.clone();
    if let Some([architecture, ..]) = input.architectures.as_deref() {
        settings.architecture = architecture.as_str().to_owned();
    }
    settings::check_unzipped(code.unzipped_size, &settings)?;
    let is_image = code.image.is_some();
    let row = VersionRow {
        replaced: (is_image && latest.state == FunctionState::Active).then(|| Build {
            code: latest.code.clone(),
            architecture: latest.settings.architecture.clone(),
            build_id: latest.build_id.clone(),
        }),
        code,
        settings,
        last_update: Some(UpdateStatus::InProgress),
        revision_id: call.ids.uuid(),
        build_id: call.ids.uuid(),
        last_modified_at: call.now,
        ..VersionRow::clone(&latest)
    };
    let mut shown = Arc::new(row.clone());
    if input.dry_run != Some(true) {
        put_version(tx, row.clone());
        if input.publish == Some(true) {
            shown = publish(call, tx, &row, None)?;
        }
    }
    Ok(render::function_configuration(&shown, shown.version_key().arn()))
}
