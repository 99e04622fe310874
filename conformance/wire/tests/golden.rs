//! Bytes that AWS's clients sent, and the answers that they understood, replayed without them.

use serde_json::Value;

const RECORDED: &[(&str, &str)] = &[
    ("boto3", include_str!("../golden/boto3.json")),
    ("aws-cli", include_str!("../golden/aws-cli.json")),
    ("js", include_str!("../golden/js.json")),
];

#[test]
fn what_the_clients_sent_is_read_and_what_they_understood_is_written() {
    let catalogue = haar_wire_conformance::catalogue();
    for (client, text) in RECORDED {
        let exchanges: Vec<Value> = serde_json::from_str(text).expect("the record is JSON");
        assert!(exchanges.len() > 20, "{client} was recorded");
        for exchange in exchanges {
            let name = &exchange["scenario"];
            let request = serde_json::json!({ "request": exchange["request"] });
            let decoded = haar_wire_conformance::answer(&catalogue, &request);
            assert_eq!(decoded, exchange["decoded"], "{client} {name}");
            let response = haar_wire_conformance::answer(&catalogue, &exchange["question"]);
            assert_eq!(response, exchange["response"], "{client} {name}");
        }
    }
}
