//! The operations, and what they refuse.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::{Principal, ServiceError};
use serde_json::{Value, json};

use crate::world::{ROLE, World, runtime_zip, zip};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn refusal(error: &ServiceError) -> (u16, &str, &str) {
    (error.status(), error.code(), error.message())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_created_read_changed_and_deleted() {
    let world = World::new().await;
    let made = world.create("f", json!({"Description": "d", "Tags": {"a": "b"}})).await;
    assert_eq!(made["FunctionArn"], ARN);
    assert_eq!((&made["State"], &made["LastUpdateStatus"]), (&json!("Active"), &json!("Successful")));
    assert_eq!((&made["MemorySize"], &made["Timeout"], &made["Version"]), (&json!(128), &json!(20), &json!("$LATEST")));
    assert_eq!(made["CodeSize"], runtime_zip().len());
    let digest = STANDARD.decode(made["CodeSha256"].as_str().unwrap()).unwrap();
    assert_eq!(digest.len(), 32);
    assert!(made["LastModified"].as_str().unwrap().ends_with("+0000"));

    let got = world.json("GetFunction", json!({"FunctionName": ARN})).await.unwrap();
    assert_eq!(got["Configuration"], made);
    assert_eq!((&got["Tags"], &got["Code"]["RepositoryType"]), (&json!({"a": "b"}), &json!("S3")));
    let package = world.json("GetFunctionPackage", json!({"FunctionName": "f"})).await.unwrap();
    assert_eq!(STANDARD.decode(package.as_str().unwrap()).unwrap(), runtime_zip());

    let change = json!({"FunctionName": "f", "Timeout": 5, "RevisionId": "old"});
    assert_eq!(world.refused("UpdateFunctionConfiguration", change).await.0, "PreconditionFailedException");
    let change = json!({"FunctionName": "f", "Timeout": 5, "RevisionId": made["RevisionId"]});
    let changed = world.json("UpdateFunctionConfiguration", change).await.unwrap();
    assert_eq!((&changed["Timeout"], &changed["Description"]), (&json!(5), &json!("d")));
    assert_ne!(changed["RevisionId"], made["RevisionId"]);

    let code = STANDARD.encode(zip(&[("bootstrap", b"#!/bin/sh\n")]));
    let dry = json!({"FunctionName": "f", "ZipFile": code, "DryRun": true});
    let dry = world.json("UpdateFunctionCode", dry).await.unwrap();
    assert_ne!(dry["CodeSha256"], made["CodeSha256"]);
    let same = world.json("GetFunctionConfiguration", json!({"FunctionName": "f"})).await.unwrap();
    assert_eq!(same["CodeSha256"], made["CodeSha256"]);
    let new = world.json("UpdateFunctionCode", json!({"FunctionName": "f", "ZipFile": code})).await.unwrap();
    assert_eq!((&new["CodeSha256"], &new["LastUpdateStatus"]), (&dry["CodeSha256"], &json!("Successful")));

    world.json("DeleteFunction", json!({"FunctionName": "f"})).await.unwrap();
    let error = world.json("GetFunction", json!({"FunctionName": "f"})).await.unwrap_err();
    assert_eq!(refusal(&error), (404, "ResourceNotFoundException", &*format!("Function not found: {ARN}")));
    let error = world.invoke_raw("f:live", json!({}), json!({})).await.unwrap_err();
    assert_eq!(refusal(&error), (404, "ResourceNotFoundException", &*format!("Function not found: {ARN}:live")));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_functions_are_refused_in_aws_s_words() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let check = async |extra: Value, expect: (u16, &str, &str)| {
        let error = world.try_create("g", extra.clone()).await.expect_err(&extra.to_string());
        assert_eq!((error.status(), error.code()), (expect.0, expect.1), "{extra}: {error:?}");
        assert!(error.message().contains(expect.2), "{extra}: {error:?}");
    };
    let code = |bytes: &[u8]| json!({"Code": {"ZipFile": STANDARD.encode(bytes)}});
    const INVALID: &str = "InvalidParameterValueException";
    check(json!({"FunctionName": "f"}), (409, "ResourceConflictException", "Function already exist: f")).await;
    check(
        json!({"Runtime": "x"}),
        (400, "ValidationException", "1 validation error detected: Value 'x' at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["),
    )
    .await;
    check(json!({"Runtime": "python3.12"}), (400, INVALID, "It runs: provided.al2, provided.al2023.")).await;
    check(
        json!({"FunctionName": "a b"}),
        (
            400,
            "ValidationException",
            "at 'functionName' failed to satisfy constraint: Member must satisfy regular expression",
        ),
    )
    .await;
    check(json!({"FunctionName": "x".repeat(65)}), (400, "ValidationException", "length less than or equal to 64"))
        .await;
    check(json!({"Timeout": 0}), (400, "ValidationException", "Value '0' at 'timeout'")).await;
    check(
        json!({"Role": "arn:aws:iam::000000000000:role/other"}),
        (400, INVALID, "The role defined for the function cannot be assumed by Lambda."),
    )
    .await;
    check(
        json!({"Role": Value::Null}),
        (400, "ValidationException", "Value null at 'role' failed to satisfy constraint: Member must not be null"),
    )
    .await;
    check(json!({"Handler": Value::Null}), (400, INVALID, "Runtime and Handler are mandatory parameters")).await;
    check(
        code(b"no zip"),
        (400, INVALID, "Could not unzip uploaded file. Please check your file, then try to upload again."),
    )
    .await;
    check(code(&zip(&[])), (400, INVALID, "Uploaded file must be a non-empty zip")).await;
    check(code(&zip(&[("../x", b"")])), (400, INVALID, "Could not unzip uploaded file.")).await;
    check(json!({"Code": {}}), (400, INVALID, "Please provide a source for your Function code.")).await;
    check(json!({"Code": {"S3Bucket": "b", "S3Key": "k"}}), (400, INVALID, "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.")).await;
    check(json!({"Architectures": ["riscv"]}), (400, INVALID, "riscv cannot run on this server")).await;
    check(json!({"PackageType": "Image"}), (400, INVALID, "PackageType Image")).await;
    check(json!({"Layers": ["arn"]}), (400, INVALID, "Layers")).await;
    assert_eq!(world.json("ListFunctions", json!({})).await.unwrap()["Functions"].as_array().unwrap().len(), 1);
    let packages = || std::fs::read_dir(world.dir.path().join("lambda/packages/zip")).unwrap().count();
    assert_eq!(packages(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_comes_from_a_bucket() {
    let world = World::new().await;
    world.objects.0.lock().insert("b/k".into(), runtime_zip().to_vec().into());
    world.create("f", json!({"Code": {"S3Bucket": "b", "S3Key": "k"}})).await;
    assert_eq!(world.invoke("f", json!({"x": 1})).await.0, json!({"x": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_are_checked() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let check = async |payload: Vec<u8>, kind: &str, expect: (u16, &str, &str)| {
        let input = json!({"FunctionName": "f", "InvocationType": kind, "Payload": STANDARD.encode(payload)});
        let error = world.json("Invoke", input).await.unwrap_err();
        assert_eq!((error.status(), error.code()), (expect.0, expect.1), "{error:?}");
        assert!(error.message().starts_with(expect.2), "{error:?}");
    };
    check(
        b"{x".to_vec(),
        "RequestResponse",
        (400, "InvalidRequestContentException", "Could not parse request body into json: "),
    )
    .await;
    let big = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2)).into_bytes();
    let message = "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)";
    check(big(6_291_457), "RequestResponse", (413, "RequestTooLargeException", message)).await;
    let message = "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)";
    check(big(1_048_577), "Event", (413, "RequestTooLargeException", message)).await;
    check(
        b"{}".to_vec(),
        "Later",
        (400, "ValidationException", "1 validation error detected: Value 'Later' at 'invocationType'"),
    )
    .await;
    let deep = ["[".repeat(10_000), "]".repeat(10_000)].concat();
    check(deep.into_bytes(), "RequestResponse", (400, "InvalidRequestContentException", "Could not parse")).await;
    let dry = world.invoke_raw("f", json!({}), json!({"InvocationType": "DryRun"})).await.unwrap();
    assert_eq!(dry["StatusCode"], 204);
    assert_eq!(world.logs.of("f").len(), 0, "nothing has run");
    let context = json!({"ClientContext": STANDARD.encode("{\"custom\": {\"a\": 1}}")});
    let answer = world.invoke_raw("f", json!({"do": "env"}), context).await.unwrap();
    let answer = String::from_utf8(STANDARD.decode(answer["Payload"].as_str().unwrap()).unwrap()).unwrap();
    assert!(answer.to_lowercase().contains(r#"lambda-runtime-client-context: {\"custom\":{\"a\":1}}"#), "{answer}");
    for name in ["000000000000:function:f", ARN, "f:$LATEST"] {
        assert_eq!(world.invoke(name, json!(1)).await.0, json!(1));
    }
    let elsewhere = ARN.replace("us-east-1", "eu-west-1");
    let (code, message) = world.refused("GetFunction", json!({"FunctionName": elsewhere})).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("ResourceNotFoundException", "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_aliases_choose_what_runs() {
    let world = World::new().await;
    world.create("f", json!({"Publish": true})).await;
    let publish = || world.json("PublishVersion", json!({"FunctionName": "f"}));
    assert_eq!(publish().await.unwrap()["Version"], "1", "nothing has changed since");
    world
        .json("UpdateFunctionConfiguration", json!({"FunctionName": "f", "Environment": {"Variables": {"VV": "2"}}}))
        .await
        .unwrap();
    let second = publish().await.unwrap();
    assert_eq!((&second["Version"], &second["FunctionArn"]), (&json!("2"), &json!(format!("{ARN}:2"))));
    let versions = world.json("ListVersionsByFunction", json!({"FunctionName": "f"})).await.unwrap();
    let versions: Vec<&str> =
        versions["Versions"].as_array().unwrap().iter().map(|v| v["Version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["$LATEST", "1", "2"]);
    let page = world.json("ListVersionsByFunction", json!({"FunctionName": "f", "MaxItems": 2})).await.unwrap();
    let page =
        world.json("ListVersionsByFunction", json!({"FunctionName": "f", "Marker": page["NextMarker"]})).await.unwrap();
    assert_eq!(page["Versions"].as_array().unwrap().len(), 1);

    let alias = json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"});
    let made = world.json("CreateAlias", alias.clone()).await.unwrap();
    assert_eq!(made["AliasArn"], format!("{ARN}:live"));
    assert_eq!(world.refused("CreateAlias", alias).await.0, "ResourceConflictException");
    let wrong = json!({"FunctionName": "f", "Name": "x", "FunctionVersion": "9"});
    assert_eq!(
        world.refused("CreateAlias", wrong).await,
        ("ResourceNotFoundException".into(), format!("Function not found: {ARN}:9"))
    );
    let run = async |qualifier: &str| {
        let answer = world.invoke_raw("f", json!({"do": "env"}), json!({"Qualifier": qualifier})).await.unwrap();
        let env: Value =
            serde_json::from_slice(&STANDARD.decode(answer["Payload"].as_str().unwrap()).unwrap()).unwrap();
        assert_eq!(env["AWS_LAMBDA_FUNCTION_VERSION"], answer["ExecutedVersion"]);
        (answer["ExecutedVersion"].as_str().unwrap().to_owned(), env["VV"].as_str().map(str::to_owned))
    };
    assert_eq!(run("live").await, ("1".into(), None));
    assert_eq!(run("2").await, ("2".into(), Some("2".into())));
    let moved = json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1",
                       "RoutingConfig": {"AdditionalVersionWeights": {"2": 1.0}}});
    world.json("UpdateAlias", moved).await.unwrap();
    assert_eq!(run("live").await, ("2".into(), Some("2".into())));
    let (code, message) = world.refused("DeleteFunction", json!({"FunctionName": "f", "Qualifier": "2"})).await;
    assert_eq!(code, "ResourceConflictException", "{message}");
    assert_eq!(
        world.json("ListAliases", json!({"FunctionName": "f"})).await.unwrap()["Aliases"].as_array().unwrap().len(),
        1
    );
    world.json("DeleteAlias", json!({"FunctionName": "f", "Name": "live"})).await.unwrap();
    assert_eq!(
        world.refused("GetAlias", json!({"FunctionName": "f", "Name": "live"})).await.0,
        "ResourceNotFoundException"
    );
    world.json("DeleteFunction", json!({"FunctionName": "f", "Qualifier": "2"})).await.unwrap();
    let all = world.json("ListFunctions", json!({"FunctionVersion": "ALL"})).await.unwrap();
    assert_eq!(all["Functions"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let world = World::new().await;
    for i in 0..5 {
        world.create(&format!("f{i}"), json!({})).await;
    }
    let mut names = Vec::new();
    let mut marker = Value::Null;
    loop {
        let page = world.json("ListFunctions", json!({"MaxItems": 2, "Marker": marker})).await.unwrap();
        let functions = page["Functions"].as_array().unwrap();
        assert!(functions.len() <= 2);
        names.extend(functions.iter().map(|f| f["FunctionName"].as_str().unwrap().to_owned()));
        marker = page["NextMarker"].clone();
        if marker.is_null() {
            break;
        }
    }
    assert_eq!(names, ["f0", "f1", "f2", "f3", "f4"]);
    assert_eq!(world.refused("ListFunctions", json!({"Marker": "%%"})).await.0, "InvalidParameterValueException");
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_make_a_policy() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let permission = json!({"FunctionName": "f", "StatementId": "s1", "Action": "lambda:InvokeFunction",
                            "Principal": "events.amazonaws.com", "SourceArn": "arn:aws:events:us-east-1:000000000000:rule/r"});
    let added = world.json("AddPermission", permission.clone()).await.unwrap();
    let statement: Value = serde_json::from_str(added["Statement"].as_str().unwrap()).unwrap();
    assert_eq!(statement["Principal"], json!({"Service": "events.amazonaws.com"}));
    let again = world.refused("AddPermission", permission.clone()).await;
    assert_eq!(again.0, "ResourceConflictException");
    assert_eq!(
        again.1,
        "The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement."
    );
    let policy = world.json("GetPolicy", json!({"FunctionName": "f"})).await.unwrap();
    let document: Value = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(document, json!({"Version": "2012-10-17", "Id": "default", "Statement": [statement]}));
    let mut stale = permission;
    stale["StatementId"] = json!("s2");
    stale["RevisionId"] = json!("stale");
    assert_eq!(world.refused("AddPermission", stale).await.0, "PreconditionFailedException");
    let remove = |id: &str| json!({"FunctionName": "f", "StatementId": id});
    assert_eq!(
        world.refused("RemovePermission", remove("s9")).await.1,
        "Statement s9 is not found in resource policy."
    );
    world.json("RemovePermission", remove("s1")).await.unwrap();
    let nothing = world.refused("GetPolicy", json!({"FunctionName": "f"})).await;
    assert_eq!(nothing, ("ResourceNotFoundException".into(), "The resource you requested does not exist.".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_the_questions_of_deploy_tools() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    world.json("TagResource", json!({"Resource": ARN, "Tags": {"a": "1", "b": "2"}})).await.unwrap();
    world.json("UntagResource", json!({"Resource": ARN, "TagKeys": ["a"]})).await.unwrap();
    assert_eq!(world.json("ListTags", json!({"Resource": ARN})).await.unwrap(), json!({"Tags": {"b": "2"}}));
    let f = json!({"FunctionName": "f"});
    assert_eq!(world.refused("GetFunctionUrlConfig", f.clone()).await.0, "ResourceNotFoundException");
    assert_eq!(world.json("GetFunctionCodeSigningConfig", f.clone()).await.unwrap(), json!({"FunctionName": "f"}));
    assert_eq!(world.json("GetRuntimeManagementConfig", f).await.unwrap()["UpdateRuntimeOn"], "Auto");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_for_whom_nothing_allows() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let mut call = world.call();
    let stranger = Principal::User {
        arn: "arn:aws:iam::000000000000:user/eve".parse().unwrap(),
        id: "AIDA".into(),
        access_key_id: "AKIA".into(),
    };
    call.principal = std::sync::Arc::new(stranger);
    // Whatever the input, authorization comes before validation and handler.
    let input = json!({"FunctionName": "f", "Name": "a", "Resource": ARN, "Tags": {}, "TagKeys": [], "StatementId": "s",
                       "Action": "lambda:*", "Principal": "*", "Code": {}, "ReservedConcurrentExecutions": 1, "Role": ROLE,
                       "UUID": "91eaeb7e-c976-1234-9451-8709db01f137", "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:q"});
    let operations: Vec<&str> = world.api.operations().collect();
    assert!(operations.len() > 30, "{operations:?}");
    for operation in operations {
        let error = world.json_as(call.clone(), operation, input.clone()).await.expect_err(operation);
        assert_eq!(error.code(), "AccessDeniedException", "{operation}");
    }
}
