//! CloudWatch for Cauce: [`logs`] and [`metrics`]. Alarms join them as a module beside.
//!
//! # Limits
//! See the modules.
//!
//! # Deliberately absent
//! Whatever the modules name; and any knowledge of the services that write here.

pub mod logs;
pub mod metrics;
