//! What no pipe may be, and whether its role may do what the pipe needs.

use std::sync::Arc;

use cauce_core::ports::{Access, StreamFacts};
use cauce_core::{Arn, Call, ServiceError, Trace};
use cauce_sources::{Filters, QUEUE_ACTIONS, STREAM_ACTIONS};

use crate::error::PipesError;
use crate::keys::PipeId;
use crate::model::Pipe;
use crate::parameters::{LogConfiguration, Unknown};
use crate::service::{PRINCIPAL, Pipes};
use crate::target::Kind;

/// The largest batch of a queue without a window, and of FIFO queues.
const BATCH_WITHOUT_WINDOW_MAX: usize = 10;

/// Why a pipe cannot work, in words for its `StateReason`.
pub(crate) enum Unfit {
    /// It cannot, as things are.
    Reason(String),
    /// It cannot be said now.
    Error(ServiceError),
}

impl From<ServiceError> for Unfit {
    fn from(error: ServiceError) -> Unfit {
        Unfit::Error(error)
    }
}

fn reason(words: impl Into<String>) -> Unfit {
    Unfit::Reason(format!("Input parameter is invalid from the request due to : {}", words.into()))
}

fn unsupported(name: impl Into<String>) -> PipesError {
    PipesError::field(name, "Not supported by this server.")
}

fn refuse_unknown(within: &str, unknown: &Unknown) -> Result<(), PipesError> {
    match unknown.iter().find(|(_, value)| !value.is_null()) {
        Some((name, _)) => Err(unsupported(format!("{within}.{name}"))),
        None => Ok(()),
    }
}

/// The source that an ARN names.
pub(crate) fn source(text: &str) -> Result<Arn, PipesError> {
    let arn: Arn = text.parse().map_err(|_| unsupported("Source"))?;
    match arn.service() {
        "sqs" => Ok(arn),
        "dynamodb" if arn.resource().contains("/stream/") => Ok(arn),
        _ => Err(unsupported("Source")),
    }
}

/// The enrichment that an ARN names; none for an empty text.
pub(crate) fn enrichment(text: &str) -> Result<Option<Arn>, PipesError> {
    if text.is_empty() {
        return Ok(None);
    }
    let arn: Arn = text.parse().map_err(|_| unsupported("Enrichment"))?;
    match Kind::of(&arn) {
        Some(Kind::Function | Kind::Gateway) => Ok(Some(arn)),
        _ => Err(unsupported("Enrichment")),
    }
}

/// The target that an ARN names.
pub(crate) fn target(text: &str) -> Result<Arn, PipesError> {
    let arn: Arn = text.parse().map_err(|_| unsupported("Target"))?;
    Kind::of(&arn).map(|_| arn).ok_or_else(|| unsupported("Target"))
}

/// How many events go through a pipe at once: as many as its enrichment and its target take.
pub(crate) fn events_max(enrichment: Option<&Arn>, target: &Arn) -> usize {
    let of = |arn: &Arn| Kind::of(arn).map_or(1, Kind::events_max);
    of(target).min(enrichment.map_or(usize::MAX, of))
}

/// How many bytes go through a pipe at once, for the same reason.
pub(crate) fn bytes_max(enrichment: Option<&Arn>, target: &Arn) -> usize {
    let of = |arn: &Arn| Kind::of(arn).map_or(usize::MAX, Kind::bytes_max);
    of(target).min(enrichment.map_or(usize::MAX, of))
}

impl Pipe {
    /// Refuses what does not go together.
    pub(crate) fn check(&self) -> Result<(), PipesError> {
        let source = &self.source_parameters;
        refuse_unknown("SourceParameters", &source.unknown)?;
        match (self.of_stream(), &source.stream_parameters, &source.sqs_queue_parameters) {
            (false, Some(_), _) => return Err(foreign("SourceParameters.DynamoDBStreamParameters")),
            (true, _, Some(_)) => return Err(foreign("SourceParameters.SqsQueueParameters")),
            (true, None, None) => {
                return Err(PipesError::field(
                    "SourceParameters.DynamoDBStreamParameters",
                    "Missing required parameter.",
                ));
            }
            (true, Some(stream), None) => {
                if stream.starting_position.is_none() {
                    let name = "SourceParameters.DynamoDBStreamParameters.StartingPosition";
                    return Err(PipesError::field(name, "Missing required parameter."));
                }
                if stream.maximum_record_age_in_seconds.is_some_and(|age| (0..60).contains(&age)) {
                    let name = "SourceParameters.DynamoDBStreamParameters.MaximumRecordAgeInSeconds";
                    return Err(PipesError::field(name, "Must be -1, or at least 60."));
                }
                check_dead_letter(stream.dead_letter_config.as_ref().and_then(|config| config.arn.as_deref()))?;
            }
            (false, None, _) => {}
        }
        if Filters::parse(&source.patterns()).is_err() {
            return Err(PipesError::field("SourceParameters.FilterCriteria", "Invalid filter pattern."));
        }
        self.check_batches()?;
        self.check_target()?;
        self.log_configuration.as_ref().map_or(Ok(()), check_logs)
    }

    fn check_batches(&self) -> Result<(), PipesError> {
        let (size, window) = self.batches();
        let within = if self.of_stream() { "DynamoDBStreamParameters" } else { "SqsQueueParameters" };
        let bad = |message: String| PipesError::field(format!("SourceParameters.{within}.BatchSize"), message);
        let most = events_max(self.enrichment.as_ref(), &self.target);
        if size > most {
            return Err(bad(format!(
                "BatchSize {size} exceeds the {most} that the enrichment or target takes at once."
            )));
        }
        if self.of_stream() {
            return Ok(());
        }
        let fifo = self.source.resource().ends_with(".fifo");
        if fifo && !window.is_zero() {
            let name = "SourceParameters.SqsQueueParameters.MaximumBatchingWindowInSeconds";
            return Err(PipesError::field(name, "Batching window is not supported for FIFO queues."));
        }
        if size > BATCH_WITHOUT_WINDOW_MAX && (fifo || window.is_zero()) {
            return Err(bad(format!(
                "BatchSize {size} needs a MaximumBatchingWindowInSeconds greater than 0, and a standard queue."
            )));
        }
        Ok(())
    }

    fn check_target(&self) -> Result<(), PipesError> {
        let Some(parameters) = &self.target_parameters else { return self.check_group(false) };
        refuse_unknown("TargetParameters", &parameters.unknown)?;
        let given = [
            (Kind::Function, "LambdaFunctionParameters", parameters.lambda_function_parameters.is_some()),
            (Kind::Queue, "SqsQueueParameters", parameters.sqs_queue_parameters.is_some()),
            (Kind::Bus, "EventBridgeEventBusParameters", parameters.event_bridge_event_bus_parameters.is_some()),
            (Kind::LogGroup, "CloudWatchLogsParameters", parameters.cloud_watch_logs_parameters.is_some()),
            (Kind::Gateway, "HttpParameters", parameters.http_parameters.is_some()),
        ];
        let own = Kind::of(&self.target);
        if let Some((_, name, _)) = given.iter().find(|(kind, _, given)| *given && own != Some(*kind)) {
            return Err(foreign(&format!("TargetParameters.{name}")));
        }
        if let Some(bus) = &parameters.event_bridge_event_bus_parameters {
            if bus.endpoint_id.is_some() {
                return Err(unsupported("TargetParameters.EventBridgeEventBusParameters.EndpointId"));
            }
            if bus.source.as_deref().is_some_and(|source| source.starts_with("aws.")) {
                let name = "TargetParameters.EventBridgeEventBusParameters.Source";
                return Err(PipesError::field(name, "Must not begin with aws."));
            }
        }
        self.check_group(parameters.sqs_queue_parameters.as_ref().is_some_and(|queue| queue.message_group_id.is_some()))
    }

    fn check_group(&self, grouped: bool) -> Result<(), PipesError> {
        let fifo = Kind::of(&self.target) == Some(Kind::Queue) && self.target.resource().ends_with(".fifo");
        if fifo && !grouped {
            let name = "TargetParameters.SqsQueueParameters.MessageGroupId";
            return Err(PipesError::field(name, "Missing required parameter."));
        }
        Ok(())
    }
}

fn foreign(name: &str) -> PipesError {
    PipesError::field(name, "Parameter is not of the type of the resource that it is given for.")
}

/// A queue or topic that is told of what is given up.
fn check_dead_letter(text: Option<&str>) -> Result<(), PipesError> {
    let fits = |arn: Arn| matches!(arn.service(), "sqs" | "sns") && !arn.resource().ends_with(".fifo");
    match text {
        Some(text) if !text.parse::<Arn>().is_ok_and(fits) => {
            let name = "SourceParameters.DynamoDBStreamParameters.DeadLetterConfig.Arn";
            Err(PipesError::field(name, "Must be the ARN of a standard queue or topic."))
        }
        _ => Ok(()),
    }
}

fn check_logs(logs: &LogConfiguration) -> Result<(), PipesError> {
    refuse_unknown("LogConfiguration", &logs.unknown)?;
    if logs.level != "OFF" && logs.cloudwatch_logs_log_destination.is_none() {
        return Err(PipesError::field("LogConfiguration", "Missing required parameter: a log destination."));
    }
    Ok(())
}

impl Pipes {
    /// A call as a session of a pipe's role, in a causal tree of its own.
    pub(crate) async fn call_as(&self, id: &PipeId, role: &Arn, trace: Trace) -> Result<Call, ServiceError> {
        let session = self.ports.identity.session(role, PRINCIPAL, &id.name).await?;
        let call = Call::from_service(&self.env, PRINCIPAL, Some(&id.arn()), id.account, id.region.clone(), trace);
        Ok(Call { principal: Arc::new(session), ..call })
    }

    /// Whether a pipe's role may take from its source, and the source is there; what is known of a stream.
    pub(crate) async fn check_source(&self, id: &PipeId, pipe: &Pipe) -> Result<Option<StreamFacts>, Unfit> {
        let Some(sources) = self.sources.get() else {
            return Err(ServiceError::new(500, "InternalException", "Sources are not available yet.").into());
        };
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let own = match self.call_as(id, &pipe.role, trace).await {
            Ok(own) => own,
            Err(error) if error.status() >= 500 => return Err(error.into()),
            Err(_) => return Err(reason("The role defined for the pipe cannot be assumed by EventBridge Pipes.")),
        };
        let (service, shown, actions): (_, _, &[&str]) = match pipe.of_stream() {
            true => ("dynamodb", "DynamoDB", &STREAM_ACTIONS),
            false => ("sqs", "SQS", &QUEUE_ACTIONS),
        };
        for action in actions {
            self.check_allowed(&own, (service, shown, action), &pipe.source).await?;
        }
        if !pipe.of_stream() {
            let words = |error: &ServiceError| {
                let (code, message) = (error.query_code(), error.message());
                format!("Error occurred while ReceiveMessage. SQS Error Code: {code}. SQS Error Message: {message}")
            };
            let facts = sources.queues.facts(&own, &pipe.source).await;
            return facts.map(|_| None).map_err(|error| gone(&error, words(&error)));
        }
        if let Some(to) = pipe.stream_settings().and_then(|settings| settings.on_failure) {
            let action = if to.service() == "sns" { ("sns", "SNS", "Publish") } else { ("sqs", "SQS", "SendMessage") };
            self.check_allowed(&own, action, &to).await?;
        }
        let facts = sources.streams.facts(&own, &pipe.source).await;
        facts.map(Some).map_err(|error| gone(&error, format!("Stream not found: {}", pipe.source)))
    }

    async fn check_allowed(
        &self,
        own: &Call,
        (service, shown, action): (&str, &str, &str),
        resource: &Arn,
    ) -> Result<(), Unfit> {
        let full = format!("{service}:{action}");
        let access = Access { action: &full, resource: resource.as_str(), ..Access::default() };
        match self.ports.identity.allows(own, &access).await? {
            true => Ok(()),
            false => {
                Err(reason(format!("The provided customer role does not have permissions to call {action} on {shown}")))
            }
        }
    }
}

fn gone(error: &ServiceError, words: String) -> Unfit {
    if error.status() >= 500 { Unfit::Error(error.clone()) } else { reason(words) }
}
