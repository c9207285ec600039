//! Access logs: a line a request, as the stage's format says.

use std::sync::Arc;

use cauce_core::Arn;
use cauce_core::ports::{LogBatch, LogLine};
use serde_json::{Value, json};

use crate::deployed::DeployedStage;
use crate::model::Texts;
use crate::service::ApiGateway;

use super::mapping::context_value;
use super::request::Request;

/// The longest line, in bytes: what CloudWatch takes.
const LINE_BYTES_MAX: usize = 256 * 1_024;

/// Fills in `$context.name` and `$stageVariables.name`, with `missing` for what there is not. No other part of the template
/// language counts here.
pub(super) fn substitute(template: &str, context: &Value, variables: &Texts, missing: &str) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braces = after.starts_with('{');
        let inner = if braces { after.get(1..).unwrap_or("") } else { after };
        let named = |b: char| b.is_ascii_alphanumeric() || matches!(b, '.' | '_' | '-');
        let name = inner.split(|c| !named(c)).next().unwrap_or("").trim_end_matches('.');
        let value = match name.split_once('.') {
            Some(("context", path)) => context_value(context, path),
            Some(("stageVariables", name)) => variables.get(name).cloned(),
            _ => {
                out.push('$');
                rest = after;
                continue;
            }
        };
        out.push_str(value.as_deref().unwrap_or(missing));
        rest = inner.get(name.len()..).unwrap_or("");
        if braces {
            rest = rest.strip_prefix('}').unwrap_or(rest);
        }
    }
    out.push_str(rest);
    out
}

/// Writes the request's line, without making the client wait for it.
pub(super) fn write(control: &Arc<ApiGateway>, request: &Request, deployed: &DeployedStage) {
    let Some(settings) = &deployed.stage.access_log_settings else { return };
    let (Some(format), Some(destination)) = (&settings.format, &settings.destination_arn) else { return };
    let Ok(destination) = destination.parse::<Arn>() else { return };
    let Some(group) = destination.resource().strip_prefix("log-group:") else { return };
    let now = control.env.now();
    let mut context = request.context();
    if let Value::Object(context) = &mut context {
        context.insert("status".to_owned(), json!(request.status.to_string()));
        context.insert("responseLength".to_owned(), json!(request.answer_bytes.to_string()));
        let latency_ms = now.since(request.call.received).as_millis();
        context.insert("responseLatency".to_owned(), json!(latency_ms.to_string()));
        let integration_status = request.integration_status.map(|status| status.to_string());
        let integration_ms = request.integration_ms.map(|ms| ms.to_string());
        context.insert("integrationStatus".to_owned(), json!(integration_status));
        context.insert("integrationLatency".to_owned(), json!(integration_ms));
        context.insert("integration".to_owned(), json!({ "status": integration_status, "latency": integration_ms }));
    }
    let mut line = substitute(format, &context, &deployed.stage.variables, "-");
    if line.len() > LINE_BYTES_MAX {
        line = line.chars().take(LINE_BYTES_MAX / 4).collect();
    }
    let batch = LogBatch {
        account: request.call.account,
        region: request.call.region.clone(),
        group: group.trim_end_matches(":*").to_owned(),
        stream: format!("{}/{}", request.api_id, request.stage),
        lines: vec![LogLine { at: now, text: line.into() }],
    };
    let logs = Arc::clone(&control.ports.logs);
    tokio::spawn(async move {
        if let Err(error) = logs.append(batch).await {
            tracing::warn!(%error, "a line of an access log is lost");
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::model::Texts;

    #[test]
    fn a_format_is_filled_in() {
        let context = json!({"requestId": "r", "identity": {"sourceIp": "::1"}, "error": {"messageString": "\"m\""}});
        let variables = Texts::from([("v".to_owned(), "x".to_owned())]);
        let check = |format: &str, expect: &str| {
            assert_eq!(super::substitute(format, &context, &variables, "-"), expect, "{format}");
        };
        check("$context.identity.sourceIp [$context.requestId] $context.none", "::1 [r] -");
        check("{\"message\":$context.error.messageString}", "{\"message\":\"m\"}");
        check("${context.requestId}x $stageVariables.v $5 $ $$context.requestId.", "rx x $5 $ $r.");
    }
}
