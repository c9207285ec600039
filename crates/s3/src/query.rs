//! The query of a request's URI.

use percent_encoding::percent_decode_str;

use crate::error::{Plain, Result};

/// Query parameters, decoded, in their order. One without `=` has the empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands after the `?`.
    ///
    /// # Errors
    /// `InvalidURI` if it does not decode to UTF-8.
    pub(crate) fn parse(query: &str) -> Result<Query> {
        let decode = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned()).map_err(|_| Plain::InvalidUri)
        };
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Query(pairs))
    }

    /// The first value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// All parameters.
    pub(crate) fn into_pairs(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter()
    }

    /// Whether the parameter is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn parameters_decode() {
        let query = Query::parse("acl&prefix=a%2Fb+c&x=&&=y").unwrap();
        assert_eq!((query.get("acl"), query.get("prefix"), query.get("x")), (Some(""), Some("a/b c"), Some("")));
        assert!(!query.has("z"));
        assert!(Query::parse("a=%ff").is_err());
    }
}
