//! A target that is an API destination: its endpoint is called.
//!
//! AWS docs: *Amazon EventBridge User Guide > API destinations*.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use haar_caller::STATUS_ALONE;
use haar_courier::Parcel;
use haar_events_contract::model::{ConnectionAuthorizationType as Kind, HttpParameters};
use haar_kernel::UsageRecord;
use haar_pattern::Path;
use haar_wire::Json;
use haar_wire::sigv4::URI_ENCODED;
use http::{Request, Response};
use http_body_util::Full;
use percent_encoding::utf8_percent_encode;

use super::Delivery;
use super::attempt::text_for;
use super::failure::Failure;
use super::http::Token;
use crate::Events;
use crate::ops::connection;
use crate::state::{BusKey, ConnectionRow, DestinationRow, NameKey};

/// Bytes of a token's answer at most.
const TOKEN_MAX: usize = 64 << 10;

/// A destination and its connection.
pub(super) type Ends = (Arc<DestinationRow>, Arc<ConnectionRow>);
/// The same, or why it cannot be called.
pub(super) type Called = Result<Ends, Failure>;

/// What goes into one request, beside its body.
#[derive(Default)]
struct Parts {
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

impl Events {
    /// What a delivery calls, where its target is a destination; asked once for each attempt.
    pub(super) fn destination_of(&self, delivery: &Delivery) -> Option<Called> {
        let arn = delivery.target.arn.as_str();
        let is_called = arn.split(':').nth(2) == Some("events") && BusKey::of_arn(arn).is_none();
        is_called.then(|| self.called(arn))
    }

    /// Calls an API destination once.
    pub(super) async fn call_out(
        &self,
        delivery: &Delivery,
        (destination, connection): &Ends,
    ) -> Result<(), Failure> {
        if destination.key.account != delivery.rule.bus.account {
            let text = "API destinations of other accounts are no targets.";
            return Err(Failure::lasting("NO_PERMISSIONS", text));
        }
        let usual = HttpParameters::default();
        let given = delivery.target.http_parameters.as_ref().unwrap_or(&usual);
        let given = found(given, &delivery.event);
        let (ends, text) = ((&**destination, &**connection), text_for(delivery));
        self.call_endpoint(ends, &given, text, STATUS_ALONE).await.map(drop)
    }

    /// How long a delivery is to wait for its turn, if it calls a destination.
    pub(super) fn wait_for_turn(
        &self,
        called: Option<&Called>,
        parcel: &Parcel,
    ) -> Option<Duration> {
        let own = |(row, _): &&Ends| row.key.account == parcel.owner;
        match called?.as_ref().ok().filter(own) {
            Some((row, _)) => self.http.wait_for(parcel.number, row, self.doors.clock.now()),
            None => {
                self.http.forget_turn(parcel.number);
                None
            }
        }
    }

    /// Calls the endpoint of a destination once, its turn taken; its answer where it is a success,
    /// with a body of so many bytes at most.
    pub(super) async fn call_endpoint(
        &self,
        (destination, connection): (&DestinationRow, &ConnectionRow),
        given: &HttpParameters,
        text: String,
        body_max: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let parameters = self.parameters(connection);
        let mut parts = of_target(given);
        let body = with_body(text, &parameters["InvocationHttpParameters"]);
        parts.add(&parameters["InvocationHttpParameters"]);
        self.authorise(connection, &parameters, &mut parts).await?;
        let clock = &self.doors.clock;
        let url = url(&destination.endpoint, given, &parts.query);
        let request = request(destination.method.as_str(), &url, &parts.headers, body)?;
        let answered = self.http.send(clock, request, body_max).await?;
        self.doors.meter.record(UsageRecord {
            account: destination.key.account.clone(),
            region: destination.key.region.clone(),
            at: clock.now(),
            service: "events",
            resource: destination.key.name.clone(),
            quantities: vec![("api-destinations", 1)],
        });
        let text = format!("the endpoint answered {}", answered.status());
        match answered.status().as_u16() {
            200..300 => Ok(answered),
            401 | 407 => {
                // Perhaps the token: the next attempt asks for a new one.
                self.http.forget_token(&connection.arn());
                Err(Failure::passing("ERROR_FROM_TARGET", text))
            }
            409 | 429 | 500.. => Err(Failure::passing("ERROR_FROM_TARGET", text)),
            _ => Err(Failure::lasting("ERROR_FROM_TARGET", text)),
        }
    }

    /// A destination, and the connection that it is called by.
    pub(super) fn called(&self, arn: &str) -> Called {
        let gone = |what: &str| Failure::lasting("NO_RESOURCE", format!("{what} does not exist."));
        let snapshot = self.doors.ledger.snapshot();
        let key = NameKey::of_arn(arn, "api-destination").ok_or_else(|| gone(arn))?;
        let row = snapshot.get::<DestinationRow>(&key).filter(|row| row.arn() == arn);
        let row = row.ok_or_else(|| gone(arn))?;
        let connection = connection(&snapshot, &row.connection_arn);
        let connection = connection.ok_or_else(|| gone(&row.connection_arn))?;
        match connection.is_authorized {
            true => Ok((row, connection)),
            false => Err(Failure::lasting("NO_PERMISSIONS", "the connection is not authorised")),
        }
    }

    async fn authorise(
        &self,
        connection: &ConnectionRow,
        parameters: &Json,
        parts: &mut Parts,
    ) -> Result<(), Failure> {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let header = match connection.kind {
            Kind::Basic => {
                let given = &parameters["BasicAuthParameters"];
                let pair = format!("{}:{}", text(&given["Username"]), text(&given["Password"]));
                ("authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair)))
            }
            Kind::ApiKey => {
                let given = &parameters["ApiKeyAuthParameters"];
                (text(&given["ApiKeyName"]), text(&given["ApiKeyValue"]))
            }
            Kind::OauthClientCredentials => {
                let token = self.token(connection, &parameters["OAuthParameters"]).await?;
                ("authorization".to_owned(), format!("Bearer {token}"))
            }
        };
        parts.headers.push(header);
        Ok(())
    }

    /// A token that is good, asked for where there is none.
    async fn token(&self, connection: &ConnectionRow, given: &Json) -> Result<String, Failure> {
        let (arn, clock) = (connection.arn(), &self.doors.clock.machine()); // its giver's time
        if let Some(token) = self.http.token(&arn, &connection.sealed, clock.now()) {
            return Ok(token);
        }
        let mut form = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
        for (name, member) in [("client_id", "ClientID"), ("client_secret", "ClientSecret")] {
            let value = given["ClientParameters"][member].as_str().unwrap_or_default();
            form.push((name.to_owned(), value.to_owned()));
        }
        let more = &given["OAuthHttpParameters"];
        form.extend(pairs(&more["BodyParameters"]));
        let mut parts = Parts::default();
        parts.add(more);
        parts
            .headers
            .push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        let method = given["HttpMethod"].as_str().unwrap_or("POST");
        let endpoint = given["AuthorizationEndpoint"].as_str().unwrap_or_default();
        if method == "GET" {
            parts.query.append(&mut form);
        }
        let url = with_query(endpoint.to_owned(), &parts.query);
        let request = request(method, &url, &parts.headers, encoded(&form))?;
        let answered = self.http.send(clock, request, TOKEN_MAX).await?;
        let document: Json = serde_json::from_slice(answered.body()).unwrap_or_default();
        let Some(token) = document["access_token"].as_str() else {
            let text = format!("no token: the endpoint answered {}", answered.status());
            return Err(Failure::passing("ERROR_FROM_TARGET", text));
        };
        let good_for = document["expires_in"].as_u64().unwrap_or(60);
        let good_until = clock.now() + Duration::from_secs(good_for.saturating_sub(5));
        let (text, given_for) = (token.to_owned(), connection.sealed.clone());
        self.http.keep_token(arn, Token { text, good_until, given_for });
        Ok(token.to_owned())
    }
}

impl Parts {
    /// What a connection adds to each call.
    fn add(&mut self, parameters: &Json) {
        self.headers.extend(pairs(&parameters["HeaderParameters"]));
        self.query.extend(pairs(&parameters["QueryStringParameters"]));
    }
}

fn pairs(list: &Json) -> impl Iterator<Item = (String, String)> {
    list.as_array().into_iter().flatten().filter_map(|one| {
        Some((one["Key"].as_str()?.to_owned(), one["Value"].as_str()?.to_owned()))
    })
}

/// A value, or what a path leads to in the event.
fn value_of(given: &str, event: &Json) -> String {
    let found = Path::parse(given).and_then(|path| path.find(event));
    match found {
        Some(Json::String(text)) => text,
        Some(other) => other.to_string(),
        None => given.to_owned(),
    }
}

/// The parameters with what their paths lead to in the event.
fn found(given: &HttpParameters, event: &Json) -> HttpParameters {
    let each = |map: &Option<std::collections::BTreeMap<String, String>>| {
        let all = map.iter().flatten();
        Some(all.map(|(name, value)| (name.clone(), value_of(value, event))).collect())
    };
    let values = given.path_parameter_values.iter().flatten();
    HttpParameters {
        path_parameter_values: Some(values.map(|value| value_of(value, event)).collect()),
        header_parameters: each(&given.header_parameters),
        query_string_parameters: each(&given.query_string_parameters),
    }
}

fn of_target(given: &HttpParameters) -> Parts {
    let each = |map: &Option<std::collections::BTreeMap<String, String>>| {
        map.iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    Parts { headers: each(&given.header_parameters), query: each(&given.query_string_parameters) }
}

/// The endpoint with its stars filled in order, and the query behind it.
fn url(endpoint: &str, given: &HttpParameters, query: &[(String, String)]) -> String {
    let mut values = given.path_parameter_values.as_deref().unwrap_or_default().iter();
    let mut filled = String::with_capacity(endpoint.len());
    for letter in endpoint.chars() {
        match (letter, values.len()) {
            ('*', 1..) => {
                let value = values.next().map(String::as_str).unwrap_or_default();
                filled.push_str(&escaped(value));
            }
            (letter, _) => filled.push(letter),
        }
    }
    with_query(filled, query)
}

fn with_query(url: String, query: &[(String, String)]) -> String {
    if query.is_empty() {
        return url;
    }
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{}", encoded(query))
}

fn encoded(pairs: &[(String, String)]) -> String {
    let each = |(name, value): &(String, String)| format!("{}={}", escaped(name), escaped(value));
    pairs.iter().map(each).collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, URI_ENCODED).to_string()
}

/// The body with the connection's members, where it is an object.
fn with_body(text: String, parameters: &Json) -> String {
    let mut more = pairs(&parameters["BodyParameters"]).peekable();
    if more.peek().is_none() {
        return text;
    }
    match serde_json::from_str::<Json>(&text) {
        Ok(Json::Object(mut members)) => {
            members.extend(more.map(|(name, value)| (name, Json::String(value))));
            Json::Object(members).to_string()
        }
        _ => text,
    }
}

fn request(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: String,
) -> Result<Request<Full<Bytes>>, Failure> {
    let mut builder = Request::builder()
        .method(method)
        .uri(url)
        .header("user-agent", "Amazon/EventBridge/ApiDestinations");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        builder = builder.header("content-type", "application/json; charset=utf-8");
    }
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let body = if matches!(method, "GET" | "HEAD") { Bytes::new() } else { Bytes::from(body) };
    let request = builder.body(Full::from(body));
    request.map_err(|error| Failure::lasting("INVALID_PARAMETER", error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stars_queries_and_bodies_are_filled() {
        let event = json!({"detail": {"id": "a b_c", "n": 5}});
        let given = HttpParameters {
            path_parameter_values: Some(vec!["$.detail.id".to_owned(), "fixed".to_owned()]),
            query_string_parameters: Some([("n".to_owned(), "$.detail.n".to_owned())].into()),
            ..HttpParameters::default()
        };
        let given = found(&given, &event);
        let parts = of_target(&given);
        let made = url("https://api.test/*/x/*", &given, &parts.query);
        assert_eq!(made, "https://api.test/a%20b_c/x/fixed?n=5");
        let parameters = json!({"BodyParameters": [{"Key": "k", "Value": "v"}]});
        assert_eq!(with_body("{\"a\":1}".to_owned(), &parameters), "{\"a\":1,\"k\":\"v\"}");
        assert_eq!(with_body("[1]".to_owned(), &parameters), "[1]");
    }
}
