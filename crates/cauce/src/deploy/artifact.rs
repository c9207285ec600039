//! Uploading packages to the bucket that this account keeps for them.

use anyhow::{Result, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::progress::Progress;
use cauce_client::{Client, Incoming};

/// Where an uploaded package lies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) bucket: String,
    pub(super) key: String,
}

const CALLER_VERSION: &str = "2011-06-15";

/// Uploads a package under the hash of its bytes, unless it is there already.
pub(super) async fn upload(client: &Client, archive: &[u8], progress: &Progress) -> Result<Place> {
    let caller = client.query("sts", CALLER_VERSION, "GetCallerIdentity", &[]).await?;
    let account = caller.text(&["GetCallerIdentityResult", "Account"]);
    let place = Place {
        bucket: format!("cauce-artifacts-{account}-{}", client.region()),
        key: format!("{}.zip", hex::encode(Sha256::digest(archive))),
    };
    let path = format!("/{}/{}", place.bucket, place.key);
    let there = client.rest("s3", Method::HEAD, &path, Vec::new(), Bytes::new()).await?;
    if there.status.is_success() {
        return Ok(place);
    }
    let step = progress.begin(&format!("uploading {} KiB", archive.len() / 1024));
    let bucket = client.rest("s3", Method::PUT, &format!("/{}", place.bucket), Vec::new(), location(client)).await?;
    if bucket.status != StatusCode::CONFLICT {
        check(&bucket)?;
    }
    let headers = vec![("content-type", "application/zip".to_owned())];
    let body = Bytes::copy_from_slice(archive);
    check(&client.rest("s3", Method::PUT, &path, headers, body).await?)?;
    step.end(&format!("uploaded {} KiB", archive.len() / 1024));
    Ok(place)
}

/// S3 wants the region named in the body, except for the one that needs no naming.
fn location(client: &Client) -> Bytes {
    match client.region() {
        "us-east-1" => Bytes::new(),
        region => format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}\
             </LocationConstraint></CreateBucketConfiguration>"
        )
        .into(),
    }
}

fn check(answer: &Incoming) -> Result<()> {
    if !answer.status.is_success() {
        bail!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}
