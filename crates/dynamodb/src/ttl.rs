//! UpdateTimeToLive, DescribeTimeToLive.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::expiry::begin_expiry;
use crate::keys::{self, TableId};
use crate::model::{Dropped, Table};
use crate::request::{table_id, validate_table};
use crate::service::DynamoDb;
use crate::table::{NamedTable, named};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateTimeToLive {
    pub(crate) table_name: String,
    time_to_live_specification: Specification,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Specification {
    enabled: bool,
    attribute_name: String,
}

impl Input for UpdateTimeToLive {
    fn validate(&self, v: &mut Violations) {
        validate_table(v, &self.table_name);
        v.within("timeToLiveSpecification", |v| {
            v.length("attributeName", &self.time_to_live_specification.attribute_name, 1, 255);
        });
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateTimeToLiveOutput {
    time_to_live_specification: Specification,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeTimeToLiveOutput {
    time_to_live_description: Description,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    time_to_live_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute_name: Option<String>,
}

async fn update_in(tx: &Tx, id: &TableId, wish: &Specification) -> Result<(), Error> {
    let key = keys::table(id);
    let mut table = tx.get_record::<Table>(&key).await?.ok_or(Error::NoTable)?;
    match (&table.ttl_attribute, wish.enabled) {
        (Some(_), true) => return Err(Error::invalid("TimeToLive is already enabled")),
        (None, false) => return Err(Error::invalid("TimeToLive is already disabled")),
        (Some(name), false) if *name != wish.attribute_name => {
            return Err(Error::invalid(format!(
                "TimeToLive is active on a different AttributeName: current AttributeName is {name}"
            )));
        }
        (None, true) => begin_expiry(tx, &key, &mut table, wish.attribute_name.clone())?,
        (Some(_), false) => {
            tx.clear(keys::expiring(table.number, table.ttl_queue));
            tx.set_record(keys::dropped(table.number, table.ttl_queue), &Dropped { name: id.name.clone() })?;
            (table.ttl_attribute, table.ttl_queue) = (None, 0);
        }
    }
    Ok(tx.set_record(key, &table)?)
}

impl DynamoDb {
    pub(crate) async fn update_time_to_live(
        self: Arc<Self>,
        call: Call,
        input: UpdateTimeToLive,
    ) -> Result<UpdateTimeToLiveOutput, Error> {
        let id = table_id(&call, &input.table_name)?;
        let wish = input.time_to_live_specification;
        let updated = self.db.transact(async |tx| update_in(&tx, &id, &wish).await).await;
        updated.map_err(|error| named(error, &id))?;
        self.alarm.now();
        self.work.notify_one();
        Ok(UpdateTimeToLiveOutput { time_to_live_specification: wish })
    }

    pub(crate) async fn describe_time_to_live(
        self: Arc<Self>,
        call: Call,
        input: NamedTable,
    ) -> Result<DescribeTimeToLiveOutput, Error> {
        let id = table_id(&call, &input.table_name)?;
        let attribute_name = self.definition(&id).await?.ttl_attribute.clone();
        let time_to_live_status = if attribute_name.is_some() { "ENABLED" } else { "DISABLED" };
        Ok(DescribeTimeToLiveOutput { time_to_live_description: Description { time_to_live_status, attribute_name } })
    }
}
