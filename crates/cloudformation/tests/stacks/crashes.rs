//! The program ends at every moment of an operation, and is started again: the outcome is the same.

use std::sync::Arc;

use crate::support::{Crash, Lab, delete, request, stack_of, thing};
use serde_json::{Value, json};

fn before() -> Value {
    stack_of(json!({
        "Changed": thing(json!({"Value": "1"})),
        "Replaced": thing(json!({"Kind": "x", "Value": "1", "Link": {"Ref": "Changed"}})),
        "Dropped": thing(json!({"Link": {"Ref": "Replaced"}})),
    }))
}

fn after() -> Value {
    stack_of(json!({
        "Changed": thing(json!({"Value": "2"})),
        "Replaced": thing(json!({"Kind": "y", "Value": "2", "Link": {"Ref": "Changed"}})),
        "Added": thing(json!({"Value": "2", "Link": {"Ref": "Replaced"}})),
    }))
}

/// What an operation is, and what makes it fail.
#[derive(Clone, Copy, Debug)]
enum Case {
    Create {
        failing: Option<&'static str>,
    },
    Update {
        failing: Option<&'static str>,
    },
    Delete,
    /// A stack within a stack is made.
    Nested,
}

fn outer() -> Value {
    stack_of(json!({
        "Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://s3.amazonaws.com/b/inner"}},
        "User": thing(json!({"Link": {"Fn::GetAtt": ["Inner", "Outputs.Name"]}})),
    }))
}

impl Case {
    fn failing(self) -> Option<&'static str> {
        match self {
            Case::Create { failing } | Case::Update { failing } => failing,
            Case::Delete | Case::Nested => None,
        }
    }

    /// What there was before; the names are the same in every run.
    async fn arrange(self, lab: &Lab) {
        let inner = json!({
            "Resources": {"I": thing(json!({})), "J": thing(json!({"Link": {"Ref": "I"}}))},
            "Outputs": {"Name": {"Value": {"Ref": "J"}}},
        });
        lab.bucket.0.lock().insert("b/inner".to_owned(), inner.to_string());
        if !matches!(self, Case::Create { .. } | Case::Nested) {
            lab.create(&before()).await.unwrap();
            lab.cloud.taken_calls();
        }
        if let Some(failing) = self.failing() {
            lab.cloud.fail(failing);
        }
    }

    fn begin(self, lab: &Lab) -> tokio::task::JoinHandle<()> {
        let (service, call) = (Arc::clone(&lab.service), lab.call());
        tokio::spawn(async move {
            match self {
                Case::Create { .. } => drop(service.create_stack(call, request(&before())).await),
                Case::Update { .. } => drop(service.update_stack(call, request(&after())).await),
                Case::Nested => drop(service.create_stack(call, request(&outer())).await),
                Case::Delete => drop(service.delete_stack(call, delete("app")).await),
            }
        })
    }
}

/// The state in the end: of the stack, of its resources as it knows them, and of the cloud.
async fn outcome(lab: &Lab, id: &str) -> (String, Vec<(String, Option<String>)>, Vec<String>, Vec<(String, Value)>) {
    let stack = lab.service.settled(&lab.call(), id).await.unwrap();
    let input = serde_json::from_value(json!({ "StackName": id })).unwrap();
    let known = Arc::clone(&lab.service).describe_stack_resources(lab.call(), input).await.unwrap().stack_resources;
    let known = known.into_iter().map(|r| (r.logical_resource_id, r.physical_resource_id)).collect();
    (stack.stack_status.to_owned(), known, lab.cloud.names(), lab.cloud.values())
}

async fn check(case: Case) {
    let lab = Lab::new();
    case.arrange(&lab).await;
    let running = case.begin(&lab);
    running.await.unwrap();
    let id = lab.events_id().await;
    let expected = outcome(&lab, &id).await;
    let calls = lab.cloud.taken_calls().len();
    assert!(calls > 1, "{case:?}");
    for at_call in 0..calls {
        for after_effect in [false, true] {
            let mut lab = Lab::new();
            case.arrange(&lab).await;
            let mut crashed = lab.cloud.crashed.as_ref().unwrap().subscribe();
            *lab.cloud.crash.lock() = Some(Crash { at_call, after_effect });
            let running = case.begin(&lab);
            // A call that fails has no effect after which the program could end.
            tokio::select! {
                _ = crashed.wait_for(|crashed| *crashed) => {}
                () = async { while !running.is_finished() { tokio::task::yield_now().await; } } => {}
            }
            running.abort();
            *lab.cloud.crash.lock() = None;
            lab.restart().await;
            let id = lab.events_id().await;
            assert_eq!(outcome(&lab, &id).await, expected, "{case:?} at {at_call}, after: {after_effect}");
        }
    }
}

impl Lab {
    /// The ARN of the stack, which also finds it when it is deleted.
    async fn events_id(&self) -> String {
        let list = Arc::clone(&self.service).list_stacks(self.call(), Default::default()).await.unwrap();
        list.stack_summaries.into_iter().find(|stack| stack.stack_name == "app").unwrap().stack_id
    }
}

#[tokio::test]
async fn a_creation_goes_on() {
    check(Case::Create { failing: None }).await;
}

#[tokio::test]
async fn a_rollback_of_a_creation_goes_on() {
    check(Case::Create { failing: Some("create Dropped") }).await;
}

#[tokio::test]
async fn an_update_goes_on() {
    check(Case::Update { failing: None }).await;
}

#[tokio::test]
async fn a_rollback_of_an_update_goes_on() {
    check(Case::Update { failing: Some("create Added") }).await;
}

#[tokio::test]
async fn a_deletion_goes_on() {
    check(Case::Delete).await;
}

#[tokio::test]
async fn a_stack_within_a_stack_goes_on() {
    check(Case::Nested).await;
}
