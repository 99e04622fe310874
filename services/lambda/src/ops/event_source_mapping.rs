//! Event source mappings.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Flow, Query};
use haar_lambda_contract::model::{
    CreateEventSourceMapping, DeleteEventSourceMapping, DestinationConfig,
    EventSourceMappingConfiguration, EventSourcePosition, FilterCriteria, GetEventSourceMapping,
    ListEventSourceMappings, ListEventSourceMappingsResponse, OnFailure, ProvisionedPollerConfig,
    UpdateEventSourceMapping,
};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use super::Input;
use super::listing::Listing;
use super::permission::no_such_resource;
use crate::lookup::resolve;
use crate::rules::event_source::{self, Asked, SourceKind};
use crate::rules::names::function_and_qualifier;
use crate::rules::{destination, filter, tags};
use crate::state::{EventSourceMappingKey, EventSourceMappingRow, MappingState, QualifiedKey};
use crate::{Lambda, Refusal, render};

/// Whether a setting is given, and whose it is.
type Other = (bool, &'static [SourceKind]);

/// How a source is reached that is neither queue nor stream, new or anew.
macro_rules! connections {
    ($input:expr) => {{
        use SourceKind::{Broker, DocumentDb, ManagedKafka, SelfManagedKafka};
        let settings: [Other; 4] = [
            (
                is_some(&$input.source_access_configurations),
                &[Broker, DocumentDb, ManagedKafka, SelfManagedKafka],
            ),
            ($input.amazon_managed_kafka_event_source_config.is_some(), &[ManagedKafka]),
            ($input.self_managed_kafka_event_source_config.is_some(), &[SelfManagedKafka]),
            ($input.document_db_event_source_config.is_some(), &[DocumentDb]),
        ];
        settings
    }};
}

/// AWS docs: *Lambda API Reference > CreateEventSourceMapping*. The source is asked before
/// anything is written: that it is there, and that the function's role may read it.
impl Flow<CreateEventSourceMapping> for Lambda {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: Input<CreateEventSourceMapping>,
    ) -> Answer<CreateEventSourceMapping> {
        let kind = source_kind(&input)?;
        event_source::check(kind, &asked(&input), true)?;
        event_source::check_others(kind, &others(&input))?;
        event_source::check_others(kind, &connections!(input))?;
        self.check_filters(&call, input.filter_criteria.as_ref())?;
        let destination = check_destination(kind, input.destination_config.as_ref())?;
        tags::check(&input.tags.clone().unwrap_or_default())?;
        let snapshot = self.doors.ledger.snapshot();
        let (account, region) = (&call.account, &call.region);
        let found = resolve(&snapshot, account, region, &input.function_name, None, 0.0)?;
        let function = QualifiedKey::new(&found.function.key, found.qualifier.as_deref());
        check_twin(&snapshot, &function, input.event_source_arn.as_deref())?;
        if let Some(arn) = input.event_source_arn.as_deref() {
            self.check_source(&call, (kind, arn), &found).await?;
        }
        self.check_queues_there(destination.iter()).await?;
        let row = self.commit(|tx| create(&call, tx, kind, input)).await?;
        Ok(render::event_source_mapping(&row))
    }
}

/// Writes a mapping that was looked at.
fn create(
    call: &Call,
    tx: &mut Tx,
    kind: SourceKind,
    input: Input<CreateEventSourceMapping>,
) -> Result<EventSourceMappingRow, AwsError> {
    let function = find_subject(call, tx, &input.function_name)?;
    check_twin(tx, &function, input.event_source_arn.as_deref())?;
    let row = EventSourceMappingRow {
        key: EventSourceMappingKey::new(&call.account, &call.region, &call.ids.uuid()),
        function,
        enabled: input.enabled.unwrap_or(true),
        state: MappingState::Creating,
        tags: input.tags.clone().unwrap_or_default(),
        settings: settings_of(kind, input),
        last_modified_at: call.now,
    };
    tx.put(row.clone());
    Ok(row)
}

/// Discarded batches are of streams: a queue has its own dead letters. Answers where they are told
/// of.
fn check_destination(
    kind: SourceKind,
    config: Option<&DestinationConfig>,
) -> Result<Option<String>, Refusal> {
    let Some(config) = config else { return Ok(None) };
    let given = |arn: &Option<String>| arn.clone().filter(|arn| !arn.is_empty());
    let on_success = config.on_success.as_ref().and_then(|one| given(&one.destination));
    let on_failure = config.on_failure.as_ref().and_then(|one| given(&one.destination));
    if on_success.is_some() || (on_failure.is_some() && !kind.can_give_up()) {
        return Err(Refusal::invalid(
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ));
    }
    if let Some(arn) = &on_failure {
        destination::check_discarded(arn)?;
    }
    Ok(on_failure)
}

fn source_kind(input: &Input<CreateEventSourceMapping>) -> Result<SourceKind, Refusal> {
    match (&input.event_source_arn, &input.self_managed_event_source) {
        (Some(_), Some(_)) => Err(Refusal::invalid(
            "EventSourceArn and SelfManagedEventSource cannot both be specified.",
        )),
        (Some(arn), None) => SourceKind::of_arn(arn),
        (None, Some(_)) => Ok(SourceKind::SelfManagedKafka),
        (None, None) => Err(Refusal::invalid("Unrecognized event source.")),
    }
}

fn asked(input: &Input<CreateEventSourceMapping>) -> Asked {
    let at = input.starting_position == Some(EventSourcePosition::AtTimestamp);
    Asked {
        batch_size: input.batch_size,
        batching_window_s: input.maximum_batching_window_in_seconds,
        position: input.starting_position.is_some(),
        at_timestamp: at,
        timestamp: input.starting_position_timestamp.is_some(),
        shard_settings: input.parallelization_factor.is_some()
            || input.bisect_batch_on_function_error.is_some()
            || input.tumbling_window_in_seconds.is_some(),
        record_age_s: input.maximum_record_age_in_seconds,
        retries: input.maximum_retry_attempts.is_some(),
        pollers: input.provisioned_poller_config.as_ref().and_then(pollers),
        maximum_concurrency: input.scaling_config.as_ref().and_then(|one| one.maximum_concurrency),
    }
}

/// What neither queues nor streams are told of themselves, and who is.
fn others(input: &Input<CreateEventSourceMapping>) -> [Other; 2] {
    [
        (is_some(&input.topics), &[SourceKind::ManagedKafka, SourceKind::SelfManagedKafka]),
        (is_some(&input.queues), &[SourceKind::Broker]),
    ]
}

fn is_some<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}

/// An empty configuration takes provisioned pollers away.
fn is_given(config: &ProvisionedPollerConfig) -> bool {
    config.minimum_pollers.is_some() || config.maximum_pollers.is_some()
}

fn pollers(config: &ProvisionedPollerConfig) -> Option<(Option<i32>, Option<i32>)> {
    is_given(config).then_some((config.minimum_pollers, config.maximum_pollers))
}

impl Lambda {
    fn check_filters(&self, call: &Call, criteria: Option<&FilterCriteria>) -> Result<(), Refusal> {
        let quotas = &self.doors.settings.quotas;
        let limit = quotas.limit(&filter::FILTERS, &call.account, &call.region);
        let filters = criteria.and_then(|criteria| criteria.filters.as_deref()).unwrap_or_default();
        let patterns = filters.iter().map(|filter| filter.pattern.as_deref().unwrap_or_default());
        filter::check(patterns, limit)
    }
}

/// The function that is to be called, which must be there.
fn find_subject(call: &Call, snapshot: &Snapshot, name: &str) -> Result<QualifiedKey, Refusal> {
    let found = resolve(snapshot, &call.account, &call.region, name, None, 0.0)?;
    Ok(QualifiedKey::new(&found.function.key, found.qualifier.as_deref()))
}

/// Refuses a second mapping from the same source to the same function.
fn check_twin(
    snapshot: &Snapshot,
    function: &QualifiedKey,
    source: Option<&str>,
) -> Result<(), Refusal> {
    let Some(source) = source else { return Ok(()) };
    let twin = snapshot
        .by_index::<EventSourceMappingRow>(EventSourceMappingRow::BY_SOURCE, source)
        .find(|row| row.function == *function && row.state != MappingState::Deleting);
    match twin {
        None => Ok(()),
        Some(twin) => Err(Refusal::ResourceConflict(format!(
            "The event source arn (\" {source} \") and function (\" {} \") provided mapping \
             already exists. Please update or delete the existing mapping with UUID {}",
            function.function.name, twin.key.uuid
        ))),
    }
}

/// What is given, with the defaults of its kind.
fn settings_of(
    kind: SourceKind,
    input: Input<CreateEventSourceMapping>,
) -> EventSourceMappingConfiguration {
    let mut settings = EventSourceMappingConfiguration {
        starting_position: input.starting_position,
        starting_position_timestamp: input.starting_position_timestamp,
        batch_size: Some(input.batch_size.unwrap_or_else(|| kind.batch_size_default())),
        maximum_batching_window_in_seconds: Some(
            input.maximum_batching_window_in_seconds.unwrap_or_default(),
        ),
        parallelization_factor: input.parallelization_factor,
        event_source_arn: input.event_source_arn,
        filter_criteria: some_filters(input.filter_criteria),
        destination_config: input.destination_config,
        topics: input.topics,
        queues: input.queues,
        source_access_configurations: input.source_access_configurations,
        self_managed_event_source: input.self_managed_event_source,
        maximum_record_age_in_seconds: input.maximum_record_age_in_seconds,
        bisect_batch_on_function_error: input.bisect_batch_on_function_error,
        maximum_retry_attempts: input.maximum_retry_attempts,
        tumbling_window_in_seconds: input.tumbling_window_in_seconds,
        function_response_types: Some(input.function_response_types.unwrap_or_default()),
        amazon_managed_kafka_event_source_config: input.amazon_managed_kafka_event_source_config,
        self_managed_kafka_event_source_config: input.self_managed_kafka_event_source_config,
        scaling_config: input.scaling_config.filter(|one| one.maximum_concurrency.is_some()),
        document_db_event_source_config: input.document_db_event_source_config,
        kms_key_arn: input.kms_key_arn.filter(|arn| !arn.is_empty()),
        metrics_config: input.metrics_config,
        logging_config: input.logging_config,
        provisioned_poller_config: input.provisioned_poller_config.filter(is_given),
        ..EventSourceMappingConfiguration::default()
    };
    if kind.has_shards() {
        settings.parallelization_factor.get_or_insert(1);
        settings.bisect_batch_on_function_error.get_or_insert(false);
        settings.maximum_record_age_in_seconds.get_or_insert(-1);
        settings.maximum_retry_attempts.get_or_insert(-1);
        settings.tumbling_window_in_seconds.get_or_insert(0);
        settings.destination_config = Some(told(settings.destination_config.take()));
        settings.last_processing_result = Some("No records processed".to_owned());
    }
    let reason = if kind.has_shards() { "User action" } else { "USER_INITIATED" };
    settings.state_transition_reason = Some(reason.to_owned());
    settings
}

/// Where a stream's discarded batches are told of: nowhere, unless it is said.
fn told(config: Option<DestinationConfig>) -> DestinationConfig {
    let mut config = config.unwrap_or_default();
    config.on_failure.get_or_insert_with(OnFailure::default);
    config
}

fn some_filters(criteria: Option<FilterCriteria>) -> Option<FilterCriteria> {
    criteria.filter(|criteria| criteria.filters.as_ref().is_some_and(|list| !list.is_empty()))
}

fn find(
    call: &Call,
    snapshot: &Snapshot,
    uuid: &str,
) -> Result<Arc<EventSourceMappingRow>, Refusal> {
    let key = EventSourceMappingKey::new(&call.account, &call.region, uuid);
    snapshot.get::<EventSourceMappingRow>(&key).ok_or_else(no_such_resource)
}

impl Lambda {
    /// A mapping with what its poller told last.
    fn shown(&self, row: &EventSourceMappingRow) -> EventSourceMappingConfiguration {
        let mut shown = render::event_source_mapping(row);
        // Of queues AWS tells none; a problem is told here all the same (*Ours*).
        let is_told = |result: &String| {
            shown.last_processing_result.is_some() || result.starts_with("PROBLEM")
        };
        if let Some(result) = self.pollers.result(&row.key).filter(is_told) {
            shown.last_processing_result = Some(result);
        }
        shown
    }
}

/// AWS docs: *Lambda API Reference > GetEventSourceMapping*.
impl Query<GetEventSourceMapping> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetEventSourceMapping>,
    ) -> Answer<GetEventSourceMapping> {
        Ok(self.shown(&*find(call, snapshot, &input.uuid)?))
    }
}

/// AWS docs: *Lambda API Reference > UpdateEventSourceMapping*.
impl Flow<UpdateEventSourceMapping> for Lambda {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: Input<UpdateEventSourceMapping>,
    ) -> Answer<UpdateEventSourceMapping> {
        let row = find(&call, &self.doors.ledger.snapshot(), &input.uuid)?;
        self.check_filters(&call, input.filter_criteria.as_ref())?;
        let destination = check_destination(kind_of(&row)?, input.destination_config.as_ref())?;
        self.check_queues_there(destination.iter()).await?;
        let row = self.commit(|tx| update(&call, tx, input)).await?;
        Ok(self.shown(&row))
    }
}

fn kind_of(row: &EventSourceMappingRow) -> Result<SourceKind, Refusal> {
    match row.settings.event_source_arn.as_deref() {
        Some(arn) => SourceKind::of_arn(arn),
        None => Ok(SourceKind::SelfManagedKafka),
    }
}

fn update(
    call: &Call,
    tx: &mut Tx,
    input: Input<UpdateEventSourceMapping>,
) -> Result<EventSourceMappingRow, AwsError> {
    let mut row = EventSourceMappingRow::clone(&*find(call, tx, &input.uuid)?);
    check_idle(&row, "update")?;
    event_source::check(kind_of(&row)?, &asked_anew(&row, &input), false)?;
    event_source::check_others(kind_of(&row)?, &connections!(input))?;
    if let Some(name) = input.function_name.as_deref() {
        row.function = find_subject(call, tx, name)?;
    }
    let enabled = input.enabled.unwrap_or(row.enabled);
    row.state = match (row.enabled, enabled) {
        (false, true) => MappingState::Enabling,
        (true, false) => MappingState::Disabling,
        _ => MappingState::Updating,
    };
    row.enabled = enabled;
    row.last_modified_at = call.now;
    change(&mut row.settings, input);
    if kind_of(&row)?.has_shards() {
        row.settings.destination_config = Some(told(row.settings.destination_config.take()));
    }
    tx.put(row.clone());
    Ok(row)
}

fn check_idle(row: &EventSourceMappingRow, verb: &str) -> Result<(), Refusal> {
    if row.state.is_settled() {
        return Ok(());
    }
    Err(Refusal::ResourceInUse(format!(
        "Cannot {verb} the event source mapping because it is in use."
    )))
}

fn asked_anew(row: &EventSourceMappingRow, input: &Input<UpdateEventSourceMapping>) -> Asked {
    let window = row.settings.maximum_batching_window_in_seconds;
    Asked {
        batch_size: input.batch_size.or(row.settings.batch_size),
        batching_window_s: input.maximum_batching_window_in_seconds.or(window),
        shard_settings: input.parallelization_factor.is_some()
            || input.bisect_batch_on_function_error.is_some()
            || input.tumbling_window_in_seconds.is_some(),
        record_age_s: input.maximum_record_age_in_seconds,
        retries: input.maximum_retry_attempts.is_some(),
        pollers: input
            .provisioned_poller_config
            .as_ref()
            .or(row.settings.provisioned_poller_config.as_ref())
            .and_then(pollers),
        maximum_concurrency: input
            .scaling_config
            .as_ref()
            .or(row.settings.scaling_config.as_ref())
            .and_then(|one| one.maximum_concurrency),
        ..Asked::default()
    }
}

/// Sets what is given and leaves the rest.
fn change(settings: &mut EventSourceMappingConfiguration, input: Input<UpdateEventSourceMapping>) {
    fn set<T>(to: &mut Option<T>, given: Option<T>) {
        if given.is_some() {
            *to = given;
        }
    }
    set(&mut settings.batch_size, input.batch_size);
    set(&mut settings.maximum_batching_window_in_seconds, input.maximum_batching_window_in_seconds);
    set(&mut settings.parallelization_factor, input.parallelization_factor);
    set(&mut settings.destination_config, input.destination_config);
    set(&mut settings.maximum_record_age_in_seconds, input.maximum_record_age_in_seconds);
    set(&mut settings.bisect_batch_on_function_error, input.bisect_batch_on_function_error);
    set(&mut settings.maximum_retry_attempts, input.maximum_retry_attempts);
    set(&mut settings.source_access_configurations, input.source_access_configurations);
    set(&mut settings.tumbling_window_in_seconds, input.tumbling_window_in_seconds);
    set(&mut settings.function_response_types, input.function_response_types);
    if let Some(config) = input.scaling_config {
        settings.scaling_config = Some(config).filter(|one| one.maximum_concurrency.is_some());
    }
    set(
        &mut settings.amazon_managed_kafka_event_source_config,
        input.amazon_managed_kafka_event_source_config,
    );
    set(
        &mut settings.self_managed_kafka_event_source_config,
        input.self_managed_kafka_event_source_config,
    );
    set(&mut settings.document_db_event_source_config, input.document_db_event_source_config);
    set(&mut settings.metrics_config, input.metrics_config);
    set(&mut settings.logging_config, input.logging_config);
    if let Some(config) = input.provisioned_poller_config {
        settings.provisioned_poller_config = Some(config).filter(is_given);
    }
    if let Some(criteria) = input.filter_criteria {
        settings.filter_criteria = some_filters(Some(criteria));
    }
    if let Some(arn) = input.kms_key_arn {
        settings.kms_key_arn = Some(arn).filter(|arn| !arn.is_empty());
    }
}

/// AWS docs: *Lambda API Reference > DeleteEventSourceMapping*.
impl Command<DeleteEventSourceMapping> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteEventSourceMapping>,
    ) -> Answer<DeleteEventSourceMapping> {
        let mut row = EventSourceMappingRow::clone(&*find(call, tx, &input.uuid)?);
        check_idle(&row, "delete")?;
        row.state = MappingState::Deleting;
        row.last_modified_at = call.now;
        tx.put(row.clone());
        Ok(self.shown(&row))
    }
}

/// AWS docs: *Lambda API Reference > ListEventSourceMappings*.
impl Query<ListEventSourceMappings> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListEventSourceMappings>,
    ) -> Answer<ListEventSourceMappings> {
        let function = input
            .function_name
            .as_deref()
            .map(|name| function_and_qualifier(&call.account, &call.region, name, None))
            .transpose()?
            .map(|(key, qualifier)| QualifiedKey::new(&key, qualifier.as_deref()));
        let source = input.event_source_arn.as_deref();
        let subject = format!("mappings/{source:?}/{:?}", input.function_name);
        let listing = Listing::new(call, &subject, input.marker.as_deref(), input.max_items)?;
        let all = EventSourceMappingKey::all(&call.account, &call.region);
        let rows = snapshot
            .range::<EventSourceMappingRow>(all)
            .filter(|row| function.as_ref().is_none_or(|function| row.function == *function))
            .filter(|row| {
                source.is_none_or(|_| row.settings.event_source_arn.as_deref() == source)
            });
        let page = listing.page(rows, |row| row.key.uuid.clone());
        let shown = page.items.iter().map(|row| self.shown(row)).collect();
        Ok(ListEventSourceMappingsResponse {
            event_source_mappings: Some(shown),
            next_marker: page.next,
        })
    }
}
