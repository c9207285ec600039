//! The regular expressions that filter patterns may hold: `%...%`.
//!
//! AWS: CloudWatch Logs User Guide, *Supported regular expressions (regex) syntax*: letters, digits, the symbols
//! `: _ # = @ / ; , -`, blanks, and the operators `^ $ ? [ ] { } | \ * + .`. There are no groups, so an expression is a list of
//! alternatives, each a list of single-character items with a repetition. The text is checked and rebuilt here and run by a
//! matcher whose time is linear in the event.

use std::fmt::Write as _;

use regex_lite::{Regex, RegexBuilder};

use super::error::PatternError;
use super::scan::Scan;

/// The largest `m` or `n` of a `{m,n}`.
const REPEAT_MAX: usize = 255;
/// The most items an expression may have once its repetitions are written out; matching takes at most that many steps a byte.
const ITEMS_MAX: usize = 500;
/// The most memory a compiled expression may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// One compiled expression.
#[derive(Clone, Debug)]
pub(super) struct LimitedRegex {
    regex: Regex,
    items: usize,
}

impl LimitedRegex {
    /// Checks and compiles the text between two percent signs.
    pub(super) fn new(body: &str) -> Result<LimitedRegex, PatternError> {
        let mut rebuild = Rebuild { scan: Scan::new(body), out: String::with_capacity(body.len() + 8), items: 0 };
        rebuild.alternatives()?;
        let built = RegexBuilder::new(&rebuild.out).size_limit(COMPILED_BYTES_MAX).build();
        let regex = built.map_err(|error| PatternError::Regex(error.to_string()))?;
        Ok(LimitedRegex { regex, items: rebuild.items })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Steps per byte, at most.
    pub(super) fn cost(&self) -> usize {
        self.items.max(1)
    }
}

struct Rebuild<'a> {
    scan: Scan<'a>,
    out: String,
    items: usize,
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, PatternError> {
    Err(PatternError::Regex(reason.into()))
}

impl Rebuild<'_> {
    fn alternatives(&mut self) -> Result<(), PatternError> {
        if self.scan.done() {
            return refuse("it is empty");
        }
        while let Some(c) = self.scan.bump() {
            match c {
                '^' | '$' | '|' => self.out.push(c),
                '?' | '*' | '+' | '{' => return refuse(format!("nothing precedes {c:?}")),
                ']' | '}' => return refuse(format!("{c:?} closes nothing")),
                c => {
                    let before = self.out.len();
                    self.item(c)?;
                    // An item that repeats is written once more than needed by nobody, so its size is that of its repetition.
                    debug_assert!(self.out.len() > before, "an item writes something");
                    let times = self.repetition()?;
                    self.items = self.items.saturating_add(times);
                    if self.items > ITEMS_MAX {
                        return refuse(format!("it has more than {ITEMS_MAX} items with its repetitions written out"));
                    }
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, c: char) -> Result<(), PatternError> {
        match c {
            '.' => self.out.push('.'),
            '[' => self.class()?,
            '\\' => self.escape()?,
            c => self.literal(c)?,
        }
        Ok(())
    }

    fn literal(&mut self, c: char) -> Result<(), PatternError> {
        let symbol = matches!(c, ':' | '_' | '#' | '=' | '@' | '/' | ';' | ',' | '-' | ' ');
        if !c.is_ascii_alphanumeric() && !symbol {
            return refuse(format!("{c:?} is not supported; write it as \\xhh"));
        }
        self.exactly(c);
        Ok(())
    }

    /// Writes a character so that it can mean nothing but itself.
    fn exactly(&mut self, c: char) {
        if c.is_ascii_alphanumeric() {
            self.out.push(c);
        } else {
            let _ = write!(self.out, "\\x{:02X}", u32::from(c));
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(), PatternError> {
        match self.scan.bump() {
            Some(c @ ('d' | 'D' | 's' | 'S' | 'w' | 'W')) => {
                self.out.push('\\');
                self.out.push(c);
                Ok(())
            }
            Some('x') => self.hexadecimal(),
            Some(c) if c.is_ascii_alphanumeric() => refuse(format!("\\{c} is not supported")),
            Some(c @ ('^' | '$' | '?' | '[' | ']' | '{' | '}' | '|' | '\\' | '*' | '+' | '.')) => {
                self.exactly(c);
                Ok(())
            }
            Some(c) => self.literal(c),
            None => refuse("nothing follows the backslash"),
        }
    }

    fn hexadecimal(&mut self) -> Result<(), PatternError> {
        let mut digit = || self.scan.bump().and_then(|c| c.to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return refuse("\\x wants two hexadecimal digits") };
        match char::from_u32(high * 16 + low).filter(char::is_ascii) {
            Some(c) => {
                self.exactly(c);
                Ok(())
            }
            None => refuse("\\xhh is outside ASCII"),
        }
    }

    /// What follows an opening bracket, up to and past the closing one.
    fn class(&mut self) -> Result<(), PatternError> {
        self.out.push('[');
        if self.scan.eat("^") {
            self.out.push('^');
        }
        let mut empty = true;
        loop {
            match self.scan.bump() {
                None => return refuse("[ is opened and never closed"),
                Some(']') if empty => return refuse("a character class is empty"),
                Some(']') => break,
                Some('[') => return refuse("'[' within a character class must be escaped"),
                Some('\\') => self.escape()?,
                // A hyphen between two characters makes a range; first or last it is itself.
                Some('-') if !empty && self.scan.peek() != Some(']') => self.out.push('-'),
                Some(c @ ('^' | '$' | '?' | '{' | '}' | '|' | '*' | '+' | '.')) => self.exactly(c),
                Some(c) => self.literal(c)?,
            }
            empty = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// An optional repetition, and an optional `?` after it, which changes what is found but not whether. Returns how often
    /// the item stands there once written out.
    fn repetition(&mut self) -> Result<usize, PatternError> {
        let times = match self.scan.peek() {
            Some(c @ ('?' | '*' | '+')) => {
                self.scan.bump();
                self.out.push(c);
                1
            }
            Some('{') => {
                self.scan.bump();
                self.counted()?
            }
            _ => return Ok(1),
        };
        self.scan.eat("?");
        match self.scan.peek() {
            Some(c @ ('?' | '*' | '+' | '{')) => refuse(format!("{c:?} repeats a repetition")),
            _ => Ok(times),
        }
    }

    /// `m}`, `m,n}`, `m,}` or `,n}`.
    fn counted(&mut self) -> Result<usize, PatternError> {
        let min = self.number()?;
        let comma = self.scan.eat(",");
        let max = if comma { self.number()? } else { min };
        if !self.scan.eat("}") || (min.is_none() && max.is_none()) {
            return refuse("a repetition reads {m}, {m,}, {,n} or {m,n}");
        }
        let least = min.unwrap_or(0);
        match max {
            Some(most) if most < least => return refuse(format!("{{{least},{most}}} ends before it begins")),
            Some(most) => {
                let _ = write!(self.out, "{{{least},{most}}}");
            }
            None => {
                let _ = write!(self.out, "{{{least},}}");
            }
        }
        Ok(max.unwrap_or(least).max(1))
    }

    fn number(&mut self) -> Result<Option<usize>, PatternError> {
        self.scan.take_while(|c| c == ' ');
        let digits = self.scan.take_while(|c| c.is_ascii_digit());
        self.scan.take_while(|c| c == ' ');
        if digits.is_empty() {
            return Ok(None);
        }
        match digits.parse() {
            Ok(number) if number <= REPEAT_MAX => Ok(Some(number)),
            _ => refuse(format!("an item repeats at most {REPEAT_MAX} times")),
        }
    }
}
