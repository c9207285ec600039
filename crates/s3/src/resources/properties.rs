//! Reading the properties of a template into what the operations take.

use cauce_core::{ServiceError, Timestamp};
use serde_json::{Map, Value};

use crate::description::encryption_of;
use crate::error::{Plain, Result, S3Error};
use crate::lifecycle::LifecycleRule;
use crate::lifecycle::parse_lifecycle;
use crate::model::{Encryption, Ownership, PublicAccessBlock, Tag, Versioning};
use crate::tags::{BUCKET_TAGS_MAX, check_tags};
use crate::xml::Element;

/// The configuration of a bucket as a template has it; what it does not name is as a new bucket has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) versioning: Option<Versioning>,
    pub(super) encryption: Encryption,
    pub(super) public_access_block: PublicAccessBlock,
    pub(super) ownership: Ownership,
    pub(super) tags: Vec<Tag>,
    pub(super) lifecycle: Vec<LifecycleRule>,
}

impl Configuration {
    /// Reads and checks the properties of an `AWS::S3::Bucket`.
    ///
    /// # Errors
    /// `InvalidRequest` that names the property, and whatever S3 refuses.
    pub(super) fn read(properties: &Map<String, Value>) -> Result<Configuration> {
        match properties.get("AccessControl").map(Value::as_str) {
            None | Some(Some("Private")) => {}
            _ => return Err(Plain::AclNotSupported.into()),
        }
        let tags = properties.get("Tags").map_or(Ok(Vec::new()), read_tags)?;
        check_tags(&tags, BUCKET_TAGS_MAX, "Bucket")?;
        Ok(Configuration {
            versioning: properties.get("VersioningConfiguration").map(read_versioning).transpose()?,
            encryption: properties.get("BucketEncryption").map_or(Ok(Encryption::default()), read_encryption)?,
            public_access_block: properties
                .get("PublicAccessBlockConfiguration")
                .map_or(Ok(PublicAccessBlock::ALL), read_public_access_block)?,
            ownership: properties
                .get("OwnershipControls")
                .map_or(Ok(Ownership::BucketOwnerEnforced), read_ownership)?,
            tags,
            lifecycle: properties.get("LifecycleConfiguration").map_or(Ok(Vec::new()), read_lifecycle)?,
        })
    }
}

/// The members of an object, of which only `names` are known.
fn members<'v>(value: &'v Value, at: &str, names: &[&str]) -> Result<&'v Map<String, Value>> {
    let Value::Object(members) = value else { return Err(wrong(at, "an object")) };
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(unknown) => Err(S3Error::Service(ServiceError::new(
            501,
            "NotImplemented",
            format!("Property {at}.{unknown} is not implemented"),
        ))),
        None => Ok(members),
    }
}

fn wrong(at: &str, expected: &str) -> S3Error {
    S3Error::request(format!("Property {at} must be {expected}"))
}

/// A text, a number or a flag, as templates write either.
pub(super) fn text(value: &Value, at: &str) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(wrong(at, "a text")),
    }
}

fn flag(members: &Map<String, Value>, name: &str, at: &str) -> Result<bool> {
    match members.get(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text == "true" => Ok(true),
        Some(Value::String(text)) if text == "false" => Ok(false),
        Some(_) => Err(wrong(&format!("{at}.{name}"), "true or false")),
    }
}

fn list<'v>(value: &'v Value, at: &str) -> Result<&'v Vec<Value>> {
    value.as_array().ok_or_else(|| wrong(at, "a list"))
}

fn read_versioning(value: &Value) -> Result<Versioning> {
    let at = "VersioningConfiguration";
    let members = members(value, at, &["Status"])?;
    let status = members.get("Status").and_then(Value::as_str).and_then(Versioning::by_name);
    status.ok_or_else(|| wrong(&format!("{at}.Status"), "Enabled or Suspended"))
}

fn read_encryption(value: &Value) -> Result<Encryption> {
    let at = "BucketEncryption";
    let outer = members(value, at, &["ServerSideEncryptionConfiguration"])?;
    let at = "BucketEncryption.ServerSideEncryptionConfiguration";
    let rules = outer.get("ServerSideEncryptionConfiguration").map_or(Err(wrong(at, "a list")), |v| list(v, at))?;
    let [rule] = rules.as_slice() else { return Err(wrong(at, "a list of one rule")) };
    let rule = members(rule, at, &["ServerSideEncryptionByDefault", "BucketKeyEnabled"])?;
    let bucket_key = flag(rule, "BucketKeyEnabled", at)?;
    let Some(default) = rule.get("ServerSideEncryptionByDefault") else {
        return Ok(Encryption { bucket_key, ..Encryption::default() });
    };
    let default = members(default, at, &["SSEAlgorithm", "KMSMasterKeyID"])?;
    let algorithm = default.get("SSEAlgorithm").map_or(Err(wrong(at, "given an SSEAlgorithm")), |v| text(v, at))?;
    let key = default.get("KMSMasterKeyID").map(|v| text(v, at)).transpose()?;
    encryption_of(&algorithm, key.as_deref(), bucket_key)
}

fn read_public_access_block(value: &Value) -> Result<PublicAccessBlock> {
    let at = "PublicAccessBlockConfiguration";
    let names = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
    let members = members(value, at, &names)?;
    Ok(PublicAccessBlock {
        block_public_acls: flag(members, "BlockPublicAcls", at)?,
        ignore_public_acls: flag(members, "IgnorePublicAcls", at)?,
        block_public_policy: flag(members, "BlockPublicPolicy", at)?,
        restrict_public_buckets: flag(members, "RestrictPublicBuckets", at)?,
    })
}

fn read_ownership(value: &Value) -> Result<Ownership> {
    let at = "OwnershipControls";
    let rules =
        members(value, at, &["Rules"])?.get("Rules").map_or(Err(wrong(at, "a list of rules")), |v| list(v, at))?;
    let [rule] = rules.as_slice() else { return Err(wrong("OwnershipControls.Rules", "a list of one rule")) };
    let rule = members(rule, "OwnershipControls.Rules", &["ObjectOwnership"])?;
    let ownership = rule.get("ObjectOwnership").and_then(Value::as_str).and_then(Ownership::by_name);
    ownership.ok_or_else(|| wrong("OwnershipControls.Rules.ObjectOwnership", "one of AWS's"))
}

fn read_tags(value: &Value) -> Result<Vec<Tag>> {
    let read = |tag: &Value| {
        let tag = members(tag, "Tags", &["Key", "Value"])?;
        let member = |name: &str| tag.get(name).map_or(Err(wrong("Tags", "Key and Value")), |v| text(v, "Tags"));
        Ok(Tag { key: member("Key")?, value: member("Value")? })
    };
    list(value, "Tags")?.iter().map(read).collect()
}

/// Lifecycle rules go through the XML form of the same thing, so that they are checked in one place.
fn read_lifecycle(value: &Value) -> Result<Vec<LifecycleRule>> {
    let at = "LifecycleConfiguration";
    let outer = members(value, at, &["Rules"])?;
    let rules = outer.get("Rules").map_or(Err(wrong(at, "a list of rules")), |rules| list(rules, at))?;
    let children = rules.iter().map(lifecycle_rule).collect::<Result<_>>()?;
    parse_lifecycle(&Element { name: at.to_owned(), text: String::new(), children })
}

fn element(name: &str, text: impl Into<String>) -> Element {
    Element { name: name.to_owned(), text: text.into(), children: Vec::new() }
}

fn parent(name: &str, children: Vec<Element>) -> Element {
    Element { name: name.to_owned(), text: String::new(), children }
}

fn lifecycle_rule(value: &Value) -> Result<Element> {
    let at = "LifecycleConfiguration.Rules";
    let rule = members(
        value,
        at,
        &[
            "Id",
            "Status",
            "Prefix",
            "TagFilters",
            "ObjectSizeGreaterThan",
            "ObjectSizeLessThan",
            "ExpirationInDays",
            "ExpirationDate",
            "ExpiredObjectDeleteMarker",
            "NoncurrentVersionExpiration",
            "NoncurrentVersionExpirationInDays",
            "AbortIncompleteMultipartUpload",
        ],
    )?;
    let mut children = Vec::new();
    for (name, to) in [("Id", "ID"), ("Status", "Status")] {
        if let Some(value) = rule.get(name) {
            children.push(element(to, text(value, at)?));
        }
    }
    let mut filter = Vec::new();
    for name in ["Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan"] {
        if let Some(value) = rule.get(name) {
            filter.push(element(name, text(value, at)?));
        }
    }
    for tag in rule.get("TagFilters").map_or(Ok(Vec::new()), read_tags)? {
        filter.push(parent("Tag", vec![element("Key", tag.key), element("Value", tag.value)]));
    }
    let filter = if filter.len() > 1 { vec![parent("And", filter)] } else { filter };
    children.push(parent("Filter", filter));
    let expirations = [
        ("ExpirationInDays", "Days"),
        ("ExpirationDate", "Date"),
        ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
    ];
    let mut expiration = Vec::new();
    for (name, to) in expirations {
        if let Some(value) = rule.get(name) {
            let given = text(value, at)?;
            // Templates may leave out the time of day.
            let date = (to == "Date").then(|| Timestamp::parse(&format!("{given}T00:00:00Z"))).flatten();
            expiration.push(element(to, date.map_or(given, Timestamp::iso_millis)));
        }
    }
    if !expiration.is_empty() {
        children.push(parent("Expiration", expiration));
    }
    let nested = |name: &str, names: &[&str]| -> Result<Option<Element>> {
        let Some(value) = rule.get(name) else { return Ok(None) };
        let inner = members(value, &format!("{at}.{name}"), names)?;
        let children = inner.iter().map(|(name, value)| Ok(element(name, text(value, at)?))).collect::<Result<_>>()?;
        Ok(Some(parent(name, children)))
    };
    children.extend(nested("NoncurrentVersionExpiration", &["NoncurrentDays", "NewerNoncurrentVersions"])?);
    children.extend(nested("AbortIncompleteMultipartUpload", &["DaysAfterInitiation"])?);
    if let Some(days) = rule.get("NoncurrentVersionExpirationInDays") {
        children.push(parent("NoncurrentVersionExpiration", vec![element("NoncurrentDays", text(days, at)?)]));
    }
    Ok(parent("Rule", children))
}

#[cfg(test)]
mod tests {
    use cauce_core::ServiceError;
    use serde_json::{Value, json};

    use super::Configuration;

    fn check(properties: Value, expect: Option<&str>) {
        let got = Configuration::read(properties.as_object().unwrap());
        let got = got.err().map(|e| ServiceError::from(e).message().to_owned());
        assert_eq!(got.as_deref(), expect, "{properties}");
    }

    #[test]
    fn properties_read_or_are_refused_by_name() {
        check(json!({}), None);
        check(json!({"AccessControl": "Private"}), None);
        check(json!({"AccessControl": "PublicRead"}), Some("The bucket does not allow ACLs"));
        let rule = |default: Value| json!({"BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": default}]}});
        check(rule(json!({"SSEAlgorithm": "aws:kms"})), None);
        check(
            rule(json!({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-east-1:1:key/x"})),
            Some("A header you provided implies functionality that is not implemented"),
        );
        check(
            json!({"VersioningConfiguration": {"Status": "On"}}),
            Some("Property VersioningConfiguration.Status must be Enabled or Suspended"),
        );
        check(
            json!({"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Transitions": []}]}}),
            Some("Property LifecycleConfiguration.Rules.Transitions is not implemented"),
        );
    }

    #[test]
    fn what_deploy_tools_write_is_understood() {
        let properties = json!({
            "VersioningConfiguration": {"Status": "Enabled"},
            "PublicAccessBlockConfiguration": {"BlockPublicAcls": "true", "BlockPublicPolicy": true},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
            "Tags": [{"Key": "ManagedStackSource", "Value": "AwsSamCli"}],
            "LifecycleConfiguration": {"Rules": [
                {"Id": "CleanupOldVersions", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}},
                {"Id": "AbortIncompleteMultipartUploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
                {"Status": "Enabled", "Prefix": "a/", "TagFilters": [{"Key": "k", "Value": "v"}], "ExpirationInDays": "3"},
                {"Status": "Disabled", "ExpirationDate": "2030-01-01"},
            ]},
        });
        let read = Configuration::read(properties.as_object().unwrap()).unwrap();
        assert_eq!(read.lifecycle.len(), 4);
        assert_eq!(read.lifecycle[0].older_days, Some(30));
        assert_eq!(read.lifecycle[1].abort_days, Some(1));
        assert_eq!((read.lifecycle[2].filter.tags.len(), read.lifecycle[2].expire_days), (1, Some(3)));
        assert!(read.lifecycle[3].expire_date.is_some() && !read.lifecycle[3].enabled);
        assert!(read.public_access_block.block_public_acls && !read.public_access_block.restrict_public_buckets);
    }
}
