//! How asynchronous invocations are repeated, and where their outcomes go.
//!
//! AWS: Lambda API, *PutFunctionEventInvokeConfig* and its siblings.

use std::sync::Arc;

use cauce_core::{Arn, Call, Timestamp, Violations};
use cauce_store::{RangeReq, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::function::{FunctionInput, marker, read_marker};
use crate::keys;
use crate::model::EventInvokeRecord;
use crate::name::{FunctionName, FunctionRef, check_name, check_qualifier};
use crate::service::Lambda;

/// Configurations on one page of a list. AWS: 50.
const PAGE_MAX: usize = 50;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DestinationConfig {
    #[serde(default)]
    on_success: Destination,
    #[serde(default)]
    on_failure: Destination,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
}

impl DestinationConfig {
    /// That of failures only.
    pub(crate) fn of_failures(destination: Option<&Arn>) -> DestinationConfig {
        let destination = destination.map(Arn::to_string);
        DestinationConfig { on_failure: Destination { destination }, ..DestinationConfig::default() }
    }

    /// Who is told of successes.
    pub(crate) fn success(&self) -> Option<&str> {
        self.on_success.destination.as_deref().filter(|text| !text.is_empty())
    }

    /// Who is told of failures.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.on_failure.destination.as_deref().filter(|text| !text.is_empty())
    }
}

/// AWS: *PutFunctionEventInvokeConfig* and *UpdateFunctionEventInvokeConfig*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EventInvokeInput {
    pub(crate) function_name: String,
    pub(crate) qualifier: Option<String>,
    pub(crate) maximum_retry_attempts: Option<i64>,
    pub(crate) maximum_event_age_in_seconds: Option<i64>,
    pub(crate) destination_config: Option<DestinationConfig>,
}

impl Input for EventInvokeInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        check_qualifier(v, self.qualifier.as_deref());
        if let Some(n) = self.maximum_retry_attempts {
            v.range("MaximumRetryAttempts", n, 0, 2);
        }
        if let Some(n) = self.maximum_event_age_in_seconds {
            v.range("MaximumEventAgeInSeconds", n, 60, 21_600);
        }
    }
}

/// AWS: *ListFunctionEventInvokeConfigs*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListEventInvokesInput {
    pub(crate) function_name: String,
    pub(crate) marker: Option<String>,
    pub(crate) max_items: Option<i64>,
}

impl Input for ListEventInvokesInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        if let Some(n) = self.max_items {
            v.range("MaxItems", n, 1, 50);
        }
    }
}

/// AWS: *FunctionEventInvokeConfig*.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EventInvokeShown {
    last_modified: Timestamp,
    function_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_retry_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_event_age_in_seconds: Option<u32>,
    destination_config: DestinationConfig,
}

/// AWS: *ListFunctionEventInvokeConfigs*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListEventInvokesOutput {
    function_event_invoke_configs: Vec<EventInvokeShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
}

fn shown(name: &FunctionName, qualifier: &str, record: EventInvokeRecord) -> EventInvokeShown {
    let destination = |arn: Option<Arn>| Destination { destination: arn.map(|a| a.to_string()) };
    EventInvokeShown {
        last_modified: record.modified,
        function_arn: name.qualified(qualifier).to_string(),
        maximum_retry_attempts: record.retries_max,
        maximum_event_age_in_seconds: record.age_max_s,
        destination_config: DestinationConfig {
            on_success: destination(record.on_success),
            on_failure: destination(record.on_failure),
        },
    }
}

fn missing(reference: &FunctionRef) -> Error {
    let arn = reference.function.qualified(reference.qualifier_or_latest());
    Error::NotFound(format!("The function {arn} doesn't have an EventInvokeConfig"))
}

fn destination(function: &FunctionName, given: Option<&str>) -> Result<Option<Arn>, Error> {
    let Some(text) = given.filter(|t| !t.is_empty()) else { return Ok(None) };
    let arn: Option<Arn> = text.parse().ok();
    match arn {
        Some(arn) if matches!(arn.service(), "sqs" | "sns" | "events" | "lambda" | "s3") => {
            if arn.as_str() == function.arn().as_str() {
                return Err(Error::InvalidParameter(
                    "You can't specify the function as a destination for itself.".to_owned(),
                ));
            }
            Ok(Some(arn))
        }
        _ => Err(Error::InvalidParameter(format!(
            "The provided destination config DestinationConfig is invalid: {text}"
        ))),
    }
}

impl Lambda {
    pub(crate) async fn put_event_invoke(
        self: Arc<Self>,
        call: Call,
        input: EventInvokeInput,
    ) -> Result<EventInvokeShown, Error> {
        self.write_event_invoke(&call, input, false).await
    }

    pub(crate) async fn update_event_invoke(
        self: Arc<Self>,
        call: Call,
        input: EventInvokeInput,
    ) -> Result<EventInvokeShown, Error> {
        self.write_event_invoke(&call, input, true).await
    }

    async fn write_event_invoke(
        &self,
        call: &Call,
        input: EventInvokeInput,
        update: bool,
    ) -> Result<EventInvokeShown, Error> {
        let reference = FunctionRef::resolve(call, &input.function_name, input.qualifier.as_deref())?;
        let name = &reference.function;
        let qualifier = reference.qualifier_or_latest();
        let number = |n: Option<i64>| n.and_then(|n| u32::try_from(n).ok());
        let destinations = match &input.destination_config {
            Some(config) => Some((
                destination(name, config.on_success.destination.as_deref())?,
                destination(name, config.on_failure.destination.as_deref())?,
            )),
            None => None,
        };
        let now = self.env.now();
        let record = self
            .db
            .transact(async |tx| {
                self.configuration(&tx, &reference).await?;
                let key = keys::event_invoke(name, qualifier);
                let found: Option<EventInvokeRecord> = tx.get_record(&key).await?;
                let mut record = match (found, update) {
                    (Some(found), true) => found,
                    (None, true) => return Err(missing(&reference)),
                    (_, false) => EventInvokeRecord {
                        retries_max: None,
                        age_max_s: None,
                        on_success: None,
                        on_failure: None,
                        modified: now,
                    },
                };
                record.modified = now;
                record.retries_max = number(input.maximum_retry_attempts).or(record.retries_max);
                record.age_max_s = number(input.maximum_event_age_in_seconds).or(record.age_max_s);
                if let Some((on_success, on_failure)) = &destinations {
                    record.on_success.clone_from(on_success);
                    record.on_failure.clone_from(on_failure);
                }
                tx.set_record(key, &record)?;
                Ok(record)
            })
            .await?;
        self.changed(name);
        Ok(shown(name, qualifier, record))
    }

    pub(crate) async fn get_event_invoke(
        self: Arc<Self>,
        call: Call,
        input: FunctionInput,
    ) -> Result<EventInvokeShown, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        let tx = self.db.begin();
        self.configuration(&tx, &reference).await?;
        let qualifier = reference.qualifier_or_latest();
        let found: Option<EventInvokeRecord> =
            tx.get_record(&keys::event_invoke(&reference.function, qualifier)).await?;
        Ok(shown(&reference.function, qualifier, found.ok_or_else(|| missing(&reference))?))
    }

    pub(crate) async fn delete_event_invoke(self: Arc<Self>, call: Call, input: FunctionInput) -> Result<(), Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        let key = keys::event_invoke(&reference.function, reference.qualifier_or_latest());
        self.db
            .transact(async |tx| {
                self.configuration(&tx, &reference).await?;
                if tx.get(&key).await?.is_none() {
                    return Err(missing(&reference));
                }
                tx.clear(key.clone());
                Ok(())
            })
            .await?;
        self.changed(&reference.function);
        Ok(())
    }

    pub(crate) async fn list_event_invokes(
        self: Arc<Self>,
        call: Call,
        input: ListEventInvokesInput,
    ) -> Result<ListEventInvokesOutput, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = &reference.function;
        self.function(&self.db.begin(), &reference).await?;
        let most = input.max_items.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let mut request = RangeReq::new(keys::event_invokes(name), most);
        if let Some(after) = input.marker.as_deref().map(read_marker).transpose()? {
            request = request.after(&keys::event_invoke(name, &after));
        }
        let page = self.db.range(request).await?;
        let mut configs = Vec::new();
        let mut last = None;
        for row in &page.rows {
            let qualifier = keys::event_invoke_of(&row.key)?;
            configs.push(shown(name, &qualifier, decode_row(row)?));
            last = Some(qualifier);
        }
        let next_marker = last.filter(|_| page.more).map(|l| marker(&l));
        Ok(ListEventInvokesOutput { function_event_invoke_configs: configs, next_marker })
    }
}
