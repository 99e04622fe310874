//! How often and when a delivery is tried again.
//!
//! AWS docs: *Amazon SNS Developer Guide > Amazon SNS message delivery retries*: phases of retries
//! without delay, with the least delay, with growing delays, with the greatest delay.

use std::time::Duration;

use haar_wire::AwsError;
use serde_json::{Value, json};

use crate::refusal::invalid;

/// What notifications are sent as where nobody says otherwise.
pub(crate) const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";

/// What documents may be sent as.
const OF_DOCUMENTS: &[&str] = &["application/json", "text/plain"];

/// What else raw messages may be sent as.
const OF_RAW: &[&str] = &[
    "application/atom+xml",
    "application/octet-stream",
    "application/soap+xml",
    "application/x-www-form-urlencoded",
    "application/xhtml+xml",
    "application/xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/xml",
];

/// The retries of one subscription.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Retries {
    pub(crate) least: Duration,
    pub(crate) greatest: Duration,
    pub(crate) count: u32,
    pub(crate) without_delay: u32,
    pub(crate) at_least: u32,
    pub(crate) at_greatest: u32,
    pub(crate) growth: Growth,
}

/// How delays grow from the least to the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    Linear,
    Arithmetic,
    Geometric,
    Exponential,
}

impl Retries {
    /// Queues and functions: 100,015 tries over 23 days.
    pub(crate) const MANAGED: Self = Self {
        least: Duration::from_secs(1),
        greatest: Duration::from_secs(20),
        count: 100_015,
        without_delay: 3,
        at_least: 2,
        at_greatest: 100_000,
        growth: Growth::Exponential,
    };

    /// HTTP, where nobody says otherwise.
    pub(crate) const HTTP: Self = Self {
        least: Duration::from_secs(20),
        greatest: Duration::from_secs(20),
        count: 3,
        without_delay: 0,
        at_least: 0,
        at_greatest: 0,
        growth: Growth::Linear,
    };

    /// Reads a `healthyRetryPolicy`.
    fn read(policy: &Value) -> Self {
        let number = |name: &str| policy[name].as_u64().and_then(|n| u32::try_from(n).ok());
        let seconds = |name: &str, usual: Duration| {
            number(name).map_or(usual, |seconds| Duration::from_secs(seconds.into()))
        };
        let least = seconds("minDelayTarget", Self::HTTP.least);
        Self {
            least,
            greatest: seconds("maxDelayTarget", Self::HTTP.greatest).max(least),
            count: number("numRetries").unwrap_or(Self::HTTP.count),
            without_delay: number("numNoDelayRetries").unwrap_or(0),
            at_least: number("numMinDelayRetries").unwrap_or(0),
            at_greatest: number("numMaxDelayRetries").unwrap_or(0),
            growth: match policy["backoffFunction"].as_str() {
                Some("arithmetic") => Growth::Arithmetic,
                Some("geometric") => Growth::Geometric,
                Some("exponential") => Growth::Exponential,
                _ => Growth::Linear,
            },
        }
    }

    /// What holds for an HTTP subscription: its own, else its topic's, else AWS's.
    pub(crate) fn of_http(topic: Option<&str>, subscription: Option<&str>) -> Self {
        let part = part(topic, subscription, ["defaultHealthyRetryPolicy", "healthyRetryPolicy"]);
        part.map_or(Self::HTTP, |policy| Self::read(&policy))
    }

    /// How long to wait after so many failed tries; `None` when there is no further one.
    pub(crate) fn wait(&self, failed_count: u32) -> Option<Duration> {
        let retry = failed_count.checked_sub(1).filter(|retry| *retry < self.count)?;
        let before_growth = self.without_delay + self.at_least;
        let growing = self.count.saturating_sub(before_growth + self.at_greatest);
        Some(match retry {
            _ if retry < self.without_delay => Duration::ZERO,
            _ if retry < before_growth => self.least,
            _ if retry < before_growth + growing => self.grown(retry - before_growth, growing),
            _ => self.greatest,
        })
    }

    fn grown(&self, step: u32, steps: u32) -> Duration {
        let part = f64::from(step + 1) / f64::from(steps.max(1));
        let (least, greatest) = (self.least.as_secs_f64(), self.greatest.as_secs_f64());
        let part = match self.growth {
            Growth::Linear => part,
            Growth::Arithmetic => part * (part + 1.0) / 2.0,
            Growth::Geometric => part * part,
            Growth::Exponential => ((part * 5.0).exp2() - 1.0) / 31.0,
        };
        Duration::from_secs_f64(least + (greatest - least) * part)
    }
}

/// A part of what holds for an HTTP subscription: its own, else its topic's; the names are the
/// topic's and the subscription's.
fn part(
    topic: Option<&str>,
    subscription: Option<&str>,
    [of_topic, of_subscription]: [&str; 2],
) -> Option<Value> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let topic = topic.map(read).unwrap_or_default();
    let http = &topic["http"];
    let may_override = http["disableSubscriptionOverrides"] != true;
    let own = subscription.map(read).filter(|_| may_override).unwrap_or_default();
    let all = [&own[of_subscription], &http[of_topic]];
    all.into_iter().find(|it| it.is_object()).cloned()
}

/// Deliveries of an HTTP subscription at most in a second; `None` for any number.
pub(crate) fn throttle(topic: Option<&str>, subscription: Option<&str>) -> Option<u32> {
    let policy = part(topic, subscription, ["defaultThrottlePolicy", "throttlePolicy"])?;
    u32::try_from(policy["maxReceivesPerSecond"].as_u64()?).ok()
}

/// The type that an HTTP subscription's notifications are sent as.
pub(crate) fn content_type(topic: Option<&str>, subscription: Option<&str>) -> String {
    let policy = part(topic, subscription, ["defaultRequestPolicy", "requestPolicy"]);
    let said = policy.and_then(|policy| policy["headerContentType"].as_str().map(str::to_owned));
    said.unwrap_or_else(|| CONTENT_TYPE.to_owned())
}

/// A topic's policy with AWS's values where it says nothing.
pub(crate) fn effective_of_topic(policy: Option<&str>) -> Value {
    let own: Value = policy.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut all = json!({
        "http": {
            "defaultHealthyRetryPolicy": usual(),
            "disableSubscriptionOverrides": false,
            "defaultRequestPolicy": { "headerContentType": CONTENT_TYPE },
        }
    });
    merge(&mut all, &own);
    all
}

/// A subscription's policy with its topic's, then AWS's values where it says nothing.
pub(crate) fn effective_of_subscription(topic: Option<&str>, own: Option<&str>) -> Value {
    let topic = effective_of_topic(topic);
    let own: Value = own.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut all = json!({
        "healthyRetryPolicy": topic["http"]["defaultHealthyRetryPolicy"],
        "sicklyRetryPolicy": null,
        "throttlePolicy": null,
        "requestPolicy": topic["http"]["defaultRequestPolicy"],
        "guaranteed": false,
    });
    merge(&mut all, &own);
    all
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) if !from.is_null() => *into = from.clone(),
        _ => {}
    }
}

fn usual() -> Value {
    json!({
        "minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3, "numMaxDelayRetries": 0,
        "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear",
    })
}

/// Refuses a topic's policy that cannot be.
pub(crate) fn check_of_topic(text: &str) -> Result<(), AwsError> {
    let policy = read(text)?;
    let http = policy.get("http").filter(|http| http.is_object());
    let http = http.ok_or_else(|| bad("http must be specified"))?;
    check_retries(&http["defaultHealthyRetryPolicy"])?;
    check_throttle(&http["defaultThrottlePolicy"])?;
    check_request(&http["defaultRequestPolicy"], false)
}

/// Refuses a subscription's policy that cannot be.
pub(crate) fn check_of_subscription(text: &str) -> Result<(), AwsError> {
    let policy = read(text)?;
    check_retries(&policy["healthyRetryPolicy"])?;
    check_throttle(&policy["throttlePolicy"])?;
    check_request(&policy["requestPolicy"], true)
}

/// Refuses a type that documents cannot be sent as; raw messages have more.
pub(crate) fn check_of_documents(text: &str) -> Result<(), AwsError> {
    check_request(&read(text)?["requestPolicy"], false)
}

fn check_throttle(policy: &Value) -> Result<(), AwsError> {
    match &policy["maxReceivesPerSecond"] {
        Value::Null => Ok(()),
        most if most.as_u64().is_some_and(|most| most >= 1) => Ok(()),
        _ => Err(bad("maxReceivesPerSecond must be greater than or equal to 1")),
    }
}

fn check_request(policy: &Value, is_raw: bool) -> Result<(), AwsError> {
    let said = match &policy["headerContentType"] {
        Value::Null => return Ok(()),
        said => said.as_str().unwrap_or_default(),
    };
    let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = OF_DOCUMENTS.contains(&kind.as_str()) || (is_raw && OF_RAW.contains(&kind.as_str()));
    let is_header = said.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match fits && is_header {
        true => Ok(()),
        false => Err(bad("headerContentType is not supported")),
    }
}

fn read(text: &str) -> Result<Value, AwsError> {
    let policy: Option<Value> = serde_json::from_str(text).ok();
    policy.filter(Value::is_object).ok_or_else(|| bad("failed to parse JSON."))
}

fn check_retries(policy: &Value) -> Result<(), AwsError> {
    let Some(policy) = policy.as_object() else { return Ok(()) };
    let number = |name: &str, usual: u64| match policy.get(name) {
        None | Some(Value::Null) => Ok(usual),
        Some(value) => value.as_u64().ok_or_else(|| bad(&format!("{name} must be an integer"))),
    };
    let (least, greatest) = (number("minDelayTarget", 20)?, number("maxDelayTarget", 20)?);
    if greatest > 3600 {
        return Err(bad("maxDelayTarget must be less than or equal to 3600"));
    }
    if least < 1 || least > greatest {
        return Err(bad("minDelayTarget must be between 1 and maxDelayTarget"));
    }
    let count = number("numRetries", 3)?;
    if count > 100 {
        return Err(bad("numRetries must be less than or equal to 100"));
    }
    let parts = ["numNoDelayRetries", "numMinDelayRetries", "numMaxDelayRetries"];
    let sum: u64 = parts.iter().map(|name| number(name, 0)).sum::<Result<u64, _>>()?;
    if sum > count {
        return Err(bad("numRetries must be greater than or equal to the sum of the phases"));
    }
    match policy.get("backoffFunction").map(|it| it.as_str().unwrap_or_default()) {
        None | Some("linear" | "arithmetic" | "geometric" | "exponential") => Ok(()),
        Some(other) => Err(bad(&format!("invalid backoffFunction {other}"))),
    }
}

fn bad(reason: &str) -> AwsError {
    invalid(format!("DeliveryPolicy: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(retries: &Retries, count: u32) -> Vec<Option<u64>> {
        (1..=count).map(|failed| retries.wait(failed).map(|wait| wait.as_secs())).collect()
    }

    #[test]
    fn queues_and_functions_are_tried_at_once_then_slower_then_every_twenty_seconds() {
        let waits = waits(&Retries::MANAGED, 17);
        assert_eq!(waits[..5], [Some(0), Some(0), Some(0), Some(1), Some(1)]);
        assert!(waits[5..15].is_sorted() && waits[14] == Some(20));
        assert_eq!(waits[15..], [Some(20), Some(20)]);
        assert_eq!(Retries::MANAGED.wait(100_015), Some(Duration::from_secs(20)));
        assert_eq!(Retries::MANAGED.wait(100_016), None);
    }

    #[test]
    fn http_follows_the_subscriptions_policy_then_the_topics_then_awss() {
        assert_eq!(waits(&Retries::of_http(None, None), 4), [Some(20), Some(20), Some(20), None]);
        let own = r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":5,"numRetries":6,
            "numNoDelayRetries":1,"numMinDelayRetries":1,"numMaxDelayRetries":1}}"#;
        let all = [Some(0), Some(1), Some(2), Some(3), Some(5), Some(5), None];
        assert_eq!(waits(&Retries::of_http(None, Some(own)), 7), all);
        let topic = r#"{"http":{"disableSubscriptionOverrides":true,
            "defaultHealthyRetryPolicy":{"numRetries":0}}}"#;
        assert_eq!(waits(&Retries::of_http(Some(topic), Some(own)), 1), [None]);
    }

    #[test]
    fn types_and_throttles_are_the_subscriptions_then_the_topics() {
        let own = r#"{"requestPolicy":{"headerContentType":"text/csv"},
            "throttlePolicy":{"maxReceivesPerSecond":5}}"#;
        let topic = r#"{"http":{"defaultRequestPolicy":{"headerContentType":"application/json"},
            "defaultThrottlePolicy":{"maxReceivesPerSecond":9}}}"#;
        assert_eq!(content_type(None, None), "text/plain; charset=UTF-8");
        assert_eq!(content_type(Some(topic), None), "application/json");
        assert_eq!(content_type(Some(topic), Some(own)), "text/csv");
        let of = |topic, own| throttle(topic, own);
        assert_eq!((of(None, None), of(Some(topic), None)), (None, Some(9)));
        assert_eq!(of(Some(topic), Some(own)), Some(5));
        assert!(check_of_subscription(own).is_ok() && check_of_topic(topic).is_ok());
        assert!(check_of_documents(own).is_err());
        for bad in [
            r#"{"requestPolicy":{"headerContentType":"image/png"}}"#,
            r#"{"throttlePolicy":{"maxReceivesPerSecond":0}}"#,
            r#"{"throttlePolicy":{"maxReceivesPerSecond":"5"}}"#,
        ] {
            assert!(check_of_subscription(bad).is_err(), "{bad}");
        }
        assert!(check_of_topic(&topic.replace("application/json", "text/csv")).is_err());
    }

    #[test]
    fn policies_have_bounds() {
        let check =
            |text: &str| check_of_subscription(&format!("{{\"healthyRetryPolicy\":{text}}}"));
        assert!(check(r#"{"numRetries":100,"minDelayTarget":1,"maxDelayTarget":3600}"#).is_ok());
        for text in [
            r#"{"numRetries":101}"#,
            r#"{"maxDelayTarget":3601}"#,
            r#"{"minDelayTarget":21}"#,
            r#"{"minDelayTarget":0}"#,
            r#"{"numRetries":1,"numNoDelayRetries":2}"#,
            r#"{"backoffFunction":"wild"}"#,
            r#"{"numRetries":"3"}"#,
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        assert!(check_of_topic("{}").is_err() && check_of_subscription("x").is_err());
    }
}
