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
        let id = self.incarnation(stream_arn)?;
        self.tips.growth(id, || self.incarnation(stream_arn) == Some(id))
    }

    fn incarnation(&self, stream_arn: &str) -> Option<u64> {
        let key = key_of_arn(stream_arn)?;
        Some(self.ledger.snapshot().get::<StreamRow>(&key)?.id)
    }
}
