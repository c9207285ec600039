//! Everything that CI checks.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::run::{cargo, is_there, program, with_env};
use crate::{lint, tools};

const PARTS: [&str; 5] = ["lint", "unit", "conformance", "javascript", "systems"];

pub(crate) fn command(root: &Path, parts: &[&str]) -> Result<()> {
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        bail!("there is no part {unknown}; there are: {}", PARTS.join(" "));
    }
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    if wanted("lint") {
        lint::command(root)?;
    }
    if wanted("unit") {
        unit(root)?;
    }
    if wanted("conformance") || wanted("javascript") || wanted("systems") {
        cargo(root, &["build", "--package", "cauce"])?;
    }
    if wanted("conformance") {
        conformance(root)?;
    }
    if wanted("javascript") {
        let folder = tools::javascript(root)?;
        program(&folder, "node", &["--test"])?;
    }
    if wanted("systems") {
        systems(root)?;
    }
    println!("\nall that was asked for has passed");
    Ok(())
}

/// Unit, property, simulation and crash tests of every crate.
fn unit(root: &Path) -> Result<()> {
    if is_there("cargo", &["nextest", "--version"]) {
        cargo(root, &["nextest", "run", "--workspace", "--no-fail-fast"])?;
    } else {
        cargo(root, &["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"])?;
    }
    cargo(root, &["test", "--workspace", "--doc", "--quiet"])
}

/// The real program with real clients.
fn conformance(root: &Path) -> Result<()> {
    let venv = tools::python(root)?;
    tools::postgres(root)?;
    let python = venv.join("bin/python");
    let python = python.to_str().context("the folder's name is no text")?;
    let binary = root.join("target/debug/cauce");
    let variables = [("CAUCE_BINARY", binary.to_str().context("the folder's name is no text")?)];
    with_env(&root.join("tests/conformance"), python, &["-m", "pytest", "-q", "--no-header", "-x", "."], &variables)
}

/// The systems' own tests, and their demonstration from template to logs.
fn systems(root: &Path) -> Result<()> {
    cargo(&root.join("systems"), &["test", "--release", "--quiet"])?;
    program(root, "target/debug/cauce", &["demo", "--once"])
}
