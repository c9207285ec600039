//! The end of secrets that were marked for deletion.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::Timestamp;
use cauce_store::{RangeReq, StoreError, Tx};

use crate::error::Error;
use crate::keys::{self, SecretId};
use crate::model::Secret;
use crate::service::SecretsManager;

/// The row of a deletion says nothing but its version; its key says all.
pub(crate) const ROW: &[u8] = &[1];

/// The longest sleep: a deletion that another node marked is found by then.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// The pause after a failure of the store.
const PAUSE: Duration = Duration::from_secs(1);

impl SecretsManager {
    /// Removes secrets whose recovery window has passed, for ever; spawn it once, and abort it at shutdown.
    pub async fn run_deletions(self: Arc<Self>) {
        loop {
            let changed = self.deletions_changed.notified();
            let wait = match self.remove_due().await {
                Ok(Some(next)) => self.env.sleep_until(next.min(self.env.now() + LOOK_EVERY)),
                Ok(None) => self.env.sleep(LOOK_EVERY),
                Err(error) => {
                    tracing::error!(?error, "deleted secrets cannot be removed; trying again");
                    self.env.sleep(PAUSE)
                }
            };
            tokio::select! {
                () = wait => {}
                () = changed => {}
            }
        }
    }

    /// Removes what is due, and says when the next one is.
    async fn remove_due(&self) -> Result<Option<Timestamp>, Error> {
        loop {
            let rows = self.db.range(RangeReq::new(keys::deletions(), 1)).await?.rows;
            let Some(row) = rows.first() else { return Ok(None) };
            let (due, id) = keys::read_deletion(&row.key)
                .map_err(|error| StoreError::Corrupt { key: row.key.clone(), reason: error.to_string() })?;
            if due > self.env.now() {
                return Ok(Some(due));
            }
            self.db
                .transact(async |tx| {
                    let found = tx.get_record::<Secret>(&keys::secret(&id)).await?;
                    if found.is_some_and(|secret| secret.deletion == Some(due)) {
                        self.remove(&tx, &id).await?;
                    }
                    tx.clear(keys::deletion(due, &id));
                    Ok::<_, Error>(())
                })
                .await?;
        }
    }

    /// Removes every row of the secret by this name, if there is one.
    pub(crate) async fn remove(&self, tx: &Tx, id: &SecretId) -> Result<(), Error> {
        let Some(secret) = tx.get_record::<Secret>(&keys::secret(id)).await? else { return Ok(()) };
        if let Some(due) = secret.deletion {
            tx.clear(keys::deletion(due, id));
        }
        tx.clear_range(keys::values(id, &secret.suffix));
        tx.clear(keys::secret(id));
        Ok(())
    }
}
