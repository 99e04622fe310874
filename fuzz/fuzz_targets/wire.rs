//! Any bytes as the body of a request in each protocol.
#![no_main]

use haar_wire::{Body, Catalogue, detect};
use libfuzzer_sys::fuzz_target;

const HEADS: &[(&str, &str, &str)] = &[
    ("/2015-03-31/functions", "application/json", ""),
    ("/", "application/x-amz-json-1.1", "Logs_20140328.PutLogEvents"),
    ("/service/GraniteServiceVersion20100801/operation/GetMetricData", "application/cbor", ""),
    ("/", "application/x-www-form-urlencoded", ""),
];

fuzz_target!(|data: &[u8]| {
    let catalogue = Catalogue::new([
        &haar_lambda_contract::model::SERVICE,
        &haar_logs_contract::model::SERVICE,
        &haar_cloudwatch_contract::model::SERVICE,
        &haar_iam_contract::model::SERVICE,
    ]);
    for (path, kind, target) in HEADS {
        let mut request = http::Request::post(*path).header("content-type", *kind);
        if !target.is_empty() {
            request = request.header("x-amz-target", *target);
        }
        let Ok(request) = request.body(()) else { continue };
        let (parts, ()) = request.into_parts();
        let body = bytes::Bytes::copy_from_slice(data);
        if let Ok(route) = detect(&catalogue, &parts, &body) {
            let mut input = (route.operation.new_input)();
            let _ = haar_wire::decode_into(&route, &parts, Body::from(body), &mut *input);
        }
    }
});
