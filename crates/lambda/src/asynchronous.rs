//! Asynchronous invocations: events that others caused, or callers left behind, carried by the delivery engine.
//!
//! AWS: Lambda Developer Guide, *Invoking a Lambda function asynchronously* and *How Lambda handles errors and retries with
//! asynchronous invocation*.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::ports::Access;
use cauce_core::{Arn, Call, RequestId, ServiceError, SpanId};
use cauce_delivery::{Acceptance, Effect, EffectId, LETTER, Outcome, Policy, ROLE_ARN, Settled, Target, message};
use cauce_store::Tx;
use parking_lot::Mutex;
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::{Error, Throttle};
use crate::flight::LogWish;
use crate::model::Deployment;
use crate::name::{FunctionRef, LATEST};
use crate::sandbox::Work;
use crate::service::Lambda;

/// Invocations of one function that the engine has under way at once, unless its reserved concurrency is lower. More only
/// pays for functions that mostly wait; they can be called synchronously a thousand at a time.
const LANE_CONCURRENCY: usize = 32;

/// The name by which Lambda acts.
const SERVICE: &str = "lambda.amazonaws.com";

/// Attributes of an effect that Lambda sends to itself.
const REQUEST_ID: &str = "request-id";
const CLIENT_CONTEXT: &str = "client-context";

/// What functions answered, from the attempt to the moment at which the engine records its end, by the effect's place in its
/// tree. Kept only for functions with destinations.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<SpanId, Answered>>);

struct Answered {
    payload: Bytes,
    executed_version: String,
    error: bool,
    request_id: String,
}

impl Lambda {
    /// What the delivery engine is given to perform effects on functions: `delivery.register("lambda", ...)`.
    pub fn target(self: &Arc<Self>) -> Arc<dyn Target> {
        Arc::new(FunctionTarget { lambda: Arc::downgrade(self) })
    }

    /// Accepts an event for later.
    pub(crate) async fn send_event(
        &self,
        call: &Call,
        reference: &FunctionRef,
        payload: Bytes,
        client_context: Option<String>,
    ) -> Result<(), Error> {
        let mut attributes = vec![(REQUEST_ID.to_owned(), call.request_id.to_string())];
        attributes.extend(client_context.map(|c| (CLIENT_CONTEXT.to_owned(), c)));
        let effect = Effect {
            target: reference.arn(),
            cause: format!("{} (asynchronous)", call.principal),
            service: SERVICE.to_owned(),
            source: None,
            account: call.account,
            region: call.region.clone(),
            trace: call.trace.child(self.env.entropy()),
            policy: Policy::asynchronous_invocation(),
            attributes,
            hops: 0,
            payload,
        };
        self.db.transact(async |tx| Ok::<_, Error>(self.ports.delivery.send(&tx, effect.clone()).await?)).await
    }

    /// Refuses a sender whom neither the function's policy nor the role it acts under lets in.
    async fn check_source(&self, effect: &Effect, deployment: &Deployment) -> Result<(), ServiceError> {
        // What was sent by Invoke was authorized there.
        if effect.service == SERVICE && effect.source.is_none() {
            return Ok(());
        }
        let access = Access {
            action: "lambda:InvokeFunction",
            resource: effect.target.as_str(),
            resource_policy: deployment.policy.as_deref(),
            context: Vec::new(),
        };
        effect.authorize(&*self.ports.identity, &self.env, &access).await
    }

    async fn attempt(&self, id: EffectId, effect: &Effect, tries: u32) -> Outcome {
        let fail =
            |error: ServiceError| Outcome::Fail { code: error.code().to_owned(), reason: error.message().to_owned() };
        let Some(reference) = FunctionRef::from_arn(&effect.target) else {
            return fail(Error::no_function(&effect.target).into());
        };
        let deployment = match self.deployment(&reference).await {
            Ok(deployment) => deployment,
            Err(error @ Error::NotFound(_)) => return fail(error.into()),
            Err(error) => return retry(error.into(), true),
        };
        let request_id = effect.attribute(REQUEST_ID).map_or_else(|| uuid(id), str::to_owned);
        let work = Work {
            request_id: request_id.clone(),
            payload: effect.payload.clone(),
            invoked_arn: effect.target.to_string(),
            trace: effect.trace.header(),
            client_context: effect.attribute(CLIENT_CONTEXT).map(str::to_owned),
        };
        let age = self.env.now().since(id.born());
        let (plan, flown) = match self.run(&deployment, work, LogWish { tail: false, written: true }).await {
            Ok(done) => done,
            // AWS sends the events of a function that was switched off on their way without trying.
            Err(error @ Error::Throttled(Throttle::Reserved)) if deployment.reserved_concurrency == Some(0) => {
                return fail(error.into());
            }
            Err(error @ Error::Throttled(_)) => return retry(error.into(), false),
            Err(error) => return retry(error.into(), true),
        };
        if let Some(meters) = self.meters_of(effect.target.as_str()) {
            meters.waited(age);
        }
        // An invocation is recorded as done only when what it said is on its way to stay.
        if let Some(written) = flown.written {
            let _ = written.await;
        }
        // An answer that another attempt will replace need not be kept.
        let last = flown.error.is_none() || tries > effect.policy.retries_max;
        if deployment.event_invoke.is_some() && last {
            let answered = Answered {
                payload: flown.payload.clone(),
                executed_version: plan.version.clone(),
                error: flown.error.is_some(),
                request_id: request_id.clone(),
            };
            self.answers.0.lock().insert(effect.trace.span, answered);
        }
        match flown.error {
            None => Outcome::Done { detail: request_id },
            Some(_) => Outcome::Retry { code: flown.error_kind, reason: message_of(&flown.payload), counts: true },
        }
    }

    /// Sends what follows from the end of an asynchronous invocation.
    async fn follow(&self, tx: &Tx, effect: &Effect, end: &Settled<'_>) -> Result<(), ServiceError> {
        let answered = self.answers.0.lock().remove(&effect.trace.span);
        if let (true, Some(meters)) = (end.given_up, self.meters_of(effect.target.as_str())) {
            tx.on_commit(move || meters.dropped());
        }
        let Some(reference) = FunctionRef::from_arn(&effect.target) else { return Ok(()) };
        let deployment = match self.deployment(&reference).await {
            Ok(deployment) => deployment,
            // A function that is gone has no destinations any more.
            Err(Error::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let destinations = deployment.event_invoke.as_ref();
        let destination =
            destinations.and_then(|d| if end.given_up { d.on_failure.as_ref() } else { d.on_success.as_ref() });
        if let Some(arn) = destination {
            let record = self.record(effect, end, answered.as_ref());
            let result = if end.given_up { "Failure" } else { "Success" };
            let attributes = vec![
                ("detail-type".to_owned(), format!("Lambda Function Invocation Result - {result}")),
                ("source".to_owned(), "lambda".to_owned()),
                ("resource".to_owned(), qualified(&effect.target)),
            ];
            let cause = format!("{} (outcome)", effect.target.resource());
            self.send_on(tx, effect, &deployment, (arn, cause), attributes, record).await?;
        }
        if let (true, Some(queue)) = (end.given_up, &deployment.dead_letter) {
            let (code, reason) = outcome_words(end.outcome);
            let request_id = answered.as_ref().map_or_else(String::new, |a| a.request_id.clone());
            let request_id = effect.attribute(REQUEST_ID).map_or(request_id, str::to_owned);
            let status = if code == "TooManyRequestsException" { "429" } else { "200" };
            let attributes = vec![
                message::attribute("RequestID", "String", request_id),
                message::attribute("ErrorCode", "Number", status),
                message::attribute("ErrorMessage", "String", reason.chars().take(1_024).collect::<String>()),
            ];
            let cause = format!("{}{LETTER}", effect.target.resource());
            self.send_on(tx, effect, &deployment, (queue, cause), attributes, effect.payload.clone()).await?;
        }
        Ok(())
    }

    async fn send_on(
        &self,
        tx: &Tx,
        effect: &Effect,
        deployment: &Deployment,
        (to, cause): (&Arn, String),
        mut attributes: Vec<(String, String)>,
        payload: Bytes,
    ) -> Result<(), ServiceError> {
        // The function's own role is what the receiver asks about.
        attributes.push((ROLE_ARN.to_owned(), deployment.role.to_string()));
        let sent = Effect {
            target: to.clone(),
            cause,
            service: SERVICE.to_owned(),
            source: Some(effect.target.clone()),
            account: effect.account,
            region: effect.region.clone(),
            trace: effect.trace.child(self.env.entropy()),
            policy: Policy::asynchronous_invocation(),
            attributes,
            hops: effect.hops.saturating_add(1),
            payload,
        };
        self.ports.delivery.send(tx, sent).await
    }

    /// AWS: Lambda Developer Guide, *Capturing records of Lambda asynchronous invocations*.
    fn record(&self, effect: &Effect, end: &Settled<'_>, answered: Option<&Answered>) -> Bytes {
        let age_exceeded = matches!(end.outcome, Outcome::Retry { counts: false, .. });
        let condition = match (end.given_up, age_exceeded) {
            (false, _) => "Success",
            (true, true) => "EventAgeExceeded",
            (true, false) => "RetriesExhausted",
        };
        let raw = |bytes: &Bytes| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            RawValue::from_string(text).ok()
        };
        let request_id = effect.attribute(REQUEST_ID).or(answered.map(|a| a.request_id.as_str())).unwrap_or_default();
        let record = Record {
            version: "1.0",
            timestamp: self.env.now().iso_millis(),
            request_context: json!({
                "requestId": request_id,
                "functionArn": qualified(&effect.target),
                "condition": condition,
                "approximateInvokeCount": end.attempts,
            }),
            request_payload: raw(&effect.payload),
            response_context: answered.map(|a| {
                let mut context = json!({ "statusCode": 200, "executedVersion": a.executed_version });
                if let (true, Some(context)) = (a.error, context.as_object_mut()) {
                    context.insert("functionError".to_owned(), json!("Unhandled"));
                }
                context
            }),
            response_payload: answered.and_then(|a| raw(&a.payload)),
        };
        serde_json::to_vec(&record).unwrap_or_default().into()
    }
}

/// The ARN of a function as records name it: always with a version or an alias.
fn qualified(function: &Arn) -> String {
    match function.resource().matches(':').count() {
        1 => format!("{function}:{LATEST}"),
        _ => function.to_string(),
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    version: &'static str,
    timestamp: String,
    request_context: serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Box<RawValue>>,
}

fn retry(error: ServiceError, counts: bool) -> Outcome {
    Outcome::Retry { code: error.code().to_owned(), reason: error.message().to_owned(), counts }
}

fn outcome_words(outcome: &Outcome) -> (&str, &str) {
    match outcome {
        Outcome::Done { .. } => ("", ""),
        Outcome::Retry { code, reason, .. } | Outcome::Fail { code, reason } => (code, reason),
    }
}

/// The `errorMessage` of an error document, or its beginning.
fn message_of(document: &Bytes) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(document).ok();
    match parsed.as_ref().and_then(|d| d.get("errorMessage")).and_then(|m| m.as_str()) {
        Some(message) => message.chars().take(1_024).collect(),
        None => String::from_utf8_lossy(document).chars().take(1_024).collect(),
    }
}

/// The request id of an effect that brought none: the same at every attempt.
fn uuid(id: EffectId) -> String {
    let hex = format!("{:032x}", id.0);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("");
    RequestId::from_text(&format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
        .to_string()
}

/// Lambda as the delivery engine sees it.
struct FunctionTarget {
    /// The engine lives as long as the program, so it must not keep the service alive.
    lambda: Weak<Lambda>,
}

impl FunctionTarget {
    fn lambda(&self) -> Result<Arc<Lambda>, ServiceError> {
        self.lambda.upgrade().ok_or_else(|| Error::Throttled(Throttle::Closing).into())
    }
}

#[async_trait]
impl Target for FunctionTarget {
    async fn accept(&self, tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        let lambda = self.lambda()?;
        let Some(reference) = FunctionRef::from_arn(&effect.target) else {
            return Err(Error::no_function(&effect.target).into());
        };
        let deployment = lambda.deployment(&reference).await?;
        lambda.check_source(effect, &deployment).await?;
        let mut policy = Policy::asynchronous_invocation();
        if let Some(config) = &deployment.event_invoke {
            policy.retries_max = config.retries_max.unwrap_or(policy.retries_max);
            policy.age_max_ms = config.age_max_s.map_or(policy.age_max_ms, |s| u64::from(s) * 1_000);
        }
        if let Some(meters) = lambda.meters_of(effect.target.as_str()) {
            tx.on_commit(move || meters.received());
        }
        Ok(Acceptance::Later(Some(policy)))
    }

    async fn perform(&self, id: EffectId, effect: &Effect, attempt: u32) -> Outcome {
        match self.lambda() {
            Ok(lambda) => lambda.attempt(id, effect, attempt).await,
            Err(error) => retry(error, false),
        }
    }

    async fn settled(&self, tx: &Tx, effect: &Effect, end: &Settled<'_>) -> Result<(), ServiceError> {
        self.lambda()?.follow(tx, effect, end).await
    }

    fn concurrency(&self, _target: &Arn) -> usize {
        LANE_CONCURRENCY
    }
}
