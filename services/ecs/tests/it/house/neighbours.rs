//! Rooms and registries, played: they outlive the process as a disk does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use haar_clock::Ids;
use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_ec2_contract::peek::{
    Ec2Peek, Interface, InterfaceError, InterfaceRequest, Ipv4Range, Place, Rules, SecurityGroup,
    Subnet,
};
use haar_ecs::doors::{
    Credentials, ImageRequest, Images, LogStreams, PullError, PullStage, ReadyImage,
    RoleCredentials, Secrets, StreamName,
};
use haar_ecs::state::TaskRow;
use haar_kernel::ApiDoor;
use haar_ledger::{ChangeSet, Snapshot, Tx};
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_substrate::{ImageConfig, ImageId, SandboxId};
use haar_types::{AccountId, Region, Tags, Timestamp};
use parking_lot::Mutex;
use tokio::net::TcpStream;

/// A subnet with addresses, and one without.
pub(crate) const SUBNET: &str = "subnet-1";
pub(crate) const SUBNET_FULL: &str = "subnet-full";

/// Addresses of [`SUBNET`].
pub(crate) const SUBNET_SIZE: u32 = 200;

#[derive(Default)]
pub(crate) struct Neighbours {
    /// Log groups that are there.
    pub(crate) groups: Mutex<BTreeSet<String>>,
    /// Events by group and stream.
    pub(crate) events: Mutex<BTreeMap<String, Vec<(Timestamp, String)>>>,
    /// Values by namespace, metric and dimensions.
    pub(crate) metrics: Mutex<BTreeMap<String, Vec<f64>>>,
    /// Secrets by what names them.
    pub(crate) secrets: Mutex<BTreeMap<String, String>>,
    /// Roles that may read none.
    pub(crate) denied_roles: Mutex<BTreeSet<String>>,
    /// Tags of interfaces, by their ids.
    pub(crate) interface_tags: Mutex<BTreeMap<String, Tags>>,
    /// What all security groups allow.
    pub(crate) rules: Mutex<Rules>,
}

fn subnet(id: &str) -> Subnet {
    Subnet {
        id: id.to_owned(),
        vpc_id: "vpc-1".to_owned(),
        availability_zone: "us-east-1a".to_owned(),
        range: Ipv4Range { first: Ipv4Addr::new(172, 31, 0, 0), prefix: 20 },
        available_count: 0,
        map_public_ip_on_launch: true,
        is_default: true,
    }
}

fn group(id: &str) -> SecurityGroup {
    let (name, vpc_id) = ("default".to_owned(), "vpc-1".to_owned());
    SecurityGroup { id: id.to_owned(), name, vpc_id }
}

fn interface(id: String, address: Ipv4Addr, subnet_id: &str) -> Interface {
    Interface {
        id,
        private_ip: address,
        mac: "0a:58:ac:1f:00:04".to_owned(),
        private_dns_name: format!("ip-{address}.ec2.internal").replace('.', "-"),
        public_ip: None,
        subnet_id: subnet_id.to_owned(),
        vpc_id: "vpc-1".to_owned(),
        availability_zone: "us-east-1a".to_owned(),
        prefix: 20,
        gateway: Ipv4Addr::new(172, 31, 0, 1),
        security_group_ids: Vec::new(),
    }
}

/// Addresses are those that no task's row holds.
impl Ec2Peek for Neighbours {
    fn is_of_a_vpc(&self, _: &Snapshot, _: Ipv4Addr) -> bool {
        true
    }

    fn subnet(&self, _: &Snapshot, _: &Place, id: &str) -> Option<Subnet> {
        [SUBNET, SUBNET_FULL].contains(&id).then(|| subnet(id))
    }

    fn default_subnets(&self, _: &Snapshot, _: &Place) -> Vec<Subnet> {
        vec![subnet(SUBNET)]
    }

    fn security_group(&self, _: &Snapshot, _: &Place, id: &str) -> Option<SecurityGroup> {
        let other = || SecurityGroup { vpc_id: "vpc-2".to_owned(), ..group(id) };
        match id {
            "sg-1" => Some(group(id)),
            "sg-other" => Some(other()),
            _ => None,
        }
    }

    fn default_security_group(&self, _: &Snapshot, _: &Place, _: &str) -> Option<SecurityGroup> {
        Some(group("sg-1"))
    }

    fn rules(&self, _: &Snapshot, _: &Place, _: &[String]) -> Rules {
        self.rules.lock().clone()
    }

    fn concerns_rules(&self, _: &ChangeSet) -> bool {
        true // rules are not in the ledger: each commit may have changed them
    }

    fn allocate_interface(
        &self,
        tx: &mut Tx,
        ids: &Ids,
        request: &InterfaceRequest,
    ) -> Result<Interface, InterfaceError> {
        let full = || InterfaceError::InsufficientFreeAddresses(request.subnet_id.clone());
        if request.subnet_id == SUBNET_FULL {
            return Err(full());
        }
        let held: BTreeSet<Ipv4Addr> = tx
            .all::<TaskRow>()
            .filter_map(|row| row.interface.clone().filter(|one| !one.is_released))
            .map(|one| one.address)
            .collect();
        let first = u32::from(Ipv4Addr::new(172, 31, 0, 4));
        let mut all = (first..first + SUBNET_SIZE).map(Ipv4Addr::from);
        let address = all.find(|address| !held.contains(address)).ok_or_else(full)?;
        let id = format!("eni-{}", ids.hex(17));
        self.interface_tags.lock().insert(id.clone(), request.tags.clone());
        Ok(interface(id, address, &request.subnet_id))
    }

    fn release_interface(&self, _: &mut Tx, _: &Place, _: &str) {}

    fn interface(&self, snapshot: &Snapshot, _: &Place, id: &str) -> Option<Interface> {
        let mut rows = snapshot.all::<TaskRow>().filter_map(|row| row.interface.clone());
        let found = rows.find(|one| one.eni_id == id)?;
        Some(interface(found.eni_id, found.address, &found.subnet_id))
    }

    fn interfaces_of(&self, _: &Snapshot, _: &str) -> Vec<(Place, Interface)> {
        Vec::new()
    }
}

#[async_trait]
impl Images for Neighbours {
    async fn pull(&self, request: &ImageRequest) -> Result<ReadyImage, PullError> {
        let image = &request.image;
        if image.starts_with("silent") {
            std::future::pending::<()>().await;
        }
        if image.starts_with("down") {
            let reason = "unexpected status: 503 Service Unavailable".to_owned();
            return Err(PullError { stage: PullStage::Layers, reason, is_transient: true });
        }
        if image.starts_with("missing") {
            let reason = format!("failed to resolve ref {image}: {image}: not found");
            return Err(PullError { stage: PullStage::Manifest, reason, is_transient: false });
        }
        Ok(ReadyImage {
            id: ImageId(request.image.clone()),
            digest: format!("sha256:{}", request.image),
            is_kept_by_digest: !image.starts_with("imported"),
            config: ImageConfig::default(),
        })
    }
}

#[async_trait]
impl Secrets for Neighbours {
    async fn read(
        &self,
        _: &AccountId,
        _: &Region,
        role: Option<&str>,
        value_from: &str,
    ) -> Result<String, String> {
        let role = role.unwrap_or_default();
        if self.denied_roles.lock().contains(role) {
            return Err(format!("AccessDeniedException: {role} is not authorized"));
        }
        let found = self.secrets.lock().get(value_from).cloned();
        found.ok_or_else(|| format!("{value_from}: ResourceNotFoundException"))
    }

    async fn file(
        &self,
        _: &AccountId,
        _: &Region,
        _: Option<&str>,
        arn: &str,
    ) -> Result<String, String> {
        self.secrets.lock().get(arn).cloned().ok_or_else(|| format!("NoSuchKey: {arn}"))
    }
}

#[async_trait]
impl LogStreams for Neighbours {
    async fn ensure(
        &self,
        stream: &StreamName,
        create_group: bool,
        _: Option<&str>,
    ) -> Result<(), String> {
        if create_group {
            self.groups.lock().insert(stream.group.clone());
        }
        match self.groups.lock().contains(&stream.group) {
            true => Ok(()),
            false => {
                Err("ResourceNotFoundException: The specified log group does not exist.".to_owned())
            }
        }
    }

    async fn events_since(&self, stream: &StreamName, from: Timestamp) -> Vec<(Timestamp, String)> {
        let name = format!("{}|{}", stream.group, stream.stream);
        let events = self.events.lock().get(&name).cloned().unwrap_or_default();
        events.into_iter().filter(|(at, _)| *at >= from).collect()
    }
}

impl LogSink for Neighbours {
    fn has_group(&self, _account: &AccountId, _region: &Region, _group: &str) -> bool {
        true
    }

    fn append(&self, _: &AccountId, _: &Region, group: &str, stream: &str, events: Vec<LogLine>) {
        let mut all = self.events.lock();
        let stream = all.entry(format!("{group}|{stream}")).or_default();
        stream.extend(events.into_iter().map(|event| (event.timestamp, event.message)));
    }
}

impl MetricSink for Neighbours {
    fn record(&self, sample: Sample<'_>) {
        let dimensions: Vec<String> =
            sample.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name = format!("{}/{}|{}", sample.namespace, sample.metric, dimensions.join(","));
        self.metrics.lock().entry(name).or_default().push(sample.value);
    }
}

impl Credentials for Neighbours {
    fn mint(&self, _: &AccountId, _: &str, _: &str) -> Option<RoleCredentials> {
        None // nobody asks in a simulated sandbox
    }
}

impl ApiDoor for Neighbours {
    fn serve(&self, _: &SandboxId, _: TcpStream) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn make_room(&self, _: &SandboxId) {}
}
