//! Websites of buckets, at `BUCKET.s3-website.localhost`.
//!
//! AWS docs: *Amazon S3 User Guide > Hosting a static website*.

use std::sync::Arc;

use haar_s3_contract::model::{Redirect, RoutingRule, WebsiteConfiguration};
use haar_types::RequestId;
use haar_wire::{AwsError, Body, spaced_path};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode,
};

use super::{adorn, bare};
use crate::S3;
use crate::access::Ask;
use crate::cors::set;
use crate::customer::opener;
use crate::reading::Version;
use crate::render::{content_type, http_date};
use crate::rules::archive::refuse_archived;
use crate::rules::condition::Conditions;
use crate::rules::customer_key::Said;
use crate::rules::range::{self, ByteRange};
use crate::state::BucketRow;
use crate::store::{Record, Sight};

/// The bucket whose website a host is.
pub(super) fn bucket_of(host: &str) -> Option<&str> {
    let at = host.find(".s3-website")?;
    let rest = &host[at + ".s3-website".len()..];
    (at > 0 && rest.starts_with(['.', '-'])).then(|| &host[..at])
}

/// A request for a page.
struct Visit<'a> {
    room: &'a Arc<S3>,
    bucket: &'a BucketRow,
    config: &'a WebsiteConfiguration,
    parts: &'a Parts,
    /// The path, without its first slash.
    path: String,
}

/// Answers with a page, a redirect, or a page that says why not.
pub(super) async fn serve(room: &Arc<S3>, bucket: &str, parts: &Parts) -> Response<Body> {
    let row = match room.bucket(bucket) {
        Ok(row) => row,
        Err(error) => return page(room, &error, parts),
    };
    let Some(config) = &row.website else {
        let text = "The specified bucket does not have a website configuration";
        let error =
            AwsError::new("NoSuchWebsiteConfiguration", 404, text).element("BucketName", bucket);
        return page(room, &error, parts);
    };
    let path = parts.uri.path();
    let path = spaced_path(path.strip_prefix('/').unwrap_or(path).into());
    let path = percent_decode_str(&path);
    let path = path.decode_utf8_lossy().into_owned();
    let visit = Visit { room, bucket: &row, config, parts, path };
    let answer = visit.answer();
    // whatever it looked at
    let answer = room.store.seen(Sight::of_bucket(row.id), Ok(answer)).await;
    let mut answer = answer.unwrap_or_else(|error| page(room, &error, parts));
    adorn(&row, parts, &mut answer);
    answer
}

impl Visit<'_> {
    fn answer(&self) -> Response<Body> {
        if let Some(target) = &self.config.redirect_all_requests_to {
            let protocol = target.protocol.map_or("http", |protocol| protocol.as_str());
            let query = self.parts.uri.path_and_query().map_or("/", |path| path.as_str());
            return moved(
                StatusCode::MOVED_PERMANENTLY,
                &format!("{protocol}://{}{query}", target.host_name),
            );
        }
        if self.parts.method != Method::GET && self.parts.method != Method::HEAD {
            let error = crate::refusal::method_not_allowed(self.parts.method.as_str(), "OBJECT");
            let mut answer = page(self.room, &error, self.parts);
            set(answer.headers_mut(), "allow", "GET, HEAD");
            return answer;
        }
        if let Some(rule) = self.rule(None) {
            return self.redirect(&rule.redirect, rule);
        }
        let key = self.key();
        match self.object(&key) {
            Ok(record) => self.show(&key, &record, StatusCode::OK),
            Err(error) => self.missing(error),
        }
    }

    fn suffix(&self) -> &str {
        self.config.index_document.as_ref().map_or("index.html", |index| &index.suffix)
    }

    /// The key behind a path: a folder's is its index document's.
    fn key(&self) -> String {
        match self.path.is_empty() || self.path.ends_with('/') {
            true => format!("{}{}", self.path, self.suffix()),
            false => self.path.clone(),
        }
    }

    /// An object, as anybody may read it.
    fn object(&self, key: &str) -> Result<Record, AwsError> {
        let caller = self.room.doors.passer_by(self.parts)?;
        let ask = Ask::to_read(&self.bucket.name, key);
        self.room.permit(&caller, self.bucket, &ask, &[])?;
        self.room.object(self.bucket, key, None, "GET")
    }

    fn missing(&self, error: AwsError) -> Response<Body> {
        let is_missing = error.status() == 404;
        if is_missing && !self.path.ends_with('/') && !self.path.is_empty() {
            let index = format!("{}/{}", self.path, self.suffix());
            if self.object(&index).is_ok() {
                return moved(StatusCode::FOUND, &format!("/{}/", encoded(&self.path)));
            }
        }
        if let Some(rule) = self.rule(Some(error.status())) {
            return self.redirect(&rule.redirect, rule);
        }
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::NOT_FOUND);
        if let Some(document) = &self.config.error_document
            && let Ok(record) = self.object(&document.key)
        {
            return self.show(&document.key, &record, status);
        }
        page(self.room, &error, self.parts)
    }

    fn show(&self, key: &str, record: &Record, status: StatusCode) -> Response<Body> {
        if let Some(target) = &record.manner.headers.website_redirect_location {
            return moved(StatusCode::MOVED_PERMANENTLY, target);
        }
        let header =
            |name: &str| self.parts.headers.get(name).and_then(|value| value.to_str().ok());
        let conditions =
            Conditions { if_none_match: header("if-none-match"), ..Conditions::default() };
        if status == StatusCode::OK && conditions.check_read(record).is_err() {
            return bare(StatusCode::NOT_MODIFIED);
        }
        let cut = header("range").filter(|_| status == StatusCode::OK);
        let cut = cut.and_then(|text| range::read(text, record.size).ok().flatten());
        let wanted = cut.unwrap_or_else(|| ByteRange::all(record.size));
        let body = match self.parts.method == Method::HEAD {
            true => Ok(Body::empty()),
            false => {
                let version = Version { bucket: self.bucket.id, key, record, opener: None };
                let (class, now) =
                    (record.manner.headers.storage_class, self.room.doors.clock.now());
                refuse_archived(class, record.restore, now)
                    .and_then(|()| opener(&record.manner.encryption, &Said::default()))
                    .and_then(|_| self.room.body(version, wanted))
            }
        };
        let mut answer = match body {
            Ok(body) => Response::new(body),
            Err(error) => return page(self.room, &error, self.parts),
        };
        *answer.status_mut() = if cut.is_some() { StatusCode::PARTIAL_CONTENT } else { status };
        let headers = answer.headers_mut();
        headers.insert("content-length", HeaderValue::from(wanted.length));
        set(headers, "content-type", &content_type(record));
        set(headers, "etag", &record.quoted_etag());
        set(headers, "last-modified", &http_date(record.modified_at));
        if cut.is_some() {
            set(headers, "content-range", &wanted.shown(record.size));
        }
        let own = &record.manner.headers;
        for (name, value) in [
            ("cache-control", &own.cache_control),
            ("content-encoding", &own.content_encoding),
            ("content-language", &own.content_language),
            ("content-disposition", &own.content_disposition),
        ] {
            if let Some(value) = value {
                set(headers, name, value);
            }
        }
        answer
    }

    /// The first rule for this path; those about errors count once there is one.
    fn rule(&self, error: Option<u16>) -> Option<&RoutingRule> {
        self.config.routing_rules.iter().flatten().find(|rule| {
            let condition = rule.condition.as_ref();
            let prefix = condition.and_then(|it| it.key_prefix_equals.as_deref());
            let code = condition.and_then(|it| it.http_error_code_returned_equals.as_deref());
            let code_fits = match (code, error) {
                (None, None) => true,
                (Some(code), Some(error)) => code == error.to_string(),
                _ => false,
            };
            prefix.is_none_or(|prefix| self.path.starts_with(prefix)) && code_fits
        })
    }

    fn redirect(&self, redirect: &Redirect, rule: &RoutingRule) -> Response<Body> {
        let condition = rule.condition.as_ref();
        let prefix = condition.and_then(|it| it.key_prefix_equals.as_deref()).unwrap_or_default();
        let rest = self.path.strip_prefix(prefix).unwrap_or(&self.path);
        let key = match (&redirect.replace_key_with, &redirect.replace_key_prefix_with) {
            (Some(key), _) => key.clone(),
            (None, Some(new)) => format!("{new}{rest}"),
            (None, None) => self.path.clone(),
        };
        let own = self.parts.headers.get("host").and_then(|host| host.to_str().ok());
        let host = redirect.host_name.as_deref().or(own).unwrap_or_default();
        let protocol = redirect.protocol.map_or("http", |protocol| protocol.as_str());
        let code = redirect.http_redirect_code.as_deref().and_then(|code| code.parse().ok());
        let code = code.and_then(|code| StatusCode::from_u16(code).ok());
        let to = format!("{protocol}://{host}/{}", encoded(&key));
        moved(code.unwrap_or(StatusCode::MOVED_PERMANENTLY), &to)
    }
}

/// A key as the path of an address.
fn encoded(key: &str) -> PercentEncode<'_> {
    const REST: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    utf8_percent_encode(key, REST)
}

fn moved(status: StatusCode, to: &str) -> Response<Body> {
    let mut answer = bare(status);
    set(answer.headers_mut(), "location", to);
    answer
}

/// The page that says why not.
fn page(room: &S3, error: &AwsError, parts: &Parts) -> Response<Body> {
    let request_id = RequestId::new(room.doors.ids.uuid());
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let (code, message) = (error.code(), escaped(error.message()));
    let text = format!(
        "<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n\
         <li>Code: {code}</li>\n<li>Message: {message}</li>\n<li>RequestId: {request_id}</li>\n\
         </ul>\n<hr/>\n</body>\n</html>\n"
    );
    let length = text.len();
    let is_head = parts.method == Method::HEAD;
    let mut answer = Response::new(if is_head { Body::empty() } else { text.into() });
    *answer.status_mut() = status;
    answer.headers_mut().insert("content-length", HeaderValue::from(length));
    set(answer.headers_mut(), "content-type", "text/html; charset=utf-8");
    set(answer.headers_mut(), "x-amz-error-code", code);
    answer
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_website_has_a_host_of_its_own() {
        for host in [
            "b.s3-website.localhost",
            "b.s3-website-us-east-1.amazonaws.com",
            "b.s3-website.eu-central-1.amazonaws.com",
        ] {
            assert_eq!(bucket_of(host), Some("b"), "{host}");
        }
        assert_eq!(bucket_of("a.b.s3-website.localhost"), Some("a.b"));
        assert_eq!(bucket_of("b.s3.localhost"), None);
        assert_eq!(bucket_of("s3-website.localhost"), None);
    }
}
