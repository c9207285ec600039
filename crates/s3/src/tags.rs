//! Tags of buckets and objects.
//!
//! AWS: S3 User Guide, "Categorizing your objects using tags".

use cauce_core::ServiceError;

use crate::error::{Plain, Result, S3Error};
use crate::model::Tag;
use crate::query::Query;
use crate::xml::{Element, Writer};

/// How many tags an object may have.
pub(crate) const OBJECT_TAGS_MAX: usize = 10;
/// How many tags a bucket may have.
pub(crate) const BUCKET_TAGS_MAX: usize = 50;
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

/// Refuses tags that AWS refuses.
///
/// # Errors
/// `InvalidTag`, `BadRequest` if there are more than `tags_max`.
pub(crate) fn check_tags(tags: &[Tag], tags_max: usize, of: &str) -> Result<()> {
    if tags.len() > tags_max {
        let message = format!("{of} tags cannot be greater than {tags_max}");
        return Err(S3Error::Service(ServiceError::new(400, "BadRequest", message)));
    }
    let invalid = |message: &str| Err(S3Error::InvalidTag { message: message.to_owned() });
    for (at, tag) in tags.iter().enumerate() {
        let chars = tag.key.chars().count();
        if chars == 0 || chars > KEY_CHARS_MAX || !tag.key.chars().all(may_stand) {
            return invalid("The TagKey you have provided is invalid");
        }
        if tag.value.chars().count() > VALUE_CHARS_MAX || !tag.value.chars().all(may_stand) {
            return invalid("The TagValue you have provided is invalid");
        }
        if tags.iter().take(at).any(|other| other.key == tag.key) {
            return invalid("Cannot provide multiple Tags with the same key");
        }
    }
    Ok(())
}

/// Refuses keys that belong to AWS; stacks may set those, users may not.
///
/// # Errors
/// `InvalidTag`.
pub(crate) fn check_no_system_tags(tags: &[Tag]) -> Result<()> {
    if tags.iter().any(|tag| tag.key.to_ascii_lowercase().starts_with("aws:")) {
        let message = "System tags cannot be added/updated by requester".to_owned();
        return Err(S3Error::InvalidTag { message });
    }
    Ok(())
}

fn may_stand(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)
}

/// Tags as the header `x-amz-tagging` has them: a query string.
///
/// # Errors
/// `InvalidArgument` if it does not read, and as [`check_tags`].
pub(crate) fn parse_tag_header(header: &str) -> Result<Vec<Tag>> {
    let malformed = |_| {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without \
                       tag name duplicates.";
        S3Error::argument(message, "x-amz-tagging", header)
    };
    let tags: Vec<Tag> =
        Query::parse(header).map_err(malformed)?.into_pairs().map(|(key, value)| Tag { key, value }).collect();
    check_tags(&tags, OBJECT_TAGS_MAX, "Object")?;
    check_no_system_tags(&tags)?;
    Ok(tags)
}

/// Tags as a `Tagging` document has them.
///
/// # Errors
/// `MalformedXML`.
pub(crate) fn parse_tagging(document: &Element) -> Result<Vec<Tag>> {
    let set = document.child("TagSet")?.ok_or(Plain::MalformedXml)?;
    set.only(&["Tag"])?;
    set.children.iter().map(parse_tag).collect()
}

/// One `Tag` element.
///
/// # Errors
/// `MalformedXML`.
pub(crate) fn parse_tag(element: &Element) -> Result<Tag> {
    Ok(Tag { key: element.required("Key")?.to_owned(), value: element.required("Value")?.to_owned() })
}

/// The `Tagging` document of these tags.
pub(crate) fn write_tagging(tags: &[Tag]) -> String {
    let mut writer = Writer::new("Tagging");
    writer.within("TagSet", |w| write_tags(w, tags));
    writer.finish()
}

/// One `Tag` element for each tag.
pub(crate) fn write_tags(writer: &mut Writer, tags: &[Tag]) {
    for tag in tags {
        writer.within("Tag", |w| {
            w.text("Key", &tag.key).text("Value", &tag.value);
        });
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::ServiceError;

    use super::parse_tag_header;

    #[test]
    fn tag_headers_read_or_are_refused() {
        let check = |header: &str, expect: Result<&str, &str>| {
            let got = parse_tag_header(header)
                .map(|tags| tags.iter().map(|t| format!("{}={};", t.key, t.value)).collect::<String>())
                .map_err(|e| ServiceError::from(e).code().to_owned());
            assert_eq!(got.as_deref().map_err(String::as_str), expect, "{header}");
        };
        check("a=1&b=x%20y", Ok("a=1;b=x y;"));
        check("a", Ok("a=;"));
        check("", Ok(""));
        check("a=1&a=2", Err("InvalidTag"));
        check("=1", Err("InvalidTag"));
        check("a=%ff", Err("InvalidArgument"));
        check("a=%3C", Err("InvalidTag"));
        check("aws:x=1", Err("InvalidTag"));
        check("a&b&c&d&e&f&g&h&i&j&k", Err("BadRequest"));
        check(&"k".repeat(129), Err("InvalidTag"));
    }
}
