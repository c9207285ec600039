//! The one declaration of an operation.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cauce_core::{Account, Call, Region, ServiceError, Timestamp, Violations};
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{RestRequest, RestResponse};

/// What an operation takes.
///
/// A structure that derives `Deserialize` with the member names of the AWS model, `Option` for what may be missing. The same
/// structure is read from JSON, from a form and from a REST request.
pub trait Input: DeserializeOwned + Send + 'static {
    /// Reports every constraint of the model that this input violates; wire answers them in one error with the service's
    /// [`crate::ServiceInfo::validation_code`].
    fn validate(&self, _v: &mut Violations) {}
}

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send>>;
type Handler<S, I, O> = Box<dyn Fn(Arc<S>, Call, I) -> Boxed<O> + Send + Sync>;
type Resources<I> = Box<dyn Fn(&Call, &I) -> Vec<String> + Send + Sync>;
type Context<I> = Box<dyn Fn(&Call, &I) -> Vec<(String, Vec<String>)> + Send + Sync>;
type Locate<S> = Box<dyn Fn(Arc<S>, Call, String) -> Boxed<String> + Send + Sync>;
pub(crate) type ResourcePolicy<S> = Box<dyn Fn(Arc<S>, Call, String) -> Boxed<Option<String>> + Send + Sync>;
pub(crate) type Observer<S> = Arc<dyn Fn(&S, &Observed<'_>) + Send + Sync>;
type Decode<I> = Box<dyn Fn(&RestRequest) -> Result<I, ServiceError> + Send + Sync>;
type Encode<O> = Box<dyn Fn(O) -> RestResponse + Send + Sync>;

pub(crate) fn boxed_policy<S, F, Fut, E>(policy: F) -> ResourcePolicy<S>
where
    F: Fn(Arc<S>, Call, String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<String>, E>> + Send + 'static,
    E: Into<ServiceError>,
{
    Box::new(move |state, call, arn| {
        let future = policy(state, call, arn);
        Box::pin(async move { future.await.map_err(Into::into) })
    })
}

/// Where a member of a REST operation's input comes from, besides labels and the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// The first value of a query parameter.
    Query { name: &'static str, member: &'static str },
    /// Every value of a query parameter.
    QueryList { name: &'static str, member: &'static str },
    /// A header.
    Header { name: &'static str, member: &'static str },
}

/// A method and path template by which a REST operation is called.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) template: &'static str,
    pub(crate) status: u16,
}

/// How a request has ended, for whoever measures a service.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The operation.
    pub operation: &'static str,
    /// The account the request was about.
    pub account: Account,
    /// The region of its signature's scope.
    pub region: &'a Region,
    /// When it arrived.
    pub received: Timestamp,
    /// What it was to act on, as [`Operation::resource`] names it; none where that is not said.
    pub resources: &'a [String],
    /// Why it failed, if it did.
    pub error: Option<&'a ServiceError>,
}

/// One operation on a service's state `S`, from input `I` to output `O`.
pub struct Operation<S, I, O> {
    pub(crate) name: &'static str,
    pub(crate) handler: Handler<S, I, O>,
    pub(crate) resources: Option<Resources<I>>,
    pub(crate) action: Option<&'static str>,
    pub(crate) context: Option<Context<I>>,
    pub(crate) locate: Option<Locate<S>>,
    pub(crate) resource_policy: Option<ResourcePolicy<S>>,
    pub(crate) authorized: bool,
    /// Set by the [`crate::Api`] that it is added to.
    pub(crate) denied_code: Option<&'static str>,
    /// Set by the [`crate::Api`] that it is added to.
    pub(crate) observer: Option<Observer<S>>,
    pub(crate) routes: Vec<Route>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) decode: Option<Decode<I>>,
    pub(crate) encode: Option<Encode<O>>,
    pub(crate) body_bytes_max: Option<usize>,
    pub(crate) answer_s_max: u32,
}

/// How long the caller of an operation is taken to wait for its answer, in seconds: the read timeout of botocore.
pub const ANSWER_S_MAX: u32 = 60;

impl<S, I, O> Operation<S, I, O>
where
    S: Send + Sync + 'static,
    I: Input,
    O: Serialize + Send + 'static,
{
    /// The operation `name` of the AWS model, done by an `async fn(self: Arc<S>, call: Call, input: I) -> Result<O, E>`.
    ///
    /// An output of `()` is an answer without a body.
    pub fn new<F, Fut, E>(name: &'static str, handler: F) -> Operation<S, I, O>
    where
        F: Fn(Arc<S>, Call, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
        E: Into<ServiceError>,
    {
        let handler = move |state, call, input| -> Boxed<O> {
            let future = handler(state, call, input);
            Box::pin(async move { future.await.map_err(Into::into) })
        };
        Operation {
            name,
            handler: Box::new(handler),
            resources: None,
            action: None,
            context: None,
            locate: None,
            resource_policy: None,
            authorized: true,
            denied_code: None,
            observer: None,
            routes: Vec::new(),
            bindings: Vec::new(),
            decode: None,
            encode: None,
            body_bytes_max: None,
            answer_s_max: ANSWER_S_MAX,
        }
    }

    /// The ARNs of what is acted on; each must be allowed. Without this, `*`.
    #[must_use]
    pub fn resource(mut self, resources: impl Fn(&Call, &I) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.resources = Some(Box::new(resources));
        self
    }

    /// The action that policies must allow. Without this, `{service}:{operation}`.
    #[must_use]
    pub fn action(mut self, action: &'static str) -> Self {
        self.action = Some(action);
        self
    }

    /// The service's condition keys with their values, for example `events:source`.
    #[must_use]
    pub fn context(
        mut self,
        context: impl Fn(&Call, &I) -> Vec<(String, Vec<String>)> + Send + Sync + 'static,
    ) -> Self {
        self.context = Some(Box::new(context));
        self
    }

    /// An `async fn(Arc<S>, Call, resource: String) -> Result<String, E>` that finds the ARN of what [`Operation::resource`] names,
    /// for services whose ARNs do not follow from names alone (a secret's ends in six random characters).
    #[must_use]
    pub fn locate<F, Fut, E>(mut self, locate: F) -> Self
    where
        F: Fn(Arc<S>, Call, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<ServiceError>,
    {
        self.locate = Some(Box::new(move |state, call, resource| {
            let future = locate(state, call, resource);
            Box::pin(async move { future.await.map_err(Into::into) })
        }));
        self
    }

    /// An `async fn(Arc<S>, Call, arn: String) -> Result<Option<String>, E>` that reads the policy document of a resource.
    #[must_use]
    pub fn resource_policy<F, Fut, E>(mut self, policy: F) -> Self
    where
        F: Fn(Arc<S>, Call, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<String>, E>> + Send + 'static,
        E: Into<ServiceError>,
    {
        self.resource_policy = Some(boxed_policy(policy));
        self
    }

    /// Asks for a valid signature but for no permission (`sts:GetCallerIdentity`).
    #[must_use]
    pub fn unauthorized(mut self) -> Self {
        self.authorized = false;
        self
    }

    /// The largest body of this operation, in bytes, where it differs from the service's.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// How long its callers wait, in seconds, where it differs from [`ANSWER_S_MAX`]: sets [`Call::deadline`].
    #[must_use]
    pub fn answer_s_max(mut self, seconds: u32) -> Self {
        self.answer_s_max = seconds;
        self
    }

    /// REST: the method and path by which it is called, and the status of success. May be given more than once.
    ///
    /// `{Label}` fills the member of that name with one segment, `{Label+}` with the rest of the path. A template that ends with
    /// `?name=value` takes only requests that say so.
    #[must_use]
    pub fn rest(mut self, method: Method, template: &'static str, status: u16) -> Self {
        self.routes.push(Route { method, template, status });
        self
    }

    /// REST: the query parameter `name` fills `member`; numbers and booleans are read where the member has such a type.
    #[must_use]
    pub fn query(mut self, name: &'static str, member: &'static str) -> Self {
        self.bindings.push(Binding::Query { name, member });
        self
    }

    /// REST: every value of the query parameter `name` goes into the list `member`.
    #[must_use]
    pub fn query_list(mut self, name: &'static str, member: &'static str) -> Self {
        self.bindings.push(Binding::QueryList { name, member });
        self
    }

    /// REST: the header `name` fills `member`.
    #[must_use]
    pub fn header(mut self, name: &'static str, member: &'static str) -> Self {
        self.bindings.push(Binding::Header { name, member });
        self
    }

    /// REST: reads the input from the request itself, for bodies that are no JSON structure.
    #[must_use]
    pub fn decode(mut self, decode: impl Fn(&RestRequest) -> Result<I, ServiceError> + Send + Sync + 'static) -> Self {
        self.decode = Some(Box::new(decode));
        self
    }

    /// REST: writes the answer itself, for headers and bodies that are no JSON structure.
    #[must_use]
    pub fn encode(mut self, encode: impl Fn(O) -> RestResponse + Send + Sync + 'static) -> Self {
        self.encode = Some(Box::new(encode));
        self
    }
}
