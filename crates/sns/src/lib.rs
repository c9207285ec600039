//! SNS: topics, subscriptions, messages that go from one to many.
//!
//! A message is matched against the subscriptions of its topic and handed to [`cauce_delivery`] inside the transaction of
//! Publish: when Publish answers, every subscribed queue has the message, and every function and HTTP endpoint has a durable
//! delivery waiting. A topic is a target of other services too ([`SnsTarget`]): what EventBridge sends it is published in the
//! causing transaction.
//!
//! # Limits
//! [`MESSAGE_BYTES_MAX`], [`BATCH_ENTRIES_MAX`], [`SUBSCRIPTIONS_MAX`], [`FIFO_SUBSCRIPTIONS_MAX`], [`FILTER_POLICIES_MAX`],
//! [`TOPICS_MAX`], [`TAGS_MAX`]; of one transaction [`FAN_OUT_MAX`] and [`FAN_OUT_BYTES_MAX`]: a standard topic with more
//! subscriptions sends to the rest right after the commit, from a durable effect, exactly once; a FIFO topic never does, since
//! it would lose its order.
//!
//! # Invariants
//! - A message sees every subscription whose change was answered before the message was published.
//! - An effect on a subscription happens if and only if its publication commits; a queue has a message exactly once.
//! - The sequence numbers of a FIFO topic are the order of its commits.
//! - Nobody is sent messages by HTTP who has not answered with the token that was sent there.
//!
//! # Deliberately absent
//! SMS, mobile push, e-mail, Firehose, archives and replays, data protection policies: refused by name.

mod attribute;
mod batch;
mod delivery_policy;
mod ended;
mod envelope;
mod error;
mod fan_out;
mod fifo;
mod filter;
mod keys;
mod message;
mod meters;
mod model;
mod name;
mod page;
mod permission;
mod publish;
mod resources;
mod route;
mod service;
mod signature;
mod site;
mod subscribe;
mod subscription;
mod subscription_attributes;
mod tags;
mod target;
mod topic;
mod topic_attributes;

pub use attribute::ATTRIBUTE_NAME_CHARS_MAX;
pub use batch::BATCH_ENTRIES_MAX;
pub use ended::{SWEEP_EVERY, run_sweeps};
pub use error::Error;
pub use fan_out::{FAN_OUT_BYTES_MAX, FAN_OUT_MAX};
pub use filter::{FILTER_COMBINATIONS_MAX, FILTER_KEYS_MAX, FILTER_POLICIES_MAX};
pub use message::{MESSAGE_BYTES_MAX, SUBJECT_CHARS_MAX};
pub use resources::resource_types;
pub use service::{INFO, Sns, SnsOptions, api};
pub use site::Site;
pub use subscribe::{FIFO_SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_MAX, TOKEN_LASTS};
pub use tags::TAGS_MAX;
pub use target::SnsTarget;
pub use topic::TOPICS_MAX;
