//! What is deployed to be measured: a role, functions, rules; through the API, as anybody would.

use std::io::{Cursor, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cauce_client::Client;
use http::Method;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

/// The account of a server without configuration.
const ACCOUNT: &str = "000000000000";

/// Sets things up on one server.
pub(crate) struct Deployment<'a> {
    client: &'a Client,
    /// The functions' package, in base64.
    package: String,
}

impl<'a> Deployment<'a> {
    /// Creates the role.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn new(client: &'a Client, function: &Path) -> Result<Deployment<'a>> {
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole",
        }] });
        let parameters = [("RoleName", "bench"), ("AssumeRolePolicyDocument", &trust.to_string())];
        client.query("iam", "2010-05-08", "CreateRole", &parameters).await?;
        Ok(Deployment { client, package: STANDARD.encode(package(function)?) })
    }

    /// Creates a function that does what `handler` says.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn function(&self, name: &str, handler: &str, variables: &Value) -> Result<()> {
        let input = json!({
            "FunctionName": name,
            "Runtime": "provided.al2023",
            "Role": format!("arn:aws:iam::{ACCOUNT}:role/bench"),
            "Handler": handler,
            "Code": { "ZipFile": self.package },
            "Timeout": 30,
            "Environment": { "Variables": variables },
        });
        self.rest("lambda", Method::POST, "/2015-03-31/functions", &input).await.map(drop)
    }

    /// Changes a function's environment, so that its next invocation needs a new process.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn change(&self, name: &str, generation: usize) -> Result<()> {
        let input = json!({ "Environment": { "Variables": { "GENERATION": generation.to_string() } } });
        self.rest("lambda", Method::PUT, &format!("/2015-03-31/functions/{name}/configuration"), &input).await.map(drop)
    }

    /// Deploys a REST API to the stage `bench`: `/function` is a function behind a proxy, `/mock` answers by itself.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn rest_api(&self, function: &str) -> Result<String> {
        let api = self.rest("apigateway", Method::POST, "/restapis", &json!({ "name": "bench" })).await?;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = text(&api, "id").context("an API has an id")?;
        let root = text(&api, "rootResourceId").context("an API has a root")?;
        let permission = json!({
            "StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
            "SourceArn": format!("arn:aws:execute-api:us-east-1:{ACCOUNT}:{id}/*"),
        });
        self.rest("lambda", Method::POST, &format!("/2015-03-31/functions/{function}/policy"), &permission).await?;
        let uri = format!(
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations",
            function_arn(function)
        );
        for (part, integration) in [
            ("function", json!({ "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri })),
            ("mock", json!({ "type": "MOCK", "requestTemplates": { "application/json": "{\"statusCode\": 200}" } })),
        ] {
            let path = format!("/restapis/{id}/resources/{root}");
            let made = self.rest("apigateway", Method::POST, &path, &json!({ "pathPart": part })).await?;
            let resource = text(&made, "id").context("a resource has an id")?;
            let method = format!("/restapis/{id}/resources/{resource}/methods/GET");
            for (path, input) in [
                (String::new(), json!({ "authorizationType": "NONE" })),
                ("/responses/200".to_owned(), json!({})),
                ("/integration".to_owned(), integration),
                ("/integration/responses/200".to_owned(), json!({})),
            ] {
                self.rest("apigateway", Method::PUT, &format!("{method}{path}"), &input).await?;
            }
        }
        let path = format!("/restapis/{id}/deployments");
        self.rest("apigateway", Method::POST, &path, &json!({ "stageName": "bench" })).await?;
        Ok(id)
    }

    async fn rest(&self, service: &'static str, method: Method, path: &str, input: &Value) -> Result<Value> {
        let headers = vec![("content-type", "application/json".to_owned())];
        let body = Bytes::from(serde_json::to_vec(input)?);
        let answer = self.client.rest(service, method, path, headers, body).await?;
        if !answer.status.is_success() {
            bail!("{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// Creates a bus.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn bus(&self, name: &str) -> Result<()> {
        self.client.json("events", "AWSEvents.CreateEventBus", &json!({ "Name": name })).await.map(drop)
    }

    /// A rule on `bus` for the events of [`entry`], that sends them to `target`.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn rule(&self, bus: &str, target: &str) -> Result<()> {
        let pattern = json!({ "detail": { "result": ["approved"], "amount": [{ "numeric": [">", 10] }] } });
        let rule = json!({ "Name": "bench", "EventBusName": bus, "EventPattern": pattern.to_string() });
        let made = self.client.json("events", "AWSEvents.PutRule", &rule).await?;
        let arn = made.get("RuleArn").and_then(Value::as_str).context("a rule has an ARN")?;
        if let Some(name) = target.split(":function:").nth(1) {
            let permission = json!({
                "StatementId": "bench", "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": arn,
            });
            self.rest("lambda", Method::POST, &format!("/2015-03-31/functions/{name}/policy"), &permission).await?;
        }
        let targets = json!({ "Rule": "bench", "EventBusName": bus, "Targets": [{ "Id": "1", "Arn": target }] });
        let put = self.client.json("events", "AWSEvents.PutTargets", &targets).await?;
        if put.get("FailedEntryCount").and_then(Value::as_u64) != Some(0) {
            bail!("PutTargets: {put}");
        }
        Ok(())
    }
}

/// The ARN of a function.
pub(crate) fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}")
}

/// The ARN of a bus.
pub(crate) fn bus_arn(name: &str) -> String {
    format!("arn:aws:events:us-east-1:{ACCOUNT}:event-bus/{name}")
}

/// An entry of PutEvents like a bank's: about 700 bytes as an event.
pub(crate) fn entry(bus: &str, number: u64) -> Value {
    let detail = json!({
        "n": number,
        "transactionId": format!("8f4c2d1e-7a61-4f0f-9c55-{number:012}"),
        "result": "approved",
        "action": "withdrawal",
        "amount": 300 + number % 700,
        "currency": "USD",
        "location": { "country": "US", "state": "New York", "city": "New York", "branch": "MA-1144" },
        "card": { "network": "visa", "last4": "4242", "present": true, "entry": "chip" },
        "customer": { "id": "C-20384", "segment": "personal", "since": 2017 },
        "terminal": { "id": "ATM-9913", "vendor": "NCR", "firmware": "7.2.11" },
    });
    json!({ "Source": "bank.atm", "DetailType": "transaction", "EventBusName": bus, "Detail": detail.to_string() })
}

fn package(function: &Path) -> Result<Vec<u8>> {
    let program = std::fs::read(function).with_context(|| format!("cannot read {}", function.display()))?;
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755))?;
    archive.write_all(&program)?;
    Ok(archive.finish()?.into_inner())
}
