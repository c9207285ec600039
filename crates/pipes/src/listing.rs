//! How pipes are shown, one by one and in lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Arn, Call, ServiceError, Violations};
use cauce_sources::{Activity, Outcome};
use cauce_store::{RangeReq, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::PipesError;
use crate::keys::{self, PipeId};
use crate::model::{Pipe, Wanted};
use crate::operations::NamedPipe;
use crate::parameters::{EnrichmentParameters, LogConfiguration, SourceParameters, TargetParameters};
use crate::service::{Pipes, validate_name};

/// The most pipes of one page.
const PAGE_MAX: usize = 100;

/// The longest `StateReason`, in characters.
const REASON_CHARS_MAX: usize = 512;

/// Every state that a pipe of AWS can be in.
const STATES: [&str; 15] = [
    "RUNNING",
    "STOPPED",
    "CREATING",
    "UPDATING",
    "DELETING",
    "STARTING",
    "STOPPING",
    "CREATE_FAILED",
    "UPDATE_FAILED",
    "START_FAILED",
    "STOP_FAILED",
    "DELETE_FAILED",
    "CREATE_ROLLBACK_FAILED",
    "DELETE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_FAILED",
];

/// What answers of operations that change a pipe say of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Changed {
    pub(crate) arn: Arn,
    name: String,
    desired_state: &'static str,
    current_state: &'static str,
    creation_time: f64,
    last_modified_time: f64,
}

/// AWS: *DescribePipe*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    arn: Arn,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    desired_state: &'static str,
    pub(crate) current_state: String,
    pub(crate) state_reason: String,
    source: Arn,
    source_parameters: SourceParameters,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrichment: Option<Arn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrichment_parameters: Option<EnrichmentParameters>,
    target: Arn,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_parameters: Option<TargetParameters>,
    role_arn: Arn,
    tags: BTreeMap<String, String>,
    pub(crate) creation_time: f64,
    pub(crate) last_modified_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_configuration: Option<LogConfiguration>,
}

/// AWS: *Pipe*.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    arn: Arn,
    name: String,
    desired_state: &'static str,
    current_state: String,
    state_reason: String,
    creation_time: f64,
    last_modified_time: f64,
    source: Arn,
    target: Arn,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrichment: Option<Arn>,
}

/// AWS: *ListPipes*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListPipes {
    name_prefix: Option<String>,
    desired_state: Option<String>,
    current_state: Option<String>,
    source_prefix: Option<String>,
    target_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl Input for ListPipes {
    fn validate(&self, v: &mut Violations) {
        if let Some(prefix) = &self.name_prefix {
            validate_name(v, "namePrefix", prefix);
        }
        if let Some(state) = &self.desired_state {
            v.one_of("desiredState", state, &["RUNNING", "STOPPED"]);
        }
        if let Some(state) = &self.current_state {
            v.one_of("currentState", state, &STATES);
        }
        for (name, prefix) in [("sourcePrefix", &self.source_prefix), ("targetPrefix", &self.target_prefix)] {
            prefix.iter().for_each(|prefix| v.length(name, prefix, 1, 1_600));
        }
        if let Some(token) = &self.next_token {
            v.length("nextToken", token, 1, 2_048);
        }
        if let Some(limit) = self.limit {
            v.range("limit", limit, 1, 100);
        }
    }
}

/// AWS: *ListPipes*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListPipesOutput {
    pipes: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) fn changed(id: &PipeId, pipe: &Pipe, current_state: &'static str) -> Changed {
    Changed {
        arn: id.arn(),
        name: id.name.clone(),
        desired_state: pipe.wanted.name(),
        current_state,
        creation_time: pipe.created.secs_of_millis(),
        last_modified_time: pipe.modified.secs_of_millis(),
    }
}

impl Pipes {
    /// The state of a pipe, and why it is so.
    fn state(&self, id: &PipeId, pipe: &Pipe) -> (String, String) {
        let by_user = "USER_INITIATED".to_owned();
        let (activity, outcome) = self.crews.activity(id);
        let state = match (pipe.wanted, activity) {
            (Wanted::Deleted, _) => "DELETING",
            (Wanted::Running, _) => "RUNNING",
            (Wanted::Stopped, Activity::Works | Activity::Ends) => "STOPPING",
            (Wanted::Stopped, Activity::None) => "STOPPED",
        };
        match (&pipe.failure, outcome) {
            (Some(failure), _) if pipe.wanted != Wanted::Deleted => (failure.state.clone(), failure.reason.clone()),
            (_, Some(Outcome::Problem(problem))) if pipe.wanted == Wanted::Running => {
                (state.to_owned(), problem.chars().take(REASON_CHARS_MAX).collect())
            }
            _ => (state.to_owned(), by_user),
        }
    }

    pub(crate) async fn describe_pipe(self: Arc<Self>, call: Call, input: NamedPipe) -> Result<Described, PipesError> {
        let id = Pipes::id(&call, &input.name);
        let pipe = self.pipe(&self.db.begin(), &id).await?;
        let (current_state, state_reason) = self.state(&id, &pipe);
        Ok(Described {
            arn: id.arn(),
            name: pipe.name,
            description: pipe.description,
            desired_state: pipe.wanted.name(),
            current_state,
            state_reason,
            source: pipe.source,
            source_parameters: pipe.source_parameters,
            enrichment: pipe.enrichment,
            enrichment_parameters: pipe.enrichment_parameters,
            target: pipe.target,
            target_parameters: pipe.target_parameters,
            role_arn: pipe.role,
            tags: pipe.tags,
            creation_time: pipe.created.secs_of_millis(),
            last_modified_time: pipe.modified.secs_of_millis(),
            log_configuration: pipe.log_configuration,
        })
    }

    pub(crate) async fn list_pipes(
        self: Arc<Self>,
        call: Call,
        input: ListPipes,
    ) -> Result<ListPipesOutput, PipesError> {
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX);
        let begins = |prefix: &Option<String>, text: &str| prefix.as_ref().is_none_or(|p| text.starts_with(p.as_str()));
        let mut request = RangeReq::new(keys::pipes(call.account, &call.region), PAGE_MAX);
        if let Some(token) = &input.next_token {
            let name = token.strip_prefix("after:").ok_or_else(|| PipesError::field("NextToken", "Invalid token."))?;
            request = request.after(&keys::pipe(&Pipes::id(&call, name)));
        }
        let (mut pipes, mut next_token) = (Vec::new(), None);
        let tx = self.db.begin();
        'pages: loop {
            let rows = tx.snapshot_range(request.clone()).await?;
            for row in &rows {
                let pipe: Pipe = decode_row(row)?;
                let id = keys::pipe_of(&row.key).map_err(ServiceError::internal)?;
                let (current_state, state_reason) = self.state(&id, &pipe);
                let wanted = begins(&input.name_prefix, &pipe.name)
                    && begins(&input.source_prefix, pipe.source.as_str())
                    && begins(&input.target_prefix, pipe.target.as_str())
                    && input.desired_state.as_deref().is_none_or(|state| state == pipe.wanted.name())
                    && input.current_state.as_ref().is_none_or(|state| *state == current_state);
                if !wanted {
                    continue;
                }
                if pipes.len() == limit {
                    next_token = pipes.last().map(|last: &Listed| format!("after:{}", last.name));
                    break 'pages;
                }
                pipes.push(Listed {
                    arn: id.arn(),
                    name: pipe.name,
                    desired_state: pipe.wanted.name(),
                    current_state,
                    state_reason,
                    creation_time: pipe.created.secs_of_millis(),
                    last_modified_time: pipe.modified.secs_of_millis(),
                    source: pipe.source,
                    target: pipe.target,
                    enrichment: pipe.enrichment,
                });
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE_MAX => request = request.after(&last.key),
                _ => break,
            }
        }
        Ok(ListPipesOutput { pipes, next_token })
    }
}
