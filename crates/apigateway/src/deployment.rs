//! Deployments: copies of an API, which never change.
//!
//! AWS: API Gateway Developer Guide, "Deploy REST APIs in API Gateway".

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{Definition, Deployment, EndpointType, RestApi, Snapshot, Stage, Texts};
use crate::page::{Page, Wanted};
use crate::patch::{PatchOperation, REPLACE, Supported, apply};
use crate::rest_api::check_description;
use crate::service::{ApiGateway, ListOfApi, Located, at, list};
use crate::stage::{CACHE_SIZES, check_stage_name, check_variables, new_stage, stages_of};

/// Deployments of an API.
pub(crate) const DEPLOYMENTS_MAX: usize = 1_000;

/// AWS: *CreateDeployment*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateDeployment {
    pub(crate) rest_api_id: String,
    pub(crate) stage_name: Option<String>,
    pub(crate) stage_description: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) cache_cluster_enabled: Option<bool>,
    pub(crate) cache_cluster_size: Option<String>,
    pub(crate) variables: Option<Texts>,
    pub(crate) canary_settings: Option<CanaryAsked>,
    pub(crate) tracing_enabled: Option<bool>,
}

/// Canary settings, known by name only: they are refused.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct CanaryAsked {}

impl Input for CreateDeployment {
    fn validate(&self, v: &mut Violations) {
        if let Some(size) = &self.cache_cluster_size {
            v.within("createDeploymentInput", |v| v.one_of("cacheClusterSize", size, &CACHE_SIZES));
        }
    }
}

impl Located for CreateDeployment {
    fn location(&self) -> String {
        format!("/restapis/{}/deployments", self.rest_api_id)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneDeployment {
    rest_api_id: String,
    deployment_id: String,
    #[serde(default)]
    embed: Vec<String>,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneDeployment {}

impl Located for OneDeployment {
    fn location(&self) -> String {
        format!("/restapis/{}/deployments/{}", self.rest_api_id, self.deployment_id)
    }
}

/// A deployment as answers show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeploymentShown {
    #[serde(flatten)]
    deployment: Deployment,
    /// Path to method to what protects it, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_summary: Option<BTreeMap<String, BTreeMap<String, Value>>>,
}

fn summary(snapshot: &Snapshot) -> BTreeMap<String, BTreeMap<String, Value>> {
    let resources = snapshot.definition.resources.values().filter(|resource| !resource.resource_methods.is_empty());
    let methods = resources.map(|resource| {
        let methods = resource.resource_methods.iter().map(|(name, method)| {
            let (kind, key) = (method.authorization_type, method.api_key_required);
            (name.clone(), json!({ "authorizationType": kind, "apiKeyRequired": key }))
        });
        (resource.path.clone(), methods.collect())
    });
    methods.collect()
}

pub(crate) fn no_deployment() -> Error {
    Error::missing("Invalid Deployment identifier specified")
}

/// Refuses what cannot be served.
fn check_deployable(api: &RestApi, definition: &Definition) -> Result<(), Error> {
    let mut methods = definition.resources.values().flat_map(|resource| resource.resource_methods.values()).peekable();
    if methods.peek().is_none() {
        return Err(Error::bad("The REST API doesn't contain any methods"));
    }
    if methods.any(|method| method.method_integration.is_none()) {
        return Err(Error::bad("No integration defined for method"));
    }
    if api.endpoint_configuration.types.contains(&EndpointType::Private) && api.policy.is_none() {
        return Err(Error::bad("Private REST API doesn't have a resource policy attached to it"));
    }
    Ok(())
}

impl ApiGateway {
    /// Copies the API as it is now.
    async fn take_snapshot(&self, tx: &Tx, place: &Place, api: &str, deployment: &Deployment) -> Result<(), Error> {
        let definition = self.definition(tx, place, api).await?;
        let api = self.api(tx, place, api).await?;
        check_deployable(&api, &definition)?;
        let count = tx.snapshot_range(RangeReq::new(keys::deployments(&api.id), DEPLOYMENTS_MAX)).await?.len();
        if count >= DEPLOYMENTS_MAX {
            return Err(Error::limit("deployments", DEPLOYMENTS_MAX));
        }
        tx.set_record(keys::deployment(&api.id, &deployment.id), deployment)?;
        tx.set_record(keys::snapshot(&api.id, &deployment.id), &Snapshot { api: api.clone(), definition })?;
        Ok(())
    }

    pub(crate) async fn create_deployment(
        self: Arc<Self>,
        call: Call,
        input: CreateDeployment,
    ) -> Result<DeploymentShown, Error> {
        let id = self.new_short_id();
        let deployment = self.make_deployment(&call, id, &input).await?;
        Ok(DeploymentShown { deployment, api_summary: None })
    }

    /// Makes a deployment under this id, and points the stage to it if one is named.
    pub(crate) async fn make_deployment(
        self: &Arc<Self>,
        call: &Call,
        id: String,
        input: &CreateDeployment,
    ) -> Result<Deployment, Error> {
        if input.canary_settings.is_some() {
            return Err(Error::unsupported("canarySettings"));
        }
        if input.cache_cluster_enabled == Some(true) {
            return Err(Error::unsupported("cacheClusterEnabled"));
        }
        check_description(input.description.as_deref())?;
        if let Some(name) = &input.stage_name {
            check_stage_name(name)?;
        }
        check_variables(input.variables.as_ref())?;
        let now = self.env.now();
        let deployment = Deployment { id, description: input.description.clone(), created_date: now };
        let (place, api) = (Place::of(call), &input.rest_api_id);
        self.db
            .transact(async |tx| {
                self.take_snapshot(&tx, &place, api, &deployment).await?;
                if let Some(name) = &input.stage_name {
                    let key = keys::stage(api, name);
                    let mut stage = match tx.get_record::<Stage>(&key).await? {
                        Some(stage) => stage,
                        None => {
                            crate::stage::check_room(&tx, api).await?;
                            new_stage(name, &deployment.id, now)
                        }
                    };
                    stage.deployment_id.clone_from(&deployment.id);
                    stage.last_updated_date = now;
                    stage.description = input.stage_description.clone().or(stage.description);
                    stage.variables = input.variables.clone().unwrap_or(stage.variables);
                    stage.tracing_enabled = input.tracing_enabled.unwrap_or(stage.tracing_enabled);
                    tx.set_record(key, &stage)?;
                    self.api_changes(&tx, api);
                }
                Ok::<_, Error>(())
            })
            .await?;
        Ok(deployment)
    }

    async fn deployment(&self, tx: &Tx, place: &Place, api: &str, id: &str) -> Result<Deployment, Error> {
        self.api(tx, place, api).await?;
        tx.get_record::<Deployment>(&keys::deployment(api, id)).await?.ok_or_else(no_deployment)
    }

    pub(crate) async fn get_deployment(
        self: Arc<Self>,
        call: Call,
        input: OneDeployment,
    ) -> Result<DeploymentShown, Error> {
        if let Some(other) = input.embed.iter().find(|one| *one != "apisummary") {
            return Err(Error::bad(format!(
                "Invalid embed parameter specified: {other}. Must be one of: [apisummary]"
            )));
        }
        let (api, id) = (&input.rest_api_id, &input.deployment_id);
        let tx = self.db.begin();
        let deployment = self.deployment(&tx, &Place::of(&call), api, id).await?;
        let mut api_summary = None;
        if !input.embed.is_empty() {
            api_summary = tx.get_record::<Snapshot>(&keys::snapshot(api, id)).await?.as_ref().map(summary);
        }
        Ok(DeploymentShown { deployment, api_summary })
    }

    pub(crate) async fn get_deployments(
        self: Arc<Self>,
        call: Call,
        input: ListOfApi,
    ) -> Result<Page<Deployment>, Error> {
        let api = &input.rest_api_id;
        let tx = self.db.begin();
        self.api(&tx, &Place::of(&call), api).await?;
        let rows = tx.range(RangeReq::new(keys::deployments(api), DEPLOYMENTS_MAX)).await?;
        let all: Vec<Deployment> = rows.iter().map(decode_row).collect::<Result<_, _>>()?;
        let wanted = Wanted::new(input.position.as_ref(), input.limit);
        wanted.page(all.iter().map(|deployment| (deployment.id.as_str(), deployment.clone())))
    }

    pub(crate) async fn update_deployment(
        self: Arc<Self>,
        call: Call,
        input: OneDeployment,
    ) -> Result<Deployment, Error> {
        self.change_deployment(&call, &input.rest_api_id, &input.deployment_id, |deployment| {
            apply(deployment, &input.patch_operations, PATCHES, |deployment, patch| {
                deployment.description = patch.optional();
                Ok(())
            })
        })
        .await
    }

    async fn change_deployment(
        &self,
        call: &Call,
        api: &str,
        id: &str,
        change: impl Fn(&mut Deployment) -> Result<(), Error>,
    ) -> Result<Deployment, Error> {
        let place = Place::of(call);
        self.db
            .transact(async |tx| {
                let mut deployment = self.deployment(&tx, &place, api, id).await?;
                change(&mut deployment)?;
                check_description(deployment.description.as_deref())?;
                tx.set_record(keys::deployment(api, id), &deployment)?;
                Ok(deployment)
            })
            .await
    }

    /// Sets what is said of a deployment; nothing else of it changes, ever.
    pub(crate) async fn describe_deployment(
        &self,
        call: &Call,
        api: &str,
        id: &str,
        description: Option<String>,
    ) -> Result<(), Error> {
        let change = |deployment: &mut Deployment| {
            deployment.description.clone_from(&description);
            Ok(())
        };
        self.change_deployment(call, api, id, change).await.map(drop)
    }

    pub(crate) async fn delete_deployment(self: Arc<Self>, call: Call, input: OneDeployment) -> Result<(), Error> {
        self.drop_deployment(&call, &input.rest_api_id, &input.deployment_id).await
    }

    /// Removes a deployment that no stage points to.
    pub(crate) async fn drop_deployment(&self, call: &Call, api: &str, id: &str) -> Result<(), Error> {
        let place = Place::of(call);
        self.db
            .transact(async |tx| {
                self.deployment(&tx, &place, api, id).await?;
                if stages_of(&tx, api).await?.iter().any(|stage| stage.deployment_id == id) {
                    return Err(Error::bad("Active stages pointing to this deployment must be moved or deleted"));
                }
                tx.clear(keys::deployment(api, id));
                tx.clear(keys::snapshot(api, id));
                Ok(())
            })
            .await
    }
}

const PATCHES: Supported = &[("/description", REPLACE)];

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    const ALL: &str = "/restapis/{restApiId}/deployments";
    const ONE: &str = "/restapis/{restApiId}/deployments/{deploymentId}";
    api.operation(at(Operation::new("CreateDeployment", G::create_deployment), HttpMethod::POST, ALL, 201))
        .operation(list(Operation::new("GetDeployments", G::get_deployments), "deployments", ALL))
        .operation(
            at(Operation::new("GetDeployment", G::get_deployment), HttpMethod::GET, ONE, 200)
                .query_list("embed", "embed"),
        )
        .operation(at(Operation::new("UpdateDeployment", G::update_deployment), HttpMethod::PATCH, ONE, 200))
        .operation(at(Operation::new("DeleteDeployment", G::delete_deployment), HttpMethod::DELETE, ONE, 202))
}
