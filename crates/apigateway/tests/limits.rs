//! Limits that take long or many requests to reach, in virtual time, through the front door.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_apigateway::{ApiGateway, ApiGatewayPorts, Gateway, api};
use cauce_core::ports::{
    Access, AccessKey, Credentials, Functions, Http, HttpFailure, HttpRequest, HttpResponse, Identity, Invocation,
    InvocationOutcome, LogBatch, Logs, ServiceRequest, ServiceResponse, Services, Verdict,
};
use cauce_core::{
    Account, Arn, Call, Env, ManualClock, Principal, Region, SeededEntropy, ServiceError, Timestamp, Trace,
};
use cauce_store::Db;
use cauce_wire::{Door, Front, FrontOptions};
use serde_json::{Value, json};

/// Whatever the gateway might ask of others: it lets everybody in, and has nothing.
struct Nothing;

#[async_trait]
impl Identity for Nothing {
    async fn access_key(&self, _: &str) -> Result<Option<AccessKey>, ServiceError> {
        Ok(None)
    }

    async fn assume_role(&self, _: &Arn, _: &str, _: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("no roles here"))
    }

    async fn explain(&self, _: &Call, _: &Access<'_>) -> Result<Verdict, ServiceError> {
        Ok(Verdict::Allowed(String::new()))
    }
}

#[async_trait]
impl Functions for Nothing {
    async fn authorize(&self, _: &Call, _: &Arn) -> Result<(), ServiceError> {
        Err(ServiceError::access_denied("no functions here"))
    }

    async fn invoke(&self, _: &Call, _: Invocation) -> Result<InvocationOutcome, ServiceError> {
        Err(ServiceError::access_denied("no functions here"))
    }
}

#[async_trait]
impl Services for Nothing {
    async fn request(&self, _: &Call, _: ServiceRequest) -> ServiceResponse {
        ServiceResponse { status: 500, headers: Vec::new(), body: Bytes::new() }
    }

    async fn operation(&self, _: &Call, _: &str, _: &str, _: Bytes) -> ServiceResponse {
        ServiceResponse { status: 500, headers: Vec::new(), body: Bytes::new() }
    }

    fn offers(&self, _: &str, _: &str) -> bool {
        false
    }
}

#[async_trait]
impl Http for Nothing {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        Err(HttpFailure::Unreachable("no network here".to_owned()))
    }
}

#[async_trait]
impl Logs for Nothing {
    async fn append(&self, _: LogBatch) -> Result<(), ServiceError> {
        Ok(())
    }
}

struct World {
    env: Env,
    clock: ManualClock,
    door: Door,
}

impl World {
    fn new() -> World {
        let clock = ManualClock::new(Timestamp::parse("2026-03-06T12:00:00Z").unwrap());
        let env = Env::new(clock.clone(), SeededEntropy::new(1));
        let nothing = Arc::new(Nothing);
        let ports = ApiGatewayPorts {
            identity: nothing.clone(),
            functions: nothing.clone(),
            services: nothing.clone(),
            http: nothing.clone(),
            logs: nothing.clone(),
        };
        let gateway = ApiGateway::open(Db::memory(), env.clone(), ports);
        let front = Front::new(FrontOptions::default(), nothing, env.clone());
        let door = front.api(api(gateway.clone())).raw(Arc::new(Gateway::new(gateway))).build();
        World { env, clock, door }
    }

    fn call(&self) -> Call {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let mut call = Call::from_service(&self.env, "test", None, Account::DEFAULT, Region::default(), trace);
        call.principal = Arc::new(Principal::Root { account: Account::DEFAULT, access_key_id: String::new() });
        call
    }

    async fn ask(&self, service: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let request = ServiceRequest {
            service: service.to_owned(),
            method: method.to_owned(),
            path_and_query: path.to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        let answered = self.door.request(&self.call(), request).await;
        (answered.status, serde_json::from_slice(&answered.body).unwrap_or_default())
    }

    async fn make(&self, method: &str, path: &str, input: Value) -> Value {
        let (status, answer) = self.ask("apigateway", method, path, &[], &input.to_string()).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// An API whose root answers by itself, deployed to `test`; its id.
    async fn api(&self, method: Value) -> String {
        let made = self.make("POST", "/restapis", json!({"name": "a"})).await;
        let (id, root) = (text(&made, "id"), text(&made, "rootResourceId"));
        let at = format!("/restapis/{id}/resources/{root}/methods/GET");
        self.make("PUT", &at, method).await;
        self.make("PUT", &format!("{at}/responses/200"), json!({})).await;
        let templates = json!({"application/json": "{\"statusCode\": 200}"});
        let integration = json!({"type": "MOCK", "requestTemplates": templates});
        self.make("PUT", &format!("{at}/integration"), integration).await;
        self.make("PUT", &format!("{at}/integration/responses/200"), json!({})).await;
        self.make("POST", &format!("/restapis/{id}/deployments"), json!({"stageName": "test"})).await;
        id
    }

    async fn get(&self, api: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        self.ask("execute-api", "GET", &format!("/_apis/{api}/test/"), headers, "").await
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_account_is_throttled() {
    let world = World::new();
    let account = world.make("GET", "/account", json!({})).await;
    assert_eq!(account["throttleSettings"], json!({"burstLimit": 5_000, "rateLimit": 10_000.0}));
    let first = world.api(json!({"authorizationType": "NONE"})).await;
    let second = world.api(json!({"authorizationType": "NONE"})).await;
    for n in 0..5_000 {
        let api = if n % 2 == 0 { &first } else { &second };
        assert_eq!(world.get(api, &[]).await.0, 200, "request {n}");
    }
    for api in [&first, &second] {
        assert_eq!(world.get(api, &[]).await, (429, json!({"message": "Too Many Requests"})));
    }
    world.clock.advance(Duration::from_millis(1));
    let mut statuses = Vec::new();
    for _ in 0..11 {
        statuses.push(world.get(&first, &[]).await.0);
    }
    assert_eq!(statuses, [[200; 10].as_slice(), &[429]].concat());
    // The API may shape the answer.
    let own = json!({"statusCode": "503", "responseTemplates": {"application/json": "{\"later\": true}"}});
    world.make("PUT", &format!("/restapis/{first}/gatewayresponses/THROTTLED"), own).await;
    world.make("POST", &format!("/restapis/{first}/deployments"), json!({"stageName": "test"})).await;
    assert_eq!(world.get(&first, &[]).await, (503, json!({"later": true})));
}

#[tokio::test]
async fn an_extension_ends_with_its_period() {
    let world = World::new();
    let api = world.api(json!({"authorizationType": "NONE", "apiKeyRequired": true})).await;
    let stages = json!([{"apiId": api, "stage": "test"}]);
    let quota = json!({"limit": 1, "period": "DAY"});
    let plan = world.make("POST", "/usageplans", json!({"name": "p", "apiStages": stages, "quota": quota})).await;
    let key = world.make("POST", "/apikeys", json!({"name": "k", "enabled": true})).await;
    let (plan, key, value) = (text(&plan, "id"), text(&key, "id"), text(&key, "value"));
    world.make("POST", &format!("/usageplans/{plan}/keys"), json!({"keyId": key, "keyType": "API_KEY"})).await;
    let remaining = json!({"patchOperations": [{"op": "replace", "path": "/remaining", "value": "2"}]});
    let usage = world.make("PATCH", &format!("/usageplans/{plan}/keys/{key}/usage"), remaining).await;
    assert_eq!((&usage["startDate"], &usage["endDate"]), (&json!("2026-03-06"), &json!("2026-03-06")));
    assert_eq!(usage["values"], json!({ &key: [[0, 2]] }));
    let headers = [("x-api-key", value.as_str())];
    let mut statuses = Vec::new();
    for _ in 0..2 {
        for _ in 0..3 {
            statuses.push(world.get(&api, &headers).await.0);
        }
        world.clock.advance(Duration::from_secs(86_400));
    }
    assert_eq!(statuses, [200, 200, 429, 200, 429, 429]);
    let path = format!("/usageplans/{plan}/usage?startDate=2026-03-06&endDate=2026-03-08");
    let usage = world.make("GET", &path, json!({})).await;
    assert_eq!(usage["values"], json!({ &key: [[2, 0], [1, 0], [0, 1]] }));
}
