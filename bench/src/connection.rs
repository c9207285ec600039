//! One HTTP connection that costs as little as possible: requests signed beforehand, blocking, no client in between.
//!
//! What is measured shares the processor with what measures it, so the latter must be thin.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::Request;

/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The longest wait for bytes.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Prepared(Vec<u8>);

impl Prepared {
    pub(crate) fn new(request: Request<Bytes>) -> Result<Prepared> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().context("a request has a path")?;
        let mut bytes = format!("{} {path} HTTP/1.1\r\n", head.method).into_bytes();
        for (name, value) in &head.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(&body);
        Ok(Prepared(bytes))
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).with_context(|| format!("nobody listens at {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        Ok(Connection { stream, read: Vec::new() })
    }

    /// Sends a request and returns the body of a good answer.
    ///
    /// # Errors
    /// If the answer is not 200, with what it says.
    pub(crate) fn call(&mut self, request: &Prepared) -> Result<&[u8]> {
        self.stream.write_all(&request.0)?;
        self.read.clear();
        let head_len = loop {
            self.fill()?;
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            if self.read.len() > HEAD_BYTES_MAX {
                bail!("the head of an answer is longer than {HEAD_BYTES_MAX} bytes");
            }
        };
        let head = String::from_utf8_lossy(self.read.get(..head_len).unwrap_or_default()).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let length = length.context("an answer says how long it is")?;
        while self.read.len() < head_len + length {
            self.fill()?;
        }
        let body = self.read.get(head_len..).unwrap_or_default();
        if !head.starts_with("http/1.1 200") || head.contains("x-amz-function-error") {
            bail!("{head}{}", String::from_utf8_lossy(body));
        }
        Ok(body)
    }

    fn fill(&mut self) -> Result<()> {
        let mut chunk = [0; 16 * 1024];
        let len = self.stream.read(&mut chunk)?;
        if len == 0 {
            bail!("the server has closed the connection");
        }
        self.read.extend_from_slice(chunk.get(..len).unwrap_or_default());
        Ok(())
    }
}
