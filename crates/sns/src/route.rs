//! From a message to the subscriptions that want it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cauce_core::{Arn, ServiceError};
use cauce_delivery::Policy;
use cauce_event_pattern::{Matcher, Pattern};
use cauce_store::{RangeReq, Tx, decode_row};
use parking_lot::RwLock;

use crate::attribute;
use crate::delivery_policy::{DeliveryPolicy, retry_policy};
use crate::error::{Error, NO_TOPIC};
use crate::filter;
use crate::keys::{self, TopicId};
use crate::message::Message;
use crate::model::{FilterScope, Protocol, Subscription, Topic};
use crate::service::Sns;

/// How many topics are kept ready. When there are more, all are read anew as they are needed.
const ROUTES_MAX: usize = 4_096;

/// Subscriptions that are read at once.
const SUBSCRIPTIONS_A_READ: usize = 1_000;

/// The topics that have seen a message, with their subscriptions.
///
/// A topic's entry is as old as the generation it was read at; every message reads the present generation in its own
/// transaction, so a message never misses a subscription that was there before it, on any node.
#[derive(Default)]
pub(crate) struct Routes {
    topics: RwLock<HashMap<TopicId, Arc<Route>>>,
}

/// A topic and its subscriptions at one generation.
pub(crate) struct Route {
    generation: i64,
    pub(crate) id: TopicId,
    pub(crate) topic: Topic,
    /// By their ids.
    subscriptions: BTreeMap<Arc<str>, Arc<Active>>,
    /// Those that want everything.
    plain: Vec<Arc<Active>>,
    by_attributes: Matcher<Arc<str>>,
    by_body: Matcher<Arc<str>>,
}

/// A confirmed subscription.
pub(crate) struct Active {
    pub(crate) id: Arc<str>,
    pub(crate) arn: Arn,
    pub(crate) subscription: Subscription,
    /// Whom effects are for: a queue, a function, or the subscription itself where SNS delivers by HTTP.
    pub(crate) target: Arn,
    pub(crate) policy: Policy,
    /// The `Content-Type` of requests.
    pub(crate) content_type: String,
    /// Requests a second, at most.
    pub(crate) throttle: Option<u64>,
    pattern: Option<Pattern>,
}

impl Route {
    /// How many subscriptions are confirmed.
    pub(crate) fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// The first `limit` of those that want the message and come after the id `after`, in the order of their ids.
    ///
    /// # Errors
    /// If a filter cannot be evaluated.
    pub(crate) fn wanted(&self, message: &Message, after: &str, limit: usize) -> Result<Vec<Arc<Active>>, Error> {
        if self.by_attributes.is_empty() && self.by_body.is_empty() {
            let from = self.plain.partition_point(|active| &*active.id <= after);
            return Ok(self.plain.iter().skip(from).take(limit).cloned().collect());
        }
        let mut wanted: BTreeMap<Arc<str>, Arc<Active>> =
            self.plain.iter().map(|active| (Arc::clone(&active.id), Arc::clone(active))).collect();
        if !self.by_attributes.is_empty() {
            let document = attribute::document(&message.attributes);
            let matched = matches(&self.by_attributes, &document)?;
            wanted.extend(
                matched.into_iter().filter_map(|id| Some((Arc::clone(&id), Arc::clone(self.subscriptions.get(&id)?)))),
            );
        }
        if !self.by_body.is_empty() {
            self.add_by_body(message, &mut wanted)?;
        }
        Ok(wanted.into_values().filter(|active| &*active.id > after).take(limit).collect())
    }

    /// Adds those whose filter the text matches that they would get.
    fn add_by_body(&self, message: &Message, wanted: &mut BTreeMap<Arc<str>, Arc<Active>>) -> Result<(), Error> {
        let mut texts: HashMap<&str, HashSet<Arc<str>>> = HashMap::new();
        for text in Protocol::ALL.into_iter().map(|protocol| message.text(protocol)) {
            // What is no JSON object matches no filter on its body.
            if !texts.contains_key(text) {
                let is_object = cauce_event_pattern::validate(text.as_bytes()).is_ok();
                let matched = if is_object { matches(&self.by_body, text.as_bytes())? } else { Vec::new() };
                texts.insert(text, matched.into_iter().collect());
            }
        }
        for (id, active) in &self.subscriptions {
            let is_body =
                active.pattern.is_some() && active.subscription.wishes.filter_scope == FilterScope::MessageBody;
            let text = message.text(active.subscription.protocol);
            if is_body && texts.get(text).is_some_and(|matched| matched.contains(id)) {
                wanted.insert(Arc::clone(id), Arc::clone(active));
            }
        }
        Ok(())
    }
}

fn matches(matcher: &Matcher<Arc<str>>, document: &[u8]) -> Result<Vec<Arc<str>>, Error> {
    let mut matched = Vec::new();
    matcher.matches_trusted(document, &mut matched).map_err(|error| Error::Other(ServiceError::internal(error)))?;
    Ok(matched)
}

impl Sns {
    /// The topic with its subscriptions as long as nothing of it has changed.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) async fn known_route(&self, tx: &Tx, id: &TopicId) -> Result<Option<Arc<Route>>, Error> {
        let (generation, known) = self.kept_route(tx, id).await?;
        Ok(known.filter(|route| route.generation == generation))
    }

    /// The present generation, and what is kept of the topic, of that generation or an earlier one.
    async fn kept_route(&self, tx: &Tx, id: &TopicId) -> Result<(i64, Option<Arc<Route>>), Error> {
        let generation = tx.get_counter(&keys::generation(id)).await?;
        Ok((generation, self.routes.topics.read().get(id).cloned()))
    }

    /// The topic with its subscriptions, as the transaction sees them.
    ///
    /// # Errors
    /// `NotFound` if there is no such topic.
    pub(crate) async fn route(&self, tx: &Tx, id: &TopicId) -> Result<Arc<Route>, Error> {
        let (generation, known) = self.kept_route(tx, id).await?;
        if let Some(route) = &known
            && route.generation == generation
        {
            return Ok(Arc::clone(route));
        }
        let Some(topic) = self.topic(tx, id).await? else {
            self.routes.topics.write().remove(id);
            return Err(NO_TOPIC);
        };
        let route = Arc::new(read_route(tx, id, topic, generation, known.as_deref()).await?);
        let mut topics = self.routes.topics.write();
        if topics.len() >= ROUTES_MAX && !topics.contains_key(id) {
            topics.clear();
        }
        match topics.get(id) {
            Some(newer) if newer.generation > generation => {}
            _ => drop(topics.insert(id.clone(), Arc::clone(&route))),
        }
        Ok(route)
    }
}

async fn read_route(
    tx: &Tx,
    id: &TopicId,
    topic: Topic,
    generation: i64,
    known: Option<&Route>,
) -> Result<Route, Error> {
    let known = known.filter(|known| known.topic == topic);
    let mut route = Route {
        generation,
        id: id.clone(),
        topic,
        subscriptions: BTreeMap::new(),
        plain: Vec::new(),
        by_attributes: Matcher::new(),
        by_body: Matcher::new(),
    };
    let mut req = RangeReq::new(keys::subscriptions(id), SUBSCRIPTIONS_A_READ);
    loop {
        let rows = tx.snapshot_range(req.clone()).await?;
        for row in &rows {
            let (_, own_id) = keys::read_subscription(&row.key).map_err(|e| Error::Other(ServiceError::internal(e)))?;
            let subscription: Subscription = decode_row(row)?;
            if !subscription.confirmed {
                continue;
            }
            let same = known.and_then(|known| known.subscriptions.get(own_id.as_str()));
            let active = match same.filter(|active| active.subscription == subscription) {
                Some(active) => Arc::clone(active),
                None => Arc::new(activate(&route, &own_id, subscription)?),
            };
            route.add(active);
        }
        match rows.last() {
            Some(last) if rows.len() == SUBSCRIPTIONS_A_READ => req = req.after(&last.key),
            _ => break,
        }
    }
    Ok(route)
}

impl Route {
    fn add(&mut self, active: Arc<Active>) {
        match (&active.pattern, active.subscription.wishes.filter_scope) {
            (None, _) => self.plain.push(Arc::clone(&active)),
            (Some(pattern), FilterScope::MessageAttributes) => {
                self.by_attributes.add(Arc::clone(&active.id), pattern);
            }
            (Some(pattern), FilterScope::MessageBody) => {
                self.by_body.add(Arc::clone(&active.id), pattern);
            }
        }
        self.subscriptions.insert(Arc::clone(&active.id), active);
    }
}

fn activate(route: &Route, id: &str, subscription: Subscription) -> Result<Active, Error> {
    let arn = route.id.subscription_arn(id);
    let target = match subscription.protocol {
        Protocol::Sqs | Protocol::Lambda => {
            subscription.endpoint.parse().map_err(|e| Error::Other(ServiceError::internal(e)))?
        }
        Protocol::Http | Protocol::Https => arn.clone(),
    };
    let in_effect = DeliveryPolicy::in_effect(&route.topic, subscription.wishes.delivery_policy.as_deref());
    Ok(Active {
        id: id.into(),
        arn,
        policy: retry_policy(&route.topic, &subscription),
        content_type: in_effect.content_type().to_owned(),
        throttle: in_effect.throttle(),
        pattern: subscription.wishes.filter_policy.as_deref().map(filter::compile).transpose()?,
        target,
        subscription,
    })
}
