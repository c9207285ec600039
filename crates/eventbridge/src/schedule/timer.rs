//! The timer that makes scheduled rules tick.
//!
//! Each scheduled rule has one row at the moment of its next tick. A tick is one transaction: the row goes, the targets get
//! their effects, the next row comes. So a tick happens exactly once, whatever is killed when. Ticks that fell into a time when
//! the program did not run happen once, late, for the first of them; the rest of them are passed over.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Timestamp, Trace};
use cauce_delivery::lineage::{self, Fate, Step};
use cauce_store::RangeReq;
use serde_json::json;

use super::Schedule;
use crate::entry::{Envelope, Event};
use crate::error::Error;
use crate::keys::{self, BusId, TickId};
use crate::model::{DEFAULT_BUS, Rule};
use crate::service::{EventBridge, rule_arn};

/// A tick's row says nothing but its version; its key says all.
pub(crate) const TICK_ROW: &[u8] = &[1];

/// How many due ticks are read at once.
const TICKS_A_READ: usize = 256;

/// The longest sleep: a tick that another node set is found by then.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The pause after a failure of the store.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn tick_of(bus: &BusId, rule: &str, due: Timestamp) -> TickId {
    TickId { due, account: bus.account, region: bus.region.clone(), rule: rule.to_owned() }
}

/// Runs due ticks for ever.
pub(crate) async fn run(events: Arc<EventBridge>) {
    loop {
        let changed = events.ticks_changed.notified();
        let wait = match run_due(&events).await {
            Ok(Some(next)) => events.env.sleep_until(next.min(events.env.now() + LOOK_EVERY)),
            Ok(None) => events.env.sleep(LOOK_EVERY),
            Err(error) => {
                tracing::error!(?error, "schedules cannot run; trying again");
                events.env.sleep(PAUSE)
            }
        };
        tokio::select! {
            () = wait => {}
            () = changed => {}
        }
    }
}

/// Runs every tick that is due, and says when the next one is.
async fn run_due(events: &EventBridge) -> Result<Option<Timestamp>, Error> {
    loop {
        let tx = events.db.begin();
        let rows = tx.snapshot_range(RangeReq::new(keys::ticks(), TICKS_A_READ)).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        for row in rows {
            let id = keys::read_tick(&row.key).map_err(|error| {
                let reason = error.to_string();
                Error::from(cauce_store::StoreError::Corrupt { key: row.key.clone(), reason })
            })?;
            if id.due > events.env.now() {
                return Ok(Some(id.due));
            }
            tick(events, &id).await?;
        }
    }
}

/// One tick of one rule.
async fn tick(events: &EventBridge, id: &TickId) -> Result<(), Error> {
    let bus = BusId { account: id.account, region: id.region.clone(), name: DEFAULT_BUS.to_owned() };
    let now = events.env.now();
    let event = scheduled_event(events, &bus, id, now)?;
    events
        .db
        .transact(async |tx| {
            if tx.get(&keys::tick(id)).await?.is_none() {
                return Ok(());
            }
            tx.clear(keys::tick(id));
            let Some(mut rule) = tx.get_record::<Rule>(&keys::rule(&bus, &id.rule)).await? else { return Ok(()) };
            if rule.next_tick != Some(id.due) {
                return Ok(());
            }
            let step = Step {
                trace: event.trace,
                at: now,
                ended: Some(now),
                what: "schedule".to_owned(),
                to: rule_arn(&bus, &rule.name).to_string(),
                request_id: None,
                fate: Fate::Done,
                detail: format!("event {}, due {}", event.id, id.due),
            };
            lineage::record(&tx, &step)?;
            events.send_to_targets(&tx, &event, &rule, &rule_arn(&bus, &rule.name)).await?;
            let schedule = rule.schedule.as_deref().and_then(Schedule::parse);
            rule.next_tick = schedule.and_then(|schedule| schedule.next(rule.anchor, now.max(id.due)));
            if let Some(due) = rule.next_tick {
                tx.set(keys::tick(&tick_of(&bus, &rule.name, due)), TICK_ROW);
            }
            Ok(tx.set_record(keys::rule(&bus, &rule.name), &rule)?)
        })
        .await
}

/// What a scheduled rule sends: the moment that was due, not the moment it happens.
fn scheduled_event(events: &EventBridge, bus: &BusId, tick: &TickId, now: Timestamp) -> Result<Event, Error> {
    let id = events.env.entropy().uuid();
    let internal = |error| Error::Other(cauce_core::ServiceError::internal(error));
    let detail = serde_json::value::to_raw_value(&json!({})).map_err(internal)?;
    let envelope = Envelope {
        version: "0",
        id: &id,
        detail_type: "Scheduled Event",
        source: "aws.events",
        account: bus.account.to_string(),
        time: tick.due.iso_secs(),
        region: bus.region.as_str(),
        resources: &[rule_arn(bus, &tick.rule).to_string()],
        detail: &detail,
    };
    let body = serde_json::to_vec(&envelope).map_err(internal)?.into();
    let trace = Trace::start(now, events.env.entropy());
    Ok(Event { id, bus: bus.clone(), body, trace, ingested: now, hops: 0 })
}
