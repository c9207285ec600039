//! Every limit of this crate. AWS: *CloudFormation User Guide*, "Understand CloudFormation quotas".

use std::time::Duration;

/// Bytes of a template sent in the request itself.
pub const TEMPLATE_BODY_BYTES_MAX: usize = 51_200;
/// Bytes of a template read from an object.
pub const TEMPLATE_URL_BYTES_MAX: usize = 1_048_576;
/// How deep maps and lists of a template may nest. No template of the AWS samples or of the CDK comes near.
pub const TEMPLATE_DEPTH_MAX: usize = 100;
/// Nodes that the aliases of a YAML document may expand to, where aliases are allowed at all.
pub const ALIAS_NODES_MAX: usize = 50_000;
/// Resources of a template, after transforms.
pub const RESOURCES_MAX: usize = 500;
/// Parameters of a template.
pub const PARAMETERS_MAX: usize = 200;
/// Outputs of a template.
pub const OUTPUTS_MAX: usize = 200;
/// Mappings of a template.
pub const MAPPINGS_MAX: usize = 200;
/// Bytes of a parameter's value.
pub const PARAMETER_VALUE_BYTES_MAX: usize = 4_096;
/// Characters of a template's description.
pub const DESCRIPTION_CHARS_MAX: usize = 1_024;
/// Tags of a stack.
pub const TAGS_MAX: usize = 50;
/// Blocks that one `Fn::Cidr` may ask for.
pub const CIDR_BLOCKS_MAX: u32 = 256;
/// Bytes of a text that functions of a template build.
pub const TEXT_BYTES_MAX: usize = 1_048_576;
/// Bytes of the properties of all resources of a template, functions resolved, as JSON: what an operation stores in one commit
/// is a small multiple of it.
pub const PROPERTIES_BYTES_MAX: usize = 2 * 1_048_576;

/// Stacks that exist at the same time in one account and region.
pub const STACKS_MAX: usize = 2_000;
/// Change sets of one stack.
pub const CHANGE_SETS_MAX: usize = 1_000;
/// Exports of one account and region.
pub const EXPORTS_MAX: usize = 5_000;
/// Entries of one page of a list of stacks, events, exports or change sets.
pub const PAGE_ENTRIES: usize = 100;

/// Resource operations of one stack that run at the same time.
pub const RESOURCES_AT_ONCE: usize = 32;
/// How long one create, update or delete of a resource may take before it counts as failed.
pub const RESOURCE_OPERATION_MAX: Duration = Duration::from_secs(30 * 60);
/// How long the answer to a request that starts a stack operation is held back until the stack has settled, so that a tool's
/// first look finds the end state; far below the 60 s after which botocore gives up.
pub const SETTLE_WAIT_MAX: Duration = Duration::from_secs(20);
/// How many levels of stacks within stacks there may be.
pub const NESTING_MAX: usize = 8;
/// How often an operation is taken up again after the store has failed, before it waits for the next start of the program.
pub const RUN_ATTEMPTS_MAX: u32 = 20;
/// How long it waits in between.
pub const RUN_PAUSE: Duration = Duration::from_secs(3);
/// How long a deleted stack can still be described by its ARN.
pub const DELETED_STACK_KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);
