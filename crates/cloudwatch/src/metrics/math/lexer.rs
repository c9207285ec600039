//! Expressions as words and signs.

use super::value::MathError;

/// A word or a sign.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Number(f64),
    Text(String),
    Word(String),
    /// One of `+ - * / ^ ( ) [ ] , < > <= >= == != && ||`.
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 18] =
    ["<=", ">=", "==", "!=", "&&", "||", "+", "-", "*", "/", "^", "(", ")", "[", "]", ",", "<", ">"];

/// The tokens of an expression.
///
/// # Errors
/// A character that begins none, a text that does not end.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, MathError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = next(first, rest)?;
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn next(first: char, rest: &str) -> Result<(Token, &str), MathError> {
    if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
        return Ok((Token::Sign(sign), rest.get(sign.len()..).unwrap_or_default()));
    }
    if first == '"' || first == '\'' {
        let inner = rest.get(1..).unwrap_or_default();
        let (text, after) = inner.split_once(first).ok_or_else(|| MathError::new("Unterminated string"))?;
        return Ok((Token::Text(text.to_owned()), after));
    }
    if first.is_ascii_digit() || first == '.' {
        return number(rest);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let (word, after) = split(rest, |c| c.is_ascii_alphanumeric() || c == '_');
        return Ok((Token::Word(word.to_owned()), after));
    }
    Err(MathError::new(format!("Unexpected character '{first}'")))
}

fn number(rest: &str) -> Result<(Token, &str), MathError> {
    let (mantissa, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
    let exponent = after.strip_prefix(['e', 'E']).and_then(|after| {
        let (sign, digits) = split(after, |c| c == '+' || c == '-');
        let (digits, after) = split(digits, |c| c.is_ascii_digit());
        (sign.len() <= 1 && !digits.is_empty()).then_some((sign.len() + digits.len() + 1, after))
    });
    let (length, after) = match exponent {
        Some((length, after)) => (mantissa.len() + length, after),
        None => (mantissa.len(), after),
    };
    let text = rest.get(..length).unwrap_or_default();
    let value = text.parse().map_err(|_| MathError::new(format!("'{text}' is not a number")))?;
    Ok((Token::Number(value), after))
}

/// The longest beginning of which every character is `good`, and the rest.
fn split(text: &str, good: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !good(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}
