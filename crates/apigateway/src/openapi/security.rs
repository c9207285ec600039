//! Security schemes: API keys, IAM, authorizers.

use serde_json::Value;

use super::{Import, members, number, text};
use crate::authorizer::{CreateAuthorizer, add_authorizer, new_authorizer};
use crate::error::Error;
use crate::model::{AuthorizationType, AuthorizerType, Method};

/// What a security scheme means for the methods that name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// `x-api-key`
    Key,
    /// Signatures.
    Iam,
    /// The authorizer with this id.
    Authorizer(String),
    /// Something that only documents.
    Nothing,
}

impl<'a> Import<'a> {
    pub(super) fn security_schemes(&mut self) {
        for (name, scheme) in members(self.components("securityDefinitions", "securitySchemes")) {
            match self.security(name, scheme) {
                Ok(security) => drop(self.securities.insert(name.clone(), security)),
                Err(error) => self.error(&format!("Unable to create authorizer '{name}'"), &error),
            }
        }
    }

    fn security(&mut self, name: &str, scheme: &'a Value) -> Result<Security, Error> {
        if text(scheme.get("x-amazon-apigateway-authtype")).as_deref() == Some("awsSigv4") {
            return Ok(Security::Iam);
        }
        let header = text(scheme.get("name")).unwrap_or_default();
        let Some(authorizer) = scheme.get("x-amazon-apigateway-authorizer") else {
            let is_key =
                text(scheme.get("type")).as_deref() == Some("apiKey") && header.eq_ignore_ascii_case("x-api-key");
            return Ok(if is_key { Security::Key } else { Security::Nothing });
        };
        let kind = match text(authorizer.get("type")).unwrap_or_default().to_ascii_lowercase().as_str() {
            "token" => AuthorizerType::Token,
            "request" => AuthorizerType::Request,
            "cognito_user_pools" => AuthorizerType::CognitoUserPools,
            other => return Err(Error::bad(format!("Invalid Authorizer type specified: {other}"))),
        };
        let source = text(authorizer.get("identitySource"));
        // A TOKEN authorizer's token stands in the header that the scheme names.
        let source =
            source.or_else(|| (kind == AuthorizerType::Token).then(|| format!("method.request.header.{header}")));
        let input = CreateAuthorizer {
            rest_api_id: self.api.to_owned(),
            name: Some(name.to_owned()),
            kind: Some(kind),
            provider_arns: None,
            auth_type: text(scheme.get("x-amazon-apigateway-authtype")),
            authorizer_uri: text(authorizer.get("authorizerUri")),
            authorizer_credentials: text(authorizer.get("authorizerCredentials")),
            identity_source: source,
            identity_validation_expression: text(authorizer.get("identityValidationExpression")),
            authorizer_result_ttl_in_seconds: number(authorizer.get("authorizerResultTtlInSeconds")),
        };
        let id: String = (self.new_id)().chars().take(6).collect();
        self.definition.authorizers.retain(|_, have| have.name != name);
        Ok(Security::Authorizer(add_authorizer(self.definition, new_authorizer(id, input))?.id))
    }

    /// Protects a method as its operation, else the document, says.
    pub(super) fn protect(&self, method: &mut Method, operation: &'a Value) -> Result<(), Error> {
        if let Some(kind) = text(operation.get("x-amazon-apigateway-auth").and_then(|auth| auth.get("type"))) {
            match kind.to_ascii_uppercase().as_str() {
                "AWS_IAM" => method.authorization_type = AuthorizationType::AwsIam,
                "NONE" => method.authorization_type = AuthorizationType::None,
                other => return Err(Error::bad(format!("Invalid x-amazon-apigateway-auth type specified: {other}"))),
            }
        }
        let wanted = operation.get("security").or_else(|| self.document.get("security")).and_then(Value::as_array);
        for (name, _) in wanted.into_iter().flatten().flat_map(|one| members(Some(one))) {
            match self.securities.get(name) {
                Some(Security::Key) => method.api_key_required = true,
                Some(Security::Iam) => method.authorization_type = AuthorizationType::AwsIam,
                Some(Security::Authorizer(id)) => {
                    method.authorization_type = AuthorizationType::Custom;
                    method.authorizer_id = Some(id.clone());
                }
                Some(Security::Nothing) => {}
                // `NONE` is how templates say that nothing protects a method.
                None if name == "NONE" => {}
                None => return Err(Error::bad(format!("Invalid security scheme specified: {name}"))),
            }
        }
        Ok(())
    }
}
