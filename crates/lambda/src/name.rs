//! The names by which functions are called: `name`, `name:qualifier`, `ACCOUNT:function:name` or a whole ARN.
//!
//! AWS: Lambda API, *Invoke*, `FunctionName`.

use cauce_core::{Account, Arn, Call, Region, Violations};

use crate::error::Error;

/// The version that can still change.
pub(crate) const LATEST: &str = "$LATEST";

/// The longest function name, in characters.
pub(crate) const NAME_CHARS_MAX: usize = 64;

const NAME_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";
const QUALIFIER_PATTERN: &str = r"(|[a-zA-Z0-9$_-]+)";
const ALIAS_PATTERN: &str = r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)";

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

/// Reads a name in any of its forms. By hand and not by an expression, since every invocation does it several times. A text that
/// can be read in two ways (`000000000000:f` could be a name and a qualifier) is read in the longer form.
fn parse(text: &str) -> Option<Parsed<'_>> {
    parse_arn(text).or_else(|| parse_partial_arn(text)).or_else(|| parse_relative(text))
}

/// `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`. The region is matched as loosely as regions are configured here.
fn parse_arn(text: &str) -> Option<Parsed<'_>> {
    let (partition, rest) = text.strip_prefix("arn:aws")?.split_once(':')?;
    let (region, rest) = rest.strip_prefix("lambda:")?.split_once(':')?;
    let (account, rest) = rest.split_once(':')?;
    let (name, qualifier) = parse_named(rest.strip_prefix("function:")?)?;
    let partition_fits = partition.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    let region_fits =
        !region.is_empty() && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let fits = partition_fits && region_fits && is_account(account);
    fits.then_some(Parsed { region: Some(region), account: Some(account), name, qualifier })
}

/// `ACCOUNT:[function:]NAME[:QUALIFIER]`
fn parse_partial_arn(text: &str) -> Option<Parsed<'_>> {
    let (account, rest) = text.split_once(':')?;
    let parsed = is_account(account).then(|| parse_relative(rest))??;
    Some(Parsed { account: Some(account), ..parsed })
}

/// `[function:]NAME[:QUALIFIER]`
fn parse_relative(text: &str) -> Option<Parsed<'_>> {
    let (name, qualifier) = text.strip_prefix("function:").and_then(parse_named).or_else(|| parse_named(text))?;
    Some(Parsed { region: None, account: None, name, qualifier })
}

/// `NAME[:QUALIFIER]`
fn parse_named(text: &str) -> Option<(&str, Option<&str>)> {
    let (name, qualifier) = match text.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (text, None),
    };
    let fits = is_word(name) && qualifier.is_none_or(|q| q == LATEST || is_word(q));
    fits.then_some((name, qualifier))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
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
    use regex_lite::Regex;

    use super::{Parsed, parse};

    /// What [`parse`] does, as an expression.
    const FORMS: &str = r"^(?:arn:aws[a-zA-Z-]*:lambda:([a-z0-9-]+):(\d{12}):function:|(\d{12}):(?:function:)?|function:)?([a-zA-Z0-9_-]+)(?::(\$LATEST|[a-zA-Z0-9_-]+))?$";

    fn parse_by_expression<'a>(forms: &Regex, text: &'a str) -> Option<Parsed<'a>> {
        let found = forms.captures(text)?;
        let group = |i: usize| found.get(i).map(|m| m.as_str());
        Some(Parsed { region: group(1), account: group(2).or(group(3)), name: group(4)?, qualifier: group(5) })
    }

    /// All texts of up to four of these words, alone and behind the beginnings of ARNs.
    #[test]
    fn names_are_read_as_the_expression_reads_them() {
        let forms = Regex::new(FORMS).unwrap();
        let words =
            ["", "arn", "aws", "lambda", "us-1", "000000000000", "00000000000", "function", "f_-9", "$LATEST", "a b"];
        let mut texts = vec![String::new()];
        let mut last = texts.clone();
        for _ in 0..4 {
            let longer = |text: &String| {
                words.map(|word| if text.is_empty() { word.to_owned() } else { format!("{text}:{word}") })
            };
            last = last.iter().flat_map(longer).collect();
            texts.extend_from_slice(&last);
        }
        let beginnings =
            ["", "arn:aws:lambda:", "arn:aws-cn:lambda:us-1:", "arn:aws9:lambda:us-1:", "arn:aws:sqs:us-1:"];
        for beginning in beginnings {
            for text in &texts {
                let text = format!("{beginning}{text}");
                assert_eq!(parse(&text), parse_by_expression(&forms, &text), "{text}");
            }
        }
    }

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
