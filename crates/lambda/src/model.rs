//! What is stored of functions, and how it is shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Arn, Timestamp};
use cauce_store::Record;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::file_system::FileSystemConfig;
use crate::name::{FunctionName, LATEST};
use crate::sandbox::Plan;

/// What runs and how: of `$LATEST`, or of a published version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Configuration {
    pub(crate) runtime: String,
    pub(crate) role: Arn,
    pub(crate) handler: String,
    pub(crate) description: String,
    pub(crate) timeout_s: u32,
    pub(crate) memory_mb: u32,
    pub(crate) storage_mb: u32,
    pub(crate) environment: Option<BTreeMap<String, String>>,
    pub(crate) architecture: String,
    pub(crate) tracing_mode: String,
    pub(crate) log_group: Option<String>,
    pub(crate) dead_letter: Option<Arn>,
    pub(crate) subnets: Vec<String>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) kms_key: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) file_systems: Vec<FileSystemConfig>,
    pub(crate) code: Code,
    pub(crate) modified: Timestamp,
    pub(crate) revision: String,
}

/// Which package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    /// Its name in the package store.
    pub(crate) package: String,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// A function: `$LATEST`, and what all its versions share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FunctionRecord {
    pub(crate) latest: Configuration,
    pub(crate) last_version: u64,
    pub(crate) reserved_concurrency: Option<u32>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Record for FunctionRecord {
    const VERSION: u8 = 1;
}

/// A published version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub(crate) configuration: Configuration,
}

impl Record for VersionRecord {
    const VERSION: u8 = 1;
}

/// An alias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    pub(crate) version: String,
    pub(crate) description: String,
    /// Other versions with the part of the invocations that they get.
    pub(crate) weights: BTreeMap<String, f64>,
    pub(crate) revision: String,
}

impl Record for AliasRecord {
    const VERSION: u8 = 1;
}

/// A resource policy: of the function itself (qualifier empty), of a version or of an alias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub(crate) revision: String,
    /// Statements as AWS shows them, in the order of their arrival.
    pub(crate) statements: Vec<Value>,
}

impl Record for PolicyRecord {
    const VERSION: u8 = 1;
}

impl PolicyRecord {
    /// The document.
    pub(crate) fn document(&self) -> String {
        serde_json::json!({ "Version": "2012-10-17", "Id": "default", "Statement": self.statements }).to_string()
    }
}

/// How asynchronous invocations are repeated and where their outcomes go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventInvokeRecord {
    pub(crate) retries_max: Option<u32>,
    pub(crate) age_max_s: Option<u32>,
    pub(crate) on_success: Option<Arn>,
    pub(crate) on_failure: Option<Arn>,
    pub(crate) modified: Timestamp,
}

impl Record for EventInvokeRecord {
    const VERSION: u8 = 1;
}

impl Configuration {
    /// What its sandboxes run.
    pub(crate) fn plan(&self, name: &FunctionName, version: &str) -> Plan {
        let function = format!("{}/{}/{}", name.account, name.region, name.name);
        Plan {
            pool: format!("{function}:{version}").into(),
            function: function.into(),
            account: name.account,
            region: name.region.clone(),
            name: name.name.clone(),
            version: version.to_owned(),
            runtime: self.runtime.clone(),
            handler: self.handler.clone(),
            role: self.role.clone(),
            package: self.code.package.clone(),
            memory_mb: self.memory_mb,
            storage_mb: self.storage_mb,
            timeout: Duration::from_secs(u64::from(self.timeout_s)),
            environment: self.environment.clone().unwrap_or_default(),
            log_group: self.log_group(&name.name),
            mounts: self.file_systems.iter().filter_map(FileSystemConfig::mount).collect(),
        }
    }

    fn log_group(&self, name: &str) -> String {
        self.log_group.clone().unwrap_or_else(|| format!("/aws/lambda/{name}"))
    }

    /// As the API shows it, under the ARN by which it was asked for.
    pub(crate) fn shown(&self, name: &FunctionName, version: &str, qualifier: Option<&str>) -> FunctionConfiguration {
        let latest = version == LATEST;
        FunctionConfiguration {
            function_name: name.name.clone(),
            function_arn: name.arn_of(qualifier).to_string(),
            runtime: self.runtime.clone(),
            role: self.role.to_string(),
            handler: self.handler.clone(),
            code_size: self.code.bytes,
            description: self.description.clone(),
            timeout: self.timeout_s,
            memory_size: self.memory_mb,
            last_modified: self.modified.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string(),
            code_sha256: self.code.sha256.clone(),
            version: version.to_owned(),
            vpc_config: (!self.subnets.is_empty()).then(|| VpcConfigShown {
                subnet_ids: self.subnets.clone(),
                security_group_ids: self.security_groups.clone(),
                vpc_id: String::new(),
                ipv6_allowed_for_dual_stack: false,
            }),
            dead_letter_config: self.dead_letter.as_ref().map(|arn| TargetArn { target_arn: arn.to_string() }),
            environment: self.environment.as_ref().map(|v| Variables { variables: v.clone() }),
            kms_key_arn: self.kms_key.clone(),
            file_system_configs: self.file_systems.clone(),
            tracing_config: Mode { mode: self.tracing_mode.clone() },
            revision_id: self.revision.clone(),
            state: "Active",
            last_update_status: latest.then_some("Successful"),
            package_type: "Zip",
            architectures: vec![self.architecture.clone()],
            ephemeral_storage: Size { size: self.storage_mb },
            snap_start: SnapStart { apply_on: "None", optimization_status: "Off" },
            logging_config: LoggingConfigShown { log_format: "Text", log_group: self.log_group(&name.name) },
            runtime_version_config: RuntimeVersionConfig {
                runtime_version_arn: format!(
                    "arn:aws:lambda:{}::runtime:{}.cauce",
                    name.region,
                    self.runtime.replacen('.', ":", 1)
                ),
            },
        }
    }
}

/// AWS: Lambda API, *FunctionConfiguration*.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FunctionConfiguration {
    pub(crate) function_name: String,
    pub(crate) function_arn: String,
    pub(crate) runtime: String,
    pub(crate) role: String,
    pub(crate) handler: String,
    pub(crate) code_size: u64,
    pub(crate) description: String,
    pub(crate) timeout: u32,
    pub(crate) memory_size: u32,
    pub(crate) last_modified: String,
    #[serde(rename = "CodeSha256")]
    pub(crate) code_sha256: String,
    pub(crate) version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vpc_config: Option<VpcConfigShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letter_config: Option<TargetArn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<Variables>,
    #[serde(rename = "KMSKeyArn", skip_serializing_if = "Option::is_none")]
    pub(crate) kms_key_arn: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) file_system_configs: Vec<FileSystemConfig>,
    pub(crate) tracing_config: Mode,
    pub(crate) revision_id: String,
    pub(crate) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_update_status: Option<&'static str>,
    pub(crate) package_type: &'static str,
    pub(crate) architectures: Vec<String>,
    pub(crate) ephemeral_storage: Size,
    pub(crate) snap_start: SnapStart,
    pub(crate) logging_config: LoggingConfigShown,
    pub(crate) runtime_version_config: RuntimeVersionConfig,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VpcConfigShown {
    subnet_ids: Vec<String>,
    security_group_ids: Vec<String>,
    vpc_id: String,
    #[serde(rename = "Ipv6AllowedForDualStack")]
    ipv6_allowed_for_dual_stack: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TargetArn {
    pub(crate) target_arn: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Variables {
    pub(crate) variables: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Mode {
    pub(crate) mode: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Size {
    pub(crate) size: u32,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SnapStart {
    apply_on: &'static str,
    optimization_status: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LoggingConfigShown {
    log_format: &'static str,
    log_group: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RuntimeVersionConfig {
    pub(crate) runtime_version_arn: String,
}

/// A function, version or alias, ready to be invoked.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    /// What to run, with the part of the invocations that each gets; the first gets what the others leave.
    pub(crate) plans: Vec<(f64, Arc<Plan>)>,
    pub(crate) reserved_concurrency: Option<u32>,
    pub(crate) role: Arn,
    pub(crate) dead_letter: Option<Arn>,
    /// How asynchronous invocations of it are done.
    pub(crate) event_invoke: Option<EventInvokeRecord>,
    /// Its resource policy document.
    pub(crate) policy: Option<String>,
}

impl Deployment {
    /// The plan for one invocation; `draw` is a random number from 0 to 1.
    pub(crate) fn choose(&self, mut draw: f64) -> Option<&Arc<Plan>> {
        for (weight, plan) in self.plans.iter().skip(1) {
            if draw < *weight {
                return Some(plan);
            }
            draw -= weight;
        }
        self.plans.first().map(|(_, plan)| plan)
    }
}
