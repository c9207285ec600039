//! Objects: writing, reading, conditions, checksums, copies, tags, deletes.

use crate::harness::{Harness, etag};

#[tokio::test]
async fn what_is_put_comes_back_with_what_was_said_of_it() {
    let h = Harness::with_bucket().await;
    let put = h
        .ok(
            "PUT /b01/a/b%20c\nContent-Type: text/plain\nCache-Control: max-age=1\nx-amz-meta-color: blue\n\
             Content-Encoding: aws-chunked,gzip\nx-amz-tagging: k=v\nx-amz-storage-class: STANDARD_IA",
            b"hello",
        )
        .await;
    assert_eq!(put.header("etag"), etag(b"hello"));
    assert_eq!(put.header("x-amz-server-side-encryption"), "AES256");
    assert_eq!(put.header("x-amz-checksum-type"), "FULL_OBJECT");
    let got = h.ok("GET /b01/a/b%20c\nx-amz-checksum-mode: ENABLED", b"").await;
    assert_eq!((got.status, got.body.as_slice()), (200, &b"hello"[..]));
    for (name, value) in [
        ("content-type", "text/plain"),
        ("cache-control", "max-age=1"),
        ("x-amz-meta-color", "blue"),
        ("content-encoding", "gzip"),
        ("content-length", "5"),
        ("accept-ranges", "bytes"),
        ("last-modified", "Sun, 22 Nov 2026 04:00:00 GMT"),
        ("x-amz-tagging-count", "1"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-checksum-crc64nvme", put.header("x-amz-checksum-crc64nvme")),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let head = h.ok("HEAD /b01/a/b%20c", b"").await;
    assert_eq!((head.header("content-length"), head.body.len()), ("5", 0));
    assert_eq!(head.header("etag"), etag(b"hello"));
    h.ok("PUT /b01/plain", b"").await;
    let empty = h.ok("GET /b01/plain", b"").await;
    assert_eq!((empty.header("content-type"), empty.header("content-length")), ("binary/octet-stream", "0"));
}

#[tokio::test]
async fn responses_carry_ids_and_overrides() {
    let h = Harness::with_bucket().await;
    h.ok("PUT /b01/k", b"x").await;
    let got = h.ok("GET /b01/k?response-content-type=text%2Fcsv&response-cache-control=no-store", b"").await;
    assert_eq!((got.header("content-type"), got.header("cache-control")), ("text/csv", "no-store"));
    assert!(!got.header("x-amz-request-id").is_empty() && !got.header("x-amz-id-2").is_empty());
    let refused = h.refused("GET /b01/none", b"", 404, "NoSuchKey").await;
    assert_eq!(refused.element("Key"), "none");
    assert_eq!(refused.element("Resource"), "/b01/none");
    assert_eq!(refused.element("RequestId"), refused.header("x-amz-request-id"));
    let head = h.send("HEAD /b01/none", b"").await;
    assert_eq!((head.status, head.body.len()), (404, 0));
}

#[tokio::test]
async fn ranges_of_small_and_large_objects() {
    let h = Harness::with_bucket().await;
    for bytes in [1_000_usize, 700_000] {
        let body: Vec<u8> = (0..bytes).map(|n| (n % 251) as u8).collect();
        h.ok("PUT /b01/k", &body).await;
        let check = async |range: &str, from: usize, to: usize| {
            let got = h.ok(&format!("GET /b01/k\nRange: bytes={range}"), b"").await;
            assert_eq!(got.status, 206);
            assert_eq!(got.header("content-range"), format!("bytes {from}-{}/{bytes}", to - 1));
            assert!(got.body == body[from..to], "{range}");
        };
        check("0-0", 0, 1).await;
        check("10-", 10, bytes).await;
        check("-10", bytes - 10, bytes).await;
        check("300-9999999", 300, bytes).await;
        h.refused(&format!("GET /b01/k\nRange: bytes={bytes}-"), b"", 416, "InvalidRange").await;
        assert!(h.ok("GET /b01/k\nRange: nonsense", b"").await.body == body);
    }
}

#[tokio::test]
async fn digests_that_do_not_match_are_refused_and_leave_nothing() {
    let h = Harness::with_bucket().await;
    let large = "x".repeat(100_000);
    for body in ["hello", large.as_str()] {
        for (header, status, code) in [
            ("Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==", 400, "BadDigest"),
            ("Content-MD5: AAAA", 400, "InvalidDigest"),
            ("x-amz-checksum-crc32: AAAAAA==", 400, "BadDigest"),
            ("x-amz-checksum-crc32: AAAA", 400, "InvalidRequest"),
            ("x-amz-checksum-sha256: AAAAAA==", 400, "InvalidRequest"),
            ("x-amz-trailer: x-amz-checksum-crc32", 400, "MalformedTrailerError"),
            ("x-amz-sdk-checksum-algorithm: MD6", 400, "InvalidRequest"),
        ] {
            h.refused(&format!("PUT /b01/k\n{header}"), body, status, code).await;
        }
        let zeros = "0".repeat(64);
        let header = format!("x-amz-content-sha256: {zeros}");
        h.refused(&format!("PUT /b01/k\n{header}"), body, 400, "XAmzContentSHA256Mismatch").await;
        h.refused("PUT /b01/k\nx-amz-decoded-content-length: 7", body, 400, "IncompleteBody").await;
        let both = "PUT /b01/k\nx-amz-checksum-crc32: AAAAAA==\nx-amz-checksum-sha1: AAAA";
        h.refused(both, body, 400, "InvalidRequest").await;
    }
    h.refused("GET /b01/k", b"", 404, "NoSuchKey").await;
    h.files_become(0).await;
}

#[tokio::test]
async fn checksums_that_match_are_kept() {
    let h = Harness::with_bucket().await;
    let put = h.ok("PUT /b01/k\nx-amz-checksum-crc32: NhCmhg==\nContent-MD5: XUFAKrxLKna5cZ2REBfFkg==", b"hello").await;
    assert_eq!(put.header("x-amz-checksum-crc32"), "NhCmhg==");
    let got = h.ok("HEAD /b01/k\nx-amz-checksum-mode: ENABLED", b"").await;
    assert_eq!((got.header("x-amz-checksum-crc32"), got.header("x-amz-checksum-type")), ("NhCmhg==", "FULL_OBJECT"));
    assert_eq!(h.ok("HEAD /b01/k", b"").await.header("x-amz-checksum-crc32"), "");
    let part = h.ok("GET /b01/k\nx-amz-checksum-mode: ENABLED\nRange: bytes=0-1", b"").await;
    assert_eq!(part.header("x-amz-checksum-crc32"), "");
    // Asked for without a value: computed.
    let put = h.ok("PUT /b01/k\nx-amz-sdk-checksum-algorithm: SHA1", b"hello").await;
    assert_eq!(put.header("x-amz-checksum-sha1"), "qvTGHdzF6KLavt4PO0gs2a6pQ00=");
}

#[tokio::test]
async fn writes_and_reads_obey_their_conditions() {
    let h = Harness::with_bucket().await;
    h.refused("PUT /b01/k\nIf-Match: \"x\"", b"1", 404, "NoSuchKey").await;
    h.ok("PUT /b01/k\nIf-None-Match: *", b"1").await;
    let refused = h.refused("PUT /b01/k\nIf-None-Match: *", b"2", 412, "PreconditionFailed").await;
    assert_eq!(refused.element("Condition"), "If-None-Match");
    h.refused("PUT /b01/k\nIf-None-Match: \"x\"", b"2", 501, "NotImplemented").await;
    h.refused("PUT /b01/k\nIf-Match: \"x\"", b"2", 412, "PreconditionFailed").await;
    h.ok(&format!("PUT /b01/k\nIf-Match: {}", etag(b"1")), b"2").await;
    h.refused(&format!("GET /b01/k\nIf-Match: {}", etag(b"1")), b"", 412, "PreconditionFailed").await;
    let same = h.send(&format!("GET /b01/k\nIf-None-Match: {}", etag(b"2")), b"").await;
    assert_eq!((same.status, same.header("etag"), same.body.len()), (304, etag(b"2").as_str(), 0));
    h.refused("DELETE /b01/k\nIf-Match: \"x\"", b"", 412, "PreconditionFailed").await;
    h.ok(&format!("DELETE /b01/k\nIf-Match: {}", etag(b"2")), b"").await;
}

#[tokio::test]
async fn copies_carry_or_replace_what_is_said() {
    let h = Harness::with_bucket().await;
    h.ok("PUT /b02", b"").await;
    let body = vec![7; 50_000];
    h.ok("PUT /b01/k\nContent-Type: text/plain\nx-amz-meta-a: 1\nx-amz-tagging: t=1", &body).await;
    let copy = h.ok("PUT /b02/l\nx-amz-copy-source: /b01/k", b"").await;
    assert_eq!(copy.element("ETag"), etag(&body));
    let got = h.ok("GET /b02/l", b"").await;
    assert!(got.body == body);
    assert_eq!((got.header("content-type"), got.header("x-amz-meta-a")), ("text/plain", "1"));
    assert_eq!(got.header("x-amz-tagging-count"), "1");
    let replace = "PUT /b01/k\nx-amz-copy-source: b01/k\nx-amz-metadata-directive: REPLACE\nx-amz-meta-b: 2";
    h.ok(replace, b"").await;
    let got = h.ok("HEAD /b01/k", b"").await;
    assert_eq!((got.header("x-amz-meta-a"), got.header("x-amz-meta-b")), ("", "2"));
    h.refused("PUT /b01/k\nx-amz-copy-source: b01/k", b"", 400, "InvalidRequest").await;
    h.refused("PUT /b01/x\nx-amz-copy-source: b01/none", b"", 404, "NoSuchKey").await;
    h.refused("PUT /b01/x\nx-amz-copy-source: none/k", b"", 404, "NoSuchBucket").await;
    h.refused("PUT /b01/x\nx-amz-copy-source: b01", b"", 400, "InvalidArgument").await;
    let unless = "PUT /b01/x\nx-amz-copy-source: b01/k\nx-amz-copy-source-if-match: \"y\"";
    h.refused(unless, b"", 412, "PreconditionFailed").await;
    let unless = format!("PUT /b01/x\nx-amz-copy-source: b01/k\nx-amz-copy-source-if-none-match: {}", etag(&body));
    h.refused(&unless, b"", 412, "PreconditionFailed").await;
    h.files_become(2).await;
}

#[tokio::test]
async fn tags_are_set_read_and_removed() {
    let h = Harness::with_bucket().await;
    h.ok("PUT /b01/k", b"x").await;
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    h.ok("PUT /b01/k?tagging", tags).await;
    let got = h.ok("GET /b01/k?tagging", b"").await;
    assert_eq!((got.element("Key"), got.element("Value")), ("a".to_owned(), "1".to_owned()));
    let twice = tags.replace("</TagSet>", "<Tag><Key>a</Key><Value>2</Value></Tag></TagSet>");
    h.refused("PUT /b01/k?tagging", twice, 400, "InvalidTag").await;
    h.refused("PUT /b01/k?tagging", "<Tagging/>", 400, "MalformedXML").await;
    assert_eq!(h.ok("DELETE /b01/k?tagging", b"").await.status, 204);
    assert_eq!(h.ok("GET /b01/k?tagging", b"").await.elements("Tag").len(), 0);
    h.refused("GET /b01/none?tagging", b"", 404, "NoSuchKey").await;
}

#[tokio::test]
async fn deletes_one_by_one_and_in_batches() {
    let h = Harness::with_bucket().await;
    for key in ["a", "b", "c"] {
        h.ok(&format!("PUT /b01/{key}"), vec![1; 20_000]).await;
    }
    assert_eq!(h.ok("DELETE /b01/a", b"").await.status, 204);
    assert_eq!(h.ok("DELETE /b01/a", b"").await.status, 204);
    let batch = "<Delete><Object><Key>b</Key></Object><Object><Key>never</Key></Object></Delete>";
    h.refused("POST /b01?delete", batch, 400, "InvalidRequest").await;
    let md5 = |text: &str| {
        use base64::Engine as _;
        use md5::Digest as _;
        base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(text))
    };
    let answer = h.ok(&format!("POST /b01?delete\nContent-MD5: {}", md5(batch)), batch).await;
    assert_eq!(answer.elements("Key"), ["b", "never"]);
    let quiet = batch.replace("<Delete>", "<Delete><Quiet>true</Quiet>").replace(">b<", ">c<");
    let answer = h.ok(&format!("POST /b01?delete\nContent-MD5: {}", md5(&quiet)), &quiet).await;
    assert_eq!(answer.elements("Key").len(), 0);
    h.files_become(0).await;
    h.policies.denied.lock().push("s3:DeleteObject".to_owned());
    let answer = h.ok(&format!("POST /b01?delete\nContent-MD5: {}", md5(batch)), batch).await;
    assert_eq!(answer.elements("Code"), ["AccessDenied", "AccessDenied"]);
}

#[tokio::test]
async fn what_is_not_built_is_refused() {
    let h = Harness::with_bucket().await;
    for header in [
        "x-amz-object-lock-mode: GOVERNANCE",
        "x-amz-website-redirect-location: /x",
        "x-amz-server-side-encryption-customer-algorithm: AES256",
        "x-amz-storage-class: GLACIER",
        "x-amz-server-side-encryption: aws:kms\nx-amz-server-side-encryption-aws-kms-key-id: k",
    ] {
        h.refused(&format!("PUT /b01/k\n{header}"), b"x", 501, "NotImplemented").await;
    }
    h.refused("PUT /b01/k\nx-amz-acl: public-read", b"x", 400, "AccessControlListNotSupported").await;
    h.refused("PUT /b01/k\nx-amz-storage-class: WARM", b"x", 400, "InvalidStorageClass").await;
    h.ok("PUT /b01/k\nx-amz-acl: private", b"x").await;
    let long = "v".repeat(2_100);
    h.refused(&format!("PUT /b01/k\nx-amz-meta-a: {long}"), b"x", 400, "MetadataTooLarge").await;
    h.refused("PUT /b01/k\nContent-Length: 6000000000", b"x", 400, "EntityTooLarge").await;
}
