//! The HTTP door: one port for every service.

mod answer;
mod inside;
mod intake;
mod options;
mod request;
mod route;
mod socket;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cauce_core::ports::Identity;
use cauce_core::{Env, RequestId};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Api;
use crate::raw::{Body, RawService};
use crate::sigv4::SigningKeys;
pub use inside::INSIDE_ANSWER_BYTES_MAX;
use intake::Room;
pub use options::{BODY_BYTES_FREE, FrontOptions};
use route::{Mounted, Services};
use socket::{Exchange, Exchanges, Patience, Refuse, Socket};

/// How long to wait after a connection could not be accepted (no file descriptors, usually), in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 50;
/// The smallest head that the HTTP implementation lets us limit to, in bytes.
const HEAD_BYTES_MIN: usize = 8_192;

/// What every connection shares.
struct Shared {
    options: FrontOptions,
    identity: Arc<dyn Identity>,
    env: Env,
    services: Services,
    keys: SigningKeys,
    room: Room,
}

/// The front door, to be furnished with services and opened.
///
/// ```no_run
/// # async fn example(identity: std::sync::Arc<dyn cauce_core::ports::Identity>, api: cauce_wire::Api<()>) -> std::io::Result<()> {
/// use cauce_core::Env;
/// use cauce_wire::{Front, FrontOptions};
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:4566").await?;
/// Front::new(FrontOptions::default(), identity, Env::system()).api(api).serve(listener, std::future::pending()).await
/// # }
/// ```
pub struct Front {
    shared: Shared,
}

impl Front {
    /// A front door without services.
    pub fn new(options: FrontOptions, identity: Arc<dyn Identity>, env: Env) -> Front {
        let room = Room::new(options.bodies_bytes_max);
        let (services, keys) = (Services::default(), SigningKeys::default());
        Front { shared: Shared { options, identity, env, services, keys, room } }
    }

    /// Adds a service.
    #[must_use]
    pub fn api<S: Send + Sync + 'static>(mut self, api: Api<S>) -> Front {
        self.shared.services.apis.push(Mounted::new(api));
        self
    }

    /// Adds a service that speaks HTTP itself. Unsigned requests are offered in the order of adding.
    #[must_use]
    pub fn raw(mut self, service: Arc<dyn RawService>) -> Front {
        self.shared.services.raws.push(service);
        self
    }

    /// The door with all its services.
    pub fn build(self) -> Door {
        Door { shared: Arc::new(self.shared) }
    }

    /// As [`Door::serve`].
    ///
    /// # Errors
    /// As [`Door::serve`].
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        self.build().serve(listener, shutdown).await
    }
}

/// The front door with all its services: for the network, and for requests from inside the program.
#[derive(Clone)]
pub struct Door {
    shared: Arc<Shared>,
}

impl Door {
    /// Serves until `shutdown` completes, then lets what is under way finish for [`FrontOptions::drain_ms_max`].
    ///
    /// # Errors
    /// Only if the listener has no address: failing connections concern nobody else.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        listener.local_addr()?;
        let shared = self.shared;
        let (closing, _) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) if connections.len() < shared.options.connections_max => {
                        connections.spawn(connection(Arc::clone(&shared), stream, peer, closing.subscribe()));
                    }
                    Ok((stream, _)) => turn_away(&shared.env, &stream),
                    Err(cause) => {
                        tracing::warn!(%cause, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                    }
                },
            }
        }
        drop(listener);
        closing.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_millis(shared.options.drain_ms_max), drained).await.is_err() {
            tracing::warn!(connections = connections.len(), "connections cut off at shutdown");
        }
        Ok(())
    }
}

/// Says why, as far as the socket's empty buffer takes it, and closes.
fn turn_away(env: &Env, stream: &TcpStream) {
    let answer = answer::refusal(503, &RequestId::random(env.entropy()));
    if let Err(cause) = stream.try_write(&answer) {
        tracing::debug!(%cause, "a connection beyond the limit was closed without an answer");
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, mut closing: watch::Receiver<bool>) {
    if let Err(cause) = stream.set_nodelay(true) {
        tracing::debug!(%cause, "TCP_NODELAY could not be set");
    }
    let options = &shared.options;
    let patience =
        Patience { head: Duration::from_millis(options.head_ms_max), idle: Duration::from_millis(options.idle_ms_max) };
    let exchanges = Exchanges::default();
    let env = shared.env.clone();
    let refuse: Refuse = Arc::new(move |status| answer::refusal(status, &RequestId::random(env.entropy())));
    let socket = Socket::new(stream, patience, exchanges.clone(), refuse);
    let service = service_fn(|request| {
        let (shared, exchange) = (&shared, exchanges.begin());
        async move {
            let response = request::answer(shared, request, Some(peer.ip())).await;
            Ok::<_, Infallible>(response.map(|body| Answered { body, _exchange: exchange }))
        }
    });
    // Half-closed connections are served: a request is carried out whether or not its sender still waits for the answer.
    let connection = http1::Builder::new()
        .half_close(true)
        .keep_alive(true)
        .header_read_timeout(None)
        .max_buf_size(options.head_bytes_max.max(HEAD_BYTES_MIN))
        .max_headers(options.headers_max)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let done = tokio::select! {
        done = &mut connection => done,
        () = async { drop(closing.wait_for(|closing| *closing).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(cause) = done {
        tracing::debug!(%peer, %cause, "a connection ended badly");
    }
}

/// The body of an answer, whose end is the end of the exchange.
struct Answered {
    body: Body,
    _exchange: Exchange,
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
