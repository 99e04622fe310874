//! A function's answer as an HTTP response.

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use serde_json::Value;

/// The content type of a streamed answer that begins with status and headers.
pub const HTTP_INTEGRATION_RESPONSE: &str = "application/vnd.awslambda.http-integration-response";

/// Longest prelude of a streamed answer. *Ours*.
const PRELUDE_BYTES_MAX: usize = 1 << 20;

/// A response's status and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlHead {
    /// 200, …
    pub status: u16,
    /// With a header for each cookie.
    pub headers: Vec<(String, String)>,
}

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlResponse {
    /// Status and headers.
    pub head: UrlHead,
    /// The body.
    pub body: Bytes,
}

/// The answer where the function failed or answered nonsense.
pub fn function_failed() -> UrlResponse {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    UrlResponse {
        head: UrlHead { status: 502, headers },
        body: Bytes::from_static(b"Internal Server Error"),
    }
}

/// The response of a function's buffered answer: a document with `statusCode`, or any JSON.
pub fn response(payload: &Bytes) -> UrlResponse {
    let Ok(document) = serde_json::from_slice::<Value>(payload) else { return function_failed() };
    if document.get("statusCode").is_none() {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        return UrlResponse { head: UrlHead { status: 200, headers }, body: payload.clone() };
    }
    let (Some(head), Some(body)) = (head(&document), body(&document)) else {
        return function_failed();
    };
    UrlResponse { head, body }
}

/// The head of a streamed answer without prelude.
pub fn plain_stream_head(content_type: &str) -> UrlHead {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    UrlHead { status: 200, headers }
}

fn head(document: &Value) -> Option<UrlHead> {
    let status = match &document["statusCode"] {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        Value::Null => 200,
        _ => return None,
    };
    let status = u16::try_from(status).ok().filter(|status| (100..600).contains(status))?;
    let mut headers = Vec::new();
    for (name, value) in document["headers"].as_object().into_iter().flatten() {
        headers.push((name.to_ascii_lowercase(), text(value)?));
    }
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    for cookie in document["cookies"].as_array().into_iter().flatten() {
        headers.push(("set-cookie".to_owned(), cookie.as_str()?.to_owned()));
    }
    Some(UrlHead { status, headers })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn body(document: &Value) -> Option<Bytes> {
    let body = match &document["body"] {
        Value::Null => return Some(Bytes::new()),
        Value::String(text) => text,
        other => return Some(other.to_string().into()),
    };
    if document["isBase64Encoded"].as_bool() == Some(true) {
        return base64::engine::general_purpose::STANDARD.decode(body).ok().map(Bytes::from);
    }
    Some(Bytes::copy_from_slice(body.as_bytes()))
}

/// Finds the head in a streamed answer: JSON, eight zeros, then the body.
#[derive(Debug, Default)]
pub struct PreludeReader {
    read: BytesMut,
}

impl PreludeReader {
    /// Takes some bytes; answers the head and the first of the body when the head is complete.
    ///
    /// # Errors
    /// When there can be no head any more.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<(UrlHead, Bytes)>, UrlResponse> {
        // what was looked through before is not looked through again
        let from = self.read.len().saturating_sub(7);
        self.read.extend_from_slice(bytes);
        let found = self.read[from..].windows(8).position(|window| window == [0; 8]);
        let Some(end) = found.map(|at| from + at) else {
            let too_long = self.read.len() > PRELUDE_BYTES_MAX;
            return if too_long { Err(function_failed()) } else { Ok(None) };
        };
        let prelude = self.read.split_to(end);
        let document: Value = serde_json::from_slice(&prelude).map_err(|_| function_failed())?;
        let head = head(&document).ok_or_else(function_failed)?;
        let rest = self.read.split_off(8).freeze();
        Ok(Some((head, rest)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(document: &Value) -> UrlResponse {
        response(&document.to_string().into())
    }

    #[test]
    fn any_json_is_a_response() {
        let plain = of(&json!("Hello"));
        assert_eq!((plain.head.status, &plain.body[..]), (200, &b"\"Hello\""[..]));
        assert_eq!(plain.head.headers[0].1, "application/json");
    }

    #[test]
    fn a_document_with_a_status_is_taken_apart() {
        let whole = of(&json!({
            "statusCode": 201, "headers": { "X-A": "1", "Content-Type": "text/plain" },
            "cookies": ["a=1", "b=2"], "body": "aGk=", "isBase64Encoded": true,
        }));
        assert_eq!((whole.head.status, &whole.body[..]), (201, &b"hi"[..]));
        let cookies = whole.head.headers.iter().filter(|(name, _)| name == "set-cookie").count();
        assert_eq!(cookies, 2);
        for nonsense in [json!({ "statusCode": "x" }), json!({ "statusCode": 9000 })] {
            assert_eq!(of(&nonsense).head.status, 502);
        }
    }

    #[test]
    fn a_prelude_is_found_whatever_the_pieces() {
        let stream = b"{\"statusCode\": 418, \"cookies\": [\"a=1\"]}\0\0\0\0\0\0\0\0tea";
        for cut in 0..stream.len() {
            let mut reader = PreludeReader::default();
            let mut body = Vec::new();
            let mut found = None;
            for piece in [&stream[..cut], &stream[cut..]] {
                match &found {
                    Some(_) => body.extend_from_slice(piece),
                    None => {
                        if let Some((head, rest)) = reader.push(piece).unwrap() {
                            found = Some(head);
                            body.extend_from_slice(&rest);
                        }
                    }
                }
            }
            assert_eq!((found.unwrap().status, body.as_slice()), (418, &b"tea"[..]), "{cut}");
        }
    }
}
