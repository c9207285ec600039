//! Events of type `Api`: a method of an API that a function answers.

use serde_json::{Map, Value, json};

use super::super::function::Target;
use super::super::{Context, Invalid, Made, properties, resource};
use super::{IMPLICIT, TYPE};

const KNOWN: &[&str] = &["Auth", "Method", "Path", "RequestModel", "RequestParameters", "RestApiId", "TimeoutInMillis"];
const AUTH: &[&str] = &["ApiKeyRequired", "Authorizer", "InvokeRole", "OverrideApiAuth"];

/// One method that a function answers.
#[derive(Clone, Debug)]
pub(in super::super) struct ApiEvent {
    /// The logical id of its API.
    pub(super) api: String,
    pub(super) path: String,
    /// In lower case, `any` for every method.
    pub(super) method: String,
    /// What stands for the function in the URI of the integration.
    pub(super) function: String,
    pub(super) auth: Map<String, Value>,
    pub(super) request_model: Option<Value>,
    pub(super) request_parameters: Vec<Value>,
    pub(super) timeout_in_millis: Option<Value>,
    /// How errors name it.
    pub(super) at: (String, String),
}

impl ApiEvent {
    /// Whether it belongs to the API by this logical id.
    pub(in super::super) fn is_of(&self, api: &str) -> bool {
        self.api == api
    }

    pub(super) fn invalid(&self, why: impl AsRef<str>) -> Invalid {
        Invalid::event(&self.at.0, &self.at.1, why)
    }
}

/// Reads an event and makes the permission that lets its API invoke the function.
pub(in super::super) fn expand(
    name: &str,
    event: &Value,
    target: &Target<'_>,
    context: &Context<'_>,
) -> Result<(ApiEvent, Made), Invalid> {
    let invalid = |why: String| Invalid::event(target.logical_id, name, why);
    let empty = Map::new();
    let given = event.get("Properties").and_then(Value::as_object).unwrap_or(&empty);
    if let Some(unknown) = given.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(invalid(format!("property {unknown} not defined for resource of type Api")));
    }
    let text = |name: &str| match given.get(name).map(|value| context.resolved(value)) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(invalid(format!("Api Event must have a String specified for '{name}'."))),
        None => Err(invalid(format!("Missing required property '{name}'."))),
    };
    let (path, method) = (text("Path")?, text("Method")?.to_ascii_lowercase());
    let (api, suffix) = api(given.get("RestApiId"), context).map_err(invalid)?;
    let auth = given.get("Auth").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(unknown) = auth.keys().find(|name| !AUTH.contains(&name.as_str())) {
        return Err(invalid(format!("property Auth.{unknown} is not supported.")));
    }
    let id = format!("{}{name}Permission{suffix}", target.logical_id);
    let permission = properties([
        ("Action", Some("lambda:InvokeFunction".into())),
        ("FunctionName", Some(target.name.clone())),
        ("Principal", Some("apigateway.amazonaws.com".into())),
        ("SourceArn", Some(source(&api, &path, &method))),
    ]);
    let event = ApiEvent {
        api,
        path,
        method,
        function: match target.arn.get("Ref").and_then(Value::as_str) {
            Some(alias) => alias.to_owned(),
            None => format!("{}.Arn", target.logical_id),
        },
        auth,
        request_model: given.get("RequestModel").cloned(),
        request_parameters: given.get("RequestParameters").and_then(Value::as_array).cloned().unwrap_or_default(),
        timeout_in_millis: given.get("TimeoutInMillis").cloned(),
        at: (target.logical_id.to_owned(), name.to_owned()),
    };
    Ok((event, vec![(id, resource("AWS::Lambda::Permission", permission, target.attributes))]))
}

/// The logical id of the API that is meant, and how the names of its permissions end.
fn api(reference: Option<&Value>, context: &Context<'_>) -> Result<(String, String), String> {
    const WRONG: &str = "RestApiId must be a valid reference to an 'AWS::Serverless::Api' in same template.";
    let Some(reference) = reference else { return Ok((IMPLICIT.to_owned(), "Prod".to_owned())) };
    let id = reference.get("Ref").and_then(Value::as_str).ok_or(WRONG)?;
    let api = context.resources.get(id).filter(|api| api.get("Type").and_then(Value::as_str) == Some(TYPE));
    let stage = api.ok_or(WRONG)?.pointer("/Properties/StageName").and_then(Value::as_str);
    Ok((id.to_owned(), stage.unwrap_or("Stage").to_owned()))
}

/// Which requests the permission is for: path variables stand for anything.
fn source(api: &str, path: &str, method: &str) -> Value {
    let mut pattern = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else { break };
        pattern.push_str(before);
        pattern.push('*');
        rest = after;
    }
    pattern.push_str(rest);
    let method = if method == "any" { "*".to_owned() } else { method.to_ascii_uppercase() };
    let arn = format!(
        "arn:aws:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{__ApiId__}}/${{__Stage__}}/{method}{pattern}"
    );
    json!({"Fn::Sub": [arn, {"__ApiId__": {"Ref": api}, "__Stage__": "*"}]})
}
