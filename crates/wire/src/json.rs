//! JSON documents in and out.

use bytes::Bytes;
use cauce_core::ServiceError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The structure that a JSON body holds; an empty body is an empty object.
pub(crate) fn decode<I: DeserializeOwned>(body: &[u8], validation_code: &'static str) -> Result<I, ServiceError> {
    let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|cause| refusal(&cause, validation_code))
}

fn refusal(cause: &serde_json::Error, validation_code: &'static str) -> ServiceError {
    let text = cause.to_string();
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    if let Some((member, _)) = missing {
        let mut violations = cauce_core::Violations::new();
        violations.required::<()>(member, None);
        return ServiceError::new(400, validation_code, violations.message().unwrap_or_default());
    }
    ServiceError::new(400, "SerializationException", text)
}

/// The JSON of an output; `()` is an empty body.
pub(crate) fn encode<O: Serialize>(output: &O) -> Result<Bytes, ServiceError> {
    let json = serde_json::to_vec(output).map_err(ServiceError::internal)?;
    Ok(if json == b"null" { Bytes::new() } else { json.into() })
}
