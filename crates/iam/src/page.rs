//! Lists in pages: `Marker`, `MaxItems`, `IsTruncated`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cauce_core::Violations;
use cauce_store::{Bytes, RangeReq, RowCodec, decode_row};
use serde::Deserialize;

use crate::error::IamError;
use crate::iam::Iam;
use crate::name::PAGE_ITEMS_MAX;

const PAGE_ITEMS_DEFAULT: usize = 100;
/// Rows of one read while a page is filled.
const READ_ROWS_MAX: usize = 100;
const MARKER_CHARS_MAX: usize = 320;
const PATH_PREFIX_CHARS_MAX: usize = 512;

/// Where a page begins and how long it may be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Paging {
    pub(crate) marker: Option<String>,
    pub(crate) max_items: Option<i64>,
    pub(crate) path_prefix: Option<String>,
}

impl Paging {
    pub(crate) fn new(marker: Option<String>, max_items: Option<i64>, path_prefix: Option<String>) -> Paging {
        Paging { marker, max_items, path_prefix }
    }

    pub(crate) fn validate(&self, v: &mut Violations) {
        if let Some(marker) = &self.marker {
            v.length("marker", marker, 1, MARKER_CHARS_MAX);
        }
        if let Some(max) = self.max_items {
            v.range("maxItems", max, 1, PAGE_ITEMS_MAX);
        }
        if let Some(prefix) = &self.path_prefix {
            v.length("pathPrefix", prefix, 1, PATH_PREFIX_CHARS_MAX);
        }
    }

    pub(crate) fn items_max(&self) -> usize {
        self.max_items.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE_ITEMS_DEFAULT)
    }

    pub(crate) fn has_path(&self, path: &str) -> bool {
        self.path_prefix.as_deref().is_none_or(|prefix| path.starts_with(prefix))
    }

    /// The name after which the page begins.
    pub(crate) fn after(&self) -> Result<Option<String>, IamError> {
        let invalid = || IamError::Validation("Invalid Marker.".to_owned());
        let Some(marker) = &self.marker else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(marker).map_err(|_| invalid())?;
        String::from_utf8(bytes).map(Some).map_err(|_| invalid())
    }

    /// Cuts a page out of a list that is sorted by `name` and small enough to be held.
    pub(crate) fn cut<T>(
        &self,
        all: impl IntoIterator<Item = T>,
        name: impl Fn(&T) -> String,
    ) -> Result<Page<T>, IamError> {
        let after = self.after()?;
        let rest = all.into_iter().filter(|item| after.as_ref().is_none_or(|after| name(item) > *after));
        let mut page = Page { items: rest.take(self.items_max() + 1).collect(), next: None };
        page.end(self.items_max(), name);
        Ok(page)
    }
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// The marker of the next page.
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// Drops what is beyond `max` and remembers where to go on.
    fn end(&mut self, max: usize, name: impl Fn(&T) -> String) {
        if self.items.len() > max {
            self.items.truncate(max);
            self.next = self.items.last().map(|last| URL_SAFE_NO_PAD.encode(name(last)));
        }
    }

    pub(crate) fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

impl Iam {
    /// A page of the records of a range, in the order of their names in lower case.
    pub(crate) async fn page<R: RowCodec>(
        &self,
        paging: &Paging,
        range: (Bytes, Bytes),
        key: impl Fn(&str) -> Bytes,
        name: impl Fn(&R) -> String,
        keep: impl Fn(&R) -> bool,
    ) -> Result<Page<R>, IamError> {
        let mut req = RangeReq::new(range, READ_ROWS_MAX);
        if let Some(after) = paging.after()? {
            req = req.after(&key(&after));
        }
        let max = paging.items_max();
        let mut page = Page { items: Vec::new(), next: None };
        loop {
            let rows = self.db.range(req.clone()).await?;
            for row in &rows.rows {
                let record: R = decode_row(row)?;
                if keep(&record) {
                    page.items.push(record);
                }
            }
            let (true, Some(last)) = (rows.more && page.items.len() <= max, rows.rows.last()) else { break };
            req = req.after(&last.key);
        }
        page.end(max, |record| name(record).to_lowercase());
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::Paging;

    #[test]
    fn pages_follow_each_other() {
        let all = ["a", "b", "c", "d", "e"];
        let mut paging = Paging::new(None, Some(2), None);
        let mut seen = Vec::new();
        loop {
            let page = paging.cut(all, |s| (*s).to_owned()).unwrap();
            seen.push(page.items.len());
            let Some(next) = page.next else { break };
            paging.marker = Some(next);
        }
        assert_eq!(seen, [2, 2, 1]);
        assert!(Paging::new(Some("%%".into()), None, None).after().is_err());
    }
}
