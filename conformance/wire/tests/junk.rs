//! Junk on the wire: an error, never a panic.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;

const TARGETS: &[(&str, &str, &str, &str)] = &[
    ("POST", "/2015-03-31/functions", "application/json", ""),
    ("POST", "/2015-03-31/functions/x/policy", "application/json", ""),
    ("POST", "/", "application/x-amz-json-1.1", "Logs_20140328.PutLogEvents"),
    ("POST", "/", "application/x-amz-json-1.0", "GraniteServiceVersion20100801.PutMetricData"),
    (
        "POST",
        "/service/GraniteServiceVersion20100801/operation/PutMetricData",
        "application/cbor",
        "",
    ),
    ("POST", "/", "application/x-www-form-urlencoded", ""),
];

fn send(target: &(&str, &str, &str, &str), body: &[u8]) -> serde_json::Value {
    send_to("iam.localhost", target, body)
}

fn send_to(host: &str, target: &(&str, &str, &str, &str), body: &[u8]) -> serde_json::Value {
    let (method, url, kind, amz) = target;
    let mut headers = json!({ "content-type": kind, "host": host });
    if !amz.is_empty() {
        headers["x-amz-target"] = json!(amz);
    }
    let request = json!({
        "method": method, "url": url, "headers": headers, "body": STANDARD.encode(body),
    });
    let catalogue = haar_wire_conformance::catalogue();
    haar_wire_conformance::answer(&catalogue, &json!({ "request": request }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for target in TARGETS {
            let answer = send(target, &body);
            prop_assert!(answer.get("operation").is_some() || answer.get("error").is_some());
        }
    }

    #[test]
    fn any_form_is_answered(body in "Action=(CreateRole|TagRole|X)(&[A-Za-z.0-9]{1,20}=[ -~]{0,9}){0,6}") {
        let answer = send(&TARGETS[5], body.as_bytes());
        prop_assert!(answer.get("operation").is_some() || answer.get("error").is_some());
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = [vec![b'['; 100_000], vec![0x81; 100_000], vec![0xC1; 100_000]];
    for body in &deep {
        for target in TARGETS {
            assert!(send(target, body).get("error").is_some());
        }
    }
    let named = format!("Action=CreateRole&{}=1", vec!["Tags"; 50_000].join("."));
    assert!(send(&TARGETS[5], named.as_bytes()).get("error").is_some());
}

#[test]
fn the_least_number_as_a_time_is_answered() {
    let least = [0x3B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    let body = [b"\xA1\x69StartTime".as_slice(), &least].concat();
    let target = ("POST", "/service/GraniteServiceVersion20100801/operation/GetMetricData", "", "");
    assert_eq!(send(&target, &body)["error"], "MissingRequiredParameterException");
}

#[test]
fn a_member_that_comes_twice_is_what_it_is_last() {
    let name = |name: &str| [b"\x6AMetricName\x61", name.as_bytes()].concat();
    let list = |items: &[&str]| {
        let items = items.iter().flat_map(|item| [b"\xA1".to_vec(), name(item)].concat());
        [b"\x6AMetricData".to_vec(), vec![0x80 + 1], items.collect()].concat()
    };
    let space = b"\x69Namespace\x61n".to_vec();
    let body = [vec![0xA3], space.clone(), list(&["a"]), list(&["b"])].concat();
    let cbor = &send(&TARGETS[4], &body)["input"];
    let json = br#"{"Namespace": "n", "MetricData": [{"MetricName": "b"}], "MetricData": [{
        "MetricName": "a", "Dimensions": [{"Name": "a", "Value": "a"}], "Dimensions": null,
        "Unit": "Bytes", "Unit": "Bits", "StatisticValues": {
            "Sum": 1, "Minimum": 5, "Maximum": 1, "SampleCount": 2}, "StatisticValues": {
            "Sum": 2, "Minimum": 1, "Maximum": 1, "SampleCount": 2}}]}"#;
    let json = &send(&TARGETS[3], json)["input"];
    assert_eq!(cbor["MetricData"], json!([{"MetricName": "b"}]));
    let whole = json!({ "Sum": 2.0, "Minimum": 1.0, "Maximum": 1.0, "SampleCount": 2.0 });
    assert_eq!(
        json["MetricData"],
        json!([{"MetricName": "a", "StatisticValues": whole, "Unit": "Bits"}])
    );

    let taken_back = [vec![0xA2], space, b"\x69Namespace\xF6".to_vec()].concat();
    for (target, body) in
        [(&TARGETS[4], &taken_back[..]), (&TARGETS[3], br#"{"Namespace": "n", "Namespace": null}"#)]
    {
        assert_eq!(send(target, body)["message"], "The parameter Namespace is required.");
    }
}

#[test]
fn cbor_ends_where_its_map_ends() {
    for (body, error) in [
        (&b"\xA1\x69Namespace\x61n"[..], json!(null)),
        (b"\xA1\x69Namespace\x61n\xA0", json!("SerializationException")),
        (b"\xA1\x69Namespace\x61n\xFF", json!("SerializationException")),
        (b"\xBF\x69Namespace\x61n\xFF", json!(null)),
        (b"\xBF\x69Namespace\x61n\xFF\xFF", json!("SerializationException")),
    ] {
        assert_eq!(send(&TARGETS[4], body)["error"], error, "{body:02x?}");
    }
}

#[test]
fn items_that_hold_nothing_are_not_kept_by_the_million() {
    let empty = |member: &[u8], count: usize| {
        let key = [&[0x60 + member.len() as u8], member].concat();
        [b"\xA2\x69Namespace\x61n", &key[..], b"\x9F", &b"\xA0".repeat(count), b"\xFF"].concat()
    };
    let many = "the input holds too many items for its size";
    let answer = send(&TARGETS[4], &empty(b"EntityMetricData", 700_000));
    assert_eq!(
        (&answer["error"], &answer["message"]),
        (&"SerializationException".into(), &many.into())
    );

    let containers = "{},".repeat(40_000);
    let json = format!(r#"{{"family": "f", "containerDefinitions": [{containers}{{}}]}}"#);
    let ecs = "AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition";
    let answer = send(&("POST", "/", "application/x-amz-json-1.1", ecs), json.as_bytes());
    assert_eq!(answer["message"], many);

    // what lacks something is told as ever: the first hundred, and nothing is kept of the rest
    let lacking = send(&TARGETS[4], &empty(b"MetricData", 100_000));
    assert_eq!(lacking["error"], "MissingRequiredParameterException");
    assert_eq!(lacking["message"].as_str().unwrap().lines().count(), 100);

    let deep = (0..20_000).map(|n| format!("&{n}.1.1.1.1.1.1.1.1.1.1.1")).collect::<String>();
    for (parts, text) in [
        ("&1".repeat(100_000), "the form has too many parameters"),
        (deep, "the form has too many parts"),
    ] {
        let form = format!("Action=PutMetricData&Version=2010-08-01{parts}");
        let answer = send_to("monitoring.localhost", &TARGETS[5], form.as_bytes());
        assert_eq!(answer["message"], text);
    }
}

#[test]
fn all_violations_are_told_in_awss_words() {
    let body = r#"{"FunctionName": "a b", "Timeout": 0, "PackageType": "Tar", "Layers": [""]}"#;
    let answer = send(&TARGETS[0], body.as_bytes());
    let message = answer["message"].as_str().unwrap_or_default();
    assert_eq!(answer["error"], "ValidationException");
    for part in [
        "validation errors detected: ",
        "Value 'Tar' at 'packageType' failed to satisfy constraint: Member must satisfy enum value set: [",
        "Value null at 'role' failed to satisfy constraint: Member must not be null",
        "Value 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ",
        "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
        "Value '[]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to ",
    ] {
        assert!(message.contains(part), "{part}\nnot in {message}");
    }
}

#[test]
fn cloudwatch_names_the_parameters_that_are_missing_in_each_protocol() {
    let one = "The parameter Namespace is required.";
    let both = format!("{one}\nThe parameter MetricData.member.1.MetricName is required.");
    for (target, body, text) in [
        (&TARGETS[3], &b"{}"[..], one),
        (&TARGETS[3], br#"{"MetricData": [{"Value": 1}]}"#, &both),
        (&TARGETS[4], b"\xa0", one),
        (&TARGETS[5], b"Action=PutMetricData&Version=2010-08-01", one),
        (
            &TARGETS[5],
            b"Action=PutMetricData&Version=2010-08-01&MetricData.member.1.Value=1",
            &both,
        ),
    ] {
        let mut answer = send_to("monitoring.localhost", target, body);
        assert_eq!(answer["error"].take(), "MissingRequiredParameterException");
        assert_eq!((answer["status"].take(), answer["message"].take()), (400.into(), text.into()));
    }
}

#[test]
fn wrong_types_and_unlisted_operations_are_named() {
    let wrong = send(&TARGETS[2], br#"{"logGroupName": 5}"#);
    assert_eq!(wrong["error"], "SerializationException");
    assert_eq!(wrong["message"], "NUMBER_VALUE can not be converted to a String");

    let unlisted = send(&("POST", "/", "", "Logs_20140328.CreateDelivery"), b"{}");
    assert_eq!(unlisted["error"], "NotImplemented");
    assert_eq!(unlisted["status"], 501);
    let unknown = send(&("POST", "/", "", "Logs_20140328.Nonsense"), b"{}");
    assert_eq!(unknown["error"], "UnknownOperationException");
}

#[test]
fn what_is_no_json_is_told_by_its_place_alone() {
    let (lambda, logs) = (&TARGETS[0], &TARGETS[2]);
    for (body, text) in [
        (&b"{"[..], "Unable to parse the JSON of the request at line 1 column 1"),
        (b"{}{}", "Unable to parse the JSON of the request at line 1 column 3"),
        (br#"{"\ud800": 1}"#, "Unable to parse the JSON of the request at line 1 column 9"),
        (b"[]", "Start of list found where not expected"),
        (b"7", "NUMBER_VALUE can not be converted to a Structure"),
        (b"1e3", "NUMBER_VALUE can not be converted to a Structure"),
        (b"-7", "NUMBER_VALUE can not be converted to a Structure"),
        (br#""x""#, "STRING_VALUE can not be converted to a Structure"),
        (b"true", "TRUE_VALUE can not be converted to a Structure"),
    ] {
        for target in [lambda, logs] {
            let answer = send(target, body);
            assert_eq!((&answer["message"], &answer["status"]), (&text.into(), &400.into()));
        }
    }
}

#[test]
fn a_missing_member_is_told_once() {
    let answer = send(&TARGETS[5], b"Action=CreateRole&Version=2010-05-08&RoleName=r");
    assert_eq!(
        answer["message"],
        "1 validation error detected: Value null at 'assumeRolePolicyDocument' failed to satisfy \
         constraint: Member must not be null"
    );
    let empty = b"Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=";
    let message = send(&TARGETS[5], empty)["message"].to_string();
    assert!(message.contains("Value '' at 'assumeRolePolicyDocument'"), "{message}");
}

#[test]
fn who_names_an_operation_by_nothing_that_is_read_is_answered_as_forms_are() {
    let catalogue = haar_wire_conformance::catalogue();
    for (host, url, kind) in [
        ("monitoring.localhost", "/", "text/xml"),
        ("sqs.localhost", "/", "text/xml"),
        ("iam.localhost", "/", "text/xml"),
        (
            "monitoring.localhost",
            "/service/GraniteServiceVersion20100801/operation/X",
            "application/cbor",
        ),
        ("logs.localhost", "/", "application/x-amz-json-1.1"),
    ] {
        let request = http::Request::builder().method("POST").uri(url).header("host", host);
        let parts = request.header("content-type", "nonsense").body(()).unwrap().into_parts().0;
        let body = bytes::Bytes::from_static(b"Action=ListMetrics&Version=2010-08-01");
        let refusal = haar_wire::detect(&catalogue, &parts, &body).unwrap_err();
        let answer = refusal.response(&haar_types::RequestId::new("id"));
        assert_eq!(answer.headers()["content-type"], kind, "{host}{url}");
    }
}

#[test]
fn who_does_not_say_their_json_hears_the_services_own() {
    let cloudwatch = "GraniteServiceVersion20100801.ListMetrics";
    for (kind, target, protocol) in [
        ("application/json", cloudwatch, "Json10"),
        ("nonsense", cloudwatch, "Json10"),
        ("application/x-amz-json-1.1", cloudwatch, "Json11"),
        ("", "DynamoDB_20120810.ListTables", "Json10"),
        ("text/plain", "AmazonSQS.ListQueues", "Json10"),
        ("application/json", "Logs_20140328.DescribeLogGroups", "Json11"),
        ("application/x-amz-json-1.0; charset=utf-8", "AmazonSSM.DescribeParameters", "Json10"),
    ] {
        let answer = send(&("POST", "/", kind, target), b"{}");
        assert_eq!(answer["protocol"], protocol, "{kind} {target}");
    }
}

#[test]
fn a_key_that_reads_like_an_operation_stays_a_key() {
    let url = "/bucket/service/GraniteServiceVersion20100801/operation/ListMetrics";
    let catalogue = haar_wire_conformance::catalogue();
    let asked = |service: &str, url: &str| {
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=key/20261127/us-east-1/{service}/aws4_request");
        let request = http::Request::builder().method("POST").uri(url).header("host", "localhost");
        let parts = request.header("authorization", scope).body(()).unwrap().into_parts().0;
        haar_wire::detect(&catalogue, &parts, &bytes::Bytes::new()).unwrap().operation.name
    };
    assert_eq!(asked("s3", &format!("{url}?uploads")), "CreateMultipartUpload");
    assert_eq!(asked("monitoring", url), "ListMetrics");
}
