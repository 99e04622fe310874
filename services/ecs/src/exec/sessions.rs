//! Sessions that were offered and that nobody has opened.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_clock::{Clock, Ids, Moment};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::transcript::TranscriptTo;
use crate::state::TaskKey;

/// How long a token is good. *Ours*: AWS tells no time.
const OFFER_LIFETIME: Duration = Duration::from_secs(180);
/// Sessions that wait to be opened, of all callers; beyond, the oldest gives way. *Ours*.
const OFFERS_MAX: usize = 1_000;
/// A token's bytes.
const TOKEN_BYTES: usize = 32;

/// What a session will run, and where.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// Whose container.
    pub(crate) task: TaskKey,
    /// Its name.
    pub(crate) container: String,
    /// `ecs:CLUSTER_TASK_RUNTIME-ID`, as Systems Manager knows it.
    pub(crate) target: String,
    /// Program and arguments.
    pub(crate) argv: Vec<String>,
    /// Where what is said is written down.
    pub(crate) transcript: Option<TranscriptTo>,
}

/// The sessions on offer.
#[derive(Default)]
pub(crate) struct Sessions {
    by_id: Mutex<BTreeMap<String, Waiting>>,
}

struct Waiting {
    /// Of the token: what is compared tells nothing of it.
    digest: [u8; 32],
    expires_at: Moment,
    offer: Offer,
}

impl Sessions {
    /// Offers a session; answers its id and token.
    pub(crate) fn offer(&self, clock: &Clock, ids: &Ids, offer: Offer) -> (String, String) {
        let letters = ids.of(b"abcdefghijklmnopqrstuvwxyz0123456789", 26);
        let id = format!("ecs-execute-command-{letters}");
        let mut secret = [0; TOKEN_BYTES];
        ids.secret(&mut secret);
        let token: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let now = clock.moment();
        let waiting =
            Waiting { digest: digest(&token), expires_at: now.after(OFFER_LIFETIME), offer };
        let mut by_id = self.by_id.lock();
        by_id.retain(|_, waiting| waiting.expires_at > now);
        if by_id.len() >= OFFERS_MAX {
            let oldest = by_id.iter().min_by_key(|(_, waiting)| waiting.expires_at);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                by_id.remove(&oldest);
            }
        }
        by_id.insert(id.clone(), waiting);
        (id, token)
    }

    /// True when a session waits to be opened.
    pub(crate) fn waits(&self, clock: &Clock, id: &str) -> bool {
        let now = clock.moment();
        self.by_id.lock().get(id).is_some_and(|waiting| waiting.expires_at > now)
    }

    /// What a session is about, for who has its token; only once.
    pub(crate) fn open(&self, clock: &Clock, id: &str, token: &str) -> Option<Offer> {
        let mut by_id = self.by_id.lock();
        let waiting = by_id.get(id)?;
        if waiting.digest != digest(token) || waiting.expires_at <= clock.moment() {
            return None;
        }
        by_id.remove(id).map(|waiting| waiting.offer)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use haar_clock::IdSource;
    use haar_types::{AccountId, Region, Timestamp};

    use super::*;
    use crate::state::ClusterKey;

    fn offer() -> Offer {
        let cluster = ClusterKey::new(&AccountId::default(), &Region::default(), "default");
        Offer {
            task: TaskKey { cluster, id: "t".to_owned() },
            container: "web".to_owned(),
            target: "ecs:default_t_r".to_owned(),
            argv: vec!["sh".to_owned()],
            transcript: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_opens_its_session_once_and_not_for_ever() {
        let (clock, ids) = (Clock::simulated(Timestamp(0)), IdSource::seeded(1).ids());
        let sessions = Sessions::default();
        let (id, token) = sessions.offer(&clock, &ids, offer());
        let (other, stale) = sessions.offer(&clock, &ids, offer());
        assert_ne!((&id, &token), (&other, &stale));
        assert!(sessions.waits(&clock, &id));
        assert!(sessions.open(&clock, &id, &stale).is_none());
        assert!(sessions.open(&clock, &other, &token).is_none());
        assert!(sessions.open(&clock, &id, "").is_none());
        assert_eq!(sessions.open(&clock, &id, &token).map(|offer| offer.argv), Some(offer().argv));
        assert!(sessions.open(&clock, &id, &token).is_none());
        assert!(!sessions.waits(&clock, &id));
        clock.sleep(OFFER_LIFETIME).await;
        assert!(!sessions.waits(&clock, &other));
        assert!(sessions.open(&clock, &other, &stale).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_offers_pushes_out_the_oldest() {
        let (clock, ids) = (Clock::simulated(Timestamp(0)), IdSource::seeded(1).ids());
        let sessions = Sessions::default();
        let (first, _) = sessions.offer(&clock, &ids, offer());
        clock.sleep(Duration::from_secs(1)).await;
        let (second, _) = sessions.offer(&clock, &ids, offer());
        for _ in 0..OFFERS_MAX - 1 {
            sessions.offer(&clock, &ids, offer());
        }
        assert!(!sessions.waits(&clock, &first));
        assert!(sessions.waits(&clock, &second));
    }
}
