//! Through the front door.

use std::sync::Arc;

use cauce_lambda::api;
use cauce_wire::{Front, FrontOptions};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{World, runtime_zip};

/// Status and body of a GET.
async fn get(url: &str) -> (u16, Vec<u8>) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
    (status, answer[end + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_to_a_package_needs_no_other_signature() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut call = world.call();
    call.host = listener.local_addr().unwrap().to_string().into();
    let front = Front::new(FrontOptions::default(), Arc::clone(&world.identity), world.env.clone());
    let server = tokio::spawn(front.api(api(Arc::clone(&world.lambda))).serve(listener, std::future::pending()));
    let got = world.json_as(call, "GetFunction", json!({"FunctionName": "f"})).await.unwrap();
    let link = got["Code"]["Location"].as_str().unwrap();
    let (status, body) = get(link).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    assert_eq!(body, runtime_zip());
    let (status, _) = get(&link.replace("%24LATEST", "1")).await;
    assert_eq!(status, 403);
    let (status, body) = get(link.split("&X-Amz").next().unwrap()).await;
    assert_eq!(status, 403, "{}", String::from_utf8_lossy(&body));
    server.abort();
}
