//! Paging of list operations.

use cauce_core::Violations;

use crate::error::Error;

/// Where a page starts: after what the token names. It stands behind a mark, so that a token of something else is refused.
pub(crate) fn after(token: Option<&str>) -> Result<Option<String>, Error> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    token.strip_prefix("after:").map(|name| Some(name.to_owned())).ok_or(Error::NextToken)
}

pub(crate) fn token(last: &str) -> String {
    format!("after:{last}")
}

pub(crate) fn limit(asked: Option<i64>, max: usize) -> usize {
    asked.and_then(|asked| usize::try_from(asked).ok()).unwrap_or(max).clamp(1, max)
}

pub(crate) fn validate(v: &mut Violations, asked: Option<i64>, max: i64) {
    if let Some(asked) = asked {
        v.range("maxResults", asked, 1, max);
    }
}
