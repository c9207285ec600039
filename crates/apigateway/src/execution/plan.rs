//! A deployed stage, compiled: routes, templates, patterns and schemas, ready for every request.

use std::collections::BTreeMap;
use std::fmt;

use regex_lite::Regex;

use crate::deployed::DeployedStage;
use crate::model::{
    AuthorizationType, Authorizer, ContentHandling, Definition, Integration, IntegrationResponse, IntegrationType,
    Method, PassthroughBehavior, Resource, Texts,
};
use crate::vtl::Template;

use super::route::Routes;

/// The longest time that an integration may take, in milliseconds: AWS's default quota.
const TIMEOUT_MS_MAX: i64 = 29_000;

/// A stage, ready to serve.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) routes: Routes,
    pub(super) methods: Vec<PlannedMethod>,
    /// By id.
    pub(super) authorizers: BTreeMap<String, PlannedAuthorizer>,
}

/// A method of a resource.
#[derive(Debug)]
pub(super) struct PlannedMethod {
    pub(super) resource_id: String,
    pub(super) resource_path: String,
    /// As it was made, `ANY` too.
    pub(super) name: String,
    pub(super) authorization: AuthorizationType,
    pub(super) authorizer_id: Option<String>,
    pub(super) api_key_required: bool,
    /// Names of parameters that a request must have, as `method.request.querystring.x`; empty where they are not checked.
    pub(super) required: Vec<String>,
    /// By media type; empty where bodies are not checked.
    pub(super) schemas: BTreeMap<String, Schema>,
    pub(super) integration: Option<PlannedIntegration>,
}

/// A model's schema, or why it cannot be used.
pub(super) struct Schema(pub(super) Result<jsonschema::Validator, String>);

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.0.is_ok()).finish()
    }
}

/// A template, or why it is none: that shows when a request needs it.
pub(super) type Compiled = Result<Template, String>;

/// What a method does.
#[derive(Debug)]
pub(super) struct PlannedIntegration {
    pub(super) kind: IntegrationType,
    pub(super) http_method: String,
    pub(super) uri: String,
    pub(super) credentials: Option<String>,
    pub(super) request_parameters: Texts,
    /// By media type.
    pub(super) templates: BTreeMap<String, Compiled>,
    pub(super) passthrough: PassthroughBehavior,
    pub(super) content_handling: Option<ContentHandling>,
    pub(super) timeout_ms: u64,
    pub(super) responses: Vec<PlannedResponse>,
    /// The response for what no pattern fits.
    pub(super) default_response: Option<usize>,
}

/// How an answer becomes one of the method.
#[derive(Debug)]
pub(super) struct PlannedResponse {
    pub(super) status: u16,
    /// `None` for the default.
    pub(super) pattern: Option<Result<Regex, String>>,
    pub(super) parameters: Texts,
    pub(super) templates: BTreeMap<String, Compiled>,
    pub(super) content_handling: Option<ContentHandling>,
}

/// A Lambda authorizer.
#[derive(Debug)]
pub(super) struct PlannedAuthorizer {
    pub(super) model: Authorizer,
    pub(super) validation: Option<Result<Regex, String>>,
    /// `method.request.header.X`, one each.
    pub(super) sources: Vec<String>,
}

impl Plan {
    /// Compiles what was deployed. What cannot be compiled fails the requests that need it.
    pub(crate) fn compile(deployed: &DeployedStage) -> Plan {
        let definition = &deployed.snapshot.definition;
        let mut plan = Plan { routes: Routes::default(), methods: Vec::new(), authorizers: BTreeMap::new() };
        for resource in definition.resources.values() {
            for (name, method) in &resource.resource_methods {
                plan.routes.add(&resource.path, name, plan.methods.len());
                plan.methods.push(PlannedMethod::compile(definition, resource, name, method));
            }
        }
        for (id, authorizer) in &definition.authorizers {
            let sources = authorizer.identity_source.as_deref().unwrap_or("").split(',').map(str::trim);
            let validation = authorizer.identity_validation_expression.as_deref().filter(|text| !text.is_empty());
            let planned = PlannedAuthorizer {
                validation: validation.map(whole),
                sources: sources.filter(|source| !source.is_empty()).map(str::to_owned).collect(),
                model: authorizer.clone(),
            };
            plan.authorizers.insert(id.clone(), planned);
        }
        plan
    }
}

/// A pattern that the whole text must fit.
fn whole(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!("(?s)^(?:{pattern})$")).map_err(|error| error.to_string())
}

fn templates(texts: &Texts) -> BTreeMap<String, Compiled> {
    let compile = |text: &String| Template::parse(text).map_err(|error| error.to_string());
    texts.iter().map(|(media_type, text)| (media_type.clone(), compile(text))).collect()
}

impl PlannedMethod {
    fn compile(definition: &Definition, resource: &Resource, name: &str, method: &Method) -> PlannedMethod {
        let validator = method.request_validator_id.as_ref().and_then(|id| definition.request_validators.get(id));
        let (checks_body, checks_parameters) =
            validator.map_or((false, false), |v| (v.validate_request_body, v.validate_request_parameters));
        let required = method.request_parameters.iter().filter(|(_, required)| **required && checks_parameters);
        let schemas = method
            .request_models
            .iter()
            .filter(|_| checks_body)
            .map(|(media_type, model)| (media_type.clone(), Schema(super::validate::compile(definition, model))));
        PlannedMethod {
            resource_id: resource.id.clone(),
            resource_path: resource.path.clone(),
            name: name.to_owned(),
            authorization: method.authorization_type,
            authorizer_id: method.authorizer_id.clone(),
            api_key_required: method.api_key_required,
            required: required.map(|(name, _)| name.clone()).collect(),
            schemas: schemas.collect(),
            integration: method.method_integration.as_ref().map(PlannedIntegration::compile),
        }
    }
}

impl PlannedIntegration {
    fn compile(integration: &Integration) -> PlannedIntegration {
        let responses: Vec<_> = integration.integration_responses.values().map(PlannedResponse::compile).collect();
        let timeout_ms = integration.timeout_in_millis.clamp(50, TIMEOUT_MS_MAX);
        PlannedIntegration {
            kind: integration.kind,
            http_method: integration.http_method.clone().unwrap_or_default(),
            uri: integration.uri.clone().unwrap_or_default(),
            credentials: integration.credentials.clone().filter(|credentials| !credentials.is_empty()),
            request_parameters: integration.request_parameters.clone(),
            templates: templates(&integration.request_templates),
            passthrough: integration.passthrough_behavior,
            content_handling: integration.content_handling,
            timeout_ms: u64::try_from(timeout_ms).unwrap_or_default(),
            default_response: responses.iter().position(|response| response.pattern.is_none()),
            responses,
        }
    }

    /// The response for what a backend answered, by its status or its error message.
    pub(super) fn response_for(&self, selector: &str) -> Option<&PlannedResponse> {
        let fits = |response: &&PlannedResponse| match &response.pattern {
            Some(Ok(pattern)) => pattern.is_match(selector),
            _ => false,
        };
        self.responses.iter().find(fits).or_else(|| self.responses.get(self.default_response?))
    }
}

impl PlannedResponse {
    fn compile(response: &IntegrationResponse) -> PlannedResponse {
        let pattern = response.selection_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        PlannedResponse {
            status: response.status_code.parse().unwrap_or(500),
            pattern: pattern.map(whole),
            parameters: response.response_parameters.clone(),
            templates: templates(&response.response_templates),
            content_handling: response.content_handling,
        }
    }
}
