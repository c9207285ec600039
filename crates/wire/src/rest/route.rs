//! Paths of REST operations: which operation a method and path name, and what stands in its labels.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::query::form::escapes_are_whole;

/// A part of a path template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// This text.
    Literal(&'static str),
    /// One part, by the member's name.
    Label(&'static str),
    /// All that is left.
    Greedy(&'static str),
}

impl Segment {
    fn parse(text: &'static str) -> Segment {
        let Some(name) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
            return Segment::Literal(text);
        };
        match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name),
            None => Segment::Label(name),
        }
    }
}

/// The labels of a path that matched.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// A route: a method, the parts of its path, and what must stand in the query (`?mode=import`).
#[derive(Debug)]
struct Route<T> {
    method: Method,
    segments: Vec<Segment>,
    query: Option<&'static str>,
    to: T,
}

/// The routes of one service, the most literal first.
#[derive(Debug)]
pub(crate) struct Routes<T> {
    routes: Vec<Route<T>>,
}

impl<T> Routes<T> {
    /// Routes from methods, templates and what they stand for.
    pub(crate) fn new(routes: impl IntoIterator<Item = (Method, &'static str, T)>) -> Routes<T> {
        let route = |(method, template, to): (Method, &'static str, T)| {
            let (path, query) = template.split_once('?').map_or((template, None), |(path, query)| (path, Some(query)));
            let segments = path.split('/').filter(|text| !text.is_empty()).map(Segment::parse).collect();
            Route { method, segments, query, to }
        };
        let mut routes: Vec<_> = routes.into_iter().map(route).collect();
        // At each place a literal is tried before a label and a label before the rest of the path.
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Label(_) => 1,
            Segment::Greedy(_) => 2,
        };
        routes.sort_by_key(|route| (route.segments.iter().map(rank).collect::<Vec<_>>(), route.query.is_none()));
        Routes { routes }
    }

    /// What a raw path stands for, with its labels decoded.
    ///
    /// A slash at the end means nothing. Dots, empty parts and broken escapes never fill a label: the signature covers a
    /// normalized path, and must not be usable for another.
    pub(crate) fn find(&self, method: &Method, path: &str, query: &str) -> Option<(&T, Labels)> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        self.routes
            .iter()
            .filter(|route| route.method == method)
            .filter(|route| route.query.is_none_or(|wanted| query.split('&').any(|pair| pair == wanted)))
            .find_map(|route| matches(&route.segments, path).map(|labels| (&route.to, labels)))
    }
}

fn matches(segments: &[Segment], path: &str) -> Option<Labels> {
    let mut labels = Labels::new();
    let mut rest = Some(path).filter(|p| !p.is_empty());
    for segment in segments {
        let whole = rest?;
        let (part, after) = whole.split_once('/').map_or((whole, None), |(part, after)| (part, Some(after)));
        rest = after;
        match segment {
            Segment::Literal(text) if part == *text => {}
            Segment::Literal(_) => return None,
            Segment::Label(name) => labels.push((name, label(part)?)),
            Segment::Greedy(name) => {
                let parts: Option<Vec<String>> = whole.split('/').map(label).collect();
                labels.push((name, parts?.join("/")));
                rest = None;
            }
        }
    }
    rest.is_none().then_some(labels)
}

fn label(part: &str) -> Option<String> {
    if matches!(part, "" | "." | "..") || !escapes_are_whole(part.as_bytes()) {
        return None;
    }
    percent_decode_str(part).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::Routes;

    #[test]
    fn paths_find_their_operations() {
        let routes = Routes::new([
            (Method::GET, "/2015-03-31/functions", "List"),
            (Method::POST, "/2015-03-31/functions", "Create"),
            (Method::GET, "/2015-03-31/functions/{FunctionName}", "Get"),
            (Method::POST, "/2015-03-31/functions/{FunctionName}/invocations", "Invoke"),
            (Method::GET, "/2015-03-31/functions/special", "Special"),
            (Method::GET, "/tags/{Arn+}", "Tags"),
            (Method::POST, "/2015-03-31/functions?mode=import", "Import"),
        ]);
        let check = |method: Method, path: &str, expect: Option<(&str, &[(&str, &str)])>| {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let found = routes.find(&method, path, query);
            let found = found
                .as_ref()
                .map(|(to, labels)| (**to, labels.iter().map(|(n, v)| (*n, v.as_str())).collect::<Vec<_>>()));
            assert_eq!(found, expect.map(|(to, labels)| (to, labels.to_vec())), "{method} {path}");
        };
        check(Method::GET, "/2015-03-31/functions", Some(("List", &[])));
        check(Method::GET, "/2015-03-31/functions/", Some(("List", &[])));
        check(Method::POST, "/2015-03-31/functions", Some(("Create", &[])));
        check(Method::POST, "/2015-03-31/functions?mode=other", Some(("Create", &[])));
        check(Method::POST, "/2015-03-31/functions?a=b&mode=import", Some(("Import", &[])));
        check(Method::DELETE, "/2015-03-31/functions", None);
        check(Method::GET, "/2015-03-31/functions/f", Some(("Get", &[("FunctionName", "f")])));
        check(Method::GET, "/2015-03-31/functions/special", Some(("Special", &[])));
        let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af";
        let decoded = "arn:aws:lambda:us-east-1:000000000000:function:f";
        check(
            Method::POST,
            &format!("/2015-03-31/functions/{arn}/invocations"),
            Some(("Invoke", &[("FunctionName", decoded)])),
        );
        check(
            Method::POST,
            &format!("/2015-03-31/functions/{decoded}/invocations"),
            Some(("Invoke", &[("FunctionName", decoded)])),
        );
        check(Method::GET, "/tags/a/b%2Fc/d", Some(("Tags", &[("Arn", "a/b/c/d")])));
        for nothing in [
            "/2015-03-31/functions/..",
            "/2015-03-31/functions/%zz",
            "/2015-03-31/functions/%ff",
            "/tags",
            "/tags/a//b",
            "/",
            "",
            "functions",
        ] {
            check(Method::GET, nothing, None);
        }
    }
}
