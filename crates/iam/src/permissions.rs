//! What users and roles have in common: inline policies, attached policies, a boundary, tags.

use cauce_core::{Account, Arn};
use cauce_store::{Bytes, RowCodec, Tx};

use crate::error::IamError;
use crate::iam::Iam;
use crate::model::{Inline, Permissions, PolicyRecord, RoleRecord, Tag, UserRecord};
use crate::page::{Page, Paging};
use crate::policy::{Policy, PolicyKind};
use crate::{keys, limits, managed, name};

/// The policies that a user or role gets from a template.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Granted<'a> {
    /// Names and documents of inline policies.
    pub(crate) inline: Vec<(&'a str, String)>,
    /// ARNs of managed policies.
    pub(crate) attached: Vec<&'a str>,
}

impl Granted<'_> {
    pub(crate) fn has_inline(&self, name: &str) -> bool {
        self.inline.iter().any(|(n, _)| *n == name)
    }
}

/// A user or a role.
pub(crate) trait Entity: RowCodec + Send + Sync {
    /// `role` or `user`.
    const KIND: &'static str;
    /// As the names of operations have it.
    const TITLE: &'static str;
    /// What the quota of attached policies is called.
    const ATTACHED_QUOTA: &'static str;
    const INLINE_CHARS_MAX: usize;

    fn key(account: Account, name: &str) -> Bytes;
    fn permissions(&mut self) -> &mut Permissions;
    fn tags(&mut self) -> &mut Vec<Tag>;
}

impl Entity for RoleRecord {
    const KIND: &'static str = "role";
    const TITLE: &'static str = "Role";
    const ATTACHED_QUOTA: &'static str = "PoliciesPerRole";
    const INLINE_CHARS_MAX: usize = limits::ROLE_INLINE_CHARS_MAX;

    fn key(account: Account, name: &str) -> Bytes {
        keys::role(account, name)
    }

    fn permissions(&mut self) -> &mut Permissions {
        &mut self.permissions
    }

    fn tags(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
}

impl Entity for UserRecord {
    const KIND: &'static str = "user";
    const TITLE: &'static str = "User";
    const ATTACHED_QUOTA: &'static str = "PoliciesPerUser";
    const INLINE_CHARS_MAX: usize = limits::USER_INLINE_CHARS_MAX;

    fn key(account: Account, name: &str) -> Bytes {
        keys::user(account, name)
    }

    fn permissions(&mut self) -> &mut Permissions {
        &mut self.permissions
    }

    fn tags(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
}

/// The name in a policy's ARN.
pub(crate) fn name_in_arn(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn no_such<E: Entity>(name: &str) -> IamError {
    IamError::NoSuchEntity(format!("The {} with name {name} cannot be found.", E::KIND))
}

fn no_such_inline<E: Entity>(policy: &str) -> IamError {
    IamError::NoSuchEntity(format!("The {} policy with name {policy} cannot be found.", E::KIND))
}

impl Permissions {
    /// Adds or replaces an inline policy.
    pub(crate) fn put_inline(
        &mut self,
        policy: &str,
        document: &str,
        chars_max: usize,
        of: &str,
    ) -> Result<(), IamError> {
        name::check_name("policyName", policy)?;
        Policy::parse(document, PolicyKind::Inline)?;
        let others: usize = self.inline.iter().filter(|i| i.name != policy).map(|i| limits::chars(&i.document)).sum();
        if others + limits::chars(document) > chars_max {
            return Err(IamError::LimitExceeded(format!("Maximum policy size of {chars_max} bytes exceeded for {of}")));
        }
        let inline = Inline { name: policy.to_owned(), document: document.to_owned() };
        match self.inline.iter_mut().find(|i| i.name == policy) {
            Some(old) => *old = inline,
            None => self.inline.push(inline),
        }
        self.inline.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// Why the entity cannot be deleted yet.
    pub(crate) fn check_empty(&self) -> Result<(), IamError> {
        let conflict = |text: &str| Err(IamError::DeleteConflict(text.to_owned()));
        if !self.attached.is_empty() {
            return conflict("Cannot delete entity, must detach all policies first.");
        }
        if !self.inline.is_empty() {
            return conflict("Cannot delete entity, must delete policies first.");
        }
        Ok(())
    }
}

impl Iam {
    /// The entity by this name, or `NoSuchEntity`.
    pub(crate) async fn find<E: Entity>(&self, tx: &Tx, name: &str) -> Result<E, IamError> {
        tx.get_record::<E>(&E::key(self.account(), name)).await?.ok_or_else(|| no_such::<E>(name))
    }

    /// As [`Iam::find`], outside of a transaction.
    pub(crate) async fn read<E: Entity>(&self, name: &str) -> Result<E, IamError> {
        self.db.get::<E>(&E::key(self.account(), name)).await?.ok_or_else(|| no_such::<E>(name))
    }

    pub(crate) fn save<E: Entity>(&self, tx: &Tx, name: &str, entity: &E) -> Result<(), IamError> {
        tx.set_record(E::key(self.account(), name), entity)?;
        self.changes(tx);
        Ok(())
    }

    pub(crate) async fn put_inline<E: Entity>(&self, name: &str, policy: &str, document: &str) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let mut entity: E = self.find(&tx, name).await?;
                let of = format!("{} {name}", E::KIND);
                entity.permissions().put_inline(policy, document, E::INLINE_CHARS_MAX, &of)?;
                self.save(&tx, name, &entity)
            })
            .await
    }

    pub(crate) async fn get_inline<E: Entity>(&self, name: &str, policy: &str) -> Result<Inline, IamError> {
        let mut entity: E = self.read(name).await?;
        let found = entity.permissions().inline.iter().find(|i| i.name == policy).cloned();
        found.ok_or_else(|| no_such_inline::<E>(policy))
    }

    pub(crate) async fn delete_inline<E: Entity>(&self, name: &str, policy: &str) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let mut entity: E = self.find(&tx, name).await?;
                let inline = &mut entity.permissions().inline;
                let before = inline.len();
                inline.retain(|i| i.name != policy);
                if inline.len() == before {
                    return Err(no_such_inline::<E>(policy));
                }
                self.save(&tx, name, &entity)
            })
            .await
    }

    pub(crate) async fn list_inline<E: Entity>(&self, name: &str, paging: &Paging) -> Result<Page<String>, IamError> {
        let mut entity: E = self.read(name).await?;
        let names: Vec<String> = entity.permissions().inline.iter().map(|i| i.name.clone()).collect();
        paging.cut(names, Clone::clone)
    }

    /// Whether the ARN names a managed policy that can be attached.
    pub(crate) async fn check_attachable(&self, tx: &Tx, arn: &str) -> Result<(), IamError> {
        if managed::find(arn).is_some() {
            return Ok(());
        }
        if arn.parse::<Arn>().is_err() {
            return Err(IamError::InvalidInput(format!("ARN {arn} is not valid.")));
        }
        if let Some(name) = self.policy_name(arn) {
            let record = tx.get_record::<PolicyRecord>(&keys::policy(self.account(), name)).await?;
            if record.is_some_and(|r| r.arn(self.account()) == arn) {
                return Ok(());
            }
        }
        Err(IamError::NoSuchEntity(format!("Policy {arn} does not exist or is not attachable.")))
    }

    /// Attaches within a transaction; what is attached already stays.
    pub(crate) async fn attach_in<E: Entity>(&self, tx: &Tx, entity: &mut E, arn: &str) -> Result<(), IamError> {
        self.check_attachable(tx, arn).await?;
        let attached = &mut entity.permissions().attached;
        if attached.iter().any(|a| a == arn) {
            return Ok(());
        }
        limits::check(E::ATTACHED_QUOTA, attached.len() + 1, limits::ATTACHED_MAX)?;
        attached.push(arn.to_owned());
        tx.add(keys::attached(self.account(), arn), 1)?;
        Ok(())
    }

    /// Detaches within a transaction; false if it was not attached.
    pub(crate) fn detach_in<E: Entity>(&self, tx: &Tx, entity: &mut E, arn: &str) -> Result<bool, IamError> {
        let attached = &mut entity.permissions().attached;
        let Some(at) = attached.iter().position(|a| a == arn) else { return Ok(false) };
        attached.remove(at);
        tx.add(keys::attached(self.account(), arn), -1)?;
        Ok(true)
    }

    /// Turns the policies that an entity named `name` had from its template into those that it shall have; others stay.
    pub(crate) async fn change_permissions<E: Entity>(
        &self,
        tx: &Tx,
        (name, entity): (&str, &mut E),
        before: &Granted<'_>,
        after: &Granted<'_>,
    ) -> Result<(), IamError> {
        entity.permissions().inline.retain(|i| !before.has_inline(&i.name));
        let of = format!("{} {name}", E::KIND);
        for (policy, document) in &after.inline {
            entity.permissions().put_inline(policy, document, E::INLINE_CHARS_MAX, &of)?;
        }
        for arn in before.attached.iter().filter(|arn| !after.attached.contains(arn)) {
            self.detach_in(tx, entity, arn)?;
        }
        for arn in &after.attached {
            self.attach_in(tx, entity, arn).await?;
        }
        Ok(())
    }

    pub(crate) async fn attach<E: Entity>(&self, name: &str, arn: &str) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let mut entity: E = self.find(&tx, name).await?;
                self.attach_in(&tx, &mut entity, arn).await?;
                self.save(&tx, name, &entity)
            })
            .await
    }

    pub(crate) async fn detach<E: Entity>(&self, name: &str, arn: &str) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let mut entity: E = self.find(&tx, name).await?;
                if !self.detach_in(&tx, &mut entity, arn)? {
                    return Err(IamError::NoSuchEntity(format!("Policy {arn} was not found.")));
                }
                self.save(&tx, name, &entity)
            })
            .await
    }

    pub(crate) async fn list_attached<E: Entity>(&self, name: &str, paging: &Paging) -> Result<Page<String>, IamError> {
        let mut entity: E = self.read(name).await?;
        let path = |arn: &str| {
            let rest = arn.split_once(":policy").map_or("", |(_, rest)| rest);
            rest.rsplit_once('/').map_or("/".to_owned(), |(path, _)| format!("{path}/"))
        };
        let mut arns: Vec<String> =
            entity.permissions().attached.iter().filter(|arn| paging.has_path(&path(arn))).cloned().collect();
        arns.sort();
        paging.cut(arns, Clone::clone)
    }

    pub(crate) async fn set_boundary<E: Entity>(&self, name: &str, boundary: Option<&str>) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let mut entity: E = self.find(&tx, name).await?;
                if let Some(arn) = boundary {
                    self.check_attachable(&tx, arn).await?;
                } else if entity.permissions().boundary.is_none() {
                    let kind = E::KIND;
                    let message = format!("The permissions boundary of {kind} {name} cannot be found.");
                    return Err(IamError::NoSuchEntity(message));
                }
                entity.permissions().boundary = boundary.map(str::to_owned);
                self.save(&tx, name, &entity)
            })
            .await
    }

    pub(crate) async fn tag<E: Entity>(&self, name: &str, tags: &[Tag]) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let mut entity: E = self.find(&tx, name).await?;
                name::merge_tags(entity.tags(), tags)?;
                self.save(&tx, name, &entity)
            })
            .await
    }

    pub(crate) async fn untag<E: Entity>(&self, name: &str, tag_keys: &[String]) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let mut entity: E = self.find(&tx, name).await?;
                entity.tags().retain(|t| !tag_keys.iter().any(|k| k.to_lowercase() == t.key.to_lowercase()));
                self.save(&tx, name, &entity)
            })
            .await
    }

    pub(crate) async fn list_tags<E: Entity>(&self, name: &str, paging: &Paging) -> Result<Page<Tag>, IamError> {
        let mut entity: E = self.read(name).await?;
        let mut tags = entity.tags().clone();
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        paging.cut(tags, |t| t.key.clone())
    }

    /// Counts one more or one less of an entity; more than the quota is refused. The count is read without a check, so many
    /// at once may pass the quota by as many as there are of them: better than every create in the way of every other.
    pub(crate) async fn count(&self, tx: &Tx, quota: &str, delta: i64, max: i64) -> Result<(), IamError> {
        let key = keys::count(self.account(), quota);
        if delta > 0 {
            limits::check(quota, tx.snapshot_counter(&key).await? + delta, max)?;
        }
        tx.add(key, delta)?;
        Ok(())
    }
}
