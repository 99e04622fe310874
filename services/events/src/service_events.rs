//! Events of services, as their rooms tell them, onto default buses.

use std::sync::{Arc, Weak};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_events_contract::events::ServiceEvent;
use haar_kernel::{Listener, NotHeard, Told};
use haar_ledger::Snapshot;

use crate::Events;
use crate::matching::is_watched;
use crate::publish::Publication;
use crate::rules::event::{Content, Origin, build};
use crate::state::{BusKey, DEFAULT_BUS};

/// Hears of service events.
pub(crate) struct ServiceEvents(pub(crate) Weak<Events>);

impl Listener<ServiceEvent> for ServiceEvents {
    fn hear(&self, told: Told<ServiceEvent>) -> BoxFuture<'_, Result<(), NotHeard>> {
        async move {
            let Some(room) = self.0.upgrade() else { return Ok(()) };
            let publication = publication(&room, told)?;
            let published = room.publish(&[publication]).await;
            published.map_err(|error| NotHeard(error.message().to_owned()))
        }
        .boxed()
    }

    /// One on whose bus nothing watches goes by unseen. Looks at neither resources nor detail.
    fn wants(&self, snapshot: &Snapshot, event: &ServiceEvent) -> bool {
        let ServiceEvent { account, region, .. } = event;
        let (account, region) = (account.clone(), region.clone());
        is_watched(snapshot, &BusKey { account, region, name: DEFAULT_BUS.to_owned() })
    }
}

fn publication(room: &Arc<Events>, told: Told<ServiceEvent>) -> Result<Publication, NotHeard> {
    let ServiceEvent { account, region, source, detail_type, resources, detail } = told.event;
    let detail = serde_json::from_str(&detail).map_err(|error| NotHeard(error.to_string()))?;
    let content = Content { source, detail_type, resources, time: Some(told.at), detail };
    let (id, now) = (room.doors.ids.uuid(), room.doors.clock.now());
    let origin = Origin { id: &id, account: &account, region: &region, now };
    let event = build(origin, content);
    let bus = BusKey { account, region, name: DEFAULT_BUS.to_owned() };
    Ok(Publication::new(bus, Arc::new(event), now))
}
