//! Parts of answers that several operations share.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::model::Tag;
use crate::page::Page;
use crate::permissions::name_in_arn;

/// What RFC 3986 leaves as it is.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A policy document as IAM answers it.
pub(crate) fn encode(document: &str) -> String {
    utf8_percent_encode(document, &RESERVED).to_string()
}

/// The permissions boundary of a user or role.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Boundary {
    permissions_boundary_type: &'static str,
    permissions_boundary_arn: String,
}

impl Boundary {
    pub(crate) fn new(arn: &str) -> Boundary {
        let permissions_boundary_type = "PermissionsBoundaryPolicy";
        Boundary { permissions_boundary_type, permissions_boundary_arn: arn.to_owned() }
    }
}

/// An answer without members (which in XML is another thing than no answer), or an element of a list that never has one.
#[derive(Debug, Serialize)]
pub(crate) struct Empty {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagPage {
    tags: Vec<Tag>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

impl From<Page<Tag>> for TagPage {
    fn from(page: Page<Tag>) -> TagPage {
        TagPage { tags: page.items, is_truncated: page.next.is_some(), marker: page.next }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyNames {
    policy_names: Vec<String>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

impl From<Page<String>> for PolicyNames {
    fn from(page: Page<String>) -> PolicyNames {
        PolicyNames { policy_names: page.items, is_truncated: page.next.is_some(), marker: page.next }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AttachedPolicy {
    policy_name: String,
    policy_arn: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttachedPolicies {
    attached_policies: Vec<AttachedPolicy>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

impl From<Page<String>> for AttachedPolicies {
    /// From ARNs.
    fn from(page: Page<String>) -> AttachedPolicies {
        let page = page.map(|arn| AttachedPolicy { policy_name: name_in_arn(&arn).to_owned(), policy_arn: arn });
        AttachedPolicies { attached_policies: page.items, is_truncated: page.next.is_some(), marker: page.next }
    }
}
