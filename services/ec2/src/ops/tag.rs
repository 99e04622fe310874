//! Tags of everything.

use haar_ec2_contract::peek::Place;
use haar_ec2_contract::{
    CreateTags, CreateTagsOutput, CreateTagsRequest, DeleteTags, DeleteTagsOutput,
    DeleteTagsRequest, DescribeTags, DescribeTagsRequest, DescribeTagsResult, ResourceType,
    TagDescription,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::Ec2;
use crate::listing::{cut, place_of};
use crate::refusal::{missing, refuse};
use crate::rules::{Filters, add_tags};
use crate::state::{
    AddressRow, DhcpOptionsRow, EndpointRow, InterfaceRow, InternetGatewayRow, NatGatewayRow,
    NetworkAclRow, Resource, RouteTableRow, RuleRow, SecurityGroupRow, SubnetRow, VpcRow, key_of,
    rows_of,
};
use crate::world::{seen, settle};

/// Runs one line for each kind of row that has tags.
macro_rules! each_kind {
    ($kind:ident => $line:expr) => {
        each_kind!(@ $kind => $line; AddressRow DhcpOptionsRow EndpointRow InterfaceRow
            InternetGatewayRow NatGatewayRow NetworkAclRow RouteTableRow RuleRow SecurityGroupRow
            SubnetRow VpcRow)
    };
    (@ $kind:ident => $line:expr; $($row:ident)+) => {
        $({ type $kind = $row; $line })+
    };
}

/// The prefix of an id: `vpc` of `vpc-0123…`, `eni` of `eni-…`.
fn prefix_of(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(prefix, _)| prefix)
}

/// The tags of what an id names, whatever it is.
pub(crate) fn tags_of_id(snapshot: &Snapshot, place: &Place, id: &str) -> Option<Tags> {
    each_kind!(Kind => if Kind::PREFIX == prefix_of(id) {
        return snapshot.get::<Kind>(&key_of(place, id)).map(|row| row.tags().clone());
    });
    None
}

/// The ARN of what an id names, if it is of a kind that has tags.
pub(super) fn arn_of_id(place: &Place, id: &str) -> Option<String> {
    each_kind!(Kind => if Kind::PREFIX == prefix_of(id) {
        let (account, region, kind) = (&place.account, &place.region, Kind::KIND);
        return Some(format!("arn:aws:ec2:{region}:{account}:{kind}/{id}"));
    });
    None
}

/// Changes the tags of what an id names.
fn change(
    tx: &mut Tx,
    place: &Place,
    id: &str,
    change: impl FnOnce(&mut Tags) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    each_kind!(Kind => if Kind::PREFIX == prefix_of(id) {
        let mut row = Kind::clone(&*Kind::find(tx, place, id)?);
        change(row.tags_mut())?;
        tx.put(row);
        return Ok(());
    });
    Err(refuse("InvalidID", format!("The ID '{id}' is not valid")))
}

impl Command<CreateTags> for Ec2 {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreateTagsRequest) -> Answer<CreateTags> {
        let place = place_of(call);
        settle(tx, &place);
        if input.resources.is_empty() {
            return Err(missing("resourceIdSet"));
        }
        if input.tags.is_empty() {
            return Err(missing("tagSet"));
        }
        for id in &input.resources {
            change(tx, &place, id, |tags| add_tags(tags, input.tags.clone()))?;
        }
        Ok(CreateTagsOutput {})
    }
}

impl Command<DeleteTags> for Ec2 {
    /// A tag with a value goes only if that is its value; without tags, all go.
    fn command(&self, call: &Call, tx: &mut Tx, input: DeleteTagsRequest) -> Answer<DeleteTags> {
        let place = place_of(call);
        settle(tx, &place);
        if input.resources.is_empty() {
            return Err(missing("resourceIdSet"));
        }
        let gone = input.tags.unwrap_or_default();
        for id in &input.resources {
            change(tx, &place, id, |tags| {
                if gone.is_empty() {
                    tags.clear();
                }
                tags.retain(|key, value| {
                    !gone.iter().any(|tag| {
                        tag.key.as_ref() == Some(key)
                            && tag.value.as_ref().is_none_or(|wanted| wanted == value)
                    })
                });
                Ok(())
            })?;
        }
        Ok(DeleteTagsOutput {})
    }
}

/// One tag of one resource.
struct Line {
    id: String,
    kind: ResourceType,
    key: String,
    value: String,
}

impl Query<DescribeTags> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeTagsRequest,
    ) -> Answer<DescribeTags> {
        let place = place_of(call);
        let snapshot = seen(snapshot, &place);
        let filters = Filters::new(input.filters)?;
        let mut lines: Vec<Line> = Vec::new();
        each_kind!(Kind => lines.extend(lines_of::<Kind>(&snapshot, &place)));
        let mut found = Vec::new();
        for line in lines {
            let own = Tags::from([(line.key.clone(), line.value.clone())]);
            let fits = filters.match_(&own, |name| match name {
                "key" => Some(vec![line.key.clone()]),
                "resource-id" => Some(vec![line.id.clone()]),
                "resource-type" => Some(vec![line.kind.to_string()]),
                "value" => Some(vec![line.value.clone()]),
                _ => None,
            })?;
            if fits {
                found.push(line);
            }
        }
        let place_in = |line: &Line| format!("{}|{}", line.id, line.key);
        found.sort_by_key(place_in);
        let scope = format!("DescribeTags/{}/{}/{}", place.account, place.region, filters.scope());
        let page = cut(found, &scope, input.max_results, input.next_token, place_in)?;
        let tags = page.items.into_iter().map(|line| TagDescription {
            key: Some(line.key),
            resource_id: Some(line.id),
            resource_type: Some(line.kind),
            value: Some(line.value),
        });
        Ok(DescribeTagsResult { next_token: page.next, tags: Some(tags.collect()) })
    }
}

fn lines_of<R: Resource>(snapshot: &Snapshot, place: &Place) -> Vec<Line> {
    let lines = |row: &R| -> Vec<Line> {
        let line = |(key, value): (&String, &String)| Line {
            id: row.id().to_owned(),
            kind: R::KIND,
            key: key.clone(),
            value: value.clone(),
        };
        row.tags().iter().map(line).collect()
    };
    rows_of::<R>(snapshot, place).flat_map(|row| lines(&row)).collect()
}
