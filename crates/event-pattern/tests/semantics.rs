//! What matches and what does not, case by case, by the single pattern, the matcher and the explanation alike.

#![allow(clippy::unwrap_used, reason = "test code outside #[test]")]

use cauce_event_pattern::{Limits, Matcher, Pattern};

#[track_caller]
fn check(pattern: &str, event: &str, expect: bool) {
    let pattern = Pattern::parse(pattern).unwrap();
    let event = event.as_bytes();
    assert_eq!(pattern.matches(event), Ok(expect), "alone");
    assert_eq!(pattern.matches_trusted(event), Ok(expect), "alone, trusted");
    assert_eq!(pattern.explain(event).unwrap().matched, expect, "explained");
    let mut matcher = Matcher::new();
    matcher.add(7, &pattern);
    let mut matched = Vec::new();
    matcher.matches(event, &mut matched).unwrap();
    assert_eq!(matched, if expect { vec![7] } else { vec![] }, "matcher");
}

#[test]
fn exact_values() {
    check(r#"{"a": ["x", "y"]}"#, r#"{"a": "y"}"#, true);
    check(r#"{"a": ["x"]}"#, r#"{"a": "X"}"#, false);
    check(r#"{"a": [""]}"#, r#"{"a": ""}"#, true);
    check(r#"{"a": [""]}"#, r#"{"a": null}"#, false);
    check(r#"{"a": [null]}"#, r#"{"a": null}"#, true);
    check(r#"{"a": [null]}"#, r#"{"b": null}"#, false);
    check(r#"{"a": [null]}"#, r#"{"a": []}"#, false);
    check(r#"{"a": ["null"]}"#, r#"{"a": null}"#, false);
    check(r#"{"a": [true]}"#, r#"{"a": true}"#, true);
    check(r#"{"a": [true]}"#, r#"{"a": "true"}"#, false);
    check(r#"{"a": [false, true]}"#, r#"{"a": false}"#, true);
    check(r#"{"a": ["caf\u00e9\n"]}"#, "{\"a\": \"caf\u{e9}\\n\"}", true);
    check(r#"{"a": ["caf\u00e9"]}"#, r#"{"\u0061": "caf\u00E9"}"#, true);
    check(r#"{"a": ["\ud83d\ude00"]}"#, "{\"a\": \"\u{1f600}\"}", true);
    check(r#"{"a": ["x"]}"#, r#"{"a": {"b": "x"}}"#, false);
}

#[test]
fn numbers() {
    check(r#"{"a": [300]}"#, r#"{"a": 300.0}"#, true);
    check(r#"{"a": [300]}"#, r#"{"a": 3.0e2}"#, true);
    check(r#"{"a": [300]}"#, r#"{"a": "300"}"#, false);
    check(r#"{"a": [0.3]}"#, r#"{"a": 0.30000000000000004}"#, false);
    check(r#"{"a": [9007199254740993]}"#, r#"{"a": 9007199254740992}"#, false);
    check(r#"{"a": [123456789012345678901234567890]}"#, r#"{"a": 123456789012345678901234567890}"#, true);
    check(r#"{"a": [123456789012345678901234567890]}"#, r#"{"a": 123456789012345678901234567891}"#, false);
    check(r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#, r#"{"a": 5}"#, true);
    check(r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#, r#"{"a": 5.000001}"#, false);
    check(r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#, r#"{"a": 0}"#, false);
    check(r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#, r#"{"a": 1e-300}"#, true);
    check(r#"{"a": [{"numeric": [">", -0.1]}]}"#, r#"{"a": -0.0}"#, true);
    check(r#"{"a": [{"numeric": ["<", -4999999999.999999]}]}"#, r#"{"a": -5000000000}"#, true);
    check(r#"{"a": [{"numeric": ["<", 4999999999.9999999]}]}"#, r#"{"a": 4999999999.9999998}"#, true);
    check(r#"{"a": [{"numeric": ["<", 4999999999.9999999]}]}"#, r#"{"a": 4999999999.9999999}"#, false);
    check(r#"{"a": [{"numeric": ["=", 3.018e2]}]}"#, r#"{"a": 301.80}"#, true);
    check(r#"{"a": [{"numeric": [">", 100]}]}"#, r#"{"a": "300"}"#, false);
    check(r#"{"a": [{"numeric": [">", 100]}]}"#, r#"{"a": null}"#, false);
}

#[test]
fn parts_of_texts() {
    check(r#"{"a": [{"prefix": "us-"}]}"#, r#"{"a": "us-east-1"}"#, true);
    check(r#"{"a": [{"prefix": "us-"}]}"#, r#"{"a": "eu-us-"}"#, false);
    check(r#"{"a": [{"prefix": ""}]}"#, r#"{"a": ""}"#, true);
    check(r#"{"a": [{"prefix": ""}]}"#, r#"{"a": 1}"#, false);
    check(r#"{"a": [{"prefix": {"equals-ignore-case": "EventB"}}]}"#, r#"{"a": "eVENTBridge"}"#, true);
    check(r#"{"a": [{"suffix": ".png"}]}"#, r#"{"a": "x.png"}"#, true);
    check(r#"{"a": [{"suffix": ".png"}]}"#, r#"{"a": "x.PNG"}"#, false);
    check(r#"{"a": [{"suffix": {"equals-ignore-case": ".png"}}]}"#, r#"{"a": "x.PnG"}"#, true);
    check(r#"{"a": [{"equals-ignore-case": "alice"}]}"#, r#"{"a": "ALICE"}"#, true);
    check(r#"{"a": [{"equals-ignore-case": "alice"}]}"#, r#"{"a": "ALICE "}"#, false);
    check(r#"{"a": [{"wildcard": "dir/*.png"}]}"#, r#"{"a": "dir/x/y.png"}"#, true);
    check(r#"{"a": [{"wildcard": "dir/*.png"}]}"#, r#"{"a": "dir/.jpg"}"#, false);
    check(r#"{"a": [{"wildcard": "a\\*b*"}]}"#, r#"{"a": "a*bc"}"#, true);
    check(r#"{"a": [{"wildcard": "a\\*b*"}]}"#, r#"{"a": "axbc"}"#, false);
}

#[test]
fn addresses() {
    check(r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#, r#"{"a": "10.0.0.255"}"#, true);
    check(r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#, r#"{"a": "10.0.1.255"}"#, false);
    check(r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#, r#"{"a": "xx"}"#, false);
    check(
        r#"{"a": [{"cidr": "2001:db8:1234:1a00::/64"}]}"#,
        r#"{"a": "2001:0db8:1234:1a00:0000:0000:0000:0001"}"#,
        true,
    );
    check(r#"{"a": [{"cidr": "2001:db8:1234:1a00::/64"}]}"#, r#"{"a": "2001:db8:1234:1a01::"}"#, false);
    check(r#"{"a": ["::1"]}"#, r#"{"a": "0:0:0:0:0:0:0:1"}"#, true);
}

#[test]
fn presence() {
    check(r#"{"a": [{"exists": true}]}"#, r#"{"a": null}"#, true);
    check(r#"{"a": [{"exists": true}]}"#, r#"{"a": []}"#, false);
    check(r#"{"a": [{"exists": true}]}"#, r#"{"a": {"b": 1}}"#, false);
    check(r#"{"a": [{"exists": false}]}"#, r#"{"a": []}"#, true);
    check(r#"{"a": [{"exists": false}]}"#, r#"{"a": {"b": 1}}"#, true);
    check(r#"{"a": [{"exists": false}]}"#, r#"{"a": 0}"#, false);
    check(r#"{"a": [{"exists": false}, "x"]}"#, r#"{"a": "x"}"#, true);
    check(r#"{"a": [{"exists": false}, "x"]}"#, r#"{}"#, true);
    check(r#"{"a": [{"exists": false}, "x"]}"#, r#"{"a": "y"}"#, false);
    check(
        r#"{"d": {"n": {"s": [{"anything-but": ["roses"]}, {"exists": false}]}}}"#,
        r#"{"d": {"p": {"N": "789"}}}"#,
        true,
    );
}

#[test]
fn anything_but() {
    check(r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": "y"}"#, true);
    check(r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": "x"}"#, false);
    check(r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": null}"#, true);
    check(r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": 1}"#, true);
    check(r#"{"a": [{"anything-but": "x"}]}"#, r#"{"b": "y"}"#, false);
    check(r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": ["x", "y"]}"#, true);
    check(r#"{"a": [{"anything-but": ["x", "y"]}]}"#, r#"{"a": ["x", "y"]}"#, false);
    check(r#"{"a": [{"anything-but": [100, 200]}]}"#, r#"{"a": 1e2}"#, false);
    check(r#"{"a": [{"anything-but": [100, 200]}]}"#, r#"{"a": "100"}"#, true);
    check(r#"{"a": [{"anything-but": 0}]}"#, r#"{"a": 0.0}"#, false);
    check(r#"{"a": [{"anything-but": {"prefix": ["ab", "cd"]}}]}"#, r#"{"a": "cde"}"#, false);
    check(r#"{"a": [{"anything-but": {"prefix": ["ab", "cd"]}}]}"#, r#"{"a": 5}"#, true);
    check(r#"{"a": [{"anything-but": {"suffix": ".txt"}}]}"#, r#"{"a": "x.txt"}"#, false);
    check(r#"{"a": [{"anything-but": {"equals-ignore-case": ["INIT"]}}]}"#, r#"{"a": "init"}"#, false);
    check(r#"{"a": [{"anything-but": {"equals-ignore-case": ["INIT"]}}]}"#, r#"{"a": null}"#, true);
    check(r#"{"a": [{"anything-but": {"wildcard": ["*/lib/*", "*.bak"]}}]}"#, r#"{"a": "usr/lib/x"}"#, false);
    check(r#"{"a": [{"anything-but": {"wildcard": ""}}]}"#, r#"{"a": "x"}"#, true);
}

#[test]
fn alternatives() {
    let pattern = r#"{"s": ["cw"], "$or": [{"m": ["cpu"]}, {"t": ["T"], "$or": [{"i": [1]}, {"j": [2]}]}]}"#;
    check(pattern, r#"{"s": "cw", "m": "cpu"}"#, true);
    check(pattern, r#"{"s": "cw", "t": "T", "j": 2}"#, true);
    check(pattern, r#"{"s": "cw", "t": "T", "j": 1}"#, false);
    check(pattern, r#"{"m": "cpu"}"#, false);
    let nested = r#"{"d": {"$or": [{"c": [{"numeric": [">", 0]}]}, {"x": [{"exists": false}]}]}}"#;
    check(nested, r#"{"d": {"c": 1, "x": 1}}"#, true);
    check(nested, r#"{"d": {"c": 0, "x": 1}}"#, false);
    check(nested, r#"{"d": {"c": 0}}"#, true);
}

#[test]
fn arrays() {
    let pattern = r#"{"items": {"sku": [1], "size": ["L"]}}"#;
    check(pattern, r#"{"items": [{"sku": 1, "size": "S"}, {"sku": 2, "size": "L"}]}"#, false);
    check(pattern, r#"{"items": [{"sku": 1, "size": "S"}, {"sku": 1, "size": "L"}]}"#, true);
    check(pattern, r#"{"items": [[{"sku": 1}, {"size": "L"}], [{"sku": 1, "size": "L"}]]}"#, true);
    check(pattern, r#"{"items": [[{"sku": 1}, {"size": "L"}], {"sku": [3, [1]], "size": "M"}]}"#, false);
    check(r#"{"r": ["b"]}"#, r#"{"r": ["a", "b"]}"#, true);
    check(r#"{"r": ["b"]}"#, r#"{"r": [["a"], ["b"]]}"#, true);
    // Lists beside each other do not bind each other.
    check(r#"{"a": {"x": [1]}, "b": {"x": [2]}}"#, r#"{"a": [{"x": 0}, {"x": 1}], "b": [{"x": 2}, {"x": 0}]}"#, true);
    // Employees whose first and last name are of one person.
    let staff = r#"{"staff": [{"firm": 1, "people": [{"f": "A", "l": "B"}, {"f": "C", "l": "D"}]}, {"firm": 2, "people": [{"f": "A", "l": "D"}]}]}"#;
    check(r#"{"staff": {"firm": [1], "people": {"f": ["A"], "l": ["B"]}}}"#, staff, true);
    check(r#"{"staff": {"firm": [2], "people": {"f": ["A"], "l": ["B"]}}}"#, staff, false);
    check(r#"{"staff": {"people": {"f": ["C"], "l": ["B"]}}}"#, staff, false);
    check(r#"{"staff": {"people": {"f": ["A"], "l": ["D"]}}}"#, staff, true);
    // Absence is judged in the element that smaller names matched in, else everywhere.
    let items = r#"{"i": [{"b": 1}, {"b": 2, "c": 3, "a": 4}]}"#;
    check(r#"{"i": {"b": [1], "c": [{"exists": false}]}}"#, items, true);
    check(r#"{"i": {"b": [2], "c": [{"exists": false}]}}"#, items, false);
    check(r#"{"i": {"b": [1], "a": [{"exists": false}]}}"#, items, false);
    // A rule that the matcher can only find by an absence, which holds although another element has the field.
    check(
        r#"{"i": {"a": [null, {"exists": false}], "b": [{"exists": false}]}}"#,
        r#"{"i": [{"a": null}, {"b": 2}]}"#,
        true,
    );
}

#[test]
fn names() {
    check(r#"{"detail": {"state.status": ["running"]}}"#, r#"{"detail": {"state": {"status": "running"}}}"#, true);
    check(r#"{"detail": {"state": {"status": ["running"]}}}"#, r#"{"detail": {"state.status": "running"}}"#, true);
    check(r#"{"detail": {"state": {"status": ["running"]}}}"#, r#"{"detail.state.status": "running"}"#, true);
    check(r#"{"a.b": [1]}"#, r#"{"a": {"x": 1}, "a.b": [2, 1]}"#, true);
    check(r#"{"Detail": [1]}"#, r#"{"detail": 1}"#, false);
    check(r#"{"": {"": ["x"]}}"#, r#"{"": {"": "x"}}"#, true);
    check(r#"{"a": [1]}"#, r#"{"a": 2, "a": 1}"#, true);
}

#[test]
fn explanations() {
    let explain =
        |pattern: &str, event: &str| Pattern::parse(pattern).unwrap().explain(event.as_bytes()).unwrap().to_string();
    assert_eq!(
        explain(
            r#"{"d": {"items": {"sku": [1, {"numeric": [">", 7, "<", 9]}], "size": ["L"]}, "x": [{"exists": false}]}}"#,
            r#"{"d": {"items": [{"sku": 1, "size": "S"}, {"sku": 2, "size": ["M", "L"]}]}}"#
        ),
        concat!(
            "no match\n",
            "  holds: d.items.size must match [\"L\"]: d.items[0].size is \"S\", d.items[1].size[0] is \"M\", d.items[1].size[1] is \"L\"\n",
            "  holds: d.items.sku must match [1, {\"numeric\":[\">\", 7, \"<\", 9]}]: d.items[0].sku is 1, d.items[1].sku is 2\n",
            "  holds: d.x must match [{\"exists\":false}]: d.x does not exist\n",
            "  failed: no single array element satisfies all conditions\n",
        )
    );
    assert_eq!(
        explain(r#"{"$or": [{"a": ["x"]}, {"b": [{"anything-but": {"prefix": ["p", "q"]}}]}]}"#, r#"{"b": "pq"}"#),
        concat!(
            "no match\n",
            "  alternative 1: no match\n",
            "    failed: a must match [\"x\"]: a does not exist\n",
            "  alternative 2: no match\n",
            "    failed: b must match [{\"anything-but\":{\"prefix\":[\"p\",\"q\"]}}]: b is \"pq\"\n",
        )
    );
    let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(1000));
    let explanation = Pattern::parse(r#"{"a": ["y"]}"#).unwrap().explain(long.as_bytes()).unwrap();
    let value = explanation.branches.first().and_then(|b| b.conditions.first()).and_then(|c| c.values.first()).unwrap();
    assert_eq!(value.value.len(), 203);
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json.pointer("/branches/0/conditions/0/verdict"), Some(&serde_json::json!("rejected")));
}

#[test]
fn patterns_from_templates() {
    let value = serde_json::json!({"source": ["a"], "detail": {"n": [{"numeric": [">", 1.5]}]}});
    let pattern = Pattern::from_json_value(&value, &Limits::default()).unwrap();
    assert_eq!(pattern.matches(br#"{"source": "a", "detail": {"n": 1.6}}"#), Ok(true));
    assert!(Pattern::from_json_value(&serde_json::json!([]), &Limits::default()).is_err());
}

#[test]
fn events_that_are_none() {
    let pattern = Pattern::parse(r#"{"a": [1]}"#).unwrap();
    for event in ["[]", "1", "\"x\"", "", "{", "{\"a\":1", "{\"a\":1}x", "{\"a\":01}", "nul"] {
        assert!(pattern.matches(event.as_bytes()).is_err(), "{event}");
    }
}
