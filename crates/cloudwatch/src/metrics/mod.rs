//! CloudWatch metrics: samples put, kept as long as CloudWatch keeps them, and read back as statistics and through metric math.
//!
//! Operations: [`api`]. Samples from inside the program: `cauce_core::ports::Metrics`, which [`Metrics`] answers. Beside requests:
//! [`Metrics::flusher`], which stores once a second what services have recorded, and [`Metrics::worker`], which rolls up and
//! removes. The layout in the store: `keys.rs`.
//!
//! # Invariants
//! - `PutMetricData` is answered when its samples are durable; every reader that starts afterwards sees them.
//! - No two writers conflict: one lane merges whatever waits into the rows of its points, one commit at a time.
//! - A sample lies in one row: of a second for three hours, then of a minute until 15 days, of five minutes until 63 days, of an
//!   hour until 455 days. Rolling up loses nothing but the finer time.
//! - What services record themselves is durable within a second: a kill loses at most the last second of it, never anything else.
//!
//! # Limits
//! Those of the API; [`MetricsOptions::metrics_max`], [`MetricsOptions::waiting_kib_max`]; for percentiles
//! [`cauce_core::EXACT_VALUES_MAX`] and [`cauce_core::RELATIVE_ERROR`]; for metric math [`EXPRESSION_DEPTH_MAX`] and
//! [`EXPRESSION_STEPS_MAX`].
//!
//! # Deliberately absent
//! Alarms, anomaly detection, Metrics Insights, Contributor Insights, metric streams, widgets as images, entities.

mod api;
mod dashboard;
mod data;
mod embedded;
mod error;
mod exposition;
mod get_statistics;
mod input;
mod keys;
mod label;
mod lane;
mod list;
mod math;
mod name;
mod point;
mod put;
mod read;
mod recorder;
mod registry;
mod rollup;
mod service;
mod statistic;
mod tier;
mod unit;

pub use api::{INFO, api};
pub use data::{QUERIES_MAX, RESULT_POINTS_MAX};
pub use error::MetricsError;
pub use exposition::CONTENT_TYPE as EXPOSITION_CONTENT_TYPE;
pub use math::{EXPRESSION_DEPTH_MAX, EXPRESSION_STEPS_MAX};
pub use service::{Metrics, MetricsOptions};
