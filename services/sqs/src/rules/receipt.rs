//! Receipt handles: which delivery of which message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const MARK: &[u8; 4] = b"haar";
const LEN: usize = MARK.len() + 3 * 8;

/// One delivery. Customers see it as a text that means nothing to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// The queue's incarnation.
    pub(crate) queue: u64,
    /// The message's place in it.
    pub(crate) sequence: u64,
    /// Drawn anew for each delivery.
    pub(crate) delivery: u64,
}

impl Receipt {
    /// As customers see it.
    pub(crate) fn handle(self) -> String {
        let mut bytes = MARK.to_vec();
        for part in [self.queue, self.sequence, self.delivery] {
            bytes.extend(part.to_be_bytes());
        }
        STANDARD.encode(bytes)
    }

    /// Reads what [`Self::handle`] wrote.
    pub(crate) fn read(handle: &str) -> Option<Self> {
        let bytes = STANDARD.decode(handle).ok().filter(|bytes| bytes.len() == LEN)?;
        let rest = bytes.strip_prefix(MARK)?;
        let part = |index: usize| {
            let bytes = rest[index * 8..][..8].try_into().expect("eight bytes");
            u64::from_be_bytes(bytes)
        };
        Some(Self { queue: part(0), sequence: part(1), delivery: part(2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_as_it_was_written_and_nothing_else_is() {
        let receipt = Receipt { queue: 7, sequence: u64::MAX, delivery: 1 << 40 };
        assert_eq!(Receipt::read(&receipt.handle()), Some(receipt));
        for junk in ["", "abc", "!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="] {
            assert_eq!(Receipt::read(junk), None, "{junk}");
        }
    }
}
