//! Bodies of operations, taken in whole within their limits.

use std::io::Read as _;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cauce_core::ServiceError;
use futures_util::future::poll_immediate;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::options::BODY_BYTES_FREE;

/// How much of a body that is too long is read and thrown away, in bytes, so that its sender gets to read the answer.
const DRAIN_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// How long that may take, in milliseconds: who announces too much and then sends nothing is told so all the same.
const DRAIN_MS_MAX: u64 = 1_000;
/// Room is counted in units of this many bytes.
const ROOM_UNIT_BYTES: usize = 1_024;

/// The room that bodies share.
pub(super) struct Room {
    free: Semaphore,
    units: u32,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Room {
        let units = u32::try_from(bytes / ROOM_UNIT_BYTES).unwrap_or(u32::MAX).min(1 << 28);
        Room { free: Semaphore::new(usize::try_from(units).unwrap_or(0)), units }
    }

    /// Waits for room for `bytes`; a body larger than all room waits for all of it.
    async fn claim(&self, bytes: usize, ms_max: u64) -> Result<SemaphorePermit<'_>, ServiceError> {
        let units = u32::try_from(bytes.div_ceil(ROOM_UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units);
        match tokio::time::timeout(Duration::from_millis(ms_max), self.free.acquire_many(units)).await {
            Ok(permit) => permit.map_err(ServiceError::internal),
            Err(_) => {
                let limit = u64::from(self.units) * 1_024;
                let message = format!("The limit of {limit} bytes for all request bodies together has been reached");
                Err(ServiceError::new(503, "ServiceUnavailableException", message)
                    .with_query_code("ServiceUnavailable"))
            }
        }
    }
}

/// A whole body and the room it takes.
pub(super) struct Taken<'r> {
    pub(super) body: Bytes,
    pub(super) _room: Option<SemaphorePermit<'r>>,
}

/// Reads the body of an operation.
///
/// # Errors
/// 413 above `bytes_max`, 408 after `ms_max`, 503 without room, 400 when the body breaks off.
pub(super) async fn take<'r>(
    mut body: Incoming,
    operation: &str,
    bytes_max: usize,
    ms_max: u64,
    room: &'r Room,
) -> Result<Taken<'r>, ServiceError> {
    let declared = body.size_hint().exact().map(|len| usize::try_from(len).unwrap_or(usize::MAX));
    let room = match declared.unwrap_or(bytes_max).min(bytes_max) {
        bytes if bytes <= BODY_BYTES_FREE => None,
        bytes => Some(room.claim(bytes, ms_max).await?),
    };
    let mut reading = pin!(read(&mut body, declared, bytes_max));
    // Most bodies have come with their head, and need no timer.
    let read = match poll_immediate(&mut reading).await {
        Some(read) => read,
        None => tokio::time::timeout(Duration::from_millis(ms_max), reading).await.unwrap_or(Err(Unread::Late)),
    };
    match read {
        Ok(body) => Ok(Taken { body, _room: room }),
        Err(Unread::TooLarge) => {
            let message = format!("Request must be smaller than {bytes_max} bytes for the {operation} operation");
            let error = ServiceError::new(413, "RequestEntityTooLargeException", message);
            Err(error.with_query_code("RequestEntityTooLarge"))
        }
        Err(Unread::Late) => {
            let message = format!("The request body did not arrive within the limit of {ms_max} milliseconds");
            Err(ServiceError::new(408, "RequestTimeoutException", message).with_query_code("RequestTimeout"))
        }
        Err(Unread::Broken(cause)) => {
            let message = "The request body broke off before its end";
            Err(ServiceError::new(400, "IncompleteBody", message).with_cause(cause))
        }
    }
}

/// Why a body could not be taken in.
enum Unread {
    TooLarge,
    Late,
    Broken(hyper::Error),
}

async fn read(body: &mut Incoming, declared: Option<usize>, bytes_max: usize) -> Result<Bytes, Unread> {
    if declared.is_some_and(|len| len > bytes_max) {
        drain(body).await;
        return Err(Unread::TooLarge);
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else { continue };
        if first.len() + whole.len() + data.len() > bytes_max {
            drain(body).await;
            return Err(Unread::TooLarge);
        }
        // A body in one piece is not copied.
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(declared.unwrap_or(0));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

async fn drain(body: &mut Incoming) {
    let drained = async {
        let mut left = DRAIN_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let len = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(len) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Whether or not it came to its end, the answer is the same.
    let _ = tokio::time::timeout(Duration::from_millis(DRAIN_MS_MAX), drained).await;
}

/// The body behind `Content-Encoding: gzip`.
///
/// # Errors
/// 413 above `bytes_max` once unpacked, 400 for what is no gzip.
pub(super) fn unpack(body: &[u8], operation: &str, bytes_max: usize) -> Result<Bytes, ServiceError> {
    let mut unpacked = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let read = flate2::read::MultiGzDecoder::new(body).take(limit).read_to_end(&mut unpacked);
    read.map_err(|cause| {
        ServiceError::new(400, "SerializationException", "The request body is not valid gzip").with_cause(cause)
    })?;
    if unpacked.len() > bytes_max {
        let message = format!("Request must be smaller than {bytes_max} bytes for the {operation} operation");
        return Err(ServiceError::new(413, "RequestEntityTooLargeException", message));
    }
    Ok(unpacked.into())
}
