//! The life cycle of a deployable thing, as CloudFormation drives it.
//!
//! A service describes each of its resource types once, in its `resources.rs`: a schema, and create, update and delete through
//! the service's ordinary operations. `cloudformation` drives them and knows no service; `cauce` hands it the list.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{Call, ServiceError};

/// What changing a property of an existing resource does.
///
/// AWS: CloudFormation User Guide, "Update behaviors of stack resources".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateBehavior {
    /// The resource is updated in place.
    Mutable,
    /// A new resource is created and the old one deleted.
    Replacement,
}

/// One top-level property of a resource type.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Its name in templates.
    pub name: &'static str,
    /// Whether a template must give it.
    pub required: bool,
    /// What changing it does.
    pub update: UpdateBehavior,
}

impl Property {
    /// An optional property that is updated in place.
    pub const fn optional(name: &'static str) -> Property {
        Property { name, required: false, update: UpdateBehavior::Mutable }
    }

    /// A required property that is updated in place.
    pub const fn required(name: &'static str) -> Property {
        Property { name, required: true, update: UpdateBehavior::Mutable }
    }

    /// The same property, whose change replaces the resource.
    #[must_use]
    pub const fn replaces(mut self) -> Property {
        self.update = UpdateBehavior::Replacement;
        self
    }
}

/// What a template may say of a resource type. A property that is not listed is refused by name, never ignored.
#[derive(Clone, Copy, Debug)]
pub struct ResourceSchema {
    /// `AWS::Service::Type`.
    pub type_name: &'static str,
    /// Every property that is supported.
    pub properties: &'static [Property],
    /// The property that names the resource, if the user may choose the name; CloudFormation makes one up otherwise.
    pub name_property: Option<&'static str>,
    /// The longest name that may be made up, in characters.
    pub name_chars_max: usize,
    /// Whether a made-up name must be lower case (buckets).
    pub name_lower_case: bool,
    /// What `Fn::GetAtt` may read.
    pub attributes: &'static [&'static str],
}

/// A resource to be made.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// The ARN of the stack, for tags and events.
    pub stack_id: String,
    /// Its name in the template.
    pub logical_id: String,
    /// A name to use where the properties give none: unique, and the same when the request is repeated after a crash, so that
    /// a repeated create finds what the first one made.
    pub generated_name: String,
    /// The properties with every function resolved.
    pub properties: Map<String, Value>,
}

/// A resource to be changed in place.
#[derive(Clone, Debug)]
pub struct UpdateRequest {
    /// The ARN of the stack.
    pub stack_id: String,
    /// Its name in the template.
    pub logical_id: String,
    /// What `create` returned.
    pub physical_id: String,
    /// The properties it was made with.
    pub previous: Map<String, Value>,
    /// The properties it shall have.
    pub properties: Map<String, Value>,
}

/// A resource to be removed.
#[derive(Clone, Debug)]
pub struct DeleteRequest {
    /// The ARN of the stack.
    pub stack_id: String,
    /// What `create` returned.
    pub physical_id: String,
    /// The properties it was made with.
    pub properties: Map<String, Value>,
}

/// A resource that exists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provisioned {
    /// What `Ref` gives.
    pub physical_id: String,
    /// What `Fn::GetAtt` gives, by attribute name.
    pub attributes: Map<String, Value>,
}

/// One resource type of one service.
///
/// `call` is the deployer's (or that of the stack's role), and nobody has asked yet what it may do: an implementation authorizes
/// each of the service's actions that it performs, else a template would be a way around the policies.
#[async_trait]
pub trait ResourceType: Send + Sync + 'static {
    /// What a template may say of it.
    fn schema(&self) -> &'static ResourceSchema;

    /// Makes the resource. Called again with the same `generated_name` after a crash, so what exists already under that name
    /// and belongs to the same stack and logical id is success.
    ///
    /// # Errors
    /// The service's own; its message becomes the resource's status reason.
    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError>;

    /// Changes the resource in place. Repeatable.
    ///
    /// # Errors
    /// The service's own.
    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError>;

    /// Removes the resource. What is gone already is success.
    ///
    /// # Errors
    /// The service's own.
    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError>;
}
