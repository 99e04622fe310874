//! A task's network interface, taken and given back.

use haar_controller::{ActCx, ActError};
use haar_ec2_contract::peek::{Interface, InterfaceError, InterfaceRequest, Place};
use haar_ecs_contract::model::{AssignPublicIp, TaskStopCode};
use haar_ledger::{Committed, Tx};
use haar_types::{Tags, Timestamp};

use super::Tasks;
use crate::announce;
use crate::state::{TaskInterface, TaskKey, TaskRow, TaskStatus};

/// Who manages the interfaces: shown as their requester.
pub(crate) const REQUESTER: &str = "ecs.amazonaws.com";

impl Tasks {
    /// Takes an interface where the task has none yet, moves on to `PENDING` and to the pull of
    /// its images, in one commit. `None`: there is nothing to launch.
    pub(super) fn attach(
        &self,
        cx: &ActCx,
        key: &TaskKey,
    ) -> Result<Committed<Option<TaskRow>>, ActError> {
        let (networks, ids, now) = (self.room.networks(), cx.ids.ids(), cx.clock.now());
        cx.ledger.transact(|tx| {
            let Some(before) = tx.get::<TaskRow>(key) else { return Ok(None) };
            if before.must_stop || before.is_made {
                return Ok(None);
            }
            let mut row = TaskRow::clone(&before);
            if row.last_status == TaskStatus::Provisioning {
                match first_free(&row, |asked| networks.allocate_interface(tx, &ids, asked), now) {
                    Ok(interface) => {
                        row.interface = Some(of(interface));
                        row.last_status = TaskStatus::Pending;
                        row.times.connected_at = Some(now);
                    }
                    Err(error) => {
                        let reason = format!(
                            "ResourceInitializationError: unable to create a network interface: \
                             {error}"
                        );
                        row.ask_to_stop(TaskStopCode::TaskFailedToStart, reason);
                    }
                }
            }
            if !row.must_stop {
                row.times.pull_started_at.get_or_insert(now);
            }
            // a write wakes the key: one without a change would defeat the back-off
            if row != *before {
                row.version += 1;
                announce::task(&self.room.doors.outbox, tx, &row, now);
                tx.put(row.clone());
            }
            Ok((!row.must_stop).then_some(row))
        })
    }

    /// Gives the interface back and ends the task, in one commit.
    pub(super) async fn release(&self, cx: &ActCx, key: &TaskKey) -> Result<(), ActError> {
        let now = cx.clock.now();
        let committed = cx.ledger.transact(|tx| {
            let Some(row) = tx.get::<TaskRow>(key) else { return Ok(()) };
            if row.last_status == TaskStatus::Deprovisioning {
                self.end(tx, TaskRow::clone(&row), now);
            }
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(())
    }

    /// Gives a task's interface back and writes that it has ended: now, where that is not known
    /// better.
    pub(super) fn end(&self, tx: &mut Tx, mut row: TaskRow, now: Timestamp) {
        if let Some(interface) = &mut row.interface {
            let place = Place::new(&row.key.cluster.account, &row.key.cluster.region);
            self.room.networks().release_interface(tx, &place, &interface.eni_id);
            interface.is_released = true;
        }
        row.containers.iter_mut().for_each(|one| one.last_status = TaskStatus::Stopped);
        row.last_status = TaskStatus::Stopped;
        row.times.stopped_at.get_or_insert(now);
        row.times.told_at = Some(now);
        row.version += 1;
        announce::task(&self.room.doors.outbox, tx, &row, now);
        tx.put(row);
    }
}

/// An interface in the first of the task's subnets that has an address left.
fn first_free(
    row: &TaskRow,
    mut allocate: impl FnMut(&InterfaceRequest) -> Result<Interface, InterfaceError>,
    now: Timestamp,
) -> Result<Interface, InterfaceError> {
    let cluster = &row.key.cluster;
    let mut request = InterfaceRequest {
        place: Place::new(&cluster.account, &cluster.region),
        subnet_id: String::new(),
        security_group_ids: row.network.security_groups.clone().unwrap_or_default(),
        description: row.key.arn(),
        requester: REQUESTER.to_owned(),
        interface_type: "interface".to_owned(),
        public_ip: row.network.assign_public_ip == Some(AssignPublicIp::Enabled),
        tags: managed(&row.tags),
        now,
    };
    let mut last = InterfaceError::SubnetNotFound(String::new());
    for subnet in &row.network.subnets {
        request.subnet_id.clone_from(subnet);
        match allocate(&request) {
            Ok(interface) => return Ok(interface),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The tags that ECS gives, where its managed tags were asked for: interfaces have them too.
fn managed(tags: &Tags) -> Tags {
    let own = tags.iter().filter(|(key, _)| key.starts_with("aws:ecs:"));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn of(interface: Interface) -> TaskInterface {
    TaskInterface {
        eni_id: interface.id,
        mac: interface.mac,
        address: interface.private_ip,
        prefix: interface.prefix,
        gateway: interface.gateway,
        subnet_id: interface.subnet_id,
        vpc_id: interface.vpc_id,
        private_dns_name: interface.private_dns_name,
        availability_zone: interface.availability_zone,
        is_released: false,
    }
}
