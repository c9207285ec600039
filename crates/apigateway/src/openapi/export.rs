//! OpenAPI documents from APIs: the way back of an import.

use std::collections::BTreeSet;

use cauce_core::Call;
use serde_json::{Map, Value, json};

use super::model_named;
use crate::model::{
    AuthorizationType, Authorizer, AuthorizerType, Definition, Integration, IntegrationResponse, Method,
    MethodResponse, RestApi,
};

/// The version of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Swagger2,
    OpenApi3,
}

/// Which extensions of API Gateway a document has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) integrations: bool,
    pub(crate) authorizers: bool,
    /// Everything else: validators, gateway responses, policy, media types.
    pub(crate) others: bool,
}

/// Where an API is reached.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    scheme: &'static str,
    host: String,
    stage: String,
}

impl Served {
    /// By the name that leads to this server, at the port by which it was asked.
    pub(crate) fn of(call: &Call, api: &str, stage: &str) -> Served {
        let port = call.host.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
        let host = format!("{api}.execute-api.{}.localhost{port}", call.region);
        Served { scheme: "http", host, stage: stage.to_owned() }
    }
}

/// Writes one API.
pub(crate) struct Export<'a> {
    pub(crate) api: &'a RestApi,
    pub(crate) definition: &'a Definition,
    pub(crate) version: Version,
    pub(crate) extensions: Extensions,
}

/// How the schemes are named that are no authorizers.
const API_KEY: &str = "api_key";
const SIGNATURE: &str = "sigv4";

fn lower(value: Value) -> Value {
    value.as_str().map_or(Value::Null, |text| text.to_ascii_lowercase().into())
}

/// Sets a member of an object.
fn set(object: &mut Value, member: &str, value: impl Into<Value>) {
    if let Value::Object(members) = object {
        members.insert(member.to_owned(), value.into());
    }
}

/// An enumeration's name as the wire has it.
fn name<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

impl Export<'_> {
    /// The document.
    pub(crate) fn document(&self, at: &Served, version: &str) -> Value {
        let mut info = Map::from_iter([
            ("title".to_owned(), Value::from(self.api.name.as_str())),
            ("version".to_owned(), Value::from(version)),
        ]);
        if let Some(description) = &self.api.description {
            info.insert("description".to_owned(), Value::from(description.as_str()));
        }
        let mut document = match self.version {
            Version::Swagger2 => json!({
                "swagger": "2.0",
                "host": at.host,
                "basePath": format!("/{}", at.stage),
                "schemes": [at.scheme],
            }),
            Version::OpenApi3 => json!({
                "openapi": "3.0.1",
                "servers": [{
                    "url": format!("{}://{}/{{basePath}}", at.scheme, at.host),
                    "variables": {"basePath": {"default": format!("/{}", at.stage)}},
                }],
            }),
        };
        set(&mut document, "info", Value::Object(info));
        set(&mut document, "paths", self.paths());
        let (schemas, securities) = (self.schemas(), self.securities());
        let mut components = Map::new();
        for (swagger, openapi, members) in
            [("definitions", "schemas", schemas), ("securityDefinitions", "securitySchemes", securities)]
        {
            match self.version {
                _ if members.is_empty() => {}
                Version::Swagger2 => set(&mut document, swagger, members),
                Version::OpenApi3 => drop(components.insert(openapi.to_owned(), Value::Object(members))),
            }
        }
        if !components.is_empty() {
            set(&mut document, "components", components);
        }
        if let (true, Value::Object(document)) = (self.extensions.others, &mut document) {
            document.extend(self.others());
        }
        document
    }

    fn reference(&self, model: &str) -> Value {
        let at = match self.version {
            Version::Swagger2 => "definitions",
            Version::OpenApi3 => "components/schemas",
        };
        json!({ "$ref": format!("#/{at}/{model}") })
    }

    fn paths(&self) -> Value {
        let mut paths = Map::new();
        for resource in self.definition.resources.values().filter(|resource| !resource.resource_methods.is_empty()) {
            let mut item = Map::new();
            for (verb, method) in &resource.resource_methods {
                let verb = match verb.as_str() {
                    "ANY" => "x-amazon-apigateway-any-method".to_owned(),
                    verb => verb.to_ascii_lowercase(),
                };
                item.insert(verb, self.operation(method));
            }
            paths.insert(resource.path.clone(), Value::Object(item));
        }
        Value::Object(paths)
    }

    fn operation(&self, method: &Method) -> Value {
        let mut operation = Map::new();
        if let Some(id) = &method.operation_name {
            operation.insert("operationId".to_owned(), Value::from(id.as_str()));
        }
        self.request(method, &mut operation);
        let responses = method.method_responses.iter().map(|(status, answer)| (status.clone(), self.response(answer)));
        operation.insert("responses".to_owned(), Value::Object(responses.collect()));
        if self.version == Version::Swagger2 {
            let produced = method.method_responses.values().flat_map(|answer| answer.response_models.keys());
            let produced: BTreeSet<&String> = produced.collect();
            if !produced.is_empty() {
                operation.insert("produces".to_owned(), json!(produced));
            }
        }
        let security = self.security(method);
        if !security.is_empty() {
            operation.insert("security".to_owned(), Value::Array(security));
        }
        let validator = method.request_validator_id.as_ref().and_then(|id| self.definition.request_validators.get(id));
        if let (true, Some(name)) = (self.extensions.others, validator.and_then(|validator| validator.name.as_ref())) {
            operation.insert("x-amazon-apigateway-request-validator".to_owned(), Value::from(name.as_str()));
        }
        if let (true, Some(integration)) = (self.extensions.integrations, &method.method_integration) {
            operation.insert("x-amazon-apigateway-integration".to_owned(), shown_integration(integration));
        }
        Value::Object(operation)
    }

    /// Parameters and body.
    fn request(&self, method: &Method, operation: &mut Map<String, Value>) {
        let mut parameters = Vec::new();
        for (parameter, required) in &method.request_parameters {
            let place = parameter.strip_prefix("method.request.").and_then(|rest| rest.split_once('.'));
            let Some((place, parameter)) = place else { continue };
            let place = match place {
                "querystring" | "multivaluequerystring" => "query",
                "path" => "path",
                _ => "header",
            };
            // A parameter of the path is always there.
            let required = *required || place == "path";
            let mut shown = json!({"name": parameter, "in": place, "required": required});
            match self.version {
                Version::Swagger2 => set(&mut shown, "type", "string"),
                Version::OpenApi3 => set(&mut shown, "schema", json!({"type": "string"})),
            }
            parameters.push(shown);
        }
        if let Some(model) = method.request_models.values().next() {
            if self.version == Version::Swagger2 {
                let schema = self.reference(model);
                parameters.push(json!({"in": "body", "name": model, "required": true, "schema": schema}));
                operation.insert("consumes".to_owned(), json!(method.request_models.keys().collect::<Vec<_>>()));
            } else {
                let content = method.request_models.iter();
                let content = content.map(|(kind, model)| (kind.clone(), json!({"schema": self.reference(model)})));
                let body = json!({"required": true, "content": content.collect::<Map<_, _>>()});
                operation.insert("requestBody".to_owned(), body);
            }
        }
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), Value::Array(parameters));
        }
    }

    fn response(&self, answer: &MethodResponse) -> Value {
        let mut shown = json!({"description": format!("{} response", answer.status_code)});
        let headers = answer.response_parameters.keys().filter_map(|name| name.strip_prefix("method.response.header."));
        let headers: Map<String, Value> = headers
            .map(|header| {
                let header_type = json!({"type": "string"});
                let openapi = self.version == Version::OpenApi3;
                (header.to_owned(), if openapi { json!({"schema": header_type}) } else { header_type })
            })
            .collect();
        if !headers.is_empty() {
            set(&mut shown, "headers", Value::Object(headers));
        }
        match self.version {
            Version::Swagger2 => {
                if let Some(model) = answer.response_models.values().next() {
                    set(&mut shown, "schema", self.reference(model));
                }
            }
            Version::OpenApi3 if answer.response_models.is_empty() => {}
            Version::OpenApi3 => {
                let content = answer.response_models.iter();
                let content = content.map(|(kind, model)| (kind.clone(), json!({"schema": self.reference(model)})));
                set(&mut shown, "content", Value::Object(content.collect()));
            }
        }
        shown
    }

    fn authorizer(&self, method: &Method) -> Option<&Authorizer> {
        method.authorizer_id.as_ref().and_then(|id| self.definition.authorizers.get(id))
    }

    fn security(&self, method: &Method) -> Vec<Value> {
        let mut names = Vec::new();
        match method.authorization_type {
            AuthorizationType::AwsIam => names.push(SIGNATURE),
            AuthorizationType::Custom | AuthorizationType::CognitoUserPools => {
                names.extend(self.authorizer(method).map(|authorizer| authorizer.name.as_str()));
            }
            AuthorizationType::None => {}
        }
        if method.api_key_required {
            names.push(API_KEY);
        }
        names.into_iter().map(|name| json!({ name: [] })).collect()
    }

    fn methods(&self) -> impl Iterator<Item = &Method> {
        self.definition.resources.values().flat_map(|resource| resource.resource_methods.values())
    }

    /// The schemes that methods name.
    fn securities(&self) -> Map<String, Value> {
        let mut schemes = Map::new();
        for method in self.methods() {
            if method.api_key_required {
                schemes.insert(API_KEY.to_owned(), json!({"type": "apiKey", "name": "x-api-key", "in": "header"}));
            }
            if method.authorization_type == AuthorizationType::AwsIam {
                let mut scheme = json!({"type": "apiKey", "name": "Authorization", "in": "header"});
                set(&mut scheme, "x-amazon-apigateway-authtype", "awsSigv4");
                schemes.insert(SIGNATURE.to_owned(), scheme);
            }
            if let Some(authorizer) = self.authorizer(method) {
                schemes.insert(authorizer.name.clone(), self.scheme(authorizer));
            }
        }
        schemes
    }

    fn scheme(&self, authorizer: &Authorizer) -> Value {
        let source = authorizer.identity_source.as_deref().unwrap_or("");
        let header = source.strip_prefix("method.request.header.").filter(|_| authorizer.kind == AuthorizerType::Token);
        let mut scheme = json!({"type": "apiKey", "name": header.unwrap_or("Unused"), "in": "header"});
        set(&mut scheme, "x-amazon-apigateway-authtype", authorizer.auth_type.as_deref().unwrap_or("custom"));
        if !self.extensions.authorizers {
            return scheme;
        }
        let mut shown = json!({"type": lower(name(&authorizer.kind))});
        for (member, value) in [
            ("authorizerUri", authorizer.authorizer_uri.as_ref()),
            ("authorizerCredentials", authorizer.authorizer_credentials.as_ref()),
            ("identityValidationExpression", authorizer.identity_validation_expression.as_ref()),
            ("identitySource", authorizer.identity_source.as_ref().filter(|_| header.is_none())),
        ] {
            if let Some(value) = value {
                set(&mut shown, member, Value::from(value.as_str()));
            }
        }
        if let Some(ttl_s) = authorizer.authorizer_result_ttl_in_seconds {
            set(&mut shown, "authorizerResultTtlInSeconds", ttl_s);
        }
        set(&mut scheme, "x-amazon-apigateway-authorizer", shown);
        scheme
    }

    /// The models that methods name, and those that these refer to.
    fn schemas(&self) -> Map<String, Value> {
        let mut wanted: Vec<String> = Vec::new();
        for method in self.methods() {
            wanted.extend(method.request_models.values().cloned());
            wanted.extend(method.method_responses.values().flat_map(|one| one.response_models.values().cloned()));
        }
        let mut schemas = Map::new();
        while let Some(model) = wanted.pop() {
            if schemas.contains_key(&model) {
                continue;
            }
            let Some(found) = self.definition.models.get(&model) else { continue };
            let text = found.schema.as_deref().unwrap_or("{}");
            let mut schema: Value = serde_json::from_str(text).unwrap_or_else(|_| json!({}));
            self.localize(&mut schema, &mut wanted);
            if let Value::Object(members) = &mut schema {
                members.remove("$schema");
            }
            schemas.insert(model, schema);
        }
        schemas
    }

    /// Turns references to models into references within the document. The parser has bounded the depth.
    fn localize(&self, schema: &mut Value, wanted: &mut Vec<String>) {
        match schema {
            Value::Object(members) => {
                let model = members.get("$ref").and_then(Value::as_str).and_then(|reference| {
                    let of_aws = reference.rsplit_once("/models/").map(|(_, model)| model);
                    of_aws.or_else(|| model_named(reference)).map(str::to_owned)
                });
                if let Some(model) = model {
                    *schema = self.reference(&model);
                    wanted.push(model);
                    return;
                }
                members.values_mut().for_each(|member| self.localize(member, wanted));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.localize(item, wanted)),
            _ => {}
        }
    }

    /// The extensions of the document itself.
    fn others(&self) -> Map<String, Value> {
        let mut all = Map::new();
        let mut extend = |name: &str, value: Value| drop(all.insert(format!("x-amazon-apigateway-{name}"), value));
        let validators: Map<String, Value> = self
            .definition
            .request_validators
            .values()
            .filter_map(|validator| {
                let shown = json!({
                    "validateRequestBody": validator.validate_request_body,
                    "validateRequestParameters": validator.validate_request_parameters,
                });
                Some((validator.name.clone()?, shown))
            })
            .collect();
        if !validators.is_empty() {
            extend("request-validators", Value::Object(validators));
        }
        let responses: Map<String, Value> = self
            .definition
            .gateway_responses
            .iter()
            .map(|(kind, response)| {
                let mut shown = json!({});
                if let Some(status) = &response.status_code {
                    set(&mut shown, "statusCode", Value::from(status.as_str()));
                }
                if !response.response_parameters.is_empty() {
                    set(&mut shown, "responseParameters", json!(response.response_parameters));
                }
                set(&mut shown, "responseTemplates", json!(response.response_templates));
                (kind.clone(), shown)
            })
            .collect();
        if !responses.is_empty() {
            extend("gateway-responses", Value::Object(responses));
        }
        if !self.api.binary_media_types.is_empty() {
            extend("binary-media-types", json!(self.api.binary_media_types));
        }
        if let Some(size) = self.api.minimum_compression_size {
            extend("minimum-compression-size", size.into());
        }
        if self.api.api_key_source != crate::model::ApiKeySource::Header {
            extend("api-key-source", name(&self.api.api_key_source));
        }
        if let Some(policy) = self.api.policy.as_deref().and_then(|policy| serde_json::from_str(policy).ok()) {
            extend("policy", policy);
        }
        if self.api.disable_execute_api_endpoint {
            extend("endpoint-configuration", json!({"disableExecuteApiEndpoint": true}));
        }
        all
    }
}

fn shown_integration(integration: &Integration) -> Value {
    let mut shown = json!({
        "type": lower(name(&integration.kind)),
        "passthroughBehavior": lower(name(&integration.passthrough_behavior)),
    });
    let method = integration.http_method.as_deref().map(|method| match method {
        "ANY" => "x-amazon-apigateway-any-method",
        method => method,
    });
    for (member, value) in [
        ("httpMethod", method),
        ("uri", integration.uri.as_deref()),
        ("credentials", integration.credentials.as_deref()),
    ] {
        if let Some(value) = value {
            set(&mut shown, member, Value::from(value));
        }
    }
    for (member, texts) in
        [("requestParameters", &integration.request_parameters), ("requestTemplates", &integration.request_templates)]
    {
        if !texts.is_empty() {
            set(&mut shown, member, json!(texts));
        }
    }
    if let Some(handling) = &integration.content_handling {
        set(&mut shown, "contentHandling", name(handling));
    }
    if integration.timeout_in_millis != crate::integration::TIMEOUT_MS_MAX {
        set(&mut shown, "timeoutInMillis", integration.timeout_in_millis);
    }
    if !integration.cache_key_parameters.is_empty() {
        set(&mut shown, "cacheNamespace", Value::from(integration.cache_namespace.as_str()));
        set(&mut shown, "cacheKeyParameters", json!(integration.cache_key_parameters));
    }
    if let Some(tls) = &integration.tls_config {
        set(&mut shown, "tlsConfig", json!({"insecureSkipVerification": tls.insecure_skip_verification}));
    }
    let responses = integration.integration_responses.values().map(|response| {
        let pattern = response.selection_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        (pattern.unwrap_or("default").to_owned(), shown_response(response))
    });
    let responses: Map<String, Value> = responses.collect();
    if !responses.is_empty() {
        set(&mut shown, "responses", Value::Object(responses));
    }
    shown
}

fn shown_response(response: &IntegrationResponse) -> Value {
    let mut shown = json!({"statusCode": response.status_code});
    for (member, texts) in
        [("responseParameters", &response.response_parameters), ("responseTemplates", &response.response_templates)]
    {
        if !texts.is_empty() {
            set(&mut shown, member, json!(texts));
        }
    }
    if let Some(handling) = &response.content_handling {
        set(&mut shown, "contentHandling", name(handling));
    }
    shown
}
