//! What a mapping of a stream is told besides what every mapping is.

use cauce_core::Arn;
use cauce_sources::stream::StreamSettings;

use super::input::CreateMapping;
use crate::error::Error;

/// The size of a batch where nothing is said. AWS: 100 for streams.
pub(super) const BATCH_DEFAULT: usize = 100;

/// The least age, in seconds, by which records can be given up.
const AGE_S_MIN: i64 = 60;

fn invalid(message: impl Into<String>) -> Error {
    Error::InvalidParameter(message.into())
}

/// The settings of a new mapping.
pub(super) fn settings(input: &CreateMapping, source: &Arn) -> Result<StreamSettings, Error> {
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
    Ok(StreamSettings::new(latest))
}

/// Takes over what a request says.
pub(super) fn apply(settings: &mut StreamSettings, input: &CreateMapping) -> Result<(), Error> {
    if let Some(window) = input.tumbling_window_in_seconds {
        settings.tumbling_s = u32::try_from(window).unwrap_or(0);
    }
    if let Some(lanes) = input.parallelization_factor {
        settings.lanes = u16::try_from(lanes).unwrap_or(1);
    }
    if let Some(bisects) = input.bisect_batch_on_function_error {
        settings.bisects = bisects;
    }
    if let Some(retries) = input.maximum_retry_attempts {
        settings.retries_max = u32::try_from(retries).ok();
    }
    if let Some(age) = input.maximum_record_age_in_seconds {
        if (0..AGE_S_MIN).contains(&age) {
            return Err(invalid(format!("MaximumRecordAgeInSeconds must be -1, or at least {AGE_S_MIN}: {age}")));
        }
        settings.age_max_s = u32::try_from(age).ok();
    }
    if let Some(config) = &input.destination_config {
        if config.success().is_some() {
            return Err(invalid("Unsupported OnSuccess parameter for given event source mapping type."));
        }
        settings.on_failure = config.failure().map(destination).transpose()?;
    }
    Ok(())
}

/// A queue or topic that is told of failures.
fn destination(text: &str) -> Result<Arn, Error> {
    match text.parse::<Arn>() {
        Ok(arn) if matches!(arn.service(), "sqs" | "sns") && !arn.resource().ends_with(".fifo") => Ok(arn),
        Ok(arn) if arn.service() == "s3" => Err(invalid("Destinations of s3 are not supported by this server.")),
        _ => Err(invalid(format!("The provided destination config DestinationConfig is invalid: {text}"))),
    }
}
