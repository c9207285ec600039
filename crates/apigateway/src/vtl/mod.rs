//! The Velocity Template Language as API Gateway's mapping templates use it.
//!
//! A [`Template`] is parsed once and rendered for every request. AWS: *API Gateway Developer Guide*, "Mapping template
//! transformations for REST APIs" and "Variables for data transformations"; Apache Velocity 1.7 *User Guide* for the language.
//!
//! # Limits
//! A template has at most [`TEMPLATE_BYTES_MAX`] and nests at most [`DEPTH_MAX`] deep; a rendering makes at most
//! [`OUTPUT_BYTES_MAX`] of text and [`STEPS_MAX`] steps, and a loop runs [`LOOP_TURNS_MAX`] times. So no template can exhaust
//! the stack, the memory or the patience of anybody.
//!
//! # Deliberately absent
//! `#macro`, `#define`, `#include`, `#parse` and `#evaluate` are refused: API Gateway documents none of them. There is no way
//! to anything outside: values are texts, numbers, truth values, lists and maps, with the methods of their Java counterparts
//! that templates call.

mod ast;
mod collections;
mod evaluate;
mod expression;
mod input;
mod json;
mod parse;
mod path;
mod reference;
mod strings;
#[cfg(test)]
mod tests;
mod tools;
mod value;

use std::collections::BTreeMap;

use ast::Node;

/// The largest template, in bytes: a quota of API Gateway.
pub(crate) const TEMPLATE_BYTES_MAX: usize = 300 * 1_024;
/// How deep directives, expressions and documents may nest.
pub(crate) const DEPTH_MAX: usize = 64;
/// The most text that a rendering may make, in bytes: an integration takes and gives no more.
pub(crate) const OUTPUT_BYTES_MAX: usize = 10 * 1_024 * 1_024;
/// How often the body of a `#foreach` is rendered at most: a quota of API Gateway. The rest is left out.
pub(crate) const LOOP_TURNS_MAX: usize = 1_000;
/// What a rendering may make and do: bytes of texts and documents, and [`NODE_STEPS`] for every piece of the template.
pub(crate) const STEPS_MAX: usize = 64 * 1_024 * 1_024;
/// What rendering one piece of a template costs of [`STEPS_MAX`].
const NODE_STEPS: usize = 32;

/// A template that was parsed.
#[derive(Debug)]
pub(crate) struct Template {
    body: Vec<Node>,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at byte {at} of the template")]
pub(crate) struct SyntaxError {
    /// What is wrong.
    pub(crate) message: String,
    /// Where, in bytes from the beginning.
    pub(crate) at: usize,
}

/// Why a template could not be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RenderError {
    /// A limit of this module was reached.
    #[error("the limit of {max} {what} was reached")]
    Limit {
        /// What there may be no more of.
        what: &'static str,
        /// How much of it there may be.
        max: usize,
    },
    /// A method that cannot do what it was asked for.
    #[error("{method}: {reason}")]
    Method {
        /// Its name.
        method: &'static str,
        /// Why.
        reason: String,
    },
    /// A text that was to be read as JSON and is none.
    #[error("not a JSON document: {0}")]
    Json(String),
    /// A text that is no JSONPath.
    #[error("not a JSONPath: {0}")]
    Path(String),
}

/// Pairs of names and values, in order.
pub(crate) type Pairs = Vec<(String, String)>;

/// What a template may read.
pub(crate) struct Scope<'a> {
    /// The body, `$input.body`.
    pub(crate) body: &'a str,
    /// Path parameters.
    pub(crate) path: &'a [(String, String)],
    /// The query string's parameters; of one that comes twice the last counts.
    pub(crate) query: &'a [(String, String)],
    /// Headers; of one that comes twice the last counts.
    pub(crate) headers: &'a [(String, String)],
    /// `$stageVariables`.
    pub(crate) stage_variables: &'a BTreeMap<String, String>,
    /// `$context`, made only where a template asks for it.
    pub(crate) context: &'a dyn Fn() -> serde_json::Value,
}

/// What a template has set of the request or response that it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// `$context.requestOverride.header`.
    pub(crate) request_headers: Pairs,
    /// `$context.requestOverride.path`.
    pub(crate) request_path: Pairs,
    /// `$context.requestOverride.querystring`.
    pub(crate) request_query: Pairs,
    /// `$context.responseOverride.header`.
    pub(crate) response_headers: Pairs,
    /// `$context.responseOverride.status`.
    pub(crate) response_status: Option<u16>,
}

/// What came of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// The text.
    pub(crate) text: String,
    /// What it has set besides.
    pub(crate) overrides: Overrides,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`SyntaxError`] if it is too long, nests too deep or is not written in the language.
    pub(crate) fn parse(text: &str) -> Result<Template, SyntaxError> {
        if text.len() > TEMPLATE_BYTES_MAX {
            let message = format!("the limit of {TEMPLATE_BYTES_MAX} bytes for a template is exceeded");
            return Err(SyntaxError { message, at: TEMPLATE_BYTES_MAX });
        }
        Ok(Template { body: parse::template(text, 0)? })
    }

    /// Renders it.
    ///
    /// # Errors
    /// [`RenderError`] if a limit is reached, or a method called with what it cannot take.
    pub(crate) fn render(&self, scope: &Scope<'_>) -> Result<Rendered, RenderError> {
        evaluate::render(&self.body, scope)
    }
}
