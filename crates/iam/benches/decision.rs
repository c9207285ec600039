//! What one decision and one key cost when nothing has changed: `cargo bench -p cauce-iam`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on stops")]

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use cauce_core::ports::{Access, Identity};
use cauce_core::{Account, Arn, Call, Env, Region, Trace};
use cauce_iam::{Iam, IamOptions, api};
use cauce_store::Db;
use serde_json::json;

const ROUNDS: u32 = 200_000;
const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/default";

/// Prints the mean of a round, the best of five runs.
async fn measure<F: Future>(name: &str, round: impl Fn() -> F) {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            std::hint::black_box(round().await);
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(ROUNDS));
    }
    println!("{name:<60} {:>8.0} ns", best * 1e9);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let env = Env::system();
    let options =
        IamOptions { account: Account::DEFAULT, root_access_key_id: "test".to_owned(), root_secret: "test".to_owned() };
    let iam = Iam::open(Db::memory(), env.clone(), options).await.unwrap();
    let identity: Arc<dyn Identity> = Arc::clone(&iam) as Arc<dyn Identity>;
    let (operations, root) = (api(&iam), iam.access_key("test").await.unwrap().unwrap().principal);
    let trace = Trace::start(env.now(), env.entropy());
    let call = Call::from_service(&env, "bench", None, Account::DEFAULT, Region::default(), trace);
    let call_as = |principal| Call { principal: Arc::new(principal), ..call.clone() };
    let ask = async |operation: &str, input: serde_json::Value| {
        let body = serde_json::to_vec(&input).unwrap();
        operations.call_json(&identity, operation, call_as(root.clone()), &body).await.unwrap();
    };
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let own = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:PutItem","dynamodb:Query"],"Resource":"arn:aws:dynamodb:*:*:table/t*"},
        {"Effect":"Allow","Action":"events:Put*","Resource":"arn:aws:events:*:*:event-bus/*","Condition":{"StringLike":{"events:source":"bank.*"}}}]}"#;
    ask("CreateRole", json!({ "RoleName": "worker", "AssumeRolePolicyDocument": trust })).await;
    ask("PutRolePolicy", json!({ "RoleName": "worker", "PolicyName": "own", "PolicyDocument": own })).await;
    for policy in ["service-role/AWSLambdaBasicExecutionRole", "AmazonS3ReadOnlyAccess"] {
        let arn = format!("arn:aws:iam::aws:policy/{policy}");
        ask("AttachRolePolicy", json!({ "RoleName": "worker", "PolicyArn": arn })).await;
    }
    let role: Arn = "arn:aws:iam::000000000000:role/worker".parse().unwrap();
    let session = iam.assume_role(&role, "lambda.amazonaws.com", "f").await.unwrap();
    let (id, token) = (session.access_key_id.as_str(), Some(session.session_token.as_str()));
    let key = iam.presented_key(id, token).await.unwrap().unwrap();
    let worker = call_as(key.principal);
    let context = vec![("events:source".to_owned(), vec!["bank.atm".to_owned()])];
    let put = Access { action: "events:PutEvents", resource: BUS, resource_policy: None, context };
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"events:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    let with_policy = Access { resource_policy: Some(deny), ..put.clone() };
    let other = Access { action: "sqs:SendMessage", ..put.clone() };
    iam.authorize(&worker, &put).await.expect("the role may");

    measure("decision: allowed by a condition, 3 policies", || iam.explain(&worker, &put)).await;
    measure("decision: the same, with a policy of the resource", || iam.explain(&worker, &with_policy)).await;
    measure("decision: denied, no statement fits", || iam.explain(&worker, &other)).await;
    measure("key of a session: token verified, secret derived", || iam.presented_key(id, token)).await;
    measure("assume_role for a function", || iam.assume_role(&role, "lambda.amazonaws.com", "f")).await;
}
