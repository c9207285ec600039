//! Where a list goes on: an opaque text that holds the last key, or a number.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cauce_store::Row;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A token as a client sends it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PageToken(String);

fn wrong() -> Error {
    Error::validation("The specified NextToken is not valid")
}

impl PageToken {
    /// The bytes in the token.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Error> {
        URL_SAFE_NO_PAD.decode(&self.0).map_err(|_| wrong())
    }

    /// The number in the token.
    pub(crate) fn number(&self) -> Result<usize, Error> {
        let bytes = self.bytes()?;
        std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)
    }
}

/// Makes tokens.
pub(crate) struct Token;

impl Token {
    /// The token after the first `limit` rows, if there are more.
    pub(crate) fn after(rows: &[Row], limit: usize) -> Option<PageToken> {
        if rows.len() <= limit {
            return None;
        }
        let last = limit.checked_sub(1).and_then(|at| rows.get(at))?;
        Some(PageToken(URL_SAFE_NO_PAD.encode(&last.key)))
    }

    /// The token of a number.
    pub(crate) fn number(number: usize) -> PageToken {
        PageToken(URL_SAFE_NO_PAD.encode(number.to_string()))
    }
}
