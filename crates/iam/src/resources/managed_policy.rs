//! `AWS::IAM::ManagedPolicy`

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value, json};

use super::policy::gone_is_fine;
use super::properties::Properties;
use crate::iam::Iam;
use crate::managed_policy::{CreatePolicy, NewPolicy};
use crate::model::{PolicyRecord, RoleRecord, UserRecord};

static SCHEMA: ResourceSchema = ResourceSchema {
    type_name: "AWS::IAM::ManagedPolicy",
    properties: &[
        Property::optional("Description").replaces(),
        Property::optional("ManagedPolicyName").replaces(),
        Property::optional("Path").replaces(),
        Property::required("PolicyDocument"),
        Property::optional("Roles"),
        Property::optional("Users"),
    ],
    name_property: Some("ManagedPolicyName"),
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["CreateDate", "DefaultVersionId", "IsAttachable", "PolicyArn", "PolicyId", "UpdateDate"],
};

pub(super) struct ManagedPolicyType(pub(super) Arc<Iam>);

impl ManagedPolicyType {
    fn provisioned(&self, policy: &PolicyRecord) -> Provisioned {
        let arn = policy.arn(self.0.account());
        let attributes = [
            ("CreateDate", json!(policy.created.iso_secs())),
            ("DefaultVersionId", json!(format!("v{}", policy.default_version))),
            ("IsAttachable", json!(true)),
            ("PolicyArn", json!(arn)),
            ("PolicyId", json!(policy.id)),
            ("UpdateDate", json!(policy.updated.iso_secs())),
        ];
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Provisioned { physical_id: arn, attributes }
    }

    async fn attach(&self, call: &Call, arn: &str, properties: Properties<'_>) -> Result<(), ServiceError> {
        for role in properties.texts("Roles")? {
            self.0.may_each(call, "iam:AttachRolePolicy", &self.0.entity_arn("role", role), &[arn]).await?;
            self.0.attach::<RoleRecord>(role, arn).await?;
        }
        for user in properties.texts("Users")? {
            self.0.may_each(call, "iam:AttachUserPolicy", &self.0.entity_arn("user", user), &[arn]).await?;
            self.0.attach::<UserRecord>(user, arn).await?;
        }
        Ok(())
    }

    /// Detaches from those that `previous` names and `next` does not.
    async fn detach(
        &self,
        call: &Call,
        arn: &str,
        previous: &Map<String, Value>,
        next: &Map<String, Value>,
    ) -> Result<(), ServiceError> {
        let (previous, next) = (Properties(previous), Properties(next));
        let kept = next.texts("Roles")?;
        for role in previous.texts("Roles")?.into_iter().filter(|role| !kept.contains(role)) {
            self.0.may_each(call, "iam:DetachRolePolicy", &self.0.entity_arn("role", role), &[arn]).await?;
            gone_is_fine(self.0.detach::<RoleRecord>(role, arn).await)?;
        }
        let kept = next.texts("Users")?;
        for user in previous.texts("Users")?.into_iter().filter(|user| !kept.contains(user)) {
            self.0.may_each(call, "iam:DetachUserPolicy", &self.0.entity_arn("user", user), &[arn]).await?;
            gone_is_fine(self.0.detach::<UserRecord>(user, arn).await)?;
        }
        Ok(())
    }
}

#[async_trait]
impl ResourceType for ManagedPolicyType {
    fn schema(&self) -> &'static ResourceSchema {
        &SCHEMA
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let properties = Properties(&request.properties);
        let policy_name = properties.text("ManagedPolicyName")?.unwrap_or_else(|| request.generated_name.clone());
        let path = properties.text("Path")?;
        let shown_path = path.as_deref().unwrap_or("/");
        let arn = format!("arn:aws:iam::{}:policy{shown_path}{policy_name}", self.0.account());
        self.0.may(call, "iam:CreatePolicy", &arn).await?;
        let input = CreatePolicy {
            policy_name,
            path,
            policy_document: properties.document("PolicyDocument")?,
            description: properties.text("Description")?,
            tags: None,
        };
        let policy = self.0.make_policy(&NewPolicy { input, made_by: Some(super::made_by(&request)) }).await?;
        if let Err(error) = self.attach(call, &arn, properties).await {
            // CloudFormation deletes only what was created; what this call has made must not be left behind.
            self.detach(call, &arn, &request.properties, &Map::new()).await?;
            gone_is_fine(self.0.remove_policy(&arn, true).await)?;
            return Err(error);
        }
        Ok(self.provisioned(&policy))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let (arn, properties) = (&request.physical_id, Properties(&request.properties));
        self.0.may(call, "iam:CreatePolicyVersion", arn).await?;
        let policy = self.0.replace_document(arn, &properties.document("PolicyDocument")?).await?;
        self.attach(call, arn, properties).await?;
        self.detach(call, arn, &request.previous, &request.properties).await?;
        Ok(self.provisioned(&policy))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let arn = &request.physical_id;
        self.0.may(call, "iam:DeletePolicy", arn).await?;
        self.detach(call, arn, &request.properties, &Map::new()).await?;
        Ok(gone_is_fine(self.0.remove_policy(arn, true).await)?)
    }
}
