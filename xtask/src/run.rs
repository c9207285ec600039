//! Running other programs, with what they print shown as it comes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// Runs a program; its failure is ours.
pub(crate) fn program(folder: &Path, name: &str, args: &[&str]) -> Result<()> {
    with_env(folder, name, args, &[])
}

/// Runs a program with additional environment variables.
pub(crate) fn with_env(folder: &Path, name: &str, args: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let shown = format!("{name} {}", args.join(" "));
    println!("\n$ {shown}");
    let began = Instant::now();
    let mut command = Command::new(name);
    command.args(args).current_dir(folder).stdin(Stdio::null()).envs(variables.iter().copied());
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    println!("  ({:.0} s)", began.elapsed().as_secs_f64());
    Ok(())
}

/// Runs cargo.
pub(crate) fn cargo(folder: &Path, args: &[&str]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    program(folder, &cargo, args)
}

/// Whether a program is there and answers.
pub(crate) fn is_there(name: &str, args: &[&str]) -> bool {
    let mut command = Command::new(name);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
