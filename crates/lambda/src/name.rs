//! The names by which functions are called: `name`, `name:qualifier`, `ACCOUNT:function:name` or a whole ARN.
//!
//! AWS: Lambda API, *Invoke*, `FunctionName`.

use std::sync::LazyLock;

use cauce_core::{Account, Arn, Call, Region, Violations};
use regex_lite::Regex;

use crate::error::Error;

/// The version that can still change.
pub(crate) const LATEST: &str = "$LATEST";

/// The longest function name, in characters.
pub(crate) const NAME_CHARS_MAX: usize = 64;

const NAME_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";
const QUALIFIER_PATTERN: &str = r"(|[a-zA-Z0-9$_-]+)";
const ALIAS_PATTERN: &str = r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)";

// The region is matched as loosely as regions are configured here.
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:arn:aws[a-zA-Z-]*:lambda:([a-z0-9-]+):(\d{12}):function:|(\d{12}):(?:function:)?|function:)?([a-zA-Z0-9_-]+)(?::(\$LATEST|[a-zA-Z0-9_-]+))?$",
    )
    .ok()
});

/// A function of one account and region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FunctionName {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl FunctionName {
    /// The function's ARN, without a qualifier.
    pub(crate) fn arn(&self) -> Arn {
        Arn::new("lambda", &self.region, self.account, &format!("function:{}", self.name))
    }

    /// The ARN of a version or alias of it.
    pub(crate) fn qualified(&self, qualifier: &str) -> Arn {
        Arn::new("lambda", &self.region, self.account, &format!("function:{}:{qualifier}", self.name))
    }

    /// The ARN with the qualifier if there is one.
    pub(crate) fn arn_of(&self, qualifier: Option<&str>) -> Arn {
        qualifier.map_or_else(|| self.arn(), |q| self.qualified(q))
    }
}

/// What a text asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parsed<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
    name: &'a str,
    qualifier: Option<&'a str>,
}

fn parse(text: &str) -> Option<Parsed<'_>> {
    let found = NAME.as_ref()?.captures(text)?;
    let group = |i: usize| found.get(i).map(|m| m.as_str());
    let account = group(2).or(group(3));
    Some(Parsed { region: group(1), account, name: group(4)?, qualifier: group(5) })
}

/// A function as a call names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionRef {
    pub(crate) function: FunctionName,
    pub(crate) qualifier: Option<String>,
}

impl FunctionRef {
    /// What `name` and the separate `qualifier` mean in this call.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it names another region or account, [`Error::InvalidParameter`] if two qualifiers differ.
    pub(crate) fn resolve(call: &Call, name: &str, qualifier: Option<&str>) -> Result<FunctionRef, Error> {
        let Some(parsed) = parse(name) else {
            return Err(Error::NotFound(format!("Function not found: {name}")));
        };
        if let Some(region) = parsed.region.filter(|r| *r != call.region.as_str()) {
            let here = &call.region;
            return Err(Error::NotFound(format!(
                "Functions from '{region}' are not reachable in this region ('{here}')"
            )));
        }
        if parsed.account.is_some_and(|a| a.parse() != Ok(call.account)) {
            return Err(Error::NotFound(format!("Function not found: {name}")));
        }
        let qualifier = qualifier.filter(|q| !q.is_empty());
        if let (Some(a), Some(b)) = (parsed.qualifier, qualifier)
            && a != b
        {
            let message = "The derived qualifier from the function name does not match the specified qualifier.";
            return Err(Error::InvalidParameter(message.to_owned()));
        }
        let function =
            FunctionName { account: call.account, region: call.region.clone(), name: parsed.name.to_owned() };
        Ok(FunctionRef { function, qualifier: parsed.qualifier.or(qualifier).map(str::to_owned) })
    }

    /// What a complete ARN names.
    pub(crate) fn from_arn(arn: &Arn) -> Option<FunctionRef> {
        let parsed = parse(arn.as_str())?;
        let region = Region::new(parsed.region?).ok()?;
        let function = FunctionName { account: arn.account()?, region, name: parsed.name.to_owned() };
        Some(FunctionRef { function, qualifier: parsed.qualifier.map(str::to_owned) })
    }

    /// The ARN as called.
    pub(crate) fn arn(&self) -> Arn {
        self.function.arn_of(self.qualifier.as_deref())
    }

    /// `$LATEST` unless it says otherwise.
    pub(crate) fn qualifier_or_latest(&self) -> &str {
        self.qualifier.as_deref().unwrap_or(LATEST)
    }
}

/// The resource that policies see for a call: the function's ARN as called, whatever form the name has.
pub(crate) fn policy_resource(call: &Call, name: &str, qualifier: Option<&str>) -> String {
    match FunctionRef::resolve(call, name, qualifier) {
        Ok(reference) => reference.arn().to_string(),
        // Not a function here; nothing but a wildcard should allow it.
        Err(_) => call.arn("lambda", &format!("function:{name}")).to_string(),
    }
}

/// Checks `FunctionName`.
pub(crate) fn check_name(v: &mut Violations, name: &str) {
    v.length("FunctionName", name, 1, 170);
    if !name.is_empty() && parse(name).is_none() {
        let must = format!("Member must satisfy regular expression pattern: {NAME_PATTERN}");
        v.other("FunctionName", Some(name), &must);
    }
}

/// Checks `Qualifier`.
pub(crate) fn check_qualifier(v: &mut Violations, qualifier: Option<&str>) {
    let Some(qualifier) = qualifier else { return };
    v.length("Qualifier", qualifier, 1, 128);
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'$' | b'_' | b'-');
    if !qualifier.bytes().all(good) {
        let must = format!("Member must satisfy regular expression pattern: {QUALIFIER_PATTERN}");
        v.other("Qualifier", Some(qualifier), &must);
    }
}

/// Checks the name of an alias.
pub(crate) fn check_alias(v: &mut Violations, name: &str) {
    v.length("Name", name, 1, 128);
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !name.bytes().all(good) || name.bytes().all(|b| b.is_ascii_digit()) {
        v.other("Name", Some(name), &format!("Member must satisfy regular expression pattern: {ALIAS_PATTERN}"));
    }
}

#[cfg(test)]
mod tests {
    use super::{Parsed, parse};

    #[test]
    fn every_form_of_a_name_is_understood() {
        type Parts<'a> = (Option<&'a str>, Option<&'a str>, &'a str, Option<&'a str>);
        let check = |text: &str, expect: Option<Parts<'_>>| {
            let expect = expect.map(|(region, account, name, qualifier)| Parsed { region, account, name, qualifier });
            assert_eq!(parse(text), expect, "{text}");
        };
        let (region, account) = (Some("us-east-1"), Some("000000000000"));
        check("f", Some((None, None, "f", None)));
        check("f:live", Some((None, None, "f", Some("live"))));
        check("f:$LATEST", Some((None, None, "f", Some("$LATEST"))));
        check("function:f", Some((None, None, "f", None)));
        check("000000000000:function:f:1", Some((None, account, "f", Some("1"))));
        check("000000000000:f", Some((None, account, "f", None)));
        check("arn:aws:lambda:us-east-1:000000000000:function:f", Some((region, account, "f", None)));
        check("arn:aws:lambda:us-east-1:000000000000:function:f:2", Some((region, account, "f", Some("2"))));
        for bad in ["", "a b", "f:", "f:1:2", "arn:aws:sqs:us-east-1:000000000000:f", "f/../g", "f\n"] {
            check(bad, None);
        }
    }
}
