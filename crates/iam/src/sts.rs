//! STS: who am I, and may I be another? AWS: STS API Reference, *AssumeRole*, *GetCallerIdentity*.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Arn, Call, Principal, Timestamp, Violations};
use cauce_store::RangeReq;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::context::CallKeys;
use crate::error::IamError;
use crate::iam::{Iam, RoleFacts};
use crate::model::{SessionRecord, Tag};
use crate::policy::{Policies, Policy, PolicyKind, Request, decide_trust};
use crate::{keys, limits, name};

const SESSION_S_MIN: i64 = 900;
const SESSION_S_MAX: i64 = 43_200;
const SESSION_S_DEFAULT: i64 = 3_600;
/// The longest session of a role that was assumed by a session of a role, in seconds.
const CHAINED_S_MAX: i64 = 3_600;
/// Records of ended sessions that a new one clears away.
const ENDED_CLEARED_MAX: usize = 32;

#[derive(Debug, Deserialize)]
pub(crate) struct Nothing {}

impl Input for Nothing {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CallerIdentity {
    user_id: String,
    account: String,
    arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyDescriptor {
    #[serde(rename = "arn")]
    arn: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AssumeRole {
    pub(crate) role_arn: String,
    pub(crate) role_session_name: String,
    pub(crate) policy_arns: Option<Vec<PolicyDescriptor>>,
    pub(crate) policy: Option<String>,
    pub(crate) duration_seconds: Option<i64>,
    pub(crate) tags: Option<Vec<Tag>>,
    pub(crate) external_id: Option<String>,
    pub(crate) serial_number: Option<String>,
    pub(crate) token_code: Option<String>,
    pub(crate) source_identity: Option<String>,
}

impl Input for AssumeRole {
    fn validate(&self, v: &mut Violations) {
        v.length("roleArn", &self.role_arn, 20, 2_048);
        let session = &self.role_session_name;
        v.length("roleSessionName", session, 2, 64);
        if !session.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)) {
            let constraint = "Member must satisfy regular expression pattern: [\\w+=,.@-]*";
            v.other("roleSessionName", Some(session), constraint);
        }
        if let Some(seconds) = self.duration_seconds {
            v.range("durationSeconds", seconds, SESSION_S_MIN, SESSION_S_MAX);
        }
        if let Some(id) = &self.external_id {
            v.length("externalId", id, 2, 1_224);
        }
        if let Some(policy) = &self.policy {
            v.length("policy", policy, 1, limits::SESSION_POLICY_CHARS_MAX);
        }
        let arns = self.policy_arns.as_ref().map_or(0, Vec::len);
        if arns > limits::SESSION_POLICY_ARNS_MAX {
            v.count("policyArns", arns, 0, limits::SESSION_POLICY_ARNS_MAX);
        }
        name::validate_tags(v, self.tags.as_deref().unwrap_or_default());
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRoleUser {
    assumed_role_id: String,
    arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialsShape {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: Timestamp,
}

/// `{Credentials, AssumedRoleUser}`
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AssumedRole {
    credentials: CredentialsShape,
    assumed_role_user: AssumedRoleUser,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetAccessKeyInfo {
    access_key_id: String,
}

impl Input for GetAccessKeyInfo {
    fn validate(&self, v: &mut Violations) {
        v.length("accessKeyId", &self.access_key_id, 16, 128);
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccessKeyInfo {
    account: String,
}

impl AssumeRole {
    /// What the session is limited to and tagged with, if anything.
    fn limits(&self) -> Result<Option<SessionRecord>, IamError> {
        if let Some(policy) = &self.policy {
            Policy::parse(policy, PolicyKind::Inline)?;
        }
        let mut tags = Vec::new();
        name::merge_tags(&mut tags, self.tags.as_deref().unwrap_or_default())?;
        let arns = self.policy_arns.iter().flatten().filter_map(|d| d.arn.clone());
        let record = SessionRecord { policy: self.policy.clone(), policy_arns: arns.collect(), tags };
        Ok((record != SessionRecord::default()).then_some(record))
    }

    fn context(&self) -> Vec<(String, Vec<String>)> {
        let mut context = vec![("sts:RoleSessionName".to_owned(), vec![self.role_session_name.clone()])];
        if let Some(id) = &self.external_id {
            context.push(("sts:ExternalId".to_owned(), vec![id.clone()]));
        }
        context.extend(name::tag_keys(self.tags.as_deref().unwrap_or_default()));
        context
    }
}

impl Iam {
    pub(crate) async fn get_caller_identity(
        self: Arc<Self>,
        call: Call,
        _input: Nothing,
    ) -> Result<CallerIdentity, IamError> {
        let account = call.principal.account().unwrap_or(self.account()).to_string();
        let user_id = match &*call.principal {
            Principal::User { id, .. } | Principal::Session { id, .. } => id.clone(),
            _ => account.clone(),
        };
        let arn = call.principal.to_string();
        Ok(CallerIdentity { user_id, account, arn })
    }

    pub(crate) async fn get_access_key_info(
        self: Arc<Self>,
        _call: Call,
        input: GetAccessKeyInfo,
    ) -> Result<AccessKeyInfo, IamError> {
        // The account is part of the id at AWS; here there is one.
        let known = input.access_key_id.starts_with("ASIA")
            || input.access_key_id == self.options.root_access_key_id
            || self.key_facts(&input.access_key_id).await?.is_some();
        if !known {
            let message = format!("Access key {} is not valid.", input.access_key_id);
            return Err(IamError::Validation(message));
        }
        Ok(AccessKeyInfo { account: self.account().to_string() })
    }

    pub(crate) async fn assume_role_operation(
        self: Arc<Self>,
        call: Call,
        input: AssumeRole,
    ) -> Result<AssumedRole, IamError> {
        if input.token_code.is_some() || input.serial_number.is_some() {
            let message = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
            return Err(IamError::AccessDenied(message.to_owned()));
        }
        if input.source_identity.is_some() {
            return Err(IamError::Validation("SourceIdentity is not supported".to_owned()));
        }
        let role: Option<Arc<RoleFacts>> = match input.role_arn.parse::<Arn>() {
            Ok(arn) => self.role_by_arn(&arn).await?,
            Err(_) => {
                let message = format!("{} is invalid", input.role_arn);
                return Err(IamError::Validation(message));
            }
        };
        let limits = input.limits()?;
        let role = self.allowed_role(&call, &input, role, limits.as_ref().is_some_and(|l| !l.tags.is_empty())).await?;
        let seconds = input.duration_seconds.unwrap_or(SESSION_S_DEFAULT);
        check_duration(&call, &role, seconds, input.duration_seconds.is_some())?;
        let expires = self.now() + Duration::from_secs(seconds.unsigned_abs());
        let access_key_id = name::session_key_id(limits.is_some(), self.env.entropy());
        if let Some(record) = &limits {
            self.keep_session(&access_key_id, expires, record).await?;
        }
        let session = &input.role_session_name;
        let credentials = self.credentials(&role, session, access_key_id, expires);
        let arn = Arn::global("sts", self.account(), &format!("assumed-role/{}/{session}", role.name));
        Ok(AssumedRole {
            credentials: CredentialsShape {
                access_key_id: credentials.access_key_id,
                secret_access_key: credentials.secret_access_key,
                session_token: credentials.session_token,
                expiration: credentials.expires,
            },
            assumed_role_user: AssumedRoleUser {
                assumed_role_id: format!("{}:{session}", role.holder.id),
                arn: arn.to_string(),
            },
        })
    }

    /// The role, if the caller may assume it (and tag the session). A role that does not exist is refused in the same words.
    async fn allowed_role(
        &self,
        call: &Call,
        input: &AssumeRole,
        role: Option<Arc<RoleFacts>>,
        tags: bool,
    ) -> Result<Arc<RoleFacts>, IamError> {
        let denied = |action: &str| {
            let (who, what) = (&call.principal, &input.role_arn);
            IamError::AccessDenied(format!("User: {who} is not authorized to perform: {action} on resource: {what}"))
        };
        let Some(role) = role else { return Err(denied("sts:AssumeRole")) };
        let caller = self.caller(&call.principal).await?;
        let context = input.context();
        let keys = CallKeys { call, service: &context, tags: caller.tags(), owner: self.account() };
        let policies = Policies { owner: Some(self.account()), ..caller.policies() };
        for action in ["sts:AssumeRole", "sts:TagSession"].into_iter().take(if tags { 2 } else { 1 }) {
            let request = Request::new(&call.principal, action, &input.role_arn, &keys);
            if !decide_trust(&request, &role.trust, &policies).is_allowed() {
                return Err(denied(action));
            }
        }
        Ok(role)
    }

    /// Keeps what limits a session until it ends, and clears away some of those that have ended.
    async fn keep_session(&self, id: &str, expires: Timestamp, record: &SessionRecord) -> Result<(), IamError> {
        let now = self.env.now().as_secs().unsigned_abs();
        let ended = RangeReq::new(keys::sessions_ended(now), ENDED_CLEARED_MAX);
        self.db
            .transact(async |tx| {
                for row in tx.snapshot_range(ended.clone()).await? {
                    if let Some(id) = keys::session_of_end(&row.key) {
                        tx.clear(keys::session(&id));
                    }
                    tx.clear(row.key);
                }
                tx.set_record(keys::session(id), record)?;
                tx.set(keys::session_end(expires.as_secs().unsigned_abs(), id), Vec::new());
                Ok(())
            })
            .await
    }
}

fn check_duration(call: &Call, role: &RoleFacts, seconds: i64, asked: bool) -> Result<(), IamError> {
    let chained = matches!(&*call.principal, Principal::Session { .. });
    if chained && seconds > CHAINED_S_MAX {
        return Err(IamError::Validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
                .to_owned(),
        ));
    }
    if asked && seconds > i64::from(role.session_s_max) {
        return Err(IamError::Validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
        ));
    }
    Ok(())
}
