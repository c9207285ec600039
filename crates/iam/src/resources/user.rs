//! `AWS::IAM::User`

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, json};

use super::properties::Properties;
use crate::error::IamError;
use crate::iam::Iam;
use crate::keys;
use crate::model::UserRecord;
use crate::name;
use crate::permissions::Granted;
use crate::user::{CreateUser, NewUser};

static SCHEMA: ResourceSchema = ResourceSchema {
    type_name: "AWS::IAM::User",
    properties: &[
        Property::optional("ManagedPolicyArns"),
        Property::optional("Path"),
        Property::optional("PermissionsBoundary"),
        Property::optional("Policies"),
        Property::optional("Tags"),
        Property::optional("UserName").replaces(),
    ],
    name_property: Some("UserName"),
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn"],
};

pub(super) struct UserType(pub(super) Arc<Iam>);

impl UserType {
    fn provisioned(&self, user: &UserRecord) -> Provisioned {
        let arn = json!(user.arn(self.0.account()).to_string());
        Provisioned { physical_id: user.name.clone(), attributes: [("Arn".to_owned(), arn)].into_iter().collect() }
    }

    async fn change(
        &self,
        user_name: &str,
        previous: Properties<'_>,
        next: Properties<'_>,
    ) -> Result<UserRecord, ServiceError> {
        let iam = &self.0;
        let (before, after) = (previous.granted()?, next.granted()?);
        let (tags, tags_before) = (next.tags()?, previous.tags()?);
        let path = next.text("Path")?.unwrap_or_else(|| "/".to_owned());
        name::check_path(&path)?;
        let boundary = next.text("PermissionsBoundary")?;
        let changed = iam.db.transact(async |tx| {
            let mut user: UserRecord = iam.find(&tx, user_name).await?;
            if let Some(boundary) = &boundary {
                iam.check_attachable(&tx, boundary).await?;
            }
            user.permissions.boundary.clone_from(&boundary);
            user.path.clone_from(&path);
            user.tags.retain(|t| !tags_before.iter().any(|b| b.key == t.key));
            name::merge_tags(&mut user.tags, &tags)?;
            iam.change_permissions(&tx, (user_name, &mut user), &before, &after).await?;
            tx.set_record(keys::user(iam.account(), user_name), &user)?;
            iam.changes_path(&tx, "user", user_name, Some(&path));
            Ok::<_, IamError>(user)
        });
        Ok(changed.await?)
    }
}

#[async_trait]
impl ResourceType for UserType {
    fn schema(&self) -> &'static ResourceSchema {
        &SCHEMA
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let properties = Properties(&request.properties);
        let user_name = properties.text("UserName")?.unwrap_or_else(|| request.generated_name.clone());
        let path = properties.text("Path")?;
        let shown_path = path.as_deref().unwrap_or("/");
        let arn = format!("arn:aws:iam::{}:user{shown_path}{user_name}", self.0.account());
        let boundary = properties.text("PermissionsBoundary")?;
        let context = boundary.iter().map(|b| ("iam:PermissionsBoundary".to_owned(), vec![b.clone()]));
        self.0.may_with(call, "iam:CreateUser", &arn, context.collect()).await?;
        self.0.may_change::<UserRecord>(call, &arn, Properties(&Map::new()), properties).await?;
        let tags = Some(properties.tags()?);
        let new = NewUser {
            input: CreateUser { path, user_name, permissions_boundary: boundary, tags },
            granted: properties.granted()?,
            made_by: Some(super::made_by(&request)),
        };
        Ok(self.provisioned(&self.0.make_user(&new).await?))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let arn = self.0.entity_arn("user", &request.physical_id);
        let (previous, next) = (Properties(&request.previous), Properties(&request.properties));
        let changed = |name: &str| request.previous.get(name) != request.properties.get(name);
        if changed("Path") {
            self.0.may(call, "iam:UpdateUser", &arn).await?;
        }
        if changed("PermissionsBoundary") {
            let verb = if next.text("PermissionsBoundary")?.is_some() { "Put" } else { "Delete" };
            self.0.may(call, &format!("iam:{verb}UserPermissionsBoundary"), &arn).await?;
        }
        self.0.may_change::<UserRecord>(call, &arn, previous, next).await?;
        Ok(self.provisioned(&self.change(&request.physical_id, previous, next).await?))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (iam, user_name) = (&self.0, &request.physical_id);
        let arn = iam.entity_arn("user", user_name);
        iam.may(call, "iam:DeleteUser", &arn).await?;
        let before = Properties(&request.properties).granted()?;
        iam.may_drop::<UserRecord>(call, &arn, Properties(&request.properties)).await?;
        let removed = iam.db.transact(async |tx| {
            let Some(mut user) = tx.get_record::<UserRecord>(&keys::user(iam.account(), user_name)).await? else {
                return Ok::<_, IamError>(());
            };
            iam.change_permissions(&tx, (user_name, &mut user), &before, &Granted::default()).await?;
            iam.check_deletable(&user)?;
            iam.remove_user(&tx, &user).await
        });
        Ok(removed.await?)
    }
}
