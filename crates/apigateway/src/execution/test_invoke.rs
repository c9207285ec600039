//! Tests of what is not deployed yet: a method or an authorizer, done once as it stands, with its execution log.
//!
//! AWS: API Gateway Developer Guide, "Use the API Gateway console to test a REST API method"; API Reference (V1),
//! "TestInvokeMethod" and "TestInvokeAuthorizer".

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use cauce_core::Call;
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::deployed::DeployedStage;
use crate::error::Error;
use crate::keys::Place;
use crate::method::{METHODS, no_method};
use crate::model::{Snapshot, Texts};
use crate::service::{ApiGateway, Located, at};
use crate::stage::{check_variables, new_stage};
use crate::vtl::Pairs;

use super::failure::Failure;
use super::plan::{PlannedAuthorizer, PlannedMethod};
use super::request::{Request, Trial};
use super::route::Routes;
use super::{Answer, Gateway, authorizer, conclude};

/// The names under which tests reach an API.
const METHOD_STAGE: &str = "test-invoke-stage";
const AUTHORIZER_STAGE: &str = "ESTestInvoke-stage";

/// AWS: *TestInvokeMethod* and *TestInvokeAuthorizer*: a request that somebody makes up.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TestInvoke {
    rest_api_id: String,
    /// Of a method, with [`TestInvoke::http_method`].
    resource_id: String,
    http_method: String,
    /// Where an authorizer is tested.
    authorizer_id: Option<String>,
    path_with_query_string: Option<String>,
    body: Option<String>,
    headers: Option<Texts>,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    stage_variables: Option<Texts>,
    client_certificate_id: Option<String>,
    additional_context: Option<Texts>,
}

impl Input for TestInvoke {}

impl Located for TestInvoke {
    fn location(&self) -> String {
        let api = &self.rest_api_id;
        match &self.authorizer_id {
            Some(id) => format!("/restapis/{api}/authorizers/{id}"),
            None => format!("/restapis/{api}/resources/{}/methods/{}", self.resource_id, self.http_method),
        }
    }
}

impl TestInvoke {
    /// The path, if one is said, and the query string.
    fn target(&self) -> (Option<&str>, &str) {
        let target = self.path_with_query_string.as_deref().unwrap_or("");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        (Some(path).filter(|path| !path.is_empty()), query)
    }

    /// Many values of a header win over one.
    fn headers(&self) -> Pairs {
        let many = self.multi_value_headers.as_ref();
        let is_many = |name: &str| many.is_some_and(|many| many.keys().any(|known| known.eq_ignore_ascii_case(name)));
        let single = self.headers.iter().flatten().filter(|(name, _)| !is_many(name));
        let mut pairs: Pairs = single.map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, values) in many.into_iter().flatten() {
            pairs.extend(values.iter().map(|value| (name.clone(), value.clone())));
        }
        pairs
    }

    fn trial<'a>(&'a self, method: HttpMethod, path: &'a str) -> Trial<'a> {
        let (_, query) = self.target();
        let body = self.body.clone().unwrap_or_default().into();
        Trial { method, path, query, headers: self.headers(), body }
    }
}

/// AWS: *TestInvokeMethod*, response.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MethodTested {
    status: u16,
    body: String,
    headers: Texts,
    multi_value_headers: BTreeMap<String, Vec<String>>,
    log: String,
    latency: u64,
}

/// AWS: *TestInvokeAuthorizer*, response.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorizerTested {
    /// The status that a client would get; 0 if the authorizer has decided.
    client_status: u16,
    log: String,
    latency: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    authorization: BTreeMap<String, Vec<String>>,
}

impl ApiGateway {
    /// The API as it stands, as if it were deployed.
    async fn undeployed(
        &self,
        call: &Call,
        api: &str,
        stage: &str,
        variables: Option<&Texts>,
    ) -> Result<DeployedStage, Error> {
        check_variables(variables)?;
        let (place, tx) = (Place::of(call), self.db.begin());
        let snapshot =
            Snapshot { api: self.api(&tx, &place, api).await?, definition: self.definition(&tx, &place, api).await? };
        let mut stage = new_stage(stage, "", self.env.now());
        stage.variables = variables.cloned().unwrap_or_default();
        let plan = OnceLock::new();
        Ok(DeployedStage { place, api_id: api.to_owned(), stage, snapshot: Arc::new(snapshot), plan })
    }

    fn latency_ms(&self, request: &Request) -> u64 {
        u64::try_from(self.env.now().since(request.call.received).as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) async fn test_invoke_method(
        self: Arc<Self>,
        call: Call,
        input: TestInvoke,
    ) -> Result<MethodTested, Error> {
        let deployed = self.undeployed(&call, &input.rest_api_id, METHOD_STAGE, input.stage_variables.as_ref()).await?;
        let resource = deployed.snapshot.definition.resources.get(&input.resource_id);
        let resource = resource.ok_or_else(crate::resource::no_resource)?;
        let name = input.http_method.as_str();
        let found = resource.resource_methods.get_key_value(name);
        let any = || resource.resource_methods.get_key_value("ANY").filter(|_| METHODS.contains(&name));
        let (made_for, method) = found.or_else(any).ok_or_else(no_method)?;
        if input.client_certificate_id.as_ref().is_some_and(|id| !id.is_empty()) {
            return Err(Error::missing("Invalid Client Certificate identifier specified"));
        }
        let verb = if name == "ANY" { HttpMethod::GET } else { name.parse().map_err(|_| no_method())? };
        let path = input.target().0.unwrap_or(&resource.path);
        let mut routes = Routes::default();
        routes.add(&resource.path, made_for, 0);
        let Some((_, parameters)) = routes.find(verb.as_str(), path).filter(|_| path.starts_with('/')) else {
            let resource = &resource.path;
            return Err(Error::bad(format!(
                "Invalid path specified: {path} does not match the resource path {resource}"
            )));
        };
        let planned = PlannedMethod::compile(&deployed, resource, made_for, method);
        let gateway = Gateway::new(Arc::clone(&self));
        let mut request = Request::of_test(&self.env, call, &deployed, input.trial(verb, path));
        request.path_parameters = parameters;
        request.enter(&planned);
        let outcome = gateway.execute(&mut request, &planned, &deployed).await;
        let calls = planned.integration.as_ref().is_some_and(|integration| integration.calls_a_backend());
        let outcome = outcome.map(|answer| completed(answer, &request, calls));
        let answer = conclude(&mut request, outcome, &deployed);
        let mut multi_value_headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in answer.headers() {
            multi_value_headers.entry(name.clone()).or_default().push(value.clone());
        }
        let last = |(name, values): (&String, &Vec<String>)| Some((name.clone(), values.last()?.clone()));
        Ok(MethodTested {
            status: answer.status,
            body: String::from_utf8_lossy(&answer.body).into_owned(),
            headers: multi_value_headers.iter().filter_map(last).collect(),
            multi_value_headers,
            log: request.log.text(request.call.request_id.as_str()),
            latency: self.latency_ms(&request),
        })
    }

    pub(crate) async fn test_invoke_authorizer(
        self: Arc<Self>,
        call: Call,
        input: TestInvoke,
    ) -> Result<AuthorizerTested, Error> {
        let deployed =
            self.undeployed(&call, &input.rest_api_id, AUTHORIZER_STAGE, input.stage_variables.as_ref()).await?;
        let found = input.authorizer_id.as_ref().and_then(|id| deployed.snapshot.definition.authorizers.get(id));
        let model = found.ok_or_else(crate::authorizer::no_authorizer)?;
        if input.additional_context.as_ref().is_some_and(|more| !more.is_empty()) {
            return Err(Error::unsupported("additionalContext"));
        }
        let planned = PlannedAuthorizer::compile(model, &deployed.stage.variables);
        let gateway = Gateway::new(Arc::clone(&self));
        let path = input.target().0.unwrap_or("/");
        let request = Request::of_test(&self.env, call, &deployed, input.trial(HttpMethod::GET, path));
        let outcome = decide(&gateway, &request, &planned, &deployed).await;
        let mut tested = AuthorizerTested {
            client_status: 0,
            log: String::new(),
            latency: self.latency_ms(&request),
            principal_id: None,
            policy: None,
            authorization: BTreeMap::new(),
        };
        match outcome {
            Ok((answer, decided)) => {
                let text = |value: &Value| value.as_str().map(str::to_owned);
                tested.principal_id = decided.context.get("principalId").and_then(text);
                tested.policy = answer.get("policyDocument").map(Value::to_string);
                let more = decided.context.iter().filter(|(name, _)| *name != "principalId");
                tested.authorization =
                    more.filter_map(|(name, value)| Some((name.clone(), vec![text(value)?]))).collect();
            }
            Err(failure) => {
                if let Some(line) = failure.line(request.call.request_id.as_str()) {
                    request.log.error(|| line);
                }
                tested.client_status = failure.status();
            }
        }
        tested.log = request.log.text(request.call.request_id.as_str());
        Ok(tested)
    }
}

/// What an authorizer answered, and what that means.
async fn decide(
    gateway: &Gateway,
    request: &Request,
    planned: &PlannedAuthorizer,
    deployed: &DeployedStage,
) -> Result<(Value, authorizer::Authorized), Failure> {
    let identity = authorizer::identity(request, planned, deployed)?;
    let answer = authorizer::ask(gateway, request, planned, deployed, &identity).await?;
    let decided = authorizer::read(gateway, request, &answer)?;
    Ok((answer, decided))
}

/// An answer with the headers that every answer has.
fn completed(mut answer: Answer, request: &Request, calls_a_backend: bool) -> Answer {
    if !answer.has("content-type") {
        answer.set("Content-Type", "application/json");
    }
    if calls_a_backend && !answer.has("x-amzn-trace-id") {
        answer.set("X-Amzn-Trace-Id", &format!("Root={}", request.call.trace.root));
    }
    answer
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    const METHOD: &str = "/restapis/{restApiId}/resources/{resourceId}/methods/{httpMethod}";
    const AUTHORIZER: &str = "/restapis/{restApiId}/authorizers/{authorizerId}";
    let method = Operation::new("TestInvokeMethod", ApiGateway::test_invoke_method);
    let authorizer = Operation::new("TestInvokeAuthorizer", ApiGateway::test_invoke_authorizer);
    api.operation(at(method, HttpMethod::POST, METHOD, 200)).operation(at(
        authorizer,
        HttpMethod::POST,
        AUTHORIZER,
        200,
    ))
}
