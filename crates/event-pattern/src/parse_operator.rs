//! Reads one operator of a pattern: `{"prefix": ...}` and the like.

use crate::address::{Address, Cidr};
use crate::error::PatternError;
use crate::fold::fold;
use crate::number::{Number, NumberKey};
use crate::operator::{Operator, Range};
use crate::parse::Parser;
use crate::token::Token;
use crate::wildcard::Wildcard;

const ONE_KEY: &str = "Only one key allowed in match expression";
const IGNORE_CASE_TYPES: &str =
    "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.";
const LIST_TYPES: &str = "Inside anything but list, start|null|boolean is not supported.";
const MIXED_TYPES: &str =
    "Inside anything but list, either all values are number or string, mixed type is not supported";
const TOO_MANY_NUMERIC: &str = "Too many elements in numeric expression";
const TOO_COMPLEX: &str = "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character";

/// What `anything-but` excludes, when it names an operator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Excluded {
    Prefix,
    Suffix,
    IgnoreCase,
    Wildcard,
}

impl Excluded {
    fn wrong_type(self) -> &'static str {
        match self {
            Self::Prefix | Self::Suffix => "prefix/suffix match pattern must be a string",
            Self::IgnoreCase => IGNORE_CASE_TYPES,
            Self::Wildcard => "wildcard match pattern must be a string",
        }
    }
}

impl Parser<'_, '_> {
    /// An exact text.
    pub(crate) fn text(&mut self, text: &str) -> Operator {
        self.tokens.text_taken();
        Operator::Text(text.into(), Address::parse(text.as_bytes()))
    }

    /// An operator whose brace was read.
    pub(crate) fn operator(&mut self) -> Result<Operator, PatternError> {
        let Token::Name(name) = self.tokens.next()? else {
            return Err(self.tokens.refuse("Match expression name not found"));
        };
        match &*name {
            "exactly" => {
                let text = self.expect_text("exact match pattern must be a string")?;
                self.closed(Operator::Text(text, None))
            }
            "prefix" => self.affix("prefix", "Prefix", Operator::Prefix, Operator::PrefixIgnoreCase),
            "suffix" => self.affix("suffix", "Suffix", Operator::Suffix, Operator::SuffixIgnoreCase),
            "equals-ignore-case" => {
                let text = self.expect_text("equals-ignore-case match pattern must be a string")?;
                let folded = fold(&text);
                self.closed(Operator::IgnoreCase(text, folded))
            }
            "wildcard" => {
                let text = self.expect_text("wildcard match pattern must be a string")?;
                let wildcard = self.wildcard(&text)?;
                self.closed(Operator::Wildcard(text, wildcard))
            }
            "cidr" => {
                // AWS answers with the text of another operator.
                let text = self.expect_text("prefix match pattern must be a string")?;
                let cidr = Cidr::parse(&text)?;
                self.closed(Operator::Cidr(text, cidr))
            }
            "numeric" => self.numeric(),
            "exists" => {
                let operator = match self.tokens.next()? {
                    Token::True => Operator::Exists,
                    Token::False => Operator::Absent,
                    _ => return Err(self.tokens.refuse("exists match pattern must be either true or false.")),
                };
                self.closed(operator)
            }
            "anything-but" => self.anything_but(),
            _ => Err(self.tokens.refuse(format!("Unrecognized match type {name}"))),
        }
    }

    /// The brace after the only entry of an operator.
    fn closed(&mut self, operator: Operator) -> Result<Operator, PatternError> {
        if self.tokens.next()? == Token::ObjectEnd { Ok(operator) } else { Err(self.tokens.refuse(ONE_KEY)) }
    }

    fn expect_text(&mut self, otherwise: &str) -> Result<Box<str>, PatternError> {
        match self.tokens.next()? {
            Token::Text(text) => {
                self.tokens.text_taken();
                Ok(text.into())
            }
            _ => Err(self.tokens.refuse(otherwise)),
        }
    }

    /// `prefix` and `suffix`, with a text or with `equals-ignore-case`.
    fn affix(
        &mut self,
        name: &str,
        title: &str,
        plain: fn(Box<str>) -> Operator,
        without_case: fn(Box<str>, Box<str>) -> Operator,
    ) -> Result<Operator, PatternError> {
        match self.tokens.next()? {
            Token::Text(text) => {
                self.tokens.text_taken();
                self.closed(plain(text.into()))
            }
            Token::ObjectStart => {
                let Token::Name(inner) = self.tokens.next()? else {
                    return Err(self.tokens.refuse(format!("{title} expression name not found")));
                };
                if inner != "equals-ignore-case" {
                    return Err(self.tokens.refuse(format!("Unsupported {name} pattern: {inner}")));
                }
                let text = self.expect_text("equals-ignore-case match pattern must be a string")?;
                let folded = fold(&text);
                let operator = self.closed(without_case(text, folded))?;
                self.closed(operator)
            }
            _ => Err(self.tokens.refuse(format!("{name} match pattern must be a string"))),
        }
    }

    fn wildcard(&self, text: &str) -> Result<Wildcard, PatternError> {
        let wildcard = Wildcard::parse(text).map_err(|reason| self.tokens.refuse(reason))?;
        let complexity_max = self.limits.wildcard_complexity_max;
        if wildcard.complexity(complexity_max) > complexity_max {
            return Err(PatternError::new(TOO_COMPLEX));
        }
        Ok(wildcard)
    }

    /// `anything-but`, whose name was read.
    fn anything_but(&mut self) -> Result<Operator, PatternError> {
        let mut value = self.tokens.next()?;
        let mut excluded = None;
        if value == Token::ObjectStart {
            let Token::Name(name) = self.tokens.next()? else {
                return Err(self.tokens.refuse("Anything-But expression name not found"));
            };
            excluded = Some(match &*name {
                "prefix" => Excluded::Prefix,
                "suffix" => Excluded::Suffix,
                "equals-ignore-case" => Excluded::IgnoreCase,
                "wildcard" => Excluded::Wildcard,
                _ => return Err(self.tokens.refuse(format!("Unsupported anything-but pattern: {name}"))),
            });
            value = self.tokens.next()?;
        }
        let list = match value {
            Token::ArrayStart => true,
            Token::Text(_) | Token::Number(_) => false,
            _ => {
                return Err(self
                    .tokens
                    .refuse("Value of anything-but must be an array or single string/number value."));
            }
        };
        let operator = match excluded {
            None => self.excluded_values(value, list)?,
            Some(kind) => {
                let texts = self.excluded_texts(value, list, kind)?;
                self.excluding(kind, texts)?
            }
        };
        for _ in 0..=usize::from(excluded.is_some()) {
            if self.tokens.next()? != Token::ObjectEnd {
                return Err(self.tokens.refuse(TOO_MANY_NUMERIC));
            }
        }
        Ok(operator)
    }

    /// Excluded texts or numbers: `first`, or the list that it opens.
    fn excluded_values(&mut self, first: Token<'_>, list: bool) -> Result<Operator, PatternError> {
        let mut texts: Vec<Box<str>> = Vec::new();
        let mut numbers: Vec<(Box<str>, NumberKey)> = Vec::new();
        let mut item = if list { self.tokens.next()? } else { first };
        loop {
            match &item {
                Token::ArrayEnd => break,
                Token::Text(text) => {
                    self.tokens.text_taken();
                    texts.push((&**text).into());
                }
                Token::Number(text) => {
                    numbers.push(((*text).into(), self.number(text).map_err(|fault| self.again(fault, list))?))
                }
                _ => return Err(self.again(self.tokens.refuse(LIST_TYPES), list)),
            }
            if !list {
                break;
            }
            item = self.tokens.next()?;
        }
        match (texts.is_empty(), numbers.is_empty()) {
            (false, true) => Ok(Operator::NotTexts(texts.into())),
            (true, false) => Ok(Operator::NotNumbers(numbers.into())),
            _ => Err(self.tokens.refuse(MIXED_TYPES)),
        }
    }

    /// Excluded texts of an operator: `first`, or the list that it opens.
    fn excluded_texts(&mut self, first: Token<'_>, list: bool, kind: Excluded) -> Result<Vec<Box<str>>, PatternError> {
        let mut texts: Vec<Box<str>> = Vec::new();
        let mut item = if list { self.tokens.next()? } else { first };
        loop {
            match &item {
                Token::ArrayEnd => break,
                Token::Text(text) => {
                    self.tokens.text_taken();
                    if text.is_empty() && matches!(kind, Excluded::Prefix | Excluded::Suffix) {
                        return Err(self.again(self.tokens.refuse("Null prefix/suffix not allowed"), list));
                    }
                    texts.push((&**text).into());
                }
                _ => return Err(self.again(self.tokens.refuse(kind.wrong_type()), list)),
            }
            if !list {
                break;
            }
            item = self.tokens.next()?;
        }
        Ok(texts)
    }

    fn excluding(&self, kind: Excluded, texts: Vec<Box<str>>) -> Result<Operator, PatternError> {
        Ok(match kind {
            Excluded::Prefix => Operator::NotPrefixes(texts.into()),
            Excluded::Suffix => Operator::NotSuffixes(texts.into()),
            Excluded::IgnoreCase => Operator::NotIgnoreCase(
                texts
                    .into_iter()
                    .map(|text| {
                        let folded = fold(&text);
                        (text, folded)
                    })
                    .collect(),
            ),
            Excluded::Wildcard => {
                let mut wildcards = Vec::new();
                for text in texts {
                    let wildcard = self.wildcard(&text)?;
                    wildcards.push((text, wildcard));
                }
                Operator::NotWildcards(wildcards.into())
            }
        })
    }

    /// A fault inside a list has its place printed twice.
    fn again(&self, fault: PatternError, list: bool) -> PatternError {
        if list { fault.place_again(self.tokens.source()) } else { fault }
    }

    /// A number that is compared: within the limits.
    fn number(&self, text: &str) -> Result<NumberKey, PatternError> {
        let number = Number::parse(text.as_bytes());
        let abs_max = self.limits.number_abs_max;
        if number.key < NumberKey::from_integer(abs_max, true) || number.key > NumberKey::from_integer(abs_max, false) {
            let bound = java_double(abs_max);
            return Err(self.tokens.refuse(format!("Value must be between -{bound} and {bound}, inclusive")));
        }
        let digits_max = self.limits.number_digits_max;
        if number.digits > digits_max {
            return Err(self.tokens.refuse(format!("Value {text} has more than {digits_max} significant digits")));
        }
        Ok(number.key)
    }

    /// `numeric`, whose name was read.
    fn numeric(&mut self) -> Result<Operator, PatternError> {
        if self.tokens.next()? != Token::ArrayStart {
            return Err(self.tokens.refuse("Value of numeric must be an array."));
        }
        let start = self.tokens.end();
        let sign = match self.tokens.next()? {
            Token::Text(sign) => sign,
            other => return Err(self.tokens.refuse(format!("Invalid member in numeric match: {}", shown(&other)))),
        };
        self.tokens.text_taken();
        let (mut low, mut high) = (NumberKey::LOWEST, NumberKey::HIGHEST);
        let mut lower = None;
        match &*sign {
            "=" => {
                low = self.operand("equals")?;
                high = low;
            }
            "<" => high = self.operand("<")?.below(),
            "<=" => high = self.operand("<=")?,
            ">" | ">=" => {
                let bound = self.operand(&sign)?;
                low = if &*sign == ">" { bound.above() } else { bound };
                lower = Some(bound);
            }
            _ => {
                self.tokens.next()?;
                return Err(self.tokens.refuse(format!("Unrecognized numeric range operator: {sign}")));
            }
        }
        let mut end = self.tokens.end();
        match (self.tokens.next()?, lower) {
            (Token::ArrayEnd, _) => {}
            (_, None) => return Err(self.tokens.refuse(TOO_MANY_NUMERIC)),
            (Token::Text(sign), Some(bound)) => {
                self.tokens.text_taken();
                high = self.upper_bound(&sign, bound)?;
                end = self.tokens.end();
                if self.tokens.next()? != Token::ArrayEnd {
                    return Err(self.tokens.refuse("Too many terms in numeric range expression"));
                }
            }
            (other, Some(_)) => {
                return Err(self.tokens.refuse(format!("Bad value in numeric range: {}", shown(&other))));
            }
        }
        if self.tokens.next()? != Token::ObjectEnd {
            return Err(self.tokens.refuse(TOO_MANY_NUMERIC));
        }
        let spec = self.tokens.source().get(start..end).unwrap_or_default().trim().into();
        Ok(Operator::Range(Range { low, high, spec }))
    }

    /// The number after `sign`, which says what the second half of a range may reach.
    fn upper_bound(&mut self, sign: &str, lower: NumberKey) -> Result<NumberKey, PatternError> {
        let open = match sign {
            "<" => true,
            "<=" => false,
            _ => return Err(self.tokens.refuse(format!("Bad numeric range operator: {sign}"))),
        };
        let bound = self.operand(sign)?;
        if lower >= bound {
            return Err(self.tokens.refuse("Bottom must be less than top"));
        }
        Ok(if open { bound.below() } else { bound })
    }

    fn operand(&mut self, what: &str) -> Result<NumberKey, PatternError> {
        match self.tokens.next()? {
            Token::Number(text) => self.number(text),
            _ => Err(self.tokens.refuse(format!("Value of {what} must be numeric"))),
        }
    }
}

/// A token as Jackson's `getText` gives it.
fn shown(token: &Token<'_>) -> String {
    match token {
        Token::ObjectStart => "{".to_owned(),
        Token::ObjectEnd => "}".to_owned(),
        Token::ArrayStart => "[".to_owned(),
        Token::ArrayEnd => "]".to_owned(),
        Token::Name(text) | Token::Text(text) => text.to_string(),
        Token::Number(text) => (*text).to_owned(),
        Token::True => "true".to_owned(),
        Token::False => "false".to_owned(),
        Token::Null | Token::End => "null".to_owned(),
    }
}

/// A whole number as Java prints a double: `5.0E9`.
fn java_double(value: u64) -> String {
    if value < 10_000_000 {
        return format!("{value}.0");
    }
    let digits = value.to_string();
    let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
    let rest = rest.trim_end_matches('0');
    format!("{first}.{}E{}", if rest.is_empty() { "0" } else { rest }, digits.len() - 1)
}
