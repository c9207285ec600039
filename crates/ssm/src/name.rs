//! Names of parameters, and what may stand in their place: ARNs and selectors.
//!
//! AWS: *Systems Manager User Guide*, "About requirements and constraints for parameter names".

use cauce_core::{Arn, Call, ServiceError, Violations};

use crate::error::Error;
use crate::keys::Place;

/// The most levels of a name. AWS: *PutParameter*.
pub const LEVELS_MAX: usize = 15;

/// The longest name with the ARN in front of it, in characters. AWS: *PutParameter*.
const NAME_CHARS_MAX: usize = 2_048;

/// The longest name by itself, in characters.
const OWN_CHARS_MAX: usize = 1_011;

/// The requirements as AWS repeats them for paths.
pub(crate) const PATH_RULES: &str = "The parameter doesn't meet the parameter name requirements. The parameter name must begin \
    with a forward slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, \
    numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All \
    sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: /get/parameters2-/by1./path0_.";

pub(crate) fn validate(v: &mut Violations, name: &str) {
    v.length("name", name, 1, NAME_CHARS_MAX);
}

pub(crate) fn validate_all(v: &mut Violations, names: &[String]) {
    v.count("names", names.len(), 1, 10);
    for (n, name) in names.iter().enumerate() {
        v.within(format!("names.{}", n + 1), |v| v.length("member", name, 1, NAME_CHARS_MAX));
    }
}

fn is_symbol(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b".-_".contains(&b)
}

/// Refuses names that no parameter may be given.
pub(crate) fn check_new(name: &str) -> Result<(), Error> {
    let path = name.strip_prefix('/');
    if path.is_none() && name.contains('/') {
        return Err(Error::Invalid("Parameter name must be a fully qualified name.".to_owned()));
    }
    let first = path.unwrap_or(name).split('/').next().unwrap_or("").to_ascii_lowercase();
    // Only as the first level of a path, "aws" is a place of its own; elsewhere it is a beginning that is not allowed.
    if path.is_some() && first == "aws" {
        let message = format!("No access to reserved parameter name: {name}.");
        return Err(Error::Other(ServiceError::access_denied(message)));
    }
    let rest = "If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of \
                letters, numbers and the following 3 symbols .-_";
    if first.starts_with("aws") || first.starts_with("ssm") {
        return Err(Error::Invalid(format!(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). {rest}"
        )));
    }
    let levels: Vec<&str> = path.unwrap_or(name).split('/').collect();
    let good = |level: &&str| !level.is_empty() && level.bytes().all(is_symbol);
    if !levels.iter().all(good) || name.len() > OWN_CHARS_MAX {
        return Err(Error::Invalid(format!(
            "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). {rest}"
        )));
    }
    if levels.len() > LEVELS_MAX {
        return Err(Error::Levels);
    }
    Ok(())
}

/// Refuses what is no path.
pub(crate) fn check_path(path: &str) -> Result<(), Error> {
    let good = |level: &str| level.bytes().all(is_symbol);
    match path.strip_prefix('/') {
        Some(rest) if rest.split('/').all(good) => Ok(()),
        _ => Err(Error::Invalid(PATH_RULES.to_owned())),
    }
}

/// Which version of a parameter is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    Version(u64),
    Label(String),
}

/// What a request names: where, which names it can mean, and which version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) place: Place,
    /// An ARN leaves open whether the name begins with a slash.
    pub(crate) names: Vec<String>,
    pub(crate) selector: Option<Selector>,
}

impl Reference {
    pub(crate) fn read(call: &Call, text: &str) -> Reference {
        let own = Place { account: call.account, region: call.region.clone() };
        let by_arn = text.parse::<Arn>().ok().filter(|arn| arn.service() == "ssm");
        let place = by_arn.as_ref().and_then(|arn| {
            let region = arn.region().parse().ok()?;
            Some(Place { account: arn.account()?, region })
        });
        let (place, rest) = match (place, by_arn.as_ref().and_then(|arn| arn.resource().strip_prefix("parameter"))) {
            (Some(place), Some(rest)) => (place, rest),
            _ => (own, text),
        };
        let (name, selector) = match rest.split_once(':') {
            Some((name, selector)) => (name, Some(selector)),
            None => (rest, None),
        };
        let selector = selector.map(|text| match text.parse() {
            Ok(number) => Selector::Version(number),
            Err(_) => Selector::Label(text.to_owned()),
        });
        let mut names = vec![name.to_owned()];
        if let (Some(_), Some(bare)) = (&by_arn, name.strip_prefix('/').filter(|bare| !bare.contains('/'))) {
            names.push(bare.to_owned());
        }
        Reference { place, names, selector }
    }

    /// The ARN that policies see.
    pub(crate) fn arn(&self) -> String {
        arn(&self.place, self.names.first().map_or("", String::as_str)).to_string()
    }
}

/// The ARN of a parameter.
pub(crate) fn arn(place: &Place, name: &str) -> Arn {
    let slash = if name.starts_with('/') { "" } else { "/" };
    Arn::new("ssm", &place.region, place.account, &format!("parameter{slash}{name}"))
}

#[cfg(test)]
mod tests {
    use cauce_core::{Account, Call, Env, Region, Trace};

    use super::{Reference, Selector, check_new, check_path};

    #[test]
    fn names_that_may_not_be() {
        let check = |name: &str, expect: &str| {
            let found = check_new(name)
                .map_or_else(|error| cauce_core::ServiceError::from(error).code().to_owned(), |()| "ok".into());
            assert_eq!(found, expect, "{name}");
        };
        check("a", "ok");
        check("/a/b.c/d-e_F1", "ok");
        check("/a/aws", "ok");
        check("a/b", "ValidationException");
        check("/a//b", "ValidationException");
        check("/a/", "ValidationException");
        check("/", "ValidationException");
        check("awsome", "ValidationException");
        check("SSM-x", "ValidationException");
        check("/ssm/x", "ValidationException");
        check("/aws/x", "AccessDeniedException");
        check("/Aws", "AccessDeniedException");
        check("a b", "ValidationException");
        check("ä", "ValidationException");
        check(&"/a".repeat(15), "ok");
        check(&"/a".repeat(16), "HierarchyLevelLimitExceededException");
        check(&"a".repeat(1_012), "ValidationException");
    }

    #[test]
    fn paths_begin_with_a_slash() {
        assert!(check_path("/").is_ok() && check_path("/a/b/").is_ok());
        assert!(check_path("a").is_err() && check_path("/a b").is_err() && check_path("").is_err());
    }

    #[test]
    fn references() {
        let env = Env::system();
        let trace = Trace::start(env.now(), env.entropy());
        let call = Call::from_service(&env, "test", None, Account::DEFAULT, Region::default(), trace);
        let check = |text: &str, names: &[&str], selector: Option<Selector>| {
            let found = Reference::read(&call, text);
            assert_eq!(
                (found.names.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), found.selector),
                (names, selector)
            );
        };
        check("a", &["a"], None);
        check("/a/b:3", &["/a/b"], Some(Selector::Version(3)));
        check("a:prod", &["a"], Some(Selector::Label("prod".into())));
        check("arn:aws:ssm:eu-west-1:000000000000:parameter/a/b", &["/a/b"], None);
        check("arn:aws:ssm:eu-west-1:000000000000:parameter/a:2", &["/a", "a"], Some(Selector::Version(2)));
        assert_eq!(Reference::read(&call, "a").arn(), "arn:aws:ssm:us-east-1:000000000000:parameter/a");
        assert_eq!(Reference::read(&call, "/a").arn(), "arn:aws:ssm:us-east-1:000000000000:parameter/a");
    }
}
