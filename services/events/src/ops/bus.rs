//! Event buses.

use haar_events_contract::model::{
    CreateEventBus, CreateEventBusRequest, CreateEventBusResponse, DeadLetterConfig,
    DeleteEventBus, DeleteEventBusOutput, DeleteEventBusRequest, DescribeEventBus,
    DescribeEventBusRequest, DescribeEventBusResponse, ListEventBuses, ListEventBusesRequest,
    ListEventBusesResponse, UpdateEventBus, UpdateEventBusRequest, UpdateEventBusResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use super::listing;
use super::tags::added;
use crate::Events;
use crate::lookup::{buses, find_bus, get_bus, rules};
use crate::refusal::{exists, invalid, no_bus, too_many};
use crate::render;
use crate::state::{BusKey, BusRow, DEFAULT_BUS};

/// Buses of an account in a region. *Amazon EventBridge quotas*.
const BUSES_MAX: usize = 100;

impl Command<CreateEventBus> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateEventBusRequest,
    ) -> Answer<CreateEventBus> {
        check_name(&input)?;
        let key = BusKey::own(call, &input.name);
        if get_bus(tx, &key).is_some() {
            return Err(exists(format!("Event bus {} already exists.", input.name)));
        }
        if buses(tx, call).len() >= BUSES_MAX {
            return Err(too_many());
        }
        let row = BusRow {
            description: input.description.clone(),
            dead_letter_arn: input.dead_letter_config.clone().and_then(|config| config.arn),
            kms_key: input.kms_key_identifier.clone(),
            log_config: input.log_config.clone(),
            tags: added(Default::default(), input.tags)?,
            ..BusRow::new(key, call.now)
        };
        let event_bus_arn = Some(row.key.arn());
        tx.put(row);
        Ok(CreateEventBusResponse {
            event_bus_arn,
            description: input.description,
            kms_key_identifier: input.kms_key_identifier,
            dead_letter_config: input.dead_letter_config,
            log_config: input.log_config,
        })
    }
}

fn check_name(input: &CreateEventBusRequest) -> Result<(), AwsError> {
    if input.event_source_name.is_some() || input.name.starts_with("aws.partner/") {
        let text = "haar has no partner event sources.";
        return Err(AwsError::new("OperationDisabledException", 400, text));
    }
    match input.name.contains('/') {
        true => Err(invalid("Event bus name must not contain '/'.")),
        false => Ok(()),
    }
}

impl Query<DescribeEventBus> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeEventBusRequest,
    ) -> Answer<DescribeEventBus> {
        let row = find_bus(snapshot, call, input.name.as_deref())?;
        let is_written = row.created_at.0 > 0;
        Ok(DescribeEventBusResponse {
            name: Some(row.key.name.clone()),
            arn: Some(row.key.arn()),
            description: row.description.clone(),
            kms_key_identifier: row.kms_key.clone(),
            dead_letter_config: row
                .dead_letter_arn
                .clone()
                .map(|arn| DeadLetterConfig { arn: Some(arn) }),
            policy: row.policy.clone(),
            log_config: row.log_config.clone(),
            creation_time: Some(row.created_at).filter(|_| is_written),
            last_modified_time: Some(row.modified_at).filter(|_| is_written),
        })
    }
}

impl Query<ListEventBuses> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListEventBusesRequest,
    ) -> Answer<ListEventBuses> {
        let listing = listing::<ListEventBuses>(call, &input)?;
        let prefix = input.name_prefix.unwrap_or_default();
        let all = buses(snapshot, call).into_iter().filter(|row| row.key.name.starts_with(&prefix));
        let page = listing.page(all, |row| row.key.name.clone());
        let event_buses = page.items.iter().map(|row| render::bus(row)).collect();
        Ok(ListEventBusesResponse { event_buses: Some(event_buses), next_token: page.next })
    }
}

impl Command<UpdateEventBus> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateEventBusRequest,
    ) -> Answer<UpdateEventBus> {
        let name = input.name.as_deref().unwrap_or(DEFAULT_BUS);
        let key = BusKey::own(call, name);
        let mut row = BusRow::clone(&*get_bus(tx, &key).ok_or_else(|| no_bus(name))?);
        row.description = input.description;
        row.kms_key = input.kms_key_identifier;
        row.dead_letter_arn = input.dead_letter_config.and_then(|config| config.arn);
        row.log_config = input.log_config;
        touch(&mut row, call);
        let output = UpdateEventBusResponse {
            arn: Some(row.key.arn()),
            name: Some(row.key.name.clone()),
            kms_key_identifier: row.kms_key.clone(),
            description: row.description.clone(),
            dead_letter_config: row
                .dead_letter_arn
                .clone()
                .map(|arn| DeadLetterConfig { arn: Some(arn) }),
            log_config: row.log_config.clone(),
        };
        tx.put(row);
        Ok(output)
    }
}

/// Notes that a bus was changed; the default bus has its row from then on.
pub(super) fn touch(row: &mut BusRow, call: &Call) {
    if row.created_at.0 == 0 {
        row.created_at = call.now;
    }
    row.modified_at = call.now;
}

impl Command<DeleteEventBus> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteEventBusRequest,
    ) -> Answer<DeleteEventBus> {
        let key = BusKey::own(call, &input.name);
        if key.is_default() {
            return Err(invalid(format!("Cannot delete event bus {DEFAULT_BUS}.")));
        }
        if rules(tx, &key).next().is_some() {
            let text = format!("Event bus {} can't be deleted since it has rules.", input.name);
            return Err(invalid(text));
        }
        tx.remove::<BusRow>(&key);
        self.compiled.forget(&key);
        Ok(DeleteEventBusOutput {})
    }
}
