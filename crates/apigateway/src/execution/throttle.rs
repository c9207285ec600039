//! How many requests a second: token buckets for the keys of usage plans, the methods of a stage, and the account.
//!
//! Buckets are in memory: after a restart they are full.

use std::collections::HashMap;

use cauce_core::Timestamp;
use parking_lot::Mutex;

use crate::account::{ACCOUNT_BURST_LIMIT, ACCOUNT_RATE_LIMIT};
use crate::model::{ThrottleSettings, UsagePlan};

use super::Gateway;
use super::failure::{Failure, Kind};
use super::plan::{Plan, PlannedMethod};
use super::request::Request;

/// How many buckets are kept; with one more, those that are full again are dropped, or all.
const BUCKETS_MAX: usize = 50_000;

/// Every bucket that requests have been taken from.
#[derive(Default)]
pub(super) struct Buckets {
    kept: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Buckets {
    /// Takes one request's token; says no if there is none. A rate or burst of zero lets nothing through.
    fn take(&self, name: &str, limits: &ThrottleSettings, now: Timestamp) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "bursts are small numbers")]
        let (rate, burst) = (limits.rate_limit, limits.burst_limit as f64);
        let mut kept = self.kept.lock();
        if kept.len() >= BUCKETS_MAX && !kept.contains_key(name) {
            let second = |bucket: &Bucket| now.since(bucket.at).as_secs() < 1;
            kept.retain(|_, bucket| second(bucket));
            if kept.len() >= BUCKETS_MAX {
                kept.clear();
            }
        }
        let new = || Bucket { tokens: burst, at: now };
        let bucket = match kept.get_mut(name) {
            Some(bucket) => bucket,
            None => kept.entry(name.to_owned()).or_insert_with(new),
        };
        let gained = now.since(bucket.at).as_secs_f64() * rate;
        bucket.tokens = (bucket.tokens + gained).min(burst);
        bucket.at = now;
        let granted = bucket.tokens >= 1.0;
        if granted {
            bucket.tokens -= 1.0;
        }
        granted
    }
}

/// What an account may ask of all its APIs in a region.
const ACCOUNT: ThrottleSettings = ThrottleSettings { rate_limit: ACCOUNT_RATE_LIMIT, burst_limit: ACCOUNT_BURST_LIMIT };

/// Refuses what is beyond the limits of the stage's settings, then of the account.
pub(super) fn check_stage(gateway: &Gateway, method: &PlannedMethod, plan: &Plan) -> Result<(), Failure> {
    if let Some(throttle) = &method.throttle {
        check(gateway, &throttle.bucket, &throttle.limits)?;
    }
    check(gateway, &plan.account_bucket, &ACCOUNT)
}

/// Refuses what is beyond the limits of a key's usage plan: for this method, then for all.
pub(super) fn check_plan(
    gateway: &Gateway,
    request: &Request,
    method: &PlannedMethod,
    plan: &UsagePlan,
    key: &str,
) -> Result<(), Failure> {
    let (api, stage, path) = (&request.api_id, &request.stage, &method.key);
    let at = plan.api_stages.iter().find(|at| at.api_id == *api && at.stage == *stage);
    let told = |failure: Failure, limits: &ThrottleSettings| {
        let (rate, burst) = (limits.rate_limit, limits.burst_limit);
        let (shown, resource, verb) = (request.shown_key(), &request.resource_id, &request.method);
        failure.told(format!(
            "API Key {shown} exceeded throttle limit for API Stage {api}/{stage}: Key throttle limit exceeded for Usage Plan ID \
             {}, RestApi {api}, Stage {stage}, Resource {resource}, HttpMethod {verb}. Limit: {rate:.2} Burst: {burst}",
            plan.id
        ))
    };
    if let Some(limits) = at.and_then(|stage| stage.throttle.get(path)) {
        let bucket = format!("m/{}/{key}/{api}/{stage}{path}", plan.id);
        check(gateway, &bucket, limits).map_err(|failure| told(failure, limits))?;
    }
    match &plan.throttle {
        Some(limits) => {
            let bucket = format!("p/{}/{key}", plan.id);
            check(gateway, &bucket, limits).map_err(|failure| told(failure, limits))
        }
        None => Ok(()),
    }
}

fn check(gateway: &Gateway, bucket: &str, limits: &ThrottleSettings) -> Result<(), Failure> {
    match gateway.buckets.take(bucket, limits, gateway.control.env.now()) {
        true => Ok(()),
        false => Err(Failure::new(Kind::Throttled)),
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;

    use super::Buckets;
    use crate::model::ThrottleSettings;

    #[test]
    fn a_bucket_fills_with_its_rate_up_to_its_burst() {
        let buckets = Buckets::default();
        let limits = ThrottleSettings { rate_limit: 2.0, burst_limit: 3 };
        let take = |ms: i64| buckets.take("k", &limits, Timestamp::from_millis(ms));
        assert_eq!([take(0), take(0), take(0), take(0)], [true, true, true, false]);
        assert_eq!([take(499), take(500), take(500)], [false, true, false]);
        assert_eq!([take(60_000), take(60_000), take(60_000), take(60_000)], [true, true, true, false]);
        let closed = Buckets::default();
        let nothing = ThrottleSettings { rate_limit: 0.0, burst_limit: 0 };
        assert!(!closed.take("k", &nothing, Timestamp::from_secs(9)));
    }
}
