//! Reserved concurrency.
//!
//! AWS: Lambda API, *PutFunctionConcurrency*, *GetFunctionConcurrency*, *DeleteFunctionConcurrency*, *GetAccountSettings*.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::function::{Concurrency, FunctionInput};
use crate::keys;
use crate::model::{FunctionRecord, VersionRecord};
use crate::name::{FunctionRef, check_name};
use crate::package::{UNZIPPED_BYTES_MAX, ZIP_DIRECT_BYTES_MAX};
use crate::service::Lambda;

/// What must remain for functions without reserved concurrency. AWS: 100; less where the whole limit is small.
const UNRESERVED_MIN: u32 = 100;

/// All code of an account, in bytes. AWS: Lambda quotas, "Storage for uploaded functions".
const CODE_BYTES_MAX: u64 = 80_530_636_800;

/// AWS: *PutFunctionConcurrency*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutConcurrencyInput {
    pub(crate) function_name: String,
    pub(crate) reserved_concurrent_executions: i64,
}

impl Input for PutConcurrencyInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        v.range("ReservedConcurrentExecutions", self.reserved_concurrent_executions, 0, i64::from(u32::MAX));
    }
}

/// AWS: *GetFunctionConcurrency*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetConcurrencyOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_concurrent_executions: Option<u32>,
}

/// AWS: *GetAccountSettings*. It takes nothing.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct GetAccountSettingsInput {}

impl Input for GetAccountSettingsInput {}

/// AWS: *GetAccountSettings*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetAccountSettingsOutput {
    account_limit: AccountLimit,
    account_usage: AccountUsage,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccountLimit {
    total_code_size: u64,
    code_size_unzipped: u64,
    code_size_zipped: usize,
    concurrent_executions: u32,
    unreserved_concurrent_executions: u32,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccountUsage {
    total_code_size: u64,
    function_count: usize,
}

impl Lambda {
    pub(crate) async fn put_function_concurrency(
        self: Arc<Self>,
        call: Call,
        input: PutConcurrencyInput,
    ) -> Result<Concurrency, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = &reference.function;
        let wanted = u32::try_from(input.reserved_concurrent_executions).unwrap_or(u32::MAX);
        let most = self.fleet.concurrency_max();
        let least = UNRESERVED_MIN.min(most / 10);
        let all = self.all::<FunctionRecord>(keys::all_functions()).await?;
        let own = keys::function(name);
        let others = all.iter().filter(|(key, _)| *key != own);
        let others: u64 = others.map(|(_, r)| u64::from(r.reserved_concurrency.unwrap_or(0))).sum();
        if others + u64::from(wanted) + u64::from(least) > u64::from(most) {
            return Err(Error::InvalidParameter(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its \
                 minimum value of [{least}]."
            )));
        }
        self.reserve(&reference, Some(wanted)).await?;
        Ok(Concurrency { reserved_concurrent_executions: wanted })
    }

    pub(crate) async fn delete_function_concurrency(
        self: Arc<Self>,
        call: Call,
        input: FunctionInput,
    ) -> Result<(), Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        self.reserve(&reference, None).await
    }

    async fn reserve(&self, reference: &FunctionRef, reserved: Option<u32>) -> Result<(), Error> {
        self.db
            .transact(async |tx| {
                let mut record = self.function(&tx, reference).await?;
                record.reserved_concurrency = reserved;
                tx.set_record(keys::function(&reference.function), &record)?;
                Ok::<_, Error>(())
            })
            .await?;
        self.changed(&reference.function);
        self.sum_reserved().await?;
        Ok(())
    }

    pub(crate) async fn get_function_concurrency(
        self: Arc<Self>,
        call: Call,
        input: FunctionInput,
    ) -> Result<GetConcurrencyOutput, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let record = self.function(&self.db.begin(), &reference).await?;
        Ok(GetConcurrencyOutput { reserved_concurrent_executions: record.reserved_concurrency })
    }

    pub(crate) async fn get_account_settings(
        self: Arc<Self>,
        call: Call,
        _input: GetAccountSettingsInput,
    ) -> Result<GetAccountSettingsOutput, Error> {
        let functions = self.all::<FunctionRecord>(keys::functions(call.account, &call.region)).await?;
        let versions = self.all::<VersionRecord>(keys::all_versions()).await?;
        let code = functions.iter().map(|(_, f)| f.latest.code.bytes);
        let code = code.chain(versions.iter().map(|(_, v)| v.configuration.code.bytes));
        let concurrency = self.fleet.concurrency_max();
        let reserved = self.sum_reserved().await?;
        Ok(GetAccountSettingsOutput {
            account_limit: AccountLimit {
                total_code_size: CODE_BYTES_MAX,
                code_size_unzipped: UNZIPPED_BYTES_MAX,
                code_size_zipped: ZIP_DIRECT_BYTES_MAX,
                concurrent_executions: concurrency,
                unreserved_concurrent_executions: concurrency.saturating_sub(reserved),
            },
            account_usage: AccountUsage { total_code_size: code.sum(), function_count: functions.len() },
        })
    }
}
