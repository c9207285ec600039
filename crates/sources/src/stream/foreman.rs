//! Sets the lanes of a consumer to work, once those before them have ended.

use std::sync::Arc;

use cauce_core::ports::Streams;
use cauce_core::{Arn, ServiceError};
use cauce_store::Owned;
use tokio::task::JoinSet;

use super::lane::Lane;
use super::position::{Position, lanes_in};
use super::settings::StreamSettings;
use crate::consumer::Consumer;
use crate::crew::Crew;
use crate::duty::{Duty, PAUSE_MIN};

/// What all lanes of a consumer share.
pub(crate) struct StreamPost<C> {
    /// Who gets the records, and who works.
    pub(crate) duty: Duty<C>,
    /// How the stream is followed.
    pub(crate) settings: StreamSettings,
    /// Where streams are read.
    pub(crate) streams: Arc<dyn Streams>,
    /// The stream.
    pub(crate) stream: Arn,
    /// The right to act for the consumer.
    pub(crate) owned: Owned,
    /// Who has followed it so far, and must have ended first.
    pub(crate) before: Vec<Arc<Crew>>,
}

/// Works for a consumer until its crew is to stop. The foreman is the one worker that the crew counts.
pub(crate) fn begin<C: Consumer>(post: Arc<StreamPost<C>>) {
    tokio::spawn(async move {
        if let Some(lanes) = post.lanes().await {
            let mut working = JoinSet::new();
            for position in lanes {
                working.spawn(Lane::new(Arc::clone(&post), position).run());
            }
            while let Some(ended) = working.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(consumer = %post.duty.name, %error, "a lane has broken down");
                }
            }
        }
        post.duty.crew.leaves();
    });
}

impl<C: Consumer> StreamPost<C> {
    /// The lanes, as soon as no others follow the same shards; none if the crew is to stop.
    async fn lanes(&self) -> Option<Vec<Position>> {
        let crew = &self.duty.crew;
        let mut pause = PAUSE_MIN;
        loop {
            tokio::select! {
                biased;
                () = crew.stopped() => return None,
                () = self.others_ended() => {}
            }
            let lanes = self.duty.db.transact(async |tx| {
                self.owned.fence(&tx);
                Ok::<_, ServiceError>(lanes_in(&tx, &self.duty.consumer.positions(), self.settings.lanes).await?)
            });
            match lanes.await {
                Ok(lanes) => return Some(lanes),
                Err(error) => self.duty.rest(error.into(), &mut pause).await,
            }
        }
    }

    async fn others_ended(&self) {
        for crew in &self.before {
            crew.ended().await;
        }
    }
}
