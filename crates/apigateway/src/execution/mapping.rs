//! From the request to the integration and back: parameters and templates.

use bytes::Bytes;
use serde_json::Value;

use crate::deployed::DeployedStage;
use crate::model::{PassthroughBehavior, Texts};
use crate::vtl::{Overrides, Pairs, Rendered, Scope, Template};

use super::answer::Answer;
use super::failure::{Failure, Kind};
use super::plan::{Compiled, PlannedIntegration, PlannedResponse};
use super::request::{Request, value};

/// What goes to a backend.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) body: Bytes,
    pub(super) overrides: Overrides,
}

/// What came from a backend.
#[derive(Debug)]
pub(super) struct BackendAnswer {
    pub(super) headers: Pairs,
    pub(super) body: Bytes,
}

/// A text with `${stageVariables.name}` filled in.
pub(super) fn stage_variables(text: &str, variables: &Texts) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${stageVariables.") {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push_str("${stageVariables.");
            rest = after;
            continue;
        };
        out.push_str(variables.get(name).map_or("", String::as_str));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Something of the request, by what stands behind `method.request.`.
pub(super) fn request_value(request: &Request, name: &str) -> Option<String> {
    if name == "body" {
        return Some(String::from_utf8_lossy(&request.body).into_owned());
    }
    let (kind, name) = name.split_once('.')?;
    let all = |pairs: &Pairs, same: &dyn Fn(&str) -> bool| {
        let values: Vec<&str> =
            pairs.iter().filter(|(known, _)| same(known)).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(","))
    };
    match kind {
        "header" => request.header(name).map(str::to_owned),
        "querystring" => request.query_value(name).map(str::to_owned),
        "path" => request.path_parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
        "multivalueheader" => all(&request.headers, &|known| known.eq_ignore_ascii_case(name)),
        "multivaluequerystring" => all(&request.query, &|known| known == name),
        "body" => json_at(&request.body, name),
        _ => None,
    }
}

/// The value at a JSONPath of a body, as text.
fn json_at(body: &[u8], path: &str) -> Option<String> {
    let template = format!("$input.path('{}')", path.replace('\'', "''"));
    let template = Template::parse(&template).ok()?;
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
    template.render(&scope).ok().map(|rendered| rendered.text)
}

/// A member of `$context`, as text.
pub(super) fn context_value(context: &Value, path: &str) -> Option<String> {
    let found = path.split('.').try_fold(context, |value, name| value.get(name))?;
    match found {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The value that a parameter of the integration is to have.
fn source_value(request: &Request, deployed: &DeployedStage, from: &str) -> Option<String> {
    if let Some(text) = from.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return Some(text.to_owned());
    }
    if let Some(name) = from.strip_prefix("method.request.") {
        return request_value(request, name);
    }
    if let Some(name) = from.strip_prefix("stageVariables.") {
        return deployed.stage.variables.get(name).cloned();
    }
    context_value(&request.context(), from.strip_prefix("context.")?)
}

/// Parameters for the integration, by what they are of: headers, query string, path.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) headers: Pairs,
    pub(super) query: Pairs,
    pub(super) path: Pairs,
}

/// The parameters that the integration names, and what the template has set over them.
pub(super) fn parameters(
    request: &Request,
    integration: &PlannedIntegration,
    deployed: &DeployedStage,
    overrides: &Overrides,
) -> Parameters {
    let mut parameters = Parameters::default();
    for (name, from) in &integration.request_parameters {
        let Some((kind, name)) = name.strip_prefix("integration.request.").and_then(|name| name.split_once('.')) else {
            continue;
        };
        let Some(value) = source_value(request, deployed, from) else { continue };
        match kind {
            "header" => parameters.headers.push((name.to_owned(), value)),
            "querystring" => parameters.query.push((name.to_owned(), value)),
            "path" => parameters.path.push((name.to_owned(), value)),
            _ => {}
        }
    }
    for (pairs, set) in [
        (&mut parameters.headers, &overrides.request_headers),
        (&mut parameters.query, &overrides.request_query),
        (&mut parameters.path, &overrides.request_path),
    ] {
        for (name, value) in set {
            pairs.retain(|(known, _)| known != name);
            pairs.push((name.clone(), value.clone()));
        }
    }
    parameters
}

fn render(template: &Compiled, request: &Request, deployed: &DeployedStage, body: &[u8]) -> Result<Rendered, Failure> {
    let template = template.as_ref().map_err(|why| Failure::internal().because(why.as_str()))?;
    let text = String::from_utf8_lossy(body);
    let scope = Scope {
        body: &text,
        path: &request.path_parameters,
        query: &request.query,
        headers: &request.headers,
        stage_variables: &deployed.stage.variables,
        context: &|| request.context(),
    };
    template.render(&scope).map_err(|error| Failure::internal().because(error.to_string()))
}

/// The body for the integration: through the template for its media type, or as it is where that is allowed.
pub(super) fn map_request(
    request: &Request,
    body: &Bytes,
    integration: &PlannedIntegration,
    deployed: &DeployedStage,
) -> Result<Mapped, Failure> {
    let templates = &integration.templates;
    if let Some(template) = templates.get(&request.media_type()).or_else(|| templates.get("$default")) {
        let rendered = render(template, request, deployed, body)?;
        return Ok(Mapped { body: rendered.text.into(), overrides: rendered.overrides });
    }
    let passes = match integration.passthrough {
        PassthroughBehavior::WhenNoMatch => true,
        PassthroughBehavior::WhenNoTemplates => templates.is_empty(),
        PassthroughBehavior::Never => false,
    };
    match passes {
        true => Ok(Mapped { body: body.clone(), overrides: Overrides::default() }),
        false => Err(Failure::new(Kind::UnsupportedMediaType)),
    }
}

/// The method's answer, from what a backend answered.
pub(super) fn map_response(
    request: &Request,
    response: &PlannedResponse,
    deployed: &DeployedStage,
    backend: BackendAnswer,
) -> Result<Answer, Failure> {
    let accepted = request.header("accept").and_then(|accept| accept.split([',', ';']).next()).unwrap_or("").trim();
    let templates = &response.templates;
    let template = templates.get_key_value(accepted).or_else(|| templates.get_key_value("application/json"));
    let rendered = match template.or_else(|| templates.first_key_value()) {
        Some((media_type, template)) => Some((media_type, render(template, request, deployed, &backend.body)?)),
        None => None,
    };
    let mut answer = Answer::new(response.status, Bytes::new());
    match &rendered {
        Some((media_type, _)) => answer.set("content-type", media_type),
        None => {
            if let Some(media_type) = value(&backend.headers, "content-type") {
                answer.set("content-type", media_type);
            }
        }
    }
    for (name, from) in &response.parameters {
        if let Some(header) = name.strip_prefix("method.response.header.") {
            for value in response_values(request, deployed, &backend, from) {
                match answer.has(header) && from.starts_with("integration.response.multivalueheader.") {
                    true => answer.add(header, &value),
                    false => answer.set(header, &value),
                }
            }
        }
    }
    match rendered {
        None => answer.body = backend.body,
        Some((_, rendered)) => {
            answer.body = rendered.text.into();
            answer.status = rendered.overrides.response_status.unwrap_or(answer.status);
            for (name, value) in &rendered.overrides.response_headers {
                answer.set(name, value);
            }
        }
    }
    Ok(answer)
}

fn response_values(request: &Request, deployed: &DeployedStage, backend: &BackendAnswer, from: &str) -> Vec<String> {
    let Some(name) = from.strip_prefix("integration.response.") else {
        return source_value(request, deployed, from).into_iter().collect();
    };
    if name == "body" {
        return vec![String::from_utf8_lossy(&backend.body).into_owned()];
    }
    match name.split_once('.') {
        Some(("header", name)) => value(&backend.headers, name).map(str::to_owned).into_iter().collect(),
        Some(("multivalueheader", name)) => {
            let same = backend.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            same.map(|(_, value)| value.clone()).collect()
        }
        Some(("body", path)) => json_at(&backend.body, path).into_iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Texts;

    #[test]
    fn stage_variables_are_filled_in() {
        let variables = Texts::from([("f".to_owned(), "fn".to_owned())]);
        let check = |text: &str, expect: &str| assert_eq!(super::stage_variables(text, &variables), expect);
        check("a:${stageVariables.f}/b", "a:fn/b");
        check("${stageVariables.f}${stageVariables.no}", "fn");
        check("${stageVariables.f", "${stageVariables.f");
        check("plain", "plain");
    }

    #[test]
    fn bodies_are_read_by_path() {
        assert_eq!(super::json_at(br#"{"a":{"b":[1,2]}}"#, "a.b[1]").as_deref(), Some("2"));
        assert_eq!(super::json_at(br#"{"a":1}"#, "$.a").as_deref(), Some("1"));
        assert_eq!(super::json_at(b"{}", "]['"), None);
    }
}
