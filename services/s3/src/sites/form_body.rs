//! Forms with files: `multipart/form-data`, read as it comes.

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use haar_wire::{AwsError, Body, BodyError};
use http::request::Parts;

use crate::spool::broken_off;

/// Most bytes before the file.
const HEAD_MAX: usize = 128 << 10;

/// Whether a request is a form with parts.
pub(super) fn is_form(parts: &Parts) -> bool {
    kind(parts).starts_with("multipart/form-data")
}

fn kind(parts: &Parts) -> &str {
    parts.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

type Pieces = stream::BoxStream<'static, Result<Bytes, BodyError>>;

/// A form up to its file, which is still to come.
pub(super) struct Form {
    /// The fields before the file, by their names in lower case.
    pub(super) fields: BTreeMap<String, String>,
    /// The file's own name.
    pub(super) file_name: String,
    /// What ends the file: the boundary on a line of its own.
    end: Vec<u8>,
    buffer: BytesMut,
    pieces: Pieces,
}

impl Form {
    /// Reads the fields.
    ///
    /// # Errors
    /// `MalformedPOSTRequest` for what is no form, and `InvalidArgument` for one without a file.
    pub(super) async fn read(parts: &Parts, body: Body) -> Result<Self, AwsError> {
        let boundary =
            kind(parts).split(';').find_map(|part| part.trim().strip_prefix("boundary="));
        let boundary = boundary.ok_or_else(malformed)?.trim_matches('"');
        let mut form = Self {
            fields: BTreeMap::new(),
            file_name: String::new(),
            end: format!("\r\n--{boundary}").into_bytes(),
            buffer: BytesMut::from(&b"\r\n"[..]), // so that the first boundary is as the others
            pieces: body.into_stream().boxed(),
        };
        form.take_until(&form.end.clone()).await?;
        let mut total = 0;
        loop {
            if form.take(2).await? == b"--"[..] {
                let text = "POST requires exactly one file upload per request.";
                return Err(crate::refusal::invalid_argument(text, "file", "0"));
            }
            let head = form.take_until(b"\r\n\r\n").await?;
            let head = String::from_utf8(head.to_vec()).map_err(|_| malformed())?;
            let name = parameter(&head, "name").ok_or_else(malformed)?.to_ascii_lowercase();
            if name == "file" {
                form.file_name = parameter(&head, "filename").unwrap_or_default();
                return Ok(form);
            }
            let value = form.take_until(&form.end.clone()).await?;
            total += value.len();
            if total > HEAD_MAX {
                let text = "Your POST request fields preceding the upload file were too large.";
                return Err(AwsError::new("MaxPostPreDataLengthExceeded", 400, text));
            }
            let value = String::from_utf8(value.to_vec()).map_err(|_| malformed())?;
            form.fields.insert(name, value);
        }
    }

    /// A field by its name in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    async fn more(&mut self) -> Result<(), AwsError> {
        match self.pieces.next().await {
            Some(piece) => {
                self.buffer.extend_from_slice(&piece.map_err(broken_off)?);
                Ok(())
            }
            None => Err(malformed()),
        }
    }

    async fn take(&mut self, count: usize) -> Result<BytesMut, AwsError> {
        while self.buffer.len() < count {
            self.more().await?;
        }
        Ok(self.buffer.split_to(count))
    }

    /// What stands before a mark; the mark is taken too.
    async fn take_until(&mut self, mark: &[u8]) -> Result<BytesMut, AwsError> {
        loop {
            if let Some(at) = find(&self.buffer, mark) {
                let taken = self.buffer.split_to(at);
                self.buffer.advance(mark.len());
                return Ok(taken);
            }
            if self.buffer.len() > HEAD_MAX {
                return Err(malformed());
            }
            self.more().await?;
        }
    }

    /// The file, as it comes.
    pub(super) fn file(self) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
        let Self { end, buffer, pieces, .. } = self;
        stream::try_unfold(Some((buffer, pieces, end)), |state| async move {
            let Some((mut buffer, mut pieces, end)) = state else { return Ok(None) };
            loop {
                if let Some(at) = find(&buffer, &end) {
                    let last = buffer.split_to(at).freeze();
                    return Ok(Some((last, None)));
                }
                // What may be the beginning of the end stays.
                let safe = buffer.len().saturating_sub(end.len() - 1);
                if safe > 0 {
                    let piece = buffer.split_to(safe).freeze();
                    return Ok(Some((piece, Some((buffer, pieces, end)))));
                }
                match pieces.next().await {
                    Some(piece) => buffer.extend_from_slice(&piece?),
                    None => return Err(BodyError::from(malformed())),
                }
            }
        })
    }
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    let first = *mark.first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == first) {
        if text[from + at..].starts_with(mark) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// `name="…"` of a part's head.
fn parameter(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| {
        line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case("content-disposition:"))
    })?;
    line.split(';').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
    })
}

fn malformed() -> AwsError {
    let text = "The body of your POST request is not well-formed multipart/form-data.";
    AwsError::new("MalformedPOSTRequest", 400, text)
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn fields_come_first_and_the_file_ends_at_its_boundary() {
        let text = b"--x\r\nContent-Disposition: form-data; name=\"Key\"\r\n\r\na/${filename}\r\n\
            --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.txt\"\r\n\
            Content-Type: text/plain\r\n\r\nline\r\n--xy\r\n--x--\r\n";
        for size in [1, 7, text.len()] {
            let pieces = text.chunks(size).map(|piece| Ok(Bytes::from_static(piece)));
            let request = http::Request::post("/b")
                .header("content-type", "multipart/form-data; boundary=x")
                .body(())
                .unwrap();
            let body = Body::stream(stream::iter(pieces.collect::<Vec<_>>()));
            let form = Form::read(&request.into_parts().0, body).await.unwrap();
            assert_eq!(form.field("key"), Some("a/${filename}"));
            assert_eq!(form.file_name, "f.txt");
            let file: Vec<Bytes> = form.file().try_collect().await.unwrap();
            // the first boundary that fits ends the file, as everywhere
            assert_eq!(file.concat(), b"line", "{size}");
        }
    }
}
