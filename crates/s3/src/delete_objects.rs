//! DeleteObjects.

use cauce_core::ServiceError;
use futures_util::{StreamExt as _, stream};

use crate::access::{Question, authorize};
use crate::address::check_key;
use crate::conditions::Conditions;
use crate::error::{Plain, Result, S3Error};
use crate::model::Bucket;
use crate::operation::Operation;
use crate::request::{Body, Reply, Request};
use crate::s3::S3;
use crate::version::Removed;
use crate::xml::{Element, Writer};

/// How many objects one request may delete.
const DELETES_MAX: usize = 1_000;
/// How many of them are under way at once, so that they share commits.
const AT_ONCE: usize = 32;

/// One object to delete.
struct Delete {
    key: String,
    version: Option<String>,
}

impl S3 {
    /// DeleteObjects.
    pub(crate) async fn delete_objects(&self, request: &Request, bucket: &Bucket, body: Body) -> Result<Reply> {
        let digest = request
            .headers
            .keys()
            .map(http::HeaderName::as_str)
            .any(|name| name == "content-md5" || name == "x-amz-trailer" || name.starts_with("x-amz-checksum-"));
        if !digest {
            return Err(S3Error::request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*"));
        }
        let document = request.document(body, "Delete").await?;
        document.only(&["Object", "Quiet"])?;
        let quiet = document.flag("Quiet")?.unwrap_or(false);
        let deletes: Vec<Delete> =
            document.children.iter().filter(|child| child.name == "Object").map(read_delete).collect::<Result<_>>()?;
        if deletes.is_empty() || deletes.len() > DELETES_MAX {
            return Err(Plain::MalformedXml.into());
        }
        // In their order, so that of two deletes of one key the first is answered first.
        let outcomes: Vec<(Delete, Result<Removed>)> = stream::iter(deletes)
            .map(|delete| async move {
                let outcome = self.delete_one(request, bucket, &delete).await;
                (delete, outcome)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut writer = Writer::new("DeleteResult");
        for (delete, outcome) in &outcomes {
            match outcome {
                Ok(_) if quiet => {}
                Ok(removed) => write_removed(&mut writer, delete, removed),
                Err(error) => {
                    let error = ServiceError::from(error.clone());
                    if let Some(cause) = error.cause() {
                        tracing::error!(request = %request.call.request_id, key = delete.key, cause, "a delete failed");
                    }
                    writer.within("Error", |w| {
                        w.text("Key", &delete.key).maybe("VersionId", delete.version.as_deref());
                        w.text("Code", error.query_code()).text("Message", error.message());
                    });
                }
            }
        }
        Ok(Reply::xml(writer.finish()))
    }

    async fn delete_one(&self, request: &Request, bucket: &Bucket, delete: &Delete) -> Result<Removed> {
        check_key(&delete.key)?;
        let operation = Operation::DeleteObjects;
        let action = if delete.version.is_some() { operation.version_action() } else { operation.action() };
        authorize(&*self.identity, &request.call, bucket, Question::new(action, Some(&delete.key))).await?;
        self.remove(&bucket.name, &delete.key, delete.version.as_deref(), &Conditions::default()).await
    }
}

fn read_delete(element: &Element) -> Result<Delete> {
    // Conditions on single objects of a batch are not built.
    if ["ETag", "LastModifiedTime", "Size"].iter().any(|name| element.children.iter().any(|child| child.name == *name))
    {
        return Err(Plain::NotImplemented.into());
    }
    element.only(&["Key", "VersionId"])?;
    let version = element.text_of("VersionId")?.filter(|id| !id.is_empty());
    let key = element.required("Key")?;
    if key.is_empty() {
        return Err(S3Error::Service(ServiceError::new(400, "UserKeyMustBeSpecified", "User key must be specified.")));
    }
    Ok(Delete { key: key.to_owned(), version: version.map(str::to_owned) })
}

fn write_removed(writer: &mut Writer, delete: &Delete, removed: &Removed) {
    writer.within("Deleted", |w| {
        w.text("Key", &delete.key).maybe("VersionId", delete.version.as_deref());
        if removed.marker {
            w.text("DeleteMarker", true).maybe("DeleteMarkerVersionId", removed.version_id.as_deref());
        }
    });
}
