//! What one service does to another.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::ports::{Access, Identity, Verdict};
use cauce_core::{Account, Arn, Call, Env, Region, ServiceError, Timestamp, Trace};
use cauce_store::{RecordError, RowCodec};
use serde::{Deserialize, Serialize};

use crate::policy::{Failures, Policy};

/// The longest chain of effects that cause one another inside one transaction (a bus that feeds a bus that feeds a bus ...).
/// What is longer is a loop.
pub const HOPS_MAX: u8 = 16;

/// The largest payload of an effect, in bytes. The largest that a service sends on is S3's and SNS's, far below.
pub const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Names one effect for ever: the microsecond of its birth and 64 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectId(pub u128);

impl EffectId {
    /// When it was sent.
    pub fn born(self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.0 >> 64).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Something that shall happen to a target because of what the surrounding transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Whom it happens to.
    pub target: Arn,
    /// What did it, for people: `rule/orders/on-approved`, `function/f (asynchronous)`.
    pub cause: String,
    /// The service that acts, as policies name it: `events.amazonaws.com`.
    pub service: String,
    /// The resource on whose behalf it acts (the rule, the topic): `aws:SourceArn`.
    pub source: Option<Arn>,
    /// The account it acts for.
    pub account: Account,
    /// The region it acts in.
    pub region: Region,
    /// Where in a causal tree it stands; what the target does is a child of this.
    pub trace: Trace,
    /// How long and how often it is tried.
    pub policy: Policy,
    /// What the target needs to know besides the payload (a message group, a role), by name.
    #[serde(default)]
    pub attributes: Vec<(String, String)>,
    /// How many effects within this transaction led to this one.
    #[serde(default)]
    pub hops: u8,
    /// What the target receives.
    #[serde(skip)]
    pub payload: Bytes,
}

/// The attribute that names the role under which the sender acts, where it acts under one.
pub const ROLE_ARN: &str = "role-arn";

impl Effect {
    /// Refuses an effect whose sender may not do this to its target: neither the service by the target's own policy, nor the role
    /// under which it acts by what that role allows.
    ///
    /// # Errors
    /// 403 `AccessDeniedException` with AWS's wording; 5xx if policies cannot be read.
    pub async fn authorize(&self, identity: &dyn Identity, env: &Env, access: &Access<'_>) -> Result<(), ServiceError> {
        let source = self.source.as_ref();
        let mut call = Call::from_service(env, &self.service, source, self.account, self.region.clone(), self.trace);
        let Verdict::Denied(why) = identity.explain(&call, access).await? else { return Ok(()) };
        let (action, resource) = (access.action, access.resource);
        let Some(role) = self.attribute(ROLE_ARN) else {
            let message =
                format!("{} is not authorized to perform: {action} on resource: {resource} {why}", self.service);
            return Err(ServiceError::access_denied(message).with_status(403));
        };
        let invalid = |_| ServiceError::access_denied(format!("{role} is not the ARN of a role")).with_status(403);
        let role = role.parse().map_err(invalid)?;
        let session = format!("{:016x}", env.entropy().u64());
        call.principal = Arc::new(identity.session(&role, &self.service, &session).await?);
        identity.authorize(&call, access).await.map_err(|refusal| refusal.with_status(403))
    }

    /// The attribute by this name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// An effect that waits for its next attempt, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) effect: Effect,
    pub(crate) born: Timestamp,
    /// Whether the target has said yes to it; until then an attempt begins with asking again.
    pub(crate) accepted: bool,
    pub(crate) failures: Failures,
    pub(crate) last_error: Option<(String, String)>,
}

/// Layout of a row: version, length of the JSON head, the head, then the payload as it is. The payload is most of a row and is
/// neither escaped nor parsed.
const VERSION: u8 = 1;

impl RowCodec for Pending {
    fn encode_row(&self) -> Result<Bytes, RecordError> {
        let head = serde_json::to_vec(self).map_err(|e| RecordError::Encode(e.to_string()))?;
        let len = u32::try_from(head.len()).map_err(|e| RecordError::Encode(e.to_string()))?;
        let mut row = Vec::with_capacity(5 + head.len() + self.effect.payload.len());
        row.push(VERSION);
        row.extend_from_slice(&len.to_be_bytes());
        row.extend_from_slice(&head);
        row.extend_from_slice(&self.effect.payload);
        Ok(row.into())
    }

    fn decode_row(row: &[u8]) -> Result<Pending, RecordError> {
        let cut = || RecordError::Payload("the row is cut off".to_owned());
        let (version, rest) = row.split_first().ok_or_else(cut)?;
        if *version != VERSION {
            return Err(RecordError::Version { found: *version, written: VERSION });
        }
        let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| cut())?;
        let (head, payload) = rest.split_at_checked(len).ok_or_else(cut)?;
        let mut pending: Pending = serde_json::from_slice(head).map_err(|e| RecordError::Payload(e.to_string()))?;
        pending.effect.payload = Bytes::copy_from_slice(payload);
        Ok(pending)
    }
}
