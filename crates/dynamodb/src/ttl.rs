//! UpdateTimeToLive, DescribeTimeToLive.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
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

impl DynamoDb {
    pub(crate) async fn update_time_to_live(
        self: Arc<Self>,
        call: Call,
        input: UpdateTimeToLive,
    ) -> Result<UpdateTimeToLiveOutput, Error> {
        let id = table_id(&call, &input.table_name)?;
        let wish = input.time_to_live_specification;
        self.change_table(&id, |table| {
            match (&table.ttl_attribute, wish.enabled) {
                (Some(_), true) => return Err(Error::invalid("TimeToLive is already enabled")),
                (None, false) => return Err(Error::invalid("TimeToLive is already disabled")),
                (Some(name), false) if *name != wish.attribute_name => {
                    return Err(Error::invalid(format!(
                        "TimeToLive is active on a different AttributeName: current AttributeName is {name}"
                    )));
                }
                _ => {}
            }
            table.ttl_attribute = wish.enabled.then(|| wish.attribute_name.clone());
            Ok(())
        })
        .await
        .map_err(|error| named(error, &id))?;
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
