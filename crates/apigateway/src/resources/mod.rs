//! The CloudFormation resource types of API Gateway.
//!
//! AWS: CloudFormation Template Reference, "Amazon API Gateway resource types". A stack acts with the rights of whoever deploys
//! it, so every step asks for the permission of the operation it stands for.

mod api;
mod behavior;
mod deploy;
mod key;
mod method;
mod part;
mod properties;

use std::sync::Arc;

use cauce_core::ports::Access;
use cauce_core::{Call, CreateRequest, Provisioned, ResourceType, ServiceError};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::service::{ApiGateway, path_arn};

/// The resource types of API Gateway, for CloudFormation.
pub fn resource_types(gateway: &Arc<ApiGateway>) -> Vec<Arc<dyn ResourceType>> {
    let own = || Arc::clone(gateway);
    vec![
        Arc::new(api::RestApiType(own())),
        Arc::new(api::ResourcePathType(own())),
        Arc::new(method::MethodType(own())),
        Arc::new(part::AuthorizerResource(own())),
        Arc::new(part::ModelType(own())),
        Arc::new(part::RequestValidatorType(own())),
        Arc::new(behavior::GatewayResponseType(own())),
        Arc::new(behavior::AccountType(own())),
        Arc::new(deploy::DeploymentType(own())),
        Arc::new(deploy::StageType(own())),
        Arc::new(key::ApiKeyType(own())),
        Arc::new(key::UsagePlanType(own())),
        Arc::new(key::UsagePlanKeyType(own())),
    ]
}

impl ApiGateway {
    /// Refuses a deployer who may not do `method` to the path.
    async fn may(&self, call: &Call, method: &str, path: &str) -> Result<(), ServiceError> {
        let (action, resource) = (format!("apigateway:{method}"), path_arn(call, path));
        let access = Access { action: &action, resource: &resource, ..Access::default() };
        self.ports.identity.authorize(call, &access).await
    }
}

/// The id of what a request makes: the same when the request is repeated after a crash, so that a repeated create finds what
/// the first one made.
fn own_id(request: &CreateRequest, chars: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let digest = Sha256::digest(format!("{}\n{}\n{}", request.stack_id, request.logical_id, request.generated_name));
    let letter = |byte: &u8| ALPHABET.get(usize::from(*byte) % ALPHABET.len()).map(|&b| char::from(b));
    digest.iter().take(chars).filter_map(letter).collect()
}

/// What is gone already is success.
fn or_gone(result: Result<(), Error>) -> Result<(), ServiceError> {
    match result {
        Err(Error::NotFound(_)) => Ok(()),
        other => other.map_err(ServiceError::from),
    }
}

/// A resource with one attribute.
fn provisioned(physical_id: &str, attributes: &[(&str, &str)]) -> Provisioned {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    Provisioned { physical_id: physical_id.to_owned(), attributes: attributes.collect::<Map<_, _>>() }
}
