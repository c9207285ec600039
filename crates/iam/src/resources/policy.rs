//! `AWS::IAM::Policy`: one inline policy put into roles and users.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::json;

use super::properties::Properties;
use crate::error::IamError;
use crate::iam::Iam;
use crate::model::{RoleRecord, UserRecord};
use crate::policy::{Policy, PolicyKind};

static SCHEMA: ResourceSchema = ResourceSchema {
    type_name: "AWS::IAM::Policy",
    properties: &[
        Property::required("PolicyDocument"),
        Property::required("PolicyName").replaces(),
        Property::optional("Roles"),
        Property::optional("Users"),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["Id"],
};

pub(super) struct PolicyType(pub(super) Arc<Iam>);

/// What a template says of it.
struct Wishes<'a> {
    name: String,
    document: String,
    roles: BTreeSet<&'a str>,
    users: BTreeSet<&'a str>,
}

fn wishes(properties: Properties<'_>) -> Result<Wishes<'_>, ServiceError> {
    let wishes = Wishes {
        name: properties.required("PolicyName")?,
        document: properties.document("PolicyDocument")?,
        roles: properties.texts("Roles")?.into_iter().collect(),
        users: properties.texts("Users")?.into_iter().collect(),
    };
    Ok(wishes)
}

impl PolicyType {
    async fn put(&self, call: &Call, wishes: &Wishes<'_>) -> Result<(), ServiceError> {
        let Wishes { name, document, roles, users } = wishes;
        if roles.is_empty() && users.is_empty() {
            let message = "At least one of [Groups,Roles,Users] must be non-empty.";
            return Err(IamError::Validation(message.to_owned()).into());
        }
        Policy::parse(document, PolicyKind::Inline).map_err(IamError::from)?;
        for role in roles {
            self.0.may(call, "iam:PutRolePolicy", &self.0.entity_arn("role", role)).await?;
            self.0.put_inline::<RoleRecord>(role, name, document).await?;
        }
        for user in users {
            self.0.may(call, "iam:PutUserPolicy", &self.0.entity_arn("user", user)).await?;
            self.0.put_inline::<UserRecord>(user, name, document).await?;
        }
        Ok(())
    }

    async fn drop_from(&self, call: &Call, name: &str, roles: &[&str], users: &[&str]) -> Result<(), ServiceError> {
        for role in roles {
            self.0.may(call, "iam:DeleteRolePolicy", &self.0.entity_arn("role", role)).await?;
            gone_is_fine(self.0.delete_inline::<RoleRecord>(role, name).await)?;
        }
        for user in users {
            self.0.may(call, "iam:DeleteUserPolicy", &self.0.entity_arn("user", user)).await?;
            gone_is_fine(self.0.delete_inline::<UserRecord>(user, name).await)?;
        }
        Ok(())
    }
}

/// What is to be taken away may be gone already.
pub(super) fn gone_is_fine(result: Result<(), IamError>) -> Result<(), IamError> {
    match result {
        Err(IamError::NoSuchEntity(_)) => Ok(()),
        other => other,
    }
}

fn provisioned(physical_id: String) -> Provisioned {
    let attributes = [("Id".to_owned(), json!(physical_id))].into_iter().collect();
    Provisioned { physical_id, attributes }
}

#[async_trait]
impl ResourceType for PolicyType {
    fn schema(&self) -> &'static ResourceSchema {
        &SCHEMA
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &wishes(Properties(&request.properties))?).await?;
        Ok(provisioned(request.generated_name))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let next = wishes(Properties(&request.properties))?;
        let previous = wishes(Properties(&request.previous))?;
        self.put(call, &next).await?;
        let roles: Vec<&str> = previous.roles.difference(&next.roles).copied().collect();
        let users: Vec<&str> = previous.users.difference(&next.users).copied().collect();
        self.drop_from(call, &previous.name, &roles, &users).await?;
        Ok(provisioned(request.physical_id))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let wishes = wishes(Properties(&request.properties))?;
        let (roles, users): (Vec<_>, Vec<_>) = (wishes.roles.into_iter().collect(), wishes.users.into_iter().collect());
        self.drop_from(call, &wishes.name, &roles, &users).await
    }
}
