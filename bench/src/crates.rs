//! The benchmarks that lie in the crates they measure.

use std::process::Stdio;

use anyhow::Result;

use crate::programs::{Programs, cargo};

/// Package and benchmark.
const BENCHMARKS: [(&str, &str); 4] = [
    ("cauce-store", "commit"),
    ("cauce-event-pattern", "matching"),
    ("cauce-wire", "echo"),
    ("cauce-lambda", "invoke"),
];

/// Runs them one after the other; each prints its own tables.
///
/// # Errors
/// If one of them fails.
pub(crate) fn measure(programs: &Programs) -> Result<()> {
    // The functions and the launcher that Lambda's benchmark starts; `cargo bench` does not build them.
    cargo(&programs.root, &["build", "--release", "--package", "cauce-lambda", "--examples"], Stdio::null())?;
    for (package, benchmark) in BENCHMARKS {
        println!("\n{package}: {benchmark}");
        cargo(&programs.root, &["bench", "--package", package, "--bench", benchmark], Stdio::inherit())?;
    }
    Ok(())
}
