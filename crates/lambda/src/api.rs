//! Lambda's operations as one table.
//!
//! AWS: Lambda API reference. REST-JSON; the paths carry the version of the API in which an operation appeared.

use std::sync::Arc;

use cauce_core::{Call, ServiceError};
use cauce_wire::{Api, HeaderName, Input, Method, Operation, Protocol, RestResponse, ServiceInfo};
use serde::{Deserialize, Serialize};

use crate::alias::{AliasInput, AliasName, ListAliasesInput};
use crate::concurrency::{GetAccountSettingsInput, PutConcurrencyInput};
use crate::error::Error;
use crate::event_invoke::{EventInvokeInput, ListEventInvokesInput};
use crate::function::{
    CreateFunctionInput, FunctionInput, ListFunctionsInput, UpdateFunctionCodeInput, UpdateFunctionConfigurationInput,
};
use crate::invoke::{InvokeInput, PAYLOAD_BYTES_MAX, decode_invoke, encode_invoke};
use crate::mapping::{CreateMapping, ListMappings, MappingId, UpdateMapping};
use crate::name::{FunctionRef, policy_resource};
use crate::permission::{AddPermissionInput, RemovePermissionInput};
use crate::service::Lambda;
use crate::tag::{ListTagsInput, TagResourceInput, UntagResourceInput};
use crate::version::{ListVersionsInput, PublishVersionInput};

/// The largest request, in bytes: a 50 MiB zip in base64. AWS: "Request must be smaller than 70167211 bytes".
pub const REQUEST_BYTES_MAX: usize = 70_167_211;

/// How long the caller of a function may wait, in seconds: the longest timeout and a cold start.
const INVOKE_S_MAX: u32 = 900 + 30;

/// Lambda as the wire knows it.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "lambda",
    signing_name: "lambda",
    protocols: &[Protocol::RestJson],
    validation_code: "ValidationException",
};

/// Inputs that name a function.
trait Names: Input {
    fn name(&self) -> (&str, Option<&str>);
}

macro_rules! names {
    ($($input:ty: $qualifier:expr;)*) => {
        $(impl Names for $input {
            fn name(&self) -> (&str, Option<&str>) {
                let qualifier: fn(&$input) -> Option<&str> = $qualifier;
                (&self.function_name, qualifier(self))
            }
        })*
    };
}

names! {
    CreateFunctionInput: |_| None;
    FunctionInput: |i| i.qualifier.as_deref();
    UpdateFunctionCodeInput: |_| None;
    UpdateFunctionConfigurationInput: |_| None;
    PublishVersionInput: |_| None;
    ListVersionsInput: |_| None;
    AliasInput: |_| None;
    AliasName: |_| None;
    ListAliasesInput: |_| None;
    AddPermissionInput: |i| i.qualifier.as_deref();
    RemovePermissionInput: |i| i.qualifier.as_deref();
    PutConcurrencyInput: |_| None;
    EventInvokeInput: |i| i.qualifier.as_deref();
    ListEventInvokesInput: |_| None;
    InvokeInput: |i| i.qualifier.as_deref();
}

/// An operation on one function: its ARN is the resource, its policy counts.
fn on<I: Names, O: Serialize + Send + 'static>(operation: Operation<Lambda, I, O>) -> Operation<Lambda, I, O> {
    operation
        .resource(|call, input| {
            let (name, qualifier) = input.name();
            vec![policy_resource(call, name, qualifier)]
        })
        .resource_policy(Lambda::policy_of)
}

/// Lambda's operations on `lambda`.
pub fn api(lambda: Arc<Lambda>) -> Api<Lambda> {
    let api = Api::new(&INFO, lambda).body_bytes_max(REQUEST_BYTES_MAX);
    mappings(more(invoking(versions(functions(api)))))
}

fn functions(api: Api<Lambda>) -> Api<Lambda> {
    const ONE: &str = "/2015-03-31/functions/{FunctionName}";
    const CONFIGURATION: &str = "/2015-03-31/functions/{FunctionName}/configuration";
    api.operation(on(Operation::new("CreateFunction", Lambda::create_function).rest(
        Method::POST,
        "/2015-03-31/functions",
        201,
    )))
    .operation(on(Operation::new("GetFunction", Lambda::get_function)
        .rest(Method::GET, ONE, 200)
        .query("Qualifier", "Qualifier")))
    .operation(on(Operation::new("GetFunctionConfiguration", Lambda::get_function_configuration)
        .rest(Method::GET, CONFIGURATION, 200)
        .query("Qualifier", "Qualifier")))
    .operation(on(Operation::new("GetFunctionPackage", Lambda::get_function_package)
        .action("lambda:GetFunction")
        .rest(Method::GET, "/2015-03-31/functions/{FunctionName}/package", 200)
        .query("Qualifier", "Qualifier")
        .encode(|zip| {
            RestResponse::new(200, zip.0).header(HeaderName::from_static("content-type"), "application/zip")
        })))
    .operation(on(Operation::new("UpdateFunctionCode", Lambda::update_function_code).rest(
        Method::PUT,
        "/2015-03-31/functions/{FunctionName}/code",
        200,
    )))
    .operation(on(Operation::new("UpdateFunctionConfiguration", Lambda::update_function_configuration).rest(
        Method::PUT,
        CONFIGURATION,
        200,
    )))
    .operation(on(Operation::new("DeleteFunction", Lambda::delete_function)
        .rest(Method::DELETE, ONE, 204)
        .query("Qualifier", "Qualifier")))
    .operation(
        Operation::<_, ListFunctionsInput, _>::new("ListFunctions", Lambda::list_functions)
            .rest(Method::GET, "/2015-03-31/functions", 200)
            .query("FunctionVersion", "FunctionVersion")
            .query("Marker", "Marker")
            .query("MaxItems", "MaxItems"),
    )
}

fn versions(api: Api<Lambda>) -> Api<Lambda> {
    const VERSIONS: &str = "/2015-03-31/functions/{FunctionName}/versions";
    const ALIASES: &str = "/2015-03-31/functions/{FunctionName}/aliases";
    const ALIAS: &str = "/2015-03-31/functions/{FunctionName}/aliases/{Name}";
    api.operation(on(Operation::new("PublishVersion", Lambda::publish_version).rest(Method::POST, VERSIONS, 201)))
        .operation(on(Operation::new("ListVersionsByFunction", Lambda::list_versions)
            .rest(Method::GET, VERSIONS, 200)
            .query("Marker", "Marker")
            .query("MaxItems", "MaxItems")))
        .operation(on(Operation::new("CreateAlias", Lambda::create_alias).rest(Method::POST, ALIASES, 201)))
        .operation(on(Operation::new("GetAlias", Lambda::get_alias).rest(Method::GET, ALIAS, 200)))
        .operation(on(Operation::new("UpdateAlias", Lambda::update_alias).rest(Method::PUT, ALIAS, 200)))
        .operation(on(Operation::new("DeleteAlias", Lambda::delete_alias).rest(Method::DELETE, ALIAS, 204)))
        .operation(on(Operation::new("ListAliases", Lambda::list_aliases)
            .rest(Method::GET, ALIASES, 200)
            .query("FunctionVersion", "FunctionVersion")
            .query("Marker", "Marker")
            .query("MaxItems", "MaxItems")))
}

fn invoking(api: Api<Lambda>) -> Api<Lambda> {
    const POLICY: &str = "/2015-03-31/functions/{FunctionName}/policy";
    const EVENT_INVOKE: &str = "/2019-09-25/functions/{FunctionName}/event-invoke-config";
    api.operation(on(Operation::new("Invoke", Lambda::invoke_function)
        .action("lambda:InvokeFunction")
        .rest(Method::POST, "/2015-03-31/functions/{FunctionName}/invocations", 200)
        .decode(decode_invoke)
        .encode(encode_invoke)
        // What is a little too large is refused in the words of the operation.
        .body_bytes_max(2 * PAYLOAD_BYTES_MAX)
        .answer_s_max(INVOKE_S_MAX)))
        .operation(on(Operation::new("AddPermission", Lambda::add_permission)
            .rest(Method::POST, POLICY, 201)
            .query("Qualifier", "Qualifier")))
        .operation(on(Operation::new("RemovePermission", Lambda::remove_permission)
            .rest(Method::DELETE, "/2015-03-31/functions/{FunctionName}/policy/{StatementId}", 204)
            .query("Qualifier", "Qualifier")
            .query("RevisionId", "RevisionId")))
        .operation(on(Operation::new("GetPolicy", Lambda::get_policy)
            .rest(Method::GET, POLICY, 200)
            .query("Qualifier", "Qualifier")))
        .operation(on(Operation::new("PutFunctionEventInvokeConfig", Lambda::put_event_invoke)
            .rest(Method::PUT, EVENT_INVOKE, 200)
            .query("Qualifier", "Qualifier")))
        .operation(on(Operation::new("UpdateFunctionEventInvokeConfig", Lambda::update_event_invoke)
            .rest(Method::POST, EVENT_INVOKE, 200)
            .query("Qualifier", "Qualifier")))
        .operation(on(Operation::new("GetFunctionEventInvokeConfig", Lambda::get_event_invoke)
            .rest(Method::GET, EVENT_INVOKE, 200)
            .query("Qualifier", "Qualifier")))
        .operation(on(Operation::new("DeleteFunctionEventInvokeConfig", Lambda::delete_event_invoke)
            .rest(Method::DELETE, EVENT_INVOKE, 204)
            .query("Qualifier", "Qualifier")))
        .operation(on(Operation::new("ListFunctionEventInvokeConfigs", Lambda::list_event_invokes)
            .rest(Method::GET, "/2019-09-25/functions/{FunctionName}/event-invoke-config/list", 200)
            .query("Marker", "Marker")
            .query("MaxItems", "MaxItems")))
}

fn more(api: Api<Lambda>) -> Api<Lambda> {
    const CONCURRENCY: &str = "/2017-10-31/functions/{FunctionName}/concurrency";
    const TAGS: &str = "/2017-03-31/tags/{Resource}";
    api.operation(on(Operation::new("PutFunctionConcurrency", Lambda::put_function_concurrency).rest(
        Method::PUT,
        CONCURRENCY,
        200,
    )))
    .operation(on(Operation::new("GetFunctionConcurrency", Lambda::get_function_concurrency).rest(
        Method::GET,
        "/2019-09-30/functions/{FunctionName}/concurrency",
        200,
    )))
    .operation(on(Operation::new("DeleteFunctionConcurrency", Lambda::delete_function_concurrency).rest(
        Method::DELETE,
        CONCURRENCY,
        204,
    )))
    .operation(
        Operation::new("GetAccountSettings", Lambda::get_account_settings)
            .resource(|_, _: &GetAccountSettingsInput| vec!["*".to_owned()])
            .rest(Method::GET, "/2016-08-19/account-settings", 200),
    )
    .operation(
        Operation::new("TagResource", Lambda::tag_resource)
            .resource(|_, input: &TagResourceInput| vec![input.resource.clone()])
            .rest(Method::POST, TAGS, 204),
    )
    .operation(
        Operation::new("UntagResource", Lambda::untag_resource)
            .resource(|_, input: &UntagResourceInput| vec![input.resource.clone()])
            .rest(Method::DELETE, TAGS, 204)
            .query_list("tagKeys", "TagKeys"),
    )
    .operation(
        Operation::new("ListTags", Lambda::list_tags)
            .resource(|_, input: &ListTagsInput| vec![input.resource.clone()])
            .rest(Method::GET, TAGS, 200),
    )
    .operation(on(Operation::new("GetFunctionUrlConfig", Lambda::get_function_url_config)
        .rest(Method::GET, "/2021-10-31/functions/{FunctionName}/url", 200)
        .query("Qualifier", "Qualifier")))
    .operation(on(Operation::new("GetFunctionCodeSigningConfig", Lambda::get_code_signing_config).rest(
        Method::GET,
        "/2020-06-30/functions/{FunctionName}/code-signing-config",
        200,
    )))
    .operation(on(Operation::new("GetRuntimeManagementConfig", Lambda::get_runtime_management_config)
        .rest(Method::GET, "/2021-07-20/functions/{FunctionName}/runtime-management-config", 200)
        .query("Qualifier", "Qualifier")))
    .operation(on(Operation::new("GetFunctionRecursionConfig", Lambda::get_recursion_config).rest(
        Method::GET,
        "/2024-08-31/functions/{FunctionName}/recursion-config",
        200,
    )))
}

fn mappings(api: Api<Lambda>) -> Api<Lambda> {
    const ALL: &str = "/2015-03-31/event-source-mappings";
    const ONE: &str = "/2015-03-31/event-source-mappings/{UUID}";
    let one = |call: &Call, uuid: &str| vec![call.arn("lambda", &format!("event-source-mapping:{uuid}")).to_string()];
    let function =
        |call: &Call, name: &str| vec![("lambda:FunctionArn".to_owned(), vec![policy_resource(call, name, None)])];
    api.operation(
        Operation::new("CreateEventSourceMapping", Lambda::create_mapping)
            .context(move |call, input: &CreateMapping| function(call, &input.function_name))
            .rest(Method::POST, ALL, 202),
    )
    .operation(
        Operation::<_, ListMappings, _>::new("ListEventSourceMappings", Lambda::list_mappings)
            .rest(Method::GET, ALL, 200)
            .query("EventSourceArn", "EventSourceArn")
            .query("FunctionName", "FunctionName")
            .query("Marker", "Marker")
            .query("MaxItems", "MaxItems"),
    )
    .operation(
        Operation::new("GetEventSourceMapping", Lambda::get_mapping)
            .resource(move |call, input: &MappingId| one(call, &input.uuid))
            .rest(Method::GET, ONE, 200),
    )
    .operation(
        Operation::new("UpdateEventSourceMapping", Lambda::update_mapping)
            .resource(move |call, input: &UpdateMapping| one(call, &input.uuid))
            .context(move |call, input: &UpdateMapping| match &input.function_name {
                Some(name) => function(call, name),
                None => Vec::new(),
            })
            .rest(Method::PUT, ONE, 202),
    )
    .operation(
        Operation::new("DeleteEventSourceMapping", Lambda::delete_mapping)
            .resource(move |call, input: &MappingId| one(call, &input.uuid))
            .rest(Method::DELETE, ONE, 202),
    )
}

/// AWS: *GetFunctionCodeSigningConfig*, response: no function has one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CodeSigningOutput {
    function_name: String,
}

/// AWS: *GetRuntimeManagementConfig*, response.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RuntimeManagementOutput {
    update_runtime_on: String,
    function_arn: String,
}

/// AWS: *GetFunctionRecursionConfig*, response.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RecursionOutput {
    recursive_loop: String,
}

/// What deploy tools ask of every function, and the one answer that is true here.
impl Lambda {
    async fn get_function_url_config(self: Arc<Self>, call: Call, input: FunctionInput) -> Result<(), Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        self.configuration(&self.db.begin(), &reference).await?;
        Err(Error::NotFound("The resource you requested does not exist.".to_owned()))
    }

    async fn get_code_signing_config(
        self: Arc<Self>,
        call: Call,
        input: FunctionInput,
    ) -> Result<CodeSigningOutput, ServiceError> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        self.function(&self.db.begin(), &reference).await?;
        Ok(CodeSigningOutput { function_name: reference.function.name })
    }

    async fn get_runtime_management_config(
        self: Arc<Self>,
        call: Call,
        input: FunctionInput,
    ) -> Result<RuntimeManagementOutput, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        self.configuration(&self.db.begin(), &reference).await?;
        Ok(RuntimeManagementOutput { update_runtime_on: "Auto".to_owned(), function_arn: reference.arn().to_string() })
    }

    async fn get_recursion_config(self: Arc<Self>, call: Call, input: FunctionInput) -> Result<RecursionOutput, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        self.function(&self.db.begin(), &reference).await?;
        Ok(RecursionOutput { recursive_loop: "Terminate".to_owned() })
    }
}
