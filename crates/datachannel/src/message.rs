//! The binary form of one message.

use bytes::{BufMut as _, Bytes, BytesMut};
use haar_types::Timestamp;
use sha2::{Digest as _, Sha256};

/// Bytes before the length of the payload, which is four bytes more: what a message says of its
/// own header.
pub const HEADER_BYTES: usize = 116;

const LENGTH_BYTES: usize = 4;
const KIND_BYTES: usize = 32;
/// Set on the first message of a stream.
const FLAG_FIRST: u64 = 1;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// From the client to what runs.
    InputStreamData,
    /// From what runs to the client.
    OutputStreamData,
    /// A message came.
    Acknowledge,
    /// There is no more.
    ChannelClosed,
    /// The other side listens.
    StartPublication,
    /// The other side does not listen for now.
    PausePublication,
}

impl MessageKind {
    const ALL: [Self; 6] = [
        Self::InputStreamData,
        Self::OutputStreamData,
        Self::Acknowledge,
        Self::ChannelClosed,
        Self::StartPublication,
        Self::PausePublication,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InputStreamData => "input_stream_data",
            Self::OutputStreamData => "output_stream_data",
            Self::Acknowledge => "acknowledge",
            Self::ChannelClosed => "channel_closed",
            Self::StartPublication => "start_publication",
            Self::PausePublication => "pause_publication",
        }
    }
}

/// What the payload of stream data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// Bytes that are typed, or printed.
    Output,
    /// An error in words.
    Error,
    /// [`documents::Size`](crate::documents::Size).
    Size,
    /// Parameters of a session.
    Parameter,
    /// [`documents::HandshakeRequest`](crate::documents::HandshakeRequest).
    HandshakeRequest,
    /// [`documents::HandshakeResponse`](crate::documents::HandshakeResponse).
    HandshakeResponse,
    /// [`documents::HandshakeComplete`](crate::documents::HandshakeComplete).
    HandshakeComplete,
    /// Something encrypted, to prove a key.
    EncChallengeRequest,
    /// The proof.
    EncChallengeResponse,
    /// One number of four bytes: [`documents::Flag`](crate::documents::Flag).
    Flag,
    /// Bytes of the standard error, where it is kept apart.
    StdErr,
    /// `EXIT_CODE: N`.
    ExitCode,
    /// None of these; messages that are no stream data have 0.
    Other(u32),
}

impl PayloadKind {
    /// From the number on the wire.
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Output,
            2 => Self::Error,
            3 => Self::Size,
            4 => Self::Parameter,
            5 => Self::HandshakeRequest,
            6 => Self::HandshakeResponse,
            7 => Self::HandshakeComplete,
            8 => Self::EncChallengeRequest,
            9 => Self::EncChallengeResponse,
            10 => Self::Flag,
            11 => Self::StdErr,
            12 => Self::ExitCode,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Output => 1,
            Self::Error => 2,
            Self::Size => 3,
            Self::Parameter => 4,
            Self::HandshakeRequest => 5,
            Self::HandshakeResponse => 6,
            Self::HandshakeComplete => 7,
            Self::EncChallengeRequest => 8,
            Self::EncChallengeResponse => 9,
            Self::Flag => 10,
            Self::StdErr => 11,
            Self::ExitCode => 12,
            Self::Other(number) => number,
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is for.
    pub kind: MessageKind,
    /// When it was made, in milliseconds.
    pub created_at: Timestamp,
    /// Its place in the stream of its direction, from 0.
    pub sequence: i64,
    /// A UUID.
    pub id: [u8; 16],
    /// What the payload is.
    pub payload_kind: PayloadKind,
    /// The payload.
    pub payload: Bytes,
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// They end within the header.
    #[error("the message is too short")]
    Short,
    /// The header says that it is longer than the message, or shorter than a header.
    #[error("the length of the header is wrong")]
    Header,
    /// No such kind.
    #[error("the kind of the message is not known")]
    Kind,
    /// The payload is longer or shorter than it says.
    #[error("the length of the payload is wrong")]
    Length,
    /// The payload is not what the digest is of.
    #[error("the digest of the payload is wrong")]
    Digest,
}

impl Message {
    /// As bytes.
    pub fn encode(&self) -> Bytes {
        let length = HEADER_BYTES + LENGTH_BYTES + self.payload.len();
        let mut bytes = BytesMut::with_capacity(length);
        bytes.put_u32(HEADER_BYTES as u32);
        bytes.put_slice(self.kind.as_str().as_bytes());
        bytes.put_bytes(b' ', KIND_BYTES - self.kind.as_str().len());
        bytes.put_u32(1); // the version of this form
        bytes.put_i64(self.created_at.0);
        bytes.put_i64(self.sequence);
        let is_first = self.kind == MessageKind::OutputStreamData && self.sequence == 0;
        bytes.put_u64(if is_first { FLAG_FIRST } else { 0 });
        // the lower half goes first
        bytes.put_slice(&self.id[8..]);
        bytes.put_slice(&self.id[..8]);
        bytes.put_slice(&Sha256::digest(&self.payload));
        bytes.put_u32(self.payload_kind.number());
        bytes.put_u32(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
        bytes.put_slice(&self.payload);
        bytes.freeze()
    }

    /// From bytes whose digest must be right, as AWS's client wants it.
    ///
    /// # Errors
    /// [`MessageError`]: they are none.
    pub fn decode(bytes: &Bytes) -> Result<Self, MessageError> {
        let (message, digest) = Self::read(bytes)?;
        let payload = &message.payload;
        if !payload.is_empty() && Sha256::digest(payload)[..] != digest {
            return Err(MessageError::Digest);
        }
        Ok(message)
    }

    /// From bytes whose digest may be anything: AWS's agent does not look at it, and there are
    /// clients that write something else there.
    ///
    /// # Errors
    /// [`MessageError`]: they are none.
    pub fn decode_unchecked(bytes: &Bytes) -> Result<Self, MessageError> {
        Self::read(bytes).map(|(message, _)| message)
    }

    /// A message and the digest that it tells of its payload.
    fn read(bytes: &Bytes) -> Result<(Self, [u8; 32]), MessageError> {
        let mut fields = Fields(bytes);
        let header = fields.u32()? as usize;
        let kind = fields.array::<KIND_BYTES>()?;
        let _version = fields.u32()?;
        let created_at = Timestamp(fields.i64()?);
        let sequence = fields.i64()?;
        let _flags = fields.i64()?;
        let (lower, upper) = (fields.array::<8>()?, fields.array::<8>()?);
        let digest = fields.array::<32>()?;
        let payload_kind = PayloadKind::from_number(fields.u32()?);
        let length = fields.u32()? as usize;
        let begin = header.checked_add(LENGTH_BYTES).filter(|&begin| begin <= bytes.len());
        let begin = begin.filter(|_| header >= HEADER_BYTES).ok_or(MessageError::Header)?;
        let payload = bytes.slice(begin..);
        if payload.len() != length {
            return Err(MessageError::Length);
        }
        let mut id = [0; 16];
        id[..8].copy_from_slice(&upper);
        id[8..].copy_from_slice(&lower);
        let kind = kind_of(&kind)?;
        Ok((Self { kind, created_at, sequence, id, payload_kind, payload }, digest))
    }

    /// Its id as a UUID is written.
    pub fn id_text(&self) -> String {
        let hex: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        parts.join("-")
    }
}

fn kind_of(field: &[u8]) -> Result<MessageKind, MessageError> {
    let is_pad = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    let begin = field.iter().position(|byte| !is_pad(byte)).unwrap_or(field.len());
    let end = field.iter().rposition(|byte| !is_pad(byte)).map_or(begin, |last| last + 1);
    let name = &field[begin..end];
    let mut all = MessageKind::ALL.into_iter();
    all.find(|kind| kind.as_str().as_bytes() == name).ok_or(MessageError::Kind)
}

/// Reads fields off the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(MessageError::Short)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> Result<u32, MessageError> {
        self.array().map(u32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, MessageError> {
        self.array().map(i64::from_be_bytes)
    }
}
