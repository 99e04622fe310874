//! What the gate must know of this room: ARNs, resource policies, condition keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use haar_ec2_contract::peek::{Ec2Peek, Place};
use haar_kernel::{Call, Room, resource_tags};
use haar_lambda_contract::model::SERVICE;
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar};
use haar_types::Arn;
use haar_wire::{
    Json, OperationSchema, ServiceSchema, Shape, View, json_member, text_member, text_members,
};

use crate::Lambda;
use crate::rules::names::{FunctionName, function_and_qualifier, layer_key, layer_version_key};
use crate::rules::permission;
use crate::state::{
    EventSourceMappingKey, EventSourceMappingRow, FunctionPolicyRow, FunctionRow, LayerVersionKey,
    LayerVersionRow, PolicyStatement, QualifiedKey, UrlRow,
};

impl Room for Lambda {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        let resource = match operation.resource {
            template if template.contains("{FunctionName}") => function_resource(call, input),
            template if template.contains("{LayerName}") => layer_resource(call, input),
            template if template.contains("{UUID}") => text_member(input, "UUID")
                .map(|uuid| EventSourceMappingKey::new(&call.account, &call.region, &uuid).arn()),
            "{Resource}" => {
                text_member(input, "Resource").and_then(|arn| tagged_resource(call, &arn))
            }
            "{CodeSigningConfigArn}" => {
                text_member(input, "CodeSigningConfigArn").and_then(|arn| arn.parse().ok())
            }
            "{Arn}" => text_member(input, "Arn")
                .and_then(|arn| layer_version_key(&arn))
                .map(|key| key.arn()),
            _ => None,
        };
        vec![resource.map_or_else(|| "*".to_owned(), String::from)]
    }

    fn resource_policy(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Option<Arc<Document>> {
        let statements = policy_of(snapshot, resource)?;
        match Document::parse(&permission::document(&statements), Grammar::Resource) {
            Ok(document) => Some(Arc::new(document)),
            Err(error) => {
                tracing::error!(resource, %error, "a resource policy cannot be read");
                None
            }
        }
    }

    fn condition_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        let mut keys = Vec::new();
        let mut add = |key: &str, values: Vec<String>| {
            if !values.is_empty() {
                keys.push((key.to_owned(), values));
            }
        };
        if operation.name.contains("EventSourceMapping") {
            add("lambda:FunctionArn", mapped_function(call, snapshot, input));
        }
        add("lambda:Layer", text_members(input, "Layers"));
        add("lambda:Principal", one(input, "Principal"));
        add("lambda:FunctionUrlAuthType", one(input, "AuthType"));
        add("lambda:FunctionUrlAuthType", one(input, "FunctionUrlAuthType"));
        if operation.name.ends_with("FunctionUrlConfig") && one(input, "AuthType").is_empty() {
            add("lambda:FunctionUrlAuthType", auth_type_of(call, snapshot, input));
        }
        add("lambda:CodeSigningConfigArn", one(input, "CodeSigningConfigArn"));
        for (key, values) in self.network_keys(call, snapshot, input) {
            add(key, values);
        }
        let mut tag_keys = text_members(input, "TagKeys");
        for (tag, value) in map(input, "Tags") {
            add(&format!("aws:RequestTag/{tag}"), vec![value]);
            tag_keys.push(tag);
        }
        add("aws:TagKeys", tag_keys);
        keys
    }

    /// The tags of a function, also for its versions and aliases.
    fn resource_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        if !resource.contains(":function:") {
            return Vec::new();
        }
        let key = FunctionName::parse(resource).key(&call.account, &call.region);
        let row = key.ok().and_then(|key| snapshot.get::<FunctionRow>(&key));
        resource_tags(row.iter().flat_map(|row| row.tags.iter()))
    }
}

impl Lambda {
    /// The keys of the networks that a function is to be in.
    fn network_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: &dyn Shape,
    ) -> [(&'static str, Vec<String>); 3] {
        let config = json_member(input, "VpcConfig");
        let ids = |member: &str| -> Vec<String> {
            let all = config[member].as_array().into_iter().flatten();
            all.filter_map(Json::as_str).map(str::to_owned).collect()
        };
        let (subnets, groups) = (ids("SubnetIds"), ids("SecurityGroupIds"));
        let place = Place::new(&call.account, &call.region);
        let ec2 = self.doors.peeks.get::<dyn Ec2Peek>();
        let vpc_of = |id: &String| Some(ec2.as_ref()?.subnet(snapshot, &place, id)?.vpc_id);
        let vpcs: BTreeSet<String> = subnets.iter().filter_map(vpc_of).collect();
        [
            ("lambda:VpcIds", vpcs.into_iter().collect()),
            ("lambda:SubnetIds", subnets),
            ("lambda:SecurityGroupIds", groups),
        ]
    }
}

/// The function as it was named, with its qualifier.
fn function_resource(call: &Call, input: &dyn Shape) -> Option<Arn> {
    let name = text_member(input, "FunctionName")?;
    let qualifier = text_member(input, "Qualifier");
    let (key, qualifier) =
        function_and_qualifier(&call.account, &call.region, &name, qualifier.as_deref()).ok()?;
    Some(key.qualified_arn(qualifier.as_deref()))
}

fn layer_resource(call: &Call, input: &dyn Shape) -> Option<Arn> {
    let layer = layer_key(&call.account, &call.region, &text_member(input, "LayerName")?).ok()?;
    let version = text_member(input, "VersionNumber").and_then(|number| number.parse().ok());
    Some(match version {
        Some(version) => LayerVersionKey { layer, version }.arn(),
        None => layer.arn(),
    })
}

/// What a tag operation acts on, under the name that policies know it by, however the caller's
/// ARN is written.
fn tagged_resource(call: &Call, arn: &str) -> Option<Arn> {
    if arn.contains(":code-signing-config:") {
        return arn.parse().ok();
    }
    if let Some((_, uuid)) = arn.split_once(":event-source-mapping:") {
        return Some(EventSourceMappingKey::new(&call.account, &call.region, uuid).arn());
    }
    Some(FunctionName::parse(arn).key(&call.account, &call.region).ok()?.arn())
}

fn policy_of(snapshot: &Snapshot, resource: &str) -> Option<Vec<PolicyStatement>> {
    if let Some(key) = layer_version_key(resource) {
        return Some(snapshot.get::<LayerVersionRow>(&key)?.statements.clone())
            .filter(|statements| !statements.is_empty());
    }
    let arn: Arn = resource.parse().ok()?;
    let name = FunctionName::parse(resource);
    let key = name.key(&arn.account().parse().ok()?, &arn.region().parse().ok()?).ok()?;
    let key = QualifiedKey::new(&key, name.qualifier.as_deref().filter(|name| *name != "$LATEST"));
    Some(snapshot.get::<FunctionPolicyRow>(&key)?.statements.clone())
}

/// The present authorisation of the URL that a call is about.
fn auth_type_of(call: &Call, snapshot: &Snapshot, input: &dyn Shape) -> Vec<String> {
    let row = text_member(input, "FunctionName").and_then(|name| {
        let qualifier = text_member(input, "Qualifier");
        let (account, region) = (&call.account, &call.region);
        let found = function_and_qualifier(account, region, &name, qualifier.as_deref());
        let (key, qualifier) = found.ok()?;
        snapshot.get::<UrlRow>(&QualifiedKey::new(&key, qualifier.as_deref()))
    });
    row.map(|row| row.auth_type.clone()).into_iter().collect()
}

/// The function of a mapping: as named by the call, else the present one.
fn mapped_function(call: &Call, snapshot: &Snapshot, input: &dyn Shape) -> Vec<String> {
    if let Some(named) = function_resource(call, input) {
        return vec![named.into()];
    }
    let row = text_member(input, "UUID").and_then(|uuid| {
        let key = EventSourceMappingKey::new(&call.account, &call.region, &uuid);
        snapshot.get::<EventSourceMappingRow>(&key)
    });
    row.map(|row| row.function.arn().into()).into_iter().collect()
}

fn one(input: &dyn Shape, member: &str) -> Vec<String> {
    text_member(input, member).into_iter().collect()
}

fn view<'a>(input: &'a dyn Shape, name: &str) -> View<'a> {
    let index = input.schema().members().iter().position(|member| member.name == name);
    index.map_or(View::Absent, |index| input.member(index).view())
}

fn map(input: &dyn Shape, member: &str) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    if let View::Map(map) = view(input, member) {
        map.each(&mut |key, value| {
            if let View::Text(text) = value.view() {
                entries.push((key.to_owned(), text.to_owned()));
            }
        });
    }
    entries
}
