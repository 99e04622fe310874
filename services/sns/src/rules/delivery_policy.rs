//! How often and when a delivery is tried again.
//!
//! AWS docs: *Amazon SNS Developer Guide > Amazon SNS message delivery retries*: phases of retries
//! without delay, with the least delay, with growing delays, with the greatest delay.

use std::time::Duration;

use haar_wire::AwsError;
use serde_json::{Value, json};

use crate::refusal::invalid;

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
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let topic = topic.map(read).unwrap_or_default();
        let http = &topic["http"];
        let may_override = http["disableSubscriptionOverrides"] != true;
        let own = subscription.map(read).filter(|_| may_override).unwrap_or_default();
        let own = own["healthyRetryPolicy"].clone();
        match [&own, &http["defaultHealthyRetryPolicy"]].into_iter().find(|it| it.is_object()) {
            Some(policy) => Self::read(policy),
            None => Self::HTTP,
        }
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

/// A topic's policy with AWS's values where it says nothing.
pub(crate) fn effective_of_topic(policy: Option<&str>) -> Value {
    let own: Value = policy.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut all = json!({
        "http": {
            "defaultHealthyRetryPolicy": usual(),
            "disableSubscriptionOverrides": false,
            "defaultRequestPolicy": { "headerContentType": "text/plain; charset=UTF-8" },
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
    check_retries(&http["defaultHealthyRetryPolicy"])
}

/// Refuses a subscription's policy that cannot be.
pub(crate) fn check_of_subscription(text: &str) -> Result<(), AwsError> {
    check_retries(&read(text)?["healthyRetryPolicy"])
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
