//! Searches: metrics by what they are called. AWS: *CloudWatch User Guide*, "CloudWatch search expression syntax".

use std::sync::Arc;

use super::evaluate::Scope;
use super::parse::Expression;
use super::value::{MathError, Series, Value};
use crate::metrics::name::MetricName;

/// The most series that one search finds.
pub(crate) const SEARCH_SERIES_MAX: usize = 500;
/// The longest search, in characters.
const SEARCH_CHARS_MAX: usize = 1_024;
/// How deep a search may nest.
const SEARCH_DEPTH_MAX: usize = 32;

/// A search and what it has found.
#[derive(Clone, Debug)]
pub(crate) struct Searched {
    pub(crate) query: Query,
    pub(crate) series: Vec<Arc<Series>>,
}

/// The three arguments of a search.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) text: String,
    pub(crate) statistic: String,
    pub(crate) period_s: Option<i64>,
}

impl Query {
    /// Reads the arguments of a call.
    pub(crate) fn read(parts: &[Expression]) -> Result<Query, MathError> {
        let (text, statistic, period) = match parts {
            [Expression::Text(text), Expression::Text(statistic)] => (text, statistic, None),
            [Expression::Text(text), Expression::Text(statistic), Expression::Number(period)] => {
                (text, statistic, Some(*period))
            }
            _ => return Err(MathError::new("SEARCH takes a search, a statistic and a period")),
        };
        let period_s = period.map(|period| match period.fract() == 0.0 && (1.0..=31_536_000.0).contains(&period) {
            // In range by the check above.
            true => Ok(period as i64),
            false => Err(MathError::new(format!("{period} is not a valid period"))),
        });
        Ok(Query { text: text.clone(), statistic: statistic.clone(), period_s: period_s.transpose()? })
    }
}

/// What a search has found.
pub(super) fn found(parts: &[Expression], scope: &Scope<'_>) -> Result<Value, MathError> {
    let query = Query::read(parts)?;
    let found = scope.searched.iter().find(|searched| searched.query == query);
    let found = found.ok_or_else(|| MathError::new("A search cannot be made here"))?;
    scope.step(found.series.len())?;
    Ok(Value::Array(found.series.clone()))
}

/// What a search asks of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Search {
    /// The namespace and the dimensions, exactly.
    schema: Option<(String, Vec<String>)>,
    term: Term,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    All(Vec<Term>),
    Any(Vec<Term>),
    Not(Box<Term>),
    /// Words of a property's value, or of anything's: `InstanceId=i-1`, `errors`.
    Words(Option<String>, Vec<String>),
    /// The whole value of a property, or anything's.
    Exact(Option<String>, String),
}

impl Search {
    /// Reads a search.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn parse(text: &str) -> Result<Search, MathError> {
        if text.chars().count() > SEARCH_CHARS_MAX {
            let message = format!("A search has at most {SEARCH_CHARS_MAX} characters");
            return Err(MathError::new(message));
        }
        let text = text.trim();
        let (schema, rest) = match text.strip_prefix('{') {
            None => (None, text),
            Some(inner) => {
                let (schema, rest) =
                    inner.split_once('}').ok_or_else(|| MathError::new("The schema of a search must end with '}'"))?;
                let mut names = schema.split(',').map(|name| unquoted(name.trim()).to_owned());
                let namespace = names.next().filter(|name| !name.is_empty());
                let namespace =
                    namespace.ok_or_else(|| MathError::new("The schema of a search begins with a namespace"))?;
                let mut dimensions: Vec<String> = names.collect();
                dimensions.sort();
                (Some((namespace, dimensions)), rest)
            }
        };
        let words = words(rest)?;
        let mut reader = Reader { words: &words, at: 0 };
        let term = reader.any(0)?;
        if reader.at < words.len() {
            return Err(MathError::new("A search has a ')' too many"));
        }
        Ok(Search { schema, term })
    }

    /// The namespace, where the search names one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.schema.as_ref().map(|(namespace, _)| namespace.as_str())
    }

    /// Whether a metric is meant.
    pub(crate) fn finds(&self, metric: &MetricName) -> bool {
        let of_schema = self.schema.as_ref().is_none_or(|(namespace, dimensions)| {
            metric.namespace == *namespace
                && metric.dimensions.len() == dimensions.len()
                && metric.dimensions.iter().zip(dimensions).all(|(known, wanted)| known.name == *wanted)
        });
        of_schema && self.term.meets(metric)
    }
}

impl Term {
    fn meets(&self, metric: &MetricName) -> bool {
        match self {
            Term::All(terms) => terms.iter().all(|term| term.meets(metric)),
            Term::Any(terms) => terms.iter().any(|term| term.meets(metric)),
            Term::Not(term) => !term.meets(metric),
            Term::Exact(property, text) => {
                properties(metric, property.as_deref()).any(|value| value.eq_ignore_ascii_case(text))
            }
            Term::Words(property, wanted) => properties(metric, property.as_deref()).any(|value| {
                let known = parts(value);
                wanted.iter().all(|word| known.iter().any(|part| part == word))
            }),
        }
    }
}

/// The values of a property, or of all of them.
fn properties<'m>(metric: &'m MetricName, property: Option<&str>) -> Box<dyn Iterator<Item = &'m str> + 'm> {
    let own = [("Namespace", metric.namespace.as_str()), ("MetricName", metric.name.as_str())];
    let dimensions = metric.dimensions.iter().map(|dimension| (dimension.name.as_str(), dimension.value.as_str()));
    let all = own.into_iter().chain(dimensions);
    match property.map(str::to_owned) {
        None => {
            let names = metric.dimensions.iter().map(|dimension| dimension.name.as_str());
            Box::new(all.map(|(_, value)| value).chain(names))
        }
        Some(property) => Box::new(all.filter(move |(name, _)| *name == property).map(|(_, value)| value)),
    }
}

/// The words that a search finds in a value, in lower case: what is between signs, and where a small letter meets a capital or a
/// digit.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![text.to_ascii_lowercase()];
    let mut part = String::new();
    let mut before = None;
    for c in text.chars() {
        let breaks = match (before, c) {
            (Some(before), c) if char::is_lowercase(before) && c.is_uppercase() => true,
            (Some(before), c) => char::is_alphabetic(before) && c.is_ascii_digit(),
            (None, _) => false,
        };
        if (breaks || !c.is_alphanumeric()) && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if c.is_alphanumeric() {
            part.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

/// A word of a search.
#[derive(Clone, Debug, PartialEq)]
enum Word {
    Open,
    Close,
    And,
    Or,
    Not,
    Term(Term),
}

/// The words of a search.
fn words(text: &str) -> Result<Vec<Word>, MathError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '(' || first == ')' {
            words.push(if first == '(' { Word::Open } else { Word::Close });
            rest = rest.get(1..).unwrap_or_default().trim_start();
            continue;
        }
        let (bare, quoted, after) = piece(rest)?;
        rest = after;
        let word = match (bare, quoted) {
            ("AND", None) => Word::And,
            ("OR", None) => Word::Or,
            ("NOT", None) => Word::Not,
            (property, Some(text)) => {
                let property = property.strip_suffix('=').map(str::to_owned);
                Word::Term(Term::Exact(property.filter(|name| !name.is_empty()), text.to_owned()))
            }
            (bare, None) => {
                let (property, text) = match bare.split_once('=') {
                    Some((property, text)) => (Some(property.to_owned()), text),
                    None => (None, bare),
                };
                let mut wanted = parts(text);
                // The whole text is the first; its parts say as much, and are found in longer values too.
                if wanted.len() > 1 {
                    wanted.remove(0);
                }
                Word::Term(Term::Words(property, wanted))
            }
        };
        words.push(word);
        rest = rest.trim_start();
    }
    Ok(words)
}

/// What comes before a space or a bracket, the quoted text at its end, and the rest.
fn piece(text: &str) -> Result<(&str, Option<&str>, &str), MathError> {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"')).unwrap_or(text.len());
    let (bare, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    match rest.strip_prefix('"') {
        None => Ok((bare, None, rest)),
        Some(inner) => {
            let (quoted, after) =
                inner.split_once('"').ok_or_else(|| MathError::new("A quoted text of a search does not end"))?;
            Ok((bare, Some(quoted), after))
        }
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

struct Reader<'w> {
    words: &'w [Word],
    at: usize,
}

impl Reader<'_> {
    /// Terms with OR in between.
    fn any(&mut self, depth: usize) -> Result<Term, MathError> {
        if depth > SEARCH_DEPTH_MAX {
            let message = format!("The search nests deeper than the limit of {SEARCH_DEPTH_MAX} levels");
            return Err(MathError::new(message));
        }
        let mut terms = vec![self.all(depth)?];
        while self.words.get(self.at) == Some(&Word::Or) {
            self.at += 1;
            terms.push(self.all(depth)?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Term::Any(terms) })
    }

    /// Terms with AND, or nothing, in between.
    fn all(&mut self, depth: usize) -> Result<Term, MathError> {
        let mut terms = Vec::new();
        while let Some(word) = self.words.get(self.at) {
            let mut negated = false;
            let mut word = word;
            if *word == Word::And {
                self.at += 1;
                word = self.words.get(self.at).ok_or_else(|| MathError::new("A search ends with AND"))?;
            }
            while *word == Word::Not {
                negated = !negated;
                self.at += 1;
                word = self.words.get(self.at).ok_or_else(|| MathError::new("A search ends with NOT"))?;
            }
            let term = match word {
                Word::Or | Word::Close => break,
                Word::And | Word::Not => return Err(MathError::new("A search has two operators in a row")),
                Word::Open => {
                    self.at += 1;
                    let inner = self.any(depth + 1)?;
                    if self.words.get(self.at) != Some(&Word::Close) {
                        return Err(MathError::new("A search has a '(' too many"));
                    }
                    inner
                }
                Word::Term(term) => term.clone(),
            };
            self.at += 1;
            terms.push(if negated { Term::Not(Box::new(term)) } else { term });
        }
        Ok(Term::All(terms))
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::{Account, Region};
    use proptest::prelude::proptest;

    use super::Search;
    use crate::metrics::name::{Dimension, MetricName};

    fn metric(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> MetricName {
        let dimensions = dimensions.iter().map(|(n, v)| Dimension { name: (*n).to_owned(), value: (*v).to_owned() });
        MetricName::new(Account::DEFAULT, &Region::default(), namespace, name, dimensions.collect())
    }

    #[test]
    fn searches_find() {
        let check = |text: &str, expect: bool| {
            let metric =
                metric("AWS/Lambda", "ConcurrentExecutions", &[("FunctionName", "orders-put2"), ("Resource", "a")]);
            assert_eq!(Search::parse(text).map(|search| search.finds(&metric)), Ok(expect), "{text}");
        };
        check("{AWS/Lambda,FunctionName,Resource}", true);
        check("{AWS/Lambda,Resource,FunctionName} MetricName=\"ConcurrentExecutions\"", true);
        check("{AWS/Lambda,FunctionName}", false);
        check("{Other,FunctionName,Resource}", false);
        check("concurrent", true);
        check("executions Namespace=Lambda", true);
        check("exec", false);
        check("orders", true);
        check("orders-put", true);
        check("FunctionName=put", true);
        check("Resource=put", false);
        check("MetricName=\"Concurrent\"", false);
        check("MetricName=\"concurrentexecutions\"", true);
        check("nothing OR orders", true);
        check("nothing OR (orders AND NOT put)", false);
        check("NOT nothing", true);
        check("FunctionName", true);
        check("", true);
    }

    #[test]
    fn what_is_no_search_says_why() {
        for text in ["{", "{}", "(a", "a)", "a AND", "NOT", "\"a", "a AND AND b"] {
            assert!(Search::parse(text).is_err(), "{text}");
        }
        assert!(Search::parse(&"(".repeat(500)).is_err());
        assert!(Search::parse(&"a".repeat(1_025)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail_badly(text in "[a-zA-Z0-9 ()\"={},é/-]{0,60}|(AND|OR|NOT|a|\\(|\\)| ){0,20}") {
            let _ = Search::parse(&text).map(|search| search.finds(&metric("N", "M", &[])));
        }
    }
}
