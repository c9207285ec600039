//! The resource types of CloudFormation itself.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};

use crate::engine::Engine;
use crate::nested::NestedStack;

/// A type whose resources are nothing but a record: made, shown, referred to, deleted.
struct Recorded(ResourceSchema);

const fn recorded(type_name: &'static str, properties: &'static [Property]) -> Recorded {
    Recorded(ResourceSchema {
        type_name,
        properties,
        name_property: None,
        name_chars_max: 128,
        name_lower_case: false,
        attributes: &[],
    })
}

/// What the CDK says of the constructs it used, for statistics.
static CDK_METADATA: Recorded = recorded("AWS::CDK::Metadata", &[Property::optional("Analytics")]);
/// AWS: *CloudFormation User Guide*, "AWS::CloudFormation::WaitConditionHandle": without a wait condition it is nothing but an id.
static WAIT_CONDITION_HANDLE: Recorded = recorded("AWS::CloudFormation::WaitConditionHandle", &[]);

#[async_trait]
impl ResourceType for &'static Recorded {
    fn schema(&self) -> &'static ResourceSchema {
        &self.0
    }

    async fn create(&self, _call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        Ok(Provisioned { physical_id: request.generated_name, attributes: serde_json::Map::new() })
    }

    async fn update(&self, _call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        Ok(Provisioned { physical_id: request.physical_id, attributes: serde_json::Map::new() })
    }

    async fn delete(&self, _call: &Call, _request: DeleteRequest) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// All of them.
pub(crate) fn types(engine: &Weak<Engine>) -> Vec<Arc<dyn ResourceType>> {
    vec![Arc::new(&CDK_METADATA), Arc::new(&WAIT_CONDITION_HANDLE), Arc::new(NestedStack::new(Weak::clone(engine)))]
}
