//! Stacks: CloudFormation and SAM templates, change sets, and the life cycle of the resources they describe.
//!
//! - [`template`] and [`sam`] are pure: from text to a template free of macros, from a template to resolved properties.
//! - [`CloudFormation`] is the service, [`api`] its operations. It knows no resource type but its own
//!   (`AWS::CloudFormation::Stack`, `WaitConditionHandle`, `AWS::CDK::Metadata`); the others are handed to it.
//! - An operation is a durable state machine: every step is in the store before the next begins. Resources are made at the same
//!   time as far as they do not wait for each other; what fails is undone; what was under way when the program ended is taken up
//!   by [`CloudFormation::resume`] under the same names.
//!
//! # Limits
//! [`limits`] has all of them, each with its AWS quota where there is one.
//!
//! # Invariants
//! - A change of a stack's state is durable before a request that causes it is answered.
//! - An unknown resource type, property, attribute or function is refused by name, never ignored.
//! - No secret comes to rest in a stack: dynamic references are stored as references. Parameters with `NoEcho` are stored, and
//!   shown nowhere.
//!
//! # Deliberately absent
//! Drift detection, resource import, stack sets, macros of one's own, custom resources, `CreationPolicy`, `UpdatePolicy`, stack
//! policies, rollback triggers, YAML aliases (the service refuses them too).

mod api;
mod builtin;
mod change;
mod change_set;
mod change_set_view;
mod deploy;
mod describe;
mod dynamic;
mod engine;
mod error;
mod export;
mod input;
mod keys;
pub mod limits;
mod model;
mod name;
mod nested;
mod page;
mod ports;
mod prepare;
mod resource;
pub mod sam;
mod service;
mod source;
mod stack;
pub mod template;
mod template_view;
mod types;
mod world;

pub use api::{INFO, api};
pub use change::{Action, ChangeDetail, ChangeTarget, ResourceChange};
pub use change_set::{ChangeSetIdOutput, ChangeSetInput, CreateChangeSetInput, ListChangeSetsInput};
pub use change_set_view::{ChangeSetView, ChangeSummary, ChangeView, ListChangeSetsOutput};
pub use describe::{
    DescribeInput, DescribeStacksOutput, DriftView, EventView, ListStacksInput, ListStacksOutput, OutputView,
    ParameterView, RollbackView, StackEventsOutput, StackSummary, StackView,
};
pub use error::Error;
pub use export::{ExportView, ListExportsInput, ListExportsOutput, ListImportsInput, ListImportsOutput};
pub use input::{DeploymentConfig, ParameterInput, RollbackConfiguration, StackInput};
pub use model::Tag;
pub use page::PageToken;
pub use ports::{NoReferences, NoStackEvents, References, StackEvents, StackStatusChange};
pub use resource::{
    ListResourcesOutput, ResourceDetail, ResourceDriftView, ResourceInput, ResourceOutput, ResourceSummary,
    ResourceView, ResourcesOutput,
};
pub use service::{CloudFormation, Ports};
pub use stack::{
    DeleteStackInput, EmptyOutput, RollbackInput, StackIdOutput, StackPolicyOutput, StackRequest,
    TerminationProtectionInput,
};
pub use template_view::{
    ConstraintsView, DeclarationView, GetTemplateInput, GetTemplateOutput, TemplateInput, TemplateSummary,
    ValidateTemplateOutput,
};
