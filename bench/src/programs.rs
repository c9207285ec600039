//! The released programs that are measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Where they are.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The workspace's folder.
    pub(crate) root: PathBuf,
    /// The server.
    pub(crate) cauce: PathBuf,
    /// The function.
    pub(crate) function: PathBuf,
    /// This program.
    pub(crate) own: PathBuf,
    /// On the disk that holds the build; the system's temporary folder may be memory.
    pub(crate) scratch: PathBuf,
}

impl Programs {
    /// Builds them, next to this program.
    ///
    /// # Errors
    /// If cargo fails.
    pub(crate) fn build() -> Result<Programs> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the package lies in no folder")?.to_owned();
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        let folder = own.parent().context("this program lies in no folder")?.to_owned();
        let packages = ["build", "--release", "--package=cauce", "--package=bench", "--bins"];
        cargo(&root, &packages, Stdio::null())?;
        let scratch = folder.join("bench-data");
        std::fs::create_dir_all(&scratch)?;
        Ok(Programs { root, cauce: folder.join("cauce"), function: folder.join("bench-function"), own, scratch })
    }

    /// A folder for data, gone when dropped.
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir> {
        tempfile::tempdir_in(&self.scratch).context("cannot make a folder for data")
    }
}

/// Runs cargo in the workspace.
pub(crate) fn cargo(root: &Path, arguments: &[&str], output: Stdio) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    let status = command.args(arguments).current_dir(root).stdin(Stdio::null()).stdout(output).status();
    let status = status.context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo {}: {status}", arguments.join(" "));
    }
    Ok(())
}
