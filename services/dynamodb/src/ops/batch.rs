//! `BatchGetItem` and `BatchWriteItem`.

mod get;
mod write;

use haar_wire::AwsError;

use crate::throttle::is_exceeded;

/// What of a batch had no throughput left. AWS docs: *API Reference > BatchWriteItem*: the batch
/// is refused only where nothing of it passed.
#[derive(Default)]
struct Throttled {
    some_passed: bool,
    refusal: Option<AwsError>,
}

impl Throttled {
    /// Whether one passed; any other error is for the whole batch.
    fn passed(&mut self, outcome: Result<(), AwsError>) -> Result<bool, AwsError> {
        self.passed_with(outcome).map(|passed| passed.is_some())
    }

    /// The same, with what came of it.
    fn passed_with<T>(&mut self, outcome: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
        match outcome {
            Ok(done) => {
                self.some_passed = true;
                Ok(Some(done))
            }
            Err(error) if is_exceeded(&error) => {
                self.refusal = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// To be called at the end.
    fn check(self) -> Result<(), AwsError> {
        match self.refusal.filter(|_| !self.some_passed) {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }
}
