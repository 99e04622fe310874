//! What all rows have in common: whose they are, their id, their tags.

use std::sync::Arc;

use haar_ec2_contract::ResourceType;
use haar_ec2_contract::peek::Place;
use haar_ledger::{Row, Snapshot};
use haar_types::{AccountId, Region, Tags};
use haar_wire::AwsError;

use crate::refusal::refuse;

/// Whose a row is, and its id.
pub(crate) type Key = (AccountId, Region, String);

/// The key of an id.
pub(crate) fn key_of(place: &Place, id: &str) -> Key {
    (place.account.clone(), place.region.clone(), id.to_owned())
}

/// A row that customers name by id and can tag.
pub(crate) trait Resource: Row<Key = Key> {
    /// What its ids begin with: `vpc`.
    const PREFIX: &'static str;
    /// Its kind in tag specifications and in ARNs.
    const KIND: ResourceType;
    /// The code when there is none of an id: `InvalidVpcID.NotFound`.
    const MISSING: &'static str;

    /// AWS's words when there is none of this id.
    fn missing_text(id: &str) -> String;
    fn tags(&self) -> &Tags;
    fn tags_mut(&mut self) -> &mut Tags;
    fn key_ref(&self) -> &Key;

    /// `vpc-0123456789abcdef0`.
    fn id(&self) -> &str {
        &self.key_ref().2
    }

    /// Its account.
    fn owner(&self) -> String {
        self.key_ref().0.to_string()
    }

    /// `arn:aws:ec2:us-east-1:123456789012:vpc/vpc-0123456789abcdef0`.
    fn arn(&self) -> String {
        let (account, region, id) = self.key_ref();
        format!("arn:aws:ec2:{region}:{account}:{}/{id}", Self::KIND)
    }

    /// Whose it is.
    fn place(&self) -> Place {
        Place::new(&self.key_ref().0, &self.key_ref().1)
    }

    /// The row of an id, or AWS's refusal.
    fn find(snapshot: &Snapshot, place: &Place, id: &str) -> Result<Arc<Self>, AwsError> {
        let missing = || refuse(Self::MISSING, Self::missing_text(id));
        snapshot.get::<Self>(&key_of(place, id)).ok_or_else(missing)
    }
}

/// All rows of a kind in a place, by id.
pub(crate) fn rows_of<'s, R: Resource>(
    snapshot: &'s Snapshot,
    place: &'s Place,
) -> impl Iterator<Item = Arc<R>> + 's {
    snapshot.range::<R>(key_of(place, "")..).take_while(move |row| {
        let (account, region, _) = row.key_ref();
        *account == place.account && *region == place.region
    })
}

/// Makes a struct with `key` and `tags` a row that customers name by id.
macro_rules! resource {
    ($row:ident, $table:literal, $prefix:literal, $kind:ident, $code:literal, $text:literal,
     |$it:ident| $indexes:expr) => {
        impl haar_ledger::Row for $row {
            type Key = $crate::state::Key;
            const TABLE: &'static str = $table;

            fn key(&self) -> Self::Key {
                self.key.clone()
            }

            fn indexes(&self) -> Vec<haar_ledger::IndexEntry> {
                let $it = self;
                $indexes
            }
        }

        impl $crate::state::Resource for $row {
            const PREFIX: &'static str = $prefix;
            const KIND: haar_ec2_contract::ResourceType = haar_ec2_contract::ResourceType::$kind;
            const MISSING: &'static str = $code;

            fn missing_text(id: &str) -> String {
                $text.replace('%', id)
            }
            fn tags(&self) -> &haar_types::Tags {
                &self.tags
            }
            fn tags_mut(&mut self) -> &mut haar_types::Tags {
                &mut self.tags
            }
            fn key_ref(&self) -> &$crate::state::Key {
                &self.key
            }
        }
    };
}
pub(crate) use resource;
