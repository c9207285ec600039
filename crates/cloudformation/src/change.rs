//! x
/// What stands for a value that only the deployment will tell.
pub const KNOWN_AFTER_APPLY: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";
