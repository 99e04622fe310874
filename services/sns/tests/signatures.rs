//! Signatures of documents, verified with the certificate that the room serves.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_kernel::Site;
use haar_sns_contract::*;
use haar_wire::Body;
use house::House;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::Verifier as _;
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::{DecodePem as _, Encode as _};

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

/// What a topic of this version sends to a queue.
async fn document(house: &House, version: &str, message: &str) -> Value {
    let attributes = json!({ "SignatureVersion": version });
    house.ok::<CreateTopic>(json!({ "Name": "t" })).await;
    for (name, value) in attributes.as_object().unwrap() {
        let input = json!({ "TopicArn": TOPIC, "AttributeName": name, "AttributeValue": value });
        house.ok::<SetTopicAttributes>(input).await;
    }
    let input = json!({ "TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": QUEUE });
    house.ok::<Subscribe>(input).await;
    let input = json!({ "TopicArn": TOPIC, "Message": message, "Subject": "hi" });
    house.ok::<Publish>(input).await;
    house.pass(Duration::from_secs(1)).await;
    let sent = house.queues.sent.lock().pop().unwrap();
    serde_json::from_str(&sent.message_body).unwrap()
}

async fn served(house: &House, url: &str) -> (StatusCode, String) {
    let path = url.rsplit_once('/').map(|(_, name)| format!("/{name}")).unwrap();
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (parts, body) = request.into_parts();
    let site = house.room.certificates();
    assert!(site.claims("localhost", &parts));
    let answer = site.serve(Request::from_parts(parts, body)).await;
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// As a receiver does it: the text from the document, the key from the certificate.
fn is_good(document: &Value, certificate: &str) -> bool {
    let names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
    let text: String = names
        .iter()
        .map(|name| format!("{name}\n{}\n", document[name].as_str().unwrap()))
        .collect();
    let certificate = Certificate::from_pem(certificate).unwrap();
    let key = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
    let key = rsa::PublicKey::from_public_key_der(&key).unwrap();
    let signature = STANDARD.decode(document["Signature"].as_str().unwrap()).unwrap();
    let signature = Signature::try_from(&signature[..]).unwrap();
    match document["SignatureVersion"].as_str().unwrap() {
        "1" => VerifyingKey::<sha1::Sha1>::new(key).verify(text.as_bytes(), &signature).is_ok(),
        "2" => VerifyingKey::<sha2::Sha256>::new(key).verify(text.as_bytes(), &signature).is_ok(),
        other => panic!("version {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn documents_are_signed_by_the_topics_version() {
    let house = House::new();
    let mut certificates = Vec::new();
    for version in ["1", "2"] {
        let document = document(&house, version, "hello \u{e9}\nworld").await;
        assert_eq!(document["SignatureVersion"], version);
        let url = document["SigningCertURL"].as_str().unwrap();
        let (status, certificate) = served(&house, url).await;
        assert_eq!(status, StatusCode::OK);
        assert!(is_good(&document, &certificate));
        let mut forged = document.clone();
        forged["Message"] = json!("other");
        assert!(!is_good(&forged, &certificate));
        certificates.push(certificate);
    }
    assert_eq!(certificates[0], certificates[1]);
}

#[tokio::test(start_paused = true)]
async fn the_certificate_outlives_its_process_and_no_other_path_leads_to_it() {
    let house = House::new();
    let before = document(&house, "1", "one").await;
    let url = before["SigningCertURL"].as_str().unwrap().to_owned();
    let house = house.again();
    let (status, certificate) = served(&house, &url).await;
    assert_eq!(status, StatusCode::OK);
    assert!(is_good(&before, &certificate));
    let after = document(&house, "1", "two").await;
    assert_eq!(after["SigningCertURL"], url);
    assert!(is_good(&after, &certificate));
    let other = "http://localhost/SimpleNotificationService-00000000000000000000000000000000.pem";
    assert_eq!(served(&house, other).await.0, StatusCode::NOT_FOUND);
}
