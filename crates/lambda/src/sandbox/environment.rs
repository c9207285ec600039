//! The environment variables of a function: AWS's own and the user's, and nothing of the server's.
//!
//! AWS: Lambda Developer Guide, *Working with Lambda environment variables*, "Defined runtime environment variables".

use std::net::SocketAddr;
use std::path::Path;

use cauce_core::ports::Credentials;

use super::Plan;

/// Variables that users may not set.
pub(crate) const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// What one sandbox adds to its plan.
pub(crate) struct Place<'a> {
    pub(crate) credentials: &'a Credentials,
    pub(crate) runtime_api: SocketAddr,
    pub(crate) task_root: &'a Path,
    pub(crate) temporary: &'a Path,
    pub(crate) log_stream: &'a str,
    pub(crate) endpoint_url: &'a str,
}

/// All variables; the user's come last and so win over those that are not reserved.
///
/// `AWS_EXECUTION_ENV` is absent as on AWS, which does not define it for `provided.*`. `AWS_ENDPOINT_URL` leads every SDK here.
pub(crate) fn variables(plan: &Plan, place: &Place<'_>) -> Vec<(String, String)> {
    let root = place.task_root.to_string_lossy();
    let temporary = place.temporary.to_string_lossy();
    let libraries = format!("/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:{root}:{root}/lib:/opt/lib");
    let region = plan.region.as_str();
    let own = [
        ("_HANDLER", plan.handler.as_str()),
        ("AWS_ACCESS_KEY_ID", &place.credentials.access_key_id),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ENDPOINT_URL", place.endpoint_url),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &plan.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", &plan.name),
        ("AWS_LAMBDA_FUNCTION_VERSION", &plan.version),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &plan.log_group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", place.log_stream),
        ("AWS_LAMBDA_RUNTIME_API", &place.runtime_api.to_string()),
        ("AWS_REGION", region),
        ("AWS_SECRET_ACCESS_KEY", &place.credentials.secret_access_key),
        ("AWS_SESSION_TOKEN", &place.credentials.session_token),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LAMBDA_TASK_ROOT", &root),
        ("LANG", "en_US.UTF-8"),
        ("LD_LIBRARY_PATH", &libraries),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("TMPDIR", &temporary),
        ("TZ", ":UTC"),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.chain(plan.environment.iter().map(|(n, v)| (n.clone(), v.clone()))).collect()
}
