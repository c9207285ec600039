//! What updates make of items.

use cauce_dynamodb::expression::at_paths;

use crate::request::{item, update};

const VALUES: &str = r#"{
    ":n":{"N":"4"}, ":m":{"N":"-1.5"}, ":s":{"S":"new"}, ":l":{"L":[{"S":"x"}]}, ":map":{"M":{}}, ":ss":{"SS":["a","b"]},
    ":ns":{"NS":["1"]}, ":bs":{"BS":["AQ=="]}, ":t":{"S":"t"}, ":u":{"S":"u"}, ":big":{"N":"9e125"}, ":fifty":{"N":"1e50"}
}"#;

/// Updates `before`, which exists.
fn check(before: &str, text: &str, after: &str) {
    let update = update(text, VALUES).unwrap_or_else(|error| panic!("{text}: {error}"));
    let updated = update.apply(&item(before), true).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(updated.item, item(after), "{text}");
}

/// The error of updating `before`.
fn refused(before: &str, text: &str, message: &str) {
    let update = update(text, VALUES).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(update.apply(&item(before), true).unwrap_err().to_string(), message, "{text}");
}

const MISSING: &str = "The provided expression refers to an attribute that does not exist in the item";
const TYPE: &str = "An operand in the update expression has an incorrect data type";
const PATH: &str = "The document path provided in the update expression is invalid for update";
const OVERFLOW: &str = "Number overflow. Attempting to store a number with magnitude larger than supported range";

#[test]
fn set_replaces_copies_and_computes() {
    check("{}", "SET a = :n", r#"{"a":{"N":"4"}}"#);
    check(r#"{"a":{"S":"x"},"b":{"N":"1"}}"#, "SET a = :n, c = b", r#"{"a":{"N":"4"},"b":{"N":"1"},"c":{"N":"1"}}"#);
    check(r#"{"a":{"N":"1"}}"#, "set a = a + :n", r#"{"a":{"N":"5"}}"#);
    check(r#"{"a":{"N":"1"}}"#, "SET b = :n - a, a = :m+a", r#"{"a":{"N":"-0.5"},"b":{"N":"3"}}"#);
    check("{}", "SET a = if_not_exists(a, :n) + :n", r#"{"a":{"N":"8"}}"#);
    check(r#"{"c":{"N":"1"}}"#, "SET a = if_not_exists(b, if_not_exists(c, :n))", r#"{"a":{"N":"1"},"c":{"N":"1"}}"#);
    check(r#"{"a":{"L":[]}}"#, "SET a = list_append(a, :l)", r#"{"a":{"L":[{"S":"x"}]}}"#);
    check("{}", "SET a = list_append(:l, if_not_exists(a, :l))", r#"{"a":{"L":[{"S":"x"},{"S":"x"}]}}"#);
    check(r#"{"a":{"S":"v"}}"#, "SET b = (a)", r#"{"a":{"S":"v"},"b":{"S":"v"}}"#);
    // Everything is read as it was before.
    check(r#"{"a":{"N":"1"},"b":{"N":"2"}}"#, "SET a = b, b = a", r#"{"a":{"N":"2"},"b":{"N":"1"}}"#);
    check(r#"{"a":{"S":"v"}}"#, "REMOVE a SET b = a", r#"{"b":{"S":"v"}}"#);
    check("{}", "SET #dot = :n", r#"{"a.b":{"N":"4"}}"#);
}

#[test]
fn set_goes_into_maps_and_lists() {
    check(r#"{"a":{"M":{}}}"#, "SET a.b = :n", r#"{"a":{"M":{"b":{"N":"4"}}}}"#);
    check(
        r#"{"a":{"M":{"b":{"L":[{"M":{}}]}}}}"#,
        "SET a.b[0].c = :n",
        r#"{"a":{"M":{"b":{"L":[{"M":{"c":{"N":"4"}}}]}}}}"#,
    );
    check(r#"{"a":{"L":[{"S":"0"},{"S":"1"}]}}"#, "SET a[1] = :n", r#"{"a":{"L":[{"S":"0"},{"N":"4"}]}}"#);
    // Beyond the end, in the order of the indexes.
    check(
        r#"{"a":{"L":[{"S":"0"}]}}"#,
        "SET a[84] = :s, a[37] = :t, a[17] = :u",
        r#"{"a":{"L":[{"S":"0"},{"S":"u"},{"S":"t"},{"S":"new"}]}}"#,
    );
    // Indexes count what was there before.
    check(
        r#"{"a":{"L":[{"N":"2"},{"N":"3"},{"N":"4"},{"N":"5"},{"N":"6"}]}}"#,
        "REMOVE a[1] SET a[3] = :s, a[9] = :t",
        r#"{"a":{"L":[{"N":"2"},{"N":"4"},{"S":"new"},{"N":"6"},{"S":"t"}]}}"#,
    );
    for (before, text) in [
        (r#"{"a":{"S":"x"}}"#, "SET a.c = :n"),
        (r#"{"b":{"L":[]}}"#, "SET b.c = :n"),
        ("{}", "SET c.c = :n"),
        (r#"{"a":{"M":{}}}"#, "SET a[0] = :n"),
        (r#"{"a":{"M":{}}}"#, "SET a.b.c = :n"),
        (r#"{"a":{"L":[]}}"#, "SET a[0].b = :n"),
        (r#"{"a":{"M":{}}}"#, "ADD a.b.c :n"),
        ("{}", "REMOVE c.c"),
        (r#"{"a":{"S":"x"}}"#, "REMOVE a[0]"),
        ("{}", "DELETE a.b :ss"),
    ] {
        refused(before, text, PATH);
    }
}

#[test]
fn remove_takes_what_is_there() {
    check(r#"{"a":{"S":"x"},"b":{"S":"y"}}"#, "REMOVE a, c", r#"{"b":{"S":"y"}}"#);
    check(r#"{"a":{"M":{"b":{"N":"1"}}}}"#, "REMOVE a.b", r#"{"a":{"M":{}}}"#);
    check(r#"{"a":{"M":{}}}"#, "REMOVE a.b", r#"{"a":{"M":{}}}"#);
    check(r#"{"a":{"L":[{"N":"0"},{"N":"1"},{"N":"2"}]}}"#, "REMOVE a[0], a[2], a[17]", r#"{"a":{"L":[{"N":"1"}]}}"#);
}

#[test]
fn add_counts_and_unites() {
    check("{}", "ADD a :n", r#"{"a":{"N":"4"}}"#);
    check(r#"{"a":{"N":"1"}}"#, "ADD a :m", r#"{"a":{"N":"-0.5"}}"#);
    check("{}", "ADD a :ss", r#"{"a":{"SS":["a","b"]}}"#);
    check(r#"{"a":{"SS":["b","c"]}}"#, "ADD a :ss", r#"{"a":{"SS":["a","b","c"]}}"#);
    check(
        r#"{"a":{"BS":["Ag=="]},"b":{"NS":["1"]}}"#,
        "ADD a :bs, b :ns",
        r#"{"a":{"BS":["AQ==","Ag=="]},"b":{"NS":["1"]}}"#,
    );
    check(r#"{"a":{"M":{}}}"#, "ADD a.b :n", r#"{"a":{"M":{"b":{"N":"4"}}}}"#);
    refused(r#"{"a":{"S":"x"}}"#, "ADD a :n", TYPE);
    refused(r#"{"a":{"NS":["1"]}}"#, "ADD a :ss", TYPE);
    refused(r#"{"a":{"L":[]}}"#, "ADD a :ss", TYPE);
}

#[test]
fn delete_takes_members() {
    check(r#"{"a":{"SS":["b","c"]}}"#, "DELETE a :ss", r#"{"a":{"SS":["c"]}}"#);
    check(r#"{"a":{"SS":["b"]}}"#, "DELETE a :ss", "{}");
    check(r#"{"a":{"SS":["z"]}}"#, "DELETE a :ss", r#"{"a":{"SS":["z"]}}"#);
    check("{}", "DELETE a :ss", "{}");
    refused(r#"{"a":{"NS":["1"]}}"#, "DELETE a :ss", TYPE);
    refused(r#"{"a":{"S":"x"}}"#, "DELETE a :ss", TYPE);
}

#[test]
fn what_does_not_suit_is_refused() {
    refused("{}", "SET a = b", MISSING);
    refused("{}", "SET a = a + :n", MISSING);
    refused("{}", "SET a = list_append(b, :l)", MISSING);
    refused("{}", "SET x = :n, y = x", MISSING);
    refused(r#"{"a":{"S":"x"}}"#, "SET a = a + :n", TYPE);
    refused(r#"{"a":{"S":"x"}}"#, "SET a = list_append(a, :l)", TYPE);
    refused(r#"{"a":{"N":"9e125"}}"#, "SET a = a + :big", OVERFLOW);
    refused(r#"{"a":{"N":"1"}}"#, "SET a = a + :fifty", OVERFLOW);
    refused(r#"{"a":{"N":"9e125"}}"#, "ADD a :big", OVERFLOW);
}

#[test]
fn nesting_stays_within_its_limit() {
    let wraps = |n: usize| format!(r#"{{"M":{}{}{}}}"#, r#"{"n":{"M":"#.repeat(n - 1), "{}", "}}".repeat(n - 1));
    let before = format!(r#"{{"a":{}}}"#, wraps(31));
    let path = |n: usize| format!("SET a{} = :s", ".n".repeat(n));
    check(&before, &path(1), r#"{"a":{"M":{"n":{"S":"new"}}}}"#);
    assert!(update(&path(31), VALUES).unwrap().apply(&item(&before), true).is_ok());
    let text = format!("SET a{} = :map", ".n".repeat(31));
    let full = format!(r#"{{"a":{}}}"#, wraps(32));
    assert!(update(&text, VALUES).unwrap().apply(&item(&full), true).is_ok());
    let text = format!("SET a{} = :l", ".n".repeat(31));
    let message = update(&text, VALUES).unwrap().apply(&item(&full), true).unwrap_err().to_string();
    assert!(message.starts_with("Nesting Levels have exceeded supported limits"), "{message}");
}

#[test]
fn an_item_that_does_not_exist_is_made_by_what_gives_values() {
    let key = item(r#"{"p":{"S":"k"}}"#);
    let made = |text: &str| update(text, VALUES).unwrap().apply(&key, false).unwrap();
    assert!(made("SET a = :n").creates && made("ADD a :n").creates && made("REMOVE b SET a = :n").creates);
    assert!(!made("REMOVE a").creates && !made("DELETE a :ss").creates);
    assert_eq!(made("REMOVE a.b, c[0]").item, key);
    assert_eq!(update("SET a.b = :n", VALUES).unwrap().apply(&key, false).unwrap_err().to_string(), PATH);
    assert_eq!(update("SET a.b = :n REMOVE a.c", VALUES).unwrap().apply(&key, false).unwrap_err().to_string(), PATH);
}

#[test]
fn what_was_touched_is_told_before_and_after() {
    let before = r#"{"p":{"S":"k"},"a":{"M":{"b":{"N":"1"},"c":{"N":"2"}}},"l":{"L":[{"N":"0"},{"N":"1"},{"N":"2"}]},"s":{"SS":["a"]},"r":{"S":"r"}}"#;
    let check = |text: &str, old: &str, new: &str| {
        let update = update(text, VALUES).unwrap();
        let updated = update.apply(&item(before), true).unwrap();
        let paths = || update.paths().cloned().collect();
        assert_eq!(at_paths(paths(), &item(before)), item(old), "{text}");
        assert_eq!(at_paths(paths(), &updated.item), item(new), "{text}");
    };
    check("SET z = :n", "{}", r#"{"z":{"N":"4"}}"#);
    check("SET a.b = :n", r#"{"a":{"M":{"b":{"N":"1"}}}}"#, r#"{"a":{"M":{"b":{"N":"4"}}}}"#);
    check("SET a.b = :n, a.d = :s", r#"{"a":{"M":{"b":{"N":"1"}}}}"#, r#"{"a":{"M":{"b":{"N":"4"},"d":{"S":"new"}}}}"#);
    check("REMOVE r", r#"{"r":{"S":"r"}}"#, "{}");
    // As AWS does: by the paths as they are written, wherever the values have come to stand.
    check("SET l[9] = :s", "{}", "{}");
    check("REMOVE l[0]", r#"{"l":{"L":[{"N":"0"}]}}"#, r#"{"l":{"L":[{"N":"1"}]}}"#);
    check("REMOVE l[0] SET l[2] = :s", r#"{"l":{"L":[{"N":"0"},{"N":"2"}]}}"#, r#"{"l":{"L":[{"N":"1"}]}}"#);
    check("DELETE s :ss", r#"{"s":{"SS":["a"]}}"#, "{}");
    check("ADD s :ss", r#"{"s":{"SS":["a"]}}"#, r#"{"s":{"SS":["a","b"]}}"#);
}
