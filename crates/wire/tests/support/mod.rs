//! A front door with services to try it on, and a client that sends whatever bytes it is told.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test takes the part it needs")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a part of tests, though clippy does not see it"
)]

pub mod client;
pub mod services;
pub mod signer;

use std::sync::Arc;

use cauce_core::Env;
use cauce_wire::{Front, FrontOptions};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use client::{Answer, Connection};
use services::{Guard, Probe};
use signer::{Request, Signer};

pub struct Server {
    pub address: std::net::SocketAddr,
    pub probe: Arc<Probe>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

pub async fn start(options: FrontOptions) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let probe = Arc::new(Probe::default());
    let front = services::furnish(Front::new(options, Arc::new(Guard), Env::system()), &probe);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(front.serve(listener, async { drop(stopped.await) }));
    Server { address, probe, stop: Some(stop), task }
}

impl Server {
    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Sends a request on a connection of its own.
    pub async fn send(&self, request: &Request) -> Answer {
        self.connect().await.send(request).await
    }

    /// Begins shutdown.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the server has gone.
    pub async fn gone(self) {
        self.task.await.unwrap().unwrap();
    }
}

/// The present moment as signatures write it.
pub fn now() -> String {
    at(0)
}

/// The moment so many seconds from now.
pub fn at(offset_s: i64) -> String {
    let seconds = Env::system().now().as_secs() + offset_s;
    let iso = cauce_core::Timestamp::from_secs(seconds).iso_secs();
    iso.chars().filter(|c| !"-:".contains(*c)).collect()
}

pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    let host = ("host".to_owned(), "127.0.0.1:4566".to_owned());
    Request {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers: std::iter::once(host).chain(headers).collect(),
        body: body.into(),
    }
}

/// An operation of the JSON service, signed.
pub fn json(operation: &str, body: &str) -> Request {
    Signer::new("echo", &now()).sign(unsigned_json(operation, body))
}

pub fn unsigned_json(operation: &str, body: &str) -> Request {
    let target = format!("Echo.{operation}");
    request("POST", "/", &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)], body)
}

/// An operation of the query service, signed.
pub fn query(body: &str) -> Request {
    Signer::new("forms", &now()).sign(unsigned_query(body))
}

pub fn unsigned_query(body: &str) -> Request {
    request("POST", "/", &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")], body)
}

/// An operation of the REST service, signed.
pub fn rest(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
    Signer::new("rest", &now()).sign(request(method, target, headers, body))
}
