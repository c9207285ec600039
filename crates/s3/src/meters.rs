//! What is measured of the requests that a bucket's metrics configurations name.
//!
//! AWS: S3 User Guide, *Amazon S3 metrics and dimensions*, "request metrics".

use std::sync::{Arc, OnceLock};

use cauce_core::ports::{Meter, MeterMaker, MeterParts, MeterSets, Metrics};
use cauce_core::{Env, Timestamp};
use futures_util::StreamExt as _;
use http::Method;

use crate::address::Target;
use crate::model::Bucket;
use crate::operation::Operation;
use crate::request::{Payload, Reply, Request};
use crate::s3::S3;

/// Where requests are measured, by bucket and then by configuration, once [`S3::measure`] has said so.
pub(crate) type Meters = OnceLock<MeterSets<MeterParts<RequestMeters>>>;

pub(crate) struct RequestMeters {
    all: Meter,
    get: Meter,
    put: Meter,
    delete: Meter,
    head: Meter,
    post: Meter,
    list: Meter,
    client_errors: Meter,
    server_errors: Meter,
    downloaded_bytes: Meter,
    uploaded_bytes: Meter,
    first_byte_ms: Meter,
    total_ms: Meter,
}

impl RequestMeters {
    fn new(maker: &MeterMaker, filter: &str) -> RequestMeters {
        let meter = |name: &str, unit| maker.meter(name, unit, &[("FilterId", filter)]);
        RequestMeters {
            all: meter("AllRequests", "Count"),
            get: meter("GetRequests", "Count"),
            put: meter("PutRequests", "Count"),
            delete: meter("DeleteRequests", "Count"),
            head: meter("HeadRequests", "Count"),
            post: meter("PostRequests", "Count"),
            list: meter("ListRequests", "Count"),
            client_errors: meter("4xxErrors", "Count"),
            server_errors: meter("5xxErrors", "Count"),
            downloaded_bytes: meter("BytesDownloaded", "Bytes"),
            uploaded_bytes: meter("BytesUploaded", "Bytes"),
            first_byte_ms: meter("FirstByteLatency", "Milliseconds"),
            total_ms: meter("TotalRequestLatency", "Milliseconds"),
        }
    }

    /// The meter of the kind of an operation; what sets up a bucket is of none.
    fn of(&self, operation: Operation, method: &Method, target: &Target) -> Option<&Meter> {
        use Operation as O;
        match (operation, target, method.as_str()) {
            (O::ListObjects | O::ListObjectsV2 | O::ListObjectVersions | O::ListMultipartUploads, ..) => {
                Some(&self.list)
            }
            (O::DeleteObjects, ..) => Some(&self.delete),
            (O::HeadBucket, ..) | (_, Target::Object(..), "HEAD") => Some(&self.head),
            (_, Target::Object(..), "GET") => Some(&self.get),
            (_, Target::Object(..), "PUT") => Some(&self.put),
            (_, Target::Object(..), "DELETE") => Some(&self.delete),
            (_, Target::Object(..), "POST") => Some(&self.post),
            _ => None,
        }
    }
}

/// One request under the eyes of the configurations that name it.
#[derive(Default)]
pub(crate) struct Watch {
    meters: Vec<Arc<RequestMeters>>,
}

impl Watch {
    /// Counts a request that begins.
    pub(crate) fn began(&self, operation: Operation, method: &Method, request: &Request) {
        let header = |name: &str| request.header(name).and_then(|text| text.parse::<u32>().ok());
        let uploaded = header("x-amz-decoded-content-length").or_else(|| header("content-length")).unwrap_or(0);
        for meters in &self.meters {
            meters.all.count();
            meters.uploaded_bytes.record(f64::from(uploaded));
            if let Some(meter) = meters.of(operation, method, &request.target) {
                meter.count();
            }
        }
    }

    /// Records how it was answered; what is still to be sent is measured while it is.
    pub(crate) fn answered(self, received: Timestamp, env: &Env, reply: &mut Reply) {
        if self.meters.is_empty() {
            return;
        }
        let first_byte = env.now().since(received);
        for meters in &self.meters {
            meters.first_byte_ms.record_ms(first_byte);
            meters.client_errors.record_flag(reply.status.is_client_error());
            meters.server_errors.record_flag(reply.status.is_server_error());
        }
        let mut sending = Sending { watch: self, received, env: env.clone(), bytes: 0.0 };
        match std::mem::replace(&mut reply.payload, Payload::Whole(cauce_store::Bytes::new())) {
            Payload::Whole(bytes) => {
                sending.sends(bytes.len());
                reply.payload = Payload::Whole(bytes);
            }
            Payload::Stream(stream) => {
                let seen = stream.inspect(move |piece| sending.sends(piece.as_ref().map_or(0, |piece| piece.len())));
                reply.payload = Payload::Stream(Box::pin(seen));
            }
        }
    }
}

/// An answer on its way: it is over when this is dropped, whether all of it was sent or not.
struct Sending {
    watch: Watch,
    received: Timestamp,
    env: Env,
    bytes: f64,
}

impl Sending {
    fn sends(&mut self, bytes: usize) {
        self.bytes += u32::try_from(bytes).map_or(0.0, f64::from);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let took = self.env.now().since(self.received);
        for meters in &self.watch.meters {
            meters.total_ms.record_ms(took);
            meters.downloaded_bytes.record(self.bytes);
        }
    }
}

impl S3 {
    /// Says where what is measured of requests is recorded; without it, nothing is.
    pub fn measure(&self, metrics: Arc<dyn Metrics>) {
        let sets = MeterSets::new(metrics, "AWS/S3", |maker, bucket| {
            MeterParts::new(maker.within("BucketName", bucket), RequestMeters::new)
        });
        if self.meters.set(sets).is_err() {
            tracing::error!("where S3 is measured was said twice");
        }
    }

    /// Who watches a request.
    pub(crate) fn watch(&self, bucket: &Bucket, request: &Request) -> Watch {
        let Some(meters) = self.meters.get().filter(|_| !bucket.metrics.is_empty()) else { return Watch::default() };
        let key = matches!(request.target, Target::Object(..)).then(|| request.key());
        let own = meters.of(bucket.account, &bucket.region, &bucket.name);
        let named = bucket.metrics.iter().filter(|one| one.matches(key));
        Watch { meters: named.map(|one| own.of(&one.id)).collect() }
    }
}
