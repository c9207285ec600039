//! API Gateway: REST APIs, from their definition to their answers.
//!
//! - The control plane ([`ApiGateway`], [`api`], [`resource_types`]) keeps APIs, and copies one whole when it is deployed.
//! - The execution plane ([`Gateway`]) serves what is deployed, compiled once for each stage.
//! - Mapping templates (`vtl`) are of use without either.
//!
//! # Limits
//! AWS's quotas: 10,000 requests a second of an account and 5,000 at once, bodies of 10 MiB, 10,240 bytes of headers, 29 seconds
//! for an integration, templates of 300 KiB, 1,000 turns of a loop, and those of the control plane beside its operations.
//!
//! # Invariants
//! - A deployment never changes; a request that comes after the answer to a change of a stage or a key sees the change.
//! - The way of a request reads the store only for an API or a key that is not known yet, and writes it only to count quotas.
//! - What no rule lets in is refused: a method without its authorizer, a policy that does not read, a function that has not
//!   allowed the API.
//!
//! # Deliberately absent
//! HTTP and WebSocket APIs, caching, canaries, client certificates, private APIs, VPC links, user pools.

mod account;
mod api_key;
mod api_key_import;
mod authorizer;
mod body_model;
mod deployed;
mod deployment;
mod error;
mod execution;
mod export;
mod gateway_response;
mod import;
mod integration;
mod keys;
mod mapping;
mod method;
mod model;
mod model_template;
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
mod usage;
mod usage_plan;
mod usage_plan_key;
mod vtl;
mod yaml;

pub use error::Error;
pub use execution::Gateway;
pub use resources::resource_types;
pub use service::{ApiGateway, ApiGatewayPorts, INFO, api};
