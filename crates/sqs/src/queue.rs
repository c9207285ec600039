//! Queues: made, found, listed, changed, emptied, removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Account, Call};
use cauce_store::RangeReq;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::held::Held;
use crate::keys::{self, QueueId};
use crate::model::{Queue, RedrivePermission, Settings};
use crate::service::{Sqs, required, url};
use crate::settings::{Numbers, READABLE, first_difference, shown};

/// How many queues a page of a list holds, and the largest page that can be asked for.
pub const LIST_MAX: usize = 1_000;
/// The longest name of a queue, in characters.
pub const NAME_CHARS_MAX: usize = 80;
/// How long after a purge the next one is refused.
pub const PURGE_EVERY: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateQueue {
    pub(crate) queue_name: Option<String>,
    #[serde(default, alias = "Attribute")]
    pub(crate) attributes: BTreeMap<String, String>,
    #[serde(default, alias = "tags", alias = "Tag")]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Input for CreateQueue {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueueAddress {
    pub(crate) queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetQueueUrl {
    pub(crate) queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    pub(crate) queue_owner_aws_account_id: Option<String>,
}

impl Input for GetQueueUrl {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListQueues {
    queue_name_prefix: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

impl Input for ListQueues {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueueList {
    #[serde(serialize_with = "flat_urls", skip_serializing_if = "Vec::is_empty")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) fn flat_urls<S: serde::Serializer>(list: &Vec<String>, serializer: S) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat QueueUrl", list, serializer)
}

/// An input that says nothing but the queue.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OneQueue {
    pub(crate) queue_url: Option<String>,
}

impl Input for OneQueue {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetQueueAttributes {
    pub(crate) queue_url: Option<String>,
    #[serde(default, alias = "AttributeName")]
    attribute_names: Vec<String>,
}

impl Input for GetQueueAttributes {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueueAttributes {
    #[serde(serialize_with = "flat_attributes", skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
}

fn flat_attributes<S: serde::Serializer>(map: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat Attribute Name Value", map, serializer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SetQueueAttributes {
    pub(crate) queue_url: Option<String>,
    #[serde(default, alias = "Attribute")]
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Input for SetQueueAttributes {}

fn check_name(name: &str, fifo: bool) -> Result<(), Error> {
    let stem = if fifo { name.strip_suffix(".fifo").unwrap_or(name) } else { name };
    let plain = stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain && !stem.is_empty() && name.len() <= NAME_CHARS_MAX {
        return Ok(());
    }
    let suffix = if fifo { "must end with .fifo suffix and be 1 to 80 in length." } else { "1 to 80 in length" };
    Err(Error::Value(match fifo {
        true => format!(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, {suffix}"
        ),
        false => format!("Can only include alphanumeric characters, hyphens, or underscores. {suffix}"),
    }))
}

/// How many entries a page has.
pub(crate) fn page_limit(max_results: Option<i64>) -> Result<usize, Error> {
    let Some(max) = max_results else { return Ok(LIST_MAX) };
    let limit = usize::try_from(max).ok().filter(|max| (1..=LIST_MAX).contains(max));
    limit.ok_or_else(|| {
        Error::value(max, "MaxResults", &format!("MaxResults must be an integer between 1 and {LIST_MAX}"))
    })
}

/// The queue after which a page begins.
pub(crate) fn page_after(token: Option<&str>, max_results: Option<i64>) -> Result<Option<String>, Error> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    if max_results.is_none() {
        return Err(Error::Missing("MaxResults".to_owned()));
    }
    let name = hex::decode(token).ok().and_then(|name| String::from_utf8(name).ok());
    name.map(Some).ok_or_else(|| Error::Value("Invalid or expired next token.".to_owned()))
}

impl Sqs {
    pub(crate) async fn create_queue(self: Arc<Self>, call: Call, input: CreateQueue) -> Result<QueueAddress, Error> {
        let name = required(input.queue_name.as_deref(), "QueueName")?;
        let id = QueueId { account: call.account, region: call.region.clone(), name: name.to_owned() };
        self.create(&id, &input.attributes, input.tags).await?;
        Ok(QueueAddress { queue_url: url(&call, &id) })
    }

    /// Makes a queue; one that is there already with the same attributes is success.
    pub(crate) async fn create(
        &self,
        id: &QueueId,
        attributes: &BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Arc<Held>, Error> {
        crate::tags::check(&tags)?;
        self.create_tagged(id, attributes, tags).await
    }

    /// As [`Sqs::create`], with tags that are not checked: those of AWS may be among them.
    pub(crate) async fn create_tagged(
        &self,
        id: &QueueId,
        attributes: &BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Arc<Held>, Error> {
        check_name(&id.name, attributes.contains_key("FifoQueue"))?;
        let settings = Settings::create(&id.name, attributes)?;
        self.check_settings(id, &settings, attributes).await?;
        let _changing = self.changing.lock().await;
        match self.load(id).await {
            Ok(held) => match first_difference(id, &held.queue, &settings, attributes) {
                Some(name) => Err(Error::QueueExists(name)),
                None => Ok(held),
            },
            Err(Error::NoQueue) => {
                let now = self.env.now();
                let life = self.env.entropy().u64();
                self.store(id, Queue { life, created: now, modified: now, purged: None, settings, tags }).await?;
                self.load(id).await
            }
            Err(error) => Err(error),
        }
    }

    /// What can be checked of settings only with a look at other queues, or at policies.
    async fn check_settings(
        &self,
        id: &QueueId,
        settings: &Settings,
        given: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        if let (Some(policy), true) = (&settings.policy, given.contains_key("Policy")) {
            crate::permission::check_policy(&*self.identity, policy)?;
        }
        let (Some(redrive), Some(text)) = (&settings.redrive, given.get("RedrivePolicy")) else { return Ok(()) };
        let refuse = |reason: &str| Error::value(text, "RedrivePolicy", reason);
        let target = QueueId::from_arn(&redrive.dead_letter_target_arn).ok_or(Error::NoQueue)?;
        if (target.account, &target.region) != (id.account, &id.region) {
            return Err(refuse("Dead-letter target must be in the same account and region as the source."));
        }
        let target = match self.held(&target).await {
            Ok(target) => target,
            Err(Error::NoQueue) => return Err(refuse("Dead letter target does not exist.")),
            Err(error) => return Err(error),
        };
        if target.fifo() != settings.fifo.is_some() {
            return Err(refuse("Dead-letter queue must be same type of queue as the source."));
        }
        let allowed = target.queue.settings.redrive_allow.as_ref().is_none_or(|allow| match allow.redrive_permission {
            RedrivePermission::AllowAll => true,
            RedrivePermission::DenyAll => false,
            RedrivePermission::ByQueue => allow.source_queue_arns.iter().any(|arn| arn == id.arn().as_str()),
        });
        match allowed {
            true => Ok(()),
            false => {
                Err(refuse("The redrive allow policy of the dead-letter queue does not allow this queue as a source."))
            }
        }
    }

    pub(crate) async fn get_queue_url(self: Arc<Self>, call: Call, input: GetQueueUrl) -> Result<QueueAddress, Error> {
        let name = required(input.queue_name.as_deref(), "QueueName")?.to_owned();
        let account = match &input.queue_owner_aws_account_id {
            Some(account) => account.parse::<Account>().map_err(|_| Error::NoQueue)?,
            None => call.account,
        };
        let held = self.held(&QueueId { account, region: call.region.clone(), name }).await?;
        Ok(QueueAddress { queue_url: url(&call, &held.id) })
    }

    pub(crate) async fn list_queues(self: Arc<Self>, call: Call, input: ListQueues) -> Result<QueueList, Error> {
        let limit = page_limit(input.max_results)?;
        let prefix = input.queue_name_prefix.as_deref().unwrap_or_default();
        let mut range = RangeReq::new(keys::queues(call.account, &call.region, prefix), limit);
        if let Some(name) = page_after(input.next_token.as_deref(), input.max_results)? {
            let last = keys::queue(&QueueId { account: call.account, region: call.region.clone(), name });
            if last < range.start || last >= range.end {
                return Err(Error::Value("Invalid or expired next token.".to_owned()));
            }
            range = range.after(&last);
        }
        let page = self.db.range(range).await?;
        let mut names = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            names.push(keys::read_queue(&row.key).map_err(cauce_core::ServiceError::internal)?);
        }
        let more = page.more && input.max_results.is_some();
        let next_token = names.last().filter(|_| more).map(|last| hex::encode(&last.name));
        Ok(QueueList { queue_urls: names.iter().map(|id| url(&call, id)).collect(), next_token })
    }

    pub(crate) async fn delete_queue(self: Arc<Self>, call: Call, input: OneQueue) -> Result<(), Error> {
        let id = self.addressed(&call, input.queue_url.as_deref()).await?.id.clone();
        let _changing = self.changing.lock().await;
        let held = self.load(&id).await?;
        self.remove(&held).await
    }

    pub(crate) async fn purge_queue(self: Arc<Self>, call: Call, input: OneQueue) -> Result<(), Error> {
        let id = self.addressed(&call, input.queue_url.as_deref()).await?.id.clone();
        let now = self.env.now();
        let life = self.env.entropy().u64();
        self.change(&id, |queue| {
            if queue.purged.is_some_and(|purged| purged + PURGE_EVERY > now) {
                return Err(Error::PurgeInProgress(id.name.clone()));
            }
            (queue.life, queue.purged) = (life, Some(now));
            Ok(())
        })
        .await
    }

    /// Changes a queue's row.
    pub(crate) async fn change(
        &self,
        id: &QueueId,
        change: impl FnOnce(&mut Queue) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let mut queue = self.load(id).await?.queue.clone();
        change(&mut queue)?;
        self.store(id, queue).await
    }

    pub(crate) async fn get_queue_attributes(
        self: Arc<Self>,
        call: Call,
        input: GetQueueAttributes,
    ) -> Result<QueueAttributes, Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        if let Some(unknown) = input.attribute_names.iter().find(|name| !READABLE.contains(&name.as_str())) {
            return Err(Error::AttributeName(unknown.clone()));
        }
        let all = input.attribute_names.iter().any(|name| name == "All");
        let wanted = |name: &&&str| all || input.attribute_names.iter().any(|wanted| wanted == **name);
        let numbers = match READABLE.iter().filter(wanted).any(|name| name.starts_with("Approximate")) {
            true => self.numbers(&held).await?,
            false => Numbers::default(),
        };
        let value = |name: &&str| Some(((*name).to_owned(), shown(&held.id, &held.queue, numbers, name)?));
        Ok(QueueAttributes { attributes: READABLE.iter().filter(wanted).filter_map(value).collect() })
    }

    /// How many messages there are.
    pub(crate) async fn numbers(&self, held: &Held) -> Result<Numbers, Error> {
        let now = self.env.now();
        let counts = {
            let mut index = held.stock.index(&self.db, now).await?.lock();
            index.advance(now);
            index.counts()
        };
        let all = self.db.begin().get_counter(&keys::count(held.stock.life)).await?;
        let of = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (in_flight, delayed) = (of(counts.in_flight), of(counts.delayed));
        let all = u64::try_from(all).unwrap_or(0);
        Ok(Numbers { visible: all.saturating_sub(in_flight).saturating_sub(delayed), in_flight, delayed })
    }

    pub(crate) async fn set_queue_attributes(
        self: Arc<Self>,
        call: Call,
        input: SetQueueAttributes,
    ) -> Result<(), Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        if input.attributes.is_empty() {
            return Err(Error::Missing("Attribute.Name".to_owned()));
        }
        self.set_attributes(&held.id, &input.attributes).await
    }

    pub(crate) async fn set_attributes(
        &self,
        id: &QueueId,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let mut wanted = self.held(id).await?.queue.settings.clone();
        wanted.apply(attributes)?;
        self.check_settings(id, &wanted, attributes).await?;
        let now = self.env.now();
        self.change(id, |queue| {
            queue.modified = now;
            queue.settings.apply(attributes)
        })
        .await
    }
}
