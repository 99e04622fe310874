//! The order of what is said: numbers, acknowledgements, and what is sent again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use haar_clock::{Clock, IdSource, Moment};

use crate::documents::{self, Acknowledge, ChannelClosed};
use crate::{Message, MessageError, MessageKind, PayloadKind};

/// Most bytes of one payload of stream data, as AWS's ends cut it.
pub const PAYLOAD_BYTES_MAX: usize = 1024;

/// After so long without an acknowledgement a message is sent again, and the next time after
/// twice that, up to [`RESEND_MAX`].
const RESEND_AFTER: Duration = Duration::from_millis(200);
const RESEND_MAX: Duration = Duration::from_secs(1);
/// Messages under way; more are not to be given. *Ours*: AWS's ends allow 10,000.
const UNDER_WAY_MAX: usize = 256;
/// Messages that came ahead of their turn and are kept.
const EARLY_MAX: usize = 1024;
/// Bytes of all of those.
const EARLY_BYTES_MAX: usize = 1 << 20;

/// The number of the payload of [`MessageKind::StartPublication`], as clients know it from AWS.
const PUBLICATION: u32 = 17;

/// Which end this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs the command.
    Agent,
    /// Sits at it.
    Client,
}

/// What a message meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Stream data, whose turn it is.
    Data(PayloadKind, Bytes),
    /// The other end is done.
    Closed(ChannelClosed),
}

/// One end of a channel.
#[derive(Debug)]
pub struct Channel {
    role: Role,
    clock: Clock,
    ids: IdSource,
    next: i64,
    under_way: VecDeque<Sent>,
    expected: i64,
    early: BTreeMap<i64, (PayloadKind, Bytes)>,
    early_bytes: usize,
}

/// What was sent and is not acknowledged.
#[derive(Debug)]
struct Sent {
    sequence: i64,
    bytes: Bytes,
    due_at: Moment,
    wait: Duration,
}

impl Channel {
    /// An end of a channel on which nothing was said.
    pub fn new(role: Role, clock: Clock, ids: IdSource) -> Self {
        Self {
            role,
            clock,
            ids,
            next: 0,
            under_way: VecDeque::new(),
            expected: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
        }
    }

    /// True when there is room for more under way; until then, nothing is to be read from what
    /// is sent.
    pub fn has_room(&self) -> bool {
        self.under_way.len() < UNDER_WAY_MAX
    }

    /// True when all that was sent is acknowledged.
    pub fn is_settled(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Stream data in its turn, as it is to be sent.
    pub fn send(&mut self, kind: PayloadKind, payload: Bytes) -> Bytes {
        let message = match self.role {
            Role::Agent => MessageKind::OutputStreamData,
            Role::Client => MessageKind::InputStreamData,
        };
        let bytes = self.message(message, self.next, (kind, payload)).encode();
        self.under_way.push_back(Sent {
            sequence: self.next,
            bytes: bytes.clone(),
            due_at: self.clock.moment().after(RESEND_AFTER),
            wait: RESEND_AFTER,
        });
        self.next += 1;
        bytes
    }

    /// Tells that this end listens, as it is to be sent; nobody acknowledges it.
    pub fn start(&self) -> Bytes {
        let none = (PayloadKind::Other(PUBLICATION), Bytes::new());
        self.message(MessageKind::StartPublication, 0, none).encode()
    }

    /// The last words, as they are to be sent; nobody acknowledges them.
    pub fn close(&self, session: &str, target: &str, output: &str) -> Bytes {
        let none = (PayloadKind::Other(0), Bytes::new());
        let mut message = self.message(MessageKind::ChannelClosed, 0, none);
        let document = ChannelClosed {
            message_id: message.id_text(),
            created_date: message.created_at.0.to_string(),
            destination_id: target.to_owned(),
            session_id: session.to_owned(),
            message_type: MessageKind::ChannelClosed.as_str().to_owned(),
            schema_version: 1,
            output: output.to_owned(),
        };
        message.payload = documents::encode(&document);
        message.encode()
    }

    fn message(
        &self,
        kind: MessageKind,
        sequence: i64,
        (payload_kind, payload): (PayloadKind, Bytes),
    ) -> Message {
        let mut id = [0; 16];
        self.ids.fill(&mut id);
        // as a UUID of version 4
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        let created_at = self.clock.now();
        Message { kind, created_at, sequence, id, payload_kind, payload }
    }

    /// Takes what came. Answers what it meant, oldest first, and what is to be sent back. Where
    /// stream data is not `wanted` for now, it counts as lost: it comes again.
    ///
    /// # Errors
    /// [`MessageError`]: it is no message. The channel is as it was.
    pub fn hear(
        &mut self,
        bytes: &Bytes,
        wanted: bool,
    ) -> Result<(Vec<Heard>, Option<Bytes>), MessageError> {
        let (message, theirs) = match self.role {
            Role::Agent => (Message::decode_unchecked(bytes)?, MessageKind::InputStreamData),
            Role::Client => (Message::decode(bytes)?, MessageKind::OutputStreamData),
        };
        match message.kind {
            MessageKind::Acknowledge => {
                if let Some(document) = documents::decode::<Acknowledge>(&message.payload) {
                    self.under_way.retain(|sent| sent.sequence != document.sequence);
                }
                Ok((Vec::new(), None))
            }
            MessageKind::ChannelClosed => {
                let document = documents::decode(&message.payload).unwrap_or_default();
                Ok((vec![Heard::Closed(document)], None))
            }
            kind if kind == theirs && wanted => Ok(self.take(&message)),
            _ => Ok((Vec::new(), None)),
        }
    }

    fn take(&mut self, message: &Message) -> (Vec<Heard>, Option<Bytes>) {
        let mut ready = Vec::new();
        let data = (message.payload_kind, message.payload.clone());
        if message.sequence > self.expected {
            let is_full = self.early.len() >= EARLY_MAX
                || self.early_bytes + message.payload.len() > EARLY_BYTES_MAX;
            if is_full {
                return (ready, None); // it comes again
            }
            self.early_bytes += data.1.len();
            let former = self.early.insert(message.sequence, data);
            self.early_bytes -= former.map_or(0, |(_, payload)| payload.len());
        } else if message.sequence == self.expected {
            ready.push(Heard::Data(data.0, data.1));
            self.expected += 1;
            while let Some((kind, payload)) = self.early.remove(&self.expected) {
                self.early_bytes -= payload.len();
                ready.push(Heard::Data(kind, payload));
                self.expected += 1;
            }
        }
        (ready, Some(self.acknowledge(message)))
    }

    fn acknowledge(&self, message: &Message) -> Bytes {
        let document = Acknowledge {
            kind: message.kind.as_str().to_owned(),
            id: message.id_text(),
            sequence: message.sequence,
            is_sequential: true,
        };
        let payload = (PayloadKind::Other(0), documents::encode(&document));
        self.message(MessageKind::Acknowledge, 0, payload).encode()
    }

    /// When [`Self::resend`] is to be asked next.
    pub fn due_at(&self) -> Option<Moment> {
        self.under_way.front().map(|sent| sent.due_at)
    }

    /// What is to be sent again by now: the oldest that is not acknowledged.
    pub fn resend(&mut self) -> Option<Bytes> {
        let now = self.clock.moment();
        let oldest = self.under_way.front_mut().filter(|sent| sent.due_at <= now)?;
        oldest.wait = (oldest.wait * 2).min(RESEND_MAX);
        oldest.due_at = now.after(oldest.wait);
        Some(oldest.bytes.clone())
    }
}
