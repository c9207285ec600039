//! Whether a function's role may follow a stream, and tell a destination of what is given up.

use cauce_core::ports::{Access, StreamFacts, Verdict};
use cauce_core::{Arn, Call};
use cauce_sources::Sources;

use crate::error::Error;
use crate::service::Lambda;

/// What a follower must be allowed to do with its stream.
const ACTIONS: [&str; 4] = ["GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"];

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
        for action in ACTIONS {
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

    async fn allows(&self, own: &Call, action: &str, resource: &Arn) -> Result<bool, Error> {
        let access = Access { action, resource: resource.as_str(), ..Access::default() };
        Ok(!matches!(self.ports.identity.explain(own, &access).await?, Verdict::Denied(_)))
    }
}
