//! The execution plane: what clients of deployed APIs meet.
//!
//! # The way of a request
//! Address (which API, stage and path), route (which resource and method), resource policy, authorization, API key and usage
//! plan, throttling, validation, integration, answer, access log. Every step can only refuse, and each refusal is one of the
//! gateway responses that the API may have shaped.
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
mod failure;
mod function;
mod integration;
mod key;
mod mapping;
mod permission;
mod plan;
mod proxy_event;
mod request;
mod route;
mod service;
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
use failure::{Failure, Kind};
pub(crate) use plan::Plan;
use request::Request;
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
        let answer = outcome.unwrap_or_else(|failure| {
            if let Some(cause) = &failure.cause {
                tracing::warn!(request_id = %request.call.request_id, api = id.api, cause, "a request to an API failed");
            }
            request.failure = Some(failure.clone());
            failure::answer(&failure, &request, &deployed)
        });
        request.status = answer.status;
        request.answer_bytes = answer.body.len();
        access_log::write(&self.control, &request, &deployed);
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
        request.resource_id.clone_from(&method.resource_id);
        request.resource_path.clone_from(&method.resource_path);
        permission::check_api_policy(self, request, method, deployed).await?;
        authorizer::authorize(self, request, method, plan, deployed).await?;
        key::check(self, request, method, deployed).await?;
        throttle::check_stage(self, request, method, deployed)?;
        validate::check(request, method)?;
        let Some(integration) = &method.integration else {
            let why = "No integration defined for method";
            return Err(Failure::with(Kind::Default5xx(500), "Internal server error").because(why));
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
