//! Whether a function's role may follow a stream, and tell a destination of what is given up.

use cauce_core::ports::{Access, StreamFacts};
use cauce_core::{Arn, Call};
use cauce_sources::{STREAM_ACTIONS, Sources};

use crate::error::Error;
use crate::service::Lambda;

fn invalid(message: impl Into<String>) -> Error {
    Error::InvalidParameter(message.into())
}

impl Lambda {
    /// Refuses a mapping whose function's role, whose session `own` is, may not follow the stream; what is known of that.
    pub(crate) async fn check_stream(
        &self,
        sources: &Sources,
        own: &Call,
        stream: &Arn,
        on_failure: Option<&Arn>,
    ) -> Result<StreamFacts, Error> {
        for action in STREAM_ACTIONS {
            if !self.allows(own, &format!("dynamodb:{action}"), stream).await? {
                return Err(invalid(format!(
                    "Cannot access stream {stream}. Please ensure the role can perform the GetRecords, GetShardIterator, \
                     DescribeStream, and ListStreams Actions on your stream in IAM."
                )));
            }
        }
        if let Some(to) = on_failure {
            let (action, service) = if to.service() == "sns" { ("Publish", "SNS") } else { ("SendMessage", "SQS") };
            if !self.allows(own, &format!("{}:{action}", to.service()), to).await? {
                return Err(invalid(format!(
                    "The provided execution role does not have permissions to call {action} on {service}"
                )));
            }
        }
        match sources.streams.facts(own, stream).await {
            Ok(facts) => Ok(facts),
            Err(error) if error.code() == "ResourceNotFoundException" => {
                Err(invalid(format!("Stream not found: {stream}")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the role whose session `own` is may do that.
    pub(super) async fn allows(&self, own: &Call, action: &str, resource: &Arn) -> Result<bool, Error> {
        let access = Access { action, resource: resource.as_str(), ..Access::default() };
        Ok(self.ports.identity.allows(own, &access).await?)
    }
}
