//! Roles. AWS: IAM API Reference, *CreateRole* and its like.

use std::sync::Arc;

use cauce_core::{Account, Arn, Call, Timestamp, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::iam::Iam;
use crate::model::{MadeBy, Permissions, RoleRecord, Tag, UserRecord};
use crate::page::Paging;
use crate::permissions::{Entity, Granted};
use crate::policy::{Policy, PolicyKind};
use crate::shape::{Boundary, Empty, TagPage, encode};
use crate::{keys, limits, name};

const NAME_CHARS_MAX: usize = 64;
const SESSION_S_MIN: i64 = 3_600;
const SESSION_S_MAX: i64 = 43_200;
const SESSION_S_DEFAULT: u32 = 3_600;

/// A role as its users see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Role {
    /// `/` or `/a/b/`.
    pub(crate) path: String,
    /// 1 to 64 characters.
    pub(crate) role_name: String,
    /// `AROA...`, 21 characters.
    pub(crate) role_id: String,
    /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
    pub(crate) arn: String,
    /// When it was made.
    pub(crate) create_date: Timestamp,
    /// Who may assume it, percent-encoded.
    pub(crate) assume_role_policy_document: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The longest session that may be asked for, in seconds.
    pub(crate) max_session_duration: u32,
    /// What limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) permissions_boundary: Option<Boundary>,
    /// Its tags; lists leave them out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Tag>,
}

impl Role {
    pub(crate) fn of(record: &RoleRecord, account: Account) -> Role {
        Role {
            path: record.path.clone(),
            role_name: record.name.clone(),
            role_id: record.id.clone(),
            arn: record.arn(account).to_string(),
            create_date: record.created,
            assume_role_policy_document: encode(&record.trust),
            description: record.description.clone(),
            max_session_duration: record.session_s_max,
            permissions_boundary: record.permissions.boundary.as_deref().map(Boundary::new),
            tags: record.tags.clone(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateRole {
    pub(crate) path: Option<String>,
    pub(crate) role_name: String,
    pub(crate) assume_role_policy_document: String,
    pub(crate) description: Option<String>,
    pub(crate) max_session_duration: Option<i64>,
    pub(crate) permissions_boundary: Option<String>,
    pub(crate) tags: Option<Vec<Tag>>,
}

impl Input for CreateRole {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, NAME_CHARS_MAX);
        v.length("assumeRolePolicyDocument", &self.assume_role_policy_document, 1, crate::policy::DOCUMENT_BYTES_MAX);
        validate_details(v, self.description.as_deref(), self.max_session_duration);
        name::validate_tags(v, self.tags.as_deref().unwrap_or_default());
    }
}

fn validate_details(v: &mut Violations, description: Option<&str>, session_s: Option<i64>) {
    if let Some(description) = description {
        v.length("description", description, 0, limits::DESCRIPTION_CHARS_MAX);
    }
    if let Some(seconds) = session_s {
        v.range("maxSessionDuration", seconds, SESSION_S_MIN, SESSION_S_MAX);
    }
}

/// `{RoleName}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RoleName {
    pub(crate) role_name: String,
}

impl Input for RoleName {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, NAME_CHARS_MAX);
    }
}

/// `{RoleName, Marker, MaxItems, PathPrefix}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RolePage {
    pub(crate) role_name: String,
    marker: Option<String>,
    max_items: Option<i64>,
    path_prefix: Option<String>,
}

impl RolePage {
    pub(crate) fn paging(&self) -> Paging {
        Paging::new(self.marker.clone(), self.max_items, self.path_prefix.clone())
    }
}

impl Input for RolePage {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, NAME_CHARS_MAX);
        self.paging().validate(v);
    }
}

impl Input for Paging {
    fn validate(&self, v: &mut Violations) {
        Paging::validate(self, v);
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateRole {
    pub(crate) role_name: String,
    pub(crate) description: Option<String>,
    pub(crate) max_session_duration: Option<i64>,
}

impl Input for UpdateRole {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, NAME_CHARS_MAX);
        validate_details(v, self.description.as_deref(), self.max_session_duration);
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateAssumeRolePolicy {
    pub(crate) role_name: String,
    pub(crate) policy_document: String,
}

impl Input for UpdateAssumeRolePolicy {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, NAME_CHARS_MAX);
        v.length("policyDocument", &self.policy_document, 1, crate::policy::DOCUMENT_BYTES_MAX);
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagRole {
    pub(crate) role_name: String,
    pub(crate) tags: Vec<Tag>,
}

impl Input for TagRole {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, NAME_CHARS_MAX);
        name::validate_tags(v, &self.tags);
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UntagRole {
    pub(crate) role_name: String,
    pub(crate) tag_keys: Vec<String>,
}

impl Input for UntagRole {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, NAME_CHARS_MAX);
        if self.tag_keys.len() > name::TAGS_MAX {
            v.count("tagKeys", self.tag_keys.len(), 0, name::TAGS_MAX);
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRolePermissionsBoundary {
    pub(crate) role_name: String,
    pub(crate) permissions_boundary: String,
}

impl Input for PutRolePermissionsBoundary {
    fn validate(&self, v: &mut Violations) {
        v.length("roleName", &self.role_name, 1, NAME_CHARS_MAX);
        v.length("permissionsBoundary", &self.permissions_boundary, 20, 2_048);
    }
}

/// `{Role}`
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RoleOutput {
    role: Role,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Roles {
    roles: Vec<Role>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InstanceProfiles {
    instance_profiles: Vec<Empty>,
    is_truncated: bool,
}

/// Everything that a new role may come with, in one transaction.
#[derive(Default)]
pub(crate) struct NewRole<'a> {
    pub(crate) input: CreateRole,
    pub(crate) granted: Granted<'a>,
    pub(crate) made_by: Option<MadeBy>,
}

impl Iam {
    pub(crate) async fn create_role(self: Arc<Self>, _call: Call, input: CreateRole) -> Result<RoleOutput, IamError> {
        let record = self.make_role(&NewRole { input, ..NewRole::default() }).await?;
        Ok(RoleOutput { role: Role::of(&record, self.account()) })
    }

    pub(crate) async fn make_role(&self, new: &NewRole<'_>) -> Result<RoleRecord, IamError> {
        let input = &new.input;
        name::check_name("roleName", &input.role_name)?;
        let path = input.path.as_deref().unwrap_or("/");
        name::check_path(path)?;
        let mut tags = Vec::new();
        name::merge_tags(&mut tags, input.tags.as_deref().unwrap_or_default())?;
        let session_s = input.max_session_duration.and_then(|s| u32::try_from(s).ok());
        let fresh = RoleRecord {
            name: input.role_name.clone(),
            id: name::entity_id("AROA", self.env.entropy()),
            path: path.to_owned(),
            created: self.now(),
            trust: input.assume_role_policy_document.clone(),
            description: input.description.clone(),
            session_s_max: session_s.unwrap_or(SESSION_S_DEFAULT),
            tags,
            permissions: Permissions { boundary: input.permissions_boundary.clone(), ..Permissions::default() },
            made_by: new.made_by.clone(),
        };
        self.db.transact(async |tx| self.insert_role(&tx, fresh.clone(), new).await).await
    }

    async fn insert_role(&self, tx: &Tx, mut role: RoleRecord, new: &NewRole<'_>) -> Result<RoleRecord, IamError> {
        let key = keys::role(self.account(), &role.name);
        if let Some(found) = tx.get_record::<RoleRecord>(&key).await? {
            if role.made_by.is_some() && found.made_by == role.made_by {
                return Ok(found);
            }
            return Err(IamError::EntityAlreadyExists(format!("Role with name {} already exists.", role.name)));
        }
        self.check_trust(tx, &role.trust).await?;
        if let Some(boundary) = &role.permissions.boundary {
            self.check_attachable(tx, boundary).await?;
        }
        let name = role.name.clone();
        self.change_permissions(tx, (&name, &mut role), &Granted::default(), &new.granted).await?;
        self.count(tx, "RolesPerAccount", 1, limits::ROLES_MAX).await?;
        tx.set_record(key, &role)?;
        self.changes_path(tx, "role", &role.name, Some(&role.path));
        Ok(role)
    }

    /// Whether a document is a trust policy, within its quota, of users and roles that exist.
    pub(crate) async fn check_trust(&self, tx: &Tx, document: &str) -> Result<(), IamError> {
        let policy = Policy::parse(document, PolicyKind::Trust)?;
        limits::check("ACLSizePerRole", limits::chars(document), limits::TRUST_CHARS_MAX)?;
        for text in policy.principal_arns() {
            let Ok(arn) = text.parse::<Arn>() else { continue };
            if arn.account() != Some(self.account()) {
                continue;
            }
            let mut parts = arn.resource().split('/');
            let kind = parts.next().unwrap_or("");
            let exists = match kind {
                // assumed-role/ROLE/SESSION
                "assumed-role" => {
                    let name = parts.next().unwrap_or("");
                    tx.get(&RoleRecord::key(self.account(), name)).await?.is_some()
                }
                "role" => {
                    let role = tx.get_record::<RoleRecord>(&RoleRecord::key(self.account(), last(&arn))).await?;
                    role.is_some_and(|role| role.arn(self.account()) == arn)
                }
                "user" => {
                    let user = tx.get_record::<UserRecord>(&UserRecord::key(self.account(), last(&arn))).await?;
                    user.is_some_and(|user| user.arn(self.account()) == arn)
                }
                _ => true,
            };
            if !exists {
                let message = format!("Invalid principal in policy: \"AWS\":\"{text}\"");
                return Err(IamError::MalformedPolicyDocument(message));
            }
        }
        Ok(())
    }

    pub(crate) async fn get_role(self: Arc<Self>, _call: Call, input: RoleName) -> Result<RoleOutput, IamError> {
        let record: RoleRecord = self.read(&input.role_name).await?;
        Ok(RoleOutput { role: Role::of(&record, self.account()) })
    }

    pub(crate) async fn list_roles(self: Arc<Self>, _call: Call, input: Paging) -> Result<Roles, IamError> {
        let account = self.account();
        let key = |name: &str| keys::role(account, name);
        let keep = |role: &RoleRecord| input.has_path(&role.path);
        let page = self.page(&input, keys::roles(account), key, |r: &RoleRecord| r.name.clone(), keep).await?;
        let page =
            page.map(|record| Role { tags: Vec::new(), permissions_boundary: None, ..Role::of(&record, account) });
        Ok(Roles { is_truncated: page.next.is_some(), roles: page.items, marker: page.next })
    }

    pub(crate) async fn update_role(self: Arc<Self>, _call: Call, input: UpdateRole) -> Result<Empty, IamError> {
        self.db
            .transact(async |tx| {
                let mut role: RoleRecord = self.find(&tx, &input.role_name).await?;
                // Without a description the old one goes, and without a duration the default holds again.
                role.description.clone_from(&input.description);
                let session_s = input.max_session_duration.and_then(|s| u32::try_from(s).ok());
                role.session_s_max = session_s.unwrap_or(SESSION_S_DEFAULT);
                self.save(&tx, &input.role_name, &role)?;
                Ok(Empty {})
            })
            .await
    }

    pub(crate) async fn update_assume_role_policy(
        self: Arc<Self>,
        _call: Call,
        input: UpdateAssumeRolePolicy,
    ) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let mut role: RoleRecord = self.find(&tx, &input.role_name).await?;
                self.check_trust(&tx, &input.policy_document).await?;
                role.trust.clone_from(&input.policy_document);
                self.save(&tx, &input.role_name, &role)
            })
            .await
    }

    pub(crate) async fn delete_role(self: Arc<Self>, _call: Call, input: RoleName) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let role: RoleRecord = self.find(&tx, &input.role_name).await?;
                role.permissions.check_empty()?;
                self.remove_role(&tx, &role).await
            })
            .await
    }

    pub(crate) async fn remove_role(&self, tx: &Tx, role: &RoleRecord) -> Result<(), IamError> {
        tx.clear(keys::role(self.account(), &role.name));
        self.count(tx, "RolesPerAccount", -1, limits::ROLES_MAX).await?;
        self.changes_path(tx, "role", &role.name, None);
        Ok(())
    }

    pub(crate) async fn tag_role(self: Arc<Self>, _call: Call, input: TagRole) -> Result<(), IamError> {
        self.tag::<RoleRecord>(&input.role_name, &input.tags).await
    }

    pub(crate) async fn untag_role(self: Arc<Self>, _call: Call, input: UntagRole) -> Result<(), IamError> {
        self.untag::<RoleRecord>(&input.role_name, &input.tag_keys).await
    }

    pub(crate) async fn list_role_tags(self: Arc<Self>, _call: Call, input: RolePage) -> Result<TagPage, IamError> {
        Ok(self.list_tags::<RoleRecord>(&input.role_name, &input.paging()).await?.into())
    }

    pub(crate) async fn put_role_permissions_boundary(
        self: Arc<Self>,
        _call: Call,
        input: PutRolePermissionsBoundary,
    ) -> Result<(), IamError> {
        self.set_boundary::<RoleRecord>(&input.role_name, Some(&input.permissions_boundary)).await
    }

    pub(crate) async fn delete_role_permissions_boundary(
        self: Arc<Self>,
        _call: Call,
        input: RoleName,
    ) -> Result<(), IamError> {
        self.set_boundary::<RoleRecord>(&input.role_name, None).await
    }

    /// There are no instances, so no role has a profile of one; tools ask before they delete a role.
    pub(crate) async fn list_instance_profiles_for_role(
        self: Arc<Self>,
        _call: Call,
        input: RolePage,
    ) -> Result<InstanceProfiles, IamError> {
        self.read::<RoleRecord>(&input.role_name).await?;
        Ok(InstanceProfiles { instance_profiles: Vec::new(), is_truncated: false })
    }
}

fn last(arn: &Arn) -> &str {
    arn.resource().rsplit('/').next().unwrap_or("")
}
