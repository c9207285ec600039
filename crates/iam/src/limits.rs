//! Quotas. AWS: IAM User Guide, *IAM and AWS STS quotas* (the defaults, not what can be asked for).

use crate::error::IamError;

pub(crate) const ROLES_MAX: i64 = 1_000;
pub(crate) const USERS_MAX: i64 = 5_000;
pub(crate) const POLICIES_MAX: i64 = 1_500;
/// Managed policies attached to one role or user.
pub(crate) const ATTACHED_MAX: usize = 10;
pub(crate) const ACCESS_KEYS_PER_USER_MAX: usize = 2;
pub(crate) const VERSIONS_PER_POLICY_MAX: usize = 5;
/// Documents are measured in characters without white space.
pub(crate) const MANAGED_CHARS_MAX: usize = 6_144;
/// A trust policy.
pub(crate) const TRUST_CHARS_MAX: usize = 2_048;
/// All inline policies of a role together.
pub(crate) const ROLE_INLINE_CHARS_MAX: usize = 10_240;
/// All inline policies of a user together.
pub(crate) const USER_INLINE_CHARS_MAX: usize = 2_048;
/// A policy given when a role is assumed.
pub(crate) const SESSION_POLICY_CHARS_MAX: usize = 2_048;
pub(crate) const SESSION_POLICY_ARNS_MAX: usize = 10;
pub(crate) const DESCRIPTION_CHARS_MAX: usize = 1_000;

/// The length of a document as quotas measure it.
pub(crate) fn chars(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// Refuses more than a quota.
pub(crate) fn check<T: PartialOrd + std::fmt::Display>(what: &str, value: T, max: T) -> Result<(), IamError> {
    if value > max {
        return Err(IamError::LimitExceeded(format!("Cannot exceed quota for {what}: {max}")));
    }
    Ok(())
}
