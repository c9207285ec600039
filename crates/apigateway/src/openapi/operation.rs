//! Operations of paths: methods with their parameters, responses and integrations.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Import, flag, members, model_named, number, text, texts};
use crate::error::Error;
use crate::integration::{PutIntegration, check_integration, check_integration_response, new_integration};
use crate::method::check_method_response;
use crate::model::{AuthorizationType, IntegrationResponse, Method, MethodResponse, TlsConfig};

/// An enumeration's value: extensions write it in any case.
fn one_of<T: serde::de::DeserializeOwned>(what: &str, value: Option<&Value>) -> Result<Option<T>, Error> {
    let Some(text) = text(value) else { return Ok(None) };
    let parsed = serde_json::from_value(text.to_ascii_uppercase().into());
    parsed.map(Some).map_err(|_| Error::bad(format!("Invalid {what} specified: {text}")))
}

impl<'a> Import<'a> {
    pub(super) fn new_method(&mut self, name: &str, item: &'a Value, operation: &'a Value) -> Result<Method, Error> {
        let mut method = Method {
            http_method: name.to_owned(),
            authorization_type: AuthorizationType::None,
            authorizer_id: None,
            api_key_required: false,
            request_validator_id: None,
            operation_name: text(operation.get("operationId")),
            request_parameters: BTreeMap::new(),
            request_models: BTreeMap::new(),
            method_responses: BTreeMap::new(),
            method_integration: None,
            authorization_scopes: Vec::new(),
        };
        self.protect(&mut method, operation)?;
        let validator = "x-amazon-apigateway-request-validator";
        if let Some(name) = text(operation.get(validator).or_else(|| self.document.get(validator))) {
            let found = self.validators.get(&name);
            let missing = || Error::bad(format!("Invalid Request Validator identifier specified: {name}"));
            method.request_validator_id = Some(found.ok_or_else(missing)?.clone());
        }
        for parameters in [item.get("parameters"), operation.get("parameters")] {
            for parameter in parameters.and_then(Value::as_array).into_iter().flatten() {
                self.parameter(&mut method, operation, parameter)?;
            }
        }
        for (media_type, content) in members(operation.get("requestBody").and_then(|body| body.get("content"))) {
            if let Some(schema) = content.get("schema") {
                let model = self.model_of(schema);
                method.request_models.insert(media_type.clone(), model);
            }
        }
        Ok(method)
    }

    /// The parameter itself where it is referred to.
    fn referred(&self, parameter: &'a Value) -> &'a Value {
        let Some(reference) = parameter.get("$ref").and_then(Value::as_str) else { return parameter };
        let name = reference.rsplit('/').next().unwrap_or_default();
        self.components("parameters", "parameters").and_then(|all| all.get(name)).unwrap_or(parameter)
    }

    fn parameter(&mut self, method: &mut Method, operation: &'a Value, parameter: &'a Value) -> Result<(), Error> {
        let parameter = self.referred(parameter);
        let name = text(parameter.get("name")).unwrap_or_default();
        let place = match text(parameter.get("in")).unwrap_or_default().as_str() {
            "header" => "header",
            "query" => "querystring",
            "path" => "path",
            "body" => {
                let consumes = operation.get("consumes").or_else(|| self.document.get("consumes"));
                let types: Vec<String> = consumes
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(|one| text(Some(one)))
                    .collect();
                let model = self.model_of(parameter.get("schema").unwrap_or(&Value::Null));
                let types = if types.is_empty() { vec!["application/json".to_owned()] } else { types };
                method.request_models.extend(types.into_iter().map(|media_type| (media_type, model.clone())));
                return Ok(());
            }
            // Forms and cookies are documentation only.
            "formData" | "cookie" => return Ok(()),
            other => return Err(Error::bad(format!("Invalid parameter location specified: {other}"))),
        };
        let required = flag(parameter.get("required")).unwrap_or(place == "path");
        method.request_parameters.insert(format!("method.request.{place}.{name}"), required);
        Ok(())
    }

    /// The model that a schema names, or a model made of it.
    fn model_of(&mut self, schema: &Value) -> String {
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some(model) = reference.and_then(model_named) {
            return model.to_owned();
        }
        if schema.is_null() {
            return crate::body_model::EMPTY.to_owned();
        }
        let name = format!("MODEL{}", (self.new_id)().chars().take(6).collect::<String>());
        self.put_model(&name, schema);
        name
    }

    pub(super) fn set_responses(&mut self, method: &mut Method, operation: &'a Value) -> Result<(), Error> {
        for (status, response) in members(operation.get("responses")) {
            if status == "default" {
                continue;
            }
            let header = |(name, _): (&String, &Value)| (format!("method.response.header.{name}"), false);
            let mut answer = MethodResponse {
                status_code: status.clone(),
                response_parameters: members(response.get("headers")).map(header).collect(),
                response_models: BTreeMap::new(),
            };
            if let Some(schema) = response.get("schema") {
                let model = self.model_of(schema);
                answer.response_models.insert("application/json".to_owned(), model);
            }
            for (media_type, content) in members(response.get("content")) {
                if let Some(schema) = content.get("schema") {
                    let model = self.model_of(schema);
                    answer.response_models.insert(media_type.clone(), model);
                }
            }
            check_method_response(self.definition, &answer)?;
            method.method_responses.insert(status.clone(), answer);
        }
        Ok(())
    }

    pub(super) fn set_integration(
        &mut self,
        resource: &str,
        method: &mut Method,
        operation: &'a Value,
    ) -> Result<(), Error> {
        let Some(wanted) = operation.get("x-amazon-apigateway-integration") else { return Ok(()) };
        let keys = wanted.get("cacheKeyParameters").and_then(Value::as_array).into_iter().flatten();
        let tls = wanted.get("tlsConfig").and_then(|tls| flag(tls.get("insecureSkipVerification")));
        let input = PutIntegration {
            rest_api_id: self.api.to_owned(),
            resource_id: resource.to_owned(),
            method: method.http_method.clone(),
            kind: one_of("integration type", wanted.get("type"))?,
            http_method: text(wanted.get("httpMethod")).map(|method| match method.to_ascii_uppercase().as_str() {
                "X-AMAZON-APIGATEWAY-ANY-METHOD" => "ANY".to_owned(),
                method => method.to_owned(),
            }),
            uri: text(wanted.get("uri")),
            connection_type: one_of("connection type", wanted.get("connectionType"))?,
            connection_id: text(wanted.get("connectionId")),
            credentials: text(wanted.get("credentials")),
            request_parameters: Some(texts(wanted.get("requestParameters"))),
            request_templates: Some(texts(wanted.get("requestTemplates"))),
            passthrough_behavior: text(wanted.get("passthroughBehavior")).map(|text| text.to_ascii_uppercase()),
            cache_namespace: text(wanted.get("cacheNamespace")),
            cache_key_parameters: Some(keys.filter_map(|one| text(Some(one))).collect()),
            content_handling: one_of("content handling", wanted.get("contentHandling"))?,
            timeout_in_millis: number(wanted.get("timeoutInMillis")),
            tls_config: tls.map(|skip| TlsConfig { insecure_skip_verification: skip }),
            response_transfer_mode: text(wanted.get("responseTransferMode")).map(|text| text.to_ascii_uppercase()),
            integration_target: text(wanted.get("integrationTarget")),
        };
        if input.kind.is_none() {
            return Err(Error::bad("Invalid integration type specified: it is missing"));
        }
        let mut integration = new_integration(input)?;
        check_integration(method, &integration)?;
        for (pattern, response) in members(wanted.get("responses")) {
            let response = IntegrationResponse {
                status_code: text(response.get("statusCode")).unwrap_or_else(|| "200".to_owned()),
                selection_pattern: Some(pattern.clone()).filter(|pattern| pattern != "default"),
                response_parameters: texts(response.get("responseParameters")),
                response_templates: texts(response.get("responseTemplates")),
                content_handling: one_of("content handling", response.get("contentHandling"))?,
            };
            check_integration_response(method, &response)?;
            integration.integration_responses.insert(response.status_code.clone(), response);
        }
        method.method_integration = Some(integration);
        Ok(())
    }
}
