//! S3 behind the front door, over a real socket. The requests are unsigned, so a policy lets everybody in.

use std::sync::Arc;

use cauce_core::Env;
use cauce_core::ports::Identity;
use cauce_wire::{Front, FrontOptions, RawService};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Harness, etag};

/// Opens the door to the bucket `b01`, and returns its port.
async fn open(h: &Harness) -> u16 {
    h.ok("DELETE /b01?publicAccessBlock", b"").await;
    let everybody = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b01","arn:aws:s3:::b01/*"]}}"#;
    h.ok("PUT /b01?policy", everybody).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let identity = Arc::clone(&h.policies) as Arc<dyn Identity>;
    let s3 = Arc::clone(&h.s3) as Arc<dyn RawService>;
    let front = Front::new(FrontOptions::default(), identity, Env::system()).raw(s3);
    tokio::spawn(front.serve(listener, std::future::pending()));
    port
}

/// Sends one request to the host of the bucket, and returns the whole answer as text.
async fn send(port: u16, head: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (first, headers) = head.split_once('\n').unwrap_or((head, ""));
    let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
    let request = format!(
        "{first} HTTP/1.1\r\nHost: b01.s3.localhost:{port}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn chunks_with_a_trailer_come_in_decoded() {
    let h = Harness::with_bucket().await;
    let port = open(&h).await;
    let head = "PUT /k\nContent-Encoding: aws-chunked\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\n\
                x-amz-decoded-content-length: 5\nx-amz-trailer: x-amz-checksum-crc32";
    let put = send(port, head, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n").await;
    assert_eq!(status(&put), "200", "{put}");
    assert!(put.contains("x-amz-checksum-crc32: NhCmhg==") && put.contains(&etag(b"hello")), "{put}");
    let got = send(port, "GET /k", "").await;
    assert!(got.ends_with("\r\n\r\nhello") && got.contains("content-length: 5"), "{got}");
    assert!(!got.contains("content-encoding"), "{got}");
    let head_only = send(port, "HEAD /k", "").await;
    assert!(head_only.contains("content-length: 5") && head_only.ends_with("\r\n\r\n"), "{head_only}");

    let wrong = send(port, head, "5\r\nhullo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n").await;
    assert!(status(&wrong) == "400" && wrong.contains("<Code>BadDigest</Code>"), "{wrong}");
    assert!(send(port, "GET /k", "").await.ends_with("hello"));
}

#[tokio::test]
async fn the_checksum_of_a_completion_is_that_of_the_object() {
    let h = Harness::with_bucket().await;
    let port = open(&h).await;
    let begin = "POST /k?uploads\nx-amz-checksum-algorithm: CRC32\nx-amz-checksum-type: FULL_OBJECT";
    let begun = send(port, begin, "").await;
    let upload = begun.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    let part = format!("PUT /k?partNumber=1&uploadId={upload}\nx-amz-checksum-crc32: NhCmhg==");
    assert_eq!(status(&send(port, &part, "hello").await), "200");
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        etag(b"hello")
    );
    let complete = |crc: &str| format!("POST /k?uploadId={upload}\nx-amz-checksum-crc32: {crc}");
    let wrong = send(port, &complete("AAAAAA=="), &document).await;
    assert!(status(&wrong) == "400" && wrong.contains("<Code>BadDigest</Code>"), "{wrong}");
    let done = send(port, &complete("NhCmhg=="), &document).await;
    assert!(status(&done) == "200" && done.contains("<ChecksumCRC32>NhCmhg==</ChecksumCRC32>"), "{done}");
}

#[tokio::test]
async fn a_path_alone_does_not_make_an_unsigned_request_one_of_s3() {
    let h = Harness::with_bucket().await;
    let port = open(&h).await;
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET /b01/k HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), "403", "{answer}");
}
