//! Which API, stage and path a URL means.
//!
//! | URL | |
//! |---|---|
//! | `http://API.execute-api.REGION.localhost:PORT/STAGE/PATH` | as on AWS, with any domain behind `execute-api.` |
//! | `http://127.0.0.1:PORT/_apis/API/STAGE/PATH` | without names to resolve |
//! | `http://127.0.0.1:PORT/restapis/API/STAGE/_user_request_/PATH` | as other local servers have it |

use cauce_wire::RequestHead;
use http::header::HOST;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    pub(super) api: &'a str,
    /// Empty where the URL names none.
    pub(super) stage: &'a str,
    /// As it came, with a slash in front.
    pub(super) path: &'a str,
    /// The host without its port.
    pub(super) domain: &'a str,
}

impl<'a> Address<'a> {
    /// The address in a request's head; `None` if it is none of an API's.
    pub(super) fn of(head: &RequestHead<'a>) -> Option<Address<'a>> {
        let host = head.headers.get(HOST).and_then(|v| v.to_str().ok());
        let host = host.or_else(|| head.uri.authority().map(http::uri::Authority::as_str)).unwrap_or("");
        let domain = host.rsplit_once(':').map_or(host, |(domain, _)| domain);
        let path = head.uri.path();
        if let Some((api, rest)) = domain.split_once('.')
            && rest.starts_with("execute-api.")
            && is_id(api)
        {
            let (stage, path) = split(path.strip_prefix('/').unwrap_or(path));
            return Some(Address { api, stage, path, domain });
        }
        let (api, rest) = if let Some(rest) = path.strip_prefix("/_apis/") {
            split(rest)
        } else {
            split(path.strip_prefix("/restapis/").filter(|rest| is_user_request(rest))?)
        };
        let (stage, path) = split(rest.strip_prefix('/').unwrap_or(rest));
        let path = match path.strip_prefix("/_user_request_") {
            Some("") => "/",
            Some(path) => path,
            None => path,
        };
        is_id(api).then_some(Address { api, stage, path, domain })
    }
}

/// The first part of a path without its first slash, and the rest, which begins with one.
fn split(path: &str) -> (&str, &str) {
    match path.find('/') {
        Some(at) => path.split_at_checked(at).unwrap_or((path, "/")),
        None => (path, "/"),
    }
}

fn is_user_request(rest: &str) -> bool {
    rest.split('/').nth(2) == Some("_user_request_")
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use cauce_wire::{HeaderMap, Method, RequestHead};

    use super::Address;

    #[test]
    fn urls_name_an_api() {
        let check = |host: &str, target: &str, expect: Option<(&str, &str, &str)>| {
            let headers: HeaderMap = [(http::header::HOST, host.parse().unwrap())].into_iter().collect();
            let uri = target.parse().unwrap();
            let head = RequestHead { method: &Method::GET, uri: &uri, headers: &headers };
            let found = Address::of(&head).map(|a| (a.api, a.stage, a.path));
            assert_eq!(found, expect, "{host} {target}");
        };
        check("abc1.execute-api.us-east-1.amazonaws.com", "/prod/a/b?c", Some(("abc1", "prod", "/a/b")));
        check("abc1.execute-api.us-east-1.localhost:4566", "/prod", Some(("abc1", "prod", "/")));
        check("abc1.execute-api.localhost.localstack.cloud:4566", "/prod/", Some(("abc1", "prod", "/")));
        check("abc1.execute-api.eu-west-1.localhost", "/", Some(("abc1", "", "/")));
        check("127.0.0.1:4566", "/_apis/abc1/prod/a/", Some(("abc1", "prod", "/a/")));
        check("127.0.0.1:4566", "/_apis/abc1", Some(("abc1", "", "/")));
        check("127.0.0.1:4566", "/restapis/abc1/prod/_user_request_/a", Some(("abc1", "prod", "/a")));
        check("127.0.0.1:4566", "/restapis/abc1/prod/_user_request_", Some(("abc1", "prod", "/")));
        check("127.0.0.1:4566", "/restapis/abc1/stages/prod", None);
        check("127.0.0.1:4566", "/_apis/", None);
        check("127.0.0.1:4566", "/_apis/A.b/x", None);
        check("bucket.s3.localhost", "/execute-api.x", None);
        check("", "/", None);
    }
}
