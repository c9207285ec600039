//! The outbox: what is to be told of orders, until it is counted.
//!
//! A row has one time, when it is due. It is due at once when it is written; later by a lease while somebody publishes it, so that
//! relays that run at the same time do not all publish the same; and much later once it is published, as a last resort should the
//! message be lost on its way. It goes when its event is counted.

use sqlx::Row as _;

use super::{Database, Error, parameters};
use crate::event::Event;

/// For how long a claimed row is left to whoever claimed it.
pub const LEASE_MS: i64 = 30_000;

/// When a published row that nobody removed is published again. Longer than a queue may be behind in ordinary times.
pub const PUBLISHED_AGAIN_AFTER_MS: i64 = 15 * 60_000;

impl Database {
    /// The first rows that are due, at most `rows_max`, in the order in which orders were placed; they are the caller's for
    /// [`LEASE_MS`].
    ///
    /// # Errors
    /// [`Error`].
    pub async fn claim(&self, rows_max: i64, now_ms: i64) -> Result<Vec<Event>, Error> {
        // Most of many relays that are woken at once find nothing: they must not stand in the way of those who write.
        let due: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM (SELECT 1 FROM order_event WHERE due_at_ms <= $1 LIMIT 1) AS due")
                .bind(now_ms)
                .fetch_one(&self.pool)
                .await?;
        if due == 0 {
            return Ok(Vec::new());
        }
        // A row that another relay is claiming right now is passed over rather than waited for.
        let skip = if self.locking().is_empty() { "" } else { " FOR UPDATE SKIP LOCKED" };
        let claim = format!(
            "UPDATE order_event SET due_at_ms = $1 WHERE seq IN \
             (SELECT seq FROM order_event WHERE due_at_ms <= $2 ORDER BY seq LIMIT $3{skip}) RETURNING seq, id, payload"
        );
        let mut tx = self.begin().await?;
        let claim = sqlx::query(&claim).bind(now_ms + LEASE_MS).bind(now_ms).bind(rows_max);
        let mut rows = Vec::new();
        for row in claim.fetch_all(&mut **tx).await? {
            let (seq, id, payload): (i64, String, String) =
                (row.try_get("seq")?, row.try_get("id")?, row.try_get("payload")?);
            let order =
                serde_json::from_str(&payload).map_err(|cause| Error::Stored(format!("event {id} ({cause})")))?;
            rows.push((seq, Event { id, order }));
        }
        tx.commit().await?;
        rows.sort_by_key(|(seq, _)| *seq);
        Ok(rows.into_iter().map(|(_, event)| event).collect())
    }

    /// Notes that events were published.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn published(&self, ids: &[&str], now_ms: i64) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let names = parameters(2, ids.len());
        let update = format!("UPDATE order_event SET due_at_ms = $1 WHERE id IN ({names})");
        let update = ids.iter().fold(sqlx::query(&update).bind(now_ms + PUBLISHED_AGAIN_AFTER_MS), |query, id| {
            query.bind((*id).to_owned())
        });
        let mut tx = self.begin().await?;
        update.execute(&mut **tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Removes events that are counted; returns how many were still there.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn remove(&self, ids: &[String]) -> Result<u64, Error> {
        if ids.is_empty() {
            return Ok(0);
        }
        let delete = format!("DELETE FROM order_event WHERE id IN ({})", parameters(1, ids.len()));
        let delete = ids.iter().fold(sqlx::query(&delete), |query, id| query.bind(id.clone()));
        let mut tx = self.begin().await?;
        let removed = delete.execute(&mut **tx).await?.rows_affected();
        tx.commit().await?;
        Ok(removed)
    }
}
