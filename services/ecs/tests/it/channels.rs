//! Data channels, from the first words to the last, on simulated time.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use haar_clock::IdSource;
use haar_datachannel::documents::{
    self, ChannelClosed, HandshakeResponse, OpenDataChannel, ProcessedAction, SESSION_TYPE,
};
use haar_datachannel::{Heard, Incoming, Line, PayloadKind, Role};
use haar_ecs::exec::DataChannels;
use haar_ecs::state::TaskStatus;
use haar_ecs_contract::model::*;
use haar_kernel::Site as _;
use haar_substrate::sim::Told;
use haar_substrate::{OutputChunk, Stdio};
use haar_wire::Body;
use http::Request;
use hyper::body::Incoming as IncomingBody;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::DuplexStream;

use crate::house::*;

/// A client of one session.
struct Caller {
    line: Line<DuplexStream>,
    output: Vec<u8>,
    exit_code: Option<i32>,
    asked: bool,
    complete: bool,
    closed: Option<ChannelClosed>,
    gone: bool,
}

impl Caller {
    /// Opens the channel that was offered, by the site and over HTTP.
    #[allow(clippy::disallowed_methods)] // serves the one connection
    async fn dial(world: &Cloud<'_>, offered: &Value) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let site = Arc::new(DataChannels::new(Arc::clone(&world.process().room)));
        let service = service_fn(move |request: Request<IncomingBody>| {
            let site = Arc::clone(&site);
            async move {
                let request = request.map(|_| Body::empty());
                Ok::<_, Infallible>(site.serve(request).await)
            }
        });
        let served = http1::Builder::new().serve_connection(TokioIo::new(far), service);
        tokio::spawn(served.with_upgrades());
        let url = offered["session"]["streamUrl"].as_str().unwrap();
        let (socket, _) = tokio_tungstenite::client_async(url, near).await.unwrap();
        let clock = world.doors().clock.clone();
        Self {
            line: Line::new(socket, Role::Client, clock, IdSource::seeded(5)),
            output: Vec::new(),
            exit_code: None,
            asked: false,
            complete: false,
            closed: None,
            gone: false,
        }
    }

    fn open(&mut self, offered: &Value, exit_code: bool) {
        let words = OpenDataChannel {
            token_value: offered["session"]["tokenValue"].as_str().unwrap().to_owned(),
            exit_code,
            ..Default::default()
        };
        self.line.say_text(serde_json::to_string(&words).unwrap());
    }

    fn agree(&mut self, action_status: i64) {
        let done = ProcessedAction {
            action_type: SESSION_TYPE.to_owned(),
            action_status,
            action_result: Value::Null,
            error: "Unknown session type".to_owned(),
        };
        let response =
            HandshakeResponse { processed_client_actions: Some(vec![done]), ..Default::default() };
        self.line.say(PayloadKind::HandshakeResponse, documents::encode(&response));
    }

    /// Hears until something holds, or there is no more.
    async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) && !self.gone {
            match self.line.hear(|| true).await {
                Incoming::Heard(heard) => heard.into_iter().for_each(|heard| self.take(heard)),
                Incoming::Text(text) => panic!("{text}"),
                Incoming::Gone => self.gone = true,
            }
        }
    }

    fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Data(PayloadKind::HandshakeRequest, _) => self.asked = true,
            Heard::Data(PayloadKind::HandshakeComplete, _) => self.complete = true,
            Heard::Data(PayloadKind::ExitCode, payload) => {
                self.exit_code = documents::decode_exit_code(&payload);
            }
            Heard::Data(PayloadKind::Output, payload) => self.output.extend_from_slice(&payload),
            Heard::Data(kind, _) => panic!("{kind:?}"),
            Heard::Closed(closed) => self.closed = Some(closed),
        }
    }
}

/// A session that is offered in a task that runs.
fn offered(world: &mut Cloud<'_>) -> Value {
    world.cluster();
    world.define("web", "nginx");
    let mut input = run("web");
    input["enableExecuteCommand"] = true.into();
    input["overrides"] = json!({ "taskRoleArn": "arn:aws:iam::000000000000:role/ecs" });
    let task = world.ok::<RunTask>(input)["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
    assert!(reaches(world, &task, TaskStatus::Running, seconds(5)));
    world.ok::<ExecuteCommand>(json!({ "task": task, "command": "sh", "interactive": true }))
}

/// From now on commands write back what they read.
fn echo(world: &Cloud<'_>) {
    let told = || Told { output: Vec::new(), exit: None };
    world.outside.substrate().script_exec(move |_, _, _| told());
}

#[test]
fn a_session_without_words_ends_after_twenty_minutes() {
    play(|world| {
        echo(world);
        let offered = offered(world);
        let mut caller = world.run(Caller::dial(world, &offered));
        world.run(async {
            caller.open(&offered, true);
            caller.until(|caller| caller.asked).await;
            caller.agree(1);
            caller.until(|caller| caller.complete).await;
            caller.line.say(PayloadKind::Output, Bytes::from_static(b"hello"));
            caller.until(|caller| caller.output == b"hello").await;
        });
        let before = world.now();
        world.run(caller.until(|caller| caller.closed.is_some()));
        let closed = caller.closed.unwrap();
        assert_eq!(closed.output, "Session timed out after 20 minutes without input or output.");
        assert_eq!(json!(closed.session_id), offered["session"]["sessionId"]);
        assert_eq!((world.now().0 - before.0) / 1000, 20 * 60);
        assert_eq!(caller.exit_code, None);
    });
}

#[test]
fn who_asks_is_told_how_a_command_ended_and_nobody_else() {
    for asks in [true, false] {
        play(|world| {
            world.outside.substrate().script_exec(|_, container, argv| {
                let bytes = format!("{container}: {argv:?}").into();
                let said = OutputChunk { stream: Stdio::Out, bytes };
                Told { output: vec![said], exit: Some(exit(3)) }
            });
            let offered = offered(world);
            let mut caller = world.run(Caller::dial(world, &offered));
            world.run(async {
                caller.open(&offered, asks);
                caller.until(|caller| caller.asked).await;
                caller.agree(1);
                caller.until(|caller| caller.closed.is_some()).await;
            });
            assert_eq!(String::from_utf8_lossy(&caller.output), r#"web: ["sh"]"#);
            assert_eq!(caller.exit_code, asks.then_some(3));
            assert_eq!(caller.closed.unwrap().output, "");
        });
    }
}

#[test]
fn who_does_not_shake_hands_gets_no_command() {
    play(|world| {
        echo(world);
        let offered = offered(world);
        let mut caller = world.run(Caller::dial(world, &offered));
        world.run(async {
            caller.open(&offered, true);
            caller.until(|caller| caller.asked).await;
            caller.agree(2);
            caller.until(|caller| caller.closed.is_some()).await;
        });
        assert_eq!(caller.closed.as_ref().unwrap().output, "Unknown session type");
        assert!(!caller.complete);
    });
    play(|world| {
        echo(world);
        let offered = offered(world);
        let mut caller = world.run(Caller::dial(world, &offered));
        world.run(caller.until(|caller| caller.closed.is_some()));
        assert!(caller.gone && caller.closed.is_none(), "silence opens nothing");
        // the offer stands for who has its token
        let mut caller = world.run(Caller::dial(world, &offered));
        caller.open(&offered, true);
        world.run(caller.until(|caller| caller.asked));
        assert!(caller.asked);
        world.run(caller.until(|caller| caller.closed.is_some()));
        assert_eq!(caller.closed.unwrap().output, "The client did not finish the handshake.");
    });
}
