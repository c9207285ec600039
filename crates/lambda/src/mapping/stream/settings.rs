//! What a mapping of a stream is told besides what every mapping is.

use cauce_core::Arn;
use serde::{Deserialize, Serialize};

use super::super::input::CreateMapping;
use crate::error::Error;

/// The size of a batch where nothing is said. AWS: 100 for streams.
pub(crate) const BATCH_DEFAULT: usize = 100;

/// The least age, in seconds, by which records can be given up.
const AGE_S_MIN: i64 = 60;

/// The settings of a mapping of a stream, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamSettings {
    /// Whether it began behind what was there; else with the oldest record.
    pub(crate) latest: bool,
    /// How many lanes follow a shard.
    pub(crate) lanes: u16,
    /// Whether a batch that failed is halved.
    pub(crate) bisects: bool,
    /// How often a batch is tried again; none: until it succeeds.
    pub(crate) retries_max: Option<u32>,
    /// How old records may be, in seconds; none: as old as there are.
    pub(crate) age_max_s: Option<u32>,
    /// Who is told of batches that were given up.
    pub(crate) on_failure: Option<Arn>,
    /// How long a tumbling window lasts, in seconds; 0: there are none.
    #[serde(default)]
    pub(crate) tumbling_s: u32,
}

fn invalid(message: impl Into<String>) -> Error {
    Error::InvalidParameter(message.into())
}

impl StreamSettings {
    /// Those of a new mapping.
    pub(crate) fn new(input: &CreateMapping, source: &Arn) -> Result<StreamSettings, Error> {
        let latest = match input.starting_position.as_deref() {
            Some("LATEST") => true,
            Some("TRIM_HORIZON") => false,
            Some(_) => return Err(invalid(format!("Unsupported starting position for arn type: {source}"))),
            None => {
                return Err(invalid(
                    "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must \
                     not be null.",
                ));
            }
        };
        let (bisects, retries_max, age_max_s, on_failure) = (false, None, None, None);
        Ok(StreamSettings { latest, lanes: 1, bisects, retries_max, age_max_s, on_failure, tumbling_s: 0 })
    }

    /// Takes over what a request says.
    pub(crate) fn apply(&mut self, input: &CreateMapping) -> Result<(), Error> {
        if let Some(window) = input.tumbling_window_in_seconds {
            self.tumbling_s = u32::try_from(window).unwrap_or(0);
        }
        if let Some(lanes) = input.parallelization_factor {
            self.lanes = u16::try_from(lanes).unwrap_or(1);
        }
        if let Some(bisects) = input.bisect_batch_on_function_error {
            self.bisects = bisects;
        }
        if let Some(retries) = input.maximum_retry_attempts {
            self.retries_max = u32::try_from(retries).ok();
        }
        if let Some(age) = input.maximum_record_age_in_seconds {
            if (0..AGE_S_MIN).contains(&age) {
                return Err(invalid(format!("MaximumRecordAgeInSeconds must be -1, or at least {AGE_S_MIN}: {age}")));
            }
            self.age_max_s = u32::try_from(age).ok();
        }
        if let Some(config) = &input.destination_config {
            if config.success().is_some() {
                return Err(invalid("Unsupported OnSuccess parameter for given event source mapping type."));
            }
            self.on_failure = config.failure().map(destination).transpose()?;
        }
        Ok(())
    }
}

/// A queue or topic that is told of failures.
fn destination(text: &str) -> Result<Arn, Error> {
    match text.parse::<Arn>() {
        Ok(arn) if matches!(arn.service(), "sqs" | "sns") && !arn.resource().ends_with(".fifo") => Ok(arn),
        Ok(arn) if arn.service() == "s3" => Err(invalid("Destinations of s3 are not supported by this server.")),
        _ => Err(invalid(format!("The provided destination config DestinationConfig is invalid: {text}"))),
    }
}
