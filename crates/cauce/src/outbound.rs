//! Requests to servers elsewhere, for the services that send them: answers [`cauce_core::ports::Http`].

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::ports::{Http, HttpFailure, HttpRequest, HttpResponse};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Connections to one server that are kept for the next request.
const IDLE_MAX: usize = 32;

/// How long an idle connection is kept.
const IDLE_LASTS: Duration = Duration::from_secs(30);

/// How long reaching a server may take, within the time that the request allows.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A client of any server by HTTP/1.1, plain or over TLS with the machine's own certificate authorities.
#[derive(Default)]
pub(crate) struct Outbound {
    /// Made with the first request: reading the authorities takes time that a start should not.
    client: OnceLock<HttpsClient>,
}

type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl Outbound {
    fn client(&self) -> &HttpsClient {
        self.client.get_or_init(|| {
            let mut plain = HttpConnector::new();
            plain.enforce_http(false);
            plain.set_nodelay(true);
            plain.set_connect_timeout(Some(CONNECT_MAX));
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls())
                .https_or_http()
                .enable_http1()
                .wrap_connector(plain);
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_LASTS)
                .pool_max_idle_per_host(IDLE_MAX)
                .build(connector)
        })
    }
}

/// TLS that trusts what the machine trusts. Without any authority every server is refused, which its request then says.
fn tls() -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::info!("this machine has no certificate authorities; no server can be reached over TLS");
    }
    // The only provider of this program; if it is installed already, so much the better.
    drop(rustls::crypto::ring::default_provider().install_default());
    rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

#[async_trait]
impl Http for Outbound {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let (timeout, bytes_max) = (request.timeout, request.body_bytes_max);
        let outgoing = outgoing(request)?;
        match tokio::time::timeout(timeout, self.exchange(outgoing, bytes_max)).await {
            Ok(answered) => answered,
            Err(_) => Err(HttpFailure::Timeout),
        }
    }
}

impl Outbound {
    async fn exchange(&self, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<HttpResponse, HttpFailure> {
        let response = self.client().request(request).await.map_err(|cause| unreachable(&cause))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, bytes_max).collect().await.map_err(|cause| {
            if cause.downcast_ref::<LengthLimitError>().is_some() {
                HttpFailure::TooLarge
            } else {
                HttpFailure::Unreachable(cause.to_string())
            }
        })?;
        let headers = parts.headers.iter();
        let headers = headers
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Ok(HttpResponse { status: parts.status.as_u16(), headers: headers.collect(), body: body.to_bytes() })
    }
}

/// What a failure says with all its causes: the outermost one says nothing of use.
fn unreachable(failure: &hyper_util::client::legacy::Error) -> HttpFailure {
    let mut text = failure.to_string();
    let mut cause = std::error::Error::source(failure);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    HttpFailure::Unreachable(text)
}

fn outgoing(request: HttpRequest) -> Result<Request<Full<Bytes>>, HttpFailure> {
    let invalid = |what: &str| HttpFailure::Invalid(format!("the request's {what} is invalid"));
    let uri: Uri = request.url.parse().map_err(|_| invalid("URL"))?;
    if uri.host().is_none() || !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(invalid("URL"));
    }
    let method: Method = request.method.parse().map_err(|_| invalid("method"))?;
    let mut outgoing = Request::new(Full::new(request.body));
    (*outgoing.method_mut(), *outgoing.uri_mut()) = (method, uri);
    for (name, value) in request.headers {
        let name: HeaderName = name.parse().map_err(|_| invalid("header name"))?;
        let value = HeaderValue::from_str(&value).map_err(|_| invalid("header value"))?;
        outgoing.headers_mut().append(name, value);
    }
    Ok(outgoing)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::Duration;

    use cauce_core::ports::{Http as _, HttpFailure, HttpRequest};

    use super::Outbound;

    fn request(url: &str) -> HttpRequest {
        HttpRequest {
            method: "POST".into(),
            url: url.into(),
            headers: vec![("x-a".into(), "b".into())],
            body: "hello".into(),
            timeout: Duration::from_secs(20),
            body_bytes_max: 10,
        }
    }

    /// A server that reads one request and answers these bytes; gives its URL, and what it has read.
    fn server(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/path?q=1", listener.local_addr().unwrap());
        let read = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut read, mut buffer) = (String::new(), [0; 1_024]);
            while !read.ends_with("hello") {
                let len = stream.read(&mut buffer).unwrap();
                read.push_str(std::str::from_utf8(&buffer[..len]).unwrap());
            }
            stream.write_all(answer.as_bytes()).unwrap();
            read
        });
        (url, read)
    }

    #[tokio::test]
    async fn requests_are_answered_within_their_limits() {
        let outbound = Outbound::default();
        let (url, read) = server("HTTP/1.1 418 I'm a teapot\r\nX-Kind: tea\r\ncontent-length: 2\r\n\r\nno");
        let answer = outbound.send(request(&url)).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (418, &b"no"[..]));
        assert!(answer.headers.contains(&("x-kind".to_owned(), "tea".to_owned())));
        let read = read.join().unwrap();
        assert!(read.starts_with("POST /path?q=1 HTTP/1.1\r\n") && read.contains("x-a: b\r\n"), "{read}");
        let (url, _) = server("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n01234567890");
        assert_eq!(outbound.send(request(&url)).await, Err(HttpFailure::TooLarge));
    }

    #[tokio::test]
    async fn what_cannot_be_sent_says_why() {
        let outbound = Outbound::default();
        for url in ["", "ftp://a/", "/path", "http://", "http://a b/"] {
            assert!(matches!(outbound.send(request(url)).await, Err(HttpFailure::Invalid(_))), "{url}");
        }
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let failure = outbound.send(request(&format!("http://{closed}/"))).await.unwrap_err();
        assert!(matches!(&failure, HttpFailure::Unreachable(why) if why.contains("refused")), "{failure:?}");
        // Accepts and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let hasty = HttpRequest {
            timeout: Duration::from_millis(30),
            ..request(&format!("http://{}/", silent.local_addr().unwrap()))
        };
        assert_eq!(outbound.send(hasty).await, Err(HttpFailure::Timeout));
    }
}
