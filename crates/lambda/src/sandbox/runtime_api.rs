//! The HTTP side of a sandbox: what a custom runtime talks to.
//!
//! AWS: Lambda Developer Guide, *Using the Lambda runtime API for custom runtimes*. One listener on a loopback port for each
//! sandbox, so that no function can answer for another one by guessing an id; the address is all that tells them apart.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::exchange::{Answer, Exchange, Job, Phase, Refusal};
use super::scribe::Scribe;

/// The largest answer of a function, in bytes. AWS: Lambda quotas, "Invocation payload"; the odd hundred is its own.
pub(crate) const RESPONSE_BYTES_MAX: usize = 6 * 1_024 * 1_024 + 100;

/// How much of an answer that is too large is read before the connection is given up, in bytes: a runtime that is still
/// writing when the refusal comes would see a broken pipe instead of it.
const RESPONSE_BYTES_DRAINED_MAX: usize = 64 * 1_024 * 1_024;

/// The largest error document, in bytes.
const ERROR_BYTES_MAX: usize = 256 * 1_024;

/// Connections of one runtime at a time; runtimes use one or two.
const CONNECTIONS_MAX: usize = 16;

const PREFIX: &str = "/2018-06-01/runtime/";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// What the listener of one sandbox shares with it.
pub(crate) struct RuntimeApi {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) scribe: Scribe,
    /// `$LATEST` or a number, for the START line.
    pub(crate) version: String,
}

impl RuntimeApi {
    /// Opens the listener on a free port; [`RuntimeApi::serve`] answers on it.
    ///
    /// # Errors
    /// When the system has no port left.
    pub(crate) async fn bind() -> std::io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    /// Answers until the task is aborted.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            while tasks.try_join_next().is_some() {}
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, most likely; others will close theirs.
                tokio::task::yield_now().await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let api = Arc::clone(&self);
            tasks.spawn(async move {
                let service = service_fn(move |request| {
                    let api = Arc::clone(&api);
                    async move { Ok::<_, Infallible>(api.respond(request).await) }
                });
                // A runtime that breaks its connection off is noticed by its exit or its timeout.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                drop(permit);
            });
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let Some(path) = head.uri.path().strip_prefix(PREFIX) else { return not_found() };
        match (&head.method, path) {
            (&Method::GET, "invocation/next") => self.next().await,
            (&Method::POST, "init/error") => self.init_error(&head.headers, body).await,
            (&Method::POST, other) => match other.strip_prefix("invocation/").and_then(|rest| rest.split_once('/')) {
                Some((id, "response")) => self.response(id, body).await,
                Some((id, "error")) => self.error(id, &head.headers, body).await,
                _ => not_found(),
            },
            _ => not_found(),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let take = match self.exchange.next() {
            Ok(take) => take,
            Err(refusal) => return refused(refusal),
        };
        // The sender goes only with the whole sandbox or when the runtime asks on another connection.
        let Ok(job) = take.await else { return shutting_down() };
        if !job.announced {
            self.scribe.start(&job.request_id, &self.version).await;
        }
        let Job { request_id, payload, invoked_arn, deadline, trace, client_context, reply, announced: _ } = job;
        let mut response = Response::new(Full::new(payload));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        put(headers, "lambda-runtime-aws-request-id", &request_id);
        put(headers, "lambda-runtime-deadline-ms", &deadline.as_millis().to_string());
        put(headers, "lambda-runtime-invoked-function-arn", &invoked_arn);
        put(headers, "lambda-runtime-trace-id", &trace);
        if let Some(context) = &client_context {
            put(headers, "lambda-runtime-client-context", context);
        }
        self.exchange.taken(request_id, reply);
        response
    }

    async fn response(&self, id: &str, body: Incoming) -> Response<Full<Bytes>> {
        if let Err(refusal) = self.exchange.may_answer(id, "InvocationResponse") {
            return refused(refusal);
        }
        let (answer, status) = match read(body, RESPONSE_BYTES_MAX).await {
            Body::Whole(bytes, None) => (Answer::Result(bytes), StatusCode::ACCEPTED),
            // A streamed answer that failed on its way says so in its trailers.
            Body::Whole(_, Some(trailers)) if trailers.contains_key(ERROR_TYPE) => {
                let document = trailers.get(ERROR_BODY).and_then(|b| STANDARD.decode(b.as_bytes()).ok());
                let document = document.map_or_else(|| Bytes::from_static(b"{}"), Bytes::from);
                (Answer::Error { document, kind: error_kind(&trailers) }, StatusCode::ACCEPTED)
            }
            Body::Whole(bytes, Some(_)) => (Answer::Result(bytes), StatusCode::ACCEPTED),
            Body::TooLarge => (Answer::TooLarge, StatusCode::PAYLOAD_TOO_LARGE),
            Body::Broken => return truncated(),
        };
        match self.exchange.answer(id, "InvocationResponse", answer) {
            Ok(()) if status == StatusCode::ACCEPTED => accepted(),
            Ok(()) => too_large(RESPONSE_BYTES_MAX),
            Err(refusal) => refused(refusal),
        }
    }

    async fn error(&self, id: &str, headers: &HeaderMap, body: Incoming) -> Response<Full<Bytes>> {
        if let Err(refusal) = self.exchange.may_answer(id, "InvocationErrorResponse") {
            return refused(refusal);
        }
        let document = match read(body, ERROR_BYTES_MAX).await {
            Body::Whole(bytes, _) => bytes,
            Body::TooLarge => return too_large(ERROR_BYTES_MAX),
            Body::Broken => return truncated(),
        };
        let answer = Answer::Error { document, kind: error_kind(headers) };
        match self.exchange.answer(id, "InvocationErrorResponse", answer) {
            Ok(()) => accepted(),
            Err(refusal) => refused(refusal),
        }
    }

    async fn init_error(&self, headers: &HeaderMap, body: Incoming) -> Response<Full<Bytes>> {
        let document = match read(body, ERROR_BYTES_MAX).await {
            Body::Whole(bytes, _) => bytes,
            Body::TooLarge => return too_large(ERROR_BYTES_MAX),
            Body::Broken => return truncated(),
        };
        match self.exchange.init_failed(document, error_kind(headers)) {
            Ok(()) => accepted(),
            Err(refusal) => refused(refusal),
        }
    }
}

enum Body {
    Whole(Bytes, Option<HeaderMap>),
    TooLarge,
    Broken,
}

async fn read(mut body: Incoming, bytes_max: usize) -> Body {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let mut seen = 0;
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Body::Broken };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                trailers = frame.into_trailers().ok();
                continue;
            }
        };
        seen += data.len();
        if seen > bytes_max {
            if seen > RESPONSE_BYTES_DRAINED_MAX {
                return Body::TooLarge;
            }
            continue;
        }
        // Most answers come in one piece and are handed on as they are.
        match &first {
            None => first = Some(data),
            Some(head) => {
                if rest.is_empty() {
                    rest.extend_from_slice(head);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    if seen > bytes_max {
        return Body::TooLarge;
    }
    let whole = if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() };
    Body::Whole(whole, trailers)
}

fn error_kind(headers: &HeaderMap) -> String {
    let given = headers.get(ERROR_TYPE).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty());
    given.unwrap_or("Runtime.UnknownReason").chars().take(256).collect()
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    // Texts that cannot be a header (a client context with a line feed) were refused before.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn failed(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    json(status, serde_json::json!({ "errorMessage": message, "errorType": kind }).to_string())
}

fn accepted() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"status\":\"OK\"}\n")));
    *response.status_mut() = StatusCode::ACCEPTED;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn refused(refusal: Refusal) -> Response<Full<Bytes>> {
    match refusal {
        Refusal::RequestId => failed(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        Refusal::Transition { from, to } => {
            let from = match from {
                Phase::Starting => "Started",
                Phase::InitFailed => "InitError",
                Phase::Ready => "Ready",
                Phase::Running => "Running",
            };
            let message = format!(
                "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
            );
            failed(StatusCode::FORBIDDEN, "InvalidStateTransition", &message)
        }
    }
}

fn too_large(bytes_max: usize) -> Response<Full<Bytes>> {
    let message = format!("Exceeded maximum allowed payload size ({bytes_max} bytes).");
    failed(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
}

fn truncated() -> Response<Full<Bytes>> {
    failed(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "HTTP request detected as truncated")
}

fn not_found() -> Response<Full<Bytes>> {
    failed(StatusCode::NOT_FOUND, "NotFound", "404 page not found")
}

fn shutting_down() -> Response<Full<Bytes>> {
    failed(StatusCode::INTERNAL_SERVER_ERROR, "Container.ShuttingDown", "Container error. Non-recoverable state.")
}
