//! Lists in pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Items on a page where the request names no limit.
pub(crate) const PAGE_ITEMS: usize = 25;
/// The most items on a page.
pub(crate) const PAGE_ITEMS_MAX: usize = 500;

/// Which page is wanted.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) position: Option<String>,
    pub(crate) limit: Option<i64>,
}

/// A page.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<String>,
    pub(crate) item: Vec<T>,
}

impl Wanted {
    pub(crate) fn new(position: Option<&String>, limit: Option<i64>) -> Wanted {
        Wanted { position: position.cloned(), limit }
    }

    /// How many items the page has at most.
    pub(crate) fn items_max(&self) -> Result<usize, Error> {
        match self.limit {
            None => Ok(PAGE_ITEMS),
            Some(limit) if limit < 1 => Err(Error::bad("Invalid limit specified: it must be greater than 0")),
            Some(limit) => Ok(usize::try_from(limit).unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX)),
        }
    }

    /// The key of the last item of the page before.
    pub(crate) fn after(&self) -> Result<Option<String>, Error> {
        let Some(position) = self.position.as_deref().filter(|position| !position.is_empty()) else { return Ok(None) };
        let after = URL_SAFE_NO_PAD.decode(position).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        after.map(Some).ok_or_else(|| Error::bad("Invalid position parameter specified"))
    }

    /// The page of `items`, which come with their keys in the order of the keys.
    pub(crate) fn page<'a, T>(&self, items: impl Iterator<Item = (&'a str, T)>) -> Result<Page<T>, Error> {
        let (most, after) = (self.items_max()?, self.after()?);
        let mut rest = items.skip_while(|(key, _)| after.as_deref().is_some_and(|after| *key <= after));
        let (mut item, mut last) = (Vec::new(), "");
        for (key, value) in rest.by_ref().take(most) {
            last = key;
            item.push(value);
        }
        let position = rest.next().map(|_| URL_SAFE_NO_PAD.encode(last));
        Ok(Page { position, item })
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    #[test]
    fn pages_follow_each_other() {
        let items = || [("a", 1), ("b", 2), ("c", 3)].into_iter();
        let first = Wanted { limit: Some(2), position: None }.page(items()).unwrap();
        assert_eq!(first.item, [1, 2]);
        let second = Wanted { limit: Some(2), position: first.position }.page(items()).unwrap();
        assert_eq!((second.item, second.position), (vec![3], None));
        assert!(Wanted { limit: Some(0), position: None }.page(items()).is_err());
        assert!(Wanted { limit: None, position: Some("%".to_owned()) }.page(items()).is_err());
    }
}
