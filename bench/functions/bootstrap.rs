//! The functions that are measured with: no SDK, no runtime, only the standard library and one connection to the Runtime API.
//!
//! The handler's name says what it does: `empty` answers `null`; `proxy` answers as API Gateway wants it; `log` prints the
//! event's number and the time, and tells whoever listens at `BENCH_NOTIFY` the number, so that nobody has to poll. Started with
//! a path as its argument, the same program answers over a Unix socket instead: what a call costs that has nothing in between.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::time::{SystemTime, UNIX_EPOCH};

const PREFIX: &str = "/2018-06-01/runtime/invocation";

fn main() -> Result<()> {
    let mut handler = Handler::from_environment()?;
    match std::env::args().nth(1) {
        Some(path) => answer_on_socket(&path, &mut handler),
        None => answer_runtime(&mut handler),
    }
}

/// What the function does.
enum Handler {
    Empty,
    Proxy,
    Log { listener: Option<TcpStream> },
}

impl Handler {
    fn from_environment() -> Result<Handler> {
        match std::env::var("_HANDLER").as_deref() {
            Ok("log") => {}
            Ok("proxy") => return Ok(Handler::Proxy),
            _ => return Ok(Handler::Empty),
        }
        let Ok(address) = std::env::var("BENCH_NOTIFY") else { return Ok(Handler::Log { listener: None }) };
        let listener = TcpStream::connect(address)?;
        listener.set_nodelay(true)?;
        Ok(Handler::Log { listener: Some(listener) })
    }

    fn handle(&mut self, event: &[u8]) -> Result<&'static str> {
        if let Handler::Log { listener } = self {
            let number = number(event);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Error::other)?;
            let mut out = std::io::stdout().lock();
            writeln!(out, "event {number} {}", now.as_nanos())?;
            out.flush()?;
            if let Some(listener) = listener {
                listener.write_all(&number.to_le_bytes())?;
            }
        }
        Ok(if matches!(self, Handler::Proxy) { r#"{"statusCode":200,"body":"{}"}"# } else { "null" })
    }
}

/// The digits after the first `"n":`; 0 without.
fn number(event: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(event);
    let Some((_, rest)) = text.split_once("\"n\":") else { return 0 };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn answer_runtime(handler: &mut Handler) -> Result<()> {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(Error::other)?;
    let stream = TcpStream::connect(&address)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut event = Vec::new();
    loop {
        writer.write_all(format!("GET {PREFIX}/next HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes())?;
        let id = read_answer(&mut reader, &mut event)?;
        let answer = handler.handle(&event)?;
        let length = answer.len();
        let request = format!(
            "POST {PREFIX}/{id}/response HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n{answer}"
        );
        writer.write_all(request.as_bytes())?;
        read_answer(&mut reader, &mut event)?;
    }
}

/// Reads an answer's body into `body` and returns the request id in its head, if one is there.
fn read_answer(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Result<String> {
    let (mut id, mut length, mut line) = (String::new(), 0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the runtime API is gone"));
        }
        let Some((name, value)) = line.split_once(':') else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") {
            value.trim().clone_into(&mut id);
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(Error::other)?;
        }
    }
    body.resize(length, 0);
    reader.read_exact(body)?;
    Ok(id)
}

/// One connection; a call is four bytes of length and the event, an answer the same.
fn answer_on_socket(path: &str, handler: &mut Handler) -> Result<()> {
    let (mut stream, _) = UnixListener::bind(path)?.accept()?;
    let (mut length, mut event) = ([0; 4], Vec::new());
    while stream.read_exact(&mut length).is_ok() {
        event.resize(u32::from_le_bytes(length) as usize, 0);
        stream.read_exact(&mut event)?;
        let answer = handler.handle(&event)?;
        let mut framed = u32::try_from(answer.len()).map_err(Error::other)?.to_le_bytes().to_vec();
        framed.extend_from_slice(answer.as_bytes());
        stream.write_all(&framed)?;
    }
    Ok(())
}
