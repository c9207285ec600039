//! How much of its quota each key of a usage plan has used, day by day.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Timestamp, Violations};
use cauce_store::{RangeReq, StoreError, decode_row};
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{Extension, QuotaPeriod, QuotaSettings, UsagePlan, UsagePlanKey};
use crate::page::Wanted;
use crate::patch::{PatchOperation, REPLACE, Supported, apply};
use crate::service::{ApiGateway, Located, at};
use crate::usage_plan_key::KEYS_PER_PLAN_MAX;

/// The seconds of a day.
const DAY_S: i64 = 86_400;
/// How many days one answer may tell of: a quota of API Gateway.
const DAYS_MAX: i64 = 90;

/// AWS: *GetUsage*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetUsage {
    plan_id: String,
    key_id: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    position: Option<String>,
    limit: Option<i64>,
}

impl Input for GetUsage {
    fn validate(&self, v: &mut Violations) {
        v.required("startDate", self.start_date.as_ref());
        v.required("endDate", self.end_date.as_ref());
    }
}

impl Located for GetUsage {
    fn location(&self) -> String {
        format!("/usageplans/{}/usage", self.plan_id)
    }
}

/// AWS: *UpdateUsage*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateUsage {
    plan_id: String,
    key_id: String,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for UpdateUsage {}

impl Located for UpdateUsage {
    fn location(&self) -> String {
        format!("/usageplans/{}/keys/{}/usage", self.plan_id, self.key_id)
    }
}

/// AWS: *Usage*. For every key, for every day, what was used and what was left at its end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    usage_plan_id: String,
    start_date: String,
    end_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    values: BTreeMap<String, Vec<[i64; 2]>>,
}

/// The day of a moment, counted from 1970.
fn day_of(now: Timestamp) -> i64 {
    now.as_secs().div_euclid(DAY_S)
}

/// The day on which the period of a day began: weeks begin on Sunday, months with the calendar's, both so many days later as the
/// offset says.
fn period_start(quota: &QuotaSettings, day: i64) -> i64 {
    let day = day - quota.offset;
    let start = match quota.period {
        QuotaPeriod::Day => day,
        // 1970-01-04 was a Sunday.
        QuotaPeriod::Week => day - (day + 4).rem_euclid(7),
        QuotaPeriod::Month => {
            let date = jiff::Timestamp::from_second(day.saturating_mul(DAY_S)).unwrap_or_default();
            day - i64::from(date.to_zoned(jiff::tz::TimeZone::UTC).day()) + 1
        }
    };
    start + quota.offset
}

/// A day as answers show it.
fn date_of(day: i64) -> String {
    let at = jiff::Timestamp::from_second(day.saturating_mul(DAY_S)).unwrap_or_default();
    at.strftime("%Y-%m-%d").to_string()
}

/// The day that a date in the form `2026-11-27` is.
fn day_named(name: &str, date: Option<&String>) -> Result<i64, Error> {
    let date = date.map_or("", String::as_str);
    let wrong = |_| Error::bad(format!("Invalid {name} specified: the format is YYYY-MM-DD"));
    let at: jiff::Timestamp = format!("{date}T00:00:00Z").parse().map_err(wrong)?;
    Ok(at.as_second().div_euclid(DAY_S))
}

impl ApiGateway {
    /// Counts one request of a key under a plan with a quota; says no when that of the period is used up. Durable once it
    /// returns.
    pub(crate) async fn count_request(
        &self,
        place: &Place,
        plan: &UsagePlan,
        quota: &QuotaSettings,
        key: &str,
    ) -> Result<bool, StoreError> {
        let day = day_of(self.env.now());
        let start = period_start(quota, day);
        let period = keys::usage(place, &plan.id, key, start);
        let extension = keys::extension(place, &plan.id, key, start);
        let daily = keys::daily_usage(place, &plan.id, key, day);
        let limit = quota.limit;
        self.db
            .transact(async |tx| {
                let granted = tx.get_record::<Extension>(&extension).await?.map_or(0, |granted| granted.requests);
                if tx.get_counter(&period).await? >= limit.saturating_add(granted) {
                    return Ok(false);
                }
                tx.add(period.clone(), 1)?;
                tx.add(daily.clone(), 1)?;
                Ok(true)
            })
            .await
    }

    pub(crate) async fn get_usage(self: Arc<Self>, call: Call, input: GetUsage) -> Result<Usage, Error> {
        let first = day_named("startDate", input.start_date.as_ref())?;
        let last = day_named("endDate", input.end_date.as_ref())?;
        if first > last {
            return Err(Error::bad("Invalid date range: startDate must not be after endDate"));
        }
        if last - first >= DAYS_MAX {
            return Err(Error::bad(format!("Invalid date range: the limit is {DAYS_MAX} days")));
        }
        let (place, tx) = (Place::of(&call), self.db.begin());
        let plan = self.usage_plan(&tx, &place, &input.plan_id).await?;
        let rows = tx.range(RangeReq::new(keys::plan_keys(&place, &plan.id), KEYS_PER_PLAN_MAX)).await?;
        let members = rows.iter().map(decode_row::<UsagePlanKey>).collect::<Result<Vec<_>, _>>()?;
        let wanted = members.iter().filter(|member| input.key_id.as_ref().is_none_or(|id| *id == member.id));
        let page = Wanted::new(input.position.as_ref(), input.limit).page(wanted.map(|m| (m.id.as_str(), m)))?;
        let mut values = BTreeMap::new();
        if let Some(quota) = &plan.quota {
            for member in page.item {
                let days = self.days(&place, &plan.id, quota, &member.id, first, last).await?;
                values.insert(member.id.clone(), days);
            }
        }
        Ok(Usage {
            usage_plan_id: plan.id,
            start_date: input.start_date.unwrap_or_default(),
            end_date: input.end_date.unwrap_or_default(),
            position: page.position,
            values,
        })
    }

    async fn days(
        &self,
        place: &Place,
        plan: &str,
        quota: &QuotaSettings,
        key: &str,
        first: i64,
        last: i64,
    ) -> Result<Vec<[i64; 2]>, Error> {
        let tx = self.db.begin();
        let (mut days, mut period, mut used_in_period, mut extension) = (Vec::new(), i64::MIN, 0, None);
        for day in period_start(quota, first)..=last {
            let used = tx.get_counter(&keys::daily_usage(place, plan, key, day)).await?;
            if period_start(quota, day) != period {
                (period, used_in_period) = (period_start(quota, day), 0);
                extension = tx.get_record::<Extension>(&keys::extension(place, plan, key, period)).await?;
            }
            used_in_period += used;
            let granted = extension.filter(|granted| granted.day <= day).map_or(0, |granted| granted.requests);
            if day >= first {
                days.push([used, quota.limit.saturating_add(granted).saturating_sub(used_in_period).max(0)]);
            }
        }
        Ok(days)
    }

    /// Sets how many requests a key has left in the period that runs.
    pub(crate) async fn update_usage(self: Arc<Self>, call: Call, input: UpdateUsage) -> Result<Usage, Error> {
        let mut remaining = None;
        apply(&mut remaining, &input.patch_operations, PATCHES, |remaining, patch| {
            let number = patch.number()?;
            if number < 0 {
                return Err(Error::bad("Usage Plan remaining quota must not be negative"));
            }
            *remaining = Some(number);
            Ok(())
        })?;
        let (place, plan, key) = (Place::of(&call), &input.plan_id, &input.key_id);
        let day = day_of(self.env.now());
        let quota = self
            .db
            .transact(async |tx| {
                let quota = self.usage_plan(&tx, &place, plan).await?.quota;
                self.plan_key(&tx, &place, plan, key).await?;
                let quota = quota.ok_or_else(|| Error::bad(format!("Usage Plan {plan} does not have a quota")))?;
                if let Some(remaining) = remaining {
                    let start = period_start(&quota, day);
                    let used = tx.get_counter(&keys::usage(&place, plan, key, start)).await?;
                    let requests = used.saturating_add(remaining).saturating_sub(quota.limit);
                    tx.set_record(keys::extension(&place, plan, key, start), &Extension { requests, day })?;
                }
                Ok::<_, Error>(quota)
            })
            .await?;
        let first = period_start(&quota, day);
        let days = self.days(&place, plan, &quota, key, first, day).await?;
        Ok(Usage {
            usage_plan_id: plan.clone(),
            start_date: date_of(first),
            end_date: date_of(day),
            position: None,
            values: BTreeMap::from([(key.clone(), days)]),
        })
    }
}

const PATCHES: Supported = &[("/remaining", REPLACE)];

/// The operations on usage.
pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    let usage = Operation::new("GetUsage", ApiGateway::get_usage);
    let usage = at(usage, HttpMethod::GET, "/usageplans/{planId}/usage", 200);
    let names = ["keyId", "startDate", "endDate", "position", "limit"];
    let update = Operation::new("UpdateUsage", ApiGateway::update_usage);
    let update = at(update, HttpMethod::PATCH, "/usageplans/{planId}/keys/{keyId}/usage", 200);
    api.operation(names.into_iter().fold(usage, |usage, name| usage.query(name, name))).operation(update)
}

#[cfg(test)]
mod tests {
    use super::{day_named, period_start};
    use crate::model::{QuotaPeriod, QuotaSettings};

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let day = |date: &str| day_named("date", Some(&date.to_owned())).unwrap();
        let check = |date: &str, week: &str, month: &str| {
            let periods = [QuotaPeriod::Day, QuotaPeriod::Week, QuotaPeriod::Month];
            let starts = periods.map(|period| period_start(&QuotaSettings { limit: 1, offset: 0, period }, day(date)));
            assert_eq!(starts, [date, week, month].map(day), "{date}");
        };
        check("2026-11-27", "2026-11-22", "2026-11-01");
        check("2026-11-01", "2026-11-01", "2026-11-01");
        check("2024-02-29", "2024-02-25", "2024-02-01");
        for bad in ["", "2026-13-01", "27/11/2026", "2026-11-27T00:00:00Z"] {
            assert!(day_named("date", Some(&bad.to_owned())).is_err(), "{bad}");
        }
    }

    #[test]
    fn periods_begin_later_by_their_offset() {
        let day = |date: &str| day_named("date", Some(&date.to_owned())).unwrap();
        let check = |period, offset, date: &str, expect: &str| {
            let start = period_start(&QuotaSettings { limit: 1, offset, period }, day(date));
            assert_eq!(start, day(expect), "{offset} {date}");
        };
        check(QuotaPeriod::Week, 1, "2026-11-23", "2026-11-23");
        check(QuotaPeriod::Week, 1, "2026-11-22", "2026-11-16");
        check(QuotaPeriod::Week, 6, "2026-11-27", "2026-11-21");
        check(QuotaPeriod::Month, 14, "2026-11-15", "2026-11-15");
        check(QuotaPeriod::Month, 14, "2026-11-14", "2026-10-15");
        check(QuotaPeriod::Month, 27, "2026-03-27", "2026-02-28");
    }
}
