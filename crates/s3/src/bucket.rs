//! Buckets: making, finding, listing and deleting them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cauce_core::{Account, Call, Region};
use cauce_store::{RangeReq, ReadReq, Tx, decode_row};
use sha2::Digest as _;

use crate::access::authorize_new;
use crate::error::{Plain, Result, S3Error};
use crate::keys;
use crate::model::{Bucket, Encryption, Ownership, PublicAccessBlock, StackOwner, Tag};
use crate::request::{Body, Reply, Request};
use crate::s3::S3;
use crate::tags::{BUCKET_TAGS_MAX, check_no_system_tags, check_tags, parse_tag};
use crate::xml::{Element, Writer};

/// How many buckets a page of ListBuckets has at most.
const PAGE_BUCKETS_MAX: usize = 10_000;
/// How many uploads a DeleteBucket aborts between two looks at the bucket.
const ABORTS_AT_ONCE: usize = 100;
/// How often a DeleteBucket looks again because there were uploads.
const LOOKS_MAX: u32 = 1_000;

/// What is needed to make a bucket.
#[derive(Clone, Debug)]
pub(crate) struct NewBucket {
    pub(crate) name: String,
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) ownership: Ownership,
    pub(crate) tags: Vec<Tag>,
    pub(crate) stack: Option<StackOwner>,
}

/// Refuses names that no bucket may have.
///
/// AWS: S3 User Guide, "General purpose bucket naming rules".
///
/// # Errors
/// `InvalidBucketName`.
pub(crate) fn check_bucket_name(name: &str) -> Result<()> {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let inner = |b: u8| alphanumeric(b) || b == b'-' || b == b'.';
    let bytes = name.as_bytes();
    let good = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| inner(*b))
        && bytes.first().is_some_and(|b| alphanumeric(*b))
        && bytes.last().is_some_and(|b| alphanumeric(*b))
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix));
    if good {
        return Ok(());
    }
    let error = cauce_core::ServiceError::from(S3Error::from(Plain::InvalidBucketName));
    Err(S3Error::Service(error.with_field("BucketName", name)))
}

/// The canonical id of an account, as S3 shows owners.
pub(crate) fn owner_id(account: Account) -> String {
    hex::encode(sha2::Sha256::digest(format!("owner:{account}")))
}

impl Bucket {
    fn new(new: &NewBucket, created: cauce_core::Timestamp) -> Bucket {
        Bucket {
            name: new.name.clone(),
            account: new.account,
            region: new.region.clone(),
            created,
            versioning: None,
            encryption: Encryption::default(),
            public_access_block: Some(PublicAccessBlock::ALL),
            ownership: Some(new.ownership),
            tags: new.tags.clone(),
            policy: None,
            lifecycle: Vec::new(),
            metrics: Vec::new(),
            stack: new.stack.clone(),
            policy_stack: None,
        }
    }
}

impl S3 {
    /// The bucket by that name.
    ///
    /// # Errors
    /// `NoSuchBucket`, `InvalidBucketName`.
    pub(crate) async fn bucket(&self, name: &str) -> Result<Bucket> {
        let found: Option<Bucket> = self.db.get(&keys::bucket(name)).await?;
        if found.is_none() {
            check_bucket_name(name)?;
        }
        found.ok_or_else(|| S3Error::no_such_bucket(name))
    }

    /// The same within a transaction, which then conflicts with changes to the bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub(crate) async fn bucket_in(&self, tx: &Tx, name: &str) -> Result<Bucket> {
        let found: Option<Bucket> = tx.get_record(&keys::bucket(name)).await?;
        found.ok_or_else(|| S3Error::no_such_bucket(name))
    }

    /// CreateBucket.
    pub(crate) async fn create_bucket(&self, request: &Request, body: Body) -> Result<Reply> {
        let name = request.bucket();
        check_bucket_name(name)?;
        let resource = cauce_core::Arn::s3(name);
        authorize_new(&*self.identity, &request.call, "s3:CreateBucket", resource.as_str()).await?;
        if request.header("x-amz-bucket-object-lock-enabled").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Err(Plain::NotImplemented.into());
        }
        let ownership = match request.header("x-amz-object-ownership") {
            None => Ownership::BucketOwnerEnforced,
            Some(text) => {
                let invalid =
                    || S3Error::argument("Invalid x-amz-object-ownership header", "x-amz-object-ownership", text);
                Ownership::by_name(text).ok_or_else(invalid)?
            }
        };
        let grants = request.headers.keys().any(|header| header.as_str().starts_with("x-amz-grant-"));
        if grants || request.header("x-amz-acl").is_some_and(|acl| acl != "private") {
            return Err(match ownership {
                Ownership::BucketOwnerEnforced => Plain::BucketAclWithOwnership.into(),
                _ => Plain::NotImplemented.into(),
            });
        }
        let document = body.read().await?;
        let (constraint, tags) = match document.is_empty() {
            true => (None, Vec::new()),
            false => read_configuration(&Element::parse(&document, "CreateBucketConfiguration")?)?,
        };
        let region = chosen_region(&request.call.region, constraint.as_deref())?;
        let account = request.call.account;
        let new = NewBucket { name: name.to_owned(), account, region, ownership, tags, stack: None };
        self.make_bucket(&new, |_| ()).await?;
        Ok(Reply::ok().header("location", format!("/{name}")))
    }

    /// Makes a bucket and lets `configure` set it up, in one transaction. A bucket that the same stack made under the same
    /// logical id is set up again.
    ///
    /// # Errors
    /// `BucketAlreadyExists`, `BucketAlreadyOwnedByYou`.
    pub(crate) async fn make_bucket(&self, new: &NewBucket, configure: impl Fn(&mut Bucket)) -> Result<Bucket> {
        let now = self.env.now();
        self.db
            .transact(async |tx| {
                let row = keys::bucket(&new.name);
                let mut bucket = match tx.get_record::<Bucket>(&row).await? {
                    None => Bucket::new(new, now),
                    Some(found) if found.account != new.account => return Err(Plain::BucketExists.into()),
                    Some(found) if found.stack.is_some() && found.stack == new.stack => found,
                    // The oldest region answers its own buckets' owners so, for those who have relied on it since.
                    Some(found)
                        if new.stack.is_none() && found.region == Region::default() && new.region == found.region =>
                    {
                        return Ok(found);
                    }
                    Some(_) => return Err(Plain::BucketOwned.into()),
                };
                configure(&mut bucket);
                tx.set_record(row, &bucket)?;
                tx.set(keys::account_bucket(bucket.account, &bucket.name), bytes::Bytes::from_static(&[1]));
                Ok(bucket)
            })
            .await
    }

    /// HeadBucket.
    pub(crate) fn head_bucket(&self, bucket: &Bucket) -> Reply {
        Reply::ok()
            .header("x-amz-bucket-region", bucket.region.as_str())
            .header("x-amz-access-point-alias", "false")
            .header("content-type", "application/xml")
    }

    /// DeleteBucket.
    pub(crate) async fn delete_bucket(&self, name: &str) -> Result<()> {
        for _ in 0..LOOKS_MAX {
            let name = &name;
            let uploads = self
                .db
                .transact(async |tx| {
                    let bucket = self.bucket_in(&tx, name).await?;
                    for range in [keys::currents(name, ""), keys::olders(name, "")] {
                        if !tx.range(RangeReq::new(range, 1)).await?.is_empty() {
                            let error = cauce_core::ServiceError::from(S3Error::from(Plain::BucketNotEmpty));
                            return Err(S3Error::Service(error.with_field("BucketName", *name)));
                        }
                    }
                    let uploads = tx.range(RangeReq::new(keys::uploads(name, ""), ABORTS_AT_ONCE)).await?;
                    if uploads.is_empty() {
                        tx.clear(keys::bucket(name));
                        tx.clear(keys::account_bucket(bucket.account, name));
                    }
                    Ok(uploads)
                })
                .await?;
            if uploads.is_empty() {
                return Ok(());
            }
            // Uploads under way do not keep a bucket; they end with it.
            for (key, id) in uploads.iter().filter_map(|row| keys::upload_parts(&row.key)) {
                match self.abort(name, &key, id).await {
                    Ok(()) | Err(S3Error::Plain(Plain::NoSuchUpload)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Err(Plain::SlowDown.into())
    }

    /// ListBuckets.
    pub(crate) async fn list_buckets(&self, request: &Request) -> Result<Reply> {
        authorize_new(&*self.identity, &request.call, "s3:ListAllMyBuckets", "*").await?;
        let query = &request.query;
        let buckets_max = match query.get("max-buckets") {
            None => PAGE_BUCKETS_MAX,
            Some(text) => {
                let invalid = || {
                    S3Error::argument(
                        "Argument max-buckets must be an integer between 1 and 10000",
                        "max-buckets",
                        text,
                    )
                };
                text.parse().ok().filter(|n| (1..=PAGE_BUCKETS_MAX).contains(n)).ok_or_else(invalid)?
            }
        };
        let prefix = query.get("prefix").unwrap_or_default();
        let token = query.get("continuation-token").filter(|token| !token.is_empty());
        let mut range = RangeReq::new(keys::account_buckets(request.call.account, prefix), buckets_max + 1);
        if let Some(token) = token {
            let invalid =
                || S3Error::argument("The continuation token provided is incorrect", "continuation-token", token);
            let after = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
            let row = keys::account_bucket(request.call.account, &after.ok_or_else(invalid)?);
            range = if row >= range.start { range.after(&row) } else { range };
        }
        let mut names: Vec<String> = self
            .db
            .transact(async |tx| Ok::<_, S3Error>(tx.snapshot_range(range.clone()).await?))
            .await?
            .iter()
            .filter_map(|row| keys::account_bucket_name(&row.key))
            .collect();
        let more = names.len() > buckets_max;
        names.truncate(buckets_max);
        let gets = names.iter().map(|name| keys::bucket(name)).collect();
        let rows = self.db.read(ReadReq { gets, ranges: Vec::new() }).await?.gets;
        let mut writer = Writer::new("ListAllMyBucketsResult");
        let region = query.get("bucket-region");
        let mut buckets = Vec::new();
        for row in rows.iter().flatten() {
            let bucket: Bucket = decode_row(row)?;
            if region.is_none_or(|region| region == bucket.region.as_str()) {
                buckets.push(bucket);
            }
        }
        writer.around("Owner", "ID", owner_id(request.call.account));
        writer.within("Buckets", |w| {
            for bucket in &buckets {
                w.within("Bucket", |w| {
                    w.text("Name", &bucket.name).text("CreationDate", bucket.created.iso_millis());
                    w.text("BucketRegion", &bucket.region);
                });
            }
        });
        writer.maybe("Prefix", query.get("prefix"));
        writer.maybe("ContinuationToken", names.last().filter(|_| more).map(|name| URL_SAFE_NO_PAD.encode(name)));
        Ok(Reply::xml(writer.finish()))
    }

    /// GetBucketLocation.
    pub(crate) fn get_location(&self, bucket: &Bucket) -> Reply {
        // The one document of S3 whose root element is the value.
        let region = Some(bucket.region.as_str()).filter(|_| bucket.region != Region::default());
        Reply::xml(Writer::with_text("LocationConstraint", region.unwrap_or_default()))
    }
}

fn read_configuration(document: &Element) -> Result<(Option<String>, Vec<Tag>)> {
    // `Location` and `Bucket` make directory buckets.
    if document.child("Location")?.is_some() || document.child("Bucket")?.is_some() {
        return Err(Plain::NotImplemented.into());
    }
    document.only(&["LocationConstraint", "Tags"])?;
    let tags = match document.child("Tags")? {
        None => Vec::new(),
        Some(tags) => tags.children.iter().map(parse_tag).collect::<Result<Vec<_>>>()?,
    };
    check_tags(&tags, BUCKET_TAGS_MAX, "Bucket")?;
    check_no_system_tags(&tags)?;
    Ok((document.text_of("LocationConstraint")?.map(|text| text.trim().to_owned()), tags))
}

/// The region of a new bucket: that of the endpoint, or the constraint where the endpoint takes any.
fn chosen_region(endpoint: &Region, constraint: Option<&str>) -> Result<Region> {
    let constraint = match constraint {
        None | Some("") if *endpoint == Region::default() => return Ok(endpoint.clone()),
        None | Some("") => {
            let message = "The unspecified location constraint is incompatible for the region specific endpoint this request \
                           was sent to.";
            return Err(S3Error::IllegalLocationConstraint { message: message.to_owned() });
        }
        Some("EU") => "eu-west-1",
        Some(constraint) => constraint,
    };
    let region = Region::new(constraint).map_err(|_| Plain::InvalidLocationConstraint)?;
    // `us-east-1` is said by leaving it out.
    if region == Region::default() || !constraint.contains('-') {
        return Err(Plain::InvalidLocationConstraint.into());
    }
    if *endpoint != Region::default() && region != *endpoint {
        let message = format!(
            "The {region} location constraint is incompatible for the region specific endpoint this request was sent to."
        );
        return Err(S3Error::IllegalLocationConstraint { message });
    }
    Ok(region)
}

/// Refuses a request that expects another owner.
///
/// # Errors
/// `AccessDenied`.
pub(crate) fn check_owner(request: &Request, bucket: &Bucket, call: &Call) -> Result<()> {
    let expected = request.header("x-amz-expected-bucket-owner");
    if expected.is_some_and(|owner| owner != bucket.account.to_string()) {
        tracing::debug!(request = %call.request_id, "the bucket has another owner than expected");
        return Err(Plain::AccessDenied.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cauce_core::{Region, ServiceError};

    use super::{check_bucket_name, chosen_region};

    #[test]
    fn names_obey_the_rules() {
        for name in ["abc", "a-b.c", "123", &"a".repeat(63), "my.bucket-1"] {
            assert!(check_bucket_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            ".ab",
            "ab.",
            "a..b",
            "192.168.0.1",
            "xn--a",
            "sthree-a",
            "amzn-s3-demo-a",
            "a-s3alias",
            "a--ol-s3",
            "a.mrap",
            "a--x-s3",
            "a--table-s3",
            "a b",
            "ñañ",
            &"a".repeat(64),
        ] {
            assert!(check_bucket_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn regions_are_chosen_as_the_endpoint_allows() {
        let check = |endpoint: &str, constraint: Option<&str>, expect: Result<&str, &str>| {
            let got = chosen_region(&Region::new(endpoint).unwrap(), constraint);
            let got = got.map(|r| r.to_string()).map_err(|e| ServiceError::from(e).code().to_owned());
            assert_eq!(got.as_deref().map_err(String::as_str), expect, "{endpoint} {constraint:?}");
        };
        check("us-east-1", None, Ok("us-east-1"));
        check("us-east-1", Some("eu-west-1"), Ok("eu-west-1"));
        check("us-east-1", Some("EU"), Ok("eu-west-1"));
        check("us-east-1", Some("us-east-1"), Err("InvalidLocationConstraint"));
        check("us-east-1", Some("nowhere"), Err("InvalidLocationConstraint"));
        check("us-east-1", Some("No Where"), Err("InvalidLocationConstraint"));
        check("eu-west-1", Some("eu-west-1"), Ok("eu-west-1"));
        check("eu-west-1", None, Err("IllegalLocationConstraintException"));
        check("eu-west-1", Some("eu-west-2"), Err("IllegalLocationConstraintException"));
    }
}
