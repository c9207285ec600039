//! The service and the one table of its operations.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cauce_core::ports::{Access, Identity, Services};
use cauce_core::{Arn, Call, Env, ServiceError};
use cauce_store::{Db, Owner};
use cauce_wire::{Api, JsonVersion, Operation, Protocol, ServiceInfo};
use tokio::sync::Notify;

use crate::access::{Context, told};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::expiry::Alarm;
use crate::history::Moments;
use crate::meters::{GET_RECORDS, Meters};
use crate::request::{read_resource, table_resource};
use crate::stream::{Flows, STREAM_RETENTION};
use crate::{absent, backup, export, import, policy, recovery, restore};

/// DynamoDB as the wire knows it.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "dynamodb",
    signing_name: "dynamodb",
    protocols: &[Protocol::Json { version: JsonVersion::V1_0, target_prefix: "DynamoDB_20120810" }],
    validation_code: "ValidationException",
};

/// DynamoDB Streams as the wire knows it: operations of their own on the streams of the same tables.
pub static STREAMS_INFO: ServiceInfo = ServiceInfo {
    name: "dynamodb",
    signing_name: "dynamodb",
    protocols: &[Protocol::Json { version: JsonVersion::V1_0, target_prefix: "DynamoDBStreams_20120810" }],
    validation_code: "ValidationException",
};

/// The largest request, in bytes. AWS: Developer Guide, *BatchWriteItem*: 16 MB; JSON and base64 make it more.
const BODY_BYTES_MAX: usize = 24 * 1024 * 1024;

/// What can be set.
#[derive(Clone, Debug)]
pub struct DynamoDbOptions {
    /// How long streams keep records: [`STREAM_RETENTION`], as on AWS, or longer.
    pub stream_retention: Duration,
}

impl Default for DynamoDbOptions {
    fn default() -> DynamoDbOptions {
        DynamoDbOptions { stream_retention: STREAM_RETENTION }
    }
}

/// DynamoDB.
pub struct DynamoDb {
    pub(crate) options: DynamoDbOptions,
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) owner: Owner,
    pub(crate) catalog: Catalog,
    pub(crate) flows: Flows,
    pub(crate) moments: Moments,
    /// Wakes the worker of imports.
    pub(crate) imports: Notify,
    /// What reaches the buckets that tables are exported to, from the moment at which it is known.
    pub(crate) services: OnceLock<Arc<dyn Services>>,
    /// Wakes the worker when there is something to do.
    pub(crate) work: Notify,
    /// Wakes the worker that deletes what has expired.
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) meters: Meters,
}

impl DynamoDb {
    /// The service on this store, as the owner of all streams. Run [`crate::run`] to have dropped tables removed, indexes built,
    /// streams trimmed and expired items deleted.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub async fn open(
        options: DynamoDbOptions,
        db: Db,
        env: Env,
        owner: Owner,
        identity: Arc<dyn Identity>,
    ) -> Result<Arc<DynamoDb>, Error> {
        let (catalog, flows, alarm) = (Catalog::default(), Flows::default(), Arc::default());
        catalog.read_all(&db).await?;
        let service = DynamoDb {
            options,
            db,
            env,
            identity,
            owner,
            catalog,
            flows,
            moments: Moments::default(),
            imports: Notify::new(),
            services: OnceLock::new(),
            work: Notify::new(),
            alarm,
            meters: Meters::default(),
        };
        service.begin_kept_expiries().await?;
        service.reach_history().await?;
        Ok(Arc::new(service))
    }

    /// Names what reaches other services; without it exports wait. The first one stays.
    pub fn connect(&self, services: Arc<dyn Services>) {
        drop(self.services.set(services));
    }

    /// Refuses a caller who may not do `action`.
    pub(crate) async fn may(
        &self,
        call: &Call,
        action: &str,
        resource: &Arn,
        context: Context,
    ) -> Result<(), ServiceError> {
        let policy = self.policy_at(call, resource.as_str()).await?;
        let access = Access { action, resource: resource.as_str(), resource_policy: policy.as_deref(), context };
        self.identity.authorize(call, &access).await
    }
}

/// Every operation of DynamoDB that is served.
pub fn api(service: Arc<DynamoDb>) -> Api<DynamoDb> {
    let api = Api::new(&INFO, Arc::clone(&service)).body_bytes_max(BODY_BYTES_MAX);
    let api = data(control(api.resource_policy(DynamoDb::policy_of)).observed(DynamoDb::ended), &service);
    let api = backup::operations(recovery::operations(restore::operations(api)));
    absent::operations(policy::operations(export::operations(import::operations(api))))
}

/// Every operation of DynamoDB Streams.
pub fn streams_api(service: Arc<DynamoDb>) -> Api<DynamoDb> {
    use crate::stream::{DescribeStream, GetShardIterator, ListStreams, iterator_resource};
    Api::new(&STREAMS_INFO, service)
        .observed(DynamoDb::ended)
        .operation(Operation::new("ListStreams", DynamoDb::list_streams).resource(|call, i: &ListStreams| {
            let table = i.table_name.as_deref().unwrap_or("*");
            vec![call.arn("dynamodb", &format!("table/{table}/stream/*")).to_string()]
        }))
        .operation(
            Operation::new("DescribeStream", DynamoDb::describe_stream)
                .resource(|_, i: &DescribeStream| vec![i.stream_arn.clone()]),
        )
        .operation(
            Operation::new("GetShardIterator", DynamoDb::get_shard_iterator)
                .resource(|_, i: &GetShardIterator| vec![i.stream_arn.clone()]),
        )
        .operation(Operation::new(GET_RECORDS, DynamoDb::get_records).resource(iterator_resource))
}

fn control(api: Api<DynamoDb>) -> Api<DynamoDb> {
    use crate::table::{CreateTable, NamedTable};
    let api = api
        .operation(
            Operation::new("CreateTable", DynamoDb::create_table)
                .resource(|call, i: &CreateTable| table_resource(call, &i.table_name)),
        )
        .operation(
            Operation::new("DescribeTable", DynamoDb::describe_table)
                .resource(|call, i: &NamedTable| table_resource(call, &i.table_name)),
        )
        .operation(
            Operation::new("UpdateTable", DynamoDb::update_table)
                .resource(|call, i: &crate::table_update::UpdateTable| table_resource(call, &i.table_name)),
        )
        .operation(
            Operation::new("DeleteTable", DynamoDb::delete_table)
                .resource(|call, i: &NamedTable| table_resource(call, &i.table_name)),
        )
        .operation(Operation::new("ListTables", DynamoDb::list_tables))
        .operation(Operation::new("DescribeLimits", DynamoDb::describe_limits))
        .operation(Operation::new("DescribeEndpoints", DynamoDb::describe_endpoints));
    let api = api
        .operation(
            Operation::new("UpdateTimeToLive", DynamoDb::update_time_to_live)
                .resource(|call, i: &crate::ttl::UpdateTimeToLive| table_resource(call, &i.table_name)),
        )
        .operation(
            Operation::new("DescribeTimeToLive", DynamoDb::describe_time_to_live)
                .resource(|call, i: &NamedTable| table_resource(call, &i.table_name)),
        );
    api.operation(
        Operation::new("TagResource", DynamoDb::tag_resource)
            .resource(|_, i: &crate::tags::TagResource| vec![i.resource_arn.clone()]),
    )
    .operation(
        Operation::new("UntagResource", DynamoDb::untag_resource)
            .resource(|_, i: &crate::tags::UntagResource| vec![i.resource_arn.clone()]),
    )
    .operation(
        Operation::new("ListTagsOfResource", DynamoDb::list_tags_of_resource)
            .resource(|_, i: &crate::tags::ListTagsOfResource| vec![i.resource_arn.clone()]),
    )
}

fn data(api: Api<DynamoDb>, tables: &Arc<DynamoDb>) -> Api<DynamoDb> {
    use crate::item::{DeleteItem, GetItem, PutItem, UpdateItem};
    use crate::query::Query;
    use crate::scan::Scan;
    let api = api
        .operation(
            Operation::new("PutItem", DynamoDb::put_item)
                .resource(|call, i: &PutItem| table_resource(call, &i.table_name))
                .context(told(tables)),
        )
        .operation(
            Operation::new("GetItem", DynamoDb::get_item)
                .resource(|call, i: &GetItem| table_resource(call, &i.table_name))
                .context(told(tables)),
        )
        .operation(
            Operation::new("UpdateItem", DynamoDb::update_item)
                .resource(|call, i: &UpdateItem| table_resource(call, &i.table_name))
                .context(told(tables)),
        )
        .operation(
            Operation::new("DeleteItem", DynamoDb::delete_item)
                .resource(|call, i: &DeleteItem| table_resource(call, &i.table_name))
                .context(told(tables)),
        )
        .operation(
            Operation::new("Query", DynamoDb::query)
                .resource(|call, i: &Query| read_resource(call, &i.table_name, i.index_name.as_deref()))
                .context(told(tables)),
        )
        .operation(
            Operation::new("Scan", DynamoDb::scan)
                .resource(|call, i: &Scan| read_resource(call, &i.table_name, i.index_name.as_deref()))
                .context(told(tables)),
        );
    // Each action of a transaction, each statement needs the permission of its own kind, which the operation itself asks for.
    api.operation(
        Operation::new("BatchGetItem", DynamoDb::batch_get_item)
            .resource(crate::batch_get::resources)
            .context(told(tables)),
    )
    .operation(
        Operation::new("BatchWriteItem", DynamoDb::batch_write_item)
            .resource(crate::batch_write::resources)
            .context(told(tables)),
    )
    .operation(
        Operation::new("TransactWriteItems", DynamoDb::transact_write_items)
            .resource(crate::transaction::resources)
            .unauthorized(),
    )
    .operation(
        Operation::new("TransactGetItems", DynamoDb::transact_get_items)
            .resource(crate::transaction_get::resources)
            .unauthorized(),
    )
    .operation(Operation::new("ExecuteStatement", DynamoDb::execute_statement).unauthorized())
    .operation(Operation::new("BatchExecuteStatement", DynamoDb::batch_execute_statement).unauthorized())
    .operation(Operation::new("ExecuteTransaction", DynamoDb::execute_transaction).unauthorized())
}
