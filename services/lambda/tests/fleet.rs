//! Real functions through the fleet.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // compiles and starts real programs

mod support;

use std::sync::Arc;

use serde_json::json;
use support::{Cloud, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_python_function_answers_cold_and_warm() {
    let cloud = Cloud::new();
    let function = cloud.python(
        "import os\ncount = 0\ndef handler(event, context):\n    global count\n    count += 1\n    \
         print('hello', event['name'])\n    return {'count': count, 'id': context.aws_request_id, \
         'region': os.environ['AWS_REGION'], 'left': context.get_remaining_time_in_millis() > 0}\n",
    );
    let first = cloud.invoke(&function, json!({ "name": "one" })).await;
    assert_eq!(first.function_error, None, "{first:?}");
    assert_eq!((&json(&first)["count"], &json(&first)["left"]), (&json!(1), &json!(true)));
    let tail = first.log_tail.clone().unwrap();
    let lines: Vec<&str> = tail.lines().collect();
    assert!(lines[0].starts_with("START RequestId: "), "{tail}");
    assert_eq!(lines[1], "hello one");
    assert!(lines[2].starts_with("END RequestId: "), "{tail}");
    assert!(lines[3].contains("\tInit Duration: ") && lines[3].contains("Max Memory Used: "));
    let begun = cloud.sinks.lines.lock()[0].clone();
    let begun = [begun].map(|(.., text)| text).concat();
    assert!(begun.starts_with("INIT_START Runtime Version: python:3.12"), "{begun}");
    let arn = haar_lambda::rules::settings::runtime_version_arn("us-east-1", "python3.12");
    assert!(begun.ends_with(&format!("Runtime Version ARN: {arn}\n")), "{begun}");
    let second = cloud.invoke(&function, json!({ "name": "two" })).await;
    assert_eq!(json(&second)["count"], 2);
    assert!(second.init.is_none());
    assert_eq!(cloud.fleet.environment_count(), 1);
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_function_answers_by_promise_and_by_callback() {
    let cloud = Cloud::new();
    let function = cloud.node(
        "exports.handler = async (event) => { console.log('hi', event.n); return { n: event.n + 1 } }",
    );
    let outcome = cloud.invoke(&function, json!({ "n": 1 })).await;
    assert_eq!(json(&outcome), json!({ "n": 2 }), "{outcome:?}");
    let tail = outcome.log_tail.unwrap();
    assert!(tail.contains("\tINFO\thi 1\n"), "{tail}");
    let callback = cloud.node(
        "exports.handler = (event, context, done) => { setTimeout(() => done(null, 'late'), 5) }",
    );
    for _ in 0..3 {
        assert_eq!(json(&cloud.invoke(&callback, json!({})).await), "late");
    }
    let empty = cloud.node("exports.handler = () => {}");
    assert_eq!(json(&cloud.invoke(&empty, json!({})).await), json!(null));
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_program_is_its_own_runtime() {
    let cloud = Cloud::new();
    let function = cloud.function("provided.al2023", "x", &[("main.c", NATIVE)]);
    let built = std::process::Command::new("cc")
        .args(["-static", "-O1", "-o", "bootstrap", "main.c"])
        .current_dir(&function.code)
        .status();
    assert!(built.unwrap().success());
    for n in 0..3 {
        let outcome = cloud.invoke(&function, json!({ "n": n })).await;
        assert_eq!(json(&outcome), json!({ "n": n }), "{outcome:?}");
    }
    cloud.fleet.shut_down().await;
}

/// Echoes events; a connection for each request, as a shell script with curl would.
const NATIVE: &str = r#"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int dial(void) {
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(9001) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&at, sizeof at) ? -1 : fd;
}
static char in[65536], out[65536], id[64];
static long all(int fd) {
    long have = 0, got;
    while (have < 65535 && (got = read(fd, in + have, 65535 - have)) > 0) {
        have += got; in[have] = 0;
        char *end = strstr(in, "\r\n\r\n"), *length = strstr(in, "Content-Length: ");
        if (end && length && in + have >= end + 4 + atol(length + 16)) break;
    }
    return have;
}
int main(void) {
    for (;;) {
        int fd = dial();
        dprintf(fd, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n");
        all(fd); close(fd);
        sscanf(strstr(in, "Aws-Request-Id: ") + 16, "%63[^\r]", id);
        char *body = strstr(in, "\r\n\r\n") + 4;
        fd = dial();
        int size = snprintf(out, sizeof out, "POST /2018-06-01/runtime/invocation/%s/response "
            "HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", id, strlen(body), body);
        if (write(fd, out, size) != size) return 1;
        all(fd); close(fd);
    }
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_told_as_aws_tells_them() {
    let cloud = Cloud::new();
    let raising = cloud.python("def handler(event, context):\n    return event['missing']\n");
    let outcome = cloud.invoke(&raising, json!({})).await;
    assert_eq!(outcome.function_error.as_deref(), Some("KeyError"));
    let document = json(&outcome);
    assert_eq!(
        (&document["errorMessage"], &document["errorType"]),
        (&json!("'missing'"), &json!("KeyError"))
    );
    let trace = "  File \"/var/task/app.py\", line 2, in handler\n    return event['missing']\n";
    assert!(document["stackTrace"][0].as_str().unwrap().starts_with(trace), "{document}");
    assert!(outcome.log_tail.unwrap().contains("[ERROR] KeyError: 'missing'\nTraceback (most"));

    let absent = cloud.function("python3.12", "nothing.handler", &[]);
    let outcome = cloud.invoke(&absent, json!({})).await;
    assert_eq!(json(&outcome)["errorType"], "Runtime.ImportModuleError", "{outcome:?}");
    assert_eq!(
        json(&outcome)["errorMessage"],
        "Unable to import module 'nothing': No module named 'nothing'"
    );
    let tail = outcome.log_tail.unwrap();
    let error = "Status: error\tError Type: Runtime.ImportModuleError";
    for line in ["Phase: init\t", "Phase: invoke\t", "Max Memory Used: "] {
        let is_told = |told: &str| told.contains(line) && told.contains(error);
        assert_eq!(tail.lines().filter(|told| is_told(told)).count(), 1, "{line} in {tail}");
    }

    let slow = cloud.python("import time\ndef handler(event, context):\n    time.sleep(60)\n");
    let slow =
        haar_lambda::fleet::FunctionTarget { timeout: std::time::Duration::from_secs(1), ..slow };
    let outcome = cloud.invoke(&slow, json!({})).await;
    assert_eq!(outcome.function_error.as_deref(), Some("Sandbox.Timedout"));
    let message = json(&outcome)["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.ends_with(" Error: Task timed out after 1.00 seconds"), "{message}");
    let tail = outcome.log_tail.unwrap();
    assert!(
        tail.contains("Duration: 1000.00 ms\tBilled Duration: ")
            && tail.contains("Status: timeout")
    );

    let leaving = cloud.python("import os\ndef handler(event, context):\n    os._exit(3)\n");
    let outcome = cloud.invoke(&leaving, json!({})).await;
    assert_eq!(json(&outcome)["errorType"], "Runtime.ExitError");
    let message = json(&outcome)["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.ends_with(" Error: Runtime exited with error: exit status 3"), "{message}");

    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_a_program_leaves_its_log_its_metrics_and_its_bill() {
    let cloud = Cloud::new();
    let unstartable = cloud.function("provided.al2023", "x", &[]);
    let outcome = cloud.invoke(&unstartable, json!({})).await;
    assert_eq!(json(&outcome)["errorType"], "Runtime.InvalidEntrypoint");
    let message = json(&outcome)["errorMessage"].as_str().unwrap().to_owned();
    let bootstraps = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    assert!(message.ends_with(bootstraps), "{message}");

    // The last lines and the bill are written behind the answer.
    for _ in 0..1_000 {
        let is_reported =
            cloud.sinks.lines.lock().iter().any(|(.., text)| text.starts_with("REPORT "));
        if is_reported && !cloud.sinks.usage.lock().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let log: Vec<String> = cloud.sinks.lines.lock().iter().map(|(.., text)| text.clone()).collect();
    let begins =
        ["INIT_START ", "INIT_REPORT ", "INIT_REPORT ", "START ", "RequestId: ", "END ", "REPORT "];
    assert!(log.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{log:#?}");
    assert_eq!(log.len(), begins.len());
    assert!(log.iter().all(|line| line.ends_with('\n')), "{log:?}");
    assert!(log[1].contains("Phase: init\tStatus: error\tError Type: Runtime.InvalidEntrypoint"));
    assert_eq!(log[4], format!("{message}\nRuntime.InvalidEntrypoint\n"));
    assert!(log[6].ends_with("\tStatus: error\tError Type: Runtime.InvalidEntrypoint\t\n"));
    assert_eq!(outcome.log_tail.unwrap(), log[1..].concat());
    let metrics = cloud.sinks.metrics.lock().clone();
    for metric in ["Invocations", "Errors"] {
        assert!(metrics.contains(&(metric.to_owned(), 1.0)), "{metric}: {metrics:?}");
    }
    assert_eq!(cloud.sinks.usage.lock().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_events_end_with_the_line_break_that_ended_them() {
    let cloud = Cloud::new();
    let function = cloud.python(
        "import logging\ndef handler(event, context):\n    print('a\\n\\nb')\n    \
         logging.getLogger().warning('one\\ntwo')\n    print('open', end='')\n",
    );
    cloud.invoke(&function, json!({})).await;
    cloud.fleet.shut_down().await;
    let log: Vec<String> = cloud.sinks.lines.lock().iter().map(|(.., text)| text.clone()).collect();
    for event in ["a\n", "\n", "b\n", "open"] {
        assert!(log.iter().any(|line| line == event), "{event:?}: {log:#?}");
    }
    assert!(log.iter().any(|line| line.starts_with("[WARNING]") && line.ends_with("\tone\ntwo\n")));
    for begin in ["START ", "END ", "REPORT "] {
        assert!(log.iter().any(|line| line.starts_with(begin) && line.ends_with('\n')), "{begin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_invocations_have_an_environment_each() {
    let cloud = Cloud::new();
    let function = Arc::new(cloud.python(
        "import time\ndef handler(event, context):\n    time.sleep(0.3)\n    return event\n",
    ));
    let calls = (0..4).map(|n| cloud.invoke(&function, json!(n)));
    for (n, outcome) in futures_util::future::join_all(calls).await.iter().enumerate() {
        assert_eq!(json(outcome), json!(n));
    }
    assert_eq!(cloud.fleet.environment_count(), 4);
    cloud.fleet.shut_down().await;
    assert_eq!(cloud.fleet.environment_count(), 0);
}
