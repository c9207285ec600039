//! Doing what lifecycle rules say: a worker that goes through all buckets with rules once in a while.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::{ServiceError, Timestamp};
use cauce_store::{Bytes, RangeReq, Row, decode_row};

use crate::error::{Plain, Result, S3Error};
use crate::keys;
use crate::lifecycle::{LifecycleRule, is_over};
use crate::model::{Bucket, Object, Upload, Version};
use crate::s3::S3;

/// How often the worker looks. Rules speak in days, and AWS itself looks about once a day.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// How many rows are read at once.
const ROWS_AT_ONCE: usize = 256;

/// Older versions of one object as they pass, newest first.
#[derive(Default)]
struct Group {
    key: String,
    /// When the version before was written, which is when this one became an older one.
    successor: Option<Timestamp>,
    /// How many older versions have passed.
    passed: usize,
}

impl S3 {
    /// Expires what lifecycle rules say, for ever: to be spawned.
    pub async fn run_lifecycle(self: Arc<S3>) {
        loop {
            self.env.sleep(EVERY).await;
            match self.expire_due().await {
                Ok(0) => {}
                Ok(gone) => tracing::info!(gone, "lifecycle rules"),
                Err(error) => tracing::error!(?error, "lifecycle rules could not be followed; trying again later"),
            }
        }
    }

    /// Expires what is due by now, once; returns how many versions and uploads went (a delete marker that is placed counts as
    /// one).
    ///
    /// # Errors
    /// Only when the store cannot be read or written.
    pub async fn expire_due(&self) -> std::result::Result<usize, ServiceError> {
        let mut gone = 0;
        let mut next = Some(RangeReq::new(keys::buckets(), ROWS_AT_ONCE));
        while let Some(range) = next.take() {
            let (rows, more) = self.page(range).await?;
            for row in &rows {
                let bucket: Bucket = decode_row(row).map_err(S3Error::from)?;
                if bucket.lifecycle.iter().any(|rule| rule.enabled) {
                    gone += self.expire_bucket(&bucket).await?;
                }
            }
            next = more;
        }
        Ok(gone)
    }

    async fn expire_bucket(&self, bucket: &Bucket) -> Result<usize> {
        let now = self.env.now();
        let rules: Vec<&LifecycleRule> = bucket.lifecycle.iter().filter(|rule| rule.enabled).collect();
        let name = &bucket.name;
        let mut gone = 0;
        // Older versions first: what expires from the current ones below is not due among the older ones yet.
        if rules.iter().any(|rule| rule.older_days.is_some()) {
            let mut group = Group::default();
            let mut next = Some(RangeReq::new(keys::olders(name, ""), ROWS_AT_ONCE));
            while let Some(range) = next.take() {
                let (rows, more) = self.page(range).await?;
                for row in &rows {
                    gone += usize::from(self.expire_older(bucket, &rules, row, &mut group, now).await?);
                }
                next = more;
            }
        }
        let mut next = Some(RangeReq::new(keys::currents(name, ""), ROWS_AT_ONCE));
        while let Some(range) = next.take() {
            let (rows, more) = self.page(range).await?;
            for row in &rows {
                gone += usize::from(self.expire_current(bucket, &rules, row, now).await?);
            }
            next = more;
        }
        if rules.iter().any(|rule| rule.abort_days.is_some()) {
            let mut next = Some(RangeReq::new(keys::uploads(name, ""), ROWS_AT_ONCE));
            while let Some(range) = next.take() {
                let (rows, more) = self.page(range).await?;
                for row in &rows {
                    gone += usize::from(self.expire_upload(bucket, &rules, row, now).await?);
                }
                next = more;
            }
        }
        Ok(gone)
    }

    async fn expire_current(
        &self,
        bucket: &Bucket,
        rules: &[&LifecycleRule],
        row: &Row,
        now: Timestamp,
    ) -> Result<bool> {
        let Some(key) = keys::object_key(&row.key) else { return Ok(false) };
        let seen: Version = decode_row(row)?;
        let object = seen.object();
        let due = match object {
            Some(object) => rules.iter().any(|rule| current_is_due(rule, &key, &seen, object, now)),
            None => rules.iter().any(|rule| rule.expire_markers && rule.filter.matches_key(&key)),
        };
        if !due {
            return Ok(false);
        }
        self.db
            .transact(async |tx| {
                let bucket = self.bucket_in(&tx, &bucket.name).await?;
                let versions = self.versions(&tx, &bucket, &key);
                let current = versions.current().await?;
                if current.as_ref().is_none_or(|current| current.sequence != seen.sequence) {
                    return Ok(false);
                }
                if object.is_some() {
                    versions.delete(current, now).await?;
                    return Ok(true);
                }
                // A delete marker goes when there is nothing left that it hides.
                let alone = tx.range(RangeReq::new(keys::olders_of(&bucket.name, &key), 1)).await?.is_empty();
                if alone {
                    versions.delete_version(current, seen.shown_id()).await?;
                }
                Ok(alone)
            })
            .await
            .or_else(gone_meanwhile)
    }

    async fn expire_older(
        &self,
        bucket: &Bucket,
        rules: &[&LifecycleRule],
        row: &Row,
        group: &mut Group,
        now: Timestamp,
    ) -> Result<bool> {
        let Some(key) = keys::object_key(&row.key) else { return Ok(false) };
        let seen: Version = decode_row(row)?;
        if group.key != key {
            let current: Option<Version> = self.db.get(&keys::current(&bucket.name, &key)).await?;
            *group = Group { key: key.clone(), successor: current.map(|version| version.modified), passed: 0 };
        }
        let (since, newer) = (group.successor.replace(seen.modified), group.passed);
        group.passed += 1;
        let Some(since) = since else { return Ok(false) };
        let (bytes, tags) = (seen.object().map_or(0, |object| object.bytes), &seen.tags);
        let due = rules.iter().any(|rule| {
            rule.older_days.is_some_and(|days| is_over(since, days, now))
                && newer >= rule.older_kept
                && rule.filter.matches(&key, bytes, tags)
        });
        if !due {
            return Ok(false);
        }
        self.db
            .transact(async |tx| {
                let bucket = self.bucket_in(&tx, &bucket.name).await?;
                let versions = self.versions(&tx, &bucket, &key);
                let current = versions.current().await?;
                // It may have become the current one again.
                if current.as_ref().is_none_or(|current| current.sequence == seen.sequence) {
                    return Ok(false);
                }
                versions.delete_version(current, seen.shown_id()).await?;
                Ok(true)
            })
            .await
            .or_else(gone_meanwhile)
    }

    async fn expire_upload(
        &self,
        bucket: &Bucket,
        rules: &[&LifecycleRule],
        row: &Row,
        now: Timestamp,
    ) -> Result<bool> {
        let Some((key, id)) = keys::upload_parts(&row.key) else { return Ok(false) };
        let upload: Upload = decode_row(row)?;
        let due = rules.iter().any(|rule| {
            rule.abort_days.is_some_and(|days| is_over(upload.initiated, days, now)) && rule.filter.matches_key(&key)
        });
        if !due {
            return Ok(false);
        }
        match self.abort(&bucket.name, &key, id).await {
            Ok(()) => Ok(true),
            Err(error) => gone_meanwhile(error),
        }
    }

    /// One page of rows and the request for the next.
    async fn page(&self, range: RangeReq) -> Result<(Vec<Row>, Option<RangeReq>)> {
        let page = self.db.range(range.clone()).await?;
        let last: Option<Bytes> = page.rows.last().filter(|_| page.more).map(|row| row.key.clone());
        Ok((page.rows, last.map(|last| range.after(&last))))
    }
}

fn current_is_due(rule: &LifecycleRule, key: &str, version: &Version, object: &Object, now: Timestamp) -> bool {
    let days = rule.expire_days.is_some_and(|days| is_over(version.modified, days, now));
    let date = rule.expire_date.is_some_and(|date| now >= date);
    (days || date) && rule.filter.matches(key, object.bytes, &version.tags)
}

/// What somebody else has removed meanwhile is no failure.
fn gone_meanwhile(error: S3Error) -> Result<bool> {
    match error {
        S3Error::NoSuchBucket { .. } | S3Error::NoSuchKey { .. } | S3Error::Plain(Plain::NoSuchUpload) => Ok(false),
        other => Err(other),
    }
}
