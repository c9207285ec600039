//! The function's program without anything in between: a call over a Unix socket.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long the process may take until it listens.
const START_MAX: Duration = Duration::from_secs(5);

/// A function behind a socket.
#[derive(Debug)]
pub(crate) struct BareFunction {
    child: Child,
    stream: UnixStream,
    answer: Vec<u8>,
}

impl BareFunction {
    /// Starts it and connects.
    ///
    /// # Errors
    /// If it does not listen.
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<BareFunction> {
        let path = folder.join("function.sock");
        let mut command = Command::new(program);
        let mut child = command.arg(&path).env("_HANDLER", "empty").stdin(Stdio::null()).spawn()?;
        let began = Instant::now();
        loop {
            if let Ok(stream) = UnixStream::connect(&path) {
                return Ok(BareFunction { child, stream, answer: Vec::new() });
            }
            if began.elapsed() > START_MAX {
                let _ = child.kill();
                let _ = child.wait();
                bail!("the function does not listen at {}", path.display());
            }
            std::thread::yield_now();
        }
    }

    /// One call.
    ///
    /// # Errors
    /// If the function is gone.
    pub(crate) fn call(&mut self, event: &[u8]) -> Result<&[u8]> {
        let mut framed = u32::try_from(event.len())?.to_le_bytes().to_vec();
        framed.extend_from_slice(event);
        self.stream.write_all(&framed)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).context("the function is gone")?;
        self.answer.resize(u32::from_le_bytes(length) as usize, 0);
        self.stream.read_exact(&mut self.answer)?;
        Ok(&self.answer)
    }
}

impl Drop for BareFunction {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
