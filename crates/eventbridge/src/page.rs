//! Paging of list operations.

use cauce_core::Violations;

use crate::error::Error;

/// The most entries of a page.
pub(crate) const LIMIT_MAX: usize = 100;

/// Where a page starts: after the name in the token.
///
/// The token is that name behind a mark, so that a token of something else is refused.
pub(crate) fn after(token: Option<&str>) -> Result<Option<String>, Error> {
    let Some(token) = token else { return Ok(None) };
    match token.strip_prefix("after:") {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err(Error::Invalid("Parameter NextToken is not valid.".to_owned())),
    }
}

/// Cuts a page off `names`-sorted items: those after `after`, at most `limit`, and the token of the next page.
pub(crate) fn cut<T>(
    items: Vec<T>,
    name: impl Fn(&T) -> &str,
    after: Option<&str>,
    limit: Option<i64>,
) -> (Vec<T>, Option<String>) {
    let limit = limit.and_then(|l| usize::try_from(l).ok()).unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX);
    let mut rest: Vec<T> = items.into_iter().filter(|item| after.is_none_or(|after| name(item) > after)).collect();
    let more = rest.len() > limit;
    rest.truncate(limit);
    let token = rest.last().filter(|_| more).map(|last| format!("after:{}", name(last)));
    (rest, token)
}

/// Checks the two members that every list operation has.
pub(crate) fn validate(v: &mut Violations, limit: Option<i64>, token: Option<&str>) {
    if let Some(limit) = limit {
        v.range("limit", limit, 1, 100);
    }
    if let Some(token) = token {
        v.length("nextToken", token, 1, 2_048);
    }
}
