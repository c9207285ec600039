//! Making, changing, starting, stopping and removing pipes.
//!
//! AWS: EventBridge Pipes API Reference. There these operations are finished later; here they are when they answer, and answer
//! with the state that AWS answers with. What keeps a pipe from working (its role, its source) becomes its state and the
//! reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Arn, Call, Violations};
use cauce_sources::stream::first_positions;
use cauce_store::{RangeReq, Tx};
use cauce_wire::Input;
use serde::Deserialize;

use crate::check::{self, Unfit};
use crate::error::PipesError;
use crate::keys::{self, PipeId};
use crate::listing::{Changed, changed};
use crate::model::{Failure, Pipe, Wanted};
use crate::parameters::{
    EnrichmentParameters, LogConfiguration, SourceParameters, TargetParameters, validate_arn, validate_role,
};
use crate::service::{PRINCIPAL, Pipes, validate_name};
use crate::tags::validate_tags;
use crate::target::Kind;

/// How many pipes an account may have in a region. AWS: EventBridge Pipes quotas.
pub const PIPES_MAX: usize = 1_000;

/// What the operations that make and change a pipe say alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Plan {
    description: Option<String>,
    desired_state: Option<String>,
    source_parameters: Option<SourceParameters>,
    enrichment: Option<String>,
    enrichment_parameters: Option<EnrichmentParameters>,
    target_parameters: Option<TargetParameters>,
    role_arn: String,
    log_configuration: Option<LogConfiguration>,
    kms_key_identifier: Option<String>,
}

/// AWS: *CreatePipe*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreatePipe {
    pub(crate) name: String,
    source: String,
    target: String,
    tags: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    plan: Plan,
    /// What made it, if a stack does; no client can say so.
    #[serde(skip)]
    pub(crate) made_by: Option<String>,
}

/// AWS: *UpdatePipe*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdatePipe {
    pub(crate) name: String,
    target: Option<String>,
    #[serde(flatten)]
    plan: Plan,
    /// Whether parameters that are left out go, as a stack wants it; else they stay.
    #[serde(skip)]
    pub(crate) whole: bool,
}

/// An input that says nothing but the pipe.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedPipe {
    pub(crate) name: String,
}

impl Input for NamedPipe {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, "name", &self.name);
    }
}

impl Plan {
    fn validate(&self, v: &mut Violations) {
        validate_role(v, &self.role_arn);
        if let Some(description) = &self.description {
            v.length("description", description, 0, 512);
        }
        if let Some(state) = &self.desired_state {
            v.one_of("desiredState", state, &["RUNNING", "STOPPED"]);
        }
        if let Some(parameters) = &self.source_parameters {
            v.within("sourceParameters", |v| parameters.validate(v));
        }
        if let Some(enrichment) = self.enrichment.as_ref().filter(|enrichment| !enrichment.is_empty()) {
            validate_arn(v, "enrichment", enrichment);
        }
        if let Some(parameters) = &self.enrichment_parameters {
            v.within("enrichmentParameters", |v| parameters.validate(v));
        }
        if let Some(parameters) = &self.target_parameters {
            v.within("targetParameters", |v| parameters.validate(v));
        }
        if let Some(logs) = &self.log_configuration {
            v.within("logConfiguration", |v| logs.validate(v));
        }
        if let Some(key) = &self.kms_key_identifier {
            v.length("kmsKeyIdentifier", key, 0, 2_048);
        }
    }
}

impl Input for CreatePipe {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, "name", &self.name);
        validate_arn(v, "source", &self.source);
        validate_arn(v, "target", &self.target);
        self.plan.validate(v);
        if let Some(tags) = &self.tags {
            validate_tags(v, tags);
        }
    }
}

impl Input for UpdatePipe {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, "name", &self.name);
        if let Some(target) = &self.target {
            validate_arn(v, "target", target);
        }
        self.plan.validate(v);
    }
}

fn wanted(state: Option<&String>) -> Option<Wanted> {
    state.map(|state| if state == "STOPPED" { Wanted::Stopped } else { Wanted::Running })
}

fn refuse_key(key: Option<&String>) -> Result<(), PipesError> {
    match key.filter(|key| !key.is_empty()) {
        Some(_) => Err(PipesError::field("KmsKeyIdentifier", "Not supported by this server.")),
        None => Ok(()),
    }
}

fn role(text: &str) -> Result<Arn, PipesError> {
    text.parse().map_err(|_| PipesError::field("RoleArn", "Invalid ARN."))
}

/// An empty template removes what was there.
fn without_empty(template: &mut Option<String>) {
    if template.as_deref() == Some("") {
        *template = None;
    }
}

impl Pipe {
    fn tidy(&mut self) {
        if let Some(parameters) = &mut self.enrichment_parameters {
            without_empty(&mut parameters.input_template);
        }
        if let Some(parameters) = &mut self.target_parameters {
            without_empty(&mut parameters.input_template);
        }
        let most = check::events_max(self.enrichment.as_ref(), &self.target);
        self.fill_in(i64::try_from(most).unwrap_or(i64::MAX));
    }

    /// Takes over what an update says. What only one kind of source, enrichment or target knows is replaced as a whole.
    fn apply(&mut self, input: UpdatePipe) -> Result<(), PipesError> {
        let plan = input.plan;
        if let Some(description) = plan.description {
            self.description = Some(description);
        }
        if let Some(wanted) = wanted(plan.desired_state.as_ref()) {
            self.wanted = wanted;
        }
        if let Some(mut given) = plan.source_parameters {
            let own = std::mem::take(&mut self.source_parameters);
            if let Some(stream) = &mut given.stream_parameters {
                // Where it began cannot be changed.
                stream.starting_position = own.stream_parameters.as_ref().and_then(|own| own.starting_position.clone());
            }
            self.source_parameters = if input.whole { given } else { given.over(own) };
        }
        if let Some(enrichment) = plan.enrichment {
            self.enrichment = check::enrichment(&enrichment)?;
        }
        if let Some(given) = plan.enrichment_parameters {
            let own = self.enrichment_parameters.take().filter(|_| !input.whole).unwrap_or_default();
            self.enrichment_parameters = Some(EnrichmentParameters {
                input_template: given.input_template.or(own.input_template),
                http_parameters: given.http_parameters.or(own.http_parameters),
            });
        }
        if let Some(target) = input.target {
            let target = check::target(&target)?;
            if Kind::of(&target) != Kind::of(&self.target) {
                // What only a target of the former kind knows goes with it.
                let template = self.target_parameters.take().and_then(|own| own.input_template);
                self.target_parameters = Some(TargetParameters { input_template: template, ..Default::default() });
            }
            self.target = target;
        }
        if let Some(given) = plan.target_parameters {
            let own = self.target_parameters.take().unwrap_or_default();
            self.target_parameters = Some(if input.whole { given } else { given.over(own) });
        }
        if let Some(logs) = plan.log_configuration {
            self.log_configuration = Some(logs);
        }
        self.role = role(&plan.role_arn)?;
        Ok(())
    }
}

/// Which operation a pipe fails in, if it does.
#[derive(Clone, Copy)]
enum Phase {
    Create,
    Update,
    Start,
}

impl Phase {
    fn failed(self) -> &'static str {
        match self {
            Phase::Create => "CREATE_FAILED",
            Phase::Update => "UPDATE_FAILED",
            Phase::Start => "START_FAILED",
        }
    }
}

impl Pipes {
    pub(crate) async fn create_pipe(self: Arc<Self>, call: Call, input: CreatePipe) -> Result<Changed, PipesError> {
        let plan = input.plan;
        refuse_key(plan.kms_key_identifier.as_ref())?;
        let id = Pipes::id(&call, &input.name);
        let now = self.env.now();
        let mut pipe = Pipe {
            source: check::source(&input.source)?,
            enrichment: check::enrichment(plan.enrichment.as_deref().unwrap_or(""))?,
            target: check::target(&input.target)?,
            role: role(&plan.role_arn)?,
            name: input.name,
            description: plan.description,
            source_parameters: plan.source_parameters.unwrap_or_default(),
            enrichment_parameters: plan.enrichment_parameters,
            target_parameters: plan.target_parameters,
            log_configuration: plan.log_configuration,
            tags: input.tags.unwrap_or_default(),
            created: now,
            modified: now,
            wanted: wanted(plan.desired_state.as_ref()).unwrap_or(Wanted::Running),
            failure: None,
            made_by: input.made_by,
        };
        if pipe.of_stream() && pipe.source_parameters.stream_parameters.is_none() {
            return Err(PipesError::field("SourceParameters.DynamoDBStreamParameters", "Missing required parameter."));
        }
        pipe.tidy();
        pipe.check()?;
        self.ports.identity.authorize_pass_role(&call, pipe.role.as_str(), PRINCIPAL).await?;
        let _turn = self.changing.lock().await;
        self.refuse_taken(&self.db.begin(), &id, &pipe).await?;
        self.settle(&id, &mut pipe, Phase::Create).await?;
        Ok(changed(&id, &pipe, "CREATING"))
    }

    /// Refuses a name that another pipe has; the same stack may make the same pipe again.
    async fn refuse_taken(&self, tx: &Tx, id: &PipeId, pipe: &Pipe) -> Result<(), PipesError> {
        match tx.get_record::<Pipe>(&keys::pipe(id)).await? {
            Some(old) if old.wanted == Wanted::Deleted || old.made_by.is_none() || old.made_by != pipe.made_by => {
                Err(PipesError::Conflict(id.name.clone()))
            }
            Some(_) => Ok(()),
            None => {
                let count = tx.snapshot_counter(&keys::pipes_count(id.account, &id.region)).await?;
                match usize::try_from(count).is_ok_and(|count| count >= PIPES_MAX) {
                    true => Err(PipesError::Quota { what: "pipes", limit: PIPES_MAX }),
                    false => Ok(()),
                }
            }
        }
    }

    pub(crate) async fn update_pipe(self: Arc<Self>, call: Call, input: UpdatePipe) -> Result<Changed, PipesError> {
        refuse_key(input.plan.kms_key_identifier.as_ref())?;
        let id = Pipes::id(&call, &input.name);
        let _turn = self.changing.lock().await;
        let mut pipe = self.changeable(&id).await?;
        pipe.apply(input)?;
        pipe.tidy();
        pipe.check()?;
        self.ports.identity.authorize_pass_role(&call, pipe.role.as_str(), PRINCIPAL).await?;
        pipe.modified = self.env.now();
        self.settle(&id, &mut pipe, Phase::Update).await?;
        Ok(changed(&id, &pipe, "UPDATING"))
    }

    pub(crate) async fn start_pipe(self: Arc<Self>, call: Call, input: NamedPipe) -> Result<Changed, PipesError> {
        let id = Pipes::id(&call, &input.name);
        let _turn = self.changing.lock().await;
        let mut pipe = self.changeable(&id).await?;
        pipe.wanted = Wanted::Running;
        pipe.modified = self.env.now();
        self.settle(&id, &mut pipe, Phase::Start).await?;
        Ok(changed(&id, &pipe, "STARTING"))
    }

    pub(crate) async fn stop_pipe(self: Arc<Self>, call: Call, input: NamedPipe) -> Result<Changed, PipesError> {
        let id = Pipes::id(&call, &input.name);
        let _turn = self.changing.lock().await;
        let mut pipe = self.changeable(&id).await?;
        pipe.wanted = Wanted::Stopped;
        pipe.failure = None;
        pipe.modified = self.env.now();
        self.store(&id, &pipe, None).await?;
        self.crews.stop(&id);
        Ok(changed(&id, &pipe, "STOPPING"))
    }

    pub(crate) async fn delete_pipe(self: Arc<Self>, call: Call, input: NamedPipe) -> Result<Changed, PipesError> {
        let id = Pipes::id(&call, &input.name);
        let _turn = self.changing.lock().await;
        let mut pipe = self.changeable(&id).await?;
        pipe.wanted = Wanted::Deleted;
        pipe.modified = self.env.now();
        self.store(&id, &pipe, None).await?;
        self.crews.stop(&id);
        let (pipes, gone) = (Arc::clone(&self), id.clone());
        tokio::spawn(async move {
            if let Err(error) = pipes.forget(&gone).await {
                tracing::error!(pipe = %gone.name, %error, "a deleted pipe stays until the next start");
            }
        });
        Ok(changed(&id, &pipe, "DELETING"))
    }

    /// The pipe, unless it is being deleted.
    async fn changeable(&self, id: &PipeId) -> Result<Pipe, PipesError> {
        let pipe = self.pipe(&self.db.begin(), id).await?;
        if pipe.wanted == Wanted::Deleted {
            return Err(PipesError::NotFound(id.name.clone()));
        }
        Ok(pipe)
    }

    /// Stores a pipe, with its first positions if it has none yet and follows a stream, and sets a crew to work if it is to
    /// run.
    async fn settle(self: &Arc<Self>, id: &PipeId, pipe: &mut Pipe, phase: Phase) -> Result<(), PipesError> {
        let facts = match self.check_source(id, pipe).await {
            Ok(facts) => {
                pipe.failure = None;
                facts
            }
            Err(Unfit::Reason(reason)) => {
                pipe.failure = Some(Failure { state: phase.failed().to_owned(), reason });
                None
            }
            Err(Unfit::Error(error)) => return Err(error.into()),
        };
        self.store(id, pipe, facts.as_ref()).await?;
        match (pipe.wanted, &pipe.failure) {
            (Wanted::Running, None) => self.work_for(id, pipe.clone()),
            _ => {
                self.crews.stop(id);
                Ok(())
            }
        }
    }

    async fn store(
        &self,
        id: &PipeId,
        pipe: &Pipe,
        facts: Option<&cauce_core::ports::StreamFacts>,
    ) -> Result<(), PipesError> {
        let settings = pipe.stream_settings();
        let first = facts.zip(settings.as_ref()).map(|(facts, s)| first_positions(facts, s.latest, s.lanes));
        let under = keys::positions(id);
        self.db
            .transact(async |tx| {
                if tx.get(&keys::pipe(id)).await?.is_none() {
                    tx.add(keys::pipes_count(id.account, &id.region), 1)?;
                }
                if let Some(first) = &first
                    && tx.range(RangeReq::new(under.clone().prefix_range(), 1)).await?.is_empty()
                {
                    first.iter().try_for_each(|position| position.put(&tx, &under))?;
                }
                Ok::<_, PipesError>(tx.set_record(keys::pipe(id), pipe)?)
            })
            .await
    }
}
