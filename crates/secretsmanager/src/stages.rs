//! Which version has which staging label: pure functions on the versions of one secret.
//!
//! AWS: *Secrets Manager User Guide*, "What's in a Secrets Manager secret?", and the API's *PutSecretValue* and
//! *UpdateSecretVersionStage*.

use std::collections::BTreeMap;
use std::time::Duration;

use cauce_core::Timestamp;

use crate::error::Error;
use crate::model::Version;

/// The most labels of a version. AWS: Secrets Manager quotas.
pub const STAGES_MAX: usize = 20;

/// How many versions are kept; beyond, the oldest without a label go once they are a day old. AWS: Secrets Manager quotas.
pub const VERSIONS_KEPT: usize = 100;

/// The most versions of a secret, however young they are, so that one row stays small.
pub const VERSIONS_MAX: usize = 1_000;

/// How long a version without a label is safe.
const VERSION_SAFE: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) const CURRENT: &str = "AWSCURRENT";
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";

/// The version that has this label.
pub(crate) fn holder<'a>(versions: &'a BTreeMap<String, Version>, stage: &str) -> Option<&'a str> {
    let found = versions.iter().find(|(_, version)| version.stages.iter().any(|s| s == stage));
    found.map(|(id, _)| id.as_str())
}

/// Takes a label away from whatever version has it.
pub(crate) fn detach(versions: &mut BTreeMap<String, Version>, stage: &str) {
    versions.values_mut().for_each(|version| version.stages.retain(|s| s != stage));
}

/// Moves a label to a version, which must be there; the version that loses `AWSCURRENT` becomes the previous one.
pub(crate) fn attach(versions: &mut BTreeMap<String, Version>, stage: &str, to: &str) -> Result<(), Error> {
    let before = holder(versions, stage).map(str::to_owned);
    if before.as_deref() == Some(to) {
        return Ok(());
    }
    detach(versions, stage);
    let version = versions.get_mut(to).ok_or(Error::NoVersion)?;
    if version.stages.len() >= STAGES_MAX {
        return Err(Error::Limit(format!("You can't attach more than {STAGES_MAX} staging labels to a version.")));
    }
    version.stages.push(stage.to_owned());
    match before {
        Some(before) if stage == CURRENT => attach(versions, PREVIOUS, &before),
        _ => Ok(()),
    }
}

/// Adds a version with these labels, and names the versions that had to go for it.
pub(crate) fn add(
    versions: &mut BTreeMap<String, Version>,
    id: &str,
    stages: &[String],
    now: Timestamp,
) -> Result<Vec<String>, Error> {
    let first = versions.is_empty();
    versions.insert(id.to_owned(), Version { created: now, stages: Vec::new() });
    if first && !stages.iter().any(|stage| stage == CURRENT) {
        attach(versions, CURRENT, id)?;
    }
    for stage in stages {
        attach(versions, stage, id)?;
    }
    let gone = outdated(versions, now);
    gone.iter().for_each(|id| drop(versions.remove(id)));
    if versions.len() > VERSIONS_MAX {
        return Err(Error::Limit(format!(
            "You can't have more than {VERSIONS_MAX} versions of a secret within a day."
        )));
    }
    Ok(gone)
}

fn outdated(versions: &BTreeMap<String, Version>, now: Timestamp) -> Vec<String> {
    let mut old: Vec<(&Timestamp, &String)> = versions
        .iter()
        .filter(|(_, version)| version.stages.is_empty() && now.since(version.created) > VERSION_SAFE)
        .map(|(id, version)| (&version.created, id))
        .collect();
    old.sort();
    let excess = versions.len().saturating_sub(VERSIONS_KEPT);
    old.into_iter().take(excess).map(|(_, id)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cauce_core::Timestamp;

    use super::{CURRENT, STAGES_MAX, VERSIONS_KEPT, VERSIONS_MAX, add, attach, holder};
    use crate::model::Version;

    type Versions = BTreeMap<String, Version>;

    fn put(versions: &mut Versions, id: &str, stages: &[&str], at_s: i64) -> Vec<String> {
        let stages: Vec<String> = stages.iter().map(|s| (*s).to_owned()).collect();
        add(versions, id, &stages, Timestamp::from_secs(at_s)).unwrap()
    }

    /// `v1: AWSPREVIOUS; v2: AWSCURRENT`
    fn shown(versions: &Versions) -> String {
        let one = |(id, version): (&String, &Version)| format!("{id}: {}", version.stages.join(" "));
        versions.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn current_leaves_previous_behind() {
        let mut versions = Versions::new();
        put(&mut versions, "v1", &[CURRENT], 0);
        put(&mut versions, "v2", &[CURRENT], 1);
        assert_eq!(shown(&versions), "v1: AWSPREVIOUS; v2: AWSCURRENT");
        put(&mut versions, "v3", &["AWSPENDING"], 2);
        assert_eq!(shown(&versions), "v1: AWSPREVIOUS; v2: AWSCURRENT; v3: AWSPENDING");
        attach(&mut versions, CURRENT, "v3").unwrap();
        assert_eq!(shown(&versions), "v1: ; v2: AWSPREVIOUS; v3: AWSPENDING AWSCURRENT");
        attach(&mut versions, CURRENT, "v3").unwrap();
        assert_eq!(shown(&versions), "v1: ; v2: AWSPREVIOUS; v3: AWSPENDING AWSCURRENT");
        assert_eq!(holder(&versions, CURRENT), Some("v3"));
    }

    #[test]
    fn the_first_version_is_current_whatever_it_is_called() {
        let mut versions = Versions::new();
        put(&mut versions, "v1", &["mine"], 0);
        assert_eq!(shown(&versions), "v1: AWSCURRENT mine");
    }

    #[test]
    fn labels_and_versions_are_bounded() {
        let mut versions = Versions::new();
        put(&mut versions, "v", &[CURRENT], 0);
        for n in 1..STAGES_MAX {
            attach(&mut versions, &format!("s{n}"), "v").unwrap();
        }
        assert!(attach(&mut versions, "one-more", "v").is_err());
        assert!(attach(&mut versions, "x", "nobody").is_err());
        let mut versions = Versions::new();
        for n in 0..VERSIONS_MAX {
            put(&mut versions, &format!("{n:04}"), &[CURRENT], 0);
        }
        assert!(add(&mut versions, "more", &[CURRENT.to_owned()], Timestamp::from_secs(60)).is_err());
        // A day later the old ones go, the oldest first, and never the previous one.
        let gone = put(&mut versions, "late", &[CURRENT], 25 * 60 * 60);
        assert_eq!(versions.len(), VERSIONS_KEPT);
        assert_eq!(gone.first().map(String::as_str), Some("0000"));
        assert!(versions.contains_key("late") && versions.contains_key("more"));
    }
}
