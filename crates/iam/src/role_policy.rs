//! The policies of roles, inline and attached. AWS: IAM API Reference, *PutRolePolicy*, *AttachRolePolicy*.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::iam::Iam;
use crate::model::RoleRecord;
use crate::role::RolePage;
use crate::shape::{AttachedPolicies, PolicyNames, encode};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRolePolicy {
    pub(crate) role_name: String,
    pub(crate) policy_name: String,
    pub(crate) policy_document: String,
}

impl Input for PutRolePolicy {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, 64);
        v.length("policyName", &self.policy_name, 1, 128);
        v.length("policyDocument", &self.policy_document, 1, crate::policy::DOCUMENT_BYTES_MAX);
    }
}

/// `{RoleName, PolicyName}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RolePolicyName {
    pub(crate) role_name: String,
    pub(crate) policy_name: String,
}

impl Input for RolePolicyName {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, 64);
        v.length("policyName", &self.policy_name, 1, 128);
    }
}

/// `{RoleName, PolicyArn}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RolePolicyArn {
    pub(crate) role_name: String,
    pub(crate) policy_arn: String,
}

impl Input for RolePolicyArn {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, 64);
        v.length("policyArn", &self.policy_arn, 20, 2_048);
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RolePolicy {
    role_name: String,
    policy_name: String,
    policy_document: String,
}

impl Iam {
    pub(crate) async fn put_role_policy(self: Arc<Self>, _call: Call, input: PutRolePolicy) -> Result<(), IamError> {
        self.put_inline::<RoleRecord>(&input.role_name, &input.policy_name, &input.policy_document).await
    }

    pub(crate) async fn get_role_policy(
        self: Arc<Self>,
        _call: Call,
        input: RolePolicyName,
    ) -> Result<RolePolicy, IamError> {
        let inline = self.get_inline::<RoleRecord>(&input.role_name, &input.policy_name).await?;
        let policy_document = encode(&inline.document);
        Ok(RolePolicy { role_name: input.role_name, policy_name: inline.name, policy_document })
    }

    pub(crate) async fn delete_role_policy(
        self: Arc<Self>,
        _call: Call,
        input: RolePolicyName,
    ) -> Result<(), IamError> {
        self.delete_inline::<RoleRecord>(&input.role_name, &input.policy_name).await
    }

    pub(crate) async fn list_role_policies(
        self: Arc<Self>,
        _call: Call,
        input: RolePage,
    ) -> Result<PolicyNames, IamError> {
        Ok(self.list_inline::<RoleRecord>(&input.role_name, &input.paging()).await?.into())
    }

    pub(crate) async fn attach_role_policy(self: Arc<Self>, _call: Call, input: RolePolicyArn) -> Result<(), IamError> {
        self.attach::<RoleRecord>(&input.role_name, &input.policy_arn).await
    }

    pub(crate) async fn detach_role_policy(self: Arc<Self>, _call: Call, input: RolePolicyArn) -> Result<(), IamError> {
        self.detach::<RoleRecord>(&input.role_name, &input.policy_arn).await
    }

    pub(crate) async fn list_attached_role_policies(
        self: Arc<Self>,
        _call: Call,
        input: RolePage,
    ) -> Result<AttachedPolicies, IamError> {
        Ok(self.list_attached::<RoleRecord>(&input.role_name, &input.paging()).await?.into())
    }
}
