//! Operations on log groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::{RangeReq, Row, StoreError, Tx, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedRwLockWriteGuard;

use super::error::{LogsError, corrupt};
use super::keys;
use super::model::{Group, GroupClass};
use super::names;
use super::open_group::{GroupName, Life, Slot};
use super::service::Logs;
use super::tag;
use super::token::{self, Token};

/// The retention periods that may be set, in days. AWS: API reference, *PutRetentionPolicy*.
pub const RETENTION_DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653];
/// Groups on a page.
const PAGE_MAX: i64 = 50;
/// Rows looked at for one page, where a name pattern or a class leaves most of them out.
const SCANNED_ROWS_MAX: usize = 10_000;
/// Rows read at a time.
const READ_ROWS: usize = 500;

const CLASSES: [&str; 3] = ["STANDARD", "INFREQUENT_ACCESS", "DELIVERY"];

/// `CreateLogGroup`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateLogGroup {
    pub(crate) log_group_name: String,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) log_group_class: Option<String>,
    pub(crate) deletion_protection_enabled: Option<bool>,
}

impl Input for CreateLogGroup {
    fn validate(&self, v: &mut Violations) {
        names::group(v, "logGroupName", &self.log_group_name);
        if let Some(key) = &self.kms_key_id {
            v.length("kmsKeyId", key, 0, 256);
        }
        if let Some(tags) = &self.tags {
            tag::validate(v, tags);
        }
        if let Some(class) = &self.log_group_class {
            v.one_of("logGroupClass", class, &CLASSES);
        }
    }
}

/// `DeleteLogGroup`, `DeleteRetentionPolicy`: an operation on a group by its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupByName {
    pub(crate) log_group_name: String,
}

impl Input for GroupByName {
    fn validate(&self, v: &mut Violations) {
        names::group(v, "logGroupName", &self.log_group_name);
    }
}

/// `PutRetentionPolicy`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutRetentionPolicy {
    pub(crate) log_group_name: String,
    pub(crate) retention_in_days: i64,
}

impl Input for PutRetentionPolicy {
    fn validate(&self, v: &mut Violations) {
        names::group(v, "logGroupName", &self.log_group_name);
        if retention(self.retention_in_days).is_none() {
            let allowed = RETENTION_DAYS.map(|days| days.to_string());
            let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
            v.one_of("retentionInDays", &self.retention_in_days.to_string(), &allowed);
        }
    }
}

/// A retention period, if it is one that may be set.
pub(crate) fn retention(days: i64) -> Option<u32> {
    u32::try_from(days).ok().filter(|days| RETENTION_DAYS.contains(days))
}

/// `PutLogGroupDeletionProtection`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutLogGroupDeletionProtection {
    pub(crate) log_group_identifier: String,
    pub(crate) deletion_protection_enabled: bool,
}

impl Input for PutLogGroupDeletionProtection {
    fn validate(&self, v: &mut Violations) {
        names::identifier(v, "logGroupIdentifier", &self.log_group_identifier);
    }
}

/// `DescribeLogGroups`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeLogGroups {
    account_identifiers: Option<Vec<String>>,
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
    include_linked_accounts: Option<bool>,
    log_group_class: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
}

impl Input for DescribeLogGroups {
    fn validate(&self, v: &mut Violations) {
        if let Some(prefix) = &self.log_group_name_prefix {
            names::group(v, "logGroupNamePrefix", prefix);
        }
        if let Some(pattern) = &self.log_group_name_pattern {
            names::group_pattern(v, "logGroupNamePattern", pattern);
        }
        if let Some(limit) = self.limit {
            v.range("limit", limit, 1, PAGE_MAX);
        }
        if let Some(class) = &self.log_group_class {
            v.one_of("logGroupClass", class, &CLASSES);
        }
        if let Some(accounts) = &self.account_identifiers {
            v.count("accountIdentifiers", accounts.len(), 0, 20);
        }
        if let Some(identifiers) = &self.log_group_identifiers {
            v.count("logGroupIdentifiers", identifiers.len(), 1, 50);
            for identifier in identifiers {
                names::identifier(v, "logGroupIdentifiers", identifier);
            }
        }
        token::validate(v, self.next_token.as_deref());
    }
}

/// A page of groups.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogGroups {
    log_groups: Vec<LogGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// A group as the API describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogGroup {
    log_group_name: String,
    creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_in_days: Option<u32>,
    metric_filter_count: u32,
    arn: String,
    stored_bytes: i64,
    log_group_class: GroupClass,
    log_group_arn: String,
    deletion_protection_enabled: bool,
}

impl Logs {
    /// `CreateLogGroup`.
    pub(crate) async fn create_log_group(self: Arc<Self>, call: Call, input: CreateLogGroup) -> Result<(), LogsError> {
        let slot = self.slot(&call, &input.log_group_name);
        let group = self.new_group(&slot.name, &input)?;
        self.make_group(&slot, group).await
    }

    /// What a new group is to be.
    pub(crate) fn new_group(&self, name: &GroupName, input: &CreateLogGroup) -> Result<Group, LogsError> {
        let reserved = name.name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws/"));
        if reserved {
            return Err(LogsError::invalid("Log groups starting with AWS/ are reserved for AWS."));
        }
        if input.kms_key_id.is_some() {
            let arn = name.arn();
            let message = format!("The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'");
            return Err(LogsError::invalid(message));
        }
        let tags = input.tags.clone().unwrap_or_default();
        tag::refuse_reserved(tags.keys())?;
        let class = match input.log_group_class.as_deref() {
            Some("INFREQUENT_ACCESS") => GroupClass::InfrequentAccess,
            Some("DELIVERY") => GroupClass::Delivery,
            _ => GroupClass::Standard,
        };
        let protected = input.deletion_protection_enabled.unwrap_or(false);
        let id = self.env.entropy().u64().max(1);
        Ok(Group { id, created_ms: self.env.now().as_millis(), retention_days: None, class, protected, tags })
    }

    /// Makes a group that is not there yet.
    pub(crate) async fn make_group(&self, slot: &Slot, group: Group) -> Result<(), LogsError> {
        let life = slot.alone(&self.db).await?;
        if matches!(*life, Life::Live(_)) {
            return Err(LogsError::GroupExists);
        }
        let tx = self.db.begin();
        slot.fence(&self.owner, &tx)?;
        let counter = keys::stored_bytes(group.id);
        let found = tx.get_many(&[slot.key.clone(), counter.clone()]).await?;
        if found.iter().any(Option::is_some) {
            return Err(LogsError::GroupExists);
        }
        tx.add(counter, 0)?;
        tx.set_record(slot.key.clone(), &group)?;
        commit_alone(tx, life).await
    }

    /// Changes a group as `change` says.
    pub(crate) async fn change_group(
        &self,
        slot: &Slot,
        change: impl FnOnce(&mut Group) -> Result<(), LogsError>,
    ) -> Result<(), LogsError> {
        let life = slot.alone(&self.db).await?;
        let Life::Live(group) = &*life else { return Err(LogsError::GroupNotFound) };
        let mut changed = Group::clone(group);
        change(&mut changed)?;
        if changed == **group {
            return Ok(());
        }
        let tx = self.db.begin();
        slot.fence(&self.owner, &tx)?;
        tx.set_record(slot.key.clone(), &changed)?;
        commit_alone(tx, life).await
    }

    /// `DeleteLogGroup`. The group is gone at once; its events are removed little by little.
    pub(crate) async fn delete_log_group(self: Arc<Self>, call: Call, input: GroupByName) -> Result<(), LogsError> {
        self.remove_group(&self.slot(&call, &input.log_group_name)).await
    }

    pub(crate) async fn remove_group(&self, slot: &Slot) -> Result<(), LogsError> {
        let life = slot.alone(&self.db).await?;
        let Life::Live(group) = &*life else { return Err(LogsError::GroupNotFound) };
        if group.protected {
            let message =
                "The specified log group is protected from deletion. Disable deletion protection and try again.";
            return Err(LogsError::Protected(message.to_owned()));
        }
        let id = group.id;
        let tx = self.db.begin();
        slot.fence(&self.owner, &tx)?;
        tx.clear(slot.key.clone());
        tx.set(keys::reclaim(id, 0), super::reclaim::row());
        commit_alone(tx, life).await?;
        self.reclaim.notify_one();
        Ok(())
    }

    /// `PutRetentionPolicy`.
    pub(crate) async fn put_retention_policy(
        self: Arc<Self>,
        call: Call,
        input: PutRetentionPolicy,
    ) -> Result<(), LogsError> {
        let slot = self.slot(&call, &input.log_group_name);
        let days = retention(input.retention_in_days);
        self.change_group(&slot, |group| {
            group.retention_days = days;
            Ok(())
        })
        .await
    }

    /// `DeleteRetentionPolicy`.
    pub(crate) async fn delete_retention_policy(
        self: Arc<Self>,
        call: Call,
        input: GroupByName,
    ) -> Result<(), LogsError> {
        let slot = self.slot(&call, &input.log_group_name);
        self.change_group(&slot, |group| {
            group.retention_days = None;
            Ok(())
        })
        .await
    }

    /// `PutLogGroupDeletionProtection`.
    pub(crate) async fn put_log_group_deletion_protection(
        self: Arc<Self>,
        call: Call,
        input: PutLogGroupDeletionProtection,
    ) -> Result<(), LogsError> {
        let slot = self.slot(&call, &names::of_identifier(&call, &input.log_group_identifier)?);
        self.change_group(&slot, |group| {
            group.protected = input.deletion_protection_enabled;
            Ok(())
        })
        .await
    }

    /// `DescribeLogGroups`.
    pub(crate) async fn describe_log_groups(
        self: Arc<Self>,
        call: Call,
        input: DescribeLogGroups,
    ) -> Result<LogGroups, LogsError> {
        if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
            let message = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
            return Err(LogsError::invalid(message));
        }
        // Only linked accounts could be left out, and there are none.
        let _ = input.include_linked_accounts;
        if let Some(identifiers) = &input.log_group_identifiers {
            return self.describe_by_identifier(&call, &input, identifiers).await;
        }
        let limit = usize::try_from(input.limit.unwrap_or(PAGE_MAX)).unwrap_or(1);
        let (found, more) = self.find_groups(&call, &input, limit).await?;
        let next_token = more.map(|name| Token::Name(name).encode());
        Ok(LogGroups { log_groups: self.described(&call, found).await?, next_token })
    }

    async fn describe_by_identifier(
        &self,
        call: &Call,
        input: &DescribeLogGroups,
        identifiers: &[String],
    ) -> Result<LogGroups, LogsError> {
        let filters =
            [&input.log_group_name_prefix, &input.log_group_name_pattern, &input.log_group_class, &input.next_token];
        if filters.iter().any(|filter| filter.is_some()) || input.limit.is_some() {
            let message = "logGroupIdentifiers cannot be combined with any other filter than includeLinkedAccounts.";
            return Err(LogsError::invalid(message));
        }
        let mut found = BTreeMap::new();
        for identifier in identifiers {
            let name = names::of_identifier(call, identifier)?;
            let key = keys::group(call.account, &call.region, &name);
            if let Some(group) = self.db.get::<Group>(&key).await? {
                found.insert(name, group);
            }
        }
        Ok(LogGroups { log_groups: self.described(call, found.into_iter().collect()).await?, next_token: None })
    }

    /// The next groups that the input asks for, and the name after which to go on if there may be more.
    async fn find_groups(
        &self,
        call: &Call,
        input: &DescribeLogGroups,
        limit: usize,
    ) -> Result<(Vec<(String, Group)>, Option<String>), LogsError> {
        let prefix = input.log_group_name_prefix.as_deref().unwrap_or("");
        let range = keys::groups_with_prefix(call.account, &call.region, prefix);
        let mut req = RangeReq::new(range, READ_ROWS.min(limit + 1));
        if let Some(text) = &input.next_token {
            let Some(Token::Name(name)) = Token::decode(text) else { return Err(LogsError::token()) };
            req = req.after(&keys::group(call.account, &call.region, &name));
        }
        let (mut found, mut scanned, mut last) = (Vec::new(), 0, None);
        loop {
            let page = self.db.range(req.clone()).await?;
            for row in &page.rows {
                if found.len() == limit || scanned == SCANNED_ROWS_MAX {
                    return Ok((found, last));
                }
                scanned += 1;
                let (name, group) = read_row(row)?;
                last = Some(name.clone());
                if wanted(input, &name, &group) {
                    found.push((name, group));
                }
            }
            match page.rows.last() {
                Some(row) if page.more => req = req.after(&row.key),
                _ => return Ok((found, None)),
            }
        }
    }

    async fn described(&self, call: &Call, found: Vec<(String, Group)>) -> Result<Vec<LogGroup>, LogsError> {
        let counters = self.db.counters(found.iter().map(|(_, group)| keys::stored_bytes(group.id)).collect()).await?;
        let describe = |((name, group), bytes): ((String, Group), i64)| {
            let arn = GroupName::new(call.account, &call.region, &name).arn();
            LogGroup {
                log_group_name: name,
                creation_time: group.created_ms,
                retention_in_days: group.retention_days,
                metric_filter_count: 0,
                arn: format!("{arn}:*"),
                stored_bytes: bytes.max(0),
                log_group_class: group.class,
                log_group_arn: arn,
                deletion_protection_enabled: group.protected,
            }
        };
        Ok(found.into_iter().zip(counters).map(describe).collect())
    }
}

/// Commits a change of a group; until that has ended, even if nobody waits for it any more, nobody else uses the group.
async fn commit_alone(tx: Tx, mut life: OwnedRwLockWriteGuard<Life>) -> Result<(), LogsError> {
    *life = Life::Unread;
    tx.hold(life);
    Ok(tx.commit().await?)
}

fn read_row(row: &Row) -> Result<(String, Group), StoreError> {
    let (_, _, name) = keys::read_group(&row.key).map_err(|error| corrupt(&row.key, error))?;
    Ok((name, decode_row(row)?))
}

fn wanted(input: &DescribeLogGroups, name: &str, group: &Group) -> bool {
    let class = match group.class {
        GroupClass::Standard => "STANDARD",
        GroupClass::InfrequentAccess => "INFREQUENT_ACCESS",
        GroupClass::Delivery => "DELIVERY",
    };
    input.log_group_name_pattern.as_deref().is_none_or(|pattern| name.contains(pattern))
        && input.log_group_class.as_deref().is_none_or(|wanted| wanted == class)
}
