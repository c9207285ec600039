//! Where matching leaves its reasons. Matching for real wants none and pays nothing for them.

/// The most reasons one explanation holds.
const REASONS_MAX: usize = 16;
/// The longest piece of an event repeated in a reason, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// Takes reasons.
pub(super) trait Note {
    fn note(&mut self, reason: impl FnOnce() -> String);
}

/// Takes none.
pub(super) struct Silent;

impl Note for Silent {
    fn note(&mut self, _reason: impl FnOnce() -> String) {}
}

/// Keeps the first reasons.
#[derive(Default)]
pub(super) struct Reasons(pub(super) Vec<String>);

impl Note for Reasons {
    fn note(&mut self, reason: impl FnOnce() -> String) {
        if self.0.len() < REASONS_MAX {
            self.0.push(reason());
        }
    }
}

/// A piece of an event as a reason repeats it, in quotes.
pub(super) fn shown(text: &str) -> String {
    format!("{:?}", clipped(text))
}

/// A piece of an event as it is, cut off where it gets long.
pub(super) fn clipped(text: &str) -> String {
    let mut out: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if out.len() < text.len() {
        out.push_str("...");
    }
    out
}
