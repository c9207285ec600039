//! The CloudFormation resource types of IAM.
//!
//! AWS: CloudFormation Template Reference, *AWS::IAM*. Whoever deploys a stack needs the same permissions as for the
//! operations themselves: each type asks for them, since a template must not be a way around a policy.

mod access_key;
mod managed_policy;
mod policy;
mod properties;
mod role;
mod user;

use std::sync::Arc;

use cauce_core::ports::{Access, Identity};
use cauce_core::{Call, CreateRequest, ResourceType, ServiceError};

use crate::iam::Iam;
use crate::model::MadeBy;
use crate::name::tag_keys;
use crate::permissions::Entity;
use crate::resources::properties::Properties;

/// Every resource type of IAM.
pub fn resource_types(iam: &Arc<Iam>) -> Vec<Arc<dyn ResourceType>> {
    vec![
        Arc::new(role::RoleType(Arc::clone(iam))),
        Arc::new(policy::PolicyType(Arc::clone(iam))),
        Arc::new(managed_policy::ManagedPolicyType(Arc::clone(iam))),
        Arc::new(user::UserType(Arc::clone(iam))),
        Arc::new(access_key::AccessKeyType(Arc::clone(iam))),
    ]
}

fn made_by(request: &CreateRequest) -> MadeBy {
    MadeBy {
        stack_id: request.stack_id.clone(),
        logical_id: request.logical_id.clone(),
        generated_name: request.generated_name.clone(),
    }
}

impl Iam {
    /// Refuses what the caller of a stack may not do himself.
    async fn may(&self, call: &Call, action: &str, resource: &str) -> Result<(), ServiceError> {
        self.may_with(call, action, resource, Vec::new()).await
    }

    async fn may_with(
        &self,
        call: &Call,
        action: &str,
        resource: &str,
        context: Vec<(String, Vec<String>)>,
    ) -> Result<(), ServiceError> {
        self.authorize(call, &Access { action, resource, resource_policy: None, context }).await
    }

    /// As [`Iam::may`] for attaching or detaching one of these managed policies.
    async fn may_each(&self, call: &Call, action: &str, resource: &str, arns: &[&str]) -> Result<(), ServiceError> {
        for arn in arns {
            let context = vec![("iam:PolicyARN".to_owned(), vec![(*arn).to_owned()])];
            self.may_with(call, action, resource, context).await?;
        }
        Ok(())
    }

    /// Whether the caller may turn what a user or role has from its template into what it shall have.
    async fn may_change<E: Entity>(
        &self,
        call: &Call,
        resource: &str,
        before: Properties<'_>,
        after: Properties<'_>,
    ) -> Result<(), ServiceError> {
        let title = E::TITLE;
        let (had, gets) = (before.granted()?, after.granted()?);
        if gets.inline.iter().any(|policy| !had.inline.contains(policy)) {
            self.may(call, &format!("iam:Put{title}Policy"), resource).await?;
        }
        if had.inline.iter().any(|(name, _)| !gets.has_inline(name)) {
            self.may(call, &format!("iam:Delete{title}Policy"), resource).await?;
        }
        let new: Vec<&str> = gets.attached.iter().filter(|arn| !had.attached.contains(arn)).copied().collect();
        self.may_each(call, &format!("iam:Attach{title}Policy"), resource, &new).await?;
        let gone: Vec<&str> = had.attached.iter().filter(|arn| !gets.attached.contains(arn)).copied().collect();
        self.may_each(call, &format!("iam:Detach{title}Policy"), resource, &gone).await?;
        self.may_retag::<E>(call, resource, before, after).await
    }

    /// As [`Iam::may_change`], where the whole user or role goes: its tags go without asking.
    async fn may_drop<E: Entity>(
        &self,
        call: &Call,
        resource: &str,
        before: Properties<'_>,
    ) -> Result<(), ServiceError> {
        let (title, had) = (E::TITLE, before.granted()?);
        if !had.inline.is_empty() {
            self.may(call, &format!("iam:Delete{title}Policy"), resource).await?;
        }
        self.may_each(call, &format!("iam:Detach{title}Policy"), resource, &had.attached).await
    }

    async fn may_retag<E: Entity>(
        &self,
        call: &Call,
        resource: &str,
        before: Properties<'_>,
        after: Properties<'_>,
    ) -> Result<(), ServiceError> {
        let title = E::TITLE;
        let (had, gets) = (before.tags()?, after.tags()?);
        if gets.iter().any(|tag| !had.contains(tag)) {
            self.may_with(call, &format!("iam:Tag{title}"), resource, tag_keys(&gets)).await?;
        }
        if had.iter().any(|tag| !gets.iter().any(|t| t.key == tag.key)) {
            self.may(call, &format!("iam:Untag{title}"), resource).await?;
        }
        Ok(())
    }
}
