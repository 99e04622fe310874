//! Function URLs: an HTTP request as an event, and a function's answer as an HTTP response.
//! AWS docs: *Invoking Lambda function URLs > Request and response payloads* (format 2.0).
//!
//! Pure: the gateway hands in what it read and writes what it gets.

mod cors;
mod request;
mod response;

pub use cors::{add_cors_headers, preflight};
pub use request::{IamCaller, UrlRequest};
pub use response::{
    HTTP_INTEGRATION_RESPONSE, PreludeReader, UrlHead, UrlResponse, function_failed,
    plain_stream_head, response,
};
