//! The layout of stacks in the store. Kinds 0x0600..=0x06FF belong to this crate; a number once used stays what it is.

use cauce_core::{Account, Region};
use cauce_store::{Bytes, Key, Kind};

const STACK: Kind = Kind::new(0x0600);
const STACK_NAME: Kind = Kind::new(0x0601);
const TEMPLATE: Kind = Kind::new(0x0602);
const RESOURCE: Kind = Kind::new(0x0603);
const EVENT: Kind = Kind::new(0x0604);
const CHANGE_SET: Kind = Kind::new(0x0605);
const CHANGE_SET_TEMPLATE: Kind = Kind::new(0x0606);
const EXPORT: Kind = Kind::new(0x0607);
const IMPORT: Kind = Kind::new(0x0608);
const ACTIVE: Kind = Kind::new(0x0609);
const CHANGE_SET_ID: Kind = Kind::new(0x060A);

fn place(kind: Kind, account: Account, region: &Region) -> Key {
    Key::new(kind).u64(account.number()).str(region.as_str())
}

/// (account, region, uuid) -> `StackRecord`.
pub(crate) fn stack(account: Account, region: &Region, uuid: &str) -> Bytes {
    place(STACK, account, region).str(uuid).build()
}

/// All stacks of an account and region, deleted ones included.
pub(crate) fn stacks(account: Account, region: &Region) -> (Bytes, Bytes) {
    place(STACK, account, region).prefix_range()
}

/// All stacks.
pub(crate) fn all_stacks() -> (Bytes, Bytes) {
    Key::new(STACK).prefix_range()
}

/// (account, region, name) -> uuid, for stacks that have not been deleted.
pub(crate) fn stack_name(account: Account, region: &Region, name: &str) -> Bytes {
    place(STACK_NAME, account, region).str(name).build()
}

/// All names of an account and region.
pub(crate) fn stack_names(account: Account, region: &Region) -> (Bytes, Bytes) {
    place(STACK_NAME, account, region).prefix_range()
}

/// (stack, number) -> `TemplateRecord`.
pub(crate) fn template(stack: &str, number: u64) -> Bytes {
    Key::new(TEMPLATE).str(stack).u64(number).build()
}

/// All templates of a stack.
pub(crate) fn templates(stack: &str) -> (Bytes, Bytes) {
    Key::new(TEMPLATE).str(stack).prefix_range()
}

/// (stack, logical id) -> `ResourceRecord`.
pub(crate) fn resource(stack: &str, logical_id: &str) -> Bytes {
    Key::new(RESOURCE).str(stack).str(logical_id).build()
}

/// All resources of a stack.
pub(crate) fn resources(stack: &str) -> (Bytes, Bytes) {
    Key::new(RESOURCE).str(stack).prefix_range()
}

/// (stack, number) -> `EventRecord`, oldest first.
pub(crate) fn event(stack: &str, number: u64) -> Bytes {
    Key::new(EVENT).str(stack).u64(number).build()
}

/// All events of a stack.
pub(crate) fn events(stack: &str) -> (Bytes, Bytes) {
    Key::new(EVENT).str(stack).prefix_range()
}

/// The number of an event from its key.
pub(crate) fn event_number(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|number| u64::from_be_bytes(*number))
}

/// (stack, name) -> `ChangeSetRecord`.
pub(crate) fn change_set(stack: &str, name: &str) -> Bytes {
    Key::new(CHANGE_SET).str(stack).str(name).build()
}

/// All change sets of a stack.
pub(crate) fn change_sets(stack: &str) -> (Bytes, Bytes) {
    Key::new(CHANGE_SET).str(stack).prefix_range()
}

/// (stack, name) -> `TemplateRecord` of a change set.
pub(crate) fn change_set_template(stack: &str, name: &str) -> Bytes {
    Key::new(CHANGE_SET_TEMPLATE).str(stack).str(name).build()
}

/// All templates of change sets of a stack.
pub(crate) fn change_set_templates(stack: &str) -> (Bytes, Bytes) {
    Key::new(CHANGE_SET_TEMPLATE).str(stack).prefix_range()
}

/// (account, region, uuid of the change set) -> `ChangeSetPlace`.
pub(crate) fn change_set_id(account: Account, region: &Region, uuid: &str) -> Bytes {
    place(CHANGE_SET_ID, account, region).str(uuid).build()
}

/// (account, region, export name) -> `ExportRecord`.
pub(crate) fn export(account: Account, region: &Region, name: &str) -> Bytes {
    place(EXPORT, account, region).str(name).build()
}

/// All exports of an account and region.
pub(crate) fn exports(account: Account, region: &Region) -> (Bytes, Bytes) {
    place(EXPORT, account, region).prefix_range()
}

/// The name of an export from its key.
pub(crate) fn export_name(key: &[u8]) -> Option<String> {
    let mut reader = cauce_store::KeyReader::new(key, EXPORT).ok()?;
    reader.u64().ok()?;
    reader.str().ok()?;
    reader.str().ok()
}

/// (account, region, export name, stack) -> `ImportRecord`.
pub(crate) fn import(account: Account, region: &Region, name: &str, stack: &str) -> Bytes {
    place(IMPORT, account, region).str(name).str(stack).build()
}

/// All importers of an export.
pub(crate) fn importers(account: Account, region: &Region, name: &str) -> (Bytes, Bytes) {
    place(IMPORT, account, region).str(name).prefix_range()
}

/// (account, region, uuid) -> `ActiveRecord`, for stacks with an operation under way.
pub(crate) fn active(account: Account, region: &Region, uuid: &str) -> Bytes {
    place(ACTIVE, account, region).str(uuid).build()
}

/// All stacks with an operation under way.
pub(crate) fn all_active() -> (Bytes, Bytes) {
    Key::new(ACTIVE).prefix_range()
}

/// Account, region and uuid of a stack from the key of its mark.
pub(crate) fn active_stack(key: &[u8]) -> Option<(Account, Region, String)> {
    let mut reader = cauce_store::KeyReader::new(key, ACTIVE).ok()?;
    let account = Account::new(reader.u64().ok()?)?;
    let region = Region::new(&reader.str().ok()?).ok()?;
    Some((account, region, reader.str().ok()?))
}
