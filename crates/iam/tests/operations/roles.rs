//! Roles and their policies, through the operations.

use crate::bench::{ACCOUNT, Bench, LAMBDA, allow, trust};
use serde_json::{Value, json};

const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

async fn role(bench: &Bench, name: &str) -> Value {
    bench.ask("CreateRole", json!({ "RoleName": name, "AssumeRolePolicyDocument": trust(LAMBDA) })).await["Role"]
        .clone()
}

#[tokio::test]
async fn a_role_is_made_read_changed_and_deleted() {
    let bench = Bench::new().await;
    let made = bench
        .ask(
            "CreateRole",
            json!({
                "RoleName": "worker", "Path": "/app/", "AssumeRolePolicyDocument": trust(LAMBDA), "Description": "works",
                "MaxSessionDuration": 7200, "Tags": [{ "Key": "team", "Value": "a" }],
            }),
        )
        .await["Role"]
        .clone();
    assert_eq!(made["Arn"], "arn:aws:iam::111111111111:role/app/worker");
    assert_eq!(made["CreateDate"], 1_760_000_000);
    assert!(made["RoleId"].as_str().unwrap().starts_with("AROA"));
    assert_eq!(made["RoleId"].as_str().unwrap().len(), 21);
    assert!(made["AssumeRolePolicyDocument"].as_str().unwrap().starts_with("%7B%22Version%22%3A%222012-10-17%22"));
    assert_eq!(bench.ask("GetRole", json!({ "RoleName": "worker" })).await["Role"], made);
    assert_eq!(bench.ask("GetRole", json!({ "RoleName": "WORKER" })).await["Role"], made, "names fold");
    bench.ask("UpdateRole", json!({ "RoleName": "worker", "Description": "rests" })).await;
    bench
        .ask(
            "TagRole",
            json!({ "RoleName": "worker", "Tags": [{ "Key": "Team", "Value": "b" }, { "Key": "x", "Value": "" }] }),
        )
        .await;
    bench.ask("UntagRole", json!({ "RoleName": "worker", "TagKeys": ["x"] })).await;
    let read = bench.ask("GetRole", json!({ "RoleName": "worker" })).await["Role"].clone();
    assert_eq!((&read["Description"], &read["MaxSessionDuration"]), (&json!("rests"), &json!(3600)));
    assert_eq!(read["Tags"], json!([{ "Key": "Team", "Value": "b" }]));
    let tags = bench.ask("ListRoleTags", json!({ "RoleName": "worker" })).await;
    assert_eq!(tags, json!({ "Tags": [{ "Key": "Team", "Value": "b" }], "IsTruncated": false }));
    let profiles = bench.ask("ListInstanceProfilesForRole", json!({ "RoleName": "worker" })).await;
    assert_eq!(profiles, json!({ "InstanceProfiles": [], "IsTruncated": false }));
    bench.ask("DeleteRole", json!({ "RoleName": "worker" })).await;
    bench
        .refused("GetRole", json!({ "RoleName": "worker" }), "NoSuchEntity: The role with name worker cannot be found.")
        .await;
}

#[tokio::test]
async fn what_is_no_role_is_refused() {
    let bench = Bench::new().await;
    role(&bench, "taken").await;
    let create = |name: &str, more: Value| {
        let mut input = json!({ "RoleName": name, "AssumeRolePolicyDocument": trust(LAMBDA) });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let long = "x".repeat(65);
    let cases = [
        (create("Taken", json!({})), "EntityAlreadyExists: Role with name Taken already exists."),
        (
            create("a b", json!({})),
            "ValidationError: The specified value for roleName is invalid. It must contain only alphanumeric characters \
             and/or the following: +=,.@_-",
        ),
        (
            create(&long, json!({})),
            "ValidationError: 1 validation error detected: Value \
             'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'roleName' failed to satisfy \
             constraint: Member must have length less than or equal to 64",
        ),
        (
            create("r", json!({ "Path": "app" })),
            "ValidationError: The specified value for path is invalid. It must begin and end with / and contain only \
             alphanumeric characters and/or / characters.",
        ),
        (
            create("r", json!({ "MaxSessionDuration": 60 })),
            "ValidationError: 1 validation error detected: Value '60' at 'maxSessionDuration' failed to satisfy \
             constraint: Member must have value greater than or equal to 3600",
        ),
        (create("r", json!({ "AssumeRolePolicyDocument": "{" })), "MalformedPolicyDocument: Syntax errors in policy."),
        (
            create("r", json!({ "AssumeRolePolicyDocument": allow("s3:*", "*") })),
            "MalformedPolicyDocument: Missing required field Principal",
        ),
        (
            create(
                "r",
                json!({ "AssumeRolePolicyDocument": trust(r#"{"AWS":"arn:aws:iam::111111111111:role/none"}"#) }),
            ),
            "MalformedPolicyDocument: Invalid principal in policy: \"AWS\":\"arn:aws:iam::111111111111:role/none\"",
        ),
        (
            create(
                "r",
                json!({ "AssumeRolePolicyDocument": trust(&format!(r#"{{"AWS":["{ACCOUNT}",{}]}}"#, vec!["\"*\""; 700].join(","))) }),
            ),
            "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048",
        ),
        (
            create("r", json!({ "PermissionsBoundary": "arn:aws:iam::111111111111:policy/none" })),
            "NoSuchEntity: Policy arn:aws:iam::111111111111:policy/none does not exist or is not attachable.",
        ),
        (
            create("r", json!({ "Tags": [{ "Key": "a", "Value": "" }, { "Key": "A", "Value": "" }] })),
            "InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ),
    ];
    for (input, expect) in cases {
        bench.refused("CreateRole", input, expect).await;
    }
    // What another account has cannot be known, so it is taken as it is.
    bench
        .ask(
            "CreateRole",
            create(
                "other",
                json!({ "AssumeRolePolicyDocument": trust(r#"{"AWS":"arn:aws:iam::222222222222:role/x"}"#) }),
            ),
        )
        .await;
    assert_eq!(bench.ask("ListRoles", json!({})).await["Roles"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn inline_policies() {
    let bench = Bench::new().await;
    role(&bench, "r").await;
    let document = allow("s3:GetObject", "*");
    for name in ["b", "a", "c"] {
        bench.ask("PutRolePolicy", json!({ "RoleName": "r", "PolicyName": name, "PolicyDocument": document })).await;
    }
    let first = bench.ask("ListRolePolicies", json!({ "RoleName": "r", "MaxItems": 2 })).await;
    assert_eq!((&first["PolicyNames"], &first["IsTruncated"]), (&json!(["a", "b"]), &json!(true)));
    let rest = bench.ask("ListRolePolicies", json!({ "RoleName": "r", "Marker": first["Marker"] })).await;
    assert_eq!(rest, json!({ "PolicyNames": ["c"], "IsTruncated": false }));
    let read = bench.ask("GetRolePolicy", json!({ "RoleName": "r", "PolicyName": "a" })).await;
    assert!(read["PolicyDocument"].as_str().unwrap().contains("s3%3AGetObject"));
    bench
        .refused(
            "GetRolePolicy",
            json!({ "RoleName": "r", "PolicyName": "z" }),
            "NoSuchEntity: The role policy with name z cannot be found.",
        )
        .await;
    bench
        .refused(
            "PutRolePolicy",
            json!({ "RoleName": "none", "PolicyName": "a", "PolicyDocument": document }),
            "NoSuchEntity: The role with name none cannot be found.",
        )
        .await;
    let long = format!(
        r#"{{"Statement":{{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::{}"]}}}}"#,
        vec!["x".repeat(1_000); 11].join("\",\"arn:aws:s3:::")
    );
    bench
        .refused(
            "PutRolePolicy",
            json!({ "RoleName": "r", "PolicyName": "d", "PolicyDocument": long }),
            "LimitExceeded: Maximum policy size of 10240 bytes exceeded for role r",
        )
        .await;
    bench
        .refused(
            "DeleteRole",
            json!({ "RoleName": "r" }),
            "DeleteConflict: Cannot delete entity, must delete policies first.",
        )
        .await;
    for name in ["a", "b", "c"] {
        bench.ask("DeleteRolePolicy", json!({ "RoleName": "r", "PolicyName": name })).await;
    }
    bench
        .refused(
            "DeleteRolePolicy",
            json!({ "RoleName": "r", "PolicyName": "a" }),
            "NoSuchEntity: The role policy with name a cannot be found.",
        )
        .await;
    bench.ask("DeleteRole", json!({ "RoleName": "r" })).await;
}

#[tokio::test]
async fn attached_policies() {
    let bench = Bench::new().await;
    role(&bench, "r").await;
    bench.ask("AttachRolePolicy", json!({ "RoleName": "r", "PolicyArn": BASIC })).await;
    bench.ask("AttachRolePolicy", json!({ "RoleName": "r", "PolicyArn": BASIC })).await;
    let attached = bench.ask("ListAttachedRolePolicies", json!({ "RoleName": "r" })).await;
    let expect = json!([{ "PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC }]);
    assert_eq!(attached, json!({ "AttachedPolicies": expect, "IsTruncated": false }));
    assert_eq!(bench.ask("GetPolicy", json!({ "PolicyArn": BASIC })).await["Policy"]["AttachmentCount"], 1);
    let none = "arn:aws:iam::aws:policy/NoSuchPolicyOfAws";
    bench
        .refused(
            "AttachRolePolicy",
            json!({ "RoleName": "r", "PolicyArn": none }),
            &format!("NoSuchEntity: Policy {none} does not exist or is not attachable."),
        )
        .await;
    bench
        .refused(
            "AttachRolePolicy",
            json!({ "RoleName": "r", "PolicyArn": "AWSLambdaBasicExecutionRole" }),
            "InvalidInput: ARN AWSLambdaBasicExecutionRole is not valid.",
        )
        .await;
    bench
        .refused(
            "DeleteRole",
            json!({ "RoleName": "r" }),
            "DeleteConflict: Cannot delete entity, must detach all policies first.",
        )
        .await;
    bench.ask("DetachRolePolicy", json!({ "RoleName": "r", "PolicyArn": BASIC })).await;
    bench
        .refused(
            "DetachRolePolicy",
            json!({ "RoleName": "r", "PolicyArn": BASIC }),
            &format!("NoSuchEntity: Policy {BASIC} was not found."),
        )
        .await;
    assert_eq!(bench.ask("GetPolicy", json!({ "PolicyArn": BASIC })).await["Policy"]["AttachmentCount"], 0);
    for n in 0..11 {
        let name = format!("p{n}");
        let made = bench.ask("CreatePolicy", json!({ "PolicyName": name, "PolicyDocument": allow("s3:*", "*") })).await;
        let input = json!({ "RoleName": "r", "PolicyArn": made["Policy"]["Arn"] });
        if n < 10 {
            bench.ask("AttachRolePolicy", input).await;
        } else {
            bench
                .refused("AttachRolePolicy", input, "LimitExceeded: Cannot exceed quota for PoliciesPerRole: 10")
                .await;
        }
    }
}

#[tokio::test]
async fn lists_go_in_pages_by_path() {
    let bench = Bench::new().await;
    for n in 0..7 {
        let path = if n % 2 == 0 { "/even/" } else { "/odd/" };
        let input = json!({ "RoleName": format!("Role{n}"), "Path": path, "AssumeRolePolicyDocument": trust(LAMBDA) });
        bench.ask("CreateRole", input).await;
    }
    let (mut marker, mut names) = (Value::Null, vec![]);
    loop {
        let mut input = json!({ "MaxItems": 3, "PathPrefix": "/even/" });
        if !marker.is_null() {
            input["Marker"] = marker.clone();
        }
        let page = bench.ask("ListRoles", input).await;
        names.extend(page["Roles"].as_array().unwrap().iter().map(|r| r["RoleName"].as_str().unwrap().to_owned()));
        marker = page["Marker"].clone();
        assert_eq!(page["IsTruncated"], json!(!marker.is_null()));
        if marker.is_null() {
            break;
        }
    }
    assert_eq!(names, ["Role0", "Role2", "Role4", "Role6"]);
    bench.refused("ListRoles", json!({ "Marker": "!" }), "ValidationError: Invalid Marker.").await;
    let zero = "ValidationError: 1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member \
                must have value greater than or equal to 1";
    bench.refused("ListRoles", json!({ "MaxItems": 0 }), zero).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_lose_nothing() {
    let bench = std::sync::Arc::new(Bench::new().await);
    role(&bench, "shared").await;
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let bench = std::sync::Arc::clone(&bench);
            tokio::spawn(async move {
                let name = format!("r{n}");
                role(&bench, &name).await;
                bench.ask("AttachRolePolicy", json!({ "RoleName": name, "PolicyArn": BASIC })).await;
                let document =
                    json!({ "RoleName": "shared", "PolicyName": name, "PolicyDocument": allow("s3:*", "*") });
                bench.ask("PutRolePolicy", document).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(bench.ask("GetPolicy", json!({ "PolicyArn": BASIC })).await["Policy"]["AttachmentCount"], 16);
    let put = bench.ask("ListRolePolicies", json!({ "RoleName": "shared" })).await;
    assert_eq!(put["PolicyNames"].as_array().unwrap().len(), 16);
}
