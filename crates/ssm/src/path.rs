//! Parameters read by path, and described.

use std::sync::Arc;

use cauce_core::{Arn, Call, Timestamp, Violations};
use cauce_store::{RangeReq, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::filter::{self, Filter, OldFilter, Use, lies_below};
use crate::get::Shown;
use crate::keys;
use crate::model::{Parameter, Type};
use crate::name::{self, Selector, arn};
use crate::page;
use crate::service::{ParameterStore, place};

/// How many parameters are read from the store at once.
const ROWS_A_READ: usize = 256;

const PATH_PAGE_MAX: usize = 10;
const DESCRIBE_PAGE_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParametersByPath {
    pub(crate) path: String,
    pub(crate) recursive: Option<bool>,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    with_decryption: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl Input for GetParametersByPath {
    fn validate(&self, v: &mut Violations) {
        v.length("path", &self.path, 1, 2_048);
        filter::validate(v, &self.parameter_filters);
        page::validate(v, self.max_results, 10);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParametersByPathOutput {
    parameters: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeParameters {
    #[serde(default)]
    filters: Vec<OldFilter>,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
    shared: Option<bool>,
}

impl Input for DescribeParameters {
    fn validate(&self, v: &mut Violations) {
        filter::validate_old(v, &self.filters);
        filter::validate(v, &self.parameter_filters);
        page::validate(v, self.max_results, 50);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeParametersOutput {
    parameters: Vec<Description>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    name: String,
    #[serde(rename = "ARN")]
    arn: Arn,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'static str>,
    last_modified_date: Timestamp,
    last_modified_user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_pattern: Option<String>,
    version: u64,
    tier: &'static str,
    policies: [(); 0],
    data_type: String,
}

impl ParameterStore {
    pub(crate) async fn get_parameters_by_path(
        self: Arc<Self>,
        call: Call,
        input: GetParametersByPath,
    ) -> Result<GetParametersByPathOutput, Error> {
        name::check_path(&input.path)?;
        filter::check(&input.parameter_filters, Use::ByPath)?;
        let (place, recursive) = (place(&call), input.recursive.unwrap_or(false));
        let prefix = format!("{}/", input.path.trim_end_matches('/'));
        let fits = |parameter: &Parameter| {
            lies_below(&parameter.name, &input.path, recursive) && filter::fits(parameter, &input.parameter_filters)
        };
        let limit = page::limit(input.max_results, PATH_PAGE_MAX);
        let (found, next_token) = self.page(&call, &prefix, fits, input.next_token.as_deref(), limit).await?;
        let label = input.parameter_filters.iter().find_map(Filter::label);
        let plain = input.with_decryption.unwrap_or(false);
        let tx = self.db.begin();
        let mut parameters = Vec::new();
        for parameter in found {
            let name = parameter.name.clone();
            let selector =
                label.filter(|label| parameter.labels.contains_key(*label)).map(|l| Selector::Label(l.to_owned()));
            let version = self.selected(&tx, &place, parameter, selector.as_ref()).await?;
            parameters.push(Shown::new(&place, name, version, None, plain));
        }
        Ok(GetParametersByPathOutput { parameters, next_token })
    }

    pub(crate) async fn describe_parameters(
        self: Arc<Self>,
        call: Call,
        input: DescribeParameters,
    ) -> Result<DescribeParametersOutput, Error> {
        if !input.filters.is_empty() && !input.parameter_filters.is_empty() {
            let message = "You can use either Filters or ParameterFilters in a single request.";
            return Err(Error::Invalid(message.to_owned()));
        }
        let old = input.filters.into_iter().map(OldFilter::renewed);
        let filters: Vec<Filter> = input.parameter_filters.into_iter().chain(old).collect();
        filter::check(&filters, Use::Describe)?;
        if input.shared.unwrap_or(false) {
            // Nothing is shared between accounts here.
            return Ok(DescribeParametersOutput { parameters: Vec::new(), next_token: None });
        }
        let place = place(&call);
        let limit = page::limit(input.max_results, DESCRIBE_PAGE_MAX);
        let fits = |parameter: &Parameter| filter::fits(parameter, &filters);
        let (found, next_token) = self.page(&call, "", fits, input.next_token.as_deref(), limit).await?;
        let describe = |parameter: Parameter| Description {
            arn: arn(&place, &parameter.name),
            name: parameter.name,
            r#type: parameter.newest.r#type.name(),
            key_id: (parameter.newest.r#type == Type::SecureString).then_some("alias/aws/ssm"),
            last_modified_date: parameter.newest.modified,
            last_modified_user: parameter.newest.modified_by,
            description: parameter.newest.description,
            allowed_pattern: parameter.newest.allowed_pattern,
            version: parameter.newest.number,
            tier: parameter.newest.tier.name(),
            policies: [],
            data_type: parameter.newest.data_type,
        };
        Ok(DescribeParametersOutput { parameters: found.into_iter().map(describe).collect(), next_token })
    }

    /// The first parameters after the token that begin with `prefix` and fit, in the order of their names, and the token of the
    /// next page.
    async fn page(
        &self,
        call: &Call,
        prefix: &str,
        fits: impl Fn(&Parameter) -> bool,
        token: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Parameter>, Option<String>), Error> {
        let place = place(call);
        let mut rest = RangeReq::new(keys::parameters(&place, prefix), ROWS_A_READ);
        if let Some(after) = page::after(token)? {
            rest = rest.after(&keys::parameter(&place, &after));
        }
        let mut found: Vec<Parameter> = Vec::new();
        loop {
            let page = self.db.range(rest.clone()).await?;
            for row in &page.rows {
                let parameter: Parameter = decode_row(row)?;
                if !fits(&parameter) {
                    continue;
                }
                if found.len() == limit {
                    let token = found.last().map(|last| page::token(&last.name));
                    return Ok((found, token));
                }
                found.push(parameter);
            }
            match page.rows.last() {
                Some(last) if page.more => rest = rest.after(&last.key),
                _ => return Ok((found, None)),
            }
        }
    }
}
