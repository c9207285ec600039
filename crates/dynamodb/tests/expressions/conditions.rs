//! What conditions mean.

use crate::request::{condition, item};

const ITEM: &str = r#"{
    "a":{"S":"hello"}, "b":{"N":"5"}, "c":{"B":"aGkgdGhlcmU="}, "t":{"BOOL":true}, "nothing":{"NULL":true},
    "l":{"L":[{"N":"1"},{"S":"two"},{"M":{"x":{"N":"3"}}}]}, "m":{"M":{"x":{"S":"deep"},"y":{"L":[{"N":"7"}]}}},
    "ss":{"SS":["red","blue"]}, "ns":{"NS":["1","2.50"]}, "bs":{"BS":["AQ=="]}, "six":{"N":"6"}, "a.b":{"S":"dotted"},
    "blank":{"S":""}, "note":{"S":"é𝄞"}
}"#;

const VALUES: &str = r#"{
    ":hello":{"S":"hello"}, ":hell":{"S":"hell"}, ":ell":{"S":"ell"}, ":five":{"N":"5.0"}, ":six":{"N":"6"}, ":four":{"N":"4"},
    ":b":{"B":"aGk="}, ":true":{"BOOL":true}, ":null":{"NULL":true}, ":two":{"S":"two"}, ":red":{"S":"red"},
    ":two5":{"N":"2.5"}, ":one":{"N":"1"}, ":bin":{"B":"AQ=="}, ":SS":{"S":"SS"}, ":S":{"S":"S"}, ":N":{"S":"N"},
    ":set":{"SS":["blue","red"]}, ":ns":{"NS":["2.5","1.0"]}, ":list":{"L":[{"N":"1"},{"S":"two"},{"M":{"x":{"N":"3.0"}}}]},
    ":map":{"M":{"y":{"L":[{"N":"7"}]},"x":{"S":"deep"}}}, ":e":{"S":""}, ":three":{"N":"3"}, ":zero":{"N":"0"}
}"#;

fn check(expected: bool, expressions: &[&str]) {
    let item = item(ITEM);
    for text in expressions {
        let condition = condition(text, VALUES).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(condition.matches(&item), expected, "{text}");
    }
}

#[test]
fn equality_is_of_type_and_value() {
    check(
        true,
        &[
            "a = :hello",
            "b = :five",
            "#b = :five",
            "#dot <> a",
            "t = :true",
            "nothing = :null",
            "ss = :set",
            "ns = :ns",
            "l = :list",
            "m = :map",
            ":hello = a",
            "m.x <> a",
            "l[0] = :one",
            "l[2].x = :three",
            "m.y[0] <> l[0]",
            "blank = :e",
        ],
    );
    check(
        false,
        &["a = :five", "a = b", "a <> :hello", "t = :null", "ss = :list", "l[1] = :one", "#dot = a", "b = :six"],
    );
}

#[test]
fn order_is_within_a_type() {
    check(
        true,
        &[
            "b < :six",
            "b <= :five",
            "b > :four",
            "b >= :five",
            "a > :hell",
            "a < b OR b < six",
            ":four < b",
            "size(a) < six",
        ],
    );
    check(false, &["b < :five", "b > a", "a < b", "a < :hello", "t < b", "l < b", "m >= a", "ss > a"]);
    check(
        true,
        &[
            "b BETWEEN :four AND :six",
            "b between :five and :five",
            "b BETWEEN :four AND six",
            "size(l) BETWEEN :three AND b",
        ],
    );
    check(
        false,
        &["b BETWEEN :six AND six", "a BETWEEN :four AND :six", "b BETWEEN a AND :six", "b BETWEEN six AND :four"],
    );
}

#[test]
fn in_finds_one_of_many() {
    check(true, &["b IN (:four, :five)", "a in (b, :hello)", "m IN (:map)", "size(a) IN (:five)", "b IN (size(a))"]);
    check(false, &["b IN (:four, :six)", "z IN (:four)", "a IN (z)"]);
}

#[test]
fn what_is_not_there_equals_nothing() {
    check(
        true,
        &[
            "z <> :five",
            "z <> y",
            "NOT z = :five",
            "attribute_not_exists(z)",
            "attribute_not_exists(m.z)",
            "attribute_not_exists(l[3])",
        ],
    );
    check(true, &["attribute_not_exists(a.x)", "attribute_not_exists(m[0])", "attribute_not_exists(l.x)"]);
    check(
        false,
        &[
            "z = :five",
            "z = y",
            "z < :five",
            "z >= y",
            "z BETWEEN :four AND :six",
            "q BETWEEN z AND x",
            "attribute_exists(z)",
            "begins_with(z, :hell)",
            "contains(z, :hell)",
            "size(z) = :zero",
            "attribute_type(z, :S)",
            "size(b) = :five",
            "size(t) <= six",
        ],
    );
    check(true, &["size(b) <> :zero", "NOT size(nothing) = :one"]);
}

#[test]
fn functions_do_what_they_say() {
    check(
        true,
        &[
            "attribute_exists(a)",
            "attribute_exists(m.y[0])",
            "attribute_type(a, :S)",
            "attribute_type(ss, :SS)",
            "attribute_type(:one, :N)",
            "begins_with(a, :hell)",
            "begins_with(a, :hello)",
            "begins_with(a, :e)",
            "begins_with(c, :b)",
            "begins_with(:hello, a)",
            "contains(a, :ell)",
            "contains(a, :e)",
            "contains(ss, :red)",
            "contains(ns, :two5)",
            "contains(bs, :bin)",
            "contains(l, :two)",
            "contains(l, :one)",
            "contains(c, :b)",
            "contains(:list, :two)",
            "size(a) = :five",
            "size(l) = :three",
            "size(ss) = size(ns)",
            "size(m) < :three",
            "size(c) > six",
            "size(note) = :three",
            "size(blank) = :zero",
        ],
    );
    check(
        false,
        &[
            "attribute_type(a, :N)",
            "begins_with(a, :ell)",
            "begins_with(a, b)",
            "begins_with(a, c)",
            "contains(a, b)",
            "contains(ss, :ell)",
            "contains(ss, :one)",
            "contains(b, :five)",
            "contains(m, :two)",
            "contains(l, :red)",
            "contains(l, l[2].x)",
            "size(note) = six",
        ],
    );
}

#[test]
fn not_binds_before_and_before_or() {
    check(
        true,
        &[
            "a = :hello OR b = :four AND b = :six",
            "NOT a = :hell AND b = :five",
            "NOT (a = :hello AND b = :six)",
            "(a = :hell OR b = :five) AND t = :true",
            "NOT NOT a = :hello",
            "not attribute_exists(z) and (attribute_exists(a))",
            "(a) = (:hello)",
            "(size(a)) = :five",
            "(a = :hello) AND ((b = :four) OR (b = :five))",
            "\ta\n=\r:hello ",
        ],
    );
    check(false, &["(a = :hello OR b = :four) AND b = :six", "NOT a = :hello OR NOT b = :five"]);
}

#[test]
fn the_paths_of_a_condition_are_known() {
    let text = "NOT (a = :five OR size(m.x) < b) AND b IN (l[1], :five) AND attribute_exists(ss) AND begins_with(c, z)";
    let condition = condition(text, VALUES).unwrap();
    let paths: Vec<String> = condition.paths().iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["[a]", "[m, x]", "[b]", "[b]", "[l, [1]]", "[ss]", "[c]", "[z]"]);
}
