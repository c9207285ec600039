//! `AWS::Lambda::Function`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value, json};

use super::{or_gone, pick, plain, read, text};
use crate::error::Error;
use crate::function::{CreateFunctionInput, UpdateFunctionCodeInput, UpdateFunctionConfigurationInput};
use crate::keys;
use crate::name::FunctionRef;
use crate::service::Lambda;

pub(super) struct FunctionType(pub(super) Arc<Lambda>);

static SCHEMA: ResourceSchema = ResourceSchema {
    type_name: "AWS::Lambda::Function",
    properties: &[
        Property::optional("FunctionName").replaces(),
        Property::required("Code"),
        Property::required("Role"),
        Property::optional("Runtime"),
        Property::optional("Handler"),
        Property::optional("Description"),
        Property::optional("Timeout"),
        Property::optional("MemorySize"),
        Property::optional("EphemeralStorage"),
        Property::optional("Environment"),
        Property::optional("TracingConfig"),
        Property::optional("LoggingConfig"),
        Property::optional("DeadLetterConfig"),
        Property::optional("VpcConfig"),
        Property::optional("FileSystemConfigs"),
        Property::optional("KmsKeyArn"),
        Property::optional("Layers"),
        Property::optional("SnapStart"),
        Property::optional("Architectures"),
        Property::optional("PackageType").replaces(),
        Property::optional("ReservedConcurrentExecutions"),
        Property::optional("Tags"),
    ],
    name_property: Some("FunctionName"),
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn"],
};

/// Properties that go to the API as they are.
const SETTINGS: &[&str] = &[
    "Role",
    "Runtime",
    "Handler",
    "Description",
    "Timeout",
    "MemorySize",
    "Environment",
    "TracingConfig",
    "LoggingConfig",
    "DeadLetterConfig",
    "VpcConfig",
    "FileSystemConfigs",
    "Layers",
    "SnapStart",
];

/// The tags by which a function remembers its stack.
const STACK_ID: &str = "aws:cloudformation:stack-id";
const LOGICAL_ID: &str = "aws:cloudformation:logical-id";
const STACK_NAME: &str = "aws:cloudformation:stack-name";

fn settings(properties: &Map<String, Value>) -> Map<String, Value> {
    let mut settings = pick(properties, SETTINGS, &["Timeout", "MemorySize"]);
    if let Some(size) = properties.get("EphemeralStorage").and_then(|s| s.get("Size")) {
        settings.insert("EphemeralStorage".to_owned(), json!({ "Size": plain(size) }));
    }
    if let Some(key) = properties.get("KmsKeyArn") {
        settings.insert("KMSKeyArn".to_owned(), key.clone());
    }
    if let Some(variables) =
        settings.get_mut("Environment").and_then(|e| e.get_mut("Variables")).and_then(Value::as_object_mut)
    {
        // Templates may give numbers and booleans, a function has texts.
        for value in variables.values_mut() {
            if value.is_number() || value.is_boolean() {
                *value = value.to_string().into();
            }
        }
    }
    settings
}

/// The same, where what the template no longer says goes back to its default.
fn settings_complete(properties: &Map<String, Value>) -> Map<String, Value> {
    let mut complete = json!({
        "Description": "", "Timeout": 3, "MemorySize": 128, "EphemeralStorage": { "Size": 512 }, "Environment": {},
        "TracingConfig": { "Mode": "PassThrough" }, "DeadLetterConfig": {}, "VpcConfig": {}, "FileSystemConfigs": [],
        "KMSKeyArn": "",
    });
    if let Some(complete) = complete.as_object_mut() {
        complete.extend(settings(properties));
        return std::mem::take(complete);
    }
    Map::new()
}

fn code(properties: &Map<String, Value>) -> Result<Map<String, Value>, ServiceError> {
    let Some(code) = properties.get("Code").and_then(Value::as_object) else {
        return Err(ServiceError::validation("Property Code must be an object"));
    };
    if code.contains_key("ZipFile") {
        return Err(ServiceError::validation(
            "Code.ZipFile is source text for managed runtimes; a function with its own runtime comes from S3Bucket and S3Key",
        ));
    }
    if let Some(other) = code.keys().find(|k| !matches!(k.as_str(), "S3Bucket" | "S3Key" | "S3ObjectVersion")) {
        return Err(ServiceError::validation(format!("Code.{other} is not supported by this server")));
    }
    Ok(code.clone())
}

fn tags(stack_id: &str, logical_id: &str, properties: &Map<String, Value>) -> BTreeMap<String, String> {
    let list = properties.get("Tags").and_then(Value::as_array).into_iter().flatten();
    let pair = |tag: &Value| {
        let value = tag.get("Value")?;
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some((tag.get("Key")?.as_str()?.to_owned(), value))
    };
    let mut tags: BTreeMap<String, String> = list.filter_map(pair).collect();
    let stack_name = stack_id.split('/').nth(1).unwrap_or(stack_id);
    for (key, value) in [(STACK_ID, stack_id), (STACK_NAME, stack_name), (LOGICAL_ID, logical_id)] {
        tags.insert(key.to_owned(), value.to_owned());
    }
    tags
}

impl FunctionType {
    fn provisioned(call: &Call, name: &str) -> Provisioned {
        let arn = call.arn("lambda", &format!("function:{name}")).to_string();
        Provisioned { physical_id: name.to_owned(), attributes: Map::from_iter([("Arn".to_owned(), arn.into())]) }
    }

    /// Whether the function there was made for this very place in this very stack.
    async fn is_ours(&self, call: &Call, name: &str, request: &CreateRequest) -> Result<bool, ServiceError> {
        let reference = FunctionRef::resolve(call, name, None)?;
        let tags = self.0.function(&self.0.db.begin(), &reference).await?.tags;
        Ok(tags.get(STACK_ID) == Some(&request.stack_id) && tags.get(LOGICAL_ID) == Some(&request.logical_id))
    }

    async fn configure(&self, call: &Call, name: &str, properties: &Map<String, Value>) -> Result<(), ServiceError> {
        let mut settings = settings_complete(properties);
        settings.insert("FunctionName".to_owned(), name.into());
        let input: UpdateFunctionConfigurationInput = read(Value::Object(settings))?;
        Arc::clone(&self.0).update_function_configuration(call.clone(), input).await?;
        Ok(())
    }

    async fn load(&self, call: &Call, name: &str, properties: &Map<String, Value>) -> Result<(), ServiceError> {
        let mut code = code(properties)?;
        code.insert("FunctionName".to_owned(), name.into());
        if let Some(architectures) = properties.get("Architectures") {
            code.insert("Architectures".to_owned(), architectures.clone());
        }
        let input: UpdateFunctionCodeInput = read(Value::Object(code))?;
        Arc::clone(&self.0).update_function_code(call.clone(), input).await?;
        Ok(())
    }

    async fn reserve(&self, call: &Call, name: &str, properties: &Map<String, Value>) -> Result<(), ServiceError> {
        match properties.get("ReservedConcurrentExecutions") {
            Some(n) => {
                let input = read(json!({ "FunctionName": name, "ReservedConcurrentExecutions": plain(n) }))?;
                Arc::clone(&self.0).put_function_concurrency(call.clone(), input).await?;
            }
            None => {
                let input = read(json!({ "FunctionName": name }))?;
                Arc::clone(&self.0).delete_function_concurrency(call.clone(), input).await?;
            }
        }
        Ok(())
    }

    async fn retag(&self, call: &Call, name: &str, tags: &BTreeMap<String, String>) -> Result<(), ServiceError> {
        let reference = FunctionRef::resolve(call, name, None)?;
        let done = self.0.db.transact(async |tx| {
            let mut record = self.0.function(&tx, &reference).await?;
            record.tags.clone_from(tags);
            tx.set_record(keys::function(&reference.function), &record)?;
            Ok::<_, Error>(())
        });
        Ok(done.await?)
    }
}

#[async_trait]
impl ResourceType for FunctionType {
    fn schema(&self) -> &'static ResourceSchema {
        &SCHEMA
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let properties = &request.properties;
        let name = text(properties, "FunctionName").unwrap_or(&request.generated_name).to_owned();
        self.0.may(call, "lambda:CreateFunction", &name).await?;
        let tags = tags(&request.stack_id, &request.logical_id, properties);
        let mut input = settings(properties);
        input.extend(pick(properties, &["Architectures", "PackageType"], &[]));
        input.insert("FunctionName".to_owned(), name.as_str().into());
        input.insert("Code".to_owned(), Value::Object(code(properties)?));
        let mut input: CreateFunctionInput = read(Value::Object(input))?;
        input.tags.clone_from(&tags);
        let made = Arc::clone(&self.0).create_function(call.clone(), input).await.map_err(ServiceError::from);
        match made {
            Ok(_) => {}
            // The create of before a crash: bring it to what is wanted now.
            Err(error)
                if error.code() == "ResourceConflictException" && self.is_ours(call, &name, &request).await? =>
            {
                self.load(call, &name, properties).await?;
                self.configure(call, &name, properties).await?;
            }
            Err(error) => return Err(error),
        }
        if properties.contains_key("ReservedConcurrentExecutions") {
            self.reserve(call, &name, properties).await?;
        }
        Ok(FunctionType::provisioned(call, &name))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let name = &request.physical_id;
        let (old, new) = (&request.previous, &request.properties);
        let changed = |names: &[&str]| names.iter().any(|n| old.get(*n) != new.get(*n));
        if changed(&["Code", "Architectures"]) {
            self.0.may(call, "lambda:UpdateFunctionCode", name).await?;
            self.load(call, name, new).await?;
        }
        if changed(SETTINGS) || changed(&["EphemeralStorage", "KmsKeyArn"]) {
            self.0.may(call, "lambda:UpdateFunctionConfiguration", name).await?;
            self.configure(call, name, new).await?;
        }
        if changed(&["ReservedConcurrentExecutions"]) {
            self.0.may(call, "lambda:PutFunctionConcurrency", name).await?;
            self.reserve(call, name, new).await?;
        }
        if changed(&["Tags"]) {
            self.0.may(call, "lambda:TagResource", name).await?;
            self.retag(call, name, &tags(&request.stack_id, &request.logical_id, new)).await?;
        }
        Ok(FunctionType::provisioned(call, name))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let name = &request.physical_id;
        self.0.may(call, "lambda:DeleteFunction", name).await?;
        let input = read(json!({ "FunctionName": name }))?;
        or_gone(Arc::clone(&self.0).delete_function(call.clone(), input).await.map_err(Into::into))
    }
}
