//! What other services ask of S3.

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::ports::Objects;
use cauce_core::{Call, ServiceError};

use crate::s3::S3;

#[async_trait]
impl Objects for S3 {
    async fn read(
        &self,
        call: &Call,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        bytes_max: usize,
    ) -> Result<Bytes, ServiceError> {
        Ok(self.read_whole(call, (bucket, key), version, bytes_max).await?)
    }
}
