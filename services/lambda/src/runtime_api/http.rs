//! The little of HTTP/1.1 that the Runtime API needs, read leanly and defensively.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Longest request line with headers, and longest trailer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Most bytes of an oversized body that are read and dropped, so that its sender hears why.
const DISCARD_BYTES_MAX: u64 = 64 << 20;

/// A request without its body.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    length: u64,
    chunked: bool,
    expects_continue: bool,
    /// The connection ends with the answer.
    pub(super) closes: bool,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Why a request could not be read.
#[derive(Debug)]
pub(super) enum Bad {
    /// It is no HTTP: answered with 400, then the connection ends.
    Malformed(&'static str),
    /// Its body is too long: answered with 413.
    TooLarge,
    /// The connection ended or broke.
    Gone,
}

impl From<io::Error> for Bad {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// A piece of a body.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    /// The end, with trailers (names in lower case).
    End(Vec<(String, String)>),
}

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    half: OwnedReadHalf,
    buffer: BytesMut,
    /// Bytes of the current body that are still to come; `None` between chunks.
    left: Option<u64>,
}

impl Reader {
    pub(super) fn new(half: OwnedReadHalf) -> Self {
        Self { half, buffer: BytesMut::new(), left: None }
    }

    /// True when more requests have already arrived.
    pub(super) fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next request's head; `None` when the peer has closed.
    pub(super) async fn head(&mut self) -> Result<Option<Head>, Bad> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = parse_head(&self.buffer[..end])?;
                self.buffer.advance(end + 4);
                self.left = (!head.chunked).then_some(head.length);
                return Ok(Some(head));
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(Bad::Malformed("the request's head is too long"));
            }
            if self.buffer.is_empty() {
                if self.fill_when_it_comes().await? == 0 {
                    return Ok(None);
                }
            } else if self.fill().await? == 0 {
                return Err(Bad::Gone);
            }
        }
    }

    /// The whole body, if it is at most `limit` bytes long.
    pub(super) async fn body(
        &mut self,
        head: &Head,
        writer: &OwnedWriteHalf,
        limit: u64,
    ) -> Result<Bytes, Bad> {
        if head.expects_continue {
            write_all(writer, &[b"HTTP/1.1 100 Continue\r\n\r\n"]).await?;
        }
        if !head.chunked {
            return self.sized_body(head.length, limit).await;
        }
        let mut whole = BytesMut::new();
        let mut total = 0;
        while let Piece::Data(data) = self.piece(head).await? {
            total += data.len() as u64;
            if total > DISCARD_BYTES_MAX {
                return Err(Bad::Gone);
            }
            if total <= limit {
                whole.extend_from_slice(&data);
            }
        }
        if total > limit { Err(Bad::TooLarge) } else { Ok(whole.freeze()) }
    }

    async fn sized_body(&mut self, length: u64, limit: u64) -> Result<Bytes, Bad> {
        if length > limit {
            if length > DISCARD_BYTES_MAX {
                return Err(Bad::Gone);
            }
            let mut left = length;
            while left > 0 {
                if self.buffer.is_empty() && self.fill().await? == 0 {
                    return Err(Bad::Gone);
                }
                let dropped = left.min(self.buffer.len() as u64);
                self.buffer.advance(dropped as usize);
                left -= dropped;
            }
            return Err(Bad::TooLarge);
        }
        let length = length as usize;
        self.buffer.reserve(length.saturating_sub(self.buffer.len()));
        while self.buffer.len() < length {
            if self.fill().await? == 0 {
                return Err(Bad::Gone);
            }
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    /// Reads a body that nobody wants, and keeps nothing of it.
    pub(super) async fn skip(&mut self, head: &Head, writer: &OwnedWriteHalf) -> Result<(), Bad> {
        match self.body(head, writer, 0).await {
            Ok(_) | Err(Bad::TooLarge) => Ok(()),
            Err(bad) => Err(bad),
        }
    }

    /// Reads and drops what still comes, until the peer closes.
    pub(super) async fn rest(&mut self) {
        loop {
            self.buffer.clear();
            if matches!(self.fill().await, Ok(0) | Err(_)) {
                return;
            }
        }
    }

    /// The next piece of the current body, as it comes.
    pub(super) async fn piece(&mut self, head: &Head) -> Result<Piece, Bad> {
        loop {
            match self.left {
                Some(0) if !head.chunked => return Ok(Piece::End(Vec::new())),
                Some(0) => {
                    self.line().await?; // the line feed behind a chunk
                    self.left = None;
                }
                Some(left) => return self.data(left).await,
                None => {
                    let line = self.line().await?;
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    let size = u64::from_str_radix(digits, 16)
                        .map_err(|_| Bad::Malformed("a chunk's size is no number"))?;
                    if size == 0 {
                        return Ok(Piece::End(self.trailers().await?));
                    }
                    self.left = Some(size);
                }
            }
        }
    }

    async fn data(&mut self, left: u64) -> Result<Piece, Bad> {
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Err(Bad::Gone);
        }
        let size = left.min(self.buffer.len() as u64);
        self.left = Some(left - size);
        Ok(Piece::Data(self.buffer.split_to(size as usize).freeze()))
    }

    async fn trailers(&mut self) -> Result<Vec<(String, String)>, Bad> {
        let mut trailers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(trailers);
            }
            if trailers.len() == 64 {
                return Err(Bad::Malformed("too many trailers"));
            }
            trailers.push(parse_header(&line)?);
        }
    }

    /// One line without its end. A trailer may carry an error's whole text, so it may be long.
    async fn line(&mut self) -> Result<String, Bad> {
        let mut seen = 0;
        loop {
            if let Some(end) = find(&self.buffer[seen..], b"\r\n") {
                let end = seen + end;
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.advance(end + 2);
                return Ok(line);
            }
            if self.buffer.len() > 8 << 20 {
                return Err(Bad::Malformed("a line is too long"));
            }
            seen = self.buffer.len().saturating_sub(1); // its carriage return may be here already
            if self.fill().await? == 0 {
                return Err(Bad::Gone);
            }
        }
    }

    /// Reads what there is, or waits for it.
    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(4 << 10);
        self.half.read_buf(&mut self.buffer).await
    }

    /// The same where nothing waits in the buffer, which is not there until something comes: most
    /// runtimes wait most of the time.
    async fn fill_when_it_comes(&mut self) -> io::Result<usize> {
        poll_fn(|context| {
            let read = pin!(self.fill()).poll(context);
            if read.is_pending() {
                self.buffer = BytesMut::new();
            }
            read
        })
        .await
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == needle[0]) {
        let at = from + at;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn parse_head(bytes: &[u8]) -> Result<Head, Bad> {
    let text = std::str::from_utf8(bytes).map_err(|_| Bad::Malformed("the head is no text"))?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Bad::Malformed("the request line has not three words"));
    };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Err(Bad::Malformed("this is not HTTP/1.1"));
    }
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let closes = version == "HTTP/1.0";
    let mut head = Head { method: method.to_owned(), path, closes, ..Head::default() };
    for line in lines {
        let (name, value) = parse_header(line)?;
        match name.as_str() {
            "content-length" => {
                head.length =
                    value.parse().map_err(|_| Bad::Malformed("Content-Length is no number"))?;
            }
            "transfer-encoding" => head.chunked = value.to_ascii_lowercase().ends_with("chunked"),
            "connection" => {
                let has = |word: &str| {
                    value.split(',').any(|each| each.trim().eq_ignore_ascii_case(word))
                };
                head.closes = has("close") || head.closes && !has("keep-alive");
            }
            "expect" => head.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            _ => head.headers.push((name, value)),
        }
    }
    Ok(head)
}

fn parse_header(line: &str) -> Result<(String, String), Bad> {
    let (name, value) = line.split_once(':').ok_or(Bad::Malformed("a header has no colon"))?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// Writes all parts, if possible with one system call.
pub(super) async fn write_all(writer: &OwnedWriteHalf, parts: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<io::IoSlice<'_>> =
        parts.iter().map(|part| io::IoSlice::new(part)).collect();
    let mut slices = slices.as_mut_slice();
    io::IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match writer.try_write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => io::IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => writer.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// An answer with a JSON body.
pub(super) fn json_answer(status: &str, headers: &str, body: &str) -> Bytes {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into()
}

/// Shared by whoever may answer on a connection.
pub(super) type Writer = Arc<OwnedWriteHalf>;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_request_keeps_no_buffer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut peer = tokio::net::TcpStream::connect(address).await.unwrap();
        let (read, _write) = listener.accept().await.unwrap().0.into_split();
        let mut reader = Reader::new(read);
        for path in ["/a", "/b"] {
            let waiting = reader.head().now_or_never();
            assert!(waiting.is_none());
            assert_eq!(reader.buffer.capacity(), 0);
            peer.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
            assert_eq!(reader.head().await.unwrap().unwrap().path, path);
        }
        peer.write_all(b"GET /c HT").await.unwrap();
        reader.half.readable().await.unwrap();
        assert!(reader.head().now_or_never().is_none());
        peer.write_all(b"TP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(reader.head().await.unwrap().unwrap().path, "/c", "in two pieces");
        drop(peer);
        assert!(reader.head().await.unwrap().is_none());
    }

    #[test]
    fn a_head_is_read_and_nonsense_is_refused() {
        let head = parse_head(b"POST /a/b?c HTTP/1.1\r\nX-Y:  z \r\nContent-Length: 3").unwrap();
        assert_eq!((head.method.as_str(), head.path.as_str()), ("POST", "/a/b"));
        assert_eq!((head.header("x-y"), head.length), (Some("z"), 3));
        let closes = |text: &str| parse_head(text.as_bytes()).unwrap().closes;
        assert!(closes("GET / HTTP/1.0") && closes("GET / HTTP/1.1\r\nConnection: TE, Close"));
        assert!(!closes("GET / HTTP/1.1") && !closes("GET / HTTP/1.0\r\nConnection: keep-alive"));
        for nonsense in [
            "",
            "GET",
            "GET / HTTP/2",
            "GET x HTTP/1.1",
            "GET / x HTTP/1.1",
            "GET / HTTP/1.1\r\nno colon",
            "GET / HTTP/1.1\r\nContent-Length: -1",
        ] {
            assert!(parse_head(nonsense.as_bytes()).is_err(), "{nonsense:?}");
        }
    }
}
