//! Stages: deployments under a name, with their settings.
//!
//! AWS: API Gateway Developer Guide, "Set up a stage for a REST API in API Gateway".

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Arn, Call, Timestamp, Violations};
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::{Deserialize, Serialize};

use crate::deployment::CanaryAsked;
use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{AccessLogSettings, Deployment, MethodSetting, Stage, Texts};
use crate::patch::{ADD_REMOVE_REPLACE, Op, Patch, PatchOperation, REPLACE, REPLACE_REMOVE, Supported, apply};
use crate::rest_api::check_description;
use crate::service::{ApiGateway, Located, at};
use crate::tag::check_tags;

/// Stages of an API. AWS: 10.
pub(crate) const STAGES_MAX: usize = 10;
/// The longest name of a stage, in characters.
pub(crate) const STAGE_NAME_CHARS_MAX: usize = 128;
/// Variables of a stage. AWS: 100.
pub(crate) const VARIABLES_MAX: usize = 100;
/// The longest value of a variable, in characters. AWS: 512.
pub(crate) const VARIABLE_CHARS_MAX: usize = 512;

/// How long a cached answer may live, in seconds.
const CACHE_TTL_S_MAX: i64 = 3_600;
/// What may be answered to clients that may not control the cache.
const STRATEGIES: [&str; 3] = ["FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"];
/// The sizes of caches, in gigabytes.
pub(crate) const CACHE_SIZES: [&str; 8] = ["0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237"];

/// AWS: *CreateStage*.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateStage {
    pub(crate) rest_api_id: String,
    pub(crate) stage_name: Option<String>,
    pub(crate) deployment_id: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) cache_cluster_enabled: Option<bool>,
    pub(crate) cache_cluster_size: Option<String>,
    pub(crate) variables: Option<Texts>,
    pub(crate) documentation_version: Option<String>,
    pub(crate) canary_settings: Option<CanaryAsked>,
    pub(crate) tracing_enabled: Option<bool>,
    pub(crate) tags: Option<Texts>,
}

impl Input for CreateStage {
    fn validate(&self, v: &mut Violations) {
        v.within("createStageInput", |v| {
            v.required("stageName", self.stage_name.as_ref());
            v.required("deploymentId", self.deployment_id.as_ref());
            if let Some(size) = &self.cache_cluster_size {
                v.one_of("cacheClusterSize", size, &CACHE_SIZES);
            }
        });
    }
}

impl Located for CreateStage {
    fn location(&self) -> String {
        format!("/restapis/{}/stages", self.rest_api_id)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneStage {
    rest_api_id: String,
    stage_name: String,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneStage {}

impl Located for OneStage {
    fn location(&self) -> String {
        format!("/restapis/{}/stages/{}", self.rest_api_id, self.stage_name)
    }
}

/// AWS: *GetStages*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetStages {
    rest_api_id: String,
    deployment_id: Option<String>,
}

impl Input for GetStages {}

impl Located for GetStages {
    fn location(&self) -> String {
        format!("/restapis/{}/stages", self.rest_api_id)
    }
}

/// AWS: *Stages*.
#[derive(Debug, Serialize)]
pub(crate) struct Stages {
    item: Vec<Stage>,
}

pub(crate) fn no_stage() -> Error {
    Error::missing("Invalid stage identifier specified")
}

pub(crate) fn check_stage_name(name: &str) -> Result<(), Error> {
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !good {
        return Err(Error::bad("Stage name only allows a-zA-Z0-9_-"));
    }
    if name.len() > STAGE_NAME_CHARS_MAX {
        return Err(Error::bad(format!("Stage name must have at most {STAGE_NAME_CHARS_MAX} characters")));
    }
    Ok(())
}

pub(crate) fn check_variables(variables: Option<&Texts>) -> Result<(), Error> {
    let Some(variables) = variables else { return Ok(()) };
    if variables.len() > VARIABLES_MAX {
        return Err(Error::limit("stage variables", VARIABLES_MAX));
    }
    for (name, value) in variables {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(Error::bad(format!(
                "Invalid stage variable name specified: {name}. It may only have a-zA-Z0-9_"
            )));
        }
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&b);
        if !value.bytes().all(good) || value.len() > VARIABLE_CHARS_MAX {
            return Err(Error::bad(format!(
                "Invalid stage variable value specified for {name}. It must match [A-Za-z0-9-._~:/?#&=,]+ with at most \
                 {VARIABLE_CHARS_MAX} characters"
            )));
        }
    }
    Ok(())
}

/// Every stage of an API.
pub(crate) async fn stages_of(tx: &Tx, api: &str) -> Result<Vec<Stage>, Error> {
    let rows = tx.range(RangeReq::new(keys::stages(api), STAGES_MAX)).await?;
    Ok(rows.iter().map(decode_row).collect::<Result<_, _>>()?)
}

/// Refuses one stage more than there may be.
pub(crate) async fn check_room(tx: &Tx, api: &str) -> Result<(), Error> {
    match stages_of(tx, api).await?.len() {
        count if count >= STAGES_MAX => Err(Error::limit("stages", STAGES_MAX)),
        _ => Ok(()),
    }
}

/// A stage without settings.
pub(crate) fn new_stage(name: &str, deployment: &str, now: Timestamp) -> Stage {
    Stage {
        deployment_id: deployment.to_owned(),
        stage_name: name.to_owned(),
        description: None,
        cache_cluster_enabled: false,
        cache_cluster_status: "NOT_AVAILABLE".to_owned(),
        method_settings: BTreeMap::new(),
        variables: Texts::new(),
        access_log_settings: None,
        tracing_enabled: false,
        tags: Texts::new(),
        created_date: now,
        last_updated_date: now,
    }
}

fn patch_access_log(stage: &mut Stage, patch: &Patch<'_>) -> Result<(), Error> {
    let settings = stage.access_log_settings.get_or_insert(AccessLogSettings { format: None, destination_arn: None });
    if patch.template == "/accessLogSettings/format" {
        settings.format = patch.optional();
    } else {
        // CloudFormation and the console give the ARN of a log group with or without its `:*`.
        settings.destination_arn = patch.optional().map(|arn| arn.trim_end_matches(":*").to_owned());
    }
    if settings.format.is_none() && settings.destination_arn.is_none() {
        stage.access_log_settings = None;
    }
    Ok(())
}

fn patch_setting(stage: &mut Stage, patch: &Patch<'_>) -> Result<(), Error> {
    let (path, method) = (patch.name().replace('/', "~1"), patch.second_name());
    if !crate::method::METHODS.contains(&method) && method != "*" {
        return Err(Error::bad(format!("Invalid method setting path: {path}/{method}")));
    }
    let key = format!("{path}/{method}");
    if patch.template == "/*/*" {
        return stage
            .method_settings
            .remove(&key)
            .map(drop)
            .ok_or_else(|| Error::missing("Invalid method setting path"));
    }
    let setting = stage.method_settings.entry(key).or_default();
    let setting_name = patch.template.trim_start_matches("/*/*/");
    if patch.op == Op::Remove {
        let default = MethodSetting::default();
        match setting_name {
            "metrics/enabled" => setting.metrics_enabled = default.metrics_enabled,
            "logging/loglevel" => setting.logging_level = default.logging_level,
            _ => setting.data_trace_enabled = default.data_trace_enabled,
        }
        return Ok(());
    }
    match setting_name {
        "metrics/enabled" => setting.metrics_enabled = patch.flag()?,
        "logging/loglevel" => match patch.value()? {
            level @ ("OFF" | "ERROR" | "INFO") => setting.logging_level = Some(level.to_owned()),
            level => {
                return Err(Error::bad(format!(
                    "Invalid logging level specified: {level}. Must be one of: [OFF, ERROR, INFO]"
                )));
            }
        },
        "logging/dataTrace" => setting.data_trace_enabled = patch.flag()?,
        "throttling/burstLimit" => setting.throttling_burst_limit = patch.number()?.max(-1),
        "throttling/rateLimit" => setting.throttling_rate_limit = patch.decimal()?.max(-1.0),
        "caching/ttlInSeconds" => match patch.number()? {
            ttl_s if (0..=CACHE_TTL_S_MAX).contains(&ttl_s) => setting.cache_ttl_in_seconds = ttl_s,
            ttl_s => {
                return Err(Error::bad(format!(
                    "Invalid cache TTL specified: {ttl_s}. Must be between 0 and {CACHE_TTL_S_MAX} seconds"
                )));
            }
        },
        "caching/dataEncrypted" => setting.cache_data_encrypted = patch.flag()?,
        "caching/enabled" if patch.flag()? => return Err(Error::unsupported("caching/enabled")),
        "caching/enabled" => setting.caching_enabled = false,
        "caching/requireAuthorizationForCacheControl" => {
            setting.require_authorization_for_cache_control = patch.flag()?;
        }
        _ if STRATEGIES.contains(&patch.value()?) => {
            setting.unauthorized_cache_control_header_strategy = patch.text()?;
        }
        _ => {
            let (value, all) = (patch.value()?, STRATEGIES.join(", "));
            return Err(Error::bad(format!(
                "Invalid cache control strategy specified: {value}. Must be one of: [{all}]"
            )));
        }
    }
    Ok(())
}

fn patch_stage(stage: &mut Stage, patch: &Patch<'_>) -> Result<(), Error> {
    match patch.template {
        "/deploymentId" => stage.deployment_id = patch.text()?,
        "/description" => {
            stage.description = patch.optional();
            check_description(stage.description.as_deref())?;
        }
        "/tracingEnabled" => stage.tracing_enabled = patch.flag()?,
        "/cacheClusterEnabled" if patch.flag()? => return Err(Error::unsupported("cacheClusterEnabled")),
        "/cacheClusterEnabled" => {}
        "/variables/*" => {
            patch.put(&mut stage.variables)?;
            check_variables(Some(&stage.variables))?;
        }
        "/accessLogSettings" => stage.access_log_settings = None,
        "/accessLogSettings/format" | "/accessLogSettings/destinationArn" => patch_access_log(stage, patch)?,
        _ => patch_setting(stage, patch)?,
    }
    Ok(())
}

const REMOVE: &[Op] = &[Op::Remove];

const PATCHES: Supported = &[
    ("/accessLogSettings", REMOVE),
    ("/accessLogSettings/destinationArn", ADD_REMOVE_REPLACE),
    ("/accessLogSettings/format", ADD_REMOVE_REPLACE),
    ("/cacheClusterEnabled", REPLACE),
    ("/deploymentId", REPLACE),
    ("/description", REPLACE),
    ("/tracingEnabled", REPLACE),
    ("/variables/*", ADD_REMOVE_REPLACE),
    ("/*/*", REMOVE),
    ("/*/*/caching/dataEncrypted", REPLACE),
    ("/*/*/caching/enabled", REPLACE),
    ("/*/*/caching/requireAuthorizationForCacheControl", REPLACE),
    ("/*/*/caching/ttlInSeconds", REPLACE),
    ("/*/*/caching/unauthorizedCacheControlHeaderStrategy", REPLACE),
    ("/*/*/logging/dataTrace", REPLACE_REMOVE),
    ("/*/*/logging/loglevel", REPLACE_REMOVE),
    ("/*/*/metrics/enabled", REPLACE_REMOVE),
    ("/*/*/throttling/burstLimit", REPLACE),
    ("/*/*/throttling/rateLimit", REPLACE),
];

/// Refuses access logs that would go nowhere.
fn check_access_log(stage: &Stage) -> Result<(), Error> {
    let Some(settings) = &stage.access_log_settings else { return Ok(()) };
    if let Some(arn) = &settings.destination_arn {
        let is_group = arn.parse::<Arn>().is_ok_and(|arn| {
            arn.service() == "logs" && arn.resource().strip_prefix("log-group:").is_some_and(|name| !name.is_empty())
        });
        if !is_group {
            return Err(Error::bad(format!(
                "Invalid ARN specified in the request. Access logs go to a log group, not to {arn}"
            )));
        }
    }
    match &settings.format {
        Some(format) if !format.contains("$context.requestId") && !format.contains("$context.extendedRequestId") => {
            Err(Error::bad(
                "Access Log format must contain reference to $context.requestId or $context.extendedRequestId",
            ))
        }
        _ => Ok(()),
    }
}

/// Whether a stage logs anything of its requests.
fn logs(stage: &Stage) -> bool {
    let logs = |setting: &MethodSetting| setting.logging_level.as_deref().is_some_and(|level| level != "OFF");
    stage.access_log_settings.is_some() || stage.method_settings.values().any(logs)
}

/// The settings that hold for a method: its own, else those for all.
pub(crate) fn settings_for<'a>(stage: &'a Stage, path: &str, method: &str) -> Option<&'a MethodSetting> {
    let escaped = path.replace('/', "~1");
    // Callers write the path with or without its first slash.
    let short = escaped.strip_prefix("~1").unwrap_or(&escaped);
    let keys = [format!("{escaped}/{method}"), format!("{short}/{method}"), "*/*".to_owned()];
    keys.iter().find_map(|key| stage.method_settings.get(key))
}

impl ApiGateway {
    pub(crate) async fn create_stage(self: Arc<Self>, call: Call, input: CreateStage) -> Result<Stage, Error> {
        let tags = input.tags.clone().unwrap_or_default();
        check_tags(&tags)?;
        self.make_stage(&call, &input, |stage| {
            stage.tags.clone_from(&tags);
            Ok(())
        })
        .await
    }

    /// Makes a stage, with the settings that `settle` gives it.
    pub(crate) async fn make_stage(
        self: &Arc<Self>,
        call: &Call,
        input: &CreateStage,
        settle: impl Fn(&mut Stage) -> Result<(), Error>,
    ) -> Result<Stage, Error> {
        for (asked, name) in [
            (input.canary_settings.is_some(), "canarySettings"),
            (input.cache_cluster_enabled == Some(true), "cacheClusterEnabled"),
            (input.documentation_version.is_some(), "documentationVersion"),
        ] {
            if asked {
                return Err(Error::unsupported(name));
            }
        }
        let name = input.stage_name.as_deref().unwrap_or_default();
        check_stage_name(name)?;
        check_description(input.description.as_deref())?;
        check_variables(input.variables.as_ref())?;
        let deployment = input.deployment_id.as_deref().unwrap_or_default();
        let (place, api, now) = (Place::of(call), &input.rest_api_id, self.env.now());
        self.db
            .transact(async |tx| {
                self.api(&tx, &place, api).await?;
                if tx.get(&keys::deployment(api, deployment)).await?.is_none() {
                    return Err(Error::bad("Deployment id does not exist"));
                }
                if tx.get(&keys::stage(api, name)).await?.is_some() {
                    return Err(Error::conflict("Stage already exists"));
                }
                check_room(&tx, api).await?;
                let mut stage = new_stage(name, deployment, now);
                stage.description.clone_from(&input.description);
                stage.variables = input.variables.clone().unwrap_or_default();
                stage.tracing_enabled = input.tracing_enabled.unwrap_or(false);
                settle(&mut stage)?;
                check_access_log(&stage)?;
                if logs(&stage) {
                    self.check_log_settings(&tx, &place).await?;
                }
                tx.set_record(keys::stage(api, name), &stage)?;
                self.api_changes(&tx, api);
                Ok(stage)
            })
            .await
    }

    pub(crate) async fn stage(&self, tx: &Tx, place: &Place, api: &str, name: &str) -> Result<Stage, Error> {
        self.api(tx, place, api).await?;
        tx.get_record::<Stage>(&keys::stage(api, name)).await?.ok_or_else(no_stage)
    }

    pub(crate) async fn get_stage(self: Arc<Self>, call: Call, input: OneStage) -> Result<Stage, Error> {
        self.stage(&self.db.begin(), &Place::of(&call), &input.rest_api_id, &input.stage_name).await
    }

    pub(crate) async fn get_stages(self: Arc<Self>, call: Call, input: GetStages) -> Result<Stages, Error> {
        let tx = self.db.begin();
        self.api(&tx, &Place::of(&call), &input.rest_api_id).await?;
        let mut item = stages_of(&tx, &input.rest_api_id).await?;
        item.retain(|stage| input.deployment_id.as_ref().is_none_or(|id| *id == stage.deployment_id));
        Ok(Stages { item })
    }

    pub(crate) async fn update_stage(self: Arc<Self>, call: Call, input: OneStage) -> Result<Stage, Error> {
        self.change_stage(&call, &input.rest_api_id, &input.stage_name, |stage| {
            apply(stage, &input.patch_operations, PATCHES, patch_stage)
        })
        .await
    }

    /// Changes a stage, and refuses one that could not be served.
    pub(crate) async fn change_stage(
        self: &Arc<Self>,
        call: &Call,
        api: &str,
        name: &str,
        change: impl Fn(&mut Stage) -> Result<(), Error>,
    ) -> Result<Stage, Error> {
        let (place, now) = (Place::of(call), self.env.now());
        self.db
            .transact(async |tx| {
                let mut stage = self.stage(&tx, &place, api, name).await?;
                let logged = logs(&stage);
                change(&mut stage)?;
                check_access_log(&stage)?;
                if logs(&stage) && !logged {
                    self.check_log_settings(&tx, &place).await?;
                }
                stage.last_updated_date = now;
                if tx.get_record::<Deployment>(&keys::deployment(api, &stage.deployment_id)).await?.is_none() {
                    return Err(Error::bad("Deployment id does not exist"));
                }
                tx.set_record(keys::stage(api, name), &stage)?;
                self.api_changes(&tx, api);
                Ok(stage)
            })
            .await
    }

    pub(crate) async fn delete_stage(self: Arc<Self>, call: Call, input: OneStage) -> Result<(), Error> {
        self.drop_stage(&call, &input.rest_api_id, &input.stage_name).await
    }

    /// Removes a stage.
    pub(crate) async fn drop_stage(self: &Arc<Self>, call: &Call, api: &str, name: &str) -> Result<(), Error> {
        let place = Place::of(call);
        self.db
            .transact(async |tx| {
                self.stage(&tx, &place, api, name).await?;
                tx.clear(keys::stage(api, name));
                self.api_changes(&tx, api);
                Ok(())
            })
            .await
    }

    /// Answers of authorizers are forgotten with the stage they were given at.
    pub(crate) async fn flush_stage_authorizers_cache(
        self: Arc<Self>,
        call: Call,
        input: OneStage,
    ) -> Result<(), Error> {
        self.change_stage(&call, &input.rest_api_id, &input.stage_name, |_| Ok(())).await.map(drop)
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    const ALL: &str = "/restapis/{restApiId}/stages";
    const ONE: &str = "/restapis/{restApiId}/stages/{stageName}";
    const FLUSH: &str = "/restapis/{restApiId}/stages/{stageName}/cache/authorizers";
    let flush = Operation::new("FlushStageAuthorizersCache", G::flush_stage_authorizers_cache);
    api.operation(at(Operation::new("CreateStage", G::create_stage), HttpMethod::POST, ALL, 201))
        .operation(
            at(Operation::new("GetStages", G::get_stages), HttpMethod::GET, ALL, 200)
                .query("deploymentId", "deploymentId"),
        )
        .operation(at(Operation::new("GetStage", G::get_stage), HttpMethod::GET, ONE, 200))
        .operation(at(Operation::new("UpdateStage", G::update_stage), HttpMethod::PATCH, ONE, 200))
        .operation(at(Operation::new("DeleteStage", G::delete_stage), HttpMethod::DELETE, ONE, 202))
        .operation(at(flush, HttpMethod::DELETE, FLUSH, 202))
}
