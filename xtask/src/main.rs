//! The developers' commands: `cargo xtask test | lint | bench | demo`.

mod lint;
mod run;
mod test;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::run::{cargo, program};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [PART...]   everything that CI checks, or some parts: lint unit conformance javascript systems rust
  lint             formatting, clippy, and the house rules
  bench            what is measured, from release builds
  demo [ARG...]    cauce demo, built for release
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match command(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(args: &[String]) -> Result<()> {
    let root = root()?;
    let Some((command, rest)) = args.split_first() else { bail!("{USAGE}") };
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match command.as_str() {
        "test" => test::command(&root, &rest),
        "lint" => lint::command(&root),
        "bench" => bench(&root, &rest),
        "demo" => cargo(&root, &[&["run", "--release", "--package", "cauce", "--", "demo"], rest.as_slice()].concat()),
        other => bail!("unknown command {other}\n{USAGE}"),
    }
}

/// Builds the benchmarks and what they measure as they do it themselves: one set of features, so that nothing is built twice.
fn bench(root: &Path, rest: &[&str]) -> Result<()> {
    cargo(root, &["build", "--release", "--package=cauce", "--package=bench", "--bins"])?;
    program(root, "target/release/bench", rest)
}

/// The workspace's folder.
fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_owned).context("xtask lies in no folder")
}
