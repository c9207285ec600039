//! What a policy is asked.

use std::borrow::Cow;

use cauce_core::Principal;

/// The values of one condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values<'a> {
    /// One value.
    One(Cow<'a, str>),
    /// Several, of a key such as `aws:TagKeys`.
    Many(&'a [String]),
}

impl<'a> Values<'a> {
    /// One value.
    pub fn one(value: impl Into<Cow<'a, str>>) -> Values<'a> {
        Values::One(value.into())
    }

    /// The value, if there is exactly one.
    pub fn single(&self) -> Option<&str> {
        match self {
            Values::One(value) => Some(value),
            Values::Many([value]) => Some(value),
            Values::Many(_) => None,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Values::One(value) => (Some(&**value), [].as_slice()),
            Values::Many(many) => (None, *many),
        };
        one.into_iter().chain(many.iter().map(String::as_str))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Values::Many([]))
    }
}

/// Answers condition keys. AWS: IAM User Guide, *AWS global condition context keys*.
pub trait Keys {
    /// The values of `key`, which is given in lower case; `None` if the request has no such key.
    fn get(&self, key: &str) -> Option<Values<'_>>;
}

/// No keys at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeys;

impl Keys for NoKeys {
    fn get(&self, _key: &str) -> Option<Values<'_>> {
        None
    }
}

/// One question to the policies.
pub struct Request<'a> {
    pub(crate) principal: &'a Principal,
    /// In lower case.
    pub(crate) action: String,
    pub(crate) resource: &'a str,
    pub(crate) keys: &'a dyn Keys,
}

impl<'a> Request<'a> {
    /// May `principal` do `action` (`service:Operation`) to `resource` (an ARN or `*`)?
    pub fn new(principal: &'a Principal, action: &str, resource: &'a str, keys: &'a dyn Keys) -> Request<'a> {
        Request { principal, action: action.to_ascii_lowercase(), resource, keys }
    }
}
