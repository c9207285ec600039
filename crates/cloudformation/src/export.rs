//! What stacks offer each other.
//!
//! AWS: *CloudFormation API Reference*, ListExports, ListImports.

use std::sync::Arc;

use cauce_core::Call;
use cauce_store::{RangeReq, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys;
use crate::limits::PAGE_ENTRIES;
use crate::model::{ExportRecord, ImportRecord};
use crate::page::{PageToken, Token};
use crate::service::CloudFormation;

/// `ListExports`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListExportsInput {
    /// Where to go on.
    pub next_token: Option<PageToken>,
}

impl Input for ListExportsInput {}

/// `ListImports`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListImportsInput {
    /// The export.
    pub export_name: String,
    /// Where to go on.
    pub next_token: Option<PageToken>,
}

impl Input for ListImportsInput {}

/// An export.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExportView {
    /// The stack that offers it.
    pub exporting_stack_id: String,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The answer of `ListExports`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListExportsOutput {
    /// The exports, by name.
    pub exports: Vec<ExportView>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<PageToken>,
}

/// The answer of `ListImports`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListImportsOutput {
    /// The names of the stacks that use it.
    pub imports: Vec<String>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<PageToken>,
}

impl CloudFormation {
    /// All that stacks of the account and region offer.
    ///
    /// # Errors
    /// `ValidationError` for a token that is none.
    pub async fn list_exports(
        self: Arc<Self>,
        call: Call,
        input: ListExportsInput,
    ) -> Result<ListExportsOutput, Error> {
        let mut req = RangeReq::new(keys::exports(call.account, &call.region), PAGE_ENTRIES + 1);
        if let Some(token) = &input.next_token {
            req = req.after(&token.bytes()?);
        }
        let rows = self.engine.db.range(req).await?.rows;
        let next_token = Token::after(&rows, PAGE_ENTRIES);
        let mut exports = Vec::new();
        for row in rows.iter().take(PAGE_ENTRIES) {
            let record: ExportRecord = decode_row(row)?;
            let Some(name) = keys::export_name(&row.key) else { continue };
            exports.push(ExportView { exporting_stack_id: record.stack_id, name, value: record.value });
        }
        Ok(ListExportsOutput { exports, next_token })
    }

    /// The stacks that use an export.
    ///
    /// # Errors
    /// `ValidationError` if none does.
    pub async fn list_imports(
        self: Arc<Self>,
        call: Call,
        input: ListImportsInput,
    ) -> Result<ListImportsOutput, Error> {
        let range = keys::importers(call.account, &call.region, &input.export_name);
        let mut req = RangeReq::new(range, PAGE_ENTRIES + 1);
        if let Some(token) = &input.next_token {
            req = req.after(&token.bytes()?);
        }
        let rows = self.engine.db.range(req).await?.rows;
        if rows.is_empty() && input.next_token.is_none() {
            let name = input.export_name;
            return Err(Error::Validation(format!("Export '{name}' is not imported by any stack.")));
        }
        let next_token = Token::after(&rows, PAGE_ENTRIES);
        let mut imports = Vec::new();
        for row in rows.iter().take(PAGE_ENTRIES) {
            imports.push(decode_row::<ImportRecord>(row)?.stack_name);
        }
        Ok(ListImportsOutput { imports, next_token })
    }
}
