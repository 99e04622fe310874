//! The toy room: `StartEngine` (a command with an idempotency token), `ListEngines` (paged).

use std::sync::Arc;

use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_kernel::{
    Answer, Auth, Call, Command, DoorParts, Doors, Identities, Kernel, KernelBuilder, Lanes,
    Listing, NoMeter, Outbox, Principal, Query, Room, Settings,
};
use haar_kv::Kv;
use haar_ledger::{Ledger, Row, Snapshot, Tables, Tx};
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::{
    AwsError, ErrorStyle, Http, Kind, Lane, ListSchema, Member, Operation, OperationSchema,
    Paginator, Protocol, Schema, ServiceSchema, StructSchema, Tagging, Wording, XmlRoot, shape,
};
use serde::{Deserialize, Serialize};

static TEXT: Schema = Schema::new("Text", Kind::Text);
static NUMBER: Schema = Schema::new("Number", Kind::Integer);
static NAMES: Schema = Schema::new(
    "Names",
    Kind::List(&ListSchema { item: Member::new("member", &TEXT), flattened: false }),
);
static START_IN: Schema = Schema::structure(
    "StartEngineRequest",
    &StructSchema::new(&[
        Member::new("kind", &TEXT).required(),
        Member::new("clientToken", &TEXT).token(),
        Member::new("tags", &NAMES),
    ]),
);
static START_OUT: Schema = Schema::structure(
    "StartEngineResponse",
    &StructSchema::new(&[Member::new("name", &TEXT).required()]),
);
static LIST_IN: Schema = Schema::structure(
    "ListEnginesRequest",
    &StructSchema::new(&[
        Member::new("kind", &TEXT),
        Member::new("maxResults", &NUMBER),
        Member::new("nextToken", &TEXT),
    ]),
);
static LIST_OUT: Schema = Schema::structure(
    "ListEnginesResponse",
    &StructSchema::new(&[Member::new("names", &NAMES).required(), Member::new("nextToken", &TEXT)]),
);

#[derive(Clone, Default)]
pub(crate) struct StartIn {
    pub(crate) kind: String,
    pub(crate) client_token: Option<String>,
    pub(crate) tags: Option<Vec<String>>,
}
shape!(StartIn, START_IN, 0 kind, 1 client_token, 2 tags);

#[derive(Clone, Default)]
pub(crate) struct StartOut {
    pub(crate) name: String,
}
shape!(StartOut, START_OUT, 0 name);

#[derive(Clone, Default)]
pub(crate) struct ListIn {
    pub(crate) kind: Option<String>,
    pub(crate) max_results: Option<i32>,
    pub(crate) next_token: Option<String>,
}
shape!(ListIn, LIST_IN, 0 kind, 1 max_results, 2 next_token);

#[derive(Clone, Default)]
pub(crate) struct ListOut {
    pub(crate) names: Vec<String>,
    pub(crate) next_token: Option<String>,
}
shape!(ListOut, LIST_OUT, 0 names, 1 next_token);

pub(crate) static SERVICE: ServiceSchema = ServiceSchema {
    id: "toy",
    service_id: "Toy",
    endpoint_prefix: "toy",
    signing_name: "toy",
    api_version: "2026-01-01",
    target_prefix: Some("Toy_20260101"),
    xml_namespace: None,
    protocols: &[Protocol::Json11],
    query_compatible: false,
    operations: &[&START, &LIST],
    unlisted: &[],
    taggings: &[Tagging {
        operation: "StartEngine",
        member: "tags",
        action: "toy:TagEngine",
        resource: None,
    }],
    error_style: ErrorStyle {
        validation_code: "ValidationException",
        malformed_code: "SerializationException",
        message_key: "message",
        missing: None,
        denied: None,
        wording: Wording::All,
        wrapped: true,
    },
    host_label: false,
    path_member: None,
};

const fn operation(
    name: &'static str,
    (input, output): (&'static Schema, &'static Schema),
    lane: Lane,
) -> OperationSchema {
    OperationSchema {
        name,
        service: &SERVICE,
        http: Http { method: "POST", uri: "/", status: 200 },
        input,
        output,
        new_input: || Box::new(StartIn::default()),
        new_output: || Box::new(StartOut::default()),
        errors: &[],
        lane,
        action: "toy:Engines",
        resource: "arn:aws:toy:{region}:{account}:engine/{kind}",
        paginator: None,
        result_wrapper: None,
        host_prefix: None,
        signed: true,
        unsigned_payload: false,
        xml_root: XmlRoot::Shape,
    }
}

static START: OperationSchema = operation("StartEngine", (&START_IN, &START_OUT), Lane::Command);
pub(crate) static LIST: OperationSchema = OperationSchema {
    paginator: Some(Paginator {
        input_token: &["nextToken"],
        output_token: &["nextToken"],
        limit_key: Some("maxResults"),
        more_results: None,
        result_key: &["names"],
    }),
    ..operation("ListEngines", (&LIST_IN, &LIST_OUT), Lane::Query)
};

pub(crate) struct StartEngine;
impl Operation for StartEngine {
    type Input = StartIn;
    type Output = StartOut;
    const SCHEMA: &'static OperationSchema = &START;
}

pub(crate) struct ListEngines;
impl Operation for ListEngines {
    type Input = ListIn;
    type Output = ListOut;
    const SCHEMA: &'static OperationSchema = &LIST;
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EngineRow {
    pub(crate) name: String,
    pub(crate) kind: String,
}

impl Row for EngineRow {
    type Key = String;
    const TABLE: &'static str = "toy.engine";

    fn key(&self) -> String {
        self.name.clone()
    }
}

/// Told with every start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EngineStarted {
    pub(crate) name: String,
}

impl haar_kernel::Event for EngineStarted {
    const TOPIC: &'static str = "toy.engine_started";
}

pub(crate) struct Toy {
    outbox: Outbox,
}

impl Room for Toy {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }
}

impl Command<StartEngine> for Toy {
    fn command(&self, call: &Call, tx: &mut Tx, input: StartIn) -> Answer<StartEngine> {
        if input.kind == "square" {
            return Err(AwsError::new("NoSuchKind", 400, "engines are round"));
        }
        assert_ne!(input.kind, "exploding", "a bug");
        let name = format!("{}-{}", input.kind, call.ids.hex32());
        tx.put(EngineRow { name: name.clone(), kind: input.kind });
        self.outbox.tell(tx, call.now, &EngineStarted { name: name.clone() });
        Ok(StartOut { name })
    }
}

impl Query<ListEngines> for Toy {
    fn query(&self, call: &Call, snapshot: &Snapshot, input: ListIn) -> Answer<ListEngines> {
        let refused = |_| AwsError::new("InvalidParameterException", 400, "Invalid token.");
        let listing = Listing::of(&LIST, call, &input, 2, 3).map_err(refused)?;
        let rows = snapshot.all::<EngineRow>();
        let rows = rows.filter(|row| input.kind.as_ref().is_none_or(|kind| *kind == row.kind));
        let page = listing.page(rows, |row| row.name.clone());
        let names = page.items.iter().map(|row| row.name.clone()).collect();
        Ok(ListOut { names, next_token: page.next })
    }
}

fn lanes(lanes: &mut Lanes<Toy>) {
    lanes.command::<StartEngine>();
    lanes.query::<ListEngines>();
}

pub(crate) fn tables() -> Tables {
    haar_kernel::tables().with::<EngineRow>()
}

/// The toy cloud.
pub(crate) struct Cloud {
    pub(crate) doors: Doors,
    pub(crate) kernel: Arc<Kernel>,
}

impl Cloud {
    /// On these stores.
    pub(crate) fn on(
        (clock, ids): (Clock, IdSource),
        (ledger, kv): (Ledger, Kv),
        auth: Auth,
        identities: Arc<dyn Identities>,
    ) -> Self {
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger,
            kv,
            blobs: Blobs::ephemeral(ids).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock)),
            meter: Arc::new(NoMeter),
            settings: Settings { auth, ..Settings::default() },
        });
        let room = Arc::new(Toy { outbox: doors.outbox.clone() });
        let kernel = KernelBuilder::new(doors.clone(), identities).room(room, lanes).build();
        Self { doors, kernel }
    }

    /// In memory, on simulated time.
    pub(crate) fn ephemeral(auth: Auth, identities: Arc<dyn Identities>) -> Self {
        let stores = (Ledger::ephemeral(tables()), Kv::ephemeral());
        let clock = Clock::simulated(Timestamp(1_769_851_800_000));
        Self::on((clock, IdSource::seeded(7)), stores, auth, identities)
    }

    pub(crate) async fn start(
        &self,
        region: &str,
        kind: &str,
        token: Option<&str>,
    ) -> Answer<StartEngine> {
        let principal = Arc::new(Principal::root(AccountId::default()));
        let region: Region = region.parse().unwrap();
        let client_token = token.map(str::to_owned);
        let input = StartIn { kind: kind.to_owned(), client_token, tags: None };
        self.doors.call::<StartEngine>(principal, &region, input).await
    }

    pub(crate) async fn list(&self, input: ListIn) -> Answer<ListEngines> {
        let principal = Arc::new(Principal::root(AccountId::default()));
        self.doors.call::<ListEngines>(principal, &Region::default(), input).await
    }

    pub(crate) fn engines(&self) -> usize {
        self.doors.ledger.snapshot().len::<EngineRow>()
    }
}
