//! Reports of the services that identities may use, and when they did last. *IAM User Guide >
//! Refining permissions using last accessed information*.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_iam_contract::{
    AccessAdvisorUsageGranularityType as Granularity, EntityDetails, EntityInfo,
    GenerateServiceLastAccessedDetails, GenerateServiceLastAccessedDetailsRequest,
    GenerateServiceLastAccessedDetailsResponse, GetServiceLastAccessedDetails,
    GetServiceLastAccessedDetailsRequest, GetServiceLastAccessedDetailsResponse,
    GetServiceLastAccessedDetailsWithEntities, GetServiceLastAccessedDetailsWithEntitiesRequest,
    GetServiceLastAccessedDetailsWithEntitiesResponse, JobStatusType, PolicyOwnerEntityType,
    ServiceLastAccessed, TrackedActionLastAccessed,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::{AccountId, Arn};
use haar_wire::AwsError;

use crate::entity::Entity;
use crate::lookup::{find_own_policy, paged, policy_text};
use crate::refusal::no_such;
use crate::rules::granting::grants_service;
use crate::state::{EntityUse, GroupRow, LastUseReportRow, LastUses, Named, RoleRow, UserRow};
use crate::{Iam, managed};

/// Services that can be used here, by their namespaces. *Ours*: AWS's reports list all of AWS.
const SERVICES: [(&str, &str); 18] = [
    ("cloudwatch", "Amazon CloudWatch"),
    ("dynamodb", "Amazon DynamoDB"),
    ("ec2", "Amazon EC2"),
    ("ecr", "Amazon Elastic Container Registry"),
    ("ecs", "Amazon Elastic Container Service"),
    ("events", "Amazon EventBridge"),
    ("iam", "AWS Identity and Access Management"),
    ("kinesis", "Amazon Kinesis Data Streams"),
    ("lambda", "AWS Lambda"),
    ("logs", "Amazon CloudWatch Logs"),
    ("pipes", "Amazon EventBridge Pipes"),
    ("s3", "Amazon S3"),
    ("scheduler", "Amazon EventBridge Scheduler"),
    ("secretsmanager", "AWS Secrets Manager"),
    ("sns", "Amazon SNS"),
    ("sqs", "Amazon SQS"),
    ("ssm", "AWS Systems Manager"),
    ("sts", "AWS Security Token Service"),
];

/// Reports that an account has at once. *Ours*.
const REPORTS_MAX: usize = 100;
/// How long a report is given out. *Ours*.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// Who a report is about: identities, and the policies that say what they may use.
#[derive(Default)]
struct Subject {
    entities: Vec<EntityUse>,
    policies: Vec<String>,
}

/// The user, role, group or policy of an ARN.
fn subject_of(account: &AccountId, snapshot: &Snapshot, arn: &str) -> Result<Subject, AwsError> {
    let is_policy = |arn: &Arn| arn.resource().starts_with("policy/");
    if arn.parse::<Arn>().is_ok_and(|arn| is_policy(&arn)) {
        if managed::find(arn).is_none() {
            find_own_policy(snapshot, account, arn)?;
        }
        let policies = policy_text(snapshot, arn).into_iter().collect();
        return Ok(Subject { entities: bearers(account, snapshot, arn), policies });
    }
    let found = Entity::find(snapshot, account, arn)?;
    let policies = found.sources(snapshot).into_iter().map(|source| source.text).collect();
    let entities = match &found {
        Entity::User(user) => vec![of_user(user)],
        Entity::Role(role) => vec![of_role(role)],
        Entity::Group(group) => members(snapshot, group),
    };
    Ok(Subject { entities, policies })
}

fn of_user(user: &UserRow) -> EntityUse {
    entity(user, &user.id, false)
}

fn of_role(role: &RoleRow) -> EntityUse {
    entity(role, &role.id, true)
}

fn entity(row: &impl Named, id: &str, is_role: bool) -> EntityUse {
    EntityUse {
        arn: row.arn(),
        name: row.name().to_owned(),
        path: row.path().to_owned(),
        id: id.to_owned(),
        is_role,
        actions: BTreeMap::new(),
    }
}

fn members(snapshot: &Snapshot, group: &GroupRow) -> Vec<EntityUse> {
    let key = format!("{}|{}", group.account, group.name.to_lowercase());
    snapshot.by_index::<UserRow>("group", &key).map(|user| of_user(&user)).collect()
}

/// Who has a managed policy, by a group too; each once.
fn bearers(account: &AccountId, snapshot: &Snapshot, arn: &str) -> Vec<EntityUse> {
    let key = format!("{account}|{arn}");
    let users = snapshot.by_index::<UserRow>("attached", &key).map(|user| of_user(&user));
    let roles = snapshot.by_index::<RoleRow>("attached", &key).map(|role| of_role(&role));
    let groups = snapshot.by_index::<GroupRow>("attached", &key);
    let of_groups = groups.flat_map(|group| members(snapshot, &group));
    let all = users.chain(roles).chain(of_groups).map(|one| (one.id.clone(), one));
    all.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// AWS docs: *IAM API Reference > GenerateServiceLastAccessedDetails*.
impl Command<GenerateServiceLastAccessedDetails> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: GenerateServiceLastAccessedDetailsRequest,
    ) -> Answer<GenerateServiceLastAccessedDetails> {
        let subject = subject_of(&call.account, tx, &input.arn)?;
        let may_use = |namespace: &str| {
            subject.policies.iter().any(|policy| grants_service(policy, namespace))
        };
        let granted = SERVICES.iter().filter(|(namespace, _)| may_use(namespace));
        let services = granted
            .map(|(namespace, _)| {
                let used = |one: &EntityUse| EntityUse {
                    actions: of_service(self.last_uses_of(tx, &one.id), namespace),
                    ..one.clone()
                };
                ((*namespace).to_owned(), subject.entities.iter().map(used).collect())
            })
            .collect();
        forget_old(tx, call);
        let id = call.ids.uuid();
        tx.put(LastUseReportRow {
            account: call.account.clone(),
            id: id.clone(),
            made_at: call.now,
            is_by_action: input.granularity == Some(Granularity::ActionLevel),
            services,
        });
        Ok(GenerateServiceLastAccessedDetailsResponse { job_id: Some(id) })
    }
}

/// What of these uses is a service's.
fn of_service(mut uses: LastUses, namespace: &str) -> LastUses {
    uses.retain(|action, _| action.split(':').next() == Some(namespace));
    uses
}

/// Forgets the reports of the day before, and the oldest where an account has many.
fn forget_old(tx: &mut Tx, call: &Call) {
    let all = (call.account.clone(), String::new())..=(call.account.clone(), "~".to_owned());
    let all = tx.range::<LastUseReportRow>(all);
    let mut all: Vec<_> = all.map(|row| (row.made_at, row.id.clone())).collect();
    all.sort_unstable_by(|one, other| other.cmp(one));
    let old = all.iter().enumerate().filter(|(place, (made_at, _))| {
        *place >= REPORTS_MAX || call.now.since(*made_at) >= KEPT_FOR
    });
    for (_, (_, id)) in old {
        tx.remove::<LastUseReportRow>(&(call.account.clone(), id.clone()));
    }
}

fn find_report(
    call: &Call,
    snapshot: &Snapshot,
    id: &str,
) -> Result<std::sync::Arc<LastUseReportRow>, AwsError> {
    let row = snapshot.get::<LastUseReportRow>(&(call.account.clone(), id.to_owned()));
    let row = row.filter(|row| call.now.since(row.made_at) < KEPT_FOR);
    row.ok_or_else(|| no_such(format!("No job with the id {id} was found."))) // *Ours*
}

/// AWS docs: *IAM API Reference > GetServiceLastAccessedDetails*.
impl Query<GetServiceLastAccessedDetails> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetServiceLastAccessedDetailsRequest,
    ) -> Answer<GetServiceLastAccessedDetails> {
        let report = find_report(call, snapshot, &input.job_id)?;
        let scope = format!("GetServiceLastAccessedDetails/{}", report.id);
        let page =
            paged(&report.services, &scope, (input.marker, input.max_items), |(name, _)| {
                (*name).clone()
            })?;
        let shown = |(name, entities): &(&String, &Vec<EntityUse>)| {
            service(name, entities, report.is_by_action)
        };
        Ok(GetServiceLastAccessedDetailsResponse {
            job_status: JobStatusType::Completed,
            job_type: Some(match report.is_by_action {
                true => Granularity::ActionLevel,
                false => Granularity::ServiceLevel,
            }),
            job_creation_date: report.made_at,
            job_completion_date: report.made_at,
            services_last_accessed: page.items.iter().map(shown).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
            error: None,
        })
    }
}

/// One service, by those who may use it.
fn service(namespace: &str, entities: &[EntityUse], is_by_action: bool) -> ServiceLastAccessed {
    let used = entities.iter().filter_map(|one| Some((one, one.last()?)));
    let last = used.clone().max_by_key(|(_, last)| last.at);
    let name = SERVICES.iter().find(|(known, _)| *known == namespace);
    ServiceLastAccessed {
        service_name: name.map_or(namespace, |(_, name)| name).to_owned(),
        service_namespace: namespace.to_owned(),
        last_authenticated: last.map(|(_, last)| last.at),
        last_authenticated_entity: last.map(|(entity, _)| entity.arn.clone()),
        last_authenticated_region: last.map(|(_, last)| last.region.clone()),
        total_authenticated_entities: i32::try_from(used.count()).ok(),
        tracked_actions_last_accessed: is_by_action.then(|| tracked(entities)),
    }
}

/// The actions that were asked for, each with who did last.
fn tracked(entities: &[EntityUse]) -> Vec<TrackedActionLastAccessed> {
    let mut newest = BTreeMap::new();
    for entity in entities {
        for (action, last) in &entity.actions {
            let known = newest.entry(action.as_str()).or_insert((entity, last));
            if last.at > known.1.at {
                *known = (entity, last);
            }
        }
    }
    let shown = newest.into_iter().map(|(action, (entity, last))| TrackedActionLastAccessed {
        action_name: Some(action.split_once(':').map_or(action, |(_, name)| name).to_owned()),
        last_accessed_entity: Some(entity.arn.clone()),
        last_accessed_time: Some(last.at),
        last_accessed_region: Some(last.region.clone()),
    });
    shown.collect()
}

/// AWS docs: *IAM API Reference > GetServiceLastAccessedDetailsWithEntities*.
impl Query<GetServiceLastAccessedDetailsWithEntities> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetServiceLastAccessedDetailsWithEntitiesRequest,
    ) -> Answer<GetServiceLastAccessedDetailsWithEntities> {
        let report = find_report(call, snapshot, &input.job_id)?;
        let namespace = &input.service_namespace;
        let entities = report.services.get(namespace).map(Vec::as_slice).unwrap_or_default();
        let scope = format!("GetServiceLastAccessedDetailsWithEntities/{}/{namespace}", report.id);
        let mut sorted: Vec<_> = entities.iter().map(|one| (place(one), one)).collect();
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        let limits = (input.marker, input.max_items);
        let page = paged(sorted, &scope, limits, |(place, _)| place.clone())?;
        Ok(GetServiceLastAccessedDetailsWithEntitiesResponse {
            job_status: JobStatusType::Completed,
            job_creation_date: report.made_at,
            job_completion_date: report.made_at,
            entity_details_list: page.items.iter().map(|(_, entity)| details(entity)).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
            error: None,
        })
    }
}

/// Whoever used it last comes first, whoever never did comes last.
fn place(entity: &EntityUse) -> String {
    let at = entity.last().map_or(0, |last| last.at.0.unsigned_abs());
    format!("{:020} {}", u64::MAX - at, entity.id)
}

fn details(entity: &EntityUse) -> EntityDetails {
    EntityDetails {
        entity_info: EntityInfo {
            arn: entity.arn.clone(),
            name: entity.name.clone(),
            r#type: match entity.is_role {
                true => PolicyOwnerEntityType::Role,
                false => PolicyOwnerEntityType::User,
            },
            id: entity.id.clone(),
            path: Some(entity.path.clone()),
        },
        last_authenticated: entity.last().map(|last| last.at),
    }
}
