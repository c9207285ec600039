//! API keys, and the usage plans that they are in.

use std::sync::Arc;

use cauce_core::Timestamp;
use cauce_store::StoreError;

use crate::deployed::{Claim, DeployedStage, StageId};
use crate::keys::{self, Place};
use crate::model::{ApiKeySource, QuotaPeriod, QuotaSettings, UsagePlan};
use crate::service::ApiGateway;

use super::Gateway;
use super::failure::{Failure, Kind};
use super::plan::PlannedMethod;
use super::request::Request;
use super::throttle;

/// The seconds of a day.
const DAY_S: i64 = 86_400;

/// Refuses a request without a good key where the method asks for one, and counts it in the key's usage plan.
pub(super) async fn check(
    gateway: &Gateway,
    request: &mut Request,
    method: &PlannedMethod,
    deployed: &DeployedStage,
) -> Result<(), Failure> {
    if !method.api_key_required {
        return Ok(());
    }
    let value = match deployed.snapshot.api.api_key_source {
        ApiKeySource::Header => request.header("x-api-key").map(str::to_owned),
        ApiKeySource::Authorizer => request.authorized.as_ref().and_then(|authorized| authorized.usage_key.clone()),
    };
    let refused = || Failure::new(Kind::InvalidApiKey);
    let claim = Claim {
        place: deployed.place.clone(),
        at: StageId { api: request.api_id.clone(), stage: request.stage.clone() },
        value: value.ok_or_else(refused)?,
    };
    let grant = gateway.control.grant(&claim).await.map_err(|error| Failure::internal().because(error.to_string()))?;
    let grant = grant.filter(|grant| grant.key.enabled).ok_or_else(refused)?;
    request.key = Some(Arc::clone(&grant));
    let plan = grant.plan.as_ref().ok_or_else(refused)?;
    throttle::check_plan(gateway, request, method, plan, &grant.key.id)?;
    let Some(quota) = &plan.quota else { return Ok(()) };
    let counted = count(&gateway.control, &claim.place, plan, quota, &grant.key.id).await;
    match counted {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new(Kind::QuotaExceeded)),
        Err(error) => Err(Failure::internal().because(error.to_string())),
    }
}

/// Counts one request; says no when the quota of the period is used up. Durable once it returns.
async fn count(
    control: &ApiGateway,
    place: &Place,
    plan: &UsagePlan,
    quota: &QuotaSettings,
    key: &str,
) -> Result<bool, StoreError> {
    let now = control.env.now();
    let row = keys::usage(place, &plan.id, key, period_start(quota.period, now));
    let limit = quota.limit;
    control
        .db
        .transact(async |tx| {
            let used = tx.get_counter(&row).await?;
            if used >= limit {
                return Ok(false);
            }
            tx.add(row.clone(), 1)?;
            Ok(true)
        })
        .await
}

/// The day on which a period began, in days since 1970: UTC days, weeks from Sunday, calendar months.
pub(crate) fn period_start(period: QuotaPeriod, now: Timestamp) -> i64 {
    let days = now.as_secs().div_euclid(DAY_S);
    match period {
        QuotaPeriod::Day => days,
        // 1970-01-04 was a Sunday.
        QuotaPeriod::Week => days - (days + 4).rem_euclid(7),
        QuotaPeriod::Month => {
            let date = jiff::Timestamp::from_second(now.as_secs()).unwrap_or_default();
            let day = date.to_zoned(jiff::tz::TimeZone::UTC).day();
            days - i64::from(day) + 1
        }
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;

    use super::period_start;
    use crate::model::QuotaPeriod;

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let check = |date: &str, day: &str, week: &str, month: &str| {
            let at = |date: &str| {
                Timestamp::from_secs(format!("{date}T00:00:00Z").parse::<jiff::Timestamp>().unwrap().as_second())
            };
            let now = Timestamp::from_secs(at(date).as_secs() + 43_200);
            let starts =
                [QuotaPeriod::Day, QuotaPeriod::Week, QuotaPeriod::Month].map(|period| period_start(period, now));
            assert_eq!(starts, [day, week, month].map(|date| at(date).as_secs() / 86_400), "{date}");
        };
        check("2026-11-27", "2026-11-27", "2026-11-22", "2026-11-01");
        check("2026-11-01", "2026-11-01", "2026-11-01", "2026-11-01");
        check("2024-02-29", "2024-02-29", "2024-02-25", "2024-02-01");
    }
}
