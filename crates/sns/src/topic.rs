//! Topics.
//!
//! AWS: SNS API Reference, *CreateTopic*, *DeleteTopic*, *ListTopics*.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, Tag, Violations};
use cauce_store::{KeyReader, RangeReq, Tx};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::{Error, NO_TOPIC};
use crate::keys::{self, Counted, TopicId};
use crate::model::Topic;
use crate::name::{self, is_topic_name};
use crate::page;
use crate::service::Sns;
use crate::tags;
use crate::topic_attributes::{Counts, agree, shown};

/// How many topics an account may have in a region; of FIFO topics AWS allows 1,000.
pub const TOPICS_MAX: i64 = 100_000;

/// Rows of a topic that are removed in one commit.
const CLEARED_A_COMMIT: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateTopic {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    data_protection_policy: Option<String>,
}

impl Input for CreateTopic {
    fn validate(&self, v: &mut Violations) {
        Tag::validate(v, &self.tags);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateTopicOutput {
    pub(crate) topic_arn: String,
}

/// Names a topic.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedTopic {
    pub(crate) topic_arn: String,
}

impl Input for NamedTopic {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttributesOutput {
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SetTopicAttributes {
    pub(crate) topic_arn: String,
    attribute_name: String,
    #[serde(default)]
    attribute_value: String,
}

impl Input for SetTopicAttributes {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTopics {
    next_token: Option<String>,
}

impl Input for ListTopics {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedTopic {
    topic_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTopicsOutput {
    topics: Vec<ListedTopic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Sns {
    pub(crate) async fn create_topic(
        self: Arc<Self>,
        call: Call,
        input: CreateTopic,
    ) -> Result<CreateTopicOutput, Error> {
        let tags = tags::given(&input.tags)?;
        if input.data_protection_policy.is_some_and(|policy| !policy.is_empty()) {
            return Err(Error::invalid("DataProtectionPolicy Reason: data protection is not supported by this server"));
        }
        self.make_topic(&call, &input.name, &input.attributes, tags).await
    }

    /// Makes a topic, or finds it as it is wanted.
    pub(crate) async fn make_topic(
        &self,
        call: &Call,
        name: &str,
        attributes: &BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<CreateTopicOutput, Error> {
        let fifo = match attributes.get("FifoTopic").map(|value| value.to_ascii_lowercase()).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                let message = format!("Attributes Reason: FifoTopic: Invalid value [{other}]. Must be true or false.");
                return Err(Error::Invalid(message));
            }
        };
        if !is_topic_name(name, fifo) {
            return Err(Error::invalid(if fifo { FIFO_NAME } else { TOPIC_NAME }));
        }
        let id = TopicId { account: call.account, region: call.region.clone(), name: name.to_owned() };
        let attributes = self.topic_attributes(&id, attributes)?;
        self.clear_leftovers(&id).await?;
        self.db
            .transact(async |tx| {
                if let Some(found) = self.topic(&tx, &id).await? {
                    if !agree(&found, &attributes) {
                        let message = "Attributes Reason: Topic already exists with different attributes";
                        return Err(Error::invalid(message));
                    }
                    if !tags.is_empty() && found.tags != tags {
                        return Err(Error::invalid("Tags Reason: Topic already exists with different tags"));
                    }
                    return Ok(());
                }
                let created = call.received;
                let topic = Topic { created, attributes: attributes.clone(), tags: tags.clone() };
                self.set_topic(&tx, &id, &topic).await
            })
            .await?;
        Ok(CreateTopicOutput { topic_arn: id.arn().to_string() })
    }

    pub(crate) async fn delete_topic(self: Arc<Self>, call: Call, input: NamedTopic) -> Result<(), Error> {
        let id = name::topic(&call, &input.topic_arn)?;
        let removed = self
            .db
            .transact(async |tx| {
                if self.topic(&tx, &id).await?.is_none() {
                    return Ok::<_, Error>(false);
                }
                tx.clear(keys::topic(&id));
                self.touch(&tx, &id).await?;
                Ok(true)
            })
            .await?;
        if removed { self.clear_leftovers(&id).await } else { Ok(()) }
    }

    /// Removes what belonged to a topic that is gone: in commits of its own, since it may be more than one takes, and before a
    /// new topic gets the name, since the program may have ended in between.
    async fn clear_leftovers(&self, id: &TopicId) -> Result<(), Error> {
        let ranges = [
            keys::subscriptions(id),
            keys::endpoints(id),
            keys::counts(id),
            keys::all_ended(id),
            keys::deduplications(id),
            keys::deduplication_ends(id),
        ];
        loop {
            let left = self
                .db
                .transact(async |tx| {
                    if self.topic(&tx, id).await?.is_some() {
                        return Ok::<_, Error>(false);
                    }
                    for range in &ranges {
                        if clear_some(&tx, range).await? {
                            return Ok(true);
                        }
                    }
                    Ok(false)
                })
                .await?;
            if !left {
                return Ok(());
            }
        }
    }

    pub(crate) async fn list_topics(self: Arc<Self>, call: Call, input: ListTopics) -> Result<ListTopicsOutput, Error> {
        let tx = self.db.begin();
        let range = keys::topics(call.account, &call.region);
        let (rows, next_token) = page::page(&tx, range, input.next_token.as_deref()).await?;
        let mut topics = Vec::with_capacity(rows.len());
        for row in rows {
            let read = || -> Result<String, cauce_store::KeyError> {
                let mut reader = KeyReader::new(&row.key, keys::TOPIC)?;
                reader.u64()?;
                reader.str()?;
                reader.str()
            };
            let name = read().map_err(|error| Error::Other(cauce_core::ServiceError::internal(error)))?;
            let id = TopicId { account: call.account, region: call.region.clone(), name };
            topics.push(ListedTopic { topic_arn: id.arn().to_string() });
        }
        Ok(ListTopicsOutput { topics, next_token })
    }

    pub(crate) async fn get_topic_attributes(
        self: Arc<Self>,
        call: Call,
        input: NamedTopic,
    ) -> Result<AttributesOutput, Error> {
        let id = name::topic(&call, &input.topic_arn)?;
        let tx = self.db.begin();
        let topic = self.topic(&tx, &id).await?.ok_or(NO_TOPIC)?;
        let counts = Counts {
            confirmed: tx.get_counter(&keys::count(&id, Counted::Confirmed)).await?,
            pending: tx.get_counter(&keys::count(&id, Counted::Pending)).await?,
        };
        Ok(AttributesOutput { attributes: shown(&id, &topic, counts) })
    }

    pub(crate) async fn set_topic_attributes(
        self: Arc<Self>,
        call: Call,
        input: SetTopicAttributes,
    ) -> Result<(), Error> {
        let id = name::topic(&call, &input.topic_arn)?;
        self.db
            .transact(async |tx| {
                let mut topic = self.topic(&tx, &id).await?.ok_or(NO_TOPIC)?;
                self.set_topic_attribute(&id, &mut topic, &input.attribute_name, &input.attribute_value)?;
                self.set_topic(&tx, &id, &topic).await
            })
            .await
    }

    /// The topic's row.
    pub(crate) async fn topic(&self, tx: &Tx, id: &TopicId) -> Result<Option<Topic>, Error> {
        Ok(tx.get_record::<Topic>(&keys::topic(id)).await?)
    }

    /// Writes a topic, and makes every later message see it.
    pub(crate) async fn set_topic(&self, tx: &Tx, id: &TopicId, topic: &Topic) -> Result<(), Error> {
        tx.set_record(keys::topic(id), topic)?;
        self.touch(tx, id).await
    }

    /// Counts a change of the topic or its subscriptions. Read and written, so that it conflicts with messages that saw the old
    /// ones.
    pub(crate) async fn touch(&self, tx: &Tx, id: &TopicId) -> Result<(), Error> {
        let key = keys::generation(id);
        tx.get_counter(&key).await?;
        Ok(tx.add(key, 1)?)
    }
}

/// How AWS refuses names.
const TOPIC_NAME: &str = "Topic Name";
const FIFO_NAME: &str = "Topic Name Reason: Fifo Topic names must end with .fifo and must be made up of only uppercase and \
                         lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters \
                         long.";

/// Removes the first rows of a range, if it has some.
async fn clear_some(tx: &Tx, range: &(Bytes, Bytes)) -> Result<bool, Error> {
    let rows = tx.snapshot_range(RangeReq::new(range.clone(), CLEARED_A_COMMIT)).await?;
    let Some(last) = rows.last() else { return Ok(false) };
    let rest = RangeReq::new(range.clone(), 1).after(&last.key);
    tx.clear_range((range.0.clone(), rest.start));
    Ok(true)
}
