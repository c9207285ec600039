//! Resource policies: who may invoke a function besides those whom their own policies allow.
//!
//! AWS: Lambda API, *AddPermission*, *RemovePermission*, *GetPolicy*.

use std::sync::Arc;

use cauce_core::{Account, Arn, Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::keys;
use crate::model::PolicyRecord;
use crate::name::{FunctionRef, LATEST, check_name, check_qualifier};
use crate::service::Lambda;

/// The largest policy of a function, in bytes. AWS: Lambda quotas, "Function resource-based policy".
pub const POLICY_BYTES_MAX: usize = 20 * 1_024;

/// AWS: *AddPermission*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AddPermissionInput {
    pub(crate) function_name: String,
    pub(crate) qualifier: Option<String>,
    pub(crate) statement_id: String,
    pub(crate) action: String,
    pub(crate) principal: String,
    pub(crate) source_arn: Option<String>,
    pub(crate) source_account: Option<String>,
    pub(crate) event_source_token: Option<String>,
    #[serde(rename = "PrincipalOrgID")]
    pub(crate) principal_org_id: Option<String>,
    pub(crate) function_url_auth_type: Option<String>,
    pub(crate) invoked_via_function_url: Option<bool>,
    pub(crate) revision_id: Option<String>,
}

impl Input for AddPermissionInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        check_qualifier(v, self.qualifier.as_deref());
        v.length("StatementId", &self.statement_id, 1, 100);
        if !self.statement_id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            let must = "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)";
            v.other("StatementId", Some(&self.statement_id), must);
        }
        let name = self.action.strip_prefix("lambda:");
        let letters = |n: &str| n == "*" || (!n.is_empty() && n.bytes().all(|b| b.is_ascii_alphabetic()));
        if self.action != "*" && !name.is_some_and(letters) {
            let must = "Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])";
            v.other("Action", Some(&self.action), must);
        }
        if self.principal.is_empty() || self.principal.contains(char::is_whitespace) {
            let must = r"Member must satisfy regular expression pattern: [^\s]+";
            v.other("Principal", Some(&self.principal), must);
        }
        if let Some(arn) = self.source_arn.as_deref().filter(|arn| arn.parse::<Arn>().is_err()) {
            let must = r"Member must satisfy regular expression pattern: arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)";
            v.other("SourceArn", Some(arn), must);
        }
        if let Some(account) = self.source_account.as_deref().filter(|a| a.parse::<Account>().is_err()) {
            v.other("SourceAccount", Some(account), r"Member must satisfy regular expression pattern: \d{12}");
        }
        if let Some(kind) = self.function_url_auth_type.as_deref() {
            v.one_of("FunctionUrlAuthType", kind, &["NONE", "AWS_IAM"]);
        }
    }
}

/// AWS: *AddPermission*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AddPermissionOutput {
    pub(crate) statement: String,
}

/// AWS: *RemovePermission*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RemovePermissionInput {
    pub(crate) function_name: String,
    pub(crate) statement_id: String,
    pub(crate) qualifier: Option<String>,
    pub(crate) revision_id: Option<String>,
}

impl Input for RemovePermissionInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        check_qualifier(v, self.qualifier.as_deref());
        v.length("StatementId", &self.statement_id, 1, 100);
    }
}

/// AWS: *GetPolicy*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetPolicyOutput {
    pub(crate) policy: String,
    pub(crate) revision_id: String,
}

/// The statement that AWS makes of a permission.
fn statement(input: &AddPermissionInput, resource: &Arn) -> Result<Value, Error> {
    let principal = principal(&input.principal)?;
    let mut conditions: Vec<(&str, &str, Value)> = Vec::new();
    if let Some(account) = &input.source_account {
        conditions.push(("StringEquals", "AWS:SourceAccount", json!(account)));
    }
    if let Some(token) = &input.event_source_token {
        conditions.push(("StringEquals", "lambda:EventSourceToken", json!(token)));
    }
    if let Some(organization) = &input.principal_org_id {
        conditions.push(("StringEquals", "aws:PrincipalOrgID", json!(organization)));
    }
    if let Some(kind) = &input.function_url_auth_type {
        conditions.push(("StringEquals", "lambda:FunctionUrlAuthType", json!(kind)));
    }
    if let Some(via) = input.invoked_via_function_url {
        conditions.push(("Bool", "lambda:InvokedViaFunctionUrl", json!(via.to_string())));
    }
    if let Some(arn) = &input.source_arn {
        conditions.push(("ArnLike", "AWS:SourceArn", json!(arn)));
    }
    let mut statement = json!({
        "Sid": input.statement_id,
        "Effect": "Allow",
        "Principal": principal,
        "Action": input.action,
        "Resource": resource.as_str(),
    });
    let mut operators: Map<String, Value> = Map::new();
    for (operator, key, value) in conditions {
        let entry = operators.entry(operator).or_insert_with(|| json!({}));
        if let Some(entry) = entry.as_object_mut() {
            entry.insert(key.to_owned(), value);
        }
    }
    if let (false, Some(object)) = (operators.is_empty(), statement.as_object_mut()) {
        object.insert("Condition".to_owned(), Value::Object(operators));
    }
    Ok(statement)
}

fn principal(text: &str) -> Result<Value, Error> {
    if text == "*" {
        return Ok(json!("*"));
    }
    if let Ok(account) = text.parse::<Account>() {
        return Ok(json!({ "AWS": Arn::global("iam", account, "root").as_str() }));
    }
    if text.parse::<Arn>().is_ok_and(|arn| matches!(arn.service(), "iam" | "sts")) {
        return Ok(json!({ "AWS": text }));
    }
    if text.contains('.') {
        return Ok(json!({ "Service": text }));
    }
    let message = "The provided principal was invalid. Please check the principal and try again.";
    Err(Error::InvalidParameter(message.to_owned()))
}

fn nothing() -> Error {
    Error::NotFound("The resource you requested does not exist.".to_owned())
}

/// The place of a qualifier's policy.
fn place(reference: &FunctionRef) -> Result<&str, Error> {
    match reference.qualifier.as_deref() {
        Some(LATEST) => {
            Err(Error::InvalidParameter("We currently do not support adding policies for $LATEST.".to_owned()))
        }
        other => Ok(other.unwrap_or("")),
    }
}

impl Lambda {
    pub(crate) async fn add_permission(
        self: Arc<Self>,
        call: Call,
        input: AddPermissionInput,
    ) -> Result<AddPermissionOutput, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        let key = keys::policy(&reference.function, place(&reference)?);
        let statement = statement(&input, &reference.arn())?;
        let revision = self.env.entropy().uuid();
        self.db
            .transact(async |tx| {
                self.configuration(&tx, &reference).await?;
                let found: Option<PolicyRecord> = tx.get_record(&key).await?;
                let mut record =
                    found.unwrap_or_else(|| PolicyRecord { revision: String::new(), statements: Vec::new() });
                if input.revision_id.as_deref().is_some_and(|seen| seen != record.revision) {
                    return Err(Error::revision());
                }
                if record.statements.iter().any(|s| s.get("Sid") == Some(&json!(input.statement_id))) {
                    return Err(Error::Conflict(format!(
                        "The statement id ({}) provided already exists. Please provide a new statement id, or remove the \
                         existing statement.",
                        input.statement_id
                    )));
                }
                record.statements.push(statement.clone());
                record.revision.clone_from(&revision);
                let bytes = record.document().len();
                if bytes > POLICY_BYTES_MAX {
                    return Err(Error::PolicyLength(format!(
                        "The final policy size ({bytes}) is bigger than the limit ({POLICY_BYTES_MAX})."
                    )));
                }
                Ok(tx.set_record(key.clone(), &record)?)
            })
            .await?;
        self.changed(&reference.function);
        Ok(AddPermissionOutput { statement: statement.to_string() })
    }

    pub(crate) async fn remove_permission(
        self: Arc<Self>,
        call: Call,
        input: RemovePermissionInput,
    ) -> Result<(), Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        let key = keys::policy(&reference.function, place(&reference)?);
        let revision = self.env.entropy().uuid();
        self.db
            .transact(async |tx| {
                self.configuration(&tx, &reference).await?;
                let found: Option<PolicyRecord> = tx.get_record(&key).await?;
                let Some(mut record) = found else {
                    return Err(Error::NotFound("No policy is associated with the given resource.".to_owned()));
                };
                if input.revision_id.as_deref().is_some_and(|seen| seen != record.revision) {
                    return Err(Error::revision());
                }
                let before = record.statements.len();
                record.statements.retain(|s| s.get("Sid") != Some(&json!(input.statement_id)));
                if record.statements.len() == before {
                    return Err(Error::NotFound(format!(
                        "Statement {} is not found in resource policy.",
                        input.statement_id
                    )));
                }
                record.revision.clone_from(&revision);
                if record.statements.is_empty() {
                    tx.clear(key.clone());
                    return Ok(());
                }
                Ok(tx.set_record(key.clone(), &record)?)
            })
            .await?;
        self.changed(&reference.function);
        Ok(())
    }

    pub(crate) async fn get_policy(
        self: Arc<Self>,
        call: Call,
        input: crate::function::FunctionInput,
    ) -> Result<GetPolicyOutput, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        let tx = self.db.begin();
        self.configuration(&tx, &reference).await?;
        let place = reference.qualifier.as_deref().filter(|q| *q != LATEST).unwrap_or("");
        let found: Option<PolicyRecord> = tx.get_record(&keys::policy(&reference.function, place)).await?;
        let record = found.ok_or_else(nothing)?;
        Ok(GetPolicyOutput { policy: record.document(), revision_id: record.revision })
    }

    /// The policy document of a function's ARN, for authorization; `None` if there is no policy or no such function.
    pub(crate) async fn policy_of(self: Arc<Self>, _call: Call, arn: String) -> Result<Option<String>, Error> {
        let Some(reference) = arn.parse().ok().and_then(|arn| FunctionRef::from_arn(&arn)) else { return Ok(None) };
        match self.deployment(&reference).await {
            Ok(deployment) => Ok(deployment.policy.clone()),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{AddPermissionInput, statement};

    #[test]
    fn statements_are_those_of_aws() {
        let check = |extra: Value, expect: Value| {
            let mut input = json!({"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction"});
            input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let input: AddPermissionInput = serde_json::from_value(input).unwrap();
            let arn = "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap();
            let mut made = statement(&input, &arn).unwrap();
            let object = made.as_object_mut().unwrap();
            assert_eq!(object.remove("Sid"), Some(json!("s")));
            assert_eq!(object.remove("Effect"), Some(json!("Allow")));
            assert_eq!(object.remove("Action"), Some(json!("lambda:InvokeFunction")));
            assert_eq!(object.remove("Resource"), Some(json!(arn.to_string())));
            assert_eq!(made, expect);
        };
        check(
            json!({"Principal": "events.amazonaws.com", "SourceArn": "arn:aws:events:us-east-1:000000000000:rule/r"}),
            json!({"Principal": {"Service": "events.amazonaws.com"},
                   "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:events:us-east-1:000000000000:rule/r"}}}),
        );
        check(
            json!({"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b", "SourceAccount": "000000000001"}),
            json!({"Principal": {"Service": "s3.amazonaws.com"},
                   "Condition": {"StringEquals": {"AWS:SourceAccount": "000000000001"}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}}),
        );
        check(json!({"Principal": "000000000001"}), json!({"Principal": {"AWS": "arn:aws:iam::000000000001:root"}}));
        check(json!({"Principal": "*"}), json!({"Principal": "*"}));
    }
}
