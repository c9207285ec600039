//! Making, changing and removing stacks.
//!
//! AWS: *CloudFormation API Reference*, CreateStack, UpdateStack, DeleteStack, CancelUpdateStack, ContinueUpdateRollback,
//! UpdateTerminationProtection.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::{RangeReq, Tx};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::change_set::forget_change_sets;
use crate::deploy::{Request, Start};
use crate::engine::{State, continue_restore, load_resources};
use crate::error::Error;
use crate::input::{
    DeploymentConfig, ParameterInput, RollbackConfiguration, StackInput, check_new_name, check_on_failure, check_tags,
    given, on_failure, refuse_unsupported,
};
use crate::keys;
use crate::limits::STACKS_MAX;
use crate::model::{ActiveRecord, OperationKind, Phase, Settings, StackRecord, StackStatus, Tag};
use crate::service::{CloudFormation, existing, find};

/// `CreateStack` and `UpdateStack`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StackRequest {
    /// The name, or for an update the ARN.
    pub stack_name: String,
    /// The template.
    pub template_body: Option<String>,
    /// Where the template is.
    #[serde(rename = "TemplateURL")]
    pub template_url: Option<String>,
    /// Update only: whether the template stays.
    pub use_previous_template: Option<bool>,
    /// The parameters.
    pub parameters: Option<Vec<ParameterInput>>,
    /// The tags.
    pub tags: Option<Vec<Tag>>,
    /// What the caller acknowledges.
    pub capabilities: Option<Vec<String>>,
    /// The role that acts.
    #[serde(rename = "RoleARN")]
    pub role_arn: Option<String>,
    /// Topics that hear of events.
    #[serde(rename = "NotificationARNs")]
    pub notification_arns: Option<Vec<String>>,
    /// Whether failures leave everything as it is.
    pub disable_rollback: Option<bool>,
    /// Create only: what happens on failure.
    pub on_failure: Option<String>,
    /// Create only: minutes after which it fails.
    pub timeout_in_minutes: Option<u32>,
    /// Create only: whether the stack cannot be deleted.
    pub enable_termination_protection: Option<bool>,
    /// Whether a rolled back creation leaves nothing.
    pub retain_except_on_create: Option<bool>,
    /// How to deploy.
    pub deployment_config: Option<DeploymentConfig>,
    /// Makes a repeated request the same one.
    pub client_request_token: Option<String>,
    /// Not supported unless empty.
    pub rollback_configuration: Option<RollbackConfiguration>,
    /// Not supported.
    pub resource_types: Option<Vec<String>>,
    /// Not supported.
    pub stack_policy_body: Option<String>,
    /// Not supported.
    #[serde(rename = "StackPolicyURL")]
    pub stack_policy_url: Option<String>,
}

impl Input for StackRequest {
    fn validate(&self, v: &mut Violations) {
        if !self.stack_name.starts_with("arn:") {
            check_new_name(v, "StackName", &self.stack_name);
        }
        check_tags(v, self.tags.as_ref());
        check_on_failure(v, "OnFailure", self.on_failure.as_ref());
        if let Some(minutes) = self.timeout_in_minutes {
            v.range("TimeoutInMinutes", minutes.into(), 1, i64::MAX);
        }
    }
}

/// The answer of operations that name a stack.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StackIdOutput {
    /// The ARN.
    pub stack_id: String,
}

/// `DeleteStack`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteStackInput {
    /// The name or ARN.
    pub stack_name: String,
    /// Resources that are left alone.
    pub retain_resources: Option<Vec<String>>,
    /// The role that acts.
    #[serde(rename = "RoleARN")]
    pub role_arn: Option<String>,
    /// Makes a repeated request the same one.
    pub client_request_token: Option<String>,
    /// How to delete.
    pub deployment_config: Option<DeploymentConfig>,
    /// `STANDARD` or `FORCE_DELETE_STACK`.
    pub deletion_mode: Option<String>,
}

impl Input for DeleteStackInput {}

/// `CancelUpdateStack` and `ContinueUpdateRollback`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RollbackInput {
    /// The name or ARN.
    pub stack_name: String,
    /// Continue only: resources that stay as they are.
    pub resources_to_skip: Option<Vec<String>>,
    /// Continue only: the role that acts.
    #[serde(rename = "RoleARN")]
    pub role_arn: Option<String>,
    /// Makes a repeated request the same one.
    pub client_request_token: Option<String>,
}

impl Input for RollbackInput {}

/// `UpdateTerminationProtection`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TerminationProtectionInput {
    /// The name or ARN.
    pub stack_name: String,
    /// Whether the stack cannot be deleted.
    pub enable_termination_protection: bool,
}

impl Input for TerminationProtectionInput {}

/// An answer without members.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct EmptyOutput {}

/// `GetStackPolicy`: there is none.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StackPolicyOutput {}

pub(crate) fn cannot_be_updated(stack: &StackRecord) -> Error {
    let (id, status) = (&stack.id, stack.status.as_str());
    Error::Validation(format!("Stack:{id} is in {status} state and can not be updated."))
}

pub(crate) fn not_there(id: &str) -> Error {
    Error::Validation(format!("Stack [{id}] does not exist"))
}

impl StackRequest {
    pub(crate) fn request(&self, previous: Option<String>) -> Request<'_> {
        Request {
            body: self.template_body.as_deref(),
            url: self.template_url.as_deref(),
            previous,
            given: given(self.parameters.as_ref()),
            tags: self.tags.as_ref(),
            capabilities: self.capabilities.clone().unwrap_or_default(),
            role_arn: self.role_arn.as_ref(),
            notification_arns: self.notification_arns.as_ref(),
        }
    }
}

/// Refuses one stack more than there may be.
pub(crate) async fn check_room(tx: &Tx, call: &Call) -> Result<(), Error> {
    let names = tx.snapshot_range(RangeReq::new(keys::stack_names(call.account, &call.region), STACKS_MAX)).await?;
    if names.len() < STACKS_MAX {
        return Ok(());
    }
    Err(Error::LimitExceeded(format!("Limit on the number of stacks has been exceeded: {STACKS_MAX}")))
}

impl CloudFormation {
    /// Makes a stack. Answers when it has come to rest, or after a while.
    ///
    /// # Errors
    /// `AlreadyExistsException`, `InsufficientCapabilitiesException`, and `ValidationError` for templates and parameters.
    pub async fn create_stack(self: Arc<Self>, call: Call, input: StackRequest) -> Result<StackIdOutput, Error> {
        let stack = self.engine.create(&call, &input, None).await?;
        self.engine.settled(&stack.uuid).await;
        Ok(StackIdOutput { stack_id: stack.id })
    }

    /// Changes a stack. Answers when it has come to rest, or after a while.
    ///
    /// # Errors
    /// `ValidationError`: there is no such stack, it cannot be updated now, `No updates are to be performed.`
    pub async fn update_stack(self: Arc<Self>, call: Call, input: StackRequest) -> Result<StackIdOutput, Error> {
        let stack = self.engine.update(&call, &input).await?;
        self.engine.settled(&stack.uuid).await;
        Ok(StackIdOutput { stack_id: stack.id })
    }

    /// Removes a stack and its resources. Answers when it is gone, or after a while; success if there is none.
    ///
    /// # Errors
    /// `ValidationError` if the stack is protected or another operation is under way.
    pub async fn delete_stack(self: Arc<Self>, call: Call, input: DeleteStackInput) -> Result<EmptyOutput, Error> {
        if let Some(stack) = self.engine.delete(&call, &input).await? {
            self.engine.wake(&stack.uuid);
            self.engine.settled(&stack.uuid).await;
        }
        Ok(EmptyOutput {})
    }

    /// Makes an update that is under way go back.
    ///
    /// # Errors
    /// `ValidationError` if no update is under way.
    pub async fn cancel_update_stack(self: Arc<Self>, call: Call, input: RollbackInput) -> Result<EmptyOutput, Error> {
        let stack = self
            .engine
            .db
            .transact(async |tx| {
                let stack = existing(&tx, &call, &input.stack_name).await?;
                if stack.status != StackStatus::UpdateInProgress {
                    return Err(Error::validation("CancelUpdateStack cannot be called from current stack status"));
                }
                let key = keys::active(stack.account, &stack.region, &stack.uuid);
                if let Some(active) = tx.get_record::<ActiveRecord>(&key).await? {
                    tx.set_record(key, &ActiveRecord { cancelled: true, ..active })?;
                }
                Ok(stack)
            })
            .await?;
        self.engine.wake(&stack.uuid);
        self.engine.settled(&stack.uuid).await;
        Ok(EmptyOutput {})
    }

    /// Tries again to go back after a rollback has failed.
    ///
    /// # Errors
    /// `ValidationError` if no rollback has failed.
    pub async fn continue_update_rollback(
        self: Arc<Self>,
        call: Call,
        input: RollbackInput,
    ) -> Result<EmptyOutput, Error> {
        let engine = &self.engine;
        engine.check_role(&call, input.role_arn.as_ref()).await?;
        let skipped = input.resources_to_skip.clone().unwrap_or_default();
        let now = engine.env.now();
        let stack = engine
            .db
            .transact(async |tx| {
                let stack = existing(&tx, &call, &input.stack_name).await?;
                if stack.status != StackStatus::UpdateRollbackFailed || stack.operation.is_none() {
                    let (id, status) = (&stack.id, stack.status.as_str());
                    let message = format!("Stack:{id} is in {status} state and its rollback cannot be continued.");
                    return Err(Error::Validation(message));
                }
                let resources = load_resources(&tx, &stack.uuid).await?;
                let mut state = State::new(stack, resources, None, now);
                if let Some(operation) = state.operation_mut() {
                    operation.retain.clone_from(&skipped);
                    operation.token.clone_from(&input.client_request_token);
                    operation.phase = Phase::Restore;
                }
                continue_restore(&mut state);
                engine.write_start(&tx, &call, &mut state).await?;
                Ok(state.stack)
            })
            .await?;
        engine.settled(&stack.uuid).await;
        Ok(EmptyOutput {})
    }

    /// Protects a stack against deletion, or lets go.
    ///
    /// # Errors
    /// `ValidationError` if there is no such stack, or it is part of another.
    pub async fn update_termination_protection(
        self: Arc<Self>,
        call: Call,
        input: TerminationProtectionInput,
    ) -> Result<StackIdOutput, Error> {
        let stack_id = self
            .engine
            .db
            .transact(async |tx| {
                let mut stack = existing(&tx, &call, &input.stack_name).await?;
                if stack.parent_id.is_some() {
                    return Err(Error::validation("Termination protection cannot be changed on a nested stack"));
                }
                stack.termination_protection = input.enable_termination_protection;
                tx.set_record(keys::stack(stack.account, &stack.region, &stack.uuid), &stack)?;
                Ok(stack.id)
            })
            .await?;
        Ok(StackIdOutput { stack_id })
    }

    /// The policy of a stack; policies cannot be set, so there is none.
    ///
    /// # Errors
    /// `ValidationError` if there is no such stack.
    pub async fn get_stack_policy(self: Arc<Self>, call: Call, input: StackInput) -> Result<StackPolicyOutput, Error> {
        self.engine.db.transact(async |tx| existing(&tx, &call, &input.stack_name).await).await?;
        Ok(StackPolicyOutput {})
    }
}

/// The stack that another is a part of.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    pub(crate) id: String,
    pub(crate) root_id: String,
}

impl crate::engine::Engine {
    /// Begins to make a stack.
    pub(crate) async fn create(
        self: &Arc<Self>,
        call: &Call,
        input: &StackRequest,
        parent: Option<&Parent>,
    ) -> Result<StackRecord, Error> {
        refuse_request(input)?;
        let on_failure =
            on_failure(input.on_failure.as_ref(), input.disable_rollback, input.deployment_config.as_ref())?;
        let mut stack = self.new_stack(call, &input.stack_name);
        stack.parent_id = parent.map(|parent| parent.id.clone());
        stack.root_id = parent.map(|parent| parent.root_id.clone());
        if let Some(found) = self.repeated(call, input).await? {
            return Ok(found);
        }
        self.check_role(call, input.role_arn.as_ref()).await?;
        let ready = self.prepare(call, &stack, input.request(None)).await.map_err(|refused| refused.error)?;
        ready.check_macros(&input.capabilities)?;
        stack.termination_protection = input.enable_termination_protection == Some(true);
        stack.timeout_minutes = input.timeout_in_minutes;
        stack.token.clone_from(&input.client_request_token);
        let start = Start {
            kind: OperationKind::Create,
            settings: ready.settings,
            template: Some(ready.record),
            on_failure,
            token: input.client_request_token.clone(),
            retain: Vec::new(),
            retain_except_on_create: input.retain_except_on_create == Some(true),
            reason: Some("User Initiated".to_owned()),
        };
        self.db
            .transact(async |tx| {
                if find(&tx, call, &stack.name).await?.is_some() {
                    return Err(Error::AlreadyExists(format!("Stack [{}] already exists", stack.name)));
                }
                check_room(&tx, call).await?;
                let key = keys::stack_name(stack.account, &stack.region, &stack.name);
                tx.set(key, stack.uuid.clone().into_bytes());
                self.start(&tx, call, stack.clone(), start.clone()).await
            })
            .await
    }

    /// The stack that an earlier request with the same token has made.
    async fn repeated(&self, call: &Call, input: &StackRequest) -> Result<Option<StackRecord>, Error> {
        let found = self.db.transact(async |tx| Ok::<_, Error>(find(&tx, call, &input.stack_name).await?)).await?;
        let Some(stack) = found else { return Ok(None) };
        if stack.token.is_some() && stack.token == input.client_request_token {
            return Ok(Some(stack));
        }
        Err(Error::AlreadyExists(format!("Stack [{}] already exists", stack.name)))
    }

    /// Begins to change a stack.
    pub(crate) async fn update(self: &Arc<Self>, call: &Call, input: &StackRequest) -> Result<StackRecord, Error> {
        refuse_request(input)?;
        let on_failure = on_failure(None, input.disable_rollback, input.deployment_config.as_ref())?;
        let previous = input.use_previous_template == Some(true);
        let (stack, resources, text) = self.current(call, &input.stack_name, previous).await?;
        self.check_role(call, input.role_arn.as_ref()).await?;
        let ready = self.prepare(call, &stack, input.request(text)).await.map_err(|refused| refused.error)?;
        ready.check_macros(&input.capabilities)?;
        let preview = ready.preview(&stack, &resources, &self.types)?;
        if preview.is_empty() {
            return Err(Error::validation("No updates are to be performed."));
        }
        let start = Start {
            kind: OperationKind::Update,
            settings: ready.settings,
            template: Some(ready.record),
            on_failure,
            token: input.client_request_token.clone(),
            retain: Vec::new(),
            retain_except_on_create: input.retain_except_on_create == Some(true),
            reason: Some("User Initiated".to_owned()),
        };
        self.db
            .transact(async |tx| {
                let now = find(&tx, call, &stack.id).await?.ok_or_else(|| not_there(&input.stack_name))?;
                if !now.status.can_be_updated() || now.operations != stack.operations {
                    return Err(cannot_be_updated(&now));
                }
                forget_change_sets(&tx, &now, None).await?;
                self.start(&tx, call, now, start.clone()).await
            })
            .await
    }

    /// A stack that is to be changed, as it is, with its template's text where that is asked for.
    pub(crate) async fn current(
        &self,
        call: &Call,
        id: &str,
        text: bool,
    ) -> Result<(StackRecord, std::collections::BTreeMap<String, crate::model::ResourceRecord>, Option<String>), Error>
    {
        self.db
            .transact(async |tx| {
                let stack = find(&tx, call, id).await?.filter(|stack| stack.status != StackStatus::DeleteComplete);
                let stack = stack.ok_or_else(|| not_there(id))?;
                if !stack.status.can_be_updated() {
                    return Err(cannot_be_updated(&stack));
                }
                let resources = load_resources(&tx, &stack.uuid).await?;
                let key = keys::template(&stack.uuid, stack.settings.template);
                let record: Option<crate::model::TemplateRecord> = tx.get_record(&key).await?;
                let text = record.map(|record| record.original).filter(|_| text);
                Ok((stack, resources, text))
            })
            .await
    }

    /// Begins to remove a stack; `None` if there is none.
    pub(crate) async fn delete(
        self: &Arc<Self>,
        call: &Call,
        input: &DeleteStackInput,
    ) -> Result<Option<StackRecord>, Error> {
        self.check_role(call, input.role_arn.as_ref()).await?;
        self.db
            .transact(async |tx| {
                let Some(mut stack) = find(&tx, call, &input.stack_name).await? else { return Ok(None) };
                if matches!(stack.status, StackStatus::DeleteComplete | StackStatus::DeleteInProgress) {
                    return Ok(Some(stack));
                }
                if stack.termination_protection {
                    let message =
                        format!("Stack [{}] cannot be deleted while TerminationProtection is enabled", stack.id);
                    return Err(Error::Validation(message));
                }
                if stack.status == StackStatus::CreateInProgress {
                    // What is being made is waited for, so that nothing is left behind; then everything goes.
                    let key = keys::active(stack.account, &stack.region, &stack.uuid);
                    if let Some(active) = tx.get_record::<ActiveRecord>(&key).await? {
                        tx.set_record(key, &ActiveRecord { cancelled: true, delete: true, ..active })?;
                        return Ok(Some(stack));
                    }
                }
                if stack.status.in_progress() {
                    let (id, status) = (&stack.id, stack.status.as_str());
                    return Err(Error::Validation(format!("Stack:{id} is in {status} state and can not be deleted.")));
                }
                forget_change_sets(&tx, &stack, None).await?;
                if input.role_arn.is_some() {
                    stack.settings.role_arn.clone_from(&input.role_arn);
                }
                let start = Start {
                    kind: OperationKind::Delete,
                    settings: Settings { template: 0, ..stack.settings.clone() },
                    template: None,
                    on_failure: crate::model::OnFailure::Rollback,
                    token: input.client_request_token.clone(),
                    retain: input.retain_resources.clone().unwrap_or_default(),
                    retain_except_on_create: false,
                    reason: Some("User Initiated".to_owned()),
                };
                self.start(&tx, call, stack, start).await.map(Some)
            })
            .await
    }

    /// The record of a stack that is not there yet.
    pub(crate) fn new_stack(&self, call: &Call, name: &str) -> StackRecord {
        let uuid = self.env.entropy().uuid();
        StackRecord {
            id: call.arn("cloudformation", &format!("stack/{name}/{uuid}")).to_string(),
            uuid,
            name: name.to_owned(),
            account: call.account,
            region: call.region.clone(),
            status: StackStatus::ReviewInProgress,
            status_reason: None,
            created: self.env.now(),
            updated: None,
            deleted: None,
            settings: Settings::default(),
            outputs: Vec::new(),
            imports: Vec::new(),
            termination_protection: false,
            disable_rollback: false,
            timeout_minutes: None,
            change_set_id: None,
            parent_id: None,
            root_id: None,
            operations: 0,
            templates: 0,
            operation: None,
            token: None,
        }
    }
}

fn refuse_request(input: &StackRequest) -> Result<(), Error> {
    let policy = input.stack_policy_body.is_some() || input.stack_policy_url.is_some();
    refuse_unsupported(input.rollback_configuration.as_ref(), input.resource_types.as_ref(), policy)
}
