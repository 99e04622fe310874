//! haar's API, for code inside sandboxes.

use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};

use haar_gateway::Gateway;
use haar_lambda::doors::ApiDoor;
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
}

impl ApiDoor for Api {
    fn serve(&self, stream: TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let gateway = self.gateway.get().and_then(Weak::upgrade);
        let served = gateway.map(|gateway| gateway.serve(stream, None));
        Box::pin(async move {
            if let Some(served) = served {
                let _ = served.await; // it ends with its connection
            }
        })
    }
}
