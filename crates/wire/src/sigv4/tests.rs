//! Signatures of AWS's test suite and documentation, and of a signer of our own.

use cauce_core::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::{any, prop_assert, proptest};

use super::canonical::PathStyle;
use super::presented::{basic, parse_basic};
use super::sigv2::PresignedV2;
use super::{Dialect, PayloadHash, Presented, Refusal, SignedRequest, SigningKeys};

#[path = "../../tests/support/signer.rs"]
mod signer;

use signer::{KEY_ID, Request, SECRET, Signer};

const SUITE_DATE: &str = "20150830T123600Z";

fn headers(list: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

/// Everything that is asked of a signature when `secret` belongs to the key and the clock shows `now`.
fn verify(request: &Request, service: &str, now: &str) -> Result<(), Refusal> {
    let headers = headers(&request.headers);
    let presented = Presented::find(&headers, &request.query)?.ok_or(Refusal::Missing)?;
    presented.check(&headers, service, parse_basic(now).unwrap())?;
    if presented.scope().unwrap().access_key_id != KEY_ID {
        return Err(Refusal::UnknownKey);
    }
    let style = if service == "s3" { PathStyle::Verbatim } else { PathStyle::Normalized };
    let claimed = headers.get("x-amz-content-sha256").and_then(|v| v.to_str().ok());
    let payload = match claimed {
        Some(text) if service == "s3" => PayloadHash::Claimed(text),
        None if service == "s3" => PayloadHash::Claimed("UNSIGNED-PAYLOAD"),
        _ => PayloadHash::Body(&request.body),
    };
    let signed = SignedRequest {
        method: &request.method,
        path: &request.path,
        path_style: style,
        query: &request.query,
        headers: &headers,
        host: "",
        payload,
    };
    presented.verify(&signed, SECRET, &SigningKeys::default()).map(drop)
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        body: body.into(),
    }
}

#[test]
fn signatures_of_the_published_suite() {
    let host = ("host", "example.amazonaws.com");
    let date = ("x-amz-date", SUITE_DATE);
    let check = |method: &str, target: &str, extra: &[(&str, &str)], body: &str, signed: &str, signature: &str| {
        let mut request = request(method, target, &[host, date], body);
        request.headers.extend(extra.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={KEY_ID}/20150830/us-east-1/service/aws4_request, SignedHeaders={signed}, \
             Signature={signature}"
        );
        request.headers.push(("authorization".into(), authorization));
        assert_eq!(verify(&request, "service", SUITE_DATE), Ok(()), "{method} {target}");
        request.body.push(b'x');
        assert_eq!(verify(&request, "service", SUITE_DATE), Err(Refusal::Mismatch), "{method} {target}");
    };
    let plain = "host;x-amz-date";
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    check("GET", "/", &[], "", plain, vanilla);
    for normalized in ["//", "/example/..", "/./", "/foo/bar/../.."] {
        check("GET", normalized, &[], "", plain, vanilla);
    }
    let keys = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
    check("GET", "/?Param2=value2&Param1=value1", &[], "", plain, keys);
    let utf8 = "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85";
    check("GET", "/ሴ", &[], "", plain, utf8);
    let unreserved = "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f";
    check("GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", &[], "", plain, unreserved);
    let post = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
    check("POST", "/", &[], "", plain, post);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let form_signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
    check("POST", "/", &form, "Param1=value1", "content-type;host;x-amz-date", form_signature);
    let sorted = "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c";
    check("POST", "/", &[("my-header1", "value1")], "", "host;my-header1;x-amz-date", sorted);
    let trimmed = [("my-header1", " value1"), ("my-header2", " \"a   b   c\"")];
    let trim = "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736";
    check("GET", "/", &trimmed, "", "host;my-header1;my-header2;x-amz-date", trim);
}

#[test]
fn signatures_of_the_s3_documentation() {
    // AWS: Amazon S3 API Reference, "Signature calculations: examples". Its secret has a slash where the suite's has a plus.
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let check = |request: &Request, now: &str| {
        let headers = headers(&request.headers);
        let presented = Presented::find(&headers, &request.query).unwrap().unwrap();
        presented.check(&headers, "s3", parse_basic(now).unwrap())?;
        let claimed = headers.get("x-amz-content-sha256").map_or("UNSIGNED-PAYLOAD", |v| v.to_str().unwrap());
        let signed = SignedRequest {
            method: &request.method,
            path: &request.path,
            path_style: PathStyle::Verbatim,
            query: &request.query,
            headers: &headers,
            host: "examplebucket.s3.amazonaws.com",
            payload: PayloadHash::Claimed(claimed),
        };
        presented.verify(&signed, secret, &SigningKeys::default()).map(drop)
    };
    let empty = signer::sha256_hex(b"");
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
        SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
        Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    let list = [
        ("range", "bytes=0-9"),
        ("x-amz-content-sha256", empty.as_str()),
        ("x-amz-date", "20130524T000000Z"),
        ("authorization", authorization),
    ];
    let get = request("GET", "/test.txt", &list, "");
    assert_eq!(check(&get, "20130524T001000Z"), Ok(()));
    let presigned = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let presigned = request("GET", presigned, &[], "");
    assert_eq!(check(&presigned, "20130524T235900Z"), Ok(()));
    assert!(matches!(check(&presigned, "20130525T000001Z"), Err(Refusal::UrlExpired(_))));
}

fn signed() -> Request {
    let list = [
        ("host", "127.0.0.1:4566"),
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "AWSEvents.PutEvents"),
    ];
    Signer::new("events", SUITE_DATE).sign(request("POST", "/", &list, "{}"))
}

#[test]
fn time_scope_and_headers_are_checked() {
    let check = |change: &dyn Fn(&mut Request), service: &str, now: &str, expect: &str| {
        let mut request = signed();
        change(&mut request);
        let refusal = verify(&request, service, now).unwrap_err();
        assert_eq!(refusal.into_error(Dialect::Query).message(), expect);
    };
    let same = |_: &mut Request| {};
    let expired =
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)";
    check(&same, "events", "20150830T125101Z", expired);
    let early =
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)";
    check(&same, "events", "20150830T122059Z", early);
    let service = "Credential should be scoped to correct service: 'logs'. ";
    check(&same, "logs", SUITE_DATE, service);
    let authorization = |from: &'static str, to: &'static str| {
        move |request: &mut Request| {
            let value = &mut request.headers.last_mut().unwrap().1;
            *value = value.replace(from, to);
        }
    };
    let region = "Credential should be scoped to a valid region, not 'Mars'. ";
    check(&authorization("us-east-1", "Mars"), "events", SUITE_DATE, region);
    let terminator = "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. ";
    check(&authorization("aws4_request", "aws5_request"), "events", SUITE_DATE, terminator);
    let date = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150831' != \
                '20150830', from '20150830T123600Z'. ";
    check(&authorization("20150830", "20150831"), "events", SUITE_DATE, date);
    let parts = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
                 'AKIDEXAMPLE/20150830/us-east-1/events'";
    check(&authorization("/aws4_request", ""), "events", SUITE_DATE, parts);
    let host = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
    check(&authorization("content-type;host;", "content-type;"), "events", SUITE_DATE, host);
    let target = "There were headers present in the request which were not signed: x-amz-target";
    check(&authorization(";x-amz-target", ""), "events", SUITE_DATE, target);
    let mismatch = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                    Access Key and signing method. Consult the service documentation for details.";
    check(&authorization("host;", "host;host;"), "events", SUITE_DATE, mismatch);
    check(&authorization("host;", "host;x-absent;"), "events", SUITE_DATE, mismatch);
    check(&authorization("Signature=", "Signature=0"), "events", SUITE_DATE, mismatch);
    let missing = "Missing Authentication Token";
    check(&|r: &mut Request| drop(r.headers.pop()), "events", SUITE_DATE, missing);
    let undated = |r: &mut Request| r.headers.retain(|(n, _)| n != "x-amz-date");
    let hash = "(Hashed with SHA-256 and encoded with Base64) Authorization=";
    let headers_of = |r: &Request| headers(&r.headers);
    let mut request = signed();
    undated(&mut request);
    let Err(Refusal::Incomplete(message)) = Presented::find(&headers_of(&request), "").map(drop) else { panic!() };
    let date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
    assert!(message.starts_with(&format!("{date}{hash}")), "{message}");
    request.headers.last_mut().unwrap().1 = "Basic dGVzdDp0ZXN0".into();
    let Err(Refusal::Incomplete(message)) = Presented::find(&headers_of(&request), "").map(drop) else { panic!() };
    let all = "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
               Authorization header requires 'SignedHeaders' parameter. ";
    assert!(message.starts_with(&format!("{all}{date}{hash}")) && !message.contains("dGVz"), "{message}");
}

#[test]
fn presigned_urls_have_an_end_and_whole_parameters() {
    let get = |expires_s| {
        let list = [("host", "127.0.0.1:4566")];
        Signer::new("s3", SUITE_DATE).presign(request("GET", "/bucket/a%20b?versionId=1", &list, ""), expires_s)
    };
    assert_eq!(verify(&get(60), "s3", "20150830T123700Z"), Ok(()));
    assert!(matches!(verify(&get(60), "s3", "20150830T123701Z"), Err(Refusal::UrlExpired(_))));
    assert!(matches!(verify(&get(60), "s3", "20150830T122059Z"), Err(Refusal::Early(_))));
    assert_eq!(verify(&get(604_800), "s3", SUITE_DATE), Ok(()));
    for bad in [0, 604_801] {
        assert!(matches!(verify(&get(bad), "s3", SUITE_DATE), Err(Refusal::BadQuery(_))));
    }
    for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"] {
        let mut without = get(60);
        let kept: Vec<&str> = without.query.split('&').filter(|p| !p.starts_with(&format!("X-Amz-{name}="))).collect();
        without.query = kept.join("&");
        assert!(matches!(verify(&without, "s3", SUITE_DATE), Err(Refusal::BadQuery(_))), "{name}");
        let mut twice = get(60);
        let again = twice.query.split('&').find(|p| p.starts_with(&format!("X-Amz-{name}="))).unwrap().to_owned();
        twice.query = format!("{}&{again}", twice.query);
        assert!(matches!(verify(&twice, "s3", SUITE_DATE), Err(Refusal::BadQuery(_))), "{name}");
    }
    let mut with_header = get(60);
    with_header.headers.push(("x-amz-acl".into(), "public-read".into()));
    assert_eq!(verify(&with_header, "s3", SUITE_DATE), Err(Refusal::Unsigned(vec!["x-amz-acl".into()])));
}

#[test]
fn presigned_urls_of_version_2() {
    let now = Timestamp::from_secs(1_000_000);
    let check = |request: &Request, secret: &str| {
        let presented = PresignedV2::find(&request.query).unwrap();
        presented.verify(&request.method, &request.path, &headers(&request.headers), secret, now)
    };
    let list = [("host", "127.0.0.1:4566")];
    let sign = |target: &str, expires: i64| {
        Signer::new("s3", SUITE_DATE).presign_v2(request("GET", target, &list, ""), expires)
    };
    for target in ["/bucket/key", "/bucket/key%20b?versionId=7"] {
        assert_eq!(check(&sign(target, 1_000_000), SECRET), Ok(()));
        assert_eq!(check(&sign(target, 1_000_000), "other"), Err(Refusal::Mismatch));
        assert!(matches!(check(&sign(target, 999_999), SECRET), Err(Refusal::UrlExpired(_))));
    }
    let mut other = sign("/bucket/key", 1_000_000);
    other.path = "/bucket/kez".into();
    assert_eq!(check(&other, SECRET), Err(Refusal::Mismatch));
    let mut longer = sign("/bucket/key", 1_000_000);
    longer.query = longer.query.replace("Expires=1000000", "Expires=2000000");
    assert_eq!(check(&longer, SECRET), Err(Refusal::Mismatch));
    // AWS: Amazon S3 User Guide, "Signing and authenticating REST requests", the example of a query string.
    let documented =
        "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1175139620&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D";
    let presented = PresignedV2::find(documented).unwrap();
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let then = Timestamp::from_secs(1_175_139_000);
    let path = "/johnsmith/photos/puppy.jpg";
    assert_eq!(presented.verify("GET", path, &HeaderMap::new(), secret, then), Ok(()));
}

#[test]
fn basic_dates() {
    let at = parse_basic(SUITE_DATE).unwrap();
    assert_eq!(basic(at), SUITE_DATE);
    for bad in
        ["", "20150830T123600", "2015-08-30T12:36:00Z", "20150830 123600Z", "20151330T123600Z", "20150830T12360０"]
    {
        assert_eq!(parse_basic(bad), None, "{bad}");
    }
}

proptest! {
    /// Whatever is signed is accepted, and nothing else is: any bit of any signed part, changed, is refused.
    #[test]
    fn a_changed_bit_is_refused(
        path in "(/[a-zA-Z0-9 ._~:+%é-]{1,6}){1,3}",
        query in proptest::collection::vec(("[a-zA-Z0-9 ~/é]{1,4}", "[a-zA-Z0-9 +=é]{0,4}"), 0..4),
        body in "[ -~]{0,40}",
        s3 in any::<bool>(),
        part in 0_usize..6,
        at in any::<proptest::sample::Index>(),
        bit in 0_u8..7,
    ) {
        let service = if s3 { "s3" } else { "lambda" };
        let path = signer::percent(path.replace("/.", "/a").as_bytes(), true);
        let query: Vec<String> = query
            .iter()
            .map(|(n, v)| format!("{}={}", signer::percent(n.as_bytes(), false), signer::percent(v.as_bytes(), false)))
            .collect();
        let target = format!("{path}?{}", query.join("&"));
        let list = [("host", "127.0.0.1:4566"), ("x-amz-thing", "a  b"), ("content-type", "text/plain")];
        let list = list.map(|(n, v)| (n, if n == "x-amz-thing" { "a b" } else { v }));
        let good = Signer::new(service, SUITE_DATE).sign(request("PUT", &target, &list, &body));
        prop_assert!(verify(&good, service, SUITE_DATE) == Ok(()));

        let mut bad = good.clone();
        let count = bad.headers.len();
        let target: &mut String = match part {
            0 => &mut bad.method,
            1 => &mut bad.path,
            2 => &mut bad.query,
            // A body of S3 is compared with its hash by whoever reads it.
            3 if !s3 => {
                if bad.body.is_empty() { return Ok(()); }
                let at = at.index(bad.body.len());
                bad.body[at] ^= 1 << bit;
                prop_assert!(verify(&bad, service, SUITE_DATE).is_err());
                return Ok(());
            }
            4 => &mut bad.headers[count - 1].1,
            _ => &mut bad.headers[at.index(count - 1)].1,
        };
        if target.is_empty() { return Ok(()); }
        let index = at.index(target.len());
        let mut bytes = std::mem::take(target).into_bytes();
        bytes[index] ^= 1 << bit;
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        let control = changed.bytes().any(|b| b < b' ' || b == 0x7F);
        if control { return Ok(()); }
        *target = changed;
        // Some changes are no change: another spelling of the same request.
        let same = spelling(&bad) == spelling(&good);
        prop_assert!(verify(&bad, service, SUITE_DATE).is_err() || same, "{good:?}\n{bad:?}");
    }

    #[test]
    fn no_bytes_make_it_fail_badly(authorization in "[ -~]{0,120}", date in "[ -~]{0,20}", query in "[ -~]{0,120}") {
        let list = [("host".to_owned(), "h".to_owned()), ("authorization".into(), authorization), ("x-amz-date".into(), date)];
        let request = Request { method: "GET".into(), path: "/".into(), query, headers: list.to_vec(), body: vec![] };
        prop_assert!(verify(&request, "s3", SUITE_DATE).is_err());
    }
}

/// What a request means: decoded path segments, sorted decoded query, trimmed headers.
fn spelling(request: &Request) -> impl PartialEq + use<> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let mut query: Vec<_> = request
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.replace('+', " "))
        .map(|pair| pair.split_once('=').map_or((decode(&pair), vec![]), |(n, v)| (decode(n), decode(v))))
        .collect();
    query.sort();
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(n, v)| {
            (n.clone(), v.replace(", ", ",").split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" "))
        })
        .collect();
    (request.method.clone(), decode(&request.path), query, headers)
}
