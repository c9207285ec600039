//! What a template can make.

use std::sync::Arc;

use cauce_core::{
    Call, CreateRequest, DeleteRequest, Principal, Provisioned, ResourceType, ServiceError, UpdateRequest,
};
use cauce_iam::resource_types;
use serde_json::{Map, Value, json};

use crate::bench::{Bench, LAMBDA, allow, trust};

const STACK: &str = "arn:aws:cloudformation:us-east-1:111111111111:stack/s/1";

struct Stack<'a> {
    bench: &'a Bench,
    kind: Arc<dyn ResourceType>,
    call: Call,
}

fn properties(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

impl<'a> Stack<'a> {
    fn of(bench: &'a Bench, type_name: &str) -> Stack<'a> {
        Stack::by(bench, type_name, bench.root())
    }

    fn by(bench: &'a Bench, type_name: &str, principal: Principal) -> Stack<'a> {
        let kind = resource_types(&bench.iam).into_iter().find(|t| t.schema().type_name == type_name).unwrap();
        Stack { bench, kind, call: bench.call(principal) }
    }

    async fn create(&self, generated: &str, wanted: &Value) -> Result<Provisioned, ServiceError> {
        let schema = self.kind.schema();
        for name in wanted.as_object().unwrap().keys() {
            assert!(schema.properties.iter().any(|p| p.name == name), "{name}");
        }
        let request = CreateRequest {
            stack_id: STACK.into(),
            logical_id: "Thing".into(),
            generated_name: generated.into(),
            properties: properties(wanted.clone()),
        };
        let made = self.kind.create(&self.call, request).await?;
        assert!(made.attributes.keys().all(|a| schema.attributes.contains(&a.as_str())), "{made:?}");
        assert!(schema.attributes.iter().all(|a| made.attributes.contains_key(*a)), "{made:?}");
        Ok(made)
    }

    async fn update(&self, id: &str, previous: &Value, wanted: &Value) -> Result<Provisioned, ServiceError> {
        let request = UpdateRequest {
            stack_id: STACK.into(),
            logical_id: "Thing".into(),
            physical_id: id.into(),
            previous: properties(previous.clone()),
            properties: properties(wanted.clone()),
        };
        self.kind.update(&self.call, request).await
    }

    async fn delete(&self, id: &str, wanted: &Value) -> Result<(), ServiceError> {
        let request =
            DeleteRequest { stack_id: STACK.into(), physical_id: id.into(), properties: properties(wanted.clone()) };
        self.kind.delete(&self.call, request).await
    }

    async fn policies(&self, role: &str) -> (Value, Value) {
        let inline = self.bench.ask("ListRolePolicies", json!({ "RoleName": role })).await;
        let attached = self.bench.ask("ListAttachedRolePolicies", json!({ "RoleName": role })).await;
        let names = attached["AttachedPolicies"].as_array().unwrap().iter().map(|p| p["PolicyName"].clone());
        (inline["PolicyNames"].clone(), names.collect())
    }
}

fn document(action: &str) -> Value {
    serde_json::from_str(&allow(action, "*")).unwrap()
}

fn trusted() -> Value {
    serde_json::from_str(&trust(LAMBDA)).unwrap()
}

#[tokio::test]
async fn a_role_is_made_once_changed_and_removed() {
    let bench = Bench::new().await;
    let stack = Stack::of(&bench, "AWS::IAM::Role");
    let first = json!({
        "AssumeRolePolicyDocument": trusted(), "Path": "/app/", "MaxSessionDuration": "7200",
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"],
        "Policies": [{ "PolicyName": "a", "PolicyDocument": document("s3:*") }, { "PolicyName": "b", "PolicyDocument": document("s3:*") }],
        "Tags": [{ "Key": "k", "Value": "v" }],
    });
    let made = stack.create("s-Thing-1", &first).await.unwrap();
    assert_eq!(made.physical_id, "s-Thing-1");
    assert_eq!(made.attributes["Arn"], "arn:aws:iam::111111111111:role/app/s-Thing-1");
    assert_eq!(stack.create("s-Thing-1", &first).await.unwrap(), made, "again after a crash");
    assert_eq!(stack.policies("s-Thing-1").await, (json!(["a", "b"]), json!(["AWSLambdaBasicExecutionRole"])));
    // Somebody else's policy stays through an update.
    bench
        .ask(
            "PutRolePolicy",
            json!({ "RoleName": "s-Thing-1", "PolicyName": "other", "PolicyDocument": allow("sqs:*", "*") }),
        )
        .await;
    let second = json!({
        "AssumeRolePolicyDocument": trusted(), "Path": "/app/", "Description": "d",
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonSQSFullAccess"],
        "Policies": [{ "PolicyName": "b", "PolicyDocument": document("sns:*") }],
    });
    let changed = stack.update("s-Thing-1", &first, &second).await.unwrap();
    assert_eq!(changed, made);
    assert_eq!(stack.policies("s-Thing-1").await, (json!(["b", "other"]), json!(["AmazonSQSFullAccess"])));
    let role = bench.ask("GetRole", json!({ "RoleName": "s-Thing-1" })).await["Role"].clone();
    assert_eq!(
        (&role["Description"], &role["MaxSessionDuration"], &role["Tags"]),
        (&json!("d"), &json!(3600), &Value::Null)
    );
    let error = stack.delete("s-Thing-1", &second).await.unwrap_err();
    assert_eq!(error.to_string(), "DeleteConflict: Cannot delete entity, must delete policies first.");
    bench.ask("DeleteRolePolicy", json!({ "RoleName": "s-Thing-1", "PolicyName": "other" })).await;
    stack.delete("s-Thing-1", &second).await.unwrap();
    stack.delete("s-Thing-1", &second).await.unwrap();
    let counted = bench.ask("GetPolicy", json!({ "PolicyArn": "arn:aws:iam::aws:policy/AmazonSQSFullAccess" })).await;
    assert_eq!(counted["Policy"]["AttachmentCount"], 0);
}

#[tokio::test]
async fn a_named_role_of_another_is_not_taken_over() {
    let bench = Bench::new().await;
    bench.ask("CreateRole", json!({ "RoleName": "mine", "AssumeRolePolicyDocument": trust(LAMBDA) })).await;
    let stack = Stack::of(&bench, "AWS::IAM::Role");
    let error =
        stack.create("g", &json!({ "RoleName": "mine", "AssumeRolePolicyDocument": trusted() })).await.unwrap_err();
    assert_eq!(error.to_string(), "EntityAlreadyExists: Role with name mine already exists.");
    let error = stack
        .create("g", &json!({ "AssumeRolePolicyDocument": trusted(), "ManagedPolicyArns": "x" }))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "ValidationError: Value of property ManagedPolicyArns must be of type List of String"
    );
}

#[tokio::test]
async fn whoever_deploys_needs_the_permissions_himself() {
    let bench = Bench::new().await;
    bench.ask("CreateUser", json!({ "UserName": "ann" })).await;
    let key = bench.ask("CreateAccessKey", json!({ "UserName": "ann" })).await["AccessKey"].clone();
    let ann = bench.who(&key).await.unwrap();
    let stack = Stack::by(&bench, "AWS::IAM::Role", ann);
    let admin = json!({ "AssumeRolePolicyDocument": trusted(), "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"] });
    let put = async |statements: &str| {
        let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        bench.ask("PutUserPolicy", json!({ "UserName": "ann", "PolicyName": "p", "PolicyDocument": document })).await;
    };
    let error = stack.create("g", &admin).await.unwrap_err();
    assert!(error.message().ends_with("because no identity-based policy allows the iam:CreateRole action"), "{error}");
    let may = r#"{"Effect":"Allow","Action":["iam:CreateRole","iam:AttachRolePolicy"],"Resource":"*"}"#;
    put(&format!(r#"{may},{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"ArnLike":{{"iam:PolicyARN":"*:policy/Admin*"}},"StringLike":{{"iam:PolicyARN":"*Administrator*"}}}}}}"#)).await;
    put(&format!(r#"{may},{{"Effect":"Deny","Action":"iam:AttachRolePolicy","Resource":"*","Condition":{{"StringLike":{{"iam:PolicyARN":"*/AdministratorAccess"}}}}}}"#)).await;
    let error = stack.create("g", &admin).await.unwrap_err();
    assert!(error.message().ends_with("with an explicit deny in an identity-based policy"), "{error}");
    assert!(bench.ask("ListRoles", json!({})).await["Roles"].as_array().unwrap().is_empty());
    put(may).await;
    stack.create("g", &admin).await.unwrap();
}

#[tokio::test]
async fn a_policy_is_put_into_roles_and_users() {
    let bench = Bench::new().await;
    for name in ["one", "two"] {
        bench.ask("CreateRole", json!({ "RoleName": name, "AssumeRolePolicyDocument": trust(LAMBDA) })).await;
    }
    bench.ask("CreateUser", json!({ "UserName": "ann" })).await;
    let stack = Stack::of(&bench, "AWS::IAM::Policy");
    let wish = |roles: &[&str], users: &[&str]| json!({ "PolicyName": "p", "PolicyDocument": document("s3:*"), "Roles": roles, "Users": users });
    let error = stack.create("g", &wish(&[], &[])).await.unwrap_err();
    assert_eq!(error.message(), "At least one of [Groups,Roles,Users] must be non-empty.");
    let error = stack.create("g", &wish(&["none"], &[])).await.unwrap_err();
    assert_eq!(error.message(), "The role with name none cannot be found.");
    let (first, second) = (wish(&["one"], &["ann"]), wish(&["two"], &[]));
    assert_eq!(stack.create("s-Thing-1", &first).await.unwrap().physical_id, "s-Thing-1");
    assert_eq!(stack.policies("one").await.0, json!(["p"]));
    assert_eq!(bench.ask("ListUserPolicies", json!({ "UserName": "ann" })).await["PolicyNames"], json!(["p"]));
    stack.update("s-Thing-1", &first, &second).await.unwrap();
    assert_eq!((stack.policies("one").await.0, stack.policies("two").await.0), (json!([]), json!(["p"])));
    assert_eq!(bench.ask("ListUserPolicies", json!({ "UserName": "ann" })).await["PolicyNames"], json!([]));
    stack.delete("s-Thing-1", &second).await.unwrap();
    stack.delete("s-Thing-1", &second).await.unwrap();
    assert_eq!(stack.policies("two").await.0, json!([]));
}

#[tokio::test]
async fn a_managed_policy_is_versioned_and_attached() {
    let bench = Bench::new().await;
    bench.ask("CreateRole", json!({ "RoleName": "one", "AssumeRolePolicyDocument": trust(LAMBDA) })).await;
    let stack = Stack::of(&bench, "AWS::IAM::ManagedPolicy");
    let wish = |action: &str, roles: &[&str]| json!({ "PolicyDocument": document(action), "Roles": roles });
    let error = stack.create("g", &wish("s3:*", &["one", "none"])).await.unwrap_err();
    assert_eq!(error.message(), "The role with name none cannot be found.");
    assert_eq!(
        bench.ask("ListPolicies", json!({ "Scope": "Local" })).await["Policies"],
        json!([]),
        "nothing is left behind"
    );
    let made = stack.create("s-Thing-1", &wish("s3:*", &["one"])).await.unwrap();
    assert_eq!(made.physical_id, "arn:aws:iam::111111111111:policy/s-Thing-1");
    assert_eq!(stack.policies("one").await.1, json!(["s-Thing-1"]));
    let mut previous = wish("s3:*", &["one"]);
    for n in 2..9 {
        let next = wish(&format!("s3:Get{n}"), &["one"]);
        let changed = stack.update(&made.physical_id, &previous, &next).await.unwrap();
        assert_eq!(changed.attributes["DefaultVersionId"], json!(format!("v{n}")));
        previous = next;
    }
    let none = wish("s3:Get8", &[]);
    stack.update(&made.physical_id, &previous, &none).await.unwrap();
    assert_eq!(stack.policies("one").await.1, json!([]));
    stack.delete(&made.physical_id, &previous).await.unwrap();
    stack.delete(&made.physical_id, &previous).await.unwrap();
}

#[tokio::test]
async fn a_user_with_a_key() {
    let bench = Bench::new().await;
    let (users, keys) = (Stack::of(&bench, "AWS::IAM::User"), Stack::of(&bench, "AWS::IAM::AccessKey"));
    let first = json!({ "UserName": "ann", "Policies": [{ "PolicyName": "p", "PolicyDocument": document("s3:*") }] });
    let made = users.create("g", &first).await.unwrap();
    assert_eq!(
        (made.physical_id.as_str(), &made.attributes["Arn"]),
        ("ann", &json!("arn:aws:iam::111111111111:user/ann"))
    );
    let wish = json!({ "UserName": "ann", "Serial": 1 });
    let key = keys.create("s-Key-1", &wish).await.unwrap();
    assert_eq!(keys.create("s-Key-1", &wish).await.unwrap(), key, "again after a crash");
    assert_ne!(keys.create("s-Key-2", &wish).await.unwrap(), key, "a replacement");
    let credentials = json!({ "AccessKeyId": key.physical_id, "SecretAccessKey": key.attributes["SecretAccessKey"] });
    assert_eq!(bench.who(&credentials).await.unwrap().to_string(), "arn:aws:iam::111111111111:user/ann");
    let moved = json!({ "UserName": "ann", "Path": "/staff/", "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonSQSFullAccess"] });
    assert_eq!(
        users.update("ann", &first, &moved).await.unwrap().attributes["Arn"],
        "arn:aws:iam::111111111111:user/staff/ann"
    );
    assert_eq!(bench.who(&credentials).await.unwrap().to_string(), "arn:aws:iam::111111111111:user/staff/ann");
    let off = json!({ "UserName": "ann", "Serial": 1, "Status": "Inactive" });
    keys.update(&key.physical_id, &wish, &off).await.unwrap();
    assert_eq!(bench.who(&credentials).await, None);
    let error = users.delete("ann", &moved).await.unwrap_err();
    assert_eq!(error.message(), "Cannot delete entity, must delete access keys first.");
    for id in bench.ask("ListAccessKeys", json!({ "UserName": "ann" })).await["AccessKeyMetadata"].as_array().unwrap() {
        keys.delete(id["AccessKeyId"].as_str().unwrap(), &wish).await.unwrap();
    }
    keys.delete(&key.physical_id, &wish).await.unwrap();
    users.delete("ann", &moved).await.unwrap();
    users.delete("ann", &moved).await.unwrap();
}
