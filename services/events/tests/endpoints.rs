//! API destinations and the endpoints behind them, on real connections.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::sync::Arc;

use haar_events_contract::destinations::{ApiDestinations, DestinationCall};
use haar_events_contract::{
    CreateApiDestination, CreateConnection, DeauthorizeConnection, UpdateConnection,
};
use haar_kernel::Principal;
use haar_types::{AccountId, Region};
use house::House;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// An endpoint: what it had, and where it is.
struct Endpoint {
    url: String,
    /// Beginnings of its requests.
    had: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// One that gives out tokens `t1`, `t2` …, answers calls of `/broken` with less than it says,
    /// and others in full.
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let had = Arc::<Mutex<Vec<String>>>::default();
        let requests = Arc::clone(&had);
        tokio::task::spawn_local(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut bytes = [0; 4_096];
                let count = connection.read(&mut bytes).await.unwrap();
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                let tokens = requests.lock().iter().filter(|one| one.contains("/token")).count();
                let (length, body) = if text.contains(" /token ") {
                    let token = json!({"access_token": format!("t{}", tokens + 1)});
                    let token = token.to_string().replace('}', ",\"expires_in\":3600}");
                    (token.len(), token)
                } else {
                    let missing = if text.contains(" /broken ") { 10 } else { 0 };
                    ("done".len() + missing, "done".to_owned())
                };
                requests.lock().push(text);
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
                let answer = format!("{head}: {length}\r\n\r\n{body}");
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, had }
    }

    /// Tokens that calls came with, oldest first.
    fn tokens(&self) -> Vec<String> {
        let had = self.had.lock();
        let token = |text: &String| {
            let lower = text.to_lowercase();
            let (_, behind) = lower.split_once("authorization: bearer ")?;
            Some(behind.split("\r\n").next()?.to_owned())
        };
        had.iter().filter_map(token).collect()
    }
}

/// Runs a story in one thread, with connections, while time passes as it does.
fn live(story: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, story());
}

/// A destination of an endpoint; its ARN.
async fn destination(house: &House, connection: Value, url: String) -> String {
    let made = house.ok::<CreateConnection>(connection).await;
    let input = json!({
        "Name": "d", "ConnectionArn": made["ConnectionArn"],
        "InvocationEndpoint": url, "HttpMethod": "POST",
    });
    let made = house.ok::<CreateApiDestination>(input).await;
    made["ApiDestinationArn"].as_str().unwrap().to_owned()
}

/// Calls it as a pipe does; the body, or the code of a failure and whether it may pass.
async fn called(house: &House, arn: &str) -> Result<String, (String, bool)> {
    let call = DestinationCall {
        arn: arn.to_owned(),
        principal: Arc::new(Principal::root(AccountId::default())),
        region: Region::default(),
        path_parameter_values: Vec::new(),
        header_parameters: Default::default(),
        query_string_parameters: Default::default(),
        body: "{}".to_owned(),
    };
    let destinations = house.doors.peeks.get::<dyn ApiDestinations>().unwrap();
    match destinations.call(call).await {
        Ok(answer) => Ok(String::from_utf8(answer.body.to_vec()).unwrap()),
        Err(error) => Err((error.code, error.is_transient)),
    }
}

#[test]
fn an_answer_that_breaks_off_is_a_failure_that_may_pass() {
    live(async || {
        let (house, endpoint) = (House::new(), Endpoint::new().await);
        let basic = json!({
            "Name": "c", "AuthorizationType": "BASIC",
            "AuthParameters": {"BasicAuthParameters": {"Username": "u", "Password": "p"}},
        });
        let arn = destination(&house, basic, format!("{}/broken", endpoint.url)).await;
        assert_eq!(called(&house, &arn).await, Err(("CONNECTION_FAILURE".to_owned(), true)));
    });
}

#[test]
fn a_token_is_kept_until_its_connection_changes() {
    live(async || {
        let (house, endpoint) = (House::new(), Endpoint::new().await);
        let parameters = |id: &str| {
            json!({"OAuthParameters": {
                "ClientParameters": {"ClientID": id, "ClientSecret": "s"},
                "AuthorizationEndpoint": format!("{}/token", endpoint.url), "HttpMethod": "POST",
            }})
        };
        let connection = json!({
            "Name": "c", "AuthorizationType": "OAUTH_CLIENT_CREDENTIALS",
            "AuthParameters": parameters("one"),
        });
        let arn = destination(&house, connection, format!("{}/hook", endpoint.url)).await;
        for _ in 0..2 {
            assert_eq!(called(&house, &arn).await.unwrap(), "done");
        }
        let update = json!({"Name": "c", "AuthParameters": parameters("two")});
        house.ok::<UpdateConnection>(update.clone()).await;
        assert_eq!(called(&house, &arn).await.unwrap(), "done");
        house.ok::<DeauthorizeConnection>(json!({"Name": "c"})).await;
        assert_eq!(called(&house, &arn).await, Err(("NO_PERMISSIONS".to_owned(), false)));
        house.ok::<UpdateConnection>(update).await;
        assert_eq!(called(&house, &arn).await.unwrap(), "done");
        assert_eq!(endpoint.tokens(), ["t1", "t1", "t2", "t3"]);
    });
}
