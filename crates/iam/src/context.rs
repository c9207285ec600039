//! The global condition keys, answered from a call.
//!
//! AWS: IAM User Guide, *AWS global condition context keys*.

use std::borrow::Cow;

use cauce_core::{Account, Call, Principal};

use crate::model::Tag;
use crate::policy::{Keys, Values};

const PRINCIPAL_TAG: &str = "aws:principaltag/";

/// The keys of one question.
pub(crate) struct CallKeys<'a> {
    pub(crate) call: &'a Call,
    /// What the service knows, by any case.
    pub(crate) service: &'a [(String, Vec<String>)],
    /// Tags of the session first, then of the user or role.
    pub(crate) tags: [&'a [Tag]; 2],
    pub(crate) owner: Account,
}

impl Keys for CallKeys<'_> {
    fn get(&self, key: &str) -> Option<Values<'_>> {
        if let Some((_, values)) = self.service.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)) {
            return Some(Values::Many(values));
        }
        if let Some(tag) = key.strip_prefix(PRINCIPAL_TAG) {
            let mut tags = self.tags.iter().flat_map(|tags| tags.iter());
            return tags.find(|t| t.key.to_lowercase() == tag).map(|t| Values::one(t.value.as_str()));
        }
        self.global(key)
    }
}

impl CallKeys<'_> {
    fn global(&self, key: &str) -> Option<Values<'_>> {
        let call = self.call;
        let principal = &*call.principal;
        let owned = |text: String| Some(Values::One(Cow::Owned(text)));
        let yes = |flag: bool| Some(Values::one(if flag { "true" } else { "false" }));
        match key {
            // A service calls from nowhere: AWS leaves the key out then as well.
            "aws:sourceip" if !is_service(principal) => owned(call.source_ip?.to_canonical().to_string()),
            "aws:securetransport" => yes(call.secure),
            "aws:currenttime" => owned(call.received.iso_secs()),
            "aws:epochtime" => owned(call.received.as_secs().to_string()),
            "aws:requestedregion" => Some(Values::one(call.region.as_str())),
            "aws:resourceaccount" => owned(self.owner.to_string()),
            "aws:principalarn" => match principal {
                // Of a session it is the role, not the session.
                Principal::Session { role, .. } => Some(Values::one(role.as_str())),
                other => owned(other.arn()?.to_string()),
            },
            "aws:principalaccount" if !is_service(principal) => owned(principal.account()?.to_string()),
            "aws:principaltype" => Some(Values::one(match principal {
                Principal::Root { .. } => "Account",
                Principal::User { .. } => "User",
                Principal::Session { .. } => "AssumedRole",
                Principal::Service { .. } => return None,
                Principal::Anonymous => "Anonymous",
            })),
            "aws:principalisawsservice" => yes(is_service(principal)),
            "aws:viaawsservice" => yes(false),
            "aws:userid" => match principal {
                Principal::Root { account, .. } => owned(account.to_string()),
                Principal::User { id, .. } | Principal::Session { id, .. } => Some(Values::one(id.as_str())),
                Principal::Service { .. } => None,
                Principal::Anonymous => Some(Values::one("anonymous")),
            },
            "aws:username" => match principal {
                Principal::User { arn, .. } => Some(Values::one(arn.resource().rsplit('/').next()?.to_owned())),
                _ => None,
            },
            // There for temporary credentials only, and ours never come from a second factor.
            "aws:multifactorauthpresent" if matches!(principal, Principal::Session { .. }) => yes(false),
            "aws:principalservicename" | "aws:sourcearn" | "aws:sourceaccount" => self.of_service(key),
            _ => None,
        }
    }

    fn of_service(&self, key: &str) -> Option<Values<'_>> {
        let Principal::Service { name, account, source } = &*self.call.principal else { return None };
        match (key, source) {
            ("aws:principalservicename", _) => Some(Values::one(name.as_str())),
            ("aws:sourcearn", Some(source)) => Some(Values::one(source.as_str())),
            ("aws:sourceaccount", source) => {
                // A bucket's ARN names no account.
                let account = source.as_ref().and_then(cauce_core::Arn::account).unwrap_or(*account);
                Some(Values::One(Cow::Owned(account.to_string())))
            }
            _ => None,
        }
    }
}

fn is_service(principal: &Principal) -> bool {
    matches!(principal, Principal::Service { .. })
}
