//! What users may say of a function, checked, and turned into what is stored.
//!
//! AWS: Lambda API, *CreateFunction* and *UpdateFunctionConfiguration*.

use std::collections::BTreeMap;

use cauce_core::{Arn, Violations};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::file_system::{self, FileSystemConfig};
use crate::model::{Configuration, Mode, Size, Variables};
use crate::sandbox::environment::RESERVED;

/// What this server can run: programs that bring their own runtime.
pub const RUNTIMES: &[&str] = &["provided.al2", "provided.al2023"];

/// What else AWS runs, and this server does not.
const RUNTIMES_ELSEWHERE: &[&str] = &[
    "dotnet10",
    "dotnet6",
    "dotnet8",
    "dotnet9",
    "go1.x",
    "java11",
    "java17",
    "java21",
    "java25",
    "java8",
    "java8.al2",
    "nodejs14.x",
    "nodejs16.x",
    "nodejs18.x",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "provided",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "python3.8",
    "python3.9",
    "ruby2.7",
    "ruby3.2",
    "ruby3.3",
    "ruby3.4",
];

/// All environment variables of a function together, names and values, in bytes. AWS: Lambda quotas.
pub const ENVIRONMENT_BYTES_MAX: usize = 4 * 1_024;

const TIMEOUT_S_DEFAULT: u32 = 3;
const TIMEOUT_S_MAX: u32 = 900;
const MEMORY_MB_DEFAULT: u32 = 128;
const MEMORY_MB_MAX: u32 = 10_240;
const STORAGE_MB_DEFAULT: u32 = 512;
const STORAGE_MB_MAX: u32 = 10_240;
const TAGS_MAX: usize = 50;
const ROLE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";
const DEAD_LETTER_PATTERN: &str =
    r"(arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:([a-z]{2}(-gov)?-[a-z]+-\d{1})?:(\d{12})?:(.*))|";

/// The members that creation and update share. An absent one leaves what is there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Settings {
    pub(crate) runtime: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) handler: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) timeout: Option<i64>,
    pub(crate) memory_size: Option<i64>,
    pub(crate) environment: Option<EnvironmentInput>,
    pub(crate) ephemeral_storage: Option<Size>,
    pub(crate) tracing_config: Option<Mode>,
    pub(crate) logging_config: Option<LoggingConfig>,
    pub(crate) dead_letter_config: Option<DeadLetterConfig>,
    pub(crate) vpc_config: Option<VpcConfig>,
    #[serde(rename = "KMSKeyArn")]
    pub(crate) kms_key_arn: Option<String>,
    pub(crate) snap_start: Option<SnapStartInput>,
    pub(crate) layers: Option<Vec<Value>>,
    pub(crate) file_system_configs: Option<Vec<FileSystemConfig>>,
    pub(crate) image_config: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EnvironmentInput {
    pub(crate) variables: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LoggingConfig {
    log_format: Option<String>,
    log_group: Option<String>,
    application_log_level: Option<String>,
    system_log_level: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeadLetterConfig {
    target_arn: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VpcConfig {
    #[serde(default)]
    subnet_ids: Vec<String>,
    #[serde(default)]
    security_group_ids: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SnapStartInput {
    apply_on: Option<String>,
}

impl Settings {
    /// Reports what violates the model's constraints.
    pub(crate) fn validate(&self, v: &mut Violations) {
        if let Some(runtime) = &self.runtime
            && !RUNTIMES.contains(&runtime.as_str())
            && !RUNTIMES_ELSEWHERE.contains(&runtime.as_str())
        {
            let set: Vec<&str> = RUNTIMES_ELSEWHERE.iter().chain(RUNTIMES).copied().collect();
            let must = format!("Member must satisfy enum value set: [{}] or be a valid ARN", set.join(", "));
            v.other("Runtime", Some(runtime), &must);
        }
        if let Some(role) = self.role.as_deref().filter(|role| !is_role(role)) {
            v.other("Role", Some(role), &format!("Member must satisfy regular expression pattern: {ROLE_PATTERN}"));
        }
        if let Some(handler) = &self.handler {
            v.length("Handler", handler, 0, 128);
            if handler.is_empty() || handler.contains(char::is_whitespace) {
                v.other("Handler", Some(handler), r"Member must satisfy regular expression pattern: [^\s]+");
            }
        }
        if let Some(description) = &self.description {
            v.length("Description", description, 0, 256);
        }
        if let Some(timeout) = self.timeout {
            v.range("Timeout", timeout, 1, i64::from(TIMEOUT_S_MAX));
        }
        if let Some(memory) = self.memory_size {
            v.range("MemorySize", memory, i64::from(MEMORY_MB_DEFAULT), i64::from(MEMORY_MB_MAX));
        }
        if let Some(storage) = &self.ephemeral_storage {
            let size = i64::from(storage.size);
            v.within("EphemeralStorage", |v| {
                v.range("Size", size, i64::from(STORAGE_MB_DEFAULT), i64::from(STORAGE_MB_MAX));
            });
        }
        if let Some(tracing) = &self.tracing_config {
            v.within("TracingConfig", |v| v.one_of("Mode", &tracing.mode, &["Active", "PassThrough"]));
        }
        if let Some(arn) = self.dead_letter_config.as_ref().and_then(|d| d.target_arn.as_deref())
            && !arn.is_empty()
            && arn.parse::<Arn>().is_err()
        {
            let must = format!("Member must satisfy regular expression pattern: {DEAD_LETTER_PATTERN}");
            v.other("DeadLetterConfig.targetArn", Some(arn), &must);
        }
        if let Some(configs) = &self.file_system_configs {
            file_system::validate(v, configs);
        }
        if let Some(format) = self.logging_config.as_ref().and_then(|l| l.log_format.as_deref()) {
            v.within("LoggingConfig", |v| v.one_of("LogFormat", format, &["JSON", "Text"]));
        }
    }

    /// Refuses what AWS has and this server has not, by name.
    fn refuse_unsupported(&self) -> Result<(), Error> {
        let no = |what: &str| Err(Error::InvalidParameter(format!("{what} not supported by this server")));
        if let Some(runtime) = self.runtime.as_deref().filter(|r| !RUNTIMES.contains(r)) {
            let message =
                format!("Runtime {runtime} is not supported by this server. It runs: {}.", RUNTIMES.join(", "));
            return Err(Error::InvalidParameter(message));
        }
        if self.layers.as_ref().is_some_and(|l| !l.is_empty()) {
            return no("Layers are");
        }
        if self.image_config.is_some() {
            return no("ImageConfig is");
        }
        if self.snap_start.as_ref().is_some_and(|s| s.apply_on.as_deref().is_some_and(|a| a != "None")) {
            return no("SnapStart is");
        }
        let logging = self.logging_config.as_ref();
        let structured = |l: &LoggingConfig| {
            l.log_format.as_deref() == Some("JSON") || l.application_log_level.is_some() || l.system_log_level.is_some()
        };
        if logging.is_some_and(structured) {
            return no("LoggingConfig with LogFormat JSON is");
        }
        Ok(())
    }

    /// Puts these settings over `configuration`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for what is not supported or breaks a rule that no pattern expresses.
    pub(crate) fn apply(self, configuration: &mut Configuration) -> Result<(), Error> {
        self.refuse_unsupported()?;
        let set = |to: &mut String, from: Option<String>| {
            if let Some(from) = from {
                *to = from;
            }
        };
        set(&mut configuration.runtime, self.runtime);
        set(&mut configuration.handler, self.handler);
        set(&mut configuration.description, self.description);
        set(&mut configuration.tracing_mode, self.tracing_config.map(|t| t.mode));
        if let Some(role) = self.role.and_then(|r| r.parse().ok()) {
            configuration.role = role;
        }
        let number = |n: i64| u32::try_from(n).unwrap_or(0);
        configuration.timeout_s = self.timeout.map_or(configuration.timeout_s, number);
        configuration.memory_mb = self.memory_size.map_or(configuration.memory_mb, number);
        configuration.storage_mb = self.ephemeral_storage.map_or(configuration.storage_mb, |s| s.size);
        if let Some(environment) = self.environment {
            let variables = environment.variables.unwrap_or_default();
            check_environment(&variables)?;
            configuration.environment = (!variables.is_empty()).then_some(variables);
        }
        if let Some(dead_letter) = self.dead_letter_config {
            configuration.dead_letter = dead_letter_target(dead_letter.target_arn.as_deref())?;
        }
        if let Some(group) = self.logging_config.and_then(|l| l.log_group) {
            configuration.log_group = Some(group);
        }
        if let Some(vpc) = self.vpc_config {
            configuration.subnets = vpc.subnet_ids;
            configuration.security_groups = vpc.security_group_ids;
        }
        if let Some(key) = self.kms_key_arn {
            configuration.kms_key = (!key.is_empty()).then_some(key);
        }
        if let Some(configs) = self.file_system_configs {
            configuration.file_systems = configs;
        }
        file_system::check(&configuration.file_systems, &configuration.role, !configuration.subnets.is_empty())
    }
}

fn is_role(text: &str) -> bool {
    text.parse::<Arn>().is_ok_and(|arn| {
        arn.service() == "iam"
            && arn.account().is_some()
            && arn.resource().strip_prefix("role/").is_some_and(|r| !r.is_empty())
    })
}

fn dead_letter_target(arn: Option<&str>) -> Result<Option<Arn>, Error> {
    let Some(arn) = arn.filter(|a| !a.is_empty()) else { return Ok(None) };
    let parsed: Option<Arn> = arn.parse().ok();
    match parsed {
        Some(arn) if matches!(arn.service(), "sqs" | "sns") => Ok(Some(arn)),
        _ => Err(Error::InvalidParameter(
            "The dead letter target must be the ARN of an SQS queue or an SNS topic.".to_owned(),
        )),
    }
}

/// Checks a function's own environment variables.
fn check_environment(variables: &BTreeMap<String, String>) -> Result<(), Error> {
    const HEAD: &str =
        "Lambda was unable to configure your environment variables because the environment variables you have provided";
    let reserved: Vec<&str> = variables.keys().map(String::as_str).filter(|k| RESERVED.contains(k)).collect();
    if !reserved.is_empty() {
        return Err(Error::InvalidParameter(format!(
            "{HEAD} contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let name = |k: &str| {
        let mut chars = k.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic())
            && k.len() > 1
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if let Some(bad) = variables.keys().find(|k| !name(k)) {
        return Err(Error::InvalidParameter(format!(
            "1 validation error detected: Value '{bad}' at 'environment.variables' failed to satisfy constraint: Map keys must satisfy \
             constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"
        )));
    }
    if let Some((key, _)) = variables.iter().find(|(_, v)| v.contains('\0')) {
        return Err(Error::InvalidParameter(format!("{HEAD} contain a null character in '{key}'.")));
    }
    let bytes: usize = variables.iter().map(|(k, v)| k.len() + v.len()).sum();
    if bytes > ENVIRONMENT_BYTES_MAX {
        let measured = serde_json::to_string(variables).unwrap_or_default();
        return Err(Error::InvalidParameter(format!("{HEAD} exceeded the 4KB limit. String measured: {measured}")));
    }
    Ok(())
}

/// Checks a function's tags.
pub(crate) fn check_tags(v: &mut Violations, tags: &BTreeMap<String, String>) {
    v.count("Tags", tags.len(), 0, TAGS_MAX);
    for (key, value) in tags {
        v.length("Tags.key", key, 1, 128);
        v.length("Tags.value", value, 0, 256);
    }
}

/// The values of a function of which nothing was said.
pub(crate) fn defaults(code: crate::model::Code, role: Arn) -> Configuration {
    Configuration {
        runtime: String::new(),
        role,
        handler: String::new(),
        description: String::new(),
        timeout_s: TIMEOUT_S_DEFAULT,
        memory_mb: MEMORY_MB_DEFAULT,
        storage_mb: STORAGE_MB_DEFAULT,
        environment: None,
        architecture: "x86_64".to_owned(),
        tracing_mode: "PassThrough".to_owned(),
        log_group: None,
        dead_letter: None,
        subnets: Vec::new(),
        security_groups: Vec::new(),
        kms_key: None,
        file_systems: Vec::new(),
        code,
        modified: cauce_core::Timestamp::EPOCH,
        revision: String::new(),
    }
}

/// The processor architecture of a request, which must be this machine's: its programs run here.
///
/// # Errors
/// [`Error::InvalidParameter`] for another one.
pub(crate) fn architecture(wanted: Option<&[String]>) -> Result<String, Error> {
    let own = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    match wanted {
        // What a template leaves out is x86_64 on AWS; here it is whatever this machine is.
        None | Some([]) => Ok(own.to_owned()),
        Some([one]) if one == own => Ok(own.to_owned()),
        Some(other) => Err(Error::InvalidParameter(format!(
            "Architectures {} cannot run on this server, which is {own}",
            other.join(", ")
        ))),
    }
}

/// Text for a map of variables, as inputs have it.
impl From<Variables> for EnvironmentInput {
    fn from(variables: Variables) -> EnvironmentInput {
        EnvironmentInput { variables: Some(variables.variables) }
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::Violations;
    use serde_json::{Value, json};

    use super::{Settings, defaults};
    use crate::model::Code;

    fn check(settings: Value, expect: Result<(), &str>) {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let mut v = Violations::new();
        settings.validate(&mut v);
        let code = Code { package: String::new(), sha256: String::new(), bytes: 0 };
        let mut configuration = defaults(code, "arn:aws:iam::000000000000:role/r".parse().unwrap());
        let found = match v.message() {
            Some(message) => Err(message),
            None => settings.apply(&mut configuration).map_err(|e| e.to_string()),
        };
        match (found, expect) {
            (Ok(()), Ok(())) => {}
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{found}"),
            (found, expect) => panic!("{found:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn settings_are_checked_as_aws_checks_them() {
        check(json!({"Runtime": "provided.al2023", "Timeout": 900, "MemorySize": 128}), Ok(()));
        check(
            json!({"Timeout": 901}),
            Err("Value '901' at 'timeout' failed to satisfy constraint: Member must have value less"),
        );
        check(json!({"MemorySize": 127}), Err("Value '127' at 'memorySize' failed"));
        check(
            json!({"Runtime": "cobol"}),
            Err("Value 'cobol' at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["),
        );
        check(json!({"Runtime": "nodejs22.x"}), Err("It runs: provided.al2, provided.al2023."));
        check(
            json!({"Role": "arn:aws:iam::1:role/x"}),
            Err("at 'role' failed to satisfy constraint: Member must satisfy regular"),
        );
        check(json!({"Handler": "a b"}), Err(r"regular expression pattern: [^\s]+"));
        check(json!({"EphemeralStorage": {"Size": 511}}), Err("'ephemeralStorage.size'"));
        check(json!({"Layers": ["x"]}), Err("Layers are not supported"));
        check(json!({"Layers": []}), Ok(()));
        check(json!({"SnapStart": {"ApplyOn": "PublishedVersions"}}), Err("SnapStart"));
        check(json!({"LoggingConfig": {"LogFormat": "JSON"}}), Err("LogFormat JSON"));
        check(json!({"DeadLetterConfig": {"TargetArn": "arn:aws:s3:::b"}}), Err("SQS queue or an SNS topic"));
        let env = |name: &str, value: &str| json!({"Environment": {"Variables": {name: value}}});
        check(env("TABLE_NAME", "x"), Ok(()));
        check(env("AWS_REGION", "x"), Err("Reserved keys used in this request: AWS_REGION"));
        check(env("1X", "x"), Err("[a-zA-Z]([a-zA-Z0-9_])+"));
        check(env("XX", &"x".repeat(4_095)), Err("exceeded the 4KB limit"));
    }
}
