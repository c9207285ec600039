//! Change sets: what an update would do, to look at before it is done.
//!
//! AWS: *CloudFormation API Reference*, CreateChangeSet, DescribeChangeSet, ExecuteChangeSet, DeleteChangeSet, ListChangeSets.
//! A change set is complete when `CreateChangeSet` answers, so that a waiting tool finds it so at its first look.

use std::sync::Arc;

use cauce_core::{Arn, Call, Violations};
use cauce_store::{RangeReq, StoreError, Tx, decode_row};
use cauce_wire::Input;
use serde::Deserialize;

use crate::change_set_view::{ChangeSetView, ChangeSummary, ListChangeSetsOutput};
use crate::deploy::{Kept, Refused, Request, Start};
use crate::engine::{Engine, append_events, load_resources, stack_event, stack_key, status_change};
use crate::error::Error;
use crate::input::{
    DeploymentConfig, ParameterInput, RollbackConfiguration, check_new_name, check_on_failure, check_pattern,
    check_tags, given, on_failure, refuse_unsupported,
};
use crate::keys;
use crate::limits::{CHANGE_SETS_MAX, PAGE_ENTRIES};
use crate::model::{
    ChangeSetPlace, ChangeSetRecord, ChangeSetStatus, ExecutionStatus, OperationKind, Settings, StackRecord,
    StackStatus, Tag, TemplateRecord,
};
use crate::page::{PageToken, Token};
use crate::service::{CloudFormation, find};
use crate::stack::{EmptyOutput, cannot_be_updated, check_room, not_there};

const NO_CHANGES: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";
const NO_CHANGES_BY_TRANSFORM: &str = "No updates are to be performed.";

/// `CreateChangeSet`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateChangeSetInput {
    /// The stack, by name or ARN.
    pub stack_name: String,
    /// The name of the change set.
    pub change_set_name: String,
    /// `CREATE` or `UPDATE`, which is also the default.
    pub change_set_type: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The template.
    pub template_body: Option<String>,
    /// Where the template is.
    #[serde(rename = "TemplateURL")]
    pub template_url: Option<String>,
    /// Whether the template stays.
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
    /// What happens on failure.
    pub on_stack_failure: Option<String>,
    /// Whether stacks within the stack are looked into: each gets its own change set, or none.
    pub include_nested_stacks: Option<bool>,
    /// Whether resources that exist are taken over.
    pub import_existing_resources: Option<bool>,
    /// How to deploy.
    pub deployment_config: Option<DeploymentConfig>,
    /// Makes a repeated request the same one.
    pub client_token: Option<String>,
    /// Not supported unless empty.
    pub rollback_configuration: Option<RollbackConfiguration>,
    /// Not supported.
    pub resource_types: Option<Vec<String>>,
}

impl Input for CreateChangeSetInput {
    fn validate(&self, v: &mut Violations) {
        if !self.stack_name.starts_with("arn:") {
            check_new_name(v, "StackName", &self.stack_name);
        }
        v.length("ChangeSetName", &self.change_set_name, 1, 128);
        check_pattern(v, "ChangeSetName", &self.change_set_name, "[a-zA-Z][-a-zA-Z0-9]*");
        if let Some(kind) = &self.change_set_type {
            v.one_of("ChangeSetType", kind, &["CREATE", "UPDATE", "IMPORT"]);
        }
        check_tags(v, self.tags.as_ref());
        check_on_failure(v, "OnStackFailure", self.on_stack_failure.as_ref());
    }
}

/// A request about one change set, by name together with its stack, or by ARN.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangeSetInput {
    /// The name or ARN.
    pub change_set_name: String,
    /// The stack, by name or ARN.
    pub stack_name: Option<String>,
    /// Describe only: where to go on.
    pub next_token: Option<PageToken>,
    /// Describe only: whether values before and after are shown.
    pub include_property_values: Option<bool>,
    /// Execute only: makes a repeated request the same one.
    pub client_request_token: Option<String>,
    /// Execute only: whether failures leave everything as it is.
    pub disable_rollback: Option<bool>,
    /// Execute only: whether a rolled back creation leaves nothing.
    pub retain_except_on_create: Option<bool>,
    /// Execute only: how to deploy.
    pub deployment_config: Option<DeploymentConfig>,
}

impl Input for ChangeSetInput {}

/// `ListChangeSets`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListChangeSetsInput {
    /// The stack, by name or ARN.
    pub stack_name: String,
    /// Where to go on.
    pub next_token: Option<PageToken>,
}

impl Input for ListChangeSetsInput {}

/// The answer of `CreateChangeSet`.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangeSetIdOutput {
    /// The ARN of the change set.
    pub id: String,
    /// The ARN of the stack.
    pub stack_id: String,
}

/// Clears all change sets of a stack but one.
pub(crate) async fn forget_change_sets(tx: &Tx, stack: &StackRecord, but: Option<&str>) -> Result<(), StoreError> {
    for row in tx.range(RangeReq::new(keys::change_sets(&stack.uuid), CHANGE_SETS_MAX)).await? {
        let record: ChangeSetRecord = decode_row(&row)?;
        if but != Some(record.name.as_str()) {
            clear(tx, stack, &record);
        }
    }
    Ok(())
}

fn clear(tx: &Tx, stack: &StackRecord, record: &ChangeSetRecord) {
    tx.clear(keys::change_set(&stack.uuid, &record.name));
    tx.clear(keys::change_set_template(&stack.uuid, &record.name));
    tx.clear(keys::change_set_id(stack.account, &stack.region, uuid_of(&record.id)));
}

fn uuid_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The stack and the change set that a request names.
async fn locate(tx: &Tx, call: &Call, input: &ChangeSetInput) -> Result<(StackRecord, ChangeSetRecord), Error> {
    let name = input.change_set_name.as_str();
    let missing = || Error::ChangeSetNotFound(name.to_owned());
    let place = match name.parse::<Arn>() {
        Ok(arn) => {
            let key = keys::change_set_id(call.account, &call.region, uuid_of(arn.resource()));
            let place: ChangeSetPlace = tx.get_record(&key).await?.ok_or_else(missing)?;
            place
        }
        Err(_) => {
            let stack = input.stack_name.as_deref().filter(|name| !name.is_empty());
            let stack = stack.ok_or_else(|| {
                Error::validation("StackName must be specified if ChangeSetName is not specified as an ARN.")
            })?;
            let found = find(tx, call, stack).await?.ok_or_else(|| not_there(stack))?;
            ChangeSetPlace { stack: found.uuid, name: name.to_owned() }
        }
    };
    let stack: Option<StackRecord> = tx.get_record(&keys::stack(call.account, &call.region, &place.stack)).await?;
    let record = tx.get_record(&keys::change_set(&place.stack, &place.name)).await?;
    stack.zip(record).ok_or_else(missing)
}

impl CloudFormation {
    /// Looks what an update, or the creation of a stack, would do.
    ///
    /// # Errors
    /// `ValidationError`, `AlreadyExistsException`, `InsufficientCapabilitiesException`. What is wrong with the result of a
    /// transform makes a change set that has failed.
    pub async fn create_change_set(
        self: Arc<Self>,
        call: Call,
        input: CreateChangeSetInput,
    ) -> Result<ChangeSetIdOutput, Error> {
        refuse_unsupported(input.rollback_configuration.as_ref(), input.resource_types.as_ref(), false)?;
        let creates = match input.change_set_type.as_deref() {
            Some("CREATE") => true,
            Some("IMPORT") => return Err(Error::validation("Change sets of type IMPORT are not supported")),
            _ => false,
        };
        self.engine.create_change_set(&call, &input, creates).await
    }

    /// Shows a change set.
    ///
    /// # Errors
    /// `ChangeSetNotFound`; `ValidationError` if there is no such stack.
    pub async fn describe_change_set(
        self: Arc<Self>,
        call: Call,
        input: ChangeSetInput,
    ) -> Result<ChangeSetView, Error> {
        let (stack, record) = self.engine.db.transact(async |tx| locate(&tx, &call, &input).await).await?;
        let from = match &input.next_token {
            Some(token) => token.number()?,
            None => 0,
        };
        Ok(ChangeSetView::of(&stack, record, from, input.include_property_values == Some(true)))
    }

    /// Does what a change set shows. Answers when the stack has come to rest, or after a while.
    ///
    /// # Errors
    /// `ChangeSetNotFound`, `InvalidChangeSetStatus`.
    pub async fn execute_change_set(self: Arc<Self>, call: Call, input: ChangeSetInput) -> Result<EmptyOutput, Error> {
        let stack = self.engine.execute_change_set(&call, &input).await?;
        self.engine.settled(&stack.uuid).await;
        Ok(EmptyOutput {})
    }

    /// Removes a change set; success if there is none.
    ///
    /// # Errors
    /// `ValidationError` if there is no such stack.
    pub async fn delete_change_set(self: Arc<Self>, call: Call, input: ChangeSetInput) -> Result<EmptyOutput, Error> {
        self.engine
            .db
            .transact(async |tx| match locate(&tx, &call, &input).await {
                Ok((stack, record)) => {
                    clear(&tx, &stack, &record);
                    Ok(())
                }
                Err(Error::ChangeSetNotFound(_)) => Ok(()),
                Err(other) => Err(other),
            })
            .await?;
        Ok(EmptyOutput {})
    }

    /// The change sets of a stack.
    ///
    /// # Errors
    /// `ValidationError` if there is no such stack.
    pub async fn list_change_sets(
        self: Arc<Self>,
        call: Call,
        input: ListChangeSetsInput,
    ) -> Result<ListChangeSetsOutput, Error> {
        let (stack, rows) = self
            .engine
            .db
            .transact(async |tx| {
                let stack = find(&tx, &call, &input.stack_name).await?.ok_or_else(|| not_there(&input.stack_name))?;
                let mut req = RangeReq::new(keys::change_sets(&stack.uuid), PAGE_ENTRIES + 1);
                if let Some(token) = &input.next_token {
                    req = req.after(&token.bytes()?);
                }
                let rows = tx.range(req).await?;
                Ok::<_, Error>((stack, rows))
            })
            .await?;
        let next_token = Token::after(&rows, PAGE_ENTRIES);
        let records: Result<Vec<ChangeSetRecord>, StoreError> =
            rows.iter().take(PAGE_ENTRIES).map(decode_row).collect();
        let summaries = records?.into_iter().map(|record| ChangeSummary::of(&stack, record)).collect();
        Ok(ListChangeSetsOutput { summaries, next_token })
    }
}

impl Engine {
    async fn create_change_set(
        self: &Arc<Self>,
        call: &Call,
        input: &CreateChangeSetInput,
        creates: bool,
    ) -> Result<ChangeSetIdOutput, Error> {
        let (stack, is_new) = self.stack_for(call, input, creates).await?;
        self.check_role(call, input.role_arn.as_ref()).await?;
        let (resources, previous) = self
            .db
            .transact(async |tx| {
                let resources = load_resources(&tx, &stack.uuid).await?;
                let key = keys::template(&stack.uuid, stack.settings.template);
                let record: Option<TemplateRecord> = tx.get_record(&key).await?;
                Ok::<_, Error>((resources, record))
            })
            .await?;
        let previous = previous.map(|record| record.original).filter(|_| input.use_previous_template == Some(true));
        let request = Request {
            body: input.template_body.as_deref(),
            url: input.template_url.as_deref(),
            previous,
            given: given(input.parameters.as_ref()),
            tags: input.tags.as_ref(),
            capabilities: input.capabilities.clone().unwrap_or_default(),
            role_arn: input.role_arn.as_ref(),
            notification_arns: input.notification_arns.as_ref(),
        };
        let uuid = self.env.entropy().uuid();
        let name = &input.change_set_name;
        let mut record = ChangeSetRecord {
            id: call.arn("cloudformation", &format!("changeSet/{name}/{uuid}")).to_string(),
            name: name.clone(),
            description: input.description.clone(),
            creates,
            created: self.env.now(),
            status: ChangeSetStatus::CreateComplete,
            status_reason: None,
            execution: ExecutionStatus::Available,
            settings: Settings::default(),
            changes: Vec::new(),
            on_failure: input
                .on_stack_failure
                .as_ref()
                .map(|_| on_failure(input.on_stack_failure.as_ref(), None, None))
                .transpose()?,
            include_nested: input.include_nested_stacks == Some(true),
            import_existing: input.import_existing_resources == Some(true),
            token: input.client_token.clone(),
        };
        let mut failed = |reason: String| {
            record.status = ChangeSetStatus::Failed;
            record.status_reason = Some(reason);
            record.execution = ExecutionStatus::Unavailable;
        };
        let template = match self.prepare(call, &stack, request).await {
            Ok(ready) => {
                let changes = ready.preview(&stack, &resources, &self.types)?;
                if changes.is_empty() {
                    let plain = ready.record.transforms.is_empty();
                    failed(if plain { NO_CHANGES } else { NO_CHANGES_BY_TRANSFORM }.to_owned());
                }
                record.changes = changes.resources;
                record.settings = ready.settings;
                ready.record
            }
            Err(Refused { error, kept: Some(kept) }) => {
                failed(error.to_string());
                let Kept { settings, record: template } = *kept;
                record.settings = settings;
                template
            }
            Err(Refused { error, kept: None }) => return Err(error),
        };
        self.keep_change_set(call, stack, is_new, record, template).await
    }

    /// The stack that a change set is for, and whether it is yet to be written.
    async fn stack_for(
        &self,
        call: &Call,
        input: &CreateChangeSetInput,
        creates: bool,
    ) -> Result<(StackRecord, bool), Error> {
        let name = &input.stack_name;
        let found = self.db.transact(async |tx| Ok::<_, Error>(find(&tx, call, name).await?)).await?;
        let found = found.filter(|stack| stack.status != StackStatus::DeleteComplete);
        match found {
            Some(stack) if creates && stack.status == StackStatus::ReviewInProgress => Ok((stack, false)),
            Some(_) if creates => {
                let change_set = &input.change_set_name;
                Err(Error::Validation(format!(
                    "Stack [{name}] already exists and cannot be created again with the changeSet [{change_set}]."
                )))
            }
            Some(stack) if stack.status.can_be_updated() => Ok((stack, false)),
            Some(stack) => Err(cannot_be_updated(&stack)),
            None if creates && !name.starts_with("arn:") => Ok((self.new_stack(call, name), true)),
            None => Err(not_there(name)),
        }
    }

    async fn keep_change_set(
        self: &Arc<Self>,
        call: &Call,
        stack: StackRecord,
        is_new: bool,
        record: ChangeSetRecord,
        template: TemplateRecord,
    ) -> Result<ChangeSetIdOutput, Error> {
        let now = self.env.now();
        self.db
            .transact(async |tx| {
                if is_new {
                    if find(&tx, call, &stack.name).await?.is_some() {
                        return Err(Error::AlreadyExists(format!("Stack [{}] already exists", stack.name)));
                    }
                    check_room(&tx, call).await?;
                    let key = keys::stack_name(stack.account, &stack.region, &stack.name);
                    tx.set(key, stack.uuid.clone().into_bytes());
                    let mut stack = stack.clone();
                    stack.status_reason = Some("User Initiated".to_owned());
                    let event = stack_event(&stack, now, record.token.clone());
                    append_events(&tx, &stack.uuid, std::slice::from_ref(&event)).await?;
                    self.events.status_changed(&tx, call, &status_change(&stack, &event)).await?;
                    tx.set_record(stack_key(&stack), &stack)?;
                }
                let key = keys::change_set(&stack.uuid, &record.name);
                let found: Option<ChangeSetRecord> = tx.get_record(&key).await?;
                if let Some(found) = found {
                    if found.token.is_some() && found.token == record.token {
                        return Ok(ChangeSetIdOutput { id: found.id, stack_id: stack.id.clone() });
                    }
                    let (name, stack) = (&record.name, &stack.name);
                    return Err(Error::AlreadyExists(format!("ChangeSet {name} already exists in stack {stack}")));
                }
                let others = tx.range(RangeReq::new(keys::change_sets(&stack.uuid), CHANGE_SETS_MAX)).await?;
                if others.len() >= CHANGE_SETS_MAX {
                    let message = format!("Limit on the number of change sets has been exceeded: {CHANGE_SETS_MAX}");
                    return Err(Error::LimitExceeded(message));
                }
                tx.set_record(key, &record)?;
                tx.set_record(keys::change_set_template(&stack.uuid, &record.name), &template)?;
                let place = ChangeSetPlace { stack: stack.uuid.clone(), name: record.name.clone() };
                tx.set_record(keys::change_set_id(stack.account, &stack.region, uuid_of(&record.id)), &place)?;
                Ok(ChangeSetIdOutput { id: record.id.clone(), stack_id: stack.id.clone() })
            })
            .await
    }

    async fn execute_change_set(self: &Arc<Self>, call: &Call, input: &ChangeSetInput) -> Result<StackRecord, Error> {
        let wanted = on_failure(None, input.disable_rollback, input.deployment_config.as_ref())?;
        self.db
            .transact(async |tx| {
                let (mut stack, mut record) = locate(&tx, call, input).await?;
                let token = input.client_request_token.as_ref();
                if record.execution == ExecutionStatus::ExecuteComplete
                    && token.is_some()
                    && stack.operation.as_ref().and_then(|operation| operation.token.as_ref()) == token
                {
                    return Ok(stack);
                }
                if record.execution != ExecutionStatus::Available {
                    let (id, status) = (&record.id, record.status.as_str());
                    return Err(Error::InvalidChangeSetStatus(format!(
                        "ChangeSet [{id}] cannot be executed in its current status of [{status}]"
                    )));
                }
                let fits = if record.creates {
                    stack.status == StackStatus::ReviewInProgress
                } else {
                    stack.status.can_be_updated()
                };
                if !fits {
                    return Err(cannot_be_updated(&stack));
                }
                let key = keys::change_set_template(&stack.uuid, &record.name);
                let template: Option<TemplateRecord> = tx.get_record(&key).await?;
                record.execution = ExecutionStatus::ExecuteComplete;
                tx.set_record(keys::change_set(&stack.uuid, &record.name), &record)?;
                forget_change_sets(&tx, &stack, Some(&record.name)).await?;
                stack.change_set_id = Some(record.id.clone());
                let start = Start {
                    kind: if record.creates { OperationKind::Create } else { OperationKind::Update },
                    settings: record.settings,
                    template,
                    on_failure: record.on_failure.unwrap_or(wanted),
                    token: token.cloned(),
                    retain: Vec::new(),
                    retain_except_on_create: input.retain_except_on_create == Some(true),
                    reason: Some("User Initiated".to_owned()),
                };
                self.start(&tx, call, stack, start).await
            })
            .await
    }
}
