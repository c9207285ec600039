//! What is read as a value, and what is refused in which words.

use cauce_dynamodb::{AttributeValue, Given, Item, ValueError};

fn given(json: &str) -> Result<AttributeValue, ValueError> {
    let given: Given<AttributeValue> = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    given.checked().map_err(|refused| refused.error)
}

#[test]
fn values_are_read_and_written() {
    for json in [
        r#"{"S":""}"#,
        r#"{"S":"a\"é"}"#,
        r#"{"N":"-1.5"}"#,
        r#"{"B":""}"#,
        r#"{"B":"AQID"}"#,
        r#"{"BOOL":true}"#,
        r#"{"BOOL":false}"#,
        r#"{"NULL":true}"#,
        r#"{"M":{}}"#,
        r#"{"M":{"":{"S":"a"},"b":{"M":{}}}}"#,
        r#"{"L":[]}"#,
        r#"{"L":[{"N":"1"},{"L":[{"NULL":true}]}]}"#,
        r#"{"SS":[""]}"#,
        r#"{"SS":["a","b"]}"#,
        r#"{"NS":["-1","2","10"]}"#,
        r#"{"BS":["","AQ=="]}"#,
    ] {
        assert_eq!(serde_json::to_string(&given(json).unwrap()).unwrap(), json);
    }
    let read = |json: &str| serde_json::to_string(&given(json).unwrap()).unwrap();
    assert_eq!(read(r#"{"S":"a","N":null,"Unknown":{"deep":[1]}}"#), r#"{"S":"a"}"#);
    assert_eq!(read(r#"{"N":"1.50E1"}"#), r#"{"N":"15"}"#);
}

#[test]
fn what_aws_refuses_is_refused_in_its_words() {
    let check = |json: &str, message: &str| assert_eq!(given(json).unwrap_err().to_string(), message, "{json}");
    let empty = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
    let several =
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes";
    let invalid = "One or more parameter values were invalid:";
    check("{}", empty);
    check("null", empty);
    check(r#"{"s":"a"}"#, empty);
    check(r#"{"S":null}"#, empty);
    check(r#"{"S":"a","N":"1"}"#, several);
    check(r#"{"N":"x","S":"a"}"#, "The parameter cannot be converted to a numeric value: x");
    check(r#"{"L":[{"S":"a"},{}]}"#, empty);
    check(r#"{"L":[null]}"#, empty);
    check(r#"{"M":{"a":{"L":[{"S":"a","BOOL":true}]}}}"#, several);
    check(r#"{"NULL":false}"#, &format!("{invalid} Null attribute value types must have the value of true"));
    check(r#"{"SS":[]}"#, &format!("{invalid} An string set  may not be empty"));
    check(r#"{"NS":[]}"#, &format!("{invalid} An number set  may not be empty"));
    check(r#"{"BS":[]}"#, &format!("{invalid} Binary sets should not be empty"));
    check(r#"{"SS":["a","b","a"]}"#, &format!("{invalid} Input collection [a, b, a] contains duplicates."));
    check(r#"{"NS":["1","1.0"]}"#, "Input collection contains duplicates");
    check(
        r#"{"BS":["AQ==","AQ=="]}"#,
        &format!("{invalid} Input collection [AQ==, AQ==]of type BS contains duplicates."),
    );
    check(r#"{"N":""}"#, "The parameter cannot be converted to a numeric value");
    check(r#"{"NS":["1",""]}"#, "The parameter cannot be converted to a numeric value");
    check(r#"{"NS":["1","dog"]}"#, "The parameter cannot be converted to a numeric value: dog");
}

#[test]
fn what_is_no_json_of_a_value_is_not_read() {
    for json in [
        r#"{"S":5}"#,
        r#"{"S":true}"#,
        r#"{"S":{}}"#,
        r#"{"N":123}"#,
        r#"{"B":"x"}"#,
        r#"{"B":"AQ=1"}"#,
        r#"{"BOOL":"true"}"#,
        r#"{"NULL":"true"}"#,
        r#"{"M":[]}"#,
        r#"{"M":"x"}"#,
        r#"{"L":{}}"#,
        r#"{"SS":"a"}"#,
        r#"{"SS":[1]}"#,
        r#"{"NS":[1]}"#,
        r#""S""#,
        "5",
        "[]",
    ] {
        assert!(serde_json::from_str::<Given<AttributeValue>>(json).is_err(), "{json}");
    }
}

#[test]
fn the_refused_attribute_is_named() {
    let item: Given<Item> = serde_json::from_str(r#"{"a":{"S":"x"},"b":{"L":[{}]},"c":{"N":"x"}}"#).unwrap();
    assert_eq!(item.checked().unwrap_err().name, "b");
}

#[test]
fn values_nest_32_levels_and_no_deeper() {
    let nested = |open: &str, close: &str, wraps: usize| {
        format!("{}{}{}", open.repeat(wraps), r#"{"S":"leaf"}"#, close.repeat(wraps))
    };
    for (open, close) in [(r#"{"M":{"n":"#, "}}"), (r#"{"L":["#, "]}")] {
        let deepest = given(&nested(open, close, 31)).unwrap();
        assert_eq!(deepest.levels(), 32);
        for wraps in [32, 60, 100_000] {
            let message = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels \
                           beyond supported limit";
            assert_eq!(given(&nested(open, close, wraps)).unwrap_err().to_string(), message);
        }
    }
}
