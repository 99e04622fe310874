//! Several items at once: all orders are carried out, or none.

use std::sync::Arc;

use haar_kv::{Batch, KvError};
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::AwsError;

use super::past::CHUNK;
use super::{Engine, Locks, Staging, Written};
use crate::capacity::{Direction, Units};
use crate::orders::Order;
use crate::refusal::{fault, invalid, no_table};
use crate::rules::key_bytes::spread;
use crate::rules::schema::PrimaryKey;
use crate::rules::value::{Item, item_size};
use crate::state::{TableKey, TableRow};

/// How long a token stands for its request. AWS docs: *API Reference > TransactWriteItems*.
const TOKEN_LIFETIME_MS: i64 = 10 * 60 * 1000;

/// Bytes of all items of a transaction at most. AWS docs: *Developer Guide > Amazon DynamoDB
/// transactions: How it works*.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// An idempotency token and the request that came with it.
pub(crate) struct Token<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) region: &'a Region,
    pub(crate) text: &'a str,
    /// Tells requests apart.
    pub(crate) digest: u64,
}

/// An item that was looked for, with its table.
pub(crate) type Found = (Arc<TableRow>, Option<Item>);

/// Why a transaction was cancelled, per item, where it is to blame.
pub(crate) type Reasons = Vec<Option<AwsError>>;

/// How a transaction ended.
pub(crate) enum Outcome {
    /// All orders were carried out.
    Done(Vec<Written>),
    /// Nothing was; per order why not, where it is to blame.
    Cancelled(Reasons),
    /// Its token came before with the same request: nothing more was done.
    Repeated,
    /// Its token came before with another request.
    Mismatch,
}

impl Engine {
    /// Carries out all orders or none, in one batch. Not on disk yet.
    pub(crate) fn transact(
        &self,
        mut orders: Vec<Order>,
        token: Option<Token<'_>>,
        now: Timestamp,
    ) -> Result<Outcome, AwsError> {
        let token_shard = token.as_ref().map(|token| shard_of(token.text));
        let _token = token_shard.map(|shard| self.token_locks.lock(shard));
        let mut staging = Staging::default();
        if let Some(token) = &token {
            match self.used(token, now).map_err(|error| fault(&error))? {
                Some(digest) if digest == token.digest => return Ok(Outcome::Repeated),
                Some(_) => return Ok(Outcome::Mismatch),
                None => self.use_up(token, now, &mut staging),
            }
        }
        let mut ids = Vec::new();
        for order in &orders {
            ids.push(self.table(&order.table)?.id);
        }
        let shards = ids.iter().zip(&orders).map(|(id, order)| Locks::shard(*id, &order.key.bytes));
        let _held = self.locks.lock_all(shards.collect());
        let (mut written, mut events, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        for (order, id) in orders.iter_mut().zip(&ids) {
            let table = self.table(&order.table)?;
            if table.id != *id {
                return Err(no_table());
            }
            let old = self.get(*id, &order.key.bytes)?;
            let (deed, head) = order.split();
            let change = Order::decide(deed, &head, old.as_ref());
            let staged = change.and_then(|change| {
                self.stage(&mut staging, table, &head.intent(), (old, change), now)
            });
            match staged {
                Ok((done, event)) => {
                    written.push(done);
                    events.extend(event);
                    reasons.push(None);
                }
                Err(error) => reasons.push(Some(error)),
            }
        }
        if reasons.iter().any(Option::is_some) {
            return Ok(Outcome::Cancelled(reasons));
        }
        if let Err((at, error)) = self.take_throughput(&written, now) {
            let mut reasons: Vec<_> = written.iter().map(|_| None).collect();
            reasons[at] = Some(error);
            return Ok(Outcome::Cancelled(reasons));
        }
        let size = |done: &Written| done.new.as_ref().or(done.old.as_ref()).map_or(0, item_size);
        check_size(written.iter().map(size).sum())?;
        self.apply(staging, events, now).map_err(|error| fault(&error))?;
        Ok(Outcome::Done(written))
    }

    /// Transactions take twice.
    fn take_throughput(
        &self,
        written: &[Written],
        now: Timestamp,
    ) -> Result<(), (usize, AwsError)> {
        let units: Vec<_> = written.iter().map(|done| done.units.clone().doubled()).collect();
        let calls: Vec<_> = written.iter().map(|done| &done.table).zip(&units).collect();
        self.throttle.take_all(&calls, Direction::Write, now)
    }

    /// Reads several items as they are at one moment.
    pub(crate) fn get_all(
        &self,
        wanted: &[(TableKey, PrimaryKey)],
        now: Timestamp,
    ) -> Result<Result<Vec<Found>, Reasons>, AwsError> {
        let mut tables = Vec::new();
        for (key, _) in wanted {
            tables.push(self.table(key)?);
        }
        let shards =
            tables.iter().zip(wanted).map(|(table, (_, key))| Locks::shard(table.id, &key.bytes));
        let _held = self.locks.lock_all(shards.collect());
        let read = |(table, (_, key)): (Arc<TableRow>, &(TableKey, PrimaryKey))| {
            let item = self.get(table.id, &key.bytes)?;
            Ok((table, item))
        };
        let found: Vec<Found> =
            tables.into_iter().zip(wanted).map(read).collect::<Result<_, AwsError>>()?;
        check_size(found.iter().filter_map(|(_, item)| item.as_ref()).map(item_size).sum())?;
        let units: Vec<_> = found.iter().map(|(_, item)| read_units(item.as_ref())).collect();
        let calls: Vec<_> = found.iter().map(|(table, _)| table).zip(&units).collect();
        match self.throttle.take_all(&calls, Direction::Read, now) {
            Ok(()) => Ok(Ok(found)),
            Err((at, error)) => {
                let mut reasons: Vec<_> = found.iter().map(|_| None).collect();
                reasons[at] = Some(error);
                Ok(Err(reasons))
            }
        }
    }

    fn used(&self, token: &Token<'_>, now: Timestamp) -> Result<Option<u64>, KvError> {
        let found = self.spaces.tokens.get(token.key())?;
        let parts = found.as_ref().and_then(|value| {
            let (at, digest) = value.split_first_chunk::<8>()?;
            let digest = u64::from_be_bytes(*digest.first_chunk::<8>()?);
            Some((i64::from_be_bytes(*at), digest))
        });
        Ok(parts.filter(|(at, _)| now.0 < at + TOKEN_LIFETIME_MS).map(|(_, digest)| digest))
    }

    fn use_up(&self, token: &Token<'_>, now: Timestamp, staging: &mut Staging) {
        let value = [now.0.to_be_bytes(), token.digest.to_be_bytes()].concat();
        staging.batch.put(&self.spaces.tokens, token.key(), value);
    }

    /// Removes tokens that no longer count.
    pub(crate) async fn forget_tokens(&self, now: Timestamp) -> Result<(), KvError> {
        let (kv, tokens) = (self.kv.clone(), self.spaces.tokens.clone());
        let forget = move || {
            let mut batch = Batch::default();
            for entry in tokens.all() {
                let entry = entry?;
                let at = entry.value.first_chunk::<8>().map_or(0, |at| i64::from_be_bytes(*at));
                if now.0 >= at + TOKEN_LIFETIME_MS {
                    batch.remove(&tokens, &entry.key);
                }
                if batch.len() == CHUNK {
                    kv.apply(std::mem::take(&mut batch))?;
                }
            }
            kv.apply(batch)
        };
        self.kv.aside(forget).await
    }
}

/// Two units of one read each, consistent by nature.
fn read_units(item: Option<&Item>) -> Units {
    Units::of_read(item.map_or(0, item_size), true).doubled()
}

impl Token<'_> {
    fn key(&self) -> Vec<u8> {
        format!("{}\0{}\0{}", self.account, self.region, self.text).into_bytes()
    }
}

fn check_size(bytes: usize) -> Result<(), AwsError> {
    match bytes > BYTES_MAX {
        true => {
            Err(invalid("The aggregate size of the items in the transaction cannot exceed 4 MB"))
        }
        false => Ok(()),
    }
}

/// The lock of a token.
fn shard_of(token: &str) -> u8 {
    Locks::shard(0, &spread(token.as_bytes()))
}
