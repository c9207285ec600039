//! Users. AWS: IAM API Reference, *CreateUser* and its like.

use std::sync::Arc;

use cauce_core::{Account, Call, Principal, Timestamp, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::iam::Iam;
use crate::model::{MadeBy, Permissions, Tag, UserRecord};
use crate::page::Paging;
use crate::permissions::Granted;
use crate::shape::{Boundary, TagPage};
use crate::{keys, limits, name};

pub(crate) const NAME_CHARS_MAX: usize = 64;

/// A user as its users see it. The owner of the account, asked for himself, has neither name nor path.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct User {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    user_id: String,
    arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<Boundary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

impl User {
    fn of(record: &UserRecord, account: Account) -> User {
        User {
            path: Some(record.path.clone()),
            user_name: Some(record.name.clone()),
            user_id: record.id.clone(),
            arn: record.arn(account).to_string(),
            create_date: Some(record.created),
            permissions_boundary: record.permissions.boundary.as_deref().map(Boundary::new),
            tags: record.tags.clone(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateUser {
    pub(crate) path: Option<String>,
    pub(crate) user_name: String,
    pub(crate) permissions_boundary: Option<String>,
    pub(crate) tags: Option<Vec<Tag>>,
}

impl Input for CreateUser {
    fn validate(&self, v: &mut Violations) {
        v.length("userName", &self.user_name, 1, NAME_CHARS_MAX);
        name::validate_tags(v, self.tags.as_deref().unwrap_or_default());
    }
}

/// `{UserName}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserName {
    pub(crate) user_name: String,
}

impl Input for UserName {
    fn validate(&self, v: &mut Violations) {
        v.length("userName", &self.user_name, 1, NAME_CHARS_MAX);
    }
}

/// `{UserName}`, where the caller is meant if it is left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MaybeUserName {
    pub(crate) user_name: Option<String>,
}

impl Input for MaybeUserName {
    fn validate(&self, v: &mut Violations) {
        if let Some(name) = &self.user_name {
            v.length("userName", name, 1, 128);
        }
    }
}

/// `{UserName, Marker, MaxItems, PathPrefix}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserPage {
    pub(crate) user_name: String,
    marker: Option<String>,
    max_items: Option<i64>,
    path_prefix: Option<String>,
}

impl UserPage {
    pub(crate) fn paging(&self) -> Paging {
        Paging::new(self.marker.clone(), self.max_items, self.path_prefix.clone())
    }
}

impl Input for UserPage {
    fn validate(&self, v: &mut Violations) {
        v.length("userName", &self.user_name, 1, NAME_CHARS_MAX);
        self.paging().validate(v);
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagUser {
    pub(crate) user_name: String,
    pub(crate) tags: Vec<Tag>,
}

impl Input for TagUser {
    fn validate(&self, v: &mut Violations) {
        v.length("userName", &self.user_name, 1, NAME_CHARS_MAX);
        name::validate_tags(v, &self.tags);
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UntagUser {
    pub(crate) user_name: String,
    pub(crate) tag_keys: Vec<String>,
}

impl Input for UntagUser {
    fn validate(&self, v: &mut Violations) {
        v.length("userName", &self.user_name, 1, NAME_CHARS_MAX);
        if self.tag_keys.len() > name::TAGS_MAX {
            v.count("tagKeys", self.tag_keys.len(), 0, name::TAGS_MAX);
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutUserPermissionsBoundary {
    pub(crate) user_name: String,
    pub(crate) permissions_boundary: String,
}

impl Input for PutUserPermissionsBoundary {
    fn validate(&self, v: &mut Violations) {
        v.length("userName", &self.user_name, 1, NAME_CHARS_MAX);
        v.length("permissionsBoundary", &self.permissions_boundary, 20, 2_048);
    }
}

/// `{User}`
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserOutput {
    user: User,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Users {
    users: Vec<User>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// Everything that a new user may come with, in one transaction.
#[derive(Default)]
pub(crate) struct NewUser<'a> {
    pub(crate) input: CreateUser,
    pub(crate) granted: Granted<'a>,
    pub(crate) made_by: Option<MadeBy>,
}

/// The user that an operation without a name means.
pub(crate) fn own_name(call: &Call) -> Result<String, IamError> {
    match &*call.principal {
        Principal::User { arn, .. } => Ok(arn.resource().rsplit('/').next().unwrap_or("").to_owned()),
        _ => Err(IamError::Validation("Must specify userName when calling with non-User credentials".to_owned())),
    }
}

impl Iam {
    pub(crate) async fn create_user(self: Arc<Self>, _call: Call, input: CreateUser) -> Result<UserOutput, IamError> {
        let record = self.make_user(&NewUser { input, ..NewUser::default() }).await?;
        Ok(UserOutput { user: User::of(&record, self.account()) })
    }

    pub(crate) async fn make_user(&self, new: &NewUser<'_>) -> Result<UserRecord, IamError> {
        let input = &new.input;
        name::check_name("userName", &input.user_name)?;
        let path = input.path.as_deref().unwrap_or("/");
        name::check_path(path)?;
        let mut tags = Vec::new();
        name::merge_tags(&mut tags, input.tags.as_deref().unwrap_or_default())?;
        let fresh = UserRecord {
            name: input.user_name.clone(),
            id: name::entity_id("AIDA", self.env.entropy()),
            path: path.to_owned(),
            created: self.now(),
            tags,
            permissions: Permissions { boundary: input.permissions_boundary.clone(), ..Permissions::default() },
            access_keys: Vec::new(),
            made_by: new.made_by.clone(),
        };
        self.db.transact(async |tx| self.insert_user(&tx, fresh.clone(), new).await).await
    }

    async fn insert_user(&self, tx: &Tx, mut user: UserRecord, new: &NewUser<'_>) -> Result<UserRecord, IamError> {
        let key = keys::user(self.account(), &user.name);
        if let Some(found) = tx.get_record::<UserRecord>(&key).await? {
            if user.made_by.is_some() && found.made_by == user.made_by {
                return Ok(found);
            }
            return Err(IamError::EntityAlreadyExists(format!("User with name {} already exists.", user.name)));
        }
        if let Some(boundary) = &user.permissions.boundary {
            self.check_attachable(tx, boundary).await?;
        }
        let name = user.name.clone();
        self.change_permissions(tx, (&name, &mut user), &Granted::default(), &new.granted).await?;
        self.count(tx, "UsersPerAccount", 1, limits::USERS_MAX).await?;
        tx.set_record(key, &user)?;
        self.changes_path(tx, "user", &user.name, Some(&user.path));
        Ok(user)
    }

    pub(crate) async fn get_user(self: Arc<Self>, call: Call, input: MaybeUserName) -> Result<UserOutput, IamError> {
        let name = match (input.user_name, &*call.principal) {
            (Some(name), _) => name,
            (None, principal @ Principal::Root { account, .. }) => {
                let arn = principal.arn().map(|arn| arn.to_string()).unwrap_or_default();
                return Ok(UserOutput {
                    user: User {
                        path: None,
                        user_name: None,
                        user_id: account.to_string(),
                        arn,
                        create_date: None,
                        permissions_boundary: None,
                        tags: Vec::new(),
                    },
                });
            }
            (None, _) => own_name(&call)?,
        };
        let record: UserRecord = self.read(&name).await?;
        Ok(UserOutput { user: User::of(&record, self.account()) })
    }

    pub(crate) async fn list_users(self: Arc<Self>, _call: Call, input: Paging) -> Result<Users, IamError> {
        let account = self.account();
        let key = |name: &str| keys::user(account, name);
        let keep = |user: &UserRecord| input.has_path(&user.path);
        let page = self.page(&input, keys::users(account), key, |u: &UserRecord| u.name.clone(), keep).await?;
        let page =
            page.map(|record| User { tags: Vec::new(), permissions_boundary: None, ..User::of(&record, account) });
        Ok(Users { is_truncated: page.next.is_some(), users: page.items, marker: page.next })
    }

    pub(crate) async fn delete_user(self: Arc<Self>, _call: Call, input: UserName) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let user: UserRecord = self.find(&tx, &input.user_name).await?;
                self.check_deletable(&user)?;
                self.remove_user(&tx, &user).await
            })
            .await
    }

    pub(crate) fn check_deletable(&self, user: &UserRecord) -> Result<(), IamError> {
        if !user.access_keys.is_empty() {
            let message = "Cannot delete entity, must delete access keys first.";
            return Err(IamError::DeleteConflict(message.to_owned()));
        }
        user.permissions.check_empty()
    }

    pub(crate) async fn remove_user(&self, tx: &Tx, user: &UserRecord) -> Result<(), IamError> {
        tx.clear(keys::user(self.account(), &user.name));
        self.count(tx, "UsersPerAccount", -1, limits::USERS_MAX).await?;
        self.changes_path(tx, "user", &user.name, None);
        Ok(())
    }

    pub(crate) async fn tag_user(self: Arc<Self>, _call: Call, input: TagUser) -> Result<(), IamError> {
        self.tag::<UserRecord>(&input.user_name, &input.tags).await
    }

    pub(crate) async fn untag_user(self: Arc<Self>, _call: Call, input: UntagUser) -> Result<(), IamError> {
        self.untag::<UserRecord>(&input.user_name, &input.tag_keys).await
    }

    pub(crate) async fn list_user_tags(self: Arc<Self>, _call: Call, input: UserPage) -> Result<TagPage, IamError> {
        Ok(self.list_tags::<UserRecord>(&input.user_name, &input.paging()).await?.into())
    }

    pub(crate) async fn put_user_permissions_boundary(
        self: Arc<Self>,
        _call: Call,
        input: PutUserPermissionsBoundary,
    ) -> Result<(), IamError> {
        self.set_boundary::<UserRecord>(&input.user_name, Some(&input.permissions_boundary)).await
    }

    pub(crate) async fn delete_user_permissions_boundary(
        self: Arc<Self>,
        _call: Call,
        input: UserName,
    ) -> Result<(), IamError> {
        self.set_boundary::<UserRecord>(&input.user_name, None).await
    }
}
