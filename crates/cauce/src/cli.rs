//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The event-driven serverless stack as one durable program.
#[derive(Debug, Parser)]
#[command(name = "cauce", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server: one port for all services
    Serve(Serve),
    /// Serve, build, deploy and drive the systems, and report
    Demo(Demo),
    /// Build and deploy a template
    Deploy(Deploy),
    /// Delete a stack and what it made
    Delete(Delete),
    /// Show what a function has logged
    Logs(Logs),
    /// Show what a request caused
    Trace(Trace),
    /// Show why an event reaches the targets of rules, or why it does not
    Explain(Explain),
    /// Print what SDKs and tools need in their environment
    Env(Client),
}

/// Where the server keeps its data and listens. Flags win over `CAUCE_*` variables, these over the file, this over the defaults.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Serve {
    /// The data folder [default: ./cauce-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The address to listen on [default: 127.0.0.1:4566]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// The configuration file [default: ./cauce.toml where there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The systems to run; all that are built so far without any
    pub(crate) systems: Vec<String>,
    /// End after the report, with status 1 if anything was not as it should be
    #[arg(long)]
    pub(crate) once: bool,
    /// The folder of the systems [default: ./systems, or that of the source tree this program was built from]
    #[arg(long, value_name = "DIR")]
    pub(crate) systems_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// How to reach a server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Client {
    /// The server
    #[arg(long, value_name = "URL", env = "CAUCE_ENDPOINT", default_value = "http://127.0.0.1:4566")]
    pub(crate) endpoint: String,
    /// The region
    #[arg(long, value_name = "REGION", env = "AWS_REGION", default_value = "us-east-1")]
    pub(crate) region: String,
    /// The access key id
    #[arg(long, value_name = "ID", env = "AWS_ACCESS_KEY_ID", default_value = "test", hide_env_values = true)]
    pub(crate) access_key_id: String,
    /// The secret access key
    #[arg(long, value_name = "SECRET", env = "AWS_SECRET_ACCESS_KEY", default_value = "test", hide_env_values = true)]
    pub(crate) secret_access_key: String,
    /// How the answer is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// The template, CloudFormation or SAM, YAML or JSON
    pub(crate) template: PathBuf,
    /// The stack's name
    #[arg(long, value_name = "NAME")]
    pub(crate) stack_name: String,
    /// Values of parameters
    #[arg(long, value_name = "KEY=VALUE", num_args = 1.., value_parser = key_value)]
    pub(crate) parameter_overrides: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The stack's name
    pub(crate) stack_name: String,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The function's name
    pub(crate) function: String,
    /// Go on as more is logged
    #[arg(short, long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// The request's id (x-amzn-RequestId) or a trace id (1-...)
    pub(crate) request_id: String,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The event in its envelope, a JSON file; `-` for standard input
    pub(crate) event: PathBuf,
    /// The event bus
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) bus: String,
    /// One rule only
    #[arg(long, value_name = "NAME")]
    pub(crate) rule: Option<String>,
    #[command(flatten)]
    pub(crate) client: Client,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text}: expected KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
