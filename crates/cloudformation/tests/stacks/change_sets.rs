//! Change sets as the deploy tools use them.

use std::sync::Arc;

use crate::support::{Lab, shown, stack_of, thing};
use cauce_cloudformation::{
    Action, ChangeSetInput, ChangeSetView, CreateChangeSetInput, GetTemplateInput, TemplateInput,
};
use serde_json::{Value, json};

fn input(kind: &str, name: &str, template: &Value) -> CreateChangeSetInput {
    CreateChangeSetInput {
        stack_name: "app".to_owned(),
        change_set_name: name.to_owned(),
        change_set_type: Some(kind.to_owned()),
        template_body: Some(template.to_string()),
        ..CreateChangeSetInput::default()
    }
}

fn named(name: &str) -> ChangeSetInput {
    ChangeSetInput {
        change_set_name: name.to_owned(),
        stack_name: Some("app".to_owned()),
        include_property_values: Some(true),
        ..ChangeSetInput::default()
    }
}

async fn make(lab: &Lab, input: CreateChangeSetInput) -> Result<ChangeSetView, String> {
    let made = Arc::clone(&lab.service).create_change_set(lab.call(), input).await.map_err(shown)?;
    // By its ARN alone, as waiters of the tools ask.
    let by_arn =
        ChangeSetInput { change_set_name: made.id, include_property_values: Some(true), ..ChangeSetInput::default() };
    Arc::clone(&lab.service).describe_change_set(lab.call(), by_arn).await.map_err(shown)
}

#[tokio::test]
async fn a_stack_is_made_and_changed_by_change_sets() {
    let lab = Lab::new();
    let first = json!({
        "Parameters": {"P": {"Type": "String", "Default": "1"}},
        "Resources": {
            "A": thing(json!({"Value": {"Ref": "P"}})),
            "B": thing(json!({"Kind": "x"})),
            "C": thing(json!({"Link": {"Ref": "B"}})),
            "D": thing(json!({})),
        },
    });
    let view = make(&lab, input("CREATE", "one", &first)).await.unwrap();
    assert_eq!((view.status, view.execution_status), ("CREATE_COMPLETE", "AVAILABLE"));
    assert_eq!(view.changes.len(), 4);
    assert!(view.changes.iter().all(|change| change.resource_change.action == Action::Add));
    assert_eq!(lab.view("app").await.unwrap().stack_status, "REVIEW_IN_PROGRESS");
    assert_eq!(lab.cloud.names(), Vec::<String>::new());
    Arc::clone(&lab.service).execute_change_set(lab.call(), named("one")).await.unwrap();
    let stack = lab.view("app").await.unwrap();
    assert_eq!(stack.stack_status, "CREATE_COMPLETE");
    assert_eq!(stack.change_set_id.as_deref(), Some(view.change_set_id.as_str()));

    let mut second = first.clone();
    second["Parameters"]["P"]["Default"] = json!("2");
    second["Resources"]["B"]["Properties"]["Kind"] = json!("y");
    second["Resources"].as_object_mut().unwrap().remove("D");
    let view = make(&lab, input("UPDATE", "two", &second)).await.unwrap();
    let told: Vec<_> = view
        .changes
        .iter()
        .map(|change| {
            let change = &change.resource_change;
            (change.logical_resource_id.as_str(), change.action, change.replacement.as_deref())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("A", Action::Modify, Some("False")),
            ("B", Action::Modify, Some("True")),
            ("C", Action::Modify, Some("False")),
            ("D", Action::Remove, None),
        ]
    );
    let change = |at: usize| &view.changes.get(at).unwrap().resource_change;
    let detail = change(0).details.first().unwrap();
    assert_eq!(detail.change_source, "ParameterReference");
    assert_eq!(detail.causing_entity.as_deref(), Some("P"));
    assert_eq!(detail.target.path, "/Properties/Value");
    assert_eq!((detail.target.before_value.as_deref(), detail.target.after_value.as_deref()), (Some("1"), Some("2")));
    assert_eq!(change(0).before_context.as_deref(), Some("{\"Properties\":{\"Value\":\"1\"}}"));
    assert_eq!(change(1).details.first().unwrap().target.requires_recreation, "Always");
    let link = change(2).details.first().unwrap();
    assert_eq!((link.evaluation.as_str(), link.change_source.as_str()), ("Dynamic", "ResourceReference"));
    assert_eq!(link.target.after_value.as_deref(), Some("{{changeSet:KNOWN_AFTER_APPLY}}"));
    Arc::clone(&lab.service).execute_change_set(lab.call(), named("two")).await.unwrap();
    assert_eq!(lab.view("app").await.unwrap().stack_status, "UPDATE_COMPLETE");
    assert_eq!(lab.cloud.names().len(), 3);

    let again = Arc::clone(&lab.service).execute_change_set(lab.call(), named("two")).await.map_err(shown).unwrap_err();
    assert!(again.starts_with("InvalidChangeSetStatus ChangeSet [arn:aws:cloudformation:"), "{again}");
}

#[tokio::test]
async fn no_changes_make_a_change_set_that_says_so() {
    let lab = Lab::new();
    let plain = stack_of(json!({"A": thing(json!({}))}));
    make(&lab, input("CREATE", "one", &plain)).await.unwrap();
    Arc::clone(&lab.service).execute_change_set(lab.call(), named("one")).await.unwrap();
    let view = make(&lab, input("UPDATE", "two", &plain)).await.unwrap();
    assert_eq!((view.status, view.execution_status), ("FAILED", "UNAVAILABLE"));
    assert_eq!(
        view.status_reason.as_deref(),
        Some("The submitted information didn't contain changes. Submit different information to create a change set.")
    );
    let sam = json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"A": thing(json!({}))}});
    let view = make(&lab, input("UPDATE", "three", &sam)).await.unwrap();
    assert_eq!(view.status_reason.as_deref(), Some("No updates are to be performed."));
}

#[tokio::test]
async fn change_sets_are_found_removed_and_not_found() {
    let lab = Lab::new();
    let plain = stack_of(json!({"A": thing(json!({}))}));
    let describe = async |name: &str| {
        Arc::clone(&lab.service)
            .describe_change_set(lab.call(), named(name))
            .await
            .map_err(shown)
            .map(|view| view.status)
    };
    assert_eq!(describe("one").await.unwrap_err(), "ValidationError Stack [app] does not exist");
    make(&lab, input("CREATE", "one", &plain)).await.unwrap();
    assert_eq!(describe("one").await, Ok("CREATE_COMPLETE"));
    let twice = make(&lab, input("CREATE", "one", &plain)).await.unwrap_err();
    assert_eq!(twice, "AlreadyExistsException ChangeSet one already exists in stack app");
    for _ in 0..2 {
        Arc::clone(&lab.service).delete_change_set(lab.call(), named("one")).await.unwrap();
    }
    assert_eq!(describe("one").await.unwrap_err(), "ChangeSetNotFound ChangeSet [one] does not exist");
    let update = make(&lab, input("UPDATE", "two", &plain)).await.unwrap_err();
    assert!(update.contains("is in REVIEW_IN_PROGRESS state and can not be updated."), "{update}");
    // Never executed, it goes like any other.
    lab.delete("app").await.unwrap();
    assert_eq!(
        make(&lab, input("UPDATE", "two", &plain)).await.unwrap_err(),
        "ValidationError Stack [app] does not exist"
    );
    lab.create(&plain).await.unwrap();
    assert_eq!(
        make(&lab, input("CREATE", "two", &plain)).await.unwrap_err(),
        "ValidationError Stack [app] already exists and cannot be created again with the changeSet [two]."
    );
}

fn serverless() -> String {
    "Transform: AWS::Serverless-2016-10-31\n\
     Globals:\n  Function: {Timeout: 7}\n\
     Parameters:\n  Code: {Type: String, Default: 'k'}\n\
     Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      \
     CodeUri: {Bucket: b, Key: !Ref Code}\n      Handler: bootstrap\n      Runtime: provided.al2023\n"
        .to_owned()
}

#[tokio::test]
async fn serverless_templates_are_expanded_and_kept_as_they_were() {
    let lab = Lab::new();
    let request = CreateChangeSetInput { template_body: Some(serverless()), ..input("CREATE", "one", &json!({})) };
    let view = make(&lab, request.clone()).await.unwrap();
    assert_eq!(view.status, "FAILED");
    assert_eq!(view.status_reason.as_deref(), Some("Requires capabilities : [CAPABILITY_IAM]"));
    let able = CreateChangeSetInput {
        change_set_name: "two".to_owned(),
        capabilities: Some(vec!["CAPABILITY_IAM".to_owned()]),
        ..request.clone()
    };
    let view = make(&lab, able).await.unwrap();
    assert_eq!(view.status, "CREATE_COMPLETE");
    let types: Vec<_> = view.changes.iter().map(|change| change.resource_change.resource_type.as_str()).collect();
    assert_eq!(types, ["AWS::IAM::Role", "AWS::Lambda::Function"]);
    Arc::clone(&lab.service).execute_change_set(lab.call(), named("two")).await.unwrap();
    assert_eq!(lab.view("app").await.unwrap().stack_status, "CREATE_COMPLETE");
    let get = |stage: &str| GetTemplateInput {
        stack_name: Some("app".to_owned()),
        change_set_name: None,
        template_stage: Some(stage.to_owned()),
    };
    let original = Arc::clone(&lab.service).get_template(lab.call(), get("Original")).await.unwrap();
    assert_eq!(original.template_body, serverless());
    let processed = Arc::clone(&lab.service).get_template(lab.call(), get("Processed")).await.unwrap();
    assert!(processed.template_body.contains("AWS::Lambda::Function"));
    let broken = CreateChangeSetInput {
        change_set_name: "three".to_owned(),
        template_body: Some(serverless().replace("Handler", "Handle")),
        ..input("UPDATE", "three", &json!({}))
    };
    let view = make(&lab, broken).await.unwrap();
    let reason = view.status_reason.unwrap();
    assert!(
        reason.starts_with(
            "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification"
        ),
        "{reason}"
    );
    let summary = Arc::clone(&lab.service)
        .get_template_summary(
            lab.call(),
            TemplateInput { stack_name: Some("app".to_owned()), ..TemplateInput::default() },
        )
        .await
        .unwrap();
    assert_eq!(summary.resource_types, ["AWS::Serverless::Function"]);
    assert_eq!(summary.parameters.first().unwrap().parameter_type.as_deref(), Some("String"));
    let body = TemplateInput { template_body: Some("Resources: {}".to_owned()), ..TemplateInput::default() };
    let refused = Arc::clone(&lab.service).validate_template(lab.call(), body).await.map_err(shown).unwrap_err();
    assert_eq!(refused, "ValidationError Template format error: At least one Resources member must be defined.");
}
