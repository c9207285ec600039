//! What anybody may ask without a signature: to confirm a subscription with its token, to end one by the link in its messages,
//! the certificate that verifies signatures.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{Call, RequestId, ServiceError};
use cauce_wire::{Body, RawRequest, RawService, RawStyle, RequestHead};
use http::{Method, Response, StatusCode, Uri};
use percent_encoding::percent_decode_str;

use crate::error::Error;
use crate::service::{Sns, XMLNS};
use crate::signature::{PATH_PREFIX, PATH_SUFFIX};
use crate::subscribe::{ConfirmSubscription, Unsubscribe};

/// Serves the links in what SNS sends.
pub struct Site {
    sns: Arc<Sns>,
}

/// What a request without a signature asks for.
enum Asked {
    Certificate,
    Confirm(ConfirmSubscription),
    Unsubscribe(Unsubscribe),
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Whether the path is one of a certificate.
fn is_certificate(path: &str) -> bool {
    path.starts_with(PATH_PREFIX) && path.ends_with(PATH_SUFFIX)
}

fn asked(method: &Method, uri: &Uri) -> Option<Asked> {
    if method != Method::GET {
        return None;
    }
    if is_certificate(uri.path()) {
        return Some(Asked::Certificate);
    }
    if uri.path() != "/" {
        return None;
    }
    match parameter(uri, "Action")?.as_str() {
        "ConfirmSubscription" => Some(Asked::Confirm(ConfirmSubscription {
            topic_arn: parameter(uri, "TopicArn").unwrap_or_default(),
            token: parameter(uri, "Token").unwrap_or_default(),
            authenticate_on_unsubscribe: parameter(uri, "AuthenticateOnUnsubscribe"),
        })),
        "Unsubscribe" => {
            let subscription_arn = parameter(uri, "SubscriptionArn").unwrap_or_default();
            Some(Asked::Unsubscribe(Unsubscribe { subscription_arn }))
        }
        _ => None,
    }
}

impl Site {
    /// The links of `sns`.
    pub fn new(sns: Arc<Sns>) -> Site {
        Site { sns }
    }

    async fn answer(&self, call: &Call, uri: &Uri, asked: Asked) -> Result<(&'static str, String), Error> {
        let id = &call.request_id;
        match asked {
            Asked::Certificate => {
                let signer = self.sns.signer().await?;
                if signer.path() != uri.path() {
                    return Err(Error::NotFound("Certificate does not exist"));
                }
                Ok(("application/x-pem-file", signer.certificate().to_owned()))
            }
            Asked::Confirm(input) => {
                let region = input.topic_arn.split(':').nth(3).and_then(|region| region.parse().ok());
                let call = Call { region: region.unwrap_or_else(|| call.region.clone()), ..call.clone() };
                let arn = Arc::clone(&self.sns).confirm_subscription(call, input).await?.subscription_arn;
                let result = format!(
                    "<ConfirmSubscriptionResult><SubscriptionArn>{}</SubscriptionArn></ConfirmSubscriptionResult>",
                    escaped(&arn)
                );
                Ok(("text/xml", document("ConfirmSubscription", &result, id)))
            }
            Asked::Unsubscribe(input) => {
                Arc::clone(&self.sns).unsubscribe(call.clone(), input).await?;
                Ok(("text/xml", document("Unsubscribe", "", id)))
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn document(operation: &str, result: &str, id: &RequestId) -> String {
    format!(
        "<{operation}Response xmlns=\"{XMLNS}\">{result}<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\
         </{operation}Response>\n"
    )
}

fn refusal(error: &ServiceError, id: &RequestId) -> String {
    let kind = if error.status() < 500 { "Sender" } else { "Receiver" };
    let (code, message) = (escaped(error.query_code()), escaped(error.message()));
    format!(
        "<ErrorResponse xmlns=\"{XMLNS}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>{id}</RequestId></ErrorResponse>\n"
    )
}

#[async_trait]
impl RawService for Site {
    fn signing_name(&self) -> &'static str {
        // Signed requests are for the service itself, which nobody may take from it.
        "sns-site"
    }

    fn style(&self) -> RawStyle {
        RawStyle::Http
    }

    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        asked(head.method, head.uri).is_some()
    }

    async fn serve(&self, call: Call, request: RawRequest) -> Response<Body> {
        let uri = &request.head.uri;
        let answered = match asked(&request.head.method, uri) {
            Some(asked) => self.answer(&call, uri, asked).await,
            None => Err(Error::NotFound("There is nothing here")),
        };
        let (status, kind, body) = match answered {
            Ok((kind, body)) => (StatusCode::OK, kind, body),
            Err(error) => {
                let error = ServiceError::from(error);
                if let Some(cause) = error.cause() {
                    tracing::error!(%cause, request_id = %call.request_id, "a link of SNS could not be followed");
                }
                let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, "text/xml", refusal(&error, &call.request_id))
            }
        };
        let mut response = Response::new(Body::full(body));
        *response.status_mut() = status;
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
        response
    }
}
