//! The service itself: its state, what it keeps compiled, and how it changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cauce_core::{Account, Arn, Blob, Env, ServiceError, Timestamp};
use cauce_store::{Db, RangeReq, Tx, decode_row};
use parking_lot::RwLock;

use crate::cache::Cache;
use crate::error::IamError;
use crate::keys;
use crate::managed;
use crate::model::{KeyRecord, Permissions, PolicyRecord, RoleRecord, ServerKey, SessionRecord, Tag, UserRecord};
use crate::policy::{NamedPolicy, Policy, PolicyKind};
use crate::session::Sealer;

/// Rows of one read when all entities are walked.
const WALK_ROWS_MAX: usize = 100;
const SERVER_KEY_BYTES: usize = 32;
/// Roles, users, keys and sessions kept compiled, of each.
const PRINCIPALS_KEPT_MAX: usize = 4_096;
/// Policies of resources kept compiled, each up to 20 KB of text.
const DOCUMENTS_KEPT_MAX: usize = 512;

/// Whose installation this is.
#[derive(Clone)]
pub struct IamOptions {
    /// The one account that users, roles and policies belong to.
    pub account: Account,
    /// The key id of the account's owner.
    pub root_access_key_id: String,
    /// The secret of the account's owner. Never logged, never stored.
    pub root_secret: String,
}

impl std::fmt::Debug for IamOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IamOptions")
            .field("account", &self.account)
            .field("root_access_key_id", &self.root_access_key_id)
            .finish_non_exhaustive()
    }
}

/// Users, roles, keys and policies of one account, and the answers to who somebody is and what they may do.
pub struct Iam {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) options: IamOptions,
    pub(crate) sealer: Sealer,
    pub(crate) documents: Cache<Option<Arc<Policy>>>,
    roles: Cache<RoleFacts>,
    users: Cache<Holder>,
    access_keys: Cache<KeyRecord>,
    sessions: Cache<SessionFacts>,
    generation: Arc<AtomicU64>,
    /// The paths of users and roles that have one, so that an operation that only names them can be authorized on their ARN.
    paths: Arc<RwLock<HashMap<String, String>>>,
}

impl std::fmt::Debug for Iam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iam").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A user or role, compiled.
pub(crate) struct Holder {
    pub(crate) id: String,
    pub(crate) arn: Arn,
    pub(crate) tags: Vec<Tag>,
    pub(crate) identity: Vec<NamedPolicy>,
    pub(crate) boundary: Option<NamedPolicy>,
}

/// A role, compiled.
pub(crate) struct RoleFacts {
    pub(crate) name: String,
    pub(crate) holder: Holder,
    pub(crate) trust: NamedPolicy,
    pub(crate) session_s_max: u32,
}

/// What limits a session beyond its role.
pub(crate) struct SessionFacts {
    pub(crate) policies: Vec<NamedPolicy>,
    pub(crate) tags: Vec<Tag>,
}

impl Iam {
    /// Opens the identities kept in `db`. Draws the key of temporary credentials the first time.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn open(db: Db, env: Env, options: IamOptions) -> Result<Arc<Iam>, ServiceError> {
        let mut drawn = [0; SERVER_KEY_BYTES];
        env.entropy().fill(&mut drawn);
        let fresh = ServerKey { bytes: Blob(drawn.to_vec().into()) };
        let key = db
            .transact(async |tx| {
                let at = keys::server_key();
                if let Some(key) = tx.get_record::<ServerKey>(&at).await? {
                    return Ok::<_, IamError>(key);
                }
                tx.set_record(at, &fresh)?;
                Ok(fresh.clone())
            })
            .await?;
        let iam = Iam {
            db,
            env,
            options,
            sealer: Sealer::new(&key.bytes.0),
            documents: Cache::new(DOCUMENTS_KEPT_MAX),
            roles: Cache::new(PRINCIPALS_KEPT_MAX),
            users: Cache::new(PRINCIPALS_KEPT_MAX),
            access_keys: Cache::new(PRINCIPALS_KEPT_MAX),
            sessions: Cache::new(PRINCIPALS_KEPT_MAX),
            generation: Arc::new(AtomicU64::new(1)),
            paths: Arc::default(),
        };
        iam.read_paths().await?;
        Ok(Arc::new(iam))
    }

    /// The account that users, roles and policies belong to.
    pub fn account(&self) -> Account {
        self.options.account
    }

    async fn read_paths(&self) -> Result<(), IamError> {
        let mut req = RangeReq::new(keys::roles(self.account()), WALK_ROWS_MAX);
        loop {
            let page = self.db.range(req.clone()).await?;
            for row in &page.rows {
                let role: RoleRecord = decode_row(row)?;
                self.remember_path("role", &role.name, &role.path);
            }
            let (true, Some(last)) = (page.more, page.rows.last()) else { break };
            req = req.after(&last.key);
        }
        let mut req = RangeReq::new(keys::users(self.account()), WALK_ROWS_MAX);
        loop {
            let page = self.db.range(req.clone()).await?;
            for row in &page.rows {
                let user: UserRecord = decode_row(row)?;
                self.remember_path("user", &user.name, &user.path);
            }
            let (true, Some(last)) = (page.more, page.rows.last()) else { break };
            req = req.after(&last.key);
        }
        Ok(())
    }

    fn remember_path(&self, kind: &str, name: &str, path: &str) {
        if path != "/" {
            self.paths.write().insert(format!("{kind}/{}", name.to_lowercase()), path.to_owned());
        }
    }

    /// The ARN of the user or role (`kind`) by this name, with its path if it exists and has one.
    pub(crate) fn entity_arn(&self, kind: &str, name: &str) -> String {
        let path = self.paths.read().get(&format!("{kind}/{}", name.to_lowercase())).cloned();
        let path = path.as_deref().unwrap_or("/");
        Arn::global("iam", self.account(), &format!("{kind}{path}{name}")).to_string()
    }

    /// Says that `tx` changes something that decisions rest on. To be called in every such transaction.
    pub(crate) fn changes(&self, tx: &Tx) {
        let generation = Arc::clone(&self.generation);
        tx.on_commit(move || {
            generation.fetch_add(1, Ordering::AcqRel);
        });
    }

    /// As [`Iam::changes`], for a transaction that makes (`Some` path) or removes a user or role.
    pub(crate) fn changes_path(&self, tx: &Tx, kind: &str, name: &str, path: Option<&str>) {
        self.changes(tx);
        let paths = Arc::clone(&self.paths);
        let key = format!("{kind}/{}", name.to_lowercase());
        let path = path.filter(|p| *p != "/").map(str::to_owned);
        tx.on_commit(move || {
            let mut paths = paths.write();
            match path {
                Some(path) => paths.insert(key, path),
                None => paths.remove(&key),
            };
        });
    }

    /// The present second: what IAM shows and tokens carry has no fractions.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.env.now().as_secs())
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The role by this name, compiled.
    pub(crate) async fn role_facts(&self, name: &str) -> Result<Option<Arc<RoleFacts>>, IamError> {
        let generation = self.generation();
        if let Some(facts) = self.roles.get(name, generation) {
            return Ok(Some(facts));
        }
        let Some(role) = self.db.get::<RoleRecord>(&keys::role(self.account(), name)).await? else { return Ok(None) };
        let arn = role.arn(self.account());
        let trust = compile("trust policy", &role.trust, PolicyKind::Trust)?;
        let holder = self.holder(role.id, arn, role.tags, &role.permissions).await?;
        let facts = RoleFacts { name: role.name, holder, trust, session_s_max: role.session_s_max };
        Ok(Some(self.roles.put(name, generation, facts)))
    }

    /// The user by this name, compiled.
    pub(crate) async fn user_facts(&self, name: &str) -> Result<Option<Arc<Holder>>, IamError> {
        let generation = self.generation();
        if let Some(facts) = self.users.get(name, generation) {
            return Ok(Some(facts));
        }
        let Some(user) = self.db.get::<UserRecord>(&keys::user(self.account(), name)).await? else { return Ok(None) };
        let arn = user.arn(self.account());
        let holder = self.holder(user.id, arn, user.tags, &user.permissions).await?;
        Ok(Some(self.users.put(name, generation, holder)))
    }

    /// The long-lived key by this id.
    pub(crate) async fn key_facts(&self, id: &str) -> Result<Option<Arc<KeyRecord>>, IamError> {
        let generation = self.generation();
        if let Some(key) = self.access_keys.get(id, generation) {
            return Ok(Some(key));
        }
        let key = self.db.get::<KeyRecord>(&keys::access_key(id)).await?;
        Ok(key.map(|key| self.access_keys.put(id, generation, key)))
    }

    /// What limits the session with this key.
    pub(crate) async fn session_facts(&self, access_key_id: &str) -> Result<Arc<SessionFacts>, IamError> {
        let generation = self.generation();
        if let Some(facts) = self.sessions.get(access_key_id, generation) {
            return Ok(facts);
        }
        let Some(record) = self.db.get::<SessionRecord>(&keys::session(access_key_id)).await? else {
            // The record goes when the session ends. What limited it is not known any more, so it may do nothing.
            let nothing = NamedPolicy { name: "session policy".into(), policy: Arc::new(Policy::nothing()) };
            return Ok(Arc::new(SessionFacts { policies: vec![nothing], tags: Vec::new() }));
        };
        let mut policies = Vec::new();
        if let Some(document) = &record.policy {
            policies.push(compile("session policy", document, PolicyKind::Inline)?);
        }
        for arn in &record.policy_arns {
            // One that is gone allows nothing, but still limits.
            policies.push(match self.managed_policy(arn).await? {
                Some(policy) => policy,
                None => NamedPolicy { name: arn.as_str().into(), policy: Arc::new(Policy::nothing()) },
            });
        }
        let facts = SessionFacts { policies, tags: record.tags };
        Ok(self.sessions.put(access_key_id, generation, facts))
    }

    pub(crate) async fn holder(
        &self,
        id: String,
        arn: Arn,
        tags: Vec<Tag>,
        permissions: &Permissions,
    ) -> Result<Holder, IamError> {
        let mut identity = Vec::new();
        for inline in &permissions.inline {
            identity.push(compile(&inline.name, &inline.document, PolicyKind::Inline)?);
        }
        for arn in &permissions.attached {
            identity.extend(self.managed_policy(arn).await?);
        }
        let boundary = match &permissions.boundary {
            None => None,
            // A boundary that is gone allows nothing; it must not become no boundary.
            Some(arn) => Some(match self.managed_policy(arn).await? {
                Some(policy) => policy,
                None => NamedPolicy { name: arn.as_str().into(), policy: Arc::new(Policy::nothing()) },
            }),
        };
        Ok(Holder { id, arn, tags, identity, boundary })
    }

    /// The default version of a managed policy, compiled; `None` if there is no such policy.
    pub(crate) async fn managed_policy(&self, arn: &str) -> Result<Option<NamedPolicy>, IamError> {
        if let Some(managed) = managed::find(arn) {
            let policy = managed.policy().map_err(|e| damaged(arn, &e))?;
            return Ok(Some(NamedPolicy { name: arn.into(), policy }));
        }
        let Some(name) = self.policy_name(arn) else { return Ok(None) };
        let record = self.db.get::<PolicyRecord>(&keys::policy(self.account(), name)).await?;
        let Some(record) = record.filter(|r| r.arn(self.account()) == arn) else { return Ok(None) };
        let Some(version) = record.version(record.default_version) else { return Ok(None) };
        Ok(Some(compile(arn, &version.document, PolicyKind::Managed)?))
    }

    /// The name in the ARN of one of this account's own policies.
    pub(crate) fn policy_name<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let parsed: Arn = arn.parse().ok()?;
        let own = parsed.service() == "iam" && parsed.account() == Some(self.account());
        let resource = arn.splitn(6, ':').nth(5)?;
        let path_and_name = resource.strip_prefix("policy/").filter(|_| own)?;
        path_and_name.rsplit('/').next()
    }
}

/// A document that was accepted once and now is not: shown to nobody, and nothing is decided on half of the policies.
fn damaged(name: &str, error: &crate::policy::PolicyError) -> IamError {
    tracing::error!(policy = name, %error, "a stored policy does not parse");
    IamError::Other(ServiceError::internal(error.clone()))
}

fn compile(name: &str, document: &str, kind: PolicyKind) -> Result<NamedPolicy, IamError> {
    let policy = Policy::parse(document, kind).map_err(|e| damaged(name, &e))?;
    Ok(NamedPolicy { name: name.into(), policy: Arc::new(policy) })
}
