//! Groups of schedules.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Tag, Violations};
use cauce_store::{RangeReq, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::error::SchedulerError;
use super::keys::{self, GroupId, ScheduleId};
use super::model::{DEFAULT_GROUP, Group, Schedule};
use super::operations::validate_page;
use super::service::{Scheduler, group_arn, validate_name, validate_token};
use super::tags::{GROUP_TAGS_MAX, validate_tags};
use crate::page;

/// How many groups an account may have in a region. AWS: EventBridge Scheduler quotas.
pub const GROUPS_MAX: usize = 500;

/// How many schedules go in one commit when their group is deleted.
const SCHEDULES_A_COMMIT: usize = 1_000;

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateGroup {
    pub(crate) name: String,
    pub(crate) client_token: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
}

impl Input for CreateGroup {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, "name", &self.name);
        validate_token(v, self.client_token.as_deref());
        validate_tags(v, &self.tags);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateGroupOutput {
    pub(crate) schedule_group_arn: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedGroup {
    pub(crate) name: String,
    pub(crate) client_token: Option<String>,
}

impl Input for NamedGroup {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, "name", &self.name);
        validate_token(v, self.client_token.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GroupDescription {
    arn: String,
    name: String,
    state: &'static str,
    creation_date: f64,
    last_modification_date: f64,
}

fn description(id: &GroupId, group: Group) -> GroupDescription {
    GroupDescription {
        arn: group_arn(id).to_string(),
        name: group.name,
        state: "ACTIVE",
        creation_date: group.created.secs_of_millis(),
        last_modification_date: group.modified.secs_of_millis(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListGroups {
    max_results: Option<i64>,
    name_prefix: Option<String>,
    next_token: Option<String>,
}

impl Input for ListGroups {
    fn validate(&self, v: &mut Violations) {
        if let Some(prefix) = &self.name_prefix {
            validate_name(v, "namePrefix", prefix);
        }
        validate_page(v, self.max_results, self.next_token.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListGroupsOutput {
    schedule_groups: Vec<GroupDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Scheduler {
    pub(crate) async fn create_schedule_group(
        self: Arc<Self>,
        call: Call,
        input: CreateGroup,
    ) -> Result<CreateGroupOutput, SchedulerError> {
        let id = Scheduler::group_id(&call, Some(&input.name));
        let now = self.env.now();
        let tags: BTreeMap<String, String> = Tag::map(&input.tags);
        if tags.len() > GROUP_TAGS_MAX {
            return Err(SchedulerError::Quota { what: "tags", limit: GROUP_TAGS_MAX });
        }
        let new = Group { name: input.name, created: now, modified: now, tags, client_token: input.client_token };
        self.db
            .transact(async |tx| {
                match self.group(&tx, &id).await? {
                    Some(old) if old.client_token.is_some() && old.client_token == new.client_token => return Ok(()),
                    Some(_) => return Err(SchedulerError::GroupExists(id.name.clone())),
                    None => {}
                }
                let count = keys::groups_count(id.account, &id.region);
                let there = tx.snapshot_counter(&count).await?;
                if usize::try_from(there).is_ok_and(|there| there >= GROUPS_MAX) {
                    return Err(SchedulerError::Quota { what: "schedule groups", limit: GROUPS_MAX });
                }
                tx.add(count, 1)?;
                Ok(tx.set_record(keys::group(&id), &new)?)
            })
            .await?;
        Ok(CreateGroupOutput { schedule_group_arn: group_arn(&id).to_string() })
    }

    pub(crate) async fn get_schedule_group(
        self: Arc<Self>,
        call: Call,
        input: NamedGroup,
    ) -> Result<GroupDescription, SchedulerError> {
        let id = Scheduler::group_id(&call, Some(&input.name));
        let group = self.group(&self.db.begin(), &id).await?;
        Ok(description(&id, group.ok_or(SchedulerError::NoGroup(input.name))?))
    }

    /// Deletes the group's schedules in bounded steps and the group with the last of them; a deletion that was cut off is gone
    /// on with by the next.
    pub(crate) async fn delete_schedule_group(
        self: Arc<Self>,
        call: Call,
        input: NamedGroup,
    ) -> Result<(), SchedulerError> {
        let id = Scheduler::group_id(&call, Some(&input.name));
        if id.name == DEFAULT_GROUP {
            return Err(SchedulerError::Invalid("The default schedule group cannot be deleted.".to_owned()));
        }
        while !self.delete_some(&id).await? {}
        Ok(())
    }

    /// One step of a deletion; says whether it was the last.
    async fn delete_some(&self, id: &GroupId) -> Result<bool, SchedulerError> {
        self.db
            .transact(async |tx| {
                if self.group(&tx, id).await?.is_none() {
                    return Err(SchedulerError::NoGroup(id.name.clone()));
                }
                let rows = tx.range(RangeReq::new(keys::schedules_of(id), SCHEDULES_A_COMMIT)).await?;
                for row in &rows {
                    let schedule: Schedule = decode_row(row)?;
                    let schedule_id = ScheduleId { group: id.clone(), name: schedule.name.clone() };
                    Scheduler::remove(&tx, &schedule_id, &schedule)?;
                }
                let last = rows.len() < SCHEDULES_A_COMMIT;
                if last {
                    tx.clear(keys::group(id));
                    tx.add(keys::groups_count(id.account, &id.region), -1)?;
                }
                Ok(last)
            })
            .await
    }

    pub(crate) async fn list_schedule_groups(
        self: Arc<Self>,
        call: Call,
        input: ListGroups,
    ) -> Result<ListGroupsOutput, SchedulerError> {
        let invalid = |_| SchedulerError::Invalid("Invalid NextToken.".to_owned());
        let after = page::after(input.next_token.as_deref()).map_err(invalid)?;
        let tx = self.db.begin();
        // At most `GROUPS_MAX` rows.
        let rows = tx.snapshot_range(RangeReq::new(keys::groups(call.account, &call.region), GROUPS_MAX + 1)).await?;
        let mut groups: Vec<Group> = rows.iter().map(decode_row).collect::<Result<_, _>>()?;
        if !groups.iter().any(|group| group.name == DEFAULT_GROUP) {
            groups.extend(self.group(&tx, &Scheduler::group_id(&call, None)).await?);
            groups.sort_by(|a, b| a.name.cmp(&b.name));
        }
        groups.retain(|group| input.name_prefix.as_ref().is_none_or(|prefix| group.name.starts_with(prefix.as_str())));
        let (groups, next_token) = page::cut(groups, |group| &group.name, after.as_deref(), input.max_results);
        let described = |group: Group| description(&Scheduler::group_id(&call, Some(&group.name)), group);
        Ok(ListGroupsOutput { schedule_groups: groups.into_iter().map(described).collect(), next_token })
    }
}
