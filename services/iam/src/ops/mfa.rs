//! Virtual MFA devices.

use std::sync::Arc;

use bytes::Bytes;
use haar_iam_contract::{
    AssignmentStatusType, CreateVirtualMFADevice, CreateVirtualMFADeviceRequest,
    CreateVirtualMFADeviceResponse, DeactivateMFADevice, DeactivateMFADeviceOutput,
    DeactivateMFADeviceRequest, DeleteVirtualMFADevice, DeleteVirtualMFADeviceOutput,
    DeleteVirtualMFADeviceRequest, EnableMFADevice, EnableMFADeviceOutput, EnableMFADeviceRequest,
    GetMFADevice, GetMFADeviceRequest, GetMFADeviceResponse, InvalidAuthenticationCodeException,
    ListMFADevices, ListMFADevicesRequest, ListMFADevicesResponse, ListVirtualMFADevices,
    ListVirtualMFADevicesRequest, ListVirtualMFADevicesResponse, MFADevice, ResyncMFADevice,
    ResyncMFADeviceOutput, ResyncMFADeviceRequest, VirtualMFADevice,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::lookup::{find_mfa, find_user, paged, user_of_id, user_or_caller};
use crate::ops::tag::tags_of;
use crate::refusal::{conflict, no_such, quota, taken};
use crate::rules::{MFA_PER_USER_MAX, qr_png, totp};
use crate::state::{MfaHolder, MfaRow, Named as _, OfUser as _, UserRow, owned, rows_of};
use crate::{Iam, render};

fn invalid_code() -> AwsError {
    InvalidAuthenticationCodeException::message("Authentication code for device is not valid.")
        .into()
}

/// A device of a user's.
fn held(
    snapshot: &Snapshot,
    call: &Call,
    user: &UserRow,
    serial: &str,
) -> Result<(MfaRow, MfaHolder), AwsError> {
    let row = find_mfa(snapshot, &call.account, serial)?;
    let holder = row.holder.clone().filter(|holder| holder.user == user.id);
    let missing = || no_such("MFA Device invalid for user.");
    Ok((MfaRow::clone(&row), holder.ok_or_else(missing)?))
}

impl Iam {
    /// A device's seed, opened.
    pub(crate) fn seed_of(&self, device: &MfaRow) -> Result<Vec<u8>, AwsError> {
        let lost = || AwsError::internal_failure("the device's seed cannot be read");
        self.key.open(&device.id, &device.seed).ok_or_else(lost)
    }

    /// A device that is in step from now on.
    fn paired(
        &self,
        call: &Call,
        device: &MfaRow,
        user: &UserRow,
        codes: [&str; 2],
    ) -> Result<MfaHolder, AwsError> {
        let now = totp::step_at(self.doors.clock.machine().now());
        let taken = totp::find_pair(&self.seed_of(device)?, codes, now).ok_or_else(invalid_code)?;
        let (user, enabled_at) = (user.id.clone(), call.now);
        Ok(MfaHolder { user, enabled_at, drift: taken - now, taken })
    }
}

impl Command<CreateVirtualMFADevice> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateVirtualMFADeviceRequest,
    ) -> Answer<CreateVirtualMFADevice> {
        let (account, name) = (call.account.clone(), input.virtual_mfa_device_name);
        if tx.contains::<MfaRow>(&owned(&account, &name)) {
            return Err(taken("MFADevice entity at the same path and name already exists."));
        }
        let seed = totp::mint_seed(&call.ids);
        let mut row = MfaRow {
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            id: String::new(),
            seed: Vec::new(),
            created_at: call.now,
            tags: tags_of(input.tags)?,
            holder: None,
            account,
            name,
        };
        row.id = row.arn();
        row.seed = self.key.seal(&call.ids, &row.id, &seed);
        let link = totp::seed_link(&row.name, call.account.as_str(), &seed);
        let virtual_mfa_device = VirtualMFADevice {
            serial_number: row.id.clone(),
            base32_string_seed: Some(Bytes::from(totp::seed_text(&seed))),
            qr_code_png: qr_png(&link).map(Bytes::from),
            tags: render::some_tags(&row.tags),
            ..VirtualMFADevice::default()
        };
        tx.put(row);
        Ok(CreateVirtualMFADeviceResponse { virtual_mfa_device })
    }
}

impl Command<EnableMFADevice> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: EnableMFADeviceRequest,
    ) -> Answer<EnableMFADevice> {
        let user = find_user(tx, &call.account, &input.user_name)?;
        let row = find_mfa(tx, &call.account, &input.serial_number)?;
        if row.holder.is_some() {
            return Err(taken("MFA Device is already in use."));
        }
        if MfaRow::of_user(tx, &user.id).len() >= MFA_PER_USER_MAX {
            return Err(quota("MFADevicesPerUser", MFA_PER_USER_MAX));
        }
        let codes = [&*input.authentication_code1, &*input.authentication_code2];
        let holder = Some(self.paired(call, &row, &user, codes)?);
        tx.put(MfaRow { holder, ..MfaRow::clone(&row) });
        Ok(EnableMFADeviceOutput {})
    }
}

impl Command<ResyncMFADevice> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ResyncMFADeviceRequest,
    ) -> Answer<ResyncMFADevice> {
        let user = find_user(tx, &call.account, &input.user_name)?;
        let (row, known) = held(tx, call, &user, &input.serial_number)?;
        let codes = [&*input.authentication_code1, &*input.authentication_code2];
        let holder = self.paired(call, &row, &user, codes)?;
        if holder.taken <= known.taken {
            return Err(invalid_code());
        }
        let holder = Some(MfaHolder { enabled_at: known.enabled_at, ..holder });
        tx.put(MfaRow { holder, ..row });
        Ok(ResyncMFADeviceOutput {})
    }
}

impl Command<DeactivateMFADevice> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeactivateMFADeviceRequest,
    ) -> Answer<DeactivateMFADevice> {
        let user = user_or_caller(call, tx, input.user_name.as_deref())?;
        let (row, _) = held(tx, call, &user, &input.serial_number)?;
        tx.put(MfaRow { holder: None, ..row });
        Ok(DeactivateMFADeviceOutput {})
    }
}

impl Command<DeleteVirtualMFADevice> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteVirtualMFADeviceRequest,
    ) -> Answer<DeleteVirtualMFADevice> {
        let row = find_mfa(tx, &call.account, &input.serial_number)?;
        if row.holder.is_some() {
            return Err(conflict("MFA VirtualDevice in use. Must deactivate first."));
        }
        tx.remove::<MfaRow>(&owned(&call.account, &row.name));
        Ok(DeleteVirtualMFADeviceOutput {})
    }
}

impl Query<GetMFADevice> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetMFADeviceRequest,
    ) -> Answer<GetMFADevice> {
        let user = user_or_caller(call, snapshot, input.user_name.as_deref())?;
        let (row, holder) = held(snapshot, call, &user, &input.serial_number)?;
        Ok(GetMFADeviceResponse {
            user_name: Some(user.name.clone()),
            serial_number: row.id,
            enable_date: Some(holder.enabled_at),
            certifications: None,
        })
    }
}

impl Query<ListMFADevices> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListMFADevicesRequest,
    ) -> Answer<ListMFADevices> {
        let user = super::user_of_list(call, snapshot, input.user_name.as_deref())?;
        let rows = user.iter().flat_map(|user| MfaRow::of_user(snapshot, &user.id));
        let page =
            paged(rows, "ListMFADevices", (input.marker, input.max_items), |row| row.id.clone())?;
        let shown = |row: &Arc<MfaRow>| {
            let enable_date = row.holder.as_ref()?.enabled_at;
            let (user_name, serial_number) = (user.as_ref()?.name.clone(), row.id.clone());
            Some(MFADevice { user_name, serial_number, enable_date })
        };
        Ok(ListMFADevicesResponse {
            mfa_devices: page.items.iter().filter_map(shown).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Query<ListVirtualMFADevices> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListVirtualMFADevicesRequest,
    ) -> Answer<ListVirtualMFADevices> {
        let wanted = input.assignment_status.unwrap_or(AssignmentStatusType::Any);
        let rows = rows_of::<MfaRow>(snapshot, &call.account).filter(|row| match wanted {
            AssignmentStatusType::Any => true,
            AssignmentStatusType::Assigned => row.holder.is_some(),
            AssignmentStatusType::Unassigned => row.holder.is_none(),
        });
        let page = paged(rows, "ListVirtualMFADevices", (input.marker, input.max_items), |row| {
            row.name.to_lowercase()
        })?;
        let shown = |row: &Arc<MfaRow>| {
            let holder = row.holder.as_ref();
            let user = holder.and_then(|holder| user_of_id(snapshot, &holder.user));
            VirtualMFADevice {
                serial_number: row.id.clone(),
                user: user.map(|user| render::listed_user(&user)),
                enable_date: holder.map(|holder| holder.enabled_at),
                ..VirtualMFADevice::default()
            }
        };
        Ok(ListVirtualMFADevicesResponse {
            virtual_mfa_devices: page.items.iter().map(shown).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}
