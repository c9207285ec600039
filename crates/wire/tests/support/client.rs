//! An HTTP client that hides nothing.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::signer::Request;

pub struct Connection {
    stream: TcpStream,
    pending: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The parts that tell an error in JSON: status, code, message.
    pub fn json_error(&self) -> (u16, String, String) {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        let text = |name: &str| body.get(name).and_then(|v| v.as_str()).map(str::to_owned);
        let code = text("__type").or_else(|| self.header("x-amzn-errortype").map(str::to_owned));
        (self.status, code.unwrap_or_default(), text("message").or_else(|| text("Message")).unwrap_or_default())
    }

    /// The same of an error in XML.
    pub fn xml_error(&self) -> (u16, String, String) {
        let text = |name: &str| {
            let (_, rest) = self.body.split_once(&format!("<{name}>"))?;
            rest.split_once(&format!("</{name}>")).map(|(text, _)| text.to_owned())
        };
        (self.status, text("Code").unwrap_or_default(), text("Message").unwrap_or_default())
    }
}

pub fn head(request: &Request) -> String {
    let and = if request.query.is_empty() { "" } else { "?" };
    let mut head = format!("{} {}{and}{} HTTP/1.1\r\n", request.method, request.path, request.query);
    for (name, value) in &request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Connection {
        Connection { stream: TcpStream::connect(address).await.unwrap(), pending: Vec::new() }
    }

    pub async fn send(&mut self, request: &Request) -> Answer {
        let framed = request.headers.iter().any(|(n, _)| n == "transfer-encoding" || n == "content-length");
        let mut bytes = head(request).into_bytes();
        if !framed {
            bytes.extend(format!("content-length: {}\r\n", request.body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&request.body);
        self.write(&bytes).await;
        self.answer().await.expect("an answer")
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // The server may close before it has read all; its answer tells what matters.
        drop(self.stream.write_all(bytes).await);
    }

    /// The next answer, or none if the connection is closed first.
    pub async fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.pending.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.pending.drain(..end + 4).collect()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: String::new() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.chunks().await;
        } else {
            let len = answer.header("content-length").map_or(0, |v| v.parse().unwrap());
            while self.pending.len() < len {
                self.more().await?;
            }
            let body: Vec<u8> = self.pending.drain(..len).collect();
            // What is no text is looked at as far as it is one.
            answer.body = String::from_utf8_lossy(&body).into_owned();
        }
        Some(answer)
    }

    async fn chunks(&mut self) -> String {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = self.pending.windows(2).position(|w| w == b"\r\n") {
                    break at;
                }
                self.more().await.unwrap();
            };
            let line: Vec<u8> = self.pending.drain(..end + 2).collect();
            let len = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            while self.pending.len() < len + 2 {
                self.more().await.unwrap();
            }
            body.extend(self.pending.drain(..len + 2).take(len));
            if len == 0 {
                return String::from_utf8_lossy(&body).into_owned();
            }
        }
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => None,
            Ok(n) => {
                self.pending.extend(&buffer[..n]);
                Some(())
            }
        }
    }
}
