//! A bus as the target of a rule: the event goes on to the other bus in the same transaction. And a bus as the destination of
//! another service, whose effects say in their attributes `source`, `detail-type` and `resource` what event they become.
//!
//! AWS: EventBridge User Guide, "Sending and receiving events between event buses"; Lambda Developer Guide, "Capturing records
//! of Lambda asynchronous invocations".

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::ports::{Access, Verdict};
use cauce_core::{Call, Principal, ServiceError};
use cauce_delivery::{Acceptance, Effect, EffectId, Outcome, Target};
use cauce_store::Tx;
use serde_json::value::RawValue;

use crate::entry::{Envelope, Event};
use crate::keys;
use crate::model::Bus;
use crate::service::EventBridge;

/// Takes effects on event buses; register it for `events`.
pub struct BusTarget {
    events: Arc<EventBridge>,
}

impl BusTarget {
    /// The target that puts events on the buses of `events`.
    pub fn new(events: Arc<EventBridge>) -> BusTarget {
        BusTarget { events }
    }

    /// Whether the effect's account may put events on the bus: its own account may, another one if the bus's policy says so.
    async fn check(&self, tx: &Tx, effect: &Effect, id: &keys::BusId) -> Result<(), ServiceError> {
        let bus: Bus = self.events.bus(tx, id).await?;
        if effect.account == id.account {
            return Ok(());
        }
        let env = &self.events.env;
        let mut call = Call::from_service(
            env,
            &effect.service,
            effect.source.as_ref(),
            id.account,
            id.region.clone(),
            effect.trace,
        );
        call.principal = Arc::new(Principal::Root { account: effect.account, access_key_id: String::new() });
        let policy = bus.policy.map(|policy| policy.to_string());
        let access = Access {
            action: "events:PutEvents",
            resource: effect.target.as_str(),
            resource_policy: policy.as_deref(),
            context: Vec::new(),
        };
        match self.events.identity.explain(&call, &access).await? {
            Verdict::Allowed(_) => Ok(()),
            Verdict::Denied(why) => {
                let message = format!("account {} may not put events on {} {why}", effect.account, effect.target);
                Err(ServiceError::new(403, "NO_PERMISSIONS", message))
            }
        }
    }

    /// The event that an effect is, with its id: one that a rule sends on, or a new one around another service's record.
    fn event(&self, effect: &Effect) -> Result<(String, Bytes), ServiceError> {
        let Some((source, detail_type)) = effect.attribute("source").zip(effect.attribute("detail-type")) else {
            return Ok((effect.attribute("event-id").unwrap_or_default().to_owned(), effect.payload.clone()));
        };
        let malformed = |why: String| ServiceError::new(400, "INVALID_EVENT", format!("no detail of an event: {why}"));
        cauce_event_pattern::validate(&effect.payload).map_err(|why| malformed(why.to_string()))?;
        let detail: &RawValue = serde_json::from_slice(&effect.payload).map_err(|why| malformed(why.to_string()))?;
        let id = self.events.env.entropy().uuid();
        let resources = std::iter::once(effect.target.as_str()).chain(effect.attribute("resource"));
        let envelope = Envelope {
            version: "0",
            id: &id,
            detail_type,
            source,
            account: effect.account.to_string(),
            time: self.events.env.now().iso_secs(),
            region: effect.region.as_str(),
            resources: &resources.map(str::to_owned).collect::<Vec<_>>(),
            detail,
        };
        let body = serde_json::to_vec(&envelope).map_err(ServiceError::internal)?;
        Ok((id, body.into()))
    }
}

#[async_trait]
impl Target for BusTarget {
    async fn accept(&self, tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        let name = effect.target.resource().strip_prefix("event-bus/");
        let parts = name.zip(effect.target.account()).zip(effect.target.region().parse().ok());
        let Some(((name, account), region)) = parts else {
            let message = format!("{} is no event bus", effect.target);
            return Err(ServiceError::new(404, "NO_RESOURCE", message));
        };
        let bus = keys::BusId { account, region, name: name.to_owned() };
        self.check(tx, effect, &bus).await?;
        let (id, body) = self.event(effect)?;
        let event = Event {
            id,
            bus,
            body,
            trace: effect.trace,
            ingested: self.events.env.now(),
            hops: effect.hops.saturating_add(1),
        };
        self.events.route(tx, &event).await?;
        Ok(Acceptance::Taken)
    }

    async fn perform(&self, _id: EffectId, _effect: &Effect, _attempt: u32) -> Outcome {
        Outcome::Fail {
            code: "INTERNAL".to_owned(),
            reason: "a bus takes events in the causing transaction".to_owned(),
        }
    }
}
