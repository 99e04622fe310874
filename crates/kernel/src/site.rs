//! What answers plain HTTP beside AWS's operations: function URLs, downloads, admin pages.

use futures_util::future::BoxFuture;
use haar_wire::Body;
use http::request::Parts;
use http::{Request, Response};

/// Answers the HTTP requests that it claims by host or path, with no operation behind them.
pub trait Site: Send + Sync + 'static {
    /// True for a request that is this site's. `host` is in lower case, without its port.
    fn claims(&self, host: &str, parts: &Parts) -> bool;

    /// True when this request's body is to be handed over as it comes, however long it is; the
    /// site bounds it. Otherwise the body is all there, and no longer than the gateway allows.
    fn streams(&self, _parts: &Parts) -> bool {
        false
    }

    /// True when pages of any other site may send this, although haar lets everybody in: what
    /// [`Doors`](crate::Doors) then says of the visitor is what policies say.
    fn welcomes(&self, _host: &str, _parts: &Parts) -> bool {
        false
    }

    /// Answers one.
    fn serve(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>>;
}
