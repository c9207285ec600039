//! The server as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use cauce_client::{Client, KeyPair};
use http::Method;

use crate::connection::{Connection, Prepared};

/// Below the ports that the system gives to clients.
const PORTS: std::ops::Range<u16> = 21_000..32_000;

/// A running server; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    /// When the process was started.
    pub(crate) began: Instant,
}

impl Server {
    /// Starts it on `data` and waits until it says that it serves.
    ///
    /// # Errors
    /// If it ends instead.
    pub(crate) fn start(program: &Path, data: &Path) -> Result<Server> {
        let address = free_address()?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--data").arg(data).arg("--listen").arg(address.to_string());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CAUCE_") {
                command.env_remove(name);
            }
        }
        // Its configuration file, if there is one, is not ours.
        command.current_dir(data.parent().unwrap_or(data)).stdin(Stdio::null()).stdout(Stdio::piped());
        let keys = KeyPair { access_key_id: "test".to_owned(), secret_access_key: "test".to_owned() };
        let client = Client::new(&format!("http://{address}"), "us-east-1", keys)?;
        let began = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let server = Server { child, address, client, began };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if !line.starts_with("serving") {
            bail!("the server did not start: {line}");
        }
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection to it.
    ///
    /// # Errors
    /// If it does not listen.
    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::open(self.address)
    }

    /// The cheapest signed request: who am I?
    ///
    /// # Errors
    /// Never with these arguments.
    pub(crate) fn no_operation(&self) -> Result<Prepared> {
        let body = Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15");
        let headers = vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        Prepared::new(self.client.signed("sts", Method::POST, "/", headers, body)?)
    }

    /// A signed request to a JSON service, good for the five minutes that a signature is.
    ///
    /// # Errors
    /// If the target is no header.
    pub(crate) fn json(&self, service: &str, target: &str, input: &serde_json::Value) -> Result<Prepared> {
        let headers =
            vec![("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amz-target", target.to_owned())];
        Prepared::new(self.client.signed(service, Method::POST, "/", headers, serde_json::to_vec(input)?.into())?)
    }

    /// A signed synchronous invocation.
    ///
    /// # Errors
    /// If the name is no path.
    pub(crate) fn invocation(&self, function: &str) -> Result<Prepared> {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        Prepared::new(self.client.signed("lambda", Method::POST, &path, Vec::new(), Bytes::from_static(b"{}"))?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed and not asked: what it has acknowledged is on disk, and the next start has something to recover.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    let first = u16::try_from(std::process::id() % u32::from(PORTS.end - PORTS.start)).unwrap_or(0);
    let ports = (PORTS.start + first..PORTS.end).chain(PORTS);
    let mut addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    addresses.find(|address| TcpListener::bind(address).is_ok()).context("no port is free")
}

/// Copies a data folder, so that every start recovers the same state.
///
/// # Errors
/// If a file cannot be read or written.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut open: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = open.pop() {
        std::fs::create_dir_all(&to)?;
        for entry in std::fs::read_dir(&from)? {
            let entry = entry?;
            let to = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push((entry.path(), to));
            } else {
                std::fs::copy(entry.path(), to)?;
            }
        }
    }
    Ok(())
}
