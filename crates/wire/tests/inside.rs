//! Requests from inside the program go the way of all others, but for the signature.

mod support;

use std::sync::Arc;

use cauce_core::ports::{ServiceRequest, ServiceResponse, Services};
use cauce_core::{Account, Call, Env, Principal, Region, Trace};
use cauce_wire::{Door, Front, FrontOptions};
use support::services::{Guard, Probe, furnish};

fn door() -> (Door, Call) {
    let env = Env::system();
    let probe = Arc::new(Probe::default());
    let trace = Trace::start(env.now(), env.entropy());
    let mut call = Call::from_service(&env, "inside", None, Account::DEFAULT, Region::default(), trace);
    call.principal = Arc::new(Principal::Root { account: Account::DEFAULT, access_key_id: String::new() });
    (furnish(Front::new(FrontOptions::default(), Arc::new(Guard), env), &probe).build(), call)
}

async fn ask(service: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let (door, call) = door();
    let response = door.request(&call, asked(service, method, target, headers, body)).await;
    assert_eq!(header(&response, "x-amzn-requestid").map(str::len), Some(36));
    (response.status, String::from_utf8_lossy(&response.body).into_owned())
}

fn asked(service: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> ServiceRequest {
    ServiceRequest {
        service: service.to_owned(),
        method: method.to_owned(),
        path_and_query: target.to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_owned().into(),
    }
}

fn header<'r>(response: &'r ServiceResponse, name: &str) -> Option<&'r str> {
    response.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn every_protocol() {
    let say = [JSON, ("x-amz-target", "Echo.Say")];
    assert_eq!(ask("echo", "POST", "/", &say, r#"{"Text":"a"}"#).await, (200, r#"{"Text":"a"}"#.to_owned()));
    let (status, body) = ask("forms", "POST", "/", &[FORM], "Action=Say&Version=2020-01-01&Text=a").await;
    assert!(status == 200 && body.contains("<Text>a</Text>"), "{status} {body}");
    let (status, body) = ask("rest", "POST", "/2020/say/a", &[], "").await;
    assert_eq!((status, body.as_str()), (201, r#"{"Text":"a"}"#));
    let (status, body) = ask("s3", "PUT", "/bucket/key", &[], "abc").await;
    assert_eq!((status, body.as_str()), (200, "arn:aws:iam::000000000000:root /bucket/key ABC"));
}

#[tokio::test]
async fn what_is_refused_outside_is_refused_inside() {
    let check = async |service: &str, method: &str, headers: &[(&str, &str)], body: &str, expect: (u16, &str)| {
        let (status, answer) = ask(service, method, "/", headers, body).await;
        assert_eq!(status, expect.0, "{answer}");
        assert!(answer.contains(expect.1), "{answer}");
    };
    let say = [JSON, ("x-amz-target", "Echo.Say")];
    let denied = "because no identity-based policy allows the echo:Say action";
    check("echo", "POST", &say, r#"{"Text":"forbidden"}"#, (400, denied)).await;
    check("echo", "POST", &say, r#"{"Text":""}"#, (400, "ValidationException")).await;
    check("echo", "POST", &say, "{", (400, "SerializationException")).await;
    check("echo", "POST", &[JSON, ("x-amz-target", "Echo.Crash")], "{}", (500, "InternalFailure")).await;
    check("echo", "POST", &[JSON, ("x-amz-target", "Echo.Sing")], "{}", (400, "UnknownOperationException")).await;
    check("nobody", "POST", &[], "", (404, "The service nobody is not known here.")).await;
    check("echo", "NO METHOD", &[], "", (400, "The request's method is invalid")).await;
    check("echo", "POST", &[("a b", "c")], "", (400, "The request's header name is invalid")).await;
    let long = format!(r#"{{"Text":"{}"}}"#, "a".repeat(FrontOptions::default().body_bytes_max));
    check("echo", "POST", &say, &long, (413, "Request must be smaller than")).await;
}

#[tokio::test]
async fn operations_by_name_speak_json_whatever_their_service_speaks() {
    let (door, call) = door();
    let ask = async |service: &str, operation: &str, input: &'static str| {
        let response = door.operation(&call, service, operation, input.into()).await;
        (response.status, String::from_utf8_lossy(&response.body).into_owned())
    };
    for service in ["echo", "forms", "rest"] {
        assert!(door.offers(service, "Say"));
        let (status, body) = ask(service, "Say", r#"{"Text":"a"}"#).await;
        assert_eq!((status, body.contains(r#""Text":"a""#)), (200, true), "{service}: {body}");
        assert_eq!(ask(service, "Say", r#"{"Text":"forbidden"}"#).await.0, 400);
    }
    assert!(!door.offers("echo", "Sing") && !door.offers("nobody", "Say"));
    assert_eq!(ask("echo", "Sing", "{}").await.0, 400);
}
