//! Node's handlers: promises, callbacks and the older ways of a context, side by side.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // starts real programs

mod support;

use std::time::Duration;

use haar_lambda::fleet::FunctionTarget;
use serde_json::json;
use support::{Cloud, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_async_handler_may_answer_by_callback_or_by_context() {
    let cloud = Cloud::new();
    let function = cloud.node(
        "const ways = {\n\
         callback: (c, done) => done(null, 'called'),\n\
         succeed: (c) => c.succeed('succeeded'),\n\
         done: (c) => c.done(null, 'done'),\n\
         fail: (c) => c.fail(new Error('failed')),\n\
         later: async (c, done) => { await 1; done(null, 'later'); return 'never' },\n\
         timer: (c, done) => { setTimeout(() => { global.ran = true }, 20); done(null, 'waited') },\n\
         ran: () => global.ran,\n\
         once: (c, done) => { c.callbackWaitsForEmptyEventLoop = false;\n\
           setTimeout(() => {}, 60_000); done(null, 'at once') },\n\
         };\n\
         exports.handler = async (event, context, done) => ways[event](context, done)",
    );
    let function = FunctionTarget { timeout: Duration::from_secs(5), ..function };
    for (way, answer) in [
        ("callback", json!("called")),
        ("succeed", json!("succeeded")),
        ("done", json!("done")),
        ("later", json!("later")),
        ("timer", json!("waited")),
        ("ran", json!(true)),
    ] {
        let outcome = cloud.invoke(&function, json!(way)).await;
        assert_eq!(outcome.function_error, None, "{way}: {outcome:?}");
        assert_eq!(json(&outcome), answer, "{way}");
    }
    let outcome = cloud.invoke(&function, json!("fail")).await;
    assert_eq!(json(&outcome)["errorMessage"], "failed", "{outcome:?}");
    assert_eq!(json(&cloud.invoke(&function, json!("once")).await), "at once");
    assert_eq!(cloud.fleet.environment_count(), 1);
    cloud.fleet.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_json_cannot_say_and_a_throw_in_a_timer_are_errors() {
    let cloud = Cloud::new();
    let function = cloud.node(
        "exports.handler = (event, context, done) => {\n\
         if (event === 'circular') { const a = {}; a.a = a; done(null, a) }\n\
         if (event === 'bigint') done(null, { n: 1n });\n\
         if (event === 'throw') setTimeout(() => { throw new RangeError('far') }, 1) }",
    );
    for event in ["circular", "bigint"] {
        let outcome = json(&cloud.invoke(&function, json!(event)).await);
        assert_eq!(outcome["errorType"], "Error", "{outcome}");
        assert_eq!(outcome["errorMessage"], "Unable to stringify response body", "{outcome}");
    }
    let outcome = json(&cloud.invoke(&function, json!("throw")).await);
    assert_eq!(outcome["errorType"], "RangeError", "{outcome}");
    assert_eq!(outcome["errorMessage"], "far", "{outcome}");
    cloud.fleet.shut_down().await;
}

/// A folder as npm makes it, with the SDK's client for S3: a part of it that tells who it is.
fn node_modules(below: &std::path::Path) -> std::path::PathBuf {
    let modules = below.join("node_modules");
    let client = modules.join("@aws-sdk/client-s3");
    std::fs::create_dir_all(&client).unwrap();
    let exports = r#"{ "import": "./index.mjs", "require": "./index.js" }"#;
    let manifest = format!(r#"{{ "name": "@aws-sdk/client-s3", "exports": {exports} }}"#);
    std::fs::write(client.join("package.json"), manifest).unwrap();
    std::fs::write(client.join("index.js"), "exports.kind = 'required'").unwrap();
    std::fs::write(client.join("index.mjs"), "export const kind = 'imported'").unwrap();
    modules
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_find_the_hosts_sdk_without_packaging_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = tempfile::tempdir().unwrap();
    std::fs::set_permissions(host.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let modules = node_modules(host.path());
    let cloud = Cloud::with(|settings| settings.node_modules = Some(modules));
    let required = cloud
        .node("const { kind } = require('@aws-sdk/client-s3'); exports.handler = async () => kind");
    assert_eq!(json(&cloud.invoke(&required, json!({})).await), "required");
    let imported = "import { kind } from '@aws-sdk/client-s3'; export const handler = () => kind";
    let imported = FunctionTarget { timeout: Duration::from_secs(9), ..module(&cloud, imported) };
    let outcome = cloud.invoke(&imported, json!({})).await;
    assert_eq!(json(&outcome), "imported", "{outcome:?}");

    let absent = module(&cloud, "import 'no-such-package'; export const handler = () => 1");
    let outcome = json(&cloud.invoke(&absent, json!({})).await);
    assert_eq!(outcome["errorType"], "Runtime.ImportModuleError", "{outcome}");
    cloud.fleet.shut_down().await;
}

/// A handler that is an ES module and answers by its promise.
fn module(cloud: &Cloud, text: &str) -> FunctionTarget {
    let text = text.replace("= () =>", "= async () =>");
    cloud.function("nodejs20.x", "index.handler", &[("index.mjs", &text)])
}
