//! How many sandboxes there are, and for how long.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::world::{Setup, World, alive, eventually, pause};

fn code(answer: Result<serde_json::Value, cauce_core::ServiceError>) -> String {
    answer.map_or_else(|e| e.code().to_owned(), |_| "ok".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_concurrent_invocation_has_a_process_of_its_own() {
    let world = Arc::new(World::new().await);
    world.create("f", json!({})).await;
    let sleeps: Vec<_> = (0..4)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.invoke("f", json!({"do": "sleep", "ms": 400})).await.1 })
        })
        .collect();
    for sleep in sleeps {
        assert_eq!(sleep.await.unwrap(), None);
    }
    assert_eq!(world.lambda.sandboxes(), 4);
    world.invoke("f", json!({})).await;
    assert_eq!(world.lambda.sandboxes(), 4, "an idle one is used again");
    assert_eq!(world.logs.streams("f").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrency_is_bounded() {
    let world = Arc::new(World::with(Setup { concurrency_max: 2, ..Setup::default() }).await);
    world.create("f", json!({"Timeout": 60})).await;
    world.create("g", json!({})).await;
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.invoke("f", json!({"do": "hang"})).await })
        })
        .collect();
    eventually("both run", || world.logs.of("f").iter().filter(|l| *l == "hanging").count() == 2).await;
    let error = world.invoke_raw("g", json!({}), json!({})).await.unwrap_err();
    assert_eq!((error.status(), error.code(), error.message()), (429, "TooManyRequestsException", "Rate Exceeded."));
    assert!(error.fields().iter().any(|f| *f == ("Reason", json!("ConcurrentInvocationLimitExceeded"))));
    world.lambda.shutdown().await;
    for busy in busy {
        assert_eq!(busy.await.unwrap().0["errorType"], "Runtime.ExitError");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_sandbox_makes_room_for_another_function() {
    let world = World::with(Setup { concurrency_max: 1, ..Setup::default() }).await;
    world.create("f", json!({})).await;
    world.create("g", json!({})).await;
    for name in ["f", "g", "f"] {
        assert_eq!(world.invoke(name, json!({})).await.1, None);
        assert_eq!(world.lambda.sandboxes(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_concurrency_is_a_limit_and_a_share() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let put = |n: u32| json!({"FunctionName": "f", "ReservedConcurrentExecutions": n});
    world.json("PutFunctionConcurrency", put(0)).await.unwrap();
    let error = world.invoke_raw("f", json!({}), json!({})).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (429, "TooManyRequestsException"));
    assert!(
        error.fields().iter().any(|f| *f == ("Reason", json!("ReservedFunctionConcurrentInvocationLimitExceeded")))
    );
    assert_eq!(code(world.json("PutFunctionConcurrency", put(901)).await), "InvalidParameterValueException");
    world.json("PutFunctionConcurrency", put(1)).await.unwrap();
    assert_eq!(code(world.invoke_raw("f", json!({}), json!({})).await), "ok");
    let settings = world.json("GetAccountSettings", json!({})).await.unwrap();
    assert_eq!(settings["AccountLimit"]["UnreservedConcurrentExecutions"], 999);
    let got = world.json("GetFunctionConcurrency", json!({"FunctionName": "f"})).await.unwrap();
    assert_eq!(got, json!({"ReservedConcurrentExecutions": 1}));
    world.json("DeleteFunctionConcurrency", json!({"FunctionName": "f"})).await.unwrap();
    assert_eq!(world.json("GetFunctionConcurrency", json!({"FunctionName": "f"})).await.unwrap(), json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_sandbox_is_stopped() {
    let world = World::manual().await;
    world.create("f", json!({})).await;
    let (pid, _) = world.invoke("f", json!({"do": "pid"})).await;
    let clock = world.clock.clone().unwrap();
    for _ in 0..9 {
        clock.advance(Duration::from_secs(60));
        pause().await;
    }
    assert_eq!(world.invoke("f", json!({"do": "pid"})).await.0, pid, "not idle for ten minutes yet");
    eventually("it is stopped", || {
        clock.advance(Duration::from_secs(60));
        world.lambda.sandboxes() == 0
    })
    .await;
    eventually("its process is gone", || !alive(pid.as_u64().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_does_not_outlive_its_credentials() {
    let world = World::manual().await;
    world.create("f", json!({})).await;
    let (first, _) = world.invoke("f", json!({"do": "pid"})).await;
    let clock = world.clock.clone().unwrap();
    // In one step, so that nothing else ends it before; credentials last an hour.
    clock.advance(Duration::from_secs(3_600 - 60));
    let (second, _) = world.invoke("f", json!({"do": "pid"})).await;
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_does_not_stop_its_function() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    {
        let call = world.invoke("f", json!({"do": "sleep", "ms": 200}));
        tokio::pin!(call);
        tokio::select! {
            _ = &mut call => panic!("it sleeps"),
            _ = world.logs.until("f", "START RequestId: ") => {}
        }
    }
    world.logs.until("f", "REPORT RequestId: ").await;
    assert_eq!(world.lambda.sandboxes(), 1, "and its sandbox is used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_end_waits_for_those_that_work() {
    let world = Arc::new(World::new().await);
    world.create("f", json!({})).await;
    let working = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.invoke("f", json!({"do": "sleep", "ms": 300})).await })
    };
    world.logs.until("f", "START RequestId: ").await;
    let draining = {
        let lambda = Arc::clone(&world.lambda);
        tokio::spawn(async move { lambda.drain().await })
    };
    let refused = async {
        loop {
            match world.invoke_raw("f", json!({}), json!({})).await {
                Err(error) => return (error.status(), error.code().to_owned()),
                Ok(_) => pause().await,
            }
        }
    };
    assert_eq!(refused.await, (503, "ServiceUnavailableException".to_owned()));
    assert_eq!(working.await.unwrap().1, None, "what had begun was done");
    draining.await.unwrap();
    world.lambda.shutdown().await;
    assert_eq!(world.lambda.sandboxes(), 0);
    assert!(world.logs.of("f").iter().any(|l| l.starts_with("REPORT RequestId: ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_by_the_next_invocation() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let (before, _) = world.invoke("f", json!({"do": "env"})).await;
    assert_eq!(before.get("NEW"), None);
    let change = json!({"FunctionName": "f", "Environment": {"Variables": {"NEW": "1"}}});
    world.json("UpdateFunctionConfiguration", change).await.unwrap();
    let (after, _) = world.invoke("f", json!({"do": "env"})).await;
    assert_eq!(after["NEW"], "1");
    assert_eq!(world.lambda.sandboxes(), 1, "the old one is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_survives_a_killed_server() {
    let mut server = tokio::process::Command::new(crate::world::example("server"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = {
        use tokio::io::AsyncBufReadExt as _;
        tokio::io::BufReader::new(server.stdout.take().unwrap()).lines()
    };
    let pids: Vec<u64> = lines.next_line().await.unwrap().unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
    assert!(pids.len() == 3 && pids.iter().all(|&pid| alive(pid)), "{pids:?}");
    server.start_kill().unwrap();
    server.wait().await.unwrap();
    eventually("the function and its detached children are gone", || !pids.iter().any(|&pid| alive(pid))).await;
}
