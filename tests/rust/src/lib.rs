//! The real program for a test: started on a free port and a folder of its own, stopped at the end.

use std::fs::{self, File};
use std::io::{Error, Result};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_credential_types::Credentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// How long the program may take to serve.
const START_MAX: Duration = Duration::from_secs(30);

/// The first port that may be taken: below the range from which clients draw theirs.
const PORT_MIN: u32 = 20_000;

/// How many ports there are to take.
const PORTS: u32 = 12_768;

/// A running server.
pub struct Server {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    /// Starts `CAUCE_BINARY`, and waits until it serves.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or does not serve in time.
    pub fn start() -> Result<Server> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let binary = std::env::var("CAUCE_BINARY").map_err(|_| Error::other("the variable CAUCE_BINARY is not set"))?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("cauce-rust-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let port = free_port(number)?;
        let log = File::create(folder.join("server.log"))?;
        let child = Command::new(binary)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(folder.join("data"))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut server = Server { child, folder, port };
        server.wait()?;
        Ok(server)
    }

    fn wait(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            let log = fs::read_to_string(self.folder.join("server.log"))?;
            if log.contains("serving on ") {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || started.elapsed() > START_MAX {
                return Err(Error::other(format!("the server does not serve: {log}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What every client is made with; it repeats nothing.
    #[must_use]
    pub fn config(&self) -> ConfigLoader {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(format!("http://127.0.0.1:{}", self.port))
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::disabled())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What fails here fails on the way out: there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port that nobody listens on. Each server begins to look at a place of its own, for those that start at once.
fn free_port(server: u32) -> Result<u16> {
    let first = std::process::id().wrapping_mul(31).wrapping_add(server * 1_009);
    (0..PORTS)
        .filter_map(|next| u16::try_from(PORT_MIN + first.wrapping_add(next) % PORTS).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| Error::other("no free port"))
}
