//! Constraint violations, worded as AWS words them.
//!
//! `2 validation errors detected: Value '' at 'name' failed to satisfy constraint: Member must have length greater than or
//! equal to 1; Value ...`

use std::fmt::Display;

use regex_lite::Regex;

use crate::ServiceError;

/// The longest offending value repeated in a message, in characters.
const VALUE_CHARS_MAX: usize = 1_024;

/// Collects what is wrong with an input, so that the caller hears of everything at once.
#[derive(Debug, Default)]
pub struct Violations {
    path: Vec<String>,
    found: Vec<String>,
}

impl Violations {
    /// None yet.
    pub fn new() -> Violations {
        Violations::default()
    }

    /// Runs `check` with `name` added to the path, for a nested structure or list element (`entries.1.member`, counted from 1).
    pub fn within(&mut self, name: impl Display, check: impl FnOnce(&mut Violations)) {
        self.path.push(name.to_string());
        check(self);
        self.path.pop();
    }

    fn at(&self, name: &str) -> String {
        // AWS writes member names in lower camel case in these messages whatever their case on the wire.
        let mut out = String::new();
        for part in self.path.iter().map(String::as_str).chain(std::iter::once(name)).filter(|p| !p.is_empty()) {
            if !out.is_empty() {
                out.push('.');
            }
            let mut chars = part.chars();
            out.extend(chars.next().map(|c| c.to_ascii_lowercase()));
            out.push_str(chars.as_str());
        }
        out
    }

    fn add(&mut self, name: &str, value: Option<&str>, constraint: &str) {
        let value = match value {
            Some(v) if v.chars().count() > VALUE_CHARS_MAX => {
                format!("'{}...'", v.chars().take(VALUE_CHARS_MAX).collect::<String>())
            }
            Some(v) => format!("'{v}'"),
            None => "null".to_owned(),
        };
        let at = self.at(name);
        self.found.push(format!("Value {value} at '{at}' failed to satisfy constraint: {constraint}"));
    }

    /// A member that must be there.
    pub fn required<T>(&mut self, name: &str, value: Option<&T>) {
        if value.is_none() {
            self.add(name, None, "Member must not be null");
        }
    }

    /// The length of a text in characters.
    pub fn length(&mut self, name: &str, value: &str, min: usize, max: usize) {
        self.check_len(name, value.chars().count(), value, min, max);
    }

    /// The number of elements of a list. AWS repeats the whole list in the message; here it is told how many there are.
    pub fn count(&mut self, name: &str, count: usize, min: usize, max: usize) {
        let shown = if count == 0 { "[]".to_owned() } else { format!("[{count} elements]") };
        self.check_len(name, count, &shown, min, max);
    }

    fn check_len(&mut self, name: &str, len: usize, shown: &str, min: usize, max: usize) {
        if len < min {
            self.add(name, Some(shown), &format!("Member must have length greater than or equal to {min}"));
        } else if len > max {
            self.add(name, Some(shown), &format!("Member must have length less than or equal to {max}"));
        }
    }

    /// A number's range, inclusive.
    pub fn range(&mut self, name: &str, value: i64, min: i64, max: i64) {
        if value < min {
            let constraint = format!("Member must have value greater than or equal to {min}");
            self.add(name, Some(&value.to_string()), &constraint);
        } else if value > max {
            self.add(name, Some(&value.to_string()), &format!("Member must have value less than or equal to {max}"));
        }
    }

    /// A text that must match `pattern` as a whole; `regex` is that pattern, compiled and anchored.
    pub fn pattern(&mut self, name: &str, value: &str, pattern: &str, regex: &Regex) {
        if !regex.is_match(value) {
            self.add(name, Some(value), &format!("Member must satisfy regular expression pattern: {pattern}"));
        }
    }

    /// A text that must be one of `allowed`.
    pub fn one_of(&mut self, name: &str, value: &str, allowed: &[&str]) {
        if !allowed.contains(&value) {
            let set = allowed.join(", ");
            self.add(name, Some(value), &format!("Member must satisfy enum value set: [{set}]"));
        }
    }

    /// Any other constraint, in the words of the service.
    pub fn other(&mut self, name: &str, value: Option<&str>, constraint: &str) {
        self.add(name, value, constraint);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The whole message, if something is wrong.
    pub fn message(&self) -> Option<String> {
        let n = self.found.len();
        let s = if n == 1 { "" } else { "s" };
        (n > 0).then(|| format!("{n} validation error{s} detected: {}", self.found.join("; ")))
    }

    /// Nothing wrong, or 400 `ValidationException`.
    ///
    /// # Errors
    /// All violations in one message.
    pub fn finish(&self) -> Result<(), ServiceError> {
        match self.message() {
            None => Ok(()),
            Some(message) => Err(ServiceError::validation(message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Violations;

    #[test]
    fn words_are_those_of_aws() {
        let mut v = Violations::new();
        v.length("Name", "", 1, 64);
        v.within("Entries", |v| v.within("1", |v| v.within("member", |v| v.required::<String>("Source", None))));
        assert_eq!(
            v.message().unwrap(),
            "2 validation errors detected: Value '' at 'name' failed to satisfy constraint: Member must have length greater \
             than or equal to 1; Value null at 'entries.1.member.source' failed to satisfy constraint: Member must not be null"
        );
    }
}
