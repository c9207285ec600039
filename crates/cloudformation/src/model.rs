//! Stacks, their resources, events and change sets, as they are stored.

use std::sync::Arc;

use cauce_core::{Account, Call, Env, Principal, Region, RequestId, Timestamp, Trace};
use cauce_store::Record;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::change::ResourceChange;
use crate::limits::RESOURCE_OPERATION_MAX;
use crate::template::DeletionPolicy;

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) enum $name {
            $(#[doc = $text] #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// As the service writes it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }
    };
}

status! {
    /// The state of a stack. AWS: *CloudFormation User Guide*, "View stack status codes".
    StackStatus {
        ReviewInProgress = "REVIEW_IN_PROGRESS",
        CreateInProgress = "CREATE_IN_PROGRESS",
        CreateComplete = "CREATE_COMPLETE",
        CreateFailed = "CREATE_FAILED",
        RollbackInProgress = "ROLLBACK_IN_PROGRESS",
        RollbackComplete = "ROLLBACK_COMPLETE",
        RollbackFailed = "ROLLBACK_FAILED",
        UpdateInProgress = "UPDATE_IN_PROGRESS",
        UpdateCompleteCleanupInProgress = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        UpdateComplete = "UPDATE_COMPLETE",
        UpdateFailed = "UPDATE_FAILED",
        UpdateRollbackInProgress = "UPDATE_ROLLBACK_IN_PROGRESS",
        UpdateRollbackCompleteCleanupInProgress = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        UpdateRollbackComplete = "UPDATE_ROLLBACK_COMPLETE",
        UpdateRollbackFailed = "UPDATE_ROLLBACK_FAILED",
        DeleteInProgress = "DELETE_IN_PROGRESS",
        DeleteComplete = "DELETE_COMPLETE",
        DeleteFailed = "DELETE_FAILED",
    }
}

impl StackStatus {
    /// Whether something is under way.
    pub(crate) fn in_progress(self) -> bool {
        self.as_str().ends_with("_IN_PROGRESS") && self != StackStatus::ReviewInProgress
    }

    /// Whether the stack may be updated.
    pub(crate) fn can_be_updated(self) -> bool {
        use StackStatus as S;
        matches!(
            self,
            S::CreateComplete | S::CreateFailed | S::UpdateComplete | S::UpdateFailed | S::UpdateRollbackComplete
        )
    }
}

status! {
    /// The state of a resource.
    ResourceStatus {
        CreateInProgress = "CREATE_IN_PROGRESS",
        CreateComplete = "CREATE_COMPLETE",
        CreateFailed = "CREATE_FAILED",
        UpdateInProgress = "UPDATE_IN_PROGRESS",
        UpdateComplete = "UPDATE_COMPLETE",
        UpdateFailed = "UPDATE_FAILED",
        DeleteInProgress = "DELETE_IN_PROGRESS",
        DeleteComplete = "DELETE_COMPLETE",
        DeleteFailed = "DELETE_FAILED",
        DeleteSkipped = "DELETE_SKIPPED",
    }
}

/// A key with a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// A parameter of a stack with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoundParameter {
    /// Its name.
    pub key: String,
    /// As given.
    pub value: String,
    /// What was found under that name, for SSM kinds.
    pub resolved: Option<String>,
    /// Whether the value is never shown.
    pub no_echo: bool,
}

/// An output of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoundOutput {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What it is.
    pub description: Option<String>,
    /// The name under which others may import it.
    pub export: Option<String>,
}

/// Everything about a stack that a request gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The number of its template among those of the stack; 0 is none.
    pub template: u64,
    /// Its parameters.
    pub parameters: Vec<BoundParameter>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// What the caller acknowledged.
    pub capabilities: Vec<String>,
    /// The role that acts.
    pub role_arn: Option<String>,
    /// The topics that hear of events.
    pub notification_arns: Vec<String>,
    /// The template's description.
    pub description: Option<String>,
}

/// Who caused an operation, as far as its resources' calls need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Caller {
    /// Who.
    pub principal: Principal,
    /// The request.
    pub request_id: RequestId,
    /// Its causal tree.
    pub trace: Trace,
    /// The host that it was sent to.
    pub host: String,
}

impl Caller {
    /// The caller of a call.
    pub(crate) fn of(call: &Call) -> Caller {
        Caller {
            principal: (*call.principal).clone(),
            request_id: call.request_id.clone(),
            trace: call.trace,
            host: call.host.to_string(),
        }
    }

    /// A call made on behalf of this caller, by `principal`.
    pub(crate) fn call(&self, env: &Env, account: Account, region: Region, principal: Principal) -> Call {
        let now = env.now();
        Call {
            account,
            region,
            principal: Arc::new(principal),
            request_id: self.request_id.clone(),
            trace: self.trace.child(env.entropy()),
            received: now,
            deadline: now + RESOURCE_OPERATION_MAX,
            source_ip: None,
            host: self.host.as_str().into(),
            secure: true,
        }
    }
}

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OperationKind {
    /// Making the stack.
    Create,
    /// Changing it.
    Update,
    /// Removing it.
    Delete,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Resources are made and changed.
    Forward,
    /// What an update has replaced or dropped is deleted.
    Cleanup,
    /// What a failed update has changed is changed back.
    Restore,
    /// What a failed update has made is deleted.
    RestoreCleanup,
    /// Everything is deleted.
    Remove,
}

/// What happens when a stack cannot be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OnFailure {
    /// What was done is undone.
    #[default]
    Rollback,
    /// The stack is deleted.
    Delete,
    /// Everything stays as it is.
    DoNothing,
}

/// An operation under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Operation {
    /// Its number among those of the stack.
    pub serial: u64,
    /// What it is about.
    pub kind: OperationKind,
    /// How far it is.
    pub phase: Phase,
    /// When it must have succeeded.
    pub deadline: Option<Timestamp>,
    /// Why it goes back.
    pub failure: Option<String>,
    /// What the stack shall be.
    pub target: Settings,
    /// Who asked for it.
    pub caller: Caller,
    /// The token of the request.
    pub token: Option<String>,
    /// What happens on failure.
    pub on_failure: OnFailure,
    /// Resources that a deletion leaves alone, or that a continued rollback skips.
    pub retain: Vec<String>,
    /// Whether what a rolled back creation has made goes whatever its policy.
    #[serde(default)]
    pub retain_except_on_create: bool,
}

/// A stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StackRecord {
    /// Its ARN.
    pub id: String,
    /// The last part of its ARN.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Its account.
    pub account: Account,
    /// Its region.
    pub region: Region,
    /// Its state.
    pub status: StackStatus,
    /// Why.
    pub status_reason: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
    /// What it is, by the last operation that succeeded.
    pub settings: Settings,
    /// Its outputs.
    pub outputs: Vec<BoundOutput>,
    /// What it imports from others.
    pub imports: Vec<String>,
    /// Whether it cannot be deleted.
    pub termination_protection: bool,
    /// Whether failures leave everything as it is.
    pub disable_rollback: bool,
    /// Minutes after which making it fails.
    pub timeout_minutes: Option<u32>,
    /// The change set by which it was last changed.
    pub change_set_id: Option<String>,
    /// The stack that this one is a resource of.
    pub parent_id: Option<String>,
    /// The outermost stack.
    pub root_id: Option<String>,
    /// How many operations it has had.
    pub operations: u64,
    /// How many templates it has had.
    pub templates: u64,
    /// What is under way.
    pub operation: Option<Operation>,
    /// The token of the request that made it.
    #[serde(default)]
    pub token: Option<String>,
}

impl Record for StackRecord {
    const VERSION: u8 = 1;
}

/// The texts of a template.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TemplateRecord {
    /// As it was given.
    pub original: String,
    /// After its transforms.
    pub processed: Value,
    /// The transforms that it declares.
    pub transforms: Vec<String>,
}

impl Record for TemplateRecord {
    const VERSION: u8 = 1;
}

/// A thing that exists, made for a resource of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// Its type.
    pub type_name: String,
    /// What `Ref` gives.
    pub physical_id: String,
    /// What it was made with; dynamic references are still references.
    pub properties: Map<String, Value>,
    /// What `Fn::GetAtt` gives.
    pub attributes: Map<String, Value>,
    /// The resources that were there before it.
    pub depends_on: Vec<String>,
    /// What happens when it leaves the stack.
    pub deletion_policy: DeletionPolicy,
    /// What happens when another takes its place.
    pub update_replace_policy: DeletionPolicy,
    /// `Metadata`.
    pub metadata: Option<Value>,
}

/// A thing that is to be deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Doomed {
    /// The thing.
    pub instance: Instance,
    /// Whether it is left alone instead.
    pub retained: bool,
    /// Whether deleting it has failed in this operation.
    pub failed: bool,
}

/// What the operation under way has done to a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Nothing yet.
    #[default]
    Untouched,
    /// It needs no change.
    Unchanged,
    /// It is being made.
    Creating,
    /// It was made.
    Created,
    /// Making it failed.
    CreateFailed,
    /// It is being changed.
    Updating,
    /// It was changed.
    Updated,
    /// Changing it failed.
    UpdateFailed,
    /// Another is being made to take its place.
    Replacing,
    /// Another has taken its place.
    Replaced,
    /// Making the other failed.
    ReplaceFailed,
    /// It is being changed back.
    Restoring,
    /// It is what it was before.
    Restored,
    /// Changing it back failed.
    RestoreFailed,
}

/// A resource of a stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ResourceRecord {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub type_name: String,
    /// What `Ref` gives or gave; empty until it is known.
    pub physical_id: String,
    /// Its state.
    pub status: ResourceStatus,
    /// Why.
    pub reason: Option<String>,
    /// When its state last changed.
    pub updated: Timestamp,
    /// What the operation under way has done to it.
    pub step: Step,
    /// What exists.
    pub current: Option<Instance>,
    /// What existed before the operation, where that is something else.
    pub previous: Option<Instance>,
    /// What the operation tried to give it.
    pub attempted: Option<Map<String, Value>>,
    /// Things that are to be deleted.
    pub doomed: Vec<Doomed>,
}

impl Record for ResourceRecord {
    const VERSION: u8 = 1;
}

/// Something that happened to a stack or one of its resources.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EventRecord {
    /// Its id.
    pub id: String,
    /// The resource, or the stack's name for the stack itself.
    pub logical_id: String,
    /// What `Ref` gives, or the stack's ARN.
    pub physical_id: String,
    /// Its type.
    pub type_name: String,
    /// When.
    pub at: Timestamp,
    /// The state it came to.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// The properties, as JSON.
    pub properties: Option<String>,
    /// The token of the request.
    pub token: Option<String>,
}

impl Record for EventRecord {
    const VERSION: u8 = 1;
}

/// The mark of a stack with an operation under way: what start-up looks for, and what every step of the operation checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActiveRecord {
    /// The operation.
    pub serial: u64,
    /// Whether it shall go back.
    pub cancelled: bool,
    /// Whether the stack shall be deleted instead.
    #[serde(default)]
    pub delete: bool,
}

impl Record for ActiveRecord {
    const VERSION: u8 = 1;
}

/// A value that a stack offers to others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExportRecord {
    /// The stack's ARN.
    pub stack_id: String,
    /// The stack's name.
    pub stack_name: String,
    /// The value.
    pub value: String,
}

impl Record for ExportRecord {
    const VERSION: u8 = 1;
}

/// The mark of a stack that imports a value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ImportRecord {
    /// The stack's name.
    pub stack_name: String,
}

impl Record for ImportRecord {
    const VERSION: u8 = 1;
}

/// Where a change set is that is only known by its ARN.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ChangeSetPlace {
    /// The last part of the stack's ARN.
    pub stack: String,
    /// The name of the change set.
    pub name: String,
}

impl Record for ChangeSetPlace {
    const VERSION: u8 = 1;
}

status! {
    /// The state of a change set.
    ChangeSetStatus {
        CreateComplete = "CREATE_COMPLETE",
        Failed = "FAILED",
    }
}

status! {
    /// Whether a change set can be executed.
    ExecutionStatus {
        Available = "AVAILABLE",
        Unavailable = "UNAVAILABLE",
        ExecuteComplete = "EXECUTE_COMPLETE",
        Obsolete = "OBSOLETE",
    }
}

/// A prepared change of a stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ChangeSetRecord {
    /// Its ARN.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it makes the stack or changes it.
    pub creates: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Its state.
    pub status: ChangeSetStatus,
    /// Why.
    pub status_reason: Option<String>,
    /// Whether it can be executed.
    pub execution: ExecutionStatus,
    /// What the stack shall be; its template is the one beside this record.
    pub settings: Settings,
    /// What it would do.
    pub changes: Vec<ResourceChange>,
    /// What happens on failure.
    pub on_failure: Option<OnFailure>,
    /// Whether it spans stacks within stacks.
    pub include_nested: bool,
    /// Whether it takes over resources that exist.
    pub import_existing: bool,
    /// The token of the request.
    pub token: Option<String>,
}

impl Record for ChangeSetRecord {
    const VERSION: u8 = 1;
}
