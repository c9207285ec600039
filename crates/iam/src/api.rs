//! The operations of IAM and STS, each declared once.

use std::sync::Arc;

use cauce_core::{Arn, Call};
use cauce_wire::{Api, Input, Operation, Protocol, ServiceInfo};

use crate::access_key::{DeleteAccessKey, ListAccessKeys, UpdateAccessKey};
use crate::iam::Iam;
use crate::name::tag_keys;
use crate::role::{
    PutRolePermissionsBoundary, RoleName, RolePage, TagRole, UntagRole, UpdateAssumeRolePolicy, UpdateRole,
};
use crate::role_policy::{PutRolePolicy, RolePolicyArn, RolePolicyName};
use crate::user::{MaybeUserName, PutUserPermissionsBoundary, TagUser, UntagUser, UserName, UserPage};
use crate::user_policy::{PutUserPolicy, UserPolicyArn, UserPolicyName};

static IAM: ServiceInfo = ServiceInfo {
    name: "iam",
    signing_name: "iam",
    protocols: &[Protocol::Query { version: "2010-05-08", xmlns: "https://iam.amazonaws.com/doc/2010-05-08/" }],
    validation_code: "ValidationError",
};

static STS: ServiceInfo = ServiceInfo {
    name: "sts",
    signing_name: "sts",
    protocols: &[Protocol::Query { version: "2011-06-15", xmlns: "https://sts.amazonaws.com/doc/2011-06-15/" }],
    validation_code: "ValidationError",
};

/// The ARNs that an operation acts on.
type On<I> = Box<dyn Fn(&Call, &I) -> Vec<String> + Send + Sync>;

/// An input that names the role it is about.
trait OfRole: Input {
    fn role(&self) -> &str;
}

/// An input that names the user it is about, or leaves it out and means the caller.
trait OfUser: Input {
    fn user(&self) -> Option<&str>;
}

macro_rules! of_role {
    ($($input:ty),+ $(,)?) => {
        $(impl OfRole for $input {
            fn role(&self) -> &str {
                &self.role_name
            }
        })+
    };
}

macro_rules! of_user {
    ($($input:ty),+ $(,)?) => {
        $(impl OfUser for $input {
            fn user(&self) -> Option<&str> {
                Some(&self.user_name)
            }
        })+
    };
}

macro_rules! of_maybe_user {
    ($($input:ty),+ $(,)?) => {
        $(impl OfUser for $input {
            fn user(&self) -> Option<&str> {
                self.user_name.as_deref()
            }
        })+
    };
}

of_role!(
    RoleName,
    RolePage,
    UpdateRole,
    UpdateAssumeRolePolicy,
    TagRole,
    UntagRole,
    PutRolePermissionsBoundary,
    PutRolePolicy,
    RolePolicyName,
    RolePolicyArn,
);
of_user!(
    UserName,
    UserPage,
    TagUser,
    UntagUser,
    PutUserPermissionsBoundary,
    PutUserPolicy,
    UserPolicyName,
    UserPolicyArn,
);
of_maybe_user!(MaybeUserName, ListAccessKeys, UpdateAccessKey, DeleteAccessKey);

fn on_role<I: OfRole>(iam: &Arc<Iam>) -> On<I> {
    let iam = Arc::clone(iam);
    Box::new(move |_, input| vec![iam.entity_arn("role", input.role())])
}

fn on_user<I: OfUser>(iam: &Arc<Iam>) -> On<I> {
    let iam = Arc::clone(iam);
    Box::new(move |call, input| {
        let own = || call.principal.arn().map_or_else(|| "*".to_owned(), |arn| arn.to_string());
        vec![input.user().map_or_else(own, |name| iam.entity_arn("user", name))]
    })
}

/// What is about to be made at this place.
fn new_arn(iam: &Iam, kind: &str, path: Option<&str>, name: &str) -> Vec<String> {
    let path = path.unwrap_or("/");
    vec![Arn::global("iam", iam.account(), &format!("{kind}{path}{name}")).to_string()]
}

fn policy_arn_key(arn: &str) -> Vec<(String, Vec<String>)> {
    vec![("iam:PolicyARN".to_owned(), vec![arn.to_owned()])]
}

fn boundary_key(arn: Option<&str>) -> Vec<(String, Vec<String>)> {
    arn.map(|arn| ("iam:PermissionsBoundary".to_owned(), vec![arn.to_owned()])).into_iter().collect()
}

/// Every operation of IAM. AWS: IAM API Reference.
pub fn api(iam: &Arc<Iam>) -> Api<Iam> {
    let api = Api::new(&IAM, Arc::clone(iam));
    let api = role_policies(iam, roles(iam, api));
    let api = user_policies(iam, users(iam, api));
    policies(iam, access_keys(iam, api))
}

fn roles(iam: &Arc<Iam>, api: Api<Iam>) -> Api<Iam> {
    let i = Arc::clone(iam);
    api.operation(
        Operation::new("CreateRole", Iam::create_role)
            .resource(move |_, input| new_arn(&i, "role", input.path.as_deref(), &input.role_name))
            .context(|_, input| {
                let tags = tag_keys(input.tags.as_deref().unwrap_or_default());
                tags.into_iter().chain(boundary_key(input.permissions_boundary.as_deref())).collect()
            }),
    )
    .operation(Operation::new("GetRole", Iam::get_role).resource(on_role(iam)))
    .operation(Operation::new("ListRoles", Iam::list_roles).resource(listed(iam, "role/")))
    .operation(Operation::new("UpdateRole", Iam::update_role).resource(on_role(iam)))
    .operation(Operation::new("UpdateAssumeRolePolicy", Iam::update_assume_role_policy).resource(on_role(iam)))
    .operation(Operation::new("DeleteRole", Iam::delete_role).resource(on_role(iam)))
    .operation(
        Operation::new("TagRole", Iam::tag_role).resource(on_role(iam)).context(|_, input| tag_keys(&input.tags)),
    )
    .operation(Operation::new("UntagRole", Iam::untag_role).resource(on_role(iam)))
    .operation(Operation::new("ListRoleTags", Iam::list_role_tags).resource(on_role(iam)))
    .operation(
        Operation::new("PutRolePermissionsBoundary", Iam::put_role_permissions_boundary)
            .resource(on_role(iam))
            .context(|_, input| boundary_key(Some(&input.permissions_boundary))),
    )
    .operation(
        Operation::new("DeleteRolePermissionsBoundary", Iam::delete_role_permissions_boundary).resource(on_role(iam)),
    )
    .operation(
        Operation::new("ListInstanceProfilesForRole", Iam::list_instance_profiles_for_role).resource(on_role(iam)),
    )
}

fn listed<I: Input>(iam: &Arc<Iam>, resource: &str) -> On<I> {
    let arn = Arn::global("iam", iam.account(), resource).to_string();
    Box::new(move |_, _| vec![arn.clone()])
}

fn role_policies(iam: &Arc<Iam>, api: Api<Iam>) -> Api<Iam> {
    api.operation(Operation::new("PutRolePolicy", Iam::put_role_policy).resource(on_role(iam)))
        .operation(Operation::new("GetRolePolicy", Iam::get_role_policy).resource(on_role(iam)))
        .operation(Operation::new("DeleteRolePolicy", Iam::delete_role_policy).resource(on_role(iam)))
        .operation(Operation::new("ListRolePolicies", Iam::list_role_policies).resource(on_role(iam)))
        .operation(
            Operation::new("AttachRolePolicy", Iam::attach_role_policy)
                .resource(on_role(iam))
                .context(|_, input| policy_arn_key(&input.policy_arn)),
        )
        .operation(
            Operation::new("DetachRolePolicy", Iam::detach_role_policy)
                .resource(on_role(iam))
                .context(|_, input| policy_arn_key(&input.policy_arn)),
        )
        .operation(Operation::new("ListAttachedRolePolicies", Iam::list_attached_role_policies).resource(on_role(iam)))
}

fn users(iam: &Arc<Iam>, api: Api<Iam>) -> Api<Iam> {
    let i = Arc::clone(iam);
    api.operation(
        Operation::new("CreateUser", Iam::create_user)
            .resource(move |_, input| new_arn(&i, "user", input.path.as_deref(), &input.user_name))
            .context(|_, input| {
                let tags = tag_keys(input.tags.as_deref().unwrap_or_default());
                tags.into_iter().chain(boundary_key(input.permissions_boundary.as_deref())).collect()
            }),
    )
    .operation(Operation::new("GetUser", Iam::get_user).resource(on_user(iam)))
    .operation(Operation::new("ListUsers", Iam::list_users).resource(listed(iam, "user/")))
    .operation(Operation::new("DeleteUser", Iam::delete_user).resource(on_user(iam)))
    .operation(
        Operation::new("TagUser", Iam::tag_user).resource(on_user(iam)).context(|_, input| tag_keys(&input.tags)),
    )
    .operation(Operation::new("UntagUser", Iam::untag_user).resource(on_user(iam)))
    .operation(Operation::new("ListUserTags", Iam::list_user_tags).resource(on_user(iam)))
    .operation(
        Operation::new("PutUserPermissionsBoundary", Iam::put_user_permissions_boundary)
            .resource(on_user(iam))
            .context(|_, input| boundary_key(Some(&input.permissions_boundary))),
    )
    .operation(
        Operation::new("DeleteUserPermissionsBoundary", Iam::delete_user_permissions_boundary).resource(on_user(iam)),
    )
}

fn user_policies(iam: &Arc<Iam>, api: Api<Iam>) -> Api<Iam> {
    api.operation(Operation::new("PutUserPolicy", Iam::put_user_policy).resource(on_user(iam)))
        .operation(Operation::new("GetUserPolicy", Iam::get_user_policy).resource(on_user(iam)))
        .operation(Operation::new("DeleteUserPolicy", Iam::delete_user_policy).resource(on_user(iam)))
        .operation(Operation::new("ListUserPolicies", Iam::list_user_policies).resource(on_user(iam)))
        .operation(
            Operation::new("AttachUserPolicy", Iam::attach_user_policy)
                .resource(on_user(iam))
                .context(|_, input| policy_arn_key(&input.policy_arn)),
        )
        .operation(
            Operation::new("DetachUserPolicy", Iam::detach_user_policy)
                .resource(on_user(iam))
                .context(|_, input| policy_arn_key(&input.policy_arn)),
        )
        .operation(Operation::new("ListAttachedUserPolicies", Iam::list_attached_user_policies).resource(on_user(iam)))
}

fn access_keys(iam: &Arc<Iam>, api: Api<Iam>) -> Api<Iam> {
    api.operation(Operation::new("CreateAccessKey", Iam::create_access_key).resource(on_user(iam)))
        .operation(Operation::new("ListAccessKeys", Iam::list_access_keys).resource(on_user(iam)))
        .operation(Operation::new("UpdateAccessKey", Iam::update_access_key).resource(on_user(iam)))
        .operation(Operation::new("DeleteAccessKey", Iam::delete_access_key).resource(on_user(iam)))
}

fn policies(iam: &Arc<Iam>, api: Api<Iam>) -> Api<Iam> {
    let i = Arc::clone(iam);
    api.operation(
        Operation::new("CreatePolicy", Iam::create_policy)
            .resource(move |_, input| new_arn(&i, "policy", input.path.as_deref(), &input.policy_name))
            .context(|_, input| tag_keys(input.tags.as_deref().unwrap_or_default())),
    )
    .operation(Operation::new("GetPolicy", Iam::get_policy).resource(|_, i| vec![i.policy_arn.clone()]))
    .operation(Operation::new("GetPolicyVersion", Iam::get_policy_version).resource(|_, i| vec![i.policy_arn.clone()]))
    .operation(
        Operation::new("CreatePolicyVersion", Iam::create_policy_version).resource(|_, i| vec![i.policy_arn.clone()]),
    )
    .operation(
        Operation::new("SetDefaultPolicyVersion", Iam::set_default_policy_version)
            .resource(|_, i| vec![i.policy_arn.clone()]),
    )
    .operation(
        Operation::new("DeletePolicyVersion", Iam::delete_policy_version).resource(|_, i| vec![i.policy_arn.clone()]),
    )
    .operation(
        Operation::new("ListPolicyVersions", Iam::list_policy_versions).resource(|_, i| vec![i.policy_arn.clone()]),
    )
    .operation(Operation::new("ListPolicies", Iam::list_policies))
    .operation(Operation::new("DeletePolicy", Iam::delete_policy).resource(|_, i| vec![i.policy_arn.clone()]))
    .operation(
        Operation::new("SimulatePrincipalPolicy", Iam::simulate_principal_policy)
            .resource(|_, i| vec![i.policy_source_arn.clone()]),
    )
    .operation(Operation::new("SimulateCustomPolicy", Iam::simulate_custom_policy))
}

/// Every operation of STS. AWS: STS API Reference.
pub fn sts_api(iam: &Arc<Iam>) -> Api<Iam> {
    Api::new(&STS, Arc::clone(iam))
        .operation(Operation::new("GetCallerIdentity", Iam::get_caller_identity).unauthorized())
        // Whether a role may be assumed is decided by its trust policy together with the caller's own policies, which is
        // another rule than that of ordinary operations: the operation asks itself.
        .operation(Operation::new("AssumeRole", Iam::assume_role_operation).unauthorized())
        .operation(Operation::new("GetAccessKeyInfo", Iam::get_access_key_info))
}
