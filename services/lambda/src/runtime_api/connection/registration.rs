//! The Extensions API.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::super::extension::Extension;
use super::super::http::{Bad, Head, json_answer, write_all};
use super::super::state::Parked;
use super::{ACCEPTED, Connection, SMALL_BYTES_MAX, refusal};
use crate::log::Subscribed;
use crate::telemetry::{Api, Refused, Subscription};

impl Connection {
    /// `POST /extension/register`
    pub(super) async fn register(&mut self, head: &Head) -> Result<(), Bad> {
        let body = self.reader.body(head, &self.writer, SMALL_BYTES_MAX).await?;
        let answer = match self.registered(head, &body) {
            Ok(answer) => answer,
            Err((kind, reason)) => refusal("400 Bad Request", kind, &reason),
        };
        self.answer(answer).await
    }

    fn registered(&self, head: &Head, body: &[u8]) -> Result<Bytes, (&'static str, String)> {
        let name = head.header("lambda-extension-name").unwrap_or_default();
        if name.is_empty() || name.len() > 128 {
            return Err(("Extension.InvalidExtensionName", "Empty extension name".to_owned()));
        }
        let request: serde_json::Value = match body {
            b"" => json!({}),
            body => serde_json::from_slice(body)
                .map_err(|error| ("Extension.InvalidRequest", error.to_string()))?,
        };
        let mut extension = Extension { name: name.to_owned(), ..Extension::default() };
        for event in request["events"].as_array().into_iter().flatten() {
            match event.as_str() {
                Some("INVOKE") => extension.wants_invoke = true,
                Some("SHUTDOWN") => extension.wants_shutdown = true,
                _ => {
                    let reason = format!("Invalid event type {event}");
                    return Err(("Extension.InvalidEventType", reason));
                }
            }
        }
        let is_external = self.api.parts.identity.extensions.iter().any(|known| known == name);
        if extension.wants_shutdown && !is_external {
            let reason = "SHUTDOWN: internal extensions cannot register for it".to_owned();
            return Err(("Extension.InvalidEventType", reason));
        }
        let mut state = self.api.state.lock();
        if !state.is_init() {
            let reason = "Extensions register while the environment initializes".to_owned();
            return Err(("Extension.RegistrationClosed", reason));
        }
        if state.extensions.len() == 10 || state.extensions.values().any(|one| one.name == name) {
            let reason = format!("Extension {name} is already registered, or there are ten");
            return Err(("Extension.AlreadyRegistered", reason));
        }
        let id = self.api.parts.ids.uuid();
        state.extensions.insert(id.clone(), extension);
        let identity = &self.api.parts.identity;
        let mut answer = json!({
            "functionName": identity.function_name,
            "functionVersion": identity.version,
            "handler": identity.handler,
        });
        let features = head.header("lambda-extension-accept-feature").unwrap_or_default();
        if features.split(',').any(|feature| feature.trim() == "accountId") {
            answer["accountId"] = json!(identity.account);
        }
        let header = format!("Lambda-Extension-Identifier: {id}\r\n");
        Ok(json_answer("200 OK", &header, &answer.to_string()))
    }

    /// `GET /extension/event/next`
    pub(super) async fn extension_next(&mut self, head: &Head) -> Result<(), Bad> {
        self.reader.body(head, &self.writer, SMALL_BYTES_MAX).await?;
        let id = head.header("lambda-extension-identifier").unwrap_or_default();
        let held = self.held.split().freeze();
        let message = {
            let mut state = self.api.state.lock();
            let message = match state.extensions.get_mut(id) {
                None => Some(unknown_extension()),
                Some(extension) => {
                    let queued = extension.queued.take();
                    extension.waits = queued.is_none();
                    if queued.is_none() {
                        let writer = Arc::clone(&self.writer);
                        let (prefix, connection) = (held.clone(), self.id);
                        extension.parked = Some(Parked { writer, prefix, connection });
                    }
                    queued
                }
            };
            self.api.settle(state);
            message
        };
        match message {
            Some(message) => Ok(write_all(&self.writer, &[&held, &message]).await?),
            None => Ok(()),
        }
    }

    /// `POST /extension/init/error` and `/extension/exit/error`
    pub(super) async fn extension_error(&mut self, head: &Head, in_init: bool) -> Result<(), Bad> {
        let document = self.reader.body(head, &self.writer, SMALL_BYTES_MAX).await?;
        let id = head.header("lambda-extension-identifier").unwrap_or_default().to_owned();
        let kind = head.header("lambda-extension-function-error-type").unwrap_or_default();
        let error_type = if kind.is_empty() { "Extension.InitError" } else { kind }.to_owned();
        let known = {
            let mut state = self.api.state.lock();
            let known = state.extensions.contains_key(&id);
            if known && (in_init || state.is_init()) {
                let states = state.extension_states(&error_type);
                if state.fail_init(error_type, document) {
                    states.into_iter().for_each(|one| self.api.parts.journal.extension(one));
                }
            } else if known {
                state.exit_error = Some(error_type);
            }
            known
        };
        let answer = match known {
            true => json_answer("202 Accepted", "", ACCEPTED),
            false => unknown_extension(),
        };
        self.answer(answer).await
    }

    /// `PUT /telemetry` and `PUT /logs`
    pub(super) async fn subscribe(&mut self, head: &Head, api: Api) -> Result<(), Bad> {
        let body = self.reader.body(head, &self.writer, SMALL_BYTES_MAX).await?;
        let id = head.header("lambda-extension-identifier").unwrap_or_default();
        let name = self.api.state.lock().extensions.get(id).map(|one| one.name.clone());
        let answer = match name {
            None => unknown_extension(),
            Some(name) => match self.subscribed(id, name, api, &body) {
                Ok(()) => json_answer("200 OK", "", "\"OK\""),
                Err(refused) => refusal(refused.status, &refused.error_type, &refused.message),
            },
        };
        self.answer(answer).await
    }

    fn subscribed(&self, id: &str, name: String, api: Api, body: &[u8]) -> Result<(), Refused> {
        let subscription = Subscription::parse(api, body)?;
        let types = subscription.kinds.iter().map(|kind| kind.name()).collect();
        if self.api.parts.telemetry.subscribe(id, subscription)? {
            self.api.parts.journal.subscribed(Subscribed { name, api, types });
        }
        Ok(())
    }
}

fn unknown_extension() -> Bytes {
    refusal("403 Forbidden", "Extension.UnknownExtensionIdentifier", "Unknown extension")
}
