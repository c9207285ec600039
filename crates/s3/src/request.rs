//! Requests and answers as the service sees them, apart from how HTTP carries them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use cauce_core::{Call, ServiceError};
use cauce_store::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;

use crate::address::Target;
use crate::error::{Plain, Result, S3Error};
use crate::query::Query;
use crate::xml::{Element, XML_BYTES_MAX};

/// Bytes that come in pieces, without the framing of `aws-chunked`; an error ends them.
pub type ByteStream = Pin<Box<dyn Stream<Item = std::result::Result<Bytes, ServiceError>> + Send>>;

/// The body of a request.
pub struct Body {
    pub(crate) stream: ByteStream,
    pub(crate) trailers: Trailers,
    pub(crate) verified: bool,
}

/// The trailers of a body: complete once its stream has ended.
pub type Trailers = Arc<Mutex<HeaderMap>>;

impl Body {
    /// A body that comes in pieces; whoever makes them fills `trailers` before they end.
    pub fn new(stream: ByteStream, trailers: Trailers) -> Body {
        Body { stream, trailers, verified: false }
    }

    /// The same body, of which whoever makes its pieces compares length, SHA-256 and checksums with what the request promises
    /// before they end, so that it need not be done again. `trailers` then has the promised checksums.
    #[must_use]
    pub fn verified(mut self) -> Body {
        self.verified = true;
        self
    }

    /// A body at hand.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Body {
        let bytes = bytes.into();
        let stream: ByteStream = match bytes.is_empty() {
            true => Box::pin(stream::empty()),
            false => Box::pin(stream::iter([Ok(bytes)])),
        };
        Body::new(stream, Trailers::default())
    }

    /// The whole of a small body.
    ///
    /// # Errors
    /// `MaxMessageLengthExceeded` above [`XML_BYTES_MAX`] bytes.
    pub(crate) async fn read(mut self) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        while let Some(part) = self.stream.next().await {
            whole.extend_from_slice(&part.map_err(S3Error::Service)?);
            if whole.len() > XML_BYTES_MAX {
                let error = ServiceError::new(400, "MaxMessageLengthExceeded", "Your request was too big.");
                return Err(S3Error::Service(error.with_field("MaxMessageLengthBytes", XML_BYTES_MAX)));
            }
        }
        Ok(whole.freeze())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

/// A request whose caller is known.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) call: Call,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    /// The path as sent, for `Resource` in errors.
    pub(crate) path: String,
}

impl Request {
    /// A header's value, `None` if it is missing or not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }

    pub(crate) fn bucket(&self) -> &str {
        self.target.bucket()
    }

    pub(crate) fn key(&self) -> &str {
        self.target.key()
    }

    /// The version asked for, `None` for the current one.
    ///
    /// # Errors
    /// `InvalidArgument` if it is empty.
    pub(crate) fn version_id(&self) -> Result<Option<&str>> {
        match self.query.get("versionId") {
            Some("") => Err(S3Error::argument("Version id cannot be the empty string", "versionId", "")),
            other => Ok(other),
        }
    }

    /// The XML document in the body, whose root is `root`, verified against the digests in the headers.
    ///
    /// # Errors
    /// `MalformedXML`, `MissingRequestBodyError`, `BadDigest` and their like.
    pub(crate) async fn document(&self, body: Body, root: &str) -> Result<Element> {
        let trailers = Arc::clone(&body.trailers);
        let promise = crate::integrity::Promise::of(self, &body)?;
        let document = body.read().await?;
        if document.is_empty() {
            return Err(Plain::MissingRequestBody.into());
        }
        promise.check_document(&document, &trailers.lock())?;
        Element::parse(&document, root)
    }
}

/// The body of an answer.
pub enum Payload {
    /// All of it.
    Whole(Bytes),
    /// Pieces of it as they are read from disk. `Content-Length` is set.
    Stream(ByteStream),
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Whole(bytes) => write!(f, "{} bytes", bytes.len()),
            Payload::Stream(_) => f.write_str("a stream"),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
}

impl Reply {
    /// An answer without body.
    pub(crate) fn new(status: StatusCode) -> Reply {
        Reply { status, headers: HeaderMap::new(), payload: Payload::Whole(Bytes::new()) }
    }

    /// 200 without body.
    pub(crate) fn ok() -> Reply {
        Reply::new(StatusCode::OK)
    }

    /// 204.
    pub(crate) fn no_content() -> Reply {
        Reply::new(StatusCode::NO_CONTENT)
    }

    /// 200 with an XML document.
    pub(crate) fn xml(document: String) -> Reply {
        let mut reply = Reply::ok().header("content-type", "application/xml");
        reply.payload = Payload::Whole(document.into());
        reply
    }

    /// With a header; left out if the value cannot stand in one.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<str>) -> Reply {
        self.set(name, value.as_ref());
        self
    }

    /// With a header if there is a value.
    #[must_use]
    pub(crate) fn maybe(mut self, name: &str, value: Option<impl AsRef<str>>) -> Reply {
        if let Some(value) = value {
            self.set(name, value.as_ref());
        }
        self
    }

    /// Sets a header.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes());
        // Metadata may hold UTF-8, which goes back as it came.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            self.headers.insert(name, value);
        }
    }
}
