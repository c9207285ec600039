//! `AWS::CloudFormation::Stack`: a stack as a resource of another.
//!
//! AWS: *CloudFormation User Guide*, "AWS::CloudFormation::Stack" and "Nested stacks". An inner stack has its own transforms,
//! events and operations; the outer one waits for it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use crate::engine::Engine;
use crate::error::Error;
use crate::input::ParameterInput;
use crate::limits::NESTING_MAX;
use crate::model::{StackRecord, StackStatus, Tag};
use crate::service::find;
use crate::stack::{DeleteStackInput, Parent, StackRequest};
use crate::template::scalar_text;

static SCHEMA: ResourceSchema = ResourceSchema {
    type_name: "AWS::CloudFormation::Stack",
    properties: &[
        Property::required("TemplateURL"),
        Property::optional("Parameters"),
        Property::optional("Tags"),
        Property::optional("TimeoutInMinutes"),
        Property::optional("NotificationARNs"),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["Outputs.*"],
};

/// How long to wait before another look at a stack that nobody runs, because the program is just starting.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct NestedStack {
    engine: Weak<Engine>,
}

impl NestedStack {
    pub(crate) fn new(engine: Weak<Engine>) -> NestedStack {
        NestedStack { engine }
    }

    fn engine(&self) -> Result<Arc<Engine>, ServiceError> {
        self.engine.upgrade().ok_or_else(|| ServiceError::new(503, "ServiceUnavailable", "the service is stopping"))
    }
}

fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    value.and_then(Value::as_array).map(|items| items.iter().filter_map(scalar_text).collect())
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().filter_map(scalar_text).collect::<Vec<_>>().join(","),
        other => scalar_text(other).unwrap_or_default(),
    }
}

/// The request for an inner stack. Whoever may deploy the outer one has acknowledged what its templates do.
fn request(name: &str, token: &str, properties: &Map<String, Value>) -> StackRequest {
    let parameters = properties.get("Parameters").and_then(Value::as_object);
    let parameters = parameters.map(|map| {
        let parameter = |(key, value): (&String, &Value)| ParameterInput {
            parameter_key: key.clone(),
            parameter_value: Some(text_of(value)),
            use_previous_value: None,
        };
        map.iter().map(parameter).collect()
    });
    let tags = properties
        .get("Tags")
        .and_then(Value::as_array)
        .map(|tags| tags.iter().filter_map(|tag| serde_json::from_value::<Tag>(tag.clone()).ok()).collect());
    StackRequest {
        stack_name: name.to_owned(),
        template_url: properties.get("TemplateURL").map(text_of),
        parameters,
        tags,
        capabilities: Some(
            ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"].map(str::to_owned).to_vec(),
        ),
        notification_arns: texts(properties.get("NotificationARNs")),
        client_request_token: Some(token.to_owned()),
        ..StackRequest::default()
    }
}

fn provisioned(stack: StackRecord) -> Provisioned {
    let attributes = stack.outputs.into_iter().map(|output| (format!("Outputs.{}", output.key), output.value.into()));
    Provisioned { physical_id: stack.id, attributes: attributes.collect() }
}

fn unsuccessful(stack: &StackRecord, verb: &str) -> ServiceError {
    let (id, reason) = (&stack.id, stack.status_reason.as_deref().unwrap_or(stack.status.as_str()));
    ServiceError::new(400, "NotStabilized", format!("Embedded stack {id} was not successfully {verb}: {reason}"))
}

impl Engine {
    async fn inner(&self, call: &Call, id: &str) -> Result<Option<StackRecord>, Error> {
        self.db.transact(async |tx| Ok::<_, Error>(find(&tx, call, id).await?)).await
    }

    /// Waits until an inner stack has come to rest; the caller bounds the time.
    async fn rested(&self, call: &Call, id: &str) -> Result<Option<StackRecord>, Error> {
        loop {
            let stack = self.inner(call, id).await?;
            match stack {
                Some(stack) if stack.status.in_progress() => {
                    self.settled(&stack.uuid).await;
                    let again = self.inner(call, id).await?;
                    if again.is_some_and(|stack| stack.status.in_progress()) {
                        self.env.sleep(PAUSE).await;
                    }
                }
                other => return Ok(other),
            }
        }
    }

    async fn parent(&self, call: &Call, id: &str) -> Result<Parent, Error> {
        let mut root = id.to_owned();
        for _ in 0..NESTING_MAX {
            match self.inner(call, &root).await?.and_then(|stack| stack.parent_id) {
                Some(parent) => root = parent,
                None => return Ok(Parent { id: id.to_owned(), root_id: root }),
            }
        }
        Err(Error::LimitExceeded(format!("stacks are nested more than {NESTING_MAX} deep")))
    }
}

#[async_trait]
impl ResourceType for NestedStack {
    fn schema(&self) -> &'static ResourceSchema {
        &SCHEMA
    }

    async fn create(&self, call: &Call, create: CreateRequest) -> Result<Provisioned, ServiceError> {
        let engine = self.engine()?;
        let parent = engine.parent(call, &create.stack_id).await?;
        let mut request = request(&create.generated_name, &create.generated_name, &create.properties);
        // A stack that could not be made leaves nothing that someone would have to delete.
        request.on_failure = Some("DELETE".to_owned());
        request.timeout_in_minutes =
            create.properties.get("TimeoutInMinutes").and_then(scalar_text).and_then(|minutes| minutes.parse().ok());
        let stack = engine.create(call, &request, Some(&parent)).await?;
        let rested = engine.rested(call, &stack.id).await?.unwrap_or(stack);
        // A repeated request may find the stack further on than made.
        match rested.status {
            StackStatus::CreateComplete | StackStatus::UpdateComplete | StackStatus::UpdateRollbackComplete => {
                Ok(provisioned(rested))
            }
            _ => Err(unsuccessful(&rested, "created")),
        }
    }

    async fn update(&self, call: &Call, update: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let engine = self.engine()?;
        // After a crash the inner stack may still be at it.
        let found = engine.rested(call, &update.physical_id).await?;
        let token = engine.env.entropy().uuid();
        let request = request(&update.physical_id, &token, &update.properties);
        match engine.update(call, &request).await {
            Ok(_) => {}
            Err(Error::Validation(message)) if message == "No updates are to be performed." => {
                return Ok(found.map(provisioned).unwrap_or_default());
            }
            Err(other) => return Err(other.into()),
        }
        match engine.rested(call, &update.physical_id).await? {
            Some(stack) if stack.status == StackStatus::UpdateComplete => Ok(provisioned(stack)),
            Some(stack) => Err(unsuccessful(&stack, "updated")),
            None => Err(Error::Validation(format!("Stack [{}] does not exist", update.physical_id)).into()),
        }
    }

    async fn delete(&self, call: &Call, delete: DeleteRequest) -> Result<(), ServiceError> {
        let engine = self.engine()?;
        engine.rested(call, &delete.physical_id).await?;
        let input = DeleteStackInput {
            stack_name: delete.physical_id.clone(),
            retain_resources: None,
            role_arn: None,
            client_request_token: None,
            deployment_config: None,
            deletion_mode: None,
        };
        engine.delete(call, &input).await?;
        match engine.rested(call, &delete.physical_id).await? {
            Some(stack) if stack.status != StackStatus::DeleteComplete => Err(unsuccessful(&stack, "deleted")),
            _ => Ok(()),
        }
    }
}
