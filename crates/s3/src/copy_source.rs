//! The source of a copy.

use percent_encoding::percent_decode_str;

use crate::access::{Question, authorize};
use crate::address::check_key;
use crate::error::{Plain, Result, S3Error};
use crate::model::{Object, Version};
use crate::request::{ByteStream, Request};
use crate::s3::S3;

/// What `x-amz-copy-source` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopySource {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
}

/// A source that was found, its bytes ready to flow.
pub(crate) struct FoundSource {
    pub(crate) version: Version,
    pub(crate) object: Object,
    pub(crate) stream: ByteStream,
}

impl CopySource {
    /// The source that `request` names: `/BUCKET/KEY` or `BUCKET/KEY`, percent-encoded, perhaps with `?versionId=ID`.
    ///
    /// # Errors
    /// `InvalidArgument` if it names none.
    pub(crate) fn of(request: &Request) -> Result<CopySource> {
        CopySource::parse(request.header("x-amz-copy-source").unwrap_or_default())
    }

    fn parse(header: &str) -> Result<CopySource> {
        let refused = |message: &str| S3Error::argument(message, "x-amz-copy-source", header);
        let (path, version) = match header.split_once("?versionId=") {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (header, None),
        };
        let path = percent_decode_str(path).decode_utf8().map_err(|_| refused("Invalid copy source encoding."))?;
        if path.starts_with("arn:") {
            return Err(Plain::NotImplemented.into());
        }
        let shape = || refused("Invalid copy source object key");
        let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(shape)?;
        if bucket.is_empty() || key.is_empty() || key.contains('\0') {
            return Err(shape());
        }
        check_key(key)?;
        Ok(CopySource { bucket: bucket.to_owned(), key: key.to_owned(), version })
    }
}

impl S3 {
    /// Finds the source of a copy, checks that the caller may read it and that the request's conditions on it hold, and opens
    /// it.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `AccessDenied`, `PreconditionFailed`, `InvalidRequest` for a delete marker.
    pub(crate) async fn open_copy_source(&self, request: &Request, source: &CopySource) -> Result<FoundSource> {
        self.open_copy_range(request, source, |_| Ok(None)).await
    }

    /// The same for a part of it, which `range` chooses when it knows how many bytes there are.
    pub(crate) async fn open_copy_range(
        &self,
        request: &Request,
        source: &CopySource,
        range: impl Fn(u64) -> Result<Option<crate::range::ByteRange>>,
    ) -> Result<FoundSource> {
        let bucket = self.bucket(&source.bucket).await?;
        let owner = request.header("x-amz-source-expected-bucket-owner");
        if owner.is_some_and(|owner| owner != bucket.account.to_string()) {
            return Err(Plain::AccessDenied.into());
        }
        let action = if source.version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        authorize(&*self.identity, &request.call, &bucket, Question::new(action, Some(&source.key))).await?;
        let id = source.version.as_deref();
        self.read_stable(&bucket, &source.key, id, async |version: Version, parts| {
            let Some(object) = version.object().cloned() else {
                return Err(match id {
                    None => S3Error::no_such_key(&source.key),
                    Some(_) => S3Error::request(
                        "The source of a copy request may not specifically refer to a delete marker by version id.",
                    ),
                });
            };
            self.check_copy_source(request, &version, &object)?;
            let range = range(object.bytes)?;
            let Some(stream) = self.flow(&object, &parts, range).await? else { return Ok(None) };
            Ok(Some(FoundSource { version, object, stream }))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::CopySource;

    #[test]
    fn sources_read_or_are_refused() {
        let check = |header: &str, expect: Option<(&str, &str, Option<&str>)>| {
            let got = CopySource::parse(header).ok();
            let got = got.as_ref().map(|s| (s.bucket.as_str(), s.key.as_str(), s.version.as_deref()));
            assert_eq!(got, expect, "{header}");
        };
        check("/b/k", Some(("b", "k", None)));
        check("b/a/k%20l", Some(("b", "a/k l", None)));
        check("b/k?versionId=x", Some(("b", "k", Some("x"))));
        check("b/k%3FversionId=x", Some(("b", "k?versionId=x", None)));
        check("b%2Fk", Some(("b", "k", None)));
        for header in ["", "b", "/b", "b/", "/k", "b/%ff", "arn:aws:s3:us-east-1:1:accesspoint/x/object/k"] {
            check(header, None);
        }
    }
}
