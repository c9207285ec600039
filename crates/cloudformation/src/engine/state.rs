//! A stack with an operation under way, in memory, with what has changed since the last commit.

use std::collections::{BTreeMap, BTreeSet};

use cauce_core::Timestamp;
use cauce_store::{Bytes, RangeReq, StoreError, Tx, decode_row};
use serde_json::{Map, Value};

use crate::keys;
use crate::model::{
    Doomed, EventRecord, Instance, Operation, Phase, ResourceRecord, ResourceStatus, StackRecord, StackStatus, Step,
};
use crate::prepare::Prepared;
use crate::template::DeletionPolicy;

/// The type that events of the stack itself carry.
pub(crate) const STACK_TYPE: &str = "AWS::CloudFormation::Stack";
/// Rows of one read.
const PAGE_ROWS: usize = 1_000;

/// What an operation works on.
pub(crate) struct State {
    pub(crate) stack: StackRecord,
    pub(crate) resources: BTreeMap<String, ResourceRecord>,
    /// The template that is being deployed; none when everything is removed.
    pub(crate) target: Option<Prepared>,
    /// What the operation has imported.
    pub(crate) imported: BTreeSet<String>,
    pub(crate) now: Timestamp,
    /// Resources whose rows must be written; those that are gone must be cleared.
    pub(crate) dirty: BTreeSet<String>,
    pub(crate) stack_dirty: bool,
    pub(crate) events: Vec<EventRecord>,
}

/// All resources of a stack.
pub(crate) async fn load_resources(tx: &Tx, uuid: &str) -> Result<BTreeMap<String, ResourceRecord>, StoreError> {
    let mut out = BTreeMap::new();
    let mut req = RangeReq::new(keys::resources(uuid), PAGE_ROWS);
    loop {
        let rows = tx.range(req.clone()).await?;
        let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(out) };
        for row in &rows {
            let record: ResourceRecord = decode_row(row)?;
            out.insert(record.logical_id.clone(), record);
        }
        req = req.after(&last);
    }
}

/// The number that the next event of a stack gets.
pub(crate) async fn next_event(tx: &Tx, uuid: &str) -> Result<u64, StoreError> {
    let rows = tx.range(RangeReq::new(keys::events(uuid), 1).reversed()).await?;
    Ok(rows.first().and_then(|row| keys::event_number(&row.key)).map_or(0, |number| number + 1))
}

/// Writes events behind those that there are.
pub(crate) async fn append_events(tx: &Tx, uuid: &str, events: &[EventRecord]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let first = next_event(tx, uuid).await?;
    for (number, event) in (first..).zip(events) {
        // The number makes the id unique: two events of a resource may share state and moment.
        let event = EventRecord { id: format!("{}-{number}", event.id), ..event.clone() };
        tx.set_record(keys::event(uuid, number), &event)?;
    }
    Ok(())
}

/// The key of a stack's row.
pub(crate) fn stack_key(stack: &StackRecord) -> Bytes {
    keys::stack(stack.account, &stack.region, &stack.uuid)
}

/// An event of a stack itself.
pub(crate) fn stack_event(stack: &StackRecord, at: Timestamp, token: Option<String>) -> EventRecord {
    EventRecord {
        id: stack.uuid.clone(),
        logical_id: stack.name.clone(),
        physical_id: stack.id.clone(),
        type_name: STACK_TYPE.to_owned(),
        at,
        status: stack.status.as_str().to_owned(),
        reason: stack.status_reason.clone(),
        properties: None,
        token,
    }
}

impl State {
    pub(crate) fn new(
        stack: StackRecord,
        resources: BTreeMap<String, ResourceRecord>,
        target: Option<Prepared>,
        now: Timestamp,
    ) -> State {
        State {
            stack,
            resources,
            target,
            imported: BTreeSet::new(),
            now,
            dirty: BTreeSet::new(),
            stack_dirty: false,
            events: Vec::new(),
        }
    }

    pub(crate) fn operation(&self) -> Option<&Operation> {
        self.stack.operation.as_ref()
    }

    pub(crate) fn operation_mut(&mut self) -> Option<&mut Operation> {
        self.stack_dirty = true;
        self.stack.operation.as_mut()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.operation().map_or(Phase::Remove, |operation| operation.phase)
    }

    fn token(&self) -> Option<String> {
        self.operation().and_then(|operation| operation.token.clone())
    }

    /// Changes the state of the stack.
    pub(crate) fn set_stack_status(&mut self, status: StackStatus, reason: Option<String>) {
        self.stack.status = status;
        self.stack.status_reason = reason;
        self.stack_dirty = true;
        let event = stack_event(&self.stack, self.now, self.token());
        self.events.push(event);
    }

    /// Changes the state of a resource.
    pub(crate) fn set_resource_status(&mut self, id: &str, status: ResourceStatus, reason: Option<String>) {
        let now = self.now;
        let Some(record) = self.resources.get_mut(id) else { return };
        record.status = status;
        record.reason.clone_from(&reason);
        record.updated = now;
        let physical_id = record.physical_id.clone();
        let properties = record.attempted.clone().or_else(|| record.current.as_ref().map(|i| i.properties.clone()));
        self.tell(id, &physical_id, status, reason, properties);
    }

    /// Tells of a resource without changing its state.
    pub(crate) fn tell(
        &mut self,
        id: &str,
        physical_id: &str,
        status: ResourceStatus,
        reason: Option<String>,
        properties: Option<Map<String, Value>>,
    ) {
        self.dirty.insert(id.to_owned());
        let Some(record) = self.resources.get(id) else { return };
        let shown = |properties: Map<String, Value>| {
            let properties = Value::Object(properties);
            self.target.as_ref().map_or_else(|| properties.to_string(), |target| target.shown(&properties).to_string())
        };
        let event = EventRecord {
            id: format!("{id}-{}-{}", status.as_str(), self.now.iso_millis()),
            logical_id: id.to_owned(),
            physical_id: physical_id.to_owned(),
            type_name: record.type_name.clone(),
            at: self.now,
            status: status.as_str().to_owned(),
            reason,
            properties: properties.map(shown),
            token: self.token(),
        };
        self.events.push(event);
    }

    /// Makes the records ready for a new operation: what the last one left over is sorted into what is and what goes.
    pub(crate) fn begin(&mut self) {
        for (id, record) in &mut self.resources {
            if record.step == Step::Replaced
                && let Some(previous) = record.previous.take()
            {
                let retained = previous.update_replace_policy != DeletionPolicy::Delete;
                record.doomed.push(Doomed { instance: previous, retained, failed: false });
            }
            record.step = Step::Untouched;
            record.previous = None;
            record.attempted = None;
            record.doomed.iter_mut().for_each(|doomed| doomed.failed = false);
            self.dirty.insert(id.clone());
        }
    }

    /// Marks what exists of a resource for deletion.
    pub(crate) fn doom(&mut self, id: &str, retained: impl Fn(&Instance) -> bool) {
        let Some(record) = self.resources.get_mut(id) else { return };
        if let Some(instance) = record.current.take() {
            let retained = retained(&instance);
            record.doomed.push(Doomed { instance, retained, failed: false });
        }
        self.dirty.insert(id.to_owned());
    }

    /// Whether anything waits for deletion.
    pub(crate) fn has_doomed(&self) -> bool {
        self.resources.values().any(|record| !record.doomed.is_empty())
    }

    /// The resources whose last step is one of these.
    pub(crate) fn with_step(&self, steps: &[Step]) -> Vec<String> {
        let found = self.resources.iter().filter(|(_, record)| steps.contains(&record.step));
        found.map(|(id, _)| id.clone()).collect()
    }
}
