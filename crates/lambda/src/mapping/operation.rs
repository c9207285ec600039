//! The operations on mappings.
//!
//! AWS: Lambda API, *CreateEventSourceMapping* and its siblings.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::ports::{Queues, StreamFacts, Streams};
use cauce_core::{Arn, Call, ServiceError, Trace};
use cauce_sources::stream::{Position, first_positions};
use cauce_sources::{Activity, Crew, Duty, FILTERS_MAX, FilterError, Filters, Intake, QUEUE_ACTIONS, Sources};
use cauce_store::{KeyError, Owner, Tx};
use serde::Serialize;

use super::consumer::{EVENT_FRAME_BYTES, MappedFunction, SERVICE};
use super::input::{BATCH_WITHOUT_WINDOW_MAX, CreateMapping, ListMappings, MappingId, UpdateMapping};
use super::record::{MappingKey, MappingRecord, REPORT_FAILURES, Shown};
use super::stream;
use crate::error::Error;
use crate::invoke::PAYLOAD_BYTES_MAX;
use crate::keys;
use crate::model::{Configuration, FunctionRecord};
use crate::name::FunctionRef;
use crate::service::Lambda;

/// How many workers a mapping has at most, where it does not say. More only pays for functions that mostly wait; they can be
/// given more with `ScalingConfig`.
const WORKERS_MAX: usize = 32;

/// The most mappings of one page.
const PAGE_MAX: usize = 100;

/// The size of a batch where nothing is said. AWS: 10 for queues.
const BATCH_DEFAULT: usize = 10;

/// AWS: *ListEventSourceMappings*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListMappingsOutput {
    event_source_mappings: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
}

fn invalid(message: impl Into<String>) -> Error {
    Error::InvalidParameter(message.into())
}

fn missing() -> Error {
    Error::NotFound("The resource you requested does not exist.".to_owned())
}

fn in_use(what: &str) -> ServiceError {
    let message = format!("Cannot {what} the event source mapping because it is in use.");
    ServiceError::new(400, "ResourceInUseException", message).with_field("Type", "User")
}

/// The ARN of a source that mappings can take from.
fn source_arn(text: Option<&str>) -> Result<Arn, Error> {
    let text = text.ok_or_else(|| invalid("Unrecognized event source."))?;
    let arn: Arn = text.parse().map_err(|_| {
        invalid(format!(
            "Unrecognized event source, must be kinesis, dynamodb stream or sqs. Unsupported source arn : {text}"
        ))
    })?;
    match arn.service() {
        "sqs" => Ok(arn),
        "dynamodb" if arn.resource().contains("/stream/") => Ok(arn),
        "kinesis" | "kafka" | "mq" | "rds" => {
            Err(invalid(format!("Event sources of {} are not supported by this server.", arn.service())))
        }
        _ => Err(invalid(format!(
            "Unrecognized event source, must be kinesis, dynamodb stream or sqs. Unsupported source arn : {text}"
        ))),
    }
}

/// What is wrong with filters, in Lambda's words.
fn bad_filters(error: FilterError) -> Error {
    match error {
        FilterError::TooMany(count) => {
            invalid(format!("The number of filters ({count}) exceeds the limit of {FILTERS_MAX}."))
        }
        FilterError::Invalid => invalid("Invalid filter pattern definition."),
    }
}

impl MappingRecord {
    /// Takes over what a request says.
    fn apply(&mut self, input: &CreateMapping) -> Result<(), Error> {
        if let Some(size) = input.batch_size {
            self.batch_size = usize::try_from(size).unwrap_or(BATCH_DEFAULT);
        }
        if let Some(window) = input.maximum_batching_window_in_seconds {
            self.window_s = u32::try_from(window).unwrap_or(0);
        }
        if let Some(types) = &input.function_response_types {
            self.report_failures = types.iter().any(|kind| kind == REPORT_FAILURES);
        }
        if let Some(filters) = input.filters() {
            Filters::parse(&filters).map_err(bad_filters)?;
            self.filters = filters;
        }
        if let Some(scaling) = input.scaling_config {
            self.concurrency_max = scaling.maximum_concurrency.and_then(|max| usize::try_from(max).ok());
        }
        if let Some(enabled) = input.enabled {
            self.enabled = enabled;
        }
        self.stream.as_mut().map_or(Ok(()), |settings| stream::apply(settings, input))
    }

    /// Refuses combinations that cannot be.
    fn check(&self, fifo: bool) -> Result<(), Error> {
        if fifo && self.window_s > 0 {
            return Err(invalid("Batching window is not supported for FIFO queues."));
        }
        if fifo && self.batch_size > BATCH_WITHOUT_WINDOW_MAX {
            return Err(invalid(format!(
                "Batch size for FIFO queues must be at most {BATCH_WITHOUT_WINDOW_MAX}: {}",
                self.batch_size
            )));
        }
        if self.batch_size > BATCH_WITHOUT_WINDOW_MAX && self.window_s == 0 {
            return Err(invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            ));
        }
        Ok(())
    }
}

impl Lambda {
    /// Begins to take batches for every enabled mapping that `owner` is responsible for. Call it once, before requests are served.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start_mappings(
        self: &Arc<Self>,
        queues: Arc<dyn Queues>,
        streams: Arc<dyn Streams>,
        owner: Owner,
    ) -> Result<(), ServiceError> {
        let _ = self.sources.set(Sources { queues, streams, owner });
        for (key, record) in self.all::<MappingRecord>(keys::all_mappings()).await? {
            let key = keys::mapping_of(&key).map_err(|error: KeyError| ServiceError::internal(error))?;
            if record.deleting {
                // The end of the program was the end of its crew.
                self.forget_mapping(&key).await?;
            } else if record.enabled {
                self.work_for(&key, record)?;
            }
        }
        Ok(())
    }

    /// Gives a mapping a crew.
    fn work_for(self: &Arc<Self>, key: &MappingKey, record: MappingRecord) -> Result<(), Error> {
        let Some(sources) = self.sources.get() else { return Ok(()) };
        let Some(owned) = sources.owner.owned_for(key.uuid.as_bytes()) else { return Ok(()) };
        let Some(function) = FunctionRef::from_arn(&record.function) else { return Ok(()) };
        let filters = Filters::parse(&record.filters).map_err(bad_filters)?;
        let (source, stream) = (record.source.clone(), record.stream.clone());
        let crew = Crew::new(if stream.is_some() { 1 } else { record.concurrency_max.unwrap_or(WORKERS_MAX) });
        let before = self.crews.begin(key, Arc::clone(&crew));
        let intake = Intake {
            entries_max: record.batch_size,
            window: Duration::from_secs(u64::from(record.window_s)),
            bytes_max: PAYLOAD_BYTES_MAX - EVENT_FRAME_BYTES,
        };
        let duty = Duty {
            name: key.uuid.clone(),
            db: self.db.clone(),
            env: self.env.clone(),
            delivery: self.ports.delivery.clone(),
            consumer: Arc::new(MappedFunction { lambda: Arc::clone(self), key: key.clone(), record, function }),
            intake,
            filters,
            crew,
        };
        sources.begin(duty, source, stream, (owned, before));
        Ok(())
    }

    async fn mapping(&self, tx: &Tx, key: &MappingKey) -> Result<MappingRecord, Error> {
        tx.get_record(&keys::mapping(key)).await?.ok_or_else(missing)
    }

    /// The function, and its configuration, that a mapping is to invoke.
    async fn mapped_function(&self, reference: &FunctionRef) -> Result<(FunctionRecord, Configuration), Error> {
        match self.configuration(&self.db.begin(), reference).await {
            Ok((function, configuration, _)) => Ok((function, configuration)),
            Err(Error::NotFound(_)) => Err(invalid("Function does not exist")),
            Err(error) => Err(error),
        }
    }

    /// Refuses a mapping whose function's role may not take from the source, or that does not fit the source. Says what is known
    /// of a stream.
    async fn check_mapping(
        &self,
        call: &Call,
        reference: &FunctionRef,
        record: &MappingRecord,
    ) -> Result<Option<StreamFacts>, Error> {
        let (function, configuration) = self.mapped_function(reference).await?;
        if let (Some(max), Some(reserved)) = (record.concurrency_max, function.reserved_concurrency)
            && usize::try_from(reserved).is_ok_and(|reserved| max > reserved)
        {
            return Err(invalid(format!(
                "MaximumConcurrency {max} must not exceed the function's reserved concurrency {reserved}."
            )));
        }
        let sources = self.sources.get().ok_or_else(|| {
            Error::Service(ServiceError::new(503, "ServiceException", "Event sources are not available yet."))
        })?;
        let session = self.ports.identity.session(&configuration.role, SERVICE, &reference.function.name).await;
        let session = session.map_err(|_| invalid("The role defined for the function cannot be assumed by Lambda."))?;
        let trace = Trace { parent: call.trace.parent, ..call.trace };
        let own = Call::from_service(&self.env, SERVICE, None, call.account, call.region.clone(), trace);
        let own = Call { principal: Arc::new(session), ..own };
        if let Some(stream) = &record.stream {
            let facts = self.check_stream(sources, &own, &record.source, stream.on_failure.as_ref());
            return facts.await.map(Some);
        }
        self.check_queue(sources, &own, record, &configuration).await?;
        Ok(None)
    }

    async fn check_queue(
        &self,
        sources: &Sources,
        own: &Call,
        record: &MappingRecord,
        configuration: &Configuration,
    ) -> Result<(), Error> {
        for action in QUEUE_ACTIONS {
            if !self.allows(own, &format!("sqs:{action}"), &record.source).await? {
                return Err(invalid(format!(
                    "The provided execution role does not have permissions to call {action} on SQS"
                )));
            }
        }
        let facts = sources.queues.facts(own, &record.source).await.map_err(|error| {
            invalid(format!(
                "Error occurred while ReceiveMessage. SQS Error Code: {}. SQS Error Message: {}",
                error.query_code(),
                error.message()
            ))
        })?;
        record.check(facts.fifo)?;
        let timeout = Duration::from_secs(u64::from(configuration.timeout_s));
        if facts.visibility_timeout < timeout {
            return Err(invalid(format!(
                "Queue visibility timeout: {} seconds is less than Function timeout: {} seconds",
                facts.visibility_timeout.as_secs(),
                timeout.as_secs()
            )));
        }
        Ok(())
    }

    pub(crate) async fn create_mapping(self: Arc<Self>, call: Call, input: CreateMapping) -> Result<Shown, Error> {
        let uuid = self.env.entropy().uuid();
        self.make_mapping(&call, input, uuid).await
    }

    /// Makes a mapping of this id.
    pub(crate) async fn make_mapping(
        self: &Arc<Self>,
        call: &Call,
        input: CreateMapping,
        uuid: String,
    ) -> Result<Shown, Error> {
        let source = source_arn(input.event_source_arn.as_deref())?;
        let of_stream = source.service() == "dynamodb";
        input.refuse_foreign(of_stream)?;
        let reference = FunctionRef::resolve(call, &input.function_name, None)?;
        let stream = of_stream.then(|| stream::settings(&input, &source)).transpose()?;
        let mut record = MappingRecord {
            function: reference.arn(),
            source,
            batch_size: if of_stream { stream::BATCH_DEFAULT } else { BATCH_DEFAULT },
            window_s: 0,
            report_failures: false,
            filters: Vec::new(),
            concurrency_max: None,
            enabled: true,
            deleting: false,
            modified: self.env.now(),
            tags: input.tags.clone().unwrap_or_default(),
            stream,
        };
        record.apply(&input)?;
        let facts = self.check_mapping(call, &reference, &record).await?;
        let first = facts.as_ref().zip(record.stream.as_ref());
        let positions =
            first.map(|(facts, stream)| first_positions(facts, stream.latest, stream.lanes)).unwrap_or_default();
        let key = MappingKey { account: call.account, region: call.region.clone(), uuid };
        self.db
            .transact(async |tx| {
                self.claim_pair(&tx, &key, &record).await?;
                // A mapping of this id may be there already: what a stack repeats after a crash goes on where it was.
                if tx.get(&keys::mapping(&key)).await?.is_none() {
                    let under = keys::positions(&key);
                    positions.iter().try_for_each(|position: &Position| position.put(&tx, &under))?;
                }
                Ok::<_, Error>(tx.set_record(keys::mapping(&key), &record)?)
            })
            .await?;
        if record.enabled {
            self.work_for(&key, record.clone())?;
        }
        let (_, result) = self.crews.activity(&key);
        Ok(record.shown(&key, "Creating", result))
    }

    /// Makes the mapping the only one between its source and its function.
    async fn claim_pair(&self, tx: &Tx, key: &MappingKey, record: &MappingRecord) -> Result<(), Error> {
        let pair = keys::mapped(key.account, &key.region, &record.source, &record.function);
        match tx.get(&pair).await? {
            Some(uuid) if uuid != key.uuid.as_bytes() => {
                let uuid = String::from_utf8_lossy(&uuid).into_owned();
                let (source, function) = (&record.source, &record.function);
                let (begins, there) = match record.stream {
                    Some(_) => ("The event source arn", "provided mapping already exists"),
                    None => ("An event source mapping with SQS arn", "already exists"),
                };
                return Err(Error::Conflict(format!(
                    "{begins} (\" {source} \") and function (\" {function} \") {there}. Please update or delete the existing \
                     mapping with UUID {uuid}"
                )));
            }
            _ => tx.set(pair, key.uuid.clone().into_bytes()),
        }
        Ok(())
    }

    pub(crate) async fn get_mapping(self: Arc<Self>, call: Call, input: MappingId) -> Result<Shown, Error> {
        let key = MappingKey { account: call.account, region: call.region.clone(), uuid: input.uuid };
        let record = self.mapping(&self.db.begin(), &key).await?;
        Ok(self.show_mapping(&key, &record))
    }

    fn show_mapping(&self, key: &MappingKey, record: &MappingRecord) -> Shown {
        let (activity, result) = self.crews.activity(key);
        let state = match activity {
            _ if record.deleting => "Deleting",
            _ if record.enabled => "Enabled",
            Activity::Works | Activity::Ends => "Disabling",
            Activity::None => "Disabled",
        };
        record.shown(key, state, result)
    }

    pub(crate) async fn list_mappings(
        self: Arc<Self>,
        call: Call,
        input: ListMappings,
    ) -> Result<ListMappingsOutput, Error> {
        let function = match &input.function_name {
            Some(name) => Some(FunctionRef::resolve(&call, name, None)?.arn()),
            None => None,
        };
        let limit = input.max_items.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let (mut found, mut next_marker) = (Vec::new(), None);
        for (key, record) in self.all::<MappingRecord>(keys::mappings(call.account, &call.region)).await? {
            let key = keys::mapping_of(&key).map_err(|error| Error::Service(ServiceError::internal(error)))?;
            let fits = function.as_ref().is_none_or(|function| record.function == *function)
                && input.event_source_arn.as_deref().is_none_or(|source| record.source.as_str() == source)
                && input.marker.as_deref().filter(|m| !m.is_empty()).is_none_or(|marker| key.uuid.as_str() > marker);
            if !fits {
                continue;
            }
            if found.len() == limit {
                next_marker = found.last().map(|last: &Shown| last.uuid.clone());
                break;
            }
            found.push(self.show_mapping(&key, &record));
        }
        Ok(ListMappingsOutput { event_source_mappings: found, next_marker })
    }

    pub(crate) async fn update_mapping(self: Arc<Self>, call: Call, input: UpdateMapping) -> Result<Shown, Error> {
        let settings = input.settings();
        let key = MappingKey { account: call.account, region: call.region.clone(), uuid: input.uuid };
        let before = self.mapping(&self.db.begin(), &key).await?;
        settings.refuse_foreign(before.stream.is_some())?;
        let function = match &input.function_name {
            Some(name) => FunctionRef::resolve(&call, name, None)?,
            None => FunctionRef::from_arn(&before.function).ok_or_else(missing)?,
        };
        let change = |mut record: MappingRecord| -> Result<MappingRecord, Error> {
            if record.deleting {
                return Err(in_use("update").into());
            }
            record.apply(&settings)?;
            record.function = function.arn();
            record.modified = self.env.now();
            Ok(record)
        };
        let wanted = change(before.clone())?;
        if wanted.enabled || wanted.stream.is_none() {
            self.check_mapping(&call, &function, &wanted).await?;
        } else {
            // A stream that is gone must not keep its mapping from being switched off; it is looked at when it is switched on.
            self.mapped_function(&function).await?;
        }
        let record = self
            .db
            .transact(async |tx| {
                let old = self.mapping(&tx, &key).await?;
                let record = change(old.clone())?;
                if old.function != record.function {
                    tx.clear(keys::mapped(key.account, &key.region, &old.source, &old.function));
                }
                self.claim_pair(&tx, &key, &record).await?;
                tx.set_record(keys::mapping(&key), &record)?;
                Ok::<_, Error>(record)
            })
            .await?;
        let state = match (before.enabled, record.enabled) {
            (true, true) | (false, false) => "Updating",
            (false, true) => "Enabling",
            (true, false) => "Disabling",
        };
        let (_, result) = self.crews.activity(&key);
        if record.enabled {
            self.work_for(&key, record.clone())?;
        } else {
            self.crews.stop(&key);
        }
        Ok(record.shown(&key, state, result))
    }

    pub(crate) async fn delete_mapping(self: Arc<Self>, call: Call, input: MappingId) -> Result<Shown, Error> {
        let key = MappingKey { account: call.account, region: call.region.clone(), uuid: input.uuid };
        let record = self
            .db
            .transact(async |tx| {
                let mut record = self.mapping(&tx, &key).await?;
                if record.deleting {
                    return Err(in_use("delete").into());
                }
                record.deleting = true;
                tx.set_record(keys::mapping(&key), &record)?;
                Ok::<_, Error>(record)
            })
            .await?;
        self.crews.stop(&key);
        let (_, result) = self.crews.activity(&key);
        let (lambda, gone) = (Arc::clone(&self), key.clone());
        tokio::spawn(async move {
            if let Err(error) = lambda.forget_mapping(&gone).await {
                tracing::error!(mapping = %gone.uuid, %error, "a deleted mapping stays until the next start");
            }
        });
        Ok(record.shown(&key, "Deleting", result))
    }

    /// Removes a mapping that is being deleted, once nobody works for it any more.
    pub(crate) async fn forget_mapping(&self, key: &MappingKey) -> Result<(), Error> {
        self.crews.ended(key).await;
        self.db
            .transact(async |tx| {
                let found: Option<MappingRecord> = tx.get_record(&keys::mapping(key)).await?;
                if let Some(record) = found.filter(|record| record.deleting) {
                    tx.clear(keys::mapped(key.account, &key.region, &record.source, &record.function));
                    tx.clear(keys::mapping(key));
                    tx.clear_range(keys::positions(key).prefix_range());
                }
                Ok::<_, Error>(())
            })
            .await
    }
}
