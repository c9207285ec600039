//! What is measured of deployed APIs. AWS: API Gateway Developer Guide, *Amazon API Gateway dimensions and metrics*.

use std::sync::{Arc, OnceLock};

use cauce_core::ports::{Meter, MeterSets, Metrics};

use super::request::Request;
use crate::deployed::DeployedStage;
use crate::service::ApiGateway;
use crate::stage::settings_for;

/// What stands between the parts of what is measured, and in none of them.
const SEPARATOR: char = '\n';

/// The meters of all APIs, once [`ApiGateway::measure`] has said where they are read.
pub(crate) type Meters = OnceLock<MeterSets<ApiMeters>>;

/// The meters of an API, of a stage, or of a method of a stage.
#[derive(Debug)]
pub(crate) struct ApiMeters {
    count: Meter,
    client_errors: Meter,
    server_errors: Meter,
    latency_ms: Meter,
    integration_latency_ms: Meter,
}

impl ApiGateway {
    /// Says where what is measured of APIs is recorded; without it, nothing is.
    pub fn measure(&self, metrics: Arc<dyn Metrics>) {
        let sets = MeterSets::new(metrics, "AWS/ApiGateway", |maker, resource| {
            let names = ["ApiName", "Stage", "Method", "Resource"];
            let dimensions: Vec<(&str, &str)> = names.into_iter().zip(resource.split(SEPARATOR)).collect();
            let meter = |name, unit| maker.meter(name, unit, &dimensions);
            ApiMeters {
                count: meter("Count", "Count"),
                client_errors: meter("4XXError", "Count"),
                server_errors: meter("5XXError", "Count"),
                latency_ms: meter("Latency", "Milliseconds"),
                integration_latency_ms: meter("IntegrationLatency", "Milliseconds"),
            }
        });
        if self.meters.set(sets).is_err() {
            tracing::error!("where APIs are measured was said twice");
        }
    }
}

/// Records a request that has been answered: for the API, for its stage, and for its method where the stage's settings say so.
pub(super) fn record(gateway: &ApiGateway, request: &Request, deployed: &DeployedStage) {
    let Some(meters) = gateway.meters.get() else { return };
    let latency_ms = gateway.env.now().since(request.call.received).as_secs_f64() * 1_000.0;
    let of = |resource: &str| {
        let meters = meters.of(deployed.place.account, &deployed.place.region, resource);
        let truth = |truth: bool| f64::from(u8::from(truth));
        meters.count.count();
        // Zeros count too: the average of each is a rate.
        meters.client_errors.record(truth((400..500).contains(&request.status)));
        meters.server_errors.record(truth(request.status >= 500));
        meters.latency_ms.record(latency_ms);
        if let Some(ms) = request.integration_ms {
            meters.integration_latency_ms.record(u32::try_from(ms).map_or(f64::MAX, f64::from));
        }
    };
    let api = &deployed.snapshot.api.name;
    of(api);
    let stage = format!("{api}{SEPARATOR}{}", request.stage);
    of(&stage);
    let setting = settings_for(&deployed.stage, &request.resource_path, request.method.as_str());
    if !request.resource_path.is_empty() && setting.is_some_and(|setting| setting.metrics_enabled) {
        of(&format!("{stage}{SEPARATOR}{}{SEPARATOR}{}", request.method, request.resource_path));
    }
}
