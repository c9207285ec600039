//! The execution plane: what clients of deployed APIs meet.
//!
//! # The way of a request
//! Address (which API, stage and path), route (which resource and method), resource policy, authorization, API key and usage
//! plan, throttling, validation, integration, answer, logs. Every step can only refuse, and each refusal is one of the gateway
//! responses that the API may have shaped.
//!
//! # Invariants
//! - Everything that an API is made of is compiled once per deployed stage ([`plan::Plan`]): nothing is parsed, and the store is
//!   not read, on the way of a request.
//! - An integration acts as API Gateway on behalf of the method, or as a session of the role that it names, never as more.
//! - A quota is counted durably before the request that uses it up goes on.

mod access_log;
mod address;
mod answer;
mod authorizer;
mod binary;
mod endpoint;
mod execution_log;
mod failure;
mod function;
mod integration;
mod key;
mod mapping;
mod meters;
mod permission;
mod plan;
mod proxy_event;
mod request;
mod route;
mod service;
mod source;
mod test_invoke;
mod throttle;
mod upstream;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::{Call, Trace};
use cauce_wire::{Body, RawRequest, RawService, RawStyle, RequestHead};
use http::{HeaderValue, Response};

use crate::deployed::{DeployedStage, StageId};
use crate::service::ApiGateway;
use address::Address;
use answer::Answer;
use authorizer::Authorizations;
use execution_log::ExecutionLog;
use failure::{Failure, Kind};
pub(crate) use meters::Meters;
use plan::PlannedMethod;
pub(crate) use plan::{Plan, whole};
use request::Request;
pub(crate) use test_invoke::operations;
use throttle::Buckets;

/// The largest body of a request or answer, in bytes: a quota of API Gateway.
const BODY_BYTES_MAX: usize = 10 * 1_024 * 1_024;
/// The most bytes that the names and values of a request's headers may have together: a quota of API Gateway.
const HEADERS_BYTES_MAX: usize = 10_240;

/// Serves the APIs that are deployed.
pub struct Gateway {
    control: Arc<ApiGateway>,
    authorizations: Authorizations,
    buckets: Buckets,
}

impl Gateway {
    /// Serves the APIs of `control`.
    pub fn new(control: Arc<ApiGateway>) -> Gateway {
        Gateway { control, authorizations: Authorizations::default(), buckets: Buckets::default() }
    }

    async fn answer(&self, mut call: Call, raw: RawRequest) -> Response<Body> {
        let RawRequest { head, payload } = raw;
        let Some(address) = Address::of(&RequestHead { method: &head.method, uri: &head.uri, headers: &head.headers })
        else {
            return failure::bare(&call, &Failure::forbidden());
        };
        let id = StageId { api: address.api.to_owned(), stage: address.stage.to_owned() };
        let deployed = match self.control.deployed(&id).await {
            Ok(Some(deployed)) if !deployed.snapshot.api.disable_execute_api_endpoint => deployed,
            Ok(_) => return failure::bare(&call, &Failure::forbidden()),
            Err(error) => {
                tracing::error!(request_id = %call.request_id, api = id.api, %error, "the API cannot be read");
                return failure::bare(&call, &Failure::internal());
            }
        };
        call.account = deployed.place.account;
        call.region = deployed.place.region.clone();
        let plan = deployed.plan.get_or_init(|| Plan::compile(&deployed));
        let mut request = Request::new(&self.control.env, call, &deployed, &head, &address);
        let body = match payload.collect(BODY_BYTES_MAX).await {
            Ok(body) => Ok(body),
            Err(error) if error.code() == "EntityTooLarge" => Err(Failure::new(Kind::RequestTooLarge)),
            Err(error) => Err(Failure::with(Kind::Default4xx(400), error.message())),
        };
        let outcome = match body {
            Ok(body) => self.perform(&mut request, plan, &deployed, body).await,
            Err(failure) => Err(failure),
        };
        let answer = conclude(&mut request, outcome, &deployed);
        access_log::write(&self.control, &request, &deployed);
        execution_log::write(&self.control, &request);
        meters::record(&self.control, &request, &deployed);
        finish(answer, &request)
    }

    async fn perform(
        &self,
        request: &mut Request,
        plan: &Plan,
        deployed: &DeployedStage,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        request.body = body;
        let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers > HEADERS_BYTES_MAX {
            return Err(Failure::with(Kind::Default4xx(400), "Bad Request"));
        }
        let found = plan.routes.find(request.method.as_str(), &request.path);
        let Some((method, parameters)) = found.and_then(|(at, p)| Some((plan.methods.get(at)?, p))) else {
            return Err(Failure::new(Kind::MissingAuthenticationToken));
        };
        request.path_parameters = parameters;
        request.enter(method);
        request.log = ExecutionLog::new(&self.control.env, method.logging);
        request.log.info(|| format!("Extended Request Id: {}", request.extended_id));
        permission::check_api_policy(self, request, method, plan).await?;
        authorizer::authorize(self, request, method, plan, deployed).await?;
        key::check(self, request, method, deployed).await?;
        throttle::check_stage(self, method, plan)?;
        self.execute(request, method, deployed).await
    }

    /// Does what the method does, for whoever may ask for it.
    async fn execute(
        &self,
        request: &mut Request,
        method: &PlannedMethod,
        deployed: &DeployedStage,
    ) -> Result<Answer, Failure> {
        request.tell();
        validate::check(request, method)?;
        let Some(integration) = &method.integration else {
            return Err(Failure::configuration("No integration defined for method"));
        };
        let limit = Duration::from_millis(integration.timeout_ms);
        let work = integration::perform(self, request, integration, deployed);
        tokio::select! {
            biased;
            done = work => done,
            () = self.control.env.sleep(limit) => Err(Failure::new(Kind::IntegrationTimeout)),
        }
    }

    /// A call by API Gateway on behalf of a method.
    fn own_call(&self, request: &Request, source: &cauce_core::Arn) -> Call {
        let trace: Trace = request.call.trace.child(self.control.env.entropy());
        let (account, region) = (request.call.account, request.call.region.clone());
        Call::from_service(&self.control.env, "apigateway.amazonaws.com", Some(source), account, region, trace)
    }
}

/// The answer to what became of a request, with the last lines of its log.
fn conclude(request: &mut Request, outcome: Result<Answer, Failure>, deployed: &DeployedStage) -> Answer {
    let answer = match outcome {
        Ok(answer) => {
            let log = &request.log;
            log.data(|| format!("Method response body after transformations: {}", execution_log::body(&answer.body)));
            log.data(|| format!("Method response headers: {}", execution_log::shown(answer.headers())));
            log.info(|| "Successfully completed execution".to_owned());
            answer
        }
        Err(failure) => fail(request, failure, deployed),
    };
    (request.status, request.answer_bytes) = (answer.status, answer.body.len());
    let line = || format!("Method completed with status: {}", request.status);
    match request.failure {
        Some(_) => request.log.error(line),
        None => request.log.info(line),
    }
    if let Some(id) = request.integration_id.as_ref().filter(|_| !request.is_test) {
        request.log.info(|| format!("AWS Integration Endpoint RequestId : {id}"));
    }
    if deployed.stage.tracing_enabled {
        request.log.info(|| format!("X-ray Tracing ID : {}", request.call.trace.root));
    }
    answer
}

/// The answer to a failure.
fn fail(request: &mut Request, failure: Failure, deployed: &DeployedStage) -> Answer {
    let id = &request.call.request_id;
    if let Some(cause) = &failure.cause {
        tracing::warn!(request_id = %id, api = request.api_id, cause, "a request to an API failed");
    }
    if let Some(line) = failure.line(id.as_str()) {
        request.log.error(|| line);
    }
    request.failure = Some(failure.clone());
    let answer = failure::answer(&failure, request, deployed);
    if failure::shape(&failure, deployed).is_some() {
        let (kind, status) = (failure.kind.name(), answer.status);
        request.log.info(|| format!("Gateway response type: {kind} with status code: {status}"));
        request.log.data(|| format!("Gateway response body: {}", execution_log::body(&answer.body)));
        request.log.data(|| format!("Gateway response headers: {}", execution_log::shown(answer.headers())));
    }
    answer
}

fn finish(answer: Answer, request: &Request) -> Response<Body> {
    let mut response = answer.into_response(request.method == http::Method::HEAD);
    let headers = response.headers_mut();
    for (name, value) in
        [("x-amz-apigw-id", request.extended_id.clone()), ("x-amzn-trace-id", request.call.trace.header())]
    {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

#[async_trait]
impl RawService for Gateway {
    fn signing_name(&self) -> &'static str {
        "execute-api"
    }

    fn style(&self) -> RawStyle {
        RawStyle::Http
    }

    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        Address::of(head).is_some()
    }

    fn body_bytes_max(&self) -> Option<usize> {
        Some(BODY_BYTES_MAX)
    }

    async fn serve(&self, call: Call, request: RawRequest) -> Response<Body> {
        self.answer(call, request).await
    }
}
