//! No header, query or body makes the signature's readers panic, and nothing forged is proven.
#![no_main]

use haar_types::Timestamp;
use haar_wire::sigv4::{ChunkDecoder, Validity, claim, verify};
use http::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str, &[u8])| {
    let (authorization, date, query, body) = input;
    let mut decoder = ChunkDecoder::unsigned();
    for piece in body.chunks(7) {
        if decoder.push(piece).is_err() {
            break;
        }
    }
    let request = Request::get(format!("/path?{query}"))
        .header("host", "localhost")
        .header("authorization", authorization)
        .header("x-amz-date", date);
    let Ok(request) = request.body(()) else { return };
    let parts = request.into_parts().0;
    let Some(claim) = claim(&parts) else { return };
    let validity = Validity { now: Timestamp(1_769_851_800_000), check_skew: false };
    let proven = verify(&claim, "a secret that the fuzzer does not know", &parts, Some(""), &validity);
    assert!(proven.is_err());
});
