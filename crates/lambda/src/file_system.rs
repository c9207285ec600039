//! Network file systems of functions: folders that outlive sandboxes and are shared by all who mount them.
//!
//! AWS: Lambda API, *FileSystemConfig*; Lambda Developer Guide, *Configuring file system access*. There is no EFS here: an access
//! point is a folder of this service, made when a function first mounts it, and never removed by the server.

use std::path::{Path, PathBuf};

use cauce_core::{Account, Arn, Region, Violations};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How many file systems a function may mount. AWS: 1.
const CONFIGS_MAX: usize = 1;

/// The longest mount path, in characters. AWS: Lambda API.
const MOUNT_CHARS_MAX: usize = 160;

/// Where file systems are mounted.
pub(crate) const MOUNTS: &str = "/mnt";

const ARN_PATTERN: &str = r"arn:aws[a-zA-Z-]*:(?:elasticfilesystem:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\d{1}:\d{12}:access-point/fsap-[a-f0-9]{17}|s3files:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\d{1}:\d{12}:file-system/fs-[0-9a-f]{17,40}/access-point/fsap-[0-9a-f]{17,40})";

const MOUNT_PATTERN: &str = r"/mnt/[a-zA-Z0-9-_.]+";

/// A file system as a function has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct FileSystemConfig {
    /// The access point.
    pub(crate) arn: String,
    /// Where the function finds it: `/mnt/NAME`.
    pub(crate) local_mount_path: String,
}

/// A file system as a sandbox mounts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    account: Account,
    region: Region,
    access_point: String,
    name: String,
}

impl FileSystemConfig {
    /// What the sandbox has to mount.
    pub(crate) fn mount(&self) -> Option<Mount> {
        let arn: Arn = self.arn.parse().ok()?;
        if arn.service() != "elasticfilesystem" {
            return None;
        }
        let (account, region) = (arn.account()?, arn.region().parse().ok()?);
        let access_point = arn.resource().strip_prefix("access-point/").filter(|id| is_access_point(id))?.to_owned();
        let name = self.local_mount_path.strip_prefix("/mnt/").filter(|name| is_mount_name(name))?.to_owned();
        Some(Mount { account, region, access_point, name })
    }
}

impl Mount {
    /// The folder behind it.
    pub(crate) fn folder(&self, file_systems: &Path) -> PathBuf {
        file_systems.join(self.account.to_string()).join(self.region.as_str()).join(&self.access_point)
    }

    /// What it is called below [`MOUNTS`].
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Reports what violates the model's constraints.
pub(crate) fn validate(v: &mut Violations, configs: &[FileSystemConfig]) {
    v.count("FileSystemConfigs", configs.len(), 0, CONFIGS_MAX);
    for (n, config) in configs.iter().enumerate() {
        let member = |name: &str| format!("FileSystemConfigs.{}.member.{name}", n + 1);
        let must = |pattern: &str| format!("Member must satisfy regular expression pattern: {pattern}");
        if config.arn.parse::<Arn>().is_err() {
            v.other(&member("arn"), Some(&config.arn), &must(ARN_PATTERN));
        }
        v.length(&member("localMountPath"), &config.local_mount_path, 0, MOUNT_CHARS_MAX);
        if !config.local_mount_path.strip_prefix("/mnt/").is_some_and(is_mount_name) {
            v.other(&member("localMountPath"), Some(&config.local_mount_path), &must(MOUNT_PATTERN));
        }
    }
}

/// Refuses what no pattern expresses: an access point of another place, and a function outside any VPC.
///
/// # Errors
/// [`Error::InvalidParameter`].
pub(crate) fn check(configs: &[FileSystemConfig], role: &Arn, in_vpc: bool) -> Result<(), Error> {
    let invalid = |message: String| Err(Error::InvalidParameter(message));
    for config in configs {
        let Some(mount) = config.mount() else {
            return invalid(format!(
                "{} is no EFS access point, and this server has no other file systems",
                config.arn
            ));
        };
        if role.account() != Some(mount.account) {
            return invalid(format!("{} belongs to another account", config.arn));
        }
        if !in_vpc {
            return invalid(format!(
                "Function must be configured to execute in a VPC to reference access point {}.",
                config.arn
            ));
        }
    }
    Ok(())
}

fn is_access_point(id: &str) -> bool {
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    id.strip_prefix("fsap-").is_some_and(|id| id.len() == 17 && id.bytes().all(hex))
}

/// As the pattern has it, but no way out of the folder.
fn is_mount_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !matches!(name, "" | "." | "..") && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cauce_core::{Arn, Violations};

    use super::{FileSystemConfig, check, validate};

    const POINT: &str = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0";

    fn verdict(arn: &str, path: &str, in_vpc: bool) -> Result<(), String> {
        let configs = [FileSystemConfig { arn: arn.to_owned(), local_mount_path: path.to_owned() }];
        let mut v = Violations::new();
        validate(&mut v, &configs);
        if let Some(message) = v.message() {
            return Err(message);
        }
        let role: Arn = "arn:aws:iam::000000000000:role/r".parse().unwrap();
        check(&configs, &role, in_vpc).map_err(|error| error.to_string())
    }

    #[test]
    fn an_access_point_is_a_folder() {
        let config = FileSystemConfig { arn: POINT.to_owned(), local_mount_path: "/mnt/data".to_owned() };
        let mount = config.mount().unwrap();
        assert_eq!(mount.name(), "data");
        assert_eq!(mount.folder(Path::new("/d")), Path::new("/d/000000000000/us-east-1/fsap-0123456789abcdef0"));
        assert_eq!(verdict(POINT, "/mnt/data", true), Ok(()));
    }

    #[test]
    fn what_cannot_be_mounted_is_refused() {
        let refused = |arn: &str, path: &str, in_vpc: bool, why: &str| {
            let message = verdict(arn, path, in_vpc).unwrap_err();
            assert!(message.contains(why), "{message}");
        };
        refused(POINT, "/mnt/data", false, "must be configured to execute in a VPC");
        for path in ["/data", "/mnt/", "/mnt/a/b", "/mnt/..", "/mnt/.", "mnt/data"] {
            refused(POINT, path, true, "regular expression pattern: /mnt/");
        }
        refused("nonsense", "/mnt/data", true, "regular expression pattern: arn:");
        let point = |from: &str, to: &str| POINT.replace(from, to);
        refused(&point("fsap-0", "fsap-Z"), "/mnt/data", true, "is no EFS access point");
        refused(&point("fsap-0123456789abcdef0", ".."), "/mnt/data", true, "is no EFS access point");
        refused(&point("elasticfilesystem", "s3"), "/mnt/data", true, "is no EFS access point");
        refused(&point("000000000000", "123456789012"), "/mnt/data", true, "belongs to another account");
        refused(POINT, &format!("/mnt/{}", "a".repeat(160)), true, "length less than or equal to 160");
    }
}
