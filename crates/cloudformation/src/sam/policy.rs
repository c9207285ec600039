//! What stands in `Policies` of a function: names and ARNs of managed policies, documents, policy templates.

use serde_json::{Map, Value, json};

use super::Invalid;
use super::function::Role;
use super::policy_template;

/// Managed policies of AWS that do not lie at the root path but under `service-role/`, as far as functions use them.
const SERVICE_ROLES: &[&str] = &[
    "AWSAppSyncPushToCloudWatchLogs",
    "AWSCodeDeployRoleForLambda",
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaDynamoDBExecutionRole",
    "AWSLambdaENIManagementAccess",
    "AWSLambdaKinesisExecutionRole",
    "AWSLambdaMSKExecutionRole",
    "AWSLambdaRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
    "AmazonAPIGatewayPushToCloudWatchLogs",
    "AmazonS3ObjectLambdaExecutionRolePolicy",
    "CloudWatchEventsBuiltInTargetExecutionAccess",
    "CloudWatchEventsInvocationAccess",
];

/// The ARN of a managed policy of AWS under `service-role/`.
pub(super) fn service_role(name: &str) -> Value {
    managed(&format!("service-role/{name}"))
}

/// The ARN of a managed policy of AWS.
pub(super) fn managed(name: &str) -> Value {
    format!("arn:{}:iam::aws:policy/{name}", cauce_core::Partition::NAME).into()
}

fn managed_arn(name: &str) -> Value {
    if name.starts_with("arn:") {
        name.into()
    } else if SERVICE_ROLES.contains(&name) {
        service_role(name)
    } else {
        managed(name)
    }
}

/// What one entry is.
enum Kind {
    Managed,
    Document,
    Template,
}

fn kind(entry: &Value) -> Option<Kind> {
    match entry {
        Value::String(_) => Some(Kind::Managed),
        Value::Object(map) => {
            if let Some(Value::Array(parts)) = map.get("Fn::If") {
                let no_value = json!({"Ref": "AWS::NoValue"});
                return parts.iter().skip(1).find(|part| **part != no_value).and_then(kind);
            }
            let mut keys = map.keys();
            match (keys.next(), keys.next()) {
                _ if map.contains_key("Statement") => Some(Kind::Document),
                (Some(key), None) if key == "Ref" || key.starts_with("Fn::") => Some(Kind::Managed),
                (Some(key), None) if policy_template::exists(key) => Some(Kind::Template),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Adds the entries of `Policies` to the role.
pub(super) fn add(id: &str, policies: &Value, role: &mut Role) -> Result<(), Invalid> {
    let one = std::slice::from_ref(policies);
    let entries = match policies {
        Value::Array(entries) => entries.as_slice(),
        _ => one,
    };
    for (index, entry) in entries.iter().enumerate() {
        match kind(entry) {
            Some(Kind::Managed) => {
                let arn = each(entry, &|name| Ok(name.as_str().map_or_else(|| name.clone(), managed_arn)))?;
                if !role.managed.contains(&arn) {
                    role.managed.push(arn);
                }
            }
            Some(Kind::Document | Kind::Template) => {
                let name = format!("{id}RolePolicy{index}");
                role.policies.push(each(entry, &|entry| {
                    let document = match entry.as_object() {
                        Some(map) if !map.contains_key("Statement") => expanded(id, map)?,
                        _ => entry.clone(),
                    };
                    Ok(json!({"PolicyName": &name, "PolicyDocument": document}))
                })?);
            }
            None => {
                let why = format!("Policy at index {index} in the 'Policies' property is not valid");
                return Err(Invalid::resource(id, why));
            }
        }
    }
    Ok(())
}

/// Converts an entry, or both branches of an `Fn::If`, except where a branch is nothing.
fn each(entry: &Value, convert: &dyn Fn(&Value) -> Result<Value, Invalid>) -> Result<Value, Invalid> {
    let Some(Value::Array(parts)) = entry.get("Fn::If") else { return convert(entry) };
    let no_value = json!({"Ref": "AWS::NoValue"});
    let parts: Result<Vec<Value>, Invalid> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| if at == 0 || *part == no_value { Ok(part.clone()) } else { convert(part) })
        .collect();
    Ok(json!({"Fn::If": parts?}))
}

fn expanded(id: &str, map: &Map<String, Value>) -> Result<Value, Invalid> {
    let Some((name, arguments)) = map.iter().next() else {
        return Err(Invalid::resource(id, "a policy template has no name"));
    };
    policy_template::expand(name, arguments).map_err(|why| Invalid::resource(id, why))
}
