//! Managed policies and their versions, through the operations.

use crate::bench::{Bench, LAMBDA, allow, trust};
use serde_json::{Value, json};

#[tokio::test]
async fn a_policy_has_versions() {
    let bench = Bench::new().await;
    let made = bench
        .ask("CreatePolicy", json!({ "PolicyName": "p", "Path": "/x/", "PolicyDocument": allow("s3:*", "*") }))
        .await;
    let arn = made["Policy"]["Arn"].as_str().unwrap().to_owned();
    assert_eq!(arn, "arn:aws:iam::111111111111:policy/x/p");
    assert_eq!(made["Policy"]["DefaultVersionId"], "v1");
    let new =
        |default: bool| json!({ "PolicyArn": arn, "PolicyDocument": allow("sqs:*", "*"), "SetAsDefault": default });
    assert_eq!(bench.ask("CreatePolicyVersion", new(false)).await["PolicyVersion"]["IsDefaultVersion"], false);
    assert_eq!(bench.ask("CreatePolicyVersion", new(true)).await["PolicyVersion"]["VersionId"], "v3");
    let version = bench.ask("GetPolicyVersion", json!({ "PolicyArn": arn, "VersionId": "v3" })).await;
    assert!(version["PolicyVersion"]["Document"].as_str().unwrap().contains("sqs%3A%2A"));
    bench.ask("SetDefaultPolicyVersion", json!({ "PolicyArn": arn, "VersionId": "v2" })).await;
    assert_eq!(bench.ask("GetPolicy", json!({ "PolicyArn": arn })).await["Policy"]["DefaultVersionId"], "v2");
    bench.ask("CreatePolicyVersion", new(false)).await;
    bench.ask("CreatePolicyVersion", new(false)).await;
    let full = "LimitExceeded: A managed policy can have up to 5 versions. Before you create a new version, you must delete an \
                existing version.";
    bench.refused("CreatePolicyVersion", new(false), full).await;
    bench
        .refused(
            "DeletePolicyVersion",
            json!({ "PolicyArn": arn, "VersionId": "v2" }),
            "DeleteConflict: Cannot delete the default version of a policy.",
        )
        .await;
    bench
        .refused(
            "DeletePolicyVersion",
            json!({ "PolicyArn": arn, "VersionId": "v9" }),
            &format!("NoSuchEntity: Policy {arn} version v9 does not exist or is not attachable."),
        )
        .await;
    let more = "DeleteConflict: This policy has more than one version. Before you delete a policy, you must delete the policy's \
                versions. The default version is deleted with the policy.";
    bench.refused("DeletePolicy", json!({ "PolicyArn": arn }), more).await;
    for version in ["v1", "v3", "v4", "v5"] {
        bench.ask("DeletePolicyVersion", json!({ "PolicyArn": arn, "VersionId": version })).await;
    }
    let versions = bench.ask("ListPolicyVersions", json!({ "PolicyArn": arn })).await;
    assert_eq!(versions["Versions"][0]["VersionId"], "v2");
    assert_eq!(versions["Versions"].as_array().unwrap().len(), 1);
    bench.ask("DeletePolicy", json!({ "PolicyArn": arn })).await;
    bench
        .refused("GetPolicy", json!({ "PolicyArn": arn }), &format!("NoSuchEntity: Policy {arn} was not found."))
        .await;
}

#[tokio::test]
async fn what_is_no_policy_is_refused() {
    let bench = Bench::new().await;
    let create = |name: &str, document: String| json!({ "PolicyName": name, "PolicyDocument": document });
    bench.ask("CreatePolicy", create("p", allow("s3:*", "*"))).await;
    bench
        .refused(
            "CreatePolicy",
            create("P", allow("s3:*", "*")),
            "EntityAlreadyExists: A policy called P already exists. Duplicate names are not allowed.",
        )
        .await;
    let old = allow("s3:*", "*").replace("2012-10-17", "2008-10-17");
    bench
        .refused(
            "CreatePolicy",
            create("q", old),
            "MalformedPolicyDocument: Policy document must be version 2012-10-17 or greater.",
        )
        .await;
    bench
        .refused(
            "CreatePolicy",
            create("q", trust(LAMBDA)),
            "MalformedPolicyDocument: Policy document should not specify a principal.",
        )
        .await;
    let long = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::{}"]}}}}"#,
        vec!["x".repeat(1_000); 7].join("\",\"arn:aws:s3:::")
    );
    bench.refused("CreatePolicy", create("q", long), "LimitExceeded: Cannot exceed quota for PolicySize: 6144").await;
    let attached = "arn:aws:iam::111111111111:policy/p";
    bench.ask("CreateRole", json!({ "RoleName": "r", "AssumeRolePolicyDocument": trust(LAMBDA) })).await;
    bench.ask("AttachRolePolicy", json!({ "RoleName": "r", "PolicyArn": attached })).await;
    bench
        .refused(
            "DeletePolicy",
            json!({ "PolicyArn": attached }),
            "DeleteConflict: Cannot delete a policy attached to entities.",
        )
        .await;
}

#[tokio::test]
async fn lists_have_the_own_and_those_of_aws() {
    let bench = Bench::new().await;
    for name in ["b", "a", "c"] {
        bench.ask("CreatePolicy", json!({ "PolicyName": name, "PolicyDocument": allow("s3:*", "*") })).await;
    }
    let names = |page: &Value| -> Vec<String> {
        page["Policies"].as_array().unwrap().iter().map(|p| p["PolicyName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&bench.ask("ListPolicies", json!({ "Scope": "Local" })).await), ["a", "b", "c"]);
    let (mut marker, mut all) = (Value::Null, vec![]);
    loop {
        let mut input = json!({ "MaxItems": 7 });
        if !marker.is_null() {
            input["Marker"] = marker.clone();
        }
        let page = bench.ask("ListPolicies", input).await;
        all.extend(names(&page));
        marker = page["Marker"].clone();
        if marker.is_null() {
            break;
        }
    }
    assert_eq!(&all[..3], ["a", "b", "c"]);
    assert!(all.len() > 30 && all.contains(&"AdministratorAccess".to_owned()), "{all:?}");
    let mut unique = all.clone();
    unique.dedup();
    assert_eq!(unique, all);
    let aws = bench.ask("ListPolicies", json!({ "Scope": "AWS", "PathPrefix": "/service-role/" })).await;
    assert!(names(&aws).iter().all(|n| n.starts_with("AWSLambda") || n == "AmazonAPIGatewayPushToCloudWatchLogs"));
    assert_eq!(names(&bench.ask("ListPolicies", json!({ "OnlyAttached": true })).await), Vec::<String>::new());
    let version = bench
        .ask("GetPolicyVersion", json!({ "PolicyArn": "arn:aws:iam::aws:policy/PowerUserAccess", "VersionId": "v1" }))
        .await;
    assert_eq!(version["PolicyVersion"]["IsDefaultVersion"], true);
}

#[tokio::test]
async fn simulations_answer_without_doing() {
    let bench = Bench::new().await;
    bench.ask("CreateRole", json!({ "RoleName": "r", "AssumeRolePolicyDocument": trust(LAMBDA) })).await;
    bench
        .ask(
            "PutRolePolicy",
            json!({ "RoleName": "r", "PolicyName": "p", "PolicyDocument": allow("s3:Get*", "arn:aws:s3:::b/*") }),
        )
        .await;
    let input = json!({
        "PolicySourceArn": "arn:aws:iam::111111111111:role/r", "ActionNames": ["s3:GetObject", "s3:PutObject"],
        "ResourceArns": ["arn:aws:s3:::b/k", "arn:aws:s3:::c/k"],
    });
    let found = bench.ask("SimulatePrincipalPolicy", input).await;
    let results = found["EvaluationResults"].as_array().unwrap();
    let decisions: Vec<_> = results.iter().map(|r| r["EvalDecision"].as_str().unwrap()).collect();
    assert_eq!(decisions, ["allowed", "implicitDeny", "implicitDeny", "implicitDeny"]);
    assert_eq!(results[0]["MatchedStatements"][0]["SourcePolicyId"], "p");
    let custom = json!({
        "PolicyInputList": [
            allow("s3:*", "*"),
            r#"{"Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}}"#,
        ],
        "ActionNames": ["s3:GetObject"],
        "ContextEntries": [{ "ContextKeyName": "aws:SecureTransport", "ContextKeyValues": ["false"], "ContextKeyType": "boolean" }],
    });
    let found = bench.ask("SimulateCustomPolicy", custom.clone()).await;
    assert_eq!(found["EvaluationResults"][0]["EvalDecision"], "explicitDeny");
    let mut without = custom;
    without.as_object_mut().unwrap().remove("ContextEntries");
    let found = bench.ask("SimulateCustomPolicy", without).await;
    assert_eq!(found["EvaluationResults"][0]["EvalDecision"], "allowed");
    assert_eq!(found["EvaluationResults"][0]["MissingContextValues"], json!(["aws:SecureTransport"]));
    bench
        .refused(
            "SimulatePrincipalPolicy",
            json!({ "PolicySourceArn": "arn:aws:iam::111111111111:role/none", "ActionNames": ["s3:GetObject"] }),
            "NoSuchEntity: Entity arn:aws:iam::111111111111:role/none cannot be found.",
        )
        .await;
}
