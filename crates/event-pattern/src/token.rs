//! Reads the JSON text of a pattern token by token and knows where it stands.
//!
//! Error messages of EventBridge show line and column where its reader, Jackson, had got to. That reader runs ahead of the token it hands
//! out in two cases, and the columns show it: with the name of a field it has already read the beginning of the value, and of a text
//! it has only read the opening quote until somebody asks for the content. [`Tokens::here`] reports the same places.

use std::borrow::Cow;

use crate::error::{Location, PatternError, source_text};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Name(Cow<'a, str>),
    Text(Cow<'a, str>),
    Number(&'a str),
    True,
    False,
    Null,
    /// Nothing left.
    End,
}

/// An object or array that is open.
struct Open {
    object: bool,
    /// Bytes before its bracket.
    start: usize,
    /// Something is in it already.
    filled: bool,
}

/// The reader.
pub(crate) struct Tokens<'a> {
    source: &'a str,
    /// Bytes read.
    read: usize,
    /// Bytes read as far as messages are concerned.
    reported: usize,
    open: Vec<Open>,
    depth_max: usize,
    /// The value of the field whose name was handed out last.
    value: Option<Token<'a>>,
    started: bool,
}

const EXPECTED_VALUE: &str =
    "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

impl<'a> Tokens<'a> {
    pub(crate) fn new(source: &'a str, depth_max: usize) -> Self {
        Self { source, read: 0, reported: 0, open: Vec::new(), depth_max, value: None, started: false }
    }

    /// An error at the current place.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> PatternError {
        PatternError::at(self.source, self.reported, reason)
    }

    pub(crate) fn source(&self) -> &'a str {
        self.source
    }

    /// The content of the last text token was looked at, so the reader stands behind it.
    pub(crate) fn text_taken(&mut self) {
        self.reported = self.read;
    }

    /// Bytes read up to the end of the last token.
    pub(crate) fn end(&self) -> usize {
        self.read
    }

    /// The next token.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, PatternError> {
        if let Some(value) = self.value.take() {
            return Ok(value);
        }
        self.space();
        let Some(frame) = self.open.last() else {
            if self.started {
                return match self.peek() {
                    None => Ok(Token::End),
                    Some(c) => Err(self.unexpected(c, "expected the end of the pattern")),
                };
            }
            self.started = true;
            if self.peek().is_none() {
                self.reported = self.read;
                return Ok(Token::End);
            }
            return self.value_token();
        };
        let (object, filled) = (frame.object, frame.filled);
        let Some(c) = self.peek() else { return Err(self.unclosed()) };
        if let Some(token) = self.close(c, object)? {
            return Ok(token);
        }
        if filled {
            if c != ',' {
                let kind = if object { "Object" } else { "Array" };
                return Err(self.unexpected(c, &format!("was expecting comma to separate {kind} entries")));
            }
            self.read += 1;
            self.space();
        }
        if let Some(frame) = self.open.last_mut() {
            frame.filled = true;
        }
        if !object {
            return self.value_token();
        }
        let name = self.name()?;
        let value = self.value_token()?;
        self.value = Some(value);
        Ok(Token::Name(name))
    }

    /// A bracket that closes what is open.
    fn close(&mut self, c: char, object: bool) -> Result<Option<Token<'a>>, PatternError> {
        if c != '}' && c != ']' {
            return Ok(None);
        }
        if (c == '}') != object {
            let (expected, kind) = if object { ('}', "Object") } else { (']', "Array") };
            let start = self.open.last().map_or(0, |frame| frame.start);
            let start = source_text(self.source, Location::after(self.source, start));
            self.read += 1;
            self.reported = self.read;
            return Err(self.refuse(format!(
                "Unexpected close marker '{c}': expected '{expected}' (for {kind} starting at {start})"
            )));
        }
        self.open.pop();
        self.read += 1;
        self.reported = self.read;
        Ok(Some(if object { Token::ObjectEnd } else { Token::ArrayEnd }))
    }

    /// A name and its colon.
    fn name(&mut self) -> Result<Cow<'a, str>, PatternError> {
        match self.peek() {
            Some('"') => {}
            Some(c) => return Err(self.unexpected(c, "was expecting double-quote to start field name")),
            None => return Err(self.unclosed()),
        }
        self.read += 1;
        let name = self.text(" in field name")?;
        self.space();
        match self.peek() {
            Some(':') => self.read += 1,
            Some(c) => return Err(self.unexpected(c, "was expecting a colon to separate field name and value")),
            None => return Err(self.unclosed()),
        }
        self.space();
        Ok(name)
    }

    /// A value, or the beginning of an object or array.
    fn value_token(&mut self) -> Result<Token<'a>, PatternError> {
        let Some(c) = self.peek() else { return Err(self.unclosed()) };
        match c {
            '{' | '[' => {
                if self.open.len() >= self.depth_max {
                    self.reported = self.read;
                    let depth_max = self.depth_max;
                    return Err(self.refuse(format!("Pattern is nested deeper than {depth_max} levels")));
                }
                self.open.push(Open { object: c == '{', start: self.read, filled: false });
                self.read += 1;
                self.reported = self.read;
                Ok(if c == '{' { Token::ObjectStart } else { Token::ArrayStart })
            }
            '"' => {
                self.read += 1;
                self.reported = self.read;
                let text = self.text(": was expecting closing quote for a string value")?;
                Ok(Token::Text(text))
            }
            '-' | '0'..='9' => self.number(),
            c if c.is_alphabetic() || c == '_' || c == '$' => self.literal(),
            c => Err(self.unexpected(c, EXPECTED_VALUE)),
        }
    }

    fn literal(&mut self) -> Result<Token<'a>, PatternError> {
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        self.read += length;
        self.reported = self.read;
        match word {
            "true" => Ok(Token::True),
            "false" => Ok(Token::False),
            "null" => Ok(Token::Null),
            _ => Err(self.refuse(format!(
                "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
            ))),
        }
    }

    fn number(&mut self) -> Result<Token<'a>, PatternError> {
        let rest = self.rest();
        let length = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        self.read += length;
        self.reported = self.read;
        if crate::json::is_number(text.as_bytes()) {
            return Ok(Token::Number(text));
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let leading_zero =
            digits.len() > 1 && digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        Err(self.refuse(if leading_zero {
            "Invalid numeric value: Leading zeroes not allowed".to_owned()
        } else {
            format!("Invalid numeric value: {text}")
        }))
    }

    /// The content of a text whose opening quote was read.
    fn text(&mut self, missing_end: &str) -> Result<Cow<'a, str>, PatternError> {
        let rest = self.rest();
        let mut escaped = false;
        for (at, byte) in rest.bytes().enumerate() {
            if escaped {
                escaped = false;
                continue;
            }
            match byte {
                b'\\' => escaped = true,
                b'"' => {
                    let raw = rest.get(..at).unwrap_or_default();
                    self.read += at + 1;
                    return self.unescape(raw);
                }
                0..=0x1f => {
                    self.read += at;
                    self.reported = self.read;
                    return Err(self.refuse(format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {byte})): has to be escaped using backslash to be included in \
                         string value"
                    )));
                }
                _ => {}
            }
        }
        self.read = self.source.len();
        self.reported = self.read;
        Err(self.refuse(format!("Unexpected end-of-input{missing_end}")))
    }

    fn unescape(&mut self, raw: &'a str) -> Result<Cow<'a, str>, PatternError> {
        if !raw.contains('\\') {
            return Ok(Cow::Borrowed(raw));
        }
        let mut bytes = Vec::with_capacity(raw.len());
        let well_formed = crate::json::unescape(raw.as_bytes(), &mut bytes);
        match String::from_utf8(bytes) {
            Ok(text) if well_formed => Ok(Cow::Owned(text)),
            _ => {
                self.reported = self.read;
                Err(self.refuse("Unrecognized character escape"))
            }
        }
    }

    fn unexpected(&mut self, c: char, expected: &str) -> PatternError {
        self.reported = self.read;
        self.refuse(format!("Unexpected character ('{c}' (code {})): {expected}", u32::from(c)))
    }

    /// The text ended inside an object or array, or before any value.
    fn unclosed(&mut self) -> PatternError {
        self.reported = self.source.len();
        let Some(frame) = self.open.last() else {
            return self.refuse("Unexpected end-of-input");
        };
        let kind = if frame.object { "Object" } else { "Array" };
        let start = source_text(self.source, Location::after(self.source, frame.start));
        self.refuse(format!("Unexpected end-of-input: expected close marker for {kind} (start marker at {start})"))
    }

    fn space(&mut self) {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.read += rest.len() - trimmed.len();
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.read..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
}
