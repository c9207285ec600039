//! A deployed stage, compiled: routes, templates, patterns and schemas, ready for every request.

use std::collections::BTreeMap;
use std::fmt;

use cauce_core::Arn;
use regex_lite::Regex;

use crate::deployed::DeployedStage;
use crate::model::{
    AuthorizationType, Authorizer, ContentHandling, Integration, IntegrationResponse, IntegrationType, Method,
    MethodSetting, PassthroughBehavior, Resource, Texts, ThrottleSettings,
};
use crate::stage::settings_for;
use crate::vtl::Template;

use super::execution_log::Logging;
use super::function::function_arn;
use super::mapping::stage_variables;
use super::route::Routes;
use super::source::{RequestSource, Source};

/// The longest time that an integration may take, in milliseconds: AWS's default quota.
const TIMEOUT_MS_MAX: i64 = 29_000;

/// A stage, ready to serve.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) routes: Routes,
    pub(super) methods: Vec<PlannedMethod>,
    /// By id.
    pub(super) authorizers: BTreeMap<String, PlannedAuthorizer>,
    /// The API's resource policy, with whole ARNs.
    pub(super) policy: Option<String>,
    /// The bucket of the account's requests in the region.
    pub(super) account_bucket: String,
}

/// A method of a resource.
#[derive(Debug)]
pub(super) struct PlannedMethod {
    pub(super) resource_id: String,
    pub(super) resource_path: String,
    /// As it was made, `ANY` too.
    pub(super) verb: String,
    /// `PATH/METHOD`, as usage plans name it.
    pub(super) key: String,
    pub(super) logging: Logging,
    pub(super) throttle: Option<Throttle>,
    pub(super) authorization: AuthorizationType,
    pub(super) authorizer_id: Option<String>,
    pub(super) api_key_required: bool,
    /// Parameters that a request must have, with their names; empty where they are not checked.
    pub(super) required: Vec<(String, RequestSource)>,
    /// By media type; empty where bodies are not checked.
    pub(super) schemas: BTreeMap<String, Schema>,
    pub(super) integration: Option<PlannedIntegration>,
}

/// The limits that a stage sets for a method.
#[derive(Debug)]
pub(super) struct Throttle {
    pub(super) bucket: String,
    pub(super) limits: ThrottleSettings,
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
    /// With the stage's variables.
    pub(super) uri: String,
    /// The function that the URI names.
    pub(super) function: Option<Arn>,
    pub(super) credentials: Option<String>,
    pub(super) parameters: Vec<Parameter>,
    /// By media type.
    pub(super) templates: BTreeMap<String, Compiled>,
    pub(super) passthrough: PassthroughBehavior,
    pub(super) content_handling: Option<ContentHandling>,
    pub(super) timeout_ms: u64,
    pub(super) responses: Vec<PlannedResponse>,
    /// The response for what no pattern fits.
    pub(super) default_response: Option<usize>,
}

/// Of what a parameter of a backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Header,
    Query,
    Path,
}

/// A parameter for a backend.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) part: Part,
    pub(super) name: String,
    pub(super) from: Source,
}

/// How an answer becomes one of the method.
#[derive(Debug)]
pub(super) struct PlannedResponse {
    pub(super) status: u16,
    /// `None` for the default.
    pub(super) pattern: Option<Result<Regex, String>>,
    /// Headers with where they come from.
    pub(super) parameters: Vec<(String, Source)>,
    pub(super) templates: BTreeMap<String, Compiled>,
    pub(super) content_handling: Option<ContentHandling>,
}

/// A Lambda authorizer.
#[derive(Debug)]
pub(super) struct PlannedAuthorizer {
    pub(super) model: Authorizer,
    /// With the stage's variables.
    pub(super) uri: String,
    pub(super) validation: Option<Result<Regex, String>>,
    /// `method.request.header.X`, one each.
    pub(super) sources: Vec<String>,
}

impl Plan {
    /// Compiles what was deployed. What cannot be compiled fails the requests that need it.
    pub(crate) fn compile(deployed: &DeployedStage) -> Plan {
        let definition = &deployed.snapshot.definition;
        let (account, region) = (deployed.place.account, &deployed.place.region);
        let arn = format!("arn:aws:execute-api:{region}:{account}:{}/", deployed.api_id);
        // `execute-api:/STAGE/METHOD/PATH` stands for the ARN with the API's own region, account and id.
        let whole = |policy: &String| policy.replace("\"execute-api:/", &format!("\"{arn}"));
        let mut plan = Plan {
            routes: Routes::default(),
            methods: Vec::new(),
            authorizers: BTreeMap::new(),
            policy: deployed.snapshot.api.policy.as_ref().map(whole),
            account_bucket: format!("a/{account}/{region}"),
        };
        for resource in definition.resources.values() {
            for (name, method) in &resource.resource_methods {
                plan.routes.add(&resource.path, name, plan.methods.len());
                plan.methods.push(PlannedMethod::compile(deployed, resource, name, method));
            }
        }
        for (id, authorizer) in &definition.authorizers {
            plan.authorizers.insert(id.clone(), PlannedAuthorizer::compile(authorizer, &deployed.stage.variables));
        }
        plan
    }
}

impl PlannedAuthorizer {
    pub(super) fn compile(authorizer: &Authorizer, variables: &Texts) -> PlannedAuthorizer {
        let sources = authorizer.identity_source.as_deref().unwrap_or("").split(',').map(str::trim);
        let validation = authorizer.identity_validation_expression.as_deref().filter(|text| !text.is_empty());
        PlannedAuthorizer {
            uri: stage_variables(authorizer.authorizer_uri.as_deref().unwrap_or(""), variables),
            validation: validation.map(whole),
            sources: sources.filter(|source| !source.is_empty()).map(str::to_owned).collect(),
            model: authorizer.clone(),
        }
    }
}

/// A pattern that the whole text must fit.
pub(crate) fn whole(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!("(?s)^(?:{pattern})$")).map_err(|error| error.to_string())
}

fn templates(texts: &Texts) -> BTreeMap<String, Compiled> {
    let compile = |text: &String| Template::parse(text).map_err(|error| error.to_string());
    texts.iter().map(|(media_type, text)| (media_type.clone(), compile(text))).collect()
}

impl PlannedMethod {
    pub(super) fn compile(deployed: &DeployedStage, resource: &Resource, name: &str, method: &Method) -> PlannedMethod {
        let (definition, stage) = (&deployed.snapshot.definition, &deployed.stage);
        let setting = settings_for(stage, &resource.path, name);
        let key = format!("{}/{name}", resource.path);
        let validator = method.request_validator_id.as_ref().and_then(|id| definition.request_validators.get(id));
        let (checks_body, checks_parameters) =
            validator.map_or((false, false), |v| (v.validate_request_body, v.validate_request_parameters));
        let required = method.request_parameters.iter().filter(|(_, required)| **required && checks_parameters);
        let required = required.filter_map(|(parameter, _)| {
            let source = RequestSource::parse(parameter.strip_prefix("method.request.")?)?;
            Some((parameter.rsplit('.').next()?.to_owned(), source))
        });
        let schemas = method
            .request_models
            .iter()
            .filter(|_| checks_body)
            .map(|(media_type, model)| (media_type.clone(), Schema(super::validate::compile(definition, model))));
        PlannedMethod {
            resource_id: resource.id.clone(),
            resource_path: resource.path.clone(),
            logging: Logging::of(setting),
            throttle: setting.and_then(|setting| Throttle::of(setting, &deployed.api_id, &stage.stage_name, &key)),
            key,
            verb: name.to_owned(),
            authorization: method.authorization_type,
            authorizer_id: method.authorizer_id.clone(),
            api_key_required: method.api_key_required,
            required: required.collect(),
            schemas: schemas.collect(),
            integration: method
                .method_integration
                .as_ref()
                .map(|one| PlannedIntegration::compile(one, &stage.variables)),
        }
    }
}

impl Throttle {
    fn of(setting: &MethodSetting, api: &str, stage: &str, key: &str) -> Option<Throttle> {
        let (rate_limit, burst_limit) = (setting.throttling_rate_limit, setting.throttling_burst_limit);
        let limits = ThrottleSettings { rate_limit, burst_limit };
        (rate_limit >= 0.0 && burst_limit >= 0).then(|| Throttle { bucket: format!("s/{api}/{stage}/{key}"), limits })
    }
}

impl Parameter {
    fn compile(to: &str, from: &str, variables: &Texts) -> Option<Parameter> {
        let (part, name) = to.strip_prefix("integration.request.")?.split_once('.')?;
        let part = match part {
            "header" => Part::Header,
            "querystring" => Part::Query,
            "path" => Part::Path,
            _ => return None,
        };
        Some(Parameter { part, name: name.to_owned(), from: Source::parse(from, variables)? })
    }
}

impl PlannedIntegration {
    fn compile(integration: &Integration, variables: &Texts) -> PlannedIntegration {
        let responses = integration.integration_responses.values();
        let responses: Vec<_> = responses.map(|response| PlannedResponse::compile(response, variables)).collect();
        let uri = stage_variables(integration.uri.as_deref().unwrap_or(""), variables);
        let parameters = integration.request_parameters.iter();
        let timeout_ms = integration.timeout_in_millis.clamp(50, TIMEOUT_MS_MAX);
        PlannedIntegration {
            kind: integration.kind,
            http_method: integration.http_method.clone().unwrap_or_default(),
            function: function_arn(&uri),
            uri,
            credentials: integration.credentials.clone().filter(|credentials| !credentials.is_empty()),
            parameters: parameters.filter_map(|(to, from)| Parameter::compile(to, from, variables)).collect(),
            templates: templates(&integration.request_templates),
            passthrough: integration.passthrough_behavior,
            content_handling: integration.content_handling,
            timeout_ms: u64::try_from(timeout_ms).unwrap_or_default(),
            default_response: responses.iter().position(|response| response.pattern.is_none()),
            responses,
        }
    }

    /// Whether anybody but the API itself answers.
    pub(super) fn calls_a_backend(&self) -> bool {
        self.kind != IntegrationType::Mock
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
    fn compile(response: &IntegrationResponse, variables: &Texts) -> PlannedResponse {
        let header = |(to, from): (&String, &String)| {
            Some((to.strip_prefix("method.response.header.")?.to_owned(), Source::parse(from, variables)?))
        };
        let pattern = response.selection_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        PlannedResponse {
            status: response.status_code.parse().unwrap_or(500),
            pattern: pattern.map(whole),
            parameters: response.response_parameters.iter().filter_map(header).collect(),
            templates: templates(&response.response_templates),
            content_handling: response.content_handling,
        }
    }
}
