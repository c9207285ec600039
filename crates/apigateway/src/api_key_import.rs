//! API keys from files.
//!
//! AWS: API Gateway Developer Guide, "API Gateway API key file format".

use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, ServiceError};
use cauce_store::{RangeReq, Tx};
use cauce_wire::{Api, Input, Operation, RestRequest};
use http::Method;
use serde::{Deserialize, Serialize};

use crate::api_key::{API_KEYS_MAX, check_name, check_value};
use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{ApiKey, Texts};
use crate::rest_api::check_description;
use crate::service::{ApiGateway, Located, at};

/// Keys of one file, and their places in usage plans, together: a file is one commit.
pub(crate) const IMPORT_ROWS_MAX: usize = 1_500;

/// AWS: *ImportApiKeys*.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ImportApiKeys {
    #[serde(skip)]
    fail_on_warnings: bool,
    #[serde(skip)]
    body: Bytes,
}

impl Input for ImportApiKeys {}

impl Located for ImportApiKeys {
    fn location(&self) -> String {
        "/apikeys".to_owned()
    }
}

/// AWS: *ApiKeyIds*.
#[derive(Debug, Serialize)]
pub(crate) struct ApiKeyIds {
    ids: Vec<String>,
    warnings: Vec<String>,
}

fn decode(request: &RestRequest) -> Result<ImportApiKeys, ServiceError> {
    let bad = |message: String| ServiceError::from(Error::bad(message));
    match request.query("format") {
        Some("csv") => {}
        format => {
            let format = format.unwrap_or_default();
            return Err(bad(format!("Invalid format specified: {format}. Must be one of: [csv]")));
        }
    }
    let fail_on_warnings = match request.query("failonwarnings") {
        None | Some("" | "false") => false,
        Some("true") => true,
        Some(other) => return Err(bad(format!("Invalid failonwarnings specified: {other}. Must be a boolean"))),
    };
    Ok(ImportApiKeys { fail_on_warnings, body: request.body().clone() })
}

/// One line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    /// Counted from 1, as editors do.
    line: usize,
    name: String,
    value: String,
    description: String,
    enabled: String,
    plans: Vec<String>,
}

impl Row {
    /// Refuses what no key can be; says whether the key is enabled.
    fn check(&self) -> Result<bool, Error> {
        check_value(&self.value)?;
        if self.name.is_empty() {
            return Err(Error::bad("API Key name must not be empty"));
        }
        check_name(Some(&self.name))?;
        check_description(Some(&self.description))?;
        match self.enabled.to_ascii_lowercase().as_str() {
            "" | "true" => Ok(true),
            "false" => Ok(false),
            other => Err(Error::bad(format!("Invalid enabled value specified: {other}. Must be a boolean"))),
        }
    }
}

/// The fields of a line; those in double or single quotes may have commas, and a doubled quote stands for one.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match quote {
            Some(open) if c == open && chars.peek() == Some(&open) => {
                field.push(c);
                chars.next();
            }
            Some(open) if c == open => quote = None,
            Some(_) => field.push(c),
            None if c == ',' => fields.push(std::mem::take(&mut field).trim().to_owned()),
            None if matches!(c, '"' | '\'') && field.trim().is_empty() => quote = Some(c),
            None => field.push(c),
        }
    }
    fields.push(field.trim().to_owned());
    fields
}

/// Every line of a file behind its header, which names the columns in any order and case.
fn rows(file: &[u8]) -> Result<Vec<Row>, Error> {
    let text = std::str::from_utf8(file).map_err(|_| Error::bad("The API key file must be encoded in UTF-8"))?;
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let header = lines.next().map(|(_, line)| fields(line)).unwrap_or_default();
    let column = |name: &str| header.iter().position(|field| field.eq_ignore_ascii_case(name));
    let (Some(name), Some(value)) = (column("name"), column("key")) else {
        return Err(Error::bad("The API key file must contain the columns Name and Key"));
    };
    let (description, enabled, plans) = (column("description"), column("enabled"), column("usageplanids"));
    let (mut rows, mut count) = (Vec::new(), 0_usize);
    for (n, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let fields = fields(line);
        let field = |at: usize| fields.get(at).cloned().unwrap_or_default();
        let optional = |at: Option<usize>| at.map(field).unwrap_or_default();
        let plans: Vec<String> =
            optional(plans).split(',').map(str::trim).filter(|plan| !plan.is_empty()).map(str::to_owned).collect();
        count += 1 + plans.len();
        if count > IMPORT_ROWS_MAX {
            return Err(Error::bad(format!(
                "The API key file has more than the limit of {IMPORT_ROWS_MAX} keys and associations with usage plans"
            )));
        }
        let (description, enabled) = (optional(description), optional(enabled));
        rows.push(Row { line: n + 1, name: field(name), value: field(value), description, enabled, plans });
    }
    Ok(rows)
}

impl ApiGateway {
    pub(crate) async fn import_api_keys(self: Arc<Self>, call: Call, input: ImportApiKeys) -> Result<ApiKeyIds, Error> {
        let (place, rows) = (Place::of(&call), rows(&input.body)?);
        self.db
            .transact(async |tx| {
                let taken = tx.snapshot_range(RangeReq::new(keys::api_keys(&place), API_KEYS_MAX)).await?.len();
                let mut left = API_KEYS_MAX.saturating_sub(taken);
                let mut done = ApiKeyIds { ids: Vec::new(), warnings: Vec::new() };
                for row in &rows {
                    match self.take_key(&tx, &place, row, &mut left).await {
                        Ok(id) => {
                            let warnings = self.join_plans(&tx, &place, row, &id).await?;
                            done.warnings.extend(warnings);
                            done.ids.push(id);
                        }
                        Err(Error::BadRequest(why)) => {
                            done.warnings.push(format!("Unable to import the API key of line {}: {why}", row.line));
                        }
                        Err(other) => return Err(other),
                    }
                }
                if input.fail_on_warnings && !done.warnings.is_empty() {
                    let warnings = done.warnings.join("\n\t");
                    return Err(Error::bad(format!("Warnings found during import:\n\t{warnings}")));
                }
                self.grants_change(&tx, &place);
                Ok(done)
            })
            .await
    }

    /// Makes the key of a line, or changes the one that has its value already; its id.
    async fn take_key(&self, tx: &Tx, place: &Place, row: &Row, left: &mut usize) -> Result<String, Error> {
        let (enabled, now) = (row.check()?, self.env.now());
        let by_value = keys::api_key_value(place, &row.value);
        let mut key = match tx.get(&by_value).await? {
            Some(id) => self.api_key(tx, place, &String::from_utf8_lossy(&id)).await?,
            None => {
                *left = left.checked_sub(1).ok_or_else(|| Error::limit("API keys", API_KEYS_MAX))?;
                let id = self.new_id();
                tx.set(by_value, Bytes::copy_from_slice(id.as_bytes()));
                new_key(id, &row.value, now)
            }
        };
        key.name = Some(row.name.clone());
        key.description = Some(row.description.clone()).filter(|text| !text.is_empty());
        (key.enabled, key.last_updated_date) = (enabled, now);
        tx.set_record(keys::api_key(place, &key.id), &key)?;
        Ok(key.id)
    }

    /// Puts a key into the plans of its line; what stands in the way of each.
    async fn join_plans(&self, tx: &Tx, place: &Place, row: &Row, id: &str) -> Result<Vec<String>, Error> {
        let mut warnings = Vec::new();
        for plan in &row.plans {
            if tx.get(&keys::plan_key(place, plan, id)).await?.is_some() {
                continue;
            }
            match self.join_plan(tx, place, plan, id).await {
                Ok(_) => {}
                Err(Error::NotFound(why) | Error::Conflict(why) | Error::LimitExceeded(why)) => warnings.push(format!(
                    "Unable to associate the API key of line {} with the usage plan {plan}: {why}",
                    row.line
                )),
                Err(other) => return Err(other),
            }
        }
        Ok(warnings)
    }
}

fn new_key(id: String, value: &str, now: cauce_core::Timestamp) -> ApiKey {
    ApiKey {
        id,
        value: Some(value.to_owned()),
        name: None,
        customer_id: None,
        description: None,
        enabled: true,
        created_date: now,
        last_updated_date: now,
        stage_keys: Vec::new(),
        tags: Texts::new(),
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    let import = Operation::new("ImportApiKeys", ApiGateway::import_api_keys).decode(decode);
    api.operation(at(import, Method::POST, "/apikeys?mode=import", 201))
}

#[cfg(test)]
mod tests {
    use super::{IMPORT_ROWS_MAX, Row, fields, rows};

    #[test]
    fn fields_may_stand_in_quotes() {
        let check = |line: &str, expect: &[&str]| assert_eq!(fields(line), expect, "{line}");
        check("a, b ,c", &["a", "b", "c"]);
        check("a,\"b,c\",d", &["a", "b,c", "d"]);
        check("'b,c', \"it's\"", &["b,c", "it's"]);
        check("\"say \"\"so\"\"\"", &["say \"so\""]);
        check("O'Neil,", &["O'Neil", ""]);
        check("\"open,", &["open,"]);
        check("", &[""]);
    }

    #[test]
    fn columns_come_in_any_order_and_case() {
        let file = "\u{feff}Enabled,Other,KEY,name,UsagePlanIds\r\nFALSE,x,k1,n1,\"p1, p2\"\r\n\r\n,,k2,n2\n";
        let row = |line, name: &str, value: &str, enabled: &str, plans: &[&str]| Row {
            line,
            name: name.to_owned(),
            value: value.to_owned(),
            description: String::new(),
            enabled: enabled.to_owned(),
            plans: plans.iter().map(|plan| (*plan).to_owned()).collect(),
        };
        let expect = [row(2, "n1", "k1", "FALSE", &["p1", "p2"]), row(4, "n2", "k2", "", &[])];
        assert_eq!(rows(file.as_bytes()).unwrap(), expect);
    }

    #[test]
    fn files_that_are_refused() {
        for bad in [&b""[..], b"name,value", b"key", b"name,key\n\xff"] {
            assert!(rows(bad).is_err(), "{bad:?}");
        }
        let line = "\nn,k,\"p,q\"";
        let file = |count: usize| format!("name,key,usageplanids{}", line.repeat(count));
        assert_eq!(rows(file(IMPORT_ROWS_MAX / 3).as_bytes()).unwrap().len(), IMPORT_ROWS_MAX / 3);
        assert!(rows(file(IMPORT_ROWS_MAX / 3 + 1).as_bytes()).is_err());
    }
}
