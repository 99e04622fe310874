//! The room behind a kernel, in memory and on simulated time, with its controllers at work.

#![allow(dead_code, unreachable_pub, clippy::new_without_default, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_ec2::Ec2;
use haar_ec2_contract::peek::{Ec2Peek, InterfaceRequest, Place};
use haar_ec2_contract::*;
use haar_kernel::{
    Auth, DoorParts, Doors, Identities, Identity, IdentityError, Kernel, KernelBuilder,
    NoIdentities, NoMeter, Principal, Settings,
};
use haar_kv::Kv;
use haar_ledger::{Ledger, Snapshot};
use haar_policy::{Document, Grammar, PolicySet};
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region as Where, Tags, Timestamp};
use haar_wire::Operation;

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

pub struct House {
    pub doors: Doors,
    _kernel: Arc<Kernel>,
    _driver: DriverHandle,
}

/// An error as a customer sees it: its code and its message.
pub type Refused = (String, String);

pub fn refused<T>(code: &str, message: &str) -> Result<T, Refused> {
    Err((code.to_owned(), message.to_owned()))
}

impl House {
    pub fn new() -> Self {
        Self::with(Auth::Permissive, Arc::new(NoIdentities))
    }

    /// Where a policy has a say in everything.
    pub fn under(policy: &str) -> Self {
        let policy = Arc::new(Document::parse(policy, Grammar::Inline).unwrap());
        Self::with(Auth::Enforce, Arc::new(Under(policy)))
    }

    fn with(auth: Auth, identities: Arc<dyn Identities>) -> Self {
        let (clock, ids) = (Clock::simulated(BEGIN), IdSource::seeded(7));
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger: Ledger::ephemeral(haar_kernel::tables().and(&haar_ec2::tables())),
            kv: Kv::ephemeral(),
            blobs: Blobs::ephemeral(ids.clone()).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock.clone())),
            meter: Arc::new(NoMeter),
            settings: Settings { auth, ..Settings::default() },
        });
        let room = Arc::new(Ec2::new(&doors));
        let kernel =
            KernelBuilder::new(doors.clone(), identities).room(room, haar_ec2::lanes).build();
        let cx = ActCx::new(doors.ledger.clone(), clock, ids);
        let driver = Driver::new(cx).add(Arc::new(haar_ec2::controllers::NatGateways)).run();
        Self { doors, _kernel: kernel, _driver: driver }
    }

    pub async fn call<O: Operation>(&self, input: O::Input) -> Result<O::Output, Refused> {
        self.call_in::<O>(&Where::default(), input).await
    }

    pub async fn call_in<O: Operation>(
        &self,
        region: &Where,
        input: O::Input,
    ) -> Result<O::Output, Refused> {
        let principal = Arc::new(Principal::root(AccountId::default()));
        let answer = self.doors.call::<O>(principal, region, input).await;
        answer.map_err(|error| (error.code().to_owned(), error.message().to_owned()))
    }

    /// The same where nothing may fail.
    pub async fn ok<O: Operation>(&self, input: O::Input) -> O::Output {
        self.call::<O>(input).await.unwrap()
    }

    pub async fn pass(&self, time: Duration) {
        self.doors.clock.sleep(time).await;
    }

    pub fn snapshot(&self) -> Snapshot {
        self.doors.ledger.snapshot()
    }

    pub fn peek(&self) -> Arc<dyn Ec2Peek> {
        self.doors.peeks.expect::<dyn Ec2Peek>()
    }

    pub async fn default_vpc(&self) -> Vpc {
        let found = self.ok::<DescribeVpcs>(DescribeVpcsRequest::default()).await;
        found.vpcs.unwrap().into_iter().find(|vpc| vpc.is_default == Some(true)).unwrap()
    }

    pub async fn default_subnets(&self) -> Vec<Subnet> {
        let mut found = self.ok::<DescribeSubnets>(Default::default()).await.subnets.unwrap();
        found.retain(|subnet| subnet.default_for_az == Some(true));
        found.sort_by(|one, other| one.availability_zone.cmp(&other.availability_zone));
        found
    }

    pub async fn vpc(&self, range: &str) -> String {
        let input = CreateVpcRequest { cidr_block: some(range), ..Default::default() };
        self.ok::<CreateVpc>(input).await.vpc.unwrap().vpc_id.unwrap()
    }

    pub async fn subnet(&self, vpc: &str, range: &str) -> Result<String, Refused> {
        let vpc_id = vpc.to_owned();
        let input = CreateSubnetRequest { cidr_block: some(range), vpc_id, ..Default::default() };
        let made = self.call::<CreateSubnet>(input).await?;
        Ok(made.subnet.unwrap().subnet_id.unwrap())
    }

    pub async fn group(&self, vpc: &str, name: &str) -> String {
        let input = CreateSecurityGroupRequest {
            group_name: name.to_owned(),
            description: "a group".to_owned(),
            vpc_id: some(vpc),
            ..Default::default()
        };
        self.ok::<CreateSecurityGroup>(input).await.group_id.unwrap()
    }

    /// Allows traffic into a group.
    pub async fn allow(&self, group: &str, permission: IpPermission) -> Result<String, Refused> {
        let input = AuthorizeSecurityGroupIngressRequest {
            group_id: some(group),
            ip_permissions: Some(vec![permission]),
            ..Default::default()
        };
        let added = self.call::<AuthorizeSecurityGroupIngress>(input).await?;
        Ok(added.security_group_rules.unwrap()[0].security_group_rule_id.clone().unwrap())
    }

    /// What a neighbour asks for.
    pub fn wanted(&self, subnet: &str, groups: &[&str]) -> InterfaceRequest {
        InterfaceRequest {
            place: place(),
            subnet_id: subnet.to_owned(),
            security_group_ids: groups.iter().map(|group| (*group).to_owned()).collect(),
            description: "arn:aws:ecs:us-east-1:000000000000:task/c/t".to_owned(),
            requester: "ecs.amazonaws.com".to_owned(),
            interface_type: "interface".to_owned(),
            public_ip: false,
            tags: Tags::new(),
            now: self.doors.clock.now(),
        }
    }
}

/// Everybody's policy.
struct Under(Arc<Document>);

impl Identities for Under {
    fn identify(
        &self,
        _snapshot: &Snapshot,
        _access_key_id: &str,
        _session_token: Option<&str>,
        _now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        Err(IdentityError::Unknown)
    }

    fn policies(&self, _snapshot: &Snapshot, _principal: &Principal) -> PolicySet {
        PolicySet { identity: vec![Arc::clone(&self.0)], ..PolicySet::default() }
    }
}

pub fn place() -> Place {
    Place::new(&AccountId::default(), &Where::default())
}

pub fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub fn filter(name: &str, values: &[&str]) -> Filter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Filter { name: some(name), values: Some(values) }
}

/// TCP on one port from a range.
pub fn tcp(port: i32, range: &str) -> IpPermission {
    IpPermission {
        ip_protocol: some("tcp"),
        from_port: Some(port),
        to_port: Some(port),
        ip_ranges: Some(vec![IpRange { cidr_ip: some(range), description: None }]),
        ..Default::default()
    }
}

/// TCP on one port from members of a group.
pub fn tcp_from(port: i32, group: &str) -> IpPermission {
    let pair = UserIdGroupPair { group_id: some(group), ..Default::default() };
    IpPermission { ip_ranges: None, user_id_group_pairs: Some(vec![pair]), ..tcp(port, "") }
}
