//! API Gateway: REST APIs, from their definition to their answers.
#![allow(dead_code, reason = "the execution plane reads the model")]

mod account;
mod api_key;
mod authorizer;
mod body_model;
mod deployed;
mod deployment;
mod error;
mod gateway_response;
mod integration;
mod keys;
mod mapping;
mod method;
mod model;
mod page;
mod patch;
mod request_validator;
mod resource;
mod rest_api;
mod service;
mod stage;
mod tag;
mod usage_plan;
mod usage_plan_key;
mod vtl;

pub use error::Error;
pub use service::{ApiGateway, ApiGatewayPorts, INFO, api};
