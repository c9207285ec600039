//! The policies of users, inline and attached. AWS: IAM API Reference, *PutUserPolicy*, *AttachUserPolicy*.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::iam::Iam;
use crate::model::UserRecord;
use crate::shape::{AttachedPolicies, PolicyNames, encode};
use crate::user::UserPage;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutUserPolicy {
    pub(crate) user_name: String,
    pub(crate) policy_name: String,
    pub(crate) policy_document: String,
}

impl Input for PutUserPolicy {
    fn validate(&self, v: &mut Violations) {
        v.length("userName", &self.user_name, 1, 64);
        v.length("policyName", &self.policy_name, 1, 128);
        v.length("policyDocument", &self.policy_document, 1, crate::policy::DOCUMENT_BYTES_MAX);
    }
}

/// `{UserName, PolicyName}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserPolicyName {
    pub(crate) user_name: String,
    pub(crate) policy_name: String,
}

impl Input for UserPolicyName {
    fn validate(&self, v: &mut Violations) {
        v.length("userName", &self.user_name, 1, 64);
        v.length("policyName", &self.policy_name, 1, 128);
    }
}

/// `{UserName, PolicyArn}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserPolicyArn {
    pub(crate) user_name: String,
    pub(crate) policy_arn: String,
}

impl Input for UserPolicyArn {
    fn validate(&self, v: &mut Violations) {
        v.length("userName", &self.user_name, 1, 64);
        v.length("policyArn", &self.policy_arn, 20, 2_048);
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserPolicy {
    user_name: String,
    policy_name: String,
    policy_document: String,
}

impl Iam {
    pub(crate) async fn put_user_policy(self: Arc<Self>, _call: Call, input: PutUserPolicy) -> Result<(), IamError> {
        self.put_inline::<UserRecord>(&input.user_name, &input.policy_name, &input.policy_document).await
    }

    pub(crate) async fn get_user_policy(
        self: Arc<Self>,
        _call: Call,
        input: UserPolicyName,
    ) -> Result<UserPolicy, IamError> {
        let inline = self.get_inline::<UserRecord>(&input.user_name, &input.policy_name).await?;
        let policy_document = encode(&inline.document);
        Ok(UserPolicy { user_name: input.user_name, policy_name: inline.name, policy_document })
    }

    pub(crate) async fn delete_user_policy(
        self: Arc<Self>,
        _call: Call,
        input: UserPolicyName,
    ) -> Result<(), IamError> {
        self.delete_inline::<UserRecord>(&input.user_name, &input.policy_name).await
    }

    pub(crate) async fn list_user_policies(
        self: Arc<Self>,
        _call: Call,
        input: UserPage,
    ) -> Result<PolicyNames, IamError> {
        Ok(self.list_inline::<UserRecord>(&input.user_name, &input.paging()).await?.into())
    }

    pub(crate) async fn attach_user_policy(self: Arc<Self>, _call: Call, input: UserPolicyArn) -> Result<(), IamError> {
        self.attach::<UserRecord>(&input.user_name, &input.policy_arn).await
    }

    pub(crate) async fn detach_user_policy(self: Arc<Self>, _call: Call, input: UserPolicyArn) -> Result<(), IamError> {
        self.detach::<UserRecord>(&input.user_name, &input.policy_arn).await
    }

    pub(crate) async fn list_attached_user_policies(
        self: Arc<Self>,
        _call: Call,
        input: UserPage,
    ) -> Result<AttachedPolicies, IamError> {
        Ok(self.list_attached::<UserRecord>(&input.user_name, &input.paging()).await?.into())
    }
}
