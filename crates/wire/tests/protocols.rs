//! Every protocol through a real socket: what is asked for comes back, and what goes wrong is told as AWS tells it.

mod support;

use cauce_wire::FrontOptions;
use support::signer::Signer;
use support::{json, query, request, rest, start, unsigned_json, unsigned_query};

#[tokio::test]
async fn json_operations() {
    let server = start(FrontOptions::default()).await;
    let answer = server.send(&json("Say", r#"{"Text":"hé"}"#)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"Text":"hé"}"#));
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.1"));
    assert_eq!(answer.header("x-amzn-requestid").map(str::len), Some(36));
    let mut old = unsigned_json("Say", r#"{"Text":"a"}"#);
    old.headers[1].1 = "application/x-amz-json-1.0".into();
    let answer = server.send(&Signer::new("echo", &support::now()).sign(old)).await;
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.0"));

    let check = async |operation: &str, body: &str, expect: (u16, &str, &str)| {
        let answer = server.send(&json(operation, body)).await;
        let (status, code, message) = answer.json_error();
        assert_eq!((status, code.as_str(), message.as_str()), expect);
        assert_eq!(answer.header("x-amzn-errortype"), Some(expect.1));
        assert!(answer.header("x-amzn-requestid").is_some());
    };
    let unknown = "The operation Sing is not known to the service echo.";
    check("Sing", "{}", (400, "UnknownOperationException", unknown)).await;
    let null =
        "1 validation error detected: Value null at 'text' failed to satisfy constraint: Member must not be null";
    check("Say", "{}", (400, "ValidationException", null)).await;
    let short = "1 validation error detected: Value '' at 'text' failed to satisfy constraint: Member must have length greater \
                 than or equal to 1";
    check("Say", r#"{"Text":""}"#, (400, "ValidationException", short)).await;
    let wrong = "SerializationException";
    check("Say", r#"{"Text":5}"#, (400, wrong, "NUMBER_VALUE can not be converted to a String")).await;
    let broken = "The request body is not valid JSON: EOF while parsing an object at line 1 column 1";
    check("Say", "{", (400, wrong, broken)).await;
    let deep = format!(r#"{{"Text":{}"#, "[".repeat(10_000));
    check("Say", &deep, (400, wrong, "The request body nests deeper than the limit of 127 levels")).await;
    let denied = "User: arn:aws:iam::000000000000:root is not authorized to perform: echo:Say on resource: \
                  arn:aws:echo:us-east-1:000000000000:forbidden because no identity-based policy allows the echo:Say action";
    check("Say", r#"{"Text":"forbidden"}"#, (400, "AccessDeniedException", denied)).await;
    let internal = "The request processing has failed because of an unknown error, exception or failure.";
    check("Fail", "{}", (500, "InternalFailure", internal)).await;
    check("Crash", "{}", (500, "InternalFailure", internal)).await;
    check("Refuse", "{}", (400, "QueueDoesNotExist", "The queue does not exist.")).await;

    let mut target = unsigned_json("Say", "{}");
    target.headers[2].1 = "Nobody_20200101.Say".into();
    let (_, code, message) = server.send(&Signer::new("echo", &support::now()).sign(target)).await.json_error();
    assert_eq!(code, "UnknownOperationException");
    assert_eq!(message, "The target Nobody_20200101.Say names no service that is known here.");
    let mut untargeted = unsigned_json("Say", "{}");
    untargeted.headers.remove(2);
    let (_, code, message) = server.send(&Signer::new("echo", &support::now()).sign(untargeted)).await.json_error();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("UnknownOperationException", "The request has no X-Amz-Target header.")
    );

    let mut compatible = unsigned_json("Refuse", "{}");
    compatible.headers.push(("x-amzn-query-mode".into(), "true".into()));
    let answer = server.send(&Signer::new("echo", &support::now()).sign(compatible)).await;
    assert_eq!(answer.header("x-amzn-query-error"), Some("AWS.SimpleQueueService.NonExistentQueue;Sender"));
    assert!(answer.body.contains(r#""Detail":7"#));
}

/// An operation in CBOR, signed.
fn cbor(path: &str, body: &[u8], headers: &[(&str, &str)]) -> support::signer::Request {
    let common = [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")];
    let mut unsigned = request("POST", path, &[&common, headers].concat(), "");
    unsigned.body = body.to_vec();
    Signer::new("echo", &support::now()).sign(unsigned)
}

#[tokio::test]
async fn cbor_operations() {
    let server = start(FrontOptions::default()).await;
    let operation = |name: &str| format!("/service/Echo_20200101/operation/{name}");
    let answer = server.send(&cbor(&operation("Say"), b"\xBF\x64Text\x62h\xC3", &[])).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let answer = server.send(&cbor(&operation("Say"), b"\xBF\x64Text\x63h\xC3\xA9\xFF", &[])).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "\u{FFFD}dTextché\u{FFFD}"));
    assert_eq!(answer.header("content-type"), Some("application/cbor"));
    assert_eq!(answer.header("smithy-protocol"), Some("rpc-v2-cbor"));
    assert!(answer.header("x-amzn-requestid").is_some());

    let check = async |path: &str, body: &[u8], expect: (u16, &str, &str)| {
        let answer = server.send(&cbor(path, body, &[("x-amzn-query-mode", "true")])).await;
        let (status, code, message) = expect;
        assert_eq!(answer.status, status, "{answer:?}");
        let typed = format!("f__type{}{code}", if code.len() < 24 { char::from(0x60 + code.len() as u8) } else { 'x' });
        assert!(answer.body.contains(&typed) || answer.body.contains(code), "{answer:?}");
        assert!(answer.body.contains(message), "{answer:?}");
        assert_eq!(answer.header("smithy-protocol"), Some("rpc-v2-cbor"));
        assert!(answer.header("x-amzn-query-error").is_some_and(|error| error.ends_with(";Sender")), "{answer:?}");
    };
    let null = "Value null at 'text' failed to satisfy constraint: Member must not be null";
    check(&operation("Say"), b"", (400, "ValidationException", null)).await;
    let wrong = "NUMBER_VALUE can not be converted to a String";
    check(&operation("Say"), b"\xA1\x64Text\x05", (400, "SerializationException", wrong)).await;
    let broken = "The request body is not valid CBOR";
    check(&operation("Say"), b"\xA1\x64Text", (400, "SerializationException", broken)).await;
    let deep = [b"\xA1\x64Text".to_vec(), vec![0x81; 10_000]].concat();
    let too_deep = "The request body nests deeper than the limit of 127 levels";
    check(&operation("Say"), &deep, (400, "SerializationException", too_deep)).await;
    let unknown = "The operation Sing is not known to the service echo.";
    check(&operation("Sing"), b"", (404, "UnknownOperationException", unknown)).await;
    let nobody = "The path /service/Nobody/operation/Say names no service that is known here.";
    check("/service/Nobody/operation/Say", b"", (404, "UnknownOperationException", nobody)).await;
    check(&operation("Refuse"), b"", (400, "QueueDoesNotExist", "The queue does not exist.")).await;
    let denied = "is not authorized to perform: echo:Say";
    check(&operation("Say"), b"\xA1\x64Text\x69forbidden", (400, "AccessDeniedException", denied)).await;
    let mut unsigned = cbor(&operation("Say"), b"", &[]);
    unsigned.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
    let answer = server.send(&unsigned).await;
    assert!(answer.status == 403 || answer.status == 400, "{answer:?}");
    assert!(answer.body.contains("MissingAuthenticationToken"), "{answer:?}");
}

#[tokio::test]
async fn a_handler_knows_who_calls_from_where() {
    let server = start(FrontOptions::default()).await;
    let mut look = unsigned_json("Look", "");
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    look.headers.push(("x-amzn-trace-id".into(), format!("{root};Parent=53995c3f42cd8ad8;Sampled=1")));
    let answer = server.send(&Signer::new("echo", &support::now()).sign(look)).await;
    let facts: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let expect = [
        ("Host", "127.0.0.1:4566"),
        ("Principal", "arn:aws:iam::000000000000:root"),
        ("Region", "us-east-1"),
        ("Account", "000000000000"),
        ("SourceIp", "127.0.0.1"),
        ("RequestId", answer.header("x-amzn-requestid").unwrap()),
    ];
    for (name, value) in expect {
        assert_eq!(facts[name], value, "{name}");
    }
    assert!(facts["Trace"].as_str().unwrap().starts_with(root));
    assert_eq!((&facts["Secure"], &facts["SecondsLeft"]), (&true.into(), &90.into()));
}

#[tokio::test]
async fn query_operations() {
    let server = start(FrontOptions::default()).await;
    let answer = server.send(&query("Action=Shapes&Version=2020-01-01&Names.member.1=a&Names.member.2=b%26c&Tags.entry.1.key=k&Tags.entry.1.value=v&At=2023-11-14T22%3A13%3A20Z")).await;
    let id = answer.header("x-amzn-requestid").unwrap();
    let expect = format!(
        "<ShapesResponse xmlns=\"https://forms.example/doc/2020-01-01/\"><ShapesResult><Names><member>a</member>\
         <member>b&amp;c</member></Names><Tags><entry><key>k</key><value>v</value></entry></Tags>\
         <At>2023-11-14T22:13:20.000Z</At></ShapesResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\
         </ShapesResponse>\n"
    );
    assert_eq!((answer.status, answer.body.as_str()), (200, expect.as_str()));
    assert_eq!(answer.header("content-type"), Some("text/xml"));
    let answer = server.send(&query("Action=Nothing&Version=2020-01-01")).await;
    assert!(answer.body.contains("\"><ResponseMetadata>"), "{}", answer.body);
    let get = request("GET", "/?Action=Say&Version=2020-01-01&Text=a%20b", &[], "");
    let answer = server.send(&Signer::new("forms", &support::now()).sign(get)).await;
    assert!(answer.body.contains("<Text>a b</Text>"), "{}", answer.body);

    let check = async |body: &str, expect: (u16, &str, &str)| {
        let answer = server.send(&query(body)).await;
        let (status, code, message) = answer.xml_error();
        assert_eq!((status, code.as_str(), message.as_str()), expect, "{body}");
        let id = answer.header("x-amzn-requestid").unwrap();
        assert!(answer.body.contains(&format!("<RequestId>{id}</RequestId></ErrorResponse>")), "{}", answer.body);
    };
    let version = "&Version=2020-01-01";
    let unknown = "The action Sing is not valid for this web service.";
    check(&format!("Action=Sing{version}"), (400, "InvalidAction", unknown)).await;
    let old = "Could not find operation Say for version 2019-01-01";
    check("Action=Say&Version=2019-01-01", (400, "InvalidAction", old)).await;
    check("Action=Say", (400, "InvalidAction", "Could not find operation Say for version NO_VERSION_SPECIFIED")).await;
    let missing = "The request is missing an action or a required parameter.";
    check("Version=2020-01-01", (400, "MissingAction", missing)).await;
    check("", (400, "MissingAction", missing)).await;
    let null =
        "1 validation error detected: Value null at 'text' failed to satisfy constraint: Member must not be null";
    check(&format!("Action=Say{version}"), (400, "ValidationError", null)).await;
    let number = "STRING_VALUE can not be converted to a Number";
    check(&format!("Action=Say{version}&Text=a&Times=x"), (400, "MalformedInput", number)).await;
    let encoding = "A parameter is not valid percent-encoded UTF-8";
    check(&format!("Action=Say{version}&Text=%zz"), (400, "MalformedInput", encoding)).await;
    let code = "AWS.SimpleQueueService.NonExistentQueue";
    check(&format!("Action=Refuse{version}"), (400, code, "The queue does not exist.")).await;
    let internal = "The request processing has failed because of an unknown error, exception or failure.";
    check(&format!("Action=Crash{version}"), (500, "InternalFailure", internal)).await;
    let (status, code, _) = server.send(&query(&format!("Action=Say{version}&Text=forbidden"))).await.xml_error();
    assert_eq!((status, code.as_str()), (403, "AccessDenied"));
    let (status, code, message) = server.send(&unsigned_query("Action=Say")).await.xml_error();
    assert_eq!(
        (status, code.as_str(), message.as_str()),
        (403, "MissingAuthenticationToken", "Missing Authentication Token")
    );
}

#[tokio::test]
async fn rest_operations() {
    let server = start(FrontOptions::default()).await;
    let check = async |method: &str, target: &str, body: &str, expect: (u16, &str)| {
        let answer = server.send(&rest(method, target, &[("x-amz-kind", "event")], body)).await;
        assert_eq!((answer.status, answer.body.as_str()), expect, "{method} {target}");
        answer
    };
    let said = check("POST", "/2020/say/a%2Fb%20c?Times=3", "", (201, r#"{"Text":"a/b c","Times":3}"#)).await;
    assert_eq!(said.header("content-type"), Some("application/json"));
    check("POST", "/2020/say/arn:aws:x?Times=3", r#"{"Times":1}"#, (201, r#"{"Text":"arn:aws:x","Times":3}"#)).await;
    check("GET", "/2020/shapes?name=b&name=a", "", (200, r#"{"Names":["b","a"],"Tags":{}}"#)).await;
    let nothing = check("DELETE", "/2020/things/1", "", (204, "")).await;
    assert_eq!(nothing.header("content-type"), None);
    let raw = check("POST", "/2020/functions/f/invocations", "{not json", (202, "f:event:{not json")).await;
    assert_eq!(raw.header("x-amz-kind"), Some("raw"));

    let refused = async |method: &str, target: &str, body: &str, expect: (u16, &str, &str)| {
        let answer = server.send(&rest(method, target, &[], body)).await;
        let (status, code, message) = answer.json_error();
        assert_eq!((status, code.as_str(), message.as_str()), expect, "{method} {target}");
        assert!(!answer.body.contains("__type"));
    };
    let unknown = "UnknownOperationException";
    let say = "The operation GET /2020/say/x is not known to the service rest.";
    refused("GET", "/2020/say/x", "", (404, unknown, say)).await;
    let up = "The operation POST /2020/say/.. is not known to the service rest.";
    let mut dots = request("POST", "/2020/say/..", &[], "");
    dots.path = "/2020/".into();
    let mut dots = Signer::new("rest", &support::now()).sign(dots);
    dots.path = "/2020/say/..".into();
    let (status, code, message) = server.send(&dots).await.json_error();
    assert_eq!((status, code.as_str(), message.as_str()), (404, unknown, up));
    let number = "STRING_VALUE can not be converted to a Number";
    refused("POST", "/2020/say/x?Times=x", "", (400, "SerializationException", number)).await;
    refused("POST", "/2020/say/x", "[]", (400, "SerializationException", "Expected map or null")).await;
    let escape = "The operation POST /2020/say/%zz is not known to the service rest.";
    refused("POST", "/2020/say/%zz", "", (404, unknown, escape)).await;
    let internal = "The request processing has failed because of an unknown error, exception or failure.";
    refused("GET", "/2020/crash", "", (500, "InternalFailure", internal)).await;
    let answer = server.send(&rest("POST", "/2020/say/forbidden", &[], "")).await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (403, Some("AccessDeniedException")));
    let (status, code, message) = server.send(&request("POST", "/2020/say/x", &[], "")).await.json_error();
    let missing = "MissingAuthenticationTokenException";
    assert_eq!((status, code.as_str(), message.as_str()), (403, missing, "Missing Authentication Token"));
    let stranger = Signer::new("stranger", &support::now()).sign(request("GET", "/x", &[], ""));
    let (status, code, message) = server.send(&stranger).await.json_error();
    assert_eq!((status, code.as_str(), message.as_str()), (404, unknown, "The service stranger is not known here."));
}

#[tokio::test]
async fn compressed_bodies_are_unpacked_within_the_limit() {
    use std::io::Write as _;
    let server = start(FrontOptions::default()).await;
    let pack = |text: &str| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let send = async |body: Vec<u8>| {
        let mut packed = unsigned_json("Say", "");
        packed.headers.push(("content-encoding".into(), "gzip".into()));
        packed.body = body;
        server.send(&Signer::new("echo", &support::now()).sign(packed)).await
    };
    assert_eq!(send(pack(r#"{"Text":"packed"}"#)).await.body, r#"{"Text":"packed"}"#);
    let bomb = format!(r#"{{"Text":"{}"}}"#, "x".repeat(2_000_000));
    let (status, code, message) = send(pack(&bomb)).await.json_error();
    assert_eq!((status, code.as_str()), (413, "RequestEntityTooLargeException"));
    assert_eq!(message, "Request must be smaller than 1048576 bytes for the Say operation");
    let (status, code, _) = send(b"not gzip".to_vec()).await.json_error();
    assert_eq!((status, code.as_str()), (400, "SerializationException"));
}
