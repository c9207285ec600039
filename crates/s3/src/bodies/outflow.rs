//! Giving a body out in pieces.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use cauce_core::ServiceError;
use cauce_store::Bytes;
use futures_util::stream;

use super::{Bodies, BodyId, BodyRow, Pin, blocking};
use crate::error::{Result, S3Error};
use crate::request::ByteStream;

/// How many bytes are read from a file at once.
const READ_BYTES: u64 = 256 * 1024;

/// Bytes `start..start + bytes` of a body.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) id: BodyId,
    pub(crate) row: BodyRow,
    pub(crate) start: u64,
    pub(crate) bytes: u64,
}

struct Outflow {
    bodies: Bodies,
    spans: VecDeque<Span>,
    open: Option<(File, u64)>,
    _pin: Pin,
}

impl Bodies {
    /// The bytes of `spans` in their order, `None` if the first file has gone meanwhile: whoever read the row that refers to
    /// it must read that row again.
    ///
    /// # Errors
    /// `InternalError` if a file cannot be opened.
    pub(crate) async fn outflow(&self, spans: Vec<Span>) -> Result<Option<ByteStream>> {
        // Pinned together before the first is opened: the files of one object are removed together, so if the first is
        // there, all stay.
        let files = spans.iter().filter(|span| span.row == BodyRow::File).map(|span| span.id);
        let pin = self.pin(files);
        let mut spans = VecDeque::from(spans);
        let mut open = None;
        if let Some(span) = spans.pop_front_if(|span| span.row == BodyRow::File) {
            open = self.open_span(span).await?;
            if open.is_none() {
                return Ok(None);
            }
        }
        let flow = Outflow { bodies: self.clone(), spans, open, _pin: pin };
        Ok(Some(Box::pin(stream::try_unfold(
            flow,
            |flow| async move { flow.next().await.map_err(ServiceError::from) },
        ))))
    }

    async fn open_span(&self, span: Span) -> Result<Option<(File, u64)>> {
        let path = self.path(span.id);
        blocking(move || {
            let mut file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => other?,
            };
            file.seek(SeekFrom::Start(span.start))?;
            Ok(Some((file, span.bytes)))
        })
        .await
    }
}

impl Outflow {
    async fn next(mut self) -> Result<Option<(Bytes, Outflow)>> {
        loop {
            if let Some((mut file, left)) = self.open.take() {
                if left == 0 {
                    continue;
                }
                let take = left.min(READ_BYTES);
                let (file, piece) = blocking(move || {
                    let mut piece = Vec::with_capacity(usize::try_from(take).unwrap_or_default());
                    (&mut file).take(take).read_to_end(&mut piece)?;
                    Ok((file, piece))
                })
                .await?;
                let read = piece.len() as u64;
                if read < take {
                    return Err(S3Error::internal(io::Error::from(io::ErrorKind::UnexpectedEof)));
                }
                self.open = Some((file, left - read));
                return Ok(Some((piece.into(), self)));
            }
            let Some(span) = self.spans.pop_front() else { return Ok(None) };
            if let BodyRow::Inline(bytes) = &span.row {
                return Ok(Some((slice(bytes, span.start, span.bytes), self)));
            }
            let id = span.id;
            self.open = self.bodies.open_span(span).await?;
            if self.open.is_none() {
                return Err(S3Error::internal(io::Error::other(format!("the file of body {id} is missing"))));
            }
        }
    }
}

/// Bytes `start..start + len`, as far as there are so many.
fn slice(bytes: &Bytes, start: u64, len: u64) -> Bytes {
    let end = usize::try_from(start.saturating_add(len)).unwrap_or(usize::MAX).min(bytes.len());
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(end);
    bytes.slice(start..end)
}
