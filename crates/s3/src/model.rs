//! The records of S3.

use std::collections::BTreeMap;

use cauce_core::{Account, Region, Timestamp};
use cauce_store::Record;
use serde::{Deserialize, Serialize};

use crate::bodies::BodyId;
use crate::checksum::{Algorithm, Checksum, ChecksumKind};
use crate::lifecycle::LifecycleRule;
use crate::metrics_config::MetricsConfiguration;

/// A bucket with its configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) created: Timestamp,
    /// `None` if it never was on.
    #[serde(default)]
    pub(crate) versioning: Option<Versioning>,
    #[serde(default)]
    pub(crate) encryption: Encryption,
    #[serde(default)]
    pub(crate) public_access_block: Option<PublicAccessBlock>,
    #[serde(default)]
    pub(crate) ownership: Option<Ownership>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    /// The policy document as it was given.
    #[serde(default)]
    pub(crate) policy: Option<String>,
    #[serde(default)]
    pub(crate) lifecycle: Vec<LifecycleRule>,
    /// In the order of their ids.
    #[serde(default)]
    pub(crate) metrics: Vec<MetricsConfiguration>,
    /// Who made it, if a stack did: so that a create repeated after a crash knows its own.
    #[serde(default)]
    pub(crate) stack: Option<StackOwner>,
    /// The same for its policy, which is a resource of its own.
    #[serde(default)]
    pub(crate) policy_stack: Option<StackOwner>,
}

impl Record for Bucket {
    const VERSION: u8 = 1;
}

/// The stack and logical id that made a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StackOwner {
    pub(crate) stack_id: String,
    pub(crate) logical_id: String,
}

/// Whether a bucket keeps older versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Versioning {
    Enabled,
    Suspended,
}

impl Versioning {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Versioning::Enabled => "Enabled",
            Versioning::Suspended => "Suspended",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Versioning> {
        [Versioning::Enabled, Versioning::Suspended].into_iter().find(|v| v.name() == name)
    }
}

/// What answers say of encryption at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Encryption {
    /// `AES256` or `aws:kms`.
    pub(crate) algorithm: String,
    /// The AWS managed key as it was named, if it was.
    #[serde(default)]
    pub(crate) key: Option<String>,
    #[serde(default)]
    pub(crate) bucket_key: bool,
}

impl Default for Encryption {
    fn default() -> Encryption {
        Encryption { algorithm: "AES256".to_owned(), key: None, bucket_key: false }
    }
}

/// AWS: S3 User Guide, "Blocking public access to your Amazon S3 storage".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublicAccessBlock {
    pub(crate) block_public_acls: bool,
    pub(crate) ignore_public_acls: bool,
    pub(crate) block_public_policy: bool,
    pub(crate) restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// What a new bucket has.
    pub(crate) const ALL: PublicAccessBlock = PublicAccessBlock {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

/// Who owns objects. AWS: S3 User Guide, "Controlling ownership of objects".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ownership {
    BucketOwnerEnforced,
    BucketOwnerPreferred,
    ObjectWriter,
}

impl Ownership {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Ownership::BucketOwnerEnforced => "BucketOwnerEnforced",
            Ownership::BucketOwnerPreferred => "BucketOwnerPreferred",
            Ownership::ObjectWriter => "ObjectWriter",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Ownership> {
        [Ownership::BucketOwnerEnforced, Ownership::BucketOwnerPreferred, Ownership::ObjectWriter]
            .into_iter()
            .find(|o| o.name() == name)
    }
}

/// A tag of a bucket or object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What a client says about an object besides its bytes, and gets back with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Description {
    /// Standard headers by their lower-case name: `content-type`, `cache-control`, ...
    pub(crate) headers: BTreeMap<String, String>,
    /// `x-amz-meta-*` without that prefix.
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) encryption: Encryption,
    /// `None` for `STANDARD`.
    #[serde(default)]
    pub(crate) storage_class: Option<String>,
}

/// One version of an object, or a delete marker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// The order of an object's versions: a later one has the larger number.
    pub(crate) sequence: u64,
    /// The version's id; `None` for the `null` version.
    #[serde(default)]
    pub(crate) id: Option<String>,
    pub(crate) modified: Timestamp,
    pub(crate) content: Content,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    /// In the current version only: the sequence number of the `null` version among the older ones.
    #[serde(default)]
    pub(crate) older_null: Option<u64>,
}

impl Record for Version {
    const VERSION: u8 = 1;
}

impl Version {
    /// The id as it is shown.
    pub(crate) fn shown_id(&self) -> &str {
        self.id.as_deref().unwrap_or("null")
    }

    /// The object; `None` if this is a delete marker.
    pub(crate) fn object(&self) -> Option<&Object> {
        match &self.content {
            Content::Object(object) => Some(object),
            Content::DeleteMarker => None,
        }
    }
}

/// What a version is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    Object(Box<Object>),
    DeleteMarker,
}

/// The bytes of a version and what is said about them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) bytes: u64,
    /// Without quotes: the MD5 in hex, or `HEX-PARTS`.
    pub(crate) etag: String,
    #[serde(default)]
    pub(crate) checksum: Option<Checksum>,
    pub(crate) body: ObjectBody,
    pub(crate) description: Description,
}

/// Where the bytes of an object are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ObjectBody {
    /// In one body.
    Whole(BodyId),
    /// In the bodies of the parts that this upload was completed with.
    Parts {
        /// The upload's id as text.
        upload: String,
        /// How many parts.
        count: usize,
    },
}

/// A multipart upload under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) initiated: Timestamp,
    pub(crate) description: Description,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    /// The checksum that was asked for, and whether of the whole or of the parts.
    #[serde(default)]
    pub(crate) checksum: Option<(Algorithm, ChecksumKind)>,
}

impl Record for Upload {
    const VERSION: u8 = 1;
}

/// A part of an upload or of an object made by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) number: u16,
    pub(crate) bytes: u64,
    /// The MD5 in hex.
    pub(crate) etag: String,
    pub(crate) modified: Timestamp,
    pub(crate) body: BodyId,
    /// Of the algorithm that the upload asked for.
    #[serde(default)]
    pub(crate) checksum: Option<Checksum>,
    /// The CRC-64/NVME of the part, from which the whole's follows when the client asked for no checksum.
    #[serde(default)]
    pub(crate) crc64nvme: Option<Checksum>,
}

impl Record for Part {
    const VERSION: u8 = 1;
}

/// The parts that an object was completed from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parts(pub(crate) Vec<Part>);

impl Record for Parts {
    const VERSION: u8 = 1;
}
