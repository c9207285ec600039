//! What a crash may leave: the old object or the new one, whole, and no file that nothing refers to.

use std::sync::Arc;

use crate::harness::{Harness, call};
use cauce_s3::{Body, Trailers};
use cauce_store::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Notify;

fn body_of(byte: u8) -> Vec<u8> {
    vec![byte; 2_000_000]
}

/// A body that says when so many of its pieces have been taken, and then never goes on.
fn endless(byte: u8, pieces: usize, taken: Arc<Notify>) -> Body {
    let some = stream::iter((0..pieces).map(move |_| Ok(Bytes::from(vec![byte; 100_000]))));
    let never = stream::once(async move {
        taken.notify_one();
        std::future::pending().await
    });
    Body::new(Box::pin(some.chain(never)), Trailers::default())
}

#[tokio::test]
async fn a_crash_while_bytes_come_in_leaves_the_old_object() {
    let h = Harness::with_bucket().await;
    h.ok("PUT /b01/k", body_of(1)).await;
    for pieces in [0, 1, 7, 20] {
        let taken = Arc::new(Notify::new());
        let body = endless(2, pieces, Arc::clone(&taken));
        // The request is dropped where it waits for more, as when the process ends there.
        tokio::select! {
            answer = h.send_as(call(), "PUT /b01/k", body, 2_000_000) => panic!("{answer:?}"),
            () = taken.notified() => {}
        }
        let again = Harness::over(h.db.clone(), Arc::clone(&h.dir), 2).await;
        assert!(again.ok("GET /b01/k", b"").await.body == body_of(1));
        assert_eq!(again.files().len(), 1, "{pieces}");
    }
}

#[tokio::test]
async fn files_that_nothing_refers_to_go_at_the_next_start() {
    let h = Harness::with_bucket().await;
    h.ok("PUT /b01/k", body_of(1)).await;
    // Kept but never committed; staged but never kept; and what is no body at all.
    let name = "ab".repeat(16);
    std::fs::write(h.dir.path().join("a").join(&name), b"orphan").unwrap();
    std::fs::write(h.dir.path().join("incoming").join(&name), b"staged").unwrap();
    let again = Harness::over(h.db.clone(), Arc::clone(&h.dir), 2).await;
    assert_eq!(again.files().len(), 1);
    assert!(again.ok("GET /b01/k", b"").await.body == body_of(1));
}

#[tokio::test]
async fn readers_get_one_version_whole_while_writers_replace_it() {
    let h = Arc::new(Harness::with_bucket().await);
    h.ok("PUT /b01/k", body_of(0)).await;
    let writers = (1..=4_u8).map(|byte| {
        let h = Arc::clone(&h);
        async move {
            for _ in 0..5 {
                h.ok("PUT /b01/k", body_of(byte)).await;
            }
        }
    });
    let readers = (0..4).map(|_| {
        let h = Arc::clone(&h);
        async move {
            for _ in 0..20 {
                let got = h.ok("GET /b01/k", b"").await.body;
                let first = got[0];
                assert_eq!(got.len(), 2_000_000);
                assert!(got.iter().all(|byte| *byte == first));
            }
        }
    });
    futures_util::future::join(futures_util::future::join_all(writers), futures_util::future::join_all(readers)).await;
    h.files_become(1).await;
}

#[tokio::test]
async fn an_object_being_read_stays_until_it_is_read() {
    let h = Harness::with_bucket().await;
    h.ok("PUT /b01/k", body_of(1)).await;
    let headers = http::HeaderMap::new();
    let response = h.s3.respond(call(), &http::Method::GET, "/b01/k", headers, Body::from_bytes("")).await;
    let cauce_s3::Payload::Stream(mut stream) = response.into_body() else { panic!("a file is streamed") };
    let mut got = stream.next().await.unwrap().unwrap().to_vec();
    h.ok("DELETE /b01/k", b"").await;
    while let Some(piece) = stream.next().await {
        got.extend_from_slice(&piece.unwrap());
    }
    assert!(got == body_of(1));
    drop(stream);
    h.files_become(0).await;
}

#[tokio::test]
async fn of_many_that_create_one_object_one_wins() {
    let h = Arc::new(Harness::with_bucket().await);
    for bytes in [10, 100_000] {
        let request = format!("PUT /b01/k{bytes}\nIf-None-Match: *");
        let puts = (0..20).map(|n| {
            let (h, request) = (Arc::clone(&h), request.clone());
            async move { h.send(&request, vec![n; bytes]).await.status }
        });
        let statuses = futures_util::future::join_all(puts).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 19);
    }
    h.files_become(1).await;
}
