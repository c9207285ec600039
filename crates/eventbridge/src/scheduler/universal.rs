//! Universal targets: any operation of any service, named `arn:aws:scheduler:::aws-sdk:SERVICE:OPERATION`.
//!
//! AWS: EventBridge Scheduler User Guide, "Using universal targets".

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{Arn, Call, ServiceError};
use cauce_delivery::{Acceptance, Effect, EffectId, Outcome, ROLE_ARN, Target};
use cauce_store::Tx;

use super::error::SchedulerError;
use super::service::{PRINCIPAL, Scheduler};

/// How the ARNs of universal targets begin.
const PREFIX: &str = "arn:aws:scheduler:::aws-sdk:";

/// The beginnings of operations that only read, which a schedule cannot use.
const READS: [&str; 9] = ["get", "describe", "list", "poll", "receive", "search", "scan", "query", "select"];

/// The names of services in the SDKs where signatures have others.
const NAMES: [(&str, &str); 4] =
    [("eventbridge", "events"), ("cloudwatchlogs", "logs"), ("cloudwatch", "monitoring"), ("sfn", "states")];

/// An operation of a service.
pub(crate) struct Universal<'a> {
    service: &'a str,
    operation: &'a str,
}

impl<'a> Universal<'a> {
    /// The operation that an ARN names; `None` if it is the ARN of something else.
    pub(crate) fn parse(arn: &'a Arn) -> Option<Result<Universal<'a>, SchedulerError>> {
        let rest = arn.as_str().strip_prefix(PREFIX)?;
        let invalid = || SchedulerError::Invalid(format!("Provided Arn {arn} is not valid."));
        let lower = |text: &str| !text.is_empty() && text.starts_with(|c: char| c.is_ascii_lowercase());
        let parts = rest.split_once(':').filter(|(service, operation)| {
            lower(service) && lower(operation) && operation.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        Some(parts.map(|(service, operation)| Universal { service, operation }).ok_or_else(invalid))
    }

    /// The service as signatures name it.
    pub(crate) fn service(&self) -> &'a str {
        NAMES.iter().find(|(sdk, _)| *sdk == self.service).map_or(self.service, |(_, signing)| signing)
    }

    /// The operation as its model names it.
    pub(crate) fn operation(&self) -> String {
        let mut letters = self.operation.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
    }

    pub(crate) fn reads(&self) -> bool {
        READS.iter().any(|verb| self.operation.starts_with(verb))
    }

    pub(crate) fn shown(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }
}

/// Performs universal targets; register it for `scheduler`.
pub struct UniversalTarget {
    scheduler: Arc<Scheduler>,
}

impl UniversalTarget {
    /// The target for the schedules of `scheduler`.
    pub fn new(scheduler: Arc<Scheduler>) -> UniversalTarget {
        UniversalTarget { scheduler }
    }

    /// The caller that the operation is done as: a session of the schedule's role.
    async fn caller(&self, effect: &Effect) -> Result<Call, ServiceError> {
        let env = &self.scheduler.env;
        let source = effect.source.as_ref();
        let mut call = Call::from_service(env, PRINCIPAL, source, effect.account, effect.region.clone(), effect.trace);
        let role: Arn = effect.attribute(ROLE_ARN).unwrap_or_default().parse().map_err(ServiceError::internal)?;
        let session = format!("{:016x}", env.entropy().u64());
        call.principal = Arc::new(self.scheduler.identity.session(&role, PRINCIPAL, &session).await?);
        Ok(call)
    }
}

fn failed(error: &ServiceError) -> Outcome {
    let (code, reason) = (error.code().to_owned(), error.message().to_owned());
    if error.status() >= 500 { Outcome::Retry { code, reason, counts: true } } else { Outcome::Fail { code, reason } }
}

#[async_trait]
impl Target for UniversalTarget {
    async fn accept(&self, _tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        match Universal::parse(&effect.target) {
            Some(Ok(_)) => Ok(Acceptance::Later(None)),
            Some(Err(error)) => Err(error.into()),
            None => Err(ServiceError::new(404, "NO_RESOURCE", format!("{} is no universal target", effect.target))),
        }
    }

    async fn perform(&self, _id: EffectId, effect: &Effect, _attempt: u32) -> Outcome {
        let universal = match Universal::parse(&effect.target) {
            Some(Ok(universal)) => universal,
            _ => {
                let reason = format!("{} is no universal target", effect.target);
                return Outcome::Fail { code: "NO_RESOURCE".to_owned(), reason };
            }
        };
        let call = match self.caller(effect).await {
            Ok(call) => call,
            Err(error) => return failed(&error),
        };
        let services = &self.scheduler.services;
        let (service, operation) = (universal.service(), universal.operation());
        let answer = services.operation(&call, service, &operation, effect.payload.clone()).await;
        if answer.status < 300 {
            return Outcome::Done { detail: format!("{service}:{operation} {}", answer.status) };
        }
        let header = |name: &str| answer.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let code = header("x-amzn-errortype").unwrap_or_else(|| answer.status.to_string());
        let reason = String::from_utf8_lossy(answer.body.get(..1_024).unwrap_or(&answer.body)).into_owned();
        match answer.status {
            429 | 503 => Outcome::Retry { code, reason, counts: false },
            500.. => Outcome::Retry { code, reason, counts: true },
            _ if code.contains("Throttl") => Outcome::Retry { code, reason, counts: false },
            _ => Outcome::Fail { code, reason },
        }
    }
}
