//! Lifecycle rules: reading, checking and writing them, and what one asks of a version or an upload.
//!
//! AWS: S3 User Guide, "Lifecycle configuration elements".

use cauce_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Plain, Result, S3Error};
use crate::model::Tag;
use crate::tags::{parse_tag, write_tags};
use crate::xml::{Element, Writer};

/// How many rules a bucket may have.
const RULES_MAX: usize = 1_000;
/// The longest id of a rule, in characters.
const ID_CHARS_MAX: usize = 255;
const DAY_S: i64 = 24 * 60 * 60;

/// One rule. Transitions to other storage classes are refused, so they do not appear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LifecycleRule {
    pub(crate) id: String,
    pub(crate) enabled: bool,
    #[serde(default)]
    pub(crate) filter: Filter,
    /// The current version goes so many days after it was written.
    #[serde(default)]
    pub(crate) expire_days: Option<i64>,
    /// Current versions go from this day on.
    #[serde(default)]
    pub(crate) expire_date: Option<Timestamp>,
    /// A delete marker without older versions goes.
    #[serde(default)]
    pub(crate) expire_markers: bool,
    /// An older version goes so many days after it became one.
    #[serde(default)]
    pub(crate) older_days: Option<i64>,
    /// So many of the newest older versions stay nevertheless.
    #[serde(default)]
    pub(crate) older_kept: usize,
    /// An upload is aborted so many days after it began.
    #[serde(default)]
    pub(crate) abort_days: Option<i64>,
}

/// Which objects a rule is about: all that satisfy everything here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filter {
    /// Whether the prefix stood directly in the rule, as the older form has it.
    #[serde(default)]
    pub(crate) old_form: bool,
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    #[serde(default)]
    pub(crate) above_bytes: Option<u64>,
    #[serde(default)]
    pub(crate) below_bytes: Option<u64>,
}

impl Filter {
    /// Whether an object is meant.
    pub(crate) fn matches(&self, key: &str, bytes: u64, tags: &[Tag]) -> bool {
        self.matches_key(key)
            && self.tags.iter().all(|tag| tags.contains(tag))
            && self.above_bytes.is_none_or(|above| bytes > above)
            && self.below_bytes.is_none_or(|below| bytes < below)
    }

    /// Whether the prefix fits.
    pub(crate) fn matches_key(&self, key: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str()))
    }

    fn conditions(&self) -> usize {
        usize::from(self.prefix.is_some())
            + self.tags.len()
            + usize::from(self.above_bytes.is_some())
            + usize::from(self.below_bytes.is_some())
    }
}

/// Whether something that began at `since` is over after so many days: AWS rounds up to the next midnight UTC.
pub(crate) fn is_over(since: Timestamp, days: i64, now: Timestamp) -> bool {
    let end_s = since.as_secs().saturating_add(days.saturating_mul(DAY_S));
    let midnight_s = end_s.saturating_add(DAY_S - 1).div_euclid(DAY_S).saturating_mul(DAY_S);
    now.as_secs() >= midnight_s
}

/// Reads a `LifecycleConfiguration`.
///
/// # Errors
/// `MalformedXML`, `InvalidArgument`; `NotImplemented` for transitions.
pub(crate) fn parse_lifecycle(document: &Element) -> Result<Vec<LifecycleRule>> {
    document.only(&["Rule"])?;
    if document.children.is_empty() || document.children.len() > RULES_MAX {
        return Err(Plain::MalformedXml.into());
    }
    let mut rules: Vec<LifecycleRule> = Vec::new();
    for (at, element) in document.children.iter().enumerate() {
        let mut rule = parse_rule(element)?;
        if rule.id.is_empty() {
            rule.id = format!("rule-{}", at + 1);
        }
        if rules.iter().any(|other| other.id == rule.id) {
            return Err(S3Error::argument(
                "Rule ID must be unique. Found same ID for more than one rule",
                "ID",
                &rule.id,
            ));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn parse_rule(element: &Element) -> Result<LifecycleRule> {
    element.only(&[
        "ID",
        "Status",
        "Prefix",
        "Filter",
        "Expiration",
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
        "Transition",
        "NoncurrentVersionTransition",
    ])?;
    if element.children.iter().any(|child| child.name.ends_with("Transition")) {
        return Err(Plain::NotImplemented.into());
    }
    let mut rule =
        LifecycleRule { id: element.text_of("ID")?.unwrap_or_default().to_owned(), ..LifecycleRule::default() };
    if rule.id.chars().count() > ID_CHARS_MAX {
        let message = format!("ID length should not exceed allowed limit of {ID_CHARS_MAX}");
        return Err(S3Error::argument(message, "ID", &rule.id));
    }
    rule.enabled = match element.required("Status")? {
        "Enabled" => true,
        "Disabled" => false,
        _ => return Err(Plain::MalformedXml.into()),
    };
    rule.filter = match (element.child("Filter")?, element.text_of("Prefix")?) {
        (Some(filter), None) => parse_filter(filter)?,
        (None, Some(prefix)) => Filter { old_form: true, prefix: Some(prefix.to_owned()), ..Filter::default() },
        _ => return Err(Plain::MalformedXml.into()),
    };
    if let Some(expiration) = element.child("Expiration")? {
        parse_expiration(expiration, &mut rule)?;
    }
    if let Some(older) = element.child("NoncurrentVersionExpiration")? {
        older.only(&["NoncurrentDays", "NewerNoncurrentVersions"])?;
        rule.older_days = Some(days(older.required("NoncurrentDays")?, "NoncurrentDays")?);
        let kept = older.text_of("NewerNoncurrentVersions")?.map_or(Ok(0), str::parse);
        rule.older_kept = kept.map_err(|_| Plain::MalformedXml)?;
    }
    if let Some(abort) = element.child("AbortIncompleteMultipartUpload")? {
        abort.only(&["DaysAfterInitiation"])?;
        rule.abort_days = Some(days(abort.required("DaysAfterInitiation")?, "DaysAfterInitiation")?);
        if !rule.filter.tags.is_empty() {
            let message = "AbortIncompleteMultipartUpload cannot be specified with Tags.";
            return Err(S3Error::request(message));
        }
    }
    let acts = rule.expire_days.is_some()
        || rule.expire_date.is_some()
        || rule.expire_markers
        || rule.older_days.is_some()
        || rule.abort_days.is_some();
    if acts { Ok(rule) } else { Err(S3Error::request("At least one action needs to be specified in a rule")) }
}

fn parse_expiration(element: &Element, rule: &mut LifecycleRule) -> Result<()> {
    element.only(&["Days", "Date", "ExpiredObjectDeleteMarker"])?;
    match (element.text_of("Days")?, element.text_of("Date")?, element.flag("ExpiredObjectDeleteMarker")?) {
        (Some(text), None, None) => rule.expire_days = Some(days(text, "Days")?),
        (None, Some(text), None) => {
            let date = Timestamp::parse(text.trim()).ok_or(Plain::MalformedXml)?;
            if date.as_secs().rem_euclid(DAY_S) != 0 {
                return Err(S3Error::argument("'Date' must be at midnight GMT", "Date", text));
            }
            rule.expire_date = Some(date);
        }
        (None, None, Some(markers)) => rule.expire_markers = markers,
        _ => return Err(Plain::MalformedXml.into()),
    }
    Ok(())
}

fn parse_filter(element: &Element) -> Result<Filter> {
    const ALONE: [&str; 4] = ["Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"];
    if let Some(all) = element.child("And")? {
        element.only(&["And"])?;
        all.only(&ALONE)?;
        return read_filter(all);
    }
    element.only(&ALONE)?;
    if element.children.len() > 1 {
        return Err(Plain::MalformedXml.into());
    }
    read_filter(element)
}

fn read_filter(element: &Element) -> Result<Filter> {
    let tags = element.children.iter().filter(|child| child.name == "Tag");
    let size = |name: &str| -> Result<Option<u64>> {
        let text = element.text_of(name)?;
        Ok(text.map(|text| text.trim().parse::<u64>()).transpose().map_err(|_| Plain::MalformedXml)?)
    };
    Ok(Filter {
        old_form: false,
        prefix: element.text_of("Prefix")?.map(str::to_owned),
        tags: tags.map(parse_tag).collect::<Result<_>>()?,
        above_bytes: size("ObjectSizeGreaterThan")?,
        below_bytes: size("ObjectSizeLessThan")?,
    })
}

fn days(text: &str, name: &str) -> Result<i64> {
    match text.trim().parse::<i32>() {
        Ok(days) if days > 0 => Ok(i64::from(days)),
        Ok(_) => {
            let message = format!("'{name}' for Expiration action must be a positive integer");
            Err(S3Error::argument(message, name, text))
        }
        Err(_) => Err(Plain::MalformedXml.into()),
    }
}

/// The `LifecycleConfiguration` of these rules.
pub(crate) fn write_lifecycle(rules: &[LifecycleRule]) -> String {
    let mut writer = Writer::new("LifecycleConfiguration");
    for rule in rules {
        writer.within("Rule", |w| write_rule(w, rule));
    }
    writer.finish()
}

fn write_rule(w: &mut Writer, rule: &LifecycleRule) {
    w.text("ID", &rule.id);
    if rule.filter.old_form {
        w.maybe("Prefix", rule.filter.prefix.as_deref());
    } else {
        w.within("Filter", |w| match rule.filter.conditions() {
            0 | 1 => write_filter(w, &rule.filter),
            _ => {
                w.within("And", |w| write_filter(w, &rule.filter));
            }
        });
    }
    w.text("Status", if rule.enabled { "Enabled" } else { "Disabled" });
    if rule.expire_days.is_some() || rule.expire_date.is_some() || rule.expire_markers {
        w.within("Expiration", |w| {
            w.maybe("Days", rule.expire_days);
            w.maybe("Date", rule.expire_date.map(Timestamp::iso_millis));
            w.maybe("ExpiredObjectDeleteMarker", rule.expire_markers.then_some(true));
        });
    }
    if let Some(days) = rule.older_days {
        w.within("NoncurrentVersionExpiration", |w| {
            w.text("NoncurrentDays", days);
            w.maybe("NewerNoncurrentVersions", (rule.older_kept > 0).then_some(rule.older_kept));
        });
    }
    if let Some(days) = rule.abort_days {
        w.around("AbortIncompleteMultipartUpload", "DaysAfterInitiation", days);
    }
}

fn write_filter(w: &mut Writer, filter: &Filter) {
    w.maybe("Prefix", filter.prefix.as_deref());
    write_tags(w, &filter.tags);
    w.maybe("ObjectSizeGreaterThan", filter.above_bytes);
    w.maybe("ObjectSizeLessThan", filter.below_bytes);
}

#[cfg(test)]
mod tests {
    use cauce_core::{ServiceError, Timestamp};

    use super::{is_over, parse_lifecycle, write_lifecycle};
    use crate::xml::Element;

    fn check(rules: &str, expect: Result<(), &str>) {
        let document = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        let parsed = parse_lifecycle(&Element::parse(document.as_bytes(), "LifecycleConfiguration").unwrap());
        let got = parsed.map(|rules| {
            let written = write_lifecycle(&rules);
            let again = parse_lifecycle(&Element::parse(written.as_bytes(), "LifecycleConfiguration").unwrap());
            assert_eq!(again.unwrap(), rules);
        });
        let got = got.err().map(|e| ServiceError::from(e).code().to_owned());
        assert_eq!(got.as_deref(), expect.err(), "{rules}");
    }

    #[test]
    fn rules_come_back_or_are_refused() {
        let expire = "<Expiration><Days>3</Days></Expiration>";
        check(&format!("<Rule><ID>a</ID><Status>Enabled</Status><Filter/>{expire}</Rule>"), Ok(()));
        check(&format!("<Rule><Status>Disabled</Status><Prefix>logs/</Prefix>{expire}</Rule>"), Ok(()));
        check(
            "<Rule><Status>Enabled</Status><Filter><And><Prefix>a</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>\
             <NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionExpiration></Rule>",
            Ok(()),
        );
        check(
            "<Rule><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><AbortIncompleteMultipartUpload>\
             <DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>",
            Ok(()),
        );
        check("", Err("MalformedXML"));
        check("<Rule><Status>Enabled</Status><Filter/></Rule>", Err("InvalidRequest"));
        check(&format!("<Rule><Status>Maybe</Status><Filter/>{expire}</Rule>"), Err("MalformedXML"));
        check(&format!("<Rule><Status>Enabled</Status>{expire}</Rule>"), Err("MalformedXML"));
        let zero = "<Expiration><Days>0</Days></Expiration>";
        check(&format!("<Rule><Status>Enabled</Status><Filter/>{zero}</Rule>"), Err("InvalidArgument"));
        let transition = "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>";
        check(&format!("<Rule><Status>Enabled</Status><Filter/>{transition}</Rule>"), Err("NotImplemented"));
        let twice = format!("<Rule><ID>a</ID><Status>Enabled</Status><Filter/>{expire}</Rule>").repeat(2);
        check(&twice, Err("InvalidArgument"));
    }

    #[test]
    fn days_end_at_the_next_midnight() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let written = at("2026-11-22T10:30:00Z");
        assert!(!is_over(written, 1, at("2026-11-23T10:31:00Z")));
        assert!(!is_over(written, 1, at("2026-11-23T23:59:59Z")));
        assert!(is_over(written, 1, at("2026-11-24T00:00:00Z")));
        assert!(is_over(at("2026-11-22T00:00:00Z"), 1, at("2026-11-23T00:00:00Z")));
    }
}
