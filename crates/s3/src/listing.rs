//! Lists of what is in a bucket: objects, versions, uploads; with prefix, delimiter and pages.
//!
//! AWS: S3 User Guide, "Listing object keys programmatically" and "Organizing objects using prefixes".

mod objects;
mod uploads;
mod versions;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Result, S3Error};
use crate::request::Request;
use crate::xml::Writer;

/// The longest page.
pub(crate) const PAGE_ENTRIES_MAX: usize = 1_000;
/// How many rows are read from the store at once.
const ROWS_AT_ONCE: usize = 256;

/// What `encoding-type=url` leaves as it is.
const URL_KEPT: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'*');

/// What every list request says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) prefix: String,
    pub(crate) delimiter: String,
    pub(crate) entries_max: usize,
    pub(crate) url: bool,
}

impl Page {
    /// What the query says; `count` is the name of the parameter that bounds the page.
    ///
    /// # Errors
    /// `InvalidArgument`.
    fn of(request: &Request, count: &str) -> Result<Page> {
        let query = &request.query;
        let entries_max = match query.get(count).filter(|text| !text.is_empty()) {
            None => PAGE_ENTRIES_MAX,
            Some(text) => {
                let invalid =
                    || S3Error::argument("Provided max-keys not an integer or within integer range", count, text);
                let number: i32 = text.parse().map_err(|_| invalid())?;
                usize::try_from(number)
                    .map_err(|_| {
                        let message = format!("Argument {count} must be an integer between 0 and 2147483647");
                        S3Error::argument(message, count, text)
                    })?
                    .min(PAGE_ENTRIES_MAX)
            }
        };
        let url = match query.get("encoding-type") {
            None | Some("") => false,
            Some("url") => true,
            Some(other) => {
                return Err(S3Error::argument("Invalid Encoding Method specified in Request", "encoding-type", other));
            }
        };
        let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
        Ok(Page { prefix: text("prefix"), delimiter: text("delimiter"), entries_max, url })
    }

    /// A key or prefix as the answer shows it.
    fn show(&self, text: &str) -> String {
        if self.url { utf8_percent_encode(text, &URL_KEPT).to_string() } else { text.to_owned() }
    }

    /// The common prefix that `key` rolls up into: up to and with the first delimiter after the prefix.
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = key.strip_prefix(self.prefix.as_str())?;
        let at = rest.find(self.delimiter.as_str())?;
        key.get(..self.prefix.len() + at + self.delimiter.len())
    }

    fn write_common_prefixes(&self, writer: &mut Writer, prefixes: &[String]) {
        for prefix in prefixes {
            writer.around("CommonPrefixes", "Prefix", self.show(prefix));
        }
    }

    fn write_echo(&self, writer: &mut Writer) {
        writer.text("Prefix", self.show(&self.prefix));
        writer.maybe("Delimiter", Some(&self.delimiter).filter(|d| !d.is_empty()).map(|d| self.show(d)));
        writer.maybe("EncodingType", self.url.then_some("url"));
    }
}

/// A page being filled, entry by entry in order.
#[derive(Debug)]
struct Filling<'p, E> {
    page: &'p Page,
    entries: Vec<E>,
    prefixes: Vec<String>,
    /// Where the page ended although there was more.
    truncated: bool,
}

/// What became of an entry that was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Offered {
    /// It is on the page.
    Taken,
    /// It rolled up into this common prefix; whatever begins so need not be offered.
    RolledUp(String),
    /// The page is full; there is more.
    Full,
}

impl<'p, E> Filling<'p, E> {
    fn new(page: &'p Page) -> Filling<'p, E> {
        Filling { page, entries: Vec::new(), prefixes: Vec::new(), truncated: false }
    }

    /// Offers the next entry. `after` is where the page begins: a common prefix not after it was on an earlier page.
    fn offer(&mut self, key: &str, after: &str, entry: E) -> Offered {
        let common = self.page.common_prefix(key).map(str::to_owned);
        if let Some(prefix) = &common
            && (self.prefixes.last() == Some(prefix) || prefix.as_str() <= after)
        {
            return Offered::RolledUp(prefix.clone());
        }
        if self.entries.len() + self.prefixes.len() >= self.page.entries_max {
            self.truncated = self.page.entries_max > 0;
            return Offered::Full;
        }
        match common {
            Some(prefix) => {
                self.prefixes.push(prefix.clone());
                Offered::RolledUp(prefix)
            }
            None => {
                self.entries.push(entry);
                Offered::Taken
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::{Filling, Offered, Page};

    /// One page as a reference would make it: keys and common prefixes in order after `after`.
    fn page_of(keys: &[&str], page: &Page, after: &str) -> (Vec<String>, bool) {
        let mut filling = Filling::new(page);
        let mut order: Vec<String> = Vec::new();
        for key in keys.iter().filter(|key| **key > after && key.starts_with(&page.prefix)) {
            match filling.offer(key, after, ()) {
                Offered::Taken => order.push((*key).to_owned()),
                Offered::RolledUp(prefix) if order.last() != Some(&prefix) && prefix.as_str() > after => {
                    order.push(prefix)
                }
                Offered::RolledUp(_) => {}
                Offered::Full => break,
            }
        }
        (order, filling.truncated)
    }

    fn check(
        keys: &[&str],
        prefix: &str,
        delimiter: &str,
        after: &str,
        entries_max: usize,
        expect: &[&str],
        more: bool,
    ) {
        let page = Page { prefix: prefix.to_owned(), delimiter: delimiter.to_owned(), entries_max, url: false };
        let (got, truncated) = page_of(keys, &page, after);
        assert_eq!((got.iter().map(String::as_str).collect::<Vec<_>>(), truncated), (expect.to_vec(), more));
    }

    #[test]
    fn keys_roll_up_into_common_prefixes() {
        let keys = ["a", "b/1", "b/2", "b/c/3", "d", "e/4"];
        check(&keys, "", "", "", 1_000, &keys, false);
        check(&keys, "", "/", "", 1_000, &["a", "b/", "d", "e/"], false);
        check(&keys, "b/", "/", "", 1_000, &["b/1", "b/2", "b/c/"], false);
        check(&keys, "b", "/", "", 1_000, &["b/"], false);
        check(&keys, "", "/", "", 2, &["a", "b/"], true);
        check(&keys, "", "/", "b/", 2, &["d", "e/"], false);
        check(&keys, "", "/", "", 4, &["a", "b/", "d", "e/"], false);
        check(&keys, "", "", "", 0, &[], false);
        check(&keys, "z", "", "", 10, &[], false);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn pages_together_are_the_whole(
            keys in proptest::collection::btree_set("[ab/]{1,6}", 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in "/?",
            entries_max in 1_usize..5,
        ) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let whole = Page { prefix, delimiter, entries_max: 1_000, url: false };
            let (expect, _) = page_of(&keys, &whole, "");
            let page = Page { entries_max, ..whole };
            let (mut got, mut after) = (Vec::new(), String::new());
            loop {
                let (entries, truncated) = page_of(&keys, &page, &after);
                assert!(entries.len() <= entries_max);
                got.extend(entries);
                if !truncated { break }
                after = got.last().unwrap().clone();
            }
            assert_eq!(got, expect);
        }
    }

    #[test]
    fn keys_are_shown_as_urls_on_demand() {
        let page = Page { url: true, ..Page::default() };
        assert_eq!(page.show("a/b c+ñ\u{1}"), "a/b%20c%2B%C3%B1%01");
        assert_eq!(Page::default().show("a b"), "a b");
    }
}
