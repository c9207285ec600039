//! Keys, roles and policies: asked of `iam`.

use std::fmt;

use async_trait::async_trait;

use crate::{Arn, Call, Principal, ServiceError, Timestamp};

/// What an access key id stands for.
#[derive(Clone)]
pub struct AccessKey {
    /// The secret that signs. Never logged.
    pub secret: String,
    /// The token that must accompany a temporary key.
    pub session_token: Option<String>,
    /// Who signs with it.
    pub principal: Principal,
    /// When a temporary key ends.
    pub expires: Option<Timestamp>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// Temporary credentials of a role session.
#[derive(Clone)]
pub struct Credentials {
    /// `ASIA...`.
    pub access_key_id: String,
    /// The secret. Never logged.
    pub secret_access_key: String,
    /// The token that goes with every request.
    pub session_token: String,
    /// When they end.
    pub expires: Timestamp,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// A question to the policies: may the caller do this to that?
#[derive(Clone, Debug, Default)]
pub struct Access<'a> {
    /// `service:Operation`.
    pub action: &'a str,
    /// The ARN of what it is done to, `*` where the service has none.
    pub resource: &'a str,
    /// The resource's own policy document, where it has one.
    pub resource_policy: Option<&'a str>,
    /// Condition keys of the service with their values, besides the global ones that the call itself answers.
    pub context: Vec<(String, Vec<String>)>,
}

/// What the policies say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A statement allows it and none denies it; the text names the statement.
    Allowed(String),
    /// Refused; the text is the end of AWS's message ("because no identity-based policy allows the X action").
    Denied(String),
}

/// Answers who somebody is and what they may do.
#[async_trait]
pub trait Identity: Send + Sync + 'static {
    /// The key by this id, `None` if there is none.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    async fn access_key(&self, access_key_id: &str) -> Result<Option<AccessKey>, ServiceError>;

    /// The key by this id as a request presents it: with the session token it carries, if any.
    ///
    /// What `wire` asks. A temporary key need not be stored anywhere, its token can say everything about it; then the key is
    /// known only together with the token, and [`Identity::access_key`] does not find it.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    async fn presented_key(
        &self,
        access_key_id: &str,
        session_token: Option<&str>,
    ) -> Result<Option<AccessKey>, ServiceError> {
        let _ = session_token;
        self.access_key(access_key_id).await
    }

    /// Credentials for a session of `role` assumed by the service `service` (`lambda.amazonaws.com`), for functions.
    ///
    /// # Errors
    /// 403 `AccessDenied` if the role is missing or its trust policy does not allow the service.
    async fn assume_role(&self, role: &Arn, service: &str, session: &str) -> Result<Credentials, ServiceError>;

    /// Who a session of `role` assumed by the service `service` is: the caller of what that service does under the role.
    ///
    /// # Errors
    /// As [`Identity::assume_role`].
    async fn session(&self, role: &Arn, service: &str, session: &str) -> Result<Principal, ServiceError> {
        let made = self.assume_role(role, service, session).await?;
        let key = self.presented_key(&made.access_key_id, Some(&made.session_token)).await?;
        let key = key.ok_or_else(|| ServiceError::access_denied(format!("The session of {role} has ended")))?;
        Ok(key.principal)
    }

    /// What identity policies and the resource's policy say to `access` for the caller of `call`, with the reason.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    async fn explain(&self, call: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError>;

    /// Whether `document` can stand as the policy of a resource (a bus, a queue, a bucket). A service asks before it keeps one:
    /// a policy that cannot be read later denies everybody but the owner of the account.
    ///
    /// # Errors
    /// What is wrong with it, in AWS's words where IAM has some; the service wraps it in its own error code.
    fn check_resource_policy(&self, document: &str) -> Result<(), String> {
        let _ = document;
        Ok(())
    }

    /// Refuses a caller who may not hand on `role` to the service `service`. AWS: IAM User Guide, *Grant a user permissions to
    /// pass a role to an AWS service*.
    ///
    /// # Errors
    /// As [`Identity::authorize`].
    async fn authorize_pass_role(&self, call: &Call, role: &str, service: &str) -> Result<(), ServiceError> {
        let context = vec![("iam:PassedToService".to_owned(), vec![service.to_owned()])];
        let access = Access { action: "iam:PassRole", resource: role, resource_policy: None, context };
        self.authorize(call, &access).await
    }

    /// Whether the policies allow `access`, for whoever refuses in words of its own.
    ///
    /// # Errors
    /// As [`Identity::explain`].
    async fn allows(&self, call: &Call, access: &Access<'_>) -> Result<bool, ServiceError> {
        Ok(matches!(self.explain(call, access).await?, Verdict::Allowed(_)))
    }

    /// Refuses what the policies do not allow.
    ///
    /// # Errors
    /// `AccessDeniedException` with AWS's wording.
    async fn authorize(&self, call: &Call, access: &Access<'_>) -> Result<(), ServiceError> {
        match self.explain(call, access).await? {
            Verdict::Allowed(_) => Ok(()),
            Verdict::Denied(why) => {
                let (action, resource) = (access.action, access.resource);
                Err(ServiceError::access_denied(format!(
                    "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
                    call.principal
                )))
            }
        }
    }
}
