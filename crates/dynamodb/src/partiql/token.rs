//! The words of a statement.

use super::refusal::{Place, Refusal};

/// A word of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A name without quotes, or a keyword.
    Word(&'a str),
    /// A name in double quotes.
    Name(String),
    /// A text in single quotes.
    Text(String),
    /// A number, without its sign.
    Number(&'a str),
    /// An operator or a bracket.
    Mark(&'static str),
    /// Behind the last word.
    End,
}

/// A word and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Spanned<'a> {
    pub(super) token: Token<'a>,
    pub(super) place: Place,
}

/// Operators and brackets; a longer one stands before its own beginning.
const MARKS: [&str; 27] = [
    "<<", ">>", "<>", "<=", ">=", "!=", "||", "(", ")", "[", "]", "{", "}", ",", ".", ":", ";", "*", "=", "<", ">",
    "+", "-", "/", "%", "?", "!",
];

/// The words of `text`, the last of which is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned<'_>>, Refusal> {
    let mut found = Vec::with_capacity(text.len() / 4 + 1);
    let (mut rest, mut line, mut column) = (text, 1, 1);
    while !rest.is_empty() {
        let (token, bytes) = first(rest)?;
        let read = rest.get(..bytes).unwrap_or(rest);
        if let Some(token) = token {
            found.push(Spanned { token, place: Place { line, column, length: read.chars().count() } });
        }
        match read.rfind('\n') {
            Some(at) => {
                line += read.matches('\n').count();
                column = 1 + read.get(at + 1..).unwrap_or_default().chars().count();
            }
            None => column += read.chars().count(),
        }
        rest = rest.get(bytes..).unwrap_or_default();
    }
    found.push(Spanned { token: Token::End, place: Place { line, column, length: 0 } });
    Ok(found)
}

/// The first word of a text, none for blanks and comments, and its length in bytes.
fn first(text: &str) -> Result<(Option<Token<'_>>, usize), Refusal> {
    let unreadable = || Refusal::malformed("");
    let next = text.chars().next().unwrap_or_default();
    if next.is_whitespace() {
        return Ok((None, next.len_utf8()));
    }
    if text.starts_with("--") {
        return Ok((None, text.find(['\n', '\r']).unwrap_or(text.len())));
    }
    if let Some(comment) = text.strip_prefix("/*") {
        return Ok((None, comment.find("*/").ok_or_else(unreadable)? + 4));
    }
    if next == '\'' || next == '"' {
        let (inner, bytes) = quoted(text, next).ok_or_else(unreadable)?;
        return Ok((Some(if next == '"' { Token::Name(inner) } else { Token::Text(inner) }), bytes));
    }
    if next.is_ascii_alphabetic() || next == '_' || next == '$' {
        let more = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        let bytes = text.find(|c| !more(c)).unwrap_or(text.len());
        return Ok((text.get(..bytes).map(Token::Word), bytes));
    }
    if let Some(bytes) = number_bytes(text) {
        return Ok((text.get(..bytes).map(Token::Number), bytes));
    }
    let mark = MARKS.into_iter().find(|mark| text.starts_with(mark)).ok_or_else(unreadable)?;
    Ok((Some(Token::Mark(mark)), mark.len()))
}

/// What stands between quotes, and how long it is with them. Two quotes in a row stand for one.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut inner = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            inner.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            inner.push(quote);
        } else {
            return Some((inner, at + 1));
        }
    }
    None
}

/// How long the number is that the text begins with, if it begins with one.
fn number_bytes(text: &str) -> Option<usize> {
    let digits = |from: usize| text.bytes().skip(from).take_while(u8::is_ascii_digit).count();
    let at = |at: usize| text.as_bytes().get(at).copied();
    let whole = digits(0);
    let mut end = whole;
    if at(end) == Some(b'.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    if matches!(at(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(at(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    Some(end)
}
