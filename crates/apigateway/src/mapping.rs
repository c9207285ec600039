//! Parameter mappings: from which part of a request or answer a part of another one comes.
//!
//! AWS: API Gateway Developer Guide, "Parameter mapping examples for REST APIs in API Gateway".

use crate::error::Error;
use crate::method::invalid_mapping;
use crate::model::{Method, MethodResponse};

fn undeclared(name: &str) -> Error {
    Error::bad(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression \
         parameter specified: {name}]"
    ))
}

/// Whether a source needs nothing of the method: a literal, the context, a stage variable.
fn stands_alone(from: &str) -> bool {
    let literal = from.len() >= 2 && from.starts_with('\'') && from.ends_with('\'');
    let named = |prefix: &str| from.strip_prefix(prefix).is_some_and(|name| !name.is_empty());
    literal || named("context.") || named("stageVariables.")
}

/// Refuses a mapping onto the backend's request: `to` is set from `from`.
pub(crate) fn check_request_mapping(method: &Method, to: &str, from: &str) -> Result<(), Error> {
    let target = to.strip_prefix("integration.request.").and_then(|rest| rest.split_once('.'));
    match target {
        Some(("path" | "querystring" | "header", name)) if !name.is_empty() => {}
        _ => return Err(invalid_mapping(to)),
    }
    if stands_alone(from) || from == "method.request.body" || from.starts_with("method.request.body.") {
        return Ok(());
    }
    let Some((place, name)) = from.strip_prefix("method.request.").and_then(|rest| rest.split_once('.')) else {
        return Err(invalid_mapping(from));
    };
    // A parameter that is mapped as many values is declared as one.
    let declared = match place {
        "path" | "querystring" | "header" => from.to_owned(),
        "multivaluequerystring" => format!("method.request.querystring.{name}"),
        "multivalueheader" => format!("method.request.header.{name}"),
        _ => return Err(invalid_mapping(from)),
    };
    let known = [declared.as_str(), from].iter().any(|name| method.request_parameters.contains_key(*name));
    if known { Ok(()) } else { Err(undeclared(from)) }
}

/// Refuses a mapping onto a header of the method's answer.
pub(crate) fn check_response_mapping(declared: &MethodResponse, to: &str, from: &str) -> Result<(), Error> {
    if !to.starts_with("method.response.header.") {
        return Err(invalid_mapping(to));
    }
    if !declared.response_parameters.contains_key(to) {
        return Err(undeclared(to));
    }
    if stands_alone(from) || from == "integration.response.body" || from.starts_with("integration.response.body.") {
        return Ok(());
    }
    let source = from.strip_prefix("integration.response.").and_then(|rest| rest.split_once('.'));
    match source {
        Some(("header" | "multivalueheader", name)) if !name.is_empty() => Ok(()),
        _ => Err(invalid_mapping(from)),
    }
}

/// What is wrong with a mapping onto a header of a gateway response, if something is.
pub(crate) fn invalid_gateway_mapping<'a>(to: &'a str, from: &'a str) -> Option<&'a str> {
    let header = to.strip_prefix("gatewayresponse.header.").is_some_and(|name| !name.is_empty());
    let request = ["path.", "querystring.", "header.", "multivaluequerystring.", "multivalueheader."];
    let known = |from: &str| {
        let place = from.strip_prefix("method.request.");
        stands_alone(from) || place.is_some_and(|place| request.iter().any(|start| place.starts_with(start)))
    };
    match (header, known(from)) {
        (false, _) => Some(to),
        (true, false) => Some(from),
        (true, true) => None,
    }
}
