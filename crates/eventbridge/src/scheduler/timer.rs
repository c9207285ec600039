//! The timer that makes schedules happen.
//!
//! Each enabled schedule has one row at the moment of its next occurrence. An occurrence is one transaction: the row goes, the
//! target gets its effect, the next row comes or the schedule is done. So it happens exactly once, whatever is killed when. Of the
//! occurrences that fell into a time when the program did not run the first happens, late; the rest are passed over.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Timestamp, Trace};
use cauce_delivery::lineage::{self, Fate, Step};
use cauce_store::{RangeReq, StoreError};

use super::calendar::Calendar;
use super::error::SchedulerError;
use super::keys::{self, ScheduleId};
use super::model::Schedule;
use super::service::{Scheduler, schedule_arn};

/// An occurrence's row says nothing but its version; its key says all.
pub(crate) const OCCURRENCE_ROW: &[u8] = &[1];

/// How many due occurrences are read at once.
const OCCURRENCES_A_READ: usize = 256;

/// The longest sleep: an occurrence that another node set is found by then.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The pause after a failure of the store.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs the schedules of `scheduler` for ever; spawn it once, and abort it at shutdown.
pub async fn run(scheduler: Arc<Scheduler>) {
    loop {
        let changed = scheduler.changed.notified();
        let env = &scheduler.env;
        let wait = match run_due(&scheduler).await {
            Ok(Some(next)) => env.sleep_until(next.min(env.now() + LOOK_EVERY)),
            Ok(None) => env.sleep(LOOK_EVERY),
            Err(error) => {
                tracing::error!(?error, "schedules cannot run; trying again");
                env.sleep(PAUSE)
            }
        };
        tokio::select! {
            () = wait => {}
            () = changed => {}
        }
    }
}

/// Runs every occurrence that is due, and says when the next one is.
async fn run_due(scheduler: &Scheduler) -> Result<Option<Timestamp>, SchedulerError> {
    loop {
        let tx = scheduler.db.begin();
        let rows = tx.snapshot_range(RangeReq::new(keys::occurrences(), OCCURRENCES_A_READ)).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        for row in rows {
            let corrupt = |error: cauce_store::KeyError| {
                SchedulerError::from(StoreError::Corrupt { key: row.key.clone(), reason: error.to_string() })
            };
            let (due, id) = keys::read_occurrence(&row.key).map_err(corrupt)?;
            if due > scheduler.env.now() {
                return Ok(Some(due));
            }
            happen(scheduler, due, &id).await?;
        }
    }
}

/// One occurrence of one schedule.
async fn happen(scheduler: &Scheduler, due: Timestamp, id: &ScheduleId) -> Result<(), SchedulerError> {
    let now = scheduler.env.now();
    let trace = Trace::start(now, scheduler.env.entropy());
    scheduler
        .db
        .transact(async |tx| {
            let row = keys::occurrence(due, id);
            if tx.get(&row).await?.is_none() {
                return Ok(());
            }
            tx.clear(row);
            let Some(old) = tx.get_record::<Schedule>(&keys::schedule(id)).await? else { return Ok(()) };
            let Some(next) = old.next.filter(|next| next.due == due) else { return Ok(()) };
            let step = Step {
                trace,
                at: now,
                ended: Some(now),
                what: "schedule".to_owned(),
                to: schedule_arn(id).to_string(),
                request_id: None,
                fate: Fate::Done,
                detail: format!("due {}", next.nominal),
            };
            lineage::record(&tx, &step)?;
            if let Some(effect) = scheduler.effect(id, &old.plan, next, trace) {
                scheduler.delivery.send(&tx, effect).await?;
            }
            let plan = &old.plan;
            let calendar = Calendar::parse(&plan.schedule_expression, &plan.schedule_expression_timezone);
            let from = Timestamp::from_micros(now.max(next.nominal).as_micros() + 1);
            let coming = calendar.ok().and_then(|calendar| scheduler.next(plan, &calendar, old.anchor, from));
            if coming.is_none() && plan.action_after_completion == "DELETE" {
                return Scheduler::remove(&tx, id, &old);
            }
            let new = Schedule { next: coming, ..old.clone() };
            scheduler.set(&tx, id, Some(&old), &new)
        })
        .await
}
