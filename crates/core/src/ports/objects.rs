//! Reading an object: asked of `s3`.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Call, ServiceError};

/// Reads and writes whole objects from inside the program (function packages, templates).
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    /// The object's bytes, if it is at most `bytes_max` long.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, or `EntityTooLarge` with limit and size; `AccessDenied` if the caller may not read it.
    async fn read(
        &self,
        call: &Call,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        bytes_max: usize,
    ) -> Result<Bytes, ServiceError>;
}
