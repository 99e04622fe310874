//! Functions that misbehave: their own invocation fails, nothing else does.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use haar_lambda::fleet::*;
use serde_json::json;
use support::{Cloud, json};

const CLIENT: &str = r#"
import os, socket, json
def http(method, path, body=b'', headers=''):
    with socket.create_connection(('127.0.0.1', 9001)) as s:
        s.sendall(('%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n' % (method, path, headers, len(body))).encode() + body)
        data = b''
        while b'\r\n\r\n' not in data:
            more = s.recv(65536)
            if not more: break
            data += more
        return int(data.split(b' ')[1]) if data else 0
def raw(data):
    with socket.create_connection(('127.0.0.1', 9001)) as s:
        try:
            s.sendall(data)
            return s.recv(65536).decode('latin-1').split('\r\n')[0]
        except OSError as error:
            return 'broken ' + str(error)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn garbage_to_the_runtime_api_is_refused_and_contained() {
    let cloud = Cloud::new();
    let text = format!(
        "{CLIENT}
API = '/2018-06-01/runtime/'
def handler(event, context):
    mine = API + 'invocation/' + context.aws_request_id
    return [
        http('POST', API + 'invocation/nobody/response', b'1'),
        http('GET', API + 'invocation/next'),
        http('POST', API + 'init/error', b'{{}}'),
        http('DELETE', '/elsewhere'),
        http('POST', mine + '/response', b'\"early\"'),
        http('POST', mine + '/response', b'\"twice\"'),
        raw(b'\\x00\\xff\\r\\n\\r\\n'),
        raw(b'GET / HTTP/1.1\\r\\n' + b'x' * 100000),
        raw(b'POST ' + mine.encode() + b'/response HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n'),
    ]
"
    );
    let function = cloud.python(&text);
    let outcome = cloud.invoke(&function, json!({})).await;
    assert_eq!(json(&outcome), "early", "{outcome:?}");
    assert_eq!(json(&cloud.invoke(&function, json!({})).await), "early");
    let listing = format!(
        "{CLIENT}
API = '/2018-06-01/runtime/'
def handler(event, context):
    return [
        http('POST', API + 'invocation/nobody/response', b'1'),
        http('GET', API + 'invocation/next'),
        http('POST', API + 'init/error', b'{{}}'),
        http('DELETE', '/elsewhere'),
        raw(b'\\x00\\xff\\r\\n\\r\\n').split(' ')[1],
    ]
"
    );
    let outcome = cloud.invoke(&cloud.python(&listing), json!({})).await;
    assert_eq!(json(&outcome), json!([400, 403, 403, 404, "400"]));
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_too_large_is_an_error_and_the_environment_goes_on() {
    let cloud = Cloud::new();
    let function = cloud.python("def handler(event, context):\n    return 'x' * event\n");
    let outcome = cloud.invoke(&function, json!(7_000_000)).await;
    assert_eq!(outcome.function_error.as_deref(), Some("Function.ResponseSizeTooLarge"));
    assert_eq!(
        json(&outcome)["errorMessage"],
        "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    );
    let outcome = cloud.invoke(&function, json!(6_000_000)).await;
    assert_eq!(outcome.payload.len(), 6_000_002);
    assert_eq!(cloud.fleet.environment_count(), 1);
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_log_lines_does_not_hold_up_the_answer() {
    let cloud = Cloud::new();
    let function = cloud.python(
        "def handler(event, context):\n    for n in range(event):\n        print('line', n)\n    \
         return 'done'\n",
    );
    let outcome = cloud.invoke(&function, json!(20_000)).await;
    assert_eq!(json(&outcome), "done");
    let tail = outcome.log_tail.unwrap();
    assert!(tail.len() <= 4096 && tail.contains("line 19999\nEND "), "{tail}");
    let lines = cloud.log().iter().filter(|line| line.starts_with("line ")).count();
    assert_eq!(lines, 20_000);
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_never_polls_times_out_twice_and_is_gone() {
    let cloud = Cloud::new();
    let silent = cloud.function("provided.al2023", "x", &[("bootstrap", "#!/bin/sh\nsleep 60\n")]);
    let leaving = cloud.function("provided.al2023", "x", &[("bootstrap", "#!/bin/sh\nexit 7\n")]);
    let silent = FunctionTarget { timeout: Duration::from_secs(1), ..silent };
    let (silent, leaving) =
        tokio::join!(cloud.invoke(&silent, json!({})), cloud.invoke(&leaving, json!({})));
    assert_eq!(json(&silent)["errorType"], "Sandbox.Timedout");
    let tail = silent.log_tail.unwrap();
    assert!(tail.contains("Phase: invoke\tStatus: timeout"), "{tail}");
    assert!(cloud.log().iter().any(|line| line.ends_with("Phase: init\tStatus: timeout")));
    let message = json(&leaving)["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.ends_with("Runtime exited with error: exit status 7"), "{message}");
    assert_eq!(cloud.fleet.environment_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_run_at_once_is_limited() {
    let cloud = Cloud::new();
    let function =
        Arc::new(cloud.python("import time\ndef handler(event, context):\n    time.sleep(1)\n"));
    let limited = |reserved, unreserved| {
        let mut request = cloud.request(&function, json!({}));
        request.limits = ConcurrencyLimits { reserved, unreserved };
        cloud.fleet.invoke(function.clone(), request)
    };
    let (one, other) = tokio::join!(limited(Some(1), 0), limited(Some(1), 0));
    assert!(one.is_ok());
    let reason = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
    assert_eq!(other.unwrap_err(), InvokeError::TooManyRequests(reason));
    let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
    let refused = limited(None, 0).await;
    assert_eq!(refused.unwrap_err(), InvokeError::TooManyRequests(reason));
    let throttles = cloud.sinks.metrics.lock().iter().filter(|one| one.0 == "Throttles").count();
    assert_eq!(throttles, 2);
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_errors_are_told_as_aws_tells_them() {
    let cloud = Cloud::new();
    let raising = cloud.node("exports.handler = async () => { throw new RangeError('far') }");
    let outcome = cloud.invoke(&raising, json!({})).await;
    let document = json(&outcome);
    assert_eq!(
        (&document["errorType"], &document["errorMessage"]),
        (&json!("RangeError"), &json!("far"))
    );
    assert!(document["trace"][1].as_str().unwrap().contains("/var/task/index.js"), "{document}");
    let tail = outcome.log_tail.unwrap();
    assert!(tail.contains("\tERROR\tInvoke Error \t{\"errorType\":\"RangeError\""), "{tail}");

    let rejecting = cloud.node(
        "exports.handler = async () => { Promise.reject(new Error('lost')); \
         await new Promise((r) => setTimeout(r, 1000)) }",
    );
    let outcome = cloud.invoke(&rejecting, json!({})).await;
    assert_eq!(outcome.function_error.as_deref(), Some("Runtime.UnhandledPromiseRejection"));

    for (text, kind) in [
        ("exports.other = 1", "Runtime.HandlerNotFound"),
        ("exports.handler = (", "Runtime.UserCodeSyntaxError"),
        ("require('nowhere')", "Runtime.ImportModuleError"),
    ] {
        let outcome = cloud.invoke(&cloud.node(text), json!({})).await;
        assert_eq!(outcome.function_error.as_deref(), Some(kind), "{outcome:?}");
    }
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_24_takes_no_handler_that_could_call_back() {
    let cloud = Cloud::new();
    let function = |runtime, text| cloud.function(runtime, "index.handler", &[("index.js", text)]);
    let calling_back = "exports.handler = async (event, context, done) => 1";
    let refused = cloud.invoke(&function("nodejs24.x", calling_back), json!({})).await;
    assert_eq!(refused.function_error.as_deref(), Some("Runtime.CallbackHandlerDeprecated"));
    let message = json(&refused)["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.starts_with("ERROR: AWS Lambda has removed support for callback"), "{message}");

    let streaming = "exports.handler = awslambda.streamifyResponse(\
                     async (event, stream, context) => { stream.end('1') })";
    // as tracers and middleware mark what they have wrapped
    let marked = "exports.handler = async (event, stream, context) => { stream.end('1') }; \
                  exports.handler[Symbol.for('aws.lambda.runtime.handler.streaming')] = 'response'";
    let unmarked = "exports.handler = async () => 1; \
                    exports.handler[Symbol.for('aws.lambda.runtime.handler.streaming')] = null";
    let wide = &format!(
        "{marked}; \
         exports.handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')] = Infinity"
    );
    for (runtime, text) in [
        ("nodejs22.x", unmarked),
        ("nodejs22.x", wide),
        ("nodejs22.x", calling_back),
        ("nodejs24.x", "exports.handler = async (event, context) => 1"),
        ("nodejs24.x", streaming),
        ("nodejs24.x", marked),
        ("nodejs20.x", marked),
    ] {
        let taken = cloud.invoke(&function(runtime, text), json!({})).await;
        assert_eq!(json(&taken), 1, "{runtime} {text} {taken:?}");
    }
    cloud.fleet.shut_down().await;
}

/// Answers its event and never asks for another; a bootstrap in Python.
const NEVER_POLLS: &str = r#"#!/usr/bin/env python3
import http.client, os, time
def call(method, path, body=None):
    link = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    link.request(method, '/2018-06-01/runtime/' + path, body)
    answer = link.getresponse()
    return answer.getheader('Lambda-Runtime-Aws-Request-Id'), answer.read()
id, event = call('GET', 'invocation/next')
call('POST', f'invocation/{id}/response', event)
while True: time.sleep(1)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_answers_and_never_polls_is_ended_when_its_time_is_up() {
    let cloud = Cloud::new();
    let files = [("bootstrap", NEVER_POLLS)];
    let function = cloud.function("provided.al2023", "x", &files);
    let function = FunctionTarget { timeout: Duration::from_secs(1), ..function };
    for is_deleted in [false, true] {
        let mut request = cloud.request(&function, json!({ "n": 1 }));
        request.wants_tail = false;
        request.limits.reserved = Some(1);
        let target = Arc::new(function.clone());
        let outcome = cloud.fleet.invoke(target.clone(), request.clone()).await.unwrap();
        assert_eq!((outcome.function_error.as_ref(), json(&outcome)), (None, json!({ "n": 1 })));
        let again = cloud.fleet.invoke(target, request).await.unwrap_err();
        let full = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
        assert_eq!(again, InvokeError::TooManyRequests(full)); // it still runs
        if is_deleted {
            let (account, region) = (&function.account, &function.region);
            cloud.fleet.retire_function(account, region, &function.function_name);
        }
        while cloud.fleet.environment_count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        while !haar_substrate::Substrate::list(&*cloud.substrate).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let log = cloud.log();
    let reports: Vec<_> = log.iter().filter(|line| line.starts_with("REPORT ")).collect();
    let whole = |report: &&String| {
        report.contains("\tDuration: 1000.00 ms\t") && report.contains("\tStatus: timeout")
    };
    assert_eq!(reports.iter().filter(|report| whole(report)).count(), 2, "{log:#?}");
    let timed_out = |line: &&String| line.ends_with("Task timed out after 1.00 seconds");
    assert_eq!(log.iter().filter(timed_out).count(), 2, "{log:#?}");
    let errors = ("Errors".to_owned(), 1.0);
    assert_eq!(cloud.sinks.metrics.lock().iter().filter(|one| **one == errors).count(), 2);
    cloud.fleet.shut_down().await;
}
