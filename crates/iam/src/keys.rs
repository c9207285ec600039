//! The layout of this crate in the store: kinds `0x0200..=0x02FF`, numbered for ever.
//!
//! Names of roles, users and policies differ in more than upper and lower case, so keys carry them in lower case.

use cauce_core::Account;
use cauce_store::{Bytes, Key, Kind};

/// (name of the secret) -> [`crate::model::ServerKey`]
const SERVER_KEY: Kind = Kind::new(0x0200);
/// (account, role name) -> [`crate::model::RoleRecord`]
const ROLE: Kind = Kind::new(0x0201);
/// (account, user name) -> [`crate::model::UserRecord`]
const USER: Kind = Kind::new(0x0202);
/// (access key id) -> [`crate::model::KeyRecord`]
const ACCESS_KEY: Kind = Kind::new(0x0203);
/// (account, policy name) -> [`crate::model::PolicyRecord`]
const POLICY: Kind = Kind::new(0x0204);
/// (account, policy ARN) -> counter: how many users and roles it is attached to
const ATTACHED: Kind = Kind::new(0x0205);
/// (access key id) -> [`crate::model::SessionRecord`]: what limits a session beyond its role
const SESSION: Kind = Kind::new(0x0206);
/// (end in seconds, access key id) -> nothing: sessions in the order in which they end
const SESSION_END: Kind = Kind::new(0x0207);
/// (account, kind of entity) -> counter: how many there are
const COUNT: Kind = Kind::new(0x0208);

pub(crate) fn server_key() -> Bytes {
    Key::new(SERVER_KEY).str("sessions").build()
}

pub(crate) fn role(account: Account, name: &str) -> Bytes {
    named(ROLE, account, name)
}

pub(crate) fn roles(account: Account) -> (Bytes, Bytes) {
    Key::new(ROLE).u64(account.number()).prefix_range()
}

pub(crate) fn user(account: Account, name: &str) -> Bytes {
    named(USER, account, name)
}

pub(crate) fn users(account: Account) -> (Bytes, Bytes) {
    Key::new(USER).u64(account.number()).prefix_range()
}

pub(crate) fn access_key(id: &str) -> Bytes {
    Key::new(ACCESS_KEY).str(id).build()
}

pub(crate) fn policy(account: Account, name: &str) -> Bytes {
    named(POLICY, account, name)
}

pub(crate) fn policies(account: Account) -> (Bytes, Bytes) {
    Key::new(POLICY).u64(account.number()).prefix_range()
}

pub(crate) fn attached(account: Account, policy_arn: &str) -> Bytes {
    Key::new(ATTACHED).u64(account.number()).str(policy_arn).build()
}

pub(crate) fn session(access_key_id: &str) -> Bytes {
    Key::new(SESSION).str(access_key_id).build()
}

pub(crate) fn session_end(end_s: u64, access_key_id: &str) -> Bytes {
    Key::new(SESSION_END).u64(end_s).str(access_key_id).build()
}

/// The sessions that ended before `now_s`.
pub(crate) fn sessions_ended(now_s: u64) -> (Bytes, Bytes) {
    (Key::new(SESSION_END).u64(0).build(), Key::new(SESSION_END).u64(now_s).build())
}

pub(crate) fn session_of_end(key: &[u8]) -> Option<String> {
    let mut reader = cauce_store::KeyReader::new(key, SESSION_END).ok()?;
    reader.u64().ok()?;
    reader.str().ok()
}

pub(crate) fn count(account: Account, entity: &str) -> Bytes {
    Key::new(COUNT).u64(account.number()).str(entity).build()
}

fn named(kind: Kind, account: Account, name: &str) -> Bytes {
    Key::new(kind).u64(account.number()).str(&name.to_lowercase()).build()
}
