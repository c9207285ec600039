//! A bare HTTP server in a process of its own: what a request costs that nobody looks at.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::connection::{Connection, Prepared};

/// The echo server as a process.
#[derive(Debug)]
pub(crate) struct Echo {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Echo {
    /// Starts it.
    ///
    /// # Errors
    /// If it does not say where it listens.
    pub(crate) fn start(own: &Path) -> Result<Echo> {
        let mut child = Command::new(own).arg("--echo").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("no standard output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(Echo { child, address: line.trim().parse().context("the echo server did not start")? })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection, and a request of `body` bytes.
    ///
    /// # Errors
    /// If it is gone.
    pub(crate) fn connect(&self, body: usize) -> Result<(Connection, Prepared)> {
        let request = Request::builder().method(Method::POST).uri("/").header("host", self.address.to_string());
        let request = request.body(Bytes::from(vec![b'x'; body]))?;
        Ok((Connection::open(self.address)?, Prepared::new(request)?))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers every request with its own body, until killed.
pub(crate) fn serve() -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Ok(Response::new(Full::new(body)))
}
