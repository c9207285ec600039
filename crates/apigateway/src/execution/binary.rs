//! Which bodies are bytes and which are text.

use super::request::Request;

/// Whether a media type is one of those that the API treats as binary; `*/*` and `image/*` stand for many.
pub(super) fn is_binary(media_types: &[String], media_type: &str) -> bool {
    media_types.iter().any(|binary| {
        let (kind, of) = binary.split_once('/').unwrap_or((binary, ""));
        let (asked_kind, asked_of) = media_type.split_once('/').unwrap_or((media_type, ""));
        (kind == "*" || kind.eq_ignore_ascii_case(asked_kind)) && (of == "*" || of.eq_ignore_ascii_case(asked_of))
    })
}

/// Whether the client takes bytes: the first media type of `Accept` decides.
pub(super) fn accepts_binary(media_types: &[String], request: &Request) -> bool {
    let accept = request.header("accept").unwrap_or("");
    let first = accept.split(',').next().and_then(|first| first.split(';').next()).unwrap_or("").trim();
    is_binary(media_types, first)
}

#[cfg(test)]
mod tests {
    #[test]
    fn media_types_may_stand_for_many() {
        let check = |list: &[&str], media_type: &str, expect: bool| {
            let list: Vec<String> = list.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(super::is_binary(&list, media_type), expect, "{list:?} {media_type}");
        };
        check(&[], "image/png", false);
        check(&["image/png"], "image/png", true);
        check(&["image/png"], "image/gif", false);
        check(&["image/*"], "image/gif", true);
        check(&["*/*"], "text/plain", true);
        check(&["*/*"], "", true);
    }
}
