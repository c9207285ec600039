//! Everything that CI checks.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::run::{cargo, is_there, program, with_env};
use crate::{lint, tools};

const PARTS: [&str; 6] = ["lint", "unit", "conformance", "javascript", "systems", "rust"];

/// The package of the tests with the SDKs for Rust.
const CLIENTS: &str = "clients";

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
    if ["conformance", "javascript", "systems", "rust"].into_iter().any(wanted) {
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
    if wanted("rust") {
        rust(root)?;
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
    let arguments = ["-m", "pytest", "-q", "--no-header", "-x", "."];
    with_binary(&root.join("tests/conformance"), root, python, &arguments)
}

/// Runs a program in a folder, and tells it where the program to be tested is.
fn with_binary(folder: &Path, root: &Path, program: &str, arguments: &[&str]) -> Result<()> {
    let binary = root.join("target/debug/cauce");
    let variables = [("CAUCE_BINARY", binary.to_str().context("the folder's name is no text")?)];
    with_env(folder, program, arguments, &variables)
}

/// The systems' own tests, and their demonstration from template to logs.
fn systems(root: &Path) -> Result<()> {
    let arguments = ["test", "--release", "--quiet", "--workspace", "--exclude", CLIENTS];
    cargo(&root.join("systems"), &arguments)?;
    program(root, "target/debug/cauce", &["demo", "--once"])
}

/// The real program with the SDKs for Rust. `--workspace`, for the features that the systems have built the SDKs with.
fn rust(root: &Path) -> Result<()> {
    let arguments = ["test", "--release", "--quiet", "--workspace", "--test", "dynamodb"];
    with_binary(&root.join("systems"), root, "cargo", &arguments)
}
