//! A server with one function that has left children behind; prints their process numbers and waits to be killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../lambda/world.rs"]
mod world;

use serde_json::json;

#[tokio::main]
async fn main() {
    let world = world::World::new().await;
    world.create("f", json!({})).await;
    let (pid, _) = world.invoke("f", json!({"do": "pid"})).await;
    let (first, _) = world.invoke("f", json!({"do": "fork"})).await;
    let (second, _) = world.invoke("f", json!({"do": "fork"})).await;
    println!("{pid} {first} {second}");
    std::future::pending::<()>().await;
}
