//! Subscriptions that are over: told to their endpoints, restored, forgotten.
//!
//! AWS: SNS API Reference, *Unsubscribe*: when somebody other than its owner ends a subscription, the endpoint is told, so that it
//! can easily subscribe again if that was not intended; SNS Developer Guide, *HTTP/HTTPS unsubscribe confirmation JSON format*.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Call, ServiceError};
use cauce_store::{RangeReq, Tx};

use crate::envelope::Kind;
use crate::error::Error;
use crate::keys::{self, TopicId};
use crate::model::{Ended, Subscription};
use crate::service::Sns;
use crate::subscribe::{TOKEN_LASTS, is_same, token};

/// How often what is forgotten is removed.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Tokens that are looked at in one read.
const TOKENS_A_READ: usize = 100;

/// Removes what is forgotten for ever; spawn it once, and abort it at shutdown.
pub async fn run_sweeps(sns: Arc<Sns>) {
    loop {
        if let Err(error) = sns.sweep().await {
            tracing::warn!(%error, "forgotten subscriptions cannot be removed; trying again");
        }
        sns.env.sleep(SWEEP_EVERY).await;
    }
}

impl Sns {
    /// Tells an endpoint that its subscription has ended, and keeps what is needed to restore it.
    pub(crate) async fn bid_farewell(
        &self,
        tx: &Tx,
        call: &Call,
        topic: &TopicId,
        id: &str,
        subscription: Subscription,
    ) -> Result<(), Error> {
        let Some(row) = self.topic(tx, topic).await? else { return Ok(()) };
        let (at, token) = (self.env.now(), token(id, self.env.entropy()));
        let arn = topic.subscription_arn(id);
        let news = Kind::UnsubscribeConfirmation { token: &token, subscription: &arn };
        self.send_handshake(tx, call, &row, topic, id, &subscription, news).await?;
        tx.set(keys::token_end(at + TOKEN_LASTS, topic, id), Vec::new());
        let ended = Ended { at, subscription: Subscription { token: Some(token), ..subscription } };
        Ok(tx.set_record(keys::ended(topic, id), &ended)?)
    }

    /// Brings back a subscription that has ended, if this is the token that does so.
    ///
    /// # Errors
    /// `InvalidParameter` for any other token, or if its endpoint was subscribed anew.
    pub(crate) async fn restore(
        &self,
        tx: &Tx,
        topic: &TopicId,
        id: &str,
        given: &str,
        (authenticated, guards): (bool, bool),
    ) -> Result<(), Error> {
        let refused = || Error::invalid("Token");
        let ended = tx.get_record::<Ended>(&keys::ended(topic, id)).await?.ok_or_else(refused)?;
        let mut subscription = ended.subscription;
        let is_right = subscription.token.as_deref().is_some_and(|kept| is_same(given, kept));
        let endpoint = keys::endpoint(topic, subscription.protocol.name(), &subscription.endpoint);
        if !is_right || self.env.now() > ended.at + TOKEN_LASTS || tx.get(&endpoint).await?.is_some() {
            return Err(refused());
        }
        (subscription.authenticated, subscription.authenticate_on_unsubscribe) = (authenticated, guards);
        tx.clear(keys::ended(topic, id));
        tx.clear(keys::token_end(ended.at + TOKEN_LASTS, topic, id));
        self.take_in(tx, topic, id, &subscription).await
    }

    /// Removes the subscriptions that nobody has confirmed in time, and those that nobody can restore any more.
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        loop {
            let rows = self.db.range(RangeReq::new(keys::tokens_ended(self.env.now()), TOKENS_A_READ)).await?.rows;
            for row in &rows {
                let (topic, id) = keys::read_token_end(&row.key).map_err(ServiceError::internal)?;
                self.db
                    .transact(async |tx| {
                        tx.clear(row.key.clone());
                        self.forget(&tx, &topic, &id).await
                    })
                    .await?;
            }
            if rows.len() < TOKENS_A_READ {
                return Ok(());
            }
        }
    }

    async fn forget(&self, tx: &Tx, topic: &TopicId, id: &str) -> Result<(), Error> {
        // What is left of a deleted topic is removed with it.
        if self.topic(tx, topic).await?.is_none() {
            return Ok(());
        }
        let now = self.env.now();
        let found = tx.get_record::<Subscription>(&keys::subscription(topic, id)).await?;
        if let Some(found) = found.filter(|found| found.is_forgotten(now)) {
            self.take_out(tx, topic, id, &found).await?;
        }
        let ended = tx.get_record::<Ended>(&keys::ended(topic, id)).await?;
        if ended.is_some_and(|ended| now > ended.at + TOKEN_LASTS) {
            tx.clear(keys::ended(topic, id));
        }
        Ok(())
    }
}
