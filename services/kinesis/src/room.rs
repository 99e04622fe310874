//! The room: its doors, its records, its shards' tips.

use std::sync::Arc;

use haar_cloudwatch_contract::peek::MetricSink;
use haar_kernel::Doors;
use haar_kinesis_contract::peek::KinesisPeek;
use haar_kv::KvError;

use crate::ops::subscription::Subscriptions;
use crate::peek::Peek;
use crate::records::RecordStore;
use crate::target::Streams;
use crate::tips::Tips;

/// The room.
pub struct Kinesis {
    pub(crate) doors: Doors,
    pub(crate) records: RecordStore,
    pub(crate) tips: Arc<Tips>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) metrics: Option<Arc<dyn MetricSink>>,
}

impl Kinesis {
    /// Opens the room and offers its [`KinesisPeek`] and its streams to the others. CloudWatch must have
    /// offered its sink, or there are no metrics.
    ///
    /// # Errors
    /// When kv does not open the records.
    pub fn open(doors: &Doors) -> Result<Arc<Self>, KvError> {
        let records = RecordStore::open(&doors.kv)?;
        let tips = Arc::new(Tips::new(doors.ledger.clone()));
        let (peek_tips, ledger) = (Arc::clone(&tips), doors.ledger.clone());
        doors.peeks.offer::<dyn KinesisPeek>(Arc::new(Peek { tips: peek_tips, ledger }));
        doors.targets.offer("kinesis", Arc::new(Streams(doors.clone())));
        let metrics = doors.peeks.get::<dyn MetricSink>();
        let subscriptions = Subscriptions::default();
        Ok(Arc::new(Self { doors: doors.clone(), records, tips, subscriptions, metrics }))
    }

    /// Forgets what is in memory, for a reset.
    pub fn forget(&self) {
        self.tips.forget();
        self.subscriptions.forget();
    }
}
