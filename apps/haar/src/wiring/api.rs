//! haar's API, for code inside sandboxes.

use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};

use haar_gateway::{Gateway, Visitor};
use haar_kernel::ApiDoor;
use haar_substrate::SandboxId;
use tokio::net::TcpStream;

/// Leads connections that were accepted inside a sandbox to the gateway, which is opened last.
#[derive(Default)]
pub(crate) struct Api {
    gateway: OnceLock<Weak<Gateway>>,
}

impl Api {
    /// From now on connections lead somewhere.
    pub(crate) fn open(&self, gateway: &Arc<Gateway>) {
        let _ = self.gateway.set(Arc::downgrade(gateway)); // opened once
    }

    fn gateway(&self) -> Option<Arc<Gateway>> {
        self.gateway.get().and_then(Weak::upgrade)
    }
}

impl ApiDoor for Api {
    fn serve(
        &self,
        sandbox: &SandboxId,
        stream: TcpStream,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let visitor = Visitor::Sandbox(sandbox.clone());
        let served = self.gateway().map(|gateway| gateway.serve(stream, visitor));
        Box::pin(async move {
            if let Some(served) = served {
                let _ = served.await; // it ends with its connection
            }
        })
    }

    fn make_room(&self, sandbox: &SandboxId) {
        if let Some(gateway) = self.gateway() {
            gateway.make_room(sandbox);
        }
    }
}
