//! The CloudFormation resource types of Secrets Manager.
//!
//! AWS: CloudFormation Template Reference, "AWS Secrets Manager resource types".

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::Access;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest, Violations,
};
use cauce_wire::Input;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::password::GetRandomPassword;
use crate::policy::PutResourcePolicy;
use crate::secret::{CreateSecret, DeleteSecret, NamedSecret, UpdateSecret};
use crate::service::SecretsManager;

/// The tags by which a secret remembers the stack it belongs to, as AWS sets them.
const STACK_TAG: &str = "aws:cloudformation:stack-id";
const LOGICAL_TAG: &str = "aws:cloudformation:logical-id";

/// The resource types of Secrets Manager, for CloudFormation.
pub fn resource_types(secrets: &Arc<SecretsManager>) -> Vec<Arc<dyn ResourceType>> {
    vec![Arc::new(SecretType(Arc::clone(secrets))), Arc::new(PolicyType(Arc::clone(secrets)))]
}

/// Reads properties as the input of an operation and checks its constraints.
fn read<I: Input>(properties: Map<String, Value>) -> Result<I, ServiceError> {
    let input: I =
        serde_json::from_value(properties.into()).map_err(|error| ServiceError::validation(error.to_string()))?;
    let mut violations = Violations::new();
    input.validate(&mut violations);
    violations.finish()?;
    Ok(input)
}

/// Templates may write numbers and booleans as texts; the API may not.
fn plain(value: &Value) -> Value {
    match value.as_str() {
        Some("true") => true.into(),
        Some("false") => false.into(),
        Some(text) => text.parse::<i64>().map_or_else(|_| value.clone(), Value::from),
        None => value.clone(),
    }
}

fn text<'a>(properties: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    properties.get(name).and_then(Value::as_str)
}

impl SecretsManager {
    /// Refuses a deployer who may not do `action`.
    async fn may(&self, call: &Call, action: &str, resource: &str) -> Result<(), ServiceError> {
        let found = match self.find(&self.db.begin(), call, resource).await {
            Ok((id, secret)) => Some((secret.arn(&id).to_string(), secret.policy)),
            Err(Error::NoSecret) => None,
            Err(error) => return Err(error.into()),
        };
        let (resource, policy) = found.unwrap_or_else(|| (resource.to_owned(), None));
        let access = Access { action, resource: &resource, resource_policy: policy.as_deref(), ..Access::default() };
        self.identity.authorize(call, &access).await
    }
}

struct SecretType(Arc<SecretsManager>);

static SECRET: ResourceSchema = ResourceSchema {
    type_name: "AWS::SecretsManager::Secret",
    properties: &[
        Property::optional("Name").replaces(),
        Property::optional("Description"),
        Property::optional("GenerateSecretString"),
        Property::optional("KmsKeyId"),
        Property::optional("SecretString"),
        Property::optional("Tags"),
    ],
    name_property: Some("Name"),
    name_chars_max: 256,
    name_lower_case: false,
    attributes: &["Id"],
};

/// What `GenerateSecretString` may say besides what `GetRandomPassword` takes.
const TEMPLATE: &str = "SecretStringTemplate";
const TEMPLATE_KEY: &str = "GenerateStringKey";
const PASSWORD_MEMBERS: [&str; 8] = [
    "PasswordLength",
    "ExcludeCharacters",
    "ExcludeNumbers",
    "ExcludePunctuation",
    "ExcludeUppercase",
    "ExcludeLowercase",
    "IncludeSpace",
    "RequireEachIncludedType",
];

impl SecretType {
    /// A value as `GenerateSecretString` describes it: a password, alone or as a member of a JSON object.
    fn generated(&self, wishes: &Value) -> Result<String, ServiceError> {
        let bad = |message: &str| ServiceError::new(400, "InvalidRequest", message);
        let Some(wishes) = wishes.as_object() else { return Err(bad("GenerateSecretString must be an object")) };
        let known = |name: &str| PASSWORD_MEMBERS.contains(&name) || [TEMPLATE, TEMPLATE_KEY].contains(&name);
        if let Some(unknown) = wishes.keys().find(|name| !known(name)) {
            return Err(bad(&format!("Encountered unsupported property {unknown}")));
        }
        let members = wishes.iter().filter(|(name, _)| PASSWORD_MEMBERS.contains(&name.as_str()));
        let input = members.map(|(name, value)| {
            let value = if name == "ExcludeCharacters" { value.clone() } else { plain(value) };
            (name.clone(), value)
        });
        let password = read::<GetRandomPassword>(input.collect())?.draw(self.0.env.entropy())?;
        match (text(wishes, TEMPLATE), text(wishes, TEMPLATE_KEY)) {
            (None, None) => Ok(password),
            (Some(template), Some(key)) => {
                let mut filled: Map<String, Value> =
                    serde_json::from_str(template).map_err(|_| bad("SecretStringTemplate is not a JSON object"))?;
                filled.insert(key.to_owned(), password.into());
                Ok(Value::Object(filled).to_string())
            }
            _ => Err(bad("SecretStringTemplate and GenerateStringKey must be specified together")),
        }
    }

    /// The value that the properties describe, if they describe one.
    fn value(&self, properties: &Map<String, Value>) -> Result<Option<String>, ServiceError> {
        match (text(properties, "SecretString"), properties.get("GenerateSecretString")) {
            (Some(_), Some(_)) => {
                let message = "You can't specify both SecretString and GenerateSecretString";
                Err(ServiceError::new(400, "InvalidRequest", message))
            }
            (Some(text), None) => Ok(Some(text.to_owned())),
            (None, Some(wishes)) => self.generated(wishes).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn provisioned(arn: &str) -> Provisioned {
        Provisioned { physical_id: arn.to_owned(), attributes: Map::from_iter([("Id".to_owned(), Value::from(arn))]) }
    }

    /// Gives the secret exactly the template's tags, besides those of the stack.
    async fn set_tags(&self, call: &Call, arn: &str, wanted: &[crate::tags::Tag]) -> Result<(), ServiceError> {
        let change = |tags: &mut std::collections::BTreeMap<String, String>| {
            tags.retain(|key, _| key.starts_with("aws:"));
            tags.extend(crate::tags::to_map(wanted));
            Ok(())
        };
        Ok(self.0.change_tags(call, arn, change).await?)
    }
}

#[async_trait]
impl ResourceType for SecretType {
    fn schema(&self) -> &'static ResourceSchema {
        &SECRET
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let name = text(&request.properties, "Name").unwrap_or(&request.generated_name).to_owned();
        let likely = call.arn("secretsmanager", &format!("secret:{name}-{}", self.0.suffix())).to_string();
        self.0.may(call, "secretsmanager:CreateSecret", &likely).await?;
        let own = [(STACK_TAG, &request.stack_id), (LOGICAL_TAG, &request.logical_id)];
        let tx = self.0.db.begin();
        match self.0.find(&tx, call, &name).await {
            // Made by an earlier run of this very request, which did not live to hear so.
            Ok((id, found)) if own.iter().all(|(key, value)| found.tags.get(*key) == Some(*value)) => {
                return Ok(SecretType::provisioned(found.arn(&id).as_str()));
            }
            Ok(_) | Err(Error::NoSecret) => {}
            Err(error) => return Err(error.into()),
        }
        let mut input = request.properties.clone();
        input.remove("GenerateSecretString");
        input.insert("Name".to_owned(), name.into());
        if let Some(value) = self.value(&request.properties)? {
            self.0.may(call, "secretsmanager:PutSecretValue", &likely).await?;
            input.insert("SecretString".to_owned(), value.into());
        }
        let input: CreateSecret = read(input)?;
        crate::tags::check(&input.tags)?;
        let tags = input.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone()));
        let stack = own.iter().map(|(key, value)| ((*key).to_owned(), (*value).clone()));
        let tags = tags.chain(stack).collect();
        let made = self.0.create(call, input, tags).await?;
        Ok(SecretType::provisioned(made.arn.as_str()))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let arn = &request.physical_id;
        self.0.may(call, "secretsmanager:UpdateSecret", arn).await?;
        let mut input = Map::from_iter([("SecretId".to_owned(), json!(arn))]);
        let description = request.properties.get("Description").cloned().unwrap_or_else(|| "".into());
        input.insert("Description".to_owned(), description);
        if let Some(key) = request.properties.get("KmsKeyId") {
            input.insert("KmsKeyId".to_owned(), key.clone());
        }
        let same = |name: &str| request.properties.get(name) == request.previous.get(name);
        // What was generated stays until the template asks for something else.
        let asked = !(same("SecretString") && same("GenerateSecretString"));
        if asked && let Some(value) = self.value(&request.properties)? {
            self.0.may(call, "secretsmanager:PutSecretValue", arn).await?;
            input.insert("SecretString".to_owned(), value.into());
        }
        Arc::clone(&self.0).update_secret(call.clone(), read::<UpdateSecret>(input)?).await?;
        if !same("Tags") {
            self.0.may(call, "secretsmanager:TagResource", arn).await?;
            let tags = request.properties.get("Tags").cloned().unwrap_or_else(|| json!([]));
            let tags: Vec<crate::tags::Tag> =
                serde_json::from_value(tags).map_err(|error| ServiceError::validation(error.to_string()))?;
            crate::tags::check(&tags)?;
            self.set_tags(call, arn, &tags).await?;
        }
        Ok(SecretType::provisioned(arn))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.0.may(call, "secretsmanager:DeleteSecret", &request.physical_id).await?;
        let secret_id = request.physical_id;
        let input =
            DeleteSecret { secret_id, recovery_window_in_days: None, force_delete_without_recovery: Some(true) };
        Arc::clone(&self.0).delete_secret(call.clone(), input).await?;
        Ok(())
    }
}

struct PolicyType(Arc<SecretsManager>);

static POLICY: ResourceSchema = ResourceSchema {
    type_name: "AWS::SecretsManager::ResourcePolicy",
    properties: &[
        Property::required("SecretId").replaces(),
        Property::required("ResourcePolicy"),
        Property::optional("BlockPublicPolicy"),
    ],
    name_property: None,
    name_chars_max: 0,
    name_lower_case: false,
    attributes: &["Id"],
};

impl PolicyType {
    async fn put(&self, call: &Call, mut properties: Map<String, Value>) -> Result<Provisioned, ServiceError> {
        if let Some(policy) = properties.get_mut("ResourcePolicy").filter(|policy| policy.is_object()) {
            *policy = policy.to_string().into();
        }
        if let Some(block) = properties.get_mut("BlockPublicPolicy") {
            *block = plain(block);
        }
        let input: PutResourcePolicy = read(properties)?;
        self.0.may(call, "secretsmanager:PutResourcePolicy", &input.secret_id).await?;
        let put = Arc::clone(&self.0).put_resource_policy(call.clone(), input).await?;
        Ok(SecretType::provisioned(put.arn.as_str()))
    }
}

#[async_trait]
impl ResourceType for PolicyType {
    fn schema(&self) -> &'static ResourceSchema {
        &POLICY
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, request.properties).await
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, request.properties).await
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.0.may(call, "secretsmanager:DeleteResourcePolicy", &request.physical_id).await?;
        let input = NamedSecret { secret_id: request.physical_id };
        match Arc::clone(&self.0).delete_resource_policy(call.clone(), input).await {
            Ok(_) | Err(Error::NoSecret) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
