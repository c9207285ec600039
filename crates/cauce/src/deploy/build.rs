//! From a template's folders to function packages.
//!
//! A function with `Metadata: {BuildMethod: rust-cargolambda}` is built with cargo: the binary that `BuildProperties.Binary`
//! names (the package's only one without it) becomes `bootstrap`. Any other function's folder is packed as it is.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use zip::write::SimpleFileOptions;

use crate::progress::Progress;

/// The most files in a packed folder.
const FILES_MAX: usize = 10_000;

/// The largest package before compression, in bytes: Lambda's own limit.
const PACKAGE_BYTES_MAX: u64 = 250 * 1024 * 1024;

/// Where a package comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A binary that cargo builds in a folder.
    Cargo { folder: PathBuf, binary: Option<String> },
    /// A folder as it is.
    Folder(PathBuf),
    /// A zip archive as it is.
    Archive(PathBuf),
}

/// A package and the (resource, property) pairs that name it.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) origin: Origin,
    pub(super) used_by: Vec<(String, String)>,
}

/// The packages of a template, each once however many functions use it.
pub(super) fn packages(template: &Value, folder: &Path) -> Result<Vec<Package>> {
    let mut found: BTreeMap<Origin, Vec<(String, String)>> = BTreeMap::new();
    let shared = template.pointer("/Globals/Function/CodeUri").and_then(Value::as_str);
    let resources = template.get("Resources").and_then(Value::as_object);
    for (name, resource) in resources.into_iter().flatten() {
        let (property, shared) = match resource.get("Type").and_then(Value::as_str) {
            Some("AWS::Serverless::Function") => ("CodeUri", shared),
            Some("AWS::Lambda::Function") => ("Code", None),
            _ => continue,
        };
        let own = resource.pointer(&format!("/Properties/{property}"));
        let Some(place) = own.map_or(shared, Value::as_str).filter(|place| !place.starts_with("s3://")) else {
            continue;
        };
        let origin =
            origin(&folder.join(place), resource.get("Metadata")).with_context(|| format!("function {name}"))?;
        found.entry(origin).or_default().push((name.clone(), property.to_owned()));
    }
    Ok(found.into_iter().map(|(origin, used_by)| Package { origin, used_by }).collect())
}

fn origin(place: &Path, metadata: Option<&Value>) -> Result<Origin> {
    let text = |pointer: &str| metadata.and_then(|m| m.pointer(pointer)).and_then(Value::as_str);
    match text("/BuildMethod") {
        Some("rust-cargolambda") => {
            Ok(Origin::Cargo { folder: place.to_owned(), binary: text("/BuildProperties/Binary").map(str::to_owned) })
        }
        Some(other) => bail!("BuildMethod {other} is not supported; rust-cargolambda is"),
        None if place.is_dir() => Ok(Origin::Folder(place.to_owned())),
        None if place.is_file() => Ok(Origin::Archive(place.to_owned())),
        None => bail!("{} does not exist", place.display()),
    }
}

/// Makes a package's archive.
pub(super) async fn archive(package: &Package, progress: &Progress) -> Result<Vec<u8>> {
    match &package.origin {
        Origin::Cargo { folder, binary } => {
            let program = cargo(folder, binary.as_deref(), progress).await?;
            let bytes = std::fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
            pack([("bootstrap".to_owned(), bytes, true)])
        }
        Origin::Folder(folder) => pack(files(folder)?),
        Origin::Archive(path) => std::fs::read(path).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Builds a binary and says where it is.
async fn cargo(folder: &Path, binary: Option<&str>, progress: &Progress) -> Result<PathBuf> {
    let shown = binary.unwrap_or("the function");
    let step = progress.begin(&format!("building {shown}"));
    let mut command = tokio::process::Command::new("cargo");
    command.args(["build", "--release", "--message-format=json-render-diagnostics"]).current_dir(folder);
    if let Some(binary) = binary {
        command.args(["--bin", binary]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("cannot run cargo")?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else { bail!("cargo has no output") };
    let diagnostics = async {
        let (mut lines, mut kept) = (BufReader::new(stderr).lines(), Vec::new());
        while let Some(line) = lines.next_line().await? {
            step.say(line.trim());
            kept.push(line);
        }
        anyhow::Ok(kept)
    };
    let artifacts = async {
        let (mut lines, mut found) = (BufReader::new(stdout).lines(), None);
        while let Some(line) = lines.next_line().await? {
            let message: Value = serde_json::from_str(&line).unwrap_or_default();
            let is_binary = message.pointer("/target/kind/0").and_then(Value::as_str) == Some("bin");
            let named = binary.is_none() || message.pointer("/target/name").and_then(Value::as_str) == binary;
            if is_binary
                && named
                && let Some(program) = message.get("executable").and_then(Value::as_str)
            {
                found = Some(PathBuf::from(program));
            }
        }
        anyhow::Ok(found)
    };
    let (diagnostics, program) = tokio::try_join!(diagnostics, artifacts)?;
    let status = child.wait().await?;
    if !status.success() {
        bail!("cargo could not build {shown} in {}:\n{}", folder.display(), diagnostics.join("\n"));
    }
    step.end(&format!("built {shown}"));
    program.with_context(|| format!("cargo built no binary {shown} in {}", folder.display()))
}

/// Every file below a folder, by its path in the archive.
fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>, bool)>> {
    use std::os::unix::fs::PermissionsExt as _;
    let (mut open, mut found, mut total) = (vec![folder.to_owned()], Vec::new(), 0);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                open.push(path);
                continue;
            }
            let metadata = std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
            total += metadata.len();
            if found.len() >= FILES_MAX || total > PACKAGE_BYTES_MAX {
                bail!("{}: a package has at most {FILES_MAX} files and {PACKAGE_BYTES_MAX} bytes", folder.display());
            }
            let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
            found.push((name, std::fs::read(&path)?, metadata.permissions().mode() & 0o111 != 0));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Packs files. The same files give the same bytes, so that nothing unchanged is uploaded or deployed again.
fn pack(files: impl IntoIterator<Item = (String, Vec<u8>, bool)>) -> Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes, executable) in files {
        let mode = if executable { 0o755 } else { 0o644 };
        let options = SimpleFileOptions::default().unix_permissions(mode).last_modified_time(zip::DateTime::default());
        archive.start_file(name, options)?;
        archive.write_all(&bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::{Origin, pack, packages};

    #[test]
    fn functions_that_share_a_binary_share_a_package() {
        let function = |binary: &str| json!({"Type": "AWS::Serverless::Function", "Metadata": {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": binary}}});
        let template = json!({
            "Globals": {"Function": {"CodeUri": "."}},
            "Resources": {"A": function("x"), "B": function("y"), "C": function("x"),
                "D": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://b/k"}},
                "E": {"Type": "AWS::SQS::Queue"}},
        });
        let packages = packages(&template, Path::new("/t")).unwrap();
        let users: Vec<usize> = packages.iter().map(|package| package.used_by.len()).collect();
        assert_eq!(users, [2, 1]);
        assert!(
            matches!(&packages[0].origin, Origin::Cargo { folder, binary } if folder == Path::new("/t/.") && binary.as_deref() == Some("x"))
        );
    }

    #[test]
    fn what_cannot_be_built_is_refused() {
        let template =
            json!({"Resources": {"A": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "nowhere"}}}});
        let error = format!("{:#}", packages(&template, Path::new("/t")).unwrap_err());
        assert_eq!(error, "function A: /t/nowhere does not exist");
        let template = json!({"Resources": {"A": {"Type": "AWS::Serverless::Function", "Metadata": {"BuildMethod": "go1.x"}, "Properties": {"CodeUri": "."}}}});
        assert!(
            format!("{:#}", packages(&template, Path::new("/t")).unwrap_err())
                .contains("BuildMethod go1.x is not supported")
        );
    }

    #[test]
    fn the_same_files_give_the_same_package() {
        let files = || [("bootstrap".to_owned(), vec![1, 2, 3], true)];
        assert_eq!(pack(files()).unwrap(), pack(files()).unwrap());
    }
}
