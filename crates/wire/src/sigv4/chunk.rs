//! Bodies in chunks (`Content-Encoding: aws-chunked`), signed or not, with trailing headers.

use bytes::{Buf as _, Bytes, BytesMut};
use haar_types::hex;
use sha2::{Digest as _, Sha256};

use super::claim::Claim;
use super::error::{SigError, SigFault};
use super::key::{SigningKey, equal, sha256_hex};

/// Longest line of a chunk's frame or of a trailer.
const LINE_LEN_MAX: usize = 8 * 1024;
/// Most trailing headers.
const TRAILERS_MAX: usize = 32;

/// What the body held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkEvent {
    /// The next bytes. They are proven once the events of the chunk's end came without error:
    /// what is built from them must be thrown away on an error.
    Data(Bytes),
    /// A trailing header, its name in lower case.
    Trailer(String, String),
    /// The body is complete and proven.
    End,
}

/// Unwraps a body in chunks, fed piece by piece.
#[derive(Debug)]
pub struct ChunkDecoder {
    prover: Option<Prover>,
    state: State,
    buffer: BytesMut,
    trailer_text: String,
    trailer_count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Data { left: u64 },
    DataEnd,
    Trailers,
    Done,
}

/// Checks the chain of signatures.
struct Prover {
    key: SigningKey,
    signed_at: String,
    scope: String,
    previous: String,
    expected: String,
    hash: Sha256,
    trailer: bool,
    trailer_is_proven: bool,
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prover({})", self.scope)
    }
}

impl ChunkDecoder {
    /// For chunks whose signatures begin with the proven claim's own.
    pub(crate) fn signed(key: SigningKey, claim: &Claim<'_>, trailer: bool) -> Self {
        let prover = Prover {
            key,
            signed_at: claim.signed_at.clone().into_owned(),
            scope: claim.scope(),
            previous: claim.signature.clone().into_owned(),
            expected: String::new(),
            hash: Sha256::new(),
            trailer,
            trailer_is_proven: false,
        };
        Self { prover: Some(prover), ..Self::unsigned() }
    }

    /// For chunks whose signatures, if they have any, are not to be looked at.
    pub fn unsigned() -> Self {
        Self {
            prover: None,
            state: State::Head,
            buffer: BytesMut::new(),
            trailer_text: String::new(),
            trailer_count: 0,
        }
    }

    /// Takes the next piece of the body.
    ///
    /// # Errors
    /// A frame that cannot be read, or a chunk that does not match its signature.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<ChunkEvent>, SigError> {
        self.buffer.extend_from_slice(piece);
        let mut events = Vec::new();
        while self.step(&mut events)? {}
        Ok(events)
    }

    /// Ends the body.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn finish(self) -> Result<(), SigError> {
        match self.state {
            State::Done if self.buffer.is_empty() => Ok(()),
            _ => Err(bad("The request body terminated unexpectedly")),
        }
    }

    /// Does what the buffer allows; false when more is needed.
    fn step(&mut self, events: &mut Vec<ChunkEvent>) -> Result<bool, SigError> {
        match self.state {
            State::Head => {
                let Some(line) = self.line()? else { return Ok(false) };
                self.head(&line)?;
            }
            State::Data { left } => {
                let ready = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if ready == 0 {
                    return Ok(false);
                }
                let data = self.buffer.split_to(ready).freeze();
                if let Some(prover) = &mut self.prover {
                    prover.hash.update(&data);
                }
                events.push(ChunkEvent::Data(data));
                let left = left - ready as u64;
                self.state = if left == 0 { State::DataEnd } else { State::Data { left } };
            }
            State::DataEnd => {
                let Some(line) = self.line()? else { return Ok(false) };
                if !line.is_empty() {
                    return Err(bad("A chunk is longer than it says"));
                }
                self.prove_chunk()?;
                self.state = State::Head;
            }
            State::Trailers => {
                let Some(line) = self.line()? else { return Ok(false) };
                self.trailer(&line, events)?;
            }
            State::Done => return Ok(false),
        }
        Ok(true)
    }

    /// `SIZE` or `SIZE;chunk-signature=HEX`, the size in hex.
    fn head(&mut self, line: &str) -> Result<(), SigError> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let legal = (1..=16).contains(&size.len()) && size.bytes().all(|b| b.is_ascii_hexdigit());
        let left = u64::from_str_radix(size, 16).ok().filter(|_| legal);
        let left = left.ok_or_else(|| bad("A chunk's size cannot be read"))?;
        if let Some(prover) = &mut self.prover {
            let signature = extension.strip_prefix("chunk-signature=");
            prover.expected = signature.ok_or_else(SigError::mismatch)?.to_owned();
        }
        if left == 0 {
            self.prove_chunk()?;
            self.state = State::Trailers;
        } else {
            self.state = State::Data { left };
        }
        Ok(())
    }

    fn prove_chunk(&mut self) -> Result<(), SigError> {
        self.prover.as_mut().map_or(Ok(()), Prover::prove_chunk)
    }

    /// A trailing header, or the empty line that ends the body.
    fn trailer(&mut self, line: &str, events: &mut Vec<ChunkEvent>) -> Result<(), SigError> {
        if line.is_empty() {
            // the trailer's signature may stand behind an empty line of its own
            let waits = |prover: &Prover| prover.trailer && !prover.trailer_is_proven;
            if self.prover.as_ref().is_some_and(waits) {
                return if self.trailer_text.is_empty() {
                    Err(SigError::mismatch())
                } else {
                    Ok(())
                };
            }
            self.state = State::Done;
            events.push(ChunkEvent::End);
            return Ok(());
        }
        self.trailer_count += 1;
        let pair = line.split_once(':').filter(|_| self.trailer_count <= TRAILERS_MAX);
        let (name, value) = pair.ok_or_else(|| bad("A trailing header cannot be read"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "x-amz-trailer-signature" {
            return match &mut self.prover {
                Some(prover) => prover.prove_trailer(&self.trailer_text, value),
                None => Ok(()),
            };
        }
        self.trailer_text.push_str(&format!("{name}:{value}\n"));
        events.push(ChunkEvent::Trailer(name, value.to_owned()));
        Ok(())
    }

    /// The next whole line, without its end.
    fn line(&mut self) -> Result<Option<String>, SigError> {
        let window = &self.buffer[..self.buffer.len().min(LINE_LEN_MAX)];
        let Some(len) = window.iter().position(|byte| *byte == b'\n') else {
            let too_long = self.buffer.len() >= LINE_LEN_MAX;
            return if too_long { Err(bad("A chunk's frame is too long")) } else { Ok(None) };
        };
        let line = self.buffer.split_to(len);
        self.buffer.advance(1);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let line = std::str::from_utf8(line).map_err(|_| bad("A chunk's frame is no text"))?;
        Ok(Some(line.to_owned()))
    }
}

impl Prover {
    fn prove_chunk(&mut self) -> Result<(), SigError> {
        let hash = hex(&std::mem::take(&mut self.hash).finalize());
        let empty = sha256_hex(b"");
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{empty}\n{hash}",
            self.signed_at, self.scope, self.previous
        );
        let signature = self.key.sign(&text);
        if !equal(&signature, &self.expected) {
            return Err(SigError::mismatch());
        }
        self.previous = signature;
        Ok(())
    }

    fn prove_trailer(&mut self, text: &str, given: &str) -> Result<(), SigError> {
        let hash = sha256_hex(text.as_bytes());
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{hash}",
            self.signed_at, self.scope, self.previous
        );
        self.trailer_is_proven = equal(&self.key.sign(&text), given);
        if self.trailer_is_proven { Ok(()) } else { Err(SigError::mismatch()) }
    }
}

fn bad(text: &str) -> SigError {
    SigError::new(SigFault::BadChunk, text)
}
