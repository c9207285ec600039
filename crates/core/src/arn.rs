//! Amazon Resource Names and the parts they are made of.
//!
//! AWS: *IAM User Guide*, "Identify AWS resources with Amazon Resource Names (ARNs)".

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest ARN accepted, in bytes; AWS documents 2,048 for the widest field that carries one.
const ARN_BYTES_MAX: usize = 2_048;

/// A twelve-digit account id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account(u64);

impl Account {
    /// The account a fresh installation owns.
    pub const DEFAULT: Account = Account(0);

    /// The account with this number; `None` above twelve digits.
    pub const fn new(number: u64) -> Option<Account> {
        if number <= 999_999_999_999 { Some(Account(number)) } else { None }
    }

    /// The account as a number, for keys.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Account {
    type Err = ArnError;

    fn from_str(s: &str) -> Result<Account, ArnError> {
        if s.len() == 12 && s.bytes().all(|b| b.is_ascii_digit()) {
            s.parse().map(Account).map_err(|_| ArnError::Account)
        } else {
            Err(ArnError::Account)
        }
    }
}

/// A region name such as `us-east-1`: lower-case letters, digits and hyphens, at most 32 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Arc<str>);

impl Region {
    /// The region by this name.
    ///
    /// # Errors
    /// [`ArnError::Region`] if the name is empty, longer than 32 bytes, or has another character.
    pub fn new(name: &str) -> Result<Region, ArnError> {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(good) {
            return Err(ArnError::Region);
        }
        Ok(Region(name.into()))
    }

    /// The name, as in an ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Region {
    /// `us-east-1`.
    fn default() -> Self {
        Region("us-east-1".into())
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The only partition Cauce speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition;

impl Partition {
    /// `aws`.
    pub const NAME: &'static str = "aws";
    /// The suffix of this partition's host names.
    pub const URL_SUFFIX: &'static str = "amazonaws.com";
}

/// `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`, kept as one string with the places of its parts.
///
/// Region and account may be empty (`arn:aws:s3:::bucket`), and the account may be a word (`arn:aws:iam::aws:policy/X`), so
/// both are strings here; [`Arn::account`] reads the number where there is one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arn {
    text: Arc<str>,
    /// Byte offsets of the five colons that end partition .. account.
    colons: [u16; 5],
}

/// Why a text is no ARN, account or region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// Not six parts separated by colons, or a part that must not be empty is.
    #[error("not an ARN: expected arn:partition:service:region:account:resource")]
    Shape,
    /// Longer than 2,048 bytes.
    #[error("an ARN is at most 2048 bytes long")]
    TooLong,
    /// Not twelve digits.
    #[error("an account id is twelve digits")]
    Account,
    /// Not a region name.
    #[error("a region is 1 to 32 lower-case letters, digits and hyphens")]
    Region,
}

impl Arn {
    /// The ARN of `resource` (for example `function:name`) of `service` in an account and region.
    pub fn new(service: &str, region: &Region, account: Account, resource: &str) -> Arn {
        Arn::from_parts(Partition::NAME, service, region.as_str(), &account.to_string(), resource)
    }

    /// The ARN of a resource of a service that has no regions (IAM, STS).
    pub fn global(service: &str, account: Account, resource: &str) -> Arn {
        Arn::from_parts(Partition::NAME, service, "", &account.to_string(), resource)
    }

    /// The ARN of an S3 bucket or object, which names neither region nor account.
    pub fn s3(resource: &str) -> Arn {
        Arn::from_parts(Partition::NAME, "s3", "", "", resource)
    }

    fn from_parts(partition: &str, service: &str, region: &str, account: &str, resource: &str) -> Arn {
        let text = format!("arn:{partition}:{service}:{region}:{account}:{resource}");
        let mut colons = [0_u16; 5];
        for (slot, (at, _)) in colons.iter_mut().zip(text.match_indices(':')) {
            *slot = u16::try_from(at).unwrap_or(u16::MAX);
        }
        Arn { text: text.into(), colons }
    }

    fn part(&self, from: usize, to: usize) -> &str {
        let start = self.colons.get(from).map_or(0, |&c| usize::from(c) + 1);
        let end = self.colons.get(to).map_or(self.text.len(), |&c| usize::from(c));
        self.text.get(start..end).unwrap_or("")
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The partition, `aws`.
    pub fn partition(&self) -> &str {
        self.part(0, 1)
    }

    /// The service, for example `lambda`.
    pub fn service(&self) -> &str {
        self.part(1, 2)
    }

    /// The region, empty for services that have none.
    pub fn region(&self) -> &str {
        self.part(2, 3)
    }

    /// The account as written, empty for S3, `aws` for managed policies.
    pub fn account_str(&self) -> &str {
        self.part(3, 4)
    }

    /// The account, where the ARN names one by number.
    pub fn account(&self) -> Option<Account> {
        self.account_str().parse().ok()
    }

    /// Everything after the fifth colon, colons included: `function:name:alias`, `rule/bus/name`.
    pub fn resource(&self) -> &str {
        self.part(4, 5)
    }
}

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(s: &str) -> Result<Arn, ArnError> {
        if s.len() > ARN_BYTES_MAX {
            return Err(ArnError::TooLong);
        }
        let mut parts = s.splitn(6, ':');
        let mut next = || parts.next().ok_or(ArnError::Shape);
        if next()? != "arn" {
            return Err(ArnError::Shape);
        }
        let (partition, service) = (next()?, next()?);
        let (region, account) = (next()?, next()?);
        let resource = next()?;
        if partition.is_empty() || service.is_empty() || resource.is_empty() {
            return Err(ArnError::Shape);
        }
        Ok(Arn::from_parts(partition, service, region, account, resource))
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

impl FromStr for Region {
    type Err = ArnError;

    fn from_str(s: &str) -> Result<Region, ArnError> {
        Region::new(s)
    }
}

serde_as_text!(Arn);
serde_as_text!(Account);
serde_as_text!(Region);

#[cfg(test)]
mod tests {
    use super::{Account, Arn, ArnError, Region};

    #[test]
    fn parts_come_back() {
        let check = |text: &str, service: &str, region: &str, account: &str, resource: &str| {
            let arn: Arn = text.parse().unwrap();
            let parts = (arn.service(), arn.region(), arn.account_str(), arn.resource());
            assert_eq!(parts, (service, region, account, resource));
            assert_eq!(arn.to_string(), text);
        };
        check(
            "arn:aws:lambda:us-east-1:000000000000:function:f:1",
            "lambda",
            "us-east-1",
            "000000000000",
            "function:f:1",
        );
        check("arn:aws:s3:::bucket/a:b", "s3", "", "", "bucket/a:b");
        check("arn:aws:iam::aws:policy/X", "iam", "", "aws", "policy/X");
    }

    #[test]
    fn what_is_no_arn_is_refused() {
        for text in
            ["", "arn", "arn:aws:sqs", "arn:aws::us-east-1:1:x", "urn:aws:sqs:r:1:x", "arn:aws:sqs:us-east-1:1:"]
        {
            assert_eq!(text.parse::<Arn>(), Err(ArnError::Shape), "{text}");
        }
        assert_eq!(format!("arn:aws:s3:::{}", "x".repeat(3000)).parse::<Arn>(), Err(ArnError::TooLong));
        assert!("12345678901".parse::<Account>().is_err());
        assert!(Region::new("US_EAST").is_err());
    }
}
