//! All operations of one service on its state.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::ports::Identity;
use cauce_core::{Call, ServiceError};
use serde::Serialize;

use crate::operation::{Observer, ResourcePolicy, boxed_policy};
use crate::served::{Bound, Encoded, Payload, Served};
use crate::{Input, Observed, Operation, ServiceInfo};

/// All operations of one service on state `S`.
///
/// ```
/// # use std::sync::Arc;
/// # use cauce_core::{Call, ServiceError};
/// # use cauce_wire::{Api, Input, JsonVersion, Operation, Protocol, ServiceInfo};
/// # use serde::{Deserialize, Serialize};
/// static INFO: ServiceInfo = ServiceInfo {
///     name: "echo",
///     signing_name: "echo",
///     protocols: &[Protocol::Json { version: JsonVersion::V1_1, target_prefix: "Echo" }],
///     validation_code: "ValidationException",
/// };
///
/// #[derive(Deserialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct SayInput { text: String }
/// impl Input for SayInput {}
///
/// #[derive(Serialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct SayOutput { text: String }
///
/// struct Echo;
/// impl Echo {
///     async fn say(self: Arc<Self>, _call: Call, input: SayInput) -> Result<SayOutput, ServiceError> {
///         Ok(SayOutput { text: input.text })
///     }
/// }
///
/// let api = Api::new(&INFO, Arc::new(Echo)).operation(Operation::new("Say", Echo::say));
/// ```
pub struct Api<S> {
    pub(crate) info: &'static ServiceInfo,
    state: Arc<S>,
    pub(crate) operations: BTreeMap<&'static str, Arc<dyn Served>>,
    pub(crate) body_bytes_max: Option<usize>,
    denied_code: Option<&'static str>,
    resource_policy: Option<Arc<ResourcePolicy<S>>>,
    observer: Option<Observer<S>>,
    pub(crate) query_path: Option<&'static str>,
}

impl<S: Send + Sync + 'static> Api<S> {
    /// A service without operations yet.
    pub fn new(info: &'static ServiceInfo, state: Arc<S>) -> Api<S> {
        Api {
            info,
            state,
            operations: BTreeMap::new(),
            body_bytes_max: None,
            denied_code: None,
            resource_policy: None,
            observer: None,
            query_path: None,
        }
    }

    /// Adds an operation; a later one by the same name replaces the earlier.
    #[must_use]
    pub fn operation<I, O>(mut self, mut operation: Operation<S, I, O>) -> Api<S>
    where
        I: Input,
        O: Serialize + Send + 'static,
    {
        let name = operation.name;
        operation.denied_code = self.denied_code;
        if let (None, Some(policy)) = (&operation.resource_policy, &self.resource_policy) {
            let policy = Arc::clone(policy);
            operation.resource_policy = Some(Box::new(move |state, call, arn| policy(state, call, arn)));
        }
        operation.observer.clone_from(&self.observer);
        let bound = Bound::new(self.info, Arc::clone(&self.state), operation);
        self.operations.insert(name, Arc::new(bound));
        self
    }

    /// The largest body of the service's operations, in bytes, where it differs from [`crate::FrontOptions::body_bytes_max`].
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Api<S> {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// The code under which the operations added from here on refuse, with status 403, whom policies do not let in, where it is not
    /// `AccessDenied`.
    #[must_use]
    pub fn denied_code(mut self, code: &'static str) -> Api<S> {
        self.denied_code = Some(code);
        self
    }

    /// How the operations added from here on find the policy document of a resource, as [`Operation::resource_policy`].
    #[must_use]
    pub fn resource_policy<F, Fut, E>(mut self, policy: F) -> Api<S>
    where
        F: Fn(Arc<S>, Call, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<String>, E>> + Send + 'static,
        E: Into<ServiceError>,
    {
        self.resource_policy = Some(Arc::new(boxed_policy(policy)));
        self
    }

    /// Whom the operations added from here on tell how each request to them has ended.
    #[must_use]
    pub fn observed(mut self, observer: impl Fn(&S, &Observed<'_>) + Send + Sync + 'static) -> Api<S> {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// The parameter for which the URL stands when a form is posted to another path than `/` (SQS: the queue's own URL) and does
    /// not give the parameter itself.
    #[must_use]
    pub fn query_path(mut self, parameter: &'static str) -> Api<S> {
        self.query_path = Some(parameter);
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

    /// What has been declared of each operation, in order of names: for coverage lists, documentation, and tests that walk
    /// through everything.
    pub fn declarations(&self) -> impl Iterator<Item = Declaration<'_>> {
        self.operations.values().map(|served| Declaration {
            name: served.name(),
            action: served.authorized().then(|| served.action()),
            routes: served.routes().iter().map(|route| (&route.method, route.template)).collect(),
        })
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
            return Err(unknown_operation(operation, self.info.signing_name));
        };
        let payload = Payload::Json(Bytes::copy_from_slice(body));
        match Arc::clone(served).serve(Arc::clone(identity), call, payload).await? {
            Encoded::Json(body) => Ok(body),
            // A JSON payload is answered in JSON.
            Encoded::Cbor(_) | Encoded::Xml(_) | Encoded::Rest(_) => Ok(Bytes::new()),
        }
    }
}

/// What has been declared of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration<'a> {
    /// Its name in the AWS model.
    pub name: &'static str,
    /// The action that policies must allow; none where a valid signature is enough.
    pub action: Option<&'a str>,
    /// The methods and path templates of a REST operation.
    pub routes: Vec<(&'a http::Method, &'static str)>,
}

/// 404 for REST, 400 elsewhere: the caller sets what fits.
pub(crate) fn unknown_operation(operation: &str, service: &str) -> ServiceError {
    let message = format!("The operation {operation} is not known to the service {service}.");
    ServiceError::new(400, "UnknownOperationException", message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Verdict};
    use cauce_core::{Account, Arn, Call, Env, Region, SeededEntropy, ServiceError, SystemClock, Trace, Violations};
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

        async fn hush(self: Arc<Self>, _call: Call, _input: Say) -> Result<(), ServiceError> {
            Ok(())
        }

        async fn policy(self: Arc<Self>, _call: Call, arn: String) -> Result<Option<String>, ServiceError> {
            Ok(Some(format!("policy of {arn}")))
        }
    }

    /// Denies what is done to anything that ends in `secret`, and shows what it was asked.
    struct Guard;

    #[async_trait]
    impl Identity for Guard {
        async fn access_key(&self, _access_key_id: &str) -> Result<Option<AccessKey>, ServiceError> {
            Ok(None)
        }

        async fn assume_role(&self, _: &Arn, _: &str, _: &str) -> Result<Credentials, ServiceError> {
            Err(ServiceError::access_denied("no"))
        }

        async fn explain(&self, _: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
            Ok(if access.resource.ends_with("secret") {
                Verdict::Denied(format!("{:?} {:?}", access.resource_policy, access.context))
            } else {
                Verdict::Allowed(String::new())
            })
        }
    }

    #[tokio::test]
    async fn an_operation_is_decoded_authorized_validated_and_done() {
        let api = Api::new(&INFO, Arc::new(Echo))
            .operation(
                Operation::new("Say", Echo::say)
                    .resource(|call, input| {
                        vec![call.arn("echo", "one").to_string(), call.arn("echo", &input.text).to_string()]
                    })
                    .context(|_, input| vec![("echo:text".to_owned(), vec![input.text.clone()])])
                    .resource_policy(Echo::policy),
            )
            .operation(Operation::new("Hush", Echo::hush).unauthorized());
        assert_eq!(api.operations().collect::<Vec<_>>(), ["Hush", "Say"]);
        let actions: Vec<_> = api.declarations().map(|d| d.action).collect();
        assert_eq!(actions, [None, Some("echo:Say")]);
        let env = Env::new(SystemClock, SeededEntropy::new(1));
        let trace = Trace::start(env.now(), env.entropy());
        let identity: Arc<dyn Identity> = Arc::new(Guard);
        let check = async |operation: &str, body: &str, expect: Result<&str, (&str, &str)>| {
            let call = Call::from_service(&env, "test", None, Account::DEFAULT, Region::default(), trace);
            let got = api.call_json(&identity, operation, call, body.as_bytes()).await;
            let got = got.as_ref().map(|b| std::str::from_utf8(b).unwrap()).map_err(|e| (e.code(), e.message()));
            assert_eq!(got, expect, "{operation} {body}");
        };
        check("Say", r#"{"Text":"hello"}"#, Ok(r#"{"Text":"hello"}"#)).await;
        check("Hush", r#"{"Text":"secret"}"#, Ok("")).await;
        let denied = "User: test is not authorized to perform: echo:Say on resource: arn:aws:echo:us-east-1:000000000000:secret \
            Some(\"policy of arn:aws:echo:us-east-1:000000000000:secret\") [(\"echo:text\", [\"secret\"])]";
        check("Say", r#"{"Text":"secret"}"#, Err(("AccessDeniedException", denied))).await;
        // Who may not act is not told what is wrong with the request.
        check(
            "Say",
            r#"{"Text":"a very long secret"}"#,
            Err(("AccessDeniedException", &denied.replace("secret", "a very long secret"))),
        )
        .await;
        let long = "1 validation error detected: Value 'far too long' at 'text' failed to satisfy constraint: Member must have \
            length less than or equal to 10";
        check("Say", r#"{"Text":"far too long"}"#, Err(("ValidationException", long))).await;
        let unknown = "The operation Sing is not known to the service echo.";
        check("Sing", "{}", Err(("UnknownOperationException", unknown))).await;
    }
}
