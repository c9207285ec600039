//! What an operation turns to when nothing of its phase is left to do: the next phase, or rest. Pure.

use std::collections::BTreeSet;

use super::state::State;
use crate::model::{BoundOutput, OnFailure, OperationKind, Phase, ResourceStatus, StackStatus, Step};
use crate::template::{DeletionPolicy, TemplateError, scalar_text};
use crate::world::Live;

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Another phase has begun.
    On,
    /// Every resource is as it should be: outputs and exports are to be published with the next commit, which may fail.
    Publish,
    /// The operation is over.
    Settled,
}

/// Turns an operation with no task running and none to start.
pub(crate) fn turn(state: &mut State) -> Turn {
    let Some(operation) = state.operation().cloned() else { return Turn::Settled };
    match (operation.phase, operation.failure) {
        (Phase::Forward, None) => match outputs(state) {
            Ok(outputs) => {
                state.stack.outputs = outputs;
                Turn::Publish
            }
            Err(error) => {
                if let Some(operation) = state.operation_mut() {
                    operation.failure = Some(error.0);
                }
                Turn::On
            }
        },
        (Phase::Forward, Some(failure)) => go_back(state, operation.kind, operation.on_failure, &failure),
        (Phase::Cleanup, _) => {
            let reason = give_up_deleting(state)
                .then(|| "Update successful. One or more resources could not be deleted.".to_owned());
            settle(state, StackStatus::UpdateComplete, reason)
        }
        (Phase::Restore, _) => {
            let failed = state.with_step(&[Step::RestoreFailed]);
            if failed.is_empty() {
                begin_restore_cleanup(state)
            } else {
                let reason = format!("The following resource(s) failed to update: [{}]. ", failed.join(", "));
                settle(state, StackStatus::UpdateRollbackFailed, Some(reason))
            }
        }
        (Phase::RestoreCleanup, _) => {
            let left = give_up_deleting(state);
            let reason = left.then(|| "One or more resources could not be deleted.".to_owned());
            settle(state, StackStatus::UpdateRollbackComplete, reason)
        }
        (Phase::Remove, _) => removed(state, operation.kind, operation.on_failure),
    }
}

/// After outputs and exports are published.
pub(crate) fn published(state: &mut State) -> Turn {
    let Some(operation) = state.operation().cloned() else { return Turn::Settled };
    state.stack.settings = operation.target;
    state.stack.settings.description = state.target.as_ref().and_then(|target| target.template.description.clone());
    state.stack.imports = std::mem::take(&mut state.imported).into_iter().collect();
    if operation.kind == OperationKind::Create {
        return settle(state, StackStatus::CreateComplete, None);
    }
    let active: BTreeSet<String> = state.target.as_ref().map(|target| target.active.clone()).unwrap_or_default();
    let ids: Vec<String> = state.resources.keys().cloned().collect();
    for id in ids {
        if active.contains(&id) {
            if let Some(record) = state.resources.get_mut(&id) {
                let replaced = record.step == Step::Replaced;
                let previous = record.previous.take().filter(|_| replaced);
                record.doomed.extend(previous.map(|instance| crate::model::Doomed {
                    retained: instance.update_replace_policy != DeletionPolicy::Delete,
                    failed: false,
                    instance,
                }));
                record.attempted = None;
            }
            state.dirty.insert(id);
        } else {
            state.doom(&id, |instance| instance.deletion_policy != DeletionPolicy::Delete);
        }
    }
    if let Some(operation) = state.operation_mut() {
        operation.phase = Phase::Cleanup;
    }
    state.set_stack_status(StackStatus::UpdateCompleteCleanupInProgress, None);
    Turn::On
}

/// The stack's outputs, as everything now is.
fn outputs(state: &mut State) -> Result<Vec<BoundOutput>, TemplateError> {
    let Some(target) = &state.target else { return Ok(Vec::new()) };
    let world = Live {
        resources: &state.resources,
        active: &target.active,
        exports: &target.exports,
        imported: parking_lot::Mutex::default(),
    };
    let evaluator = target.evaluator(&world);
    let mut out = Vec::new();
    for (key, output) in target.outputs() {
        let text = |value: &serde_json::Value| {
            let value = evaluator.evaluate(value)?;
            value
                .as_ref()
                .and_then(scalar_text)
                .ok_or_else(|| TemplateError::format(format!("Output {key} is malformed. Its value must be a String.")))
        };
        let export = output.export.as_ref().map(&text).transpose()?;
        out.push(BoundOutput {
            key: key.clone(),
            value: text(&output.value)?,
            description: output.description.clone(),
            export,
        });
    }
    let imported = world.imported.into_inner();
    state.imported.extend(imported);
    Ok(out)
}

/// After a failure.
fn go_back(state: &mut State, kind: OperationKind, on_failure: OnFailure, failure: &str) -> Turn {
    let created = state.with_step(&[Step::CreateFailed]);
    let updated = state.with_step(&[Step::UpdateFailed, Step::ReplaceFailed]);
    let mut reason = String::new();
    for (verb, ids) in [("create", created), ("update", updated)] {
        if !ids.is_empty() {
            reason.push_str(&format!("The following resource(s) failed to {verb}: [{}]. ", ids.join(", ")));
        }
    }
    if reason.is_empty() {
        reason = format!("{failure} ");
    }
    let back = Some(format!("{reason}Rollback requested by user."));
    let stays = on_failure == OnFailure::DoNothing;
    match kind {
        OperationKind::Create if stays => settle(state, StackStatus::CreateFailed, Some(reason)),
        OperationKind::Create => {
            let deleted = on_failure == OnFailure::Delete;
            begin_remove(state, true);
            let (status, reason) = if deleted {
                (StackStatus::DeleteInProgress, Some(format!("{reason}Delete requested by user.")))
            } else {
                (StackStatus::RollbackInProgress, back)
            };
            state.set_stack_status(status, reason);
            Turn::On
        }
        OperationKind::Update if stays => settle(state, StackStatus::UpdateFailed, Some(reason)),
        OperationKind::Update => {
            begin_restore(state);
            state.set_stack_status(StackStatus::UpdateRollbackInProgress, Some(reason));
            Turn::On
        }
        OperationKind::Delete => settle(state, StackStatus::DeleteFailed, Some(reason)),
    }
}

/// Everything goes. When a stack that was never complete is rolled back, what says so goes too.
pub(crate) fn begin_remove(state: &mut State, undone: bool) {
    let retain = state.operation().map(|operation| operation.retain.clone()).unwrap_or_default();
    let nothing_stays = undone && state.operation().is_some_and(|operation| operation.retain_except_on_create);
    let ids: Vec<String> = state.resources.keys().cloned().collect();
    for id in ids {
        // A replacement that never came to its cleanup: both things are there.
        let leftover = state.resources.get_mut(&id).and_then(|record| {
            let replaced = record.step == Step::Replaced;
            record.previous.take().filter(|_| replaced)
        });
        state.doom(&id, |instance| match instance.deletion_policy {
            DeletionPolicy::Delete => false,
            DeletionPolicy::Retain => !nothing_stays,
            DeletionPolicy::RetainExceptOnCreate => !undone,
        });
        let Some(record) = state.resources.get_mut(&id) else { continue };
        record.doomed.extend(leftover.map(|instance| crate::model::Doomed {
            retained: instance.update_replace_policy != DeletionPolicy::Delete,
            failed: false,
            instance,
        }));
        record.doomed.iter_mut().for_each(|one| one.retained |= retain.contains(&id));
    }
    if let Some(operation) = state.operation_mut() {
        operation.phase = Phase::Remove;
    }
}

fn begin_restore(state: &mut State) {
    let skipped = state.operation().map(|operation| operation.retain.clone()).unwrap_or_default();
    for (id, record) in &mut state.resources {
        match record.step {
            // What the template says besides properties goes back with it.
            Step::Unchanged => record.current = record.previous.take().or_else(|| record.current.take()),
            Step::ReplaceFailed => record.current = record.previous.take(),
            Step::RestoreFailed if skipped.contains(id) => {
                record.current = record.previous.take();
                record.step = Step::Restored;
            }
            Step::RestoreFailed => record.step = Step::UpdateFailed,
            _ => {}
        }
        if let (Step::Unchanged | Step::ReplaceFailed, Some(current)) = (record.step, &record.current) {
            record.type_name.clone_from(&current.type_name);
            record.physical_id.clone_from(&current.physical_id);
            record.step = Step::Restored;
        }
        state.dirty.insert(id.clone());
    }
    if let Some(operation) = state.operation_mut() {
        operation.phase = Phase::Restore;
    }
}

/// Begins a rollback again that has failed.
pub(crate) fn continue_restore(state: &mut State) {
    begin_restore(state);
    state.set_stack_status(StackStatus::UpdateRollbackInProgress, None);
}

/// What was replaced is what it was before; what was made anew is to be deleted.
fn begin_restore_cleanup(state: &mut State) -> Turn {
    let mut replaced = Vec::new();
    for (id, record) in &mut state.resources {
        let made = match record.step {
            Step::Created => record.current.take(),
            Step::Replaced => {
                let made = record.current.take();
                record.current = record.previous.take();
                if let Some(current) = &record.current {
                    record.type_name.clone_from(&current.type_name);
                    record.physical_id.clone_from(&current.physical_id);
                }
                replaced.push(id.clone());
                made
            }
            _ => None,
        };
        record.doomed.extend(made.map(|instance| crate::model::Doomed {
            retained: instance.deletion_policy == DeletionPolicy::Retain,
            failed: false,
            instance,
        }));
        record.attempted = None;
        record.previous = None;
        state.dirty.insert(id.clone());
    }
    for id in replaced {
        state.set_resource_status(&id, ResourceStatus::UpdateComplete, None);
    }
    // What could not even be made has left nothing.
    let nothing: Vec<String> = state
        .resources
        .iter()
        .filter(|(_, record)| record.current.is_none() && record.doomed.is_empty())
        .map(|(id, _)| id.clone())
        .collect();
    for id in nothing {
        state.resources.remove(&id);
        state.dirty.insert(id);
    }
    if let Some(operation) = state.operation_mut() {
        operation.phase = Phase::RestoreCleanup;
    }
    state.set_stack_status(StackStatus::UpdateRollbackCompleteCleanupInProgress, None);
    Turn::On
}

/// Forgets things that could not be deleted after an update, as the service does.
fn give_up_deleting(state: &mut State) -> bool {
    let any = state.has_doomed();
    let ids: Vec<String> = state.resources.keys().cloned().collect();
    for id in ids {
        let Some(record) = state.resources.get_mut(&id) else { continue };
        record.doomed.clear();
        if record.current.is_none() {
            state.resources.remove(&id);
        }
        state.dirty.insert(id);
    }
    any
}

fn removed(state: &mut State, kind: OperationKind, on_failure: OnFailure) -> Turn {
    let failed: Vec<String> = state
        .resources
        .iter()
        .filter(|(_, record)| record.doomed.iter().any(|one| one.failed))
        .map(|(id, _)| id.clone())
        .collect();
    let deleted = kind == OperationKind::Delete || on_failure == OnFailure::Delete;
    if failed.is_empty() && !state.has_doomed() {
        let status = if deleted { StackStatus::DeleteComplete } else { StackStatus::RollbackComplete };
        return settle(state, status, None);
    }
    // What is left can be tried again: it still exists.
    for record in state.resources.values_mut() {
        if record.current.is_none()
            && let Some(one) = record.doomed.pop()
        {
            record.current = Some(one.instance);
        }
    }
    let reason = format!("The following resource(s) failed to delete: [{}]. ", failed.join(", "));
    let status = if deleted { StackStatus::DeleteFailed } else { StackStatus::RollbackFailed };
    settle(state, status, Some(reason))
}

fn settle(state: &mut State, status: StackStatus, reason: Option<String>) -> Turn {
    let kind = state.operation().map(|operation| operation.kind);
    state.set_stack_status(status, reason);
    if kind == Some(OperationKind::Update) {
        state.stack.updated = Some(state.now);
    }
    if status == StackStatus::DeleteComplete {
        state.stack.deleted = Some(state.now);
        state.stack.outputs.clear();
        state.stack.imports.clear();
    }
    // A failed rollback is continued from what its operation says.
    if status != StackStatus::UpdateRollbackFailed {
        state.stack.operation = None;
    }
    Turn::Settled
}
