//! From a request to an operation: the template is read and checked, and the first commit made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cauce_core::Call;
use cauce_store::Tx;

use crate::change::{ResourceChange, changes};
use crate::engine::{
    Engine, Place, State, append_events, begin_remove, load_exports, load_resources, stack_key, status_change,
};
use crate::error::Error;
use crate::keys;
use crate::model::{
    ActiveRecord, BoundParameter, Caller, OnFailure, Operation, OperationKind, Phase, ResourceRecord, Settings,
    StackRecord, StackStatus, Tag, TemplateRecord,
};
use crate::prepare::{self, Prepared};
use crate::source;
use crate::template::{GivenParameter, KNOWN_AFTER_APPLY, scalar_text};
use crate::types::{Types, check_capabilities};
use crate::world::{Anything, Preview};

/// What a request says the stack shall be.
pub(crate) struct Request<'a> {
    pub(crate) body: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    /// The text of the stack's template, where it shall stay.
    pub(crate) previous: Option<String>,
    pub(crate) given: Vec<GivenParameter>,
    pub(crate) tags: Option<&'a Vec<Tag>>,
    pub(crate) capabilities: Vec<String>,
    pub(crate) role_arn: Option<&'a String>,
    pub(crate) notification_arns: Option<&'a Vec<String>>,
}

/// Why a request cannot be an operation.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: Error,
    /// What there is of the stack's future, if the refusal came from what transforms have made: a change set keeps it.
    pub(crate) kept: Option<Box<Kept>>,
}

/// What a failed change set shows.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) settings: Settings,
    pub(crate) record: TemplateRecord,
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Refused {
        Refused { error: error.into(), kept: None }
    }
}

/// A request that can be an operation.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) settings: Settings,
    pub(crate) record: TemplateRecord,
    pub(crate) prepared: Prepared,
}

/// What an operation would do.
pub(crate) struct Changes {
    pub(crate) resources: Vec<ResourceChange>,
    pub(crate) besides: bool,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty() && !self.besides
    }
}

/// An operation about to begin.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) kind: OperationKind,
    pub(crate) settings: Settings,
    pub(crate) template: Option<TemplateRecord>,
    pub(crate) on_failure: OnFailure,
    pub(crate) token: Option<String>,
    pub(crate) retain: Vec<String>,
    pub(crate) retain_except_on_create: bool,
    pub(crate) reason: Option<String>,
}

impl Ready {
    /// Templates with macros are deployed without a look at the result only if the caller acknowledges it.
    pub(crate) fn check_macros(&self, given: &Option<Vec<String>>) -> Result<(), Error> {
        let acknowledged = given.iter().flatten().any(|one| one == "CAPABILITY_AUTO_EXPAND");
        if self.record.transforms.is_empty() || acknowledged {
            return Ok(());
        }
        Err(Error::InsufficientCapabilities("CAPABILITY_AUTO_EXPAND".to_owned()))
    }

    /// What deploying this would change.
    pub(crate) fn preview(
        &self,
        stack: &StackRecord,
        resources: &BTreeMap<String, ResourceRecord>,
        types: &Types,
    ) -> Result<Changes, Error> {
        let target = &self.prepared;
        let changed_parameters = changed_parameters(&stack.settings.parameters, &self.settings.parameters);
        let list = changes(resources, target, &changed_parameters, types)?;
        let fresh: BTreeSet<String> = list
            .iter()
            .filter(|change| change.physical_resource_id.is_none() || change.replacement.as_deref() == Some("True"))
            .map(|change| change.logical_resource_id.clone())
            .collect();
        let anything = Anything { active: &target.active, exports: &target.exports };
        let world = Preview { resources, fresh: &fresh, anything };
        let evaluator = target.evaluator(&world);
        let mut outputs = Vec::new();
        for (key, output) in target.outputs() {
            let text = |value| Ok::<_, Error>(evaluator.evaluate(value)?.as_ref().and_then(scalar_text));
            let value = text(&output.value)?.unwrap_or_default();
            let export = match &output.export {
                Some(export) => text(export)?,
                None => None,
            };
            outputs.push((key.as_str(), value, output.description.as_deref(), export));
        }
        let same = outputs.len() == stack.outputs.len()
            && outputs.iter().zip(&stack.outputs).all(|((key, value, description, export), before)| {
                *key == before.key
                    && *value == before.value
                    && !value.contains(KNOWN_AFTER_APPLY)
                    && *description == before.description.as_deref()
                    && *export == before.export
            });
        let besides = !same || self.settings.tags != stack.settings.tags;
        Ok(Changes { resources: list, besides })
    }
}

fn changed_parameters(before: &[BoundParameter], after: &[BoundParameter]) -> BTreeSet<String> {
    let same = |one: &BoundParameter| {
        before.iter().any(|other| other.key == one.key && other.value == one.value && other.resolved == one.resolved)
    };
    after.iter().filter(|one| !same(one)).map(|one| one.key.clone()).collect()
}

impl Engine {
    /// Reads and checks what a request names, up to where resources would be made.
    pub(crate) async fn prepare(
        &self,
        call: &Call,
        stack: &StackRecord,
        request: Request<'_>,
    ) -> Result<Ready, Refused> {
        let text = source::text(&*self.objects, call, request.body, request.url, request.previous).await?;
        let text = prepare::read(text)?;
        let mut parameters = text.bind(&request.given, &stack.settings.parameters)?;
        self.resolve_parameters(call, &text, &mut parameters).await?;
        let mut settings = Settings {
            template: 0,
            parameters,
            tags: request.tags.cloned().unwrap_or_else(|| stack.settings.tags.clone()),
            capabilities: request.capabilities,
            role_arn: request.role_arn.cloned().or_else(|| stack.settings.role_arn.clone()),
            notification_arns: request
                .notification_arns
                .cloned()
                .unwrap_or_else(|| stack.settings.notification_arns.clone()),
            description: text.document.get("Description").and_then(|text| text.as_str()).map(str::to_owned),
        };
        let transforms = text.transforms.clone();
        let (original, document) = (text.original.clone(), text.document.clone());
        let record = match text.transformed(&settings.parameters) {
            Ok(record) => record,
            Err(error) => {
                let record = TemplateRecord { original, processed: document, transforms };
                return Err(Refused { error: error.into(), kept: Some(Box::new(Kept { settings, record })) });
            }
        };
        match self.checked(call, stack, &mut settings, &record).await {
            Ok(prepared) => Ok(Ready { settings, record, prepared }),
            Err(error) if transforms.is_empty() => Err(Refused { error, kept: None }),
            Err(error) => Err(Refused { error, kept: Some(Box::new(Kept { settings, record })) }),
        }
    }

    async fn checked(
        &self,
        call: &Call,
        stack: &StackRecord,
        settings: &mut Settings,
        record: &TemplateRecord,
    ) -> Result<Prepared, Error> {
        let exports =
            self.db.transact(async |tx| Ok::<_, Error>(load_exports(&tx, call.account, &call.region).await?)).await?;
        let pseudo = prepare::pseudo(stack, settings);
        let prepared = Prepared::new(record, &settings.parameters, pseudo, exports)?;
        settings.description.clone_from(&prepared.template.description);
        prepared.check(&self.types)?;
        check_capabilities(&prepared.template, &settings.capabilities)?;
        Ok(prepared)
    }

    /// Begins an operation in a transaction; it runs once the transaction is durable.
    pub(crate) async fn start(
        self: &Arc<Self>,
        tx: &Tx,
        call: &Call,
        mut stack: StackRecord,
        start: Start,
    ) -> Result<StackRecord, Error> {
        let now = self.env.now();
        let mut target = start.settings;
        if let Some(record) = &start.template {
            stack.templates += 1;
            target.template = stack.templates;
            tx.set_record(keys::template(&stack.uuid, target.template), record)?;
        }
        stack.operations += 1;
        stack.disable_rollback = start.on_failure == OnFailure::DoNothing;
        let minutes = stack.timeout_minutes.filter(|_| start.kind == OperationKind::Create);
        let (phase, status) = match start.kind {
            OperationKind::Create => {
                stack.settings = target.clone();
                (Phase::Forward, StackStatus::CreateInProgress)
            }
            OperationKind::Update => {
                stack.updated = Some(now);
                (Phase::Forward, StackStatus::UpdateInProgress)
            }
            OperationKind::Delete => {
                stack.deleted = Some(now);
                (Phase::Remove, StackStatus::DeleteInProgress)
            }
        };
        stack.operation = Some(Operation {
            serial: stack.operations,
            kind: start.kind,
            phase,
            deadline: minutes.map(|minutes| now + Duration::from_secs(60) * minutes),
            failure: None,
            target,
            caller: Caller::of(call),
            token: start.token,
            on_failure: start.on_failure,
            retain: start.retain,
            retain_except_on_create: start.retain_except_on_create,
        });
        let resources = load_resources(tx, &stack.uuid).await?;
        let mut state = State::new(stack, resources, None, now);
        state.begin();
        if start.kind == OperationKind::Delete {
            begin_remove(&mut state, false);
        }
        state.set_stack_status(status, start.reason);
        self.write_start(tx, call, &mut state).await?;
        Ok(state.stack)
    }

    /// Writes the first state of an operation, with its mark.
    pub(crate) async fn write_start(self: &Arc<Self>, tx: &Tx, call: &Call, state: &mut State) -> Result<(), Error> {
        let stack = &state.stack;
        for id in &state.dirty {
            match state.resources.get(id) {
                Some(record) => tx.set_record(keys::resource(&stack.uuid, id), record)?,
                None => tx.clear(keys::resource(&stack.uuid, id)),
            }
        }
        tx.set_record(stack_key(stack), stack)?;
        append_events(tx, &stack.uuid, &state.events).await?;
        for event in &state.events {
            self.events.status_changed(tx, call, &status_change(stack, event)).await?;
        }
        let serial = stack.operation.as_ref().map_or(0, |operation| operation.serial);
        let mark = ActiveRecord { serial, cancelled: false, delete: false };
        tx.set_record(keys::active(stack.account, &stack.region, &stack.uuid), &mark)?;
        let (engine, place) = (Arc::clone(self), Place::of(stack));
        tx.on_commit(move || engine.launch(place));
        state.dirty.clear();
        state.events.clear();
        Ok(())
    }
}
