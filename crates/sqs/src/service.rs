//! The service, the queues it holds, and the one table of its operations.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::ports::Identity;
use cauce_core::{Account, Arn, Call, Env, ServiceError, Timestamp};
use cauce_store::{Db, Owner, RowCodec as _, StoreError, Tx};
use cauce_wire::{Api, JsonVersion, Operation, Protocol, ServiceInfo};
use parking_lot::RwLock;

use crate::error::Error;
use crate::held::{Held, Stock};
use crate::keys::{self, QueueId};
use crate::meters::Meters;
use crate::model::Queue;

/// SQS as the wire knows it.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "sqs",
    signing_name: "sqs",
    protocols: &[
        Protocol::Json { version: JsonVersion::V1_0, target_prefix: "AmazonSQS" },
        Protocol::Query { version: "2012-11-05", xmlns: "http://queue.amazonaws.com/doc/2012-11-05/" },
    ],
    validation_code: "InvalidParameterValue",
};

/// The largest request, in bytes: a batch of the largest messages, with the escaping of their JSON.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What an operator may choose.
#[derive(Clone, Copy, Debug)]
pub struct SqsOptions {
    /// How many messages of a standard queue can be in flight.
    pub in_flight_max: usize,
    /// How many messages of a FIFO queue can be in flight.
    pub in_flight_fifo_max: usize,
}

impl Default for SqsOptions {
    fn default() -> SqsOptions {
        SqsOptions { in_flight_max: crate::IN_FLIGHT_MAX, in_flight_fifo_max: crate::IN_FLIGHT_FIFO_MAX }
    }
}

/// SQS.
pub struct Sqs {
    options: SqsOptions,
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) owner: Owner,
    pub(crate) identity: Arc<dyn Identity>,
    queues: RwLock<HashMap<QueueId, Arc<Held>>>,
    /// Held by whoever changes a queue or brings it into memory, so that memory never shows an older row than the store.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Wakes the sweeper.
    pub(crate) sweeping: tokio::sync::Notify,
    pub(crate) meters: Meters,
    /// When the service began.
    pub(crate) opened: Timestamp,
}

impl Sqs {
    /// The service on this store, as the owner of all queues. Register [`crate::QueueTarget`] for `sqs`, and run
    /// [`crate::run_sweeps`].
    pub fn open(options: SqsOptions, db: Db, env: Env, owner: Owner, identity: Arc<dyn Identity>) -> Arc<Sqs> {
        let opened = env.now();
        Arc::new(Sqs {
            options,
            db,
            env,
            owner,
            identity,
            queues: RwLock::default(),
            changing: tokio::sync::Mutex::new(()),
            sweeping: tokio::sync::Notify::new(),
            meters: Meters::default(),
            opened,
        })
    }

    /// The messages of a life that begins in memory now.
    fn stock(&self, queue: &Queue) -> Arc<Stock> {
        let fifo = queue.settings.fifo.is_some();
        let in_flight_max = if fifo { self.options.in_flight_fifo_max } else { self.options.in_flight_max };
        Stock::new(queue.life, fifo, in_flight_max, self.env.now())
    }

    /// The queue, brought into memory if need be.
    pub(crate) async fn held(&self, id: &QueueId) -> Result<Arc<Held>, Error> {
        if let Some(held) = self.in_memory(id) {
            held.stock.touch(self.env.now());
            return Ok(held);
        }
        let _changing = self.changing.lock().await;
        self.load(id).await
    }

    /// As [`Sqs::held`], for whoever holds `changing`.
    pub(crate) async fn load(&self, id: &QueueId) -> Result<Arc<Held>, Error> {
        if let Some(held) = self.in_memory(id) {
            return Ok(held);
        }
        let row = self.db.get_bytes(&keys::queue(id)).await?.ok_or(Error::NoQueue)?;
        let held = self.looked_at(id, row)?;
        self.queues.write().insert(id.clone(), Arc::clone(&held));
        Ok(held)
    }

    /// The queue, if it is in memory.
    pub(crate) fn in_memory(&self, id: &QueueId) -> Option<Arc<Held>> {
        self.queues.read().get(id).map(Arc::clone)
    }

    /// The queue of a row, of which nobody else knows: only to be looked at, unless it is brought into memory.
    pub(crate) fn looked_at(&self, id: &QueueId, row: Bytes) -> Result<Arc<Held>, Error> {
        let queue: Queue = crate::receive::decode(&row)?;
        let stock = self.stock(&queue);
        Ok(Held::new(id, row, queue, stock))
    }

    /// Every queue in memory.
    pub(crate) fn all_held(&self) -> Vec<Arc<Held>> {
        self.queues.read().values().cloned().collect()
    }

    /// Writes a queue's row, and the queue in memory after its commit. By whoever holds `changing`.
    pub(crate) async fn store(&self, id: &QueueId, queue: Queue) -> Result<(), Error> {
        let row = queue.encode_row().map_err(ServiceError::internal)?;
        let before = self.queues.read().get(id).map(|held| Arc::clone(&held.stock));
        let ended = before.as_ref().filter(|before| before.life != queue.life).cloned();
        let commit = self.db.transact(async |tx| {
            tx.set(keys::queue(id), row.clone());
            if let Some(ended) = &ended {
                tx.set(keys::gone(ended.life), Vec::new());
            }
            self.fence(&tx, &id.arn())
        });
        commit.await?;
        let same = before.filter(|before| before.life == queue.life);
        let stock = same.unwrap_or_else(|| self.stock(&queue));
        self.queues.write().insert(id.clone(), Held::new(id, row, queue, stock));
        if let Some(ended) = ended {
            ended.close();
            self.sweeping.notify_one();
        }
        Ok(())
    }

    /// Removes a queue with all its messages. By whoever holds `changing`.
    pub(crate) async fn remove(&self, held: &Held) -> Result<(), Error> {
        let commit = self.db.transact(async |tx| {
            tx.clear(keys::queue(&held.id));
            tx.set(keys::gone(held.stock.life), Vec::new());
            self.fence(&tx, &held.arn)
        });
        commit.await?;
        self.queues.write().remove(&held.id);
        held.stock.close();
        self.sweeping.notify_one();
        Ok(())
    }

    /// Makes `tx` depend on the queue as it is: it is deleted, purged or changed either before or after.
    pub(crate) async fn confirm<'h>(&self, tx: &Tx, held: &'h Held) -> Result<Cow<'h, Queue>, Error> {
        let row = tx.get(&keys::queue(&held.id)).await?.ok_or(Error::NoQueue)?;
        if row == held.row {
            return Ok(Cow::Borrowed(&held.queue));
        }
        let queue: Queue = crate::receive::decode(&row)?;
        if queue.life == held.stock.life {
            return Ok(Cow::Owned(queue));
        }
        let message = "The queue is being purged.";
        Err(Error::Other(ServiceError::new(503, "ServiceUnavailable", message)))
    }

    /// Makes `tx` depend on this node's owning the queue.
    pub(crate) fn fence(&self, tx: &Tx, queue: &Arn) -> Result<(), Error> {
        let owned = self.owner.owned_for(queue.as_str().as_bytes());
        let owned = owned.ok_or_else(|| StoreError::Unavailable(format!("{queue} has another owner")))?;
        owned.fence(tx);
        Ok(())
    }

    /// The queue whose URL a request gives.
    pub(crate) async fn addressed(&self, call: &Call, url: Option<&str>) -> Result<Arc<Held>, Error> {
        let url = required(url, "QueueUrl")?;
        let id = queue_of(call, url).ok_or_else(|| Error::Address(url.to_owned()))?;
        self.held(&id).await
    }

    /// The policy of the queue whose ARN this is, for authorization.
    async fn queue_policy(self: Arc<Self>, _call: Call, arn: String) -> Result<Option<String>, Error> {
        let Some(id) = arn.parse().ok().as_ref().and_then(QueueId::from_arn) else { return Ok(None) };
        match self.held(&id).await {
            Ok(held) => Ok(held.queue.settings.policy.clone()),
            Err(Error::NoQueue) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A member that must be there.
pub(crate) fn required<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, Error> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| Error::Missing(name.to_owned()))
}

/// The queue that a URL names: `http://HOST/ACCOUNT/NAME`. The host is what the client reached us by, and says nothing.
pub(crate) fn queue_of(call: &Call, url: &str) -> Option<QueueId> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let mut parts = rest.split('/').skip(1);
    let (account, name) = (parts.next()?.parse::<Account>().ok()?, parts.next()?);
    let name = Some(name).filter(|name| !name.is_empty() && parts.next().is_none())?;
    Some(QueueId { account, region: call.region.clone(), name: name.to_owned() })
}

/// The URL under which the caller reaches a queue.
pub(crate) fn url(call: &Call, id: &QueueId) -> String {
    format!("http://{}/{}/{}", call.host, id.account, id.name)
}

/// What a request acts on, for policies.
fn resource(call: &Call, url: Option<&str>) -> Vec<String> {
    let id = url.and_then(|url| queue_of(call, url));
    vec![id.map_or_else(|| call.arn("sqs", "*").to_string(), |id| id.arn().to_string())]
}

/// Every operation of SQS.
pub fn api(service: Arc<Sqs>) -> Api<Sqs> {
    macro_rules! on_queue {
        ($name:literal, $handler:ident, $input:ty) => {
            Operation::new($name, Sqs::$handler)
                .resource(|call, i: &$input| resource(call, i.queue_url.as_deref()))
                .resource_policy(Sqs::queue_policy)
        };
    }
    let api = Api::new(&INFO, service).body_bytes_max(BODY_BYTES_MAX).query_path("QueueUrl");
    let api = api
        .operation(on_queue!("SendMessage", send_message, crate::send::SendMessage))
        .operation(
            on_queue!("SendMessageBatch", send_message_batch, crate::send::SendMessageBatch).action("sqs:SendMessage"),
        )
        .operation(on_queue!("ReceiveMessage", receive_message, crate::receive::ReceiveMessage))
        .operation(on_queue!("DeleteMessage", delete_message, crate::delete::DeleteMessage))
        .operation(
            on_queue!("DeleteMessageBatch", delete_message_batch, crate::delete::DeleteMessageBatch)
                .action("sqs:DeleteMessage"),
        )
        .operation(on_queue!(
            "ChangeMessageVisibility",
            change_message_visibility,
            crate::delete::ChangeMessageVisibility
        ))
        .operation(
            on_queue!(
                "ChangeMessageVisibilityBatch",
                change_message_visibility_batch,
                crate::delete::ChangeMessageVisibilityBatch
            )
            .action("sqs:ChangeMessageVisibility"),
        );
    api.operation(
        Operation::new("CreateQueue", Sqs::create_queue)
            .resource(|call, i: &crate::queue::CreateQueue| named(call, i.queue_name.as_deref(), None)),
    )
    .operation(
        Operation::new("GetQueueUrl", Sqs::get_queue_url)
            .resource(|call, i: &crate::queue::GetQueueUrl| {
                named(call, i.queue_name.as_deref(), i.queue_owner_aws_account_id.as_deref())
            })
            .resource_policy(Sqs::queue_policy),
    )
    .operation(Operation::new("ListQueues", Sqs::list_queues))
    .operation(on_queue!("DeleteQueue", delete_queue, crate::queue::OneQueue))
    .operation(on_queue!("PurgeQueue", purge_queue, crate::queue::OneQueue))
    .operation(on_queue!("GetQueueAttributes", get_queue_attributes, crate::queue::GetQueueAttributes))
    .operation(on_queue!("SetQueueAttributes", set_queue_attributes, crate::queue::SetQueueAttributes))
    .operation(on_queue!("TagQueue", tag_queue, crate::tags::TagQueue))
    .operation(on_queue!("UntagQueue", untag_queue, crate::tags::UntagQueue))
    .operation(on_queue!("ListQueueTags", list_queue_tags, crate::queue::OneQueue))
    .operation(on_queue!("AddPermission", add_permission, crate::permission::AddPermission))
    .operation(on_queue!("RemovePermission", remove_permission, crate::permission::RemovePermission))
    .operation(on_queue!(
        "ListDeadLetterSourceQueues",
        list_dead_letter_source_queues,
        crate::redrive::ListDeadLetterSourceQueues
    ))
    .operation(
        Operation::new("StartMessageMoveTask", Sqs::start_message_move_task)
            .resource(|call, i: &crate::redrive::StartMessageMoveTask| by_arn(call, i.source_arn.clone()))
            .resource_policy(Sqs::queue_policy),
    )
    .operation(
        Operation::new("ListMessageMoveTasks", Sqs::list_message_move_tasks)
            .resource(|call, i: &crate::redrive::ListMessageMoveTasks| by_arn(call, i.source_arn.clone()))
            .resource_policy(Sqs::queue_policy),
    )
    .operation(
        Operation::new("CancelMessageMoveTask", Sqs::cancel_message_move_task)
            .resource(|call, i: &crate::redrive::CancelMessageMoveTask| {
                by_arn(call, crate::redrive::source_of(i.task_handle.as_deref()))
            })
            .resource_policy(Sqs::queue_policy),
    )
}

fn by_arn(call: &Call, arn: Option<String>) -> Vec<String> {
    vec![arn.unwrap_or_else(|| call.arn("sqs", "*").to_string())]
}

fn named(call: &Call, name: Option<&str>, account: Option<&str>) -> Vec<String> {
    let account = account.and_then(|account| account.parse().ok()).unwrap_or(call.account);
    let id = QueueId { account, region: call.region.clone(), name: name.unwrap_or("*").to_owned() };
    vec![id.arn().to_string()]
}
