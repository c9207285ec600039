//! What is measured of deployed APIs. AWS: API Gateway Developer Guide, *Amazon API Gateway dimensions and metrics*.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cauce_core::ports::{Meter, MeterMaker, MeterParts, MeterSets, Metrics};

use super::request::Request;
use crate::deployed::DeployedStage;
use crate::service::ApiGateway;
use crate::stage::settings_for;

/// The meters of all APIs, once [`ApiGateway::measure`] has said where they are read.
pub(crate) type Meters = OnceLock<MeterSets<ApiMeters>>;

/// The meters of an API.
#[derive(Debug)]
pub(crate) struct ApiMeters {
    own: RequestMeters,
    stages: MeterParts<StageMeters>,
}

#[derive(Debug)]
struct StageMeters {
    own: RequestMeters,
    /// By the method, then by the path of its resource.
    methods: MeterParts<MeterParts<RequestMeters>>,
}

#[derive(Debug)]
struct RequestMeters {
    count: Meter,
    client_errors: Meter,
    server_errors: Meter,
    latency_ms: Meter,
    integration_latency_ms: Meter,
}

impl ApiMeters {
    fn new(maker: &MeterMaker, api: &str) -> ApiMeters {
        let maker = maker.within("ApiName", api);
        ApiMeters { own: RequestMeters::new(&maker), stages: MeterParts::new(maker, StageMeters::new) }
    }
}

impl StageMeters {
    fn new(maker: &MeterMaker, stage: &str) -> StageMeters {
        let maker = maker.within("Stage", stage);
        let own = RequestMeters::new(&maker);
        let methods = MeterParts::new(maker, |maker, method| {
            MeterParts::new(maker.within("Method", method), |maker, path| {
                RequestMeters::new(&maker.within("Resource", path))
            })
        });
        StageMeters { own, methods }
    }
}

impl RequestMeters {
    fn new(maker: &MeterMaker) -> RequestMeters {
        let meter = |name, unit| maker.meter(name, unit, &[]);
        RequestMeters {
            count: meter("Count", "Count"),
            client_errors: meter("4XXError", "Count"),
            server_errors: meter("5XXError", "Count"),
            latency_ms: meter("Latency", "Milliseconds"),
            integration_latency_ms: meter("IntegrationLatency", "Milliseconds"),
        }
    }

    fn record(&self, request: &Request, latency: Duration) {
        self.count.count();
        // Zeros count too: the average of each is a rate.
        self.client_errors.record_flag((400..500).contains(&request.status));
        self.server_errors.record_flag(request.status >= 500);
        self.latency_ms.record_ms(latency);
        if let Some(ms) = request.integration_ms {
            self.integration_latency_ms.record(u32::try_from(ms).map_or(f64::MAX, f64::from));
        }
    }
}

impl ApiGateway {
    /// Says where what is measured of APIs is recorded; without it, nothing is.
    pub fn measure(&self, metrics: Arc<dyn Metrics>) {
        if self.meters.set(MeterSets::new(metrics, "AWS/ApiGateway", ApiMeters::new)).is_err() {
            tracing::error!("where APIs are measured was said twice");
        }
    }
}

/// Records a request that has been answered: for the API, for its stage, and for its method where the stage's settings say so.
pub(super) fn record(gateway: &ApiGateway, request: &Request, deployed: &DeployedStage) {
    let Some(meters) = gateway.meters.get() else { return };
    let latency = gateway.env.now().since(request.call.received);
    let api = meters.of(deployed.place.account, &deployed.place.region, &deployed.snapshot.api.name);
    api.own.record(request, latency);
    let stage = api.stages.of(&request.stage);
    stage.own.record(request, latency);
    let setting = settings_for(&deployed.stage, &request.resource_path, request.method.as_str());
    if !request.resource_path.is_empty() && setting.is_some_and(|setting| setting.metrics_enabled) {
        stage.methods.of(request.method.as_str()).of(&request.resource_path).record(request, latency);
    }
}
