//! Tags, as most APIs take and show them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::violations::Violations;

/// The longest key of a tag, in characters.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// The longest value of a tag, in characters.
pub const TAG_VALUE_CHARS_MAX: usize = 256;

/// A tag, as most APIs name its members. What more there is to refuse than its lengths, each service says in words of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// 1 to [`TAG_KEY_CHARS_MAX`] characters.
    pub key: String,
    /// At most [`TAG_VALUE_CHARS_MAX`] characters.
    pub value: String,
}

impl Tag {
    /// Reports the tags of the member `tags` that are too long.
    pub fn validate(v: &mut Violations, tags: &[Tag]) {
        for (n, tag) in tags.iter().enumerate() {
            v.within(format!("tags.{}.member", n + 1), |v| {
                v.length("key", &tag.key, 1, TAG_KEY_CHARS_MAX);
                v.length("value", &tag.value, 0, TAG_VALUE_CHARS_MAX);
            });
        }
    }

    /// The tags by their keys; of those with the same key the last.
    pub fn map(tags: &[Tag]) -> BTreeMap<String, String> {
        tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
    }

    /// The tags in a map, in the order of their keys.
    pub fn list(map: &BTreeMap<String, String>) -> Vec<Tag> {
        map.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Tag;
    use crate::violations::Violations;

    #[test]
    fn lengths_are_checked_by_position_and_maps_come_back() {
        let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
        let mut v = Violations::new();
        Tag::validate(&mut v, &[tag("k", ""), tag(&"é".repeat(128), &"v".repeat(256))]);
        assert_eq!(v.message(), None);
        Tag::validate(&mut v, &[tag("k", ""), tag("", "")]);
        assert!(v.message().is_some_and(|message| message.contains("'tags.2.member.key'")), "{:?}", v.message());
        let mut v = Violations::new();
        Tag::validate(&mut v, &[tag("k", &"v".repeat(257))]);
        assert!(v.message().is_some_and(|message| message.contains("'tags.1.member.value'")));
        let map = Tag::map(&[tag("b", "1"), tag("a", "2"), tag("b", "3")]);
        assert_eq!(Tag::list(&map), [tag("a", "2"), tag("b", "3")]);
    }
}
