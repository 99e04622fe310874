//! What names buses and rules.

use haar_kernel::Call;
use haar_types::{AccountId, Region};
use serde::{Deserialize, Serialize};

/// The bus that every account has, and that services send to.
pub(crate) const DEFAULT_BUS: &str = "default";

/// Names an event bus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct BusKey {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl BusKey {
    /// A bus of the caller's.
    pub(crate) fn own(call: &Call, name: &str) -> Self {
        Self { account: call.account.clone(), region: call.region.clone(), name: name.to_owned() }
    }

    /// Reads `arn:aws:events:REGION:ACCOUNT:event-bus/NAME`.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':').skip(2);
        let (service, region) = (parts.next()?, parts.next()?.parse().ok()?);
        let (account, resource) = (parts.next()?.parse().ok()?, parts.next()?);
        let name = resource.strip_prefix("event-bus/").filter(|_| service == "events")?.to_owned();
        Some(Self { account, region, name })
    }

    /// Reads a name of the caller's, or an ARN.
    pub(crate) fn read(call: &Call, text: Option<&str>) -> Self {
        let text = text.unwrap_or(DEFAULT_BUS);
        Self::of_arn(text).unwrap_or_else(|| Self::own(call, text))
    }

    pub(crate) fn is_default(&self) -> bool {
        self.name == DEFAULT_BUS
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:events:{}:{}:event-bus/{}", self.region, self.account, self.name)
    }
}

/// Names a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct RuleKey {
    pub(crate) bus: BusKey,
    pub(crate) name: String,
}

impl RuleKey {
    /// Rules of the default bus are named without it.
    pub(crate) fn arn(&self) -> String {
        let BusKey { account, region, name: bus } = &self.bus;
        match self.bus.is_default() {
            true => format!("arn:aws:events:{region}:{account}:rule/{}", self.name),
            false => format!("arn:aws:events:{region}:{account}:rule/{bus}/{}", self.name),
        }
    }

    /// Reads a rule's ARN.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':').skip(2);
        let (service, region) = (parts.next()?, parts.next()?.parse().ok()?);
        let (account, resource) = (parts.next()?.parse().ok()?, parts.next()?);
        let named = resource.strip_prefix("rule/").filter(|_| service == "events")?;
        let (bus, name) = named.rsplit_once('/').unwrap_or((DEFAULT_BUS, named));
        let bus = BusKey { account, region, name: bus.to_owned() };
        Some(Self { bus, name: name.to_owned() })
    }

    /// How the rule is named where its bytes are ordered: unambiguous, one after another by bus.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.arn().into_bytes()
    }
}
