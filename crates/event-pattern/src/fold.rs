//! Text with the case of its letters taken away.

use std::borrow::Cow;

/// One letter without its case: letters that differ in case only have the same. Letters whose other case is several letters stay.
fn fold_char(c: char) -> char {
    fn single(mut letters: impl Iterator<Item = char>, otherwise: char) -> char {
        match (letters.next(), letters.next()) {
            (Some(only), None) => only,
            _ => otherwise,
        }
    }
    let upper = single(c.to_uppercase(), c);
    single(upper.to_lowercase(), upper)
}

/// `text` without case.
pub(crate) fn fold(text: &str) -> Box<str> {
    text.chars().map(fold_char).collect()
}

/// The bytes of `text` without case; what is no UTF-8 keeps all but its ASCII letters.
pub(crate) fn fold_bytes(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return if text.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    match std::str::from_utf8(text) {
        Ok(text) => Cow::Owned(fold(text).into_boxed_bytes().into_vec()),
        Err(_) => Cow::Owned(text.to_ascii_lowercase()),
    }
}

/// `text` equals `folded` without case.
pub(crate) fn equals(text: &[u8], folded: &[u8]) -> bool {
    if text.is_ascii() { text.eq_ignore_ascii_case(folded) } else { *fold_bytes(text) == *folded }
}

/// `text` begins with `folded` without case.
pub(crate) fn starts_with(text: &[u8], folded: &[u8]) -> bool {
    if text.is_ascii() {
        text.get(..folded.len()).is_some_and(|start| start.eq_ignore_ascii_case(folded))
    } else {
        fold_bytes(text).starts_with(folded)
    }
}

/// `text` ends with `folded` without case.
pub(crate) fn ends_with(text: &[u8], folded: &[u8]) -> bool {
    if text.is_ascii() {
        let end = text.len().checked_sub(folded.len()).and_then(|at| text.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(folded))
    } else {
        fold_bytes(text).ends_with(folded)
    }
}

#[cfg(test)]
mod tests {
    use super::{ends_with, equals, fold, starts_with};

    #[test]
    fn case_is_ignored_in_every_script() {
        for (a, b) in [
            ("Straße", "STRAßE"),
            ("ÉCLAIR", "éclair"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("abc", "ABC"),
            ("ДОМ", "дом"),
            ("", ""),
        ] {
            assert!(equals(a.as_bytes(), fold(b).as_bytes()), "{a} {b}");
            assert!(starts_with(format!("{a}x").as_bytes(), fold(b).as_bytes()), "{a} {b}");
            assert!(ends_with(format!("x{a}").as_bytes(), fold(b).as_bytes()), "{a} {b}");
        }
        assert!(!equals(b"abc", fold("abd").as_bytes()));
        assert!(!starts_with(b"ab", fold("abc").as_bytes()));
        assert!(!ends_with(b"bc", fold("abc").as_bytes()));
    }
}
