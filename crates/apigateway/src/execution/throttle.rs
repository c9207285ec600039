//! How many requests a second: token buckets for the methods of a stage and for the keys of usage plans.
//!
//! Buckets are in memory: after a restart they are full.

use std::collections::HashMap;

use cauce_core::Timestamp;
use parking_lot::Mutex;

use crate::deployed::DeployedStage;
use crate::model::{ThrottleSettings, UsagePlan};
use crate::stage::settings_for;

use super::Gateway;
use super::failure::{Failure, Kind};
use super::plan::PlannedMethod;
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
    fn take(&self, name: String, rate: f64, burst: f64, now: Timestamp) -> bool {
        let mut kept = self.kept.lock();
        if kept.len() >= BUCKETS_MAX && !kept.contains_key(&name) {
            let second = |bucket: &Bucket| now.since(bucket.at).as_secs() < 1;
            kept.retain(|_, bucket| second(bucket));
            if kept.len() >= BUCKETS_MAX {
                kept.clear();
            }
        }
        let bucket = kept.entry(name).or_insert(Bucket { tokens: burst, at: now });
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

/// `PATH/METHOD`, as usage plans name a method.
fn method_key(method: &PlannedMethod) -> String {
    format!("{}/{}", method.resource_path, method.name)
}

/// Refuses what is beyond the limits of the stage's settings.
pub(super) fn check_stage(
    gateway: &Gateway,
    request: &Request,
    method: &PlannedMethod,
    deployed: &DeployedStage,
) -> Result<(), Failure> {
    let setting = settings_for(&deployed.stage, &method.resource_path, &method.name);
    let Some(setting) = setting else { return Ok(()) };
    if setting.throttling_rate_limit < 0.0 || setting.throttling_burst_limit < 0 {
        return Ok(());
    }
    let name = format!("s/{}/{}/{}", request.api_id, request.stage, method_key(method));
    #[expect(clippy::cast_precision_loss, reason = "bursts are small numbers")]
    let burst = setting.throttling_burst_limit as f64;
    granted(gateway, name, setting.throttling_rate_limit, burst)
}

/// Refuses what is beyond the limits of a key's usage plan: for this method, then for all.
pub(super) fn check_plan(
    gateway: &Gateway,
    request: &Request,
    method: &PlannedMethod,
    plan: &UsagePlan,
    key: &str,
) -> Result<(), Failure> {
    let stage = plan.api_stages.iter().find(|at| at.api_id == request.api_id && at.stage == request.stage);
    let path = method_key(method);
    if let Some(limits) = stage.and_then(|stage| stage.throttle.get(&path)) {
        check_limits(gateway, limits, format!("m/{}/{key}/{}/{}{path}", plan.id, request.api_id, request.stage))?;
    }
    match &plan.throttle {
        Some(limits) => check_limits(gateway, limits, format!("p/{}/{key}", plan.id)),
        None => Ok(()),
    }
}

fn check_limits(gateway: &Gateway, limits: &ThrottleSettings, name: String) -> Result<(), Failure> {
    #[expect(clippy::cast_precision_loss, reason = "bursts are small numbers")]
    granted(gateway, name, limits.rate_limit, limits.burst_limit as f64)
}

fn granted(gateway: &Gateway, name: String, rate: f64, burst: f64) -> Result<(), Failure> {
    match gateway.buckets.take(name, rate, burst, gateway.control.env.now()) {
        true => Ok(()),
        false => Err(Failure::new(Kind::Throttled)),
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;

    use super::Buckets;

    #[test]
    fn a_bucket_fills_with_its_rate_up_to_its_burst() {
        let buckets = Buckets::default();
        let take = |ms: i64| buckets.take("k".to_owned(), 2.0, 3.0, Timestamp::from_millis(ms));
        assert_eq!([take(0), take(0), take(0), take(0)], [true, true, true, false]);
        assert_eq!([take(499), take(500), take(500)], [false, true, false]);
        assert_eq!([take(60_000), take(60_000), take(60_000), take(60_000)], [true, true, true, false]);
        let closed = Buckets::default();
        assert!(!closed.take("k".to_owned(), 0.0, 0.0, Timestamp::from_secs(9)));
    }
}
