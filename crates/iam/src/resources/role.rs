//! `AWS::IAM::Role`

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
use crate::model::RoleRecord;
use crate::name;
use crate::permissions::Granted;
use crate::role::{CreateRole, NewRole};

static SCHEMA: ResourceSchema = ResourceSchema {
    type_name: "AWS::IAM::Role",
    properties: &[
        Property::required("AssumeRolePolicyDocument"),
        Property::optional("Description"),
        Property::optional("ManagedPolicyArns"),
        Property::optional("MaxSessionDuration"),
        Property::optional("Path").replaces(),
        Property::optional("PermissionsBoundary"),
        Property::optional("Policies"),
        Property::optional("RoleName").replaces(),
        Property::optional("Tags"),
    ],
    name_property: Some("RoleName"),
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn", "RoleId"],
};

pub(super) struct RoleType(pub(super) Arc<Iam>);

impl RoleType {
    fn provisioned(&self, role: &RoleRecord) -> Provisioned {
        let attributes =
            [("Arn".to_owned(), json!(role.arn(self.0.account()).to_string())), ("RoleId".to_owned(), json!(role.id))];
        Provisioned { physical_id: role.name.clone(), attributes: attributes.into_iter().collect() }
    }

    async fn change(
        &self,
        name: &str,
        previous: Properties<'_>,
        next: Properties<'_>,
    ) -> Result<RoleRecord, ServiceError> {
        let iam = &self.0;
        let trust = next.document("AssumeRolePolicyDocument")?;
        let (before, after) = (previous.granted()?, next.granted()?);
        let (tags, tags_before) = (next.tags()?, previous.tags()?);
        let details = details(next)?;
        let changed = iam.db.transact(async |tx| {
            let mut role: RoleRecord = iam.find(&tx, name).await?;
            iam.check_trust(&tx, &trust).await?;
            role.trust.clone_from(&trust);
            role.description.clone_from(&details.description);
            role.session_s_max = details.session_s_max;
            if let Some(boundary) = &details.boundary {
                iam.check_attachable(&tx, boundary).await?;
            }
            role.permissions.boundary.clone_from(&details.boundary);
            role.tags.retain(|t| !tags_before.iter().any(|b| b.key == t.key));
            name::merge_tags(&mut role.tags, &tags)?;
            iam.change_permissions(&tx, (name, &mut role), &before, &after).await?;
            iam.save(&tx, name, &role)?;
            Ok::<_, IamError>(role)
        });
        Ok(changed.await?)
    }
}

/// What a role has besides its policies.
struct Details {
    description: Option<String>,
    session_s_max: u32,
    boundary: Option<String>,
}

const SESSION_S_MIN: i64 = 3_600;
const SESSION_S_MAX: i64 = 43_200;

fn details(properties: Properties<'_>) -> Result<Details, ServiceError> {
    let seconds = properties.integer("MaxSessionDuration")?.unwrap_or(SESSION_S_MIN);
    let mut violations = cauce_core::Violations::new();
    violations.range("maxSessionDuration", seconds, SESSION_S_MIN, SESSION_S_MAX);
    if let Some(message) = violations.message() {
        return Err(IamError::Validation(message).into());
    }
    Ok(Details {
        description: properties.text("Description")?,
        session_s_max: u32::try_from(seconds).unwrap_or(3_600),
        boundary: properties.text("PermissionsBoundary")?,
    })
}

#[async_trait]
impl ResourceType for RoleType {
    fn schema(&self) -> &'static ResourceSchema {
        &SCHEMA
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let properties = Properties(&request.properties);
        let role_name = properties.text("RoleName")?.unwrap_or_else(|| request.generated_name.clone());
        let path = properties.text("Path")?;
        let shown_path = path.as_deref().unwrap_or("/");
        let arn = format!("arn:aws:iam::{}:role{shown_path}{role_name}", self.0.account());
        let details = details(properties)?;
        let boundary = details.boundary.iter().map(|b| ("iam:PermissionsBoundary".to_owned(), vec![b.clone()]));
        self.0.may_with(call, "iam:CreateRole", &arn, boundary.collect()).await?;
        self.0.may_change::<RoleRecord>(call, &arn, Properties(&Map::new()), properties).await?;
        let input = CreateRole {
            path,
            role_name,
            assume_role_policy_document: properties.document("AssumeRolePolicyDocument")?,
            description: details.description,
            max_session_duration: Some(i64::from(details.session_s_max)),
            permissions_boundary: details.boundary,
            tags: Some(properties.tags()?),
        };
        let new = NewRole { input, granted: properties.granted()?, made_by: Some(super::made_by(&request)) };
        Ok(self.provisioned(&self.0.make_role(&new).await?))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let arn = self.0.entity_arn("role", &request.physical_id);
        let (previous, next) = (Properties(&request.previous), Properties(&request.properties));
        self.0.may(call, "iam:UpdateRole", &arn).await?;
        let changed = |name: &str| request.previous.get(name) != request.properties.get(name);
        if changed("AssumeRolePolicyDocument") {
            self.0.may(call, "iam:UpdateAssumeRolePolicy", &arn).await?;
        }
        if changed("PermissionsBoundary") {
            let action = if next.text("PermissionsBoundary")?.is_some() { "Put" } else { "Delete" }.to_owned();
            self.0.may(call, &format!("iam:{action}RolePermissionsBoundary"), &arn).await?;
        }
        self.0.may_change::<RoleRecord>(call, &arn, previous, next).await?;
        Ok(self.provisioned(&self.change(&request.physical_id, previous, next).await?))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (iam, name) = (&self.0, &request.physical_id);
        let arn = iam.entity_arn("role", name);
        let properties = Properties(&request.properties);
        iam.may(call, "iam:DeleteRole", &arn).await?;
        iam.may_drop::<RoleRecord>(call, &arn, properties).await?;
        let before = properties.granted()?;
        let removed = iam.db.transact(async |tx| {
            let Some(mut role) = tx.get_record::<RoleRecord>(&keys::role(iam.account(), name)).await? else {
                return Ok::<_, IamError>(());
            };
            // What came with the role goes with it; what others have attached since is in the way.
            iam.change_permissions(&tx, (name, &mut role), &before, &Granted::default()).await?;
            role.permissions.check_empty()?;
            iam.remove_role(&tx, &role).await
        });
        Ok(removed.await?)
    }
}
