//! The Swagger document that an API's methods, authorizers, CORS and models become.

use serde_json::{Map, Value, json};

use super::super::Invalid;
use super::auth::Auth;
use super::event::ApiEvent;

const ANY: &str = "x-amazon-apigateway-any-method";
const ALL_METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
const KEY: &str = "api_key";

/// A document while it is being put together.
pub(super) struct Body(pub(super) Map<String, Value>);

/// Changes the object under a name, which is made where it is missing.
fn within<T>(map: &mut Map<String, Value>, name: &str, change: impl FnOnce(&mut Map<String, Value>) -> T) -> T {
    let mut inner = match map.remove(name) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    let out = change(&mut inner);
    map.insert(name.to_owned(), Value::Object(inner));
    out
}

impl Body {
    /// A document without methods.
    pub(super) fn new() -> Body {
        let start = json!({
            "swagger": "2.0",
            "info": {"version": "1.0", "title": {"Ref": "AWS::StackName"}},
            "paths": {},
        });
        Body(start.as_object().cloned().unwrap_or_default())
    }

    fn paths(&mut self) -> impl Iterator<Item = &mut Map<String, Value>> {
        let paths = self.0.get_mut("paths").and_then(Value::as_object_mut);
        paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut)
    }

    fn methods(&mut self) -> impl Iterator<Item = (&String, &mut Map<String, Value>)> {
        let methods = self.paths().flat_map(|path| path.iter_mut());
        methods.filter(|(name, _)| is_method(name)).filter_map(|(name, method)| Some((name, method.as_object_mut()?)))
    }

    /// Adds the method that an event means.
    pub(super) fn add(&mut self, event: &ApiEvent, auth: &Auth) -> Result<(), Invalid> {
        let name = if event.method == "any" { ANY } else { event.method.as_str() };
        if name != ANY && !ALL_METHODS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(event.invalid(format!("API method \"{}\" is not a method.", event.method)));
        }
        let path = self.0.get("paths").and_then(|paths| paths.get(&event.path));
        if path.is_some_and(|path| path.get(name).is_some()) {
            let (method, path) = (&event.method, &event.path);
            return Err(event.invalid(format!("API method \"{method}\" defined multiple times for path \"{path}\".")));
        }
        let uri = format!(
            "arn:aws:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{{}}}/invocations",
            event.function
        );
        let mut integration = json!({"type": "aws_proxy", "httpMethod": "POST", "uri": {"Fn::Sub": uri}});
        if let (Some(timeout), Some(members)) = (&event.timeout_in_millis, integration.as_object_mut()) {
            members.insert("timeoutInMillis".to_owned(), timeout.clone());
        }
        let mut method = Map::new();
        let (security, credentials) = auth.of_event(event)?;
        if let (Some(credentials), Some(members)) = (credentials, integration.as_object_mut()) {
            members.insert("credentials".to_owned(), credentials);
        }
        if !security.is_empty() {
            method.insert("security".to_owned(), security.iter().map(|name| json!({name: []})).collect());
        }
        method.insert("x-amazon-apigateway-integration".to_owned(), integration);
        method.insert("responses".to_owned(), json!({}));
        let parameters = self.parameters(event, &mut method)?;
        if !parameters.is_empty() {
            method.insert("parameters".to_owned(), Value::Array(parameters));
        }
        within(&mut self.0, "paths", |paths| {
            within(paths, &event.path, |path| path.insert(name.to_owned(), Value::Object(method)));
        });
        Ok(())
    }

    fn parameters(&mut self, event: &ApiEvent, method: &mut Map<String, Value>) -> Result<Vec<Value>, Invalid> {
        let mut parameters = Vec::new();
        for wanted in &event.request_parameters {
            let (name, required) = match wanted {
                Value::String(name) => (name.as_str(), false),
                Value::Object(one) if one.len() == 1 => {
                    let (name, settings) = one.iter().next().ok_or_else(|| event.invalid("RequestParameters"))?;
                    (name.as_str(), settings.get("Required").and_then(Value::as_bool).unwrap_or(false))
                }
                _ => return Err(event.invalid("Invalid value for 'RequestParameters' property.")),
            };
            let place = name.strip_prefix("method.request.").and_then(|rest| rest.split_once('.'));
            let (place, name) = match place {
                Some(("querystring", name)) => ("query", name),
                Some((place @ ("header" | "path"), name)) => (place, name),
                _ => {
                    return Err(event.invalid(
                        "Invalid value for 'RequestParameters' property. Keys must be in the format \
                         'method.request.[querystring|path|header].{value}', e.g 'method.request.header.Authorization'.",
                    ));
                }
            };
            let required = required || place == "path";
            parameters.push(json!({"in": place, "name": name, "type": "string", "required": required}));
        }
        if let Some(model) = &event.request_model {
            parameters.push(self.request_model(event, model, method)?);
        }
        Ok(parameters)
    }

    fn request_model(
        &mut self,
        event: &ApiEvent,
        model: &Value,
        method: &mut Map<String, Value>,
    ) -> Result<Value, Invalid> {
        let Some(name) = model.get("Model").and_then(Value::as_str).map(str::to_lowercase) else {
            return Err(event.invalid("Unable to set RequestModel: it must name a Model."));
        };
        if self.0.get("definitions").and_then(|models| models.get(&name)).is_none() {
            return Err(event.invalid(format!(
                "Unable to set RequestModel [{name}] because it wasn't defined in the API's Models."
            )));
        }
        let flag = |name: &str| model.get(name).and_then(Value::as_bool);
        let validate = (flag("ValidateBody"), flag("ValidateParameters"));
        if validate != (None, None) {
            let (body, parameters) = (validate.0.unwrap_or(false), validate.1.unwrap_or(false));
            let validator = match (body, parameters) {
                (true, true) => "body-and-params",
                (true, false) => "body-only",
                (false, true) => "params-only",
                (false, false) => "no-validation",
            };
            let wanted = json!({"validateRequestBody": body, "validateRequestParameters": parameters});
            let all = "x-amazon-apigateway-request-validators";
            within(&mut self.0, all, |all| all.insert(validator.to_owned(), wanted));
            method.insert("x-amazon-apigateway-request-validator".to_owned(), validator.into());
        }
        let mut parameter = json!({"in": "body", "name": name, "schema": {"$ref": format!("#/definitions/{name}")}});
        if let (Some(required), Some(members)) = (flag("Required"), parameter.as_object_mut()) {
            members.insert("required".to_owned(), required.into());
        }
        Ok(parameter)
    }

    /// Adds models, which have lower-case names.
    pub(super) fn add_models(&mut self, models: &Map<String, Value>) {
        within(&mut self.0, "definitions", |definitions| {
            definitions.extend(models.iter().map(|(name, model)| (name.to_lowercase(), model.clone())));
        });
    }

    /// Adds what is answered where no integration answers.
    pub(super) fn add_gateway_responses(&mut self, api: &str, wanted: &Map<String, Value>) -> Result<(), Invalid> {
        let places = [("Headers", "header"), ("Paths", "path"), ("QueryStrings", "querystring")];
        for (kind, response) in wanted {
            let mut out = json!({"responseParameters": {}, "responseTemplates": {}});
            let Some(out_members) = out.as_object_mut() else { continue };
            for (name, value) in response.as_object().into_iter().flatten() {
                match name.as_str() {
                    "StatusCode" => {
                        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        out_members.insert("statusCode".to_owned(), text.into());
                    }
                    "ResponseTemplates" => drop(out_members.insert("responseTemplates".to_owned(), value.clone())),
                    "ResponseParameters" => {
                        within(out_members, "responseParameters", |parameters| {
                            for (from, to) in places {
                                let all = value.get(from).and_then(Value::as_object).into_iter().flatten();
                                parameters
                                    .extend(all.map(|(name, v)| (format!("gatewayresponse.{to}.{name}"), v.clone())));
                            }
                        });
                    }
                    other => {
                        let why = format!("Invalid property '{other}' in 'GatewayResponses' property '{kind}'.");
                        return Err(Invalid::resource(api, why));
                    }
                }
            }
            within(&mut self.0, "x-amazon-apigateway-gateway-responses", |all| all.insert(kind.clone(), out));
        }
        Ok(())
    }

    /// Answers preflight requests of every path that does not do so itself.
    pub(super) fn add_cors(&mut self, api: &str, cors: &Value, auth: &Auth) -> Result<(), Invalid> {
        let cors = Cors::read(api, cors)?;
        for path in self.paths() {
            if path.contains_key("options") {
                continue;
            }
            let mut options = cors.options(path);
            let security = auth.of_preflight();
            if let (false, Some(members)) = (security.is_empty(), options.as_object_mut()) {
                members.insert("security".to_owned(), security.iter().map(|name| json!({name: []})).collect());
            }
            path.insert("options".to_owned(), options);
        }
        Ok(())
    }

    /// Protects methods that say nothing of it themselves, and names the schemes that are used.
    pub(super) fn add_auth(&mut self, auth: &Auth) {
        let default = auth.of_every_method();
        for (name, method) in self.methods() {
            if name != "options" && !default.is_empty() && !method.contains_key("security") {
                method.insert("security".to_owned(), default.iter().map(|name| json!({name: []})).collect());
            }
        }
        let mut used: Vec<String> = Vec::new();
        for (_, method) in self.methods() {
            let schemes = method.get("security").and_then(Value::as_array).into_iter().flatten();
            used.extend(schemes.filter_map(Value::as_object).flat_map(|one| one.keys().cloned()));
        }
        let mut schemes = auth.schemes();
        if used.iter().any(|name| name == KEY) {
            schemes.insert(KEY.to_owned(), json!({"type": "apiKey", "name": "x-api-key", "in": "header"}));
        }
        if used.iter().any(|name| name == "AWS_IAM") {
            let sigv4 = json!({
                "x-amazon-apigateway-authtype": "awsSigv4", "type": "apiKey", "name": "Authorization", "in": "header",
            });
            schemes.insert("AWS_IAM".to_owned(), sigv4);
        }
        if !schemes.is_empty() {
            within(&mut self.0, "securityDefinitions", |all| all.extend(schemes));
        }
    }
}

fn is_method(name: &str) -> bool {
    name == ANY || ALL_METHODS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What browsers are told.
struct Cors {
    origin: Value,
    methods: Option<Value>,
    headers: Option<Value>,
    max_age: Option<Value>,
    credentials: bool,
}

impl Cors {
    fn read(api: &str, cors: &Value) -> Result<Cors, Invalid> {
        let plain = |origin: &Value| Cors {
            origin: origin.clone(),
            methods: None,
            headers: None,
            max_age: None,
            credentials: false,
        };
        let members = match cors {
            Value::String(_) => return Ok(plain(cors)),
            Value::Object(one) if one.keys().all(|key| key == "Ref" || key.starts_with("Fn::")) => {
                return Ok(plain(cors));
            }
            Value::Object(members) => members,
            _ => return Err(Invalid::resource(api, "Invalid value for 'Cors' property.")),
        };
        let known = ["AllowCredentials", "AllowHeaders", "AllowMethods", "AllowOrigin", "MaxAge"];
        if members.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(Invalid::resource(api, "Invalid value for 'Cors' property."));
        }
        let credentials = members.get("AllowCredentials").and_then(Value::as_bool).unwrap_or(false);
        if credentials && members.get("AllowOrigin").is_none_or(|origin| origin == "'*'") {
            return Err(Invalid::resource(
                api,
                "Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is \"'*'\" or \
                 not set",
            ));
        }
        Ok(Cors {
            origin: members.get("AllowOrigin").cloned().unwrap_or_else(|| "'*'".into()),
            methods: members.get("AllowMethods").cloned(),
            headers: members.get("AllowHeaders").cloned(),
            max_age: members.get("MaxAge").cloned(),
            credentials,
        })
    }

    fn options(&self, path: &Map<String, Value>) -> Value {
        let allowed = || {
            let mut names: Vec<String> = match path.contains_key(ANY) {
                true => ALL_METHODS.map(str::to_owned).to_vec(),
                false => path.keys().filter(|name| is_method(name)).map(|name| name.to_ascii_uppercase()).collect(),
            };
            names.push("OPTIONS".to_owned());
            names.sort_unstable();
            names.dedup();
            Value::from(format!("'{}'", names.join(",")))
        };
        let credentials = self.credentials.then(|| Value::from("'true'"));
        let headers = [
            ("Access-Control-Allow-Origin", Some(self.origin.clone()), "string"),
            ("Access-Control-Allow-Headers", self.headers.clone(), "string"),
            ("Access-Control-Allow-Methods", Some(self.methods.clone().unwrap_or_else(allowed)), "string"),
            ("Access-Control-Max-Age", self.max_age.clone(), "integer"),
            ("Access-Control-Allow-Credentials", credentials, "string"),
        ];
        let (mut parameters, mut declared) = (Map::new(), Map::new());
        for (name, value, kind) in headers {
            let Some(value) = value else { continue };
            parameters.insert(format!("method.response.header.{name}"), value);
            declared.insert(name.to_owned(), json!({ "type": kind }));
        }
        json!({
            "summary": "CORS support",
            "consumes": ["application/json"],
            "produces": ["application/json"],
            "x-amazon-apigateway-integration": {
                "type": "mock",
                "requestTemplates": {"application/json": "{\n  \"statusCode\" : 200\n}\n"},
                "responses": {"default": {
                    "statusCode": "200",
                    "responseParameters": parameters,
                    "responseTemplates": {"application/json": "{}\n"},
                }},
            },
            "responses": {"200": {"description": "Default response for CORS method", "headers": declared}},
        })
    }
}
