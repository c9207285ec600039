//! Whole templates against what SAM itself makes of them, and what is refused.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::transform;
use crate::template::{Aliases, declarations, parse, reference_value};

/// What a template's own defaults give, as SAM sees parameters.
fn defaults(document: &Value) -> BTreeMap<String, Value> {
    let empty = serde_json::Map::new();
    let declared = declarations(document.get("Parameters").and_then(Value::as_object).unwrap_or(&empty)).unwrap();
    declared.into_iter().filter_map(|(name, p)| Some((name, reference_value(p.kind, &p.default?)))).collect()
}

/// One action or resource may stand in a policy as itself or as a list of one; SAM does now this, now that.
fn normal(value: &Value) -> Value {
    let entry = |(key, value): (&String, &Value)| match value.as_array().map(Vec::as_slice) {
        Some([one]) if key == "Action" || key == "Resource" => (key.clone(), normal(one)),
        _ => (key.clone(), normal(value)),
    };
    match value {
        Value::Object(map) => map.iter().map(entry).collect(),
        Value::Array(items) => items.iter().map(normal).collect(),
        scalar => scalar.clone(),
    }
}

/// The document with the hashes in the names of deployments replaced: SAM hashes its own writing of the API.
fn without_hashes(document: &Value) -> Value {
    let hash = regex_lite::Regex::new("(Deployment|deployment id: )[0-9a-f]{10,40}").unwrap();
    serde_json::from_str(&hash.replace_all(&document.to_string(), "${1}HASH")).unwrap()
}

fn check(template: &str, expect: &str) {
    let document = parse(template, Aliases::Refused).unwrap();
    let mut made = without_hashes(&transform(&document, &defaults(&document)).unwrap());
    let expect = without_hashes(&serde_json::from_str(expect).unwrap());
    let expected = expect.get("Resources").unwrap().as_object().unwrap();
    let resources = made.get_mut("Resources").unwrap().as_object_mut().unwrap();
    assert_eq!(resources.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (id, resource) in expected {
        assert_eq!(resources.get(id).map(normal), Some(normal(resource)), "{id}");
    }
    assert_eq!(made.get("Outputs"), expect.get("Outputs"));
    assert_eq!(made.get("Transform"), None);
    assert_eq!(made.get("Globals"), None);
}

#[test]
fn four_functions_and_three_rules_become_fourteen_resources() {
    let (template, expect) = (include_str!("../../tests/sam/atm.yaml"), include_str!("../../tests/sam/atm.json"));
    check(template, expect);
    let document = parse(template, Aliases::Refused).unwrap();
    let made = transform(&document, &BTreeMap::new()).unwrap();
    assert_eq!(made.get("Resources").unwrap().as_object().unwrap().len(), 14);
}

#[test]
fn aliases_policies_and_every_source_become_what_sam_makes_of_them() {
    check(include_str!("../../tests/sam/publish.yaml"), include_str!("../../tests/sam/publish.json"));
}

#[test]
fn topics_with_queues_in_between_and_schedules_become_what_sam_makes_of_them() {
    check(include_str!("../../tests/sam/sources.yaml"), include_str!("../../tests/sam/sources.json"));
}

#[test]
fn functions_without_an_api_get_one() {
    check(include_str!("../../tests/sam/implicit_api.yaml"), include_str!("../../tests/sam/implicit_api.json"));
}

#[test]
fn an_api_with_everything_becomes_what_sam_makes_of_it() {
    check(include_str!("../../tests/sam/api.yaml"), include_str!("../../tests/sam/api.json"));
}

#[test]
fn an_api_of_its_own_document_keeps_it() {
    check(include_str!("../../tests/sam/api_body.yaml"), include_str!("../../tests/sam/api_body.json"));
}

#[test]
fn every_policy_template_gives_the_document_of_sam() {
    check(include_str!("../../tests/sam/policies.yaml"), include_str!("../../tests/sam/policies.json"));
}

fn refused(resources: &Value, expect: &str) {
    let error = transform(&json!({ "Resources": resources }), &BTreeMap::new()).unwrap_err().to_string();
    let prefix = "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document. \
                  Number of errors found: 1. ";
    assert_eq!(error.strip_prefix(prefix), Some(expect), "{error}");
}

fn function(extra: &Value) -> Value {
    let mut properties = json!({"CodeUri": "s3://b/k", "Handler": "h", "Runtime": "provided.al2023"});
    properties.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    json!({"F": {"Type": "AWS::Serverless::Function", "Properties": properties}})
}

#[test]
fn what_is_wrong_or_unsupported_is_named() {
    refused(
        &json!({"T": {"Type": "AWS::Serverless::HttpApi"}}),
        "Resource with id [T] is invalid. The resource type AWS::Serverless::HttpApi is not supported.",
    );
    refused(
        &json!({"T": {"Type": "AWS::Serverless::SimpleTable", "Properties": {"PrimaryKey": {"Name": "n", "Type": "Set"}}}}),
        "Resource with id [T] is invalid. Invalid 'Type' \"Set\".",
    );
    refused(
        &function(&json!({"CodeUri": "src/"})),
        "Resource with id [F] is invalid. 'CodeUri' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId \
         query parameter.",
    );
    refused(
        &function(&json!({"CodeUri": {"Bucket": "b"}})),
        "Resource with id [F] is invalid. 'CodeUri' requires Bucket and Key properties to be specified.",
    );
    refused(
        &function(&json!({"Colour": 1})),
        "Resource with id [F] is invalid. property Colour not defined for resource of type AWS::Serverless::Function",
    );
    refused(
        &function(&json!({"DeploymentPreference": {}})),
        "Resource with id [F] is invalid. property DeploymentPreference is not supported.",
    );
    refused(
        &function(&json!({"Policies": [{"NoSuchPolicy": {}}]})),
        "Resource with id [F] is invalid. Policy at index 0 in the 'Policies' property is not valid",
    );
    refused(
        &function(&json!({"Policies": [{"SQSSendMessagePolicy": {}}]})),
        "Resource with id [F] is invalid. Following required parameters of template 'SQSSendMessagePolicy' don't have values: \
         ['QueueName']",
    );
    let event =
        |kind: &str, properties: Value| function(&json!({"Events": {"E": {"Type": kind, "Properties": properties}}}));
    refused(
        &event("HttpApi", json!({"Path": "/", "Method": "get"})),
        "Resource with id [F] is invalid. Event with id [E] is invalid. Events of type HttpApi are not supported.",
    );
    refused(
        &event("Api", json!({"Path": "/", "Method": "grab"})),
        "Resource with id [F] is invalid. Event with id [E] is invalid. API method \"grab\" is not a method.",
    );
    refused(
        &event("Api", json!({"Path": "/", "Method": "get", "RestApiId": "r"})),
        "Resource with id [F] is invalid. Event with id [E] is invalid. RestApiId must be a valid reference to an \
         'AWS::Serverless::Api' in same template.",
    );
    refused(
        &event("Api", json!({"Path": "/", "Method": "get", "Auth": {"Authorizer": "A"}})),
        "Resource with id [F] is invalid. Event with id [E] is invalid. Unable to set Authorizer [A] on API method [get] for path \
         [/] because it wasn't defined in the API's Authorizers.",
    );
    let api = |properties: Value| json!({"A": {"Type": "AWS::Serverless::Api", "Properties": properties}});
    refused(&api(json!({})), "Resource with id [A] is invalid. Missing required property 'StageName'.");
    refused(
        &api(json!({"StageName": "s", "DefinitionUri": "s3://b/k"})),
        "Resource with id [A] is invalid. property DefinitionUri is not supported.",
    );
    refused(
        &api(json!({"StageName": "s", "Auth": {"DefaultAuthorizer": "N"}})),
        "Resource with id [A] is invalid. Unable to set DefaultAuthorizer because 'N' was not defined in 'Authorizers'.",
    );
    refused(
        &api(json!({"StageName": "s", "Auth": {"ResourcePolicy": {}}})),
        "Resource with id [A] is invalid. property Auth.ResourcePolicy is not supported.",
    );
    refused(
        &event("EventBridgeRule", json!({"Pattern": {}, "Colour": 1})),
        "Resource with id [F] is invalid. Event with id [E] is invalid. property Colour not defined for resource of type \
         EventBridgeRule",
    );
    refused(
        &event("Schedule", json!({"Schedule": "rate(1 day)", "State": "ENABLED", "Enabled": true})),
        "Resource with id [F] is invalid. Event with id [E] is invalid. State and Enabled Properties cannot both be specified.",
    );
    refused(
        &event("SNS", json!({"Topic": "t", "SqsSubscription": {"QueueArn": "a"}})),
        "Resource with id [F] is invalid. Event with id [E] is invalid. No QueueARN or QueueURL provided.",
    );
    refused(
        &event("ScheduleV2", json!({"ScheduleExpression": "rate(1 day)", "OmitName": true, "Name": "n"})),
        "Resource with id [F] is invalid. Event with id [E] is invalid. Name cannot be set when OmitName is True",
    );
    refused(
        &event("ScheduleV2", json!({"Schedule": "rate(1 day)"})),
        "Resource with id [F] is invalid. Event with id [E] is invalid. property Schedule not defined for resource of type \
         ScheduleV2",
    );
    let mut clash = function(&json!({}));
    clash.as_object_mut().unwrap().insert("FRole".to_owned(), json!({"Type": "AWS::IAM::Role"}));
    refused(
        &clash,
        "Transforming resource with id [F] attempts to create a new resource with id [FRole] and type \"AWS::IAM::Role\". A \
         resource with that id already exists within this template. Please use a different id for that resource.",
    );
    let globals = transform(&json!({"Globals": {"Function": {"Role": "r"}}, "Resources": {}}), &BTreeMap::new());
    let globals = globals.unwrap_err().to_string();
    assert!(
        globals.contains("'Globals' section is invalid. 'Role' is not a supported property of 'Function'."),
        "{globals}"
    );
}

#[test]
fn a_simple_table_is_a_table_with_one_key() {
    let given = json!({
        "T": {"Type": "AWS::Serverless::SimpleTable", "DeletionPolicy": "Retain"},
        "U": {"Type": "AWS::Serverless::SimpleTable", "Properties": {
            "TableName": "named", "PrimaryKey": {"Name": "n", "Type": "Number"}, "Tags": {"a": "b"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2},
        }},
    });
    let made = transform(&json!({ "Resources": given }), &BTreeMap::new()).unwrap();
    let expected = json!({
        "T": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": {
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST",
        }},
        "U": {"Type": "AWS::DynamoDB::Table", "Properties": {
            "TableName": "named", "Tags": [{"Key": "a", "Value": "b"}],
            "AttributeDefinitions": [{"AttributeName": "n", "AttributeType": "N"}],
            "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2},
        }},
    });
    assert_eq!(made["Resources"], expected);
}
