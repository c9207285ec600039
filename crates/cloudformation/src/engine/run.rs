//! Running an operation: tasks at once, one after the other where they wait, until the stack has come to rest.
//!
//! Everything that a run knows is in the store; a run that ends in the middle is taken up by [`Engine::resume`], and tasks that
//! were under way are repeated under the same names.

use std::collections::HashMap;
use std::sync::Arc;

use cauce_core::{Arn, Call, Principal, ResourceType, ServiceError, Timestamp};
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};

use super::Engine;
use super::commit::{Halt, Published, check_exports, importers, load_exports};
use super::plan::{Outcome, Running, Task, Work, next_tasks, take};
use super::state::{State, load_resources};
use super::turn::{Turn, published, turn};
use crate::dynamic;
use crate::keys;
use crate::limits::{RESOURCE_OPERATION_MAX, RUN_ATTEMPTS_MAX, RUN_PAUSE};
use crate::model::{ActiveRecord, OnFailure, Operation, OperationKind, Phase, StackRecord, TemplateRecord};
use crate::prepare::{self, Prepared};

/// Which stack a run is about.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) account: cauce_core::Account,
    pub(crate) region: cauce_core::Region,
    pub(crate) uuid: String,
}

impl Place {
    pub(crate) fn of(stack: &StackRecord) -> Place {
        Place { account: stack.account, region: stack.region.clone(), uuid: stack.uuid.clone() }
    }
}

/// Tasks under way.
#[derive(Default)]
struct Tasks {
    set: JoinSet<Outcome>,
    by_id: HashMap<Id, Task>,
}

impl Tasks {
    fn running(&self) -> Running {
        self.by_id.values().map(Task::key).collect()
    }

    /// A task that has ended, with how.
    fn ended(&mut self, joined: Result<(Id, Outcome), JoinError>) -> Option<(Task, Outcome)> {
        match joined {
            Ok((id, outcome)) => self.by_id.remove(&id).map(|task| (task, outcome)),
            Err(error) => {
                tracing::error!(%error, "a resource operation ended without an answer");
                self.by_id.remove(&error.id()).map(|task| (task, Outcome::Failed("Internal Failure".to_owned())))
            }
        }
    }
}

impl Engine {
    /// Runs the operation of a stack to its end, over failures of the store.
    pub(super) async fn run(self: &Arc<Self>, place: &Place, cancel: &Notify) {
        for attempt in 1..=RUN_ATTEMPTS_MAX {
            match self.run_once(place, cancel).await {
                Ok(()) | Err(Halt::Lost) => return,
                Err(error) => {
                    tracing::error!(stack = place.uuid, attempt, %error, "a stack operation is interrupted");
                    self.env.sleep(RUN_PAUSE).await;
                }
            }
        }
    }

    async fn load(&self, place: &Place) -> Result<(State, Operation, Published, ActiveRecord), Halt> {
        let now = self.env.now();
        let loaded = self.db.transact(async |tx| {
            let mark = keys::active(place.account, &place.region, &place.uuid);
            let active: ActiveRecord = tx.get_record(&mark).await?.ok_or(Halt::Lost)?;
            let key = keys::stack(place.account, &place.region, &place.uuid);
            let stack: StackRecord = tx.get_record(&key).await?.ok_or(Halt::Lost)?;
            let operation = stack.operation.clone().filter(|operation| operation.serial == active.serial);
            let operation = operation.ok_or(Halt::Lost)?;
            let resources = load_resources(&tx, &place.uuid).await?;
            let record: Option<TemplateRecord> = match operation.kind {
                OperationKind::Delete => None,
                _ => tx.get_record(&keys::template(&place.uuid, operation.target.template)).await?,
            };
            let exports = load_exports(&tx, place.account, &place.region).await?;
            Ok::<_, Halt>((stack, operation, resources, record, exports, active))
        });
        let (stack, operation, resources, record, exports, active) = loaded.await?;
        let pseudo = prepare::pseudo(&stack, &operation.target);
        let target = match record {
            // It was read and checked before the operation began, so this does not fail; if a later program reads less, the
            // operation fails with what it says.
            Some(record) => Prepared::new(&record, &operation.target.parameters, pseudo, exports).map(Some),
            None => Ok(None),
        };
        let published = Published::of(&stack);
        let mut state = State::new(stack, resources, None, now);
        match target {
            Ok(target) => state.target = target,
            Err(error) => {
                if let Some(operation) = state.operation_mut() {
                    operation.failure.get_or_insert(error.0);
                }
            }
        }
        Ok((state, operation, published, active))
    }

    async fn run_once(self: &Arc<Self>, place: &Place, cancel: &Notify) -> Result<(), Halt> {
        let (mut state, operation, mut published, mut mark) = self.load(place).await?;
        let caller = operation.caller.clone();
        let told = caller.call(&self.env, place.account, place.region.clone(), caller.principal.clone());
        let mut tasks = Tasks::default();
        if operation.kind == OperationKind::Delete && operation.phase == Phase::Remove {
            self.refuse_used_exports(&mut state).await?;
        }
        loop {
            state.now = self.env.now();
            interrupt(&mut state, &mark);
            let started = next_tasks(&mut state, &self.types, &tasks.running());
            let idle = started.is_empty() && tasks.by_id.is_empty();
            let before = state.stack.outputs.clone();
            let turned = if idle { turn(&mut state) } else { Turn::On };
            let turned =
                if turned == Turn::Publish { self.publish(&mut state, before, &published).await? } else { turned };
            mark = self.commit(&mut state, operation.serial, &told, &mut published).await?;
            if turned == Turn::Settled {
                return Ok(());
            }
            self.begin(&mut tasks, started, &state, &operation).await;
            if tasks.by_id.is_empty() {
                continue;
            }
            let deadline = self.deadline(&state);
            tokio::select! {
                joined = tasks.set.join_next_with_id() => {
                    if let Some((task, outcome)) = joined.and_then(|joined| tasks.ended(joined)) {
                        state.now = self.env.now();
                        take(&mut state, &task, outcome);
                    }
                }
                () = cancel.notified() => {}
                () = self.env.sleep_until(deadline) => {}
            }
        }
    }

    /// Until when the operation may go forward; far away if there is no limit or it goes back already.
    fn deadline(&self, state: &State) -> Timestamp {
        let open =
            state.operation().filter(|operation| operation.phase == Phase::Forward && operation.failure.is_none());
        let limit = open.and_then(|operation| operation.deadline);
        limit.unwrap_or_else(|| self.env.now() + RESOURCE_OPERATION_MAX * 2)
    }

    /// A stack whose exports others use is not deleted.
    async fn refuse_used_exports(&self, state: &mut State) -> Result<(), Halt> {
        let stack = &state.stack;
        let used = self.db.transact(async |tx| {
            for output in &stack.outputs {
                let Some(name) = &output.export else { continue };
                let users = importers(&tx, stack, name).await?;
                if !users.is_empty() {
                    let users = users.join(" and ");
                    return Ok::<_, Halt>(Some(format!("Export {name} cannot be deleted as it is in use by {users}")));
                }
            }
            Ok(None)
        });
        let Some(reason) = used.await? else { return Ok(()) };
        if let Some(operation) = state.operation_mut() {
            operation.phase = Phase::Forward;
            operation.failure = Some(reason);
        }
        Ok(())
    }

    /// Publishes outputs, or makes the operation fail because an export cannot be.
    async fn publish(
        &self,
        state: &mut State,
        before: Vec<crate::model::BoundOutput>,
        last: &Published,
    ) -> Result<Turn, Halt> {
        let stack = &state.stack;
        let checked = self.db.transact(async |tx| check_exports(&tx, stack, last).await).await;
        match checked {
            Ok(()) => Ok(published(state)),
            Err(Halt::Export(reason)) => {
                state.stack.outputs = before;
                if let Some(operation) = state.operation_mut() {
                    operation.failure = Some(reason);
                }
                Ok(Turn::On)
            }
            Err(other) => Err(other),
        }
    }

    async fn begin(self: &Arc<Self>, tasks: &mut Tasks, started: Vec<Task>, state: &State, operation: &Operation) {
        if started.is_empty() {
            return;
        }
        let principal = self.acting(state, operation).await;
        for task in started {
            let Some(kind) = self.types.get(&task.type_name).cloned() else {
                // A type that this program no longer knows; the task ends as failed.
                let reason = format!("Unrecognized resource types: [{}]", task.type_name);
                let handle = tasks.set.spawn(async move { Outcome::Failed(reason) });
                tasks.by_id.insert(handle.id(), task);
                continue;
            };
            let principal = principal.clone();
            let (engine, caller, work) = (Arc::clone(self), operation.caller.clone(), task.work.clone());
            let (account, region) = (state.stack.account, state.stack.region.clone());
            let handle = tasks.set.spawn(async move {
                match principal {
                    Ok(principal) => {
                        let call = caller.call(&engine.env, account, region, principal);
                        engine.perform(&*kind, &call, work).await
                    }
                    Err(reason) => Outcome::Failed(reason),
                }
            });
            tasks.by_id.insert(handle.id(), task);
        }
    }

    /// Who acts on the resources: the caller, or the role that the stack has.
    async fn acting(&self, state: &State, operation: &Operation) -> Result<Principal, String> {
        let role = operation.target.role_arn.as_ref().or(state.stack.settings.role_arn.as_ref());
        let Some(role) = role else { return Ok(operation.caller.principal.clone()) };
        let unusable = |why: String| format!("Role {role} is invalid or cannot be assumed: {why}");
        let arn: Arn = role.parse().map_err(|error: cauce_core::ArnError| unusable(error.to_string()))?;
        let session = self.identity.assume_role(&arn, "cloudformation.amazonaws.com", "AWSCloudFormation").await;
        let session = session.map_err(|error| unusable(error.message().to_owned()))?;
        let key = self.identity.presented_key(&session.access_key_id, Some(&session.session_token)).await;
        let key = key.map_err(|error| unusable(error.message().to_owned()))?;
        key.map(|key| key.principal).ok_or_else(|| unusable("its session has ended".to_owned()))
    }

    async fn perform(&self, kind: &dyn ResourceType, call: &Call, work: Work) -> Outcome {
        let work = async {
            match work {
                Work::Create(mut request) => {
                    request.properties = dynamic::resolve(&request.properties, &*self.references, call).await?;
                    kind.create(call, request).await.map(Outcome::Provisioned).map_err(|error| shown(&error))
                }
                Work::Update(mut request) => {
                    request.properties = dynamic::resolve(&request.properties, &*self.references, call).await?;
                    // What the old references stood for may be gone.
                    if let Ok(previous) = dynamic::resolve(&request.previous, &*self.references, call).await {
                        request.previous = previous;
                    }
                    kind.update(call, request).await.map(Outcome::Provisioned).map_err(|error| shown(&error))
                }
                // What is deleted needs no secrets, and the references may be gone by now.
                Work::Delete(request) => {
                    kind.delete(call, request).await.map(|()| Outcome::Deleted).map_err(|error| shown(&error))
                }
            }
        };
        tokio::select! {
            outcome = work => outcome.unwrap_or_else(Outcome::Failed),
            () = self.env.sleep(RESOURCE_OPERATION_MAX) => {
                Outcome::Failed(format!("Exceeded attempts to wait: the limit is {} s", RESOURCE_OPERATION_MAX.as_secs()))
            }
        }
    }
}

/// Makes an operation fail that has been cancelled or has taken too long.
fn interrupt(state: &mut State, mark: &ActiveRecord) {
    let now = state.now;
    let Some(operation) = state.operation() else { return };
    if operation.phase != Phase::Forward || operation.failure.is_some() {
        return;
    }
    let late = operation.deadline.is_some_and(|deadline| deadline <= now);
    let reason = if mark.cancelled {
        "User Initiated"
    } else if late {
        "Stack creation time exceeded the specified timeout."
    } else {
        return;
    };
    if let Some(operation) = state.operation_mut() {
        operation.failure = Some(reason.to_owned());
        if mark.delete {
            operation.on_failure = OnFailure::Delete;
        }
    }
}

/// A service's refusal as the reason of a resource's state.
fn shown(error: &ServiceError) -> String {
    if error.fault() == cauce_core::Fault::Receiver {
        tracing::error!(?error, "a resource operation failed inside");
    }
    format!("Resource handler returned message: \"{}\" (HandlerErrorCode: {})", error.message(), error.code())
}
