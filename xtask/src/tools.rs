//! What the tests need and a bare machine does not have: installed below `target/`, once for each list of versions.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::run::{is_there, program};

/// The folder of a Python environment with what `tests/conformance/requirements.txt` names; its `bin` has the programs.
pub(crate) fn python(root: &Path) -> Result<PathBuf> {
    let list = root.join("tests/conformance/requirements.txt");
    let venv = root.join("target/test-tools/python");
    let install = |venv: &Path| {
        if !is_there("python3", &["-c", "import venv, ensurepip"]) {
            bail!("the conformance tests need python3 with venv (Debian: apt-get install python3-venv)");
        }
        program(root, "python3", &["-m", "venv", "--clear", path(venv)?])?;
        let pip = venv.join("bin/pip");
        let args = ["install", "--quiet", "--disable-pip-version-check", "-r", path(&list)?];
        program(root, path(&pip)?, &args)
    };
    once(&list, &venv, install)?;
    Ok(venv)
}

/// Makes sure that the server of PostgreSQL is installed. The tests start one of their own; none needs to run.
pub(crate) fn postgres(root: &Path) -> Result<()> {
    let in_debian = || {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        versions.map(|version| version.path().join("bin/postgres")).any(|server| server.is_file())
    };
    if in_debian() || is_there("postgres", &["--version"]) {
        return Ok(());
    }
    // A new machine has no list of packages, or an old one.
    let installed = ["update --quiet", "install --yes --quiet --no-install-recommends postgresql"]
        .into_iter()
        .try_for_each(|args| program(root, "apt-get", &args.split(' ').collect::<Vec<_>>()));
    installed.context("the tests need PostgreSQL's server (Debian: apt-get install postgresql)")
}

/// The folder of the JavaScript clients' tests, with their packages installed.
pub(crate) fn javascript(root: &Path) -> Result<PathBuf> {
    let folder = root.join("tests/javascript");
    let (list, modules) = (folder.join("package-lock.json"), folder.join("node_modules"));
    let install = |_: &Path| {
        if !is_there("npm", &["--version"]) {
            bail!("the JavaScript tests need node 20 or later with npm (Debian: apt-get install nodejs npm)");
        }
        program(&folder, "npm", &["ci", "--silent", "--no-audit", "--no-fund"])
    };
    once(&list, &modules, install)?;
    Ok(folder)
}

/// Installs into `target` unless it was installed from this very list before.
fn once(list: &Path, target: &Path, install: impl Fn(&Path) -> Result<()>) -> Result<()> {
    let wanted = fs::read(list).with_context(|| format!("cannot read {}", list.display()))?;
    let stamp = target.join(".installed-from");
    if fs::read(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    install(target)?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}
