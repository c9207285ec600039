//! DescribeLimits, DescribeEndpoints.

use std::sync::Arc;

use cauce_core::Call;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::service::DynamoDb;

/// The capacity that an account may provision, in units. Nothing is throttled here, so these are AWS's defaults.
const ACCOUNT_UNITS_MAX: i64 = 80_000;

/// The capacity that a table may be provisioned with, in units.
const TABLE_UNITS_MAX: i64 = 40_000;

/// How long clients may take an endpoint for granted, in minutes.
const ENDPOINT_CACHED_MIN: i64 = 1_440;

#[derive(Deserialize)]
pub(crate) struct Nothing {}

impl Input for Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeLimitsOutput {
    account_max_read_capacity_units: i64,
    account_max_write_capacity_units: i64,
    table_max_read_capacity_units: i64,
    table_max_write_capacity_units: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeEndpointsOutput {
    endpoints: [Endpoint; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    address: String,
    cache_period_in_minutes: i64,
}

impl DynamoDb {
    pub(crate) async fn describe_limits(self: Arc<Self>, _: Call, _: Nothing) -> Result<DescribeLimitsOutput, Error> {
        Ok(DescribeLimitsOutput {
            account_max_read_capacity_units: ACCOUNT_UNITS_MAX,
            account_max_write_capacity_units: ACCOUNT_UNITS_MAX,
            table_max_read_capacity_units: TABLE_UNITS_MAX,
            table_max_write_capacity_units: TABLE_UNITS_MAX,
        })
    }

    pub(crate) async fn describe_endpoints(
        self: Arc<Self>,
        call: Call,
        _: Nothing,
    ) -> Result<DescribeEndpointsOutput, Error> {
        let address = call.host.to_string();
        Ok(DescribeEndpointsOutput { endpoints: [Endpoint { address, cache_period_in_minutes: ENDPOINT_CACHED_MIN }] })
    }
}
