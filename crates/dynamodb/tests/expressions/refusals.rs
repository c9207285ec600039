//! What is refused, in AWS's words.

use cauce_dynamodb::expression::{EXPRESSION_BYTES_MAX, ExpressionKind, Placeholders, parse_condition, parse_update};
use cauce_dynamodb::{Given, Item};

use crate::request::{condition, projection, update};

const VALUES: &str = r#"{
    ":a":{"S":"a"}, ":b":{"S":"b"}, ":n":{"N":"1"}, ":two":{"N":"2"}, ":l":{"L":[]}, ":m":{"M":{}}, ":ss":{"SS":["x"]}, ":t":{"BOOL":true},
    ":bin":{"B":"AQID"}, ":z":{"NULL":true}
}"#;

fn in_condition(text: &str, reason: &str) {
    let message = condition(text, VALUES).map(|condition| format!("{condition:?}")).unwrap_err().to_string();
    assert_eq!(message, format!("Invalid ConditionExpression: {reason}"), "{text}");
}

fn in_update(text: &str, reason: &str) {
    let message = update(text, VALUES).map(|update| format!("{update:?}")).unwrap_err().to_string();
    assert_eq!(message, format!("Invalid UpdateExpression: {reason}"), "{text}");
}

fn in_projection(text: &str, reason: &str) {
    let message = projection(text).map(|projection| format!("{projection:?}")).unwrap_err().to_string();
    assert_eq!(message, format!("Invalid ProjectionExpression: {reason}"), "{text}");
}

fn syntax(token: &str, near: &str) -> String {
    format!("Syntax error; token: \"{token}\", near: \"{near}\"")
}

#[test]
fn syntax_errors_name_the_token_and_its_neighbours() {
    for (text, token, near) in [
        ("a", "<EOF>", "a"),
        ("a =", "<EOF>", "="),
        ("a = = :a", "=", "= = :a"),
        ("a x b", "x", "a x b"),
        ("(a = :a", "<EOF>", ":a"),
        ("a = :a)", ")", ":a)"),
        ("a = :a AND", "<EOF>", "AND"),
        ("a OR b = :a", "OR", "a OR b"),
        ("NOT a", "<EOF>", "a"),
        (":a", "<EOF>", ":a"),
        ("a = 5", "5", "= 5"),
        ("a == :a", "=", "== :a"),
        ("a != :a", "!", "a !="),
        ("_a = :a", "_", "_a"),
        ("a-b = :a", "-", "a-b"),
        ("a = 'x'", "'", "= 'x"),
        ("a IN ()", ")", "()"),
        ("a IN :a", ":a", "IN :a"),
        ("a BETWEEN :a", "<EOF>", ":a"),
        ("a BETWEEN :a OR :b", "OR", ":a OR :b"),
        ("attribute_exists(", "<EOF>", "("),
        ("attribute_exists()", ")", "()"),
        ("attribute_exists(a b)", "b", "a b)"),
        ("a[x] = :a", "x", "[x]"),
        ("a[-1] = :a", "-", "[-1"),
        ("a[01] = :a", "1", "01]"),
        ("a[] = :a", "]", "[] ="),
        ("a. = :a", "=", ". = :a"),
        ("a.:a = :a", ":a", ".:a ="),
        ("# = :a", "#", "# ="),
        ("a = :", ":", "= :"),
        ("set = :a", "set", "set ="),
        ("größe = :a", "ö", "größ"),
        ("a = :a b = :b", "b", ":a b ="),
        (" ", "<EOF>", ""),
        ("=", "=", "="),
        ("(a) AND b = :b", "AND", ") AND b"),
    ] {
        in_condition(text, &syntax(token, near));
    }
    for (text, token, near) in [
        ("INVALID SYNTAX HERE", "INVALID", "INVALID SYNTAX"),
        ("SET", "<EOF>", "SET"),
        ("SET a", "<EOF>", "a"),
        ("SET a = :a,", "<EOF>", ","),
        ("SET a = :a b = :b", "b", ":a b ="),
        ("SET a = :n + :n + :n", "+", ":n + :n"),
        ("SET :a = :b", ":a", "SET :a ="),
        ("SET a = if_not_exists(a, :n+:n)", "+", ":n+:n"),
        ("SET a :a", ":a", "a :a"),
        ("SET _123 = :a", "_", "SET _123"),
        ("SET a[#a] = :a", "#a", "[#a]"),
        ("REMOVE", "<EOF>", "REMOVE"),
        ("REMOVE a = :a", "=", "a = :a"),
        ("ADD a", "<EOF>", "a"),
        ("ADD a = :n", "=", "a = :n"),
        ("ADD a b", "b", "a b"),
        ("DELETE a b", "b", "a b"),
        (", SET a = :a", ",", ", SET"),
    ] {
        in_update(text, &syntax(token, near));
    }
    for (text, token, near) in [
        ("a,", "<EOF>", ","),
        (",a", ",", ",a"),
        ("a,,b", ",", ",,b"),
        ("a b", "b", "a b"),
        ("a[:x]", ":x", "[:x]"),
        ("a = :a", "=", "a = :a"),
    ] {
        in_projection(text, &syntax(token, near));
    }
}

#[test]
fn sizes_are_limited() {
    in_condition("", "The expression can not be empty;");
    in_update("", "The expression can not be empty;");
    in_projection("", "The expression can not be empty;");
    let name = |len: usize| "a".repeat(len);
    assert!(projection(&name(EXPRESSION_BYTES_MAX)).is_ok());
    let size = "Expression size has exceeded the maximum allowed size; expression size: 4097";
    in_projection(&name(EXPRESSION_BYTES_MAX + 1), size);
    in_condition(&format!("a = :a{}", " ".repeat(4091)), size);
    let many = |n: usize| vec!["a<:a"; n].join(" OR ");
    assert!(condition(&many(150), VALUES).is_ok());
    in_condition(&many(151), "The expression contains too many operators; operator count: 301");
    in_condition(&many(500), "The expression contains too many operators; operator count: 301");
    let operands = |n: usize| format!("a IN ({})", vec![":a"; n].join(","));
    assert!(condition(&operands(100), VALUES).is_ok());
    in_condition(&operands(101), "The IN operator is provided with too many operands; number of operands: 101");
    in_projection(
        &format!("a{}", ".b".repeat(32)),
        "The document path has too many nesting levels; nesting levels: 33",
    );
    in_condition("a[2147483648] = :a", "List index is not within the allowable range; index: [2147483648]");
    in_projection(
        "a[99999999999999999999]",
        "List index is not within the allowable range; index: [99999999999999999999]",
    );
    assert!(projection("a[2147483647]").is_ok());
}

#[test]
fn parentheses_must_say_something() {
    for text in [
        "((a = :a))",
        "((a)) = :a",
        "a = ((:a))",
        "((attribute_exists(a)))",
        "NOT ((a = :a))",
        "a IN (((:a)))",
        "size(((a))) = :n",
    ] {
        in_condition(text, "The expression has redundant parentheses;");
    }
    in_update("SET a = ((:a))", "The expression has redundant parentheses;");
}

#[test]
fn reserved_words_need_placeholders() {
    in_condition("status = :a", "Attribute name is a reserved keyword; reserved keyword: status");
    in_condition("a.Name = :a", "Attribute name is a reserved keyword; reserved keyword: Name");
    in_condition("attribute_exists(data)", "Attribute name is a reserved keyword; reserved keyword: data");
    in_update("SET status = :a", "Attribute name is a reserved keyword; reserved keyword: status");
    in_update("REMOVE a.Items[0]", "Attribute name is a reserved keyword; reserved keyword: Items");
    in_projection("a, #b, size", "Attribute name is a reserved keyword; reserved keyword: size");
    assert!(condition("#status = :a", VALUES).is_ok());
    // Before placeholders that are not defined.
    in_condition("#zzz = :zzz AND status = :a", "Attribute name is a reserved keyword; reserved keyword: status");
}

#[test]
fn functions_stand_where_they_may() {
    in_condition("f(a)", "Invalid function name; function: f");
    in_condition("ATTRIBUTE_EXISTS(a)", "Invalid function name; function: ATTRIBUTE_EXISTS");
    in_condition(
        "a = if_not_exists(a, :a)",
        "The function is not allowed in a condition expression; function: if_not_exists",
    );
    in_condition("size(a)", "The function is not allowed to be used this way in an expression; function: size");
    in_condition("NOT size(a)", "The function is not allowed to be used this way in an expression; function: size");
    in_condition(
        "attribute_exists(a) = :t",
        "The function is not allowed to be used this way in an expression; function: attribute_exists",
    );
    in_condition(
        "contains(a, begins_with(b, :a))",
        "The function is not allowed to be used this way in an expression; function: begins_with",
    );
    let count = |name: &str, n: usize| {
        format!(
            "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {n}"
        )
    };
    in_condition("attribute_exists(a, b)", &count("attribute_exists", 2));
    in_condition("begins_with(a)", &count("begins_with", 1));
    in_condition("contains(a, b, :a)", &count("contains", 3));
    in_condition("size(a, b) = :n", &count("size", 2));
    in_update("SET a = f(b, c)", "Invalid function name; function: f");
    in_update("SET a = size(b)", "The function is not allowed in an update expression; function: size");
    in_update("SET a = LIST_APPEND(a, :l)", "Invalid function name; function: LIST_APPEND");
    in_update("SET a = list_append(:l)", &count("list_append", 1));
    in_update("SET a = if_not_exists(a, :n, :n)", &count("if_not_exists", 3));
    let nested = "The function is not allowed to be used this way in an expression; function: list_append";
    in_update("SET a = list_append(list_append(:l, :l), :l)", nested);
    let path = |name: &str| format!("Operator or function requires a document path; operator or function: {name}");
    in_condition("attribute_exists(:a)", &path("attribute_exists"));
    in_condition("attribute_not_exists(size(a))", &path("attribute_not_exists"));
    in_update("SET a = if_not_exists(:n, :n)", &path("if_not_exists"));
    in_update("SET a = if_not_exists(if_not_exists(a, :n), :n)", &path("if_not_exists"));
}

#[test]
fn operands_have_the_types_that_operators_take() {
    let kind = |operator: &str, kind: &str| {
        format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}"
        )
    };
    in_condition("a < :l", &kind("<", "L"));
    in_condition(":m >= a", &kind(">=", "M"));
    in_condition("a > :t", &kind(">", "BOOL"));
    in_condition("a <= :ss", &kind("<=", "SS"));
    in_condition("a BETWEEN :l AND :l", &kind("BETWEEN", "L"));
    in_condition("begins_with(a, :n)", &kind("begins_with", "N"));
    in_condition("begins_with(size(a), :a)", &kind("begins_with", "N"));
    in_condition("attribute_type(a, :n)", &kind("attribute_type", "N"));
    in_condition("attribute_type(a, b)", &kind("attribute_type", "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"));
    in_condition("size(:n) = :n", &kind("size", "N"));
    in_condition("size(:z) = :n", &kind("size", "NULL"));
    in_condition("size(size(a)) = :n", &kind("size", "N"));
    in_condition(
        "attribute_type(a, :a)",
        "Invalid attribute type name found; type: a, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
    );
    in_update("SET a = :a + :n", &kind("+", "S"));
    in_update("SET a = a - :l", &kind("-", "L"));
    in_update("SET a = list_append(a, :a)", &kind("list_append", "S"));
    in_update("SET a = list_append(:l, :l) + :n", &kind("+", "L"));
    let section = |section: &str, kind: &str| {
        format!(
            "Incorrect operand type for operator or function; operator: {section}, operand type: {kind}, typeSet: ALLOWED_FOR_{section}_OPERAND"
        )
    };
    in_update("ADD a :a", &section("ADD", "STRING"));
    in_update("ADD a :l", &section("ADD", "LIST"));
    in_update("ADD a :m", &section("ADD", "MAP"));
    in_update("ADD a :t", &section("ADD", "BOOLEAN"));
    in_update("ADD a :bin", &section("ADD", "BINARY"));
    in_update("DELETE a :n", &section("DELETE", "NUMBER"));
    in_update("DELETE a :z", &section("DELETE", "NULL"));
}

#[test]
fn operands_differ_and_bounds_are_in_order() {
    let same = |operator: &str, path: &str| {
        format!(
            "The first operand must be distinct from the remaining operands for this operator or function; operator: {operator}, first operand: {path}"
        )
    };
    in_condition("a = a", &same("=", "[a]"));
    in_condition("a <> #a", &same("<>", "[a]"));
    in_condition("a.b[1] < a.b[1]", &same("<", "[a, b, [1]]"));
    in_condition("a BETWEEN :a AND a", &same("BETWEEN", "[a]"));
    in_condition("a IN (b, a)", &same("IN", "[a]"));
    in_condition("contains(a, a)", &same("contains", "[a]"));
    in_condition("begins_with(b, #b)", &same("begins_with", "[b]"));
    in_update("SET b = if_not_exists(a, a)", &same("if_not_exists", "[a]"));
    assert!(condition("size(a) = size(b)", VALUES).is_ok() && condition("a.b = a.c", VALUES).is_ok());
    let bounds = |problem: &str, lower: &str, upper: &str| {
        format!(
            "The BETWEEN operator requires {problem}; lower bound operand: AttributeValue: {{{lower}}}, upper bound operand: AttributeValue: {{{upper}}}"
        )
    };
    in_condition("a BETWEEN :n AND :a", &bounds("same data type for lower and upper bounds", "N:1", "S:a"));
    in_condition(
        "a BETWEEN :two AND :n",
        &bounds("upper bound to be greater than or equal to lower bound", "N:2", "N:1"),
    );
    in_condition(
        "a BETWEEN :bin AND :a",
        &bounds("same data type for lower and upper bounds", "B:java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]", "S:a"),
    );
}

#[test]
fn paths_neither_overlap_nor_conflict() {
    let overlap = |one: &str, two: &str| {
        format!(
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
        )
    };
    in_projection("a, a", &overlap("[a]", "[a]"));
    in_projection("a, #a", &overlap("[a]", "[a]"));
    in_projection("a, b, a.b[2].c", &overlap("[a]", "[a, b, [2], c]"));
    in_projection("a.b.d.e, a.b", &overlap("[a, b, d, e]", "[a, b]"));
    in_projection("a.b[0], a.b[0]", &overlap("[a, b, [0]]", "[a, b, [0]]"));
    in_update("SET a = :a REMOVE a", &overlap("[a]", "[a]"));
    in_update("SET a[1] = :a, a[1][1] = :b", &overlap("[a, [1]]", "[a, [1], [1]]"));
    let conflict = |one: &str, two: &str| {
        format!(
            "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
        )
    };
    in_projection("a.b, a[1]", &conflict("[a, b]", "[a, [1]]"));
    in_update("SET a.b.c = :a, a.b[2] = :b", &conflict("[a, b, c]", "[a, b, [2]]"));
}

#[test]
fn sections_stand_once() {
    in_update("SET a = :a SET b = :b", "The \"SET\" section can only be used once in an update expression;");
    in_update("SET a = :a REMOVE c set b = :b", "The \"SET\" section can only be used once in an update expression;");
    in_update("REMOVE a REMOVE a", "The \"REMOVE\" section can only be used once in an update expression;");
}

#[test]
fn placeholders_are_defined_and_used() {
    in_condition(
        "#zzz = :a",
        "An expression attribute name used in the document path is not defined; attribute name: #zzz",
    );
    in_condition("a = :zzz", "An expression attribute value used in expression is not defined; attribute value: :zzz");
    in_update(
        "SET #zzz = :a",
        "An expression attribute name used in the document path is not defined; attribute name: #zzz",
    );
    in_update("SET a = :zzz", "An expression attribute value used in expression is not defined; attribute value: :zzz");
    in_projection(
        "a.#zzz",
        "An expression attribute name used in the document path is not defined; attribute name: #zzz",
    );

    let unused = |names: &str, values: &str| {
        let mut placeholders =
            Placeholders::new(Some(serde_json::from_str(names).unwrap()), Some(serde_json::from_str(values).unwrap()))
                .unwrap();
        parse_update("SET #a = :a", &mut placeholders).unwrap();
        parse_condition(ExpressionKind::Condition, "#b = :b AND #b <> :b", &mut placeholders).unwrap();
        placeholders.finish().unwrap_err().to_string()
    };
    let (names, values) =
        (r##"{"#a":"a","#b":"b"}"##, r#"{":a":{"N":"1"},":b":{"N":"2"},":d":{"N":"1"},":c":{"N":"1"}}"#);
    assert_eq!(
        unused(names, values),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:c, :d}"
    );
    let names = r##"{"#a":"a","#b":"b","#c":"c"}"##;
    assert_eq!(unused(names, values), "Value provided in ExpressionAttributeNames unused in expressions: keys: {#c}");
}

#[test]
fn placeholders_are_well_formed() {
    let refused = |names: Option<&str>, values: Option<&str>| {
        let values: Option<Given<Item>> = values.map(|json| serde_json::from_str(json).unwrap());
        Placeholders::new(names.map(|json| serde_json::from_str(json).unwrap()), values)
            .map(drop)
            .unwrap_err()
            .to_string()
    };
    let names = |json: &str, message: &str| {
        assert_eq!(refused(Some(json), None), format!("ExpressionAttributeNames {message}"))
    };
    let values = |json: &str, message: &str| {
        assert_eq!(refused(None, Some(json)), format!("ExpressionAttributeValues {message}"))
    };
    names("{}", "must not be empty");
    values("{}", "must not be empty");
    names(r#"{"a":"a"}"#, r#"contains invalid key: Syntax error; key: "a""#);
    names(r##"{"#":"a"}"##, r##"contains invalid key: Syntax error; key: "#""##);
    names(r##"{"#a-b":"a"}"##, r##"contains invalid key: Syntax error; key: "#a-b""##);
    names(r##"{"#a":""}"##, "contains invalid value: Empty attribute name for key #a");
    values(r#"{"a":{"S":"x"}}"#, r#"contains invalid key: Syntax error; key: "a""#);
    values(r##"{"#a":{"S":"x"}}"##, r##"contains invalid key: Syntax error; key: "#a""##);
    values(r#"{":":{"S":"x"}}"#, r#"contains invalid key: Syntax error; key: ":""#);
    values(
        r#"{":a":{}}"#,
        "contains invalid value: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes for key :a",
    );
    values(
        r#"{":a":{"N":"dog"}}"#,
        "contains invalid value: The parameter cannot be converted to a numeric value: dog for key :a",
    );
    let long = "a".repeat(255);
    names(
        &format!(r##"{{"#{long}":"a"}}"##),
        "contains invalid key: The expression attribute map contains a key that is too long; size of key: 256",
    );
    assert!(
        Placeholders::new(Some(serde_json::from_str(&format!(r##"{{"#{}":"a"}}"##, &long[1..])).unwrap()), None)
            .is_ok()
    );
    let large = format!(r#"{{":a":{{"S":"{}"}}}}"#, "x".repeat(2 << 20));
    values(&large, "exceeds max size");

    let refused = |names: bool, values: bool| {
        let (some, given) = (serde_json::from_str("{}").unwrap(), serde_json::from_str("{}").unwrap());
        let valued = ["FilterExpression", "KeyConditionExpression"];
        Placeholders::refuse(names.then_some(&some), values.then_some(&given), &valued)
            .map_err(|error| error.to_string())
    };
    assert_eq!(refused(false, false), Ok(()));
    assert_eq!(
        refused(true, true).unwrap_err(),
        "ExpressionAttributeNames can only be specified when using expressions"
    );
    assert_eq!(
        refused(false, true).unwrap_err(),
        "ExpressionAttributeValues can only be specified when using expressions: FilterExpression and \
         KeyConditionExpression are null"
    );
}
