//! Sets the lanes of a mapping to work, once those before them have ended.

use std::sync::Arc;

use cauce_core::ports::Streams;
use cauce_store::Owned;
use tokio::task::JoinSet;

use super::super::duty::{Duty, PAUSE_MIN};
use super::lane::Lane;
use super::position::{Position, lanes_in};
use super::settings::StreamSettings;
use crate::error::Error;

/// What all lanes of a mapping share.
pub(crate) struct StreamPost {
    pub(crate) duty: Duty,
    pub(crate) settings: StreamSettings,
    pub(crate) streams: Arc<dyn Streams>,
    /// The right to act for the mapping.
    pub(crate) owned: Owned,
}

/// Works for a mapping until its crew is to stop. The foreman is the one worker that the crew counts.
pub(crate) fn begin(post: Arc<StreamPost>) {
    tokio::spawn(async move {
        if let Some(lanes) = post.lanes().await {
            let mut working = JoinSet::new();
            for position in lanes {
                working.spawn(Lane::new(Arc::clone(&post), position).run());
            }
            while let Some(ended) = working.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(mapping = %post.duty.key.uuid, %error, "a lane has broken down");
                }
            }
        }
        post.duty.crew.leaves();
    });
}

impl StreamPost {
    /// The lanes, as soon as no others follow the same shards; none if the crew is to stop.
    async fn lanes(&self) -> Option<Vec<Position>> {
        let Duty { lambda, key, crew, .. } = &self.duty;
        let mut pause = PAUSE_MIN;
        loop {
            tokio::select! {
                biased;
                () = crew.stopped() => return None,
                () = lambda.crews.others_ended(key, crew) => {}
            }
            let lanes = lambda.db.transact(async |tx| {
                self.owned.fence(&tx);
                Ok::<_, Error>(lanes_in(&tx, key, self.settings.lanes).await?)
            });
            match lanes.await {
                Ok(lanes) => return Some(lanes),
                Err(error) => self.duty.rest(&error, &mut pause).await,
            }
        }
    }
}
