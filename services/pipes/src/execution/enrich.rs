//! The enrichment stage.

use bytes::Bytes;
use haar_events_contract::destinations::{ApiDestinations, DestinationCall};
use haar_lambda_contract::model::{InvocationRequest, InvocationType, Invoke};
use haar_pipes_contract::model::LogLevel;
use serde_json::{Value, json};

use super::event::Event;
use super::failure::Failure;
use super::journal::Data;
use super::run::{Run, Stage};
use crate::rules::enrichment::{self, ANSWER_BYTES_MAX, EnrichmentKind};
use crate::rules::template;

/// How destinations tell that their endpoints answered an error, are not there, broke off, or took
/// too long.
const FAULTS: [&str; 3] = ["ERROR_FROM_TARGET", "CONNECTION_FAILURE", "TIMEOUT"];

impl Run<'_> {
    /// Gives events to the enrichment and reads what it makes of them.
    pub(super) async fn enrich(
        &self,
        arn: &str,
        events: Vec<Event>,
    ) -> Result<Vec<Event>, Failure> {
        let given = self.row.enrichment_parameters.clone().unwrap_or_default();
        let template = given.input_template.as_deref().filter(|template| !template.is_empty());
        let texts: Vec<String> = self.transformed(Stage::Enrichment, &events, template);
        let kind = enrichment::check(arn).map_err(|error| Failure::of("pipes", &error))?;
        let answer = match kind {
            EnrichmentKind::Function => {
                let payload = texts.iter().map(|text| template::json(text)).collect::<Value>();
                self.invoke(Stage::Enrichment, arn, payload).await?
            }
            EnrichmentKind::Destination => {
                let given = given.http_parameters.map(|given| haar_wire::to_json(&given));
                let event = events.first().zip(texts.into_iter().next());
                let Some((event, text)) = event else { return Ok(Vec::new()) };
                let given = event.parameters(&given.unwrap_or_default())?;
                self.call_destination(Stage::Enrichment, arn, &given, text).await?
            }
        };
        if answer.len() > ANSWER_BYTES_MAX {
            let text = "The answer of the enrichment is larger than 6 MB.";
            return Err(Failure::lasting("pipes", "EnrichmentResponseTooLarge", text));
        }
        Ok(enrichment::events(&answer).into_iter().map(Event::of_enrichment).collect())
    }

    /// What a template makes of each event.
    pub(super) fn transformed(
        &self,
        stage: Stage,
        events: &[Event],
        template: Option<&str>,
    ) -> Vec<String> {
        if template.is_some() {
            self.step(stage, "TRANSFORMATION_STARTED", &[]);
        }
        let texts: Vec<String> = events.iter().map(|event| event.text(self, template)).collect();
        if template.is_some() {
            let payload = match self.journal.wants_data(LogLevel::Trace) {
                true => json!(texts),
                false => Value::Null,
            };
            self.step(stage, "TRANSFORMATION_SUCCEEDED", &[Data::Payload(&payload)]);
        }
        texts
    }

    /// Invokes a function and waits for its answer; its error is the customer's.
    pub(super) async fn invoke(
        &self,
        stage: Stage,
        arn: &str,
        payload: Value,
    ) -> Result<Bytes, Failure> {
        let input = InvocationRequest {
            function_name: arn.to_owned(),
            invocation_type: Some(InvocationType::RequestResponse),
            payload: Some(Bytes::from(payload.to_string())),
            ..InvocationRequest::default()
        };
        let answer = self.call::<Invoke>(stage, arn, input).await?;
        let payload = answer.payload.unwrap_or_default();
        match answer.function_error {
            None => Ok(payload),
            Some(error) => {
                let text = String::from_utf8_lossy(&payload).chars().take(1024).collect::<String>();
                let failure = Failure::lasting("lambda", &error, text);
                self.failed(stage, "INVOCATION_FAILED", &failure);
                Err(failure)
            }
        }
    }

    /// Calls an API destination and waits for its answer.
    pub(super) async fn call_destination(
        &self,
        stage: Stage,
        arn: &str,
        given: &Value,
        body: String,
    ) -> Result<Bytes, Failure> {
        let Some(destinations) = self.room.doors.peeks.get::<dyn ApiDestinations>() else {
            let text = "nobody here calls API destinations";
            return Err(Failure::lasting("events", "NotImplemented", text));
        };
        let map = |member: &str| {
            let members = given[member].as_object().into_iter().flatten();
            let text = |(name, value): (&String, &Value)| (name.clone(), template::text(value));
            members.map(text).collect()
        };
        let values = given["PathParameterValues"].as_array().into_iter().flatten();
        let call = DestinationCall {
            arn: arn.to_owned(),
            principal: self.principal()?,
            region: self.row.key.region.clone(),
            path_parameter_values: values.map(template::text).collect(),
            header_parameters: map("HeaderParameters"),
            query_string_parameters: map("QueryStringParameters"),
            body,
        };
        let wants_data = self.journal.wants_data(LogLevel::Trace);
        let shown = |body: &[u8]| match wants_data {
            true => json!(String::from_utf8_lossy(body)),
            false => Value::Null,
        };
        let request = shown(call.body.as_bytes());
        self.step(stage, "INVOCATION_STARTED", &[Data::Request(&request)]);
        match destinations.call(call).await {
            Ok(answer) => {
                let response = shown(&answer.body);
                let data = [Data::Request(&request), Data::Response(&response)];
                self.step(stage, "INVOCATION_SUCCEEDED", &data);
                Ok(answer.body)
            }
            Err(error) => {
                let mut failure = Failure::of_delivery("events", error);
                // what an endpoint is at fault for is the customer's: it uses up attempts
                failure.is_transient &= !FAULTS.contains(&failure.code.as_str());
                self.failed(stage, "INVOCATION_FAILED", &failure);
                Err(failure)
            }
        }
    }
}
