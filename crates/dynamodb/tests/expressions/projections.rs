//! What projections take of items.

use crate::request::{item, projection};

#[test]
fn a_projection_is_the_part_that_is_there() {
    let whole = item(
        r#"{"p":{"S":"x"},"a":{"M":{"b":{"L":[{"N":"2"},{"N":"4"},{"M":{"x":{"S":"hi"},"y":{"S":"yo"}}}]},"c":{"N":"5"}}},"a.b":{"S":"dot"}}"#,
    );
    let check = |text: &str, expected: &str| {
        let projected = projection(text).unwrap_or_else(|error| panic!("{text}: {error}")).project(&whole);
        assert_eq!(projected, item(expected), "{text}");
    };
    check("p", r#"{"p":{"S":"x"}}"#);
    check(" p , #dot ", r#"{"p":{"S":"x"},"a.b":{"S":"dot"}}"#);
    check("#a.#b[0]", r#"{"a":{"M":{"b":{"L":[{"N":"2"}]}}}}"#);
    check("a.b[2].y", r#"{"a":{"M":{"b":{"L":[{"M":{"y":{"S":"yo"}}}]}}}}"#);
    check("a.b[2].y, a.b[0], a.c", r#"{"a":{"M":{"b":{"L":[{"N":"2"},{"M":{"y":{"S":"yo"}}}]},"c":{"N":"5"}}}}"#);
    check("a.b[2].x, a.b[2].y", r#"{"a":{"M":{"b":{"L":[{"M":{"x":{"S":"hi"},"y":{"S":"yo"}}}]}}}}"#);
    for nothing in ["x", "a.b[3]", "a.x", "a.x.y", "a.b[3].x", "a.b.x", "a[0]", "a.b[0].x", "a.b[0][0]", "p.x", "p[0]"]
    {
        check(nothing, "{}");
    }
    check("a.x, a.b[0], x, a.b[3].x", r#"{"a":{"M":{"b":{"L":[{"N":"2"}]}}}}"#);
}

#[test]
fn paths_that_do_not_overlap_stand_together() {
    for text in ["a, b", "a.b, a.c", "a.b.d, a.b.e", "a[1], a[2]", "a.b, a.c[2]", "a[1].b, a[2][0]"] {
        assert!(projection(text).is_ok(), "{text}");
    }
    let deepest = format!("a{}", ".b".repeat(31));
    assert!(projection(&deepest).is_ok());
}
