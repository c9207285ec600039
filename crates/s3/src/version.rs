//! The versions of an object: how a write places a new one, how a removal takes one away, how one is found.
//!
//! An object's newest version, a delete marker perhaps, is its row among the current ones; all others are among the older
//! ones. Where there are older ones there is a current one.
//!
//! AWS: S3 User Guide, "Retaining multiple versions of objects with S3 Versioning".

use cauce_core::{Env, Timestamp};
use cauce_store::{RangeReq, Tx, decode_row};

use crate::bodies::{Bodies, BodyId};
use crate::error::{Result, S3Error};
use crate::ids::{UploadId, version_id, version_sequence};
use crate::keys;
use crate::model::{Bucket, Content, Object, ObjectBody, Part, Parts, Tag, Version, Versioning};

/// One object's versions within a transaction.
pub(crate) struct Versions<'a> {
    pub(crate) tx: &'a Tx,
    pub(crate) bodies: &'a Bodies,
    pub(crate) env: &'a Env,
    pub(crate) bucket: &'a Bucket,
    pub(crate) key: &'a str,
}

/// What a removal did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// The id of the version that was removed or of the delete marker that was placed, where the bucket has versions.
    pub(crate) version_id: Option<String>,
    /// Whether that is a delete marker.
    pub(crate) marker: bool,
}

impl Versions<'_> {
    /// The current version, a delete marker perhaps.
    pub(crate) async fn current(&self) -> Result<Option<Version>> {
        Ok(self.tx.get_record(&keys::current(&self.bucket.name, self.key)).await?)
    }

    /// Places a version over `current`, which [`current`](Versions::current) has given.
    pub(crate) async fn put(
        &self,
        current: Option<Version>,
        content: Content,
        tags: Vec<Tag>,
        now: Timestamp,
    ) -> Result<Version> {
        let floor = current.as_ref().map_or(0, |version| version.sequence + 1);
        let sequence = u64::try_from(now.as_micros()).unwrap_or(0).max(floor);
        let enabled = self.bucket.versioning == Some(Versioning::Enabled);
        let mut placed = Version {
            sequence,
            id: enabled.then(|| version_id(sequence, self.env.entropy())),
            modified: now,
            content,
            tags,
            older_null: None,
        };
        if let Some(current) = current {
            placed.older_null = match (&current.id, enabled) {
                // The current one is the null version, and its successor is another: it stays.
                (None, true) => {
                    let sequence = current.sequence;
                    self.set_older(current)?;
                    Some(sequence)
                }
                // One null version replaces the other.
                (None, false) => {
                    self.forget(&current).await?;
                    None
                }
                (Some(_), true) => {
                    let older_null = current.older_null;
                    self.set_older(current)?;
                    older_null
                }
                (Some(_), false) => {
                    if let Some(sequence) = current.older_null {
                        self.remove_older(sequence).await?;
                    }
                    self.set_older(current)?;
                    None
                }
            };
        }
        self.set_current(&placed)?;
        Ok(placed)
    }

    /// What DELETE without a version id does: removes the object, or places a delete marker over it.
    pub(crate) async fn delete(&self, current: Option<Version>, now: Timestamp) -> Result<Removed> {
        if self.bucket.versioning.is_some() {
            let marker = self.put(current, Content::DeleteMarker, Vec::new(), now).await?;
            return Ok(Removed { version_id: Some(marker.shown_id().to_owned()), marker: true });
        }
        if let Some(current) = current {
            self.forget(&current).await?;
            self.tx.clear(keys::current(&self.bucket.name, self.key));
        }
        Ok(Removed::default())
    }

    /// What DELETE with a version id does: removes that version for good. What is not there is gone already.
    ///
    /// # Errors
    /// `InvalidArgument` if the id is none.
    pub(crate) async fn delete_version(&self, current: Option<Version>, id: &str) -> Result<Removed> {
        check_version_id(id)?;
        let mut removed = Removed { version_id: Some(id.to_owned()), marker: false };
        let Some(mut current) = current else { return Ok(removed) };
        if current.shown_id() == id {
            removed.marker = current.object().is_none();
            self.forget(&current).await?;
            self.promote(current.older_null).await?;
            return Ok(removed);
        }
        let Some(sequence) = older_sequence(&current, id) else { return Ok(removed) };
        let older = self.older(sequence).await?.filter(|version| version.shown_id() == id);
        let Some(older) = older else { return Ok(removed) };
        removed.marker = older.object().is_none();
        self.remove_older(sequence).await?;
        if current.older_null == Some(sequence) {
            current.older_null = None;
            self.set_current(&current)?;
        }
        Ok(removed)
    }

    /// The version by that id; the current one without an id.
    ///
    /// # Errors
    /// `InvalidArgument` if the id is none, `NoSuchKey`, `NoSuchVersion`.
    pub(crate) async fn find(&self, id: Option<&str>) -> Result<Version> {
        let current = self.current().await?;
        let Some(id) = id else { return current.ok_or_else(|| S3Error::no_such_key(self.key)) };
        check_version_id(id)?;
        let none = || S3Error::NoSuchVersion { key: self.key.to_owned(), version: id.to_owned() };
        let current = current.ok_or_else(none)?;
        if current.shown_id() == id {
            return Ok(current);
        }
        let sequence = older_sequence(&current, id).ok_or_else(none)?;
        let older = self.older(sequence).await?;
        older.filter(|version| version.shown_id() == id).ok_or_else(none)
    }

    /// Writes a version that was found back to where it is.
    pub(crate) async fn rewrite(&self, version: Version) -> Result<()> {
        let is_current = self.current().await?.is_some_and(|current| current.sequence == version.sequence);
        if is_current { self.set_current(&version) } else { self.set_older(version) }
    }

    /// After the current version has gone: the newest of the older ones takes its place.
    async fn promote(&self, older_null: Option<u64>) -> Result<()> {
        let newest = RangeReq::new(keys::olders_of(&self.bucket.name, self.key), 1);
        let Some(row) = self.tx.range(newest).await?.into_iter().next() else {
            self.tx.clear(keys::current(&self.bucket.name, self.key));
            return Ok(());
        };
        let mut version: Version = decode_row(&row)?;
        self.tx.clear(row.key);
        version.older_null = older_null.filter(|_| version.id.is_some());
        self.set_current(&version)
    }

    async fn older(&self, sequence: u64) -> Result<Option<Version>> {
        Ok(self.tx.get_record(&keys::older(&self.bucket.name, self.key, sequence)).await?)
    }

    async fn remove_older(&self, sequence: u64) -> Result<()> {
        if let Some(older) = self.older(sequence).await? {
            self.forget(&older).await?;
            self.tx.clear(keys::older(&self.bucket.name, self.key, sequence));
        }
        Ok(())
    }

    fn set_current(&self, version: &Version) -> Result<()> {
        Ok(self.tx.set_record(keys::current(&self.bucket.name, self.key), version)?)
    }

    fn set_older(&self, mut version: Version) -> Result<()> {
        version.older_null = None;
        Ok(self.tx.set_record(keys::older(&self.bucket.name, self.key, version.sequence), &version)?)
    }

    /// Drops the bytes of a version that goes.
    async fn forget(&self, version: &Version) -> Result<()> {
        let Some(object) = version.object() else { return Ok(()) };
        let ids: Vec<BodyId> = match &object.body {
            ObjectBody::Whole(id) => vec![*id],
            ObjectBody::Parts { upload, .. } => {
                let row = keys::parts(parse_upload(upload)?);
                let parts: Parts = self.tx.get_record(&row).await?.unwrap_or_default();
                self.tx.clear(row);
                parts.0.iter().map(|part| part.body).collect()
            }
        };
        self.bodies.forget(self.tx, ids);
        Ok(())
    }
}

/// The parts of an object that was completed from some.
pub(crate) fn parse_upload(text: &str) -> Result<UploadId> {
    let corrupt = || S3Error::internal(std::io::Error::other("an object names an upload id that does not read"));
    UploadId::parse(text).ok_or_else(corrupt)
}

/// Refuses what no version can have as its id.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn check_version_id(id: &str) -> Result<()> {
    if id == "null" || version_sequence(id).is_some() {
        return Ok(());
    }
    Err(S3Error::argument("Invalid version id specified", "versionId", id))
}

/// Where among the older versions that id would be.
fn older_sequence(current: &Version, id: &str) -> Option<u64> {
    if id == "null" { current.older_null } else { version_sequence(id) }
}

/// The pieces an object consists of, each with its length: one, or its parts.
pub(crate) fn pieces(object: &Object, parts: &[Part]) -> Vec<(BodyId, u64)> {
    match object.body {
        ObjectBody::Whole(id) => vec![(id, object.bytes)],
        ObjectBody::Parts { .. } => parts.iter().map(|part| (part.body, part.bytes)).collect(),
    }
}
