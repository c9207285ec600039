//! Versioned buckets, and what lifecycle rules do to versions.

use std::time::Duration;

use crate::harness::Harness;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn versioning(h: &Harness, status: &str) {
    let document = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    h.ok("PUT /b01?versioning", document).await;
}

/// All versions as `KEY=ID` (`KEY-ID` for delete markers) in their order, `*` before the latest of a key.
async fn versions(h: &Harness, query: &str) -> Vec<String> {
    let text = h.ok(&format!("GET /b01?versions{query}"), b"").await.text();
    let mut found = Vec::new();
    for (element, sign) in [("Version", '='), ("DeleteMarker", '-')] {
        for (at, _) in text.match_indices(&format!("<{element}>")) {
            let inner = |name: &str| {
                let rest = text.get(at..).unwrap();
                let start = rest.find(&format!("<{name}>")).unwrap() + name.len() + 2;
                rest.get(start..).unwrap().split("</").next().unwrap().to_owned()
            };
            let star = if inner("IsLatest") == "true" { "*" } else { "" };
            found.push((at, format!("{star}{}{sign}{}", inner("Key"), inner("VersionId"))));
        }
    }
    found.sort();
    found.into_iter().map(|(_, shown)| shown).collect()
}

#[tokio::test]
async fn versions_are_kept_found_and_removed() {
    let h = Harness::with_bucket().await;
    assert_eq!(h.ok("PUT /b01/k", b"null").await.header("x-amz-version-id"), "");
    versioning(&h, "Enabled").await;
    assert_eq!(h.ok("GET /b01?versioning", b"").await.element("Status"), "Enabled");
    let one = h.ok("PUT /b01/k", b"one").await.header("x-amz-version-id").to_owned();
    let two = h.ok("PUT /b01/k", b"two").await.header("x-amz-version-id").to_owned();
    assert_eq!(versions(&h, "").await, [format!("*k={two}"), format!("k={one}"), "k=null".to_owned()]);
    assert_eq!(h.ok("GET /b01/k", b"").await.text(), "two");
    assert_eq!(h.ok(&format!("GET /b01/k?versionId={one}"), b"").await.text(), "one");
    assert_eq!(h.ok("GET /b01/k?versionId=null", b"").await.text(), "null");
    h.refused("GET /b01/k?versionId=nonsense", b"", 400, "InvalidArgument").await;
    let unknown = one.replace(one.get(28..).unwrap(), "AAAA");
    h.refused(&format!("GET /b01/k?versionId={unknown}"), b"", 404, "NoSuchVersion").await;

    let marker = h.ok("DELETE /b01/k", b"").await;
    assert_eq!(marker.header("x-amz-delete-marker"), "true");
    let marker = marker.header("x-amz-version-id").to_owned();
    let gone = h.refused("GET /b01/k", b"", 404, "NoSuchKey").await;
    assert_eq!((gone.header("x-amz-delete-marker"), gone.header("x-amz-version-id")), ("true", marker.as_str()));
    let named = h.refused(&format!("GET /b01/k?versionId={marker}"), b"", 405, "MethodNotAllowed").await;
    assert_eq!(named.header("allow"), "DELETE");
    assert_eq!(h.ok("GET /b01?list-type=2", b"").await.element("KeyCount"), "0");
    h.refused("DELETE /b01", b"", 409, "BucketNotEmpty").await;

    // Without the marker the newest version shows again.
    h.ok(&format!("DELETE /b01/k?versionId={marker}"), b"").await;
    assert_eq!(h.ok("GET /b01/k", b"").await.text(), "two");
    h.ok(&format!("DELETE /b01/k?versionId={two}"), b"").await;
    h.ok("DELETE /b01/k?versionId=null", b"").await;
    assert_eq!(versions(&h, "").await, [format!("*k={one}")]);
    h.ok(&format!("DELETE /b01/k?versionId={one}"), b"").await;
    h.ok("DELETE /b01", b"").await;
}

#[tokio::test]
async fn a_suspended_bucket_has_one_null_version() {
    let h = Harness::with_bucket().await;
    let large = vec![1; 20_000];
    h.ok("PUT /b01/k", &large).await;
    versioning(&h, "Enabled").await;
    let one = h.ok("PUT /b01/k", &large).await.header("x-amz-version-id").to_owned();
    versioning(&h, "Suspended").await;
    h.files_become(2).await;
    // The null version among the older ones makes way for the new one.
    assert_eq!(h.ok("PUT /b01/k", &large).await.header("x-amz-version-id"), "null");
    assert_eq!(versions(&h, "").await, ["*k=null".to_owned(), format!("k={one}")]);
    h.files_become(2).await;
    h.ok("PUT /b01/k", b"again").await;
    h.files_become(1).await;
    let marker = h.ok("DELETE /b01/k", b"").await;
    assert_eq!(marker.header("x-amz-version-id"), "null");
    assert_eq!(versions(&h, "").await, ["*k-null".to_owned(), format!("k={one}")]);
    versioning(&h, "Enabled").await;
    let two = h.ok("PUT /b01/k", b"two").await.header("x-amz-version-id").to_owned();
    assert_eq!(versions(&h, "").await, [format!("*k={two}"), "k-null".to_owned(), format!("k={one}")]);
    h.ok(&format!("DELETE /b01/k?versionId={two}"), b"").await;
    h.ok("DELETE /b01/k?versionId=null", b"").await;
    assert_eq!(versions(&h, "").await, [format!("*k={one}")]);
}

#[tokio::test]
async fn versions_are_listed_in_pages() {
    let h = Harness::with_bucket().await;
    versioning(&h, "Enabled").await;
    for key in ["a", "b/1", "b/2", "c"] {
        for _ in 0..3 {
            h.ok(&format!("PUT /b01/{key}"), b"x").await;
        }
    }
    h.ok("DELETE /b01/c", b"").await;
    let all = versions(&h, "").await;
    assert_eq!(all.len(), 13);
    for max in [1, 2, 5] {
        let (mut got, mut markers) = (Vec::new(), String::new());
        loop {
            let query = format!("&max-keys={max}{markers}");
            got.extend(versions(&h, &query).await);
            let answer = h.ok(&format!("GET /b01?versions{query}"), b"").await;
            if answer.element("IsTruncated") == "false" {
                break;
            }
            let (key, id) = (answer.element("NextKeyMarker"), answer.element("NextVersionIdMarker"));
            markers = format!("&key-marker={key}&version-id-marker={id}");
        }
        assert_eq!(got, all, "{max}");
    }
    let rolled = h.ok("GET /b01?versions&delimiter=/", b"").await;
    assert_eq!(rolled.elements("Key").len(), 7);
    assert!(rolled.text().contains("<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"));
    assert_eq!(versions(&h, "&prefix=b/2").await.len(), 3);
    h.refused("GET /b01?versions&version-id-marker=x", b"", 400, "InvalidArgument").await;
}

#[tokio::test]
async fn lifecycle_rules_are_followed() {
    let h = Harness::with_bucket().await;
    versioning(&h, "Enabled").await;
    let rules = "<LifecycleConfiguration>\
        <Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>10</Days></Expiration></Rule>\
        <Rule><ID>b</ID><Status>Enabled</Status><Filter/><NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays>\
        <NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>\
        <Rule><ID>c</ID><Status>Enabled</Status><Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>\
        <Rule><ID>d</ID><Status>Enabled</Status><Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>\
        <Rule><ID>e</ID><Status>Disabled</Status><Filter/><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
    h.ok("PUT /b01?lifecycle", rules).await;
    for _ in 0..4 {
        h.ok("PUT /b01/k", b"x").await;
    }
    h.ok("PUT /b01/logs/1", b"x").await;
    h.ok("POST /b01/k?uploads", b"").await;
    assert_eq!(h.s3.expire_due().await.unwrap(), 0);
    h.clock.advance(3 * DAY);
    assert_eq!(h.s3.expire_due().await.unwrap(), 1);
    assert_eq!(h.ok("GET /b01?uploads", b"").await.elements("Upload").len(), 0);
    h.clock.advance(DAY);
    // Of three older versions the newest stays.
    assert_eq!(h.s3.expire_due().await.unwrap(), 2);
    assert_eq!(versions(&h, "&prefix=k").await.len(), 2);
    h.clock.advance(7 * DAY);
    assert_eq!(h.s3.expire_due().await.unwrap(), 1);
    assert_eq!(versions(&h, "&prefix=logs").await.len(), 2);
    let current = versions(&h, "&prefix=logs").await;
    let old = current[1].split('=').nth(1).unwrap().to_owned();
    h.ok(&format!("DELETE /b01/logs/1?versionId={old}"), b"").await;
    // A delete marker over nothing.
    assert_eq!(h.s3.expire_due().await.unwrap(), 1);
    assert_eq!(versions(&h, "&prefix=logs").await.len(), 0);
    assert_eq!(h.ok("GET /b01/k", b"").await.text(), "x");
}
