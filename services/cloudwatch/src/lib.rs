//! Amazon CloudWatch: metrics, their statistics, and mathematics on them.
//!
//! Values are kept in kv as digests of periods; other rooms hand theirs in through the
//! [`MetricSink`], buffered, and readers write what is buffered first, so they miss nothing.
//!
//! **Invariant:** a value counts in one resolution's digests at a time, so a period's
//! statistics are the same before and after a roll-up, but for its distribution's 0.25 %.
//!
//! Begin with `store`, then `rules::digest` for what is kept of values.

pub mod controllers;
mod lanes;
mod ops;
mod refusal;
mod rules;
mod sink;
mod state;
mod store;

use std::future::Future;
use std::sync::Arc;

use haar_cloudwatch_contract::model::SERVICE;
use haar_cloudwatch_contract::peek::MetricSink;
use haar_kernel::{Call, Doors, Lanes, Parts, Room};
use haar_kv::KvError;
use haar_ledger::{Snapshot, Tables};
use haar_wire::{AwsError, OperationSchema, Route, ServiceSchema, Shape, text_member};

use controllers::Sweeper;
use store::MetricStore;

/// The room; there is one per haar.
pub struct Cloudwatch {
    doors: Doors,
    store: Arc<MetricStore>,
}

impl Room for Cloudwatch {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    /// A `PutMetricData` that is too large; AWS docs: *CloudWatch API Reference > PutMetricData*.
    fn examine(&self, route: &Route, _parts: &Parts, body: &[u8]) -> Result<(), AwsError> {
        if route.operation.name == "PutMetricData" && body.len() > ops::PUT_BYTES_MAX {
            return Err(refusal::too_large(body.len(), ops::PUT_BYTES_MAX));
        }
        Ok(())
    }

    /// AWS docs: *Service Authorization Reference > Amazon CloudWatch > Condition keys*.
    fn condition_keys(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        let namespace = match operation.name {
            "PutMetricData" => text_member(input, "Namespace"),
            _ => None,
        };
        namespace.map(|it| ("cloudwatch:namespace".to_owned(), vec![it])).into_iter().collect()
    }
}

impl Cloudwatch {
    /// The room's tables, to be known to the ledger before it opens.
    pub fn tables(tables: Tables) -> Tables {
        state::tables(tables)
    }

    /// Opens the room and offers its [`MetricSink`] to the others.
    ///
    /// # Errors
    /// When kv does not open the metrics.
    pub fn open(doors: &Doors) -> Result<Arc<Self>, KvError> {
        let store = Arc::new(MetricStore::open(&doors.kv, &doors.ids)?);
        doors.peeks.offer::<dyn MetricSink>(Arc::clone(&store) as Arc<dyn MetricSink>);
        Ok(Arc::new(Self { doors: doors.clone(), store }))
    }

    /// Every operation in its lane.
    pub fn lanes(lanes: &mut Lanes<Self>) {
        lanes::lanes(lanes);
    }

    /// The controller that rolls old values up.
    pub fn sweeper(&self) -> Arc<Sweeper> {
        Arc::new(Sweeper(Arc::clone(&self.store)))
    }

    /// Writes values of other rooms as they come; never ends. The wiring spawns it.
    pub fn run(&self) -> impl Future<Output = ()> + Send + use<> {
        sink::flush_always(Arc::clone(&self.store), self.doors.clock.clone())
    }

    /// Writes values that still wait in memory; to be called before haar ends.
    pub fn flush(&self) {
        if let Err(error) = self.store.flush() {
            tracing::error!(%error, "could not write metric values");
        }
    }

    /// Drops values that still wait in memory; to be called before a reset.
    pub fn forget_pending(&self) {
        self.store.forget_pending();
    }
}
