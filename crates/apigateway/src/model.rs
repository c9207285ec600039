//! REST APIs and what belongs to them, as stored and as the API shows them: the names of the members are those of the wire.
//!
//! AWS: API Gateway API Reference (V1), "Data types".

use std::collections::BTreeMap;

use cauce_core::{Account, Region, Timestamp};
use cauce_store::Record;
use serde::{Deserialize, Serialize};

/// Texts by name.
pub(crate) type Texts = BTreeMap<String, String>;

/// Which account and region own an API: the ids of APIs are unique in the program, since a URL names only the id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ApiOwner {
    pub(crate) account: u64,
    pub(crate) region: String,
}

impl ApiOwner {
    pub(crate) fn new(account: Account, region: &Region) -> ApiOwner {
        ApiOwner { account: account.number(), region: region.as_str().to_owned() }
    }
}

impl Record for ApiOwner {
    const VERSION: u8 = 1;
}

/// Where requests carry their API key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ApiKeySource {
    /// In the header `x-api-key`.
    #[default]
    Header,
    /// In the answer of the authorizer.
    Authorizer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum EndpointType {
    Regional,
    Edge,
    Private,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IpAddressType {
    #[default]
    Ipv4,
    Dualstack,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointConfiguration {
    pub(crate) types: Vec<EndpointType>,
    #[serde(default)]
    pub(crate) ip_address_type: IpAddressType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vpc_endpoint_ids: Option<Vec<String>>,
}

impl Default for EndpointConfiguration {
    fn default() -> EndpointConfiguration {
        EndpointConfiguration {
            types: vec![EndpointType::Edge],
            ip_address_type: IpAddressType::Ipv4,
            vpc_endpoint_ids: None,
        }
    }
}

/// A REST API without what it consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RestApi {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) created_date: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) binary_media_types: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) minimum_compression_size: Option<i64>,
    pub(crate) api_key_source: ApiKeySource,
    pub(crate) endpoint_configuration: EndpointConfiguration,
    /// The resource policy's document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: Texts,
    pub(crate) disable_execute_api_endpoint: bool,
    pub(crate) root_resource_id: String,
}

impl Record for RestApi {
    const VERSION: u8 = 1;
}

/// What a REST API consists of: one row, so that a change of it is checked against all of it, and a deployment copies it whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// By id.
    pub(crate) resources: BTreeMap<String, Resource>,
    /// By name.
    pub(crate) models: BTreeMap<String, Model>,
    /// By id.
    pub(crate) request_validators: BTreeMap<String, RequestValidator>,
    /// By id.
    pub(crate) authorizers: BTreeMap<String, Authorizer>,
    /// By type, only those that were changed.
    pub(crate) gateway_responses: BTreeMap<String, GatewayResponse>,
}

impl Record for Definition {
    const VERSION: u8 = 1;
}

/// A path of an API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    pub(crate) id: String,
    /// None for the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent_id: Option<String>,
    /// The last part: `orders`, `{id}`, `{proxy+}`. None for the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path_part: Option<String>,
    pub(crate) path: String,
    /// By HTTP method, `ANY` among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) resource_methods: BTreeMap<String, Method>,
}

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum AuthorizationType {
    None,
    AwsIam,
    Custom,
    CognitoUserPools,
}

/// What clients may ask of a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Method {
    pub(crate) http_method: String,
    pub(crate) authorization_type: AuthorizationType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authorizer_id: Option<String>,
    pub(crate) api_key_required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_validator_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) operation_name: Option<String>,
    /// `method.request.{path,querystring,header}.NAME` to whether it is required.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) request_parameters: BTreeMap<String, bool>,
    /// Media type to the name of a model.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) request_models: Texts,
    /// By status code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) method_responses: BTreeMap<String, MethodResponse>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) method_integration: Option<Integration>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) authorization_scopes: Vec<String>,
}

/// What clients may be answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MethodResponse {
    pub(crate) status_code: String,
    /// `method.response.header.NAME` to whether it is required.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) response_parameters: BTreeMap<String, bool>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) response_models: Texts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum IntegrationType {
    Http,
    Mock,
    AwsProxy,
    HttpProxy,
    Aws,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ConnectionType {
    Internet,
    VpcLink,
}

/// What happens to a body for whose media type there is no template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum PassthroughBehavior {
    #[default]
    WhenNoMatch,
    WhenNoTemplates,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ContentHandling {
    ConvertToBinary,
    ConvertToText,
}

/// What a method does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Integration {
    #[serde(rename = "type")]
    pub(crate) kind: IntegrationType,
    /// The method by which the backend is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) http_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) connection_type: Option<ConnectionType>,
    /// The ARN of the role as which the backend is called, or `arn:aws:iam::*:user/*` for the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<String>,
    /// `integration.request.{path,querystring,header}.NAME` to where the value comes from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) request_parameters: Texts,
    /// Media type to a mapping template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) request_templates: Texts,
    pub(crate) passthrough_behavior: PassthroughBehavior,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_handling: Option<ContentHandling>,
    pub(crate) timeout_in_millis: i64,
    pub(crate) cache_namespace: String,
    #[serde(default)]
    pub(crate) cache_key_parameters: Vec<String>,
    /// By status code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) integration_responses: BTreeMap<String, IntegrationResponse>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls_config: Option<TlsConfig>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TlsConfig {
    #[serde(default)]
    pub(crate) insecure_skip_verification: bool,
}

/// How an answer of the backend becomes one of the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationResponse {
    pub(crate) status_code: String,
    /// A pattern on the backend's status or error message; the response without one is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) selection_pattern: Option<String>,
    /// `method.response.header.NAME` to where the value comes from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) response_parameters: Texts,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) response_templates: Texts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_handling: Option<ContentHandling>,
}

/// A JSON schema of bodies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// JSON Schema, draft 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<String>,
    pub(crate) content_type: String,
}

/// What is checked of a request before its integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestValidator {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) validate_request_body: bool,
    pub(crate) validate_request_parameters: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum AuthorizerType {
    Token,
    Request,
    CognitoUserPools,
}

/// A function that decides who may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authorizer {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: AuthorizerType,
    #[serde(default, rename = "providerARNs", skip_serializing_if = "Vec::is_empty")]
    pub(crate) provider_arns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auth_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authorizer_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authorizer_credentials: Option<String>,
    /// One `method.request.header.NAME` for TOKEN; a list with commas for REQUEST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) identity_source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) identity_validation_expression: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authorizer_result_ttl_in_seconds: Option<i64>,
}

/// What is answered where no integration answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GatewayResponse {
    pub(crate) response_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status_code: Option<String>,
    pub(crate) response_parameters: Texts,
    pub(crate) response_templates: Texts,
    pub(crate) default_response: bool,
}

/// A copy of an API, which never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployment {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) created_date: Timestamp,
}

impl Record for Deployment {
    const VERSION: u8 = 1;
}

/// What a deployment has copied: all that serving the API takes, but for the stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) api: RestApi,
    pub(crate) definition: Definition,
}

impl Record for Snapshot {
    const VERSION: u8 = 1;
}

/// A deployment under a name, with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stage {
    pub(crate) deployment_id: String,
    pub(crate) stage_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) cache_cluster_enabled: bool,
    pub(crate) cache_cluster_status: String,
    /// By `PATH/METHOD` with the slashes of the path as `~1`, `*/*` for all.
    pub(crate) method_settings: BTreeMap<String, MethodSetting>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) variables: Texts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access_log_settings: Option<AccessLogSettings>,
    pub(crate) tracing_enabled: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: Texts,
    pub(crate) created_date: Timestamp,
    pub(crate) last_updated_date: Timestamp,
}

impl Record for Stage {
    const VERSION: u8 = 1;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessLogSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) destination_arn: Option<String>,
}

/// The settings of a stage for some or all of its methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MethodSetting {
    pub(crate) metrics_enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) logging_level: Option<String>,
    pub(crate) data_trace_enabled: bool,
    /// -1 for the account's.
    pub(crate) throttling_burst_limit: i64,
    /// Requests a second, -1 for the account's.
    pub(crate) throttling_rate_limit: f64,
    pub(crate) caching_enabled: bool,
    pub(crate) cache_ttl_in_seconds: i64,
    pub(crate) cache_data_encrypted: bool,
    pub(crate) require_authorization_for_cache_control: bool,
    pub(crate) unauthorized_cache_control_header_strategy: String,
}

impl Default for MethodSetting {
    fn default() -> MethodSetting {
        MethodSetting {
            metrics_enabled: false,
            logging_level: None,
            data_trace_enabled: false,
            throttling_burst_limit: -1,
            throttling_rate_limit: -1.0,
            caching_enabled: false,
            cache_ttl_in_seconds: 300,
            cache_data_encrypted: false,
            require_authorization_for_cache_control: true,
            unauthorized_cache_control_header_strategy: "SUCCEED_WITH_RESPONSE_HEADER".to_owned(),
        }
    }
}

/// A key that callers of a method must show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) created_date: Timestamp,
    pub(crate) last_updated_date: Timestamp,
    /// `API/STAGE`, from the time before usage plans.
    #[serde(default)]
    pub(crate) stage_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: Texts,
}

impl Record for ApiKey {
    const VERSION: u8 = 1;
}

/// How much the holders of keys may ask of stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsagePlan {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) api_stages: Vec<ApiStage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) throttle: Option<ThrottleSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quota: Option<QuotaSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) product_code: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: Texts,
}

impl Record for UsagePlan {
    const VERSION: u8 = 1;
}

/// A stage that a usage plan is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiStage {
    #[serde(default)]
    pub(crate) api_id: String,
    #[serde(default)]
    pub(crate) stage: String,
    /// By `PATH/METHOD`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) throttle: BTreeMap<String, ThrottleSettings>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThrottleSettings {
    #[serde(default)]
    pub(crate) burst_limit: i64,
    /// Requests a second.
    #[serde(default)]
    pub(crate) rate_limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum QuotaPeriod {
    Day,
    Week,
    Month,
}

impl QuotaPeriod {
    pub(crate) fn name(self) -> &'static str {
        match self {
            QuotaPeriod::Day => "DAY",
            QuotaPeriod::Week => "WEEK",
            QuotaPeriod::Month => "MONTH",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuotaSettings {
    /// Requests in a period.
    #[serde(default)]
    pub(crate) limit: i64,
    /// How many requests are taken off in the first period.
    #[serde(default)]
    pub(crate) offset: i64,
    pub(crate) period: QuotaPeriod,
}

/// What a key was granted besides the quota of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extension {
    /// Requests more than the quota; negative for fewer.
    pub(crate) requests: i64,
    /// The day, of 1970, from which on it counts.
    pub(crate) day: i64,
}

impl Record for Extension {
    const VERSION: u8 = 1;
}

/// A key's place in a usage plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsagePlanKey {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

impl Record for UsagePlanKey {
    const VERSION: u8 = 1;
}

/// What an account sets for all its APIs of a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cloudwatch_role_arn: Option<String>,
}

impl Record for AccountSettings {
    const VERSION: u8 = 1;
}
