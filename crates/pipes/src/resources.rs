//! `AWS::Pipes::Pipe`.
//!
//! AWS: CloudFormation Template Reference, *AWS::Pipes::Pipe*.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::Access;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError, Timestamp,
    UpdateRequest, Violations,
};
use cauce_wire::Input;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::error::PipesError;
use crate::operations::{CreatePipe, NamedPipe, UpdatePipe};
use crate::service::Pipes;

/// The resource types of EventBridge Pipes, for CloudFormation.
pub fn resource_types(pipes: &Arc<Pipes>) -> Vec<Arc<dyn ResourceType>> {
    vec![Arc::new(PipeType(Arc::clone(pipes)))]
}

struct PipeType(Arc<Pipes>);

static PIPE: ResourceSchema = ResourceSchema {
    type_name: "AWS::Pipes::Pipe",
    properties: &[
        Property::optional("Description"),
        Property::optional("DesiredState"),
        Property::optional("Enrichment"),
        Property::optional("EnrichmentParameters"),
        Property::optional("LogConfiguration"),
        Property::optional("Name").replaces(),
        Property::required("RoleArn"),
        Property::required("Source").replaces(),
        Property::optional("SourceParameters"),
        Property::optional("Tags"),
        Property::required("Target"),
        Property::optional("TargetParameters"),
    ],
    name_property: Some("Name"),
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn", "CreationTime", "CurrentState", "LastModifiedTime", "StateReason"],
};

/// The members that are numbers, which templates may write as texts.
const NUMBERS: [&str; 5] = [
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
];

fn read<I: Input + DeserializeOwned>(input: Map<String, Value>) -> Result<I, ServiceError> {
    let input: I =
        serde_json::from_value(Value::Object(input)).map_err(|error| ServiceError::validation(error.to_string()))?;
    let mut violations = Violations::new();
    input.validate(&mut violations);
    violations.finish()?;
    Ok(input)
}

/// The properties as the operations take them, under a name.
fn wishes(name: &str, properties: &Map<String, Value>) -> Map<String, Value> {
    let mut input = properties.clone();
    input.insert("Name".to_owned(), name.into());
    if let Some(source) = input.get_mut("SourceParameters").and_then(Value::as_object_mut) {
        for parameters in source.values_mut().filter_map(Value::as_object_mut) {
            for number in NUMBERS {
                if let Some(value) = parameters.get_mut(number)
                    && let Some(read) = value.as_str().and_then(|text| text.parse::<i64>().ok())
                {
                    *value = read.into();
                }
            }
        }
    }
    input
}

/// What an update says of all that the template does not say any more.
fn completed(mut input: Map<String, Value>) -> Map<String, Value> {
    input.remove("Tags");
    input.remove("Source");
    let of_all = [
        ("Description", json!("")),
        ("DesiredState", json!("RUNNING")),
        ("Enrichment", json!("")),
        ("EnrichmentParameters", json!({})),
        ("LogConfiguration", json!({ "Level": "OFF" })),
        ("SourceParameters", json!({})),
        ("TargetParameters", json!({})),
    ];
    for (name, value) in of_all {
        input.entry(name).or_insert(value);
    }
    input
}

fn tags_of(properties: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let tags = properties.get("Tags").and_then(Value::as_object);
    tags.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}

impl PipeType {
    async fn may(&self, call: &Call, action: &str, name: &str) -> Result<(), ServiceError> {
        let arn = Pipes::id(call, name).arn();
        let access = Access { action, resource: arn.as_str(), ..Access::default() };
        self.0.ports.identity.authorize(call, &access).await
    }

    /// The pipe as it is; an error if it cannot work.
    async fn provisioned(&self, call: &Call, name: &str) -> Result<Provisioned, ServiceError> {
        let named = NamedPipe { name: name.to_owned() };
        let pipe = Arc::clone(&self.0).describe_pipe(call.clone(), named).await?;
        if pipe.current_state.ends_with("_FAILED") {
            let message = format!(
                "Resource of type 'AWS::Pipes::Pipe' with identifier '{name}' did not stabilize. Status Reason is {}",
                pipe.state_reason
            );
            return Err(ServiceError::new(400, "NotStabilized", message));
        }
        let time = |seconds| Timestamp::from_secs_f64(seconds).map_or_else(String::new, Timestamp::iso_secs);
        let attributes = [
            ("Arn", Pipes::id(call, name).arn().to_string()),
            ("CreationTime", time(pipe.creation_time)),
            ("CurrentState", pipe.current_state),
            ("LastModifiedTime", time(pipe.last_modified_time)),
            ("StateReason", pipe.state_reason),
        ];
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
        Ok(Provisioned { physical_id: name.to_owned(), attributes })
    }

    async fn remove(&self, call: &Call, name: &str) -> Result<(), ServiceError> {
        let named = NamedPipe { name: name.to_owned() };
        match Arc::clone(&self.0).delete_pipe(call.clone(), named).await {
            // Gone already, or on its way.
            Err(PipesError::NotFound(_)) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        // The role and the source that go next are still needed by what is under way.
        Ok(self.0.forget(&Pipes::id(call, name)).await?)
    }
}

#[async_trait]
impl ResourceType for PipeType {
    fn schema(&self) -> &'static ResourceSchema {
        &PIPE
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let name = request.properties.get("Name").and_then(Value::as_str).unwrap_or(&request.generated_name);
        let mut input: CreatePipe = read(wishes(name, &request.properties))?;
        input.made_by = Some(format!("{}/{}", request.stack_id, request.logical_id));
        self.may(call, "pipes:CreatePipe", name).await?;
        Arc::clone(&self.0).create_pipe(call.clone(), input).await?;
        match self.provisioned(call, name).await {
            Ok(made) => Ok(made),
            Err(error) => {
                self.remove(call, name).await?;
                Err(error)
            }
        }
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let name = request.physical_id.as_str();
        let mut input: UpdatePipe = read(completed(wishes(name, &request.properties)))?;
        input.whole = true;
        self.may(call, "pipes:UpdatePipe", name).await?;
        Arc::clone(&self.0).update_pipe(call.clone(), input).await?;
        if request.properties.get("Tags") != request.previous.get("Tags") {
            self.may(call, "pipes:TagResource", name).await?;
            let tags = tags_of(&request.properties);
            self.0.change_tags(&Pipes::id(call, name), |own| own.clone_from(&tags)).await?;
        }
        self.provisioned(call, name).await
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.may(call, "pipes:DeletePipe", &request.physical_id).await?;
        self.remove(call, &request.physical_id).await
    }
}
