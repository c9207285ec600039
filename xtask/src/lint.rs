//! Formatting, clippy, and the house rules that no other tool checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::run::cargo;

/// The longest source file, in lines.
const FILE_LINES_MAX: usize = 700;

/// The service crates: none may depend on another.
const SERVICES: [&str; 13] = [
    "apigateway",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "eventbridge",
    "iam",
    "lambda",
    "pipes",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
];

/// What only the named files may say: the clock and chance are seams, the environment is the program's business.
const FORBIDDEN: [(&str, &[&str]); 6] = [
    ("SystemTime::now", &["crates/core/src/clock.rs", "crates/store/src/time.rs"]),
    ("Instant::now", &["crates/cauce/", "crates/store/src/", "crates/wire/src/front/", "crates/lambda/src/sandbox/"]),
    ("Timestamp::now", &["crates/cauce/", "crates/client/"]),
    ("getrandom::", &["crates/core/src/entropy.rs"]),
    ("env::var", &["crates/cauce/src/"]),
    ("thread::sleep", &["crates/store/src/", "crates/lambda/src/sandbox/"]),
];

pub(crate) fn command(root: &Path) -> Result<()> {
    cargo(root, &["fmt", "--all", "--check"])?;
    cargo(root, &["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])?;
    let found = house_rules(root)?;
    if !found.is_empty() {
        bail!("house rules:\n  {}", found.join("\n  "));
    }
    println!("\nhouse rules hold");
    Ok(())
}

/// Every breach of the house rules, one a line.
fn house_rules(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    for path in sources(&root.join("crates"))? {
        let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
        found.extend(length(&shown, &text));
        found.extend(forbidden(&shown, &text));
        found.extend(numbered(&shown, &text, &mut kinds));
    }
    for service in SERVICES {
        let manifest = root.join("crates").join(service).join("Cargo.toml");
        if let Ok(text) = fs::read_to_string(manifest) {
            found.extend(arrows(service, &text));
        }
    }
    Ok(found)
}

fn length(shown: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > FILE_LINES_MAX && !is_test(shown))
        .then(|| format!("{shown}: {lines} lines, at most {FILE_LINES_MAX}: split it by nouns"))
}

fn is_test(shown: &str) -> bool {
    shown.contains("/tests/")
        || shown.contains("/benches/")
        || shown.contains("/examples/")
        || shown.ends_with("tests.rs")
}

/// What a file says that it may not. Tests may say anything; a file's tests stand at its end.
fn forbidden(shown: &str, text: &str) -> Vec<String> {
    if is_test(shown) {
        return Vec::new();
    }
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let says = |what: &str| code.iter().any(|line| line.contains(what));
    FORBIDDEN
        .iter()
        .filter(|(what, allowed)| says(what) && !allowed.iter().any(|place| shown.starts_with(place)))
        .map(|(what, _)| format!("{shown}: {what} is behind a seam"))
        .collect()
}

/// Key kinds are numbered for ever: each number once in the whole program.
fn numbered(shown: &str, text: &str, kinds: &mut BTreeMap<String, String>) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let mut found = Vec::new();
    if is_test(shown) {
        return found;
    }
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let Some((_, after)) = line.split_once("Kind::new(0x") else { continue };
        let number: String = after.chars().take_while(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase();
        if let Some(other) = kinds.insert(number.clone(), shown.to_owned()) {
            found.push(format!("{shown}: key kind 0x{number} is taken by {other}"));
        }
    }
    found
}

/// No service crate depends on another.
fn arrows(service: &str, manifest: &str) -> Vec<String> {
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or(manifest);
    let depends = |other: &&&str| dependencies.lines().any(|line| line.starts_with(&format!("cauce-{other}")));
    SERVICES
        .iter()
        .filter(|other| **other != service)
        .filter(depends)
        .map(|other| {
            format!("crates/{service}/Cargo.toml: a service crate depends on {other}; ask through a trait in core")
        })
        .collect()
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut open, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{arrows, forbidden, length, numbered};

    #[test]
    fn breaches_are_found() {
        assert_eq!(forbidden("crates/iam/src/x.rs", "let t = SystemTime::now();").len(), 1);
        assert!(forbidden("crates/iam/src/x.rs", "// SystemTime::now\n#[cfg(test)]\nSystemTime::now()").is_empty());
        assert!(forbidden("crates/core/src/clock.rs", "SystemTime::now()").is_empty());
        assert!(length("crates/iam/src/x.rs", &"x\n".repeat(701)).is_some());
        assert_eq!(arrows("iam", "[dependencies]\ncauce-lambda.workspace = true").len(), 1);
        let mut kinds = BTreeMap::new();
        assert!(numbered("a", "Kind::new(0x0101)", &mut kinds).is_empty());
        assert_eq!(numbered("b", "Kind::new(0x0101)", &mut kinds).len(), 1);
    }
}
