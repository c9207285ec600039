//! What an effect on a queue says of its message besides the body: the names of its attributes.
//!
//! An effect whose target is a queue carries the body as its payload, the message group and deduplication id as the attributes
//! [`GROUP_ID`] and [`DEDUPLICATION_ID`], a trace header as [`TRACE_HEADER`], and each message attribute as [`attribute`] makes
//! it.

/// The attribute that names the message group.
pub const GROUP_ID: &str = "message-group-id";
/// The attribute that names the deduplication id.
pub const DEDUPLICATION_ID: &str = "message-deduplication-id";
/// The attribute that becomes the system attribute `AWSTraceHeader`.
pub const TRACE_HEADER: &str = "message-trace-header";

const ATTRIBUTE: &str = "message-attribute/";

/// The effect's attribute for the message attribute `name` of the type `data_type` (`String`, `Number`, `Binary`, or one of them
/// with a dot and a label). The value of a binary one is base64.
pub fn attribute(name: &str, data_type: &str, value: impl Into<String>) -> (String, String) {
    (format!("{ATTRIBUTE}{name}/{data_type}"), value.into())
}

/// Name and type of the message attribute for which the effect's attribute `name` stands, if it stands for one.
pub fn read_attribute_name(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(ATTRIBUTE)?.split_once('/')
}

/// Whether the effect's attribute `name` says something of the message, so that it goes with it into a dead-letter queue.
pub(crate) fn is_about_message(name: &str) -> bool {
    [GROUP_ID, DEDUPLICATION_ID, TRACE_HEADER].contains(&name) || name.starts_with(ATTRIBUTE)
}

#[cfg(test)]
mod tests {
    #[test]
    fn attributes_come_back() {
        let (name, value) = super::attribute("a.b", "String.c/d", "v");
        assert_eq!((super::read_attribute_name(&name), value.as_str()), (Some(("a.b", "String.c/d")), "v"));
        assert_eq!(super::read_attribute_name("message-group-id"), None);
    }
}
