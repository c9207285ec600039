//! The service and the table of its operations.

use std::sync::Arc;

use cauce_core::ports::{Functions, Http, Identity, Logs, Services};
use cauce_core::{Call, Env};
use cauce_store::{Db, Tx};
use cauce_wire::{Api, Input, Operation, Protocol, ServiceInfo};
use http::Method;
use serde::Serialize;

use crate::deployed::{Cache, Claim, DeployedStage, KeyGrant, StageId};
use crate::error::Error;
use crate::execution::Meters;
use crate::keys::{self, Place};
use crate::model::{Definition, RestApi};

/// API Gateway as the wire knows it.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "apigateway",
    signing_name: "apigateway",
    protocols: &[Protocol::RestJson],
    validation_code: "ValidationException",
};

/// The largest definition of an API, in bytes. AWS: 6 MB for an import.
pub(crate) const DEFINITION_BYTES_MAX: usize = 6 * 1024 * 1024;

/// What API Gateway asks of other services.
#[derive(Clone)]
pub struct ApiGatewayPorts {
    /// Who may do what.
    pub identity: Arc<dyn Identity>,
    /// Integrations and authorizers that are functions.
    pub functions: Arc<dyn Functions>,
    /// Integrations with other services.
    pub services: Arc<dyn Services>,
    /// Integrations with servers elsewhere.
    pub http: Arc<dyn Http>,
    /// Access logs.
    pub logs: Arc<dyn Logs>,
}

/// API Gateway.
pub struct ApiGateway {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) ports: ApiGatewayPorts,
    pub(crate) stages: Cache<StageId, DeployedStage>,
    pub(crate) grants: Cache<Claim, KeyGrant>,
    pub(crate) meters: Meters,
}

/// What ids are made of.
const ID_ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

impl ApiGateway {
    /// The service on this store.
    pub fn open(db: Db, env: Env, ports: ApiGatewayPorts) -> Arc<ApiGateway> {
        let (stages, grants, meters) = (Cache::default(), Cache::default(), Meters::default());
        Arc::new(ApiGateway { db, env, ports, stages, grants, meters })
    }

    /// A new id of ten characters, as APIs, resources and keys have.
    pub(crate) fn new_id(&self) -> String {
        self.env.entropy().text(ID_ALPHABET, 10)
    }

    /// A new id of six characters, as deployments, models and authorizers have.
    pub(crate) fn new_short_id(&self) -> String {
        self.env.entropy().text(ID_ALPHABET, 6)
    }

    pub(crate) async fn api(&self, tx: &Tx, place: &Place, id: &str) -> Result<RestApi, Error> {
        let found = tx.get_record::<RestApi>(&keys::api(place, id)).await?;
        found.ok_or_else(|| no_api(place, id))
    }

    /// What the API consists of; refuses an API that is not this account's.
    pub(crate) async fn definition(&self, tx: &Tx, place: &Place, id: &str) -> Result<Definition, Error> {
        if tx.get(&keys::api(place, id)).await?.is_none() {
            return Err(no_api(place, id));
        }
        tx.get_record::<Definition>(&keys::definition(id)).await?.ok_or_else(|| no_api(place, id))
    }

    /// Reads a definition outside of any transaction.
    pub(crate) async fn read_definition(&self, call: &Call, id: &str) -> Result<Definition, Error> {
        self.definition(&self.db.begin(), &Place::of(call), id).await
    }

    /// Changes a definition, and refuses one that has become too large.
    pub(crate) async fn change_definition<T>(
        &self,
        call: &Call,
        api: &str,
        change: impl Fn(&mut Definition) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let place = Place::of(call);
        self.db
            .transact(async |tx| {
                let mut definition = self.definition(&tx, &place, api).await?;
                let output = change(&mut definition)?;
                set_definition(&tx, api, &definition)?;
                Ok(output)
            })
            .await
    }
}

/// Writes a definition.
pub(crate) fn set_definition(tx: &Tx, api: &str, definition: &Definition) -> Result<(), Error> {
    use cauce_store::RowCodec;
    let row = definition.encode_row().map_err(cauce_core::ServiceError::internal)?;
    if row.len() > DEFINITION_BYTES_MAX {
        let len = row.len();
        return Err(Error::LimitExceeded(format!(
            "The API's definition has {len} bytes, more than the {DEFINITION_BYTES_MAX} that are allowed"
        )));
    }
    tx.set(keys::definition(api), row);
    Ok(())
}

fn no_api(place: &Place, id: &str) -> Error {
    Error::missing(format!("Invalid API identifier specified {}:{id}", place.account))
}

/// An input that says which path of the API it is about: actions of API Gateway are methods on paths.
///
/// AWS: API Gateway Developer Guide, "Actions, resources, and condition keys".
pub(crate) trait Located {
    /// The path, for example `/restapis/ID/resources`.
    fn location(&self) -> String;
}

/// The ARN by which policies name a path.
pub(crate) fn path_arn(call: &Call, path: &str) -> String {
    format!("arn:aws:apigateway:{}::{path}", call.region)
}

/// The action that policies must allow for a method.
pub(crate) fn action(method: &Method) -> &'static str {
    match *method {
        Method::GET => "apigateway:GET",
        Method::PUT => "apigateway:PUT",
        Method::PATCH => "apigateway:PATCH",
        Method::DELETE => "apigateway:DELETE",
        _ => "apigateway:POST",
    }
}

/// Declares how an operation is called, and from that what it takes to be allowed.
pub(crate) fn at<I, O>(
    operation: Operation<ApiGateway, I, O>,
    method: Method,
    template: &'static str,
    status: u16,
) -> Operation<ApiGateway, I, O>
where
    I: Input + Located,
    O: Serialize + Send + 'static,
{
    operation
        .action(action(&method))
        .resource(|call, input: &I| vec![path_arn(call, &input.location())])
        .rest(method, template, status)
}

/// A list of what belongs to an API.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListOfApi {
    pub(crate) rest_api_id: String,
    pub(crate) position: Option<String>,
    pub(crate) limit: Option<i64>,
}

impl Input for ListOfApi {}

/// Declares a list of what belongs to an API, `noun` in the path.
pub(crate) fn list<O: Serialize + Send + 'static>(
    operation: Operation<ApiGateway, ListOfApi, O>,
    noun: &'static str,
    template: &'static str,
) -> Operation<ApiGateway, ListOfApi, O> {
    operation
        .action(action(&Method::GET))
        .resource(move |call, input| vec![path_arn(call, &format!("/restapis/{}/{noun}", input.rest_api_id))])
        .rest(Method::GET, template, 200)
        .query("position", "position")
        .query("limit", "limit")
}

/// Every operation of API Gateway that is served.
pub fn api(gateway: Arc<ApiGateway>) -> Api<ApiGateway> {
    let api = Api::new(&INFO, gateway).body_bytes_max(DEFINITION_BYTES_MAX);
    let api = crate::rest_api::operations(api);
    let api = crate::import::operations(api);
    let api = crate::resource::operations(api);
    let api = crate::method::operations(api);
    let api = crate::integration::operations(api);
    let api = crate::body_model::operations(api);
    let api = crate::model_template::operations(api);
    let api = crate::request_validator::operations(api);
    let api = crate::authorizer::operations(api);
    let api = crate::tag::operations(api);
    let api = crate::deployment::operations(api);
    let api = crate::stage::operations(api);
    let api = crate::export::operations(api);
    let api = crate::gateway_response::operations(api);
    let api = crate::api_key::operations(api);
    let api = crate::api_key_import::operations(api);
    let api = crate::usage_plan::operations(api);
    let api = crate::usage_plan_key::operations(api);
    let api = crate::usage::operations(api);
    let api = crate::execution::operations(api);
    crate::account::operations(api)
}
