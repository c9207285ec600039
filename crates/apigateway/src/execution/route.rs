//! Which resource and method a path means: literal parts before `{name}`, those before `{name+}`, a method of its own before
//! `ANY`.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use crate::vtl::Pairs;

/// The method that stands for all.
const ANY: &str = "ANY";

/// The paths of an API with the places of their methods.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    parameter: Option<(String, Box<Node>)>,
    /// `{name+}`, which has nothing below it.
    greedy: Option<(String, Box<Node>)>,
    methods: HashMap<String, usize>,
}

impl Routes {
    /// Adds a method of a resource.
    pub(super) fn add(&mut self, path: &str, method: &str, at: usize) {
        let mut node = &mut self.root;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            node = match name.map(|name| name.strip_suffix('+').ok_or(name)) {
                None => node.literals.entry(part.to_owned()).or_default(),
                Some(Ok(name)) => &mut node.greedy.get_or_insert_with(|| (name.to_owned(), Box::default())).1,
                Some(Err(name)) => &mut node.parameter.get_or_insert_with(|| (name.to_owned(), Box::default())).1,
            };
        }
        node.methods.insert(method.to_owned(), at);
    }

    /// The place of the method that answers, with the path's parameters. The parts of a path are compared decoded, and a slash
    /// at its end counts for nothing.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<(usize, Pairs)> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let parts: Vec<String> = match path {
            "" => Vec::new(),
            path => path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect(),
        };
        let mut parameters = Pairs::new();
        let at = self.root.find(method, &parts, &mut parameters)?;
        parameters.reverse();
        Some((at, parameters))
    }
}

impl Node {
    /// No node is visited twice, since exactly one path leads to it; and the depth is that of the API's resources.
    fn find(&self, method: &str, parts: &[String], parameters: &mut Pairs) -> Option<usize> {
        let Some((part, rest)) = parts.split_first() else {
            return self.methods.get(method).or_else(|| self.methods.get(ANY)).copied();
        };
        if let Some(node) = self.literals.get(part)
            && let Some(found) = node.find(method, rest, parameters)
        {
            return Some(found);
        }
        if let Some((name, node)) = &self.parameter
            && !part.is_empty()
            && let Some(found) = node.find(method, rest, parameters)
        {
            parameters.push((name.clone(), part.clone()));
            return Some(found);
        }
        let (name, node) = self.greedy.as_ref()?;
        let found = node.find(method, &[], parameters)?;
        parameters.push((name.clone(), parts.join("/")));
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::Routes;

    #[test]
    fn the_most_particular_route_wins() {
        let mut routes = Routes::default();
        let resources = [
            ("/", "GET"),
            ("/pets", "GET"),
            ("/pets", "ANY"),
            ("/pets/{id}", "GET"),
            ("/pets/mine", "GET"),
            ("/pets/{id}/toys/{toy}", "DELETE"),
            ("/{proxy+}", "ANY"),
            ("/a/{rest+}", "POST"),
        ];
        for (at, (path, method)) in resources.into_iter().enumerate() {
            routes.add(path, method, at);
        }
        let check = |method: &str, path: &str, expect: Option<(usize, &[(&str, &str)])>| {
            let found = routes.find(method, path);
            let expect = expect.map(|(at, list)| {
                (at, list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>())
            });
            assert_eq!(found, expect, "{method} {path}");
        };
        check("GET", "/", Some((0, &[])));
        check("GET", "", Some((0, &[])));
        check("POST", "/", None);
        check("GET", "/pets", Some((1, &[])));
        check("GET", "/pets/", Some((1, &[])));
        check("PUT", "/pets", Some((2, &[])));
        check("GET", "/pets/7", Some((3, &[("id", "7")])));
        check("GET", "/pets/a%20b", Some((3, &[("id", "a b")])));
        check("GET", "/pets/mine", Some((4, &[])));
        check("GET", "/pets/min%65", Some((4, &[])));
        check("DELETE", "/pets/7/toys/8", Some((5, &[("id", "7"), ("toy", "8")])));
        check("GET", "/pets/7/toys/8", Some((6, &[("proxy", "pets/7/toys/8")])));
        check("PATCH", "/x/y//z", Some((6, &[("proxy", "x/y//z")])));
        check("POST", "/a/b/c", Some((7, &[("rest", "b/c")])));
        check("GET", "/a/b/c", Some((6, &[("proxy", "a/b/c")])));
    }
}
