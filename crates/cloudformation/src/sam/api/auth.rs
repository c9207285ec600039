//! Who may call: the property `Auth` of an API and of its events.

use serde_json::{Map, Value, json};

use super::super::{Invalid, Made, properties, resource};
use super::event::ApiEvent;

const KNOWN: &[&str] = &[
    "AddApiKeyRequiredToCorsPreflight",
    "AddDefaultAuthorizerToCorsPreflight",
    "ApiKeyRequired",
    "Authorizers",
    "DefaultAuthorizer",
    "InvokeRole",
    "UsagePlan",
];
const AUTHORIZER: &[&str] =
    &["DisableFunctionDefaultPermissions", "FunctionArn", "FunctionInvokeRole", "FunctionPayloadType", "Identity"];
/// The caller's own credentials.
const CALLER: &str = "arn:aws:iam::*:user/*";

/// What an API says of its callers.
#[derive(Clone, Debug, Default)]
pub(super) struct Auth {
    given: Map<String, Value>,
    authorizers: Map<String, Value>,
}

impl Auth {
    pub(super) fn read(api: &str, given: Option<&Value>) -> Result<Auth, Invalid> {
        let Some(given) = given else { return Ok(Auth::default()) };
        let Value::Object(given) = given else {
            return Err(Invalid::resource(api, "Type of property 'Auth' is invalid."));
        };
        if let Some(unknown) = given.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(Invalid::resource(api, format!("property Auth.{unknown} is not supported.")));
        }
        let authorizers = given.get("Authorizers").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, authorizer) in &authorizers {
            let members = authorizer.as_object().into_iter().flat_map(Map::keys);
            if let Some(unknown) = members.clone().find(|name| !AUTHORIZER.contains(&name.as_str())) {
                let why = format!("property {unknown} of the authorizer '{name}' is not supported.");
                return Err(Invalid::resource(api, why));
            }
            if authorizer.get("FunctionArn").is_none() {
                let why = format!("{name} Authorizer must have a 'FunctionArn'.");
                return Err(Invalid::resource(api, why));
            }
        }
        let auth = Auth { given: given.clone(), authorizers };
        match auth.default_authorizer() {
            Some(name) if name != "AWS_IAM" && !auth.authorizers.contains_key(name) => {
                let why = format!("Unable to set DefaultAuthorizer because '{name}' was not defined in 'Authorizers'.");
                Err(Invalid::resource(api, why))
            }
            _ => Ok(auth),
        }
    }

    fn default_authorizer(&self) -> Option<&str> {
        self.given.get("DefaultAuthorizer").and_then(Value::as_str)
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.given.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// The schemes of methods that say nothing themselves.
    pub(super) fn of_every_method(&self) -> Vec<String> {
        let key = self.flag("ApiKeyRequired", false).then_some("api_key");
        self.default_authorizer().into_iter().chain(key).map(str::to_owned).collect()
    }

    pub(super) fn of_preflight(&self) -> Vec<String> {
        let key = self.flag("ApiKeyRequired", false) && self.flag("AddApiKeyRequiredToCorsPreflight", true);
        let default = self.default_authorizer().filter(|_| self.flag("AddDefaultAuthorizerToCorsPreflight", true));
        default.into_iter().chain(key.then_some("api_key")).map(str::to_owned).collect()
    }

    /// The schemes of an event's method, and as whom its function is invoked.
    pub(super) fn of_event(&self, event: &ApiEvent) -> Result<(Vec<String>, Option<Value>), Invalid> {
        let own = event.auth.get("Authorizer").and_then(Value::as_str);
        let authorizer = own.or(self.default_authorizer());
        if let Some(name) = own
            && !matches!(name, "NONE" | "AWS_IAM")
            && !self.authorizers.contains_key(name)
        {
            let (method, path) = (&event.method, &event.path);
            return Err(event.invalid(format!(
                "Unable to set Authorizer [{name}] on API method [{method}] for path [{path}] because it wasn't defined in the \
                 API's Authorizers."
            )));
        }
        if own == Some("NONE") && self.default_authorizer().is_none() {
            let (method, path) = (&event.method, &event.path);
            return Err(event.invalid(format!(
                "Unable to set Authorizer on API method [{method}] for path [{path}] because 'NONE' is only a valid value when \
                 a DefaultAuthorizer on the API is specified."
            )));
        }
        // The order is SAM's: a key that the event asks for itself comes before the authorizer, the API's after it.
        let (first, last) = match event.auth.get("ApiKeyRequired").and_then(Value::as_bool) {
            Some(own) => (own, false),
            None => (false, self.flag("ApiKeyRequired", false)),
        };
        let key = |wanted: bool| wanted.then_some("api_key");
        let schemes = key(first).into_iter().chain(authorizer).chain(key(last)).map(str::to_owned).collect();
        if authorizer != Some("AWS_IAM") {
            return Ok((schemes, None));
        }
        let role = event.auth.get("InvokeRole").or_else(|| self.given.get("InvokeRole"));
        let credentials = match role {
            None => Some(CALLER.into()),
            Some(Value::String(role)) if role == "CALLER_CREDENTIALS" => Some(CALLER.into()),
            Some(Value::String(role)) if role == "NONE" => None,
            Some(role) => Some(role.clone()),
        };
        Ok((schemes, credentials))
    }

    /// The authorizers as security schemes.
    pub(super) fn schemes(&self) -> Map<String, Value> {
        self.authorizers.iter().map(|(name, authorizer)| (name.clone(), scheme(authorizer))).collect()
    }

    /// The permissions by which the API invokes its authorizers.
    pub(super) fn permissions(&self, api: &str, attributes: &Map<String, Value>) -> Made {
        let wanted = self
            .authorizers
            .iter()
            .filter(|(_, authorizer)| authorizer.get("DisableFunctionDefaultPermissions") != Some(&Value::Bool(true)));
        let permission = |(name, authorizer): (&String, &Value)| {
            let source = "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/authorizers/*";
            let permission = properties([
                ("Action", Some("lambda:InvokeFunction".into())),
                ("FunctionName", authorizer.get("FunctionArn").cloned()),
                ("Principal", Some("apigateway.amazonaws.com".into())),
                ("SourceArn", Some(json!({"Fn::Sub": [source, {"__ApiId__": {"Ref": api}}]}))),
            ]);
            let id = format!("{api}{name}AuthorizerPermission");
            (id, resource("AWS::Lambda::Permission", permission, attributes))
        };
        wanted.map(permission).collect()
    }

    /// The usage plan of the API, with one key.
    pub(super) fn usage_plan(&self, api: &str, stage: &str, attributes: &Map<String, Value>) -> Result<Made, Invalid> {
        let Some(wanted) = self.given.get("UsagePlan").and_then(Value::as_object) else { return Ok(Made::new()) };
        match wanted.get("CreateUsagePlan").and_then(Value::as_str) {
            Some("PER_API") => {}
            Some("NONE") => return Ok(Made::new()),
            Some("SHARED") => return Err(Invalid::resource(api, "CreateUsagePlan SHARED is not supported.")),
            _ => return Err(Invalid::resource(api, "'CreateUsagePlan' is required field in UsagePlan properties")),
        }
        let known = ["CreateUsagePlan", "Description", "Quota", "Tags", "Throttle", "UsagePlanName"];
        if let Some(unknown) = wanted.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Invalid::resource(api, format!("property UsagePlan.{unknown} is not supported.")));
        }
        let (plan_id, key_id) = (format!("{api}UsagePlan"), format!("{api}ApiKey"));
        let depending = |on: &str| {
            let mut attributes = attributes.clone();
            attributes.insert("DependsOn".to_owned(), json!([on]));
            attributes
        };
        let mut plan = wanted.clone();
        plan.remove("CreateUsagePlan");
        plan.insert("ApiStages".to_owned(), json!([{"ApiId": {"Ref": api}, "Stage": {"Ref": stage}}]));
        let stages = json!([{"RestApiId": {"Ref": api}, "StageName": {"Ref": stage}}]);
        let key = properties([("Enabled", Some(true.into())), ("StageKeys", Some(stages))]);
        let member = properties([
            ("KeyId", Some(json!({"Ref": &key_id}))),
            ("KeyType", Some("API_KEY".into())),
            ("UsagePlanId", Some(json!({"Ref": &plan_id}))),
        ]);
        Ok(vec![
            (plan_id.clone(), resource("AWS::ApiGateway::UsagePlan", plan, &depending(api))),
            (key_id.clone(), resource("AWS::ApiGateway::ApiKey", key, &depending(&plan_id))),
            (format!("{api}UsagePlanKey"), resource("AWS::ApiGateway::UsagePlanKey", member, &depending(&key_id))),
        ])
    }
}

fn scheme(authorizer: &Value) -> Value {
    let identity = |name: &str| authorizer.get("Identity").and_then(|identity| identity.get(name));
    let request = authorizer.get("FunctionPayloadType").and_then(Value::as_str) == Some("REQUEST");
    let uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations";
    let function = authorizer.get("FunctionArn").cloned().unwrap_or_default();
    let mut inner = properties([
        ("type", Some(if request { "request" } else { "token" }.into())),
        ("authorizerUri", Some(json!({"Fn::Sub": [uri, {"__FunctionArn__": function}]}))),
        ("authorizerCredentials", authorizer.get("FunctionInvokeRole").cloned()),
        ("authorizerResultTtlInSeconds", identity("ReauthorizeEvery").cloned()),
        ("identityValidationExpression", identity("ValidationExpression").cloned()),
    ]);
    let mut header = Value::from("Unused");
    if request {
        let places = [
            ("Headers", "method.request.header."),
            ("QueryStrings", "method.request.querystring."),
            ("StageVariables", "stageVariables."),
            ("Context", "context."),
        ];
        let sources: Vec<String> = places
            .iter()
            .flat_map(|(name, prefix)| {
                let names = identity(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
                names.map(move |name| format!("{prefix}{name}"))
            })
            .collect();
        if !sources.is_empty() {
            inner.insert("identitySource".to_owned(), sources.join(", ").into());
        }
    } else {
        header = identity("Header").cloned().unwrap_or_else(|| "Authorization".into());
    }
    json!({
        "type": "apiKey",
        "name": header,
        "in": "header",
        "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": inner,
    })
}
