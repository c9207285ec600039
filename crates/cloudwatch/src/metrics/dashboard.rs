//! Dashboards: JSON documents that the console draws. They are kept and shown as they are.

use std::sync::{Arc, LazyLock};

use cauce_core::{Arn, Call, Timestamp, Violations};
use cauce_store::{RangeReq, Record, StoreError};
use cauce_wire::{Input, nests_deeper};
use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use super::error::MetricsError;
use super::keys;
use super::service::Metrics;

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 255;
/// The longest body, in bytes.
const BODY_BYTES_MAX: usize = 512 * 1_024;
/// The most dashboards of an account.
const DASHBOARDS_MAX: usize = 5_000;
/// Names in one request to delete.
const DELETE_MAX: usize = 100;
/// Dashboards of one answer.
const PAGE_DASHBOARDS_MAX: usize = 1_000;
/// How deep a body may nest.
const BODY_DEPTH_MAX: usize = 100;

static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^[A-Za-z0-9_-]+$").ok());

/// A dashboard as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dashboard {
    body: String,
    modified: Timestamp,
}

impl Record for Dashboard {
    const VERSION: u8 = 1;
}

fn check_name(name: &str) -> Result<(), MetricsError> {
    let good = NAME.as_ref().is_some_and(|regex| regex.is_match(name));
    if good && name.chars().count() <= NAME_CHARS_MAX {
        return Ok(());
    }
    let message = format!(
        "The value {name} for field DashboardName contains invalid characters. It can only contain alphanumerics, dash (-) and \
         underscore (_)."
    );
    Err(MetricsError::Dashboard { message, details: Vec::new() })
}

fn arn(call: &Call, name: &str) -> String {
    // Dashboards have no region, and neither has their ARN.
    Arn::global("cloudwatch", call.account, &format!("dashboard/{name}")).to_string()
}

/// The resource that policies see.
pub(crate) fn resource(call: &Call, name: Option<&str>) -> Vec<String> {
    vec![name.map_or_else(|| "*".to_owned(), |name| arn(call, name))]
}

/// `PutDashboard`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutDashboard {
    pub(crate) dashboard_name: String,
    dashboard_body: String,
}

impl Input for PutDashboard {}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutDashboardOutput {
    dashboard_validation_messages: Vec<String>,
}

/// `GetDashboard`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetDashboard {
    pub(crate) dashboard_name: String,
}

impl Input for GetDashboard {}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetDashboardOutput {
    dashboard_arn: String,
    dashboard_body: String,
    dashboard_name: String,
}

/// `ListDashboards`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListDashboards {
    dashboard_name_prefix: Option<String>,
    next_token: Option<String>,
}

impl Input for ListDashboards {
    fn validate(&self, v: &mut Violations) {
        if let Some(prefix) = &self.dashboard_name_prefix {
            v.length("dashboardNamePrefix", prefix, 0, NAME_CHARS_MAX);
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListDashboardsOutput {
    dashboard_entries: Vec<DashboardEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DashboardEntry {
    dashboard_name: String,
    dashboard_arn: String,
    last_modified: Timestamp,
    size: usize,
}

/// `DeleteDashboards`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteDashboards {
    pub(crate) dashboard_names: Vec<String>,
}

impl Input for DeleteDashboards {}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct DeleteDashboardsOutput {}

/// What is wrong with a body: it must be a JSON object, and its widgets a list.
fn check_body(body: &str) -> Result<(), MetricsError> {
    let refused = |path: &str, what: String| {
        let message = "The field DashboardBody must be a valid JSON object.".to_owned();
        Err(MetricsError::Dashboard { message, details: vec![(path.to_owned(), what)] })
    };
    if body.len() > BODY_BYTES_MAX {
        return refused("/", format!("The body has {} bytes, more than the limit of {BODY_BYTES_MAX}", body.len()));
    }
    if nests_deeper(body.as_bytes(), BODY_DEPTH_MAX) {
        return refused("/", format!("The body nests deeper than the limit of {BODY_DEPTH_MAX} levels"));
    }
    match serde_json::from_str::<serde_json::Value>(body) {
        Ok(serde_json::Value::Object(members)) => match members.get("widgets") {
            None | Some(serde_json::Value::Array(_)) => Ok(()),
            Some(_) => refused("/widgets", "Should be an array".to_owned()),
        },
        Ok(_) => refused("/", "Should be an object".to_owned()),
        Err(cause) => refused("/", format!("Invalid JSON: {cause}")),
    }
}

impl Metrics {
    /// `PutDashboard`.
    pub(crate) async fn put_dashboard(
        self: Arc<Self>,
        call: Call,
        input: PutDashboard,
    ) -> Result<PutDashboardOutput, MetricsError> {
        check_name(&input.dashboard_name)?;
        check_body(&input.dashboard_body)?;
        let key = keys::dashboard(call.account, &input.dashboard_name);
        let dashboard = Dashboard { body: input.dashboard_body, modified: self.env.now() };
        let all = RangeReq::new(keys::dashboards_with_prefix(call.account, ""), DASHBOARDS_MAX);
        self.db
            .transact(async |tx| {
                let is_new = tx.get(&key).await?.is_none();
                if is_new && tx.snapshot_range(all.clone()).await?.len() >= DASHBOARDS_MAX {
                    let message = format!("An account has at most {DASHBOARDS_MAX} dashboards");
                    return Err(MetricsError::Dashboard { message, details: Vec::new() });
                }
                tx.set_record(key.clone(), &dashboard).map_err(MetricsError::Store)
            })
            .await?;
        Ok(PutDashboardOutput { dashboard_validation_messages: Vec::new() })
    }

    /// `GetDashboard`.
    pub(crate) async fn get_dashboard(
        self: Arc<Self>,
        call: Call,
        input: GetDashboard,
    ) -> Result<GetDashboardOutput, MetricsError> {
        let name = input.dashboard_name;
        let found = self.db.get::<Dashboard>(&keys::dashboard(call.account, &name)).await?;
        let found = found.ok_or_else(|| MetricsError::DashboardNotFound(name.clone()))?;
        Ok(GetDashboardOutput { dashboard_arn: arn(&call, &name), dashboard_body: found.body, dashboard_name: name })
    }

    /// `ListDashboards`.
    pub(crate) async fn list_dashboards(
        self: Arc<Self>,
        call: Call,
        input: ListDashboards,
    ) -> Result<ListDashboardsOutput, MetricsError> {
        let prefix = input.dashboard_name_prefix.unwrap_or_default();
        let mut request = RangeReq::new(keys::dashboards_with_prefix(call.account, &prefix), PAGE_DASHBOARDS_MAX);
        if let Some(token) = &input.next_token {
            check_name(token).map_err(|_| MetricsError::invalid(token, "NextToken"))?;
            request = request.after(&keys::dashboard(call.account, token));
        }
        let page = self.db.range(request).await?;
        let mut entries = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            let corrupt = |reason: String| StoreError::Corrupt { key: row.key.clone(), reason };
            let name = keys::read_dashboard(&row.key).map_err(|error| corrupt(error.to_string()))?;
            let dashboard: Dashboard = cauce_store::decode_row(row)?;
            entries.push(DashboardEntry {
                dashboard_arn: arn(&call, &name),
                dashboard_name: name,
                last_modified: dashboard.modified,
                size: dashboard.body.len(),
            });
        }
        let next_token = entries.last().filter(|_| page.more).map(|entry| entry.dashboard_name.clone());
        Ok(ListDashboardsOutput { dashboard_entries: entries, next_token })
    }

    /// `DeleteDashboards`: all of them, or none if one is missing.
    pub(crate) async fn delete_dashboards(
        self: Arc<Self>,
        call: Call,
        input: DeleteDashboards,
    ) -> Result<DeleteDashboardsOutput, MetricsError> {
        if input.dashboard_names.is_empty() {
            return Err(MetricsError::required("DashboardNames"));
        }
        if input.dashboard_names.len() > DELETE_MAX {
            return Err(MetricsError::collection("DashboardNames", DELETE_MAX));
        }
        self.db
            .transact(async |tx| {
                for name in &input.dashboard_names {
                    let key = keys::dashboard(call.account, name);
                    if tx.get(&key).await?.is_none() {
                        return Err(MetricsError::DashboardNotFound(name.clone()));
                    }
                    tx.clear(key);
                }
                Ok(())
            })
            .await?;
        Ok(DeleteDashboardsOutput {})
    }
}
