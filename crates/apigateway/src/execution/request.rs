//! A request to an API, and what `$context` says of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Arn, Call, Env, Principal, Timestamp};
use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::deployed::{DeployedStage, KeyGrant};
use crate::vtl::Pairs;

use super::address::Address;
use super::authorizer::Authorized;
use super::execution_log::{self, ExecutionLog, Logging, masked};
use super::failure::Failure;
use super::plan::PlannedMethod;

/// Headers between two neighbours, which say nothing to whoever is behind them.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
];
/// What extended ids are made of.
const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What a test of a method says where a real request has an address.
const TEST_SOURCE: &str = "test-invoke-source-ip";
const TEST_DOMAIN: &str = "testPrefix.testDomainName";

/// A request under way.
#[derive(Debug)]
pub(super) struct Request {
    /// Who asks, for the account and region of the API.
    pub(super) call: Call,
    pub(super) method: Method,
    /// Behind the stage, as it came.
    pub(super) path: String,
    /// With the stage.
    pub(super) full_path: String,
    /// Decoded, in order.
    pub(super) query: Pairs,
    /// In order; names as clients write them (`Content-Type`).
    pub(super) headers: Pairs,
    pub(super) body: Bytes,
    pub(super) path_parameters: Pairs,
    pub(super) resource_id: String,
    pub(super) resource_path: String,
    pub(super) api_id: String,
    pub(super) stage: String,
    pub(super) deployment_id: String,
    pub(super) domain: String,
    pub(super) extended_id: String,
    pub(super) authorized: Option<Arc<Authorized>>,
    pub(super) key: Option<Arc<KeyGrant>>,
    /// Why it failed, for gateway responses and access logs.
    pub(super) failure: Option<Failure>,
    pub(super) log: ExecutionLog,
    /// Made up by whoever tests the API, and by nobody sent.
    pub(super) is_test: bool,
    pub(super) status: u16,
    pub(super) answer_bytes: usize,
    /// What the integration answered, for access logs.
    pub(super) integration_status: Option<u16>,
    /// How long the integration took, in milliseconds.
    pub(super) integration_ms: Option<u64>,
    /// By which id the integration knows the request.
    pub(super) integration_id: Option<String>,
}

/// A request that is made up to test an API.
#[derive(Debug, Default)]
pub(super) struct Trial<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: Pairs,
    pub(super) body: Bytes,
}

impl Request {
    /// A request that has arrived.
    pub(super) fn new(env: &Env, call: Call, deployed: &DeployedStage, head: &Parts, address: &Address<'_>) -> Request {
        let mut headers = client_headers(head);
        let source = call.source_ip.map(|ip| ip.to_canonical().to_string()).unwrap_or_default();
        let port = call.host.rsplit_once(':').map_or("80", |(_, port)| port).to_owned();
        let forwarded = match value(&headers, "X-Forwarded-For") {
            Some(before) => format!("{before}, {source}"),
            None => source,
        };
        for (name, value) in [
            ("X-Amzn-Trace-Id", format!("Root={}", call.trace.root)),
            ("X-Forwarded-For", forwarded),
            ("X-Forwarded-Port", port),
            ("X-Forwarded-Proto", "http".to_owned()),
        ] {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.to_owned(), value));
        }
        Request {
            method: head.method.clone(),
            path: address.path.to_owned(),
            full_path: format!("/{}{}", address.stage, address.path),
            query: query(head.uri.query().unwrap_or("")),
            headers,
            domain: address.domain.to_owned(),
            ..Request::empty(env, call, deployed)
        }
    }

    /// A request that is made up.
    pub(super) fn of_test(env: &Env, call: Call, deployed: &DeployedStage, trial: Trial<'_>) -> Request {
        Request {
            method: trial.method,
            path: trial.path.to_owned(),
            full_path: trial.path.to_owned(),
            query: query(trial.query),
            headers: trial.headers,
            body: trial.body,
            domain: TEST_DOMAIN.to_owned(),
            log: ExecutionLog::new(env, Logging::ALL),
            is_test: true,
            ..Request::empty(env, call, deployed)
        }
    }

    fn empty(env: &Env, call: Call, deployed: &DeployedStage) -> Request {
        Request {
            method: Method::GET,
            path: String::new(),
            full_path: String::new(),
            query: Pairs::new(),
            headers: Pairs::new(),
            body: Bytes::new(),
            path_parameters: Pairs::new(),
            resource_id: String::new(),
            resource_path: String::new(),
            api_id: deployed.api_id.clone(),
            stage: deployed.stage.stage_name.clone(),
            deployment_id: deployed.stage.deployment_id.clone(),
            domain: String::new(),
            extended_id: format!("{}=", env.entropy().text(ID_ALPHABET, 15)),
            authorized: None,
            key: None,
            failure: None,
            log: ExecutionLog::default(),
            is_test: false,
            status: 0,
            answer_bytes: 0,
            integration_status: None,
            integration_ms: None,
            integration_id: None,
            call,
        }
    }

    /// The method that answers is found.
    pub(super) fn enter(&mut self, method: &PlannedMethod) {
        self.resource_id.clone_from(&method.resource_id);
        self.resource_path.clone_from(&method.resource_path);
    }

    /// Tells the log what has come.
    pub(super) fn tell(&self) {
        let log = &self.log;
        log.info(|| format!("Starting execution for request: {}", self.call.request_id));
        log.info(|| format!("HTTP Method: {}, Resource Path: {}", self.method, self.path));
        log.data(|| format!("Method request path: {}", execution_log::shown(&self.path_parameters)));
        log.data(|| format!("Method request query string: {}", execution_log::shown(&self.query)));
        log.data(|| format!("Method request headers: {}", execution_log::shown(&self.headers)));
        log.data(|| format!("Method request body before transformations: {}", execution_log::body(&self.body)));
    }

    /// A header's last value, whatever the case of its name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        value(&self.headers, name)
    }

    pub(super) fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body's media type without parameters, in lower case; JSON where none is said.
    pub(super) fn media_type(&self) -> String {
        let named = self.header("content-type").unwrap_or("application/json");
        named.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
    }

    pub(super) fn user_agent(&self) -> Option<&str> {
        self.header("user-agent")
    }

    pub(super) fn source_ip(&self) -> String {
        if self.is_test {
            return TEST_SOURCE.to_owned();
        }
        self.call.source_ip.map(|ip| ip.to_canonical().to_string()).unwrap_or_default()
    }

    /// The ARN by which policies name the method at a path: the request's own, or the resource's with its parameters' names.
    pub(super) fn arn(&self, path: &str) -> Arn {
        let resource = format!("{}/{}/{}/{}", self.api_id, self.stage, self.method, path.trim_start_matches('/'));
        self.call.arn("execute-api", &resource)
    }

    /// The API key as logs show it; empty without one.
    pub(super) fn shown_key(&self) -> String {
        self.key.as_ref().and_then(|grant| grant.key.value.as_deref()).map(masked).unwrap_or_default()
    }

    /// `27/Nov/2026:20:18:20 +0000`
    pub(super) fn time(&self) -> String {
        clf_time(self.call.received)
    }

    /// What `$context` holds.
    pub(super) fn context(&self) -> Value {
        let received_ms = self.call.received.as_millis();
        let mut context = json!({
            "accountId": self.call.account.to_string(),
            "apiId": self.api_id,
            "awsEndpointRequestId": self.call.request_id.as_str(),
            "deploymentId": self.deployment_id,
            "domainName": self.domain,
            "domainPrefix": self.domain.split('.').next().unwrap_or(""),
            "extendedRequestId": self.extended_id,
            "httpMethod": self.method.as_str(),
            "identity": self.identity(),
            "path": self.full_path,
            "protocol": "HTTP/1.1",
            "requestId": self.call.request_id.as_str(),
            "requestTime": self.time(),
            "requestTimeEpoch": received_ms,
            "resourceId": self.resource_id,
            "resourcePath": self.resource_path,
            "stage": self.stage,
            "xrayTraceId": self.call.trace.root.to_string(),
        });
        if let (Value::Object(context), Some(authorized)) = (&mut context, &self.authorized) {
            context.insert("authorizer".to_owned(), Value::Object(authorized.context.clone()));
        }
        if let (Value::Object(context), Some(failure)) = (&mut context, &self.failure) {
            context.insert("error".to_owned(), failure.context());
        }
        context
    }

    /// Who asks, as events and `$context` show it.
    pub(super) fn identity(&self) -> Map<String, Value> {
        let mut identity = Map::new();
        for name in [
            "accessKey",
            "accountId",
            "apiKey",
            "apiKeyId",
            "caller",
            "cognitoAuthenticationProvider",
            "cognitoAuthenticationType",
            "cognitoIdentityId",
            "cognitoIdentityPoolId",
            "principalOrgId",
            "user",
            "userArn",
        ] {
            identity.insert(name.to_owned(), Value::Null);
        }
        identity.insert("sourceIp".to_owned(), Value::from(self.source_ip()));
        identity.insert("userAgent".to_owned(), self.user_agent().map_or(Value::Null, Value::from));
        if let Some(grant) = &self.key {
            identity.insert("apiKey".to_owned(), grant.key.value.clone().map_or(Value::Null, Value::from));
            identity.insert("apiKeyId".to_owned(), Value::from(grant.key.id.as_str()));
        }
        if self.is_test {
            identity.insert("apiKey".to_owned(), Value::from("test-invoke-api-key"));
            identity.insert("apiKeyId".to_owned(), Value::from("test-invoke-api-key-id"));
        }
        let principal = &*self.call.principal;
        let (id, access_key) = match principal {
            Principal::Root { account, access_key_id } => (account.to_string(), access_key_id),
            Principal::User { id, access_key_id, .. } | Principal::Session { id, access_key_id, .. } => {
                (id.clone(), access_key_id)
            }
            Principal::Service { .. } | Principal::Anonymous => return identity,
        };
        identity.insert("accessKey".to_owned(), Value::from(access_key.as_str()));
        identity.insert("accountId".to_owned(), Value::from(principal.account().map(|a| a.to_string())));
        identity.insert("caller".to_owned(), Value::from(id.as_str()));
        identity.insert("user".to_owned(), Value::from(id));
        identity.insert("userArn".to_owned(), Value::from(principal.to_string()));
        identity
    }
}

/// The last value of a header.
pub(super) fn value<'p>(pairs: &'p Pairs, name: &str) -> Option<&'p str> {
    pairs.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// All values of each name, in order.
pub(super) fn grouped(pairs: &Pairs) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pairs {
        groups.entry(name).or_default().push(value);
    }
    groups
}

fn client_headers(head: &Parts) -> Pairs {
    let kept = head.headers.iter().filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str()));
    kept.map(|(name, value)| (written(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

/// A header's name as clients write it: HTTP/1 libraries begin every word with a capital, and what arrives here is without case.
fn written(name: &str) -> String {
    let mut starts = true;
    let word = |c: char| {
        let shown = if starts { c.to_ascii_uppercase() } else { c };
        starts = c == '-';
        shown
    };
    name.chars().map(word).collect()
}

fn query(text: &str) -> Pairs {
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

/// The time of the Common Log Format.
fn clf_time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.as_secs()).unwrap_or_default();
    at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;

    #[test]
    fn names_times_and_queries_are_written_as_clients_and_logs_do() {
        assert_eq!(super::written("x-api-key"), "X-Api-Key");
        assert_eq!(super::clf_time(Timestamp::from_secs(0)), "01/Jan/1970:00:00:00 +0000");
        let pairs = super::query("a=1&b=x+y%26&c&a=2&=z");
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "x y&"), ("c", ""), ("a", "2"), ("", "z")]);
    }
}
