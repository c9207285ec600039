//! Lists of secrets, with filters.
//!
//! AWS: *Secrets Manager User Guide*, "Find secrets in AWS Secrets Manager".

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::{RangeReq, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, SecretId};
use crate::model::Secret;
use crate::secret::Description;
use crate::service::SecretsManager;

/// The most entries of a page.
pub const PAGE_MAX: usize = 100;

/// How many secrets are read from the store at once.
const ROWS_A_READ: usize = 1_000;

const FILTERS_MAX: usize = 10;
const FILTER_KEYS: [&str; 7] =
    ["description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"];
const SORT_KEYS: [&str; 4] = ["created-date", "last-accessed-date", "last-changed-date", "name"];

/// One condition: any of its values must fit.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Filter {
    key: Option<String>,
    values: Option<Vec<String>>,
}

pub(crate) fn validate_filters(v: &mut Violations, filters: &[Filter]) {
    if filters.len() > FILTERS_MAX {
        v.count("filters", filters.len(), 0, FILTERS_MAX);
    }
    for (n, filter) in filters.iter().enumerate() {
        v.within(format!("filters.{}.member", n + 1), |v| {
            if let Some(key) = &filter.key {
                v.one_of("key", key, &FILTER_KEYS);
            }
            if let Some(values) = &filter.values {
                v.count("values", values.len(), 1, 10);
                for (n, value) in values.iter().enumerate() {
                    v.within(format!("values.{}", n + 1), |v| v.length("member", value, 0, 512));
                }
            }
        });
    }
}

pub(crate) fn validate_page(v: &mut Violations, max: Option<i64>, token: Option<&str>) {
    if let Some(max) = max {
        v.range("maxResults", max, 1, 100);
    }
    if let Some(token) = token {
        v.length("nextToken", token, 1, 4_096);
    }
}

/// Cuts a page off items with the texts by which they are ordered: those after the token's, at most `limit`, and the token of
/// the next page.
pub(crate) fn cut<T>(
    mut items: Vec<(String, T)>,
    token: Option<&str>,
    limit: Option<i64>,
    limit_max: usize,
) -> Result<(Vec<T>, Option<String>), Error> {
    let after = match token {
        Some(token) => Some(token.strip_prefix("after:").ok_or(Error::NextToken)?),
        None => None,
    };
    items.sort_by(|a, b| a.0.cmp(&b.0));
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(limit_max).clamp(1, limit_max);
    let mut rest: Vec<(String, T)> =
        items.into_iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).collect();
    let more = rest.len() > limit;
    rest.truncate(limit);
    let token = rest.last().filter(|_| more).map(|(key, _)| format!("after:{key}"));
    Ok((rest.into_iter().map(|(_, item)| item).collect(), token))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListSecrets {
    include_planned_deletion: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
    filters: Option<Vec<Filter>>,
    sort_order: Option<String>,
    sort_by: Option<String>,
}

impl Input for ListSecrets {
    fn validate(&self, v: &mut Violations) {
        validate_page(v, self.max_results, self.next_token.as_deref());
        validate_filters(v, self.filters.as_deref().unwrap_or_default());
        if let Some(order) = &self.sort_order {
            v.one_of("sortOrder", order, &["asc", "desc"]);
        }
        if let Some(by) = &self.sort_by {
            v.one_of("sortBy", by, &SORT_KEYS);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListSecretsOutput {
    secret_list: Vec<Description>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl SecretsManager {
    pub(crate) async fn list_secrets(
        self: Arc<Self>,
        call: Call,
        input: ListSecrets,
    ) -> Result<ListSecretsOutput, Error> {
        let filters = input.filters.unwrap_or_default();
        let found = self.matching(&call, &filters, input.include_planned_deletion.unwrap_or(false)).await?;
        let by = input.sort_by.as_deref().unwrap_or("created-date");
        let descending = input.sort_order.as_deref() == Some("desc");
        let keyed = found.into_iter().map(|(id, secret)| (sort_key(&secret, by, descending), (id, secret))).collect();
        let (page, next_token) = cut(keyed, input.next_token.as_deref(), input.max_results, PAGE_MAX)?;
        let secret_list = page.into_iter().map(|(id, secret)| Description::new(&id, secret, true)).collect();
        Ok(ListSecretsOutput { secret_list, next_token })
    }

    /// The secrets of the account and region that fit every filter.
    pub(crate) async fn matching(
        &self,
        call: &Call,
        filters: &[Filter],
        deleted: bool,
    ) -> Result<Vec<(SecretId, Secret)>, Error> {
        let (now, mut found) = (self.env.now(), Vec::new());
        let mut rest = RangeReq::new(keys::secrets(call.account, &call.region), ROWS_A_READ);
        loop {
            let page = self.db.range(rest.clone()).await?;
            for row in &page.rows {
                let secret: Secret = decode_row(row)?;
                let there = secret.deletion.is_none_or(|due| deleted && due > now);
                if there && filters.iter().all(|filter| fits(filter, &secret, call)) {
                    let name = secret.name.clone();
                    found.push((SecretId { account: call.account, region: call.region.clone(), name }, secret));
                }
            }
            match page.rows.last() {
                Some(last) if page.more => rest = rest.after(&last.key),
                _ => return Ok(found),
            }
        }
    }
}

/// A text that sorts as the secret is to be sorted; the name tells apart what is equal.
fn sort_key(secret: &Secret, by: &str, descending: bool) -> String {
    let at = match by {
        "last-accessed-date" => secret.accessed.unwrap_or_default(),
        "last-changed-date" => secret.changed,
        "created-date" => secret.created,
        _ if descending => return secret.name.chars().map(mirrored).collect(),
        _ => return secret.name.clone(),
    };
    let us = at.as_micros().max(0);
    format!("{:020} {}", if descending { i64::MAX - us } else { us }, secret.name)
}

/// Names are ASCII: the character that is as far from the end as this one is from the beginning.
fn mirrored(c: char) -> char {
    char::from_u32(0x7F_u32.saturating_sub(u32::from(c))).unwrap_or(c)
}

fn fits(filter: &Filter, secret: &Secret, call: &Call) -> bool {
    let values = filter.values.as_deref().unwrap_or_default();
    values.is_empty() || values.iter().any(|value| fits_value(filter.key.as_deref(), value, secret, call))
}

fn fits_value(key: Option<&str>, value: &str, secret: &Secret, call: &Call) -> bool {
    if let Some(unwanted) = value.strip_prefix('!') {
        return !fits_value(key, unwanted, secret, call);
    }
    let folded = |text: &str| text.to_lowercase();
    let words = |text: &str| folded(text).split_whitespace().any(|word| word.starts_with(&folded(value)));
    match key {
        Some("name") => secret.name.starts_with(value),
        Some("description") => {
            secret.description.as_deref().is_some_and(|text| folded(text).starts_with(&folded(value)) || words(text))
        }
        Some("tag-key") => secret.tags.keys().any(|tag| tag.starts_with(value)),
        Some("tag-value") => secret.tags.values().any(|tag| tag.starts_with(value)),
        Some("primary-region") => call.region.as_str().starts_with(value),
        // No service owns a secret here.
        Some("owning-service") => false,
        _ => {
            let tags = secret.tags.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
            let texts = [Some(secret.name.as_str()), secret.description.as_deref()].into_iter().flatten().chain(tags);
            let parts = |text: &str| {
                let text = folded(text);
                text.split(|c: char| !c.is_alphanumeric()).any(|part| part.starts_with(&folded(value)))
                    || text.starts_with(&folded(value))
            };
            texts.into_iter().any(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{cut, mirrored};

    #[test]
    fn pages_follow_each_other() {
        let items = || (0..5).map(|n| (format!("{n}"), n)).collect::<Vec<_>>();
        let (page, next) = cut(items(), None, Some(2), 100).unwrap();
        assert_eq!((page, next.as_deref()), (vec![0, 1], Some("after:1")));
        let (page, next) = cut(items(), Some("after:1"), Some(2), 100).unwrap();
        assert_eq!((page, next.as_deref()), (vec![2, 3], Some("after:3")));
        let (page, next) = cut(items(), Some("after:3"), Some(2), 100).unwrap();
        assert_eq!((page, next), (vec![4], None));
        assert!(cut(items(), Some("x"), None, 100).is_err());
    }

    #[test]
    fn mirrored_letters_sort_backwards() {
        let mut names = ["a", "b", "C", "-"];
        names.sort_by_key(|name| name.chars().map(mirrored).collect::<String>());
        assert_eq!(names, ["b", "a", "C", "-"]);
    }
}
