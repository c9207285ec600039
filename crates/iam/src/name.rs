//! Names, paths, ids and tags: what they may look like.
//!
//! AWS: IAM User Guide, *IAM and AWS STS quotas*, *IAM identifiers*.

use cauce_core::{Entropy, Violations};

use crate::error::IamError;
use crate::model::Tag;

/// Tags of one entity.
pub(crate) const TAGS_MAX: usize = 50;
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;
/// Characters of a path, slashes included.
const PATH_CHARS_MAX: usize = 512;
/// Items of one page of a list.
pub(crate) const PAGE_ITEMS_MAX: i64 = 1_000;

/// What AWS draws ids from: the alphabet of base 32.
const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// As [`ID_ALPHABET`] without the letter that marks a limited session, see [`session_key_id`].
const UNMARKED: &[u8] = b"ABCDEFGHIJKMNOPQRSTUVWXYZ234567";
const LIMITED: &str = "L";
const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `AROA`, `AIDA`, `ANPA` and 17 characters.
pub(crate) fn entity_id(prefix: &str, entropy: &dyn Entropy) -> String {
    format!("{prefix}{}", entropy.text(ID_ALPHABET, 17))
}

/// `AKIA` and 16 characters.
pub(crate) fn access_key_id(entropy: &dyn Entropy) -> String {
    format!("AKIA{}", entropy.text(ID_ALPHABET, 16))
}

/// 40 characters.
pub(crate) fn secret(entropy: &dyn Entropy) -> String {
    entropy.text(SECRET_ALPHABET, 40)
}

/// `ASIA` and 16 characters, the first of which says whether the session is limited beyond its role. So the many sessions
/// that are not cost no look into the store, and one that is can never pass for one that is not.
pub(crate) fn session_key_id(limited: bool, entropy: &dyn Entropy) -> String {
    let mark = if limited { LIMITED.to_owned() } else { entropy.text(UNMARKED, 1) };
    format!("ASIA{mark}{}", entropy.text(ID_ALPHABET, 15))
}

/// Whether [`session_key_id`] marked it.
pub(crate) fn is_limited(session_key_id: &str) -> bool {
    session_key_id.strip_prefix("ASIA").is_some_and(|rest| rest.starts_with(LIMITED))
}

/// Refuses a name with other characters than letters, digits and `+=,.@_-`.
pub(crate) fn check_name(member: &str, name: &str) -> Result<(), IamError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    if !name.is_empty() && name.bytes().all(good) {
        return Ok(());
    }
    Err(IamError::Validation(format!(
        "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: \
         +=,.@_-"
    )))
}

/// Refuses a path that does not begin and end with a slash, or has other than printable characters.
pub(crate) fn check_path(path: &str) -> Result<(), IamError> {
    let good = path.len() <= PATH_CHARS_MAX && path.starts_with('/') && path.ends_with('/');
    if good && path.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(IamError::Validation(
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters \
         and/or / characters."
            .to_owned(),
    ))
}

/// The lengths of tags.
pub(crate) fn validate_tags(v: &mut Violations, tags: &[Tag]) {
    if tags.len() > TAGS_MAX {
        v.count("tags", tags.len(), 0, TAGS_MAX);
    }
    for (at, tag) in tags.iter().enumerate() {
        v.within("tags", |v| {
            v.within(at + 1, |v| {
                v.within("member", |v| {
                    v.length("key", &tag.key, 1, TAG_KEY_CHARS_MAX);
                    v.length("value", &tag.value, 0, TAG_VALUE_CHARS_MAX);
                });
            });
        });
    }
}

/// Adds or replaces tags.
///
/// # Errors
/// A key given twice, one that begins with `aws:`, too many.
pub(crate) fn merge_tags(tags: &mut Vec<Tag>, more: &[Tag]) -> Result<(), IamError> {
    let mut seen = std::collections::HashSet::new();
    for tag in more {
        let folded = tag.key.to_lowercase();
        if folded.starts_with("aws:") {
            return Err(IamError::InvalidInput(
                "aws: prefixed tag key names are not allowed for external use.".to_owned(),
            ));
        }
        if !seen.insert(folded.clone()) {
            return Err(IamError::InvalidInput(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
            ));
        }
        match tags.iter_mut().find(|t| t.key.to_lowercase() == folded) {
            Some(old) => *old = tag.clone(),
            None => tags.push(tag.clone()),
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(IamError::LimitExceeded(format!(
            "The number of tags has reached the maximum limit of {TAGS_MAX}."
        )));
    }
    Ok(())
}

/// `aws:RequestTag/...` and `aws:TagKeys` of a request that brings tags.
pub(crate) fn tag_keys(tags: &[Tag]) -> Vec<(String, Vec<String>)> {
    if tags.is_empty() {
        return Vec::new();
    }
    let each = tags.iter().map(|t| (format!("aws:RequestTag/{}", t.key), vec![t.value.clone()]));
    let all = ("aws:TagKeys".to_owned(), tags.iter().map(|t| t.key.clone()).collect());
    each.chain([all]).collect()
}

#[cfg(test)]
mod tests {
    use cauce_core::SeededEntropy;

    use super::{access_key_id, check_name, check_path, entity_id, is_limited, session_key_id};

    #[test]
    fn ids_have_the_length_of_those_of_aws() {
        let entropy = SeededEntropy::new(3);
        assert_eq!(entity_id("AROA", &entropy).len(), 21);
        assert_eq!(access_key_id(&entropy).len(), 20);
        for _ in 0..200 {
            let (limited, free) = (session_key_id(true, &entropy), session_key_id(false, &entropy));
            assert_eq!((limited.len(), free.len()), (20, 20));
            assert!(is_limited(&limited) && !is_limited(&free));
        }
    }

    #[test]
    fn names_and_paths() {
        for name in ["a", "A-b_c+d=e,f.g@h"] {
            assert!(check_name("roleName", name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a/b", "é"] {
            assert!(check_name("roleName", name).is_err(), "{name}");
        }
        for path in ["/", "/a/", "/a/b-c/"] {
            assert!(check_path(path).is_ok(), "{path}");
        }
        for path in ["", "a", "/a", "a/", "/a b/"] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }
}
