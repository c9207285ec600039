//! Every form against tables drawn from the guide.

use super::{PATTERN_CHARS_MAX, Pattern, PatternError};

fn check(pattern: &str, message: &str, expect: bool) {
    let compiled = Pattern::compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let why = compiled.explain(message);
    assert_eq!(why.matches, expect, "{pattern} on {message}: {:?}", why.reasons);
    assert_eq!(compiled.matches(message), expect, "explaining changes nothing: {pattern} on {message}");
    assert!(expect || !why.reasons.is_empty(), "{pattern} on {message} says no reason");
}

fn refuse(pattern: &str) -> PatternError {
    match Pattern::compile(pattern) {
        Err(error) => error,
        Ok(_) => panic!("{pattern} is accepted"),
    }
}

#[test]
fn terms() {
    for (pattern, message, expect) in [
        ("", "anything", true),
        ("   ", "anything", true),
        ("\" \"", "no-blank-here", true),
        ("\"\"", "anything", true),
        ("ERROR", "[ERROR 400] BAD REQUEST", true),
        ("ERROR", "Exiting with ERRORCODE: -1", true),
        ("ERROR", "error", false),
        ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", true),
        ("ARGUMENTS ERROR", "[ERROR 419] MISSING ARGUMENTS", true),
        ("ERROR ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", false),
        ("?ERROR ?WARN", "ERROR message", true),
        ("?ERROR ?WARN", "WARN message", true),
        ("?ERROR ?WARN", "INFO message", false),
        ("?ERROR ?ARGUMENTS REQUEST", "[INFO] REQUEST FAILED", true),
        ("?ERROR ?ARGUMENTS REQUEST", "[ERROR] ARGUMENTS", false),
        ("?ERROR -WARN", "INFO", true),
        ("?\"Task timed out\" ?REPORT", "2026 Task timed out after 3.00 seconds", true),
        ("ERROR -WARN", "ERROR message", true),
        ("ERROR -WARN", "ERROR WARN message", false),
        ("-WARN", "ERROR", true),
        ("-WARN", "WARN", false),
        ("ERROR -\"bad arguments\"", "ERROR bad arguments", false),
        ("ERROR -\"bad arguments\"", "ERROR arguments bad", true),
        ("\"INTERNAL SERVER ERROR\"", "[ERROR 500] INTERNAL SERVER ERROR", true),
        ("\"INTERNAL SERVER ERROR\"", "SERVER ERROR, INTERNAL", false),
        ("\"ERROR\" \"Exception\"", "[ERROR] Caught IllegalArgumentException", true),
        (r#""say \"hi\"""#, r#"they say "hi""#, true),
        (r#""a\\b""#, r"a\b", true),
        (r#""\d""#, r"a \d b", true),
        ("\"{\\\"level\\\":\\\"error\\\"}\"", r#"x {"level":"error"} y"#, true),
        ("\"größe\"", "die größe zählt", true),
        ("a_b9", "xa_b9y", true),
    ] {
        check(pattern, message, expect);
    }
}

#[test]
fn json_values() {
    let event = r#"{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "cluster.name": "c",
        "n": 5, "f": 5.5, "neg": -3, "big": 9007199254740993, "text": "5", "yes": true, "no": false, "empty": "", "star": "Ev*ent",
        "weird-name_1": "w", "nested": {"deep": {"er": "x"}}}"#;
    for (pattern, expect) in [
        (r#"{ $.eventType = "UpdateTrail" }"#, true),
        ("{ $.eventType = UpdateTrail }", true),
        ("{$.eventType=UpdateTrail}", true),
        ("{ $.eventType = updatetrail }", false),
        ("{ $.eventType = *Trail }", true),
        ("{ $.eventType = Update* }", true),
        (r#"{ $.eventType = "*date*" }"#, true),
        ("{ $.eventType = Up*Trail }", false),
        ("{ $.star = \"Ev*ent\" }", true),
        ("{ $.eventType = * }", true),
        ("{ $.eventType = \"*\" }", true),
        ("{ $.missing = \"*\" }", false),
        ("{ $.SomeObject = \"*\" }", false),
        ("{ $.eventType != UpdateTrail }", false),
        ("{ $.eventType != Other }", true),
        ("{ $.missing != Other }", false),
        ("{ $.SomeObject != Other }", false),
        ("{ $.sourceIPAddress != 123.123.* }", true),
        ("{ $.sourceIPAddress = 111.111.* }", true),
        (r#"{ $.arrayKey[0] = "value" }"#, true),
        (r#"{ $.arrayKey[1] = "another value" }"#, true),
        (r#"{ $.arrayKey[2] = "value" }"#, false),
        (r#"{ $.eventType[0] = "U" }"#, false),
        ("{ $.objectList[1].id = 2 }", true),
        ("{ $.objectList[*].id = 2 }", true),
        ("{ $.objectList[*].id = 3 }", false),
        ("{ $.arrayKey[*] = %val.{2}% }", true),
        (r"{ $.* = %111\.111\.111\.1[0-9]{1,2}% }", true),
        ("{ $.* = nonesuch }", false),
        ("{ $.eventType = %Trail% }", true),
        ("{ $.eventType != %Trail% }", false),
        ("{ $.eventType = %^Trail% }", false),
        ("{ $.['cluster.name'] = \"c\" }", true),
        ("{ $.['nested'].deep.er = x }", true),
        ("{ $.nested.deep = x }", false),
        ("{ $.nested.deep != x }", false),
        ("{ $.arrayKey = value }", false),
        ("{ $.arrayKey != value }", false),
        ("{ $.weird-name_1 = w }", true),
        ("{ $.empty = \"\" }", true),
        ("{ $.n = 5 }", true),
        ("{ $.n = 5.0 }", true),
        ("{ $.n = 0.5e1 }", true),
        ("{ $.n = \"5\" }", true),
        ("{ $.n = \"5*\" }", true),
        ("{ $.n = 5* }", true),
        ("{ $.n != 5 }", false),
        ("{ $.n > 4 }", true),
        ("{ $.n > 5 }", false),
        ("{ $.n >= 5 }", true),
        ("{ $.n < 50e-1 }", false),
        ("{ $.n <= 50E-1 }", true),
        ("{ $.n < +5.01 }", true),
        ("{ $.f > 5 }", true),
        ("{ $.f = 5.5 }", true),
        ("{ $.neg < -2 }", true),
        ("{ $.neg = -3 }", true),
        ("{ $.big = 9007199254740993 }", true),
        ("{ $.big = 9007199254740992 }", false),
        ("{ $.text = 5 }", true),
        ("{ $.text > 4 }", false),
        ("{ $.SomeObject IS NULL }", true),
        ("{ $.eventType IS NULL }", false),
        ("{ $.missing IS NULL }", false),
        ("{ $.yes IS TRUE }", true),
        ("{ $.yes IS FALSE }", false),
        ("{ $.no IS FALSE }", true),
        ("{ $.text IS TRUE }", false),
        ("{ $.yes = true }", true),
        ("{ $.no != true }", true),
        ("{ $.missing NOT EXISTS }", true),
        ("{ $.SomeObject NOT EXISTS }", false),
        ("{ $.nested.deep.er NOT EXISTS }", false),
        ("{ $.nested.deep.est NOT EXISTS }", true),
        ("{ $.eventType.x NOT EXISTS }", true),
        ("{ $.objectList[*].nope NOT EXISTS }", true),
    ] {
        check(pattern, event, expect);
    }
}

#[test]
fn json_combinations() {
    let event = r#"{"user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"], "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]]}"#;
    for (pattern, expect) in [
        (r#"{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }"#, true),
        (
            r#"{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch" && $.actions[2] = "nonmatch" }"#,
            true,
        ),
        (
            r#"{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch") && $.actions[2] = "nonmatch" }"#,
            false,
        ),
        (r#"{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }"#, false),
        ("{ $.coordinates[0][1] = 1 }", true),
        ("{((($.user.id=1)))}", true),
        ("{ $.user.id = 1 && ($.actions[0] = GET || $.x NOT EXISTS) && $.coordinates[2][2] >= 9 }", true),
        ("{ $.user.id=1&&$.actions[0]=PUT||$.actions[1]=PUT }", true),
    ] {
        check(pattern, event, expect);
    }
    check("{ $.a = 1 }", "not json", false);
    check("{ $.a = 1 }", r#"[{"a": 1}]"#, false);
    check("{ $.a = 1 }", r#"{"a": 1"#, false);
    check("{ $.a = 1 }", r#"  {"a": 1}"#, true);
    check("{ $.a NOT EXISTS }", "not json", false);
    check("{ $.a = 1 }", &format!("{}1{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000)), false);
}

#[test]
fn fields() {
    let access = r#"127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;
    for (pattern, expect) in [
        ("[ip, user, username, timestamp, request, status_code, bytes]", true),
        ("[ip,user,username,timestamp,request,status_code,bytes,more]", false),
        ("[ip, user]", true),
        ("[..., request =*.html*, status_code = 4*, bytes]", true),
        ("[..., request=*.html*, status_code=4*,]", true),
        ("[..., request =*.html*, status_code = 5*, bytes]", false),
        (r"[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]", true),
        (r"[ip=%127\.0\.0\.[2-9]%, ...]", false),
        ("[ip, user, username, timestamp, request, status_code = 404 || status_code = 410, bytes]", true),
        ("[ip, user, username, timestamp, request, status_code = 400 || status_code = 410, bytes]", false),
        ("[ip, user, username, timestamp, request, status_code = 4* && status_code != 403, bytes]", true),
        ("[ip, user, username, timestamp, request, status_code = 4* && status_code != 404, bytes]", false),
        (
            "[ip, user, username, timestamp, request, (status_code = 1 || status_code = 4*) && status_code != 1, bytes]",
            true,
        ),
        ("[..., bytes > 1000]", true),
        ("[..., bytes > 1534]", false),
        ("[..., bytes >= 1.534e3]", true),
        ("[..., bytes = 1534]", true),
        ("[..., ip > 1]", true),
        ("[user > 1, ...]", false),
        ("[ip, user, ...]", true),
        ("[ip, user = Prod, ...]", true),
        ("[ip, user, \u{2026}, status_code, bytes]", true),
        ("[..., a, b, c, d, e, f, g, h]", false),
        ("[a, b, c, d, e, f, g, ...]", true),
        ("[a, b, c, d, e, f, g, h, ...]", false),
        ("[a, ..., b, c, d, e, f, g]", true),
        ("[a, ..., b, c, d, e, f, g, h]", false),
        ("[ip, user, username, timestamp = \"10/Oct/2000:13:25:15 -0700\", ...]", true),
        ("[ip, user, username, timestamp, request = \"GET /index.html HTTP/1.0\", ...]", true),
        ("[...]", true),
    ] {
        check(pattern, access, expect);
    }
    for (pattern, message, expect) in [
        ("[w1=ERROR, w2]", "ERROR 09/25/2014 12:00:02 Failed to process request", true),
        ("[w1=ERROR, w2]", "INFO 09/25/2014 12:00:00 GET /service/resource/67 1200", false),
        ("[w1=ERROR, w2]", "ERROR", false),
        ("[w1=ERROR]", "ERROR", true),
        ("[w1=ERROR]", "ERROR more", false),
        ("[w1=ERROR || w1=WARNING, w2]", "WARNING 09/25/2014 12:00:02 Invalid user request", true),
        ("[w1!=ERROR && w1!=WARNING, w2]", "INFO 09/25/2014", true),
        ("[w1!=ERROR&&w1!=WARNING,w2]", "WARNING 09/25/2014", false),
        (
            "[logLevel, date, time, method, url=%/service/resource/[0-9]+$%, response_time]",
            "INFO 09/25/2014 12:00:00 GET /service/resource/67 1200",
            true,
        ),
        (
            "[logLevel, date, time, method, url=%/service/resource/[0-9]+$%, response_time]",
            "INFO 09/25/2014 12:00:01 POST /service/resource/67/part/111 1310",
            false,
        ),
        (
            "[timestamp=*Z, request_id=\"*-*\", event]",
            "2016-10-05T23:54:29.000Z\t5a3e-11\tthe message has words\n",
            true,
        ),
        ("[timestamp=*Z, request_id=\"*-*\", event]", "START RequestId: 5a3e-11 Version: $LATEST", false),
        ("[a, rest = \"b  c\"]", "x b  c ", true),
        ("[a, b = \"\", c]", r#"x "" y"#, true),
        ("[a, b = \"un\", c]", r#""open un closed"#, true),
        ("[a = *say*, b = end]", r#""they \"say\" so" end"#, true),
        ("[a]", "", false),
        ("[a]", "   ", false),
        ("[...]", "", true),
        ("[,b=2,]", "1 2 3", true),
    ] {
        check(pattern, message, expect);
    }
}

#[test]
fn regexes() {
    for (pattern, message, expect) in [
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", true),
        ("%^[hc]at%", "hat", true),
        ("%^[hc]at%", "a hat", false),
        ("%[hc]at$%", "a cat", true),
        ("%[hc]at$%", "cats", false),
        ("%colou?r%", "color", true),
        ("%^[abcx-z]$%", "y", true),
        ("%^[abcx-z]$%", "d", false),
        ("%^a{3,5}$%", "aaaa", true),
        ("%^a{3,5}$%", "aaaaaa", false),
        ("%^a{3, 5}$%", "aaa", true),
        ("%^a{,2}$%", "", true),
        ("%^a{2,}$%", "a", false),
        ("%^a{2}$%", "aa", true),
        ("%^starting|^initializing|^shutting down%", "shutting down now", true),
        ("%^starting|^initializing|^shutting down%", "skipping initializing", false),
        (r"%\[.\]%", "x [7] y", true),
        (r"%\[.\]%", "x 7 y", false),
        (r"%10\.10\.0\.1%", "10.10.0.1", true),
        (r"%10\.10\.0\.1%", "10010,051", false),
        ("%10.10.0.1%", "10010,051", true),
        ("%ab*c%", "ac", true),
        ("%ab+c%", "ac", false),
        ("%ab+?c%", "abbc", true),
        (r"%\d\D\w\W\s\S%", "1aA! b", true),
        (r"%\x28%", "(", true),
        (r"%\x3A%", ":", true),
        ("%[^c]%", "c", false),
        ("%[^c]%", "d", true),
        ("%[a-]%", "-", true),
        ("%[-a]%", "-", true),
        ("%[.+*?]%", "*", true),
        (r"%[\]\\]%", "]", true),
        (r"%[\d,]+;%", "1,2;", true),
        ("%a:_#=@/;,-b%", "a:_#=@/;,-b", true),
        ("%^$%", "", true),
        ("%|a%", "zzz", true),
    ] {
        check(pattern, message, expect);
    }
}

#[test]
fn what_is_refused() {
    for pattern in [
        // Words with characters that need quotes.
        "email@example.com",
        "/path",
        "foo.bar",
        "a-b",
        "ERROR:",
        "-",
        "?",
        "- \"Exiting\"",
        "?-a",
        "gr\u{f6}\u{df}e",
        "\u{201c}quoted\u{201d}",
        "\"open",
        "a\"b\"",
        "\"a\"b",
        "\"a\"\"b\"",
        // JSON.
        "{",
        "{}",
        "{ }",
        "{ $ }",
        "{ $. = 1 }",
        "{ $.a }",
        "{ $.a = }",
        "{ $.a = 1",
        "{ $.a = 1 } x",
        "{ $.a == 1 }",
        "{ $.a = 1 & $.b = 2 }",
        "{ $.a = 1 && }",
        "{ $.a = 1 || || $.b = 1 }",
        "{ ($.a = 1 }",
        "{ $.a = 1) }",
        "{ a = 1 }",
        "{ $.a > x }",
        "{ $.a > 5* }",
        "{ $.a > \"5\" }",
        "{ $.a < %1% }",
        "{ $.a IS }",
        "{ $.a IS NOT NULL }",
        "{ $.a IS null }",
        "{ $.a EXISTS }",
        "{ $.a NOT }",
        "{ $.a NOT NULL }",
        "{ $.a ISNULL }",
        "{ $[0] = 1 }",
        "{ $.[0] = 1 }",
        "{ $.a[] = 1 }",
        "{ $.a[x] = 1 }",
        "{ $.a[-1] = 1 }",
        "{ $.a[99999999] = 1 }",
        "{ $.['a] = 1 }",
        "{ $.[''] = 1 }",
        "{ $.a = b@c }",
        "{ $.a = \"open }",
        "{ $.a = %open }",
        "{ $.@timestamp = 1 }",
        "{ $.a[*].b[*] = 1 }",
        "{ $.*.* = 1 }",
        "{ $.a[*] = 1 || $.b[*] = 1 || $.c[*] = 1 || $.d[*] = 1 }",
        "{ $.a = %1% || $.b = %2% || $.c = %3% }",
        // Fields.
        "[",
        "[]",
        "[ ]",
        "[a",
        "[a b]",
        "[a, ..., b, ...]",
        "[a = 4* && b > 1000]",
        "[a =]",
        "[a > x]",
        "[a = 1 &&]",
        "[(a = 1]",
        "[a] b",
        "[w1=!ERROR]",
        "[a=%x%, b=%y%, c=%z%]",
        // Regular expressions.
        "%",
        "%%",
        "%open",
        "%something!%",
        "%(a)%",
        r"%\(a\)%",
        "%*a%",
        "%a**%",
        "%a++%",
        "%a{2}{3}%",
        "%a{3,2}%",
        "%a{}%",
        "%a{,}%",
        "%a{x}%",
        "%a{256}%",
        "%[]%",
        "%[^]%",
        "%[a%",
        "%[[a]]%",
        "%a]%",
        "%a}%",
        "%[z-a]%",
        r"%\%",
        r"%\b%",
        r"%\1%",
        r"%\xZZ%",
        r"%\xFF%",
        "%gr\u{f6}\u{df}e%",
        "%a% %b%",
        "%a% b",
    ] {
        refuse(pattern);
    }
}

#[test]
fn limits_are_named() {
    assert_eq!(refuse(&"a".repeat(PATTERN_CHARS_MAX + 1)), PatternError::TooLong { limit: 1_024, chars: 1_025 });
    assert!(Pattern::compile(&"a".repeat(PATTERN_CHARS_MAX)).is_ok());
    let nested = |depth: usize| format!("{{{}$.a = 1{}}}", "(".repeat(depth), ")".repeat(depth));
    assert!(Pattern::compile(&nested(32)).is_ok());
    assert_eq!(refuse(&nested(33)), PatternError::TooDeep(32));
    assert!(matches!(refuse(&format!("[{}]", ",".repeat(600))), PatternError::TooMany { limit: 512, .. }));
    assert!(matches!(refuse("%a{250}b{250}c%"), PatternError::Regex(_)));
    assert!(Pattern::compile("%a{250}b{250}%").is_ok_and(|pattern| pattern.cost() == 500));
}

#[test]
fn reasons_say_what_failed() {
    let check = |pattern: &str, message: &str, expect: &[&str]| {
        assert_eq!(Pattern::compile(pattern).unwrap().explain(message).reasons, expect, "{pattern}");
    };
    check("ERROR WARN", "ERROR", &["\"WARN\" does not occur"]);
    check("ERROR -bad", "ERROR bad", &["\"bad\" occurs and is excluded"]);
    check("?a ?b", "c", &["none of \"a\", \"b\" occurs"]);
    check("{ $.a = 1 }", "x", &["the event is no JSON object"]);
    check("{ $.a[0].['b.c'] >= 1 }", "{}", &["$.a[0].['b.c'] >= 1: there is no such value"]);
    check(
        "{ $.a = x || $.b IS TRUE }",
        r#"{"a": "y", "b": [1]}"#,
        &["$.a = x: the value is \"y\"", "$.b IS TRUE: the value is an array, and only strings and numbers compare"],
    );
    check("{ $.a NOT EXISTS }", r#"{"a": null}"#, &["$.a NOT EXISTS: the value is null"]);
    check("[a, b > 5]", "x 3", &["b > 5: the field is \"3\""]);
    check("[a, b, c]", "x", &["the event has 1 fields, the pattern wants 3"]);
    check("%z%", "x", &["the regular expression matches nowhere"]);
}
