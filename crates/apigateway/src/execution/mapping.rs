//! From the request to the integration and back: parameters and templates.

use bytes::Bytes;
use serde_json::Value;

use crate::deployed::DeployedStage;
use crate::model::{PassthroughBehavior, Texts};
use crate::vtl::{Overrides, Pairs, Rendered, Scope};

use super::answer::Answer;
use super::failure::{Failure, Kind};
use super::plan::{Compiled, Parameter, Part, PlannedIntegration, PlannedResponse};
use super::request::{Request, value};
use super::source::{Context, Source};

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

/// A member of `$context`, as text.
pub(super) fn context_value(context: &Value, path: &str) -> Option<String> {
    let found = path.split('.').try_fold(context, |value, name| value.get(name))?;
    match found {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Parameters for the integration, by what they are of: headers, query string, path.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) headers: Pairs,
    pub(super) query: Pairs,
    pub(super) path: Pairs,
}

/// The parameters that the integration names, and what the template has set over them.
pub(super) fn parameters(request: &Request, integration: &PlannedIntegration, overrides: &Overrides) -> Parameters {
    let mut parameters = Parameters::default();
    let context = Context::new(request);
    for Parameter { part, name, from } in &integration.parameters {
        let Some(value) = from.value(request, &context) else { continue };
        let pairs = match part {
            Part::Header => &mut parameters.headers,
            Part::Query => &mut parameters.query,
            Part::Path => &mut parameters.path,
        };
        pairs.push((name.clone(), value));
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
    let template = template.as_ref().map_err(|why| Failure::configuration(format!("Invalid template: {why}")))?;
    let text = String::from_utf8_lossy(body);
    let scope = Scope {
        body: &text,
        path: &request.path_parameters,
        query: &request.query,
        headers: &request.headers,
        stage_variables: &deployed.stage.variables,
        context: &|| request.context(),
    };
    template.render(&scope).map_err(|error| Failure::configuration(format!("Unable to transform: {error}")))
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
        Some((media_type, _)) => answer.set("Content-Type", media_type),
        None => {
            if let Some(media_type) = value(&backend.headers, "content-type") {
                answer.set("Content-Type", media_type);
            }
        }
    }
    let context = Context::new(request);
    for (header, from) in &response.parameters {
        for value in from.values(request, &context, &backend) {
            match answer.has(header) && matches!(from, Source::ResponseHeaders(_)) {
                true => answer.add(header, &value),
                false => answer.set(header, &value),
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
}
