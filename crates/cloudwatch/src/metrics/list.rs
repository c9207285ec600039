//! `ListMetrics`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::error::MetricsError;
use super::input::{self, DimensionInput};
use super::name::{Dimension, MetricName};
use super::registry::Known;
use super::service::Metrics;

/// Metrics of one answer.
const PAGE_METRICS_MAX: usize = 500;
/// The most dimensions to look for.
const FILTERS_MAX: usize = 10;
/// Metrics without samples for so long are not listed, in seconds.
const LISTED_S: i64 = 14 * 24 * 3_600;
/// What `RecentlyActive` of `PT3H` means, in seconds.
const RECENT_S: i64 = 3 * 3_600;

/// The request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListMetrics {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<DimensionInput>,
    next_token: Option<String>,
    recently_active: Option<String>,
    owning_account: Option<String>,
}

impl Input for ListMetrics {
    fn validate(&self, v: &mut Violations) {
        if let Some(namespace) = &self.namespace {
            input::namespace(v, "namespace", namespace);
        }
        if let Some(name) = &self.metric_name {
            v.length("metricName", name, 1, input::NAME_CHARS_MAX);
        }
        v.count("dimensions", self.dimensions.len(), 0, FILTERS_MAX);
        for (at, filter) in self.dimensions.iter().enumerate().take(FILTERS_MAX) {
            v.within(format!("dimensions.{}.member", at + 1), |v| v.required("name", filter.name.as_ref()));
        }
        input::dimensions(v, &self.dimensions);
        if let Some(recently) = &self.recently_active {
            v.one_of("recentlyActive", recently, &["PT3H"]);
        }
    }
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListMetricsOutput {
    metrics: Vec<MetricOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricOutput {
    namespace: String,
    metric_name: String,
    dimensions: Vec<Dimension>,
}

/// After which metric the next page begins: namespace, name, dimensions.
#[derive(Serialize, Deserialize)]
struct Place(String, String, Vec<(String, String)>);

impl Place {
    fn token(name: &MetricName) -> String {
        let dimensions = name.dimensions.iter().map(|d| (d.name.clone(), d.value.clone())).collect();
        let place = Place(name.namespace.clone(), name.name.clone(), dimensions);
        // Texts always have a JSON form.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&place).unwrap_or_default())
    }

    fn read(token: &str) -> Option<Place> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()
    }
}

impl Metrics {
    /// `ListMetrics`.
    pub(crate) async fn list_metrics(
        self: Arc<Self>,
        call: Call,
        input: ListMetrics,
    ) -> Result<ListMetricsOutput, MetricsError> {
        if input.owning_account.as_ref().is_some_and(|account| *account != call.account.to_string()) {
            let message = "Metrics of other accounts are not supported.";
            return Err(MetricsError::Unsupported(message.to_owned()));
        }
        let after = match input.next_token.as_deref() {
            None => None,
            Some(token) => {
                let Place(namespace, name, dimensions) =
                    Place::read(token).ok_or_else(|| MetricsError::invalid(token, "NextToken"))?;
                let dimensions = dimensions.into_iter().map(|(name, value)| Dimension { name, value }).collect();
                Some(self.name(&call, &namespace, &name, dimensions))
            }
        };
        let now_s = self.env.now().as_secs();
        let since_s = now_s - if input.recently_active.is_some() { RECENT_S } else { LISTED_S };
        let choose = |name: &MetricName, known: &Known| {
            let has = |filter: &DimensionInput| {
                let value = filter.name.as_deref().and_then(|wanted| name.dimension(wanted));
                value.is_some_and(|value| filter.value.as_deref().is_none_or(|wanted| wanted == value))
            };
            // Rounded down by a quarter of an hour, which the API allows for.
            known.active_s() + super::registry::ACTIVE_STEP_S > since_s
                && input.metric_name.as_ref().is_none_or(|wanted| *wanted == name.name)
                && input.dimensions.iter().all(has)
        };
        let place = (call.account, &call.region);
        let mut found =
            self.registry.list(place, input.namespace.as_deref(), after.as_ref(), PAGE_METRICS_MAX + 1, choose);
        let more = found.len() > PAGE_METRICS_MAX;
        found.truncate(PAGE_METRICS_MAX);
        let next_token = found.last().filter(|_| more).map(|(name, _)| Place::token(name));
        let metrics = found.into_iter().map(|(name, _)| MetricOutput {
            namespace: name.namespace,
            metric_name: name.name,
            dimensions: name.dimensions,
        });
        Ok(ListMetricsOutput { metrics: metrics.collect(), next_token })
    }
}
