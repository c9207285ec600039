//! The CloudFormation resource type of Parameter Store.
//!
//! AWS: CloudFormation Template Reference, `AWS::SSM::Parameter`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::Access;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError, Tag,
    UpdateRequest, Violations,
};
use cauce_wire::Input as _;
use serde_json::{Map, Value};

use crate::delete::DeleteParameter;
use crate::error::Error;
use crate::name::Reference;
use crate::put::PutParameter;
use crate::service::ParameterStore;
use crate::tags;

/// The tags by which a parameter remembers the stack it belongs to, as AWS sets them.
const STACK_TAG: &str = "aws:cloudformation:stack-id";
const LOGICAL_TAG: &str = "aws:cloudformation:logical-id";

/// The resource types of Parameter Store, for CloudFormation.
pub fn resource_types(parameters: &Arc<ParameterStore>) -> Vec<Arc<dyn ResourceType>> {
    vec![Arc::new(ParameterType(Arc::clone(parameters)))]
}

struct ParameterType(Arc<ParameterStore>);

static PARAMETER: ResourceSchema = ResourceSchema {
    type_name: "AWS::SSM::Parameter",
    properties: &[
        Property::optional("AllowedPattern"),
        Property::optional("DataType").replaces(),
        Property::optional("Description"),
        Property::optional("Name").replaces(),
        Property::optional("Tags"),
        Property::optional("Tier"),
        Property::required("Type"),
        Property::required("Value"),
    ],
    name_property: Some("Name"),
    name_chars_max: 255,
    name_lower_case: false,
    attributes: &["Type", "Value"],
};

/// Tags are a map in this type's templates.
fn wanted_tags(properties: &Map<String, Value>) -> Result<BTreeMap<String, String>, ServiceError> {
    let Some(tags) = properties.get("Tags") else { return Ok(BTreeMap::new()) };
    let map: BTreeMap<String, String> =
        serde_json::from_value(tags.clone()).map_err(|error| ServiceError::validation(format!("Tags: {error}")))?;
    let list = Tag::list(&map);
    let mut violations = Violations::new();
    Tag::validate(&mut violations, &list);
    violations.finish()?;
    tags::check(&list)?;
    Ok(map)
}

fn wishes(name: &str, properties: &Map<String, Value>, overwrite: bool) -> Result<PutParameter, ServiceError> {
    let mut input = properties.clone();
    input.remove("Tags");
    input.insert("Name".to_owned(), name.into());
    input.insert("Overwrite".to_owned(), overwrite.into());
    let input: PutParameter =
        serde_json::from_value(input.into()).map_err(|error| ServiceError::validation(error.to_string()))?;
    let mut violations = Violations::new();
    input.validate(&mut violations);
    violations.finish()?;
    if input.r#type.as_deref() == Some("SecureString") {
        let message =
            "SecureString type is not supported in a template. Use Secrets Manager or the PutParameter operation.";
        return Err(ServiceError::validation(message));
    }
    Ok(input)
}

fn provisioned(input: &PutParameter) -> Provisioned {
    let kind = input.r#type.clone().unwrap_or_default();
    let attributes = [("Type".to_owned(), Value::from(kind)), ("Value".to_owned(), Value::from(input.value.clone()))];
    Provisioned { physical_id: input.name.clone(), attributes: Map::from_iter(attributes) }
}

impl ParameterType {
    /// Refuses a deployer who may not do `action`.
    async fn may(&self, call: &Call, action: &str, name: &str) -> Result<(), ServiceError> {
        let resource = Reference::read(call, name).arn();
        let access = Access { action, resource: &resource, ..Access::default() };
        self.0.identity.authorize(call, &access).await
    }
}

#[async_trait]
impl ResourceType for ParameterType {
    fn schema(&self) -> &'static ResourceSchema {
        &PARAMETER
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let name = request.properties.get("Name").and_then(Value::as_str).unwrap_or(&request.generated_name);
        let input = wishes(name, &request.properties, false)?;
        self.may(call, "ssm:PutParameter", name).await?;
        let mut tags = wanted_tags(&request.properties)?;
        if !tags.is_empty() {
            self.may(call, "ssm:AddTagsToResource", name).await?;
        }
        let own = [(STACK_TAG, &request.stack_id), (LOGICAL_TAG, &request.logical_id)];
        tags.extend(own.iter().map(|(key, value)| ((*key).to_owned(), (*value).clone())));
        match self.0.put(call, &input, tags).await {
            Err(Error::Exists) => {
                let found = self.0.find(&self.0.db.begin(), &Reference::read(call, name)).await?;
                let ours =
                    |tags: &BTreeMap<String, String>| own.iter().all(|(key, value)| tags.get(*key) == Some(*value));
                // Made by an earlier run of this very request, which did not live to hear so.
                if !found.is_some_and(|found| ours(&found.tags)) {
                    return Err(Error::Exists.into());
                }
            }
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(provisioned(&input))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let name = request.physical_id.as_str();
        let input = wishes(name, &request.properties, true)?;
        self.may(call, "ssm:PutParameter", name).await?;
        let tags = wanted_tags(&request.properties)?;
        self.0.put(call, &input, BTreeMap::new()).await?;
        if request.properties.get("Tags") != request.previous.get("Tags") {
            self.may(call, "ssm:AddTagsToResource", name).await?;
            let change = |all: &mut BTreeMap<String, String>| {
                all.retain(|key, _| key.starts_with("aws:"));
                all.extend(tags.clone());
                Ok(())
            };
            self.0.change_tags(call, name, change).await?;
        }
        Ok(provisioned(&input))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.may(call, "ssm:DeleteParameter", &request.physical_id).await?;
        match Arc::clone(&self.0).delete_parameter(call.clone(), DeleteParameter { name: request.physical_id }).await {
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
