//! What runs beside requests.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cauce_store::StoreError;

use super::service::Logs;

/// How long to wait after the store could not answer, in seconds.
const RETRY_S: u64 = 10;

impl Logs {
    /// Removes what was deleted, at once and after a start, and what has expired, now and then; until `shutdown` completes.
    pub async fn worker(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        tokio::pin!(shutdown);
        let mut due = self.env.now();
        loop {
            let work = async {
                self.reclaim_deleted().await?;
                if self.env.now() >= due {
                    self.sweep_expired().await?;
                    return Ok::<bool, StoreError>(true);
                }
                Ok(false)
            };
            let done = tokio::select! {
                biased;
                () = &mut shutdown => return,
                done = work => done,
            };
            let pause = match done {
                Ok(swept) => {
                    if swept {
                        due = self.env.now() + Duration::from_secs(self.options.sweep_every_s);
                    }
                    due.since(self.env.now())
                }
                Err(cause) => {
                    tracing::warn!(%cause, "expired and deleted log events could not be removed");
                    Duration::from_secs(RETRY_S)
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = self.reclaim.notified() => {}
                () = self.env.sleep(pause) => {}
            }
        }
    }
}
