//! Policy, request, verdict: one line a case.

use cauce_core::{Account, Arn, Principal};

use super::document::{Policy, PolicyKind};
use super::evaluate::{Decision, NamedPolicy, Policies, Source, decide, decide_trust};
use super::explain::near_misses;
use super::request::{Keys, Request, Values};

/// Keys written as `key=value; key=a|b`.
pub(super) struct Written(Vec<(String, Vec<String>)>);

impl Written {
    pub(super) fn new(text: &str) -> Written {
        let pairs = text.split(';').map(str::trim).filter(|p| !p.is_empty());
        let read = |pair: &str| {
            let (key, values) = pair.split_once('=').unwrap();
            let values = if values == "[]" { vec![] } else { values.split('|').map(str::to_owned).collect() };
            (key.to_lowercase(), values)
        };
        Written(pairs.map(read).collect())
    }
}

impl Keys for Written {
    fn get(&self, key: &str) -> Option<Values<'_>> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| Values::Many(v))
    }
}

const ACCOUNT: &str = "111111111111";

/// `root`, `user/ann`, `role/worker`, `service/events.amazonaws.com`, `nobody`; another account as `222222222222:user/bob`.
pub(super) fn principal(text: &str) -> Principal {
    let (account, text) = text.split_once(':').unwrap_or((ACCOUNT, text));
    let account: Account = account.parse().unwrap();
    let arn = |service, resource: &str| Arn::global(service, account, resource);
    match text.split_once('/') {
        Some(("user", _)) => {
            Principal::User { arn: arn("iam", text), id: "AIDAQAAAAAAAAAAAAAAA1".into(), access_key_id: "AKIA".into() }
        }
        Some(("role", name)) => Principal::Session {
            arn: arn("sts", &format!("assumed-role/{name}/s")),
            role: arn("iam", text),
            id: "AROAQAAAAAAAAAAAAAAA1:s".into(),
            access_key_id: "ASIA".into(),
        },
        Some(("service", name)) => Principal::Service { name: name.into(), account, source: None },
        _ if text == "root" => Principal::Root { account, access_key_id: "AKIA".into() },
        _ => Principal::Anonymous,
    }
}

fn named(name: &str, text: &str, kind: PolicyKind) -> NamedPolicy {
    let policy = Policy::parse(text, kind).unwrap_or_else(|e| panic!("{e}: {text}"));
    NamedPolicy { name: name.into(), policy: policy.into() }
}

/// Wraps one or more statements of an identity policy.
fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

/// What an identity policy of these statements says to user ann: `allow`, `deny` (explicit) or `none`.
fn check(statements: &str, action: &str, resource: &str, keys: &str, expect: &str) {
    let policy = named("p", &document(statements), PolicyKind::Inline);
    let (caller, keys) = (principal("user/ann"), Written::new(keys));
    let request = Request::new(&caller, action, resource, &keys);
    let policies = Policies { identity: &[policy], ..Policies::default() };
    let found = match decide(&request, &policies) {
        Decision::Allowed(_) => "allow",
        Decision::Explicit(..) => "deny",
        Decision::Implicit(_) => "none",
    };
    assert_eq!(found, expect, "{statements} / {action} {resource}");
}

/// One `Allow` of everything under a condition, given as `Operator key value` with a JSON value.
fn condition(operator: &str, key: &str, value: &str, keys: &str, holds: bool) {
    let statement =
        format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"{operator}":{{"{key}":{value}}}}}}}"#);
    check(&statement, "s3:GetObject", "arn:aws:s3:::b/k", keys, if holds { "allow" } else { "none" });
}

fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":{action},"Resource":{resource}}}"#)
}

#[test]
fn actions() {
    let act = |pattern: &str, action: &str, expect| check(&allow(pattern, r#""*""#), action, "*", "", expect);
    act(r#""*""#, "events:PutEvents", "allow");
    act(r#""events:*""#, "events:PutEvents", "allow");
    act(r#""events:PutEvents""#, "events:PutEvents", "allow");
    act(r#""EVENTS:putevents""#, "events:PutEvents", "allow");
    act(r#""events:Put*""#, "events:PutRule", "allow");
    act(r#""events:Put*""#, "events:DeleteRule", "none");
    act(r#""events:*Rule""#, "events:DeleteRule", "allow");
    act(r#""events:P?tRule""#, "events:PutRule", "allow");
    act(r#""events:P?tRule""#, "events:PtRule", "none");
    act(r#""s3:*""#, "events:PutRule", "none");
    act(r#"["s3:*","events:PutRule"]"#, "events:PutRule", "allow");
    act(r#"["s3:*","sqs:*"]"#, "events:PutRule", "none");
    act(r#""event:*""#, "events:PutRule", "none");
    act(r#""*:PutRule""#, "events:PutRule", "allow");
}

#[test]
fn not_action() {
    let all_but = r#"{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"}"#;
    check(all_but, "s3:GetObject", "*", "", "allow");
    check(all_but, "iam:CreateRole", "*", "", "none");
    let deny = r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}"#;
    check(deny, "s3:GetObject", "*", "", "allow");
    check(deny, "sqs:SendMessage", "*", "", "deny");
}

#[test]
fn resources() {
    let on = |pattern: &str, resource: &str, expect| check(&allow(r#""*""#, pattern), "x:Y", resource, "", expect);
    on(r#""*""#, "arn:aws:sqs:us-east-1:1:q", "allow");
    on(r#""*""#, "*", "allow");
    on(r#""arn:aws:sqs:us-east-1:1:q""#, "arn:aws:sqs:us-east-1:1:q", "allow");
    on(r#""arn:aws:sqs:us-east-1:1:q""#, "arn:aws:sqs:us-east-1:1:Q", "none");
    on(r#""arn:aws:sqs:us-east-1:1:q""#, "arn:aws:sqs:us-east-1:1:q2", "none");
    on(r#""arn:aws:sqs:us-east-1:1:q""#, "*", "none");
    on(r#""arn:aws:sqs:us-east-1:1:q*""#, "arn:aws:sqs:us-east-1:1:q2", "allow");
    on(r#""arn:aws:sqs:*:1:q""#, "arn:aws:sqs:eu-west-1:1:q", "allow");
    on(r#""arn:aws:sqs:*:*:q""#, "arn:aws:sqs:eu-west-1:9:q", "allow");
    on(r#""arn:aws:sqs:eu-*-1:1:q""#, "arn:aws:sqs:eu-west-1:1:q", "allow");
    on(r#""arn:aws:sqs:eu-*-1:1:q""#, "arn:aws:sqs:eu-west-2:1:x-1:1:q", "none");
    on(r#""arn:aws:s3:::b""#, "arn:aws:s3:::b/k", "none");
    on(r#""arn:aws:s3:::b/*""#, "arn:aws:s3:::b", "none");
    on(r#""arn:aws:s3:::b/*""#, "arn:aws:s3:::b/a/b", "allow");
    on(r#""arn:aws:s3:::b/?""#, "arn:aws:s3:::b/ab", "none");
    on(r#"["arn:aws:s3:::a","arn:aws:s3:::b"]"#, "arn:aws:s3:::b", "allow");
    on(
        r#""arn:aws:logs:*:*:log-group:/aws/lambda/f:*""#,
        "arn:aws:logs:r:1:log-group:/aws/lambda/f:log-stream:s",
        "allow",
    );
    on(r#""arn:aws:lambda:*:*:function:f""#, "arn:aws:lambda:r:1:function:f:live", "none");
    on(r#""arn:aws:lambda:*:*:function:f*""#, "arn:aws:lambda:r:1:function:f:live", "allow");
}

#[test]
fn not_resource() {
    let deny = r#"{"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"s3:*","NotResource":["arn:aws:s3:::mine","arn:aws:s3:::mine/*"]}"#;
    check(deny, "s3:GetObject", "arn:aws:s3:::mine/k", "", "allow");
    check(deny, "s3:GetObject", "arn:aws:s3:::other/k", "", "deny");
    check(deny, "sqs:SendMessage", "arn:aws:sqs:r:1:q", "", "allow");
    let open = r#"{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:PrincipalTag/none}"}"#;
    check(open, "s3:GetObject", "arn:aws:s3:::b", "", "none");
    let closed = r#"{"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::${aws:PrincipalTag/none}"}"#;
    check(closed, "s3:GetObject", "arn:aws:s3:::b", "", "deny");
}

#[test]
fn order() {
    let both =
        r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}"#;
    check(both, "s3:DeleteObject", "*", "", "deny");
    check(both, "s3:GetObject", "*", "", "allow");
    let turned =
        r#"{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    check(turned, "s3:DeleteObject", "*", "", "deny");
    check(r#"{"Effect":"Deny","Action":"s3:*","Resource":"*"}"#, "sqs:SendMessage", "*", "", "none");
}

#[test]
fn strings() {
    condition("StringEquals", "k", r#""a""#, "k=a", true);
    condition("StringEquals", "k", r#""a""#, "k=A", false);
    condition("StringEquals", "K", r#""a""#, "k=a", true);
    condition("StringEquals", "k", r#"["a","b"]"#, "k=b", true);
    condition("StringEquals", "k", r#""a*""#, "k=ab", false);
    condition("StringEquals", "k", r#""a*""#, "k=a*", true);
    condition("StringEquals", "k", r#""a""#, "", false);
    condition("StringEquals", "k", "[]", "k=a", false);
    condition("StringEquals", "k", "5", "k=5", true);
    condition("StringEquals", "k", "true", "k=true", true);
    condition("StringNotEquals", "k", r#""a""#, "k=b", true);
    condition("StringNotEquals", "k", r#"["a","b"]"#, "k=b", false);
    condition("StringNotEquals", "k", r#""a""#, "", true);
    condition("StringEqualsIgnoreCase", "k", r#""AbC""#, "k=aBc", true);
    condition("StringNotEqualsIgnoreCase", "k", r#""AbC""#, "k=aBc", false);
    condition("StringLike", "k", r#""a*c?""#, "k=abbbcd", true);
    condition("StringLike", "k", r#""a*c?""#, "k=abbbc", false);
    condition("StringLike", "k", r#""A*""#, "k=ab", false);
    condition("StringNotLike", "k", r#""a*""#, "k=ba", true);
    condition("StringNotLike", "k", r#""a*""#, "k=ab", false);
    condition("StringEquals", "k", r#""${aws:username}""#, "k=ann; aws:username=ann", true);
    condition("StringEquals", "k", r#""${aws:username}""#, "k=ann", false);
    condition("StringEquals", "k", r#""${aws:username, 'none'}""#, "k=none", true);
    condition("StringLike", "k", r#""${x}*""#, "k=*b; x=*", true);
    condition("StringLike", "k", r#""${x}*""#, "k=ab; x=*", false);
}

#[test]
fn numbers_and_dates() {
    condition("NumericEquals", "n", "10", "n=10", true);
    condition("NumericEquals", "n", r#""10.0""#, "n=10", true);
    condition("NumericEquals", "n", "9007199254740993", "n=9007199254740992", false);
    condition("NumericNotEquals", "n", "10", "n=11", true);
    condition("NumericLessThan", "n", "10", "n=9.99", true);
    condition("NumericLessThan", "n", "10", "n=10", false);
    condition("NumericLessThanEquals", "n", "10", "n=10", true);
    condition("NumericGreaterThan", "n", "-1", "n=0", true);
    condition("NumericGreaterThanEquals", "n", "10", "n=9", false);
    condition("NumericEquals", "n", "10", "n=ten", false);
    condition("NumericLessThanIfExists", "n", "10", "", true);
    condition("DateGreaterThan", "t", r#""2024-01-01T00:00:00Z""#, "t=2024-06-01T00:00:00Z", true);
    condition("DateGreaterThan", "t", r#""2024-01-01""#, "t=2023-12-31T23:59:59Z", false);
    condition("DateLessThan", "t", r#""2024-01-01T00:00:00+01:00""#, "t=2023-12-31T22:59:59Z", true);
    condition("DateLessThanEquals", "t", "1704067200", "t=2024-01-01T00:00:00Z", true);
    condition("DateEquals", "t", r#""2024-01-01""#, "t=1704067200", true);
    condition("DateNotEquals", "t", r#""2024-01-01""#, "t=1704067200", false);
    condition("DateGreaterThanEquals", "t", r#""2024-01-01""#, "t=1704067200", true);
}

#[test]
fn bool_null_binary_ip() {
    condition("Bool", "aws:SecureTransport", "true", "aws:securetransport=true", true);
    condition("Bool", "aws:SecureTransport", r#""TRUE""#, "aws:securetransport=true", true);
    condition("Bool", "aws:SecureTransport", r#""false""#, "aws:securetransport=true", false);
    condition("Bool", "m", "false", "", false);
    condition("BoolIfExists", "m", "false", "", true);
    condition("Null", "k", "true", "", true);
    condition("Null", "k", "true", "k=a", false);
    condition("Null", "k", r#""false""#, "k=a", true);
    condition("Null", "k", r#""false""#, "k=[]", false);
    condition("BinaryEquals", "k", r#""QUI=""#, "k=QUI=", true);
    condition("BinaryEquals", "k", r#""QUI=""#, "k=QUM=", false);
    condition("IpAddress", "ip", r#""10.0.0.0/8""#, "ip=10.1.2.3", true);
    condition("IpAddress", "ip", r#""10.0.0.0/8""#, "ip=11.1.2.3", false);
    condition("IpAddress", "ip", r#"["192.0.2.1","10.0.0.0/8"]"#, "ip=192.0.2.1", true);
    condition("IpAddress", "ip", r#""10.0.0.0/8""#, "ip=::ffff:10.1.2.3", true);
    condition("IpAddress", "ip", r#""2001:db8::/32""#, "ip=2001:db8::1", true);
    condition("IpAddress", "ip", r#""not an address""#, "ip=10.1.2.3", false);
    condition("NotIpAddress", "ip", r#""10.0.0.0/8""#, "ip=11.1.2.3", true);
    condition("NotIpAddress", "ip", r#""10.0.0.0/8""#, "ip=10.1.2.3", false);
    condition("NotIpAddress", "ip", r#""10.0.0.0/8""#, "", true);
}

#[test]
fn arns() {
    let sns = "a=arn:aws:sns:us-east-1:111111111111:topic";
    condition("ArnEquals", "a", r#""arn:aws:sns:us-east-1:111111111111:topic""#, sns, true);
    condition("ArnEquals", "a", r#""arn:aws:sns:*:*:topic""#, sns, true);
    condition("ArnLike", "a", r#""arn:aws:sns:*:*:t?pic""#, sns, true);
    condition("ArnLike", "a", r#""arn:aws:sns:*:topic""#, sns, false);
    condition("ArnLike", "a", r#""arn:aws:sns:*""#, sns, false);
    condition("ArnLike", "a", r#""arn:aws:sqs:*:*:*""#, sns, false);
    condition("ArnNotLike", "a", r#""arn:aws:sqs:*:*:*""#, sns, true);
    condition("ArnNotEquals", "a", r#""arn:aws:sns:*:*:topic""#, sns, false);
    condition("ArnLikeIfExists", "a", r#""arn:aws:sqs:*:*:*""#, "", true);
    condition("ArnLike", "a", r#""arn:aws:s3:::${aws:username}""#, "a=arn:aws:s3:::ann; aws:username=ann", true);
}

#[test]
fn several_values() {
    condition("ForAllValues:StringEquals", "t", r#"["a","b"]"#, "t=a|b", true);
    condition("ForAllValues:StringEquals", "t", r#"["a","b"]"#, "t=a", true);
    condition("ForAllValues:StringEquals", "t", r#"["a","b"]"#, "t=a|c", false);
    condition("ForAllValues:StringEquals", "t", r#"["a","b"]"#, "", true);
    condition("ForAllValues:StringNotEquals", "t", r#"["a","b"]"#, "t=c|d", true);
    condition("ForAllValues:StringNotEquals", "t", r#"["a","b"]"#, "t=c|a", false);
    condition("ForAnyValue:StringEquals", "t", r#"["a","b"]"#, "t=c|a", true);
    condition("ForAnyValue:StringEquals", "t", r#"["a","b"]"#, "t=c|d", false);
    condition("ForAnyValue:StringEquals", "t", r#"["a","b"]"#, "", false);
    condition("ForAnyValue:StringNotEquals", "t", r#""a""#, "t=a|b", true);
    condition("ForAnyValue:StringNotEquals", "t", r#""a""#, "t=a", false);
    condition("ForAnyValue:StringNotEquals", "t", r#""a""#, "", false);
    condition("ForAnyValue:StringLike", "t", r#""pay*""#, "t=x|payroll", true);
    condition("ForAllValues:StringLikeIfExists", "t", r#""a*""#, "", true);
    condition("StringEquals", "t", r#""a""#, "t=b|a", true);
    condition("StringNotEquals", "t", r#""a""#, "t=b|a", false);
}

#[test]
fn conditions_combine() {
    let and = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{
        "StringEquals":{"a":"1","b":"2"},"Bool":{"c":"true"}}}"#;
    check(and, "x:Y", "*", "a=1; b=2; c=true", "allow");
    check(and, "x:Y", "*", "a=1; b=3; c=true", "none");
    check(and, "x:Y", "*", "a=1; b=2; c=false", "none");
    let deny = r#"{"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#;
    check(deny, "s3:GetObject", "*", "aws:securetransport=false", "deny");
    check(deny, "s3:GetObject", "*", "aws:securetransport=true", "allow");
}

#[test]
fn variables_are_of_version_2012() {
    let on = |version: &str, resource: &str| {
        let text = format!(
            r#"{{{version}"Statement":{{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${{aws:username}}"}}}}"#
        );
        let policy = named("p", &text, PolicyKind::Inline);
        let (caller, keys) = (principal("user/ann"), Written::new("aws:username=ann"));
        let request = Request::new(&caller, "s3:ListBucket", resource, &keys);
        decide(&request, &Policies { identity: &[policy], ..Policies::default() }).is_allowed()
    };
    assert!(on(r#""Version":"2012-10-17","#, "arn:aws:s3:::ann"));
    assert!(!on(r#""Version":"2008-10-17","#, "arn:aws:s3:::ann"));
    assert!(!on("", "arn:aws:s3:::ann"));
    assert!(on("", "arn:aws:s3:::${aws:username}"));
}

/// Identity statements ("-" for none) and resource statements ("-" for no policy) on a resource of account 111111111111.
fn both(caller: &str, identity: &str, resource: &str, expect: &str) {
    let identity: Vec<_> =
        if identity == "-" { vec![] } else { vec![named("own", &document(identity), PolicyKind::Inline)] };
    let resource = (resource != "-").then(|| named("bus policy", &document(resource), PolicyKind::Resource));
    let (caller_is, keys) = (principal(caller), Written::new(""));
    let request =
        Request::new(&caller_is, "events:PutEvents", "arn:aws:events:us-east-1:111111111111:event-bus/b", &keys);
    let policies = Policies {
        identity: &identity,
        resource: resource.as_ref(),
        owner: Some(ACCOUNT.parse().unwrap()),
        ..Policies::default()
    };
    let found = match decide(&request, &policies) {
        Decision::Allowed(_) => "allowed".to_owned(),
        denied => denied.reason("events:PutEvents"),
    };
    assert_eq!(found, expect, "{caller}: {identity:?} {resource:?}");
}

const OWN: &str = r#"{"Effect":"Allow","Action":"events:PutEvents","Resource":"*"}"#;
const OWN_DENY: &str = r#"{"Effect":"Deny","Action":"events:*","Resource":"*"}"#;
const NO_IDENTITY: &str = "because no identity-based policy allows the events:PutEvents action";
const NO_RESOURCE: &str = "because no resource-based policy allows the events:PutEvents action";
const DENIED_BY_OWN: &str = "with an explicit deny in an identity-based policy";
const DENIED_BY_RESOURCE: &str = "with an explicit deny in a resource-based policy";

fn grant(effect: &str, principal: &str) -> String {
    format!(r#"{{"Effect":"{effect}","Principal":{principal},"Action":"events:PutEvents","Resource":"*"}}"#)
}

#[test]
fn identity_and_resource_policies_in_one_account() {
    let ann = grant("Allow", r#"{"AWS":"arn:aws:iam::111111111111:user/ann"}"#);
    let account = grant("Allow", r#"{"AWS":"111111111111"}"#);
    let account_arn = grant("Allow", r#"{"AWS":"arn:aws:iam::111111111111:root"}"#);
    let everyone = grant("Allow", r#""*""#);
    both("user/ann", "-", "-", NO_IDENTITY);
    both("user/ann", OWN, "-", "allowed");
    both("user/ann", OWN_DENY, "-", DENIED_BY_OWN);
    both("user/ann", "-", &ann, "allowed");
    both("user/bob", "-", &ann, NO_IDENTITY);
    both("user/ann", OWN_DENY, &ann, DENIED_BY_OWN);
    both("user/ann", "-", &account, NO_IDENTITY);
    both("user/ann", "-", &account_arn, NO_IDENTITY);
    both("user/ann", OWN, &account, "allowed");
    both("user/ann", "-", &everyone, "allowed");
    both("user/ann", "-", &grant("Allow", r#"{"AWS":"*"}"#), "allowed");
    both("user/ann", OWN, &grant("Deny", r#""*""#), DENIED_BY_RESOURCE);
    both("user/ann", OWN, &grant("Deny", r#"{"AWS":"111111111111"}"#), DENIED_BY_RESOURCE);
    both("user/ann", "-", &grant("Allow", r#"{"AWS":"AIDAQAAAAAAAAAAAAAAA1"}"#), "allowed");
    both("role/w", "-", &grant("Allow", r#"{"AWS":"arn:aws:iam::111111111111:role/w"}"#), "allowed");
    both("role/w", "-", &grant("Allow", r#"{"AWS":"arn:aws:iam::111111111111:role/v"}"#), NO_IDENTITY);
    both("role/w", "-", &grant("Allow", r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/w/s"}"#), "allowed");
    both("role/w", "-", &grant("Allow", r#"{"AWS":"AROAQAAAAAAAAAAAAAAA1"}"#), "allowed");
}

#[test]
fn other_callers() {
    let service = grant("Allow", r#"{"Service":"events.amazonaws.com"}"#);
    both("service/events.amazonaws.com", "-", &service, "allowed");
    both("service/sns.amazonaws.com", "-", &service, NO_RESOURCE);
    both("service/events.amazonaws.com", "-", "-", NO_RESOURCE);
    both("service/events.amazonaws.com", "-", &grant("Allow", r#"{"AWS":"111111111111"}"#), NO_RESOURCE);
    both(
        "service/logs.amazonaws.com",
        "-",
        &grant("Allow", r#"{"Service":"logs.us-east-1.amazonaws.com"}"#),
        "allowed",
    );
    both(
        "service/sns.amazonaws.com",
        "-",
        &grant("Allow", r#"{"Service":["a.amazonaws.com","sns.amazonaws.com"]}"#),
        "allowed",
    );
    both("nobody", "-", "-", NO_RESOURCE);
    both("nobody", "-", &grant("Allow", r#""*""#), "allowed");
    both("nobody", "-", &grant("Allow", r#"{"AWS":"111111111111"}"#), NO_RESOURCE);
    both("root", "-", "-", "allowed");
    both("root", "-", &grant("Deny", r#""*""#), DENIED_BY_RESOURCE);
}

#[test]
fn other_accounts() {
    let bob = grant("Allow", r#"{"AWS":"arn:aws:iam::222222222222:user/bob"}"#);
    let account = grant("Allow", r#"{"AWS":"222222222222"}"#);
    both("222222222222:user/bob", OWN, "-", NO_RESOURCE);
    both("222222222222:user/bob", "-", &bob, NO_IDENTITY);
    both("222222222222:user/bob", OWN, &bob, "allowed");
    both("222222222222:user/bob", OWN, &account, "allowed");
    both("222222222222:user/eve", OWN, &bob, NO_RESOURCE);
    both("222222222222:root", "-", &account, "allowed");
    both("222222222222:root", "-", "-", NO_RESOURCE);
    both("222222222222:user/bob", OWN_DENY, &bob, DENIED_BY_OWN);
    let not = r#"{"Effect":"Deny","NotPrincipal":{"AWS":["111111111111","222222222222"]},"Action":"*","Resource":"*"}"#;
    both("333333333333:user/eve", OWN, &format!("{not},{}", grant("Allow", r#""*""#)), DENIED_BY_RESOURCE);
    both("222222222222:user/bob", OWN, &format!("{not},{}", grant("Allow", r#""*""#)), "allowed");
}

#[test]
fn boundaries_and_sessions_limit() {
    let own = [named("own", &document(OWN), PolicyKind::Inline)];
    let narrow = named("narrow", &document(&allow(r#""s3:*""#, r#""*""#)), PolicyKind::Managed);
    let denying = named("denying", &document(OWN_DENY), PolicyKind::Managed);
    let wide = named("wide", &document(&allow(r#""*""#, r#""*""#)), PolicyKind::Managed);
    let exact =
        named("b", &document(&grant("Allow", r#"{"AWS":"arn:aws:iam::111111111111:user/ann"}"#)), PolicyKind::Resource);
    let by_role =
        named("b", &document(&grant("Allow", r#"{"AWS":"arn:aws:iam::111111111111:role/w"}"#)), PolicyKind::Resource);
    let keys = Written::new("");
    let say = |caller: &str, policies: Policies<'_>| {
        let caller = principal(caller);
        let request = Request::new(&caller, "events:PutEvents", "*", &keys);
        decide(&request, &policies).reason("events:PutEvents")
    };
    let base = Policies { identity: &own, ..Policies::default() };
    assert_eq!(say("user/ann", Policies { boundary: Some(&wide), ..base }), "");
    let no_boundary = "because no permissions boundary allows the events:PutEvents action";
    assert_eq!(say("user/ann", Policies { boundary: Some(&narrow), ..base }), no_boundary);
    let denied = "with an explicit deny in a permissions boundary";
    assert_eq!(say("user/ann", Policies { boundary: Some(&denying), ..base }), denied);
    assert_eq!(say("user/ann", Policies { boundary: Some(&narrow), resource: Some(&exact), ..base }), "");
    assert_eq!(say("role/w", Policies { boundary: Some(&narrow), resource: Some(&by_role), ..base }), no_boundary);
    let no_session = "because no session policy allows the events:PutEvents action";
    assert_eq!(say("role/w", Policies { session: std::slice::from_ref(&narrow), ..base }), no_session);
    assert_eq!(say("role/w", Policies { session: std::slice::from_ref(&wide), ..base }), "");
    let denied = "with an explicit deny in a session policy";
    assert_eq!(say("role/w", Policies { session: std::slice::from_ref(&denying), ..base }), denied);
}

#[test]
fn trust() {
    let say = |caller: &str, trusted: &str, own: &str, keys: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{trusted},"Action":"sts:AssumeRole",
            "Condition":{{"StringEqualsIfExists":{{"sts:ExternalId":"42"}}}}}}}}"#
        );
        let trust = named("trust policy", &text, PolicyKind::Trust);
        let own: Vec<_> = if own == "-" { vec![] } else { vec![named("own", &document(own), PolicyKind::Inline)] };
        let (caller, keys) = (principal(caller), Written::new(keys));
        let request = Request::new(&caller, "sts:AssumeRole", "arn:aws:iam::111111111111:role/r", &keys);
        let policies = Policies { identity: &own, owner: Some(ACCOUNT.parse().unwrap()), ..Policies::default() };
        decide_trust(&request, &trust, &policies).reason("sts:AssumeRole")
    };
    let may = r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}"#;
    let no_trust = "because no resource-based policy allows the sts:AssumeRole action";
    let no_own = "because no identity-based policy allows the sts:AssumeRole action";
    let lambda = r#"{"Service":"lambda.amazonaws.com"}"#;
    assert_eq!(say("service/lambda.amazonaws.com", lambda, "-", ""), "");
    assert_eq!(say("service/events.amazonaws.com", lambda, "-", ""), no_trust);
    assert_eq!(say("user/ann", lambda, may, ""), no_trust);
    assert_eq!(say("root", lambda, "-", ""), no_trust);
    let account = r#"{"AWS":"arn:aws:iam::111111111111:root"}"#;
    assert_eq!(say("root", account, "-", ""), "");
    assert_eq!(say("user/ann", account, "-", ""), no_own);
    assert_eq!(say("user/ann", account, may, ""), "");
    let ann = r#"{"AWS":"arn:aws:iam::111111111111:user/ann"}"#;
    assert_eq!(say("user/ann", ann, "-", ""), "");
    assert_eq!(say("user/ann", ann, "-", "sts:ExternalId=41"), no_trust);
    assert_eq!(say("user/ann", ann, "-", "sts:ExternalId=42"), "");
    let other = r#"{"AWS":"222222222222"}"#;
    assert_eq!(say("222222222222:user/bob", other, "-", ""), no_own);
    assert_eq!(say("222222222222:user/bob", other, may, ""), "");
}

fn refused(text: &str, kind: PolicyKind, expect: &str) {
    let found = Policy::parse(text, kind).map_err(|e| e.message().to_owned());
    assert_eq!(found.map(|_| ()), Err(expect.to_owned()), "{text}");
}

#[test]
fn what_is_no_policy() {
    const SYNTAX: &str = "Syntax errors in policy.";
    let inline = |text: &str, expect: &str| refused(text, PolicyKind::Inline, expect);
    let with = |statement: &str, expect: &str| refused(&document(statement), PolicyKind::Inline, expect);
    for text in ["", "no json", "[]", "null", "{}", r#"{"Version":"2012-10-17"}"#, r#"{"Statement":"x"}"#] {
        inline(text, SYNTAX);
    }
    inline(r#"{"Version":"2012-10-17","Statement":[]}"#, "Could not parse the policy: Statement is empty!");
    inline(&format!(r#"{{"Version":"2020-01-01","Statement":[{OWN}]}}"#), SYNTAX);
    inline(&format!(r#"{{"Extra":1,"Statement":[{OWN}]}}"#), SYNTAX);
    inline(&format!(r#"{{"Statement":[{OWN}],"Statement":[{OWN}]}}"#), SYNTAX);
    inline(&format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)), SYNTAX);
    inline(&format!(r#"{{"Id":"{}","Statement":{OWN}}}"#, "x".repeat(200_000)), SYNTAX);
    with(r#"{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}"#, SYNTAX);
    with(r#"{"Action":"*","Resource":"*"}"#, SYNTAX);
    with(r#"{"Effect":"Maybe","Action":"*","Resource":"*"}"#, SYNTAX);
    with(r#"{"Effect":"allow","Action":"*","Resource":"*"}"#, "The policy failed legacy parsing");
    with(r#"{"Effect":"Allow","Action":"*","NotAction":"s3:*","Resource":"*"}"#, SYNTAX);
    with(r#"{"Effect":"Allow","Action":5,"Resource":"*"}"#, SYNTAX);
    with(r#"{"Effect":"Allow","Action":"*","Resource":"*","Extra":1}"#, SYNTAX);
    with(r#"{"Effect":"Allow","Resource":"*"}"#, "Policy statement must contain actions.");
    with(r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#, "Policy statement must contain actions.");
    with(r#"{"Effect":"Allow","Action":"*"}"#, "Policy statement must contain resources.");
    with(&allow(r#""*""#, "[]"), "Policy statement must contain resources.");
    with(&allow(r#""s3""#, r#""*""#), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
    with(&allow(r#""s3:a:b""#, r#""*""#), "Actions/Condition can contain only one colon.");
    with(&allow(r#""a s:b""#, r#""*""#), "Vendor a s is not valid");
    with(&allow(r#""s3:*""#, r#""bucket""#), "Resource bucket must be in ARN format or \"*\".");
    with(
        &allow(r#""s3:*""#, r#""arn:gcp:s3:::b""#),
        "Partition \"gcp\" is not valid for resource \"arn:gcp:s3:*:*:b\".",
    );
    with(&allow(r#""s3:*""#, r#""arn:aws""#), "Resource vendor must be fully qualified and cannot contain regexes.");
    with(
        &allow(r#""s3:*""#, r#""arn:aws:iam:us-east-1:1:user/x""#),
        "IAM resource arn:aws:iam:us-east-1:1:user/x cannot contain region information.",
    );
    with(
        &allow(r#""s3:*""#, r#""arn:aws:s3:us-east-1::b""#),
        "Resource arn:aws:s3:us-east-1::b can not contain region information.",
    );
    with(&grant("Allow", r#""*""#), "Policy document should not specify a principal.");
    let condition = |c: &str, expect: &str| {
        with(&format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{c}}}"#), expect);
    };
    condition(r#"{"StringSimilar":{"k":"v"}}"#, SYNTAX);
    condition(r#"{"NullIfExists":{"k":"true"}}"#, SYNTAX);
    condition(r#"{"ForSome:StringEquals":{"k":"v"}}"#, SYNTAX);
    condition(r#"{"StringEquals":"k"}"#, SYNTAX);
    condition(r#"{"StringEquals":{"k":{"v":1}}}"#, SYNTAX);
    condition(r#"{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}"#, "The policy failed legacy parsing");
    let sid = r#"{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"}"#;
    with(&format!("{sid},{sid}"), "Statement IDs (SID) in a single policy must be unique.");
    refused(
        &format!(r#"{{"Statement":{OWN}}}"#),
        PolicyKind::Managed,
        "Policy document must be version 2012-10-17 or greater.",
    );
}

#[test]
fn what_is_no_trust_or_resource_policy() {
    let trust = |statement: &str, expect: &str| refused(&document(statement), PolicyKind::Trust, expect);
    let to = |principal: &str| format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}"#);
    trust(r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#, "Missing required field Principal");
    trust(&grant("Allow", r#""*""#), "Has prohibited field Resource.");
    trust(
        r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}"#,
        "AssumeRole policy may only specify STS AssumeRole actions.",
    );
    trust(&to(r#"{"AWS":"ann"}"#), "Invalid principal in policy: \"AWS\":\"ann\"");
    trust(
        &to(r#"{"AWS":"arn:aws:iam::111111111111:role/*"}"#),
        "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111111111111:role/*\"",
    );
    trust(&to(r#"{"Service":"lambda"}"#), "Invalid principal in policy: \"SERVICE\":\"lambda\"");
    trust(&to(r#""ann""#), "Invalid principal in policy: \"ann\"");
    trust(&to(r#"{"Robot":"x"}"#), "Syntax errors in policy.");
    trust(&to("{}"), "Syntax errors in policy.");
    refused(&document(OWN), PolicyKind::Resource, "Missing required field Principal");
}

#[test]
fn explanations_name_the_statement_and_what_failed() {
    let statements = r#"{"Sid":"Queue","Effect":"Allow","Action":"sqs:*","Resource":"*"},
        {"Sid":"Bus","Effect":"Allow","Action":"events:PutEvents","Resource":"arn:aws:events:*:*:event-bus/other"},
        {"Effect":"Allow","Action":"events:Put*","Resource":"*","Condition":{"StringEquals":{"events:source":"bank"}}}"#;
    let own = [named("writer", &document(statements), PolicyKind::Inline)];
    let policies = Policies { identity: &own, ..Policies::default() };
    let caller = principal("role/w");
    let ask = |action: &str, keys: &str| {
        let keys = Written::new(keys);
        let request = Request::new(&caller, action, "arn:aws:events:us-east-1:111111111111:event-bus/b", &keys);
        let misses = near_misses(&request, &policies).iter().map(ToString::to_string).collect::<Vec<_>>();
        (decide(&request, &policies), misses)
    };
    let (decision, misses) = ask("events:PutEvents", "events:source=shop");
    assert_eq!(decision, Decision::Implicit(Source::Identity));
    assert_eq!(
        misses,
        [
            "statement 3 of writer: Condition StringEquals events:source [bank]: it is [shop]",
            "statement Bus of writer: Resource [arn:aws:events:*:*:event-bus/other] does not include it",
        ]
    );
    let (_, misses) = ask("events:DeleteRule", "");
    assert_eq!(misses.len(), 2, "{misses:?}");
    assert!(misses[0].contains("Action [events:PutEvents] does not include it"), "{misses:?}");
    let (decision, _) = ask("events:PutEvents", "events:source=bank");
    let Decision::Allowed(Some((Source::Identity, at))) = decision else { panic!("{decision:?}") };
    assert_eq!(at.to_string(), "statement 3 of writer");
}
