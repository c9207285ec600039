//! A connection with limited patience, on which even what never became a request gets an answer with a request id.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Counts requests: odd while one is being answered, even in between.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchanges(Arc<AtomicU64>);

/// Ends the exchange when the answer's body has been handed over.
#[derive(Debug)]
pub(super) struct Exchange(Exchanges);

impl Exchanges {
    pub(super) fn begin(&self) -> Exchange {
        self.0.fetch_or(1, Ordering::Relaxed);
        Exchange(self.clone())
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn in_one(&self) -> bool {
        !self.count().is_multiple_of(2)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How long each kind of silence may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) idle: Duration,
}

/// Writes the answer to what could not be read as a request; takes the status.
pub(super) type Refuse = Arc<dyn Fn(u16) -> Bytes + Send + Sync>;

/// The connection.
pub(super) struct Socket<T> {
    inner: T,
    patience: Patience,
    exchanges: Exchanges,
    refuse: Refuse,
    /// The exchange that the moments below belong to.
    seen: u64,
    /// Since when nothing is expected, or the peer has been silent in the middle of a body.
    quiet_since: Instant,
    /// Since when a request's head is arriving.
    head_since: Option<Instant>,
    read_alarm: Option<Pin<Box<Sleep>>>,
    stuck_since: Option<Instant>,
    write_alarm: Option<Pin<Box<Sleep>>>,
    /// What goes out in place of an answer of hyper's own.
    substitute: Option<Bytes>,
}

impl<T> Socket<T> {
    pub(super) fn new(inner: T, patience: Patience, exchanges: Exchanges, refuse: Refuse) -> Socket<T> {
        Socket {
            inner,
            patience,
            exchanges,
            refuse,
            seen: 0,
            quiet_since: Instant::now(),
            head_since: None,
            read_alarm: None,
            stuck_since: None,
            write_alarm: None,
            substitute: None,
        }
    }

    /// Whether the peer has been silent for too long; arranges to be woken otherwise.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let count = self.exchanges.count();
        if count != self.seen {
            self.seen = count;
            self.quiet_since = Instant::now();
            self.head_since = None;
        }
        let deadline = match self.head_since {
            Some(since) => since + self.patience.head,
            None => self.quiet_since + self.patience.idle,
        };
        poll_alarm(&mut self.read_alarm, deadline, cx)
    }

    fn poll_stuck(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let since = *self.stuck_since.get_or_insert_with(Instant::now);
        poll_alarm(&mut self.write_alarm, since + self.patience.idle, cx)
    }

    fn note_read(&mut self) {
        let now = Instant::now();
        let count = self.exchanges.count();
        if self.exchanges.in_one() {
            // In the middle of a body, any byte is progress.
            self.quiet_since = now;
        } else if count != self.seen || self.head_since.is_none() {
            self.head_since = Some(now);
        }
        self.seen = count;
    }
}

/// One timer, moved only when it would ring too late, and re-armed when it rings too early: a busy connection pays nothing.
fn poll_alarm(alarm: &mut Option<Pin<Box<Sleep>>>, deadline: Instant, cx: &mut Context<'_>) -> Poll<io::Error> {
    let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
    if alarm.deadline() > deadline {
        alarm.as_mut().reset(deadline);
    }
    loop {
        ready!(alarm.as_mut().poll(cx));
        if Instant::now() >= deadline {
            return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer was silent for too long"));
        }
        alarm.as_mut().reset(deadline);
    }
}

/// The status of an answer that hyper made by itself to what it could not parse.
fn own_answer(buf: &[u8]) -> Option<u16> {
    const LEN_MAX: usize = 200;
    if !buf.starts_with(b"HTTP/1.1 4") || buf.len() > LEN_MAX || !buf.ends_with(b"\r\n\r\n") {
        return None;
    }
    let text = std::str::from_utf8(buf).ok()?;
    // Every answer of ours has a request id.
    let ours = text.contains(super::answer::REQUEST_ID) || !text.contains("content-length: 0\r\n");
    text.get(9..12).filter(|_| !ours)?.parse().ok()
}

impl<T: AsyncWrite + Unpin> Socket<T> {
    fn poll_substitute(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(bytes) = self.substitute.as_mut().filter(|bytes| !bytes.is_empty()) {
            let wrote = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.advance(wrote);
        }
        self.substitute = None;
        Poll::Ready(Ok(()))
    }

    fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match write(Pin::new(&mut self.inner), cx) {
            Poll::Ready(done) => {
                self.stuck_since = None;
                Poll::Ready(done)
            }
            Poll::Pending => self.poll_stuck(cx).map(Err),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Socket<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if buf.filled().len() > before {
                    self.note_read();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_patience(cx).map(Err),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Socket<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.substitute.is_none()
            && !self.exchanges.in_one()
            && let Some(status) = own_answer(buf)
        {
            self.substitute = Some((self.refuse)(status));
        }
        if self.substitute.is_some() {
            ready!(self.poll_substitute(cx))?;
            return Poll::Ready(Ok(buf.len()));
        }
        self.poll_progress(cx, |inner, cx| inner.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        if let Some(first) = first
            && (self.substitute.is_some() || own_answer(first).is_some())
        {
            return self.poll_write(cx, first);
        }
        self.poll_progress(cx, |inner, cx| inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::{Exchanges, Patience, Socket, own_answer};

    fn socket(head_ms: u64, idle_ms: u64) -> (Socket<DuplexStream>, DuplexStream, Exchanges) {
        let (near, far) = duplex(64);
        let patience = Patience { head: Duration::from_millis(head_ms), idle: Duration::from_millis(idle_ms) };
        let exchanges = Exchanges::default();
        let refuse = Arc::new(|status: u16| format!("refused {status}").into());
        (Socket::new(near, patience, exchanges.clone(), refuse), far, exchanges)
    }

    #[test]
    fn answers_of_hyper_are_told_from_ours() {
        let check = |bytes: &str, expect: Option<u16>| assert_eq!(own_answer(bytes.as_bytes()), expect, "{bytes}");
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        check(own, Some(431));
        check(&own.replace("connection", "x-amzn-requestid: 1\r\nconnection"), None);
        check(&own.replace("length: 0", "length: 5"), None);
        check(&own.replace("431", "200"), None);
        check(&format!("{own}body"), None);
        check("", None);
    }

    #[tokio::test]
    async fn an_answer_of_hyper_is_replaced_only_between_exchanges() {
        let own = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let (mut socket, mut far, exchanges) = socket(60_000, 60_000);
        socket.write_all(own).await.unwrap();
        let exchange = exchanges.begin();
        socket.write_all(own).await.unwrap();
        drop((socket, exchange));
        let mut all = String::new();
        far.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, format!("refused 400{}", std::str::from_utf8(own).unwrap()));
    }

    #[tokio::test]
    async fn patience_ends() {
        let mut buffer = [0; 8];
        let (mut idle, _far, _) = socket(60_000, 10);
        assert_eq!(idle.read(&mut buffer).await.unwrap_err().kind(), ErrorKind::TimedOut);
        let (mut slow, mut far, _) = socket(10, 60_000);
        far.write_all(b"GET").await.unwrap();
        assert_eq!(slow.read(&mut buffer).await.unwrap(), 3);
        assert_eq!(slow.read(&mut buffer).await.unwrap_err().kind(), ErrorKind::TimedOut);
        // During an exchange the head's limit is over, and the body's silence is what counts.
        let (mut body, mut far, exchanges) = socket(60_000, 10);
        far.write_all(b"GET").await.unwrap();
        assert_eq!(body.read(&mut buffer).await.unwrap(), 3);
        let exchange = exchanges.begin();
        assert_eq!(body.read(&mut buffer).await.unwrap_err().kind(), ErrorKind::TimedOut);
        drop(exchange);
        // A peer that does not read its answer.
        let (mut deaf, _far, _) = socket(60_000, 10);
        assert_eq!(deaf.write_all(&[b'x'; 1_000]).await.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
