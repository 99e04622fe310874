//! The `Principal` and `NotPrincipal` elements.

use haar_types::Arn;

use crate::context::Principal;

/// Whom a statement is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Principals {
    /// `"Principal": "*"`: anyone at all.
    pub(crate) anyone: bool,
    /// The `AWS` list; its `*` is [`Self::anyone`].
    pub(crate) aws: Vec<AwsPrincipal>,
    /// The `Service` list.
    pub(crate) services: Vec<String>,
    /// The `Federated` list: ARNs of identity providers.
    pub(crate) federated: Vec<String>,
    /// The `CanonicalUser` list. Nobody in haar is one of these.
    pub(crate) others: Vec<String>,
}

/// An entry of the `AWS` list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AwsPrincipal {
    /// An account as a whole, by its id or its root's ARN.
    Account { id: String, text: String },
    /// A user, role, or session by its ARN, or a unique id (`AROA…`).
    Named(String),
}

/// How a statement names who asks; the order is from what grants least by itself to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Naming {
    /// As one of an account, which delegates: the account's own policies must agree.
    Account,
    /// By the role or the federating user, whose session policies and boundary still narrow.
    Role,
    /// As anyone: it is the very user or session that is one.
    Anyone,
    /// By the very user or session.
    Self_,
}

impl AwsPrincipal {
    /// Reads an entry; `None` when it is no principal. Wildcards within names are none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Account { id: text.to_owned(), text: text.to_owned() });
        }
        if is_unique_id(text) {
            return Some(Self::Named(text.to_owned()));
        }
        let arn: Arn = text.parse().ok()?;
        let known = matches!(arn.service(), "iam" | "sts") && arn.region().is_empty();
        let account = arn.account();
        if !known || account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if arn.resource() == "root" {
            return Some(Self::Account { id: account.to_owned(), text: text.to_owned() });
        }
        let (kind, name) = arn.resource().split_once('/')?;
        let kind_is_known = match arn.service() {
            "iam" => matches!(kind, "user" | "role"),
            _ => matches!(kind, "assumed-role" | "federated-user"),
        };
        let named = kind_is_known && !name.is_empty() && !name.contains(['*', '?']);
        named.then(|| Self::Named(text.to_owned()))
    }

    /// As the policy wrote it.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Account { text, .. } | Self::Named(text) => text,
        }
    }

    fn names(&self, who: &Principal) -> Option<Naming> {
        match (self, who) {
            (Self::Account { id, .. }, _) => {
                let account = who.account()?;
                (account.as_str() == id).then_some(match who {
                    Principal::Root { .. } => Naming::Self_,
                    _ => Naming::Account,
                })
            }
            (Self::Named(name), Principal::User { arn, id, .. }) => {
                (name == arn || name == id).then_some(Naming::Self_)
            }
            (Self::Named(name), Principal::RoleSession { role_arn, session_arn, id, .. }) => {
                if name == session_arn || name == id {
                    return Some(Naming::Self_);
                }
                let role_id = id.split_once(':').map_or(id.as_str(), |(role, _)| role);
                (name == role_arn || name == role_id).then_some(Naming::Role)
            }
            (Self::Named(name), Principal::Federated { user_arn, user_id, session_arn, .. }) => {
                let session = (name == session_arn).then_some(Naming::Self_);
                session.or_else(|| (name == user_arn || name == user_id).then_some(Naming::Role))
            }
            (Self::Named(_), _) => None,
        }
    }
}

fn is_unique_id(text: &str) -> bool {
    let prefix = ["AIDA", "AROA", "AGPA", "AIPA", "ANPA", "ANVA", "ASCA"];
    let id = text.split_once(':').map_or(text, |(id, _)| id);
    (16..=128).contains(&id.len())
        && prefix.iter().any(|prefix| id.starts_with(prefix))
        && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

impl Principals {
    /// The way that grants most in which the element names who asks.
    pub(crate) fn names(&self, who: &Principal) -> Option<Naming> {
        let anyone = self.anyone.then_some(Naming::Anyone);
        let itself = match who {
            Principal::Service { name } => {
                self.services.iter().any(|known| known == name || known == "*")
            }
            Principal::IdentityProvider { arn } => self.federated.contains(arn),
            _ => false,
        };
        let aws = self.aws.iter().filter_map(|entry| entry.names(who)).max();
        anyone.max(aws).max(itself.then_some(Naming::Self_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_account_a_name_or_an_id_and_never_a_pattern() {
        for good in [
            "123456789012",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:user/team/ann",
            "arn:aws:sts::123456789012:assumed-role/r/s",
            "AIDACKCEVSQ6C2EXAMPLE",
        ] {
            assert!(AwsPrincipal::parse(good).is_some(), "{good}");
        }
        for bad in [
            "12345",
            "arn:aws:iam::123456789012:role/*",
            "arn:aws:iam::*:root",
            "arn:aws:s3:::bucket",
            "arn:aws:iam::123456789012:group/g",
            "arn:aws:iam::123456789012:user/",
        ] {
            assert!(AwsPrincipal::parse(bad).is_none(), "{bad}");
        }
    }
}
