//! What is wrong with a request's structure, and where.

use std::borrow::Cow;
use std::fmt;

use cauce_core::{ServiceError, Violations};
use serde::de::{Expected, Unexpected};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DecodeError {
    /// From the inside out.
    path: Vec<Cow<'static, str>>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// A member that must be there is not, or is null.
    Missing(&'static str),
    /// A text that is none of an enumeration.
    Variant { value: String, allowed: &'static [&'static str] },
    /// A value of a type that cannot stand there; the text is AWS's wording.
    Type(String),
}

impl DecodeError {
    /// The same error seen from further out.
    pub(super) fn within(mut self, place: Cow<'static, str>) -> DecodeError {
        self.path.push(place);
        self
    }

    fn of(kind: Kind) -> DecodeError {
        DecodeError { path: Vec::new(), kind }
    }

    /// The error that the client sees: a violated constraint, or `type_code` for what cannot be read.
    pub(crate) fn into_service_error(self, validation_code: &'static str, type_code: &'static str) -> ServiceError {
        let mut path: Vec<&str> = self.path.iter().map(AsRef::as_ref).collect();
        let mut violations = Violations::new();
        match &self.kind {
            Kind::Missing(member) => {
                if !member.is_empty() {
                    path.insert(0, member);
                }
                report(&mut violations, &path, &mut |v, name| v.required::<()>(name, None));
            }
            Kind::Variant { value, allowed } => {
                report(&mut violations, &path, &mut |v, name| v.one_of(name, value, allowed));
            }
            Kind::Type(message) => return ServiceError::new(400, type_code, message.clone()),
        }
        ServiceError::new(400, validation_code, violations.message().unwrap_or_default())
    }
}

/// Walks into the path, which is written from the inside out, and reports at its end.
fn report(violations: &mut Violations, path: &[&str], add: &mut dyn FnMut(&mut Violations, &str)) {
    match path.split_last() {
        None => add(violations, ""),
        Some((name, [])) => add(violations, name),
        Some((place, rest)) => violations.within(place, |v| report(v, rest, add)),
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.kind, self.path)
    }
}

impl std::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> DecodeError {
        DecodeError::of(Kind::Type(message.to_string()))
    }

    fn missing_field(field: &'static str) -> DecodeError {
        DecodeError::of(Kind::Missing(field))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> DecodeError {
        DecodeError::of(Kind::Variant { value: variant.to_owned(), allowed: expected })
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> DecodeError {
        if matches!(unexpected, Unexpected::Unit | Unexpected::Option) {
            return DecodeError::of(Kind::Missing(""));
        }
        let expected = expected.to_string();
        let wanted = if expected.contains("string") || expected.contains("text") {
            "a String"
        } else if expected.contains("bool") {
            "a Boolean"
        } else if expected.contains("sequence") {
            return DecodeError::of(Kind::Type("Expected list or null".to_owned()));
        } else if expected.contains("struct") || expected.contains("map") {
            return DecodeError::of(Kind::Type("Expected map or null".to_owned()));
        } else {
            "a Number"
        };
        let found = match unexpected {
            Unexpected::Seq => return DecodeError::of(Kind::Type("Start of list found where not expected".to_owned())),
            Unexpected::Map => {
                let message = "Start of structure or map found where not expected.";
                return DecodeError::of(Kind::Type(message.to_owned()));
            }
            Unexpected::Bool(true) => "TRUE_VALUE",
            Unexpected::Bool(false) => "FALSE_VALUE",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "NUMBER_VALUE",
            Unexpected::Float(_) => "DECIMAL_VALUE",
            _ => "STRING_VALUE",
        };
        DecodeError::of(Kind::Type(format!("{found} can not be converted to {wanted}")))
    }
}
