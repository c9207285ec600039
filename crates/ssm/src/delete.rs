//! Parameters deleted.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys;
use crate::name::{self, Reference};
use crate::put;
use crate::service::ParameterStore;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteParameter {
    pub(crate) name: String,
}

impl Input for DeleteParameter {
    fn validate(&self, v: &mut Violations) {
        name::validate(v, &self.name);
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct DeleteParameterOutput {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteParameters {
    pub(crate) names: Vec<String>,
}

impl Input for DeleteParameters {
    fn validate(&self, v: &mut Violations) {
        name::validate_all(v, &self.names);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteParametersOutput {
    deleted_parameters: Vec<String>,
    invalid_parameters: Vec<String>,
}

impl ParameterStore {
    pub(crate) async fn delete_parameter(
        self: Arc<Self>,
        call: Call,
        input: DeleteParameter,
    ) -> Result<DeleteParameterOutput, Error> {
        let reference = Reference::read(&call, &input.name);
        self.db
            .transact(async |tx| match self.delete(&tx, &reference).await? {
                true => Ok(DeleteParameterOutput {}),
                false => Err(Error::NotFound(input.name.clone())),
            })
            .await
    }

    pub(crate) async fn delete_parameters(
        self: Arc<Self>,
        call: Call,
        input: DeleteParameters,
    ) -> Result<DeleteParametersOutput, Error> {
        self.db
            .transact(async |tx| {
                let mut out = DeleteParametersOutput { deleted_parameters: Vec::new(), invalid_parameters: Vec::new() };
                for name in &input.names {
                    let deleted = self.delete(&tx, &Reference::read(&call, name)).await?;
                    let list = if deleted { &mut out.deleted_parameters } else { &mut out.invalid_parameters };
                    list.push(name.clone());
                }
                Ok(out)
            })
            .await
    }

    /// Removes the parameter with all its versions; false if there is none.
    async fn delete(&self, tx: &Tx, reference: &Reference) -> Result<bool, Error> {
        let Some(found) = self.find(tx, reference).await? else { return Ok(false) };
        put::count(tx, &reference.place, found.newest.tier, -1).await?;
        tx.clear_range(keys::versions(&reference.place, &found.name));
        tx.clear(keys::parameter(&reference.place, &found.name));
        Ok(true)
    }
}
