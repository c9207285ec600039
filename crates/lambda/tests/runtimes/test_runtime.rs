//! A function without any dependency: a blocking loop over the Runtime API that does what the payload's `do` says.
//!
//! `TEST_INIT` decides how it starts: `error` (posts an init error), `exit` (exits with status 3), `hang` (never asks for work).

#![allow(clippy::unwrap_used, clippy::zombie_processes, reason = "a test program; what it leaves behind is the test")]

use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio, exit};
use std::time::Duration;

fn main() {
    let address = env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let mut api = Api { stream: BufReader::new(TcpStream::connect(&address).unwrap()), address };
    println!("init of {}", env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap());
    match env::var("TEST_INIT").as_deref() {
        Ok("error") => {
            let body = br#"{"errorType":"Boom","errorMessage":"no start"}"#;
            api.post("init/error", "lambda-runtime-function-error-type: Init.Boom\r\n", body);
            exit(1);
        }
        Ok("exit") => exit(3),
        Ok("hang") => loop {
            std::thread::park();
        },
        _ => {}
    }
    loop {
        let (headers, payload) = api.call("GET", "invocation/next", "", b"");
        let id = header(&headers, "lambda-runtime-aws-request-id");
        let text = String::from_utf8_lossy(&payload).into_owned();
        let (path, body) = handle(&text, &headers, &mut api, &id);
        api.post(&format!("invocation/{id}/{path}"), "", &body);
        if text.contains(r#""do":"exit-after""#) {
            exit(0);
        }
    }
}

fn handle(text: &str, headers: &str, api: &mut Api, id: &str) -> (&'static str, Vec<u8>) {
    let wants = |what: &str| text.contains(&format!(r#""do":"{what}""#));
    let answer = |body: String| ("response", body.into_bytes());
    if wants("sleep") {
        std::thread::sleep(Duration::from_millis(number(text, "ms")));
    } else if wants("hang") {
        println!("hanging");
        loop {
            std::thread::park();
        }
    } else if wants("crash") {
        exit(1);
    } else if wants("abort") {
        std::process::abort();
    } else if wants("error") {
        return ("error", br#"{"errorType":"Bad","errorMessage":"told you"}"#.to_vec());
    } else if wants("env") {
        let mut all: Vec<String> = env::vars().map(|(k, v)| format!("{}:{}", quoted(&k), quoted(&v))).collect();
        all.push(format!(r#""cwd":{}"#, quoted(&env::current_dir().unwrap().to_string_lossy())));
        all.push(format!(r#""headers":{}"#, quoted(headers)));
        return answer(format!("{{{}}}", all.join(",")));
    } else if wants("pid") {
        return answer(std::process::id().to_string());
    } else if wants("print") {
        for i in 0..number(text, "lines") {
            println!("line {i}");
            eprintln!("err {i}");
        }
    } else if wants("long-line") {
        println!("{}", "x".repeat(300_000));
        print!("no end");
        let _ = std::io::stdout().flush();
    } else if wants("big") {
        return answer(format!("\"{}\"", "x".repeat(usize::try_from(number(text, "bytes")).unwrap())));
    } else if wants("eat") {
        let mut hoard: Vec<Vec<u8>> = Vec::new();
        loop {
            hoard.push(vec![1; 8 << 20]);
            std::thread::sleep(Duration::from_millis(5));
        }
    } else if wants("fork") {
        return answer(children(text).to_string());
    } else if wants("fork-and-hang") {
        println!("grandchild {}", children(text));
        loop {
            std::thread::park();
        }
    } else if wants("wrong-id") {
        return answer(quoted(&api.post("invocation/nobody/response", "", b"1")));
    } else if wants("wrong-state") {
        return answer(quoted(&api.call("GET", "invocation/next", "", b"").0));
    } else if wants("files") {
        return answer(files(text));
    } else if wants("report") {
        let failed = text.split(r#""fail":""#).nth(1).and_then(|t| t.split('"').next()).unwrap_or("nobody");
        return answer(format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{failed}"}}]}}"#));
    } else if wants("stream") {
        api.stream_answer(id);
        return ("error", Vec::new());
    }
    answer(text.to_owned())
}

/// Starts a shell in a session of its own whose child sleeps for long, with or without this environment; returns the
/// sleeper's number.
fn children(text: &str) -> u32 {
    let mut shell = Command::new("setsid");
    shell.args(["sh", "-c", "sleep 1000 & echo $!; exec sleep 1000"]).stdout(Stdio::piped());
    if text.contains("scrubbed") {
        shell.env_clear();
    }
    let child = shell.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.unwrap()).read_line(&mut line).unwrap();
    line.trim().parse().unwrap()
}

/// What may be done with some files: `{"own":true,...}`.
fn files(text: &str) -> String {
    let own = std::path::Path::new(&env::var("TMPDIR").unwrap()).join("x");
    let outside = text.split(r#""path":""#).nth(1).and_then(|t| t.split('"').next()).unwrap_or("/nowhere");
    let code = env::var("LAMBDA_TASK_ROOT").unwrap() + "/new";
    format!(
        r#"{{"own":{},"outside_read":{},"outside_write":{},"code_write":{},"passwd":{},"parent_environ":{}}}"#,
        std::fs::write(own, "x").is_ok(),
        std::fs::read(outside).is_ok(),
        std::fs::write(outside, "x").is_ok(),
        std::fs::write(code, "x").is_ok(),
        std::fs::read("/etc/passwd").is_ok(),
        std::fs::read(format!("/proc/{}/environ", std::os::unix::process::parent_id())).is_ok(),
    )
}

fn number(text: &str, name: &str) -> u64 {
    let rest = text.split(&format!("\"{name}\":")).nth(1).unwrap_or("0");
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

fn quoted(text: &str) -> String {
    let escaped: String = text.chars().flat_map(escape).collect();
    format!("\"{escaped}\"")
}

fn escape(c: char) -> Vec<char> {
    match c {
        '"' | '\\' => vec!['\\', c],
        '\n' => vec!['\\', 'n'],
        '\r' => vec!['\\', 'r'],
        c if c.is_control() => vec!['?'],
        c => vec![c],
    }
}

fn header(headers: &str, name: &str) -> String {
    let mut lines = headers.lines().filter_map(|l| l.split_once(':'));
    lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned()).unwrap_or_default()
}

struct Api {
    stream: BufReader<TcpStream>,
    address: String,
}

impl Api {
    fn call(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> (String, Vec<u8>) {
        let mut request = format!(
            "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{headers}\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request).unwrap();
        self.read()
    }

    fn read(&mut self) -> (String, Vec<u8>) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).unwrap() == 0 {
                exit(9);
            }
        }
        let mut body = vec![0; header(&head, "content-length").parse().unwrap_or(0)];
        self.stream.read_exact(&mut body).unwrap();
        (head, body)
    }

    fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> String {
        let (head, answer) = self.call("POST", path, headers, body);
        format!("{} {}", head.lines().next().unwrap_or(""), String::from_utf8_lossy(&answer))
    }

    /// An answer in the streaming mode that fails after its first part.
    fn stream_answer(&mut self, id: &str) {
        let head = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\n\
             lambda-runtime-function-response-mode: streaming\r\n\
             trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n",
            self.address
        );
        // eyJlIjoxfQ== is {"e":1}
        let body = "4\r\n\"par\r\n0\r\nLambda-Runtime-Function-Error-Type: Mid.Stream\r\n\
                    Lambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n\r\n";
        self.stream.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
        let _ = self.read();
    }
}
