//! Stack operations from outside: what is made, changed, undone and told.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Lab, ROLE_ARN, delete, request, shown, stack_of, thing};
use cauce_cloudformation::{DescribeInput, ParameterInput, ResourceInput, StackRequest};
use serde_json::{Value, json};

fn chain() -> Value {
    json!({
        "Resources": {
            "A": thing(json!({"Value": "a"})),
            "B": thing(json!({"Value": "b", "Link": {"Ref": "A"}})),
            "C": thing(json!({"Value": "c", "Link": {"Fn::GetAtt": ["B", "Arn"]}})),
        },
        "Outputs": {
            "Out": {"Value": {"Fn::Sub": "${C}-${A.Value}"}, "Description": "what came out"},
        }
    })
}

#[tokio::test]
async fn resources_are_made_in_their_order_and_told_of() {
    let lab = Lab::new();
    let stack = lab.create(&chain()).await.unwrap();
    assert_eq!(stack.stack_status, "CREATE_COMPLETE");
    assert!(!stack.enable_termination_protection);
    assert_eq!(lab.cloud.taken_calls(), ["create A", "create B", "create C"]);
    let names = lab.cloud.names();
    assert!(names.iter().all(|name| name.starts_with("app-")), "{names:?}");
    let output = stack.outputs.first().unwrap();
    assert!(output.output_value.starts_with("app-C-") && output.output_value.ends_with("-a"), "{output:?}");
    assert_eq!(
        lab.story("app").await,
        [
            "app CREATE_IN_PROGRESS",
            "A CREATE_IN_PROGRESS",
            "A CREATE_IN_PROGRESS",
            "A CREATE_COMPLETE",
            "B CREATE_IN_PROGRESS",
            "B CREATE_IN_PROGRESS",
            "B CREATE_COMPLETE",
            "C CREATE_IN_PROGRESS",
            "C CREATE_IN_PROGRESS",
            "C CREATE_COMPLETE",
            "app CREATE_COMPLETE",
        ]
    );
    assert_eq!(*lab.cloud.statuses.lock(), ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]);
    let events = lab.events("app").await;
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| &event.event_id).collect();
    assert_eq!(ids.len(), events.len());
}

#[tokio::test]
async fn what_does_not_wait_for_each_other_is_made_at_the_same_time() {
    let lab = Lab::new();
    lab.cloud.hold("create A");
    let service = Arc::clone(&lab.service);
    let template =
        stack_of(json!({"A": thing(json!({})), "B": thing(json!({})), "C": thing(json!({"Link": {"Ref": "B"}}))}));
    let running = tokio::spawn(service.create_stack(lab.call(), request(&template)));
    while !lab.cloud.names().iter().any(|name| name.starts_with("app-C-")) {
        tokio::task::yield_now().await;
    }
    assert_eq!(lab.view("app").await.unwrap().stack_status, "CREATE_IN_PROGRESS");
    lab.cloud.release();
    running.await.unwrap().unwrap();
    assert_eq!(lab.view("app").await.unwrap().stack_status, "CREATE_COMPLETE");
}

#[tokio::test]
async fn a_failed_creation_leaves_nothing() {
    let lab = Lab::new();
    lab.cloud.fail("create C");
    let stack = lab.create(&chain()).await.unwrap();
    assert_eq!(stack.stack_status, "ROLLBACK_COMPLETE");
    assert_eq!(lab.cloud.names(), Vec::<String>::new());
    let calls = lab.cloud.taken_calls();
    assert_eq!(calls, ["create A", "create B", "create C", "delete B", "delete A"]);
    let events = lab.events("app").await;
    let failed = events.iter().find(|event| event.resource_status == "CREATE_FAILED").unwrap();
    assert_eq!(
        failed.resource_status_reason.as_deref(),
        Some("Resource handler returned message: \"create C is not possible\" (HandlerErrorCode: InvalidRequest)")
    );
    let back = events.iter().find(|event| event.resource_status == "ROLLBACK_IN_PROGRESS").unwrap();
    assert_eq!(
        back.resource_status_reason.as_deref(),
        Some("The following resource(s) failed to create: [C]. Rollback requested by user.")
    );
    let error = lab.update(&chain()).await.unwrap_err();
    assert!(error.contains("is in ROLLBACK_COMPLETE state and can not be updated."), "{error}");
    assert_eq!(lab.delete("app").await.unwrap().stack_status, "DELETE_COMPLETE");
    lab.cloud.heal();
    assert_eq!(lab.create(&chain()).await.unwrap().stack_status, "CREATE_COMPLETE");
}

#[tokio::test]
async fn a_failed_creation_can_stay_or_go_altogether() {
    let lab = Lab::new();
    lab.cloud.fail("create C");
    let stay = StackRequest { disable_rollback: Some(true), ..request(&chain()) };
    assert_eq!(lab.create_with(stay).await.unwrap().stack_status, "CREATE_FAILED");
    assert_eq!(lab.cloud.names().len(), 2);
    lab.cloud.heal();
    assert_eq!(lab.update(&chain()).await.unwrap().stack_status, "UPDATE_COMPLETE");
    assert_eq!(lab.cloud.names().len(), 3);
    lab.delete("app").await.unwrap();
    lab.cloud.fail("create C");
    let go = StackRequest { on_failure: Some("DELETE".to_owned()), ..request(&chain()) };
    assert_eq!(lab.create_with(go).await.unwrap().stack_status, "DELETE_COMPLETE");
    assert_eq!(lab.view("app").await.unwrap_err(), "ValidationError Stack with id app does not exist");
}

#[tokio::test]
async fn an_update_changes_replaces_adds_and_drops() {
    let lab = Lab::new();
    let before = stack_of(json!({
        "Changed": thing(json!({"Value": "1"})),
        "Replaced": thing(json!({"Kind": "x", "Value": "1"})),
        "Dropped": thing(json!({"Link": {"Ref": "Replaced"}})),
        "Same": thing(json!({"Value": "same"})),
    }));
    lab.create(&before).await.unwrap();
    lab.cloud.taken_calls();
    let same = lab.cloud.names().into_iter().find(|name| name.contains("Same")).unwrap();
    let after = stack_of(json!({
        "Changed": thing(json!({"Value": "2", "Link": {"Ref": "Replaced"}})),
        "Replaced": thing(json!({"Kind": "y", "Value": "1"})),
        "Added": thing(json!({"Value": "new"})),
        "Same": thing(json!({"Value": "same"})),
    }));
    assert_eq!(lab.update(&after).await.unwrap().stack_status, "UPDATE_COMPLETE");
    let calls = lab.cloud.taken_calls();
    let at = |call: &str| calls.iter().position(|one| one == call).unwrap_or_else(|| panic!("{call} in {calls:?}"));
    assert_eq!(calls.len(), 5, "{calls:?}");
    assert!(at("create Replaced") < at("update Changed"));
    assert!(at("update Changed") < at("delete Dropped"));
    assert!(at("delete Dropped") < at("delete Replaced"));
    assert!(lab.cloud.names().contains(&same));
    assert_eq!(
        lab.cloud.values(),
        [
            ("Added".to_owned(), json!("new")),
            ("Changed".to_owned(), json!("2")),
            ("Replaced".to_owned(), json!("1")),
            ("Same".to_owned(), json!("same")),
        ]
    );
    let story = lab.story("app").await;
    assert!(story.contains(&"app UPDATE_COMPLETE_CLEANUP_IN_PROGRESS".to_owned()));
    assert_eq!(story.last().unwrap(), "app UPDATE_COMPLETE");
    assert_eq!(lab.update(&after).await.unwrap_err(), "ValidationError No updates are to be performed.");
}

#[tokio::test]
async fn a_failed_update_is_taken_back() {
    let lab = Lab::new();
    let before = stack_of(json!({
        "A": thing(json!({"Value": "1"})),
        "B": thing(json!({"Value": "1", "Kind": "x", "Link": {"Ref": "A"}})),
        "C": thing(json!({"Value": "1", "Link": {"Ref": "B"}})),
        "Dropped": thing(json!({"Value": "1"})),
    }));
    let made = lab.create(&before).await.unwrap();
    let names = lab.cloud.names();
    lab.cloud.taken_calls();
    lab.cloud.fail("create Last");
    let after = stack_of(json!({
        "A": thing(json!({"Value": "2"})),
        "B": thing(json!({"Value": "2", "Kind": "y", "Link": {"Ref": "A"}})),
        "C": thing(json!({"Value": "2", "Link": {"Ref": "B"}})),
        "Added": thing(json!({"Value": "2"})),
        "Last": thing(json!({"Link": {"Fn::Join": ["", [{"Ref": "C"}, {"Ref": "Added"}]]}})),
    }));
    let stack = lab.update(&after).await.unwrap();
    assert_eq!(stack.stack_status, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(lab.cloud.names(), names);
    assert!(lab.cloud.values().iter().all(|(_, value)| value == "1"), "{:?}", lab.cloud.values());
    assert_eq!(stack.stack_id, made.stack_id);
    let resources = Arc::clone(&lab.service)
        .list_stack_resources(lab.call(), DescribeInput { stack_name: Some("app".to_owned()), next_token: None })
        .await
        .unwrap()
        .stack_resource_summaries;
    let shown: Vec<_> = resources.iter().map(|r| (r.logical_resource_id.as_str(), r.resource_status)).collect();
    assert_eq!(
        shown,
        [("A", "UPDATE_COMPLETE"), ("B", "UPDATE_COMPLETE"), ("C", "UPDATE_COMPLETE"), ("Dropped", "CREATE_COMPLETE")]
    );
    for resource in &resources {
        assert!(names.contains(resource.physical_resource_id.as_ref().unwrap()));
    }
    // It can be tried again.
    lab.cloud.heal();
    assert_eq!(lab.update(&after).await.unwrap().stack_status, "UPDATE_COMPLETE");
    assert_eq!(lab.cloud.names().len(), 5);
}

#[tokio::test]
async fn a_rollback_that_fails_can_be_continued() {
    let lab = Lab::new();
    lab.create(&stack_of(json!({"A": thing(json!({"Value": "1"})), "B": thing(json!({"Value": "1"}))}))).await.unwrap();
    lab.cloud.hold("update A");
    let after = stack_of(json!({"A": thing(json!({"Value": "2"})), "B": thing(json!({"Value": "2"}))}));
    let service = Arc::clone(&lab.service);
    let update = tokio::spawn(service.update_stack(lab.call(), request(&after)));
    while lab.cloud.values().iter().all(|(_, value)| value == "1") {
        tokio::task::yield_now().await;
    }
    // B is changed; now nothing can be changed any more, in no direction.
    lab.cloud.fail("update A");
    lab.cloud.fail("update B");
    lab.cloud.release();
    update.await.unwrap().unwrap();
    let stack = lab.view("app").await.unwrap();
    assert_eq!(stack.stack_status, "UPDATE_ROLLBACK_FAILED");
    lab.cloud.heal();
    let input = serde_json::from_value(json!({"StackName": "app"})).unwrap();
    Arc::clone(&lab.service).continue_update_rollback(lab.call(), input).await.unwrap();
    assert_eq!(lab.view("app").await.unwrap().stack_status, "UPDATE_ROLLBACK_COMPLETE");
    assert!(lab.cloud.values().iter().all(|(_, value)| value == "1"));
}

#[tokio::test]
async fn an_update_can_be_cancelled_and_a_creation_deleted() {
    let lab = Lab::new();
    lab.create(&stack_of(json!({"A": thing(json!({"Value": "1"}))}))).await.unwrap();
    lab.cloud.hold("update A");
    let after = stack_of(json!({"A": thing(json!({"Value": "2"})), "B": thing(json!({"Link": {"Ref": "A"}}))}));
    let update = tokio::spawn(Arc::clone(&lab.service).update_stack(lab.call(), request(&after)));
    while !lab.cloud.calls.lock().contains(&"update A".to_owned()) {
        tokio::task::yield_now().await;
    }
    let input = serde_json::from_value(json!({"StackName": "app"})).unwrap();
    let cancel = tokio::spawn(Arc::clone(&lab.service).cancel_update_stack(lab.call(), input));
    while lab.view("app").await.unwrap().stack_status == "UPDATE_IN_PROGRESS" && !cancel.is_finished() {
        tokio::task::yield_now().await;
        lab.cloud.release();
    }
    cancel.await.unwrap().unwrap();
    update.await.unwrap().unwrap();
    assert_eq!(lab.view("app").await.unwrap().stack_status, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(lab.cloud.values(), [("A".to_owned(), json!("1"))]);

    lab.cloud.hold("create X");
    let other = StackRequest { stack_name: "other".to_owned(), ..request(&stack_of(json!({"X": thing(json!({}))}))) };
    let create = tokio::spawn(Arc::clone(&lab.service).create_stack(lab.call(), other));
    while !lab.cloud.calls.lock().contains(&"create X".to_owned()) {
        tokio::task::yield_now().await;
    }
    let id = lab.view("other").await.unwrap().stack_id;
    let remove = tokio::spawn(Arc::clone(&lab.service).delete_stack(lab.call(), delete("other")));
    while !remove.is_finished() {
        tokio::task::yield_now().await;
        lab.cloud.release();
    }
    create.await.unwrap().unwrap();
    assert_eq!(lab.view(&id).await.unwrap().stack_status, "DELETE_COMPLETE");
    assert_eq!(lab.cloud.names().len(), 1);
}

#[tokio::test]
async fn deletion_goes_backwards_and_keeps_what_is_to_stay() {
    let lab = Lab::new();
    let mut template = chain();
    template["Resources"]["B"]["DeletionPolicy"] = json!("Retain");
    let made = lab.create(&template).await.unwrap();
    lab.cloud.taken_calls();
    lab.cloud.fail("delete C");
    let stack = lab.delete("app").await.unwrap();
    assert_eq!(stack.stack_status, "DELETE_FAILED");
    assert_eq!(stack.stack_status_reason.as_deref(), Some("The following resource(s) failed to delete: [C]. "));
    lab.cloud.heal();
    lab.cloud.taken_calls();
    assert_eq!(lab.delete("app").await.unwrap().stack_status, "DELETE_COMPLETE");
    assert_eq!(lab.cloud.taken_calls(), ["delete C", "delete A"]);
    assert_eq!(lab.cloud.values(), [("B".to_owned(), json!("b"))]);
    assert_eq!(lab.view("app").await.unwrap_err(), "ValidationError Stack with id app does not exist");
    assert_eq!(lab.view(&made.stack_id).await.unwrap().stack_status, "DELETE_COMPLETE");
    assert!(!lab.events(&made.stack_id).await.is_empty());
    // There is nothing any more, and that is fine.
    Arc::clone(&lab.service).delete_stack(lab.call(), delete("app")).await.unwrap();
}

#[tokio::test]
async fn protection_timeouts_and_names_of_ones_own() {
    let lab = Lab::new();
    let named = stack_of(json!({"A": thing(json!({"Name": "mine", "Kind": "x"}))}));
    let protected = StackRequest { enable_termination_protection: Some(true), ..request(&named) };
    let stack = lab.create_with(protected).await.unwrap();
    let refused = Arc::clone(&lab.service).delete_stack(lab.call(), delete("app")).await.map_err(shown).unwrap_err();
    let id = &stack.stack_id;
    assert_eq!(
        refused,
        format!("ValidationError Stack [{id}] cannot be deleted while TerminationProtection is enabled")
    );
    let renamed = lab.update(&stack_of(json!({"A": thing(json!({"Name": "mine", "Kind": "y"}))}))).await.unwrap();
    assert_eq!(renamed.stack_status, "UPDATE_ROLLBACK_COMPLETE");
    let reason = lab.events("app").await.into_iter().find(|e| e.resource_status == "UPDATE_FAILED").unwrap();
    assert_eq!(
        reason.resource_status_reason.as_deref(),
        Some(
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename mine and update the \
              stack again."
        )
    );
    lab.cloud.hold("create S");
    let slow = StackRequest {
        stack_name: "slow".to_owned(),
        timeout_in_minutes: Some(5),
        ..request(&stack_of(json!({"S": thing(json!({})), "T": thing(json!({"Link": {"Ref": "S"}}))})))
    };
    let create = tokio::spawn(Arc::clone(&lab.service).create_stack(lab.call(), slow));
    while !lab.cloud.calls.lock().contains(&"create S".to_owned()) {
        tokio::task::yield_now().await;
    }
    lab.clock.advance(Duration::from_secs(301));
    create.await.unwrap().unwrap();
    lab.cloud.release();
    assert_eq!(lab.service.settled(&lab.call(), "slow").await.unwrap().stack_status, "ROLLBACK_COMPLETE");
    assert_eq!(lab.cloud.names(), ["mine"]);
}

#[tokio::test]
async fn secrets_do_not_come_to_rest() {
    let lab = Lab::new();
    let template = json!({
        "Parameters": {
            "Password": {"Type": "String", "NoEcho": true},
            "Version": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/version"},
        },
        "Resources": {
            "A": thing(json!({
                "Value": {"Ref": "Version"},
                "Link": {"Fn::Sub": "x-${Password}"},
                "Secret": {"Fn::Join": ["", ["{{resolve:secretsmanager:db:SecretString:password::}}"]]},
            })),
        },
    });
    let password = ParameterInput {
        parameter_key: "Password".to_owned(),
        parameter_value: Some("topsecret".to_owned()),
        use_previous_value: None,
    };
    let stack = lab.create_with(StackRequest { parameters: Some(vec![password]), ..request(&template) }).await.unwrap();
    assert_eq!(stack.stack_status, "CREATE_COMPLETE");
    let thing = lab.cloud.things.lock().values().next().unwrap().clone();
    assert_eq!(thing.properties.get("Secret"), Some(&json!("hunter2")));
    assert_eq!(thing.properties.get("Link"), Some(&json!("x-topsecret")));
    assert_eq!(thing.properties.get("Value"), Some(&json!("21")));
    let told = serde_json::to_string(&lab.events("app").await).unwrap() + &serde_json::to_string(&stack).unwrap();
    assert!(!told.contains("topsecret") && !told.contains("hunter2"), "{told}");
    assert!(told.contains("x-****"), "{told}");
    let parameters: Vec<_> =
        stack.parameters.iter().map(|p| (p.parameter_value.as_str(), p.resolved_value.as_deref())).collect();
    assert_eq!(parameters, [("****", None), ("/version", Some("21"))]);
    let missing = json!({
        "Parameters": {"V": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/none"}},
        "Resources": {"A": crate::support::thing(json!({}))},
    });
    let other = StackRequest { stack_name: "other".to_owned(), ..request(&missing) };
    assert_eq!(lab.create_with(other).await.unwrap_err(), "ValidationError /none is not there");
}

#[tokio::test]
async fn exports_bind_stacks_together() {
    let lab = Lab::new();
    let exporter = |value: &str, name: &str| {
        json!({
            "Resources": {"A": thing(json!({}))},
            "Outputs": {"O": {"Value": value, "Export": {"Name": name}}},
        })
    };
    let named = |name: &str, template: &Value| StackRequest { stack_name: name.to_owned(), ..request(template) };
    lab.create_with(named("one", &exporter("v1", "shared"))).await.unwrap();
    let second = lab.create_with(named("two", &exporter("v2", "shared"))).await.unwrap();
    assert_eq!(second.stack_status, "ROLLBACK_COMPLETE");
    let importer = stack_of(json!({"B": thing(json!({"Value": {"Fn::ImportValue": "shared"}}))}));
    assert_eq!(lab.create_with(named("user", &importer)).await.unwrap().stack_status, "CREATE_COMPLETE");
    let missing = stack_of(json!({"B": thing(json!({"Value": {"Fn::ImportValue": "none"}}))}));
    let refused = lab.create_with(named("other", &missing)).await.unwrap_err();
    assert_eq!(refused, "ValidationError No export named none found");
    let changed = lab.update_with(named("one", &exporter("v9", "shared"))).await.unwrap();
    assert_eq!(changed.stack_status, "UPDATE_ROLLBACK_COMPLETE");
    let deleted = lab.delete("one").await.unwrap();
    assert_eq!(deleted.stack_status, "DELETE_FAILED");
    assert_eq!(
        deleted.stack_status_reason.as_deref().map(str::trim),
        Some("Export shared cannot be deleted as it is in use by user")
    );
    let imports = Arc::clone(&lab.service)
        .list_imports(lab.call(), serde_json::from_value(json!({"ExportName": "shared"})).unwrap())
        .await
        .unwrap();
    assert_eq!(imports.imports, ["user"]);
    lab.delete("user").await.unwrap();
    assert_eq!(lab.delete("one").await.unwrap().stack_status, "DELETE_COMPLETE");
    let exports = Arc::clone(&lab.service).list_exports(lab.call(), Default::default()).await.unwrap();
    assert!(exports.exports.is_empty());
}

#[tokio::test]
async fn the_role_of_a_stack_acts() {
    let lab = Lab::new();
    let template = stack_of(json!({"A": thing(json!({}))}));
    let with = |role: &str| StackRequest { role_arn: Some(role.to_owned()), ..request(&template) };
    assert_eq!(lab.create_with(with(ROLE_ARN)).await.unwrap().stack_status, "CREATE_COMPLETE");
    let principals: Vec<String> = lab.cloud.principals.lock().iter().cloned().collect();
    assert_eq!(principals, ["arn:aws:sts::000000000000:assumed-role/deployer/AWSCloudFormation"]);
    lab.delete("app").await.unwrap();
    let refused = lab.create_with(with("arn:aws:iam::000000000000:role/none")).await.unwrap();
    assert_eq!(refused.stack_status, "ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn requests_are_refused_in_the_words_of_the_service() {
    let lab = Lab::new();
    let refused = async |template: Value, expect: &str| {
        assert_eq!(lab.create(&template).await.unwrap_err(), expect);
    };
    let role = json!({"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}});
    refused(stack_of(json!({"R": role})), "InsufficientCapabilitiesException Requires capabilities : [CAPABILITY_IAM]")
        .await;
    let mut named = role.clone();
    named["Properties"]["RoleName"] = json!("mine");
    refused(
        stack_of(json!({"R": named})),
        "InsufficientCapabilitiesException Requires capabilities : [CAPABILITY_NAMED_IAM]",
    )
    .await;
    refused(
        stack_of(json!({"R": {"Type": "AWS::No::Such"}})),
        "ValidationError Template format error: Unrecognized resource types: [AWS::No::Such]",
    )
    .await;
    refused(
        stack_of(json!({"A": thing(json!({"Colour": 1}))})),
        "ValidationError Properties validation failed for resource A of type Fake::Cloud::Thing with message:\n#: extraneous key \
         [Colour] is not permitted",
    )
    .await;
    refused(
        stack_of(json!({"A": thing(json!({"Link": {"Fn::GetAtt": ["B", "Size"]}})), "B": thing(json!({}))})),
        "ValidationError Template error: resource B does not support attribute type Size in Fn::GetAtt",
    )
    .await;
    refused(
        json!({
            "Conditions": {"No": {"Fn::Equals": [1, 2]}},
            "Resources": {"A": thing(json!({"Link": {"Ref": "B"}})), "B": {"Type": "Fake::Cloud::Thing", "Condition": "No"}},
        }),
        "ValidationError Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
    )
    .await;
    refused(
        json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"A": thing(json!({}))}}),
        "InsufficientCapabilitiesException Requires capabilities : [CAPABILITY_AUTO_EXPAND]",
    )
    .await;
    refused(
        json!({"Transform": "Mine", "Resources": {"A": thing(json!({}))}}),
        "ValidationError No transform named Mine found.",
    )
    .await;
    lab.create(&stack_of(json!({"A": thing(json!({}))}))).await.unwrap();
    refused(stack_of(json!({"A": thing(json!({}))})), "AlreadyExistsException Stack [app] already exists").await;
    let other = StackRequest { stack_name: "none".to_owned(), ..request(&chain()) };
    assert_eq!(lab.update_with(other).await.unwrap_err(), "ValidationError Stack [none] does not exist");
    let url = StackRequest {
        stack_name: "url".to_owned(),
        template_body: None,
        template_url: Some("http://127.0.0.1:4566/b/none".to_owned()),
        ..StackRequest::default()
    };
    let error = lab.create_with(url).await.unwrap_err();
    assert!(error.starts_with("ValidationError S3 error: The specified key does not exist."), "{error}");
}

#[tokio::test]
async fn a_repeated_request_is_the_same_one() {
    let lab = Lab::new();
    let again = StackRequest { client_request_token: Some("token".to_owned()), ..request(&chain()) };
    let first = lab.create_with(again.clone()).await.unwrap();
    assert_eq!(lab.create_with(again).await.unwrap().stack_id, first.stack_id);
    assert_eq!(lab.cloud.names().len(), 3);
}

#[tokio::test]
async fn resources_are_found_by_stack_or_physical_id() {
    let lab = Lab::new();
    let mut template = chain();
    template["Resources"]["A"]["Metadata"] = json!({"built": "by hand"});
    lab.create(&template).await.unwrap();
    let name = lab.cloud.names().into_iter().find(|name| name.starts_with("app-B")).unwrap();
    let by_id = ResourceInput { physical_resource_id: Some(name.clone()), ..ResourceInput::default() };
    let found = Arc::clone(&lab.service).describe_stack_resources(lab.call(), by_id).await.unwrap();
    assert_eq!(found.stack_resources.len(), 3);
    let one = ResourceInput {
        stack_name: Some("app".to_owned()),
        logical_resource_id: Some("A".to_owned()),
        physical_resource_id: None,
    };
    let detail = Arc::clone(&lab.service).describe_stack_resource(lab.call(), one).await.unwrap().stack_resource_detail;
    assert_eq!(detail.metadata.as_deref(), Some("{\"built\":\"by hand\"}"));
    let none = ResourceInput {
        stack_name: Some("app".to_owned()),
        logical_resource_id: Some("Z".to_owned()),
        physical_resource_id: None,
    };
    let error = Arc::clone(&lab.service).describe_stack_resource(lab.call(), none).await.map_err(shown).unwrap_err();
    assert_eq!(error, "ValidationError Resource Z does not exist for stack app");
}

#[tokio::test]
async fn stacks_nest() {
    let lab = Lab::new();
    let inner = json!({
        "Parameters": {"P": {"Type": "String"}},
        "Resources": {
            "I": thing(json!({"Value": {"Ref": "P"}})),
            "J": thing(json!({"Kind": {"Ref": "P"}, "Link": {"Ref": "I"}})),
        },
        "Outputs": {"Name": {"Value": {"Ref": "I"}}},
    });
    lab.bucket.0.lock().insert("b/inner.json".to_owned(), inner.to_string());
    let outer = |value: &str| {
        stack_of(json!({
            "Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {
                "TemplateURL": "https://s3.amazonaws.com/b/inner.json",
                "Parameters": {"P": value},
            }},
            "User": thing(json!({"Link": {"Fn::GetAtt": ["Inner", "Outputs.Name"]}})),
        }))
    };
    assert_eq!(lab.create(&outer("1")).await.unwrap().stack_status, "CREATE_COMPLETE");
    let stacks = Arc::clone(&lab.service).describe_stacks(lab.call(), DescribeInput::default()).await.unwrap().stacks;
    assert_eq!(stacks.len(), 2);
    let inner_view = stacks.iter().find(|stack| stack.parent_id.is_some()).unwrap();
    assert!(inner_view.stack_name.starts_with("app-Inner-"));
    assert_eq!(inner_view.root_id, inner_view.parent_id);
    assert_eq!(lab.update(&outer("2")).await.unwrap().stack_status, "UPDATE_COMPLETE");
    assert!(lab.cloud.values().contains(&("I".to_owned(), json!("2"))));
    lab.cloud.fail("create J");
    assert_eq!(lab.update(&outer("3")).await.unwrap().stack_status, "UPDATE_ROLLBACK_COMPLETE");
    assert!(lab.cloud.values().contains(&("I".to_owned(), json!("2"))));
    lab.cloud.heal();
    assert_eq!(lab.delete("app").await.unwrap().stack_status, "DELETE_COMPLETE");
    assert_eq!(lab.cloud.names(), Vec::<String>::new());
    lab.cloud.fail("create I");
    assert_eq!(lab.create(&outer("1")).await.unwrap().stack_status, "ROLLBACK_COMPLETE");
    let left = Arc::clone(&lab.service).describe_stacks(lab.call(), DescribeInput::default()).await.unwrap().stacks;
    assert_eq!(left.len(), 1);
}
