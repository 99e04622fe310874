//! What other rooms see of streams.

use std::sync::Arc;

use haar_kinesis_contract::peek::KinesisPeek;
use haar_ledger::Ledger;
use tokio::sync::watch;

use crate::lookup::key_of_arn;
use crate::state::StreamRow;
use crate::tips::Tips;

/// The room's facts.
pub(crate) struct Peek {
    pub(crate) tips: Arc<Tips>,
    pub(crate) ledger: Ledger,
}

impl KinesisPeek for Peek {
    fn grown(&self, stream_arn: &str) -> Option<watch::Receiver<u64>> {
        let key = key_of_arn(stream_arn)?;
        let row = self.ledger.snapshot().get::<StreamRow>(&key)?;
        Some(self.tips.stream(row.id).subscribe())
    }
}
