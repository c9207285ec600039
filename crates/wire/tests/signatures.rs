//! Signatures through a real socket: who is let in, who is not, and in which words.

mod support;

use cauce_wire::FrontOptions;
use support::services::{ENDED_KEY_ID, TEMPORARY_KEY_ID, TOKEN};
use support::signer::{Request, SECRET, Signer, hmac_sha256, percent, sha256_hex};
use support::{Server, at, now, query, request, rest, start, unsigned_json, unsigned_query};

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                        Access Key and signing method. Consult the service documentation for details.";
const INVALID: &str = "The security token included in the request is invalid.";

async fn json_error(server: &Server, request: &Request) -> (u16, String, String) {
    let answer = server.send(request).await;
    assert!(answer.header("x-amzn-requestid").is_some());
    answer.json_error()
}

fn expect(status: u16, code: &str, message: &str) -> (u16, String, String) {
    (status, code.to_owned(), message.to_owned())
}

#[tokio::test]
async fn who_is_not_let_in_hears_why() {
    let server = start(FrontOptions::default()).await;
    let say = || unsigned_json("Say", r#"{"Text":"a"}"#);
    let signer = || Signer::new("echo", &now());

    let missing = expect(400, "MissingAuthenticationTokenException", "Missing Authentication Token");
    assert_eq!(json_error(&server, &say()).await, missing);
    let mut changed = signer().sign(say());
    changed.body = br#"{"Text":"b"}"#.to_vec();
    assert_eq!(json_error(&server, &changed).await, expect(400, "InvalidSignatureException", MISMATCH));
    let stranger = Signer { key_id: "AKIDSTRANGER".into(), ..signer() };
    assert_eq!(json_error(&server, &stranger.sign(say())).await, expect(400, "UnrecognizedClientException", INVALID));
    let liar = Signer { secret: "other".into(), ..signer() };
    assert_eq!(json_error(&server, &liar.sign(say())).await, expect(400, "InvalidSignatureException", MISMATCH));
    let elsewhere = Signer::new("forms", &now()).sign(say());
    let service = "Credential should be scoped to correct service: 'echo'. ";
    assert_eq!(json_error(&server, &elsewhere).await, expect(400, "InvalidSignatureException", service));
    for (offset, start) in [(-1000, "Signature expired: "), (1000, "Signature not yet current: ")] {
        let (status, code, message) = json_error(&server, &Signer::new("echo", &at(offset)).sign(say())).await;
        assert_eq!((status, code.as_str()), (400, "InvalidSignatureException"));
        assert!(message.starts_with(start) && message.ends_with("15 min.)"), "{message}");
    }
    let mut basic = say();
    basic.headers.push(("authorization".into(), "Basic dGVzdDp0ZXN0".into()));
    let (status, code, message) = json_error(&server, &basic).await;
    assert_eq!((status, code.as_str()), (400, "IncompleteSignatureException"));
    assert!(message.starts_with("Authorization header requires 'Credential' parameter. "), "{message}");

    let (status, code, message) =
        server.send(&Signer::new("forms", &at(-1000)).sign(unsigned_query("Action=Say"))).await.xml_error();
    assert_eq!((status, code.as_str()), (403, "SignatureDoesNotMatch"));
    assert!(message.starts_with("Signature expired: "));
    let mut stranger = query("Action=Say");
    stranger.headers.last_mut().unwrap().1 = stranger.headers.last().unwrap().1.replace("AKIDEXAMPLE", "AKIDSTRANGER");
    assert_eq!(server.send(&stranger).await.xml_error(), expect(403, "InvalidClientTokenId", INVALID));
    let mut changed = rest("POST", "/2020/say/a", &[], "");
    changed.path = "/2020/say/b".into();
    assert_eq!(json_error(&server, &changed).await, expect(403, "InvalidSignatureException", MISMATCH));
}

#[tokio::test]
async fn temporary_keys_need_their_token() {
    let server = start(FrontOptions::default()).await;
    let sign = |key_id: &str, token: Option<&str>| {
        let signer = Signer { key_id: key_id.into(), token: token.map(str::to_owned), ..Signer::new("echo", &now()) };
        signer.sign(unsigned_json("Say", r#"{"Text":"a"}"#))
    };
    assert_eq!(server.send(&sign(TEMPORARY_KEY_ID, Some(TOKEN))).await.status, 200);
    let invalid = expect(400, "UnrecognizedClientException", INVALID);
    assert_eq!(json_error(&server, &sign(TEMPORARY_KEY_ID, Some("other"))).await, invalid);
    assert_eq!(json_error(&server, &sign(TEMPORARY_KEY_ID, None)).await, invalid);
    assert_eq!(json_error(&server, &sign("AKIDEXAMPLE", Some(TOKEN))).await, invalid);
    let ended = "The security token included in the request is expired";
    assert_eq!(
        json_error(&server, &sign(ENDED_KEY_ID, Some(TOKEN))).await,
        expect(400, "ExpiredTokenException", ended)
    );
}

fn store(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
    request(method, target, headers, body)
}

#[tokio::test]
async fn raw_requests_in_headers_and_urls() {
    let server = start(FrontOptions::default()).await;
    let root = "arn:aws:iam::000000000000:root";
    let s3 = || Signer::new("s3", &now());
    let check = async |request: &Request, expect: &str| {
        let answer = server.send(request).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, expect));
        assert!(answer.header("x-amzn-requestid").is_some());
    };
    let put = |body: &str| store("PUT", "/bucket/a%20b/../c//d?x-id=PutObject", &[], body);
    check(&s3().sign(put("data")), &format!("{root} /bucket/a%20b/../c//d DATA")).await;
    let unsigned = store("PUT", "/bucket/key", &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")], "data");
    check(&s3().sign(unsigned), &format!("{root} /bucket/key DATA")).await;
    check(&s3().presign(store("GET", "/bucket/key?versionId=1", &[], ""), 60), &format!("{root} /bucket/key ")).await;
    check(&s3().presign(put("data"), 60), &format!("{root} /bucket/a%20b/../c//d DATA")).await;
    let soon = cauce_core::Env::system().now().as_secs() + 60;
    check(&s3().presign_v2(store("PUT", "/bucket/key", &[], "data"), soon), &format!("{root} /bucket/key DATA")).await;
    let temporary = Signer { key_id: TEMPORARY_KEY_ID.into(), token: Some(TOKEN.into()), ..s3() };
    check(&temporary.presign(store("GET", "/bucket/key", &[], ""), 60), &format!("{root} /bucket/key ")).await;
    check(&store("GET", "/public/key", &[], ""), "anonymous /public/key ").await;

    let refused = async |request: &Request, expected: (u16, &str, &str)| {
        let answer = server.send(request).await;
        assert_eq!(answer.xml_error(), expect(expected.0, expected.1, expected.2));
        assert_eq!(answer.header("x-amz-request-id"), answer.header("x-amzn-requestid"));
    };
    let mismatch = "The request signature we calculated does not match the signature you provided. Check your key and signing \
                    method.";
    let mut changed = s3().sign(put("data"));
    changed.path = "/bucket/other".into();
    refused(&changed, (403, "SignatureDoesNotMatch", mismatch)).await;
    let mut longer = s3().presign(store("GET", "/bucket/key", &[], ""), 60);
    longer.query = longer.query.replace("X-Amz-Expires=60", "X-Amz-Expires=600");
    refused(&longer, (403, "SignatureDoesNotMatch", mismatch)).await;
    let ended = Signer::new("s3", &at(-100)).presign(store("GET", "/bucket/key", &[], ""), 60);
    refused(&ended, (403, "AccessDenied", "Request has expired")).await;
    let ended = s3().presign_v2(store("GET", "/bucket/key", &[], ""), soon - 100);
    refused(&ended, (403, "AccessDenied", "Request has expired")).await;
    let skewed = "The difference between the request time and the current time is too large.";
    refused(&Signer::new("s3", &at(-1000)).sign(put("")), (403, "RequestTimeTooSkewed", skewed)).await;
    let stranger = Signer { key_id: "AKIDSTRANGER".into(), ..s3() };
    let unknown = "The AWS Access Key Id you provided does not exist in our records.";
    refused(&stranger.sign(put("")), (403, "InvalidAccessKeyId", unknown)).await;
    refused(&stranger.presign_v2(put(""), soon), (403, "InvalidAccessKeyId", unknown)).await;
    let internal = "The request processing has failed because of an unknown error, exception or failure.";
    refused(&s3().sign(store("GET", "/bucket/crash", &[], "")), (500, "InternalFailure", internal)).await;
    let week = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 \
                seconds";
    refused(&s3().presign(put(""), 604_801), (400, "AuthorizationQueryParametersError", week)).await;

    // What the body turns out to be is told by the service that reads it.
    let mut other = s3().sign(put("data"));
    other.body = b"dada".to_vec();
    let answer = server.send(&other).await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "XAmzContentSHA256Mismatch"));
}

/// The body of a chunked upload whose chunks are signed after `seed`.
fn signed_chunks(signer: &Signer, seed: &str, chunks: &[&str]) -> Vec<u8> {
    let (mut body, mut previous) = (Vec::new(), seed.to_owned());
    for chunk in chunks.iter().chain([&""]) {
        let to_sign = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{previous}\n{}\n{}",
            signer.date,
            signer.scope(),
            sha256_hex(b""),
            sha256_hex(chunk.as_bytes())
        );
        previous = hex::encode(hmac_sha256(&signer.key(), &to_sign));
        body.extend(format!("{:x};chunk-signature={previous}\r\n{chunk}\r\n", chunk.len()).bytes());
    }
    body
}

#[tokio::test]
async fn raw_bodies_in_chunks() {
    let server = start(FrontOptions::default()).await;
    let signer = Signer::new("s3", &now());
    let trailer = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("content-encoding", "aws-chunked"),
    ];
    let body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let good = server.send(&signer.sign(store("PUT", "/bucket/key", &trailer, body))).await;
    assert_eq!((good.status, good.body.as_str()), (200, "arn:aws:iam::000000000000:root /bucket/key HELLO"));
    let wrong = body.replace("hello", "hullo");
    let wrong = server.send(&signer.sign(store("PUT", "/bucket/key", &trailer, &wrong))).await;
    assert_eq!((wrong.status, wrong.body.as_str()), (400, "BadDigest"));

    let chunked = [
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("x-amz-decoded-content-length", "11"),
        ("content-encoding", "aws-chunked"),
    ];
    let signed = |chunks: &[&str]| {
        let mut request = signer.sign(store("PUT", "/bucket/key", &chunked, ""));
        let authorization = &request.headers.last().unwrap().1;
        let seed = authorization.rsplit_once("Signature=").unwrap().1.to_owned();
        request.body = signed_chunks(&signer, &seed, chunks);
        request
    };
    let good = server.send(&signed(&["hello ", "world"])).await;
    assert_eq!((good.status, good.body.as_str()), (200, "arn:aws:iam::000000000000:root /bucket/key HELLO WORLD"));
    let mut wrong = signed(&["hello ", "world"]);
    let at = wrong.body.windows(5).position(|w| w == b"world").unwrap();
    wrong.body[at] = b'W';
    let wrong = server.send(&wrong).await;
    assert_eq!((wrong.status, wrong.body.as_str()), (403, "SignatureDoesNotMatch"));
}

#[tokio::test]
async fn presigned_operations_of_other_services() {
    // Tokens for EKS are presigned STS calls; the body is empty, and hashed as such.
    let server = start(FrontOptions::default()).await;
    let action = format!("/?Action=Say&Version=2020-01-01&Text={}", percent(b"a b", false));
    let signer = Signer::new("forms", &now());
    let good = server.send(&signer.presign(request("GET", &action, &[], ""), 60)).await;
    assert_eq!(good.status, 200, "{good:?}");
    assert!(good.body.contains("<Text>a b</Text>"));
    assert!(SECRET.len() == 40 && !good.body.contains("X-Amz"));
}

/// A service with a host of its own decides by itself about whoever brings no AWS signature; whoever brings one is verified.
#[tokio::test]
async fn a_site_of_its_own() {
    let server = start(FrontOptions::default()).await;
    let at_site = |method: &str, headers: &[(&str, &str)], body: &str| {
        let mut asked = request(method, "/a%20b?x=1", headers, body);
        asked.headers[0].1 = "site.localhost:4566".into();
        asked
    };
    let answer = server.send(&at_site("POST", &[], "hello")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "anonymous  hello"));
    let basic = [("authorization", "Basic dXNlcjpwYXNz"), ("x-amz-target", "Echo.Say")];
    let answer = server.send(&at_site("GET", &basic, "")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "anonymous Basic dXNlcjpwYXNz "));
    let signer = Signer::new("site", &now());
    let signed = signer.clone().sign(at_site("POST", &[], "hello"));
    let answer = server.send(&signed).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "arn:aws:iam::000000000000:root  hello"));
    // The body is covered by the signature though no header names its hash.
    let mut changed = signer.sign(at_site("POST", &[], "hello"));
    changed.body = b"jello".to_vec();
    let answer = server.send(&changed).await;
    assert_eq!(answer.status, 403);
    assert!(
        answer.body.starts_with(r#"{"message":"The request signature we calculated does not match"#),
        "{}",
        answer.body
    );
    // Elsewhere a foreign word of authorization is refused as before.
    let mut elsewhere = request("GET", "/public/x", &[("authorization", "Basic dXNlcjpwYXNz")], "");
    elsewhere.headers[0].1 = "127.0.0.1:4566".into();
    assert_ne!(server.send(&elsewhere).await.status, 200);
}
