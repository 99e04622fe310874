//! Tags of functions, event source mappings and code signing configurations.

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{ListTags, ListTagsResponse, TagResource, UntagResource};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;

use super::Input;
use super::code_signing;
use super::permission::no_such_resource;
use crate::lookup::find_function;
use crate::rules::names::FunctionName;
use crate::rules::tags;
use crate::state::{
    CodeSigningKey, CodeSigningRow, EventSourceMappingKey, EventSourceMappingRow, FunctionKey,
    FunctionRow,
};
use crate::{Lambda, Refusal};

/// What can have tags.
enum Tagged {
    Function(FunctionKey),
    Mapping(EventSourceMappingKey),
    Signing(CodeSigningKey),
}

impl Tagged {
    fn find(call: &Call, snapshot: &Snapshot, arn: &str) -> Result<(Self, Tags), Refusal> {
        if let Some((_, uuid)) = arn.split_once(":event-source-mapping:") {
            let (account, region) = (call.account.clone(), call.region.clone());
            let key = EventSourceMappingKey { account, region, uuid: uuid.to_owned() };
            let row = snapshot.get::<EventSourceMappingRow>(&key).ok_or_else(no_such_resource)?;
            return Ok((Self::Mapping(key), row.tags.clone()));
        }
        if arn.contains(":code-signing-config:") {
            let row = code_signing::find(call, snapshot, arn).map_err(|_| no_such_resource())?;
            return Ok((Self::Signing(row.key.clone()), row.tags.clone()));
        }
        if !arn.contains(":function:") {
            return Err(no_such_resource());
        }
        let name = FunctionName::parse(arn);
        if name.qualifier.is_some() {
            return Err(Refusal::invalid(
                "Tags on function aliases and versions are not supported. Please specify a \
                 function ARN.",
            ));
        }
        let key = name.key(&call.account, &call.region)?;
        let row = find_function(snapshot, &key)?;
        Ok((Self::Function(key), row.tags.clone()))
    }

    fn write(&self, tx: &mut Tx, tags: Tags) {
        match self {
            Self::Function(key) => tx.update::<FunctionRow>(key, |row| row.tags = tags),
            Self::Signing(key) => tx.update::<CodeSigningRow>(key, |row| row.tags = tags),
            Self::Mapping(key) => tx.update::<EventSourceMappingRow>(key, |row| row.tags = tags),
        };
    }
}

/// AWS docs: *Lambda API Reference > TagResource*.
impl Command<TagResource> for Lambda {
    fn command(&self, call: &Call, tx: &mut Tx, input: Input<TagResource>) -> Answer<TagResource> {
        let (tagged, mut all) = Tagged::find(call, tx, &input.resource)?;
        tags::check(&input.tags)?;
        all.extend(input.tags);
        tags::check(&all)?;
        tagged.write(tx, all);
        Ok(Default::default())
    }
}

/// AWS docs: *Lambda API Reference > UntagResource*.
impl Command<UntagResource> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<UntagResource>,
    ) -> Answer<UntagResource> {
        let (tagged, mut all) = Tagged::find(call, tx, &input.resource)?;
        all.retain(|key, _| !input.tag_keys.contains(key));
        tagged.write(tx, all);
        Ok(Default::default())
    }
}

/// AWS docs: *Lambda API Reference > ListTags*.
impl Query<ListTags> for Lambda {
    fn query(&self, call: &Call, snapshot: &Snapshot, input: Input<ListTags>) -> Answer<ListTags> {
        let (_, tags) = Tagged::find(call, snapshot, &input.resource)?;
        Ok(ListTagsResponse { tags: Some(tags) })
    }
}
