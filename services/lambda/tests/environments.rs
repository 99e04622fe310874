//! What environments give to functions, and their life.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use haar_lambda::fleet::*;
use serde_json::{Value, json};
use support::{Cloud, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_streamed_as_it_comes() {
    let cloud = Cloud::new();
    let function = Arc::new(cloud.node(
        "exports.handler = awslambda.streamifyResponse(async (event, out) => {\n\
         out = awslambda.HttpResponseStream.from(out, { statusCode: 201 });\n\
         out.write('one '); await new Promise((r) => setTimeout(r, 50));\n\
         out.write('two'); if (event.fail) throw new Error('midway'); out.end() })",
    ));
    for fail in [false, true, false] {
        let request = cloud.request(&function, json!({ "fail": fail }));
        let mut stream = cloud.fleet.invoke_streaming(function.clone(), request).await.unwrap();
        assert_eq!(stream.content_type, haar_lambda::invoke::url::HTTP_INTEGRATION_RESPONSE);
        let (mut body, mut end) = (Vec::new(), None);
        while let Some(event) = stream.events.recv().await {
            match event {
                StreamEvent::Payload(bytes) => body.extend_from_slice(&bytes),
                complete => end = Some(complete),
            }
        }
        assert!(body.starts_with(b"{\"statusCode\":201}\0\0\0\0\0\0\0\0one two"), "{body:?}");
        let Some(StreamEvent::Complete { error_code, log_tail, .. }) = end else { panic!() };
        assert_eq!(error_code.as_deref(), fail.then_some("Error"));
        assert!(log_tail.unwrap().contains("REPORT RequestId: "));
    }
    let outcome = cloud.invoke(&function, json!({})).await;
    assert!(outcome.payload.ends_with(b"one two"));
    assert_eq!(cloud.fleet.environment_count(), 1);
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_read_holds_a_function_no_longer_than_its_time() {
    let cloud = Cloud::new();
    let mut function = cloud.node(
        "exports.handler = awslambda.streamifyResponse(async (event, out) => {\n\
         for (let n = 0; n < 400; n++) { const piece = 'x'.repeat(65536);\n\
         await new Promise((written) => out.write(piece, written)) } out.end() })",
    );
    function.timeout = Duration::from_secs(2);
    let function = Arc::new(function);
    let request = cloud.request(&function, json!({}));
    let mut stream = cloud.fleet.invoke_streaming(function.clone(), request).await.unwrap();
    while !cloud.log().iter().any(|line| line.contains("Task timed out after 2.00 seconds")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut end = None;
    while let Some(event) = stream.events.recv().await {
        end = Some(event);
    }
    let Some(StreamEvent::Complete { error_code, .. }) = end else { panic!("{end:?}") };
    assert_eq!(error_code.as_deref(), Some("Sandbox.Timedout"));
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_inside_sees_its_environment_and_reaches_haar() {
    let cloud = Cloud::new();
    let mut function = cloud.python(
        "import os, urllib.request\ndef handler(event, context):\n    body = \
         urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL']).read().decode()\n    return \
         [dict(os.environ), body, os.getcwd(), context.client_context.custom, repr(context)]\n",
    );
    function.environment.insert("MY_OWN".to_owned(), "ä=\n".to_owned());
    let mut request = cloud.request(&function, json!({}));
    request.client_context = Some("{\"custom\":\n{\"a\":1}}".to_owned());
    let outcome = cloud.fleet.invoke(Arc::new(function.clone()), request).await.unwrap();
    let Value::Array(parts) = json(&outcome) else { panic!("{outcome:?}") };
    let environment = &parts[0];
    for (name, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", function.function_name.as_str()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.12"),
        ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("_HANDLER", "app.handler"),
        ("TZ", ":UTC"),
        ("MY_OWN", "ä=\n"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    assert!(environment["AWS_LAMBDA_LOG_STREAM_NAME"].as_str().unwrap().contains("/[$LATEST]"));
    assert_eq!((&parts[1], &parts[2]), (&json!("haar"), &json!("/var/task")));
    assert_eq!(parts[3], json!({ "a": 1 }));
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_has_the_time_zone_and_the_tracers_settings_that_it_names() {
    let cloud = Cloud::new();
    let seen = "os.environ['AWS_XRAY_CONTEXT_MISSING']";
    let python = cloud.python(&format!(
        "import os, time\ndef handler(event, context):\n    return [time.localtime(0).tm_hour, {seen}]\n",
    ));
    let node = cloud.node(
        "exports.handler = async () => \
         [new Date(0).getHours(), process.env.AWS_XRAY_CONTEXT_MISSING]",
    );
    for mut function in [python, node] {
        assert_eq!(json(&cloud.invoke(&function, json!({})).await), json!([0, "LOG_ERROR"]));
        function.revision = "2".to_owned();
        for (name, value) in [("TZ", "Asia/Tokyo"), ("AWS_XRAY_CONTEXT_MISSING", "IGNORE_ERROR")] {
            function.environment.insert(name.to_owned(), value.to_owned());
        }
        let told = cloud.invoke(&function, json!({})).await;
        assert_eq!(json(&told), json!([9, "IGNORE_ERROR"]), "{told:?}");
    }
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_and_child_processes_find_the_interpreter_by_awss_names() {
    let cloud = Cloud::new();
    let python = cloud.python(
        "import subprocess, sys\nASK = ['-c', 'import sys; print(sys.version)']\n\
         def handler(event, context):\n    \
         names = ['python', 'python3', '/var/lang/bin/python%d.%d' % sys.version_info[:2]]\n    \
         said = [subprocess.check_output([name, *ASK], text=True) for name in names]\n    \
         return [text.strip() == sys.version for text in said]\n",
    );
    let told = cloud.invoke(&python, json!({})).await;
    assert_eq!(json(&told), json!([true, true, true]), "{told:?}");
    let node = cloud.node(
        "exports.handler = async () => ['node', '/var/lang/bin/node'].map((name) => \
         require('child_process').execFileSync(name, ['-p', 'process.version']).toString()\
         .trim() === process.version)",
    );
    let told = cloud.invoke(&node, json!({})).await;
    assert_eq!(json(&told), json!([true, true]), "{told:?}");
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_lie_over_each_other_under_opt() {
    let cloud = Cloud::new();
    let layer = |name: &str, text: &str| {
        let layer = cloud.dir.path().join(name);
        fs::create_dir_all(layer.join("python")).unwrap();
        fs::write(layer.join("python").join("shared.py"), text).unwrap();
        fs::write(layer.join(name), name).unwrap();
        layer
    };
    let mut function = cloud.python(
        "import os, shared\ndef handler(event, context):\n    return [shared.WHO, \
         sorted(os.listdir('/opt'))]\n",
    );
    function.layers = vec![layer("lower", "WHO = 'lower'"), layer("upper", "WHO = 'upper'")];
    let outcome = cloud.invoke(&function, json!({})).await;
    assert_eq!(json(&outcome), json!(["upper", ["lower", "python", "upper"]]), "{outcome:?}");
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_environment_is_frozen_thawed_and_at_last_ended() {
    let cloud = Cloud::with(|settings| settings.idle_max = Duration::from_millis(600));
    let function = cloud.python("def handler(event, context):\n    return 1\n");
    cloud.invoke(&function, json!({})).await;
    while cloud.substrate.freezes.lock().as_slice() != [true] {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(cloud.invoke(&function, json!({})).await.init.is_none());
    assert_eq!(cloud.substrate.freezes.lock()[..2], [true, false]);
    while cloud.fleet.environment_count() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let left = || haar_substrate::Substrate::list(&*cloud.substrate);
    while !left().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_revision_gets_new_environments_and_no_request_is_dropped() {
    let cloud = Cloud::new();
    let old = cloud.python(
        "import time\ndef handler(event, context):\n    time.sleep(0.3)\n    return 'old'\n",
    );
    let mut new = cloud.python("def handler(event, context):\n    return 'new'\n");
    new.function_name = old.function_name.clone();
    new.revision = "2".to_owned();
    let (first, second) = tokio::join!(cloud.invoke(&old, json!({})), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        cloud.invoke(&new, json!({})).await
    });
    assert_eq!((json(&first), json(&second)), (json!("old"), json!("new")));
    while cloud.fleet.environment_count() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn provisioned_environments_are_made_ahead_and_kept() {
    let cloud = Cloud::with(|settings| settings.idle_max = Duration::from_millis(200));
    let mut function = cloud.python(
        "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n",
    );
    function.version = "1".to_owned();
    let target = Arc::new(function.clone());
    let state = cloud.fleet.provision(target.clone(), 2).await;
    assert_eq!((state.available, state.failure), (2, None));
    let outcome = cloud.invoke(&function, json!({})).await;
    assert_eq!(json(&outcome), "provisioned-concurrency");
    assert!(outcome.init.is_none());
    let full = ConcurrencyLimits { reserved: None, unreserved: 0 };
    let mut request = cloud.request(&function, json!({}));
    request.limits = full;
    let outcome = cloud.fleet.invoke(target.clone(), request.clone()).await.unwrap();
    assert_eq!(json(&outcome), "provisioned-concurrency"); // nobody else may take it
    let other = FunctionTarget { version: "2".to_owned(), ..function.clone() };
    let refused = cloud.fleet.invoke(Arc::new(other), request).await.unwrap_err();
    let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
    assert_eq!(refused, InvokeError::TooManyRequests(reason));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(cloud.fleet.environment_count(), 2);
    cloud.fleet.provision(target, 0).await;
    while cloud.fleet.environment_count() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let broken = Arc::new(cloud.python("import nowhere"));
    let state = cloud.fleet.provision(broken, 1).await;
    assert_eq!(state.failure.as_deref(), Some("FUNCTION_ERROR_INIT_FAILURE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_may_be_json() {
    let cloud = Cloud::new();
    let mut function = cloud.python(
        "import logging\nlog = logging.getLogger()\ndef handler(event, context):\n    \
         log.debug('quiet'); log.info('loud', extra={'n': 1}); 1 / 0\n",
    );
    function.logging.format = LogFormat::Json;
    function.logging.system_level = SystemLevel::Debug;
    cloud.invoke(&function, json!({})).await;
    cloud.fleet.shut_down().await;
    let documents: Vec<Value> =
        cloud.log().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> =
        documents.iter().filter_map(|document| document["type"].as_str()).collect();
    assert_eq!(
        kinds,
        [
            "platform.initStart",
            "platform.initRuntimeDone",
            "platform.initReport",
            "platform.start",
            "platform.runtimeDone",
            "platform.report"
        ]
    );
    assert_eq!((&documents[4]["message"], &documents[4]["n"]), (&json!("loud"), &json!(1)));
    assert_eq!(documents[5]["errorType"], "ZeroDivisionError");
    let report = &documents[7]["record"];
    assert_eq!(report["status"], "error");
    assert!(report["metrics"]["maxMemoryUsedMB"].as_u64().unwrap() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_goes_on_when_its_caller_hangs_up() {
    let cloud = Cloud::new();
    let function = cloud.python(
        "import time\ndef handler(event, context):\n    time.sleep(0.2)\n    print('finished')\n",
    );
    let request = cloud.request(&function, json!({}));
    let call = cloud.fleet.invoke(Arc::new(function), request);
    assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
    while !cloud.log().iter().any(|line| line.starts_with("REPORT ")) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(cloud.log().iter().any(|line| line == "finished"));
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapper_script_starts_the_runtime_with_its_variables() {
    let cloud = Cloud::new();
    let wrapper = "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n";
    let mut function = cloud.function(
        "python3.12",
        "app.handler",
        &[
            ("wrapper", wrapper),
            (
                "app.py",
                "import os\ndef handler(event, context):\n    return os.environ['WRAPPED']\n",
            ),
        ],
    );
    fs::set_permissions(function.code.join("wrapper"), fs::Permissions::from_mode(0o755)).unwrap();
    let variable = ("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "/var/task/wrapper".to_owned());
    function.environment.extend([variable]);
    let outcome = cloud.invoke(&function, json!({})).await;
    assert_eq!(json(&outcome), "yes", "{outcome:?}");
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_a_turn_to_start_is_none_of_the_functions_time() {
    let cloud = Cloud::with(|settings| settings.starting_max = 1);
    let function = cloud.node(
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);\n\
         exports.handler = awslambda.streamifyResponse(async (event, out) => {\n\
         out.write('one'); await new Promise((r) => setTimeout(r, 50)); out.end() })",
    );
    let function = FunctionTarget { timeout: Duration::from_secs(1), ..function };
    let function = Arc::new(function);
    let calls = (0..4).map(|_| cloud.invoke(&function, json!({})));
    for outcome in futures_util::future::join_all(calls).await {
        assert_eq!((outcome.function_error, &outcome.payload[..]), (None, &b"one"[..]));
        assert!(outcome.duration < function.timeout, "{:?}", outcome.duration);
    }
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reset_cuts_off_leaves_no_trace_after_it() {
    let cloud = Cloud::new();
    let function =
        cloud.python("import time\ndef handler(event, context):\n    print('in'); time.sleep(9)\n");
    let request = cloud.request(&function, json!({}));
    let call = cloud.fleet.invoke(Arc::new(function), request);
    let reset = async {
        while !cloud.log().iter().any(|line| line == "in") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cloud.fleet.forget_all().await;
        cloud.sinks.lines.lock().clear();
        cloud.sinks.metrics.lock().clear();
    };
    let (outcome, ()) = tokio::join!(call, reset);
    assert!(outcome.is_err() || outcome.unwrap().function_error.is_some());
    let function = cloud.python("def handler(event, context):\n    print('next')\n");
    cloud.invoke(&function, json!({})).await;
    cloud.fleet.shut_down().await;
    let log = cloud.log();
    assert_eq!(log.iter().filter(|line| line.starts_with("REPORT ")).count(), 1, "{log:#?}");
    let errors = ("Errors".to_owned(), 1.0);
    assert!(!cloud.sinks.metrics.lock().contains(&errors), "{:?}", cloud.sinks.metrics.lock());
    assert_eq!(cloud.sinks.usage.lock().len(), 1);
}
