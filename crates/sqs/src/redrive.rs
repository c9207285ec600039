//! Dead-letter queues seen from the other side: who uses one, and moving its messages back.
//!
//! AWS: Amazon SQS API Reference, *StartMessageMoveTask*; SQS Developer Guide, "Configure a dead-letter queue redrive".

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::ports::Access;
use cauce_core::{Arn, Call, Timestamp};
use cauce_store::{RangeReq, Record, Tx, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::held::Held;
use crate::keys::{self, QueueId};
use crate::message::Content;
use crate::model::Queue;
use crate::queue::LIST_MAX;
use crate::receive::{Received, Wish, clear};
use crate::send::Outgoing;
use crate::service::{Sqs, required, url};

/// The highest `MaxNumberOfMessagesPerSecond`.
pub const MOVES_A_SECOND_MAX: i64 = 500;
/// How many tasks of a queue are remembered, and can be listed.
pub const TASKS_KEPT_MAX: usize = 10;
/// How many messages one commit moves.
const MOVES_A_COMMIT: usize = 10;
/// How long a task waits after trouble with the store.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long a message is hidden while it is being moved.
const MOVE_HIDES: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListDeadLetterSourceQueues {
    pub(crate) queue_url: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

impl Input for ListDeadLetterSourceQueues {}

#[derive(Serialize)]
pub(crate) struct DeadLetterSources {
    #[serde(rename = "queueUrls", serialize_with = "crate::queue::flat_urls")]
    queue_urls: Vec<String>,
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StartMessageMoveTask {
    pub(crate) source_arn: Option<String>,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
}

impl Input for StartMessageMoveTask {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TaskStarted {
    task_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CancelMessageMoveTask {
    pub(crate) task_handle: Option<String>,
}

impl Input for CancelMessageMoveTask {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TaskCancelled {
    approximate_number_of_messages_moved: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListMessageMoveTasks {
    pub(crate) source_arn: Option<String>,
    max_results: Option<i64>,
}

impl Input for ListMessageMoveTasks {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TaskList {
    #[serde(serialize_with = "flat_tasks", skip_serializing_if = "Vec::is_empty")]
    results: Vec<TaskShown>,
}

fn flat_tasks<S: serde::Serializer>(list: &Vec<TaskShown>, serializer: S) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat ListMessageMoveTasksResultEntry", list, serializer)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaskShown {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_handle: Option<String>,
    status: Status,
    source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_number_of_messages_per_second: Option<i64>,
    approximate_number_of_messages_moved: u64,
    approximate_number_of_messages_to_move: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    /// In milliseconds.
    started_timestamp: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Running,
    Completed,
    Cancelled,
    Failed,
}

/// A message move task, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    source: Arn,
    destination: Option<Arn>,
    a_second_max: Option<i64>,
    status: Status,
    started: Timestamp,
    to_move: u64,
    moved: u64,
    failure: Option<String>,
}

impl Record for Task {
    const VERSION: u8 = 1;
}

/// Which task: its source and start.
#[derive(Clone, Debug)]
struct TaskId {
    source: QueueId,
    started: u64,
}

impl TaskId {
    fn key(&self) -> cauce_store::Bytes {
        keys::move_task(&self.source, self.started)
    }

    fn handle(&self) -> String {
        STANDARD.encode(format!("{}|{}", self.started, self.source.arn()))
    }

    fn read(handle: &str) -> Option<TaskId> {
        let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
        let (started, arn) = text.split_once('|')?;
        Some(TaskId { source: QueueId::from_arn(&arn.parse().ok()?)?, started: started.parse().ok()? })
    }
}

/// The queue on which a task handle acts, for policies.
pub(crate) fn source_of(handle: Option<&str>) -> Option<String> {
    handle.and_then(TaskId::read).map(|task| task.source.arn().to_string())
}

fn no_resource(parameter: &str) -> Error {
    Error::NotFound(format!("The resource that you specified for the {parameter} parameter doesn't exist."))
}

impl Sqs {
    /// The queues whose redrive policy names `target`, by name.
    async fn sources(&self, target: &Held) -> Result<Vec<QueueId>, Error> {
        let (arn, mut found) = (target.arn.clone(), Vec::new());
        let mut range = RangeReq::new(keys::queues(target.id.account, &target.id.region, ""), LIST_MAX);
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                let queue: Queue = decode_row(row)?;
                if queue.settings.redrive.is_some_and(|policy| policy.dead_letter_target_arn == arn) {
                    found.push(keys::read_queue(&row.key).map_err(cauce_core::ServiceError::internal)?);
                }
            }
            let Some(last) = page.rows.last().filter(|_| page.more) else { return Ok(found) };
            range = range.after(&last.key);
        }
    }

    pub(crate) async fn list_dead_letter_source_queues(
        self: Arc<Self>,
        call: Call,
        input: ListDeadLetterSourceQueues,
    ) -> Result<DeadLetterSources, Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        let limit = crate::queue::page_limit(input.max_results)?;
        let after = crate::queue::page_after(input.next_token.as_deref(), input.max_results)?;
        let mut sources = self.sources(&held).await?;
        sources.retain(|id| after.as_ref().is_none_or(|after| id.name > *after));
        let more = sources.len() > limit;
        sources.truncate(limit);
        let next_token = sources.last().filter(|_| more).map(|last| hex::encode(&last.name));
        Ok(DeadLetterSources { queue_urls: sources.iter().map(|id| url(&call, id)).collect(), next_token })
    }

    /// The queue that a parameter of a move task names.
    async fn party(&self, arn: &str, parameter: &str) -> Result<Arc<Held>, Error> {
        let id = arn.parse().ok().as_ref().and_then(QueueId::from_arn).ok_or_else(|| no_resource(parameter))?;
        match self.held(&id).await {
            Err(Error::NoQueue) => Err(no_resource(parameter)),
            other => other,
        }
    }

    pub(crate) async fn start_message_move_task(
        self: Arc<Self>,
        call: Call,
        input: StartMessageMoveTask,
    ) -> Result<TaskStarted, Error> {
        let source = self.party(required(input.source_arn.as_deref(), "SourceArn")?, "SourceArn").await?;
        let a_second_max = input.max_number_of_messages_per_second;
        if let Some(max) = a_second_max.filter(|max| !(1..=MOVES_A_SECOND_MAX).contains(max)) {
            let reason = format!("Value must be between 1 and {MOVES_A_SECOND_MAX}.");
            return Err(Error::value(max, "MaxNumberOfMessagesPerSecond", &reason));
        }
        if self.sources(&source).await?.is_empty() {
            return Err(Error::Value("Source queue must be configured as a Dead Letter Queue.".to_owned()));
        }
        let destination = match input.destination_arn.as_deref() {
            Some(arn) => Some(self.party(arn, "DestinationArn").await?),
            None => None,
        };
        if let Some(destination) = &destination {
            if destination.id == source.id || destination.fifo() != source.fifo() {
                let reason = "Source and destination must be two queues of the same type.";
                return Err(Error::value(&destination.arn, "DestinationArn", reason));
            }
            let arn = destination.arn.clone();
            let policy = destination.queue.settings.policy.as_deref();
            let access = Access {
                action: "sqs:SendMessage",
                resource: arn.as_str(),
                resource_policy: policy,
                context: Vec::new(),
            };
            self.identity.authorize(&call, &access).await?;
        }
        let started = self.env.now();
        let task = Task {
            source: source.arn.clone(),
            destination: destination.map(|held| held.arn.clone()),
            a_second_max,
            status: Status::Running,
            started,
            to_move: self.numbers(&source).await?.visible,
            moved: 0,
            failure: None,
        };
        let id = TaskId { source: source.id.clone(), started: u64::try_from(started.as_micros()).unwrap_or(0) };
        self.db.transact(async |tx| self.begin_move(&tx, &id, &task).await).await?;
        tokio::spawn(Arc::clone(&self).run_move(id.clone()));
        Ok(TaskStarted { task_handle: id.handle() })
    }

    async fn begin_move(&self, tx: &Tx, id: &TaskId, task: &Task) -> Result<(), Error> {
        let rows = tx.range(RangeReq::new(keys::move_tasks(&id.source), TASKS_KEPT_MAX)).await?;
        for row in &rows {
            if decode_row::<Task>(row)?.status == Status::Running {
                let message = "There is already a task running. Only one active task is allowed for a source queue arn at a \
                               given time.";
                return Err(Error::Unsupported(message.to_owned()));
            }
        }
        if let Some(oldest) = rows.last().filter(|_| rows.len() >= TASKS_KEPT_MAX) {
            tx.clear(oldest.key.clone());
        }
        Ok(tx.set_record(id.key(), task)?)
    }

    pub(crate) async fn cancel_message_move_task(
        self: Arc<Self>,
        _call: Call,
        input: CancelMessageMoveTask,
    ) -> Result<TaskCancelled, Error> {
        let handle = required(input.task_handle.as_deref(), "TaskHandle")?;
        let invalid = || Error::value(handle, "TaskHandle", "The task handle is not valid.");
        let id = TaskId::read(handle).ok_or_else(invalid)?;
        let cancel = self.db.transact(async |tx| {
            let task: Task = tx.get_record(&id.key()).await?.ok_or_else(|| no_resource("TaskHandle"))?;
            if task.status != Status::Running {
                return Err(Error::Unsupported("Only active tasks can be cancelled.".to_owned()));
            }
            tx.set_record(id.key(), &Task { status: Status::Cancelled, ..task.clone() })?;
            Ok(task.moved)
        });
        Ok(TaskCancelled { approximate_number_of_messages_moved: cancel.await? })
    }

    pub(crate) async fn list_message_move_tasks(
        self: Arc<Self>,
        _call: Call,
        input: ListMessageMoveTasks,
    ) -> Result<TaskList, Error> {
        let source = self.party(required(input.source_arn.as_deref(), "SourceArn")?, "SourceArn").await?;
        let max = input.max_results.unwrap_or(1);
        let limit = usize::try_from(max).ok().filter(|max| (1..=TASKS_KEPT_MAX).contains(max));
        let limit = limit.ok_or_else(|| {
            Error::value(max, "MaxResults", &format!("Value must be between 1 and {TASKS_KEPT_MAX}."))
        })?;
        let rows = self.db.range(RangeReq::new(keys::move_tasks(&source.id), limit)).await?.rows;
        let mut results = Vec::with_capacity(rows.len());
        for row in &rows {
            let task: Task = decode_row(row)?;
            let started = u64::try_from(task.started.as_micros()).unwrap_or(0);
            let running = task.status == Status::Running;
            results.push(TaskShown {
                task_handle: running.then(|| TaskId { source: source.id.clone(), started }.handle()),
                status: task.status,
                source_arn: task.source.to_string(),
                destination_arn: task.destination.map(|arn| arn.to_string()),
                max_number_of_messages_per_second: task.a_second_max,
                approximate_number_of_messages_moved: task.moved,
                approximate_number_of_messages_to_move: task.to_move,
                failure_reason: task.failure,
                started_timestamp: task.started.as_millis(),
            });
        }
        Ok(TaskList { results })
    }

    /// Moves until nothing is left, the task is cancelled, or it fails.
    async fn run_move(self: Arc<Self>, id: TaskId) {
        loop {
            let outcome = self.move_some(&id).await;
            let end = match outcome {
                Ok(Some(pause)) => {
                    self.env.sleep(pause).await;
                    continue;
                }
                Ok(None) => Ok(()),
                // The store's trouble passes, or another node owns the queue and goes on.
                Err(Error::Other(error)) if self.owner.owned_for(id.source.arn().as_str().as_bytes()).is_some() => {
                    tracing::warn!(%error, "messages cannot be moved; trying again");
                    self.env.sleep(TRY_AGAIN).await;
                    continue;
                }
                Err(Error::Other(_)) => return,
                Err(error) => Err(error.to_string()),
            };
            let settled = self.db.transact(async |tx| {
                let Some(task) = tx.get_record::<Task>(&id.key()).await? else { return Ok(()) };
                if task.status == Status::Running {
                    let (status, failure) = match &end {
                        Ok(()) => (Status::Completed, None),
                        Err(why) => (Status::Failed, Some(why.clone())),
                    };
                    tx.set_record(id.key(), &Task { status, failure, ..task })?;
                }
                Ok::<_, Error>(())
            });
            if let Err(error) = settled.await {
                tracing::error!(%error, "the end of a message move task cannot be written; it goes on after the next start");
            }
            return;
        }
    }

    /// Moves the next messages: how long to pause after them, none if the task is at its end.
    async fn move_some(self: &Arc<Self>, id: &TaskId) -> Result<Option<Duration>, Error> {
        let Some(task) = self.db.get::<Task>(&id.key()).await?.filter(|task| task.status == Status::Running) else {
            return Ok(None);
        };
        let held = self.held(&id.source).await?;
        let a_second = usize::try_from(task.a_second_max.unwrap_or(MOVES_A_SECOND_MAX)).unwrap_or(1).max(1);
        let messages_max = MOVES_A_COMMIT.min(a_second);
        let wish = Wish { messages_max, until: self.env.now(), visibility: Some(MOVE_HIDES), attempt: None };
        let received = self.receive(Arc::clone(&held), &wish).await?;
        if received.is_empty() {
            return Ok(None);
        }
        let moved = self.db.transact(async |tx| self.move_in(&tx, id, &held, &received, &task).await).await?;
        if let Some(index) = held.stock.opened() {
            let mut index = index.lock();
            received.iter().for_each(|message| index.remove(message.receipt.sequence));
        }
        held.stock.changed.notify_one();
        let pause =
            task.a_second_max.map_or(Duration::ZERO, |_| Duration::from_secs(1) / u32::try_from(a_second).unwrap_or(1));
        Ok(Some(pause.saturating_mul(u32::try_from(moved).unwrap_or(1))))
    }

    async fn move_in(
        &self,
        tx: &Tx,
        id: &TaskId,
        held: &Held,
        received: &[Received],
        task: &Task,
    ) -> Result<usize, Error> {
        let keys: Vec<_> =
            received.iter().map(|message| keys::standing(held.stock.life, message.receipt.sequence)).collect();
        let there = tx.get_many(&keys).await?;
        let mut moved = 0_usize;
        for (message, _) in received.iter().zip(there).filter(|(_, row)| row.is_some()) {
            let arn = match &task.destination {
                Some(arn) => Some(arn.clone()),
                None => message.content.dead_letter_source.as_ref().and_then(|arn| arn.parse().ok()),
            };
            let arn: Arn = arn.ok_or_else(|| {
                Error::Value("A message does not say from which queue it came; give a DestinationArn.".to_owned())
            })?;
            let target = self.party(arn.as_str(), "DestinationArn").await?;
            let content = Content { dead_letter_source: None, ..message.content.clone() };
            // AWS: a message that is moved begins its life in the destination anew.
            let outgoing = Outgoing { content, delay_s: None, sent: None, deduplicated: false };
            self.enqueue(tx, &target, &[outgoing]).await?;
            clear(tx, held, message.receipt.sequence);
            moved += 1;
        }
        tx.add(keys::count(held.stock.life), -i64::try_from(moved).unwrap_or(i64::MAX))?;
        self.fence(tx, &held.arn)?;
        let now: Task = tx.get_record(&id.key()).await?.ok_or(Error::NoQueue)?;
        let so_far = now.moved.saturating_add(u64::try_from(moved).unwrap_or(0));
        tx.set_record(id.key(), &Task { moved: so_far, ..now })?;
        Ok(moved)
    }
}

/// Goes on with the message move tasks that were running when the program ended.
///
/// # Errors
/// If they cannot be read.
pub async fn resume_moves(sqs: &Arc<Sqs>) -> Result<(), Error> {
    let mut range = RangeReq::new(keys::all_move_tasks(), LIST_MAX);
    loop {
        let page = sqs.db.range(range.clone()).await?;
        for row in &page.rows {
            let task: Task = decode_row(row)?;
            if task.status != Status::Running {
                continue;
            }
            if let Some(source) = QueueId::from_arn(&task.source) {
                let started = u64::try_from(task.started.as_micros()).unwrap_or(0);
                tokio::spawn(Arc::clone(sqs).run_move(TaskId { source, started }));
            }
        }
        let Some(last) = page.rows.last().filter(|_| page.more) else { return Ok(()) };
        range = range.after(&last.key);
    }
}
