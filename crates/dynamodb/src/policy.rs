//! Resource policies of tables: PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy.
//!
//! AWS: Developer Guide, *Using resource-based policies for DynamoDB*. The policy of a table holds for its indexes too.

use std::sync::Arc;

use cauce_core::ports::Access;
use cauce_core::{Arn, Call, Violations};
use cauce_wire::{Api, Input, Operation};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, TableId};
use crate::request::table_id;
use crate::service::DynamoDb;

/// The longest policy, in bytes. AWS: Developer Guide, *Resource-based policy considerations*.
pub const POLICY_BYTES_MAX: usize = 20 * 1024;

/// What `ExpectedRevisionId` says where there must be no policy yet.
const NO_POLICY: &str = "NO_POLICY";

/// The policy of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TablePolicy {
    pub(crate) document: String,
    pub(crate) revision: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutResourcePolicy {
    resource_arn: String,
    policy: String,
    expected_revision_id: Option<String>,
    confirm_remove_self_resource_access: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedResource {
    resource_arn: String,
    expected_revision_id: Option<String>,
}

fn validate(v: &mut Violations, arn: &str, revision: Option<&String>) {
    v.length("resourceArn", arn, 1, 1_283);
    if let Some(revision) = revision {
        v.length("expectedRevisionId", revision, 1, 255);
    }
}

impl Input for PutResourcePolicy {
    fn validate(&self, v: &mut Violations) {
        validate(v, &self.resource_arn, self.expected_revision_id.as_ref());
    }
}

impl Input for NamedResource {
    fn validate(&self, v: &mut Violations) {
        validate(v, &self.resource_arn, self.expected_revision_id.as_ref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Revision {
    #[serde(skip_serializing_if = "Option::is_none")]
    revision_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetResourcePolicyOutput {
    policy: String,
    revision_id: String,
}

/// The operations on policies.
pub(crate) fn operations(api: Api<DynamoDb>) -> Api<DynamoDb> {
    api.operation(
        Operation::new("PutResourcePolicy", DynamoDb::put_resource_policy)
            .resource(|_, input: &PutResourcePolicy| vec![input.resource_arn.clone()]),
    )
    .operation(
        Operation::new("GetResourcePolicy", DynamoDb::get_resource_policy)
            .resource(|_, input: &NamedResource| vec![input.resource_arn.clone()]),
    )
    .operation(
        Operation::new("DeleteResourcePolicy", DynamoDb::delete_resource_policy)
            .resource(|_, input: &NamedResource| vec![input.resource_arn.clone()]),
    )
}

/// The table that a policy is of.
fn subject(call: &Call, arn: &str) -> Result<TableId, Error> {
    let parsed: Option<Arn> = arn.parse().ok();
    let kind = parsed.as_ref().map(|arn| arn.resource().to_owned()).unwrap_or_default();
    if !kind.starts_with("table/") {
        return Err(Error::invalid(format!("Invalid ResourceArn: {arn}")));
    }
    if kind.matches('/').count() > 1 {
        return Err(Error::invalid("Resource policies of indexes and streams are not supported by this server"));
    }
    table_id(call, arn).map_err(|_| missing(arn))
}

fn missing(arn: &str) -> Error {
    Error::NotFound(format!("ResourceArn: {arn}"))
}

/// Refuses a policy that cannot be one.
pub(crate) fn check(tables: &DynamoDb, document: &str) -> Result<(), Error> {
    if document.len() > POLICY_BYTES_MAX {
        return Err(Error::invalid(format!(
            "Resource-based policy document size of {} bytes exceeds the limit of {POLICY_BYTES_MAX} bytes",
            document.len()
        )));
    }
    tables
        .identity
        .check_resource_policy(document)
        .map_err(|why| Error::invalid(format!("Invalid policy document: {why}")))
}

/// Refuses to change another revision than the expected one.
fn check_revision(current: Option<&TablePolicy>, expected: Option<&str>) -> Result<(), Error> {
    let fits = match (current, expected) {
        (_, None) => true,
        (None, Some(expected)) => expected == NO_POLICY,
        (Some(policy), Some(expected)) => expected == policy.revision,
    };
    if fits { Ok(()) } else { Err(Error::NoPolicy) }
}

impl DynamoDb {
    /// The policy of the table that an ARN names, or that the index is of.
    pub(crate) async fn policy_of(self: Arc<Self>, call: Call, arn: String) -> Result<Option<String>, Error> {
        self.policy_at(&call, &arn).await
    }

    pub(crate) async fn policy_at(&self, call: &Call, arn: &str) -> Result<Option<String>, Error> {
        let Ok(parsed) = arn.parse::<Arn>() else { return Ok(None) };
        let Some(name) = parsed.resource().strip_prefix("table/") else { return Ok(None) };
        let Some(name) = name.split('/').next().filter(|_| parsed.account() == Some(call.account)) else {
            return Ok(None);
        };
        let id = TableId { account: call.account, region: call.region.clone(), name: name.to_owned() };
        match self.catalog.any(&self.db, &keys::table(&id)).await {
            Ok(table) => Ok(table.policy.as_ref().map(|policy| policy.document.clone())),
            Err(Error::NoTable) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn put_resource_policy(
        self: Arc<Self>,
        call: Call,
        input: PutResourcePolicy,
    ) -> Result<Revision, Error> {
        let id = subject(&call, &input.resource_arn)?;
        check(&self, &input.policy)?;
        if input.confirm_remove_self_resource_access != Some(true) {
            let access = Access {
                action: "dynamodb:PutResourcePolicy",
                resource: &input.resource_arn,
                resource_policy: Some(&input.policy),
                context: Vec::new(),
            };
            if !self.identity.allows(&call, &access).await? {
                return Err(Error::invalid(
                    "The policy would keep its author from changing it; confirm with ConfirmRemoveSelfResourceAccess",
                ));
            }
        }
        let revision = self.env.now().as_micros().to_string();
        let put = self.change_table(&id, |table| {
            check_revision(table.policy.as_ref(), input.expected_revision_id.as_deref())?;
            // The same document again is no new revision.
            if let Some(policy) = table.policy.as_ref().filter(|policy| policy.document == input.policy) {
                return Ok(policy.revision.clone());
            }
            table.policy = Some(TablePolicy { document: input.policy.clone(), revision: revision.clone() });
            Ok(revision.clone())
        });
        let revision = put.await.map_err(|error| named(error, &input.resource_arn))?;
        Ok(Revision { revision_id: Some(revision) })
    }

    pub(crate) async fn get_resource_policy(
        self: Arc<Self>,
        call: Call,
        input: NamedResource,
    ) -> Result<GetResourcePolicyOutput, Error> {
        let id = subject(&call, &input.resource_arn)?;
        let table = self.catalog.any(&self.db, &keys::table(&id)).await;
        let table = table.map_err(|error| named(error, &input.resource_arn))?;
        let policy = table.policy.clone().ok_or(Error::NoPolicy)?;
        Ok(GetResourcePolicyOutput { policy: policy.document, revision_id: policy.revision })
    }

    pub(crate) async fn delete_resource_policy(
        self: Arc<Self>,
        call: Call,
        input: NamedResource,
    ) -> Result<Revision, Error> {
        let id = subject(&call, &input.resource_arn)?;
        let deleted = self.change_table(&id, |table| {
            check_revision(table.policy.as_ref(), input.expected_revision_id.as_deref())?;
            Ok(table.policy.take().map(|policy| policy.revision))
        });
        let revision_id = deleted.await.map_err(|error| named(error, &input.resource_arn))?;
        Ok(Revision { revision_id })
    }
}

fn named(error: Error, arn: &str) -> Error {
    match error {
        Error::NoTable => missing(arn),
        other => other,
    }
}
