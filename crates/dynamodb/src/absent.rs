//! What this server has none of: contributor insights, Kinesis destinations, global tables. Questions about them are answered as
//! AWS answers for tables without any; what would make one is refused by its name.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::{Api, Input, Operation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Error;
use crate::request::{table_id, table_resource, validate_table};
use crate::service::DynamoDb;

/// A question about a table, or about one of its indexes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OfTable {
    table_name: String,
    index_name: Option<String>,
}

impl Input for OfTable {
    fn validate(&self, v: &mut Violations) {
        validate_table(v, &self.table_name);
    }
}

/// A question about a global table.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OfGlobalTable {
    global_table_name: String,
}

impl Input for OfGlobalTable {
    fn validate(&self, v: &mut Violations) {
        v.length("globalTableName", &self.global_table_name, 3, 255);
    }
}

/// A question about everything.
#[derive(Deserialize)]
pub(crate) struct OfAll {}

impl Input for OfAll {}

/// A request whose parameters do not matter.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Refused {
    table_name: Option<String>,
}

impl Input for Refused {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ContributorInsights {
    table_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    index_name: Option<String>,
    contributor_insights_status: &'static str,
}

/// The operations that are refused, with the feature that they are of.
const REFUSED: [(&str, &str); 9] = [
    ("UpdateContributorInsights", "contributor insights"),
    ("EnableKinesisStreamingDestination", "Kinesis streaming destinations"),
    ("DisableKinesisStreamingDestination", "Kinesis streaming destinations"),
    ("UpdateKinesisStreamingDestination", "Kinesis streaming destinations"),
    ("CreateGlobalTable", "global tables"),
    ("UpdateGlobalTable", "global tables"),
    ("UpdateGlobalTableSettings", "global tables"),
    ("DescribeTableReplicaAutoScaling", "replicas"),
    ("UpdateTableReplicaAutoScaling", "replicas"),
];

/// The operations on what is not there.
pub(crate) fn operations(api: Api<DynamoDb>) -> Api<DynamoDb> {
    let of_table = |call: &Call, input: &OfTable| table_resource(call, &input.table_name);
    let api = api
        .operation(
            Operation::new("DescribeContributorInsights", DynamoDb::describe_contributor_insights).resource(of_table),
        )
        .operation(
            Operation::new("DescribeKinesisStreamingDestination", DynamoDb::describe_kinesis_destination)
                .resource(of_table),
        )
        .operation(Operation::new("ListContributorInsights", |_: Arc<DynamoDb>, _, _: OfAll| async {
            Ok::<Value, Error>(json!({ "ContributorInsightsSummaries": [] }))
        }))
        .operation(Operation::new("ListGlobalTables", |_: Arc<DynamoDb>, _, _: OfAll| async {
            Ok::<Value, Error>(json!({ "GlobalTables": [] }))
        }))
        .operation(Operation::new("DescribeGlobalTable", DynamoDb::describe_global_table))
        .operation(Operation::new("DescribeGlobalTableSettings", DynamoDb::describe_global_table));
    REFUSED.into_iter().fold(api, |api, (name, feature)| {
        let refuse = move |_: Arc<DynamoDb>, _, _: Refused| async move {
            Err::<(), Error>(Error::invalid(format!("{name}: {feature} are not supported by this server")))
        };
        api.operation(Operation::new(name, refuse).resource(|call, input: &Refused| match &input.table_name {
            Some(name) => table_resource(call, name),
            None => vec!["*".to_owned()],
        }))
    })
}

impl DynamoDb {
    async fn describe_contributor_insights(
        self: Arc<Self>,
        call: Call,
        input: OfTable,
    ) -> Result<ContributorInsights, Error> {
        let id = table_id(&call, &input.table_name)?;
        let table = self.definition(&id).await?;
        if let Some(index) = input.index_name.as_deref().filter(|index| table.index(index).is_none()) {
            return Err(Error::NotFound(format!("Index: {index}")));
        }
        Ok(ContributorInsights {
            table_name: id.name,
            index_name: input.index_name,
            contributor_insights_status: "DISABLED",
        })
    }

    async fn describe_kinesis_destination(self: Arc<Self>, call: Call, input: OfTable) -> Result<Value, Error> {
        let id = table_id(&call, &input.table_name)?;
        self.definition(&id).await?;
        Ok(json!({ "TableName": id.name, "KinesisDataStreamDestinations": [] }))
    }

    async fn describe_global_table(self: Arc<Self>, _: Call, input: OfGlobalTable) -> Result<Value, Error> {
        Err(Error::NoGlobalTable(input.global_table_name))
    }
}
