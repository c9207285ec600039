//! Where a template's text comes from: the request, an object, or the stack itself.

use cauce_core::Call;
use cauce_core::ports::Objects;
use percent_encoding::percent_decode_str;

use crate::error::Error;
use crate::limits::{TEMPLATE_BODY_BYTES_MAX, TEMPLATE_URL_BYTES_MAX};

/// The object that a `TemplateURL` names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ObjectUrl {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
}

/// Takes a `TemplateURL` apart: `http://HOST/bucket/key` of any host, this server's own among them, and the addresses of S3
/// with the bucket in the host (`https://bucket.s3.REGION.amazonaws.com/key`) or in the path.
pub(crate) fn object_of(url: &str) -> Option<ObjectUrl> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/')?;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let host = host.split(':').next().unwrap_or(host);
    let in_host = [".s3.", ".s3-"].into_iter().find_map(|mark| host.split_once(mark)).map(|(bucket, _)| bucket);
    let (bucket, key) = match in_host {
        Some(bucket) => (bucket, path),
        None => path.split_once('/')?,
    };
    let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    if bucket.is_empty() || key.is_empty() {
        return None;
    }
    let version = query.split('&').find_map(|pair| pair.strip_prefix("versionId=")).and_then(decode);
    Some(ObjectUrl { bucket: decode(bucket)?, key: decode(key)?, version })
}

/// The text of the template that a request names: exactly one of `body` and `url`, or `previous` where it is asked for.
pub(crate) async fn text(
    objects: &dyn Objects,
    call: &Call,
    body: Option<&str>,
    url: Option<&str>,
    previous: Option<String>,
) -> Result<String, Error> {
    let body = body.filter(|body| !body.is_empty());
    let url = url.filter(|url| !url.is_empty());
    match (body, url, previous) {
        (Some(body), None, None) if body.len() > TEMPLATE_BODY_BYTES_MAX => Err(Error::Validation(format!(
            "1 validation error detected: Value of {} bytes at 'templateBody' failed to satisfy constraint: Member must have \
             length less than or equal to {TEMPLATE_BODY_BYTES_MAX}",
            body.len()
        ))),
        (Some(body), None, None) => Ok(body.to_owned()),
        (None, Some(url), None) => read(objects, call, url).await,
        (None, None, Some(previous)) => Ok(previous),
        (None, None, None) => Err(Error::validation("Either Template URL or Template Body must be specified.")),
        (Some(_), Some(_), _) => Err(Error::validation("Only one of TemplateBody and TemplateURL may be specified.")),
        (_, _, Some(_)) => {
            Err(Error::validation("Template body or URL cannot be specified when UsePreviousTemplate is true."))
        }
    }
}

async fn read(objects: &dyn Objects, call: &Call, url: &str) -> Result<String, Error> {
    let Some(place) = object_of(url) else {
        return Err(Error::Validation(format!(
            "TemplateURL must reference a valid S3 object to which you have access: {url}"
        )));
    };
    let bytes = objects
        .read(call, &place.bucket, &place.key, place.version.as_deref(), TEMPLATE_URL_BYTES_MAX)
        .await
        .map_err(|error| {
            if error.status() >= 500 {
                return Error::Service(error);
            }
            let message = error.message();
            Error::Validation(format!(
                "S3 error: {message}\nFor more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
            ))
        })?;
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Error::validation("Template format error: the template is not UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::{ObjectUrl, object_of};

    #[test]
    fn every_form_of_address_is_understood() {
        let check = |url: &str, expect: Option<(&str, &str, Option<&str>)>| {
            let expect = expect.map(|(bucket, key, version)| ObjectUrl {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                version: version.map(str::to_owned),
            });
            assert_eq!(object_of(url), expect, "{url}");
        };
        check("http://127.0.0.1:4566/bucket/a/b.template", Some(("bucket", "a/b.template", None)));
        check("https://bucket.s3.us-east-1.amazonaws.com/a/b", Some(("bucket", "a/b", None)));
        check("https://my.bucket.s3.amazonaws.com/a", Some(("my.bucket", "a", None)));
        check("https://bucket.s3-eu-west-1.amazonaws.com/a", Some(("bucket", "a", None)));
        check("https://s3.amazonaws.com/bucket/a%20b?versionId=7", Some(("bucket", "a b", Some("7"))));
        check("https://s3.us-east-1.amazonaws.com/bucket/a", Some(("bucket", "a", None)));
        check("http://host/bucket", None);
        check("s3://bucket/key", None);
        check("ftp://x/y/z", None);
    }
}
