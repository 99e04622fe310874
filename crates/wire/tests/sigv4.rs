//! Signatures: what botocore signed is proven, what was changed since is refused.
//!
//! `sigv4/record.py` records the vectors.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_types::Timestamp;
use haar_wire::sigv4::{
    ChunkEvent, Claim, Dialect, SigError, SigFault, Signer, Validity, Verified, body_hash, claim,
    verify,
};
use http::Request;
use http::request::Parts;
use serde_json::{Value, json};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

struct Vector {
    name: String,
    auth: String,
    service: String,
    token: Option<String>,
    body: Vec<u8>,
    signed: Parts,
    unsigned: Parts,
}

fn parts(method: &str, url: &str, headers: &Value) -> Parts {
    let mut request = Request::builder().method(method).uri(url);
    for pair in headers.as_array().unwrap() {
        request = request.header(pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
    }
    request.body(()).unwrap().into_parts().0
}

fn vectors() -> (Timestamp, Vec<Vector>) {
    let all: Value = serde_json::from_str(include_str!("sigv4/vectors.json")).unwrap();
    let vector = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        Vector {
            name: text("name"),
            auth: text("auth"),
            service: text("service"),
            token: entry["token"].as_str().map(str::to_owned),
            body: STANDARD.decode(text("body")).unwrap(),
            signed: parts(&text("method"), &text("url"), &entry["headers"]),
            unsigned: parts(&text("method"), &text("unsigned_url"), &entry["unsigned_headers"]),
        }
    };
    let requests = all["requests"].as_array().unwrap().iter().map(vector).collect();
    (Timestamp(all["now_ms"].as_i64().unwrap()), requests)
}

fn prove(parts: &Parts, body: &[u8], now: Timestamp) -> Result<Verified, SigError> {
    let claim = claim(parts).ok_or_else(SigError::missing)?;
    verify(&claim, SECRET, parts, Some(&body_hash(body)), &Validity { now, check_skew: true })
}

fn fault(parts: &Parts, body: &[u8], now: Timestamp) -> SigFault {
    prove(parts, body, now).unwrap_err().fault
}

fn set(parts: &mut Parts, name: &'static str, value: &str) {
    parts.headers.insert(name, value.parse().unwrap());
}

#[test]
fn what_botocore_signs_is_proven() {
    let (now, vectors) = vectors();
    assert!(vectors.len() > 10);
    for vector in vectors {
        let claim = claim(&vector.signed).unwrap();
        assert_eq!(claim.access_key_id, "AKIAIOSFODNN7EXAMPLE", "{}", vector.name);
        assert_eq!((&*claim.region, &*claim.date), ("us-east-1", "20260131"));
        assert_eq!(claim.service, vector.service, "{}", vector.name);
        assert_eq!(claim.session_token.as_deref(), vector.token.as_deref(), "{}", vector.name);
        assert_eq!(claim.presigned.is_some(), vector.auth.contains("query"), "{}", vector.name);
        // a presigned request of another service is signed for an empty body
        prove(&vector.signed, &vector.body, now).expect(&vector.name);
    }
}

#[test]
fn over_http_2_the_authority_may_be_signed_in_the_hosts_place() {
    let signed = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/kinesis/aws4_request, \
        SignedHeaders=:authority;content-type;x-amz-content-sha256;x-amz-date;x-amz-target, \
        Signature=e4f61ad1cecf898a28cd2995e44f7124876a94d3bef5993129a158189136c33d";
    let headers = json!([
        ["x-amz-target", "Kinesis_20131202.ListStreams"],
        ["content-type", "application/x-amz-json-1.1"],
        ["x-amz-date", "20260131T093000Z"],
        [
            "x-amz-content-sha256",
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        ],
        ["authorization", signed],
    ]);
    let now = Timestamp(1_769_851_800_000);
    let by_javascript = parts("POST", "http://127.0.0.1:4566/", &headers);
    prove(&by_javascript, b"{}", now).unwrap();
    let elsewhere = parts("POST", "http://127.0.0.1:4567/", &headers);
    assert_eq!(fault(&elsewhere, b"{}", now), SigFault::Mismatch);
}

#[test]
fn what_was_changed_is_refused() {
    let (now, vectors) = vectors();
    for vector in vectors {
        let mut changed = vector.signed.clone();
        changed.uri = "http://localhost:4566/other".parse().unwrap();
        if let Some(query) = vector.signed.uri.query() {
            let uri = format!("http://localhost:4566/other?{query}");
            changed.uri = uri.parse().unwrap();
        }
        assert_eq!(fault(&changed, &vector.body, now), SigFault::Mismatch, "{}", vector.name);

        let mut changed = vector.signed.clone();
        set(&mut changed, "host", "elsewhere");
        assert_eq!(fault(&changed, &vector.body, now), SigFault::Mismatch, "{}", vector.name);

        let other = verify(
            &claim(&vector.signed).unwrap(),
            "another secret",
            &vector.signed,
            Some(&body_hash(&vector.body)),
            &Validity { now, check_skew: true },
        );
        assert_eq!(other.unwrap_err().fault, SigFault::Mismatch, "{}", vector.name);

        let refusal = prove(&vector.signed, b"another body", now);
        match vector.auth.as_str() {
            "s3-query" => assert!(refusal.is_ok(), "{}", vector.name), // its body is not signed
            "s3-header" => assert_eq!(refusal.unwrap_err().fault, SigFault::BodyMismatch),
            _ => assert_eq!(refusal.unwrap_err().fault, SigFault::Mismatch, "{}", vector.name),
        }
    }
}

#[test]
fn our_signer_signs_like_botocore() {
    let (now, vectors) = vectors();
    for vector in vectors {
        let signer = Signer {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: SECRET.into(),
            session_token: vector.token.clone(),
            region: "us-east-1".into(),
            service: vector.service.clone(),
        };
        let mut parts = vector.unsigned;
        set(&mut parts, "host", vector.signed.uri.authority().unwrap().as_str());
        if vector.auth.contains("query") {
            let lifetime = Duration::from_secs(900);
            let is_plain = !parts.headers.contains_key("content-type");
            signer.presign(&mut parts, b"", lifetime, now);
            let ours = claim(&parts).unwrap();
            let theirs = claim(&vector.signed).unwrap();
            assert_eq!(ours.signature == theirs.signature, is_plain, "{}", vector.name);
        } else {
            signer.sign(&mut parts, &vector.body, now);
            let theirs = &vector.signed.headers["authorization"];
            assert_eq!(&parts.headers["authorization"], theirs, "{}", vector.name);
        }
        prove(&parts, &vector.body, now).expect(&vector.name);
    }
}

#[test]
fn a_signature_is_good_for_a_quarter_of_an_hour_either_way() {
    let (now, vectors) = vectors();
    let vector = &vectors[0];
    let at = |now| prove(&vector.signed, &vector.body, now).map(|_| ());
    assert!(at(now + Duration::from_secs(900)).is_ok());
    assert!(at(now - Duration::from_secs(900)).is_ok());
    assert_eq!(
        at(now + Duration::from_secs(901)).unwrap_err().message,
        "Signature expired: 20260131T093000Z is now earlier than 20260131T093001Z \
         (20260131T094501Z - 15 min.)"
    );
    assert_eq!(
        at(now - Duration::from_secs(901)).unwrap_err().message,
        "Signature not yet current: 20260131T093000Z is still later than 20260131T092959Z \
         (20260131T091459Z + 15 min.)"
    );
    let unchecked = Validity { now: Timestamp(0), check_skew: false };
    let hash = body_hash(&vector.body);
    let claim = claim(&vector.signed).unwrap();
    assert!(verify(&claim, SECRET, &vector.signed, Some(&hash), &unchecked).is_ok());
}

#[test]
fn a_presigned_request_is_good_until_its_end() {
    let (now, vectors) = vectors();
    let vector = vectors.iter().find(|vector| vector.name == "presigned s3").unwrap();
    assert!(prove(&vector.signed, b"", now + Duration::from_secs(900)).is_ok());
    let error = prove(&vector.signed, b"", now + Duration::from_secs(901)).unwrap_err();
    assert_eq!(
        (error.code(Dialect::S3), error.message.as_str()),
        ("AccessDenied", "Request has expired")
    );
}

#[test]
fn what_is_missing_is_named() {
    let now = Timestamp(1_769_851_800_000);
    let get = |authorization: &str| {
        let request = Request::get("http://localhost:4566/").header("host", "localhost:4566");
        request.header("authorization", authorization).body(()).unwrap().into_parts().0
    };
    let bare = Request::get("http://localhost:4566/").body(()).unwrap().into_parts().0;
    assert_eq!(fault(&bare, b"", now), SigFault::Missing);
    let error = prove(&get("AWS4-HMAC-SHA256 Credential=AKIA/20260131/r/s/aws4_request"), b"", now);
    let error = error.unwrap_err();
    assert_eq!(error.code(Dialect::Query), "IncompleteSignature");
    for part in ["'Signature' parameter", "'SignedHeaders' parameter", "'X-Amz-Date'"] {
        assert!(error.message.contains(part), "{error}");
    }
    let short = "AWS4-HMAC-SHA256 Credential=AKIA/s/aws4_request, SignedHeaders=host, Signature=00";
    let mut short = get(short);
    set(&mut short, "x-amz-date", "20260131T093000Z");
    let error = prove(&short, b"", now).unwrap_err();
    assert_eq!(
        error.message,
        "Credential must have exactly 5 slash-delimited elements, e.g. \
         keyid/date/region/service/term, got 'AKIA/s/aws4_request'"
    );
}

#[test]
fn s3_says_which_parts_a_presigned_request_must_have() {
    let (now, vectors) = vectors();
    let vector = vectors.iter().find(|vector| vector.name == "presigned s3").unwrap();
    for name in ["X-Amz-Expires", "X-Amz-Date"] {
        let mut parts = vector.signed.clone();
        let url = parts.uri.to_string();
        let (begin, query) = url.split_once('?').unwrap();
        let kept: Vec<_> = query.split('&').filter(|pair| !pair.starts_with(name)).collect();
        parts.uri = format!("{begin}?{}", kept.join("&")).parse().unwrap();
        let error = prove(&parts, b"", now).unwrap_err();
        assert_eq!(error.code(Dialect::S3), "AuthorizationQueryParametersError", "{name}");
        assert_eq!(error.status(Dialect::S3), 400);
        assert!(error.message.contains("requires the X-Amz-Algorithm"), "{error}");
    }
}

#[test]
fn s3_wants_every_amz_header_signed() {
    let (now, vectors) = vectors();
    let vector = vectors.into_iter().find(|vector| vector.name == "s3 put").unwrap();
    let mut parts = vector.signed;
    set(&mut parts, "x-amz-acl", "public-read");
    assert_eq!(fault(&parts, &vector.body, now), SigFault::UnsignedHeaders);
}

#[test]
fn a_plus_in_a_path_of_s3s_is_signed_as_the_space_that_it_means() {
    let (now, vectors) = vectors();
    let vector = vectors.into_iter().find(|vector| vector.name == "s3 put").unwrap();
    let mut parts = vector.signed;
    let url = parts.uri.to_string();
    assert!(url.contains("/a%20b/"), "{url}");
    parts.uri = url.replace("/a%20b/", "/a+b/").parse().unwrap();
    assert!(prove(&parts, &vector.body, now).is_ok());
    parts.uri = url.replace("/a%20b/", "/a%2Bb/").parse().unwrap();
    assert_eq!(fault(&parts, &vector.body, now), SigFault::Mismatch);
}

/// The example of *Amazon S3 API Reference > Signature calculations: transferring payload in
/// multiple chunks*, and the one with trailing headers.
fn chunked(payload: &str, signed: &str, extra: &[(&'static str, &str)], seed: &str) -> Parts {
    let request = Request::put("http://s3.amazonaws.com/examplebucket/chunkObject.txt");
    let mut parts = request.body(()).unwrap().into_parts().0;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
         SignedHeaders={signed}, Signature={seed}"
    );
    for (name, value) in [
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("content-length", "66824"),
        ("x-amz-content-sha256", payload),
        ("authorization", &authorization),
    ] {
        set(&mut parts, name, value);
    }
    for (name, value) in extra {
        set(&mut parts, name, value);
    }
    parts
}

fn plain_chunks() -> Parts {
    chunked(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
         x-amz-decoded-content-length;x-amz-storage-class",
        &[],
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
}

const CHUNKS: [(usize, &str); 3] = [
    (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
];

fn framed(chunks: &[(usize, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (size, signature) in chunks {
        body.extend(format!("{size:x};chunk-signature={signature}\r\n").into_bytes());
        body.extend(vec![b'a'; *size]);
        if *size > 0 {
            body.extend(b"\r\n");
        }
    }
    body
}

fn unwrap_chunks(
    parts: &Parts,
    body: &[u8],
    piece: usize,
) -> Result<(usize, Vec<String>), SigError> {
    let now = Timestamp(1_369_353_600_000);
    let claim: Claim<'_> = claim(parts).unwrap();
    let verified = verify(&claim, SECRET, parts, None, &Validity { now, check_skew: true })?;
    let mut decoder = verified.chunks.unwrap();
    let (mut len, mut trailers) = (0, Vec::new());
    for piece in body.chunks(piece) {
        for event in decoder.push(piece)? {
            match event {
                ChunkEvent::Data(data) => len += data.len(),
                ChunkEvent::Trailer(name, value) => trailers.push(format!("{name}={value}")),
                ChunkEvent::End => {}
            }
        }
    }
    decoder.finish()?;
    Ok((len, trailers))
}

#[test]
fn signed_chunks_are_proven_however_they_arrive() {
    let body = [framed(&CHUNKS), b"\r\n".to_vec()].concat();
    for piece in [1, 7, 1000, 1 << 20] {
        assert_eq!(unwrap_chunks(&plain_chunks(), &body, piece).unwrap(), (66560, vec![]));
    }
}

#[test]
fn s3_wants_to_be_told_the_hash_that_was_signed() {
    let mut parts = plain_chunks();
    parts.headers.remove("x-amz-content-sha256");
    let error = unwrap_chunks(&parts, b"", 1).unwrap_err();
    assert_eq!((error.code(Dialect::S3), error.status(Dialect::S3)), ("InvalidRequest", 400));
    assert!(error.message.ends_with("for this request: x-amz-content-sha256"));
}

#[test]
fn changed_missing_and_swapped_chunks_are_refused() {
    let body = [framed(&CHUNKS), b"\r\n".to_vec()].concat();
    let fault = |body: &[u8]| unwrap_chunks(&plain_chunks(), body, 4096).unwrap_err().fault;
    let mut changed = body.clone();
    changed[5000] = b'b';
    assert_eq!(fault(&changed), SigFault::Mismatch);
    assert_eq!(fault(&body[..body.len() / 2]), SigFault::BadChunk);
    let without_first = framed(&CHUNKS[1..]);
    assert_eq!(fault(&without_first), SigFault::Mismatch);
    assert_eq!(fault(b"zz;chunk-signature=00\r\n"), SigFault::BadChunk);
    assert_eq!(fault(b"10\r\n0123456789abcdef\r\n"), SigFault::Mismatch);
    assert_eq!(fault(&[b'1'; 20_000]), SigFault::BadChunk);
}

#[test]
fn trailing_headers_are_proven_too() {
    let parts = chunked(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class;x-amz-trailer",
        &[("x-amz-trailer", "x-amz-checksum-crc32c")],
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
    let chunks = [
        (65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
        (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
        (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
    ];
    let trailer = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
         d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
    let body = [framed(&chunks), trailer.as_bytes().to_vec()].concat();
    let expected = vec!["x-amz-checksum-crc32c=sOO8/Q==".to_owned()];
    assert_eq!(unwrap_chunks(&parts, &body, 99).unwrap(), (66560, expected));
    let forged = String::from_utf8(body).unwrap().replace("sOO8", "aOO8");
    assert!(unwrap_chunks(&parts, forged.as_bytes(), 99).is_err());
}

#[test]
fn each_dialect_has_its_own_codes() {
    for (error, json, query, s3) in [
        (
            SigError::unknown_key(),
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
        ),
        (SigError::expired_token(), "ExpiredTokenException", "ExpiredToken", "ExpiredToken"),
        (
            SigError::missing(),
            "MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            "AccessDenied",
        ),
    ] {
        let codes = [Dialect::Json, Dialect::Query, Dialect::S3].map(|dialect| error.code(dialect));
        assert_eq!(codes, [json, query, s3]);
        assert_eq!((error.code(Dialect::RestJson), error.status(Dialect::RestJson)), (json, 403));
        assert_eq!(error.status(Dialect::Json), 400);
    }
}
