//! Making the state of an operation durable: one transaction a turn, refused once the operation is another's.

use std::collections::BTreeMap;

use cauce_core::{Call, Timestamp};
use cauce_store::{RangeReq, StoreError, Tx, decode_row};

use super::Engine;
use super::state::{STACK_TYPE, State, append_events, stack_key};
use crate::keys;
use crate::limits::EXPORTS_MAX;
use crate::model::{
    ActiveRecord, BoundOutput, EventRecord, ExportRecord, ImportRecord, ResourceRecord, StackRecord, StackStatus,
};
use crate::ports::StackStatusChange;

/// Rows of one read of importers.
const IMPORTERS_SHOWN: usize = 100;

/// Why an operation does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Halt {
    /// It is no longer this run's: it has ended or another has taken its place.
    #[error("the operation is over or another's")]
    Lost,
    /// An export cannot be published.
    #[error("{0}")]
    Export(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a stack has published, as the store knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    exports: BTreeMap<String, String>,
    imports: Vec<String>,
}

impl Published {
    pub(crate) fn of(stack: &StackRecord) -> Published {
        Published { exports: exports(&stack.outputs), imports: stack.imports.clone() }
    }
}

fn exports(outputs: &[BoundOutput]) -> BTreeMap<String, String> {
    outputs.iter().filter_map(|output| Some((output.export.clone()?, output.value.clone()))).collect()
}

/// The names of the stacks that import a value.
pub(crate) async fn importers(tx: &Tx, stack: &StackRecord, export: &str) -> Result<Vec<String>, StoreError> {
    let range = keys::importers(stack.account, &stack.region, export);
    let rows = tx.range(RangeReq::new(range, IMPORTERS_SHOWN)).await?;
    let mut names = Vec::new();
    for row in &rows {
        let import: ImportRecord = decode_row(row)?;
        names.push(import.stack_name);
    }
    Ok(names)
}

/// Refuses exports that another stack has, or that others use and that would go or change.
pub(crate) async fn check_exports(tx: &Tx, stack: &StackRecord, before: &Published) -> Result<(), Halt> {
    let after = exports(&stack.outputs);
    if after.len() > EXPORTS_MAX {
        return Err(Halt::Export(format!("{} exports are more than the limit of {EXPORTS_MAX}", after.len())));
    }
    for name in after.keys() {
        let key = keys::export(stack.account, &stack.region, name);
        let found: Option<ExportRecord> = tx.get_record(&key).await?;
        if let Some(other) = found.filter(|found| found.stack_id != stack.id) {
            let other = other.stack_name;
            return Err(Halt::Export(format!("Export with name {name} is already exported by stack {other}.")));
        }
    }
    for (name, value) in &before.exports {
        if after.get(name) == Some(value) {
            continue;
        }
        let users = importers(tx, stack, name).await?;
        if !users.is_empty() {
            let verb = if after.contains_key(name) { "updated" } else { "deleted" };
            let users = users.join(" and ");
            return Err(Halt::Export(format!("Export {name} cannot be {verb} as it is in use by {users}")));
        }
    }
    Ok(())
}

impl Engine {
    /// Writes what has changed. Answers the mark of the operation, which says whether it has been cancelled meanwhile.
    pub(super) async fn commit(
        &self,
        state: &mut State,
        serial: u64,
        call: &Call,
        published: &mut Published,
    ) -> Result<ActiveRecord, Halt> {
        let after = Published::of(&state.stack);
        let changed = after.exports != published.exports || after.imports != published.imports;
        let (this, before) = (&*state, &*published);
        let mark = self
            .db
            .transact(async |tx| {
                let stack = &this.stack;
                let key = keys::active(stack.account, &stack.region, &stack.uuid);
                let active: Option<ActiveRecord> = tx.get_record(&key).await?;
                let Some(active) = active.filter(|active| active.serial == serial) else { return Err(Halt::Lost) };
                if changed {
                    check_exports(&tx, stack, before).await?;
                    write_exports(&tx, stack, before)?;
                }
                for id in &this.dirty {
                    let row = keys::resource(&stack.uuid, id);
                    match this.resources.get(id) {
                        Some(record) => tx.set_record::<ResourceRecord>(row, record)?,
                        None => tx.clear(row),
                    }
                }
                if this.stack_dirty {
                    tx.set_record(stack_key(stack), stack)?;
                }
                append_events(&tx, &stack.uuid, &this.events).await?;
                for event in this.events.iter().filter(|event| is_of_stack(event, stack)) {
                    self.events.status_changed(&tx, call, &status_change(stack, event)).await?;
                }
                if !stack.status.in_progress() {
                    tx.clear(key);
                    at_rest(&tx, stack);
                }
                Ok(active)
            })
            .await?;
        *published = after;
        state.dirty.clear();
        state.stack_dirty = false;
        state.events.clear();
        Ok(mark)
    }
}

fn is_of_stack(event: &EventRecord, stack: &StackRecord) -> bool {
    event.type_name == STACK_TYPE && event.physical_id == stack.id
}

/// The change of state that an event tells of.
pub(crate) fn status_change(stack: &StackRecord, event: &EventRecord) -> StackStatusChange {
    StackStatusChange {
        stack_id: stack.id.clone(),
        status: event.status.clone(),
        status_reason: event.reason.clone(),
        client_request_token: event.token.clone(),
        at: event.at,
    }
}

fn write_exports(tx: &Tx, stack: &StackRecord, before: &Published) -> Result<(), StoreError> {
    let place = (stack.account, &stack.region);
    let after = exports(&stack.outputs);
    for name in before.exports.keys().filter(|name| !after.contains_key(*name)) {
        tx.clear(keys::export(place.0, place.1, name));
    }
    for (name, value) in after {
        let record = ExportRecord { stack_id: stack.id.clone(), stack_name: stack.name.clone(), value };
        tx.set_record(keys::export(place.0, place.1, &name), &record)?;
    }
    for name in before.imports.iter().filter(|name| !stack.imports.contains(name)) {
        tx.clear(keys::import(place.0, place.1, name, &stack.uuid));
    }
    for name in &stack.imports {
        let record = ImportRecord { stack_name: stack.name.clone() };
        tx.set_record(keys::import(place.0, place.1, name, &stack.uuid), &record)?;
    }
    Ok(())
}

/// What goes with an operation that is over: templates that nothing refers to any more, and a deleted stack's name.
fn at_rest(tx: &Tx, stack: &StackRecord) {
    if stack.operation.is_none() && stack.settings.template > 0 {
        let (first, _) = keys::templates(&stack.uuid);
        tx.clear_range((first, keys::template(&stack.uuid, stack.settings.template)));
    }
    if stack.status == StackStatus::DeleteComplete {
        tx.clear(keys::stack_name(stack.account, &stack.region, &stack.name));
        tx.clear_range(keys::change_sets(&stack.uuid));
        tx.clear_range(keys::change_set_templates(&stack.uuid));
    }
}

/// The exports of an account and region, by name.
pub(crate) async fn load_exports(
    tx: &Tx,
    account: cauce_core::Account,
    region: &cauce_core::Region,
) -> Result<BTreeMap<String, String>, StoreError> {
    let mut out = BTreeMap::new();
    let mut req = RangeReq::new(keys::exports(account, region), 1_000);
    loop {
        // Another stack's exports may change at any time; what was imported is fixed when the operation succeeds.
        let rows = tx.snapshot_range(req.clone()).await?;
        let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(out) };
        for row in &rows {
            let record: ExportRecord = decode_row(row)?;
            if let Some(name) = keys::export_name(&row.key) {
                out.insert(name, record.value);
            }
        }
        req = req.after(&last);
    }
}

/// How long a deleted stack is remembered.
pub(crate) fn is_forgotten(stack: &StackRecord, now: Timestamp) -> bool {
    stack.deleted.is_some_and(|deleted| now.since(deleted) > crate::limits::DELETED_STACK_KEPT)
}
