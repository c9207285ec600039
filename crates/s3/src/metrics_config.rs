//! Which requests of a bucket are measured: PutBucketMetricsConfiguration and its like.
//!
//! AWS: S3 User Guide, *CloudWatch metrics configurations*.

use serde::{Deserialize, Serialize};

use crate::error::{Plain, Result, S3Error};
use crate::model::Bucket;
use crate::request::{Body, Reply, Request};
use crate::s3::S3;
use crate::xml::{Element, Writer};

/// The most configurations of a bucket.
const CONFIGURATIONS_MAX: usize = 1_000;
/// The most of a page. AWS: *ListBucketMetricsConfigurations*.
const LIST_MAX: usize = 100;
/// The longest id, in characters.
const ID_CHARS_MAX: usize = 64;

/// Requests that are measured together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetricsConfiguration {
    pub(crate) id: String,
    /// Only those for objects whose keys begin so; `None` for all requests of the bucket.
    #[serde(default)]
    prefix: Option<String>,
}

impl MetricsConfiguration {
    /// Whether a request for this object, or for the bucket itself, is meant.
    pub(crate) fn matches(&self, key: Option<&str>) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| key.is_some_and(|key| key.starts_with(prefix.as_str())))
    }

    /// Reads a `MetricsConfiguration`.
    ///
    /// # Errors
    /// `MalformedXML`, `InvalidArgument`; `NotImplemented` for filters by tags and access points.
    fn parse(document: &Element) -> Result<MetricsConfiguration> {
        document.only(&["Id", "Filter"])?;
        let id = document.required("Id")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if id.is_empty() || id.len() > ID_CHARS_MAX || !id.chars().all(plain) {
            let message =
                format!("The ID must have 1 to {ID_CHARS_MAX} letters, numbers, periods, dashes and underscores");
            return Err(S3Error::argument(&message, "Id", id));
        }
        let prefix = match document.child("Filter")?.map(|filter| filter.children.as_slice()) {
            None => None,
            Some([only]) if only.name == "Prefix" => Some(only.text.clone()),
            Some([only]) if matches!(only.name.as_str(), "Tag" | "AccessPointArn" | "And") => {
                return Err(Plain::NotImplemented.into());
            }
            Some(_) => return Err(Plain::MalformedXml.into()),
        };
        Ok(MetricsConfiguration { id: id.to_owned(), prefix })
    }

    fn write(&self, w: &mut Writer) {
        w.text("Id", &self.id);
        if let Some(prefix) = &self.prefix {
            w.around("Filter", "Prefix", prefix);
        }
    }
}

/// The id in the query.
fn named(request: &Request) -> &str {
    request.query.get("id").unwrap_or_default()
}

impl S3 {
    /// GetBucketMetricsConfiguration.
    pub(crate) fn get_metrics(&self, request: &Request, bucket: &Bucket) -> Result<Reply> {
        let id = named(request);
        let found = bucket.metrics.iter().find(|one| one.id == id).ok_or(Plain::NoSuchConfiguration)?;
        let mut writer = Writer::new("MetricsConfiguration");
        found.write(&mut writer);
        Ok(Reply::xml(writer.finish()))
    }

    /// ListBucketMetricsConfigurations: in the order of their ids.
    pub(crate) fn list_metrics(&self, request: &Request, bucket: &Bucket) -> Reply {
        let after = request.query.get("continuation-token");
        let mut left = bucket.metrics.iter().filter(|one| after.is_none_or(|after| one.id.as_str() > after));
        let page: Vec<&MetricsConfiguration> = left.by_ref().take(LIST_MAX).collect();
        let next = left.next().and(page.last()).map(|last| last.id.as_str());
        let mut writer = Writer::new("ListMetricsConfigurationsResult");
        writer.text("IsTruncated", next.is_some());
        writer.maybe("ContinuationToken", after);
        writer.maybe("NextContinuationToken", next);
        for one in page {
            writer.within("MetricsConfiguration", |w| one.write(w));
        }
        Reply::xml(writer.finish())
    }

    /// PutBucketMetricsConfiguration: one that has this id is replaced.
    pub(crate) async fn put_metrics(&self, request: &Request, body: Body) -> Result<Reply> {
        let new = MetricsConfiguration::parse(&request.document(body, "MetricsConfiguration").await?)?;
        if new.id != named(request) {
            return Err(S3Error::argument("The ID of the request and of the document differ", "Id", &new.id));
        }
        self.change_bucket(request.bucket(), |bucket| {
            match bucket.metrics.binary_search_by(|one| one.id.cmp(&new.id)) {
                Ok(place) => bucket.metrics.splice(place..=place, [new.clone()]).for_each(drop),
                Err(_) if bucket.metrics.len() >= CONFIGURATIONS_MAX => return Err(Plain::TooManyConfigurations.into()),
                Err(place) => bucket.metrics.insert(place, new.clone()),
            }
            Ok(())
        })
        .await?;
        Ok(Reply::ok())
    }

    /// DeleteBucketMetricsConfiguration.
    pub(crate) async fn delete_metrics(&self, request: &Request) -> Result<Reply> {
        let id = named(request);
        self.change_bucket(request.bucket(), |bucket| {
            let before = bucket.metrics.len();
            bucket.metrics.retain(|one| one.id != id);
            if bucket.metrics.len() == before { Err(Plain::NoSuchConfiguration.into()) } else { Ok(()) }
        })
        .await?;
        Ok(Reply::no_content())
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::ServiceError;

    use super::MetricsConfiguration;
    use crate::xml::Element;

    fn check(inside: &str, expect: Result<Option<&str>, &str>) {
        let document = format!("<MetricsConfiguration>{inside}</MetricsConfiguration>");
        let parsed = MetricsConfiguration::parse(&Element::parse(document.as_bytes(), "MetricsConfiguration").unwrap());
        let parsed = parsed.map(|one| one.prefix).map_err(|error| ServiceError::from(error).code().to_owned());
        assert_eq!(parsed.as_ref().map(Option::as_deref).map_err(String::as_str), expect, "{inside}");
    }

    #[test]
    fn configurations_are_read_or_refused() {
        check("<Id>all</Id>", Ok(None));
        check("<Id>a.b-c_D9</Id><Filter><Prefix>in/</Prefix></Filter>", Ok(Some("in/")));
        check("<Id></Id>", Err("InvalidArgument"));
        check("<Id>a b</Id>", Err("InvalidArgument"));
        check(&format!("<Id>{}</Id>", "x".repeat(65)), Err("InvalidArgument"));
        check("<Filter/>", Err("MalformedXML"));
        check("<Id>a</Id><Filter/>", Err("MalformedXML"));
        check("<Id>a</Id><Filter><Prefix>a</Prefix><Prefix>b</Prefix></Filter>", Err("MalformedXML"));
        check("<Id>a</Id><Other/>", Err("MalformedXML"));
        check("<Id>a</Id><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>", Err("NotImplemented"));
    }

    #[test]
    fn a_prefix_leaves_out_the_bucket_itself() {
        let with =
            |prefix: Option<&str>| MetricsConfiguration { id: "a".to_owned(), prefix: prefix.map(str::to_owned) };
        let check = |prefix, key, expect| assert_eq!(with(prefix).matches(key), expect, "{prefix:?} {key:?}");
        check(None, None, true);
        check(None, Some("k"), true);
        check(Some("in/"), Some("in/k"), true);
        check(Some("in/"), Some("k"), false);
        check(Some("in/"), None, false);
    }
}
