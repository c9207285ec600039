//! Texts with `*` in them.

use std::collections::{HashSet, VecDeque};

use memchr::memmem;

/// Sets of states that judging one wildcard may visit. A wildcard of ordinary shape has about one for each of its bytes.
const STATE_SETS_MAX: usize = 4096;

/// A wildcard: literal parts with any text between two of them. One part means no `*` at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wildcard {
    parts: Box<[Box<[u8]>]>,
}

impl Wildcard {
    /// Reads `text`, in which `\*` is an asterisk and `\\` a backslash.
    ///
    /// # Errors
    /// The reason as AWS gives it; positions count bytes with the opening quote as 0.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut part = Vec::new();
        let mut bytes = text.bytes().enumerate().peekable();
        while let Some((at, byte)) = bytes.next() {
            let next = bytes.peek().map(|(_, next)| *next);
            match (byte, next) {
                (b'*', Some(b'*')) => return Err(format!("Consecutive wildcard characters at pos {}", at + 1)),
                (b'*', _) => parts.push(std::mem::take(&mut part).into_boxed_slice()),
                (b'\\', Some(escaped @ (b'*' | b'\\'))) => {
                    part.push(escaped);
                    bytes.next();
                }
                (b'\\', _) => return Err(format!("Invalid escape character at pos {}", at + 1)),
                _ => part.push(byte),
            }
        }
        parts.push(part.into_boxed_slice());
        Ok(Self { parts: parts.into_boxed_slice() })
    }

    /// The literal parts: the first stands at the start of the text, the last at its end.
    pub(crate) fn parts(&self) -> &[Box<[u8]>] {
        &self.parts
    }

    /// Whether `text` fits. Takes time linear in both: a part is searched from where the one before it ended, never again.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let [first, rest @ ..] = &*self.parts else { return false };
        let [between @ .., last] = rest else { return **first == *text };
        let Some(rest) = text.strip_prefix(&**first) else { return false };
        let Some(mut rest) = rest.strip_suffix(&**last) else { return false };
        for part in between {
            let Some(after) = memmem::find(rest, part).and_then(|at| rest.get(at + part.len()..)) else { return false };
            rest = after;
        }
        true
    }

    /// The most beginnings of this wildcard that one text can match at the same time, or one more than `max` if there are more.
    ///
    /// It is what AWS bounds when it says that a rule is too complex: "*" and whatever follows it may begin anywhere in the text, so
    /// that `*aaaa` or many `*` before equal characters leave many beginnings open.
    pub(crate) fn complexity(&self, max: usize) -> usize {
        // State s stands after the first s symbols; a star is a symbol that may take any byte any number of times.
        let mut symbols: Vec<Option<u8>> = Vec::new();
        for (i, part) in self.parts.iter().enumerate() {
            if i > 0 {
                symbols.push(None);
            }
            symbols.extend(part.iter().copied().map(Some));
        }
        let mut alphabet: Vec<u8> = symbols.iter().copied().flatten().collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        let start = close(&symbols, vec![0]);
        let mut largest = start.len();
        let mut seen: HashSet<Vec<usize>> = HashSet::from([start.clone()]);
        let mut queue = VecDeque::from([start]);
        while let Some(states) = queue.pop_front() {
            for byte in &alphabet {
                let next = close(&symbols, step(&symbols, &states, *byte));
                largest = largest.max(next.len());
                if largest > max || seen.len() > STATE_SETS_MAX {
                    return max + 1;
                }
                if seen.insert(next.clone()) {
                    queue.push_back(next);
                }
            }
        }
        largest
    }
}

/// The states one byte later, sorted.
fn step(symbols: &[Option<u8>], states: &[usize], byte: u8) -> Vec<usize> {
    let mut next = Vec::new();
    for &state in states {
        // After a star it may go on.
        if state > 0 && symbols.get(state - 1) == Some(&None) {
            next.push(state);
        }
        if symbols.get(state) == Some(&Some(byte)) {
            next.push(state + 1);
        }
    }
    next
}

/// Adds the states behind a star, which may take nothing.
fn close(symbols: &[Option<u8>], mut states: Vec<usize>) -> Vec<usize> {
    let behind: Vec<usize> = states.iter().filter(|s| symbols.get(**s) == Some(&None)).map(|s| s + 1).collect();
    states.extend(behind);
    states.sort_unstable();
    states.dedup();
    states
}

#[cfg(test)]
mod tests {
    use super::Wildcard;

    fn check(wildcard: &str, text: &str, expect: bool) {
        assert_eq!(Wildcard::parse(wildcard).unwrap().matches(text.as_bytes()), expect, "{wildcard} {text}");
    }

    #[test]
    fn stars_stand_for_any_text() {
        check("*", "", true);
        check("*", "x", true);
        check("", "", true);
        check("", "x", false);
        check("abc", "abc", true);
        check("abc", "abcd", false);
        check("a*c", "ac", true);
        check("a*c", "abcbc", true);
        check("a*c", "a", false);
        check("aba*aba", "aba", false);
        check("aba*aba", "abaaba", true);
        check("*b*", "abc", true);
        check("*b*b*", "abc", false);
        check("*ab*ab", "abab", true);
        check("*ab*ab", "ab", false);
        check(r"\*a\\*", r"*a\bc", true);
        check(r"\*a\\*", r"xa\bc", false);
    }

    #[test]
    fn consecutive_stars_and_unknown_escapes_are_refused() {
        assert_eq!(Wildcard::parse("a**"), Err("Consecutive wildcard characters at pos 2".to_owned()));
        assert_eq!(Wildcard::parse(r"a\b"), Err("Invalid escape character at pos 2".to_owned()));
        assert_eq!(Wildcard::parse(r"a\"), Err("Invalid escape character at pos 2".to_owned()));
    }

    #[test]
    fn complexity_counts_open_beginnings() {
        let complexity = |text: &str| Wildcard::parse(text).unwrap().complexity(10);
        assert!(complexity("*:*:*:*:*:event-bus/*") > 10);
        assert!(complexity("*aaaaaaaaaaaaaaaaaaaa") > 10);
        assert!(complexity("/Users/*/dir/dir/dir/dir/dir/doc.txt") <= 10);
        assert!(complexity("arn:aws:events:us-east-1:*:event-bus/*") <= 10);
        assert!(complexity("*:event-bus/*") <= 10);
    }
}
