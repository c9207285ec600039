//! Texts with wildcards and variables, as they stand in `Action`, `Resource` and conditions.
//!
//! AWS: IAM User Guide, *IAM JSON policy elements: Resource*, *Variables and tags*.

use std::fmt;

use super::request::Keys;

/// One place of a compiled pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Atom {
    Byte(u8),
    /// `?`: one character.
    One,
    /// `*`: any characters, also none.
    Many,
}

/// A stretch of a pattern with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Atoms(Box<[Atom]>),
    Variable { key: Box<str>, default: Option<Box<str>> },
}

/// The cheapest way to match.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Any,
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Glob(Box<[Atom]>),
    Template(Box<[Piece]>),
}

/// What a text in a policy may contain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// `*` and `?` are wildcards.
    pub(crate) wildcards: bool,
    /// `${name}` stands for the value of a condition key: only in policies of version 2012-10-17.
    pub(crate) variables: bool,
    /// Upper and lower case are the same; the text matched must be given in lower case.
    pub(crate) fold: bool,
}

/// A text of a policy, ready to match.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: Box<str>,
    shape: Shape,
    fold: bool,
    /// A `*` within (not at the end of) one of the first five parts of an ARN: it must not reach over a colon.
    parts: bool,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl Pattern {
    pub(crate) fn new(text: &str, syntax: Syntax) -> Pattern {
        let folded = if syntax.fold { text.to_lowercase() } else { text.to_owned() };
        let pieces = if syntax.variables { split(&folded, syntax) } else { vec![Piece::Atoms(atoms(&folded, syntax))] };
        let shape = match pieces.as_slice() {
            [] => Shape::Exact(Box::default()),
            [Piece::Atoms(atoms)] => simplest(atoms),
            _ => Shape::Template(pieces.into()),
        };
        Pattern { text: text.into(), shape, fold: syntax.fold, parts: syntax.wildcards && star_within_part(text) }
    }

    /// As the policy has it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether `text` as a whole matches.
    pub(crate) fn matches(&self, text: &str, keys: &dyn Keys) -> bool {
        let bytes = text.as_bytes();
        match &self.shape {
            Shape::Any => true,
            Shape::Exact(exact) => **exact == *bytes,
            Shape::Prefix(prefix) => bytes.starts_with(prefix),
            Shape::Glob(atoms) => glob(atoms, bytes),
            Shape::Template(pieces) => self.fill(pieces, keys).is_some_and(|atoms| glob(&atoms, bytes)),
        }
    }

    /// As [`Pattern::matches`], for the `Resource` element: a `*` reaches over colons only from the end of a part.
    pub(crate) fn matches_resource(&self, text: &str, keys: &dyn Keys) -> bool {
        if self.parts { self.matches_arn(text, keys) } else { self.matches(text, keys) }
    }

    /// As [`Pattern::matches`], for the ARN operators: each of the six parts for itself.
    pub(crate) fn matches_arn(&self, text: &str, keys: &dyn Keys) -> bool {
        let filled;
        let atoms: &[Atom] = match &self.shape {
            Shape::Any => return true,
            Shape::Exact(exact) => return **exact == *text.as_bytes(),
            Shape::Glob(atoms) => atoms,
            Shape::Prefix(prefix) => {
                filled = prefix.iter().map(|&b| Atom::Byte(b)).chain([Atom::Many]).collect::<Vec<_>>();
                &filled
            }
            Shape::Template(pieces) => {
                let Some(atoms) = self.fill(pieces, keys) else { return false };
                filled = atoms;
                &filled
            }
        };
        let mut wanted = atoms.splitn(6, |a| *a == Atom::Byte(b':'));
        let mut found = text.as_bytes().splitn(6, |b| *b == b':');
        loop {
            match (wanted.next(), found.next()) {
                (Some(atoms), Some(bytes)) if glob(atoms, bytes) => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    }

    /// Whether a variable of it has no single value and no default: then it can match nothing.
    pub(crate) fn unresolved(&self, keys: &dyn Keys) -> bool {
        matches!(&self.shape, Shape::Template(pieces) if self.fill(pieces, keys).is_none())
    }

    fn fill(&self, pieces: &[Piece], keys: &dyn Keys) -> Option<Vec<Atom>> {
        let mut out = Vec::with_capacity(self.text.len() + 32);
        for piece in pieces {
            match piece {
                Piece::Atoms(atoms) => out.extend_from_slice(atoms),
                Piece::Variable { key, default } => {
                    let value = keys.get(key).and_then(|values| values.single().map(str::to_owned));
                    let value = value.or_else(|| default.as_deref().map(str::to_owned))?;
                    let value = if self.fold { value.to_lowercase() } else { value };
                    // What comes from the request is never a wildcard.
                    out.extend(value.bytes().map(Atom::Byte));
                }
            }
        }
        Some(out)
    }
}

fn atoms(text: &str, syntax: Syntax) -> Box<[Atom]> {
    let atom = |b| match b {
        b'*' if syntax.wildcards => Atom::Many,
        b'?' if syntax.wildcards => Atom::One,
        b => Atom::Byte(b),
    };
    text.bytes().map(atom).collect()
}

fn simplest(atoms: &[Atom]) -> Shape {
    let literal = |atoms: &[Atom]| -> Option<Box<[u8]>> {
        atoms.iter().map(|a| if let Atom::Byte(b) = a { Some(*b) } else { None }).collect()
    };
    if let Some(exact) = literal(atoms) {
        return Shape::Exact(exact);
    }
    match atoms.split_last() {
        Some((Atom::Many, [])) => Shape::Any,
        Some((Atom::Many, rest)) => match literal(rest) {
            Some(prefix) => Shape::Prefix(prefix),
            None => Shape::Glob(atoms.into()),
        },
        _ => Shape::Glob(atoms.into()),
    }
}

/// Takes `${...}` out of a text. What does not close is text.
fn split(text: &str, syntax: Syntax) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal: Vec<Atom> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, after)) = after.split_once('}') else { break };
        literal.extend_from_slice(&atoms(before, syntax));
        match inside {
            "*" | "?" | "$" => literal.extend(inside.bytes().map(Atom::Byte)),
            _ => {
                if !literal.is_empty() {
                    pieces.push(Piece::Atoms(std::mem::take(&mut literal).into()));
                }
                pieces.push(variable(inside));
            }
        }
        rest = after;
    }
    literal.extend_from_slice(&atoms(rest, syntax));
    if !literal.is_empty() {
        pieces.push(Piece::Atoms(literal.into()));
    }
    pieces
}

/// `name` or `name, 'default'`.
fn variable(inside: &str) -> Piece {
    let (name, default) = inside.split_once(',').map_or((inside, None), |(name, rest)| {
        let quoted = rest.trim().strip_prefix('\'').and_then(|r| r.strip_suffix('\''));
        (name, quoted)
    });
    Piece::Variable { key: name.trim().to_lowercase().into(), default: default.map(Into::into) }
}

/// Whether one of the first five colon-separated parts has a `*` before its end.
fn star_within_part(text: &str) -> bool {
    let mut parts: Vec<&str> = text.splitn(6, ':').collect();
    if parts.len() == 6 {
        parts.pop();
    }
    parts.len() == 5 && parts.iter().any(|p| p.trim_end_matches('*').contains('*'))
}

/// Whether `text` as a whole matches. At most `atoms.len() * text.len()` steps: only the last `*` is ever tried again, since
/// whatever an earlier one could give up the later one can take.
fn glob(atoms: &[Atom], text: &[u8]) -> bool {
    let (mut at, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match atoms.get(at) {
            Some(Atom::Many) => {
                at += 1;
                star = Some((at, t));
                continue;
            }
            Some(Atom::Byte(b)) if *b == byte => {
                at += 1;
                t += 1;
                continue;
            }
            Some(Atom::One) => {
                at += 1;
                t += 1;
                // The rest of a character of several bytes.
                while text.get(t).is_some_and(|b| b & 0xC0 == 0x80) {
                    t += 1;
                }
                continue;
            }
            _ => {}
        }
        let Some((after, from)) = star else { return false };
        at = after;
        t = from + 1;
        star = Some((after, t));
    }
    atoms.iter().skip(at).all(|a| *a == Atom::Many)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

    use super::{Pattern, Syntax};
    use crate::policy::request::{Keys, Values};

    struct Map(&'static [(&'static str, &'static str)]);

    impl Keys for Map {
        fn get(&self, key: &str) -> Option<Values<'_>> {
            self.0.iter().find(|(k, _)| *k == key).map(|(_, v)| Values::one(*v))
        }
    }

    const KEYS: Map = Map(&[("aws:username", "Zoe"), ("aws:principaltag/team", "a*b")]);
    const FULL: Syntax = Syntax { wildcards: true, variables: true, fold: false };

    fn check(pattern: &str, text: &str, expect: bool) {
        assert_eq!(Pattern::new(pattern, FULL).matches_resource(text, &KEYS), expect, "{pattern} {text}");
    }

    #[test]
    fn wildcards_and_variables() {
        check("*", "", true);
        check("", "", true);
        check("", "a", false);
        check("a*", "a", true);
        check("a?", "a", false);
        check("a?", "aé", true);
        check("*a*b", "xxaxxbxb", true);
        check("*a*b", "xxaxxbx", false);
        check("a*b*c", "abcbc", true);
        check("arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home/Zoe/x", true);
        check("arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home/zoe/x", false);
        check("arn:aws:s3:::home/${AWS:UserName}", "arn:aws:s3:::home/Zoe", true);
        check("x/${aws:PrincipalTag/team}", "x/a*b", true);
        check("x/${aws:PrincipalTag/team}", "x/axb", false);
        check("x/${aws:PrincipalTag/dept}", "x/", false);
        check("x/${aws:PrincipalTag/dept, 'none'}", "x/none", true);
        check("x/${*}${?}${$}", "x/*?$", true);
        check("x/${*}", "x/a", false);
        check("x/${open", "x/${open", true);
    }

    #[test]
    fn a_star_within_a_part_stays_in_it() {
        check("arn:aws:s*s:us-east-1:1:q", "arn:aws:sqs:us-east-1:1:q", true);
        check("arn:aws:s*:us-east-1:1:q", "arn:aws:sqs:us-east-1:1:q", true);
        check("arn:aws:s*s:us-east-1:1:q", "arn:aws:sqs:us-east-1:1:s:us-east-1:1:q", false);
        check("arn:aws:sqs:*", "arn:aws:sqs:us-east-1:1:q", true);
        check("arn:aws:s3:::b/*/c", "arn:aws:s3:::b/x:y/c", true);
        check("arn:aws:lambda:*:*:function:*:live", "arn:aws:lambda:r:1:function:f:live", true);
    }

    #[test]
    fn the_arn_operators_look_at_parts() {
        let arn = |p: &str, t: &str| Pattern::new(p, FULL).matches_arn(t, &KEYS);
        assert!(arn("arn:aws:s3:*:*:b", "arn:aws:s3:::b"));
        assert!(!arn("arn:aws:s3:*:b", "arn:aws:s3:::b"));
        assert!(arn("arn:aws:sns:*:*:t*", "arn:aws:sns:us-east-1:1:topic:x"));
        assert!(!arn("arn:*:t", "arn:aws:sns:us-east-1:1:t"));
        assert!(!arn("arn:aws:sns:*", "arn:aws:sns:us-east-1:1:t"));
    }

    fn naive(p: &[char], t: &[char]) -> bool {
        match (p.split_first(), t.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => naive(rest, t),
            (Some(('*', rest)), Some((_, tail))) => naive(rest, t) || naive(p, tail),
            (Some(('?', rest)), Some((_, tail))) => naive(rest, tail),
            (Some((a, rest)), Some((b, tail))) => a == b && naive(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn matches_as_the_definition_says(p in "[abé*?]{0,10}", t in "[abé]{0,12}") {
            let (pc, tc): (Vec<char>, Vec<char>) = (p.chars().collect(), t.chars().collect());
            prop_assert_eq!(Pattern::new(&p, FULL).matches(&t, &KEYS), naive(&pc, &tc));
        }
    }
}
