//! Hears from the functions which events they have logged, so that nobody polls while time is taken.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// How long an event may take before the measurement is given up.
const EVENT_MAX: Duration = Duration::from_secs(30);

/// The listening end.
#[derive(Debug)]
pub(crate) struct Notifier {
    pub(crate) address: SocketAddr,
    numbers: Receiver<u64>,
}

impl Notifier {
    /// Listens on a free port.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn start() -> Result<Notifier> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (heard, numbers) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let heard: Sender<u64> = heard.clone();
                std::thread::spawn(move || {
                    let (mut stream, mut number) = (stream, [0; 8]);
                    while stream.read_exact(&mut number).is_ok() && heard.send(u64::from_le_bytes(number)).is_ok() {}
                });
            }
        });
        Ok(Notifier { address, numbers })
    }

    /// Waits until a function has logged this event; others that are heard of meanwhile are forgotten.
    ///
    /// # Errors
    /// If that takes longer than half a minute.
    pub(crate) fn wait_for(&self, number: u64) -> Result<()> {
        while self.next()? != number {}
        Ok(())
    }

    /// Waits for the next event that is logged.
    ///
    /// # Errors
    /// If that takes longer than half a minute.
    pub(crate) fn next(&self) -> Result<u64> {
        let silent = || format!("no function has logged an event for {} s", EVENT_MAX.as_secs());
        self.numbers.recv_timeout(EVENT_MAX).with_context(silent)
    }
}
