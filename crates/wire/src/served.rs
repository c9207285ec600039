//! An operation whose types have been forgotten: what the front keeps of an [`crate::Operation`].

use std::any::TypeId;
use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::ports::{Access, Identity};
use cauce_core::{Call, Fault, ServiceError, Violations};
use serde::Serialize;

use crate::document::Document;
use crate::operation::{Boxed, Route};
use crate::query::{form, xml};
use crate::{Input, Observed, Operation, RestRequest, RestResponse, ServiceInfo, cbor, json, rest};

/// A request body, in the protocol it came in.
pub(crate) enum Payload {
    Json(Bytes),
    Cbor(Bytes),
    /// A form; the namespace is the answer's.
    Form {
        form: Bytes,
        xmlns: &'static str,
    },
    /// A REST request and the status of success.
    Rest {
        request: RestRequest,
        status: u16,
    },
}

/// The encoded output, in the protocol of the request.
#[derive(Debug)]
pub(crate) enum Encoded {
    Json(Bytes),
    Cbor(Bytes),
    Xml(String),
    Rest(RestResponse),
}

/// One operation on its state.
pub(crate) trait Served: Send + Sync {
    fn name(&self) -> &'static str;
    fn routes(&self) -> &[Route];
    fn action(&self) -> &str;
    fn authorized(&self) -> bool;
    fn body_bytes_max(&self) -> Option<usize>;
    fn answer_s_max(&self) -> u32;

    /// Decode, authorize, validate, handler, encode.
    fn serve(self: Arc<Self>, identity: Arc<dyn Identity>, call: Call, payload: Payload) -> Boxed<Encoded>;
}

pub(crate) struct Bound<S, I, O> {
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
    pub(crate) fn new(info: &'static ServiceInfo, state: Arc<S>, operation: Operation<S, I, O>) -> Bound<S, I, O> {
        let action = match operation.action {
            Some(action) => Cow::Borrowed(action),
            None => Cow::Owned(format!("{}:{}", info.name, operation.name)),
        };
        Bound { info, state, operation, action }
    }

    async fn authorize(
        &self,
        identity: &dyn Identity,
        call: &Call,
        resources: &[String],
        context: Vec<(String, Vec<String>)>,
    ) -> Result<(), ServiceError> {
        for resource in resources {
            let resource = match &self.operation.locate {
                Some(locate) => Cow::Owned(locate(Arc::clone(&self.state), call.clone(), resource.clone()).await?),
                None => Cow::Borrowed(resource.as_str()),
            };
            let policy = match &self.operation.resource_policy {
                Some(policy) => policy(Arc::clone(&self.state), call.clone(), resource.to_string()).await?,
                None => None,
            };
            let access = Access {
                action: &self.action,
                resource: &resource,
                resource_policy: policy.as_deref(),
                context: context.clone(),
            };
            identity.authorize(call, &access).await.map_err(|refusal| self.denied(refusal))?;
        }
        Ok(())
    }

    /// The refusal under the service's own code.
    fn denied(&self, refusal: ServiceError) -> ServiceError {
        match self.operation.denied_code {
            Some(code) if refusal.fault() == Fault::Sender => ServiceError::new(403, code, refusal.message()),
            _ => refusal,
        }
    }

    async fn run(&self, identity: &dyn Identity, call: Call, input: I) -> Result<O, ServiceError> {
        // What the input asks to act on: named once, for whoever decides about it and whoever measures it.
        let operation = &self.operation;
        let asked = operation.authorized || operation.observer.is_some();
        let resources = operation.resources.as_ref().filter(|_| asked).map(|resources| resources(&call, &input));
        let resources = resources.as_deref();
        let Some(observer) = &operation.observer else { return self.perform(identity, call, input, resources).await };
        let (account, region, received) = (call.account, call.region.clone(), call.received);
        let done = self.perform(identity, call, input, resources).await;
        let observed = Observed {
            operation: operation.name,
            account,
            region: &region,
            received,
            resources: resources.unwrap_or_default(),
            error: done.as_ref().err(),
        };
        observer(&self.state, &observed);
        done
    }

    /// Does what is asked if it is allowed; an operation that names no `resources` acts on all.
    async fn perform(
        &self,
        identity: &dyn Identity,
        call: Call,
        input: I,
        resources: Option<&[String]>,
    ) -> Result<O, ServiceError> {
        if self.operation.authorized {
            let all = ["*".to_owned()];
            let context = self.operation.context.as_ref().map(|context| context(&call, &input)).unwrap_or_default();
            self.authorize(identity, &call, resources.unwrap_or(&all), context).await?;
        }
        let mut violations = Violations::new();
        input.validate(&mut violations);
        if let Some(message) = violations.message() {
            return Err(ServiceError::new(400, self.info.validation_code, message));
        }
        (self.operation.handler)(Arc::clone(&self.state), call, input).await
    }

    fn decode(&self, payload: &Payload) -> Result<I, ServiceError> {
        let validation_code = self.info.validation_code;
        match payload {
            Payload::Json(body) => json::decode(body, validation_code),
            Payload::Cbor(body) => cbor::decode(body, validation_code),
            Payload::Form { form, .. } => {
                let document = Document::Form(form::parse(form)?);
                I::deserialize(document).map_err(|e| e.into_service_error(validation_code, form::MALFORMED))
            }
            Payload::Rest { request, .. } => match &self.operation.decode {
                Some(decode) => decode(request),
                None if request.labels.is_empty() && self.operation.bindings.is_empty() => {
                    json::decode(&request.body, validation_code)
                }
                None => {
                    let document = rest::document(request, &self.operation.bindings)?;
                    I::deserialize(document).map_err(|e| e.into_service_error(validation_code, json::SERIALIZATION))
                }
            },
        }
    }
}

/// How the output is to be encoded, kept while the handler runs.
enum Form {
    Json,
    Cbor,
    Xml { xmlns: &'static str, request_id: cauce_core::RequestId },
    Rest { status: u16 },
}

impl<S, I, O> Served for Bound<S, I, O>
where
    S: Send + Sync + 'static,
    I: Input,
    O: Serialize + Send + 'static,
{
    fn name(&self) -> &'static str {
        self.operation.name
    }

    fn routes(&self) -> &[Route] {
        &self.operation.routes
    }

    fn action(&self) -> &str {
        &self.action
    }

    fn authorized(&self) -> bool {
        self.operation.authorized
    }

    fn body_bytes_max(&self) -> Option<usize> {
        self.operation.body_bytes_max
    }

    fn answer_s_max(&self) -> u32 {
        self.operation.answer_s_max
    }

    fn serve(self: Arc<Self>, identity: Arc<dyn Identity>, call: Call, payload: Payload) -> Boxed<Encoded> {
        Box::pin(async move {
            let input = self.decode(&payload)?;
            let form = match &payload {
                Payload::Json(_) => Form::Json,
                Payload::Cbor(_) => Form::Cbor,
                Payload::Form { xmlns, .. } => Form::Xml { xmlns, request_id: call.request_id.clone() },
                Payload::Rest { status, .. } => Form::Rest { status: *status },
            };
            // The body is not needed while the handler waits for the disk.
            drop(payload);
            let output = self.run(&*identity, call, input).await?;
            Ok(match (form, &self.operation.encode) {
                (Form::Json, _) => Encoded::Json(json::encode(&output)?),
                (Form::Cbor, _) => Encoded::Cbor(cbor::encode(&output)?),
                (Form::Xml { xmlns, request_id }, _) => {
                    let members: Option<&dyn erased_serde::Serialize> =
                        if TypeId::of::<O>() == TypeId::of::<()>() { None } else { Some(&output) };
                    Encoded::Xml(xml::answer(self.operation.name, xmlns, request_id.as_str(), members)?)
                }
                (Form::Rest { .. }, Some(encode)) => Encoded::Rest(encode(output)),
                (Form::Rest { status }, None) => Encoded::Rest(RestResponse::json(status, json::encode(&output)?)),
            })
        })
    }
}
