//! The service and the one table of its operations.

use std::sync::{Arc, LazyLock};

use cauce_core::ports::{Identity, Services};
use cauce_core::{Arn, Call, Env, Violations};
use cauce_delivery::Delivery;
use cauce_store::{Db, Tx};
use cauce_wire::{Api, Method, Operation, Protocol, ServiceInfo};
use regex_lite::Regex;

use super::error::SchedulerError;
use super::group::{CreateGroup, ListGroups, NamedGroup};
use super::keys::{self, GroupId, ScheduleId};
use super::model::{DEFAULT_GROUP, Group, Schedule};
use super::operations::{ListSchedules, NamedSchedule, PutSchedule};
use super::tags::{ListTags, TagResource, UntagResource};

/// EventBridge Scheduler as the wire knows it.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "scheduler",
    signing_name: "scheduler",
    protocols: &[Protocol::RestJson],
    validation_code: "ValidationException",
};

/// The name under which it assumes roles.
pub(crate) const PRINCIPAL: &str = "scheduler.amazonaws.com";

/// EventBridge Scheduler.
pub struct Scheduler {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) delivery: Delivery,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) services: Arc<dyn Services>,
    /// Wakes the timer when the next occurrence may have changed.
    pub(crate) changed: tokio::sync::Notify,
}

impl Scheduler {
    /// The service on this store. Register [`super::UniversalTarget`] for `scheduler` with `delivery`, and run [`super::run`].
    pub fn open(
        db: Db,
        env: Env,
        delivery: Delivery,
        identity: Arc<dyn Identity>,
        services: Arc<dyn Services>,
    ) -> Arc<Scheduler> {
        Arc::new(Scheduler { db, env, delivery, identity, services, changed: tokio::sync::Notify::new() })
    }

    pub(crate) fn group_id(call: &Call, name: Option<&str>) -> GroupId {
        let name = name.unwrap_or(DEFAULT_GROUP).to_owned();
        GroupId { account: call.account, region: call.region.clone(), name }
    }

    pub(crate) fn schedule_id(call: &Call, group: Option<&str>, name: &str) -> ScheduleId {
        ScheduleId { group: Scheduler::group_id(call, group), name: name.to_owned() }
    }

    /// The group's row; the default group is there without one.
    pub(crate) async fn group(&self, tx: &Tx, id: &GroupId) -> Result<Option<Group>, SchedulerError> {
        if let Some(group) = tx.get_record::<Group>(&keys::group(id)).await? {
            return Ok(Some(group));
        }
        let epoch = cauce_core::Timestamp::EPOCH;
        let default = || Group {
            name: DEFAULT_GROUP.to_owned(),
            created: epoch,
            modified: epoch,
            tags: std::collections::BTreeMap::new(),
            client_token: None,
        };
        Ok((id.name == DEFAULT_GROUP).then(default))
    }

    pub(crate) async fn schedule(&self, tx: &Tx, id: &ScheduleId) -> Result<Schedule, SchedulerError> {
        let found = tx.get_record::<Schedule>(&keys::schedule(id)).await?;
        found.ok_or_else(|| SchedulerError::NoSchedule(id.name.clone()))
    }
}

/// The ARN of a group.
pub(crate) fn group_arn(id: &GroupId) -> Arn {
    Arn::new("scheduler", &id.region, id.account, &format!("schedule-group/{}", id.name))
}

/// The ARN of a schedule.
pub(crate) fn schedule_arn(id: &ScheduleId) -> Arn {
    let resource = format!("schedule/{}/{}", id.group.name, id.name);
    Arn::new("scheduler", &id.group.region, id.group.account, &resource)
}

static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^[0-9a-zA-Z_.-]+$").ok());

/// Checks a name of a schedule or group.
pub(crate) fn validate_name(v: &mut Violations, member: &str, name: &str) {
    v.length(member, name, 1, 64);
    if let Some(regex) = &*NAME {
        v.pattern(member, name, "^[0-9a-zA-Z-_.]+$", regex);
    }
}

static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^[a-zA-Z0-9_-]+$").ok());

pub(crate) fn validate_token(v: &mut Violations, token: Option<&str>) {
    if let Some(token) = token {
        v.length("clientToken", token, 1, 64);
        if let Some(regex) = &*TOKEN {
            v.pattern("clientToken", token, "^[a-zA-Z0-9-_]+$", regex);
        }
    }
}

fn on_schedule(call: &Call, group: Option<&str>, name: &str) -> Vec<String> {
    vec![schedule_arn(&Scheduler::schedule_id(call, group, name)).to_string()]
}

fn on_group(call: &Call, name: &str) -> Vec<String> {
    vec![group_arn(&Scheduler::group_id(call, Some(name))).to_string()]
}

/// Every operation of EventBridge Scheduler.
pub fn api(service: Arc<Scheduler>) -> Api<Scheduler> {
    const SCHEDULE: &str = "/schedules/{Name}";
    const GROUP: &str = "/schedule-groups/{Name}";
    const TAGS: &str = "/tags/{ResourceArn}";
    let api = Api::new(&INFO, service)
        .operation(
            Operation::new("CreateSchedule", Scheduler::create_schedule)
                .rest(Method::POST, SCHEDULE, 200)
                .resource(|call, i: &PutSchedule| on_schedule(call, i.group_name.as_deref(), &i.name)),
        )
        .operation(
            Operation::new("UpdateSchedule", Scheduler::update_schedule)
                .rest(Method::PUT, SCHEDULE, 200)
                .resource(|call, i: &PutSchedule| on_schedule(call, i.group_name.as_deref(), &i.name)),
        )
        .operation(
            Operation::new("GetSchedule", Scheduler::get_schedule)
                .rest(Method::GET, SCHEDULE, 200)
                .query("groupName", "GroupName")
                .resource(|call, i: &NamedSchedule| on_schedule(call, i.group_name.as_deref(), &i.name)),
        )
        .operation(
            Operation::new("DeleteSchedule", Scheduler::delete_schedule)
                .rest(Method::DELETE, SCHEDULE, 200)
                .query("groupName", "GroupName")
                .query("clientToken", "ClientToken")
                .resource(|call, i: &NamedSchedule| on_schedule(call, i.group_name.as_deref(), &i.name)),
        )
        .operation(
            Operation::new("ListSchedules", Scheduler::list_schedules)
                .rest(Method::GET, "/schedules", 200)
                .query("ScheduleGroup", "GroupName")
                .query("MaxResults", "MaxResults")
                .query("NamePrefix", "NamePrefix")
                .query("NextToken", "NextToken")
                .query("State", "State")
                .resource(|call, i: &ListSchedules| {
                    on_schedule(call, Some(i.group_name.as_deref().unwrap_or("*")), "*")
                }),
        );
    api.operation(
        Operation::new("CreateScheduleGroup", Scheduler::create_schedule_group)
            .rest(Method::POST, GROUP, 200)
            .resource(|call, i: &CreateGroup| on_group(call, &i.name)),
    )
    .operation(
        Operation::new("GetScheduleGroup", Scheduler::get_schedule_group)
            .rest(Method::GET, GROUP, 200)
            .resource(|call, i: &NamedGroup| on_group(call, &i.name)),
    )
    .operation(
        Operation::new("DeleteScheduleGroup", Scheduler::delete_schedule_group)
            .rest(Method::DELETE, GROUP, 200)
            .query("clientToken", "ClientToken")
            .resource(|call, i: &NamedGroup| on_group(call, &i.name)),
    )
    .operation(
        Operation::new("ListScheduleGroups", Scheduler::list_schedule_groups)
            .rest(Method::GET, "/schedule-groups", 200)
            .query("MaxResults", "MaxResults")
            .query("NamePrefix", "NamePrefix")
            .query("NextToken", "NextToken")
            .resource(|call, _: &ListGroups| on_group(call, "*")),
    )
    .operation(
        Operation::new("TagResource", Scheduler::tag_resource)
            .rest(Method::POST, TAGS, 200)
            .resource(|_, i: &TagResource| vec![i.resource_arn.clone()]),
    )
    .operation(
        Operation::new("UntagResource", Scheduler::untag_resource)
            .rest(Method::DELETE, TAGS, 200)
            .query_list("TagKeys", "TagKeys")
            .resource(|_, i: &UntagResource| vec![i.resource_arn.clone()]),
    )
    .operation(
        Operation::new("ListTagsForResource", Scheduler::list_tags_for_resource)
            .rest(Method::GET, TAGS, 200)
            .resource(|_, i: &ListTags| vec![i.resource_arn.clone()]),
    )
}
