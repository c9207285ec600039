//! The members of a REST operation's input, gathered from where they stand.

use std::borrow::Cow;

use cauce_core::ServiceError;

use crate::RestRequest;
use crate::document::Document;
use crate::json;
use crate::operation::Binding;

/// The input as a tree: the body's members, then labels, query parameters and headers, which win over the body.
///
/// # Errors
/// 400 `SerializationException` for a body that is no JSON structure.
pub(crate) fn document<'a>(request: &'a RestRequest, bindings: &[Binding]) -> Result<Document<'a>, ServiceError> {
    let mut members = match json::parse(&request.body)? {
        Document::Map(members) => members,
        _ => Vec::new(),
    };
    let mut set = |member: &'static str, value: Document<'a>| {
        members.retain(|(name, _)| name != member);
        members.push((Cow::Borrowed(member), value));
    };
    let loose = |text: &'a str| Document::Loose(Cow::Borrowed(text));
    for (member, value) in &request.labels {
        set(member, loose(value));
    }
    for binding in bindings {
        match *binding {
            Binding::Query { name, member } => {
                if let Some(value) = request.query(name) {
                    set(member, loose(value));
                }
            }
            Binding::QueryList { name, member } => {
                let values: Vec<&str> =
                    request.query.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
                if !values.is_empty() {
                    set(member, Document::List(values.into_iter().map(loose).collect()));
                }
            }
            Binding::Header { name, member } => {
                if let Some(value) = request.header(name) {
                    set(member, loose(value));
                }
            }
        }
    }
    Ok(Document::Map(members))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use serde::Deserialize;

    use super::document;
    use crate::RestRequest;
    use crate::operation::Binding;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase", default)]
    struct Input {
        function_name: String,
        qualifier: Option<String>,
        max_items: Option<i32>,
        dry_run: Option<bool>,
        tag_keys: Vec<String>,
        kind: Option<String>,
        description: Option<String>,
    }

    #[test]
    fn members_come_from_everywhere() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-kind", "Event".parse().unwrap());
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        let request = RestRequest {
            method: Method::POST,
            labels: vec![("FunctionName", "f".to_owned())],
            query: vec![
                pair("Qualifier", "1"),
                pair("MaxItems", "5"),
                pair("DryRun", "true"),
                pair("tagKeys", "a"),
                pair("tagKeys", "b"),
            ],
            headers,
            body: r#"{"Description":"d","FunctionName":"other","Unknown":[1]}"#.into(),
        };
        let bindings = [
            Binding::Query { name: "Qualifier", member: "Qualifier" },
            Binding::Query { name: "MaxItems", member: "MaxItems" },
            Binding::Query { name: "DryRun", member: "DryRun" },
            Binding::QueryList { name: "tagKeys", member: "TagKeys" },
            Binding::Header { name: "X-Amz-Kind", member: "Kind" },
        ];
        let input = Input::deserialize(document(&request, &bindings).unwrap()).unwrap();
        let text = |text: &str| Some(text.to_owned());
        let expect = Input {
            function_name: "f".into(),
            qualifier: text("1"),
            max_items: Some(5),
            dry_run: Some(true),
            tag_keys: vec!["a".into(), "b".into()],
            kind: text("Event"),
            description: text("d"),
        };
        assert_eq!(input, expect);
        let wrong = RestRequest { query: vec![pair("MaxItems", "many")], ..request };
        let error = Input::deserialize(document(&wrong, &bindings).unwrap()).unwrap_err();
        let error = error.into_service_error("ValidationException", "SerializationException");
        assert_eq!(error.message(), "STRING_VALUE can not be converted to a Number");
    }
}
