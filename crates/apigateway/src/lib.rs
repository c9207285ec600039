//! API Gateway: REST APIs, from their definition to their answers.
#![allow(dead_code, reason = "the execution plane reads the model")]

mod body_model;
mod deployed;
mod error;
mod keys;
mod model;
mod page;
mod patch;
mod rest_api;
mod service;
mod tag;
mod usage_plan;
mod vtl;

pub use error::Error;
pub use service::{ApiGateway, ApiGatewayPorts, INFO, api};
