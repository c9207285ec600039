//! The function that the tests deploy: a `provided.al2023` bootstrap without dependencies, so that `rustc -O bootstrap.rs` is
//! all it takes. The handler's name says what it does; a name it does not know is an error of its initialization.
//!
//! | handler | what an invocation does |
//! |---|---|
//! | `echo` | answers the event |
//! | `print` | prints the event on a line of its own, answers `null` |
//! | `late` | prints the event, and answers half a second later |
//! | `environment` | answers its environment variables |
//! | `proxy` | answers a proxied request with status 200, the event as the body, and the header `X-Own: yes` |
//! | `say` | prints the event, and answers its environment variable `ANSWER` |
//! | `refuse` | reports an error with the message in its environment variable `ANSWER` |
//! | `sleep` | sleeps as many milliseconds as the event says, answers `null` |
//! | `large` | answers a string of as many bytes as the event says |
//! | `family` | starts a process that would outlive it, answers both their ids |
//! | `report` | prints the event, answers that it could not process the messages whose body contains `bad` |
//! | `fail` | reports an error of the kind `Test.Failure` |
//! | `exit` | ends in the middle of the work |

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, exit};
use std::time::Duration;
use std::{env, thread};

/// What a handler makes of an event.
type Handler = fn(&str) -> Result<String, String>;

fn main() -> io::Result<()> {
    let name = env::var("_HANDLER").unwrap_or_default();
    let Some(handler) = handler(&name) else {
        let error = format!(r#"{{"errorMessage":"no handler {name}","errorType":"Runtime.NoSuchHandler"}}"#);
        request("POST", "init/error", "Lambda-Runtime-Function-Error-Type: Runtime.NoSuchHandler\r\n", &error)?;
        exit(1);
    };
    println!("initialized");
    loop {
        let (head, event) = request("GET", "invocation/next", "", "")?;
        let id = header(&head, "lambda-runtime-aws-request-id").unwrap_or_default();
        match handler(&event) {
            Ok(answer) => request("POST", &format!("invocation/{id}/response"), "", &answer)?,
            Err(error) => request("POST", &format!("invocation/{id}/error"), "", &error)?,
        };
    }
}

fn handler(name: &str) -> Option<Handler> {
    Some(match name {
        "echo" => |event| Ok(event.to_owned()),
        "print" => |event| {
            println!("{event}");
            Ok("null".to_owned())
        },
        "late" => |event| {
            println!("{event}");
            thread::sleep(Duration::from_millis(500));
            Ok("null".to_owned())
        },
        "environment" => |_| Ok(environment()),
        "proxy" => |event| {
            Ok(format!(r#"{{"statusCode":200,"headers":{{"X-Own":"yes"}},"body":{}}}"#, quoted(event)))
        },
        "say" => |event| {
            println!("{event}");
            Ok(env::var("ANSWER").unwrap_or_default())
        },
        "refuse" => |_| Err(error("Test.Failure", &env::var("ANSWER").unwrap_or_default())),
        "sleep" => |event| {
            thread::sleep(Duration::from_millis(event.trim().parse().unwrap_or(0)));
            Ok("null".to_owned())
        },
        "large" => {
            |event| Ok(format!("\"{}\"", "x".repeat(event.trim().parse::<usize>().unwrap_or(2).saturating_sub(2))))
        }
        "family" => |_| {
            let child =
                Command::new("sleep").arg("600").spawn().map_err(|cause| error("Test.NoChild", &cause.to_string()))?;
            Ok(format!("[{},{}]", std::process::id(), child.id()))
        },
        "report" => |event| {
            println!("{event}");
            Ok(format!(r#"{{"batchItemFailures":[{}]}}"#, failures(event)))
        },
        "judge" => |event| {
            println!("{event}");
            if event.contains(BAD) { Err(error("Test.Bad", "something bad")) } else { Ok("null".to_owned()) }
        },
        "count" => |event| {
            println!("{event}");
            let before = event.split_once(r#""count":"#).and_then(|(_, rest)| rest.split('}').next()?.parse().ok());
            let count = before.unwrap_or(0) + event.matches(r#""eventID":"#).count();
            Ok(format!(r#"{{"state":{{"count":{count}}}}}"#))
        },
        "fail" => |_| Err(error("Test.Failure", "as it was told")),
        "exit" => |_| exit(7),
        _ => return None,
    })
}

/// The text by which a record is a bad one: whole, since ids are in hexadecimal.
const BAD: &str = r#""bad""#;

/// The messages or changes of an event whose record is bad, as a batch response names them.
fn failures(event: &str) -> String {
    let (begins, id) = if event.contains(r#""eventID":""#) {
        (r#""eventID":""#, r#""SequenceNumber":""#)
    } else {
        (r#""messageId":""#, "")
    };
    let bad = event.split(begins).skip(1).filter(|record| record.contains(BAD));
    let failed = bad.filter_map(|record| record.split_once(id)?.1.split('"').next());
    failed.map(|id| format!(r#"{{"itemIdentifier":"{id}"}}"#)).collect::<Vec<_>>().join(",")
}

fn error(kind: &str, message: &str) -> String {
    format!(r#"{{"errorMessage":{},"errorType":"{kind}"}}"#, quoted(message))
}

fn environment() -> String {
    let variables: Vec<String> =
        env::vars().map(|(name, value)| format!("{}:{}", quoted(&name), quoted(&value))).collect();
    format!("{{{}}}", variables.join(","))
}

fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c < ' ' => json += &format!("\\u{:04x}", u32::from(c)),
            c => json.push(c),
        }
    }
    json + "\""
}

/// One call of the Runtime API, on a connection of its own; returns the head and the body of the answer.
fn request(method: &str, path: &str, headers: &str, body: &str) -> io::Result<(String, String)> {
    let api = env::var("AWS_LAMBDA_RUNTIME_API").unwrap_or_default();
    let mut stream = TcpStream::connect(&api)?;
    let head = format!(
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok((head.to_owned(), body.to_owned()))
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}
