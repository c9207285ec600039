//! Managed policies: the account's own, and those of AWS to read. AWS: IAM API Reference, *CreatePolicy* and its like.

use std::sync::Arc;

use cauce_core::{Call, Timestamp, Violations};
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::iam::Iam;
use crate::managed::{self, Managed};
use crate::model::{MadeBy, PolicyRecord, Tag, VersionRecord};
use crate::page::{Page, Paging};
use crate::policy::{DOCUMENT_BYTES_MAX, Policy, PolicyKind};
use crate::shape::encode;
use crate::{keys, limits, name};

/// Policies looked at in one read while a page is filled.
const READ_ROWS_MAX: usize = 100;

/// A managed policy as its users see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyShape {
    policy_name: String,
    policy_id: String,
    arn: String,
    path: String,
    default_version_id: String,
    attachment_count: i64,
    is_attachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    create_date: Timestamp,
    update_date: Timestamp,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyVersion {
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    version_id: String,
    is_default_version: bool,
    create_date: Timestamp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreatePolicy {
    pub(crate) policy_name: String,
    pub(crate) path: Option<String>,
    pub(crate) policy_document: String,
    pub(crate) description: Option<String>,
    pub(crate) tags: Option<Vec<Tag>>,
}

impl Input for CreatePolicy {
    fn validate(&self, v: &mut Violations) {
        v.length("policyName", &self.policy_name, 1, 128);
        v.length("policyDocument", &self.policy_document, 1, DOCUMENT_BYTES_MAX);
        if let Some(description) = &self.description {
            v.length("description", description, 0, limits::DESCRIPTION_CHARS_MAX);
        }
        name::validate_tags(v, self.tags.as_deref().unwrap_or_default());
    }
}

/// `{PolicyArn}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyArn {
    pub(crate) policy_arn: String,
}

impl Input for PolicyArn {
    fn validate(&self, v: &mut Violations) {
        v.length("policyArn", &self.policy_arn, 20, 2_048);
    }
}

/// `{PolicyArn, VersionId}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyVersionId {
    pub(crate) policy_arn: String,
    pub(crate) version_id: String,
}

impl Input for PolicyVersionId {
    fn validate(&self, v: &mut Violations) {
        v.length("policyArn", &self.policy_arn, 20, 2_048);
        if number_of(&self.version_id).is_none() {
            let constraint = "Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?";
            v.other("versionId", Some(&self.version_id), constraint);
        }
    }
}

fn number_of(version_id: &str) -> Option<u32> {
    version_id.strip_prefix('v').and_then(|n| n.parse().ok()).filter(|n| *n > 0)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreatePolicyVersion {
    pub(crate) policy_arn: String,
    pub(crate) policy_document: String,
    pub(crate) set_as_default: Option<bool>,
}

impl Input for CreatePolicyVersion {
    fn validate(&self, v: &mut Violations) {
        v.length("policyArn", &self.policy_arn, 20, 2_048);
        v.length("policyDocument", &self.policy_document, 1, DOCUMENT_BYTES_MAX);
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListPolicies {
    scope: Option<String>,
    only_attached: Option<bool>,
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<i64>,
}

impl Input for ListPolicies {
    fn validate(&self, v: &mut Violations) {
        if let Some(scope) = &self.scope {
            v.one_of("scope", scope, &["All", "AWS", "Local"]);
        }
        Paging::new(self.marker.clone(), self.max_items, self.path_prefix.clone()).validate(v);
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListPolicyVersions {
    pub(crate) policy_arn: String,
    marker: Option<String>,
    max_items: Option<i64>,
}

impl Input for ListPolicyVersions {
    fn validate(&self, v: &mut Violations) {
        v.length("policyArn", &self.policy_arn, 20, 2_048);
        Paging::new(self.marker.clone(), self.max_items, None).validate(v);
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyOutput {
    policy: PolicyShape,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyVersionOutput {
    policy_version: PolicyVersion,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PoliciesPage {
    policies: Vec<PolicyShape>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VersionsPage {
    versions: Vec<PolicyVersion>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// A policy of either kind, with how often it is attached.
fn shape_of_aws(policy: &Managed, attached: i64) -> PolicyShape {
    PolicyShape {
        policy_name: policy.name.to_owned(),
        policy_id: policy.id(),
        arn: policy.arn(),
        path: policy.path.to_owned(),
        default_version_id: "v1".to_owned(),
        attachment_count: attached,
        is_attachable: true,
        description: Some(policy.description.to_owned()),
        create_date: Timestamp::EPOCH,
        update_date: Timestamp::EPOCH,
        tags: Vec::new(),
    }
}

fn check_document(document: &str) -> Result<(), IamError> {
    Policy::parse(document, PolicyKind::Managed)?;
    limits::check("PolicySize", limits::chars(document), limits::MANAGED_CHARS_MAX)
}

fn not_found(arn: &str) -> IamError {
    IamError::NoSuchEntity(format!("Policy {arn} was not found."))
}

fn no_version(arn: &str, version_id: &str) -> IamError {
    IamError::NoSuchEntity(format!("Policy {arn} version {version_id} does not exist or is not attachable."))
}

fn of_aws(arn: &str) -> Result<(), IamError> {
    // What belongs to AWS cannot be changed, and AWS says that the caller may not.
    if arn.starts_with("arn:aws:iam::aws:") {
        return Err(IamError::AccessDenied(format!("Policy {arn} is owned by AWS and cannot be changed.")));
    }
    Ok(())
}

fn version_shape(record: &PolicyRecord, version: &VersionRecord, with_document: bool) -> PolicyVersion {
    PolicyVersion {
        document: with_document.then(|| encode(&version.document)),
        version_id: format!("v{}", version.number),
        is_default_version: version.number == record.default_version,
        create_date: version.created,
    }
}

/// Everything that a new policy may come with, in one transaction.
pub(crate) struct NewPolicy {
    pub(crate) input: CreatePolicy,
    pub(crate) made_by: Option<MadeBy>,
}

impl Iam {
    fn shape(&self, record: &PolicyRecord, attached: i64) -> PolicyShape {
        PolicyShape {
            policy_name: record.name.clone(),
            policy_id: record.id.clone(),
            arn: record.arn(self.account()),
            path: record.path.clone(),
            default_version_id: format!("v{}", record.default_version),
            attachment_count: attached,
            is_attachable: true,
            description: record.description.clone(),
            create_date: record.created,
            update_date: record.updated,
            tags: record.tags.clone(),
        }
    }

    /// How often each is attached.
    async fn attached(&self, arns: &[String]) -> Result<Vec<i64>, IamError> {
        let keys = arns.iter().map(|arn| keys::attached(self.account(), arn)).collect();
        Ok(self.db.counters(keys).await?)
    }

    pub(crate) async fn policy_record(&self, tx: &Tx, arn: &str) -> Result<PolicyRecord, IamError> {
        of_aws(arn)?;
        let Some(name) = self.policy_name(arn) else { return Err(not_found(arn)) };
        let record = tx.get_record::<PolicyRecord>(&keys::policy(self.account(), name)).await?;
        record.filter(|r| r.arn(self.account()) == arn).ok_or_else(|| not_found(arn))
    }

    fn save_policy(&self, tx: &Tx, record: &PolicyRecord) -> Result<(), IamError> {
        tx.set_record(keys::policy(self.account(), &record.name), record)?;
        self.changes(tx);
        Ok(())
    }

    pub(crate) async fn create_policy(
        self: Arc<Self>,
        _call: Call,
        input: CreatePolicy,
    ) -> Result<PolicyOutput, IamError> {
        let record = self.make_policy(&NewPolicy { input, made_by: None }).await?;
        Ok(PolicyOutput { policy: self.shape(&record, 0) })
    }

    pub(crate) async fn make_policy(&self, new: &NewPolicy) -> Result<PolicyRecord, IamError> {
        let input = &new.input;
        name::check_name("policyName", &input.policy_name)?;
        let path = input.path.as_deref().unwrap_or("/");
        name::check_path(path)?;
        check_document(&input.policy_document)?;
        let mut tags = Vec::new();
        name::merge_tags(&mut tags, input.tags.as_deref().unwrap_or_default())?;
        let now = self.now();
        let first = VersionRecord { number: 1, document: input.policy_document.clone(), created: now };
        let fresh = PolicyRecord {
            name: input.policy_name.clone(),
            id: name::entity_id("ANPA", self.env.entropy()),
            path: path.to_owned(),
            created: now,
            updated: now,
            description: input.description.clone(),
            tags,
            default_version: 1,
            next_version: 2,
            versions: vec![first],
            made_by: new.made_by.clone(),
        };
        self.db
            .transact(async |tx| {
                let key = keys::policy(self.account(), &fresh.name);
                if let Some(found) = tx.get_record::<PolicyRecord>(&key).await? {
                    if fresh.made_by.is_some() && found.made_by == fresh.made_by {
                        return Ok(found);
                    }
                    let name = &fresh.name;
                    let message = format!("A policy called {name} already exists. Duplicate names are not allowed.");
                    return Err(IamError::EntityAlreadyExists(message));
                }
                self.count(&tx, "PoliciesPerAccount", 1, limits::POLICIES_MAX).await?;
                self.save_policy(&tx, &fresh)?;
                Ok(fresh.clone())
            })
            .await
    }

    async fn read_policy(&self, arn: &str) -> Result<PolicyRecord, IamError> {
        let Some(name) = self.policy_name(arn) else { return Err(not_found(arn)) };
        let record = self.db.get::<PolicyRecord>(&keys::policy(self.account(), name)).await?;
        record.filter(|r| r.arn(self.account()) == arn).ok_or_else(|| not_found(arn))
    }

    pub(crate) async fn get_policy(self: Arc<Self>, _call: Call, input: PolicyArn) -> Result<PolicyOutput, IamError> {
        let arn = input.policy_arn;
        let attached = self.attached(std::slice::from_ref(&arn)).await?.first().copied().unwrap_or(0);
        let policy = match managed::find(&arn) {
            Some(of_aws) => shape_of_aws(of_aws, attached),
            None => self.shape(&self.read_policy(&arn).await?, attached),
        };
        Ok(PolicyOutput { policy })
    }

    pub(crate) async fn get_policy_version(
        self: Arc<Self>,
        _call: Call,
        input: PolicyVersionId,
    ) -> Result<PolicyVersionOutput, IamError> {
        let arn = &input.policy_arn;
        let number = number_of(&input.version_id);
        let missing = || no_version(arn, &input.version_id);
        if let Some(of_aws) = managed::find(arn) {
            if number != Some(1) {
                return Err(missing());
            }
            let policy_version = PolicyVersion {
                document: Some(encode(of_aws.document)),
                version_id: "v1".to_owned(),
                is_default_version: true,
                create_date: Timestamp::EPOCH,
            };
            return Ok(PolicyVersionOutput { policy_version });
        }
        let record = self.read_policy(arn).await?;
        let version = number.and_then(|n| record.version(n)).ok_or_else(missing)?;
        Ok(PolicyVersionOutput { policy_version: version_shape(&record, version, true) })
    }

    pub(crate) async fn create_policy_version(
        self: Arc<Self>,
        _call: Call,
        input: CreatePolicyVersion,
    ) -> Result<PolicyVersionOutput, IamError> {
        of_aws(&input.policy_arn)?;
        check_document(&input.policy_document)?;
        let default = input.set_as_default.unwrap_or(false);
        let now = self.now();
        self.db
            .transact(async |tx| {
                let mut record = self.policy_record(&tx, &input.policy_arn).await?;
                if record.versions.len() >= limits::VERSIONS_PER_POLICY_MAX {
                    return Err(IamError::LimitExceeded(format!(
                        "A managed policy can have up to {} versions. Before you create a new version, you must delete \
                         an existing version.",
                        limits::VERSIONS_PER_POLICY_MAX
                    )));
                }
                let version = record.add_version(&input.policy_document, now, default);
                self.save_policy(&tx, &record)?;
                Ok(PolicyVersionOutput { policy_version: version_shape(&record, &version, false) })
            })
            .await
    }

    /// Makes `document` the default version, dropping the oldest other one if there is no room: what CloudFormation does.
    pub(crate) async fn replace_document(&self, arn: &str, document: &str) -> Result<PolicyRecord, IamError> {
        check_document(document)?;
        let now = self.now();
        self.db
            .transact(async |tx| {
                let mut record = self.policy_record(&tx, arn).await?;
                if record.version(record.default_version).is_some_and(|v| v.document == document) {
                    return Ok(record);
                }
                if record.versions.len() >= limits::VERSIONS_PER_POLICY_MAX {
                    let oldest = record.versions.iter().position(|v| v.number != record.default_version);
                    oldest.map(|at| record.versions.remove(at));
                }
                record.add_version(document, now, true);
                self.save_policy(&tx, &record)?;
                Ok(record)
            })
            .await
    }

    pub(crate) async fn set_default_policy_version(
        self: Arc<Self>,
        _call: Call,
        input: PolicyVersionId,
    ) -> Result<(), IamError> {
        let now = self.now();
        self.db
            .transact(async |tx| {
                let mut record = self.policy_record(&tx, &input.policy_arn).await?;
                let number = number_of(&input.version_id).filter(|n| record.version(*n).is_some());
                let missing = || no_version(&input.policy_arn, &input.version_id);
                record.default_version = number.ok_or_else(missing)?;
                record.updated = now;
                self.save_policy(&tx, &record)
            })
            .await
    }

    pub(crate) async fn delete_policy_version(
        self: Arc<Self>,
        _call: Call,
        input: PolicyVersionId,
    ) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let mut record = self.policy_record(&tx, &input.policy_arn).await?;
                let at = record.versions.iter().position(|v| Some(v.number) == number_of(&input.version_id));
                let at = at.ok_or_else(|| no_version(&input.policy_arn, &input.version_id))?;
                let removed = record.versions.remove(at);
                if removed.number == record.default_version {
                    let message = "Cannot delete the default version of a policy.";
                    return Err(IamError::DeleteConflict(message.to_owned()));
                }
                self.save_policy(&tx, &record)
            })
            .await
    }

    pub(crate) async fn list_policy_versions(
        self: Arc<Self>,
        _call: Call,
        input: ListPolicyVersions,
    ) -> Result<VersionsPage, IamError> {
        let versions = match managed::find(&input.policy_arn) {
            Some(_) => vec![PolicyVersion {
                document: None,
                version_id: "v1".to_owned(),
                is_default_version: true,
                create_date: Timestamp::EPOCH,
            }],
            None => {
                let record = self.read_policy(&input.policy_arn).await?;
                record.versions.iter().map(|v| version_shape(&record, v, false)).collect()
            }
        };
        let paging = Paging::new(input.marker, input.max_items, None);
        let page = paging.cut(versions, |v| format!("{:>10}", v.version_id))?;
        Ok(VersionsPage { versions: page.items, is_truncated: page.next.is_some(), marker: page.next })
    }

    pub(crate) async fn delete_policy(self: Arc<Self>, _call: Call, input: PolicyArn) -> Result<(), IamError> {
        self.remove_policy(&input.policy_arn, false).await
    }

    /// Removes a policy that is attached nowhere; `all_versions` if those besides the default may go with it.
    pub(crate) async fn remove_policy(&self, arn: &str, all_versions: bool) -> Result<(), IamError> {
        let conflict = |text: &str| Err(IamError::DeleteConflict(text.to_owned()));
        self.db
            .transact(async |tx| {
                let record = self.policy_record(&tx, arn).await?;
                let attached = keys::attached(self.account(), arn);
                if tx.get_counter(&attached).await? > 0 {
                    return conflict("Cannot delete a policy attached to entities.");
                }
                if record.versions.len() > 1 && !all_versions {
                    return conflict(
                        "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                         versions. The default version is deleted with the policy.",
                    );
                }
                tx.clear(keys::policy(self.account(), &record.name));
                tx.clear(attached);
                self.count(&tx, "PoliciesPerAccount", -1, limits::POLICIES_MAX).await?;
                self.changes(&tx);
                Ok(())
            })
            .await
    }

    pub(crate) async fn list_policies(
        self: Arc<Self>,
        _call: Call,
        input: ListPolicies,
    ) -> Result<PoliciesPage, IamError> {
        let paging = Paging::new(input.marker.clone(), input.max_items, input.path_prefix.clone());
        let scope = input.scope.as_deref().unwrap_or("All");
        let only_attached = input.only_attached.unwrap_or(false);
        let mut found: Vec<PolicyShape> = Vec::new();
        let after = paging.after()?;
        let more = paging.items_max() + 1;
        // The account's own first; their marker is the ARN, as that of the others.
        let in_own = after.as_deref().is_none_or(|a| !a.starts_with("arn:aws:iam::aws:"));
        if scope != "AWS" && in_own {
            self.own_policies(&paging, after.as_deref(), only_attached, more, &mut found).await?;
        }
        if scope != "Local" {
            let arns: Vec<String> = managed::all().iter().map(Managed::arn).collect();
            let attached = self.attached(&arns).await?;
            let start = after.as_deref().filter(|_| !in_own).and_then(|a| arns.iter().position(|arn| arn == a));
            let rest = managed::all().iter().zip(attached).skip(start.map_or(0, |at| at + 1));
            let wanted = rest.filter(|(p, n)| paging.has_path(p.path) && (!only_attached || *n > 0));
            found.extend(wanted.map(|(policy, n)| shape_of_aws(policy, n)));
        }
        let cut = Paging::new(None, paging.max_items, None);
        let page: Page<PolicyShape> = cut.cut(found, |p| p.arn.clone())?;
        Ok(PoliciesPage { policies: page.items, is_truncated: page.next.is_some(), marker: page.next })
    }

    async fn own_policies(
        &self,
        paging: &Paging,
        after: Option<&str>,
        only_attached: bool,
        max: usize,
        found: &mut Vec<PolicyShape>,
    ) -> Result<(), IamError> {
        let account = self.account();
        let mut req = RangeReq::new(keys::policies(account), READ_ROWS_MAX);
        if let Some(name) = after.and_then(|arn| self.policy_name(arn)) {
            req = req.after(&keys::policy(account, name));
        }
        loop {
            let rows = self.db.range(req.clone()).await?;
            let records: Vec<PolicyRecord> = rows.rows.iter().map(decode_row).collect::<Result<_, _>>()?;
            let arns: Vec<String> = records.iter().map(|r| r.arn(account)).collect();
            for (record, attached) in records.iter().zip(self.attached(&arns).await?) {
                if paging.has_path(&record.path) && (!only_attached || attached > 0) {
                    found.push(PolicyShape { tags: Vec::new(), description: None, ..self.shape(record, attached) });
                }
            }
            let (true, Some(last)) = (rows.more && found.len() < max, rows.rows.last()) else { return Ok(()) };
            req = req.after(&last.key);
        }
    }
}

impl PolicyRecord {
    fn add_version(&mut self, document: &str, now: Timestamp, default: bool) -> VersionRecord {
        let version = VersionRecord { number: self.next_version, document: document.to_owned(), created: now };
        self.next_version += 1;
        self.versions.push(version.clone());
        self.updated = now;
        if default {
            self.default_version = version.number;
        }
        version
    }
}
