//! The end of an environment.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Environment;
use crate::runtime_api::ShutdownReason;

/// Time for extensions to end in. AWS docs: *Lambda execution environment > Shutdown phase*.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Time for telemetry that is still buffered when an environment ends, out of
/// [`SHUTDOWN_GRACE`]. *Ours*.
const FLUSH_MAX: Duration = Duration::from_millis(500);

impl Environment {
    /// Ends the environment in the background.
    #[allow(clippy::disallowed_methods)] // the fleet's own future
    pub(in crate::fleet) fn end(self: &Arc<Self>, reason: ShutdownReason) {
        if !self.ending.swap(true, Ordering::Relaxed) {
            tokio::spawn(Arc::clone(self).remove(reason));
        }
    }

    /// Ends the environment and waits for it.
    pub(in crate::fleet) async fn end_now(self: Arc<Self>, reason: ShutdownReason) {
        if !self.ending.swap(true, Ordering::Relaxed) {
            self.remove(reason).await;
        }
    }

    async fn remove(self: Arc<Self>, reason: ShutdownReason) {
        if let Err(error) = self.thaw().await {
            tracing::debug!(sandbox = %self.id, %error, "could not thaw");
        }
        if self.api.has_extensions() {
            self.shut_down_extensions(reason).await;
        }
        self.journal.flush().await;
        self.telemetry.close();
        if let Err(error) = self.doors.substrate.remove(&self.id, Duration::ZERO).await {
            tracing::warn!(sandbox = %self.id, %error, "could not remove an environment");
        }
        for running in &self.loops {
            running.abort();
        }
    }

    /// Gives extensions what telemetry they have yet to hear, then word of the end, and waits for
    /// theirs. AWS docs: *Lambda Extensions API > Shutdown phase*.
    async fn shut_down_extensions(&self, reason: ShutdownReason) {
        let clock = &self.doors.clock;
        let deadline = clock.moment().after(SHUTDOWN_GRACE);
        self.journal.flush().await;
        self.telemetry.flush(FLUSH_MAX).await;
        let left = deadline.since(clock.moment());
        if self.api.shut_down(reason, (clock.machine().now() + left).0).await {
            let _ = clock.timeout(left, self.extensions_ended()).await; // then killed
        }
    }

    async fn extensions_ended(&self) {
        let substrate = &self.doors.substrate;
        let waits = self.extensions.iter().map(|name| substrate.wait(&self.id, name));
        futures_util::future::join_all(waits).await;
    }
}
