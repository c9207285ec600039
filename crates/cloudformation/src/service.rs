//! The service: what it is made of, and how stacks are found.

use std::sync::{Arc, Weak};

use cauce_core::ports::{Identity, Objects};
use cauce_core::{Arn, Call, Env, ResourceType};
use cauce_store::{Db, StoreError, Tx};

use crate::builtin;
use crate::describe::StackView;
use crate::engine::Engine;
use crate::error::Error;
use crate::keys;
use crate::model::{BoundParameter, StackRecord};
use crate::ports::{NoReferences, NoStackEvents, References, StackEvents};
use crate::prepare::Text;
use crate::types::Types;

/// What stacks ask of others.
pub struct Ports {
    /// Where templates and packages are read.
    pub objects: Arc<dyn Objects>,
    /// Who may do what, and sessions of a stack's role.
    pub identity: Arc<dyn Identity>,
    /// What `AWS::SSM::Parameter::Value` and `{{resolve:...}}` stand for.
    pub references: Arc<dyn References>,
    /// Who hears of stacks that change their state.
    pub events: Arc<dyn StackEvents>,
}

impl Ports {
    /// Ports of a program without Systems Manager, Secrets Manager and listeners.
    pub fn new(objects: Arc<dyn Objects>, identity: Arc<dyn Identity>) -> Ports {
        Ports { objects, identity, references: Arc::new(NoReferences), events: Arc::new(NoStackEvents) }
    }
}

/// The service CloudFormation. Its operations are the methods; [`api`](crate::api) declares them to the wire.
pub struct CloudFormation {
    pub(crate) engine: Arc<Engine>,
}

impl CloudFormation {
    /// Opens the service on a store, with the resource types that templates may use. Operations that were under way when the
    /// program ended go on after [`resume`](Self::resume).
    pub fn open(db: Db, env: Env, types: Vec<Arc<dyn ResourceType>>, ports: Ports) -> Arc<CloudFormation> {
        let engine = Arc::new_cyclic(|engine: &Weak<Engine>| {
            let types = types.into_iter().chain(builtin::types(engine));
            Engine::new(db, env, Types::new(types), ports.objects, ports.references, ports.events, ports.identity)
        });
        Arc::new(CloudFormation { engine })
    }

    /// Takes up the operations that were under way when the program ended; answers how many. To be called once at start-up, when
    /// the services behind the resource types are ready.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn resume(&self) -> Result<usize, Error> {
        Ok(self.engine.resume().await?)
    }

    /// Waits until the operation of a stack, if one is under way, is over, and shows the stack.
    ///
    /// # Errors
    /// `ValidationError` if there is no such stack.
    pub async fn settled(self: &Arc<Self>, call: &Call, stack: &str) -> Result<StackView, Error> {
        loop {
            let found = self.engine.db.transact(async |tx| existing(&tx, call, stack).await).await?;
            if !found.status.in_progress() || !self.engine.is_running(&found.uuid) {
                return Ok(StackView::of(found));
            }
            self.engine.settled(&found.uuid).await;
        }
    }

    /// Stops all operations where they stand. They go on after the next [`open`](Self::open) and [`resume`](Self::resume).
    pub fn stop(&self) {
        self.engine.close();
    }
}

impl Drop for CloudFormation {
    fn drop(&mut self) {
        self.engine.close();
    }
}

/// The stack by this name (one that has not been deleted) or ARN.
pub(crate) async fn find(tx: &Tx, call: &Call, id: &str) -> Result<Option<StackRecord>, StoreError> {
    let uuid = if let Ok(arn) = id.parse::<Arn>() {
        let here = arn.region() == call.region.as_str() && arn.account() == Some(call.account);
        let mut parts = arn.resource().splitn(3, '/');
        match (here, parts.next(), parts.next(), parts.next()) {
            (true, Some("stack"), Some(_), Some(uuid)) => uuid.to_owned(),
            _ => return Ok(None),
        }
    } else {
        let Some(uuid) = tx.get(&keys::stack_name(call.account, &call.region, id)).await? else { return Ok(None) };
        String::from_utf8_lossy(&uuid).into_owned()
    };
    tx.get_record(&keys::stack(call.account, &call.region, &uuid)).await
}

/// The stack, or the refusal of most operations.
pub(crate) async fn existing(tx: &Tx, call: &Call, id: &str) -> Result<StackRecord, Error> {
    let found = find(tx, call, id).await?;
    found.ok_or_else(|| Error::Validation(format!("Stack with id {id} does not exist")))
}

impl Engine {
    /// Looks up the values of parameters of SSM kinds.
    pub(crate) async fn resolve_parameters(
        &self,
        call: &Call,
        text: &Text,
        bound: &mut [BoundParameter],
    ) -> Result<(), Error> {
        for one in bound {
            let ssm = text.parameters.get(&one.key).is_some_and(|declared| declared.kind.is_ssm());
            if ssm {
                let found = self.references.ssm_parameter(call, &one.value, None, false).await;
                let value = found.map_err(|error| Error::Validation(error.message().to_owned()))?;
                one.resolved = Some(value);
            }
        }
        Ok(())
    }

    /// Refuses a role that the caller may not hand on.
    pub(crate) async fn check_role(&self, call: &Call, role: Option<&String>) -> Result<(), Error> {
        let Some(role) = role else { return Ok(()) };
        if role.parse::<Arn>().is_err() {
            return Err(Error::Validation(format!("{role} is not a valid ARN of a role")));
        }
        Ok(self.identity.authorize_pass_role(call, role, "cloudformation.amazonaws.com").await?)
    }
}
