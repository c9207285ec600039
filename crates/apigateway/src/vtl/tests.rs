//! Templates and what becomes of them.

use std::collections::BTreeMap;

use proptest::prelude::{Strategy as _, any, prop, proptest};

use super::{RenderError, Rendered, Scope, Template};

const BODY: &str = r#"{"name":"Ada","age":36,"price":2.50,"tags":["a","b"],"empty":[],"none":null,"yes":true,
  "address":{"street":"Main St","number":12},"items":[{"id":1,"price":5},{"id":2,"price":15},{"id":3,"price":25}],
  "a b":"spaced","url":"http://x/y"}"#;

fn run_on(body: &str, template: &str) -> Result<Rendered, String> {
    let template = Template::parse(template).map_err(|error| error.to_string())?;
    let pairs =
        |list: &[(&str, &str)]| list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
    let (path, query) = (pairs(&[("id", "7"), ("both", "path")]), pairs(&[("q", "x y"), ("both", "query")]));
    let headers = pairs(&[("X-Kind", "h"), ("both", "header")]);
    let stage_variables = BTreeMap::from([("table".to_owned(), "T1".to_owned())]);
    let context = || serde_json::json!({"requestId": "r-1", "identity": {"sourceIp": "10.0.0.1"}, "authorizer": {"principalId": "u", "n": "1"}});
    let scope = Scope {
        body,
        path: &path,
        query: &query,
        headers: &headers,
        stage_variables: &stage_variables,
        context: &context,
    };
    template.render(&scope).map_err(|error| error.to_string())
}

#[track_caller]
fn check(template: &str, expect: &str) {
    assert_eq!(run_on(BODY, template).map(|rendered| rendered.text).as_deref(), Ok(expect), "{template}");
}

#[track_caller]
fn refused(template: &str, expect: &str) {
    let error = run_on(BODY, template).expect_err(template);
    assert!(error.contains(expect), "{template}: {error}");
}

#[test]
fn references_show_what_they_lead_to() {
    check("plain # text $ 5$ $1", "plain # text $ 5$ $1");
    check("#set($x = 'v')$x ${x} $!x $!{x}y", "v v v vy");
    check("$nobody ${nobody} $!nobody|", "$nobody ${nobody} |");
    check("$nobody.a.b('c').d", "$nobody.a.b('c').d");
    check("#set($x = 'v')$x.jpg ${x}.jpg", "$x.jpg v.jpg");
    check("#set($x = 'v')$x. $x- $x[", "v. $x- v[");
    check("#set($m = {'k': {'l': 'deep'}})$m.k.l $m.get('k').l $m['k']['l'] $m.missing.more|", "deep deep deep |");
    check("#set($l = [1, 'two', 3.5])$l $l[1] $l.get(0)", "[1, two, 3.5] two 1");
    check("#set($x = 'v')\\$x \\\\$x \\$nobody", "$x \\v \\$nobody");
    check(
        "$context.requestId $context.nothing|$context.a.b|$stageVariables.table $stageVariables['table']",
        "r-1 ||T1 T1",
    );
    check("$context.authorizer.principalId $context.identity.sourceIp", "u 10.0.0.1");
}

#[test]
fn input_is_read() {
    check("$input.path('$.name') $input.path('$.age') $input.path('$.price')", "Ada 36 2.5");
    check(
        "$input.json('$.name') $input.json('$.tags') $input.json('$.address')",
        r#""Ada" ["a","b"] {"street":"Main St","number":12}"#,
    );
    check("$input.json('$.missing') $input.path('$.missing')| $input.json('$.none')", "\"\" | \"\"");
    check(
        "$input.path('$.tags') $input.path('$.address') $input.path('$.yes')",
        r#"["a","b"] {street=Main St, number=12} true"#,
    );
    check("#set($in = $input.path('$'))$in.name $in.address.street $in.missing|$in.items[1].id", "Ada Main St |2");
    check(
        "$input.params('id') $input.params('q') $input.params('x-kind') $input.params('both') $input.params('no')|",
        "7 x y h path |",
    );
    check("$input.params().path.id $input.params().querystring.q $input.params().header.get('X-Kind')", "7 x y h");
    check("$input.params('header').length()", "0");
    assert_eq!(run_on("not json", "$input.body $input.json('$')").unwrap().text, "not json \"not json\"");
    assert_eq!(run_on("", "$input.json('$') $input.path('$.a')|").unwrap().text, "{} |");
    assert_eq!(run_on("[1, {\"b\" : 2}]", "$input.json('$') $input.json('$[1].b')").unwrap().text, r#"[1,{"b":2}] 2"#);
    assert_eq!(run_on(r#"{"z":1,"a":2}"#, "$input.json('$')").unwrap().text, r#"{"z":1,"a":2}"#);
}

#[test]
fn json_paths_lead_where_jayways_do() {
    check(
        "$input.json('$.items[0]') $input.json('$.items[-1].id') $input.json('$.items[0,2].id')",
        r#"{"id":1,"price":5} 3 [1,3]"#,
    );
    check(
        "$input.json('$.items[*].id') $input.json('$.items[1:].id') $input.json('$.items[:2].id')",
        "[1,2,3] [2,3] [1,2]",
    );
    check(
        "$input.json('$..id') $input.json(\"$['a b']\") $input.json(\"$['name','age']\")",
        r#"[1,2,3] "spaced" ["Ada",36]"#,
    );
    check("$input.json('$.items[?(@.price > 10)].id') $input.json(\"$.items[?(@.id == 2)].price\")", "[2,3] [15]");
    check(
        "$input.json('$.items[?(@.none)]') $input.path('$.items.length()') $input.json('$.address.*')",
        r#"[] 3 ["Main St",12]"#,
    );
    check("$input.json('name') $input.json('$.items[7]') $input.json('$.name.x')", r#""Ada" "" """#);
    for bad in ["$.", "$[", "$['a", "$.a]", "$[?(@.a ==)]", "$[a]", "$..", "$.items[?(x)]"] {
        assert!(run_on(BODY, &format!("$input.path('{}')", bad.replace('\'', "''"))).is_err(), "{bad}");
    }
}

#[test]
fn directives_do_what_they_say() {
    check("#set($x = 1)\n  #set($y = $x + 1)\n$y", "2");
    check("#if($input.path('$.yes'))a#{else}b#end", "a");
    check("#if($nobody)a#elseif(1 == 1)b#{else}c#end", "b");
    check("#if(false)\na\n#else\nb\n#end\nc", "b\nc");
    check("#if('')t#end#if(0)t#end#if($nobody)f#end", "tt");
    check(
        "#foreach($t in $input.path('$.tags'))$foreach.index:$foreach.count:$t#if($foreach.hasNext),#end#end",
        "0:1:a,1:2:b",
    );
    check(
        "#foreach($i in [1..3])$i$velocityCount $foreach.first $foreach.last;#end",
        "11 true false;22 false false;33 false true;",
    );
    check("#foreach($i in [3..1])$i#end", "321");
    check("#foreach($v in {'a': 1, 'b': 2})$v#end", "12");
    check("#set($m = {'a': 1, 'b': 2})#foreach($e in $m.entrySet())$e.key=$e.value$e.getKey()#end", "a=1ab=2b");
    check("#foreach($k in $input.params().path.keySet())$k#if($foreach.hasNext),#end#end", "id,both");
    check("#foreach($i in [1..5])#if($i == 3)#break#end$i#end.", "12.");
    check("a#stop b", "a");
    check("#foreach($a in [1,2])#foreach($b in [1,2])$foreach.parent.count$b #end#end", "11 12 21 22 ");
    check("#set($i = 'kept')#foreach($i in [1])$i#end$i", "1kept");
    check("a## comment\nb#* long\ncomment *#c#[[ $raw #if ]]#", "abc $raw #if ");
    check("#foreach($x in 'text')x#end#foreach($x in $nobody)x#end|", "|");
    check("\\#if \\\\#set($x = 1)$x", "#if \\1");
    check("#nothing #1 #", "#nothing #1 #");
}

#[test]
fn expressions_are_reckoned() {
    check("#set($x = 1 + 2 * 3 - 4 / 2)$x #set($x = 7 % 4)$x #set($x = (1 + 2) * 3)$x", "5 3 9");
    check("#set($x = 7 / 2)$x #set($x = 7.0 / 2)$x #set($x = -3)$x #set($y = 2 - 5)$y", "3 3.5 -3 -3");
    check("#set($x = 'a' + 1 + 2)$x #set($x = 1 + 2 + 'a')$x", "a12 3a");
    check(
        "#set($x = 1 / 0)$x|#set($y = 9223372036854775807 + 1)$y",
        "|9.223372036854775807E18"
            .replace("5807", "5808")
            .replace("9.223372036854775808E18", "9.223372036854776E18")
            .as_str(),
    );
    check("#if(1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3 && 1 != 2)t#end", "t");
    check("#if(1 lt 2 and 2 le 2 and 3 gt 2 and 3 ge 3 and 1 ne 2 and 1 eq 1.0)t#end", "t");
    check("#if(!false && not false)t#end#if(false || true or false)t#end", "tt");
    check("#if('a' == 'a')t#end#if('1' == 1)t#end#if('a' == 'b')f#end#if($nobody == $nothing)t#end", "ttt");
    check("#if($nobody == '')f#end#if($input.params('no') == '')t#end", "t");
    check("#set($d = 'D')#set($x = \"a $d ${d}b $nobody #if(true)y#end\")$x", "a D Db $nobody y");
    check(
        "#set($x = 'a $d')$x #set($x = \"say \"\"hi\"\"\")$x #set($x = 'it''s')$x #set($x = \"\")|$x|",
        "a $d say \"hi\" it's ||",
    );
    check("#set($x = {\"a\": [1, {\"b\": true}]})$x", "{a=[1, {b=true}]}");
    check("#set($x = 10000000.0)$x #set($x = 0.0001)$x #set($x = 1.5e3)$x", "1.0E7 1.0E-4 1500.0");
}

#[test]
fn texts_have_javas_methods() {
    check(
        "#set($s = 'Hello')$s.length() $s.substring(1) $s.substring(1, 3) $s.toUpperCase() $s.charAt(1)",
        "5 ello el HELLO e",
    );
    check(
        "#set($s = 'a-b-c--')$s.replace('-', '+') $s.replaceAll('[a-b]', 'x') $s.replaceFirst('-', '') $s.split('-')",
        "a+b+c++ x-x-c-- ab-c-- [a, b, c]",
    );
    check("#set($s = 'k=v')#set($p = $s.split('='))$p[0] $p.get(1) $p.size()", "k v 2");
    check(
        "#set($s = 'abc')$s.contains('b') $s.startsWith('a') $s.endsWith('a') $s.indexOf('c') $s.indexOf('z') $s.isEmpty()",
        "true true false 2 -1 false",
    );
    check(
        "#set($s = ' x ')[$s.trim()] $s.equals(' x ') $s.equals(1) $s.equalsIgnoreCase(' X ') $s.concat('y').trim()",
        "[x] true false true x y",
    );
    check(
        "#set($s = 'a1b2')$s.replaceAll('([a-z])([0-9])', '$2$1') $s.matches('[a-z0-9]+') $s.matches('[a-z]')",
        "1a2b true false",
    );
    check("#set($s = \"it's\")$util.escapeJavaScript($s).replaceAll(\"\\\\'\", \"'\")", "it's");
    check("#set($s = 'x')$s.nothing() $s.class", "$s.nothing() $s.class");
    check("#set($n = 0)$n.parseInt('42') #set($x = 7.9)$x.intValue() $n.toString().length()", "42 7 1");
    refused("#set($s = 'abc')$s.substring(5)", "substring");
    refused("#set($s = 'abc')$s.replaceAll('(', '')", "replaceAll");
    refused("#set($s = 'abc')$s.replaceAll('a', '$7')", "no such group");
}

#[test]
fn lists_and_maps_are_shared() {
    check(
        "#set($l = [])#set($k = $l)$l.add('a')#set($ok = $l.add('b'))$k $k.size() $k.contains('b') $k.isEmpty()",
        "true[a, b] 2 true false",
    );
    check(
        "#set($m = {})$!m.put('a', 1)#set($o = $m.put('a', 2))$o $m $m.containsKey('a') $m.size() $m.remove('a') $m",
        "1 {a=2} true 1 2 {}",
    );
    check(
        "#set($m = {})#set($m.b = 'x')#set($m['c d'] = 'y')$m $m.keySet() $m.values()",
        "{b=x, c d=y} [b, c d] [x, y]",
    );
    check(
        "#set($l = [1, 2, 3])#set($l[0] = 9)$l $l.indexOf(3) $l.remove(0) $l $l.subList(0, 1)",
        "[9, 2, 3] 2 9 [2, 3] [2]",
    );
    check("#set($m = {'a': 1})$m.putAll({'b': 2})$m.getOrDefault('z', 'd') $m.entrySet()", "d [a=1, b=2]");
    refused("#set($l = [])$l.get(0)", "index 0 is outside of a list of 0");
    refused("#set($l = [])$l.add($l)$l", "levels of nesting");
    refused("#set($m = {})$!m.put('m', $m)$m", "levels of nesting");
}

#[test]
fn tools_convert() {
    check("$util.escapeJavaScript('a\"b/c\u{e9}')", "a\\\"b\\/c\\u00E9");
    check("$util.urlEncode('a b&c=\u{e9}') $util.urlDecode('a+b%26c')", "a+b%26c%3D%C3%A9 a b&c");
    check("$util.base64Encode('hello') $util.base64Decode('aGVsbG8=')", "aGVsbG8= hello");
    check("#set($p = $util.parseJson('{\"a\": {\"b\": [1]}}'))$p.a.b[0]", "1");
    refused("$util.parseJson('{')", "not a JSON document");
    refused("$util.base64Decode('***')", "base64Decode");
}

#[test]
fn a_template_overrides_the_response() {
    let template = "#set($context.responseOverride.status = 418)#set($context.responseOverride.header.X-Tea = 'pot')\
                    #set($context.requestOverride.header['x-y'] = $input.params('id'))\
                    #set($context.requestOverride.querystring.q = 'z')#set($context.requestOverride.path.id = '8')";
    let overrides = run_on(BODY, template).unwrap().overrides;
    assert_eq!(overrides.response_status, Some(418));
    assert_eq!(overrides.response_headers, [("X-Tea".to_owned(), "pot".to_owned())]);
    assert_eq!(overrides.request_headers, [("x-y".to_owned(), "7".to_owned())]);
    assert_eq!(overrides.request_query, [("q".to_owned(), "z".to_owned())]);
    assert_eq!(overrides.request_path, [("id".to_owned(), "8".to_owned())]);
}

#[test]
fn what_is_no_template_is_refused() {
    for (template, why) in [
        ("#if(true)", "#if without #end"),
        ("#foreach($x in [1])", "#foreach without #end"),
        ("#end", "#end without"),
        ("#else", "#else without #if"),
        ("#if(true)#else#else#end", "after #else"),
        ("#if true #end", "expected ("),
        ("#set($x)", "expected ="),
        ("#set(x = 1)", "expected the variable"),
        ("#set($x = )", "expected a value"),
        ("#set($x = null)", "expected a value"),
        ("#set($x.y() = 1)", "cannot be set"),
        ("#set($x = 'open)", "has no end"),
        ("#set($x = [1, 2)", "expected , or ]"),
        ("#set($x = {'a' 1})", "expected :"),
        ("${x", "expected }"),
        ("$x.y(1", "expected , or )"),
        ("#* open", "no end"),
        ("#[[ open", "no ]]#"),
        ("#macro(m)x#end", "#macro is not supported"),
        ("#include('f')", "#include is not supported"),
        ("#parse('f')", "#parse is not supported"),
        ("#define($x)y#end", "#define is not supported"),
        ("#evaluate('x')", "#evaluate is not supported"),
    ] {
        refused(template, why);
    }
    refused(&"x".repeat(super::TEMPLATE_BYTES_MAX + 1), "limit of 307200 bytes");
}

#[test]
fn nothing_is_without_bounds() {
    refused(&format!("#set($x = {}1{})", "(".repeat(1_000), ")".repeat(1_000)), "levels of nesting");
    refused(&"#if(true)".repeat(1_000), "levels of nesting");
    refused(&format!("#set($x = {}true)", "!".repeat(1_000)), "levels of nesting");
    refused(&format!("#set($x = {}1)", "-".repeat(1_000)), "levels of nesting");
    refused(&format!("#set($x = {}", "$a.b(".repeat(1_000)), "levels of nesting");
    check(&format!("#set($x = 1{})$x", "+1".repeat(50_000)), "50001");
    check(&"$a[".repeat(5_000), &"$a[".repeat(5_000));
    // A loop ends after a thousand turns; loops in loops run into the limit of steps.
    check("#set($n = 0)#foreach($i in [1..5000])#set($n = $n + 1)#end$n", "1000");
    refused(
        "#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])#end#end#end",
        "steps of a rendering",
    );
    refused("#set($s = 'xxxxxxxxxx')#foreach($i in [1..1000])#set($s = $s + $s)#end", "limit of");
    refused("#set($s = 'xxxxxxxxxx')#foreach($i in [1..1000])#set($s = $s.replace('x', $s))#end", "limit of");
    refused("#foreach($i in [1..1000000000000])x#end", "steps of a rendering");
    refused("#set($s = 'x')#foreach($i in [1..1000])#set($s = $s.replaceAll('x', 'xx'))#end", "limit of");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let read = run_on(&deep, "$util.parseJson($input.body)");
    assert!(read.unwrap_err().contains("not a JSON document"));
    let error = RenderError::Limit { what: "bytes", max: 1 };
    assert_eq!(error.to_string(), "the limit of 1 bytes was reached");
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = run_on(BODY, &text);
    }

    #[test]
    fn no_arrangement_of_tokens_panics(tokens in prop::collection::vec(prop::sample::select(vec![
        "$", "$x", "${", "}", "#", "#if(", "#set(", "#foreach(", " in ", ")", "#end", "#else", "#{else}", "=", "==", "[", "]",
        "..", "'", "\"", "(", ",", ".", ".add(", ".get(", ".split('", ".replaceAll('", "1", "-", "true", "{", ":", "&&", "!",
        "$input", ".path('$", ".json('$.", "$context", ".put(", "$util.parseJson(", "\\", "##", "#*", "*#", "\n", "é", "$m", "$l",
    ]).prop_map(str::to_owned), 0..40)) {
        let template = format!("#set($l = [1, 'b'])#set($m = {{'k': $l}})#set($x = 'text'){}", tokens.concat());
        let _ = run_on(BODY, &template);
    }

    #[test]
    fn no_path_panics(path in "[$.\\[\\]'*?(@=<>:,0-9a-c -]{0,30}") {
        let mut heap = super::value::Heap::new();
        let root = super::json::read(&mut heap, BODY).unwrap();
        let _ = super::path::find(&mut heap, &root, &path);
    }
}
