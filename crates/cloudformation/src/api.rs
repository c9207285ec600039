//! The operations of the service, declared once.

use std::sync::Arc;

use cauce_core::Call;
use cauce_wire::{Api, Operation, Protocol, ServiceInfo};

use crate::service::CloudFormation;

/// How the service is called.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "cloudformation",
    signing_name: "cloudformation",
    protocols: &[Protocol::Query {
        version: "2010-05-15",
        xmlns: "http://cloudformation.amazonaws.com/doc/2010-05-15/",
    }],
    validation_code: "ValidationError",
};

/// The largest request, in bytes: a template of 51,200 bytes, every one of them escaped, and its parameters.
const BODY_BYTES_MAX: usize = 1_048_576;

/// The ARN that policies see for a stack given by name or ARN: the last part of the ARN is not known from the name.
fn stack_arn(call: &Call, id: &str) -> Vec<String> {
    if id.starts_with("arn:") {
        vec![id.to_owned()]
    } else {
        vec![call.arn("cloudformation", &format!("stack/{id}/*")).to_string()]
    }
}

fn optional_arn(call: &Call, id: Option<&String>) -> Vec<String> {
    match id.filter(|id| !id.is_empty()) {
        Some(id) => stack_arn(call, id),
        None => vec!["*".to_owned()],
    }
}

/// The stack of a change set, or the change set's own ARN where the stack is not named.
fn change_set_arn(call: &Call, stack: Option<&String>, change_set: &str) -> Vec<String> {
    match stack.filter(|stack| !stack.is_empty()) {
        Some(stack) => stack_arn(call, stack),
        None => vec![change_set.to_owned()],
    }
}

/// All operations of the service.
pub fn api(service: Arc<CloudFormation>) -> Api<CloudFormation> {
    type S = CloudFormation;
    Api::new(&INFO, service)
        .body_bytes_max(BODY_BYTES_MAX)
        .operation(Operation::new("CreateStack", S::create_stack).resource(|call, i| stack_arn(call, &i.stack_name)))
        .operation(Operation::new("UpdateStack", S::update_stack).resource(|call, i| stack_arn(call, &i.stack_name)))
        .operation(Operation::new("DeleteStack", S::delete_stack).resource(|call, i| stack_arn(call, &i.stack_name)))
        .operation(
            Operation::new("CancelUpdateStack", S::cancel_update_stack)
                .resource(|call, i| stack_arn(call, &i.stack_name)),
        )
        .operation(
            Operation::new("ContinueUpdateRollback", S::continue_update_rollback)
                .resource(|call, i| stack_arn(call, &i.stack_name)),
        )
        .operation(
            Operation::new("UpdateTerminationProtection", S::update_termination_protection)
                .resource(|call, i| stack_arn(call, &i.stack_name)),
        )
        .operation(
            Operation::new("GetStackPolicy", S::get_stack_policy).resource(|call, i| stack_arn(call, &i.stack_name)),
        )
        .operation(
            Operation::new("CreateChangeSet", S::create_change_set).resource(|call, i| stack_arn(call, &i.stack_name)),
        )
        .operation(
            Operation::new("DescribeChangeSet", S::describe_change_set)
                .resource(|call, i| change_set_arn(call, i.stack_name.as_ref(), &i.change_set_name)),
        )
        .operation(
            Operation::new("ExecuteChangeSet", S::execute_change_set)
                .resource(|call, i| change_set_arn(call, i.stack_name.as_ref(), &i.change_set_name)),
        )
        .operation(
            Operation::new("DeleteChangeSet", S::delete_change_set)
                .resource(|call, i| change_set_arn(call, i.stack_name.as_ref(), &i.change_set_name)),
        )
        .operation(
            Operation::new("ListChangeSets", S::list_change_sets).resource(|call, i| stack_arn(call, &i.stack_name)),
        )
        .operation(
            Operation::new("DescribeStacks", S::describe_stacks)
                .resource(|call, i| optional_arn(call, i.stack_name.as_ref())),
        )
        .operation(Operation::new("ListStacks", S::list_stacks))
        .operation(
            Operation::new("DescribeStackEvents", S::describe_stack_events)
                .resource(|call, i| optional_arn(call, i.stack_name.as_ref())),
        )
        .operation(
            Operation::new("DescribeStackResources", S::describe_stack_resources)
                .resource(|call, i| optional_arn(call, i.stack_name.as_ref())),
        )
        .operation(
            Operation::new("DescribeStackResource", S::describe_stack_resource)
                .resource(|call, i| optional_arn(call, i.stack_name.as_ref())),
        )
        .operation(
            Operation::new("ListStackResources", S::list_stack_resources)
                .resource(|call, i| optional_arn(call, i.stack_name.as_ref())),
        )
        .operation(
            Operation::new("GetTemplate", S::get_template)
                .resource(|call, i| optional_arn(call, i.stack_name.as_ref())),
        )
        .operation(
            Operation::new("GetTemplateSummary", S::get_template_summary)
                .resource(|call, i| optional_arn(call, i.stack_name.as_ref())),
        )
        .operation(Operation::new("ValidateTemplate", S::validate_template))
        .operation(Operation::new("ListExports", S::list_exports))
        .operation(Operation::new("ListImports", S::list_imports))
}
