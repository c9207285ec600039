//! `cauce demo`: serve, build, deploy, drive, report.

mod api;
mod atm;
mod orders;
mod products;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::cli;
use crate::config::Config;
use crate::deploy::{Deployment, deploy};
use crate::progress::Progress;
use crate::server::Server;
use cauce_client::Client;

/// The systems that are built so far.
const SYSTEMS: [&str; 3] = ["atm", "orders", "products"];

/// The command.
pub(crate) async fn command(args: &cli::Demo) -> Result<()> {
    let wanted: Vec<&str> = match args.systems.as_slice() {
        [] => SYSTEMS.to_vec(),
        named => named.iter().map(String::as_str).collect(),
    };
    if let Some(unknown) = wanted.iter().find(|name| !SYSTEMS.contains(name)) {
        bail!("there is no system {unknown}; there are: {}", SYSTEMS.join(", "));
    }
    let folder = systems_folder(args.systems_dir.as_deref())?;
    // Without --data a demonstration leaves nothing behind.
    let scratch = tempfile::tempdir().context("cannot make a folder for the data")?;
    let variable = |name: &str| std::env::var(name).ok();
    let mut config = Config::gather(&args.serve, variable)?;
    if args.serve.data.is_none() && variable("CAUCE_DATA").is_none() {
        config.data = scratch.path().to_owned();
    }
    let server = match Server::start(&config).await {
        // The default address may be taken by a server that runs already; a demonstration needs no particular one.
        Err(error) if args.serve.listen.is_none() && crate::server::is_address_in_use(&error) => {
            config.listen.set_port(0);
            Server::start(&config).await?
        }
        other => other?,
    };
    println!("serving on {}", server.endpoint());
    let client = Client::new(&server.endpoint(), config.region.as_str(), config.root.clone())?;
    let mut wrong = 0;
    for system in wanted {
        wrong += run(system, &folder, &config.account.to_string(), &client)
            .await
            .with_context(|| format!("system {system}"))?;
    }
    if args.once {
        server.stop().await?;
        if wrong > 0 {
            bail!("{wrong} things were not as they should be");
        }
        return Ok(());
    }
    println!("\nthe server goes on at {}; stop it with ctrl-c", server.endpoint());
    server.wait().await
}

/// Deploys and drives one system; returns how many things were not as they should be.
async fn run(system: &str, folder: &Path, account: &str, client: &Client) -> Result<usize> {
    println!("\n{system}");
    let template = folder.join(system).join("template.yaml");
    let parameters = match system {
        "orders" => orders::parameters(account, client.region()),
        _ => Vec::new(),
    };
    let deployment = Deployment { template: &template, stack_name: system, parameters: &parameters };
    let outputs = deploy(client, &deployment, &Progress::to_stderr()).await?;
    match system {
        "atm" => atm::drive(client, &outputs).await,
        "orders" => orders::drive(client, &outputs).await,
        "products" => products::drive(client, &outputs).await,
        other => bail!("nothing drives {other}"),
    }
}

fn systems_folder(named: Option<&Path>) -> Result<PathBuf> {
    let of_source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../systems");
    let candidates = match named {
        Some(named) => vec![named.to_owned()],
        None => vec![PathBuf::from("systems"), PathBuf::from(of_source)],
    };
    let found = candidates.iter().find(|folder| folder.join("Cargo.toml").is_file());
    let shown: Vec<String> = candidates.iter().map(|folder| folder.display().to_string()).collect();
    found
        .cloned()
        .with_context(|| format!("the systems are not in {}; name their folder with --systems-dir", shown.join(" or ")))
}
