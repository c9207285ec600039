//! `AWS::IAM::AccessKey`

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::json;

use super::policy::gone_is_fine;
use super::properties::Properties;
use crate::error::IamError;
use crate::iam::Iam;
use crate::keys;
use crate::model::KeyRecord;

static SCHEMA: ResourceSchema = ResourceSchema {
    type_name: "AWS::IAM::AccessKey",
    properties: &[
        Property::optional("Serial").replaces(),
        Property::optional("Status"),
        Property::required("UserName").replaces(),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["SecretAccessKey"],
};

pub(super) struct AccessKeyType(pub(super) Arc<Iam>);

fn provisioned(key: &KeyRecord) -> Provisioned {
    let attributes = [("SecretAccessKey".to_owned(), json!(key.secret))].into_iter().collect();
    Provisioned { physical_id: key.id.clone(), attributes }
}

fn active(properties: Properties<'_>) -> Result<bool, ServiceError> {
    match properties.text("Status")?.as_deref() {
        None | Some("Active") => Ok(true),
        Some("Inactive") => Ok(false),
        Some(other) => Err(IamError::Validation(format!(
            "1 validation error detected: Value '{other}' at 'status' failed to satisfy constraint: Member must satisfy \
             enum value set: [Active, Inactive]"
        ))
        .into()),
    }
}

#[async_trait]
impl ResourceType for AccessKeyType {
    fn schema(&self) -> &'static ResourceSchema {
        &SCHEMA
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let properties = Properties(&request.properties);
        let user = properties.required("UserName")?;
        self.0.may(call, "iam:CreateAccessKey", &self.0.entity_arn("user", &user)).await?;
        let made_by = super::made_by(&request);
        let key = self.0.make_access_key(&user, active(properties)?, Some(&made_by)).await?;
        Ok(provisioned(&key))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let (iam, properties) = (&self.0, Properties(&request.properties));
        let user = properties.required("UserName")?;
        iam.may(call, "iam:UpdateAccessKey", &iam.entity_arn("user", &user)).await?;
        iam.set_key_active(&user, &request.physical_id, active(properties)?).await?;
        let key = iam.db.get::<KeyRecord>(&keys::access_key(&request.physical_id)).await?;
        let missing =
            || IamError::NoSuchEntity(format!("The Access Key with id {} cannot be found.", request.physical_id));
        Ok(provisioned(&key.ok_or_else(missing)?))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let user = Properties(&request.properties).required("UserName")?;
        self.0.may(call, "iam:DeleteAccessKey", &self.0.entity_arn("user", &user)).await?;
        Ok(gone_is_fine(self.0.remove_access_key(&user, &request.physical_id).await)?)
    }
}
