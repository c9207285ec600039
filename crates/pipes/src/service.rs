//! The service and the one table of its operations.

use std::sync::{Arc, LazyLock, OnceLock};

use cauce_core::ports::{Functions, Identity, Logs, Queues, Services, Streams};
use cauce_core::{Arn, Call, Env, ServiceError, Violations};
use cauce_delivery::Delivery;
use cauce_sources::{Crew, Crews, Duty, Filters, Intake, Sources};
use cauce_store::{Db, Owner, RangeReq, Tx, decode_row};
use cauce_wire::{Api, Method, Operation, Protocol, ServiceInfo};
use regex_lite::Regex;

use crate::check;
use crate::error::PipesError;
use crate::flow::Flow;
use crate::keys::{self, PipeId};
use crate::listing::ListPipes;
use crate::meters::Meters;
use crate::model::{Pipe, Wanted};
use crate::operations::{CreatePipe, NamedPipe, UpdatePipe};
use crate::tags::{ListTags, TagResource, UntagResource};

/// EventBridge Pipes as the wire knows it.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "pipes",
    signing_name: "pipes",
    protocols: &[Protocol::RestJson],
    validation_code: "ValidationException",
};

/// The name under which pipes assume their roles.
pub(crate) const PRINCIPAL: &str = "pipes.amazonaws.com";

/// How many batches of a queue a pipe has under way at most.
pub const WORKERS_MAX: usize = 32;

/// How many pipes are read at once when the program starts.
const PIPES_A_READ: usize = 1_000;

/// What the service asks of others.
#[derive(Clone)]
pub struct PipesPorts {
    /// Roles and policies.
    pub identity: Arc<dyn Identity>,
    /// Functions that enrich, and that are targets.
    pub functions: Arc<dyn Functions>,
    /// All other targets.
    pub services: Arc<dyn Services>,
    /// Where pipes write what they do.
    pub logs: Arc<dyn Logs>,
    /// Carries messages about what is given up, and keeps the lineage.
    pub delivery: Delivery,
}

/// EventBridge Pipes.
pub struct Pipes {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) ports: PipesPorts,
    pub(crate) crews: Crews<PipeId>,
    pub(crate) meters: OnceLock<Meters>,
    /// Where batches come from, once [`Pipes::start`] has said so.
    pub(crate) sources: OnceLock<Sources>,
    /// One change of any pipe at a time, so that who works for a pipe follows what is stored of it.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Pipes {
    /// The service on this store. Call [`Pipes::start`] before requests are served.
    pub fn open(db: Db, env: Env, ports: PipesPorts) -> Arc<Pipes> {
        Arc::new(Pipes {
            db,
            env,
            ports,
            crews: Crews::default(),
            meters: OnceLock::new(),
            sources: OnceLock::new(),
            changing: tokio::sync::Mutex::new(()),
        })
    }

    /// Begins to work for every running pipe that `owner` is responsible for.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(
        self: &Arc<Self>,
        queues: Arc<dyn Queues>,
        streams: Arc<dyn Streams>,
        owner: Owner,
    ) -> Result<(), ServiceError> {
        let _ = self.sources.set(Sources { queues, streams, owner });
        let mut request = RangeReq::new(keys::all_pipes(), PIPES_A_READ);
        loop {
            let page = self.db.range(request.clone()).await?;
            for row in &page.rows {
                let id = keys::pipe_of(&row.key).map_err(ServiceError::internal)?;
                let pipe: Pipe = decode_row(row)?;
                match pipe.wanted {
                    // The end of the program was the end of its crew.
                    Wanted::Deleted => self.forget(&id).await?,
                    Wanted::Running if pipe.failure.is_none() => self.work_for(&id, pipe)?,
                    Wanted::Running | Wanted::Stopped => {}
                }
            }
            match page.rows.last() {
                Some(last) if page.more => request = request.after(&last.key),
                _ => return Ok(()),
            }
        }
    }

    /// Stops taking, and completes once what is under way has been settled.
    pub async fn drain(&self) {
        self.crews.stop_all();
        self.crews.all_ended().await;
    }

    /// Gives a pipe a crew.
    pub(crate) fn work_for(self: &Arc<Self>, id: &PipeId, pipe: Pipe) -> Result<(), PipesError> {
        let Some(sources) = self.sources.get() else { return Ok(()) };
        let Some(owned) = sources.owner.owned_for(id.arn().as_str().as_bytes()) else { return Ok(()) };
        let filters = Filters::parse(&pipe.source_parameters.patterns());
        let filters = filters.map_err(|error| PipesError::Invalid(error.to_string()))?;
        let (source, stream) = (pipe.source.clone(), pipe.stream_settings());
        let crew = Crew::new(if stream.is_some() { 1 } else { WORKERS_MAX });
        let before = self.crews.begin(id, Arc::clone(&crew));
        let (entries_max, window) = pipe.batches();
        let bytes_max = check::bytes_max(pipe.enrichment.as_ref(), &pipe.target);
        let duty = Duty {
            name: id.name.clone(),
            db: self.db.clone(),
            env: self.env.clone(),
            delivery: self.ports.delivery.clone(),
            consumer: Arc::new(Flow::new(self, id, pipe)),
            intake: Intake { entries_max, window, bytes_max },
            filters,
            crew,
        };
        sources.begin(duty, source, stream, (owned, before));
        Ok(())
    }

    /// Removes a pipe that is being deleted, once nobody works for it any more.
    pub(crate) async fn forget(&self, id: &PipeId) -> Result<(), PipesError> {
        self.crews.ended(id).await;
        self.db
            .transact(async |tx| {
                let found: Option<Pipe> = tx.get_record(&keys::pipe(id)).await?;
                if found.is_some_and(|pipe| pipe.wanted == Wanted::Deleted) {
                    tx.clear(keys::pipe(id));
                    tx.clear_range(keys::positions(id).prefix_range());
                    tx.add(keys::pipes_count(id.account, &id.region), -1)?;
                }
                Ok(())
            })
            .await
    }

    pub(crate) fn id(call: &Call, name: &str) -> PipeId {
        PipeId { account: call.account, region: call.region.clone(), name: name.to_owned() }
    }

    pub(crate) async fn pipe(&self, tx: &Tx, id: &PipeId) -> Result<Pipe, PipesError> {
        let found: Option<Pipe> = tx.get_record(&keys::pipe(id)).await?;
        found.ok_or_else(|| PipesError::NotFound(id.name.clone()))
    }
}

const NAME_PATTERN: &str = "[\\.\\-_A-Za-z0-9]+";
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^[.\\-_A-Za-z0-9]+$").ok());

/// Checks a name of a pipe, or the beginning of one.
pub(crate) fn validate_name(v: &mut Violations, member: &str, name: &str) {
    v.length(member, name, 1, 64);
    if let Some(regex) = &*NAME {
        v.pattern(member, name, NAME_PATTERN, regex);
    }
}

fn on_pipe(call: &Call, name: &str) -> Vec<String> {
    vec![Pipes::id(call, name).arn().to_string()]
}

fn tagged(arn: &str) -> Vec<String> {
    // What is no ARN at all is refused by the operation.
    vec![arn.parse::<Arn>().map_or_else(|_| "*".to_owned(), |arn| arn.to_string())]
}

/// Every operation of EventBridge Pipes.
pub fn api(pipes: Arc<Pipes>) -> Api<Pipes> {
    const PIPE: &str = "/v1/pipes/{Name}";
    const TAGS: &str = "/tags/{resourceArn}";
    Api::new(&INFO, pipes)
        .operation(
            Operation::new("CreatePipe", Pipes::create_pipe)
                .rest(Method::POST, PIPE, 200)
                .resource(|call, i: &CreatePipe| on_pipe(call, &i.name)),
        )
        .operation(
            Operation::new("UpdatePipe", Pipes::update_pipe)
                .rest(Method::PUT, PIPE, 200)
                .resource(|call, i: &UpdatePipe| on_pipe(call, &i.name)),
        )
        .operation(
            Operation::new("DeletePipe", Pipes::delete_pipe)
                .rest(Method::DELETE, PIPE, 200)
                .resource(|call, i: &NamedPipe| on_pipe(call, &i.name)),
        )
        .operation(
            Operation::new("DescribePipe", Pipes::describe_pipe)
                .rest(Method::GET, PIPE, 200)
                .resource(|call, i: &NamedPipe| on_pipe(call, &i.name)),
        )
        .operation(
            Operation::new("StartPipe", Pipes::start_pipe)
                .rest(Method::POST, "/v1/pipes/{Name}/start", 200)
                .resource(|call, i: &NamedPipe| on_pipe(call, &i.name)),
        )
        .operation(
            Operation::new("StopPipe", Pipes::stop_pipe)
                .rest(Method::POST, "/v1/pipes/{Name}/stop", 200)
                .resource(|call, i: &NamedPipe| on_pipe(call, &i.name)),
        )
        .operation(
            Operation::new("ListPipes", Pipes::list_pipes)
                .rest(Method::GET, "/v1/pipes", 200)
                .query("NamePrefix", "NamePrefix")
                .query("DesiredState", "DesiredState")
                .query("CurrentState", "CurrentState")
                .query("SourcePrefix", "SourcePrefix")
                .query("TargetPrefix", "TargetPrefix")
                .query("NextToken", "NextToken")
                .query("Limit", "Limit")
                .resource(|call, _: &ListPipes| on_pipe(call, "*")),
        )
        .operation(
            Operation::new("TagResource", Pipes::tag_resource)
                .rest(Method::POST, TAGS, 200)
                .resource(|_, i: &TagResource| tagged(&i.resource_arn)),
        )
        .operation(
            Operation::new("UntagResource", Pipes::untag_resource)
                .rest(Method::DELETE, TAGS, 200)
                .query_list("tagKeys", "tagKeys")
                .resource(|_, i: &UntagResource| tagged(&i.resource_arn)),
        )
        .operation(
            Operation::new("ListTagsForResource", Pipes::list_tags_for_resource)
                .rest(Method::GET, TAGS, 200)
                .resource(|_, i: &ListTags| tagged(&i.resource_arn)),
        )
}
