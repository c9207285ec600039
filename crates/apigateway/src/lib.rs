//! API Gateway: REST APIs, from their definition to their answers.

mod account;
mod api_key;
mod authorizer;
mod body_model;
mod deployed;
mod deployment;
mod error;
mod execution;
mod gateway_response;
mod import;
mod integration;
mod keys;
mod mapping;
mod method;
mod model;
mod openapi;
mod page;
mod patch;
mod request_validator;
mod resource;
mod resources;
mod rest_api;
mod service;
mod stage;
mod tag;
mod usage_plan;
mod usage_plan_key;
mod vtl;

pub use error::Error;
pub use execution::Gateway;
pub use resources::resource_types;
pub use service::{ApiGateway, ApiGatewayPorts, INFO, api};
