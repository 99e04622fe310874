//! All that a room may touch.

use std::sync::{Arc, OnceLock, Weak};

use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_substrate::Substrate;
use haar_types::{Region, RequestId};
use haar_wire::{AwsError, Operation};

use crate::targets::Targets;
use crate::{Answer, Call, Kernel, Meter, Outbox, Peeks, Principal, Settings};

/// All that a room may touch. Cheap to clone; every room gets the same.
#[derive(Clone)]
pub struct Doors {
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub ids: IdSource,
    /// Control state.
    pub ledger: Ledger,
    /// Customer records.
    pub kv: Kv,
    /// Customer bytes.
    pub blobs: Blobs,
    /// What runs things.
    pub substrate: Arc<dyn Substrate>,
    /// The bill.
    pub meter: Arc<dyn Meter>,
    /// What the operator chose.
    pub settings: Arc<Settings>,
    /// The neighbours' facts.
    pub peeks: Peeks,
    /// Events for the neighbours.
    pub outbox: Outbox,
    /// The neighbours' resources that take what is sent to them.
    pub targets: Targets,
    kernel: Arc<OnceLock<Weak<Kernel>>>,
}

/// The parts that [`Doors`] are made of.
pub struct DoorParts {
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub ids: IdSource,
    /// Control state.
    pub ledger: Ledger,
    /// Customer records.
    pub kv: Kv,
    /// Customer bytes.
    pub blobs: Blobs,
    /// What runs things.
    pub substrate: Arc<dyn Substrate>,
    /// The bill.
    pub meter: Arc<dyn Meter>,
    /// What the operator chose.
    pub settings: Settings,
}

impl Doors {
    /// Opens the doors, with no neighbours behind them yet.
    pub fn new(parts: DoorParts) -> Self {
        Self {
            clock: parts.clock,
            ids: parts.ids,
            ledger: parts.ledger,
            kv: parts.kv,
            blobs: parts.blobs,
            substrate: parts.substrate,
            meter: parts.meter,
            settings: Arc::new(parts.settings),
            peeks: Peeks::default(),
            outbox: Outbox::default(),
            targets: Targets::default(),
            kernel: Arc::default(),
        }
    }

    /// Calls a neighbour's operation as `principal`, through the same authorisation as a
    /// request from outside, in the principal's account and `region`.
    ///
    /// # Errors
    /// The operation's, and an internal failure while haar stops.
    pub async fn call<O: Operation>(
        &self,
        principal: Arc<Principal>,
        region: &Region,
        input: O::Input,
    ) -> Answer<O> {
        self.kernel()?.call::<O>(principal, region.clone(), input).await
    }

    /// The circumstances of what haar does of itself as `principal`: a call between rooms, a
    /// delivery on its way, a question to the policies.
    pub fn call_as(&self, principal: Arc<Principal>, region: Region) -> Call {
        Call {
            account: principal.account.clone(),
            region,
            request_id: RequestId::new(self.ids.uuid()),
            now: self.clock.now(),
            ids: self.ids.ids(),
            principal,
            auth: self.settings.auth,
            endpoint: self.own_endpoint(),
            source_ip: None,
            user_agent: None,
            referer: None,
            trace: None,
            signature: None,
        }
    }

    pub(crate) fn own_endpoint(&self) -> Arc<str> {
        format!("http://localhost:{}", self.settings.port).into()
    }

    /// The kernel behind these doors, until it is gone.
    pub(crate) fn kernel(&self) -> Result<Arc<Kernel>, AwsError> {
        let kernel = self.kernel.get().and_then(Weak::upgrade);
        kernel.ok_or_else(|| AwsError::internal_failure("haar is stopping"))
    }

    pub(crate) fn attach(&self, kernel: &Arc<Kernel>) {
        let _ = self.kernel.set(Arc::downgrade(kernel)); // a second kernel keeps the first
    }
}
