//! CloudWatch for Cauce. Today: [`logs`]. Metrics and alarms join it as modules beside.
//!
//! # Limits
//! See [`logs`].
//!
//! # Deliberately absent
//! Whatever the modules name; and any knowledge of the services that write here.

pub mod logs;
