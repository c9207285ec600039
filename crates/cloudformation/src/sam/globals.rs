//! The section `Globals`, and how it merges with what a resource says itself.
//!
//! AWS: *AWS SAM Developer Guide*, "Globals section of the AWS SAM template": scalars are replaced, maps merged, lists put
//! one after the other.

use serde_json::{Map, Value};

use super::Invalid;

/// What a function may take from `Globals`.
const FUNCTION: &[&str] = &[
    "Architectures",
    "AssumeRolePolicyDocument",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "CodeSigningConfigArn",
    "CodeUri",
    "DeadLetterQueue",
    "DeploymentPreference",
    "Description",
    "Environment",
    "EphemeralStorage",
    "EventInvokeConfig",
    "FileSystemConfigs",
    "FunctionUrlConfig",
    "Handler",
    "KmsKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "PermissionsBoundary",
    "PropagateTags",
    "ProvisionedConcurrencyConfig",
    "RecursiveLoop",
    "ReservedConcurrentExecutions",
    "RolePath",
    "Runtime",
    "RuntimeManagementConfig",
    "SnapStart",
    "SourceKMSKeyArn",
    "Tags",
    "Timeout",
    "Tracing",
    "VersionDeletionPolicy",
    "VpcConfig",
];

/// What an API may take from `Globals`.
const API: &[&str] = &[
    "AccessLogSetting",
    "AlwaysDeploy",
    "Auth",
    "BinaryMediaTypes",
    "CacheClusterEnabled",
    "CacheClusterSize",
    "CanarySetting",
    "Cors",
    "DefinitionUri",
    "Domain",
    "EndpointAccessMode",
    "EndpointConfiguration",
    "GatewayResponses",
    "MergeDefinitions",
    "MethodSettings",
    "MinimumCompressionSize",
    "Name",
    "OpenApiVersion",
    "PropagateTags",
    "SecurityPolicy",
    "TracingEnabled",
    "Variables",
];

/// The sections that SAM knows; those of types that are not supported matter only once such a resource comes.
const SECTIONS: &[&str] = &["Api", "Function", "HttpApi", "LayerVersion", "SimpleTable", "StateMachine"];

/// What `Globals` says of functions and APIs.
#[derive(Clone, Debug, Default)]
pub(super) struct Globals {
    function: Map<String, Value>,
    api: Map<String, Value>,
}

/// Reads the section.
pub(super) fn read(section: Option<&Value>) -> Result<Globals, Invalid> {
    let invalid = |why: String| Invalid(format!("'Globals' section is invalid. {why}"));
    let Some(section) = section else { return Ok(Globals::default()) };
    let Value::Object(section) = section else { return Err(invalid("It must be a non-empty dictionary".to_owned())) };
    if let Some(unknown) = section.keys().find(|name| !SECTIONS.contains(&name.as_str())) {
        let known = quoted(SECTIONS);
        return Err(invalid(format!("'{unknown}' is not supported. Must be one of the following values - [{known}]")));
    }
    let read = |name: &str, supported: &[&str]| {
        let given = match section.get(name) {
            None => Map::new(),
            Some(Value::Object(given)) => given.clone(),
            Some(_) => return Err(invalid("Value of ${section} must be a dictionary".to_owned())),
        };
        match given.keys().find(|name| !supported.contains(&name.as_str())) {
            None => Ok(given),
            Some(unknown) => Err(invalid(format!(
                "'{unknown}' is not a supported property of '{name}'. Must be one of the following values - [{}]",
                quoted(supported)
            ))),
        }
    };
    Ok(Globals { function: read("Function", FUNCTION)?, api: read("Api", API)? })
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

impl Globals {
    /// The properties of a function, with what `Globals` adds unless `ignored` names it.
    pub(super) fn merged(&self, own: &Map<String, Value>, ignored: Option<&Value>) -> Map<String, Value> {
        Globals::added(&self.function, own, ignored)
    }

    /// The properties of an API, as [`Globals::merged`].
    pub(super) fn merged_api(&self, own: &Map<String, Value>, ignored: Option<&Value>) -> Map<String, Value> {
        Globals::added(&self.api, own, ignored)
    }

    fn added(globals: &Map<String, Value>, own: &Map<String, Value>, ignored: Option<&Value>) -> Map<String, Value> {
        let skip = |name: &str| match ignored {
            Some(Value::String(all)) => all == "*",
            Some(Value::Array(names)) => names.iter().any(|one| one.as_str() == Some(name)),
            _ => false,
        };
        let mut out = own.clone();
        for (name, global) in globals.iter().filter(|(name, _)| !skip(name)) {
            let merged = match own.get(name) {
                // A list of architectures has one member; two of them would be wrong.
                Some(local) if name == "Architectures" => local.clone(),
                Some(local) => merge(global, local),
                None => global.clone(),
            };
            out.insert(name.clone(), merged);
        }
        out
    }
}

fn merge(global: &Value, local: &Value) -> Value {
    match (global, local) {
        (Value::Object(g), Value::Object(l)) => {
            let intrinsic = |map: &Map<String, Value>| {
                map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
            };
            if intrinsic(g) || intrinsic(l) {
                return local.clone();
            }
            let mut out = g.clone();
            for (key, value) in l {
                let value = g.get(key).map_or_else(|| value.clone(), |under| merge(under, value));
                out.insert(key.clone(), value);
            }
            Value::Object(out)
        }
        (Value::Array(g), Value::Array(l)) => g.iter().chain(l).cloned().collect(),
        _ => local.clone(),
    }
}
