//! What peers may cost: every limit through a real socket, after which the server goes on as before.

mod support;

use std::sync::atomic::Ordering;

use cauce_wire::FrontOptions;
use support::client::{Connection, head};
use support::signer::Signer;
use support::{Server, json, now, request, rest, start, unsigned_json};

/// Impatient enough for a test, patient enough for a busy machine where patience is not what is tried.
fn options() -> FrontOptions {
    FrontOptions { head_ms_max: 100, body_ms_max: 100, idle_ms_max: 60_000, ..FrontOptions::default() }
}

async fn still_serves(server: &Server) {
    let answer = server.send(&json("Say", r#"{"Text":"still here"}"#)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"Text":"still here"}"#));
}

#[tokio::test]
async fn what_is_no_request_is_answered_all_the_same() {
    let server = start(FrontOptions::default()).await;
    let check = async |bytes: &[u8], status: u16, code: &str| {
        let mut connection = server.connect().await;
        connection.write(bytes).await;
        let answer = connection.answer().await.expect("an answer");
        let (got_status, got_code, message) = answer.json_error();
        assert_eq!((got_status, got_code.as_str()), (status, code));
        assert!(!message.is_empty());
        assert_eq!(answer.header("x-amzn-requestid").map(str::len), Some(36));
        assert!(connection.answer().await.is_none(), "the connection is closed");
    };
    check(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n", 400, "BadRequest").await;
    check(b"GET\r\n\r\n", 400, "BadRequest").await;
    check(b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400, "BadRequest").await;
    check(b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400, "BadRequest").await;
    // One that comes to an end, and one that is still going on when the limit is reached.
    let huge = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {}\r\n\r\n", "y".repeat(66_000));
    check(huge.as_bytes(), 431, "RequestHeaderSectionTooLarge").await;
    let endless = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "y".repeat(200_000));
    check(endless.as_bytes(), 431, "RequestHeaderSectionTooLarge").await;
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    check(format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes(), 431, "RequestHeaderSectionTooLarge").await;
    still_serves(&server).await;
}

#[tokio::test]
async fn broken_requests_break_nothing() {
    use cauce_core::Entropy as _;
    let server = start(options()).await;
    let entropy = cauce_core::SeededEntropy::new(20_261_122);
    let below = |bound: usize| usize::try_from(entropy.below(bound as u64)).unwrap();
    let good = json("Say", r#"{"Text":"a"}"#);
    let good = format!("{}content-length: 12\r\n\r\n{{\"Text\":\"a\"}}", head(&good)).into_bytes();
    for _ in 0..300 {
        let mut bytes = good.clone();
        for _ in 0..=below(3) {
            let (from, len) = (below(bytes.len()), below(20));
            let mut noise = vec![0; below(10)];
            entropy.fill(&mut noise);
            let to = (from + len).min(bytes.len());
            bytes.splice(from..to, noise);
        }
        let mut connection = server.connect().await;
        connection.write(&bytes).await;
        if let Some(answer) = connection.answer().await {
            assert!(answer.status < 500, "{answer:?}");
            assert!(answer.header("x-amzn-requestid").is_some(), "{answer:?}");
        }
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn bodies_are_limited_by_service_and_operation() {
    let server = start(FrontOptions::default()).await;
    let text = |len: usize| format!(r#"{{"Text":"{}"}}"#, "x".repeat(len));
    let (status, code, message) = server.send(&json("Say", &text(1_048_576))).await.json_error();
    assert_eq!((status, code.as_str()), (413, "RequestEntityTooLargeException"));
    assert_eq!(message, "Request must be smaller than 1048576 bytes for the Say operation");
    let answer = server.send(&rest("POST", "/2020/say/a", &[], &text(1_500_000))).await;
    assert_eq!(answer.status, 201);
    let answer = server.send(&rest("POST", "/2020/say/a", &[], &text(2_000_001))).await;
    assert_eq!(answer.status, 413);
    let invoke = |len: usize| rest("POST", "/2020/functions/f/invocations", &[], &"x".repeat(len));
    assert_eq!(server.send(&invoke(3_000_000)).await.status, 202);
    assert_eq!(server.send(&invoke(3_000_001)).await.status, 413);
    // Who announces too much is told so without having to send it.
    let mut announced = json("Say", "{}");
    announced.headers.push(("content-length".into(), "99999999999".into()));
    let mut connection = server.connect().await;
    connection.write(format!("{}\r\n", head(&announced)).as_bytes()).await;
    assert_eq!(connection.answer().await.unwrap().status, 413);
    // A body in chunks does not say beforehand how long it is.
    let mut chunked = unsigned_json("Say", "");
    chunked.body = text(1_048_576).into_bytes();
    let mut chunked = Signer::new("echo", &now()).sign(chunked);
    chunked.headers.push(("transfer-encoding".into(), "chunked".into()));
    chunked.body = [format!("{:x}\r\n", chunked.body.len()).as_bytes(), &chunked.body, b"\r\n0\r\n\r\n"].concat();
    assert_eq!(server.send(&chunked).await.status, 413);
    still_serves(&server).await;
}

#[tokio::test]
async fn who_has_no_key_is_not_read() {
    let server = start(FrontOptions::default()).await;
    let mut stranger =
        Signer { key_id: "AKIDSTRANGER".into(), ..Signer::new("echo", &now()) }.sign(unsigned_json("Say", "{}"));
    stranger.headers.push(("content-length".into(), "1000000".into()));
    let mut connection = server.connect().await;
    connection.write(format!("{}\r\n", head(&stranger)).as_bytes()).await;
    // The answer comes although the body never does.
    let (status, code, _) = connection.answer().await.unwrap().json_error();
    assert_eq!((status, code.as_str()), (400, "UnrecognizedClientException"));
}

#[tokio::test]
async fn slow_senders_are_cut_off() {
    let server = start(options()).await;
    let mut slow = server.connect().await;
    slow.write(b"POST / HTTP/1.1\r\nhost: a\r\n").await;
    assert!(slow.answer().await.is_none(), "a head that never ends is not waited for");
    let mut late = json("Say", r#"{"Text":"a"}"#);
    late.headers.push(("content-length".into(), "1000".into()));
    let mut connection = server.connect().await;
    connection.write(format!("{}\r\n{{", head(&late)).as_bytes()).await;
    let (status, code, message) = connection.answer().await.unwrap().json_error();
    assert_eq!((status, code.as_str()), (408, "RequestTimeoutException"));
    assert_eq!(message, "The request body did not arrive within the limit of 100 milliseconds");
    still_serves(&server).await;
    let impatient = start(FrontOptions { idle_ms_max: 100, ..FrontOptions::default() }).await;
    assert!(impatient.connect().await.answer().await.is_none(), "an idle connection is closed");
}

#[tokio::test]
async fn connections_are_counted() {
    let server = start(FrontOptions { connections_max: 2, ..FrontOptions::default() }).await;
    let mut first = server.connect().await;
    assert_eq!(first.send(&json("Say", r#"{"Text":"a"}"#)).await.status, 200);
    let mut second = server.connect().await;
    assert_eq!(second.send(&json("Say", r#"{"Text":"a"}"#)).await.status, 200);
    let (status, code, _) = server.connect().await.answer().await.unwrap().json_error();
    assert_eq!((status, code.as_str()), (503, "ServiceUnavailable"));
    drop(first);
    // The place of a connection that was closed becomes free, if not at once.
    let say = json("Say", r#"{"Text":"a"}"#);
    let bytes = format!("{}content-length: 12\r\n\r\n{{\"Text\":\"a\"}}", head(&say));
    loop {
        let mut third = server.connect().await;
        third.write(bytes.as_bytes()).await;
        if third.answer().await.is_some_and(|answer| answer.status == 200) {
            break;
        }
    }
}

#[tokio::test]
async fn room_for_bodies_is_shared() {
    let server = start(FrontOptions { bodies_bytes_max: 100_000, ..options() }).await;
    let text = format!(r#"{{"Text":"{}"}}"#, "x".repeat(90_000));
    let mut unsent = json("Say", &text);
    unsent.headers.push(("content-length".into(), text.len().to_string()));
    // Never sends its body, yet holds its place until its time is over.
    let mut holder = server.connect().await;
    holder.write(format!("{}\r\n", head(&unsent)).as_bytes()).await;
    assert_eq!(holder.answer().await.unwrap().status, 408);
    assert_eq!(server.send(&json("Say", &text)).await.status, 200);
    still_serves(&server).await;
}

#[tokio::test]
async fn bodies_without_a_signature_take_their_room_too() {
    let server = start(FrontOptions { bodies_bytes_max: 100_000, ..options() }).await;
    let post = |path: &str, bytes: usize| {
        let mut post = request("POST", path, &[], &"x".repeat(bytes));
        post.headers[0].1 = "site.localhost".into();
        post
    };
    let waits = post("/wait", 90_000);
    let mut first = server.connect().await;
    let sent = async { first.send(&waits).await };
    let others = async {
        server.probe.waiting.notified().await;
        let (status, code, message) = server.send(&post("/", 90_000)).await.json_error();
        assert_eq!((status, code.as_str()), (503, "ServiceUnavailableException"));
        assert!(message.contains("all request bodies together"), "{message}");
        // What is small needs no room.
        assert_eq!(server.send(&post("/", 900)).await.status, 200);
        server.probe.go.notify_one();
    };
    let (first, ()) = tokio::join!(sent, others);
    // Far more than this service takes, but that is for itself to say.
    assert_eq!((first.status, first.body.as_str()), (400, "EntityTooLarge"));
    assert_eq!(server.send(&post("/", 90_000)).await.body, "EntityTooLarge");
    assert_eq!(server.send(&post("/", 1_100_000)).await.body, "EntityTooLarge");
    let mut late = post("/", 0);
    late.headers.push(("content-length".into(), "1000".into()));
    let mut connection = server.connect().await;
    connection.write(format!("{}\r\n", head(&late)).as_bytes()).await;
    assert_eq!(connection.answer().await.unwrap().status, 408);
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = start(FrontOptions::default()).await;
    let mut connection = server.connect().await;
    let mut ids = std::collections::HashSet::new();
    for n in 0..20 {
        let answer = match n % 4 {
            0 => connection.send(&json("Say", r#"{"Text":"a"}"#)).await,
            1 => connection.send(&json("Crash", "{}")).await,
            2 => connection.send(&unsigned_json("Say", "{}")).await,
            _ => connection.send(&json("Say", "{")).await,
        };
        assert_eq!(answer.status, [200, 500, 400, 400][n % 4]);
        assert!(ids.insert(answer.header("x-amzn-requestid").unwrap().to_owned()), "every id is new");
    }
    // Pipelined, and with a client that waits to be told to go on.
    let say = json("Say", r#"{"Text":"a"}"#);
    let bytes = format!("{}content-length: 12\r\n\r\n{{\"Text\":\"a\"}}", head(&say));
    connection.write(bytes.repeat(3).as_bytes()).await;
    for _ in 0..3 {
        assert_eq!(connection.answer().await.unwrap().body, r#"{"Text":"a"}"#);
    }
    let waits = format!("{}content-length: 12\r\nexpect: 100-continue\r\n\r\n", head(&say));
    connection.write(waits.as_bytes()).await;
    assert_eq!(connection.answer().await.unwrap().status, 100);
    connection.write(br#"{"Text":"a"}"#).await;
    assert_eq!(connection.answer().await.unwrap().status, 200);
    let mut chunked = json("Say", r#"{"Text":"a"}"#);
    chunked.headers.push(("transfer-encoding".into(), "chunked".into()));
    chunked.body = b"5\r\n{\"Tex\r\n7\r\nt\":\"a\"}\r\n0\r\n\r\n".to_vec();
    assert_eq!(connection.send(&chunked).await.status, 200);
}

#[tokio::test]
async fn a_request_is_carried_out_though_its_sender_has_gone() {
    let server = start(FrontOptions::default()).await;
    let mut connection = server.connect().await;
    let wait = json("Wait", "{}");
    connection.write(format!("{}content-length: 2\r\n\r\n{{}}", head(&wait)).as_bytes()).await;
    server.probe.waiting.notified().await;
    drop(connection);
    still_serves(&server).await;
    server.probe.go.notify_one();
    while server.probe.finished.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn shutdown_lets_requests_finish() {
    let mut server = start(FrontOptions::default()).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.send(&json("Say", r#"{"Text":"a"}"#)).await.status, 200);
    let mut busy = server.connect().await;
    let wait = json("Wait", "{}");
    busy.write(format!("{}content-length: 2\r\n\r\n{{}}", head(&wait)).as_bytes()).await;
    server.probe.waiting.notified().await;
    server.stop();
    assert!(idle.answer().await.is_none(), "an idle connection is closed");
    server.probe.go.notify_one();
    assert_eq!(busy.answer().await.unwrap().status, 200);
    assert!(busy.answer().await.is_none());
    let address = server.address;
    server.gone().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let mut server = start(FrontOptions { drain_ms_max: 50, ..FrontOptions::default() }).await;
    let mut stuck: Connection = server.connect().await;
    let wait = json("Wait", "{}");
    stuck.write(format!("{}content-length: 2\r\n\r\n{{}}", head(&wait)).as_bytes()).await;
    server.probe.waiting.notified().await;
    server.stop();
    server.gone().await;
    assert!(stuck.answer().await.is_none());
}
