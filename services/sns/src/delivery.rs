//! Carries notifications: one attempt each time, then what its outcome asks for.

mod attempt;
pub(crate) mod http;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_courier::{Errand, GivenUp, Parcel, Verdict, after_dead_letter};
use haar_kernel::Principal;
use haar_kernel::targets::{Consignment, Sender, Undelivered};

use crate::Sns;
use crate::publish::{Delivery, What};
use crate::rules::delivery_policy::{self, Retries};
use crate::rules::message::Message;
use crate::state::{SubscriptionRow, TopicKey, TopicRow};
use attempt::Prepared;

/// How long a notification waits that haar could not make. *Ours*.
const FAULT_WAIT: Duration = Duration::from_secs(20);

/// Metrics of what is delivered, and of what is given up.
const NEW: [&str; 2] = ["NumberOfNotificationsDelivered", "NumberOfNotificationsFailed"];
/// The same of messages out of archives.
const REPLAYED: [&str; 2] =
    ["NumberOfReplayedNotificationsDelivered", "NumberOfReplayedNotificationsFailed"];

/// A notification that is made, and how it is counted.
struct Sent<'a> {
    delivery: &'a Delivery,
    message: &'a Message,
    prepared: &'a Prepared,
    /// Metrics of its success and its failure.
    told: [&'static str; 2],
}

impl Errand for Delivery {
    type Room = Sns;

    async fn run(self, room: &Sns, parcel: &Parcel) -> Verdict {
        room.carry(parcel, &self).await
    }
}

impl Sns {
    async fn carry(&self, parcel: &Parcel, delivery: &Delivery) -> Verdict {
        match &delivery.what {
            What::Notification { subscription, message, sequence_number, is_replayed } => {
                let snapshot = self.doors.ledger.snapshot();
                let row = snapshot.get::<SubscriptionRow>(subscription);
                let topic = snapshot.get::<TopicRow>(&subscription.topic);
                drop(snapshot);
                let Some((row, topic)) = row.zip(topic) else {
                    self.paces.forget(parcel.number);
                    return Verdict::Done; // ended
                };
                let wait = || self.wait_for(parcel, (&row, &topic));
                if let Some(wait) = delivery.given_up.is_none().then(wait).flatten() {
                    return Verdict::Later(wait);
                }
                let number = sequence_number.as_deref();
                let rows = (&*row, &*topic);
                let prepared = self.prepare_notification(delivery, rows, message, number).await;
                let prepared = match prepared {
                    Ok(prepared) => prepared,
                    Err(error) => return self.not_prepared(&error),
                };
                let told = if *is_replayed { REPLAYED } else { NEW };
                let sent = Sent { delivery, message, prepared: &prepared, told };
                if let Some(given_up) = &delivery.given_up {
                    return self.bury(parcel, rows, &sent, given_up).await;
                }
                let outcome = self.attempt(&prepared, &row, message).await;
                self.judge(parcel, rows, &sent, outcome).await
            }
            What::Confirmation { subscription, message_id } => {
                let snapshot = self.doors.ledger.snapshot();
                let row = snapshot.get::<SubscriptionRow>(subscription);
                let topic = snapshot.get::<TopicRow>(&subscription.topic);
                drop(snapshot);
                let Some((row, topic)) = row.zip(topic) else { return Verdict::Done };
                let Some(token) = &row.token else { return Verdict::Done }; // confirmed meanwhile
                let rows = (&*row, &*topic);
                let prepared = self.prepare_confirmation(delivery, rows, message_id, token).await;
                let prepared = match prepared {
                    Ok(prepared) => prepared,
                    Err(error) => return self.not_prepared(&error),
                };
                match self.attempt_confirmation(&prepared, &row).await {
                    Ok(()) => Verdict::Done,
                    Err(error) => self.again(parcel, &row, &topic, &error),
                }
            }
            What::Replay { subscription, id } => self.replay(subscription, id).await,
            What::Direct { owner, protocol, endpoint, message } => {
                self.keep_direct(delivery, owner, protocol, endpoint, message)
            }
        }
    }

    /// How long a delivery to a throttled HTTP subscription is to wait for its turn, if it is.
    fn wait_for(
        &self,
        parcel: &Parcel,
        (row, topic): (&SubscriptionRow, &TopicRow),
    ) -> Option<Duration> {
        if !matches!(row.protocol.as_str(), "http" | "https") {
            return None;
        }
        let of_topic = topic.settings.delivery_policy.as_deref();
        let own = row.choices.delivery_policy.as_deref();
        let Some(most) = delivery_policy::throttle(of_topic, own) else {
            self.paces.forget(parcel.number); // of a throttle that is no more
            return None;
        };
        let now = self.doors.clock.now();
        let wait = self.paces.wait((&row.key, parcel.number), most, now);
        Some(wait).filter(|wait| !wait.is_zero())
    }

    async fn judge(
        &self,
        parcel: &Parcel,
        (row, topic): (&SubscriptionRow, &TopicRow),
        sent: &Sent<'_>,
        outcome: Result<(), Undelivered>,
    ) -> Verdict {
        let (key, now) = (&topic.key, self.doors.clock.now());
        let Err(error) = outcome else {
            self.metrics.add(key, now, sent.told[0], 1.0);
            if let Some(kind) = billed_as(&row.protocol) {
                self.metrics.bill(key, now, kind, 1);
            }
            return Verdict::Done;
        };
        let verdict = self.again(parcel, row, topic, &error);
        if verdict != Verdict::Done {
            return verdict;
        }
        tracing::debug!(%error, endpoint = row.endpoint, "a notification is given up");
        let given_up = GivenUp {
            code: error.code,
            message: error.message.chars().take(1024).collect(),
            limit: None,
            retry_count: parcel.failed_count,
            at: Some(self.doors.clock.now()),
        };
        self.bury(parcel, (row, topic), sent, &given_up).await
    }

    /// haar's own fault: it is tried again, whatever the subscription's tries.
    fn not_prepared(&self, error: &Undelivered) -> Verdict {
        tracing::error!(%error, "a notification could not be signed; it waits");
        Verdict::Retry(self.doors.settings.wait(FAULT_WAIT))
    }

    /// Whether and when a failed delivery is tried again.
    fn again(
        &self,
        parcel: &Parcel,
        row: &SubscriptionRow,
        topic: &TopicRow,
        error: &Undelivered,
    ) -> Verdict {
        if !error.is_transient {
            return Verdict::Done;
        }
        let retries = match row.protocol.as_str() {
            "http" | "https" => {
                let of_topic = topic.settings.delivery_policy.as_deref();
                Retries::of_http(of_topic, row.choices.delivery_policy.as_deref())
            }
            _ => Retries::MANAGED,
        };
        match retries.wait(parcel.failed_count + 1) {
            Some(wait) => Verdict::Retry(self.doors.settings.wait(wait)),
            None => Verdict::Done,
        }
    }

    /// Sends what was given up to the subscription's queue for dead letters, if it has one; tells
    /// whether the parcel is done with.
    async fn bury(
        &self,
        parcel: &Parcel,
        (row, topic): (&SubscriptionRow, &TopicRow),
        sent: &Sent<'_>,
        given_up: &GivenUp,
    ) -> Verdict {
        let queue = row.choices.dead_letter_queue();
        let verdict = match queue {
            Some(queue) => self.send_dead_letter(parcel, (&queue, topic), sent, given_up).await,
            None => Verdict::Done,
        };
        if verdict == Verdict::Done {
            self.metrics.add(&topic.key, self.doors.clock.now(), sent.told[1], 1.0);
        }
        verdict
    }

    async fn send_dead_letter(
        &self,
        parcel: &Parcel,
        (queue, topic): (&str, &TopicRow),
        Sent { delivery, message, prepared, .. }: &Sent<'_>,
        given_up: &GivenUp,
    ) -> Verdict {
        let (sender, region) = (sender_of(&topic.key), topic.key.region.clone());
        let body = Bytes::from(prepared.body.clone());
        let mut letter = Consignment::new(queue, sender, region, body);
        letter.attributes = vec![
            ("ErrorCode".to_owned(), given_up.code.clone()),
            ("ErrorMessage".to_owned(), given_up.message.clone()),
        ];
        letter.group = message.group.clone();
        letter.deduplication = message.deduplication.clone();
        let now = self.doors.clock.now();
        let sent = self.doors.targets.deliver(&letter).await;
        let metric = match &sent {
            Ok(()) => "NumberOfNotificationsRedrivenToDlq",
            Err(_) => "NumberOfNotificationsFailedToRedriveToDlq",
        };
        self.metrics.add(&topic.key, now, metric, 1.0);
        let Err(error) = sent else { return Verdict::Done };
        tracing::warn!(%error, queue, "a dead letter was not taken");
        after_dead_letter(parcel, given_up, error.is_transient, now, || {
            let given_up = Some(given_up.clone());
            Delivery { given_up, ..(*delivery).clone() }.to_payload()
        })
    }
}

/// What a delivery counts as where it is paid for; those to queues and functions are free, and what
/// an SMS costs depends on its country. AWS docs: *Amazon SNS pricing*.
fn billed_as(protocol: &str) -> Option<&'static str> {
    match protocol {
        "http" | "https" => Some("deliveries/http"),
        "email" | "email-json" => Some("deliveries/email"),
        "application" => Some("deliveries/push"),
        _ => None,
    }
}

/// SNS itself, for a topic: whom resource policies are asked about.
pub(crate) fn sender_of(topic: &TopicKey) -> Sender {
    let mut principal = Principal::service(topic.account.clone(), "sns.amazonaws.com");
    principal.session_keys = vec![
        ("aws:SourceArn".to_owned(), topic.arn()),
        ("aws:SourceAccount".to_owned(), topic.account.to_string()),
    ];
    Sender { principal: Arc::new(principal), source_arn: topic.arn() }
}
