//! Where the value of a parameter comes from: read once for a deployed stage, asked for every request.

use std::cell::OnceCell;

use serde_json::Value;

use crate::model::Texts;
use crate::vtl::{Pairs, Scope, Template};

use super::mapping::{BackendAnswer, context_value};
use super::request::{Request, value};

/// The JSON at a path of a body, or nothing if the path is none.
type BodyPath = Option<Template>;

/// Something of a request.
#[derive(Debug)]
pub(super) enum RequestSource {
    Body,
    BodyAt(BodyPath),
    Header(String),
    Headers(String),
    Path(String),
    Query(String),
    Queries(String),
}

/// Something that a parameter may be set from.
#[derive(Debug)]
pub(super) enum Source {
    /// A text in quotes, or a stage variable.
    Text(String),
    Request(RequestSource),
    Context(String),
    ResponseBody,
    ResponseBodyAt(BodyPath),
    ResponseHeader(String),
    ResponseHeaders(String),
}

/// `$context`, made for the first that asks.
pub(super) struct Context<'r> {
    request: &'r Request,
    made: OnceCell<Value>,
}

impl<'r> Context<'r> {
    pub(super) fn new(request: &'r Request) -> Context<'r> {
        Context { request, made: OnceCell::new() }
    }

    fn value(&self, path: &str) -> Option<String> {
        context_value(self.made.get_or_init(|| self.request.context()), path)
    }
}

impl RequestSource {
    /// What stands behind `method.request.`.
    pub(super) fn parse(name: &str) -> Option<RequestSource> {
        if name == "body" {
            return Some(RequestSource::Body);
        }
        let (kind, name) = name.split_once('.')?;
        let text = name.to_owned();
        Some(match kind {
            "header" => RequestSource::Header(text),
            "querystring" => RequestSource::Query(text),
            "path" => RequestSource::Path(text),
            "multivalueheader" => RequestSource::Headers(text),
            "multivaluequerystring" => RequestSource::Queries(text),
            "body" => RequestSource::BodyAt(body_path(name)),
            _ => return None,
        })
    }

    pub(super) fn value(&self, request: &Request) -> Option<String> {
        let all = |pairs: &Pairs, same: &dyn Fn(&str) -> bool| {
            let values: Vec<&str> =
                pairs.iter().filter(|(known, _)| same(known)).map(|(_, value)| value.as_str()).collect();
            (!values.is_empty()).then(|| values.join(","))
        };
        match self {
            RequestSource::Body => Some(String::from_utf8_lossy(&request.body).into_owned()),
            RequestSource::BodyAt(path) => body_at(path.as_ref(), &request.body),
            RequestSource::Header(name) => request.header(name).map(str::to_owned),
            RequestSource::Headers(name) => all(&request.headers, &|known| known.eq_ignore_ascii_case(name)),
            RequestSource::Query(name) => request.query_value(name).map(str::to_owned),
            RequestSource::Queries(name) => all(&request.query, &|known| known == name),
            RequestSource::Path(name) => {
                request.path_parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }
        }
    }
}

impl Source {
    /// A mapping's source; `None` for what can never have a value at this stage.
    pub(super) fn parse(from: &str, variables: &Texts) -> Option<Source> {
        if let Some(text) = from.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            return Some(Source::Text(text.to_owned()));
        }
        if let Some(name) = from.strip_prefix("method.request.") {
            return RequestSource::parse(name).map(Source::Request);
        }
        if let Some(name) = from.strip_prefix("stageVariables.") {
            return variables.get(name).cloned().map(Source::Text);
        }
        if let Some(path) = from.strip_prefix("context.") {
            return Some(Source::Context(path.to_owned()));
        }
        match from.strip_prefix("integration.response.")?.split_once('.') {
            None => from.ends_with(".body").then_some(Source::ResponseBody),
            Some(("body", path)) => Some(Source::ResponseBodyAt(body_path(path))),
            Some(("header", name)) => Some(Source::ResponseHeader(name.to_owned())),
            Some(("multivalueheader", name)) => Some(Source::ResponseHeaders(name.to_owned())),
            Some(_) => None,
        }
    }

    /// The value for a backend.
    pub(super) fn value(&self, request: &Request, context: &Context<'_>) -> Option<String> {
        match self {
            Source::Text(text) => Some(text.clone()),
            Source::Request(source) => source.value(request),
            Source::Context(path) => context.value(path),
            _ => None,
        }
    }

    /// The values for an answer.
    pub(super) fn values(&self, request: &Request, context: &Context<'_>, backend: &BackendAnswer) -> Vec<String> {
        match self {
            Source::ResponseBody => vec![String::from_utf8_lossy(&backend.body).into_owned()],
            Source::ResponseBodyAt(path) => body_at(path.as_ref(), &backend.body).into_iter().collect(),
            Source::ResponseHeader(name) => value(&backend.headers, name).map(str::to_owned).into_iter().collect(),
            Source::ResponseHeaders(name) => {
                let same = backend.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
                same.map(|(_, value)| value.clone()).collect()
            }
            other => other.value(request, context).into_iter().collect(),
        }
    }
}

/// A JSONPath of a body: as templates have it.
fn body_path(path: &str) -> BodyPath {
    Template::parse(&format!("$input.path('{}')", path.replace('\'', "''"))).ok()
}

/// The value at a path of a body, as text.
fn body_at(path: Option<&Template>, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let variables = Texts::new();
    let scope = Scope {
        body: &text,
        path: &[],
        query: &[],
        headers: &[],
        stage_variables: &variables,
        context: &|| Value::Null,
    };
    path?.render(&scope).ok().map(|rendered| rendered.text)
}

#[cfg(test)]
mod tests {
    use super::{Source, body_at, body_path};
    use crate::model::Texts;

    #[test]
    fn bodies_are_read_by_path() {
        let at = |path: &str, body: &[u8]| body_at(body_path(path).as_ref(), body);
        assert_eq!(at("a.b[1]", br#"{"a":{"b":[1,2]}}"#).as_deref(), Some("2"));
        assert_eq!(at("$.a", br#"{"a":1}"#).as_deref(), Some("1"));
        assert_eq!(at("]['", b"{}"), None);
    }

    #[test]
    fn sources_are_read_once() {
        let variables = Texts::from([("v".to_owned(), "x".to_owned())]);
        let check = |from: &str, expect: &str| {
            let source = Source::parse(from, &variables).map(|source| format!("{source:?}")).unwrap_or_default();
            assert!(source.starts_with(expect) && source.is_empty() == expect.is_empty(), "{from}: {source}");
        };
        check("'text'", "Text(\"text\")");
        check("stageVariables.v", "Text(\"x\")");
        check("stageVariables.none", "");
        check("context.identity.sourceIp", "Context(\"identity.sourceIp\")");
        check("method.request.body", "Request(Body)");
        check("method.request.body.a", "Request(BodyAt(Some(");
        check("method.request.multivaluequerystring.q", "Request(Queries(\"q\"))");
        check("integration.response.body", "ResponseBody");
        check("integration.response.header.h", "ResponseHeader(\"h\")");
        check("integration.response.cookie.h", "");
        check("else", "");
    }
}
