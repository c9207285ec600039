//! What an operation does next. Pure: from the state to tasks, from the outcome of a task to the next state.
//!
//! *Forward*: a resource starts when everything it waits for is done. *Restore*: what an update has changed is changed back in
//! the order of what waits for what. *Cleanup*, *restore cleanup* and *remove*: a thing is deleted when nothing that was made
//! on it is left.

use std::collections::BTreeSet;

use cauce_core::{CreateRequest, DeleteRequest, Provisioned, UpdateRequest};
use serde_json::{Map, Value};

use super::state::State;
use crate::change::changed_properties;
use crate::limits::{PROPERTIES_BYTES_MAX, RESOURCES_AT_ONCE};
use crate::model::{Instance, Phase, ResourceRecord, ResourceStatus, Step};
use crate::name;
use crate::template::{ResourceDeclaration, TemplateError};
use crate::types::Types;
use crate::world::Live;

/// A request to a resource type.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Create(CreateRequest),
    Update(UpdateRequest),
    Delete(DeleteRequest),
}

/// A request with what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) logical_id: String,
    pub(crate) type_name: String,
    pub(crate) work: Work,
}

/// What identifies a running task: the resource, and the thing where one is deleted.
pub(crate) type Running = BTreeSet<(String, String)>;

impl Task {
    pub(crate) fn key(&self) -> (String, String) {
        let physical_id = match &self.work {
            Work::Delete(request) => request.physical_id.clone(),
            Work::Create(_) | Work::Update(_) => String::new(),
        };
        (self.logical_id.clone(), physical_id)
    }
}

/// How a task ended; a failure is the reason that is shown.
pub(crate) enum Outcome {
    Provisioned(Provisioned),
    Deleted,
    Failed(String),
}

/// The tasks that can start now. The state says of each that it is in progress.
pub(crate) fn next_tasks(state: &mut State, types: &Types, running: &Running) -> Vec<Task> {
    let room = RESOURCES_AT_ONCE.saturating_sub(running.len());
    match state.phase() {
        Phase::Forward => forward(state, types, running, room),
        Phase::Restore => restore(state, running, room),
        Phase::Cleanup | Phase::RestoreCleanup | Phase::Remove => deletions(state, running, room),
    }
}

fn is_done(step: Step) -> bool {
    matches!(step, Step::Unchanged | Step::Created | Step::Updated | Step::Replaced)
}

fn forward(state: &mut State, types: &Types, running: &Running, room: usize) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    let mut started = BTreeSet::new();
    loop {
        let failed = state.operation().is_none_or(|operation| operation.failure.is_some());
        if failed || tasks.len() >= room {
            return tasks;
        }
        let Some(target) = &state.target else { return tasks };
        let step_of = |id: &str| state.resources.get(id).map_or(Step::Untouched, |record| record.step);
        let ready = target.dependencies.iter().find(|(id, before)| {
            let id = id.as_str();
            let busy = started.contains(id) || running.contains(&(id.to_owned(), String::new()));
            !busy && !is_done(step_of(id)) && before.iter().all(|id| is_done(step_of(id)))
        });
        let Some((id, _)) = ready else { return tasks };
        let id = id.clone();
        started.insert(id.clone());
        tasks.extend(start(state, types, &id));
    }
}

/// Begins with a resource: makes, changes or replaces it, or finds that nothing is to be done.
fn start(state: &mut State, types: &Types, id: &str) -> Option<Task> {
    let target = state.target.as_ref()?;
    let declared = target.template.resources.get(id)?.clone();
    let world = Live {
        resources: &state.resources,
        active: &target.active,
        exports: &target.exports,
        imported: parking_lot::Mutex::default(),
    };
    let evaluated = target.evaluator(&world).properties(&declared.properties);
    let depends_on: Vec<String> = target.dependencies.get(id).into_iter().flatten().cloned().collect();
    let imported = world.imported.into_inner();
    state.imported.extend(imported);
    ensure_record(state, id, &declared);
    let properties = match evaluated.and_then(|properties| within(id, properties)) {
        Ok(properties) => properties,
        Err(error) => {
            fail(state, id, error.0);
            return None;
        }
    };
    let record = state.resources.get(id)?;
    // A task that was under way when the program ended is repeated as it was.
    let step = match record.step {
        step @ (Step::Creating | Step::Updating | Step::Replacing) => step,
        _ => match &record.current {
            None => Step::Creating,
            Some(current) => step_for(current, &declared, &properties, types),
        },
    };
    if step == Step::Unchanged {
        keep(state, id, &declared, depends_on);
        return None;
    }
    begin_step(state, types, id, &declared, properties, step)
}

/// What is stored of a resource is bounded, whatever its references turn out to be.
fn within(id: &str, properties: Map<String, Value>) -> Result<Map<String, Value>, TemplateError> {
    let bytes = serde_json::to_vec(&properties).map_or(usize::MAX, |text| text.len());
    if bytes <= PROPERTIES_BYTES_MAX {
        return Ok(properties);
    }
    Err(TemplateError(format!("the properties of {id} take {bytes} bytes, the limit is {PROPERTIES_BYTES_MAX}")))
}

fn step_for(
    current: &Instance,
    declared: &ResourceDeclaration,
    properties: &Map<String, Value>,
    types: &Types,
) -> Step {
    if current.type_name != declared.type_name {
        return Step::Replacing;
    }
    let changed = changed_properties(&current.properties, properties);
    if changed.is_empty() {
        Step::Unchanged
    } else if types.replaces(&current.type_name, &changed) {
        Step::Replacing
    } else {
        Step::Updating
    }
}

fn ensure_record(state: &mut State, id: &str, declared: &ResourceDeclaration) {
    let now = state.now;
    let record = state.resources.entry(id.to_owned()).or_insert_with(|| ResourceRecord {
        logical_id: id.to_owned(),
        type_name: String::new(),
        physical_id: String::new(),
        status: ResourceStatus::CreateInProgress,
        reason: None,
        updated: now,
        step: Step::Untouched,
        current: None,
        previous: None,
        attempted: None,
        doomed: Vec::new(),
    });
    record.type_name.clone_from(&declared.type_name);
    if record.current.is_none() {
        record.physical_id.clear();
    }
    state.dirty.insert(id.to_owned());
}

/// Nothing to be done but to remember what the template now says besides properties.
fn keep(state: &mut State, id: &str, declared: &ResourceDeclaration, depends_on: Vec<String>) {
    let Some(record) = state.resources.get_mut(id) else { return };
    record.step = Step::Unchanged;
    if let Some(current) = &mut record.current {
        record.previous = Some(current.clone());
        current.depends_on = depends_on;
        current.deletion_policy = declared.deletion_policy;
        current.update_replace_policy = declared.update_replace_policy;
        current.metadata.clone_from(&declared.metadata);
    }
}

fn begin_step(
    state: &mut State,
    types: &Types,
    id: &str,
    declared: &ResourceDeclaration,
    properties: Map<String, Value>,
    step: Step,
) -> Option<Task> {
    let serial = state.operation()?.serial;
    let schema = types.schema(&declared.type_name)?;
    let record = state.resources.get_mut(id)?;
    let resumed = record.step == step;
    let custom_name = schema.name_property.and_then(|name| properties.get(name));
    let clash = step == Step::Replacing
        && custom_name.is_some()
        && record.current.as_ref().is_some_and(|current| {
            current.type_name == declared.type_name
                && schema.name_property.and_then(|name| current.properties.get(name)) == custom_name
        });
    if clash {
        record.previous.clone_from(&record.current);
        fail_as(
            state,
            id,
            Step::ReplaceFailed,
            format!(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {} and update the \
                 stack again.",
                custom_name.and_then(Value::as_str).unwrap_or(id)
            ),
        );
        return None;
    }
    record.step = step;
    record.attempted = Some(properties.clone());
    if step != Step::Creating && !resumed {
        record.previous.clone_from(&record.current);
    }
    let (stack_id, logical_id) = (state.stack.id.clone(), id.to_owned());
    let work = match (step, &record.previous) {
        (Step::Updating, Some(previous)) => Work::Update(UpdateRequest {
            stack_id,
            logical_id,
            physical_id: previous.physical_id.clone(),
            previous: previous.properties.clone(),
            properties,
        }),
        _ => Work::Create(CreateRequest {
            generated_name: name::generate(schema, &stack_id, &state.stack.name, id, serial),
            stack_id,
            logical_id,
            properties,
        }),
    };
    if !resumed {
        let replacing = "Requested update requires the creation of a new physical resource; hence creating one.";
        match step {
            Step::Creating => state.set_resource_status(id, ResourceStatus::CreateInProgress, None),
            Step::Replacing => {
                state.set_resource_status(id, ResourceStatus::UpdateInProgress, Some(replacing.to_owned()));
            }
            _ => state.set_resource_status(id, ResourceStatus::UpdateInProgress, None),
        }
    }
    Some(Task { logical_id: id.to_owned(), type_name: declared.type_name.clone(), work })
}

/// A resource could not be made or changed.
fn fail(state: &mut State, id: &str, reason: String) {
    let record = state.resources.get(id);
    let step = match record.map(|record| (record.step, record.current.is_some())) {
        Some((Step::Creating | Step::Untouched, false)) => Step::CreateFailed,
        Some((Step::Replacing, _)) => Step::ReplaceFailed,
        Some((Step::Restoring, _)) => Step::RestoreFailed,
        // It was not even tried, so there is nothing to change back.
        Some((Step::Untouched, true)) => Step::ReplaceFailed,
        _ => Step::UpdateFailed,
    };
    if step == Step::ReplaceFailed
        && let Some(record) = state.resources.get_mut(id)
        && record.previous.is_none()
    {
        record.previous.clone_from(&record.current);
    }
    fail_as(state, id, step, reason);
}

fn fail_as(state: &mut State, id: &str, step: Step, reason: String) {
    if let Some(record) = state.resources.get_mut(id) {
        record.step = step;
    }
    let status = if step == Step::CreateFailed { ResourceStatus::CreateFailed } else { ResourceStatus::UpdateFailed };
    state.set_resource_status(id, status, Some(reason.clone()));
    if step != Step::RestoreFailed
        && let Some(operation) = state.operation_mut()
    {
        operation.failure.get_or_insert(reason);
    }
}

/// Changes back what can be: resources whose update was tried, after those that they were made on.
fn restore(state: &mut State, running: &Running, room: usize) -> Vec<Task> {
    let waiting = state.with_step(&[Step::Updated, Step::Updating, Step::UpdateFailed, Step::Restoring]);
    let left: BTreeSet<&String> = waiting.iter().collect();
    let mut ready = Vec::new();
    for id in &waiting {
        let Some(previous) = state.resources.get(id).and_then(|record| record.previous.as_ref()) else { continue };
        let blocked = previous.depends_on.iter().any(|before| left.contains(before));
        if !blocked && !running.contains(&(id.clone(), String::new())) && ready.len() < room {
            ready.push(id.clone());
        }
    }
    // What waits for each other in a circle of old and new dependencies is not held up for ever.
    if ready.is_empty() && running.is_empty() {
        ready.extend(waiting.first().cloned());
    }
    ready.into_iter().filter_map(|id| restore_one(state, &id)).collect()
}

fn restore_one(state: &mut State, id: &str) -> Option<Task> {
    let stack_id = state.stack.id.clone();
    let record = state.resources.get_mut(id)?;
    let previous = record.previous.clone()?;
    let resumed = record.step == Step::Restoring;
    record.step = Step::Restoring;
    let attempted = record.attempted.clone().unwrap_or_else(|| previous.properties.clone());
    if !resumed {
        state.set_resource_status(id, ResourceStatus::UpdateInProgress, None);
    }
    Some(Task {
        logical_id: id.to_owned(),
        type_name: previous.type_name,
        work: Work::Update(UpdateRequest {
            stack_id,
            logical_id: id.to_owned(),
            physical_id: previous.physical_id,
            previous: attempted,
            properties: previous.properties,
        }),
    })
}

/// Deletes what is doomed and on which nothing else that is doomed was made.
fn deletions(state: &mut State, running: &Running, room: usize) -> Vec<Task> {
    skip_retained(state);
    let needed = needed(state);
    let mut ready: Vec<String> = state.resources.keys().rev().filter(|id| !needed.contains(*id)).cloned().collect();
    let undone = |state: &State, id: &String| {
        state.resources.get(id).is_some_and(|record| record.doomed.iter().any(|one| !one.failed && !one.retained))
    };
    ready.retain(|id| undone(state, id));
    if ready.is_empty() && running.is_empty() {
        // Things made on each other, by templates that came one after the other: someone must go first.
        let stuck = stuck(state);
        let first = state.resources.keys().find(|id| undone(state, id) && !stuck.contains(*id)).cloned();
        ready.extend(first);
    }
    let mut tasks = Vec::new();
    for id in ready {
        let doomed = state.resources.get(&id).map(|record| record.doomed.clone()).unwrap_or_default();
        for one in doomed.into_iter().filter(|one| !one.failed && !one.retained) {
            let key = (id.clone(), one.instance.physical_id.clone());
            if running.contains(&key) || tasks.len() >= room {
                continue;
            }
            show_deletion(state, &id, &one.instance.physical_id, ResourceStatus::DeleteInProgress, None);
            tasks.push(Task {
                logical_id: id.clone(),
                type_name: one.instance.type_name,
                work: Work::Delete(DeleteRequest {
                    stack_id: state.stack.id.clone(),
                    physical_id: one.instance.physical_id,
                    properties: one.instance.properties,
                }),
            });
        }
    }
    tasks
}

/// The resources on which something doomed of another was made.
fn needed(state: &State) -> BTreeSet<String> {
    let of = |(id, record): (&String, &ResourceRecord)| {
        let depends_on = record.doomed.iter().flat_map(|one| one.instance.depends_on.iter());
        depends_on.filter(|before| *before != id).cloned().collect::<Vec<_>>()
    };
    state.resources.iter().flat_map(of).collect()
}

/// The other resources of which something doomed was made on `id`.
fn dependents<'a>(state: &'a State, id: &str) -> Vec<&'a String> {
    let needs = |record: &ResourceRecord| {
        record.doomed.iter().any(|one| one.instance.depends_on.iter().any(|before| before == id))
    };
    let others = state.resources.iter().filter(|(other, record)| *other != id && needs(record));
    others.map(|(other, _)| other).collect()
}

/// What cannot be deleted because something could not be that was made on it.
fn stuck(state: &State) -> BTreeSet<String> {
    let failed = state.resources.iter().filter(|(_, record)| record.doomed.iter().any(|one| one.failed));
    let mut stuck: BTreeSet<String> = failed.map(|(id, _)| id.clone()).collect();
    loop {
        let more: Vec<String> = state
            .resources
            .keys()
            .filter(|id| !stuck.contains(*id) && dependents(state, id).into_iter().any(|other| stuck.contains(other)))
            .cloned()
            .collect();
        if more.is_empty() {
            return stuck;
        }
        stuck.extend(more);
    }
}

/// Lets go of what stays, once nothing that was made on it is waiting any more.
fn skip_retained(state: &mut State) {
    loop {
        let stays = |record: &ResourceRecord| record.doomed.iter().any(|one| one.retained);
        if !state.resources.values().any(stays) {
            return;
        }
        let needed = needed(state);
        let next = state.resources.iter().find(|(id, record)| stays(record) && !needed.contains(*id));
        let Some(id) = next.map(|(id, _)| id.clone()) else { return };
        let Some(record) = state.resources.get_mut(&id) else { return };
        let retained: Vec<String> =
            record.doomed.iter().filter(|one| one.retained).map(|one| one.instance.physical_id.clone()).collect();
        record.doomed.retain(|one| !one.retained);
        for physical_id in retained {
            show_deletion(state, &id, &physical_id, ResourceStatus::DeleteSkipped, None);
        }
        forget(state, &id);
    }
}

/// Tells of a deletion; it is the state of the resource only where nothing else of it is left.
fn show_deletion(state: &mut State, id: &str, physical_id: &str, status: ResourceStatus, reason: Option<String>) {
    let whole = state.resources.get(id).is_some_and(|record| record.current.is_none());
    if whole {
        if let Some(record) = state.resources.get_mut(id) {
            physical_id.clone_into(&mut record.physical_id);
            record.attempted = None;
        }
        state.set_resource_status(id, status, reason);
    } else {
        state.tell(id, physical_id, status, reason, None);
    }
}

/// Drops the record of a resource of which nothing is left, except where the stack itself goes: there it is still shown.
fn forget(state: &mut State, id: &str) {
    let gone = state.resources.get(id).is_some_and(|record| record.current.is_none() && record.doomed.is_empty());
    if gone && state.phase() != Phase::Remove {
        state.resources.remove(id);
        state.dirty.insert(id.to_owned());
    }
}

/// Takes in how a task ended.
pub(crate) fn take(state: &mut State, task: &Task, outcome: Outcome) {
    let id = task.logical_id.as_str();
    state.dirty.insert(id.to_owned());
    match (&task.work, outcome) {
        (Work::Delete(request), Outcome::Deleted | Outcome::Provisioned(_)) => {
            show_deletion(state, id, &request.physical_id, ResourceStatus::DeleteComplete, None);
            if let Some(record) = state.resources.get_mut(id) {
                record.doomed.retain(|one| one.instance.physical_id != request.physical_id);
            }
            forget(state, id);
        }
        (Work::Delete(request), Outcome::Failed(reason)) => {
            show_deletion(state, id, &request.physical_id, ResourceStatus::DeleteFailed, Some(reason));
            let doomed = state.resources.get_mut(id).into_iter().flat_map(|record| record.doomed.iter_mut());
            doomed.filter(|one| one.instance.physical_id == request.physical_id).for_each(|one| one.failed = true);
        }
        (_, Outcome::Failed(reason)) => fail(state, id, reason),
        (Work::Create(_), Outcome::Provisioned(made)) => made_one(state, id, made, true),
        (Work::Update(_), Outcome::Provisioned(made)) => made_one(state, id, made, false),
        (Work::Create(_) | Work::Update(_), Outcome::Deleted) => {}
    }
}

fn made_one(state: &mut State, id: &str, made: Provisioned, new: bool) {
    let restoring = state.resources.get(id).is_some_and(|record| record.step == Step::Restoring);
    if restoring {
        if let Some(record) = state.resources.get_mut(id) {
            let mut instance = record.previous.take();
            if let Some(instance) = &mut instance {
                instance.attributes = made.attributes;
            }
            record.current = instance;
            record.step = Step::Restored;
            record.attempted = None;
        }
        state.set_resource_status(id, ResourceStatus::UpdateComplete, None);
        return;
    }
    let Some(target) = &state.target else { return };
    let Some(declared) = target.template.resources.get(id) else { return };
    let depends_on = target.dependencies.get(id).into_iter().flatten().cloned().collect();
    let Some(record) = state.resources.get_mut(id) else { return };
    let instance = Instance {
        type_name: declared.type_name.clone(),
        physical_id: made.physical_id,
        properties: record.attempted.clone().unwrap_or_default(),
        attributes: made.attributes,
        depends_on,
        deletion_policy: declared.deletion_policy,
        update_replace_policy: declared.update_replace_policy,
        metadata: declared.metadata.clone(),
    };
    let created = record.step == Step::Creating;
    let replaced = record.previous.as_ref().is_some_and(|previous| previous.physical_id != instance.physical_id);
    record.physical_id.clone_from(&instance.physical_id);
    record.step = match (created, replaced) {
        (true, _) => Step::Created,
        (_, true) => Step::Replaced,
        _ => Step::Updated,
    };
    record.current = Some(instance);
    if created {
        state.set_resource_status(id, ResourceStatus::CreateInProgress, Some("Resource creation Initiated".to_owned()));
        state.set_resource_status(id, ResourceStatus::CreateComplete, None);
    } else {
        if new {
            let reason = Some("Resource creation Initiated".to_owned());
            state.set_resource_status(id, ResourceStatus::UpdateInProgress, reason);
        }
        state.set_resource_status(id, ResourceStatus::UpdateComplete, None);
    }
}
