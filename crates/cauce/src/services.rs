//! Every service as any of them may ask it: answers [`cauce_core::ports::Services`] once the front door is built, which is after
//! the services that ask.

use std::sync::OnceLock;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::Call;
use cauce_core::ports::{ServiceRequest, ServiceResponse, Services};
use cauce_wire::Door;

/// The front door, from the moment at which there is one.
#[derive(Default)]
pub(crate) struct LateServices {
    door: OnceLock<Door>,
}

impl LateServices {
    /// Names the door; the first one stays.
    pub(crate) fn open(&self, door: Door) {
        if self.door.set(door).is_err() {
            tracing::error!("the front door was named twice");
        }
    }
}

#[async_trait]
impl Services for LateServices {
    async fn request(&self, call: &Call, request: ServiceRequest) -> ServiceResponse {
        match self.door.get() {
            Some(door) => door.request(call, request).await,
            None => starting(),
        }
    }

    async fn operation(&self, call: &Call, service: &str, operation: &str, input: Bytes) -> ServiceResponse {
        match self.door.get() {
            Some(door) => door.operation(call, service, operation, input).await,
            None => starting(),
        }
    }

    fn offers(&self, service: &str, operation: &str) -> bool {
        self.door.get().is_some_and(|door| door.offers(service, operation))
    }
}

fn starting() -> ServiceResponse {
    let body = r#"{"message":"The server is starting; try again."}"#;
    ServiceResponse { status: 503, headers: Vec::new(), body: body.into() }
}
