//! Multipart uploads.

use crate::harness::{Answer, Harness, etag};

const MIB: usize = 1024 * 1024;

/// Begins an upload to `/b01/k`, with these headers.
async fn begin(h: &Harness, headers: &str) -> String {
    h.ok(&format!("POST /b01/k?uploads{headers}"), b"").await.element("UploadId")
}

async fn part(h: &Harness, upload: &str, number: u32, body: &[u8]) -> Answer {
    h.ok(&format!("PUT /b01/k?partNumber={number}&uploadId={upload}"), body).await
}

fn complete(parts: &[(u32, &str)]) -> String {
    let parts: String =
        parts.iter().map(|(n, etag)| format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>")).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

#[tokio::test]
async fn parts_become_one_object() {
    let h = Harness::with_bucket().await;
    let (first, last): (Vec<u8>, Vec<u8>) = (vec![1; 5 * MIB], vec![2; 1_000]);
    let upload = begin(&h, "\nContent-Type: text/plain\nx-amz-meta-a: 1\nx-amz-tagging: t=1").await;
    assert_eq!(part(&h, &upload, 7, &last).await.header("etag"), etag(&last));
    part(&h, &upload, 3, b"replaced").await;
    part(&h, &upload, 3, &first).await;
    part(&h, &upload, 9, b"left out").await;
    let listed = h.ok(&format!("GET /b01/k?uploadId={upload}"), b"").await;
    assert_eq!(listed.elements("PartNumber"), ["3", "7", "9"]);
    let page = h.ok(&format!("GET /b01/k?uploadId={upload}&max-parts=1&part-number-marker=3"), b"").await;
    assert_eq!((page.elements("PartNumber"), page.element("IsTruncated")), (vec!["7".to_owned()], "true".to_owned()));
    assert_eq!(h.ok("GET /b01?uploads", b"").await.element("UploadId"), upload);
    h.refused("GET /b01/k", b"", 404, "NoSuchKey").await;

    let document = complete(&[(3, &etag(&first)), (7, &etag(&last))]);
    let done = h.ok(&format!("POST /b01/k?uploadId={upload}"), &document).await;
    assert_eq!(done.element("Location"), "http://127.0.0.1:4566/b01/k");
    let tag = done.element("ETag");
    assert!(tag.ends_with("-2\""), "{tag}");
    let whole: Vec<u8> = [first.clone(), last.clone()].concat();
    let got = h.ok("GET /b01/k\nx-amz-checksum-mode: ENABLED", b"").await;
    assert!(got.body == whole);
    assert_eq!(
        (got.header("etag"), got.header("content-type"), got.header("x-amz-meta-a")),
        (tag.as_str(), "text/plain", "1")
    );
    // The CRC of the whole follows from the parts': the same as if it had been put at once.
    h.ok("PUT /b01/once", &whole).await;
    let once = h.ok("HEAD /b01/once\nx-amz-checksum-mode: ENABLED", b"").await;
    assert_eq!(got.header("x-amz-checksum-crc64nvme"), once.header("x-amz-checksum-crc64nvme"));

    // A range over the seam, a part by its number.
    let seam = h.ok(&format!("GET /b01/k\nRange: bytes={}-{}", 5 * MIB - 2, 5 * MIB + 1), b"").await;
    assert_eq!(seam.body, [1, 1, 2, 2]);
    let second = h.ok("GET /b01/k?partNumber=7", b"").await;
    assert_eq!((second.status, second.header("x-amz-mp-parts-count")), (206, "2"));
    assert!(second.body == last);
    h.refused("GET /b01/k?partNumber=4", b"", 416, "InvalidPartNumber").await;

    // Answered again if the first answer was lost; then nothing is left of the upload.
    let again = h.ok(&format!("POST /b01/k?uploadId={upload}"), &document).await;
    assert_eq!(again.element("ETag"), tag);
    h.refused(&format!("GET /b01/k?uploadId={upload}"), b"", 404, "NoSuchUpload").await;
    h.files_become(2).await;
    h.ok("DELETE /b01/k", b"").await;
    h.files_become(1).await;
}

#[tokio::test]
async fn completions_that_are_wrong_change_nothing() {
    let h = Harness::with_bucket().await;
    let upload = begin(&h, "").await;
    let (small, tag) = (b"small", etag(b"small"));
    part(&h, &upload, 1, small).await;
    part(&h, &upload, 2, small).await;
    let check = async |document: &str, code: &str| {
        h.refused(&format!("POST /b01/k?uploadId={upload}"), document, 400, code).await
    };
    let refused = check(&complete(&[(1, &tag), (2, &tag)]), "EntityTooSmall").await;
    assert_eq!((refused.element("ProposedSize"), refused.element("MinSizeAllowed")), ("5".into(), "5242880".into()));
    check(&complete(&[(2, &tag), (1, &tag)]), "InvalidPartOrder").await;
    check(&complete(&[(1, &tag), (1, &tag)]), "InvalidPartOrder").await;
    check(&complete(&[(3, &tag)]), "InvalidPart").await;
    check(&complete(&[(1, &etag(b"other"))]), "InvalidPart").await;
    check(&complete(&[]), "MalformedXML").await;
    check("<x>", "MalformedXML").await;
    check("", "InvalidRequest").await;
    h.refused(&format!("POST /b01/other?uploadId={upload}"), complete(&[(1, &tag)]), 404, "NoSuchUpload").await;
    let size = format!("POST /b01/k?uploadId={upload}\nx-amz-mp-object-size: 6");
    h.refused(&size, complete(&[(1, &tag)]), 400, "InvalidRequest").await;
    h.ok(&format!("POST /b01/k?uploadId={upload}\nIf-None-Match: *"), complete(&[(1, &tag)])).await;
    assert_eq!(h.ok("GET /b01/k", b"").await.body, small);
    let upload = begin(&h, "").await;
    part(&h, &upload, 1, small).await;
    let unless = format!("POST /b01/k?uploadId={upload}\nIf-None-Match: *");
    h.refused(&unless, complete(&[(1, &tag)]), 412, "PreconditionFailed").await;
}

#[tokio::test]
async fn uploads_are_aborted_with_their_parts() {
    let h = Harness::with_bucket().await;
    let upload = begin(&h, "").await;
    part(&h, &upload, 1, &vec![1; 20_000]).await;
    h.files_become(1).await;
    assert_eq!(h.ok(&format!("DELETE /b01/k?uploadId={upload}"), b"").await.status, 204);
    h.files_become(0).await;
    h.refused(&format!("DELETE /b01/k?uploadId={upload}"), b"", 404, "NoSuchUpload").await;
    h.refused(&format!("PUT /b01/k?partNumber=1&uploadId={upload}"), b"x", 404, "NoSuchUpload").await;
    h.refused("PUT /b01/k?partNumber=1&uploadId=nonsense", b"x", 404, "NoSuchUpload").await;
    let upload = begin(&h, "").await;
    for number in ["0", "10001", "x", ""] {
        let request = format!("PUT /b01/k?partNumber={number}&uploadId={upload}");
        h.refused(&request, b"x", 400, "InvalidArgument").await;
    }
}

#[tokio::test]
async fn checksums_are_of_the_parts_or_of_the_whole() {
    let h = Harness::with_bucket().await;
    let body = vec![9; 5 * MIB];
    let finish = async |upload: &str| {
        let document = complete(&[(1, &etag(&body)), (2, &etag(b"end"))]);
        h.ok(&format!("POST /b01/k?uploadId={upload}"), document).await
    };
    let send = async |upload: &str| {
        part(&h, upload, 1, &body).await;
        part(&h, upload, 2, b"end").await
    };
    let upload = begin(&h, "\nx-amz-checksum-algorithm: SHA256").await;
    assert!(!send(&upload).await.header("x-amz-checksum-sha256").is_empty());
    let done = finish(&upload).await;
    assert!(done.element("ChecksumSHA256").ends_with("-2"));
    assert_eq!(done.element("ChecksumType"), "COMPOSITE");

    let upload = begin(&h, "\nx-amz-checksum-algorithm: CRC32\nx-amz-checksum-type: FULL_OBJECT").await;
    send(&upload).await;
    let done = finish(&upload).await;
    let whole =
        h.ok("PUT /b01/once\nx-amz-sdk-checksum-algorithm: CRC32", [body.clone(), b"end".to_vec()].concat()).await;
    assert_eq!(done.element("ChecksumCRC32"), whole.header("x-amz-checksum-crc32"));

    let upload = begin(&h, "\nx-amz-checksum-algorithm: CRC32").await;
    let other = format!("PUT /b01/k?partNumber=1&uploadId={upload}\nx-amz-checksum-sha1: qvTGHdzF6KLavt4PO0gs2a6pQ00=");
    h.refused(&other, b"hello", 400, "InvalidRequest").await;
    let wrong = "POST /b01/k?uploads\nx-amz-checksum-algorithm: SHA1\nx-amz-checksum-type: FULL_OBJECT";
    h.refused(wrong, b"", 400, "InvalidRequest").await;
}

#[tokio::test]
async fn parts_are_copied_from_objects() {
    let h = Harness::with_bucket().await;
    let source: Vec<u8> = (0..6 * MIB).map(|n| (n / 1_000) as u8).collect();
    h.ok("PUT /b01/source", &source).await;
    let upload = begin(&h, "").await;
    let copy = async |number: u32, range: &str| {
        let request = format!(
            "PUT /b01/k?partNumber={number}&uploadId={upload}\nx-amz-copy-source: /b01/source\nx-amz-copy-source-range: bytes={range}"
        );
        h.send(&request, b"").await
    };
    let first = copy(1, &format!("0-{}", 5 * MIB - 1)).await;
    let last = copy(2, &format!("{}-{}", 5 * MIB, 6 * MIB - 1)).await;
    assert_eq!(first.element("ETag"), etag(&source[..5 * MIB]));
    assert_eq!(copy(3, &format!("0-{}", 6 * MIB)).await.element("Code"), "InvalidArgument");
    assert_eq!(copy(3, "-5").await.element("Code"), "InvalidArgument");
    let document = complete(&[(1, &first.element("ETag")), (2, &last.element("ETag"))]);
    h.ok(&format!("POST /b01/k?uploadId={upload}"), document).await;
    assert!(h.ok("GET /b01/k", b"").await.body == source);
}
