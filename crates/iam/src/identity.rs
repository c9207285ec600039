//! The answers to the rest of the program: whose key is this, and may they?

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Verdict};
use cauce_core::{Account, Arn, Call, Principal, Region, ServiceError, Timestamp, Trace};

use crate::context::CallKeys;
use crate::error::IamError;
use crate::iam::{Holder, Iam, RoleFacts, SessionFacts};
use crate::model::Tag;
use crate::name;
use crate::policy::{Decision, NamedPolicy, NearMiss, Policies, Policy, PolicyKind, Request, decide, near_misses};
use crate::session::Claims;

/// How long the credentials of a function last, in seconds.
const FUNCTION_SESSION_S: u64 = 43_200;
/// The longest name of a session, in characters.
const SESSION_NAME_CHARS_MAX: usize = 64;

/// What the policies say to one question, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The verdict with the statement it came from.
    pub decision: Decision,
    /// The end of AWS's message for a refusal; empty if allowed.
    pub reason: String,
    /// Where nothing allows it: the statements that nearly did, nearest first, at most three.
    pub near_misses: Vec<NearMiss>,
}

/// Everything that bears on one caller.
#[derive(Default)]
pub(crate) struct Caller {
    role: Option<Arc<RoleFacts>>,
    user: Option<Arc<Holder>>,
    session: Option<Arc<SessionFacts>>,
}

impl Caller {
    fn holder(&self) -> Option<&Holder> {
        self.role.as_ref().map(|r| &r.holder).or(self.user.as_deref())
    }

    pub(crate) fn policies(&self) -> Policies<'_> {
        let holder = self.holder();
        Policies {
            identity: holder.map_or(&[], |h| &h.identity),
            boundary: holder.and_then(|h| h.boundary.as_ref()),
            session: self.session.as_ref().map_or(&[], |s| &s.policies),
            resource: None,
            owner: None,
        }
    }

    pub(crate) fn tags(&self) -> [&[Tag]; 2] {
        [self.session.as_ref().map_or(&[], |s| &s.tags), self.holder().map_or(&[], |h| &h.tags)]
    }
}

impl Iam {
    /// What is known of who calls. A user or role of another account, or one that has been made anew since, has no policies.
    pub(crate) async fn caller(&self, principal: &Principal) -> Result<Caller, IamError> {
        let last = |arn: &Arn| arn.resource().rsplit('/').next().unwrap_or("").to_owned();
        match principal {
            Principal::User { arn, id, .. } if arn.account() == Some(self.account()) => {
                let user = self.user_facts(&last(arn)).await?.filter(|user| user.id == *id);
                Ok(Caller { user, ..Caller::default() })
            }
            Principal::Session { role, id, access_key_id, .. } if role.account() == Some(self.account()) => {
                let same = |facts: &Arc<RoleFacts>| id.split(':').next() == Some(&facts.holder.id);
                let role = self.role_facts(&last(role)).await?.filter(same);
                let limited = name::is_limited(access_key_id);
                let session = if limited { Some(self.session_facts(access_key_id).await?) } else { None };
                Ok(Caller { role, session, ..Caller::default() })
            }
            _ => Ok(Caller::default()),
        }
    }

    /// What all policies say to `access` for the caller of `call`, with the deciding statement or the near misses.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub async fn explain_access(&self, call: &Call, access: &Access<'_>) -> Result<Explanation, ServiceError> {
        let explain = |request: &Request<'_>, policies: &Policies<'_>| {
            let decision = decide(request, policies);
            let near_misses = match &decision {
                Decision::Implicit(_) => near_misses(request, policies),
                _ => Vec::new(),
            };
            Explanation { reason: decision.reason(access.action), decision, near_misses }
        };
        Ok(self.ask(call, access, explain).await?)
    }

    async fn ask<T>(
        &self,
        call: &Call,
        access: &Access<'_>,
        answer: impl FnOnce(&Request<'_>, &Policies<'_>) -> T,
    ) -> Result<T, IamError> {
        let caller = self.caller(&call.principal).await?;
        let owner = owner_of(access.resource).unwrap_or(call.account);
        let resource = self.resource_policy(call, access);
        let keys = CallKeys { call, service: &access.context, tags: caller.tags(), owner };
        let request = Request::new(&call.principal, access.action, access.resource, &keys);
        let policies = Policies { resource: resource.as_ref(), owner: Some(owner), ..caller.policies() };
        Ok(answer(&request, &policies))
    }

    /// The resource's policy, compiled. Where it cannot be read there may be a denial in it, so it denies everybody but the
    /// owner of the account, who can put it right.
    fn resource_policy(&self, call: &Call, access: &Access<'_>) -> Option<NamedPolicy> {
        let text = access.resource_policy?;
        let parsed = self.documents.get(text, 0).unwrap_or_else(|| {
            let parsed = Policy::parse(text, PolicyKind::Resource);
            if let Err(error) = &parsed {
                tracing::warn!(resource = access.resource, %error, "the resource's policy does not parse");
            }
            self.documents.put(text, 0, parsed.ok().map(Arc::new))
        });
        let policy = match &*parsed {
            Some(policy) => Arc::clone(policy),
            None if matches!(&*call.principal, Principal::Root { .. }) => return None,
            None => Arc::new(Policy::deny_all()),
        };
        Some(NamedPolicy { name: "resource policy".into(), policy })
    }

    /// Credentials for a session of `role`; nothing is written.
    pub(crate) fn credentials(
        &self,
        role: &RoleFacts,
        session: &str,
        access_key_id: String,
        expires: Timestamp,
    ) -> Credentials {
        let claims = Claims {
            access_key_id,
            account: self.account(),
            role: role.name.clone(),
            role_id: role.holder.id.clone(),
            session: session.to_owned(),
            expires,
        };
        let (session_token, secret_access_key) = self.sealer.seal(&claims);
        Credentials { access_key_id: claims.access_key_id, secret_access_key, session_token, expires }
    }

    /// The role behind an ARN of this account, path included.
    pub(crate) async fn role_by_arn(&self, arn: &Arn) -> Result<Option<Arc<RoleFacts>>, IamError> {
        let own = arn.service() == "iam" && arn.account() == Some(self.account());
        let Some(rest) = arn.resource().strip_prefix("role/").filter(|_| own) else { return Ok(None) };
        let name = rest.rsplit('/').next().unwrap_or("");
        Ok(self.role_facts(name).await?.filter(|facts| facts.holder.arn == *arn))
    }

    async fn session_key(&self, access_key_id: &str, token: &str) -> Result<Option<AccessKey>, IamError> {
        let Some((claims, secret)) = self.sealer.open(token) else { return Ok(None) };
        if claims.access_key_id != access_key_id || claims.account != self.account() {
            return Ok(None);
        }
        let role = self.role_facts(&claims.role).await?;
        let Some(role) = role.filter(|role| role.holder.id == claims.role_id) else { return Ok(None) };
        let session = &claims.session;
        let principal = Principal::Session {
            arn: Arn::global("sts", self.account(), &format!("assumed-role/{}/{session}", role.name)),
            role: role.holder.arn.clone(),
            id: format!("{}:{session}", claims.role_id),
            access_key_id: access_key_id.to_owned(),
        };
        let session_token = Some(token.to_owned());
        Ok(Some(AccessKey { secret, session_token, principal, expires: Some(claims.expires) }))
    }

    async fn long_lived_key(&self, access_key_id: &str) -> Result<Option<AccessKey>, IamError> {
        let long_lived = |secret: &str, principal| AccessKey {
            secret: secret.to_owned(),
            session_token: None,
            principal,
            expires: None,
        };
        let access_key_id = access_key_id.to_owned();
        if access_key_id == self.options.root_access_key_id {
            let root = Principal::Root { account: self.account(), access_key_id };
            return Ok(Some(long_lived(&self.options.root_secret, root)));
        }
        let key = self.key_facts(&access_key_id).await?.filter(|key| key.active && key.account == self.account());
        let Some(key) = key else { return Ok(None) };
        let Some(user) = self.user_facts(&key.user).await? else { return Ok(None) };
        let principal = Principal::User { arn: user.arn.clone(), id: user.id.clone(), access_key_id };
        Ok(Some(long_lived(&key.secret, principal)))
    }
}

/// The account that the ARN of a resource names.
fn owner_of(resource: &str) -> Option<Account> {
    resource.split(':').nth(4)?.parse().ok()
}

#[async_trait]
impl Identity for Iam {
    async fn access_key(&self, access_key_id: &str) -> Result<Option<AccessKey>, ServiceError> {
        Ok(self.long_lived_key(access_key_id).await?)
    }

    async fn presented_key(
        &self,
        access_key_id: &str,
        session_token: Option<&str>,
    ) -> Result<Option<AccessKey>, ServiceError> {
        match session_token.filter(|_| access_key_id.starts_with("ASIA")) {
            Some(token) => Ok(self.session_key(access_key_id, token).await?),
            None => Ok(self.long_lived_key(access_key_id).await?),
        }
    }

    async fn assume_role(&self, role: &Arn, service: &str, session: &str) -> Result<Credentials, ServiceError> {
        let denied = || {
            let message = format!("User: {service} is not authorized to perform: sts:AssumeRole on resource: {role}");
            ServiceError::from(IamError::AccessDenied(message))
        };
        let Some(facts) = self.role_by_arn(role).await? else { return Err(denied()) };
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let call = Call::from_service(&self.env, service, None, self.account(), Region::default(), trace);
        let session: String = session.chars().take(SESSION_NAME_CHARS_MAX).collect();
        name::check_name("roleSessionName", &session).map_err(ServiceError::from)?;
        let context = [("sts:RoleSessionName".to_owned(), vec![session.clone()])];
        let keys = CallKeys { call: &call, service: &context, tags: [&[], &[]], owner: self.account() };
        let request = Request::new(&call.principal, "sts:AssumeRole", role.as_str(), &keys);
        let policies = Policies { owner: Some(self.account()), ..Policies::default() };
        if !crate::policy::decide_trust(&request, &facts.trust, &policies).is_allowed() {
            return Err(denied());
        }
        let expires = self.now() + Duration::from_secs(FUNCTION_SESSION_S);
        Ok(self.credentials(&facts, &session, name::session_key_id(false, self.env.entropy()), expires))
    }

    fn check_resource_policy(&self, document: &str) -> Result<(), String> {
        Policy::parse(document, PolicyKind::Resource).map(|_| ()).map_err(|e| e.message().to_owned())
    }

    async fn explain(&self, call: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
        let decision = self.ask(call, access, decide).await?;
        Ok(match &decision {
            Decision::Allowed(Some((_, statement))) => Verdict::Allowed(format!("by {statement}")),
            Decision::Allowed(None) => Verdict::Allowed("as the owner of the account".to_owned()),
            denied => Verdict::Denied(denied.reason(access.action)),
        })
    }
}
