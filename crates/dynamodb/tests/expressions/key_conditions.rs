//! What a query reads.

use cauce_dynamodb::ValueType;
use cauce_dynamodb::expression::{ExpressionError, KeyTest};

use crate::request::key_condition;

const VALUES: &str = r#"{":p":{"S":"k"},":n":{"N":"1"},":m":{"N":"2"},":e":{"S":""},":b":{"B":""},":s":{"S":"x"}}"#;

/// The test of the sort key, in a table with partition key `p` and sort key `s`.
fn on(text: &str, sort: ValueType) -> Result<Option<KeyTest>, String> {
    let condition = key_condition(text, VALUES).map_err(|error| error.to_string())?;
    let (partition, test) = condition.on(("p", ValueType::S), Some(("s", sort))).map_err(|error| error.to_string())?;
    assert_eq!(serde_json::to_string(&partition).unwrap(), r#"{"S":"k"}"#);
    Ok(test)
}

#[test]
fn tests_of_keys_are_understood() {
    let check = |text: &str, expected: &str| {
        assert_eq!(format!("{:?}", on(text, ValueType::N).unwrap()), expected, "{text}");
    };
    check("p = :p", "None");
    check(":p = p", "None");
    check("(p = :p)", "None");
    check("p = :p AND s = :n", "Some(Equal(N(1)))");
    check("s < :n AND p = :p", "Some(Less(N(1)))");
    check("p = :p AND :n < s", "Some(Greater(N(1)))");
    check("p = :p AND :n >= s", "Some(LessOrEqual(N(1)))");
    check("p = :p AND s BETWEEN :n AND :m", "Some(Between(N(1), N(2)))");
    check("(p = :p) and (s >= :n)", "Some(GreaterOrEqual(N(1)))");
    assert!(matches!(on("p = :p AND begins_with(s, :s)", ValueType::S), Ok(Some(KeyTest::BeginsWith(_)))));
    assert!(matches!(on("p = :p AND begins_with(s, :e)", ValueType::S), Ok(Some(KeyTest::BeginsWith(_)))));
}

#[test]
fn anything_else_is_refused() {
    let check = |text: &str, message: &str| assert_eq!(on(text, ValueType::N).unwrap_err(), message, "{text}");
    check("p = :p OR s = :n", "Invalid operator used in KeyConditionExpression: OR");
    check("NOT p = :p", "Invalid operator used in KeyConditionExpression: NOT");
    check("p = :p AND s <> :n", "Invalid operator used in KeyConditionExpression: <>");
    check("p IN (:p)", "Invalid operator used in KeyConditionExpression: IN");
    check("p = :p AND contains(s, :s)", "Invalid operator used in KeyConditionExpression: contains");
    check("attribute_exists(p)", "Invalid operator used in KeyConditionExpression: attribute_exists");
    check("p = :p AND size(s) = :n", "KeyConditionExpressions cannot contain nested operations");
    check("p = s", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition");
    check(
        "begins_with(p, s)",
        "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
    );
    check("p.x = :p", "KeyConditionExpressions cannot have conditions on nested attributes");
    check("p = :p AND s[0] = :n", "KeyConditionExpressions cannot have conditions on nested attributes");
    check(":p = :s", "Invalid condition in KeyConditionExpression: No key attribute specified");
    check(
        ":n BETWEEN p AND :m",
        "Invalid condition in KeyConditionExpression: BETWEEN operator must have the key attribute as its first operand",
    );
    check("p = :p AND s > :n AND s < :m", "KeyConditionExpressions must only contain one condition per key");
    check("s = :n", "Query condition missed key schema element: p");
    check("z = :n", "Query condition missed key schema element: p");
    check("p = :p AND z = :n", "Query condition missed key schema element: s");
    check("p = :p AND s = :n AND z = :n", "Query key condition not supported");
    check("p > :p", "Query key condition not supported");
    check("begins_with(p, :p)", "Query key condition not supported");
    let wrong = "One or more parameter values were invalid: Condition parameter type does not match schema type";
    check("p = :n", wrong);
    check("p = :p AND s = :s", wrong);
    check("p = :p AND begins_with(s, :s)", wrong);
    let empty = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
                 string value. Key: ";
    check("p = :e", &format!("{empty}p"));
    assert_eq!(on("p = :p AND s > :e", ValueType::S).unwrap_err(), format!("{empty}s"));
    check("", "Invalid KeyConditionExpression: The expression can not be empty;");
    check("((p = :p))", "Invalid KeyConditionExpression: The expression has redundant parentheses;");
    check(
        "status = :p",
        "Invalid KeyConditionExpression: Attribute name is a reserved keyword; reserved keyword: status",
    );
}

#[test]
fn a_table_without_a_sort_key_has_one_test() {
    let message = |text: &str| -> String {
        let condition = key_condition(text, VALUES).unwrap();
        ExpressionError::from(condition.on(("p", ValueType::S), None).unwrap_err()).to_string()
    };
    assert_eq!(message("p = :p AND s = :n"), "Query key condition not supported");
    assert_eq!(message("s = :n"), "Query condition missed key schema element: p");
}
