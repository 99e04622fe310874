//! Telemetry for an extension inside the runtime's process, and what becomes of it when nobody
//! takes it.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Cloud, json};

/// Registers, listens, subscribes; answers what it has heard so far, as `kind`s with records.
const SUBSCRIBER: &str = r#"
import http.server, json, os, sys, threading, time, urllib.request
API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"]
heard, posts, refusals = [], [], int(os.environ.get("REFUSALS", "0"))
flooding = False
arrived = threading.Condition()

def call(method, path, body, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(API + path, data=body, method=method, headers=headers)
    return urllib.request.urlopen(request)

class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with arrived:
            posts.append(self.path)
            refused = len(posts) <= refusals or flooding
            if not refused:
                heard.extend(json.loads(body))
                arrived.notify_all()
        self.send_response(503 if refused else 200)
        self.end_headers()
    def log_message(self, *_):
        pass

answer = call("POST", "/2020-01-01/extension/register", b'{"events": ["INVOKE"]}',
              Lambda_Extension_Name="inside")
me = answer.headers["Lambda-Extension-Identifier"]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
subscription = {
    "schemaVersion": "2022-07-01", "types": ["platform", "function"],
    "buffering": {"timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/a/b?c"},
}
call("PUT", "/2022-07-01/telemetry", json.dumps(subscription).encode(), Lambda_Extension_Identifier=me)

def follow():
    while True:
        call("GET", "/2020-01-01/extension/event/next", None, Lambda_Extension_Identifier=me).read()
threading.Thread(target=follow, daemon=True).start()

def flood():
    global flooding
    flooding = True
    for number in range(20_000):
        print("%099d" % number)
    sys.stdout.flush()
    time.sleep(0.2)
    with arrived:
        flooding = False
        arrived.wait_for(lambda: any(one["type"] == "platform.logsDropped" for one in heard), 15)
    return [one for one in heard if one["type"] == "platform.logsDropped"]

def handler(event, context):
    if event == "flood":
        return flood()
    print("line", event)
    with arrived:
        arrived.wait_for(lambda: sum(one["type"] == "function" for one in heard) >= event, 15)
    late = None
    try:
        call("PUT", "/2022-07-01/telemetry", json.dumps(subscription).encode(), Lambda_Extension_Identifier=me)
    except urllib.error.HTTPError as error:
        late = [error.code, json.load(error)["errorType"]]
    return {"heard": heard, "posts": posts, "late": late}
"#;

fn kinds(answer: &Value) -> Vec<&str> {
    let heard = answer["heard"].as_array().unwrap();
    heard.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_hears_what_happened_before_it_came_and_all_since() {
    let cloud = Cloud::new();
    let function = cloud.python(SUBSCRIBER);
    let first = cloud.invoke(&function, json!(1)).await;
    assert_eq!(first.function_error, None, "{first:?}");
    let first = json(&first);
    assert_eq!(first["late"], json!([403, "Telemetry.SubscriptionClosed"]));
    let second = json(&cloud.invoke(&function, json!(2)).await);
    let expected = [
        "platform.initStart",
        "platform.telemetrySubscription",
        "platform.initRuntimeDone",
        "platform.extension",
        "platform.initReport",
        "platform.start",
        "function",
        "platform.runtimeDone",
        "platform.report",
        "platform.start",
        "function",
    ];
    assert_eq!(kinds(&second), expected, "{second}");
    assert_eq!(second["posts"][0], "/a/b?c");
    let report = &second["heard"][8]["record"];
    assert!(report["metrics"]["durationMs"].as_f64().unwrap() > 0.0);
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_refused_is_sent_again() {
    let cloud = Cloud::new();
    let mut function = cloud.python(SUBSCRIBER);
    function.environment.insert("REFUSALS".to_owned(), "3".to_owned());
    let answer = json(&cloud.invoke(&function, json!(1)).await);
    assert!(answer["posts"].as_array().unwrap().len() > 3, "{answer}");
    assert_eq!(kinds(&answer)[..2], ["platform.initStart", "platform.telemetrySubscription"]);
    let starts = kinds(&answer).iter().filter(|kind| **kind == "platform.start").count();
    assert_eq!(starts, 1);
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_falls_behind_hears_how_much_it_missed() {
    let cloud = Cloud::new();
    let function = cloud.python(SUBSCRIBER);
    let dropped = json(&cloud.invoke(&function, json!("flood")).await);
    let records = dropped.as_array().unwrap();
    let count = |name: &str| -> u64 {
        records.iter().map(|event| event["record"][name].as_u64().unwrap()).sum()
    };
    // how many are dropped before the first word of it depends on the machine
    assert!(count("droppedRecords") > 0, "{dropped}");
    assert!(count("droppedBytes") > 100 * count("droppedRecords"), "{dropped}");
    let reason = records[0]["record"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("Consumer seems to have fallen behind"), "{reason}");
    cloud.fleet.shut_down().await;
    let logged = cloud.log().iter().filter(|line| line.trim().len() == 99).count();
    assert_eq!(logged, 20_000, "the log has all of it");
}
