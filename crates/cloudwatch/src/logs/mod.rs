//! CloudWatch Logs.
pub mod pattern;
pub use pattern::{Explanation, PATTERN_CHARS_MAX, Pattern, PatternError};
