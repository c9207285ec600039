//! `AWS::Serverless::SimpleTable`: a table with one key.
//!
//! AWS: *AWS SAM Developer Guide*, "AWS::Serverless::SimpleTable".

use serde_json::{Map, Value, json};

use super::{Invalid, Made, properties, resource};

pub(super) const TYPE: &str = "AWS::Serverless::SimpleTable";

/// Its properties besides the key, which the table has under the same names.
const SAME: &[&str] = &["ProvisionedThroughput", "TableName"];

const KNOWN: &[&str] = &[
    "PrimaryKey",
    "ProvisionedThroughput",
    "TableName",
    "Tags",
    "SSESpecification",
    "PointInTimeRecoverySpecification",
];

/// The table that a simple table becomes.
pub(super) fn expand(id: &str, value: &Value) -> Result<Made, Invalid> {
    let empty = Map::new();
    let own = value.get("Properties").and_then(Value::as_object).unwrap_or(&empty);
    if let Some(unknown) = own.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(Invalid::resource(id, format!("property {unknown} not defined for resource of type {TYPE}")));
    }
    let (name, kind) = match own.get("PrimaryKey") {
        None => (json!("id"), json!("S")),
        Some(key) => {
            let Some(name) = key.get("Name") else {
                return Err(Invalid::resource(id, "'PrimaryKey' is missing required Property 'Name'."));
            };
            (name.clone(), attribute_type(id, key.get("Type"))?)
        }
    };
    let mut table = properties([
        ("AttributeDefinitions", Some(json!([{ "AttributeName": name, "AttributeType": kind }]))),
        ("KeySchema", Some(json!([{ "AttributeName": name, "KeyType": "HASH" }]))),
        ("Tags", own.get("Tags").and_then(Value::as_object).map(tags)),
    ]);
    if !own.contains_key("ProvisionedThroughput") {
        table.insert("BillingMode".to_owned(), "PAY_PER_REQUEST".into());
    }
    let same = SAME.iter().filter_map(|name| Some(((*name).to_owned(), own.get(*name)?.clone())));
    table.extend(same);
    // What the table's own type does not support, it refuses by name.
    let refused = ["SSESpecification", "PointInTimeRecoverySpecification"];
    table.extend(refused.iter().filter_map(|name| Some(((*name).to_owned(), own.get(*name)?.clone()))));
    let attributes: Map<String, Value> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "Properties" && *name != "Type")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok(vec![(id.to_owned(), resource("AWS::DynamoDB::Table", table, &attributes))])
}

fn attribute_type(id: &str, kind: Option<&Value>) -> Result<Value, Invalid> {
    match kind.and_then(Value::as_str).unwrap_or("String") {
        "String" => Ok("S".into()),
        "Number" => Ok("N".into()),
        "Binary" => Ok("B".into()),
        other => Err(Invalid::resource(id, format!("Invalid 'Type' \"{other}\"."))),
    }
}

fn tags(map: &Map<String, Value>) -> Value {
    map.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
