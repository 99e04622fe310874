//! Registries of every temper.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod house;

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use haar_clock::Clock;
use haar_registry::{
    Endpoint, ImageName, Limits, Login, Registries, RegistryError, Remote, Repository,
};
use haar_substrate::{ImageError, ImageSource as _};
use house::{Asked, Reply, Server, reply};

const MANIFEST: &[u8] = b"{\"schemaVersion\":2}";
const TOKEN: &[u8] = b"{\"token\":\"t0k\",\"expires_in\":300}";
const QUICK: Limits =
    Limits { answer: Duration::from_millis(300), idle: Duration::from_millis(300) };

fn login(password: &str) -> Login {
    Login { username: "me".to_owned(), password: password.to_owned() }
}

fn registries(limits: Limits) -> Registries {
    Registries::new(Clock::system(), limits)
}

struct Place {
    endpoint: Endpoint,
    login: Option<Login>,
}

impl Place {
    fn of(server: &Server, login: Option<Login>) -> Self {
        Self { endpoint: Endpoint::parse(&server.host).unwrap(), login }
    }

    fn repository(&self) -> Repository<'_> {
        Repository { endpoint: &self.endpoint, name: "a/b", login: self.login.as_ref() }
    }
}

/// Wants a token that its own `/token` gives: to anybody, or to one who knows `secret`.
fn guarded(asked: &Asked, is_public: bool) -> Reply {
    let who = asked.authorization.as_deref();
    if asked.path.starts_with("/token") {
        // me:secret
        return match is_public || who == Some("Basic bWU6c2VjcmV0") {
            true => reply(200, TOKEN),
            false => reply(401, br#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong"}]}"#),
        };
    }
    match who {
        Some("Bearer t0k") => reply(200, MANIFEST).with("content-type", "application/json"),
        _ => reply(401, b""),
    }
}

async fn with_tokens(is_public: bool) -> Server {
    let host = Arc::new(parking_lot::Mutex::new(String::new()));
    let own = Arc::clone(&host);
    let server = Server::new(move |asked| {
        let realm = format!(r#"Bearer realm="http://{}/token",service="s""#, own.lock());
        let reply = guarded(asked, is_public);
        Some(if reply.status == 401 { reply.with("www-authenticate", realm) } else { reply })
    });
    let server = server.await;
    host.lock().clone_from(&server.host);
    server
}

#[tokio::test]
async fn a_token_is_fetched_once_and_used_again() {
    let server = with_tokens(true).await;
    let (registries, place) = (registries(Limits::default()), Place::of(&server, None));
    for tag in ["1", "2"] {
        let fetched = registries.manifest(&place.repository(), tag).await.unwrap();
        assert_eq!(fetched.bytes, MANIFEST);
        assert_eq!(fetched.media_type.as_deref(), Some("application/json"));
    }
    let paths: Vec<_> = server.asked().into_iter().map(|asked| asked.path).collect();
    let token = "/token?service=s&scope=repository%3Aa%2Fb%3Apull";
    assert_eq!(paths, ["/v2/a/b/manifests/1", token, "/v2/a/b/manifests/1", "/v2/a/b/manifests/2"]);
}

#[tokio::test]
async fn a_login_opens_what_is_private_and_a_wrong_one_is_told() {
    let server = with_tokens(false).await;
    let registries = registries(Limits::default());
    let ask = async |login: Option<Login>| {
        let place = Place::of(&server, login);
        registries.manifest(&place.repository(), "1").await
    };
    let refused = ask(None).await.unwrap_err();
    assert!(!refused.is_transient());
    let realm = format!("http://{}/token?service=s&scope=repository%3Aa%2Fb%3Apull", server.host);
    assert_eq!(
        refused.to_string(),
        format!(
            "failed to authorize: failed to fetch anonymous token: unexpected status from GET \
             request to {realm}: 401 Unauthorized: unauthorized: wrong"
        )
    );
    let refused = ask(Some(login("guess"))).await.unwrap_err();
    assert!(refused.to_string().starts_with("failed to authorize: failed to fetch oauth token: "));
    assert_eq!(ask(Some(login("secret"))).await.unwrap().bytes, MANIFEST);
    // one's token is not another's
    assert!(ask(None).await.is_err());
    registries.check(&Place::of(&server, None).endpoint, Some(&login("secret"))).await.unwrap();
    registries.check(&Place::of(&server, None).endpoint, Some(&login("guess"))).await.unwrap_err();
    registries.check(&Place::of(&server, None).endpoint, None).await.unwrap();
}

#[tokio::test]
async fn a_registry_of_passwords_gets_them_and_nobody_else_does() {
    let elsewhere = Server::new(|_| Some(reply(200, b"blob"))).await;
    let there = format!("http://{}/bytes", elsewhere.host);
    let server = Server::new(move |asked| {
        Some(match (asked.authorization.as_deref(), asked.path.contains("/blobs/")) {
            (Some("Basic bWU6c2VjcmV0"), true) => reply(307, b"").with("location", there.clone()),
            (Some("Basic bWU6c2VjcmV0"), false) => reply(200, MANIFEST),
            _ => reply(401, b"").with("www-authenticate", "Basic realm=\"r\""),
        })
    })
    .await;
    let registries = registries(Limits::default());
    let place = Place::of(&server, Some(login("secret")));
    assert_eq!(registries.manifest(&place.repository(), "1").await.unwrap().bytes, MANIFEST);
    let blob = registries.blob(&place.repository(), "sha256:0", 0).await.unwrap();
    let pieces: Vec<_> = blob.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"blob");
    assert_eq!(elsewhere.asked()[0].authorization, None);

    let nobody = Place::of(&server, None);
    let refused = registries.manifest(&nobody.repository(), "1").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "pull access denied, repository does not exist or may require authorization: \
         authorization failed: no basic auth credentials"
    );
    let wrong = Place::of(&server, Some(login("guess")));
    let refused = registries.manifest(&wrong.repository(), "1").await.unwrap_err();
    assert!(matches!(refused, RegistryError::Denied(_)), "{refused}");
}

#[tokio::test]
async fn a_blob_goes_on_where_it_broke_off_whether_or_not_its_server_knows_ranges() {
    let server = Server::new(|asked| {
        Some(match (asked.path.as_str(), asked.range.is_some()) {
            ("/v2/a/b/blobs/ranges", true) => {
                reply(206, b"cdef").with("content-range", "bytes 2-5/6")
            }
            ("/v2/a/b/blobs/liar", true) => {
                reply(206, b"abcd").with("content-range", "bytes 0-3/6")
            }
            _ => Reply { pieces: vec![b"a", b"bcd", b"ef"], ..reply(200, b"") },
        })
    })
    .await;
    let (registries, place) = (registries(Limits::default()), Place::of(&server, None));
    for name in ["ranges", "none"] {
        let blob = registries.blob(&place.repository(), name, 2).await.unwrap();
        let pieces: Vec<_> = blob.try_collect().await.unwrap();
        assert_eq!(pieces.concat(), b"cdef", "{name}");
    }
    assert_eq!(server.asked()[0].range.as_deref(), Some("bytes=2-"));
    let lied = registries.blob(&place.repository(), "liar", 2).await.err().unwrap();
    assert!(matches!(lied, RegistryError::Malformed(_)), "{lied}");
}

#[tokio::test]
async fn what_may_go_better_next_time_is_told_from_what_will_not() {
    let server = Server::new(|asked| {
        let limit = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached it."}]}"#;
        match asked.path.rsplit('/').next()? {
            "busy" => Some(reply(429, limit)),
            "broken" => Some(reply(503, b"")),
            "bad" => Some(reply(400, b"<html>")),
            "round" => Some(reply(302, b"").with("location", "/v2/a/b/manifests/round")),
            "stuck" => Some(Reply { hangs: true, ..reply(200, b"{") }),
            "missing" => Some(reply(404, b"")),
            _ => None,
        }
    })
    .await;
    let (registries, place) = (registries(QUICK), Place::of(&server, None));
    let url = |name: &str| format!("http://{}/v2/a/b/manifests/{name}", server.host);
    let status = "unexpected status from GET request to ";
    for (name, is_transient, text) in [
        (
            "busy",
            true,
            format!(
                "{status}{}: 429 Too Many Requests: toomanyrequests: You have reached it.",
                url("busy")
            ),
        ),
        ("broken", true, format!("{status}{}: 503 Service Unavailable", url("broken"))),
        ("bad", false, format!("{status}{}: 400 Bad Request", url("bad"))),
        ("round", false, format!("{} redirects too often", url("round"))),
        ("stuck", true, format!("failed to do request: Get \"{}\": i/o timeout", url("stuck"))),
        ("never", true, format!("failed to do request: Get \"{}\": i/o timeout", url("never"))),
        ("missing", false, "not found".to_owned()),
    ] {
        let error = registries.manifest(&place.repository(), name).await.unwrap_err();
        assert_eq!((error.is_transient(), error.to_string()), (is_transient, text));
    }
    let nobody = Endpoint::parse("127.0.0.1:1").unwrap();
    let error = registries.check(&nobody, None).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn an_image_is_a_source_whose_first_manifest_is_asked_for_once() {
    let server = Server::new(|asked| {
        let is_there = asked.path.ends_with("/manifests/v1");
        Some(if is_there { reply(200, MANIFEST) } else { reply(404, b"") })
    })
    .await;
    let registries = Arc::new(registries(Limits::default()));
    let name = ImageName::parse(&format!("{}/a/b:v1", server.host)).unwrap();
    let remote = Remote::resolve(Arc::clone(&registries), name, None).await.unwrap();
    assert_eq!(remote.manifest("v1").await.unwrap().bytes, MANIFEST);
    assert_eq!(server.asked().len(), 1);
    assert!(matches!(remote.manifest("v2").await, Err(ImageError::NotFound(_))));
    assert!(matches!(remote.blob("sha256:0", 0).await, Err(ImageError::NotFound(_))));
}
