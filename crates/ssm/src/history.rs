//! The versions of a parameter.

use std::sync::Arc;

use cauce_core::{Call, Timestamp, Violations};
use cauce_store::{RangeReq, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::get::shown_value;
use crate::keys;
use crate::model::{Type, Version};
use crate::name::{self, Reference, arn};
use crate::page;
use crate::put::VERSIONS_MAX;
use crate::service::ParameterStore;

const PAGE_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParameterHistory {
    pub(crate) name: String,
    with_decryption: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl Input for GetParameterHistory {
    fn validate(&self, v: &mut Violations) {
        name::validate(v, &self.name);
        page::validate(v, self.max_results, 50);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParameterHistoryOutput {
    parameters: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    name: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'static str>,
    last_modified_date: Timestamp,
    last_modified_user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_pattern: Option<String>,
    version: u64,
    labels: Vec<String>,
    tier: &'static str,
    policies: [(); 0],
    data_type: String,
}

impl ParameterStore {
    pub(crate) async fn get_parameter_history(
        self: Arc<Self>,
        call: Call,
        input: GetParameterHistory,
    ) -> Result<GetParameterHistoryOutput, Error> {
        let reference = Reference::read(&call, &input.name);
        let after = page::after(input.next_token.as_deref())?;
        let after: u64 = after.map_or(Ok(0), |number| number.parse().map_err(|_| Error::NextToken))?;
        let tx = self.db.begin();
        let found = self.find(&tx, &reference).await?.ok_or_else(|| Error::NotFound(input.name.clone()))?;
        let all = usize::try_from(VERSIONS_MAX).unwrap_or(PAGE_MAX);
        let rows = tx.snapshot_range(RangeReq::new(keys::versions(&reference.place, &found.name), all)).await?;
        let mut versions: Vec<Version> = rows.iter().map(decode_row).collect::<Result<_, _>>()?;
        versions.push(found.newest.clone());
        versions.retain(|version| version.number > after);
        let limit = page::limit(input.max_results, PAGE_MAX);
        let more = versions.len() > limit;
        versions.truncate(limit);
        let next_token = versions.last().filter(|_| more).map(|last| page::token(&last.number.to_string()));
        let arn = arn(&reference.place, &found.name);
        let plain = input.with_decryption.unwrap_or(false);
        let entry = |version: Version| Entry {
            name: found.name.clone(),
            value: shown_value(&arn, &version, plain),
            r#type: version.r#type.name(),
            key_id: (version.r#type == Type::SecureString).then_some("alias/aws/ssm"),
            last_modified_date: version.modified,
            last_modified_user: version.modified_by,
            description: version.description,
            allowed_pattern: version.allowed_pattern,
            labels: found.labels_of(version.number),
            version: version.number,
            tier: version.tier.name(),
            policies: [],
            data_type: version.data_type,
        };
        Ok(GetParameterHistoryOutput { parameters: versions.into_iter().map(entry).collect(), next_token })
    }
}
