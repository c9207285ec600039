//! `AWS::ApiGateway::Deployment` and `AWS::ApiGateway::Stage`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use super::properties::{get, lower, read};
use super::{or_gone, own_id, provisioned};
use crate::deployment::CreateDeployment;
use crate::error::Error;
use crate::keys;
use crate::model::{AccessLogSettings, Deployment, MethodSetting, Stage};
use crate::openapi::text;
use crate::service::ApiGateway;
use crate::stage::{CreateStage, check_variables};

pub(super) struct DeploymentType(pub(super) Arc<ApiGateway>);

static DEPLOYMENT: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::Deployment",
    properties: &[
        Property::optional("Description"),
        Property::required("RestApiId").replaces(),
        Property::optional("StageDescription").replaces(),
        Property::optional("StageName").replaces(),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["DeploymentId"],
};

#[async_trait]
impl ResourceType for DeploymentType {
    fn schema(&self) -> &'static ResourceSchema {
        &DEPLOYMENT
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let properties = &request.properties;
        let (api, id) = (get(properties, "RestApiId"), own_id(&request, 6));
        self.0.may(call, "POST", &format!("/restapis/{api}/deployments")).await?;
        let made = self.0.db.get::<Deployment>(&keys::deployment(api, &id)).await.map_err(Error::from)?;
        if made.is_none() {
            let described = properties.get("StageDescription").and_then(Value::as_object);
            let settings = described.map(settings).transpose()?;
            let input = CreateDeployment {
                rest_api_id: api.to_owned(),
                stage_name: text(properties.get("StageName")),
                stage_description: described.and_then(|all| text(all.get("Description"))),
                description: text(properties.get("Description")),
                cache_cluster_enabled: None,
                cache_cluster_size: None,
                variables: None,
                canary_settings: None,
                tracing_enabled: None,
            };
            self.0.make_deployment(call, id.clone(), &input).await?;
            if let (Some(name), Some(settings)) = (&input.stage_name, settings) {
                self.0.may(call, "PATCH", &format!("/restapis/{api}/stages/{name}")).await?;
                self.0.change_stage(call, api, name, |stage| settings.settle(stage)).await?;
            }
        }
        Ok(provisioned(&id, &[("DeploymentId", &id)]))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let (api, id) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "PATCH", &format!("/restapis/{api}/deployments/{id}")).await?;
        self.0.describe_deployment(call, api, id, text(request.properties.get("Description"))).await?;
        Ok(provisioned(id, &[("DeploymentId", id)]))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (api, id) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "DELETE", &format!("/restapis/{api}/deployments/{id}")).await?;
        // The stage that a deployment has made goes with it, unless it has moved on.
        if let Some(name) = text(request.properties.get("StageName")) {
            let stage = self.0.db.get::<Stage>(&keys::stage(api, &name)).await.map_err(Error::from)?;
            if stage.is_some_and(|stage| stage.deployment_id == *id) {
                self.0.may(call, "DELETE", &format!("/restapis/{api}/stages/{name}")).await?;
                or_gone(self.0.drop_stage(call, api, &name).await)?;
            }
        }
        or_gone(self.0.drop_deployment(call, api, id).await)
    }
}

pub(super) struct StageType(pub(super) Arc<ApiGateway>);

static STAGE: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::Stage",
    properties: &[
        Property::optional("AccessLogSetting"),
        Property::optional("CacheClusterEnabled"),
        Property::required("DeploymentId"),
        Property::optional("Description"),
        Property::optional("MethodSettings"),
        Property::required("RestApiId").replaces(),
        Property::optional("StageName").replaces(),
        Property::optional("Tags"),
        Property::optional("TracingEnabled"),
        Property::optional("Variables"),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &[],
};

/// What a template says of a stage beside its name and deployment.
struct Settings {
    input: CreateStage,
    access_log: Option<AccessLogSettings>,
    methods: BTreeMap<String, MethodSetting>,
}

impl Settings {
    fn settle(&self, stage: &mut Stage) -> Result<(), Error> {
        check_variables(self.input.variables.as_ref())?;
        stage.description.clone_from(&self.input.description);
        stage.variables = self.input.variables.clone().unwrap_or_default();
        stage.tracing_enabled = self.input.tracing_enabled.unwrap_or(false);
        stage.tags = self.input.tags.clone().unwrap_or_default();
        stage.access_log_settings.clone_from(&self.access_log);
        stage.method_settings.clone_from(&self.methods);
        Ok(())
    }
}

/// One of the `MethodSettings` of a template, by `PATH/METHOD`.
fn method_setting(wanted: &Map<String, Value>) -> Result<(String, MethodSetting), Error> {
    let (mut setting, mut path, mut method) = (MethodSetting::default(), String::new(), String::new());
    for (name, value) in wanted {
        let text = text(Some(value)).unwrap_or_default();
        let wrong = || Error::bad(format!("Invalid value specified for MethodSettings.{name}: {text}"));
        match name.as_str() {
            "ResourcePath" => path.clone_from(&text),
            "HttpMethod" => method.clone_from(&text),
            "MetricsEnabled" => setting.metrics_enabled = text.parse().map_err(|_| wrong())?,
            "DataTraceEnabled" => setting.data_trace_enabled = text.parse().map_err(|_| wrong())?,
            "LoggingLevel" if matches!(text.as_str(), "OFF" | "ERROR" | "INFO") => setting.logging_level = Some(text),
            "ThrottlingBurstLimit" => setting.throttling_burst_limit = text.parse().map_err(|_| wrong())?,
            "ThrottlingRateLimit" => setting.throttling_rate_limit = text.parse().map_err(|_| wrong())?,
            "CacheDataEncrypted" => setting.cache_data_encrypted = text.parse().map_err(|_| wrong())?,
            "CacheTtlInSeconds" => setting.cache_ttl_in_seconds = text.parse().map_err(|_| wrong())?,
            "CachingEnabled" if text == "false" => {}
            "LoggingLevel" => return Err(wrong()),
            other => return Err(Error::unsupported(&format!("The property MethodSettings.{other}"))),
        }
    }
    // Templates write the path with a slash before it, and slashes within it as `~1`.
    let path = match path.as_str() {
        "" | "/*" | "*" => "*".to_owned(),
        "/" => "~1".to_owned(),
        path => path.strip_prefix('/').unwrap_or(path).replace('/', "~1"),
    };
    let method = if method.is_empty() { "*".to_owned() } else { method };
    Ok((format!("{path}/{method}"), setting))
}

fn settings(properties: &Map<String, Value>) -> Result<Settings, ServiceError> {
    let mut members = lower(properties);
    members.remove("accessLogSetting");
    members.remove("methodSettings");
    for name in ["stageName", "deploymentId"] {
        members.entry(name).or_insert_with(|| "".into());
    }
    let log = properties.get("AccessLogSetting").and_then(Value::as_object);
    let access_log = log.map(|log| AccessLogSettings {
        format: text(log.get("Format")),
        destination_arn: text(log.get("DestinationArn")).map(|arn| arn.trim_end_matches(":*").to_owned()),
    });
    let wanted = properties.get("MethodSettings").and_then(Value::as_array).into_iter().flatten();
    let methods = wanted.filter_map(Value::as_object).map(method_setting).collect::<Result<_, _>>()?;
    Ok(Settings { input: read(members)?, access_log, methods })
}

#[async_trait]
impl ResourceType for StageType {
    fn schema(&self) -> &'static ResourceSchema {
        &STAGE
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let (api, name) = (get(&request.properties, "RestApiId"), get(&request.properties, "StageName"));
        self.0.may(call, "POST", &format!("/restapis/{api}/stages")).await?;
        let settings = settings(&request.properties)?;
        let found = self.0.db.get::<Stage>(&keys::stage(api, name)).await.map_err(Error::from)?;
        // The same stage is there if an earlier run of this very request made it.
        let made = found.is_some_and(|found| {
            let mut same = found.clone();
            same.deployment_id = settings.input.deployment_id.clone().unwrap_or_default();
            settings.settle(&mut same).is_ok() && same == found
        });
        if !made {
            self.0.make_stage(call, &settings.input, |stage| settings.settle(stage)).await?;
        }
        Ok(provisioned(name, &[]))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let (api, name) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "PATCH", &format!("/restapis/{api}/stages/{name}")).await?;
        let settings = settings(&request.properties)?;
        if settings.input.cache_cluster_enabled == Some(true) {
            return Err(Error::unsupported("CacheClusterEnabled").into());
        }
        self.0
            .change_stage(call, api, name, |stage| {
                stage.deployment_id = settings.input.deployment_id.clone().unwrap_or_default();
                settings.settle(stage)
            })
            .await?;
        Ok(provisioned(name, &[]))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (api, name) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "DELETE", &format!("/restapis/{api}/stages/{name}")).await?;
        or_gone(self.0.drop_stage(call, api, name).await)
    }
}
