//! One request's context: who asks, for which account, in which region, since when.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Account, Arn, Entropy, Env, Region, Timestamp, Trace};

/// The id under which a request is known to its caller (`x-amzn-RequestId`), to the log and to the lineage.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A fresh id.
    pub fn random(entropy: &dyn Entropy) -> RequestId {
        RequestId(entropy.uuid().into())
    }

    /// An id received from elsewhere.
    pub fn from_text(text: &str) -> RequestId {
        RequestId(text.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// The owner of the account; no identity policy limits it.
    Root {
        /// The account.
        account: Account,
        /// The key that signed.
        access_key_id: String,
    },
    /// A user with long-lived keys.
    User {
        /// `arn:aws:iam::ACCOUNT:user/NAME`.
        arn: Arn,
        /// `AIDA...`.
        id: String,
        /// The key that signed.
        access_key_id: String,
    },
    /// A session of an assumed role.
    Session {
        /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
        arn: Arn,
        /// `arn:aws:iam::ACCOUNT:role/ROLE`, with its path.
        role: Arn,
        /// `AROA...:SESSION`.
        id: String,
        /// The key that signed.
        access_key_id: String,
    },
    /// A service acting for the account, for example `events.amazonaws.com`.
    Service {
        /// The service's name as policies write it.
        name: String,
        /// The account it acts for.
        account: Account,
        /// The resource on whose behalf (a rule, a bucket), for `aws:SourceArn`.
        source: Option<Arn>,
    },
    /// Nobody: an unsigned request where one is allowed.
    Anonymous,
}

impl Principal {
    /// The ARN by which error messages and policies name this principal; `None` for anonymous callers and services.
    pub fn arn(&self) -> Option<Arn> {
        match self {
            Principal::Root { account, .. } => Some(Arn::global("iam", *account, "root")),
            Principal::User { arn, .. } | Principal::Session { arn, .. } => Some(arn.clone()),
            Principal::Service { .. } | Principal::Anonymous => None,
        }
    }

    /// The account it belongs to.
    pub fn account(&self) -> Option<Account> {
        match self {
            Principal::Root { account, .. } | Principal::Service { account, .. } => Some(*account),
            Principal::User { arn, .. } | Principal::Session { arn, .. } => arn.account(),
            Principal::Anonymous => None,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::Service { name, .. } => f.write_str(name),
            Principal::Anonymous => f.write_str("anonymous"),
            other => other.arn().map_or(Ok(()), |arn| fmt::Display::fmt(&arn, f)),
        }
    }
}

/// One request's context. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Call {
    /// The account the request is about.
    pub account: Account,
    /// The region of the signature's scope.
    pub region: Region,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// The request's id.
    pub request_id: RequestId,
    /// Where in a causal tree this request stands.
    pub trace: Trace,
    /// When the request arrived.
    pub received: Timestamp,
    /// When its caller will no longer wait.
    pub deadline: Timestamp,
    /// The peer's address; `None` for calls made inside the program.
    pub source_ip: Option<IpAddr>,
    /// The `Host` header, from which URLs in answers are built (`127.0.0.1:4566`).
    pub host: Arc<str>,
    /// Whether `aws:SecureTransport` is true: TLS, or plain HTTP over loopback.
    pub secure: bool,
}

impl Call {
    /// A call made by a service of this program, on behalf of `source`, in the causal tree of `trace`.
    pub fn from_service(
        env: &Env,
        name: &str,
        source: Option<&Arn>,
        account: Account,
        region: Region,
        trace: Trace,
    ) -> Call {
        let now = env.now();
        let principal = Principal::Service { name: name.to_owned(), account, source: source.cloned() };
        Call {
            account,
            region,
            principal: Arc::new(principal),
            request_id: RequestId::random(env.entropy()),
            trace,
            received: now,
            deadline: now + std::time::Duration::from_secs(60),
            source_ip: None,
            host: "127.0.0.1".into(),
            secure: true,
        }
    }

    /// The ARN of a resource of `service` in this call's account and region.
    pub fn arn(&self, service: &str, resource: &str) -> Arn {
        Arn::new(service, &self.region, self.account, resource)
    }
}
