//! Who may subscribe: protocols and their endpoints.

use haar_types::Arn;
use haar_wire::AwsError;

use crate::refusal::invalid;

/// Refuses an endpoint that its protocol cannot reach.
pub(crate) fn check(protocol: &str, endpoint: &str, is_fifo: bool) -> Result<(), AwsError> {
    let refuse = |reason: &str| Err(invalid(format!("Endpoint Reason: {reason}")));
    let is_arn_of =
        |service: &str| endpoint.parse::<Arn>().is_ok_and(|arn| arn.service() == service);
    if is_fifo && !matches!(protocol, "sqs") {
        return Err(invalid(format!(
            "Invalid protocol type: {protocol}. FIFO topics deliver to SQS queues only"
        )));
    }
    match protocol {
        "http" | "https" => match endpoint.split_once("://") {
            Some((scheme, rest)) if scheme == protocol && !rest.is_empty() => Ok(()),
            _ => Err(invalid("Endpoint must match the specified protocol")),
        },
        "email" | "email-json" => match endpoint.split_once('@') {
            Some((name, host)) if !name.is_empty() && host.contains('.') => Ok(()),
            _ => Err(invalid("Email address")),
        },
        "sms" if is_phone_number(endpoint) => Ok(()),
        "sms" => Err(invalid(format!("Invalid SMS endpoint: {endpoint}"))),
        "sqs" if !is_arn_of("sqs") => Err(invalid("SQS endpoint ARN")),
        "sqs" if endpoint.ends_with(".fifo") && !is_fifo => Err(invalid(
            "Endpoint Reason: FIFO SQS Queues can not be subscribed to standard \
             SNS topics",
        )),
        "sqs" => Ok(()),
        "lambda" if is_arn_of("lambda") => Ok(()),
        "lambda" => Err(invalid("Lambda endpoint ARN")),
        "application" if is_arn_of("sns") => Ok(()),
        "application" => Err(invalid("PlatformEndpoint ARN")),
        "firehose" => refuse("haar has no Firehose"),
        other => Err(invalid(format!("Amazon SNS does not support this protocol string: {other}"))),
    }
}

/// E.164: a plus and up to fifteen digits.
pub(crate) fn is_phone_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let digits: String = digits.chars().filter(|letter| !matches!(letter, '-' | ' ')).collect();
    (5..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_what_its_protocol_reaches() {
        for (protocol, endpoint) in [
            ("http", "http://localhost:1/x"),
            ("https", "https://example.com"),
            ("email", "me@example.com"),
            ("sms", "+491234567"),
            ("sqs", "arn:aws:sqs:us-east-1:000000000000:q"),
            ("lambda", "arn:aws:lambda:us-east-1:000000000000:function:f"),
        ] {
            assert!(check(protocol, endpoint, false).is_ok(), "{protocol}");
            assert_eq!(check(protocol, endpoint, true).is_ok(), protocol == "sqs");
            assert!(check(protocol, "nonsense", false).is_err(), "{protocol}");
        }
        assert!(check("http", "https://x", false).is_err());
        assert!(check("sqs", "arn:aws:sqs:us-east-1:000000000000:q.fifo", false).is_err());
        assert!(check("pigeon", "x", false).is_err());
        assert!(check("firehose", "arn:aws:firehose:us-east-1:0:x", false).is_err());
    }
}
