//! The room: its doors, its key, what the gate must know of its resources.

use std::sync::Arc;

use haar_iam_contract::model::SERVICE;
use haar_kernel::{Auth, Call, DataKey, Doors, Room, request_tags};
use haar_ledger::{LedgerError, Row, Snapshot};
use haar_policy::{Document, Grammar};
use haar_types::AccountId;
use haar_wire::{Json, OperationSchema, ServiceSchema, Shape, json_member, text_member};

use crate::last_uses::Uses;
use crate::lookup::find_mfa;
use crate::ops::oidc_provider::find_oidc;
use crate::ops::saml_provider::find_saml;
use crate::rules::{Parsed, mint_access_key_id, mint_secret};
use crate::sessions::Sealer;
use crate::state::{
    AccessKeyRow, AccountRow, GroupRow, InstallRow, InstanceProfileRow, KeyOwner, MfaRow, Named,
    Owned, RoleRow, ServerCertificateRow, UserRow, owned,
};

/// IAM's room. It is also the kernel's [`Identities`](haar_kernel::Identities) and the other
/// rooms' [`IamPeek`](haar_iam_contract::peek::IamPeek).
pub struct Iam {
    pub(crate) doors: Doors,
    pub(crate) parsed: Parsed,
    pub(crate) sealer: Sealer,
    /// What identities asked for of late.
    pub(crate) uses: Uses,
    /// Seals the seeds of MFA devices and the private keys of server certificates and SAML
    /// providers.
    pub(crate) key: DataKey,
    install: InstallRow,
}

/// A root user's access key, shown once.
#[derive(Debug)]
pub struct RootKey {
    /// The account.
    pub account: AccountId,
    /// `AKIA…`.
    pub access_key_id: String,
    /// What it signs with.
    pub secret_access_key: String,
}

impl Iam {
    /// Opens the room; the first start of an installation makes its key.
    pub fn new(doors: Doors, key: DataKey) -> Self {
        let install = doors.ledger.snapshot().get::<InstallRow>(&());
        let install = install.map_or_else(
            || {
                let mut session_key = [0; 32];
                doors.ids.fill(&mut session_key);
                InstallRow { session_key }
            },
            |row| InstallRow::clone(&row),
        );
        let sealer = Sealer::new(&install.session_key);
        let (parsed, uses) = (Parsed::default(), Uses::default());
        let iam = Self { doors, parsed, sealer, uses, key, install };
        iam.keep_install_key();
        iam
    }

    /// Writes the installation's key unless it is there: at the first start, after a reset.
    pub(crate) fn keep_install_key(&self) {
        if self.doors.ledger.snapshot().contains::<InstallRow>(&()) {
            return;
        }
        let written = self.doors.ledger.transact(|tx| -> Result<(), LedgerError> {
            tx.put(self.install.clone());
            Ok(())
        });
        if let Err(error) = written {
            tracing::error!(%error, "the key of session tokens was not kept");
        }
    }

    /// Writes again what a reset removed and the installation needs.
    pub fn after_reset(&self) {
        self.uses.forget();
        self.keep_install_key();
    }

    /// In `enforce` mode, makes the root user's key of the default account if there is none,
    /// and returns it for the operator: it is never shown again. In every mode the
    /// installation's key is on disk afterwards. Blocking.
    ///
    /// # Errors
    /// When the ledger cannot write.
    pub fn ensure_root_key(&self) -> Result<Option<RootKey>, LedgerError> {
        self.doors.ledger.flush();
        let settings = &self.doors.settings;
        let owner = format!("{}|", settings.account);
        let snapshot = self.doors.ledger.snapshot();
        let known = snapshot.by_index::<AccessKeyRow>("owner", &owner).next();
        if settings.auth == Auth::Permissive || known.is_some() {
            return Ok(None);
        }
        let ids = self.doors.ids.ids();
        let row = AccessKeyRow {
            id: mint_access_key_id(&ids, "AKIA", &settings.account),
            account: settings.account.clone(),
            owner: KeyOwner::Root,
            secret: mint_secret(&ids),
            is_active: true,
            created_at: self.doors.clock.now(),
        };
        let key = RootKey {
            account: row.account.clone(),
            access_key_id: row.id.clone(),
            secret_access_key: row.secret.clone(),
        };
        let written = self.doors.ledger.transact(|tx| -> Result<(), LedgerError> {
            tx.put(row);
            Ok(())
        });
        written?.wait()?;
        Ok(Some(key))
    }
}

impl Room for Iam {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    /// The template's name replaced by the ARN with its path: the row's, or that of the row
    /// to be made.
    fn resources(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        let about = About { call, snapshot, input };
        let arn = match operation.resource {
            it if it.ends_with("{UserName}") => about.arn::<UserRow>("UserName"),
            it if it.ends_with("{GroupName}") => about.arn::<GroupRow>("GroupName"),
            it if it.ends_with("{RoleName}") => about.arn::<RoleRow>("RoleName"),
            it if it.ends_with("{InstanceProfileName}") => {
                about.arn::<InstanceProfileRow>("InstanceProfileName")
            }
            it if it.ends_with("{PolicyName}") => {
                let path = text_member(input, "Path").unwrap_or_else(|| "/".to_owned());
                let name = text_member(input, "PolicyName").unwrap_or_default();
                format!("arn:aws:iam::{}:policy{path}{name}", call.account)
            }
            it if it.ends_with("{ServerCertificateName}") => {
                about.arn::<ServerCertificateRow>("ServerCertificateName")
            }
            it if it.ends_with(":saml-provider/{Name}") => {
                let name = text_member(input, "Name").unwrap_or_default();
                format!("arn:aws:iam::{}:saml-provider/{name}", call.account)
            }
            it if it.ends_with("{VirtualMFADeviceName}") => {
                about.arn::<MfaRow>("VirtualMFADeviceName")
            }
            it if it.contains("{AWSServiceName}") => {
                let service = text_member(input, "AWSServiceName").unwrap_or_default();
                format!("arn:aws:iam::{}:role/aws-service-role/{service}/*", call.account)
            }
            it if it.starts_with("arn:") => it.replace("{account}", call.account.as_str()),
            // a device that is none of ours may have any serial number
            "{SerialNumber}" => text_member(input, "SerialNumber")
                .filter(|serial| serial.starts_with("arn:"))
                .unwrap_or_else(|| format!("arn:aws:iam::{}:mfa/*", call.account)),
            "{Url}" => {
                let url = text_member(input, "Url").unwrap_or_default();
                let name = crate::rules::issuers::name_of(&url);
                format!("arn:aws:iam::{}:oidc-provider/{name}", call.account)
            }
            "{AccessKeyId}" => about.owner_of_key(),
            "{OpenIDConnectProviderArn}"
            | "{SAMLProviderArn}"
            | "{PolicyArn}"
            | "{PolicySourceArn}"
            | "{Arn}" => {
                let member = operation.resource.trim_matches(['{', '}']);
                text_member(input, member).unwrap_or_default()
            }
            _ => "*".to_owned(),
        };
        vec![arn]
    }

    /// An account whose users may change their passwords lets each of them do so. AWS docs: *IAM
    /// API Reference > PasswordPolicy > AllowUsersToChangePassword*.
    fn resource_policy(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Option<Arc<Document>> {
        let haar_policy::Principal::User { arn, account, .. } = &call.principal.identity else {
            return None;
        };
        let action = match resource {
            "*" => "iam:GetAccountPasswordPolicy",
            own if own == arn => "iam:ChangePassword",
            _ => return None,
        };
        let policy = snapshot.get::<AccountRow>(account)?.password_policy.clone()?;
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{arn}"}},"Action":"{action}","Resource":"*"}}]}}"#
        );
        let document = || Document::parse(&text, Grammar::Resource).ok().map(Arc::new);
        policy.users_may_change.then(document)?
    }

    fn condition_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        let mut keys = Vec::new();
        let members = [
            ("PolicyArn", "iam:PolicyARN"),
            ("PermissionsBoundary", "iam:PermissionsBoundary"),
            ("AWSServiceName", "iam:AWSServiceName"),
        ];
        for (member, key) in members {
            if let Some(value) = text_member(input, member) {
                keys.push((key.to_owned(), vec![value]));
            }
        }
        let about = About { call, snapshot, input };
        if let Some(boundary) = about.boundary(operation.name) {
            keys.push(("iam:PermissionsBoundary".to_owned(), vec![boundary]));
        }
        for (tag, value) in about.resource_tags(operation.resource) {
            for stem in ["aws:ResourceTag", "iam:ResourceTag"] {
                keys.push((format!("{stem}/{tag}"), vec![value.clone()]));
            }
        }
        keys.extend(request_tags(&json_member(input, "Tags"), &Json::Null));
        keys
    }
}

/// One call's circumstances.
struct About<'a> {
    call: &'a Call,
    snapshot: &'a Snapshot,
    input: &'a dyn Shape,
}

impl About<'_> {
    /// The row that a member names, or the caller's own for a user that is not named.
    fn key(&self, member: &str) -> Option<Owned> {
        let name =
            text_member(self.input, member).or_else(|| match &self.call.principal.identity {
                haar_policy::Principal::User { name, .. } if member == "UserName" => {
                    Some(name.clone())
                }
                _ => None,
            })?;
        Some(owned(&self.call.account, &name))
    }

    fn arn<R: Named>(&self, member: &str) -> String {
        let stem = format!("arn:aws:iam::{}:{}", self.call.account, R::KIND);
        let Some(key) = self.key(member) else { return format!("{stem}/*") };
        if let Some(row) = self.snapshot.get::<R>(&key) {
            return row.arn();
        }
        let path = text_member(self.input, "Path").unwrap_or_else(|| "/".to_owned());
        let name = text_member(self.input, member).unwrap_or(key.1);
        format!("{stem}{path}{name}")
    }

    /// The user, or the root, whose access key is named.
    fn owner_of_key(&self) -> String {
        let id = text_member(self.input, "AccessKeyId").unwrap_or_default();
        let account = &self.call.account;
        let key = self.snapshot.get::<AccessKeyRow>(&id).filter(|key| key.account == *account);
        match key.map(|key| key.owner.clone()) {
            Some(KeyOwner::Root) => format!("arn:aws:iam::{account}:root"),
            Some(KeyOwner::User(name)) => {
                let user = self.snapshot.get::<UserRow>(&owned(account, &name));
                user.map(|user| user.arn())
                    .unwrap_or_else(|| format!("arn:aws:iam::{account}:user/{name}"))
            }
            None => format!("arn:aws:iam::{account}:user/*"),
        }
    }

    /// The boundary of the user or role whose policies an operation changes. AWS docs: *Service
    /// Authorization Reference > Actions, resources, and condition keys for AWS IAM*.
    fn boundary(&self, operation: &str) -> Option<String> {
        match operation {
            "AttachUserPolicy"
            | "DetachUserPolicy"
            | "PutUserPolicy"
            | "DeleteUserPolicy"
            | "DeleteUserPermissionsBoundary" => {
                self.snapshot.get::<UserRow>(&self.key("UserName")?)?.boundary.clone()
            }
            "AttachRolePolicy"
            | "DetachRolePolicy"
            | "PutRolePolicy"
            | "DeleteRolePolicy"
            | "DeleteRolePermissionsBoundary" => {
                self.snapshot.get::<RoleRow>(&self.key("RoleName")?)?.boundary.clone()
            }
            _ => None,
        }
    }

    fn resource_tags(&self, template: &str) -> haar_types::Tags {
        fn row<R: Row<Key = Owned>>(about: &About<'_>, member: &str) -> Option<std::sync::Arc<R>> {
            about.snapshot.get::<R>(&about.key(member)?)
        }
        let tags = match template {
            it if it.ends_with("{UserName}") => {
                row::<UserRow>(self, "UserName").map(|row| row.tags.clone())
            }
            it if it.ends_with("{RoleName}") => {
                row::<RoleRow>(self, "RoleName").map(|row| row.tags.clone())
            }
            it if it.ends_with("{InstanceProfileName}") => {
                row::<InstanceProfileRow>(self, "InstanceProfileName").map(|row| row.tags.clone())
            }
            "{OpenIDConnectProviderArn}" => {
                let arn = text_member(self.input, "OpenIDConnectProviderArn").unwrap_or_default();
                let row = find_oidc(self.snapshot, &self.call.account, &arn);
                row.ok().map(|row| row.tags.clone())
            }
            it if it.ends_with("{ServerCertificateName}") => {
                let row = row::<ServerCertificateRow>(self, "ServerCertificateName");
                row.map(|row| row.tags.clone())
            }
            "{SAMLProviderArn}" => {
                let arn = text_member(self.input, "SAMLProviderArn").unwrap_or_default();
                let row = find_saml(self.snapshot, &self.call.account, &arn);
                row.ok().map(|row| row.tags.clone())
            }
            "{SerialNumber}" => {
                let serial = text_member(self.input, "SerialNumber").unwrap_or_default();
                let row = find_mfa(self.snapshot, &self.call.account, &serial);
                row.ok().map(|row| row.tags.clone())
            }
            _ => None,
        };
        tags.unwrap_or_default()
    }
}
