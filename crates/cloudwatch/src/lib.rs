//! CloudWatch.
pub mod logs;
