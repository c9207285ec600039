//! The program: command line, configuration, and the wiring of everything else. The only crate that knows all.

mod admin;
mod cli;
mod config;
mod demo;
mod deploy;
mod explain;
mod exposition;
mod logs;
mod measured;
mod outbound;
mod progress;
mod references;
mod server;
mod services;
mod stack_events;
mod trace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::progress::Progress;
use crate::server::Server;
use cauce_client::{Client, KeyPair};

fn main() -> ExitCode {
    // A function's sandbox begins as this very program.
    if let Some(code) = cauce_lambda::launch(std::env::args().skip(1)) {
        return code;
    }
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("CAUCE_LOG").unwrap_or_else(|_| EnvFilter::new("warn,cauce=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cauce: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cauce: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Serve(args) => {
            let config = Config::gather(&args, |name| std::env::var(name).ok())?;
            let server = Server::start(&config).await?;
            println!("serving on {} (data in {})", server.endpoint(), config.data.display());
            server.wait().await
        }
        Command::Demo(args) => demo::command(&args).await,
        Command::Deploy(args) => deploy::command(&args).await,
        Command::Delete(args) => {
            let client = client_of(&args.client)?;
            deploy::delete(&client, &args.stack_name, &Progress::to_stderr()).await
        }
        Command::Logs(args) => logs::command(&args).await,
        Command::Trace(args) => trace::command(&args).await,
        Command::Explain(args) => explain::command(&args).await,
        Command::Env(args) => {
            print_env(&args);
            Ok(())
        }
    }
}

/// The client that the flags describe.
fn client_of(args: &cli::Client) -> Result<Client> {
    let keys = KeyPair { access_key_id: args.access_key_id.clone(), secret_access_key: args.secret_access_key.clone() };
    Client::new(&args.endpoint, &args.region, keys)
}

fn print_env(args: &cli::Client) {
    let variables = [
        ("AWS_ENDPOINT_URL", &args.endpoint),
        ("AWS_REGION", &args.region),
        ("AWS_DEFAULT_REGION", &args.region),
        ("AWS_ACCESS_KEY_ID", &args.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &args.secret_access_key),
    ];
    match args.output {
        cli::Output::Json => {
            let map: serde_json::Map<String, serde_json::Value> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone().into())).collect();
            println!("{}", serde_json::Value::Object(map));
        }
        cli::Output::Text => {
            for (name, value) in variables {
                // In single quotes nothing is special to a shell but the quote itself.
                println!("export {name}='{}'", value.replace('\'', r"'\''"));
            }
        }
    }
}
