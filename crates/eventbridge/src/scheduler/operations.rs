//! Schedules: making, changing, reading, removing and listing them.

use std::sync::Arc;

use cauce_core::{Arn, Call, Timestamp, Violations};
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::error::SchedulerError;
use super::keys::{self, ScheduleId};
use super::model::{Next, Plan, Schedule};
use super::service::{PRINCIPAL, Scheduler, schedule_arn, validate_name, validate_token};
use super::target;
use crate::page;

/// How many schedules an account may have in a region. AWS: EventBridge Scheduler quotas.
pub const SCHEDULES_MAX: usize = 1_000_000;

/// How long before now a start may lie.
const START_AGE_MAX: std::time::Duration = std::time::Duration::from_secs(300);

/// How many schedules are read at once while a page is gathered.
const SCHEDULES_A_READ: usize = 256;

const MINUTE_US: u64 = 60_000_000;

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutSchedule {
    pub(crate) name: String,
    pub(crate) group_name: Option<String>,
    pub(crate) client_token: Option<String>,
    pub(crate) kms_key_arn: Option<String>,
    #[serde(flatten)]
    pub(crate) plan: Plan,
}

impl Input for PutSchedule {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, "name", &self.name);
        if let Some(group) = &self.group_name {
            validate_name(v, "groupName", group);
        }
        validate_token(v, self.client_token.as_deref());
        let plan = &self.plan;
        v.length("scheduleExpression", &plan.schedule_expression, 1, 256);
        v.length("scheduleExpressionTimezone", &plan.schedule_expression_timezone, 1, 50);
        if let Some(description) = &plan.description {
            v.length("description", description, 0, 512);
        }
        v.one_of("state", &plan.state, &["ENABLED", "DISABLED"]);
        v.one_of("actionAfterCompletion", &plan.action_after_completion, &["NONE", "DELETE"]);
        v.within("flexibleTimeWindow", |v| {
            v.one_of("mode", &plan.flexible_time_window.mode, &["OFF", "FLEXIBLE"]);
            if let Some(minutes) = plan.flexible_time_window.maximum_window_in_minutes {
                v.range("maximumWindowInMinutes", minutes, 1, 1_440);
            }
        });
        v.within("target", |v| target::validate(v, &plan.target));
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutScheduleOutput {
    pub(crate) schedule_arn: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedSchedule {
    pub(crate) name: String,
    pub(crate) group_name: Option<String>,
    pub(crate) client_token: Option<String>,
}

impl Input for NamedSchedule {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, "name", &self.name);
        if let Some(group) = &self.group_name {
            validate_name(v, "groupName", group);
        }
        validate_token(v, self.client_token.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ScheduleDescription {
    arn: String,
    name: String,
    group_name: String,
    creation_date: f64,
    last_modification_date: f64,
    #[serde(flatten)]
    plan: Plan,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListSchedules {
    pub(crate) group_name: Option<String>,
    max_results: Option<i64>,
    name_prefix: Option<String>,
    next_token: Option<String>,
    state: Option<String>,
}

impl Input for ListSchedules {
    fn validate(&self, v: &mut Violations) {
        if let Some(group) = &self.group_name {
            validate_name(v, "groupName", group);
        }
        if let Some(prefix) = &self.name_prefix {
            validate_name(v, "namePrefix", prefix);
        }
        if let Some(state) = &self.state {
            v.one_of("state", state, &["ENABLED", "DISABLED"]);
        }
        validate_page(v, self.max_results, self.next_token.as_deref());
    }
}

pub(crate) fn validate_page(v: &mut Violations, max_results: Option<i64>, token: Option<&str>) {
    if let Some(max) = max_results {
        v.range("maxResults", max, 1, 100);
    }
    if let Some(token) = token {
        v.length("nextToken", token, 1, 2_048);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TargetSummary {
    arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ScheduleSummary {
    arn: String,
    name: String,
    group_name: String,
    state: String,
    creation_date: f64,
    last_modification_date: f64,
    target: TargetSummary,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListSchedulesOutput {
    schedules: Vec<ScheduleSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

fn invalid(message: impl Into<String>) -> SchedulerError {
    SchedulerError::Invalid(message.into())
}

impl Scheduler {
    /// Everything that is refused whatever is stored; gives the parsed expression.
    async fn check(&self, call: &Call, input: &PutSchedule) -> Result<Calendar, SchedulerError> {
        let plan = &input.plan;
        if input.kms_key_arn.is_some() {
            return Err(invalid("KmsKeyArn is not supported by this server."));
        }
        let calendar = Calendar::parse(&plan.schedule_expression, &plan.schedule_expression_timezone)
            .map_err(SchedulerError::Invalid)?;
        let window = &plan.flexible_time_window;
        match (window.mode.as_str(), window.maximum_window_in_minutes) {
            ("FLEXIBLE", None) => {
                return Err(invalid(
                    "MaximumWindowInMinutes must be specified when the mode of FlexibleTimeWindow is FLEXIBLE.",
                ));
            }
            ("OFF", Some(_)) => {
                return Err(invalid(
                    "MaximumWindowInMinutes cannot be specified when the mode of FlexibleTimeWindow is OFF.",
                ));
            }
            _ => {}
        }
        check_dates(plan, self.env.now())?;
        self.check_target(&plan.target)?;
        self.check_role(call, &plan.target.role_arn, &input.name).await?;
        Ok(calendar)
    }

    /// Refuses a role that the caller may not hand on, or that does not trust the scheduler.
    async fn check_role(&self, call: &Call, role: &str, session: &str) -> Result<(), SchedulerError> {
        self.identity.authorize_pass_role(call, role, PRINCIPAL).await?;
        let arn: Arn = role.parse().map_err(|_| invalid(format!("Provided role {role} is not valid.")))?;
        match self.identity.assume_role(&arn, PRINCIPAL, session).await {
            Ok(_) => Ok(()),
            Err(error) if error.status() >= 500 => Err(error.into()),
            Err(_) => {
                Err(invalid("The execution role you provide must allow AWS EventBridge Scheduler to assume the role."))
            }
        }
    }

    /// When a schedule happens next, at `from` or later, as its plan says.
    pub(crate) fn next(&self, plan: &Plan, calendar: &Calendar, anchor: Timestamp, from: Timestamp) -> Option<Next> {
        let from = plan.start().map_or(from, |start| start.max(from));
        let nominal = calendar.at_or_after(anchor, from)?;
        if plan.end().filter(|_| !calendar.is_once()).is_some_and(|end| nominal > end) {
            return None;
        }
        let window =
            plan.flexible_time_window.maximum_window_in_minutes.and_then(|minutes| u64::try_from(minutes).ok());
        let late_us = window.map_or(0, |minutes| self.env.entropy().below(minutes * MINUTE_US));
        Some(Next { nominal, due: nominal + std::time::Duration::from_micros(late_us) })
    }

    /// Writes a schedule with its next occurrence in place of what was there.
    pub(crate) fn set(
        &self,
        tx: &Tx,
        id: &ScheduleId,
        old: Option<&Schedule>,
        new: &Schedule,
    ) -> Result<(), SchedulerError> {
        if let Some(next) = old.and_then(|old| old.next) {
            tx.clear(keys::occurrence(next.due, id));
        }
        if let Some(next) = new.next {
            tx.set(keys::occurrence(next.due, id), super::timer::OCCURRENCE_ROW);
        }
        Ok(tx.set_record(keys::schedule(id), new)?)
    }

    fn made(&self, input: &PutSchedule, calendar: &Calendar, created: Timestamp, now: Timestamp) -> Schedule {
        let plan = &input.plan;
        let anchor = plan.start().unwrap_or(now);
        let next = (plan.state == "ENABLED").then(|| self.next(plan, calendar, anchor, now)).flatten();
        Schedule {
            name: input.name.clone(),
            plan: plan.clone(),
            created,
            modified: now,
            anchor,
            next,
            client_token: input.client_token.clone(),
        }
    }

    pub(crate) async fn create_schedule(
        self: Arc<Self>,
        call: Call,
        input: PutSchedule,
    ) -> Result<PutScheduleOutput, SchedulerError> {
        let calendar = self.check(&call, &input).await?;
        let id = Scheduler::schedule_id(&call, input.group_name.as_deref(), &input.name);
        let now = self.env.now();
        let new = self.made(&input, &calendar, now, now);
        self.db
            .transact(async |tx| {
                // Read with a check: a group that is being deleted takes no new schedule along into nowhere.
                if self.group(&tx, &id.group).await?.is_none() {
                    return Err(SchedulerError::NoGroup(id.group.name.clone()));
                }
                match tx.get_record::<Schedule>(&keys::schedule(&id)).await? {
                    Some(old) if old.client_token.is_some() && old.client_token == new.client_token => return Ok(()),
                    Some(_) => return Err(SchedulerError::ScheduleExists(id.name.clone())),
                    None => {}
                }
                let count = keys::schedules_count(id.group.account, &id.group.region);
                let there = tx.snapshot_counter(&count).await?;
                if usize::try_from(there).is_ok_and(|there| there >= SCHEDULES_MAX) {
                    return Err(SchedulerError::Quota { what: "schedules", limit: SCHEDULES_MAX });
                }
                tx.add(count, 1)?;
                self.set(&tx, &id, None, &new)
            })
            .await?;
        self.changed.notify_one();
        Ok(PutScheduleOutput { schedule_arn: schedule_arn(&id).to_string() })
    }

    pub(crate) async fn update_schedule(
        self: Arc<Self>,
        call: Call,
        input: PutSchedule,
    ) -> Result<PutScheduleOutput, SchedulerError> {
        let calendar = self.check(&call, &input).await?;
        let id = Scheduler::schedule_id(&call, input.group_name.as_deref(), &input.name);
        let now = self.env.now();
        self.db
            .transact(async |tx| {
                let old = self.schedule(&tx, &id).await?;
                let new = self.made(&input, &calendar, old.created, now);
                self.set(&tx, &id, Some(&old), &new)
            })
            .await?;
        self.changed.notify_one();
        Ok(PutScheduleOutput { schedule_arn: schedule_arn(&id).to_string() })
    }

    pub(crate) async fn get_schedule(
        self: Arc<Self>,
        call: Call,
        input: NamedSchedule,
    ) -> Result<ScheduleDescription, SchedulerError> {
        let id = Scheduler::schedule_id(&call, input.group_name.as_deref(), &input.name);
        let schedule = self.schedule(&self.db.begin(), &id).await?;
        Ok(ScheduleDescription {
            arn: schedule_arn(&id).to_string(),
            name: schedule.name,
            group_name: id.group.name,
            creation_date: schedule.created.secs_of_millis(),
            last_modification_date: schedule.modified.secs_of_millis(),
            plan: schedule.plan,
        })
    }

    pub(crate) async fn delete_schedule(
        self: Arc<Self>,
        call: Call,
        input: NamedSchedule,
    ) -> Result<(), SchedulerError> {
        let id = Scheduler::schedule_id(&call, input.group_name.as_deref(), &input.name);
        self.db
            .transact(async |tx| {
                let old = self.schedule(&tx, &id).await?;
                Scheduler::remove(&tx, &id, &old)
            })
            .await
    }

    /// Removes a schedule and all that hangs on it.
    pub(crate) fn remove(tx: &Tx, id: &ScheduleId, old: &Schedule) -> Result<(), SchedulerError> {
        if let Some(next) = old.next {
            tx.clear(keys::occurrence(next.due, id));
        }
        tx.clear(keys::schedule(id));
        Ok(tx.add(keys::schedules_count(id.group.account, &id.group.region), -1)?)
    }

    pub(crate) async fn list_schedules(
        self: Arc<Self>,
        call: Call,
        input: ListSchedules,
    ) -> Result<ListSchedulesOutput, SchedulerError> {
        let limit = input.max_results.and_then(|n| usize::try_from(n).ok()).unwrap_or(page::LIMIT_MAX);
        let range = match &input.group_name {
            Some(group) => keys::schedules_of(&Scheduler::group_id(&call, Some(group))),
            None => keys::schedules(call.account, &call.region),
        };
        let mut req = RangeReq::new(range, SCHEDULES_A_READ);
        if let Some(token) = &input.next_token {
            let id = place(&call, token).ok_or_else(|| invalid("Invalid NextToken."))?;
            req = req.after(&keys::schedule(&id));
        }
        let wanted = |schedule: &Schedule| {
            input.name_prefix.as_ref().is_none_or(|prefix| schedule.name.starts_with(prefix.as_str()))
                && input.state.as_ref().is_none_or(|state| schedule.plan.state == *state)
        };
        let mut found: Vec<(String, Schedule)> = Vec::new();
        let tx = self.db.begin();
        loop {
            let rows = tx.snapshot_range(req.clone()).await?;
            for row in &rows {
                let schedule: Schedule = decode_row(row)?;
                if wanted(&schedule) {
                    found.push((keys::group_of(&row.key).map_err(corrupt)?, schedule));
                }
            }
            match rows.last() {
                Some(last) if rows.len() == SCHEDULES_A_READ && found.len() <= limit => req = req.after(&last.key),
                _ => break,
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next_token = found.last().filter(|_| more).map(|(group, last)| format!("{group}/{}", last.name));
        let schedules = found.into_iter().map(|(group, schedule)| summary(&call, group, schedule)).collect();
        Ok(ListSchedulesOutput { schedules, next_token })
    }
}

fn corrupt(error: cauce_store::KeyError) -> SchedulerError {
    SchedulerError::Other(cauce_core::ServiceError::internal(error))
}

/// The place that a token names.
fn place(call: &Call, token: &str) -> Option<ScheduleId> {
    let (group, name) = token.split_once('/')?;
    Some(Scheduler::schedule_id(call, Some(group), name))
}

fn summary(call: &Call, group: String, schedule: Schedule) -> ScheduleSummary {
    let id = Scheduler::schedule_id(call, Some(&group), &schedule.name);
    ScheduleSummary {
        arn: schedule_arn(&id).to_string(),
        name: schedule.name,
        group_name: group,
        state: schedule.plan.state,
        creation_date: schedule.created.secs_of_millis(),
        last_modification_date: schedule.modified.secs_of_millis(),
        target: TargetSummary { arn: schedule.plan.target.arn },
    }
}

fn check_dates(plan: &Plan, now: Timestamp) -> Result<(), SchedulerError> {
    if plan.start().is_some_and(|start| start < now - START_AGE_MAX) {
        return Err(invalid("The StartDate you specify cannot be earlier than 5 minutes ago."));
    }
    if plan.end().is_some_and(|end| end < now) {
        return Err(invalid("The EndDate you specify cannot be in the past."));
    }
    if let (Some(start), Some(end)) = (plan.start(), plan.end())
        && start >= end
    {
        return Err(invalid("The StartDate you specify must come before the EndDate."));
    }
    Ok(())
}
