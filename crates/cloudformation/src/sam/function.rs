//! `AWS::Serverless::Function`.
//!
//! AWS: *AWS SAM Developer Guide*, "AWS::Serverless::Function" and "CloudFormation resources generated when
//! AWS::Serverless::Function is specified".

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::globals::Globals;
use super::{Context, Invalid, Made, api, attributes, event, policy, properties, resource};

/// The type.
pub(super) const TYPE: &str = "AWS::Serverless::Function";

/// Characters of the hash in the name of a version.
const HASH_CHARS: usize = 10;

/// Properties that go to the function as they are.
const PASSED: &[&str] = &[
    "Architectures",
    "CodeSigningConfigArn",
    "Description",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "FunctionName",
    "Handler",
    "ImageConfig",
    "KmsKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "RecursiveLoop",
    "ReservedConcurrentExecutions",
    "Role",
    "Runtime",
    "RuntimeManagementConfig",
    "SnapStart",
    "Timeout",
    "VpcConfig",
];

/// Properties that this transform reads itself.
const READ: &[&str] = &[
    "AssumeRolePolicyDocument",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "AutoPublishCodeSha256",
    "CodeUri",
    "DeadLetterQueue",
    "EventInvokeConfig",
    "Events",
    "ImageUri",
    "InlineCode",
    "PermissionsBoundary",
    "Policies",
    "ProvisionedConcurrencyConfig",
    "RolePath",
    "Tags",
    "Tracing",
    "VersionDeletionPolicy",
    "VersionDescription",
];

/// Properties that SAM knows and this transform refuses.
const REFUSED: &[&str] = &["DeploymentPreference", "FunctionUrlConfig", "PropagateTags", "SourceKMSKeyArn"];

/// What a function became.
#[derive(Debug)]
pub(super) struct Expanded {
    pub(super) resources: Made,
    /// Names that only SAM knows, with the logical ids they stand for.
    pub(super) renamed: Vec<(String, String)>,
    /// The methods of APIs that it answers.
    pub(super) apis: Vec<api::ApiEvent>,
}

/// The function as its events see it.
pub(super) struct Target<'a> {
    pub(super) logical_id: &'a str,
    /// What `FunctionName` of a permission or mapping gets.
    pub(super) name: Value,
    /// What invokes it.
    pub(super) arn: Value,
    /// Attributes that everything made for it shares.
    pub(super) attributes: &'a Map<String, Value>,
}

/// The execution role while it is being put together.
pub(super) struct Role {
    pub(super) managed: Vec<Value>,
    pub(super) policies: Vec<Value>,
}

/// Expands one function.
pub(super) fn expand(id: &str, value: &Value, globals: &Globals, context: &Context<'_>) -> Result<Expanded, Invalid> {
    let invalid = |why: String| Invalid::resource(id, why);
    let empty = Map::new();
    let whole = value.as_object().unwrap_or(&empty);
    let own = match whole.get("Properties") {
        None => &empty,
        Some(Value::Object(own)) => own,
        Some(_) => return Err(invalid("Properties must be a map.".to_owned())),
    };
    let given = globals.merged(own, whole.get("IgnoreGlobals"));
    check_names(id, &given)?;
    let passed_on = attributes(whole, &["Condition", "DeletionPolicy", "UpdateReplacePolicy"]);
    let tags = tags(id, given.get("Tags"))?;

    let code = code(id, &given)?;
    let mut lambda: Map<String, Value> =
        PASSED.iter().filter_map(|name| Some(((*name).to_owned(), given.get(*name)?.clone()))).collect();
    lambda.insert("Code".to_owned(), code.clone());
    lambda.insert("Tags".to_owned(), tags.clone());
    if let Some(mode) = given.get("Tracing") {
        lambda.insert("TracingConfig".to_owned(), json!({ "Mode": mode }));
    }
    if let Some(queue) = given.get("DeadLetterQueue") {
        lambda.insert("DeadLetterConfig".to_owned(), json!({"TargetArn": dead_letter(id, queue)?.1}));
    }

    let mut made = Made::new();
    let mut renamed = Vec::new();
    let mut target = Target {
        logical_id: id,
        name: json!({ "Ref": id }),
        arn: json!({"Fn::GetAtt": [id, "Arn"]}),
        attributes: &passed_on,
    };
    let alias = alias(id, &given, context)?;
    if let Some(alias) = &alias {
        let (resources, version, alias_id) = publish(id, &given, &lambda, &code, alias, &passed_on, context)?;
        renamed.push((format!("{id}.Version"), version));
        renamed.push((format!("{id}.Alias"), alias_id.clone()));
        target.name = json!({ "Ref": &alias_id });
        target.arn = json!({ "Ref": &alias_id });
        made.extend(resources);
    }
    let mut apis = Vec::new();
    let mut role = role(id, &given)?;
    if let Some(config) = given.get("EventInvokeConfig") {
        made.push(invoke_config(id, config, &target, alias.as_deref(), whole, &mut role, context)?);
    }
    if let Some(policies) = given.get("Policies") {
        policy::add(id, policies, &mut role)?;
    }
    if let Some(events) = given.get("Events") {
        let Value::Object(events) = events else {
            return Err(invalid("Type of property 'Events' is invalid.".to_owned()));
        };
        for (name, source) in events {
            if source.get("Type").and_then(Value::as_str) == Some("Api") {
                let (event, permission) = api::expand_event(name, source, &target, context)?;
                apis.push(event);
                made.extend(permission);
                continue;
            }
            made.extend(event::expand(name, source, &target, &mut role)?);
        }
    }
    if !lambda.contains_key("Role") {
        let role_id = format!("{id}Role");
        lambda.insert("Role".to_owned(), json!({"Fn::GetAtt": [&role_id, "Arn"]}));
        made.push((role_id, role_resource(role, &given, tags, &passed_on)));
    }
    let own = attributes(
        whole,
        &["Condition", "DeletionPolicy", "DependsOn", "Metadata", "UpdatePolicy", "UpdateReplacePolicy"],
    );
    made.insert(0, (id.to_owned(), resource("AWS::Lambda::Function", lambda, &own)));
    Ok(Expanded { resources: made, renamed, apis })
}

fn check_names(id: &str, given: &Map<String, Value>) -> Result<(), Invalid> {
    for name in given.keys().map(String::as_str) {
        if REFUSED.contains(&name) {
            return Err(Invalid::resource(id, format!("property {name} is not supported.")));
        }
        if !PASSED.contains(&name) && !READ.contains(&name) {
            return Err(Invalid::resource(id, format!("property {name} not defined for resource of type {TYPE}")));
        }
    }
    let image = given.get("PackageType").and_then(Value::as_str) == Some("Image");
    if image || given.contains_key("ImageUri") {
        return Err(Invalid::resource(id, "functions from container images are not supported."));
    }
    if !given.contains_key("Runtime") || !given.contains_key("Handler") {
        return Err(Invalid::resource(id, "Runtime and Handler needs to be present when PackageType is of type `Zip`"));
    }
    if given.contains_key("ProvisionedConcurrencyConfig") && !given.contains_key("AutoPublishAlias") {
        let why = "To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function";
        return Err(Invalid::resource(id, why));
    }
    Ok(())
}

/// The tags as a list, SAM's own first.
fn tags(id: &str, tags: Option<&Value>) -> Result<Value, Invalid> {
    let mut out = vec![json!({"Key": "lambda:createdBy", "Value": "SAM"})];
    match tags {
        None => {}
        Some(Value::Object(tags)) => {
            if tags.contains_key("lambda:createdBy") {
                return Err(Invalid::resource(
                    id,
                    "lambda:createdBy is a reserved Tag key name and cannot be set on your resource.",
                ));
            }
            out.extend(tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})));
        }
        Some(_) => return Err(Invalid::resource(id, "Type of property 'Tags' is invalid.")),
    }
    Ok(Value::Array(out))
}

fn code(id: &str, given: &Map<String, Value>) -> Result<Value, Invalid> {
    match (given.get("InlineCode"), given.get("CodeUri")) {
        (Some(code), _) => Ok(json!({ "ZipFile": code })),
        (None, None) => Err(Invalid::resource(id, "Only one of 'InlineCode' or 'CodeUri' can be set.")),
        (None, Some(Value::Object(place))) => {
            let (Some(bucket), Some(key)) = (place.get("Bucket"), place.get("Key")) else {
                return Err(Invalid::resource(id, "'CodeUri' requires Bucket and Key properties to be specified."));
            };
            let version = place.get("Version").cloned();
            Ok(Value::Object(properties([
                ("S3Bucket", Some(bucket.clone())),
                ("S3Key", Some(key.clone())),
                ("S3ObjectVersion", version),
            ])))
        }
        (None, Some(uri)) => uri.as_str().and_then(object_of).ok_or_else(|| {
            Invalid::resource(
                id,
                "'CodeUri' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter.",
            )
        }),
    }
}

/// `s3://bucket/key?versionId=version`.
fn object_of(uri: &str) -> Option<Value> {
    let rest = uri.strip_prefix("s3://")?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, key) = place.split_once('/')?;
    if bucket.is_empty() || key.is_empty() {
        return None;
    }
    let version = query.split('&').find_map(|pair| pair.strip_prefix("versionId="));
    let version = version.and_then(|text| percent_decode_str(text).decode_utf8().ok());
    Some(Value::Object(properties([
        ("S3Bucket", Some(bucket.into())),
        ("S3Key", Some(key.trim_start_matches('/').into())),
        ("S3ObjectVersion", version.map(|version| Value::from(version.as_ref()))),
    ])))
}

fn alias(id: &str, given: &Map<String, Value>, context: &Context<'_>) -> Result<Option<String>, Invalid> {
    let Some(alias) = given.get("AutoPublishAlias") else { return Ok(None) };
    match context.resolved(alias) {
        Value::String(name) if !name.is_empty() => Ok(Some(name)),
        _ => Err(Invalid::resource(id, "'AutoPublishAlias' must be a string or a Ref to a template parameter")),
    }
}

/// The version and the alias, with their logical ids. A version's name carries a hash of the code, so that new code makes a new
/// version.
fn publish(
    id: &str,
    given: &Map<String, Value>,
    lambda: &Map<String, Value>,
    code: &Value,
    alias: &str,
    attributes: &Map<String, Value>,
    context: &Context<'_>,
) -> Result<(Made, String, String), Invalid> {
    let hash = match given.get("AutoPublishCodeSha256").map(|value| context.resolved(value)) {
        Some(Value::String(hash)) => hash.chars().take(HASH_CHARS).collect(),
        Some(_) => return Err(Invalid::resource(id, "AutoPublishCodeSha256 must be a string")),
        None => {
            let mut subject = match context.resolved(code) {
                Value::Object(code) => code,
                _ => Map::new(),
            };
            if given.get("AutoPublishAliasAllProperties") == Some(&Value::Bool(true)) {
                subject = lambda.clone();
            } else {
                if let Some(Value::Object(environment)) = lambda.get("Environment") {
                    subject.extend(environment.clone());
                }
                if let Some(memory) = lambda.get("MemorySize") {
                    subject.insert("MemorySize".to_owned(), memory.clone());
                }
            }
            hash_of(&Value::Object(subject))
        }
    };
    let version_id = format!("{id}Version{hash}");
    let mut version_attributes = attributes.clone();
    if let Some(policy) = given.get("VersionDeletionPolicy") {
        version_attributes.insert("DeletionPolicy".to_owned(), policy.clone());
    }
    // The old version stays when its resource leaves the template: something may still point at it.
    version_attributes.entry("DeletionPolicy").or_insert_with(|| "Retain".into());
    let version = properties([
        ("FunctionName", Some(json!({ "Ref": id }))),
        ("Description", given.get("VersionDescription").cloned()),
    ]);
    let alias_id = format!("{id}Alias{alias}");
    let alias = properties([
        ("Name", Some(alias.into())),
        ("FunctionName", Some(json!({ "Ref": id }))),
        ("FunctionVersion", Some(json!({"Fn::GetAtt": [&version_id, "Version"]}))),
        ("ProvisionedConcurrencyConfig", given.get("ProvisionedConcurrencyConfig").cloned()),
    ]);
    let made = vec![
        (version_id.clone(), resource("AWS::Lambda::Version", version, &version_attributes)),
        (alias_id.clone(), resource("AWS::Lambda::Alias", alias, attributes)),
    ];
    Ok((made, version_id, alias_id))
}

/// The first ten hexadecimal digits of the SHA-1 of the compact JSON with sorted keys and ASCII only: SAM's own name-giving.
pub(super) fn hash_of(value: &Value) -> String {
    let mut ascii = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    hex::encode(Sha1::digest(ascii)).chars().take(HASH_CHARS).collect()
}

/// The action that a dead-letter queue needs, and its ARN.
fn dead_letter<'a>(id: &str, queue: &'a Value) -> Result<(&'static str, &'a Value), Invalid> {
    let (Some(kind), Some(arn)) = (queue.get("Type").and_then(Value::as_str), queue.get("TargetArn")) else {
        let why = "'DeadLetterQueue' requires Type and TargetArn properties to be specified.";
        return Err(Invalid::resource(id, why));
    };
    match kind {
        "SQS" => Ok(("sqs:SendMessage", arn)),
        "SNS" => Ok(("sns:Publish", arn)),
        _ => Err(Invalid::resource(id, "'DeadLetterQueue' requires Type of ['SQS', 'SNS']")),
    }
}

fn role(id: &str, given: &Map<String, Value>) -> Result<Role, Invalid> {
    let mut role = Role { managed: vec![policy::service_role("AWSLambdaBasicExecutionRole")], policies: Vec::new() };
    if given.get("Tracing").is_some_and(|mode| mode != "Disabled") {
        role.managed.push(policy::managed("AWSXrayWriteOnlyAccess"));
    }
    if given.contains_key("VpcConfig") {
        role.managed.push(policy::service_role("AWSLambdaVPCAccessExecutionRole"));
    }
    if let Some(queue) = given.get("DeadLetterQueue") {
        let (action, arn) = dead_letter(id, queue)?;
        role.policies.push(json!({
            "PolicyName": "DeadLetterQueuePolicy",
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Action": action, "Resource": arn, "Effect": "Allow"}],
            },
        }));
    }
    Ok(role)
}

fn role_resource(role: Role, given: &Map<String, Value>, tags: Value, attributes: &Map<String, Value>) -> Value {
    let trust = given.get("AssumeRolePolicyDocument").cloned().unwrap_or_else(|| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Action": ["sts:AssumeRole"],
                "Effect": "Allow",
                "Principal": {"Service": ["lambda.amazonaws.com"]},
            }],
        })
    });
    let properties = properties([
        ("AssumeRolePolicyDocument", Some(trust)),
        ("ManagedPolicyArns", Some(Value::Array(role.managed))),
        ("Policies", (!role.policies.is_empty()).then_some(Value::Array(role.policies))),
        ("Path", given.get("RolePath").cloned()),
        ("PermissionsBoundary", given.get("PermissionsBoundary").cloned()),
        ("Tags", Some(tags)),
    ]);
    resource("AWS::IAM::Role", properties, attributes)
}

/// What happens to asynchronous invocations, and the permissions that its destinations need.
fn invoke_config(
    id: &str,
    config: &Value,
    target: &Target<'_>,
    alias: Option<&str>,
    whole: &Map<String, Value>,
    role: &mut Role,
    context: &Context<'_>,
) -> Result<(String, Value), Invalid> {
    let Value::Object(config) = context.resolved(config) else {
        return Err(Invalid::resource(id, "Type of property 'EventInvokeConfig' is invalid."));
    };
    let config_id = format!("{id}EventInvokeConfig");
    let mut destinations = Map::new();
    if let Some(given) = config.get("DestinationConfig") {
        for name in ["OnSuccess", "OnFailure"] {
            let Some(one) = given.get(name) else { continue };
            let kind = one.get("Type").and_then(Value::as_str).unwrap_or("None");
            let Some(destination) = one.get("Destination") else {
                let why = format!("Destination of {name} must be given; SAM's own queue or topic is not supported.");
                return Err(Invalid::resource(id, why));
            };
            let (suffix, action) = match kind {
                "SQS" => ("SQSPolicy", "sqs:SendMessage"),
                "SNS" => ("SNSPolicy", "sns:publish"),
                "EventBridge" => ("EventBridgePolicy", "events:PutEvents"),
                "Lambda" => ("LambdaPolicy", "lambda:InvokeFunction"),
                other => {
                    let why = format!("'Type: {other}' must be one of ['SQS', 'SNS', 'EventBridge', 'Lambda']");
                    return Err(Invalid::resource(id, why));
                }
            };
            role.policies.push(json!({
                "PolicyName": format!("{config_id}{name}{suffix}"),
                "PolicyDocument": {"Statement": [{"Action": action, "Effect": "Allow", "Resource": destination}]},
            }));
            destinations.insert(name.to_owned(), json!({ "Destination": destination }));
        }
    }
    let mut attributes =
        attributes(whole, &["Condition", "DeletionPolicy", "Metadata", "UpdatePolicy", "UpdateReplacePolicy"]);
    if alias.is_some()
        && let Some(alias_id) = target.arn.get("Ref")
    {
        attributes.insert("DependsOn".to_owned(), json!([alias_id]));
    }
    let properties = properties([
        ("FunctionName", Some(json!({ "Ref": id }))),
        ("Qualifier", Some(alias.unwrap_or("$LATEST").into())),
        ("DestinationConfig", Some(Value::Object(destinations))),
        ("MaximumEventAgeInSeconds", config.get("MaximumEventAgeInSeconds").cloned()),
        ("MaximumRetryAttempts", config.get("MaximumRetryAttempts").cloned()),
    ]);
    Ok((config_id, resource("AWS::Lambda::EventInvokeConfig", properties, &attributes)))
}
