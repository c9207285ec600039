//! What the front door costs: a signed JSON operation that echoes its input, beside hyper alone echoing the same bytes.
//!
//! Both are asked in turns by the same client over the same number of keep-alive connections, in one process, so that the
//! machine's mood weighs on both alike; the ratio is what counts. `cargo bench -p cauce-wire --bench echo`

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Verdict};
use cauce_core::{Account, Arn, Call, Env, Principal, ServiceError};
use cauce_wire::{Api, Front, FrontOptions, Input, JsonVersion, Operation, Protocol, ServiceInfo};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[path = "../tests/support/signer.rs"]
mod signer;

const CONNECTIONS: usize = 16;
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 4;

struct Owner;

#[async_trait]
impl Identity for Owner {
    async fn access_key(&self, access_key_id: &str) -> Result<Option<AccessKey>, ServiceError> {
        let principal = Principal::Root { account: Account::DEFAULT, access_key_id: access_key_id.to_owned() };
        Ok(Some(AccessKey { secret: signer::SECRET.to_owned(), session_token: None, principal, expires: None }))
    }

    async fn assume_role(&self, _: &Arn, _: &str, _: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("no roles here"))
    }

    async fn explain(&self, _: &Call, _: &Access<'_>) -> Result<Verdict, ServiceError> {
        Ok(Verdict::Allowed(String::new()))
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entries {
    entries: Vec<Entry>,
}

/// The shape of an event, so that decoding is what it is in life.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
}

impl Input for Entries {}

struct Echo;

impl Echo {
    async fn echo(self: Arc<Self>, _call: Call, input: Entries) -> Result<Entries, ServiceError> {
        Ok(input)
    }
}

static INFO: ServiceInfo = ServiceInfo {
    name: "echo",
    signing_name: "echo",
    protocols: &[Protocol::Json { version: JsonVersion::V1_1, target_prefix: "Echo" }],
    validation_code: "ValidationException",
};

async fn front(listener: TcpListener) -> std::io::Result<()> {
    let api = Api::new(&INFO, Arc::new(Echo)).operation(
        Operation::new("Echo", Echo::echo).resource(|call, _| vec![call.arn("echo", "event-bus/default").to_string()]),
    );
    let front = Front::new(FrontOptions::default(), Arc::new(Owner), Env::system()).api(api);
    front.serve(listener, std::future::pending()).await
}

async fn bare(listener: TcpListener) -> std::io::Result<()> {
    async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok(Response::new(Full::new(body)))
    }
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), hyper::service::service_fn(echo)),
        );
    }
}

/// One request with a body of about 700 bytes, as bytes.
fn request() -> Vec<u8> {
    let detail = format!("{{\\\"card-type\\\":\\\"Debit\\\",\\\"note\\\":\\\"{}\\\"}}", "x".repeat(520));
    let body = format!(
        r#"{{"Entries":[{{"Source":"custom.myATMapp","DetailType":"transaction","Detail":"{detail}","EventBusName":"default"}}]}}"#
    );
    let now: String = Env::system().now().iso_secs().chars().filter(|c| !"-:".contains(*c)).collect();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let signed = signer::Signer::new("echo", &now).sign(signer::Request {
        method: "POST".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![
            header("host", "127.0.0.1:4566"),
            header("content-type", "application/x-amz-json-1.1"),
            header("x-amz-target", "Echo.Echo"),
        ],
        body: body.into_bytes(),
    });
    let mut bytes = b"POST / HTTP/1.1\r\n".to_vec();
    for (name, value) in &signed.headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    bytes.extend(b"user-agent: Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11.7\r\n");
    bytes.extend(b"amz-sdk-request: attempt=1\r\n");
    bytes.extend(format!("content-length: {}\r\n\r\n", signed.body.len()).bytes());
    bytes.extend(&signed.body);
    bytes
}

/// Asks over one connection until the time is over; the latency of each answer.
async fn ask(address: SocketAddr, request: Arc<Vec<u8>>, until: Instant) -> std::io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut taken = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    // The first answer tells how long all of them are.
    let mut len = 0;
    while Instant::now() < until {
        let start = Instant::now();
        stream.write_all(&request).await?;
        let mut got = 0;
        loop {
            let read = stream.read(buffer.get_mut(got..).unwrap_or_default()).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            got += read;
            if len == 0 {
                len = whole(buffer.get(..got).unwrap_or_default()).unwrap_or(0);
            }
            if len > 0 && got >= len {
                break;
            }
        }
        taken.push(start.elapsed());
    }
    Ok(taken)
}

/// The length of the answer that begins here, once its head has come.
fn whole(answer: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, _) = text.split_once("\r\n\r\n")?;
    if !head.starts_with("HTTP/1.1 200") {
        eprintln!("{text}");
        std::process::exit(1);
    }
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    Some(head.len() + 4 + len.parse::<usize>().ok()?)
}

struct Measured {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

async fn measure(address: SocketAddr, request: &Arc<Vec<u8>>) -> Result<Measured, Box<dyn Error>> {
    let start = Instant::now();
    let asking: Vec<_> =
        (0..CONNECTIONS).map(|_| tokio::spawn(ask(address, Arc::clone(request), start + ROUND))).collect();
    let mut taken = Vec::new();
    for task in asking {
        taken.extend(task.await??);
    }
    let per_second = taken.len() as f64 / start.elapsed().as_secs_f64();
    taken.sort_unstable();
    let at = |part: usize| taken.get(taken.len() * part / 100).copied().unwrap_or_default();
    Ok(Measured { per_second, p50: at(50), p99: at(99) })
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (ours, theirs) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let addresses = [theirs.local_addr()?, ours.local_addr()?];
        tokio::spawn(front(ours));
        tokio::spawn(bare(theirs));
        let request = Arc::new(request());
        println!("request of {} bytes, {CONNECTIONS} connections, server and client on the same cores", request.len());
        for round in 1..=ROUNDS {
            let [bare, front] = [measure(addresses[0], &request).await?, measure(addresses[1], &request).await?];
            println!(
                "round {round}: hyper alone {:.0}/s (p50 {:?}, p99 {:?}); signed operation {:.0}/s (p50 {:?}, p99 {:?}); ratio {:.2}",
                bare.per_second,
                bare.p50,
                bare.p99,
                front.per_second,
                front.p50,
                front.p99,
                front.per_second / bare.per_second,
            );
        }
        Ok(())
    })
}
