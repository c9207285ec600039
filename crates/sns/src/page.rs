//! Paging of list operations.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use bytes::Bytes;
use cauce_store::{RangeReq, Row, Tx};

use crate::error::Error;

/// Entries of a page. AWS: SNS API Reference, *ListTopics*: "each call returns a limited list of ..., up to 100".
pub(crate) const PAGE: usize = 100;

/// The rows of one page of `range` after the key that `token` names, and the next page's token.
///
/// # Errors
/// If the token is none of ours or of another list.
pub(crate) async fn page(
    tx: &Tx,
    range: (Bytes, Bytes),
    token: Option<&str>,
) -> Result<(Vec<Row>, Option<String>), Error> {
    let mut req = RangeReq::new(range, PAGE + 1);
    if let Some(token) = token.filter(|token| !token.is_empty()) {
        let refused = || Error::invalid("NextToken");
        let last = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
        if last.as_slice() < &*req.start || last.as_slice() >= &*req.end {
            return Err(refused());
        }
        req = req.after(&last);
    }
    let mut rows = tx.snapshot_range(req).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|row| URL_SAFE_NO_PAD.encode(&row.key));
    Ok((rows, next))
}
