//! Who somebody is, and what changes when the policies do.

use crate::bench::{ACCOUNT, Bench, LAMBDA, OWN_ACCOUNT, allow, deny, trust};
use cauce_core::ports::{Access, Identity, Verdict};
use cauce_core::{Arn, Call, Principal, Region, Trace};
use serde_json::{Value, json};

const BUS: &str = "arn:aws:events:us-east-1:111111111111:event-bus/default";
const NONE: &str = "because no identity-based policy allows the events:PutEvents action";

async fn role(bench: &Bench, name: &str, trusted: &str) -> Arn {
    let input = json!({ "RoleName": name, "AssumeRolePolicyDocument": trust(trusted) });
    bench.ask("CreateRole", input).await["Role"]["Arn"].as_str().unwrap().parse().unwrap()
}

/// A user with a key; the credentials.
async fn user(bench: &Bench, name: &str) -> Value {
    bench.ask("CreateUser", json!({ "UserName": name })).await;
    bench.ask("CreateAccessKey", json!({ "UserName": name })).await["AccessKey"].clone()
}

#[tokio::test]
async fn root_signs_with_its_configured_key() {
    let bench = Bench::new().await;
    let key = bench.iam.presented_key("root-key", None).await.unwrap().unwrap();
    assert_eq!((key.secret.as_str(), key.session_token, key.expires), ("root-secret", None, None));
    assert_eq!(key.principal, bench.root());
    assert_eq!(bench.verdict(&bench.root(), "s3:DeleteBucket", "*").await, "");
    assert!(bench.iam.access_key("AKIAAAAAAAAAAAAAAAAA").await.unwrap().is_none());
    let who = bench.ask("GetCallerIdentity", json!({})).await;
    assert_eq!(who, json!({ "UserId": ACCOUNT, "Account": ACCOUNT, "Arn": "arn:aws:iam::111111111111:root" }));
}

#[tokio::test]
async fn a_function_gets_credentials_that_do_what_its_role_may() {
    let bench = Bench::new().await;
    let arn = role(&bench, "worker", LAMBDA).await;
    let credentials = bench.iam.assume_role(&arn, "lambda.amazonaws.com", "my-function").await.unwrap();
    assert!(credentials.access_key_id.starts_with("ASIA") && credentials.access_key_id.len() == 20);
    let key =
        bench.iam.presented_key(&credentials.access_key_id, Some(&credentials.session_token)).await.unwrap().unwrap();
    assert_eq!((&key.secret, key.expires), (&credentials.secret_access_key, Some(credentials.expires)));
    assert_eq!(key.principal.to_string(), "arn:aws:sts::111111111111:assumed-role/worker/my-function");
    assert_eq!(bench.verdict(&key.principal, "events:PutEvents", BUS).await, NONE);
    bench
        .ask(
            "PutRolePolicy",
            json!({ "RoleName": "worker", "PolicyName": "p", "PolicyDocument": allow("events:PutEvents", BUS) }),
        )
        .await;
    assert_eq!(bench.verdict(&key.principal, "events:PutEvents", BUS).await, "");
    bench
        .ask(
            "PutRolePolicy",
            json!({ "RoleName": "worker", "PolicyName": "q", "PolicyDocument": deny("events:*", "*") }),
        )
        .await;
    assert_eq!(
        bench.verdict(&key.principal, "events:PutEvents", BUS).await,
        "with an explicit deny in an identity-based policy"
    );
    bench.ask("DeleteRolePolicy", json!({ "RoleName": "worker", "PolicyName": "q" })).await;
    bench.ask("DeleteRolePolicy", json!({ "RoleName": "worker", "PolicyName": "p" })).await;
    assert_eq!(bench.verdict(&key.principal, "events:PutEvents", BUS).await, NONE);
    let error = bench
        .iam
        .authorize(
            &bench.call(key.principal.clone()),
            &Access { action: "events:PutEvents", resource: BUS, ..Access::default() },
        )
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "AccessDeniedException: User: arn:aws:sts::111111111111:assumed-role/worker/my-function is not authorized to \
             perform: events:PutEvents on resource: {BUS} {NONE}"
        )
    );
}

#[tokio::test]
async fn only_a_trusted_service_assumes_a_role() {
    let bench = Bench::new().await;
    let arn = role(&bench, "worker", LAMBDA).await;
    let refused = |arn: Arn, service: &'static str| {
        let iam = bench.iam.clone();
        async move { iam.assume_role(&arn, service, "s").await.unwrap_err().to_string() }
    };
    let text = "AccessDenied: User: events.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: \
                arn:aws:iam::111111111111:role/worker";
    assert_eq!(refused(arn, "events.amazonaws.com").await, text);
    for other in ["role/none", "role/path/worker", "user/worker"] {
        let arn: Arn = format!("arn:aws:iam::111111111111:{other}").parse().unwrap();
        assert!(refused(arn, "lambda.amazonaws.com").await.starts_with("AccessDenied"), "{other}");
    }
    assert!(
        refused("arn:aws:iam::222222222222:role/worker".parse().unwrap(), "lambda.amazonaws.com")
            .await
            .starts_with("AccessDenied")
    );
}

#[tokio::test]
async fn sessions_outlive_a_restart_and_end_with_their_role() {
    let bench = Bench::new().await;
    let arn = role(&bench, "worker", LAMBDA).await;
    let c = bench.iam.assume_role(&arn, "lambda.amazonaws.com", "s").await.unwrap();
    let known = async |bench: &Bench, id: &str, token: Option<&str>| {
        bench.iam.presented_key(id, token).await.unwrap().is_some()
    };
    let bench = bench.restarted().await;
    assert!(known(&bench, &c.access_key_id, Some(&c.session_token)).await);
    assert!(!known(&bench, &c.access_key_id, None).await, "a temporary key needs its token");
    assert!(!known(&bench, "ASIAAAAAAAAAAAAAAAAA", Some(&c.session_token)).await, "a token belongs to one key");
    assert!(!known(&bench, &c.access_key_id, Some("AAAA")).await);
    assert!(!known(&Bench::new().await, &c.access_key_id, Some("AAAA")).await);
    bench.ask("DeleteRole", json!({ "RoleName": "worker" })).await;
    assert!(!known(&bench, &c.access_key_id, Some(&c.session_token)).await, "the role is gone");
    role(&bench, "worker", LAMBDA).await;
    assert!(!known(&bench, &c.access_key_id, Some(&c.session_token)).await, "another role of the same name");
}

#[tokio::test]
async fn users_have_two_keys_that_can_be_switched_off() {
    let bench = Bench::new().await;
    let first = user(&bench, "ann").await;
    assert_eq!(first["AccessKeyId"].as_str().unwrap().len(), 20);
    assert_eq!(first["SecretAccessKey"].as_str().unwrap().len(), 40);
    let who = bench.who(&first).await.unwrap();
    assert_eq!(who.to_string(), "arn:aws:iam::111111111111:user/ann");
    assert_eq!(bench.verdict(&who, "events:PutEvents", BUS).await, NONE);
    let own = bench.ask_as(who.clone(), "GetCallerIdentity", json!({})).await.unwrap();
    assert!(own["UserId"].as_str().unwrap().starts_with("AIDA"));
    bench.ask("CreateAccessKey", json!({ "UserName": "ann" })).await;
    bench
        .refused(
            "CreateAccessKey",
            json!({ "UserName": "ann" }),
            "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2",
        )
        .await;
    assert_eq!(
        bench.ask("ListAccessKeys", json!({ "UserName": "ann" })).await["AccessKeyMetadata"].as_array().unwrap().len(),
        2
    );
    let id = first["AccessKeyId"].clone();
    bench.ask("UpdateAccessKey", json!({ "UserName": "ann", "AccessKeyId": id, "Status": "Inactive" })).await;
    assert_eq!(bench.who(&first).await, None);
    bench.ask("UpdateAccessKey", json!({ "UserName": "ann", "AccessKeyId": id, "Status": "Active" })).await;
    assert!(bench.who(&first).await.is_some());
    bench
        .refused(
            "DeleteUser",
            json!({ "UserName": "ann" }),
            "DeleteConflict: Cannot delete entity, must delete access keys first.",
        )
        .await;
    user(&bench, "bob").await;
    let missing = format!("NoSuchEntity: The Access Key with id {} cannot be found.", id.as_str().unwrap());
    bench.refused("DeleteAccessKey", json!({ "UserName": "bob", "AccessKeyId": id }), &missing).await;
    bench.ask("DeleteAccessKey", json!({ "UserName": "ann", "AccessKeyId": id })).await;
    assert_eq!(bench.who(&first).await, None);
    bench
        .refused(
            "CreateAccessKey",
            json!({}),
            "ValidationError: Must specify userName when calling with non-User credentials",
        )
        .await;
}

#[tokio::test]
async fn a_user_does_what_its_policies_allow_and_no_more() {
    let bench = Bench::new().await;
    let ann = bench.who(&user(&bench, "ann").await).await.unwrap();
    bench
        .ask("CreateRole", json!({ "RoleName": "r", "Path": "/app/", "AssumeRolePolicyDocument": trust(LAMBDA) }))
        .await;
    let get = json!({ "RoleName": "r" });
    let refused = "AccessDenied: User: arn:aws:iam::111111111111:user/ann is not authorized to perform: iam:GetRole on \
                   resource: arn:aws:iam::111111111111:role/app/r because no identity-based policy allows the iam:GetRole \
                   action";
    assert_eq!(bench.ask_as(ann.clone(), "GetRole", get.clone()).await, Err(refused.to_owned()));
    bench.ask("PutUserPolicy", json!({ "UserName": "ann", "PolicyName": "p", "PolicyDocument": allow("iam:Get*", "arn:aws:iam::*:role/app/*") })).await;
    assert!(bench.ask_as(ann.clone(), "GetRole", get.clone()).await.is_ok());
    assert!(
        bench.restarted().await.ask_as(ann.clone(), "GetRole", get.clone()).await.is_ok(),
        "paths are known after a restart"
    );
    bench
        .ask(
            "PutUserPermissionsBoundary",
            json!({ "UserName": "ann", "PermissionsBoundary": "arn:aws:iam::aws:policy/AmazonS3FullAccess" }),
        )
        .await;
    assert!(
        bench
            .ask_as(ann.clone(), "GetRole", get.clone())
            .await
            .unwrap_err()
            .ends_with("because no permissions boundary allows the iam:GetRole action")
    );
    bench.ask("DeleteUserPermissionsBoundary", json!({ "UserName": "ann" })).await;
    assert!(bench.ask_as(ann.clone(), "GetRole", get).await.is_ok());
    assert!(
        bench
            .ask_as(ann.clone(), "GetUser", json!({}))
            .await
            .unwrap_err()
            .contains("arn:aws:iam::111111111111:user/ann because")
    );
    bench
        .ask("AttachUserPolicy", json!({ "UserName": "ann", "PolicyArn": "arn:aws:iam::aws:policy/PowerUserAccess" }))
        .await;
    assert_eq!(bench.verdict(&ann, "events:PutEvents", BUS).await, "");
    assert!(bench.ask_as(ann.clone(), "ListRoles", json!({})).await.is_ok(), "PowerUserAccess lists roles");
    bench
        .ask("DetachUserPolicy", json!({ "UserName": "ann", "PolicyArn": "arn:aws:iam::aws:policy/PowerUserAccess" }))
        .await;
    assert_eq!(bench.verdict(&ann, "events:PutEvents", BUS).await, NONE);
}

#[tokio::test]
async fn a_policy_applies_in_its_default_version() {
    let bench = Bench::new().await;
    let ann = bench.who(&user(&bench, "ann").await).await.unwrap();
    let arn = bench.ask("CreatePolicy", json!({ "PolicyName": "p", "PolicyDocument": allow("s3:*", "*") })).await["Policy"]["Arn"].clone();
    bench.ask("AttachUserPolicy", json!({ "UserName": "ann", "PolicyArn": arn })).await;
    assert_eq!(bench.verdict(&ann, "events:PutEvents", BUS).await, NONE);
    bench
        .ask(
            "CreatePolicyVersion",
            json!({ "PolicyArn": arn, "PolicyDocument": allow("events:*", "*"), "SetAsDefault": true }),
        )
        .await;
    assert_eq!(bench.verdict(&ann, "events:PutEvents", BUS).await, "");
    bench.ask("SetDefaultPolicyVersion", json!({ "PolicyArn": arn, "VersionId": "v1" })).await;
    assert_eq!(bench.verdict(&ann, "events:PutEvents", BUS).await, NONE);
}

#[tokio::test]
async fn a_user_assumes_a_role_with_limits() {
    let bench = Bench::new().await;
    role(&bench, "admin", OWN_ACCOUNT).await;
    bench
        .ask(
            "AttachRolePolicy",
            json!({ "RoleName": "admin", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess" }),
        )
        .await;
    let ann = bench.who(&user(&bench, "ann").await).await.unwrap();
    let assume = json!({ "RoleArn": "arn:aws:iam::111111111111:role/admin", "RoleSessionName": "ann" });
    let refused = "AccessDenied: User: arn:aws:iam::111111111111:user/ann is not authorized to perform: sts:AssumeRole on \
                   resource: arn:aws:iam::111111111111:role/admin";
    assert_eq!(bench.ask_as(ann.clone(), "AssumeRole", assume.clone()).await, Err(refused.to_owned()));
    bench
        .ask(
            "PutUserPolicy",
            json!({ "UserName": "ann", "PolicyName": "p", "PolicyDocument": allow("sts:AssumeRole", "*") }),
        )
        .await;
    let answer = bench.ask_as(ann.clone(), "AssumeRole", assume.clone()).await.unwrap();
    assert_eq!(answer["Credentials"]["Expiration"], 1_760_000_000 + 3_600);
    assert_eq!(answer["AssumedRoleUser"]["Arn"], "arn:aws:sts::111111111111:assumed-role/admin/ann");
    let session = bench.who(&answer["Credentials"]).await.unwrap();
    assert_eq!(bench.verdict(&session, "events:PutEvents", BUS).await, "");
    let mut limited = assume.clone();
    limited["Policy"] = json!(allow("s3:*", "*"));
    let answer = bench.ask_as(ann.clone(), "AssumeRole", limited.clone()).await.unwrap();
    let session = bench.who(&answer["Credentials"]).await.unwrap();
    let none = "because no session policy allows the events:PutEvents action";
    assert_eq!(bench.verdict(&session, "events:PutEvents", BUS).await, none);
    assert_eq!(bench.verdict(&session, "s3:GetObject", "arn:aws:s3:::b/k").await, "");
    assert_eq!(bench.restarted().await.verdict(&session, "events:PutEvents", BUS).await, none);
    // The limits are cleared away when the session has ended; what is left of it may do nothing.
    bench.advance(3_601);
    bench.ask_as(ann.clone(), "AssumeRole", limited).await.unwrap();
    let none = "because no session policy allows the s3:GetObject action";
    assert_eq!(bench.restarted().await.verdict(&session, "s3:GetObject", "arn:aws:s3:::b/k").await, none);
}

#[tokio::test]
async fn assume_role_refuses_what_it_must() {
    let bench = Bench::new().await;
    role(&bench, "r", OWN_ACCOUNT).await;
    let with = |more: Value| {
        let mut input = json!({ "RoleArn": "arn:aws:iam::111111111111:role/r", "RoleSessionName": "se" });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let violation = |text: &str| format!("ValidationError: 1 validation error detected: {text}");
    let cases = [
        (with(json!({ "RoleSessionName": "s" })), violation("Value 's' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2")),
        (with(json!({ "RoleSessionName": "a b" })), violation("Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*")),
        (with(json!({ "DurationSeconds": 60 })), violation("Value '60' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900")),
        (with(json!({ "DurationSeconds": 7200 })), "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned()),
        (with(json!({ "Policy": "{" })), "MalformedPolicyDocument: Syntax errors in policy.".to_owned()),
        (with(json!({ "RoleArn": "no arn, but long enough" })), "ValidationError: no arn, but long enough is invalid".to_owned()),
        (with(json!({ "RoleArn": "arn:aws:iam::111111111111:role/x" })), "AccessDenied: User: arn:aws:iam::111111111111:root is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/x".to_owned()),
        (with(json!({ "Tags": [{ "Key": "a", "Value": "b" }] })), "AccessDenied: User: arn:aws:iam::111111111111:root is not authorized to perform: sts:TagSession on resource: arn:aws:iam::111111111111:role/r".to_owned()),
    ];
    for (input, expect) in cases {
        bench.refused("AssumeRole", input, &expect).await;
    }
    let answer = bench.ask("AssumeRole", with(json!({}))).await;
    let session = bench.who(&answer["Credentials"]).await.unwrap();
    bench
        .ask("PutRolePolicy", json!({ "RoleName": "r", "PolicyName": "p", "PolicyDocument": allow("sts:*", "*") }))
        .await;
    bench.ask("UpdateRole", json!({ "RoleName": "r", "MaxSessionDuration": 43200 })).await;
    let chained = bench.ask_as(session, "AssumeRole", with(json!({ "DurationSeconds": 7200 }))).await;
    assert_eq!(chained, Err("ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining".to_owned()));
}

#[tokio::test]
async fn tags_and_external_ids_are_condition_keys() {
    let bench = Bench::new().await;
    let trusted = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":["sts:AssumeRole","sts:TagSession"],
         "Condition":{"StringEquals":{"sts:ExternalId":"42"}}}]}"#;
    bench.ask("CreateRole", json!({ "RoleName": "r", "AssumeRolePolicyDocument": trusted, "Tags": [{ "Key": "team", "Value": "red" }] })).await;
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:PrincipalTag/Team}"}}"#;
    bench.ask("PutRolePolicy", json!({ "RoleName": "r", "PolicyName": "p", "PolicyDocument": own })).await;
    let mut input = json!({ "RoleArn": "arn:aws:iam::111111111111:role/r", "RoleSessionName": "se" });
    let denied = "AccessDenied: User: arn:aws:iam::111111111111:root is not authorized to perform: sts:AssumeRole on resource: \
                  arn:aws:iam::111111111111:role/r";
    bench.refused("AssumeRole", input.clone(), denied).await;
    input["ExternalId"] = json!("42");
    let plain = bench.who(&bench.ask("AssumeRole", input.clone()).await["Credentials"]).await.unwrap();
    input["Tags"] = json!([{ "Key": "Team", "Value": "blue" }]);
    let tagged = bench.who(&bench.ask("AssumeRole", input).await["Credentials"]).await.unwrap();
    let may = async |who: &Principal, bucket: &str| {
        bench.verdict(who, "s3:ListBucket", &format!("arn:aws:s3:::{bucket}")).await.is_empty()
    };
    assert!(may(&plain, "red").await && !may(&plain, "blue").await);
    assert!(may(&tagged, "blue").await && !may(&tagged, "red").await, "the session's tag goes before the role's");
}

#[tokio::test]
async fn global_condition_keys_come_from_the_call() {
    let bench = Bench::new().await;
    let credentials = user(&bench, "ann").await;
    let ann = bench.who(&credentials).await.unwrap();
    let cases = [
        (r#"{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, false),
        (r#"{"Bool":{"aws:SecureTransport":"true"}}"#, true),
        (r#"{"StringEquals":{"aws:username":"ann"}}"#, true),
        (r#"{"StringEquals":{"aws:PrincipalType":"User"}}"#, true),
        (r#"{"StringEquals":{"aws:PrincipalAccount":"111111111111"}}"#, true),
        (r#"{"StringEquals":{"aws:ResourceAccount":"111111111111"}}"#, true),
        (r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/a*"}}"#, true),
        (r#"{"StringLike":{"aws:userid":"AIDA*"}}"#, true),
        (r#"{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}"#, true),
        (r#"{"DateGreaterThan":{"aws:CurrentTime":"2025-01-01T00:00:00Z"}}"#, true),
        (r#"{"NumericLessThan":{"aws:EpochTime":"1760000000"}}"#, false),
        (r#"{"Null":{"aws:SourceArn":"true"}}"#, true),
        (r#"{"Bool":{"aws:PrincipalIsAWSService":"false","aws:ViaAWSService":"false"}}"#, true),
        (r#"{"Null":{"aws:MultiFactorAuthPresent":"true"}}"#, true),
        (r#"{"StringEquals":{"Events:Source":"bank"}}"#, true),
    ];
    for (condition, holds) in cases {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}}}"#
        );
        bench.ask("PutUserPolicy", json!({ "UserName": "ann", "PolicyName": "p", "PolicyDocument": document })).await;
        let context = vec![("events:source".to_owned(), vec!["bank".to_owned()])];
        let access = Access { action: "events:PutEvents", resource: BUS, context, ..Access::default() };
        let verdict = bench.iam.explain(&bench.call(ann.clone()), &access).await.unwrap();
        assert_eq!(matches!(verdict, Verdict::Allowed(_)), holds, "{condition}");
    }
}

#[tokio::test]
async fn services_are_let_in_by_the_resource() {
    let bench = Bench::new().await;
    let rule: Arn = "arn:aws:events:us-east-1:111111111111:rule/r".parse().unwrap();
    let trace = Trace::start(bench.env.now(), bench.env.entropy());
    let call = Call::from_service(
        &bench.env,
        "events.amazonaws.com",
        Some(&rule),
        ACCOUNT.parse().unwrap(),
        Region::default(),
        trace,
    );
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Sid":"rule-may","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},
        "Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f",
        "Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:events:us-east-1:111111111111:rule/r"},
                     "StringEquals":{"AWS:SourceAccount":"111111111111"}}}]}"#;
    let ask = async |policy: Option<&str>| {
        let access = Access {
            action: "lambda:InvokeFunction",
            resource: "arn:aws:lambda:us-east-1:111111111111:function:f",
            resource_policy: policy,
            context: vec![],
        };
        bench.iam.explain(&call, &access).await.unwrap()
    };
    let denied = Verdict::Denied("because no resource-based policy allows the lambda:InvokeFunction action".into());
    assert_eq!(ask(Some(policy)).await, Verdict::Allowed("by statement rule-may of resource policy".into()));
    assert_eq!(ask(Some(&policy.replace("rule/r\"", "rule/s\""))).await, denied);
    assert_eq!(ask(None).await, denied);
    assert_eq!(bench.iam.check_resource_policy(policy), Ok(()));
    assert_eq!(bench.iam.check_resource_policy("{ no policy"), Err("Syntax errors in policy.".to_owned()));
    let broken = ask(Some("{ no policy")).await;
    assert_eq!(
        broken,
        Verdict::Denied("with an explicit deny in a resource-based policy".into()),
        "it may deny what we cannot read"
    );
}

#[tokio::test]
async fn an_explanation_tells_what_nearly_allowed_it() {
    let bench = Bench::new().await;
    let arn = role(&bench, "worker", LAMBDA).await;
    bench.ask("PutRolePolicy", json!({ "RoleName": "worker", "PolicyName": "bus", "PolicyDocument": allow("events:PutEvents", "arn:aws:events:*:*:event-bus/other") })).await;
    let c = bench.iam.assume_role(&arn, "lambda.amazonaws.com", "f").await.unwrap();
    let key = bench.iam.presented_key(&c.access_key_id, Some(&c.session_token)).await.unwrap().unwrap();
    let access = Access { action: "events:PutEvents", resource: BUS, ..Access::default() };
    let explained = bench.iam.explain_access(&bench.call(key.principal), &access).await.unwrap();
    assert_eq!(explained.reason, NONE);
    let misses: Vec<String> = explained.near_misses.iter().map(ToString::to_string).collect();
    assert_eq!(misses, ["statement 1 of bus: Resource [arn:aws:events:*:*:event-bus/other] does not include it"]);
}
