//! Quotas: AWS's defaults, and what the operator put in their place.

use std::str::FromStr;

use haar_types::{AccountId, Region};

/// One quota of a service. AWS docs: *Service Quotas User Guide*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The service in Service Quotas, such as `lambda`.
    pub service: &'static str,
    /// Its code there, such as `L-B99A9384`.
    pub code: &'static str,
    /// Its name there, such as `Concurrent executions`.
    pub name: &'static str,
    /// AWS's default.
    pub default: u64,
}

/// What the operator put in the place of a default:
/// `[ACCOUNT/][REGION/]SERVICE/CODE=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaOverride {
    account: Option<AccountId>,
    region: Option<Region>,
    service: String,
    code: String,
    value: u64,
}

/// All that the operator overrides; a room asks it for its limits.
#[derive(Clone, Debug, Default)]
pub struct Quotas(Vec<QuotaOverride>);

impl QuotaOverride {
    /// Whether it stands in the place of this quota.
    pub fn is_of(&self, quota: &Quota) -> bool {
        self.service == quota.service && self.code == quota.code
    }
}

impl FromStr for QuotaOverride {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || format!("'{text}' is not [ACCOUNT/][REGION/]SERVICE/CODE=VALUE");
        let (name, value) = text.split_once('=').ok_or_else(usage)?;
        let value = value.trim().parse().map_err(|_| usage())?;
        let mut parts: Vec<&str> = name.trim().split('/').collect();
        let code = parts.pop().filter(|code| !code.is_empty()).ok_or_else(usage)?.to_owned();
        let service = parts.pop().filter(|name| !name.is_empty()).ok_or_else(usage)?.to_owned();
        let region = parts.pop_if(|part| !is_account(part));
        let account = parts.pop();
        if !parts.is_empty() {
            return Err(usage());
        }
        Ok(Self {
            account: account.map(|text| text.parse().map_err(|_| usage())).transpose()?,
            region: region.map(|text| text.parse().map_err(|_| usage())).transpose()?,
            service,
            code,
            value,
        })
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl FromIterator<QuotaOverride> for Quotas {
    fn from_iter<I: IntoIterator<Item = QuotaOverride>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl Quotas {
    /// What an account may have in a region. Of several overrides the closest counts (account
    /// and region, account, region, everywhere), of equally close ones the last.
    pub fn limit(&self, quota: &Quota, account: &AccountId, region: &Region) -> u64 {
        let fits = |one: &&QuotaOverride| {
            one.is_of(quota)
                && one.account.as_ref().is_none_or(|named| named == account)
                && one.region.as_ref().is_none_or(|named| named == region)
        };
        let closeness = |one: &&QuotaOverride| (one.account.is_some(), one.region.is_some());
        let closest = self.0.iter().filter(fits).max_by_key(closeness);
        closest.map_or(quota.default, |one| one.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONCURRENCY: Quota = Quota {
        service: "lambda",
        code: "L-B99A9384",
        name: "Concurrent executions",
        default: 1000,
    };

    fn limit(overrides: &[&str], account: &str, region: &str) -> u64 {
        let quotas: Quotas = overrides.iter().map(|text| text.parse().unwrap()).collect();
        quotas.limit(&CONCURRENCY, &account.parse().unwrap(), &region.parse().unwrap())
    }

    #[test]
    fn the_closest_override_counts_and_else_awss_default() {
        let all = [
            "lambda/L-B99A9384=10",
            "eu-west-1/lambda/L-B99A9384=20",
            "111122223333/lambda/L-B99A9384=30",
            "111122223333/eu-west-1/lambda/L-B99A9384=40",
            "ecs/L-B99A9384=1",
        ];
        assert_eq!(limit(&all, "444455556666", "us-east-1"), 10);
        assert_eq!(limit(&all, "444455556666", "eu-west-1"), 20);
        assert_eq!(limit(&all, "111122223333", "us-east-1"), 30);
        assert_eq!(limit(&all, "111122223333", "eu-west-1"), 40);
        assert_eq!(limit(&all[4..], "111122223333", "us-east-1"), 1000);
        let twice = ["lambda/L-B99A9384=1", "lambda/L-B99A9384=2"];
        assert_eq!(limit(&twice, "111122223333", "us-east-1"), 2);
    }

    #[test]
    fn what_is_no_override_is_told_how_one_looks() {
        for text in
            ["", "lambda", "lambda/L-1", "L-1=5", "/L-1=5", "lambda/L-1=many", "a/b/c/d/e=1"]
        {
            let told = text.parse::<QuotaOverride>().unwrap_err();
            assert!(told.ends_with("is not [ACCOUNT/][REGION/]SERVICE/CODE=VALUE"), "{told}");
        }
    }
}
