//! What the disk allows: append a record, wait until it is on disk.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::samples::Samples;

/// A record about as large as the log's entry of one event.
const RECORD: [u8; 2_048] = [0x5a; 2_048];

/// A file of the size of the store's log, written before, so that appending need not grow it.
#[derive(Debug)]
pub(crate) struct Disk(File);

impl Disk {
    /// Makes the file in `folder`.
    ///
    /// # Errors
    /// If the disk is full, say.
    pub(crate) fn new(folder: &Path) -> Result<Disk> {
        let mut file = File::create(folder.join("bare-log"))?;
        file.write_all(&vec![0; 16 * 1024 * 1024])?;
        file.sync_all()?;
        std::io::Seek::rewind(&mut file)?;
        Ok(Disk(file))
    }

    /// Appends and syncs so many times, one after the other.
    ///
    /// # Errors
    /// If the disk fails.
    pub(crate) fn sync(&mut self, times: usize) -> Result<Samples> {
        let mut samples = Samples::default();
        std::io::Seek::rewind(&mut self.0)?;
        for _ in 0..times {
            samples.time(|| self.0.write_all(&RECORD).and_then(|()| self.0.sync_data()))?;
        }
        Ok(samples)
    }

    /// As [`Disk::sync`], with a pause before each.
    ///
    /// # Errors
    /// If the disk fails.
    pub(crate) fn sync_paced(&mut self, times: usize, pause: Duration) -> Result<Samples> {
        let mut samples = Samples::default();
        for _ in 0..times {
            std::thread::sleep(pause);
            samples.extend(self.sync(1)?);
        }
        Ok(samples)
    }

    /// Appends and syncs for so long; how often a second.
    ///
    /// # Errors
    /// If the disk fails.
    pub(crate) fn syncs_a_second(&mut self, span: Duration) -> Result<f64> {
        let (began, mut times) = (std::time::Instant::now(), 0_u32);
        while began.elapsed() < span {
            times += u32::try_from(self.sync(16)?.len())?;
        }
        Ok(f64::from(times) / began.elapsed().as_secs_f64())
    }
}
