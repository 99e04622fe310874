//! One record, as kv holds it.

use bytes::{Buf, BufMut, Bytes};
use haar_dynamodb_contract::StreamViewType;
use haar_dynamodb_contract::peek::{Sequence, StreamEntry, StreamEvent};
use haar_types::Timestamp;

use crate::convert::to_wire;
use crate::engine::{Actor, Intent};
use crate::rules::codec;
use crate::rules::value::{Item, item_size};
use crate::state::{Stream, TableRow};

/// A record that has no number yet.
pub(crate) struct Event {
    pub(crate) stream: u64,
    /// When the stream was made, in case it is not open yet.
    pub(crate) created_at: Timestamp,
    pub(crate) bytes: Vec<u8>,
}

impl Event {
    /// What a change of an item comes to in its table's stream.
    pub(crate) fn of(
        table: &TableRow,
        stream: &Stream,
        intent: &Intent<'_>,
        (old, new): (Option<&Item>, Option<&Item>),
        now: Timestamp,
    ) -> Self {
        let kind = match (old, new) {
            (None, _) => 0,
            (Some(_), Some(_)) => 1,
            (Some(_), None) => 2,
        };
        let (shows_old, shows_new) = match stream.view {
            StreamViewType::NewImage => (false, true),
            StreamViewType::OldImage => (true, false),
            StreamViewType::NewAndOldImages => (true, true),
            StreamViewType::KeysOnly => (false, false),
        };
        let (old, new) = (old.filter(|_| shows_old), new.filter(|_| shows_new));
        let keys = table.keys.of(&intent.key.item);
        let size = [Some(&keys), old, new].into_iter().flatten().map(item_size).sum::<usize>();
        let mut bytes = Vec::with_capacity(64 + size * 2);
        bytes.put_u8(kind);
        bytes.put_u8(u8::from(intent.actor == Actor::TimeToLive));
        bytes.put_i64(now.0);
        bytes.put_u64(size as u64);
        for item in [Some(&keys), old, new] {
            let item = item.map(codec::encode).unwrap_or_default();
            bytes.put_u32(u32::try_from(item.len()).unwrap_or(0));
            bytes.put_slice(&item);
        }
        Self { stream: stream.id, created_at: stream.created_at, bytes }
    }
}

/// Reads a record; `None` where the bytes are not one.
pub(super) fn read(sequence: Sequence, mut bytes: Bytes) -> Option<StreamEntry> {
    if bytes.len() < 18 {
        return None;
    }
    let event = match bytes.get_u8() {
        0 => StreamEvent::Insert,
        1 => StreamEvent::Modify,
        _ => StreamEvent::Remove,
    };
    let is_expiry = bytes.get_u8() == 1;
    let (at, size) = (Timestamp(bytes.get_i64()), bytes.get_u64());
    let mut next = || {
        let length = bytes.try_get_u32().ok()? as usize;
        (length <= bytes.len()).then(|| bytes.split_to(length))
    };
    let (keys, old, new) = (next()?, next()?, next()?);
    Some(StreamEntry {
        sequence,
        event,
        at,
        is_expiry,
        keys: to_wire(codec::decode(keys)?),
        new_image: codec::decode(new).map(to_wire),
        old_image: codec::decode(old).map(to_wire),
        size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
    })
}
