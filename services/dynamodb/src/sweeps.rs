//! What goes by itself: expired items, old stream records, tokens, and the past of tables.

use std::sync::Arc;
use std::time::Duration;

use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::Dynamodb;
use crate::engine::{Actor, Change, Engine, Intent, expiry};
use crate::refusal::{fault, unwritten};
use crate::rules::value::Item;
use crate::state::{StreamRow, TableRow};
use crate::streams::KEPT_FOR;
use crate::usage::Counted;

/// How long an expired item stays. *Ours*: AWS says "within a few days".
const ROUND: Duration = Duration::from_secs(60);

/// The past of tables is looked through once in so many rounds: it is long.
const PAST_ROUNDS: u64 = 60;

/// Items that expired longer ago stay. AWS docs: *Developer Guide > Using time to live*.
const EXPIRED_MAX: u64 = 5 * 365 * 24 * 60 * 60;

/// Items removed between two chances for others to run.
const CHUNK: usize = 256;

impl Dynamodb {
    /// Removes what has expired, round by round; never ends. The wiring spawns it.
    pub fn sweep(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let room = Arc::clone(self);
        async move {
            let mut metered_at = room.doors.clock.now();
            for round in 1_u64.. {
                let clock = &room.doors.clock;
                clock.sleep_until_past(clock.now() + room.doors.settings.wait(ROUND)).await;
                let (_working, now) = (clock.working(), clock.now());
                room.meter_storage(metered_at, now);
                metered_at = now;
                if let Err(error) = room.sweep_once(round % PAST_ROUNDS == 0).await {
                    tracing::warn!(%error, "could not remove what has expired");
                }
            }
        }
    }

    async fn sweep_once(&self, trims: bool) -> Result<(), AwsError> {
        let (snapshot, now) = (self.doors.ledger.snapshot(), self.doors.clock.now());
        for table in snapshot.all::<TableRow>().filter(|row| row.serves()) {
            if table.ttl.attribute.is_some() {
                self.engine.expire(&table, now).await?;
            }
            let trims = trims && table.copies.is_empty();
            if let Some(recovery) = table.recovery.as_ref().filter(|_| trims) {
                let kept = Duration::from_secs(u64::from(recovery.days.unsigned_abs()) * 86_400);
                let trimmed = self.engine.trim_past(table.id, now - kept).await;
                trimmed.map_err(|error| fault(&error))?;
            }
        }
        for stream in snapshot.all::<StreamRow>() {
            self.sweep_stream(&stream, now).await?;
        }
        self.engine.forget_tokens(now).await.map_err(|error| fault(&error))
    }

    async fn sweep_stream(&self, row: &StreamRow, now: Timestamp) -> Result<(), AwsError> {
        let streams = &self.engine.streams;
        if row.disabled_at.is_none_or(|at| now < at + KEPT_FOR) {
            let trimmed = streams.trim(row.id, row.created_at, now).await;
            return trimmed.map_err(|error| fault(&error));
        }
        streams.purge(row.id).await.map_err(|error| fault(&error))?;
        let committed = self.doors.ledger.write(|tx| {
            tx.remove::<StreamRow>(&row.key);
        });
        committed.durable().await.map_err(|error| unwritten(&error))
    }
}

impl Engine {
    /// Removes the items of a table whose time has come.
    async fn expire(&self, table: &Arc<TableRow>, now: Timestamp) -> Result<(), AwsError> {
        let second = u64::try_from(now.seconds()).unwrap_or(0);
        let place = |second: u64| [table.id.to_be_bytes(), second.to_be_bytes()].concat();
        let due = place(second.saturating_sub(EXPIRED_MAX))..place(second + 1);
        let mut all = self.spaces.expiries.range(due);
        loop {
            let mut count = 0;
            for entry in all.by_ref().take(CHUNK) {
                let entry = entry.map_err(|error| fault(&error))?;
                self.expire_one(table, &entry.key[16..], second, now)?;
                count += 1;
            }
            if count == 0 {
                return Ok(());
            }
            self.sync().await?;
        }
    }

    fn expire_one(
        &self,
        table: &Arc<TableRow>,
        base: &[u8],
        second: u64,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let Some(item) = self.get(table.id, base)? else { return Ok(()) };
        let key = table.keys.of_item(&item)?;
        let intent = Intent { table: &table.key, key: &key, actor: Actor::TimeToLive };
        let is_due = |table: &TableRow, item: &Item| {
            let attribute = table.ttl.attribute.as_deref();
            attribute.and_then(|name| expiry(name, item)).is_some_and(|at| at <= second)
        };
        let mut was_due = false;
        self.write(&intent, now, |table, old| {
            was_due = old.is_some_and(|item| is_due(table, item));
            Ok(if was_due { Change::Remove } else { Change::Keep })
        })?;
        if was_due {
            self.usage.count(table, Counted::Expired);
        }
        Ok(())
    }
}
