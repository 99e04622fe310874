//! The room: its doors, what it keeps in memory, what the gate must know of its resources.

mod keys;

use std::sync::{Arc, OnceLock};

use haar_courier::{Courier, CourierError, CourierSettings, Porter};
use haar_events_contract::destinations::ApiDestinations;
use haar_events_contract::model::SERVICE;
use haar_kernel::targets::Sender;
use haar_kernel::{Auth, Call, DataKey, Doors, Principal, Question, Room, resource_tags};
use haar_kv::KvError;
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar};
use haar_wire::{AwsError, OperationSchema, ServiceSchema, Shape, structures, text_member};

use crate::archive::Archived;
use crate::controllers::{Archives, Replays};
use crate::delivery::{Delivery, Destinations, Http};
use crate::lookup::get_bus;
use crate::matching::Compiled;
use crate::measure::Measure;
use crate::offer::BusTarget;
use crate::refusal::not_kept;
use crate::service_events::ServiceEvents;
use crate::state::{BusKey, RuleKey};

/// The room.
pub struct Events {
    pub(crate) doors: Doors,
    pub(crate) compiled: Compiled,
    pub(crate) measure: Measure,
    pub(crate) archived: Archived,
    pub(crate) http: Http,
    pub(crate) key: DataKey,
    courier: OnceLock<Courier>,
}

impl Events {
    /// Opens the room and offers its buses to those who send to them.
    ///
    /// # Errors
    /// When kv does not open the archived events.
    pub fn open(doors: &Doors, key: DataKey) -> Result<Arc<Self>, KvError> {
        let room = Arc::new(Self {
            doors: doors.clone(),
            compiled: Compiled::default(),
            measure: Measure::new(doors.peeks.clone()),
            archived: Archived::open(&doors.kv, doors.ids.clone())?,
            http: Http::default(),
            key,
            courier: OnceLock::new(),
        });
        doors.targets.offer("events", Arc::new(BusTarget(Arc::downgrade(&room))));
        let destinations = Arc::new(Destinations(Arc::downgrade(&room)));
        doors.peeks.offer::<dyn ApiDestinations>(destinations);
        doors.outbox.listen("events.bus", Arc::new(ServiceEvents(Arc::downgrade(&room))));
        Ok(room)
    }

    /// Begins to carry what is to be delivered, also what was left. Once all targets are offered.
    ///
    /// # Errors
    /// When the deliveries that were left cannot be read.
    pub fn start(self: &Arc<Self>) -> Result<(), CourierError> {
        let porter = Porter::<Delivery>::of(self);
        let (kv, clock) = (&self.doors.kv, self.doors.clock.clone());
        let settings = CourierSettings::default();
        let courier = Courier::open(kv, clock, "events.delivery", porter, settings)?;
        let _ = self.courier.set(courier); // a second start keeps the first courier
        Ok(())
    }

    /// The controller that removes archived events.
    pub fn archives(self: &Arc<Self>) -> Arc<Archives> {
        Arc::new(Archives(Arc::clone(self)))
    }

    /// The controller that replays archived events.
    pub fn replays(self: &Arc<Self>) -> Arc<Replays> {
        Arc::new(Replays(Arc::clone(self)))
    }

    /// Hands metrics over that wait; to be called before haar ends.
    pub fn flush(&self) {
        self.measure.flush();
    }

    /// Forgets what it keeps in memory, for a reset.
    ///
    /// # Errors
    /// When the deliveries cannot be removed.
    pub fn reset(&self) -> Result<(), AwsError> {
        self.compiled.clear();
        self.http.clear();
        self.courier()?.clear().map_err(not_kept)
    }

    pub(crate) fn courier(&self) -> Result<&Courier, AwsError> {
        self.courier.get().ok_or_else(|| AwsError::internal_failure("haar is starting"))
    }

    /// Whether a sender may put an event of a source and a detail type onto a bus.
    pub(crate) fn admit(
        &self,
        sender: &Sender,
        bus: &BusKey,
        (source, detail_type): (&str, &str),
    ) -> Result<(), AwsError> {
        let is_own = sender.principal.account == bus.account;
        let is_service =
            matches!(sender.principal.identity, haar_policy::Principal::Service { .. });
        if self.doors.settings.auth == Auth::Permissive || (is_own && is_service) {
            return Ok(());
        }
        let call = self.doors.call_as(of_account(&sender.principal), bus.region.clone());
        let (arn, snapshot) = (bus.arn(), self.doors.ledger.snapshot());
        let policy = self.resource_policy(&call, &snapshot, &arn);
        let mut keys = self.resource_keys(&call, &snapshot, &arn);
        for (key, value) in [("events:source", source), ("events:detail-type", detail_type)] {
            keys.push((key.to_owned(), vec![value.to_owned()]));
        }
        let question = Question { action: "events:PutEvents", resource: &arn, policy, keys: &keys };
        self.doors.authorise(&call, &question)
    }
}

/// Whom policies are asked about: a service without a role sends on behalf of its account.
/// AWS docs: *Permissions for event buses*.
fn of_account(principal: &Arc<Principal>) -> Arc<Principal> {
    if !matches!(principal.identity, haar_policy::Principal::Service { .. }) {
        return Arc::clone(principal);
    }
    let mut root = Principal::root(principal.account.clone());
    root.session_keys = principal.session_keys.clone();
    Arc::new(root)
}

impl Room for Events {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    /// The ARNs of what a call names: buses of events that are put, rules, or what has tags.
    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        let text = |member: &str| text_member(input, member);
        match operation.name {
            "PutEvents" => {
                let entries = structures(input, "Entries").into_iter();
                let bus = |entry| BusKey::read(call, text_member(entry, "EventBusName").as_deref());
                let mut buses: Vec<String> = entries.map(|entry| bus(entry).arn()).collect();
                buses.sort();
                buses.dedup();
                buses
            }
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                text("ResourceARN").into_iter().collect()
            }
            "ListRules" | "TestEventPattern" => vec!["*".to_owned()],
            "CreateEventBus" | "DeleteEventBus" | "DescribeEventBus" | "UpdateEventBus" => {
                vec![BusKey::read(call, text("Name").as_deref()).arn()]
            }
            "PutPermission" | "RemovePermission" => {
                vec![BusKey::read(call, text("EventBusName").as_deref()).arn()]
            }
            name if name.contains("Rule") || name.contains("Target") => {
                let bus = BusKey::read(call, text("EventBusName").as_deref());
                let name = text("Name").or_else(|| text("Rule")).unwrap_or_else(|| "*".to_owned());
                vec![RuleKey { bus, name }.arn()]
            }
            _ => vec![crate::ops::resource(call, operation.name, input)],
        }
    }

    fn resource_policy(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Option<Arc<Document>> {
        let bus =
            BusKey::of_arn(resource).or_else(|| RuleKey::of_arn(resource).map(|rule| rule.bus))?;
        let row = get_bus(snapshot, &bus)?;
        let document = Document::parse(row.policy.as_ref()?, Grammar::Resource);
        document
            .inspect_err(|error| tracing::error!(%error, "a bus's policy is broken"))
            .ok()
            .map(Arc::new)
    }

    fn condition_keys(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        keys::of_call(operation.name, input)
    }

    fn resource_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let tags = crate::ops::tags_of(snapshot, call, resource).unwrap_or_default();
        let mut keys = resource_tags(&tags);
        keys.extend(keys::of_rule(call, snapshot, resource));
        keys
    }
}
