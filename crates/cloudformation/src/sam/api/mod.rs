//! `AWS::Serverless::Api`, and the API that functions with events of type `Api` have where they name none.
//!
//! AWS: *AWS SAM Developer Guide*, "AWS::Serverless::Api". Names: `<Api>Deployment<hash>`, `<Api><Stage>Stage`,
//! `ServerlessRestApi` and its stage `Prod` for the API that nobody has written.

mod auth;
mod body;
mod event;

use serde_json::{Map, Value, json};

use super::function::hash_of;
use super::{Invalid, Made, attributes, properties, resource};
use auth::Auth;
use body::Body;

pub(super) use event::{ApiEvent, expand as expand_event};

pub(super) const TYPE: &str = "AWS::Serverless::Api";
/// The API that functions have where they name none.
pub(super) const IMPLICIT: &str = "ServerlessRestApi";

/// Properties that SAM knows and that are served.
const KNOWN: &[&str] = &[
    "AccessLogSetting",
    "ApiKeySourceType",
    "Auth",
    "BinaryMediaTypes",
    "Cors",
    "DefinitionBody",
    "Description",
    "DisableExecuteApiEndpoint",
    "EndpointConfiguration",
    "FailOnWarnings",
    "GatewayResponses",
    "MethodSettings",
    "MinimumCompressionSize",
    "Mode",
    "Models",
    "Name",
    "OpenApiVersion",
    "Policy",
    "StageName",
    "Tags",
    "TracingEnabled",
    "Variables",
];
/// Properties that SAM knows and that are refused.
const REFUSED: &[&str] = &[
    "AlwaysDeploy",
    "CacheClusterEnabled",
    "CacheClusterSize",
    "CanarySetting",
    "DefinitionUri",
    "Domain",
    "EndpointAccessMode",
    "MergeDefinitions",
    "PropagateTags",
    "SecurityPolicy",
];

/// What an API became.
pub(super) struct Expanded {
    pub(super) resources: Made,
    /// What only SAM names, with what it became.
    pub(super) renamed: Vec<(String, String)>,
}

/// Expands an API with the events that name it.
pub(super) fn expand(
    id: &str,
    whole: &Map<String, Value>,
    given: &Map<String, Value>,
    events: &[ApiEvent],
) -> Result<Expanded, Invalid> {
    for name in given.keys().map(String::as_str) {
        if REFUSED.contains(&name) {
            return Err(Invalid::resource(id, format!("property {name} is not supported.")));
        }
        if !KNOWN.contains(&name) {
            return Err(Invalid::resource(id, format!("property {name} not defined for resource of type {TYPE}")));
        }
    }
    let Some(stage_name) = given.get("StageName") else {
        return Err(Invalid::resource(id, "Missing required property 'StageName'."));
    };
    let auth = Auth::read(id, given.get("Auth"))?;
    let body = definition(id, given, events, &auth)?;
    let passed_on = attributes(whole, &["Condition", "DeletionPolicy", "UpdateReplacePolicy"]);
    let own = attributes(
        whole,
        &["Condition", "DeletionPolicy", "DependsOn", "Metadata", "UpdatePolicy", "UpdateReplacePolicy"],
    );
    let deployment_id = format!("{id}Deployment{}", hash_of(&body));
    let stage_id = format!("{id}{}Stage", stage_name.as_str().unwrap_or_default());
    // SAM's deployments make a stage of this name besides the one that is asked for, unless the version of OpenAPI is given.
    let stage_of_deployment = (!given.contains_key("OpenApiVersion")).then(|| Value::from("Stage"));
    let deployment = properties([
        ("Description", Some(format!("RestApi deployment id: {}", hash_of(&body)).into())),
        ("RestApiId", Some(json!({ "Ref": id }))),
        ("StageName", stage_of_deployment),
    ]);
    let stage = stage(id, given, &deployment_id, stage_name)?;
    let mut made = vec![
        (id.to_owned(), resource("AWS::ApiGateway::RestApi", rest_api(id, given, body)?, &own)),
        (deployment_id.clone(), resource("AWS::ApiGateway::Deployment", deployment, &passed_on)),
        (stage_id.clone(), resource("AWS::ApiGateway::Stage", stage, &passed_on)),
    ];
    made.extend(auth.permissions(id, &passed_on));
    made.extend(auth.usage_plan(id, &stage_id, &passed_on)?);
    let renamed = vec![(format!("{id}.Stage"), stage_id), (format!("{id}.Deployment"), deployment_id)];
    Ok(Expanded { resources: made, renamed })
}

/// The document of the API: its own, or one of its events.
fn definition(id: &str, given: &Map<String, Value>, events: &[ApiEvent], auth: &Auth) -> Result<Value, Invalid> {
    let map = |name: &str| match given.get(name) {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(Invalid::resource(id, format!("Type of property '{name}' is invalid."))),
    };
    let mut body = match map("DefinitionBody")? {
        Some(own) if own.contains_key("Fn::Transform") => {
            return Err(Invalid::resource(id, "Fn::Transform in DefinitionBody is not supported."));
        }
        // Events say who may invoke; what the API has is what its own document says.
        Some(own) => Body(own.clone()),
        None => Body::new(),
    };
    if let Some(models) = map("Models")? {
        body.add_models(models);
    }
    if !given.contains_key("DefinitionBody") {
        events.iter().try_for_each(|event| body.add(event, auth))?;
    }
    if let Some(cors) = given.get("Cors") {
        body.add_cors(id, cors, auth)?;
    }
    body.add_auth(auth);
    if let Some(responses) = map("GatewayResponses")? {
        body.add_gateway_responses(id, responses)?;
    }
    if let Some(Value::Array(types)) = given.get("BinaryMediaTypes") {
        let plain =
            types.iter().map(|one| one.as_str().map_or_else(|| one.clone(), |text| text.replace("~1", "/").into()));
        body.0.insert("x-amazon-apigateway-binary-media-types".to_owned(), plain.collect());
    }
    if let Some(disabled) = given.get("DisableExecuteApiEndpoint") {
        let configuration = json!({ "disableExecuteApiEndpoint": disabled });
        body.0.insert("x-amazon-apigateway-endpoint-configuration".to_owned(), configuration);
    }
    Ok(Value::Object(body.0))
}

fn rest_api(id: &str, given: &Map<String, Value>, body: Value) -> Result<Map<String, Value>, Invalid> {
    let mut out = properties([("Body", Some(body))]);
    for name in [
        "ApiKeySourceType",
        "BinaryMediaTypes",
        "Description",
        "FailOnWarnings",
        "MinimumCompressionSize",
        "Mode",
        "Name",
        "Policy",
    ] {
        out.extend(given.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    let (kind, endpoints) = match given.get("EndpointConfiguration") {
        None => return Ok(out),
        Some(Value::Object(map)) if map.contains_key("Type") => {
            if let Some(unknown) = map.keys().find(|name| !matches!(name.as_str(), "Type" | "VPCEndpointIds")) {
                return Err(Invalid::resource(
                    id,
                    format!("property EndpointConfiguration.{unknown} is not supported."),
                ));
            }
            (map.get("Type").cloned().unwrap_or_default(), map.get("VPCEndpointIds").cloned())
        }
        Some(kind) => (kind.clone(), None),
    };
    out.insert("Parameters".to_owned(), json!({ "endpointConfigurationTypes": &kind }));
    let configuration = properties([("Types", Some(json!([kind]))), ("VpcEndpointIds", endpoints)]);
    out.insert("EndpointConfiguration".to_owned(), Value::Object(configuration));
    Ok(out)
}

fn stage(id: &str, given: &Map<String, Value>, deployment: &str, name: &Value) -> Result<Map<String, Value>, Invalid> {
    let mut out = properties([
        ("DeploymentId", Some(json!({ "Ref": deployment }))),
        ("RestApiId", Some(json!({ "Ref": id }))),
        ("StageName", Some(name.clone())),
    ]);
    for name in ["AccessLogSetting", "MethodSettings", "TracingEnabled", "Variables"] {
        out.extend(given.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    match given.get("Tags") {
        None => {}
        Some(Value::Object(tags)) => {
            let tags = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
            out.insert("Tags".to_owned(), tags.collect());
        }
        Some(_) => return Err(Invalid::resource(id, "Type of property 'Tags' is invalid.")),
    }
    Ok(out)
}
