//! Taking APIs from documents, whole or into what is there.
//!
//! AWS: API Gateway Developer Guide, "Develop REST APIs using OpenAPI in API Gateway".

use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, ServiceError};
use cauce_wire::{Api, Input, Operation, RestRequest};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{Definition, RestApi};
use crate::openapi::{Facts, Import, document, facts};
use crate::rest_api::{CreateRestApi, empty_definition, shown};
use crate::service::{ApiGateway, Located, at, set_definition};

/// AWS: *ImportRestApi* and *PutRestApi*.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ImportInput {
    /// None for a new API.
    #[serde(skip)]
    rest_api_id: Option<String>,
    #[serde(skip)]
    merge: bool,
    #[serde(skip)]
    endpoint_types: Option<String>,
    #[serde(skip)]
    body: Bytes,
}

impl Input for ImportInput {}

impl Located for ImportInput {
    fn location(&self) -> String {
        self.rest_api_id.as_ref().map_or_else(|| "/restapis".to_owned(), |id| format!("/restapis/{id}"))
    }
}

/// How a document meets what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What the document does not name goes.
    Overwrite,
    /// What the document does not name stays.
    Merge,
}

fn decode(request: &RestRequest) -> Result<ImportInput, ServiceError> {
    let bad = |message: String| ServiceError::from(Error::bad(message));
    let merge = match request.query("mode") {
        Some("merge") => true,
        None | Some("overwrite" | "import") => false,
        Some(other) => {
            return Err(bad(format!("Invalid import mode specified: {other}. Must be one of: [merge, overwrite]")));
        }
    };
    Ok(ImportInput {
        rest_api_id: request.label("restApiId").map(str::to_owned),
        merge,
        endpoint_types: request.query("endpointConfigurationTypes").map(str::to_owned),
        body: request.body().clone(),
    })
}

fn parsed(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|_| Error::bad("Invalid OpenAPI input. It must be JSON"))
}

/// What a document says of the API, as the wishes of whoever creates it.
fn wishes(facts: Facts) -> Result<CreateRestApi, Error> {
    let source = |text: String| {
        let wrong = |_| Error::bad(format!("Invalid API key source specified: {text}"));
        serde_json::from_value(Value::from(text.clone())).map_err(wrong)
    };
    Ok(CreateRestApi {
        name: facts.name,
        description: facts.description,
        version: facts.version,
        api_key_source: facts.api_key_source.map(source).transpose()?,
        binary_media_types: facts.binary_media_types,
        minimum_compression_size: facts.minimum_compression_size,
        policy: facts.policy,
        disable_execute_api_endpoint: facts.disable_execute_api_endpoint,
        ..CreateRestApi::default()
    })
}

impl ApiGateway {
    /// Takes a document into a definition.
    pub(crate) fn take_document(
        &self,
        api: &str,
        definition: &mut Definition,
        root: &str,
        document: &Map<String, Value>,
        mode: Mode,
    ) -> Result<(), Error> {
        if mode == Mode::Overwrite {
            *definition = empty_definition(root, || self.new_short_id());
        }
        Import::run(document, api, definition, &|| self.new_id())
    }

    /// Makes an API under this id of wishes and, where there is one, a document.
    pub(crate) async fn make_api_from(
        self: &Arc<Self>,
        call: &Call,
        id: String,
        wishes: &CreateRestApi,
        body: Option<&Value>,
    ) -> Result<RestApi, Error> {
        let Some(body) = body else { return self.make_api(call, id, wishes).await };
        let (place, document) = (Place::of(call), document(body)?);
        let api = self.new_api(&place, id, &merged(wishes.clone(), facts(document))?)?;
        let mut definition = Definition::default();
        self.take_document(&api.id, &mut definition, &api.root_resource_id, document, Mode::Overwrite)?;
        self.db
            .transact(async |tx| {
                self.add_api(&tx, &place, &api, &definition).await?;
                Ok(api.clone())
            })
            .await
    }

    pub(crate) async fn import_rest_api(self: Arc<Self>, call: Call, input: ImportInput) -> Result<RestApi, Error> {
        let body = parsed(&input.body)?;
        let endpoint = input.endpoint_types.map(|types| {
            let types: Vec<&str> = types.split(',').collect();
            serde_json::from_value(serde_json::json!({ "types": types })).map_err(|_| {
                Error::bad("Invalid endpoint configuration type specified. Must be one of: [EDGE, REGIONAL, PRIVATE]")
            })
        });
        let wishes = CreateRestApi { endpoint_configuration: endpoint.transpose()?, ..CreateRestApi::default() };
        let id = self.new_id();
        self.make_api_from(&call, id, &wishes, Some(&body)).await.map(shown)
    }

    pub(crate) async fn put_rest_api(self: Arc<Self>, call: Call, input: ImportInput) -> Result<RestApi, Error> {
        let (place, id) = (Place::of(&call), input.rest_api_id.clone().unwrap_or_default());
        let body = parsed(&input.body)?;
        let document = document(&body)?;
        let mode = if input.merge { Mode::Merge } else { Mode::Overwrite };
        let changed = self
            .db
            .transact(async |tx| {
                let mut api = self.api(&tx, &place, &id).await?;
                let mut definition = self.definition(&tx, &place, &id).await?;
                self.take_document(&id, &mut definition, &api.root_resource_id.clone(), document, mode)?;
                let facts = facts(document);
                let wanted = self.new_api(&place, id.clone(), &wishes(facts.clone())?)?;
                if mode == Mode::Overwrite {
                    (api.name, api.description, api.version) = (wanted.name, wanted.description, wanted.version);
                    api.binary_media_types = wanted.binary_media_types;
                    api.api_key_source = wanted.api_key_source;
                    api.minimum_compression_size = wanted.minimum_compression_size;
                    api.policy = wanted.policy;
                } else {
                    if facts.binary_media_types.is_some() {
                        api.binary_media_types = wanted.binary_media_types;
                    }
                    if facts.policy.is_some() {
                        api.policy = wanted.policy;
                    }
                }
                if facts.disable_execute_api_endpoint.is_some() {
                    api.disable_execute_api_endpoint = wanted.disable_execute_api_endpoint;
                }
                tx.set_record(keys::api(&place, &id), &api)?;
                set_definition(&tx, &id, &definition)?;
                Ok::<_, Error>(api)
            })
            .await?;
        Ok(shown(changed))
    }
}

/// Wishes that a document completes: what was said beside the document wins.
pub(crate) fn merged(wishes_beside: CreateRestApi, facts: Facts) -> Result<CreateRestApi, Error> {
    let from_document = wishes(facts)?;
    Ok(CreateRestApi {
        name: wishes_beside.name.or(from_document.name),
        description: wishes_beside.description.or(from_document.description),
        version: wishes_beside.version.or(from_document.version),
        api_key_source: wishes_beside.api_key_source.or(from_document.api_key_source),
        binary_media_types: wishes_beside.binary_media_types.or(from_document.binary_media_types),
        minimum_compression_size: wishes_beside.minimum_compression_size.or(from_document.minimum_compression_size),
        policy: wishes_beside.policy.or(from_document.policy),
        disable_execute_api_endpoint: wishes_beside
            .disable_execute_api_endpoint
            .or(from_document.disable_execute_api_endpoint),
        ..wishes_beside
    })
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    let import = Operation::new("ImportRestApi", ApiGateway::import_rest_api).decode(decode);
    let put = Operation::new("PutRestApi", ApiGateway::put_rest_api).decode(decode);
    api.operation(at(import, Method::POST, "/restapis?mode=import", 201)).operation(at(
        put,
        Method::PUT,
        "/restapis/{restApiId}",
        200,
    ))
}
