//! What nobody has here: devices and certificates to prove oneself by, providers of other
//! identities. Lists of them are asked for where users are deleted or accounts are looked over.

use haar_iam_contract::{
    ListMFADevices, ListMFADevicesRequest, ListMFADevicesResponse, ListOpenIDConnectProviders,
    ListOpenIDConnectProvidersRequest, ListOpenIDConnectProvidersResponse, ListSAMLProviders,
    ListSAMLProvidersRequest, ListSAMLProvidersResponse, ListSSHPublicKeys,
    ListSSHPublicKeysRequest, ListSSHPublicKeysResponse, ListServerCertificates,
    ListServerCertificatesRequest, ListServerCertificatesResponse, ListServiceSpecificCredentials,
    ListServiceSpecificCredentialsRequest, ListServiceSpecificCredentialsResponse,
    ListSigningCertificates, ListSigningCertificatesRequest, ListSigningCertificatesResponse,
    ListVirtualMFADevices, ListVirtualMFADevicesRequest, ListVirtualMFADevicesResponse,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_wire::AwsError;

use crate::Iam;
use crate::lookup::find_user;

/// Refuses a user that is named and not there.
fn check_user(call: &Call, snapshot: &Snapshot, name: Option<&str>) -> Result<(), AwsError> {
    match name {
        Some(name) => find_user(snapshot, &call.account, name).map(|_| ()),
        None => Ok(()),
    }
}

/// An empty list of a user's.
macro_rules! none_of_a_user {
    ($($operation:ident, $input:ident, $output:ident, $list:ident: $empty:expr;)+) => {$(
        impl Query<$operation> for Iam {
            fn query(
                &self,
                call: &Call,
                snapshot: &Snapshot,
                input: $input,
            ) -> Answer<$operation> {
                check_user(call, snapshot, input.user_name.as_deref())?;
                Ok($output { $list: $empty, is_truncated: Some(false), ..Default::default() })
            }
        }
    )+};
}

/// An empty list of an account's.
macro_rules! none_of_an_account {
    ($($operation:ident, $input:ident, $output:ident { $($member:ident: $value:expr),+ };)+) => {$(
        impl Query<$operation> for Iam {
            fn query(
                &self,
                _call: &Call,
                _snapshot: &Snapshot,
                _input: $input,
            ) -> Answer<$operation> {
                Ok($output { $($member: $value,)+ })
            }
        }
    )+};
}

none_of_a_user! {
    ListMFADevices, ListMFADevicesRequest, ListMFADevicesResponse, mfa_devices: Vec::new();
    ListSSHPublicKeys, ListSSHPublicKeysRequest, ListSSHPublicKeysResponse,
        ssh_public_keys: Some(Vec::new());
    ListSigningCertificates, ListSigningCertificatesRequest, ListSigningCertificatesResponse,
        certificates: Vec::new();
    ListServiceSpecificCredentials, ListServiceSpecificCredentialsRequest,
        ListServiceSpecificCredentialsResponse, service_specific_credentials: Some(Vec::new());
}

none_of_an_account! {
    ListVirtualMFADevices, ListVirtualMFADevicesRequest, ListVirtualMFADevicesResponse {
        virtual_mfa_devices: Vec::new(), is_truncated: Some(false), marker: None
    };
    ListServerCertificates, ListServerCertificatesRequest, ListServerCertificatesResponse {
        server_certificate_metadata_list: Vec::new(), is_truncated: Some(false), marker: None
    };
    ListOpenIDConnectProviders, ListOpenIDConnectProvidersRequest,
        ListOpenIDConnectProvidersResponse { open_id_connect_provider_list: Some(Vec::new()) };
    ListSAMLProviders, ListSAMLProvidersRequest, ListSAMLProvidersResponse {
        saml_provider_list: Some(Vec::new())
    };
}
