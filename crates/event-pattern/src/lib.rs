#![doc = include_str!("../README.md")]

mod address;
mod arrays;
mod byte_tree;
mod check;
mod conditions;
mod error;
mod exclusions;
mod explain;
mod fields;
mod fold;
mod grams;
mod index;
mod json;
mod limits;
mod matcher;
mod number;
mod operator;
mod parse;
mod parse_operator;
mod paths;
mod pattern;
mod postings;
mod ranges;
mod scan;
mod scratch;
mod shared;
mod token;
mod wildcard;

pub use error::{EventError, Location, PatternError};
pub use explain::{
    BranchExplanation, ConditionExplanation, Explanation, SeenValue, VALUE_CHARS_MAX, VALUES_SHOWN_MAX, Verdict,
};
pub use json::validate;
pub use limits::{
    ARRAY_STEPS_MAX, DuplicateFields, EVENT_BYTES_MAX, EVENT_DEPTH_MAX, Limits, PATTERN_CHARS_DEFAULT,
    PATTERN_CHARS_MAX,
};
pub use matcher::Matcher;
pub use pattern::Pattern;
pub use shared::SharedMatcher;
