//! What is answered where no integration answers: gateway responses, and the API's own shape of them.
//!
//! AWS: API Gateway Developer Guide, "Gateway response types" and "Gateway responses in API Gateway".

use cauce_core::Call;
use cauce_wire::Body;
use http::Response;
use serde_json::{Value, json};

use crate::deployed::DeployedStage;
use crate::model::GatewayResponse;

use super::access_log::substitute;
use super::answer::Answer;
use super::request::Request;
use super::source::RequestSource;

/// The kinds of gateway responses that can come about here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    AccessDenied,
    ApiConfigurationError,
    AuthorizerConfigurationError,
    AuthorizerFailure,
    BadRequestBody,
    BadRequestParameters,
    IntegrationFailure,
    IntegrationTimeout,
    InvalidApiKey,
    MissingAuthenticationToken,
    QuotaExceeded,
    RequestTooLarge,
    Throttled,
    Unauthorized,
    UnsupportedMediaType,
    /// Any other mistake of the client, with its status.
    Default4xx(u16),
    /// Any other failure, with its status.
    Default5xx(u16),
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::AccessDenied => "ACCESS_DENIED",
            Kind::ApiConfigurationError => "API_CONFIGURATION_ERROR",
            Kind::AuthorizerConfigurationError => "AUTHORIZER_CONFIGURATION_ERROR",
            Kind::AuthorizerFailure => "AUTHORIZER_FAILURE",
            Kind::BadRequestBody => "BAD_REQUEST_BODY",
            Kind::BadRequestParameters => "BAD_REQUEST_PARAMETERS",
            Kind::IntegrationFailure => "INTEGRATION_FAILURE",
            Kind::IntegrationTimeout => "INTEGRATION_TIMEOUT",
            Kind::InvalidApiKey => "INVALID_API_KEY",
            Kind::MissingAuthenticationToken => "MISSING_AUTHENTICATION_TOKEN",
            Kind::QuotaExceeded => "QUOTA_EXCEEDED",
            Kind::RequestTooLarge => "REQUEST_TOO_LARGE",
            Kind::Throttled => "THROTTLED",
            Kind::Unauthorized => "UNAUTHORIZED",
            Kind::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Kind::Default4xx(_) => "DEFAULT_4XX",
            Kind::Default5xx(_) => "DEFAULT_5XX",
        }
    }

    /// Status, message and the word for `x-amzn-ErrorType`.
    fn default(self) -> (u16, Option<&'static str>, &'static str) {
        match self {
            Kind::AccessDenied => {
                (403, Some("User is not authorized to access this resource"), "AccessDeniedException")
            }
            Kind::ApiConfigurationError => (500, Some("Internal server error"), "InternalServerErrorException"),
            Kind::AuthorizerConfigurationError => (500, None, "AuthorizerConfigurationException"),
            Kind::AuthorizerFailure => (500, None, "AuthorizerFailureException"),
            Kind::BadRequestBody => (400, Some("Invalid request body"), "BadRequestException"),
            Kind::BadRequestParameters => (400, Some("Missing required request parameters"), "BadRequestException"),
            Kind::IntegrationFailure => {
                (504, Some("Network error communicating with endpoint"), "GatewayTimeoutException")
            }
            Kind::IntegrationTimeout => (504, Some("Endpoint request timed out"), "InternalServerErrorException"),
            Kind::InvalidApiKey => (403, Some("Forbidden"), "ForbiddenException"),
            Kind::MissingAuthenticationToken => {
                (403, Some("Missing Authentication Token"), "MissingAuthenticationTokenException")
            }
            Kind::QuotaExceeded => (429, Some("Limit Exceeded"), "LimitExceededException"),
            Kind::RequestTooLarge => (413, Some("Request Too Long"), "RequestTooLargeException"),
            Kind::Throttled => (429, Some("Too Many Requests"), "TooManyRequestsException"),
            Kind::Unauthorized => (401, Some("Unauthorized"), "UnauthorizedException"),
            Kind::UnsupportedMediaType => (415, Some("Unsupported Media Type"), "UnsupportedMediaTypeException"),
            Kind::Default4xx(status) => {
                (status, None, if status == 403 { "ForbiddenException" } else { "BadRequestException" })
            }
            Kind::Default5xx(status) => (status, None, "InternalServerErrorException"),
        }
    }
}

/// Why a request ends before an integration has answered it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: Option<String>,
    /// What is wrong with a request that was validated.
    pub(super) validation: Option<String>,
    /// For the log, never for the client.
    pub(super) cause: Option<String>,
    /// For the API's execution log, where the kind does not say enough.
    pub(super) line: Option<String>,
    /// The member that the message is in: refusals by IAM begin it with a capital.
    pub(super) capital: bool,
}

impl Failure {
    pub(super) fn new(kind: Kind) -> Failure {
        let message = kind.default().1.map(str::to_owned);
        Failure { kind, message, validation: None, cause: None, line: None, capital: false }
    }

    pub(super) fn with(kind: Kind, message: impl Into<String>) -> Failure {
        Failure { message: Some(message.into()), ..Failure::new(kind) }
    }

    pub(super) fn forbidden() -> Failure {
        Failure::with(Kind::Default4xx(403), "Forbidden")
    }

    /// 500: something is wrong on this side.
    pub(super) fn internal() -> Failure {
        Failure::with(Kind::Default5xx(500), "Internal server error")
    }

    /// 502: the backend answered what is no answer.
    pub(super) fn malformed(cause: impl Into<String>) -> Failure {
        let failure = Failure::with(Kind::Default5xx(502), "Internal server error").because(cause);
        failure.told("Execution failed due to configuration error: Malformed Lambda proxy response")
    }

    /// 500: the API is made so that it cannot work, for the reason that its owner reads in the execution log.
    pub(super) fn configuration(why: impl std::fmt::Display) -> Failure {
        let line = format!("Execution failed due to configuration error: {why}");
        Failure::internal().because(why.to_string()).told(line)
    }

    /// A refusal by policies, in IAM's form.
    pub(super) fn denied(message: impl Into<String>) -> Failure {
        Failure { capital: true, ..Failure::with(Kind::AccessDenied, message) }
    }

    pub(super) fn because(mut self, cause: impl Into<String>) -> Failure {
        self.cause = Some(cause.into());
        self
    }

    /// The status, unless the API has shaped another one.
    pub(super) fn status(&self) -> u16 {
        self.kind.default().0
    }

    /// Says the line for the execution log.
    pub(super) fn told(mut self, line: impl Into<String>) -> Failure {
        self.line = Some(line.into());
        self
    }

    /// The line for the execution log.
    pub(super) fn line(&self, request_id: &str) -> Option<String> {
        if self.line.is_some() {
            return self.line.clone();
        }
        let line = match self.kind {
            Kind::AccessDenied => "The client is not authorized to perform this operation.",
            Kind::ApiConfigurationError | Kind::Default5xx(_) => "Execution failed due to an internal error",
            Kind::AuthorizerConfigurationError | Kind::AuthorizerFailure => {
                "Execution failed due to configuration error: Authorizer error"
            }
            Kind::IntegrationFailure => "Execution failed due to a network error communicating with endpoint",
            Kind::IntegrationTimeout => "Execution failed due to a timeout error",
            Kind::Unauthorized => return Some(format!("Unauthorized request: {request_id}")),
            // What is beyond the limits of a stage or account is not told.
            Kind::Throttled => return None,
            _ => return self.message.clone(),
        };
        Some(line.to_owned())
    }

    /// `$context.error`.
    pub(super) fn context(&self) -> Value {
        let text = |text: &Option<String>| text.as_ref().map_or("null".to_owned(), |text| json!(text).to_string());
        let mut context = json!({
            "message": self.message,
            "messageString": text(&self.message),
            "responseType": self.kind.name(),
        });
        if let (Value::Object(context), Some(validation)) = (&mut context, &self.validation) {
            context.insert("validationErrorString".to_owned(), Value::from(validation.as_str()));
        }
        context
    }

    fn plain_body(&self) -> String {
        let name = if self.capital { "Message" } else { "message" };
        json!({ name: self.message }).to_string()
    }
}

/// The answer to a request of no known API.
pub(super) fn bare(call: &Call, failure: &Failure) -> Response<Body> {
    let (status, _, error_type) = failure.kind.default();
    if let Some(cause) = &failure.cause {
        tracing::warn!(request_id = %call.request_id, cause, "a request to an API failed");
    }
    let mut answer = Answer::new(status, failure.plain_body());
    answer.set("x-amzn-ErrorType", error_type);
    answer.into_response(false)
}

/// The API's own shape of a failure, if it has one.
pub(super) fn shape<'d>(failure: &Failure, deployed: &'d DeployedStage) -> Option<&'d GatewayResponse> {
    let shaped = &deployed.snapshot.definition.gateway_responses;
    let family = if failure.kind.default().0 < 500 { "DEFAULT_4XX" } else { "DEFAULT_5XX" };
    shaped.get(failure.kind.name()).or_else(|| shaped.get(family))
}

/// The answer to a failure, as the API shapes it.
pub(super) fn answer(failure: &Failure, request: &Request, deployed: &DeployedStage) -> Answer {
    let (status, _, error_type) = failure.kind.default();
    let Some(shape) = shape(failure, deployed) else {
        let mut answer = Answer::new(status, failure.plain_body());
        answer.set("x-amzn-ErrorType", error_type);
        return answer;
    };
    // The status of a family's response is for those that have none of their own.
    let status = shape.status_code.as_ref().and_then(|status| status.parse().ok()).unwrap_or(status);
    let (media_type, body) = body(shape, failure, request, deployed);
    let mut answer = Answer::new(status, body);
    answer.set("Content-Type", &media_type);
    answer.set("x-amzn-ErrorType", error_type);
    for (name, from) in &shape.response_parameters {
        if let Some(header) = name.strip_prefix("gatewayresponse.header.")
            && let Some(value) = parameter(from, request, deployed)
        {
            answer.set(header, &value);
        }
    }
    answer
}

fn body(shape: &GatewayResponse, failure: &Failure, request: &Request, deployed: &DeployedStage) -> (String, String) {
    let templates = &shape.response_templates;
    let accepted = request.header("accept").unwrap_or("application/json");
    let accepted = accepted.split(',').map(|part| part.split(';').next().unwrap_or("").trim());
    let wanted = accepted.into_iter().find_map(|media_type| templates.get_key_value(media_type));
    let wanted = wanted.or_else(|| templates.get_key_value("application/json"));
    match wanted.or_else(|| templates.first_key_value()) {
        Some((media_type, template)) => {
            let variables = &deployed.stage.variables;
            (media_type.clone(), substitute(template, &request.context(), variables, ""))
        }
        None => ("application/json".to_owned(), failure.plain_body()),
    }
}

/// A value for a header: a text in quotes, or something of the request.
fn parameter(from: &str, request: &Request, deployed: &DeployedStage) -> Option<String> {
    if let Some(text) = from.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return Some(text.to_owned());
    }
    if let Some(path) = from.strip_prefix("context.") {
        return super::mapping::context_value(&request.context(), path);
    }
    if let Some(name) = from.strip_prefix("stageVariables.") {
        return deployed.stage.variables.get(name).cloned();
    }
    RequestSource::parse(from.strip_prefix("method.request.")?)?.value(request)
}
