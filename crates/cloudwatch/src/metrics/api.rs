//! The operations of CloudWatch metrics.

use std::sync::Arc;

use cauce_wire::{Api, JsonVersion, Operation, Protocol, ServiceInfo};

use super::dashboard;
use super::service::Metrics;

/// How CloudWatch is spoken to.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "cloudwatch",
    signing_name: "monitoring",
    protocols: &[
        Protocol::Cbor { service: "GraniteServiceVersion20100801" },
        Protocol::Json { version: JsonVersion::V1_0, target_prefix: "GraniteServiceVersion20100801" },
        Protocol::Query { version: "2010-08-01", xmlns: "http://monitoring.amazonaws.com/doc/2010-08-01/" },
    ],
    validation_code: "ValidationError",
};

/// All operations on this service.
pub fn api(metrics: Arc<Metrics>) -> Api<Metrics> {
    let namespace = |namespace: Option<&String>| match namespace {
        Some(namespace) => vec![("cloudwatch:namespace".to_owned(), vec![namespace.clone()])],
        None => Vec::new(),
    };
    Api::new(&INFO, metrics)
        .operation(
            Operation::new("PutMetricData", Metrics::put_metric_data)
                .context(move |_, input| namespace(input.namespace.as_ref())),
        )
        .operation(Operation::new("GetMetricData", Metrics::get_metric_data))
        .operation(Operation::new("GetMetricStatistics", Metrics::get_metric_statistics))
        .operation(Operation::new("ListMetrics", Metrics::list_metrics))
        .operation(
            Operation::new("PutDashboard", Metrics::put_dashboard)
                .resource(|call, input| dashboard::resource(call, Some(&input.dashboard_name))),
        )
        .operation(
            Operation::new("GetDashboard", Metrics::get_dashboard)
                .resource(|call, input| dashboard::resource(call, Some(&input.dashboard_name))),
        )
        .operation(
            Operation::new("ListDashboards", Metrics::list_dashboards)
                .resource(|call, _| dashboard::resource(call, None)),
        )
        .operation(Operation::new("DeleteDashboards", Metrics::delete_dashboards).resource(|call, input| {
            input.dashboard_names.iter().flat_map(|name| dashboard::resource(call, Some(name))).collect()
        }))
}
