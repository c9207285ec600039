//! Authorizers: functions that decide who may call.
//!
//! AWS: API Gateway Developer Guide, "Use API Gateway Lambda authorizers".

use std::sync::Arc;

use cauce_core::{Arn, Call, Violations};
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::Deserialize;

use crate::error::Error;
use crate::execution::whole;
use crate::model::{Authorizer, AuthorizerType, Definition};
use crate::page::{Page, Wanted};
use crate::patch::{Patch, PatchOperation, REPLACE, REPLACE_REMOVE, Supported, apply};
use crate::service::{ApiGateway, ListOfApi, Located, at, list};

/// Authorizers of an API. AWS: 10.
pub(crate) const AUTHORIZERS_MAX: usize = 10;
/// How long an answer may be kept, in seconds.
pub(crate) const TTL_S_MAX: i64 = 3_600;
/// How long an answer is kept where nothing is said, in seconds.
pub(crate) const TTL_S: i64 = 300;

/// AWS: *CreateAuthorizer*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateAuthorizer {
    pub(crate) rest_api_id: String,
    pub(crate) name: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<AuthorizerType>,
    #[serde(rename = "providerARNs")]
    pub(crate) provider_arns: Option<Vec<String>>,
    pub(crate) auth_type: Option<String>,
    pub(crate) authorizer_uri: Option<String>,
    pub(crate) authorizer_credentials: Option<String>,
    pub(crate) identity_source: Option<String>,
    pub(crate) identity_validation_expression: Option<String>,
    pub(crate) authorizer_result_ttl_in_seconds: Option<i64>,
}

impl Input for CreateAuthorizer {
    fn validate(&self, v: &mut Violations) {
        v.within("createAuthorizerInput", |v| {
            v.required("name", self.name.as_ref());
            v.required("type", self.kind.as_ref());
        });
    }
}

impl Located for CreateAuthorizer {
    fn location(&self) -> String {
        format!("/restapis/{}/authorizers", self.rest_api_id)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneAuthorizer {
    rest_api_id: String,
    authorizer_id: String,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneAuthorizer {}

impl Located for OneAuthorizer {
    fn location(&self) -> String {
        format!("/restapis/{}/authorizers/{}", self.rest_api_id, self.authorizer_id)
    }
}

pub(crate) fn no_authorizer() -> Error {
    Error::missing("Invalid Authorizer identifier specified")
}

/// The authorizer that a request describes.
pub(crate) fn new_authorizer(id: String, input: CreateAuthorizer) -> Authorizer {
    let kind = input.kind.unwrap_or(AuthorizerType::Token);
    Authorizer {
        id,
        name: input.name.unwrap_or_default(),
        kind,
        provider_arns: input.provider_arns.unwrap_or_default(),
        auth_type: input.auth_type.or_else(|| Some("custom".to_owned())),
        authorizer_uri: input.authorizer_uri,
        authorizer_credentials: input.authorizer_credentials.filter(|arn| !arn.is_empty()),
        identity_source: input.identity_source.filter(|source| !source.is_empty()),
        identity_validation_expression: input.identity_validation_expression.filter(|text| !text.is_empty()),
        authorizer_result_ttl_in_seconds: Some(input.authorizer_result_ttl_in_seconds.unwrap_or(TTL_S)),
    }
}

fn check_uri(uri: Option<&str>) -> Result<(), Error> {
    let uri = uri.unwrap_or_default();
    let is_function = uri.parse::<Arn>().is_ok_and(|arn| {
        let path = arn.resource().strip_prefix("path/2015-03-31/functions/");
        arn.service() == "apigateway"
            && arn.account_str() == "lambda"
            && path.and_then(|path| path.strip_suffix("/invocations")).is_some_and(|function| !function.is_empty())
    });
    if is_function {
        return Ok(());
    }
    Err(Error::bad(format!(
        "Invalid Authorizer URI: {uri}. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function \
         invocation."
    )))
}

fn check_identity_source(kind: AuthorizerType, source: &str) -> Result<(), Error> {
    let invalid = || Error::bad(format!("Invalid identity source specified: {source}"));
    let named = |prefix: &str| source.strip_prefix(prefix).is_some_and(|name| !name.is_empty());
    let header = named("method.request.header.");
    let more = named("method.request.querystring.") || named("stageVariables.") || named("context.");
    match kind {
        AuthorizerType::Request if header || more => Ok(()),
        AuthorizerType::Token if header => Ok(()),
        _ => Err(invalid()),
    }
}

fn check_authorizer(definition: &Definition, authorizer: &Authorizer) -> Result<(), Error> {
    if authorizer.kind == AuthorizerType::CognitoUserPools || !authorizer.provider_arns.is_empty() {
        return Err(Error::unsupported("The authorizer type COGNITO_USER_POOLS"));
    }
    let name = &authorizer.name;
    if name.is_empty() || name.chars().count() > 128 {
        return Err(Error::bad("Authorizer name must have 1 to 128 characters"));
    }
    if definition.authorizers.values().any(|other| other.name == *name && other.id != authorizer.id) {
        return Err(Error::bad(format!(
            "Authorizer name must be unique. Authorizer {name} already exists in this RestApi."
        )));
    }
    check_uri(authorizer.authorizer_uri.as_deref())?;
    let ttl_s = authorizer.authorizer_result_ttl_in_seconds.unwrap_or(TTL_S);
    if !(0..=TTL_S_MAX).contains(&ttl_s) {
        return Err(Error::bad(format!("Authorizer result TTL must be between 0 and {TTL_S_MAX} seconds")));
    }
    match (authorizer.kind, &authorizer.identity_source) {
        (AuthorizerType::Request, None) if ttl_s == 0 => {}
        (AuthorizerType::Request, None) => {
            return Err(Error::bad("Identity source is required for REQUEST authorizers whose results are cached"));
        }
        (_, None) => return Err(Error::bad("Identity source is required for TOKEN authorizers")),
        (kind, Some(sources)) => {
            sources.split(',').map(str::trim).try_for_each(|source| check_identity_source(kind, source))?;
            if kind == AuthorizerType::Token && sources.contains(',') {
                return Err(Error::bad("TOKEN authorizers have exactly one identity source"));
            }
        }
    }
    if authorizer.identity_validation_expression.is_some() && authorizer.kind != AuthorizerType::Token {
        return Err(Error::bad("Identity validation expression is only allowed for TOKEN authorizers"));
    }
    if let Some(pattern) = &authorizer.identity_validation_expression {
        whole(pattern)
            .map_err(|_| Error::bad(format!("Invalid identity validation expression specified: {pattern}")))?;
    }
    if let Some(role) = &authorizer.authorizer_credentials
        && !role.parse::<Arn>().is_ok_and(|arn| arn.service() == "iam")
    {
        return Err(Error::bad("Invalid ARN specified in the request"));
    }
    Ok(())
}

/// Adds an authorizer, or refuses it.
pub(crate) fn add_authorizer(definition: &mut Definition, authorizer: Authorizer) -> Result<Authorizer, Error> {
    check_authorizer(definition, &authorizer)?;
    if definition.authorizers.len() >= AUTHORIZERS_MAX {
        return Err(Error::limit("authorizers", AUTHORIZERS_MAX));
    }
    definition.authorizers.insert(authorizer.id.clone(), authorizer.clone());
    Ok(authorizer)
}

/// Changes an authorizer, or refuses the change.
pub(crate) fn replace_authorizer(definition: &mut Definition, authorizer: Authorizer) -> Result<Authorizer, Error> {
    check_authorizer(definition, &authorizer)?;
    let place = definition.authorizers.get_mut(&authorizer.id).ok_or_else(no_authorizer)?;
    *place = authorizer.clone();
    Ok(authorizer)
}

/// Removes an authorizer that no method uses.
pub(crate) fn remove_authorizer(definition: &mut Definition, id: &str) -> Result<(), Error> {
    if !definition.authorizers.contains_key(id) {
        return Err(no_authorizer());
    }
    let mut methods = definition.resources.values().flat_map(|r| r.resource_methods.values().map(move |m| (r, m)));
    if let Some((resource, method)) = methods.find(|(_, m)| m.authorizer_id.as_deref() == Some(id)) {
        let (resource, method) = (&resource.id, &method.http_method);
        return Err(Error::conflict(format!(
            "Cannot delete authorizer '{id}', is referenced in method: {resource}/{method}"
        )));
    }
    definition.authorizers.remove(id);
    Ok(())
}

fn patch_authorizer(authorizer: &mut Authorizer, patch: &Patch<'_>) -> Result<(), Error> {
    match patch.template {
        "/name" => authorizer.name = patch.text()?,
        "/type" => authorizer.kind = patch.one_of(&["TOKEN", "REQUEST", "COGNITO_USER_POOLS"])?,
        "/authType" => authorizer.auth_type = patch.optional(),
        "/authorizerUri" => authorizer.authorizer_uri = Some(patch.text()?),
        "/authorizerCredentials" => authorizer.authorizer_credentials = patch.optional(),
        "/identitySource" => authorizer.identity_source = patch.optional(),
        "/identityValidationExpression" => authorizer.identity_validation_expression = patch.optional(),
        _ => authorizer.authorizer_result_ttl_in_seconds = Some(patch.number()?),
    }
    Ok(())
}

const PATCHES: Supported = &[
    ("/authType", REPLACE),
    ("/authorizerCredentials", REPLACE_REMOVE),
    ("/authorizerResultTtlInSeconds", REPLACE),
    ("/authorizerUri", REPLACE),
    ("/identitySource", REPLACE),
    ("/identityValidationExpression", REPLACE_REMOVE),
    ("/name", REPLACE),
    ("/type", REPLACE),
];

impl ApiGateway {
    pub(crate) async fn create_authorizer(
        self: Arc<Self>,
        call: Call,
        input: CreateAuthorizer,
    ) -> Result<Authorizer, Error> {
        let api = input.rest_api_id.clone();
        let authorizer = new_authorizer(self.new_short_id(), input);
        self.change_definition(&call, &api, |definition| add_authorizer(definition, authorizer.clone())).await
    }

    pub(crate) async fn get_authorizer(self: Arc<Self>, call: Call, input: OneAuthorizer) -> Result<Authorizer, Error> {
        let mut definition = self.read_definition(&call, &input.rest_api_id).await?;
        definition.authorizers.remove(&input.authorizer_id).ok_or_else(no_authorizer)
    }

    pub(crate) async fn get_authorizers(
        self: Arc<Self>,
        call: Call,
        input: ListOfApi,
    ) -> Result<Page<Authorizer>, Error> {
        let definition = self.read_definition(&call, &input.rest_api_id).await?;
        let all = definition.authorizers.iter();
        Wanted::new(input.position.as_ref(), input.limit).page(all.map(|(id, one)| (id.as_str(), one.clone())))
    }

    pub(crate) async fn update_authorizer(
        self: Arc<Self>,
        call: Call,
        input: OneAuthorizer,
    ) -> Result<Authorizer, Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let found = definition.authorizers.get(&input.authorizer_id).cloned();
            let mut authorizer = found.ok_or_else(no_authorizer)?;
            apply(&mut authorizer, &input.patch_operations, PATCHES, patch_authorizer)?;
            replace_authorizer(definition, authorizer)
        })
        .await
    }

    pub(crate) async fn delete_authorizer(self: Arc<Self>, call: Call, input: OneAuthorizer) -> Result<(), Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            remove_authorizer(definition, &input.authorizer_id)
        })
        .await
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    const ALL: &str = "/restapis/{restApiId}/authorizers";
    const ONE: &str = "/restapis/{restApiId}/authorizers/{authorizerId}";
    api.operation(at(Operation::new("CreateAuthorizer", G::create_authorizer), HttpMethod::POST, ALL, 201))
        .operation(list(Operation::new("GetAuthorizers", G::get_authorizers), "authorizers", ALL))
        .operation(at(Operation::new("GetAuthorizer", G::get_authorizer), HttpMethod::GET, ONE, 200))
        .operation(at(Operation::new("UpdateAuthorizer", G::update_authorizer), HttpMethod::PATCH, ONE, 200))
        .operation(at(Operation::new("DeleteAuthorizer", G::delete_authorizer), HttpMethod::DELETE, ONE, 202))
}
