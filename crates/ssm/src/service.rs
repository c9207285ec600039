//! The service and the one table of its operations.

use std::sync::Arc;

use cauce_core::ports::Identity;
use cauce_core::{Call, Env};
use cauce_store::{Db, Tx};
use cauce_wire::{Api, JsonVersion, Operation, Protocol, ServiceInfo};

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::Parameter;
use crate::name::{Reference, arn};

/// Parameter Store as the wire knows it.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "ssm",
    signing_name: "ssm",
    protocols: &[Protocol::Json { version: JsonVersion::V1_1, target_prefix: "AmazonSSM" }],
    validation_code: "ValidationException",
};

/// Parameter Store.
pub struct ParameterStore {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) identity: Arc<dyn Identity>,
}

impl ParameterStore {
    /// The service on this store.
    pub fn open(db: Db, env: Env, identity: Arc<dyn Identity>) -> Arc<ParameterStore> {
        Arc::new(ParameterStore { db, env, identity })
    }

    /// The parameter that a request names.
    pub(crate) async fn find(&self, tx: &Tx, reference: &Reference) -> Result<Option<Parameter>, Error> {
        for name in &reference.names {
            if let Some(found) = tx.get_record(&keys::parameter(&reference.place, name)).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

pub(crate) fn place(call: &Call) -> Place {
    Place { account: call.account, region: call.region.clone() }
}

fn one(call: &Call, name: &str) -> Vec<String> {
    vec![Reference::read(call, name).arn()]
}

fn each(call: &Call, names: &[String]) -> Vec<String> {
    names.iter().map(|name| Reference::read(call, name).arn()).collect()
}

/// Every operation of Parameter Store that is served.
pub fn api(service: Arc<ParameterStore>) -> Api<ParameterStore> {
    Api::new(&INFO, service)
        .operation(
            Operation::new("PutParameter", ParameterStore::put_parameter)
                .resource(|call, i: &crate::put::PutParameter| one(call, &i.name))
                .context(|_, i: &crate::put::PutParameter| {
                    vec![("ssm:Overwrite".to_owned(), vec![i.overwrite.unwrap_or(false).to_string()])]
                }),
        )
        .operation(
            Operation::new("GetParameter", ParameterStore::get_parameter)
                .resource(|call, i: &crate::get::GetParameter| one(call, &i.name)),
        )
        .operation(
            Operation::new("GetParameters", ParameterStore::get_parameters)
                .resource(|call, i: &crate::get::GetParameters| each(call, &i.names)),
        )
        .operation(
            Operation::new("GetParametersByPath", ParameterStore::get_parameters_by_path)
                .resource(|call, i: &crate::path::GetParametersByPath| vec![arn(&place(call), &i.path).to_string()])
                .context(|_, i: &crate::path::GetParametersByPath| {
                    vec![("ssm:Recursive".to_owned(), vec![i.recursive.unwrap_or(false).to_string()])]
                }),
        )
        .operation(
            Operation::new("GetParameterHistory", ParameterStore::get_parameter_history)
                .resource(|call, i: &crate::history::GetParameterHistory| one(call, &i.name)),
        )
        .operation(Operation::new("DescribeParameters", ParameterStore::describe_parameters))
        .operation(
            Operation::new("DeleteParameter", ParameterStore::delete_parameter)
                .resource(|call, i: &crate::delete::DeleteParameter| one(call, &i.name)),
        )
        .operation(
            Operation::new("DeleteParameters", ParameterStore::delete_parameters)
                .resource(|call, i: &crate::delete::DeleteParameters| each(call, &i.names)),
        )
        .operation(
            Operation::new("LabelParameterVersion", ParameterStore::label_parameter_version)
                .resource(|call, i: &crate::label::LabelParameterVersion| one(call, &i.name)),
        )
        .operation(
            Operation::new("UnlabelParameterVersion", ParameterStore::unlabel_parameter_version)
                .resource(|call, i: &crate::label::UnlabelParameterVersion| one(call, &i.name)),
        )
        .operation(
            Operation::new("AddTagsToResource", ParameterStore::add_tags_to_resource)
                .resource(|call, i: &crate::tags::AddTagsToResource| one(call, &i.resource_id)),
        )
        .operation(
            Operation::new("RemoveTagsFromResource", ParameterStore::remove_tags_from_resource)
                .resource(|call, i: &crate::tags::RemoveTagsFromResource| one(call, &i.resource_id)),
        )
        .operation(
            Operation::new("ListTagsForResource", ParameterStore::list_tags_for_resource)
                .resource(|call, i: &crate::tags::ListTagsForResource| one(call, &i.resource_id)),
        )
}
