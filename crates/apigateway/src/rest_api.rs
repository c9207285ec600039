//! REST APIs.
//!
//! AWS: API Gateway Developer Guide, "Develop REST APIs in API Gateway".

use std::sync::Arc;

use cauce_core::Call;
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::{Api, Input, Operation};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{
    ApiKeySource, ApiOwner, Definition, EndpointConfiguration, EndpointType, IpAddressType, Resource, RestApi, Texts,
};
use crate::page::{Page, Wanted};
use crate::patch::{
    ADD_REMOVE, ADD_REMOVE_REPLACE, Op, Patch, PatchOperation, REPLACE, REPLACE_REMOVE, Supported, apply,
};
use crate::service::{ApiGateway, Located, at, set_definition};
use crate::tag::check_tags;

/// REST APIs of an account in a region. AWS: 600 (regional and edge-optimized).
pub(crate) const APIS_MAX: usize = 600;
/// The longest resource policy, in characters.
pub(crate) const POLICY_CHARS_MAX: usize = 8_192;
/// The largest value of `minimumCompressionSize`, in bytes.
pub(crate) const COMPRESSION_BYTES_MAX: i64 = 10 * 1024 * 1024;
/// The longest description of anything, in characters.
pub(crate) const DESCRIPTION_CHARS_MAX: usize = 1_024;

/// AWS: *CreateRestApi*.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateRestApi {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) clone_from: Option<String>,
    pub(crate) binary_media_types: Option<Vec<String>>,
    pub(crate) minimum_compression_size: Option<i64>,
    pub(crate) api_key_source: Option<ApiKeySource>,
    pub(crate) endpoint_configuration: Option<WantedEndpoint>,
    pub(crate) policy: Option<String>,
    pub(crate) tags: Option<Texts>,
    pub(crate) disable_execute_api_endpoint: Option<bool>,
    pub(crate) security_policy: Option<String>,
    pub(crate) endpoint_access_mode: Option<String>,
}

/// AWS: *EndpointConfiguration*, as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WantedEndpoint {
    types: Option<Vec<EndpointType>>,
    ip_address_type: Option<IpAddressType>,
    vpc_endpoint_ids: Option<Vec<String>>,
}

impl Input for CreateRestApi {}

impl Located for CreateRestApi {
    fn location(&self) -> String {
        "/restapis".to_owned()
    }
}

/// An API, and what shall change of it in an update.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneApi {
    pub(crate) rest_api_id: String,
    #[serde(default)]
    pub(crate) patch_operations: Vec<PatchOperation>,
}

impl Input for OneApi {}

impl Located for OneApi {
    fn location(&self) -> String {
        format!("/restapis/{}", self.rest_api_id)
    }
}

/// AWS: *GetRestApis*.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct GetRestApis {
    position: Option<String>,
    limit: Option<i64>,
}

impl Input for GetRestApis {}

impl Located for GetRestApis {
    fn location(&self) -> String {
        "/restapis".to_owned()
    }
}

pub(crate) fn check_description(description: Option<&str>) -> Result<(), Error> {
    match description.map(|text| text.chars().count()) {
        Some(count) if count > DESCRIPTION_CHARS_MAX => {
            Err(Error::bad(format!("Description length of {count} exceeds the limit of {DESCRIPTION_CHARS_MAX}")))
        }
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() {
        return Err(Error::bad("No Name specified"));
    }
    match name.chars().count() {
        count if count > 255 => Err(Error::bad(format!("The API name has {count} characters; the limit is 255"))),
        _ => Ok(()),
    }
}

fn check_compression(size: Option<i64>) -> Result<Option<i64>, Error> {
    match size {
        Some(size) if !(0..=COMPRESSION_BYTES_MAX).contains(&size) => {
            Err(Error::bad(format!("Invalid minimum compression size, must be between 0 and {COMPRESSION_BYTES_MAX}")))
        }
        size => Ok(size),
    }
}

fn check_media_type(media_type: &str) -> Result<(), Error> {
    match media_type.split_once('/') {
        Some((kind, subtype)) if !kind.is_empty() && !subtype.is_empty() => Ok(()),
        _ => Err(Error::bad(format!("Invalid binary media type specified: {media_type}"))),
    }
}

fn endpoint(wanted: Option<WantedEndpoint>) -> Result<EndpointConfiguration, Error> {
    let wanted = wanted.unwrap_or_default();
    let default = EndpointConfiguration::default();
    let types = wanted.types.filter(|types| !types.is_empty()).unwrap_or(default.types);
    if types.len() > 1 {
        return Err(Error::bad("Cannot create an api with multiple Endpoint Types."));
    }
    let private = types.contains(&EndpointType::Private);
    if wanted.vpc_endpoint_ids.as_ref().is_some_and(|ids| !ids.is_empty()) && !private {
        return Err(Error::bad("Only PRIVATE APIs can be associated with VPC endpoints."));
    }
    let ip_address_type = match wanted.ip_address_type {
        Some(kind) => kind,
        None if private => IpAddressType::Dualstack,
        None => IpAddressType::Ipv4,
    };
    if private && ip_address_type == IpAddressType::Ipv4 {
        return Err(Error::bad("Private APIs must have an IP address type of dualstack."));
    }
    Ok(EndpointConfiguration { types, ip_address_type, vpc_endpoint_ids: wanted.vpc_endpoint_ids })
}

/// The policy as it is kept: with whole ARNs where it has the short form `execute-api:/stage/method/path`.
fn policy(gateway: &ApiGateway, place: &Place, api: &str, document: Option<&str>) -> Result<Option<String>, Error> {
    const INVALID: &str =
        "Invalid policy document. Please check the policy syntax and ensure that Principals are valid.";
    let Some(document) = document.filter(|document| !document.trim().is_empty()) else { return Ok(None) };
    if document.chars().count() > POLICY_CHARS_MAX {
        return Err(Error::bad(format!("The policy is longer than {POLICY_CHARS_MAX} characters")));
    }
    let mut policy: Value = serde_json::from_str(document).map_err(|_| Error::bad(INVALID))?;
    let prefix = format!("arn:aws:execute-api:{}:{}:{api}", place.region, place.account);
    if let Some(statements) = policy.get_mut("Statement") {
        let each = match statements {
            Value::Array(statements) => statements.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        for statement in each {
            for name in ["Resource", "NotResource"] {
                if let Some(resource) = statement.get_mut(name) {
                    lengthen(resource, &prefix);
                }
            }
        }
    }
    let policy = policy.to_string();
    gateway.ports.identity.check_resource_policy(&policy).map_err(|_| Error::bad(INVALID))?;
    Ok(Some(policy))
}

fn lengthen(resource: &mut Value, prefix: &str) {
    let each = match resource {
        Value::Array(each) => each.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for one in each {
        if let Some(rest) = one.as_str().and_then(|text| text.strip_prefix("execute-api:")) {
            *one = Value::from(format!("{prefix}{rest}"));
        }
    }
}

/// The API as answers show it: AWS escapes the policy, as if it were to stand in a JSON text once more.
pub(crate) fn shown(mut api: RestApi) -> RestApi {
    if let Some(policy) = &mut api.policy {
        *policy = policy.replace('\\', "\\\\").replace('"', "\\\"");
    }
    api
}

impl ApiGateway {
    /// What a new API is before it has resources of its own.
    pub(crate) fn new_api(&self, place: &Place, id: String, input: &CreateRestApi) -> Result<RestApi, Error> {
        let Some(name) = &input.name else { return Err(Error::bad("No Name specified")) };
        check_name(name)?;
        check_description(input.description.as_deref())?;
        if input.endpoint_access_mode.as_deref().is_some_and(|mode| mode != "BASIC") {
            return Err(Error::unsupported("An endpointAccessMode other than BASIC"));
        }
        if input.security_policy.is_some() {
            return Err(Error::unsupported("securityPolicy"));
        }
        let binary_media_types = input.binary_media_types.clone().unwrap_or_default();
        binary_media_types.iter().try_for_each(|media_type| check_media_type(media_type))?;
        let tags = input.tags.clone().unwrap_or_default();
        check_tags(&tags)?;
        Ok(RestApi {
            policy: policy(self, place, &id, input.policy.as_deref())?,
            id,
            name: name.clone(),
            description: input.description.clone(),
            created_date: self.env.now(),
            version: input.version.clone(),
            binary_media_types,
            minimum_compression_size: check_compression(input.minimum_compression_size)?,
            api_key_source: input.api_key_source.unwrap_or_default(),
            endpoint_configuration: endpoint(input.endpoint_configuration.clone())?,
            tags,
            disable_execute_api_endpoint: input.disable_execute_api_endpoint.unwrap_or(false),
            root_resource_id: self.new_id(),
        })
    }

    /// Writes an API that is new, if there is still room for it and its id is free.
    pub(crate) async fn add_api(
        &self,
        tx: &Tx,
        place: &Place,
        api: &RestApi,
        definition: &Definition,
    ) -> Result<(), Error> {
        if tx.get(&keys::owner(&api.id)).await?.is_some() {
            return Err(Error::conflict(format!("The API identifier {} is taken", api.id)));
        }
        if tx.snapshot_range(RangeReq::new(keys::apis(place), APIS_MAX)).await?.len() >= APIS_MAX {
            return Err(Error::limit("REST APIs", APIS_MAX));
        }
        tx.set_record(keys::api(place, &api.id), api)?;
        tx.set_record(keys::owner(&api.id), &ApiOwner::new(place.account, &place.region))?;
        set_definition(tx, &api.id, definition)
    }

    pub(crate) async fn create_rest_api(self: Arc<Self>, call: Call, input: CreateRestApi) -> Result<RestApi, Error> {
        let id = self.new_id();
        self.make_api(&call, id, &input).await.map(shown)
    }

    /// Makes an API under this id.
    pub(crate) async fn make_api(&self, call: &Call, id: String, input: &CreateRestApi) -> Result<RestApi, Error> {
        let place = Place::of(call);
        let api = self.new_api(&place, id, input)?;
        self.db
            .transact(async |tx| {
                let mut api = api.clone();
                let definition = match &input.clone_from {
                    None => empty_definition(&api.root_resource_id, || self.new_short_id()),
                    Some(source) => {
                        let cloned = self.api(&tx, &place, source).await?;
                        api.root_resource_id = cloned.root_resource_id;
                        self.definition(&tx, &place, source).await?
                    }
                };
                self.add_api(&tx, &place, &api, &definition).await?;
                Ok(api)
            })
            .await
    }

    pub(crate) async fn get_rest_api(self: Arc<Self>, call: Call, input: OneApi) -> Result<RestApi, Error> {
        self.api(&self.db.begin(), &Place::of(&call), &input.rest_api_id).await.map(shown)
    }

    pub(crate) async fn get_rest_apis(self: Arc<Self>, call: Call, input: GetRestApis) -> Result<Page<RestApi>, Error> {
        let wanted = Wanted { position: input.position, limit: input.limit };
        let rows = self.db.range(RangeReq::new(keys::apis(&Place::of(&call)), APIS_MAX)).await?.rows;
        let apis: Vec<RestApi> = rows.iter().map(decode_row).collect::<Result<_, _>>()?;
        let page = wanted.page(apis.iter().map(|api| (api.id.as_str(), api)))?;
        Ok(Page { position: page.position, item: page.item.into_iter().cloned().map(shown).collect() })
    }

    pub(crate) async fn update_rest_api(self: Arc<Self>, call: Call, input: OneApi) -> Result<RestApi, Error> {
        let place = Place::of(&call);
        let changed = self
            .db
            .transact(async |tx| {
                let mut api = self.api(&tx, &place, &input.rest_api_id).await?;
                apply(&mut api, &input.patch_operations, PATCHES, |api, patch| self.patch_api(&place, api, patch))?;
                tx.set_record(keys::api(&place, &api.id), &api)?;
                Ok::<_, Error>(api)
            })
            .await?;
        Ok(shown(changed))
    }

    fn patch_api(&self, place: &Place, api: &mut RestApi, patch: &Patch<'_>) -> Result<(), Error> {
        match patch.template {
            "/name" => {
                api.name = patch.text()?;
                check_name(&api.name)?;
            }
            "/description" => {
                api.description = patch.optional();
                check_description(api.description.as_deref())?;
            }
            "/version" => api.version = patch.optional(),
            "/policy" => api.policy = policy(self, place, &api.id, patch.optional().as_deref())?,
            "/apiKeySource" => api.api_key_source = patch.one_of(&["HEADER", "AUTHORIZER"])?,
            "/disableExecuteApiEndpoint" => api.disable_execute_api_endpoint = patch.flag()?,
            "/minimumCompressionSize" => {
                let size = if patch.optional().is_none() { None } else { Some(patch.number()?) };
                api.minimum_compression_size = check_compression(size)?;
            }
            "/endpointConfiguration/ipAddressType" => {
                api.endpoint_configuration.ip_address_type = patch.one_of(&["ipv4", "dualstack"])?;
            }
            "/endpointConfiguration/types/*" => {
                api.endpoint_configuration.types = vec![patch.one_of(&["REGIONAL", "EDGE", "PRIVATE"])?];
            }
            "/endpointConfiguration/vpcEndpointIds" => {
                let ids = api.endpoint_configuration.vpc_endpoint_ids.get_or_insert_default();
                let id = patch.text()?;
                ids.retain(|have| *have != id);
                if patch.op == Op::Add {
                    ids.push(id);
                }
            }
            _ => {
                let old = patch.name().to_owned();
                let new = if patch.op == Op::Replace { patch.text()? } else { old.clone() };
                check_media_type(&new)?;
                if patch.op != Op::Add && !api.binary_media_types.contains(&old) {
                    return Err(Error::missing(format!("Invalid binary media type specified: {old}")));
                }
                api.binary_media_types.retain(|have| *have != old && *have != new);
                if patch.op != Op::Remove {
                    api.binary_media_types.push(new);
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn delete_rest_api(self: Arc<Self>, call: Call, input: OneApi) -> Result<(), Error> {
        let (place, id) = (Place::of(&call), &input.rest_api_id);
        self.db
            .transact(async |tx| {
                self.api(&tx, &place, id).await?;
                tx.clear(keys::api(&place, id));
                tx.clear(keys::owner(id));
                tx.clear(keys::definition(id));
                for range in [keys::deployments(id), keys::snapshots(id), keys::stages(id)] {
                    tx.clear_range(range);
                }
                self.api_changes(&tx, id);
                Ok(())
            })
            .await
    }
}

/// An API with nothing but its root.
pub(crate) fn empty_definition(root: &str, id: impl FnMut() -> String) -> Definition {
    let path = "/".to_owned();
    let resource =
        Resource { id: root.to_owned(), parent_id: None, path_part: None, path, resource_methods: Default::default() };
    let mut definition = Definition::default();
    definition.resources.insert(root.to_owned(), resource);
    crate::body_model::add_defaults(&mut definition, id);
    definition
}

const PATCHES: Supported = &[
    ("/apiKeySource", REPLACE),
    ("/binaryMediaTypes/*", ADD_REMOVE_REPLACE),
    ("/description", REPLACE),
    ("/disableExecuteApiEndpoint", REPLACE),
    ("/endpointConfiguration/ipAddressType", REPLACE),
    ("/endpointConfiguration/types/*", REPLACE),
    ("/endpointConfiguration/vpcEndpointIds", ADD_REMOVE),
    ("/minimumCompressionSize", REPLACE),
    ("/name", REPLACE),
    ("/policy", REPLACE_REMOVE),
    ("/version", REPLACE),
];

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    const ONE: &str = "/restapis/{restApiId}";
    api.operation(at(Operation::new("CreateRestApi", ApiGateway::create_rest_api), Method::POST, "/restapis", 201))
        .operation(
            at(Operation::new("GetRestApis", ApiGateway::get_rest_apis), Method::GET, "/restapis", 200)
                .query("position", "position")
                .query("limit", "limit"),
        )
        .operation(at(Operation::new("GetRestApi", ApiGateway::get_rest_api), Method::GET, ONE, 200))
        .operation(at(Operation::new("UpdateRestApi", ApiGateway::update_rest_api), Method::PATCH, ONE, 200))
        .operation(at(Operation::new("DeleteRestApi", ApiGateway::delete_rest_api), Method::DELETE, ONE, 202))
}
