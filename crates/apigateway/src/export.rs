//! Deployed APIs as documents.
//!
//! AWS: API Gateway Developer Guide, "Export a REST API from API Gateway".

use std::sync::Arc;

use cauce_core::{Call, ServiceError};
use cauce_wire::{Api, Input, Operation, RestRequest, RestResponse};
use http::Method;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{Deployment, Snapshot};
use crate::openapi::{Export, Extensions, Served, Version};
use crate::service::{ApiGateway, Located, at};
use crate::yaml;

/// What `Accept` may ask for.
const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

/// AWS: *GetExport*.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct GetExport {
    #[serde(skip)]
    rest_api_id: String,
    #[serde(skip)]
    stage_name: String,
    #[serde(skip)]
    export_type: String,
    /// As they came, a comma between two.
    #[serde(skip)]
    extensions: Vec<String>,
    #[serde(skip)]
    accept: String,
}

impl Input for GetExport {}

impl Located for GetExport {
    fn location(&self) -> String {
        format!("/restapis/{}/stages/{}/exports/{}", self.rest_api_id, self.stage_name, self.export_type)
    }
}

/// AWS: *ExportResponse*.
#[derive(Debug, Serialize)]
pub(crate) struct Exported {
    content_type: &'static str,
    file_name: String,
    body: String,
}

fn decode(request: &RestRequest) -> Result<GetExport, ServiceError> {
    let label = |name: &str| request.label(name).unwrap_or_default().to_owned();
    Ok(GetExport {
        rest_api_id: label("restApiId"),
        stage_name: label("stageName"),
        export_type: label("exportType"),
        extensions: request.query_all("extensions").map(str::to_owned).collect(),
        accept: request.header("accept").unwrap_or_default().to_owned(),
    })
}

fn encode(exported: Exported) -> RestResponse {
    RestResponse::new(200, exported.body)
        .header(CONTENT_TYPE, exported.content_type)
        .header(CONTENT_DISPOSITION, &format!("attachment; filename=\"{}\"", exported.file_name))
}

fn extensions(asked: &[String]) -> Result<Extensions, Error> {
    let mut wanted = Extensions::default();
    let names = asked.iter().flat_map(|names| names.split(',')).map(str::trim).filter(|name| !name.is_empty());
    for name in names {
        match name {
            "integrations" => wanted.integrations = true,
            "authorizers" => wanted.authorizers = true,
            "apigateway" => wanted = Extensions { integrations: true, authorizers: true, others: true },
            // There are no parts of documentation to be exported.
            "documentation" => {}
            "postman" => return Err(Error::unsupported("The extension postman")),
            other => {
                return Err(Error::bad(format!(
                    "Invalid extensions specified: {other}. Must be any of: [integrations, authorizers, apigateway, \
                     documentation]"
                )));
            }
        }
    }
    Ok(wanted)
}

/// The media type of the answer, and whether it is YAML: what was asked for by name is named, else it is bytes.
fn media_type(accept: &str) -> Result<(&'static str, bool), Error> {
    let mut asked = accept.split(',').map(|one| one.split(';').next().unwrap_or("").trim());
    match asked.find(|one| matches!(*one, "" | "*/*" | "application/*" | "application/octet-stream" | JSON | YAML)) {
        Some(YAML) => Ok((YAML, true)),
        Some(JSON) => Ok((JSON, false)),
        Some(_) => Ok(("application/octet-stream", false)),
        None => Err(Error::bad(format!("Invalid accept type specified: {accept}. Must be one of: [{JSON}, {YAML}]"))),
    }
}

impl ApiGateway {
    pub(crate) async fn get_export(self: Arc<Self>, call: Call, input: GetExport) -> Result<Exported, Error> {
        let (version, prefix) = match input.export_type.as_str() {
            "swagger" => (Version::Swagger2, "swagger"),
            "oas30" => (Version::OpenApi3, "oas30"),
            other => {
                return Err(Error::bad(format!(
                    "Invalid export type specified: {other}. Must be one of: [oas30, swagger]"
                )));
            }
        };
        let (content_type, is_yaml) = media_type(&input.accept)?;
        let extensions = extensions(&input.extensions)?;
        let (api, tx) = (&input.rest_api_id, self.db.begin());
        let stage = self.stage(&tx, &Place::of(&call), api, &input.stage_name).await?;
        let (snapshot, deployment) =
            (keys::snapshot(api, &stage.deployment_id), keys::deployment(api, &stage.deployment_id));
        let missing = || Error::missing("Invalid deployment identifier specified");
        let snapshot = tx.get_record::<Snapshot>(&snapshot).await?.ok_or_else(missing)?;
        let deployment = tx.get_record::<Deployment>(&deployment).await?.ok_or_else(missing)?;
        let made = jiff::Timestamp::from_second(deployment.created_date.as_secs()).unwrap_or_default();
        let version_text = snapshot.api.version.clone().unwrap_or_else(|| made.to_string());
        let export = Export { api: &snapshot.api, definition: &snapshot.definition, version, extensions };
        let document = export.document(&Served::of(&call, api, &stage.stage_name), &version_text);
        let body = match is_yaml {
            true => yaml::write(&document),
            false => serde_json::to_string_pretty(&document).map_err(ServiceError::internal)?,
        };
        let file_name = format!("{prefix}_{version_text}.{}", if is_yaml { "yaml" } else { "json" });
        Ok(Exported { content_type, file_name, body })
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    const EXPORT: &str = "/restapis/{restApiId}/stages/{stageName}/exports/{exportType}";
    let export = at(Operation::new("GetExport", ApiGateway::get_export), Method::GET, EXPORT, 200);
    api.operation(export.decode(decode).encode(encode))
}

#[cfg(test)]
mod tests {
    use super::{extensions, media_type};
    use crate::openapi::Extensions;

    #[test]
    fn extensions_are_any_of_a_few() {
        let check = |asked: &[&str], expect: Option<[bool; 3]>| {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            let expect =
                expect.map(|[integrations, authorizers, others]| Extensions { integrations, authorizers, others });
            assert_eq!(extensions(&asked).ok(), expect, "{asked:?}");
        };
        check(&[], Some([false, false, false]));
        check(&["integrations,authorizers"], Some([true, true, false]));
        check(&["authorizers", "documentation"], Some([false, true, false]));
        check(&["apigateway"], Some([true, true, true]));
        check(&["postman"], None);
        check(&["all"], None);
    }

    #[test]
    fn the_answer_is_of_the_type_that_was_asked_for() {
        let check =
            |accept: &str, expect: Option<(&str, bool)>| assert_eq!(media_type(accept).ok(), expect, "{accept}");
        check("", Some(("application/octet-stream", false)));
        check("*/*", Some(("application/octet-stream", false)));
        check("application/json", Some(("application/json", false)));
        check("text/html, application/yaml;q=0.5", Some(("application/yaml", true)));
        check("text/html", None);
    }
}
