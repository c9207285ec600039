//! What a function sees and what becomes of it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::world::{Setup, World, alive, eventually, zip};

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_reused_and_reports() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let (first, error) = world.invoke("f", json!({"do": "pid"})).await;
    assert_eq!(error, None);
    assert_eq!(world.invoke("f", json!({"do": "pid"})).await.0, first);
    assert_eq!(world.invoke("f", json!({"a": [1, "x"]})).await.0, json!({"a": [1, "x"]}));
    world.lambda.shutdown().await;
    let lines = world.logs.of("f");
    assert_eq!(world.logs.streams("f").len(), 1);
    let begins = |text: &str| lines.iter().filter(|l| l.starts_with(text)).count();
    assert_eq!((begins("INIT_START Runtime Version: provided:al2023"), begins("init of f")), (1, 1));
    assert_eq!((begins("START RequestId: "), begins("END RequestId: ")), (3, 3));
    let reports: Vec<&String> = lines.iter().filter(|l| l.starts_with("REPORT RequestId: ")).collect();
    assert_eq!(reports.len(), 3);
    assert!(reports[0].contains("\tInit Duration: ") && !reports[1].contains("Init Duration"), "{reports:?}");
    assert!(reports[1].contains(" ms\tMemory Size: 128 MB\tMax Memory Used: "), "{reports:?}");
    assert!(lines[2].ends_with(" Version: $LATEST"), "{lines:?}");
    let stream = world.logs.streams("f")[0].clone();
    assert!(stream.contains("/[$LATEST]") && stream.len() == "2026/11/22/[$LATEST]".len() + 32, "{stream}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_aws_s_and_nothing_else() {
    let world = World::new().await;
    let name = json!({"Environment": {"Variables": {"TABLE": "t", "TZ": "America/Bogota"}}, "MemorySize": 256});
    world.create("f", name).await;
    let (env, _) = world.invoke("f", json!({"do": "env"})).await;
    let names: BTreeSet<&str> = env.as_object().unwrap().keys().map(String::as_str).collect();
    let expect = BTreeSet::from([
        "_HANDLER",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "LANG",
        "LD_LIBRARY_PATH",
        "PATH",
        "TABLE",
        "TMPDIR",
        "TZ",
        "cwd",
        "headers",
    ]);
    assert_eq!(names, expect);
    let is = |name: &str, value: &str| assert_eq!(env[name], value, "{name}");
    is("AWS_ACCESS_KEY_ID", "ASIAf");
    is("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256");
    is("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f");
    is("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    is("TZ", "America/Bogota");
    is("_HANDLER", "h");
    assert_eq!(env["cwd"], env["LAMBDA_TASK_ROOT"]);
    let headers = env["headers"].as_str().unwrap().to_lowercase();
    for part in [
        "lambda-runtime-aws-request-id: ",
        "lambda-runtime-deadline-ms: 1",
        "lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:f\r",
        "lambda-runtime-trace-id: root=1-",
    ] {
        assert!(headers.contains(part), "{part} in {headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_kills_whatever_was_started() {
    let world = World::new().await;
    world.create("f", json!({"Timeout": 1})).await;
    for payload in [json!({"do": "fork-and-hang"}), json!({"do": "fork-and-hang", "how": "scrubbed"})] {
        let (answer, error) = world.invoke("f", payload).await;
        assert_eq!(error.as_deref(), Some("Unhandled"));
        assert_eq!(answer["errorType"], "Sandbox.Timedout");
        let message = answer["errorMessage"].as_str().unwrap();
        assert!(
            message.starts_with("RequestId: ") && message.ends_with(" Error: Task timed out after 1.00 seconds"),
            "{message}"
        );
        assert_eq!(world.lambda.sandboxes(), 0);
    }
    world.lambda.shutdown().await;
    let lines = world.logs.of("f");
    let grandchildren: Vec<u64> = lines.iter().filter_map(|l| l.strip_prefix("grandchild ")?.parse().ok()).collect();
    assert_eq!(grandchildren.len(), 2, "{lines:?}");
    let left: Vec<String> = grandchildren
        .iter()
        .filter(|&&pid| alive(pid))
        .map(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default())
        .collect();
    assert_eq!(left, Vec::<String>::new(), "{grandchildren:?}");
    assert!(
        lines.iter().any(|l| l.starts_with("20") && l.ends_with(" Task timed out after 1.00 seconds")),
        "{lines:?}"
    );
    assert!(lines.iter().any(|l| l.starts_with("REPORT ") && l.ends_with("Status: timeout")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_function_leaves_behind_ends_with_its_sandbox() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let (grandchild, _) = world.invoke("f", json!({"do": "fork"})).await;
    let grandchild = grandchild.as_u64().unwrap();
    assert!(alive(grandchild));
    world.lambda.shutdown().await;
    assert!(!alive(grandchild));
    let left = std::fs::read_dir(world.dir.path().join("lambda/tmp")).unwrap().count();
    assert_eq!(left, 0, "temporary folders are removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_runtime_is_replaced() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let (first, _) = world.invoke("f", json!({"do": "pid"})).await;
    let crash = |answer: &Value, why: &str| {
        assert_eq!(answer["errorType"], "Runtime.ExitError");
        let message = answer["errorMessage"].as_str().unwrap();
        assert!(message.ends_with(&format!(" Error: Runtime exited with error: {why}")), "{message}");
    };
    let (answer, error) = world.invoke("f", json!({"do": "crash"})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    crash(&answer, "exit status 1");
    crash(&world.invoke("f", json!({"do": "abort"})).await.0, "signal: aborted");
    let (second, error) = world.invoke("f", json!({"do": "pid"})).await;
    assert_eq!(error, None);
    assert_ne!(first, second);
    // One that ends between two invocations is nobody's error.
    for _ in 0..5 {
        assert_eq!(world.invoke("f", json!({"do": "exit-after"})).await.1, None);
        assert_eq!(world.invoke("f", json!({"do": "pid"})).await.1, None);
    }
    let lines = world.logs.until("f", "signal: aborted").await;
    assert!(lines.iter().any(|l| l == "Runtime.ExitError"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handler_s_own_error_is_passed_on() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let (answer, error) = world.invoke("f", json!({"do": "error"})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert_eq!(answer, json!({"errorType": "Bad", "errorMessage": "told you"}));
    let (answer, error) = world.invoke("f", json!({"do": "stream"})).await;
    assert_eq!((answer, error.as_deref()), (json!({"e": 1}), Some("Unhandled")));
    assert_eq!(world.invoke("f", json!({"do": "pid"})).await.1, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_cannot_start_is_tried_twice() {
    let world = World::new().await;
    let init = |how: &str| json!({"Environment": {"Variables": {"TEST_INIT": how}}});
    world.create("error", init("error")).await;
    let (answer, error) = world.invoke("error", json!({})).await;
    assert_eq!(answer, json!({"errorType": "Boom", "errorMessage": "no start"}));
    assert_eq!(error.as_deref(), Some("Unhandled"));
    world.create("exit", init("exit")).await;
    let (answer, _) = world.invoke("exit", json!({})).await;
    assert_eq!(answer["errorType"], "Runtime.ExitError");
    assert!(answer["errorMessage"].as_str().unwrap().ends_with("Runtime exited with error: exit status 3"));
    world.lambda.shutdown().await;
    let lines = world.logs.of("error");
    assert_eq!(lines.iter().filter(|l| *l == "init of error").count(), 2, "{lines:?}");
    assert!(lines.iter().any(|l| l.starts_with("INIT_REPORT ") && l.ends_with("Error Type: Init.Boom")), "{lines:?}");
    assert_eq!(world.lambda.sandboxes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_never_asks_for_work_times_out() {
    let world = World::manual().await;
    world.create("f", json!({"Environment": {"Variables": {"TEST_INIT": "hang"}}, "Timeout": 5})).await;
    let step = std::time::Duration::from_secs(1);
    let (answer, _) = world.advance_until(step, world.invoke("f", json!({}))).await;
    assert_eq!(answer["errorType"], "Sandbox.Timedout");
    assert!(answer["errorMessage"].as_str().unwrap().ends_with("Task timed out after 5.00 seconds"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_started_is_named() {
    let world = World::new().await;
    type Case = (&'static str, &'static [(&'static str, &'static [u8])], &'static str);
    let cases: [Case; 3] = [
        ("none", &[("other", b"x")], "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        ("text", &[("bootstrap", b"no program")], "fork/exec /var/task/bootstrap: exec format error"),
        ("lost", &[("bootstrap", b"#!/no/such/shell\n")], "fork/exec /var/task/bootstrap: no such file or directory"),
    ];
    for (name, files, why) in cases {
        world.create(name, json!({"Code": {"ZipFile": STANDARD.encode(zip(files))}})).await;
        let (answer, error) = world.invoke(name, json!({})).await;
        assert_eq!(error.as_deref(), Some("Unhandled"));
        assert_eq!(answer["errorType"], "Runtime.InvalidEntrypoint");
        assert!(answer["errorMessage"].as_str().unwrap().ends_with(&format!(" Error: {why}")), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_has_an_end() {
    let world = World::new().await;
    world.create("f", json!({"MemorySize": 128})).await;
    let (answer, _) = world.invoke("f", json!({"do": "eat"})).await;
    assert_eq!(answer["errorType"], "Runtime.ExitError");
    assert!(answer["errorMessage"].as_str().unwrap().ends_with("Runtime exited with error: signal: killed"));
    let lines = world.logs.until("f", "Error Type: Runtime.OutOfMemory").await;
    assert!(lines.iter().any(|l| l.contains("Max Memory Used: 128 MB\t")), "{lines:?}");
    assert_eq!(world.invoke("f", json!({"do": "pid"})).await.1, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_be_six_mebibytes_and_no_more() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let (answer, error) = world.invoke("f", json!({"do": "big", "bytes": 6_291_554})).await;
    assert_eq!((answer.as_str().unwrap().len(), error), (6_291_554, None));
    let (answer, error) = world.invoke("f", json!({"do": "big", "bytes": 6_291_555})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert_eq!(answer["errorType"], "Function.ResponseSizeTooLarge");
    assert_eq!(world.invoke("f", json!({"do": "pid"})).await.1, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_api_refuses_what_is_out_of_place() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let (answer, _) = world.invoke("f", json!({"do": "wrong-id"})).await;
    let answer = answer.as_str().unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(r#""errorType":"InvalidRequestID""#), "{answer}");
    let (answer, _) = world.invoke("f", json!({"do": "wrong-state"})).await;
    assert!(answer.as_str().unwrap().starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_confined() {
    let world = World::with(Setup { writable: vec![], ..Setup::default() }).await;
    world.create("f", json!({})).await;
    let secret = world.dir.path().join("secret");
    std::fs::write(&secret, "x").unwrap();
    let (can, _) = world.invoke("f", json!({"do": "files", "path": secret})).await;
    let expect = json!({"own": true, "outside_read": false, "outside_write": false, "code_write": false, "passwd": true,
                        "parent_environ": false});
    assert_eq!(can, expect);

    let world = World::with(Setup { writable: vec![world.dir.path().to_owned()], ..Setup::default() }).await;
    world.create("f", json!({})).await;
    let (can, _) = world.invoke("f", json!({"do": "files", "path": secret})).await;
    assert_eq!((&can["outside_read"], &can["outside_write"]), (&json!(true), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_outlives_sandboxes_and_is_shared() {
    let world = World::with(Setup { writable: vec![], ..Setup::default() }).await;
    let on = |mount: &str| {
        let point = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0";
        json!({"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
               "FileSystemConfigs": [{"Arn": point, "LocalMountPath": mount}]})
    };
    let created = world.create("f", on("/mnt/data")).await;
    assert_eq!(created["FileSystemConfigs"], on("/mnt/data")["FileSystemConfigs"]);
    world.create("g", on("/mnt/other")).await;
    world.create("h", json!({})).await;
    let try_file = async |function: &str, path: &str| {
        let (can, error) = world.invoke(function, json!({"do": "files", "path": path})).await;
        assert_eq!((error, &can["code_write"], &can["own"]), (None, &json!(false), &json!(true)), "{can}");
        (can["outside_read"].as_bool().unwrap(), can["outside_write"].as_bool().unwrap())
    };
    assert_eq!(try_file("f", "/mnt/data/x").await, (false, true), "written, and not there before");
    assert_eq!(try_file("g", "/mnt/other/x").await, (true, true), "the other function finds it");
    assert_eq!(try_file("g", "/mnt/data/x").await, (false, false), "only where it has mounted it");
    assert_eq!(try_file("h", "/mnt/data/x").await, (false, false), "not where nothing is mounted");
    assert!(!std::path::Path::new("/mnt/data/x").exists(), "the machine's own folder is not touched");

    // Gone from the configuration, gone from the function; the files stay.
    let off = json!({"FunctionName": "f", "FileSystemConfigs": []});
    let updated = world.json("UpdateFunctionConfiguration", off).await.unwrap();
    assert_eq!(updated.get("FileSystemConfigs"), None);
    assert_eq!(try_file("f", "/mnt/data/x").await, (false, false));
    assert_eq!(try_file("g", "/mnt/other/x").await, (true, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_arrive_in_order_and_the_tail_in_the_answer() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let answer = world.invoke_raw("f", json!({"do": "print", "lines": 500}), json!({"LogType": "Tail"})).await.unwrap();
    let tail = String::from_utf8(STANDARD.decode(answer["LogResult"].as_str().unwrap()).unwrap()).unwrap();
    assert!(tail.len() == 4_096 && tail.contains("\nline 499\nerr 499\nEND RequestId: "), "{tail}");
    assert!(tail.trim_end().lines().last().unwrap().starts_with("REPORT "), "{tail}");
    let short = world.invoke_raw("f", json!({"do": "print", "lines": 1}), json!({"LogType": "Tail"})).await.unwrap();
    let tail = String::from_utf8(STANDARD.decode(short["LogResult"].as_str().unwrap()).unwrap()).unwrap();
    let kinds: Vec<&str> = tail.lines().map(|l| l.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["START", "line", "err", "END", "REPORT"]);
    world.lambda.shutdown().await;
    let printed: Vec<String> =
        world.logs.of("f").into_iter().filter(|l| l.starts_with("line ") || l.starts_with("err ")).collect();
    let expect: Vec<String> = (0..500).chain(0..1).flat_map(|i| [format!("line {i}"), format!("err {i}")]).collect();
    assert_eq!(printed, expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lines_are_split_and_unfinished_ones_kept() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    world.invoke("f", json!({"do": "long-line"})).await;
    world.lambda.shutdown().await;
    let lines = world.logs.of("f");
    let xs: Vec<usize> = lines.iter().filter(|l| l.starts_with('x')).map(String::len).collect();
    assert_eq!(xs, [262_118, 300_000 - 262_118]);
    let end = lines.iter().position(|l| l == "no end").unwrap();
    assert!(lines[end + 1].starts_with("END RequestId: "), "{:?}", &lines[end..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_service_that_does_not_answer_holds_up_only_the_writer() {
    let world = World::new().await;
    world.create("loud", json!({})).await;
    world.create("quiet", json!({})).await;
    let gate = world.logs.close_gate();
    let (lambda, call) = (std::sync::Arc::clone(&world.lambda), world.call());
    let invocation = cauce_core::ports::Invocation {
        function: "arn:aws:lambda:us-east-1:000000000000:function:loud".parse().unwrap(),
        payload: json!({"do": "print", "lines": 200_000}).to_string().into(),
        log_tail: true,
    };
    let loud = tokio::spawn(async move { cauce_core::ports::Functions::invoke(&*lambda, &call, invocation).await });
    // What is held for it is bounded, so it cannot finish; the other one can.
    for _ in 0..10 {
        assert_eq!(world.invoke("quiet", json!({"do": "pid"})).await.1, None);
    }
    assert!(!loud.is_finished());
    gate.add_permits(1_000_000);
    assert_eq!(loud.await.unwrap().unwrap().error, None);
    eventually("all lines are there", || world.logs.of("loud").len() >= 400_000).await;
}
