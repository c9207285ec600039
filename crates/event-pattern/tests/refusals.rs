//! What EventBridge refuses, word for word where its answers are published.

#![allow(clippy::unwrap_used, reason = "test code outside #[test]")]

use cauce_event_pattern::{DuplicateFields, Limits, Pattern};

/// The whole message; `{at}` stands for the place, of which `column` is given.
#[track_caller]
fn check(pattern: &str, reason: &str, column: usize) {
    let expect = format!(
        "Event pattern is not valid. Reason: {reason}\n at [Source: (String)\"{pattern}\"; line: 1, column: {column}]"
    );
    assert_eq!(Pattern::parse(pattern).unwrap_err().to_string(), expect);
}

/// The same for a fault that AWS prints twice.
#[track_caller]
fn check_twice(pattern: &str, reason: &str, column: usize) {
    let place = format!("\n at [Source: (String)\"{pattern}\"; line: 1, column: {column}]");
    let expect = format!("Event pattern is not valid. Reason: {reason}{place}{place}");
    assert_eq!(Pattern::parse(pattern).unwrap_err().to_string(), expect);
}

/// The same for a fault without place.
#[track_caller]
fn check_bare(pattern: &str, reason: &str) {
    let expect = format!("Event pattern is not valid. Reason: {reason}");
    assert_eq!(Pattern::parse(pattern).unwrap_err().to_string(), expect);
}

#[test]
fn structure() {
    check(r#"["not", "a", "dict"]"#, "Filter is not an object", 2);
    check("", "Filter is not an object", 1);
    check(r#"{"int": 42}"#, r#""int" must be an object or an array"#, 11);
    check(r#"{"string": "my-value"}"#, r#""string" must be an object or an array"#, 13);
    check(r#"{"a": null}"#, r#""a" must be an object or an array"#, 11);
    check(r#"{"resources": []}"#, "Empty arrays are not allowed", 17);
    check(r#"{"source": ["aws.health"], "detail": {}}"#, "Empty objects are not allowed", 40);
    check(r#"{"a": [["b"]]}"#, "Match value must be String, number, true, false, or null", 9);
}

#[test]
fn operators() {
    check(r#"{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}"#, "Unrecognized match type NUMERIC", 36);
    check(r#"{"my_key": [{"EXISTS": true}]}"#, "Unrecognized match type EXISTS", 28);
    check(
        r#"{"detail-type": [{"equals-ignore-case": ["ec2 instance state-change notification"]}]}"#,
        "equals-ignore-case match pattern must be a string",
        42,
    );
    check(r#"{"EventBusArn": [{"wildcard": 123}]}"#, "wildcard match pattern must be a string", 34);
    check(r#"{"EventBusArn": [{"wildcard": ["a"]}]}"#, "wildcard match pattern must be a string", 32);
    check(r#"{"time": [{"prefix": ["2022-07-13"]}]}"#, "prefix match pattern must be a string", 23);
    check(r#"{"time": [{"prefix": 123}]}"#, "prefix match pattern must be a string", 25);
    check(r#"{"FileName": [{"suffix": 123}]}"#, "suffix match pattern must be a string", 29);
    check(r#"{"a": [{"prefix": {"prefix": "a"}}]}"#, "Unsupported prefix pattern: prefix", 31);
    check(r#"{"a": [{"exists": 1}]}"#, "exists match pattern must be either true or false.", 20);
    check(r#"{"a": [{"prefix": "a", "suffix": "b"}]}"#, "Only one key allowed in match expression", 35);
    check(r#"{"a": [{}]}"#, "Match expression name not found", 10);
    check(
        r#"{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:**:event-bus/*"}]}"#,
        "Consecutive wildcard characters at pos 26",
        72,
    );
    check_bare(
        r#"{"EventBusArn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}"#,
        "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character",
    );
}

#[test]
fn numbers() {
    check(r#"{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}"#, "Bad numeric range operator: >", 49);
    check(r#"{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}"#, "Value of < must be numeric", 50);
    check(r#"{"a": [{"numeric": ["=", "5"]}]}"#, "Value of equals must be numeric", 27);
    check(r#"{"a": [{"numeric": ["!", 5]}]}"#, "Unrecognized numeric range operator: !", 27);
    check(r#"{"a": [{"numeric": 5}]}"#, "Value of numeric must be an array.", 21);
    check(r#"{"a": [{"numeric": [5]}]}"#, "Invalid member in numeric match: 5", 22);
    check(r#"{"a": [{"numeric": ["<", 5, ">", 1]}]}"#, "Too many elements in numeric expression", 30);
    check(r#"{"a": [{"numeric": [">", 5, "<", 5]}]}"#, "Bottom must be less than top", 35);
    check(r#"{"a": [{"numeric": [">", 5000000001]}]}"#, "Value must be between -5.0E9 and 5.0E9, inclusive", 36);
    assert!(Pattern::parse(r#"{"a": [{"numeric": [">", -5e9, "<=", 5e9]}], "b": [123456789012]}"#).is_ok());
    assert!(Pattern::parse(r#"{"a": [{"numeric": [">", 4999999999.9999999]}]}"#).is_ok());
    assert!(Pattern::parse(r#"{"a": [{"numeric": [">", 4999999999.99999999]}]}"#).is_err());
}

#[test]
fn anything_but() {
    let ignore_case = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.";
    check(r#"{"detail": {"state": [{"anything-but": {"equals-ignore-case": 123}}]}}"#, ignore_case, 66);
    check_twice(r#"{"detail": {"state": [{"anything-but": {"equals-ignore-case": [123, 456]}}]}}"#, ignore_case, 67);
    let wildcard = "wildcard match pattern must be a string";
    check_twice(r#"{"detail": {"state": [{"anything-but": {"wildcard": [123, "*/dir/*"]}}]}}"#, wildcard, 57);
    check(r#"{"detail": {"FilePath": [{"anything-but": {"wildcard": 123}}]}}"#, wildcard, 59);
    let affix = "prefix/suffix match pattern must be a string";
    check_twice(r#"{"detail": {"FileName": [{"anything-but": {"suffix": [123, ".txt"]}}]}}"#, affix, 58);
    check(r#"{"detail": {"FileName": [{"anything-but": {"suffix": 123}}]}}"#, affix, 57);
    check(
        r#"{"detail": {"FileName": [{"anything-but": {"prefix": {"equals-ignore-case": "file"}}}]}}"#,
        "Value of anything-but must be an array or single string/number value.",
        55,
    );
    check(r#"{"a": [{"anything-but": {"prefix": ""}}]}"#, "Null prefix/suffix not allowed", 38);
    check(
        r#"{"a": [{"anything-but": ["a", 1]}]}"#,
        "Inside anything but list, either all values are number or string, mixed type is not supported",
        33,
    );
    check_twice(
        r#"{"a": [{"anything-but": [null]}]}"#,
        "Inside anything but list, start|null|boolean is not supported.",
        30,
    );
}

#[test]
fn addresses() {
    check_bare(r#"{"a": [{"cidr": "bad-filter"}]}"#, "Malformed CIDR, one '/' required");
    check_bare(r#"{"a": [{"cidr": "10.0.0.0/xx"}]}"#, "Malformed CIDR, mask bits must be an integer");
    check_bare(r#"{"a": [{"cidr": "10.0.0.0/-1"}]}"#, "Malformed CIDR, mask bits must not be negative");
    check_bare(r#"{"a": [{"cidr": "xx.11.xx/8"}]}"#, "Nonstandard IP address: xx.11.xx");
    check_bare(r#"{"a": [{"cidr": "xxxx:db8:1234:1a00::/8"}]}"#, "Nonstandard IP address: xxxx:db8:1234:1a00::");
    check(r#"{"detail": {"sourceIPAddress": [{"cidr": ["bad-type"]}]}}"#, "prefix match pattern must be a string", 43);
}

#[test]
fn or() {
    check(r#"{"$or": {"a": [1]}}"#, "It must be an Array followed with $or.", 10);
    check(r#"{"$or": [{"a": [1]}]}"#, "There must have at least 2 Objects in $or relationship.", 21);
    check(r#"{"$or": [{"a": [1]}, 2]}"#, "Only JSON object is allowed in array of $or relationship.", 23);
    check(
        r#"{"$or": [{"prefix": ["a"]}, {"a": [1]}]}"#,
        "prefix is Ruler reserved fieldName which cannot be used inside $or.",
        22,
    );
    let ten = format!("[{}]", [r#"{"a": [1]}"#; 10].join(","));
    let levels = |n: usize| (0..n).map(|i| format!(r#""l{i}": {{"$or": {ten}}}"#)).collect::<Vec<_>>().join(",");
    assert!(Pattern::parse(&format!("{{{}}}", levels(3))).is_ok());
    let refused = Pattern::parse(&format!("{{{}}}", levels(4))).unwrap_err();
    assert_eq!(refused.reason(), "$or makes more than 1000 combinations");
}

#[test]
fn json() {
    check(
        "this is no JSON",
        "Unrecognized token 'this': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
        5,
    );
    check(
        "{'bad': 'quotation'}",
        "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
        2,
    );
    check(
        r#"{"not": closed mark""#,
        "Unrecognized token 'closed': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
        15,
    );
    let refused = Pattern::parse("{\"a\":\n  [1,\n 2 3]}").unwrap_err();
    assert_eq!(refused.reason(), "Unexpected character ('3' (code 51)): was expecting comma to separate Array entries");
    assert_eq!(refused.location().map(|l| (l.line, l.column)), Some((3, 4)));
    for broken in [
        r#"{"a": ["x"#,
        r#"{"a"#,
        "{",
        r#"{"a": [1]"#,
        r#"{"a": [1]]"#,
        r#"{"a": [01]}"#,
        r#"{"a": ["\q"]}"#,
        r#"{"a": [1]} x"#,
    ] {
        assert!(Pattern::parse(broken).is_err(), "{broken}");
    }
}

#[test]
fn limits() {
    let long = |n: usize| format!(r#"{{"a": ["{}"]}}"#, "é".repeat(n - 11));
    assert!(Pattern::parse(&long(2048)).is_ok());
    assert_eq!(
        Pattern::parse(&long(2049)).unwrap_err().reason(),
        "Pattern of 2049 characters is longer than 2048 characters"
    );
    assert!(Pattern::parse_with(&long(4096), &Limits::default().with_pattern_chars_max(4096)).is_ok());
    let deep = "{\"a\":".repeat(10_000);
    let large = Limits::default().with_pattern_chars_max(1 << 20);
    assert_eq!(Pattern::parse_with(&deep, &large).unwrap_err().reason(), "Pattern is nested deeper than 200 levels");
    let duplicate = r#"{"a": [1], "a": [2]}"#;
    assert!(Pattern::parse(duplicate).unwrap().matches(br#"{"a": 2}"#).unwrap());
    assert!(!Pattern::parse(duplicate).unwrap().matches(br#"{"a": 1}"#).unwrap());
    let strict = Limits::default().with_duplicate_fields(DuplicateFields::Refuse);
    assert_eq!(
        Pattern::parse_with(duplicate, &strict).unwrap_err().reason(),
        "Path `a` cannot be allowed multiple times"
    );
    let quoted = format!(r#"{{"{}": 1}}"#, "x".repeat(600));
    let shown = Pattern::parse(&quoted).unwrap_err().to_string();
    assert!(shown.contains("x\"[truncated 107 chars]; line: 1, column: 607]"), "{shown}");
}
