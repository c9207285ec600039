//! Amazon S3: buckets and objects, spoken in REST-XML, over files and the store.
//!
//! What is here: buckets with location, versioning, encryption, public access block, ownership controls, tags, policy,
//! lifecycle rules and metrics configurations; objects with conditional writes and reads, ranges, checksums, metadata, tags and versions; copies; lists
//! of objects, versions and uploads; multipart uploads; all in path style and in virtual host style. [`S3::respond`] is the
//! service, which `cauce_wire` reaches as a `RawService`; the resource types `AWS::S3::Bucket` and `AWS::S3::BucketPolicy` are in [`resource_types`]; other services read
//! objects through `cauce_core::ports::Objects`; [`S3::run_lifecycle`] is the worker that does what lifecycle rules say.
//!
//! # Limits
//! AWS's own: keys of 1,024 bytes, 5 GiB a request, 10,000 parts of at least 5 MiB, 2 KiB of metadata, 10 tags an object, 50 a
//! bucket, policies of 20 KiB, lists of 1,000. An XML document is at most 4 MiB. An upload holds about 1 MiB of memory, a
//! download 256 KiB, whatever the size of the object.
//!
//! # Invariants
//! - An answered write is durable: its bytes before the row that refers to them, the row before the answer.
//! - A reader gets the whole of one version, never a mixture, and a crash leaves the old object or the new one.
//! - A body belongs to one version or part; when that goes its row goes in the same commit, and its file after it.
//! - What is not built is refused with 501 `NotImplemented`, never ignored.
//!
//! # Deliberately absent
//! Access control lists beyond `private`, object lock, website hosting, cross-origin rules, notifications, logging,
//! replication, storage classes that need a restore, transitions between classes, customers' encryption keys, POST from
//! a browser's form. Encryption at rest is left to the disk: the algorithm asked for is remembered and repeated. A bucket
//! answers in every region, and its own is only told.

mod access;
mod address;
mod bodies;
mod bucket;
mod bucket_config;
mod checksum;
mod conditions;
mod copy_source;
mod delete_objects;
mod description;
mod door;
mod error;
mod expiry;
mod ids;
mod integrity;
mod keys;
mod lifecycle;
mod listing;
mod meters;
mod metrics_config;
mod model;
mod object;
mod operation;
mod policy;
mod port;
mod put;
mod query;
mod range;
mod request;
mod resources;
mod s3;
mod tags;
mod upload;
mod version;
mod xml;

pub use request::{Body, ByteStream, Payload, Trailers};
pub use resources::resource_types;
pub use s3::{S3, S3Options};
