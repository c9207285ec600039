//! Walks a pattern's text from left to right.

/// What is left of a pattern.
#[derive(Clone, Debug)]
pub(super) struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Scan<'a> {
        Scan { rest: text }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// Whether nothing is left.
    pub(super) fn done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Goes past `token` if it comes next.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Goes past `word` if it comes next and no letter, digit, `_` or `-` follows it.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) if !rest.starts_with(is_name_char) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Goes past white space; says whether there was any.
    pub(super) fn skip_space(&mut self) -> bool {
        !self.take_while(char::is_whitespace).is_empty()
    }

    /// Takes the characters for which `good` holds.
    pub(super) fn take_while(&mut self, good: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !good(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Reads what follows an opening double quote, up to and past the closing one. `\"` and `\\` stand for the character
    /// itself; any other backslash is an ordinary character. `None` if the quote is never closed.
    pub(super) fn quoted(&mut self) -> Option<String> {
        let mut out = String::new();
        loop {
            match self.bump()? {
                '"' => return Some(out),
                '\\' => match self.peek() {
                    Some(c @ ('"' | '\\')) => {
                        self.bump();
                        out.push(c);
                    }
                    _ => out.push('\\'),
                },
                c => out.push(c),
            }
        }
    }

    /// Reads what follows an opening `%`, up to and past the closing one. A percent sign cannot occur within.
    pub(super) fn percent(&mut self) -> Option<&'a str> {
        let body = self.take_while(|c| c != '%');
        self.eat("%").then_some(body)
    }
}

/// What field names and property names are made of.
pub(super) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// What an unquoted value is made of.
pub(super) fn is_bare_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | '*')
}
