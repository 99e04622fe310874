//! The payloads that are JSON, and the text that opens a channel.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A session's kind where one command runs in it.
pub const INTERACTIVE_COMMANDS: &str = "InteractiveCommands";

/// The action that tells a client what kind of session it is.
pub const SESSION_TYPE: &str = "SessionType";

/// The first words of a client: a text, no [`Message`](crate::Message).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenDataChannel {
    /// `1.0`.
    #[serde(default)]
    pub message_schema_version: String,
    /// A UUID.
    #[serde(default)]
    pub request_id: String,
    /// What the session's opener was given.
    pub token_value: String,
    /// A UUID that names the client.
    #[serde(default)]
    pub client_id: String,
    /// The client's version.
    #[serde(default)]
    pub client_version: String,
    /// *Ours*: no terminal, but pipes; [`StdErr`](crate::PayloadKind::StdErr) is kept apart then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub separate_output_stream: bool,
    /// *Ours*: tell how the command ended, with [`ExitCode`](crate::PayloadKind::ExitCode). AWS's
    /// client prints what it does not know, so it is not told.
    #[serde(default, skip_serializing_if = "is_false")]
    pub exit_code: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What kind of session it is, and what the client must do for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    /// Four numbers with dots; clients look at it for what they may do.
    pub agent_version: String,
    /// In this order.
    #[serde(default)]
    pub requested_client_actions: Vec<RequestedAction>,
}

/// Something that the client is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RequestedAction {
    /// `SessionType` or `KMSEncryption`.
    pub action_type: String,
    /// Depends on the type.
    #[serde(default)]
    pub action_parameters: Value,
}

/// What the client did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    /// The client's version.
    #[serde(default)]
    pub client_version: String,
    /// One for each that was asked for.
    #[serde(default)]
    pub processed_client_actions: Option<Vec<ProcessedAction>>,
    /// What went wrong.
    #[serde(default)]
    pub errors: Option<Vec<String>>,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    /// As asked for.
    pub action_type: String,
    /// 1: done; 2: failed; 3: not supported.
    #[serde(default)]
    pub action_status: i64,
    /// Depends on the type.
    #[serde(default)]
    pub action_result: Value,
    /// Why it failed.
    #[serde(default)]
    pub error: String,
}

/// Stream data may begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeComplete {
    /// In nanoseconds.
    pub handshake_time_to_complete: i64,
    /// To be printed.
    pub customer_message: String,
}

/// Which message came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acknowledge {
    /// Its kind.
    #[serde(rename = "AcknowledgedMessageType")]
    pub kind: String,
    /// Its id.
    #[serde(rename = "AcknowledgedMessageId")]
    pub id: String,
    /// Its place.
    #[serde(rename = "AcknowledgedMessageSequenceNumber")]
    pub sequence: i64,
    /// It was one of a stream.
    #[serde(rename = "IsSequentialMessage")]
    pub is_sequential: bool,
}

/// Why there is no more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChannelClosed {
    /// The message's own id.
    #[serde(default)]
    pub message_id: String,
    /// In milliseconds, as text.
    #[serde(default)]
    pub created_date: String,
    /// What the session was with.
    #[serde(default)]
    pub destination_id: String,
    /// Which session.
    #[serde(default)]
    pub session_id: String,
    /// `channel_closed`.
    #[serde(default)]
    pub message_type: String,
    /// 1.
    #[serde(default)]
    pub schema_version: i64,
    /// What went wrong; empty where nothing did.
    #[serde(default)]
    pub output: String,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Letters of a line.
    pub cols: u32,
    /// Lines.
    pub rows: u32,
}

/// What a client says with one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// There is no more input. Of port sessions; *ours* in sessions with pipes.
    DisconnectToPort,
    /// End the session.
    TerminateSession,
}

impl Flag {
    /// The payload.
    pub fn encode(self) -> Bytes {
        let number: u32 = match self {
            Self::DisconnectToPort => 1,
            Self::TerminateSession => 2,
        };
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    /// From a payload; none for a number that means nothing here.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        match u32::from_be_bytes(payload.try_into().ok()?) {
            1 => Some(Self::DisconnectToPort),
            2 => Some(Self::TerminateSession),
            _ => None,
        }
    }
}

/// What stands before the number in an [`ExitCode`](crate::PayloadKind::ExitCode).
const EXIT_CODE: &str = "EXIT_CODE: ";

/// The payload that tells an exit code.
pub fn encode_exit_code(code: i32) -> Bytes {
    format!("{EXIT_CODE}{code}").into()
}

/// The exit code that a payload tells.
pub fn decode_exit_code(payload: &[u8]) -> Option<i32> {
    std::str::from_utf8(payload).ok()?.strip_prefix(EXIT_CODE)?.trim().parse().ok()
}

/// A document as a payload.
pub fn encode<D: Serialize>(document: &D) -> Bytes {
    serde_json::to_vec(document).expect("it has text keys and plain values").into()
}

/// A payload as a document; none where it is another.
pub fn decode<D: DeserializeOwned>(payload: &[u8]) -> Option<D> {
    serde_json::from_slice(payload).ok()
}
