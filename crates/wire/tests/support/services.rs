//! Services of every protocol, and somebody to ask about keys and permissions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Verdict};
use cauce_core::{Account, Arn, Call, Principal, ServiceError, Timestamp, Violations};
use cauce_wire::{
    Api, Body, Front, Input, JsonVersion, Method, Operation, Protocol, RawRequest, RawService, RawStyle, RequestHead,
    RestRequest, RestResponse, ServiceInfo,
};
use http::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::signer::{KEY_ID, SECRET};

pub const TEMPORARY_KEY_ID: &str = "ASIATEMPORARY";
pub const ENDED_KEY_ID: &str = "ASIAENDED";
pub const TOKEN: &str = "a/token+of=time";

/// Knows three keys; denies whatever has to do with `forbidden`.
pub struct Guard;

#[async_trait]
impl Identity for Guard {
    async fn access_key(&self, access_key_id: &str) -> Result<Option<AccessKey>, ServiceError> {
        let principal = Principal::Root { account: Account::DEFAULT, access_key_id: access_key_id.to_owned() };
        let key = |session_token: Option<&str>, expires: Option<Timestamp>| AccessKey {
            secret: SECRET.to_owned(),
            session_token: session_token.map(str::to_owned),
            principal,
            expires,
        };
        Ok(match access_key_id {
            KEY_ID => Some(key(None, None)),
            TEMPORARY_KEY_ID => Some(key(Some(TOKEN), Some(Timestamp::from_secs(32_503_680_000)))),
            ENDED_KEY_ID => Some(key(Some(TOKEN), Some(Timestamp::from_secs(1)))),
            _ => None,
        })
    }

    async fn assume_role(&self, _: &Arn, _: &str, _: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("no roles here"))
    }

    async fn explain(&self, _: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
        Ok(if access.resource.contains("forbidden") {
            Verdict::Denied(format!("because no identity-based policy allows the {} action", access.action))
        } else {
            Verdict::Allowed(String::new())
        })
    }
}

/// What the services share with the test.
#[derive(Default)]
pub struct Probe {
    /// Handlers that have begun to wait.
    pub waiting: Notify,
    /// Lets a waiting handler go on.
    pub go: Notify,
    pub finished: AtomicUsize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SayInput {
    text: String,
    #[serde(default)]
    times: Option<u32>,
}

impl Input for SayInput {
    fn validate(&self, v: &mut Violations) {
        v.length("Text", &self.text, 1, 1_000_000);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SayOutput {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
}

#[derive(Deserialize)]
pub struct NoInput {}

impl Input for NoInput {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LookOutput {
    host: String,
    secure: bool,
    principal: String,
    region: String,
    account: String,
    source_ip: String,
    trace: String,
    request_id: String,
    seconds_left: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShapesInput {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    at: Option<Timestamp>,
}

impl Input for ShapesInput {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShapesOutput {
    names: Vec<String>,
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

impl Probe {
    async fn say(self: Arc<Self>, _call: Call, input: SayInput) -> Result<SayOutput, ServiceError> {
        Ok(SayOutput { text: input.text, times: input.times })
    }

    async fn shapes(self: Arc<Self>, _call: Call, input: ShapesInput) -> Result<ShapesOutput, ServiceError> {
        Ok(ShapesOutput { names: input.names, tags: input.tags, at: input.at })
    }

    async fn look(self: Arc<Self>, call: Call, _input: NoInput) -> Result<LookOutput, ServiceError> {
        Ok(LookOutput {
            host: call.host.to_string(),
            secure: call.secure,
            principal: call.principal.to_string(),
            region: call.region.to_string(),
            account: call.account.to_string(),
            source_ip: call.source_ip.map(|ip| ip.to_string()).unwrap_or_default(),
            trace: call.trace.header(),
            request_id: call.request_id.to_string(),
            seconds_left: call.deadline.since(call.received).as_secs(),
        })
    }

    async fn crash(self: Arc<Self>, _call: Call, _input: NoInput) -> Result<(), ServiceError> {
        panic!("a secret of the handler");
    }

    async fn fail(self: Arc<Self>, _call: Call, _input: NoInput) -> Result<(), ServiceError> {
        Err(ServiceError::internal(std::io::Error::other("a secret of the handler")))
    }

    async fn refuse(self: Arc<Self>, _call: Call, _input: NoInput) -> Result<(), ServiceError> {
        let error = ServiceError::new(400, "QueueDoesNotExist", "The queue does not exist.").with_field("Detail", 7);
        Err(error.with_query_code("AWS.SimpleQueueService.NonExistentQueue"))
    }

    async fn wait(self: Arc<Self>, _call: Call, _input: NoInput) -> Result<(), ServiceError> {
        self.waiting.notify_one();
        self.go.notified().await;
        self.finished.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn invoke(self: Arc<Self>, _call: Call, input: Invoke) -> Result<Vec<u8>, ServiceError> {
        Ok([input.name.as_bytes(), b":", input.kind.as_bytes(), b":", &input.payload].concat())
    }
}

pub struct Invoke {
    name: String,
    kind: String,
    payload: Bytes,
}

impl<'de> Deserialize<'de> for Invoke {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Invoke, D::Error> {
        Err(serde::de::Error::custom("decoded from the request itself"))
    }
}

impl Input for Invoke {}

fn decode_invoke(request: &RestRequest) -> Result<Invoke, ServiceError> {
    Ok(Invoke {
        name: request.label("Name").unwrap_or_default().to_owned(),
        kind: request.header("x-amz-kind").unwrap_or("none").to_owned(),
        payload: request.body().clone(),
    })
}

static ECHO: ServiceInfo = ServiceInfo {
    name: "echo",
    signing_name: "echo",
    protocols: &[
        Protocol::Json { version: JsonVersion::V1_1, target_prefix: "Echo" },
        Protocol::Cbor { service: "Echo_20200101" },
    ],
    validation_code: "ValidationException",
};

static FORMS: ServiceInfo = ServiceInfo {
    name: "forms",
    signing_name: "forms",
    protocols: &[Protocol::Query { version: "2020-01-01", xmlns: "https://forms.example/doc/2020-01-01/" }],
    validation_code: "ValidationError",
};

static REST: ServiceInfo = ServiceInfo {
    name: "rest",
    signing_name: "rest",
    protocols: &[Protocol::RestJson],
    validation_code: "ValidationException",
};

pub fn furnish(front: Front, probe: &Arc<Probe>) -> Front {
    let say = || {
        Operation::new("Say", Probe::say).resource(|call, input: &SayInput| {
            vec![call.arn("echo", &input.text.chars().take(20).collect::<String>()).to_string()]
        })
    };
    let echo = Api::new(&ECHO, Arc::clone(probe))
        .operation(say())
        .operation(Operation::new("Look", Probe::look).answer_s_max(90))
        .operation(Operation::new("Crash", Probe::crash))
        .operation(Operation::new("Fail", Probe::fail))
        .operation(Operation::new("Refuse", Probe::refuse))
        .operation(Operation::new("Wait", Probe::wait));
    let forms = Api::new(&FORMS, Arc::clone(probe))
        .operation(say())
        .operation(Operation::new("Shapes", Probe::shapes))
        .operation(Operation::new("Refuse", Probe::refuse))
        .operation(Operation::new("Crash", Probe::crash))
        .operation(Operation::new("Nothing", Probe::wait_not));
    let rest = Api::new(&REST, Arc::clone(probe))
        .body_bytes_max(2_000_000)
        .operation(say().rest(Method::POST, "/2020/say/{Text}", 201).query("Times", "Times"))
        .operation(
            Operation::new("Shapes", Probe::shapes).rest(Method::GET, "/2020/shapes", 200).query_list("name", "Names"),
        )
        .operation(Operation::new("Nothing", Probe::wait_not).rest(Method::DELETE, "/2020/things/{Id}", 204))
        .operation(Operation::new("Crash", Probe::crash).rest(Method::GET, "/2020/crash", 200))
        .operation(
            Operation::new("Invoke", Probe::invoke)
                .rest(Method::POST, "/2020/functions/{Name}/invocations", 200)
                .body_bytes_max(3_000_000)
                .decode(decode_invoke)
                .encode(|output| {
                    RestResponse::new(202, output).header(http::HeaderName::from_static("x-amz-kind"), "raw")
                }),
        );
    front.api(echo).api(forms).api(rest).raw(Arc::new(Site(Arc::clone(probe)))).raw(Arc::new(Store))
}

impl Probe {
    async fn wait_not(self: Arc<Self>, _call: Call, _input: NoInput) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// A raw service that sends back what it was sent, upper case, in two pieces.
struct Store;

#[async_trait]
impl RawService for Store {
    fn signing_name(&self) -> &'static str {
        "s3"
    }

    fn style(&self) -> RawStyle {
        RawStyle::S3
    }

    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        head.uri.path().starts_with("/public/")
    }

    async fn serve(&self, call: Call, mut request: RawRequest) -> Response<Body> {
        assert!(!request.head.uri.path().ends_with("/crash"), "a secret of the handler");
        let mut whole = Vec::new();
        while let Some(piece) = request.payload.next().await {
            match piece {
                Ok(piece) => whole.extend_from_slice(&piece),
                Err(error) => {
                    let mut response = Response::new(Body::full(error.code().to_owned()));
                    *response.status_mut() = http::StatusCode::from_u16(error.status()).unwrap();
                    return response;
                }
            }
        }
        let text = format!("{} {} ", call.principal, request.head.uri.path());
        let pieces = [Ok(text.into()), Ok(whole.to_ascii_uppercase().into())];
        Response::new(Body::stream(futures_util::stream::iter(pieces), None))
    }
}

/// A raw service of the plain kind, at a host of its own: says who asked and what was sent; at `/wait`, once it may go on.
struct Site(Arc<Probe>);

#[async_trait]
impl RawService for Site {
    fn signing_name(&self) -> &'static str {
        "site"
    }

    fn style(&self) -> RawStyle {
        RawStyle::Http
    }

    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        head.headers.get("host").is_some_and(|host| host.as_bytes().starts_with(b"site."))
    }

    async fn serve(&self, call: Call, request: RawRequest) -> Response<Body> {
        let authorization = request.head.headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
        let foreign = authorization.filter(|value| !value.starts_with("AWS")).unwrap_or_default();
        if request.head.uri.path() == "/wait" {
            self.0.waiting.notify_one();
            self.0.go.notified().await;
        }
        match request.payload.collect(1_000).await {
            Ok(body) => {
                Response::new(Body::full(format!("{} {foreign} {}", call.principal, String::from_utf8_lossy(&body))))
            }
            Err(error) => {
                let mut response = Response::new(Body::full(error.code().to_owned()));
                *response.status_mut() = http::StatusCode::from_u16(error.status()).unwrap();
                response
            }
        }
    }
}
