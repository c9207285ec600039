//! All operations of one service on its state.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::ports::{Access, Identity};
use cauce_core::{Call, ServiceError, Violations};
use serde::Serialize;

use crate::operation::Boxed;
use crate::{Input, Operation, ServiceInfo, json};

/// All operations of one service on state `S`.
pub struct Api<S> {
    info: &'static ServiceInfo,
    state: Arc<S>,
    operations: BTreeMap<&'static str, Arc<dyn Served>>,
    body_bytes_max: Option<usize>,
}

impl<S: Send + Sync + 'static> Api<S> {
    /// A service without operations yet.
    pub fn new(info: &'static ServiceInfo, state: Arc<S>) -> Api<S> {
        Api { info, state, operations: BTreeMap::new(), body_bytes_max: None }
    }

    /// Adds an operation; a later one by the same name replaces the earlier.
    #[must_use]
    pub fn operation<I, O>(mut self, operation: Operation<S, I, O>) -> Api<S>
    where
        I: Input,
        O: Serialize + Send + 'static,
    {
        let name = operation.name;
        let action = match operation.action {
            Some(action) => Cow::Borrowed(action),
            None => Cow::Owned(format!("{}:{name}", self.info.name)),
        };
        let bound = Bound { info: self.info, state: Arc::clone(&self.state), operation, action };
        self.operations.insert(name, Arc::new(Arc::new(bound)));
        self
    }

    /// The largest body of the service's operations, in bytes, where it differs from the front's.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Api<S> {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// The service.
    pub fn info(&self) -> &'static ServiceInfo {
        self.info
    }

    /// The names of its operations, in order.
    pub fn operations(&self) -> impl Iterator<Item = &'static str> {
        self.operations.keys().copied()
    }

    /// Does one operation without HTTP: decode, authorize, validate, handler, encode, as the JSON protocol would.
    ///
    /// # Errors
    /// Whatever a client would be told; `UnknownOperationException` if there is no such operation.
    pub async fn call_json(
        &self,
        identity: &Arc<dyn Identity>,
        operation: &str,
        call: Call,
        body: &[u8],
    ) -> Result<Bytes, ServiceError> {
        let Some(served) = self.operations.get(operation) else {
            return Err(ServiceError::new(404, "UnknownOperationException", ""));
        };
        served.serve_json(Arc::clone(identity), call, Bytes::copy_from_slice(body)).await
    }
}

/// An operation whose types have been forgotten.
pub(crate) trait Served: Send + Sync {
    fn serve_json(&self, identity: Arc<dyn Identity>, call: Call, body: Bytes) -> Boxed<Bytes>;
}

struct Bound<S, I, O> {
    info: &'static ServiceInfo,
    state: Arc<S>,
    operation: Operation<S, I, O>,
    action: Cow<'static, str>,
}

impl<S, I, O> Bound<S, I, O>
where
    S: Send + Sync + 'static,
    I: Input,
    O: Serialize + Send + 'static,
{
    /// What the input asks to act on, and with which condition keys.
    fn subject(&self, call: &Call, input: &I) -> (Vec<String>, Vec<(String, Vec<String>)>) {
        let resources = match &self.operation.resources {
            Some(resources) => resources(call, input),
            None => vec!["*".to_owned()],
        };
        (resources, self.operation.context.as_ref().map(|context| context(call, input)).unwrap_or_default())
    }

    async fn authorize(
        &self,
        identity: &dyn Identity,
        call: &Call,
        resources: Vec<String>,
        context: Vec<(String, Vec<String>)>,
    ) -> Result<(), ServiceError> {
        for resource in resources {
            let policy = match &self.operation.resource_policy {
                Some(policy) => policy(Arc::clone(&self.state), call.clone(), resource.clone()).await?,
                None => None,
            };
            let access = Access {
                action: &self.action,
                resource: &resource,
                resource_policy: policy.as_deref(),
                context: context.clone(),
            };
            identity.authorize(call, &access).await?;
        }
        Ok(())
    }

    async fn run(&self, identity: &dyn Identity, call: Call, input: I) -> Result<O, ServiceError> {
        if self.operation.authorized {
            let (resources, context) = self.subject(&call, &input);
            self.authorize(identity, &call, resources, context).await?;
        }
        let mut violations = Violations::new();
        input.validate(&mut violations);
        if let Some(message) = violations.message() {
            return Err(ServiceError::new(400, self.info.validation_code, message));
        }
        (self.operation.handler)(Arc::clone(&self.state), call, input).await
    }
}

impl<S, I, O> Served for Arc<Bound<S, I, O>>
where
    S: Send + Sync + 'static,
    I: Input,
    O: Serialize + Send + 'static,
{
    fn serve_json(&self, identity: Arc<dyn Identity>, call: Call, body: Bytes) -> Boxed<Bytes> {
        let this = Arc::clone(self);
        Box::pin(async move {
            let input = json::decode(&body, this.info.validation_code)?;
            let output = this.run(&*identity, call, input).await?;
            json::encode(&output)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cauce_core::{Call, ServiceError, Violations};
    use serde::{Deserialize, Serialize};

    use crate::{Api, Input, JsonVersion, Operation, Protocol, ServiceInfo};

    static INFO: ServiceInfo = ServiceInfo {
        name: "echo",
        signing_name: "echo",
        protocols: &[Protocol::Json { version: JsonVersion::V1_1, target_prefix: "Echo" }],
        validation_code: "ValidationException",
    };

    struct Echo;

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Say {
        text: String,
    }

    impl Input for Say {
        fn validate(&self, v: &mut Violations) {
            v.length("Text", &self.text, 1, 10);
        }
    }

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Said {
        text: String,
    }

    impl Echo {
        async fn say(self: Arc<Self>, _call: Call, input: Say) -> Result<Said, ServiceError> {
            Ok(Said { text: input.text })
        }

        async fn policy(self: Arc<Self>, _call: Call, _arn: String) -> Result<Option<String>, ServiceError> {
            Ok(None)
        }
    }

    #[test]
    fn paths_of_async_functions_are_handlers() {
        let api = Api::new(&INFO, Arc::new(Echo)).operation(
            Operation::new("Say", Echo::say)
                .resource(|call, input| vec![call.arn("echo", &input.text).to_string()])
                .context(|_, input| vec![("echo:text".to_owned(), vec![input.text.clone()])])
                .resource_policy(Echo::policy),
        );
        assert_eq!(api.operations().collect::<Vec<_>>(), ["Say"]);
    }
}
