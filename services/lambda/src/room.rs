//! The room: what its handlers share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_blobs::{BlobError, Digest};
use haar_iam_contract::peek::IamPeek;
use haar_kernel::{Auth, Call, Doors, HoldsBlobs, Lanes, unwritten};
use haar_ledger::{Snapshot, Tx};
use haar_substrate::ImageId;
use haar_wire::AwsError;
use parking_lot::Mutex;

use crate::Refusal;
use crate::code::{CodeError, CodeStore, Trash};
use crate::downloads::Downloads;
use crate::fleet::Fleet;
use crate::invoke::Remembered;
use crate::sources::Pollers;
use crate::state::{FunctionKey, LayerVersionRow, VersionRow};

/// AWS Lambda's room: its doors, its code on disk, its fleet.
pub struct Lambda {
    pub(crate) doors: Doors,
    pub(crate) code: CodeStore,
    pub(crate) fleet: Fleet,
    pub(crate) downloads: Downloads,
    pub(crate) remembered: Remembered,
    pub(crate) pollers: Pollers,
    /// What the image store was told last to keep.
    pub(crate) held_images: Mutex<BTreeSet<ImageId>>,
}

impl Lambda {
    /// The room behind its doors; code is unpacked under the data directory.
    pub fn new(doors: Doors, fleet: Fleet) -> Self {
        let code = CodeStore::new(&doors.settings.data_dir, doors.clock.clone());
        let downloads = Downloads::new(&doors);
        doors.targets.offer("lambda", Arc::new(crate::target::Functions(doors.clone())));
        let (remembered, held_images) = (Remembered::default(), Mutex::default());
        let pollers = Pollers::default();
        Self { doors, code, fleet, downloads, remembered, pollers, held_images }
    }

    /// Every operation in its lane.
    pub fn lanes(lanes: &mut Lanes<Self>) {
        crate::lanes::lanes(lanes);
    }

    /// What runs functions.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Where customers download their code.
    pub fn downloads(&self) -> Downloads {
        self.downloads.clone()
    }

    /// All archives that rows hold, so that others can be swept from the blobs.
    pub fn held_archives(snapshot: &Snapshot) -> BTreeSet<Digest> {
        let mut held = BTreeSet::new();
        for version in snapshot.all::<VersionRow>() {
            if version.code.image.is_none() && version.code.folder.is_none() {
                held.insert(version.code.digest);
            }
            held.extend(version.settings.layers.iter().map(|layer| layer.digest));
        }
        held.extend(snapshot.all::<LayerVersionRow>().map(|layer| layer.code.digest));
        held
    }

    /// Puts unpacked code aside that no row holds, and unpacks again what is missing, or may be
    /// torn since the machine went down. Call before anything is served: code that is being taken
    /// in has no row yet.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn restore_code(&self) -> std::io::Result<Trash> {
        let held = Self::held_archives(&self.doors.ledger.snapshot());
        let keep = match self.code.is_from_another_boot() {
            true => BTreeSet::new(),
            false => self.directories(&held),
        };
        let trash = self.code.sweep(&keep, Duration::ZERO)?;
        for digest in held {
            if !self.code.directory(&digest.base64()).is_dir()
                && let Err(error) = self.unpack_again(&digest)
            {
                tracing::error!(%error, %digest, "code could not be unpacked again");
            }
        }
        self.code.note_boot()?;
        Ok(trash)
    }

    /// Puts unpacked code aside that no row holds, no environment has, and nobody unpacked or held
    /// in the last sweep less than `grace` ago: whoever did may still be about to say so in a
    /// commit, or to start an environment. Blocking.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn sweep_code(&self, grace: Duration) -> std::io::Result<Trash> {
        let held = Self::held_archives(&self.doors.ledger.snapshot());
        let mut keep = self.directories(&held);
        keep.extend(self.fleet.code_in_use());
        self.code.sweep(&keep, grace)
    }

    fn directories(&self, held: &BTreeSet<Digest>) -> BTreeSet<PathBuf> {
        held.iter().map(|digest| self.code.directory(&digest.base64())).collect()
    }

    fn unpack_again(&self, digest: &Digest) -> Result<(), CodeError> {
        let archive = std::fs::read(self.doors.blobs.path(digest)).map_err(CodeError::Disk)?;
        self.code.unpack(&archive).map(drop)
    }

    /// Where an archive's files are.
    pub(crate) fn unpacked(&self, sha256: &str) -> PathBuf {
        self.code.directory(sha256)
    }

    /// Runs one transaction at the end of a flow, and waits for the disk.
    pub(crate) async fn commit<T>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        let committed = self.doors.ledger.transact(work)?;
        committed.durable().await.map_err(unwritten)
    }

    /// Keeps an archive among the blobs.
    pub(crate) async fn keep_archive(&self, archive: Bytes) -> Result<Digest, AwsError> {
        self.doors.blobs.put(archive).await.map_err(|error: BlobError| {
            tracing::error!(%error, "an archive was not kept");
            AwsError::internal_failure("the code could not be kept")
        })
    }

    /// Refuses an execution role that the caller may not pass, or that Lambda could not assume.
    /// In permissive mode any well-formed ARN will do.
    pub(crate) fn check_role(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        role: &str,
        function: &FunctionKey,
    ) -> Result<(), Refusal> {
        const SERVICE: &str = "lambda.amazonaws.com";
        if self.doors.settings.auth == Auth::Permissive {
            return Ok(());
        }
        let owner = role.split(':').nth(4);
        if owner != Some(call.account.as_str()) {
            let text = "Cross-account pass role is not allowed.";
            return Err(Refusal::AccessDenied(text.to_owned()));
        }
        let Some(iam) = self.doors.peeks.get::<dyn IamPeek>() else { return Ok(()) };
        let passed = iam.may_pass_role(snapshot, &call.principal, role, SERVICE);
        passed.map_err(Refusal::AccessDenied)?;
        let function = function.arn().to_string();
        iam.service_may_assume(snapshot, role, SERVICE, &function).map_err(|_| {
            Refusal::invalid("The role defined for the function cannot be assumed by Lambda.")
        })
    }

    /// Refuses a layer of another account that it does not share. In permissive mode all
    /// accounts share.
    pub(crate) fn check_layer_use(
        &self,
        function: &FunctionKey,
        layer: &LayerVersionRow,
    ) -> Result<(), Refusal> {
        let owner = &layer.key.layer.account;
        if self.doors.settings.auth == Auth::Permissive || *owner == function.account {
            return Ok(());
        }
        let arn = layer.key.arn();
        let root = format!("\"arn:aws:iam::{}:root\"", function.account);
        let is_shared = |json: &str| {
            json.contains(r#""Principal":"*""#) && !json.contains("aws:PrincipalOrgID")
                || json.contains(&root)
        };
        if layer.statements.iter().any(|statement| is_shared(&statement.json)) {
            return Ok(());
        }
        Err(Refusal::AccessDenied(format!(
            "Account {} is not authorized to perform: lambda:GetLayerVersion on resource: {arn} \
             because no resource-based policy allows the lambda:GetLayerVersion action",
            function.account
        )))
    }
}

impl HoldsBlobs for Lambda {
    fn held_blobs(&self, snapshot: &Snapshot, held: &mut BTreeSet<Digest>) {
        held.extend(Self::held_archives(snapshot));
    }
}
