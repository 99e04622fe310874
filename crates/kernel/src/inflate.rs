//! Bodies that a client compressed.

use std::io::Read as _;

use bytes::Bytes;
use http::Method;
use http::request::Parts;

/// Most bytes that a compressed body may hold. *Ours*; AWS allows 1 MB in `PutMetricData`.
const PLAIN_BYTES_MAX: u64 = 16 << 20;

/// A body as it was sent, which is what was signed, and as it is meant.
pub(crate) struct Bodies {
    pub(crate) sent: Bytes,
    pub(crate) plain: Bytes,
}

impl Bodies {
    /// Inflates what is marked as gzip in a call of an RPC protocol (`POST /` and
    /// `POST /service/…`); elsewhere the mark belongs to the customer's bytes. A body that is not
    /// what it says, or too large, stays as it is, and its operation cannot read it.
    pub(crate) fn of(parts: &Parts, sent: Bytes) -> Self {
        let path = parts.uri.path();
        let is_rpc = parts.method == Method::POST && (path == "/" || path.starts_with("/service/"));
        let encoding = parts.headers.get(http::header::CONTENT_ENCODING);
        let is_gzip = encoding.is_some_and(|encoding| encoding.as_bytes() == b"gzip");
        let plain = if is_rpc && is_gzip { inflate(&sent) } else { None };
        Self { plain: plain.unwrap_or_else(|| sent.clone()), sent }
    }
}

fn inflate(sent: &[u8]) -> Option<Bytes> {
    let mut plain = Vec::new();
    let reader = flate2::read::GzDecoder::new(sent);
    reader.take(PLAIN_BYTES_MAX + 1).read_to_end(&mut plain).ok()?;
    (plain.len() as u64 <= PLAIN_BYTES_MAX).then(|| plain.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(plain: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap().into()
    }

    fn plain(method: &str, path: &str, sent: Bytes) -> Bytes {
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header("Content-Encoding", "gzip").body(()).unwrap();
        Bodies::of(&request.into_parts().0, sent).plain
    }

    #[test]
    fn an_rpc_body_is_inflated_and_a_customers_object_is_not() {
        let sent = gzip(b"{}");
        assert_eq!(plain("POST", "/", sent.clone()), "{}");
        assert_eq!(plain("POST", "/service/X/operation/Y", sent.clone()), "{}");
        assert_eq!(plain("PUT", "/bucket/key", sent.clone()), sent);
    }

    #[test]
    fn what_is_no_gzip_or_a_bomb_stays_as_it_is() {
        assert_eq!(plain("POST", "/", Bytes::from_static(b"{}")), "{}");
        let bomb = gzip(&vec![0; 17 << 20]);
        assert_eq!(plain("POST", "/", bomb.clone()), bomb);
    }
}
