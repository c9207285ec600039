//! A disk in memory that can lose power: at a chosen sync it stops, and of all sectors written since they were last synced a random
//! part is lost, each file for itself.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use cauce_core::{Entropy, SeededEntropy};
use parking_lot::Mutex;

use super::disk::{Disk, DiskFile};

const SECTOR: usize = 512;

/// What a sync does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syncs {
    /// What it promises.
    Honest,
    /// Nothing for files whose name begins so, but it says it did: the control run.
    Lying(&'static str),
}

#[derive(Clone)]
pub(super) struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

struct State {
    files: BTreeMap<String, Content>,
    entropy: SeededEntropy,
    syncs: Syncs,
    /// Syncs until the power goes.
    syncs_left: Option<u64>,
    dead: bool,
    /// Names given that are not durable yet: from, to.
    renamed: Vec<(String, String)>,
    /// For numbering the files.
    opened: u64,
}

#[derive(Default, Clone)]
struct Content {
    /// By which those who have it open find it, whatever its name.
    number: u64,
    /// Whether its syncs do what they promise.
    honest: bool,
    /// As the running program sees it.
    seen: Vec<u8>,
    /// As a power cut would leave it, if nothing unsynced survived.
    durable: Vec<u8>,
    /// Lengths that the file has had since its last sync: a file system changes the length in one step, or not at all.
    lengths: Vec<usize>,
    /// Sectors that differ.
    unsynced: std::collections::BTreeSet<usize>,
}

impl SimulatedDisk {
    pub(super) fn new(seed: u64, syncs: Syncs) -> Self {
        let state = State {
            files: BTreeMap::new(),
            entropy: SeededEntropy::new(seed),
            syncs,
            syncs_left: None,
            dead: false,
            renamed: Vec::new(),
            opened: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Cuts the power at the `n`th sync from now (0: the next one). That sync fails, as does all that follows.
    pub(super) fn cut_power_in(&self, syncs: u64) {
        self.state.lock().syncs_left = Some(syncs);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state.lock().dead
    }

    /// Cuts the power now, if it is not cut yet, and turns it on again.
    pub(super) fn restart(&self) {
        let state = &mut *self.state.lock();
        state.cut_power();
        state.dead = false;
        state.syncs_left = None;
    }

    /// Flips one bit of what is on the disk.
    pub(super) fn damage(&self, name: &str, byte: usize) {
        let mut state = self.state.lock();
        let content = state.files.get_mut(name).unwrap();
        content.seen[byte] ^= 1;
        content.durable[byte] ^= 1;
    }

    pub(super) fn bytes_of(&self, name: &str) -> Vec<u8> {
        self.state.lock().files.get(name).map(|content| content.seen.clone()).unwrap_or_default()
    }
}

impl State {
    fn rename(&mut self, from: &str, to: &str) {
        let content = self.files.remove(from).unwrap();
        self.files.insert(to.to_owned(), content);
    }

    fn cut_power(&mut self) {
        self.dead = true;
        // Of the names given since they were synced, the last ones may be lost.
        let kept = self.entropy.below(self.renamed.len() as u64 + 1) as usize;
        let lost = std::mem::take(&mut self.renamed).split_off(kept);
        for (from, to) in lost.into_iter().rev() {
            self.rename(&to, &from);
        }
        for content in self.files.values_mut() {
            let lengths = std::mem::take(&mut content.lengths);
            let survives = self.entropy.below(lengths.len() as u64 + 1) as usize;
            if let Some(length) = lengths.get(survives) {
                content.durable.resize(*length, 0);
            }
            // All, none, or some of the sectors have made it.
            let kept_of_4 = self.entropy.below(5);
            for sector in std::mem::take(&mut content.unsynced) {
                if self.entropy.below(4) < kept_of_4 {
                    copy_sector(&content.seen, &mut content.durable, sector);
                }
            }
            content.seen = content.durable.clone();
        }
    }
}

fn copy_sector(from: &[u8], to: &mut [u8], sector: usize) {
    let start = sector * SECTOR;
    let end = (start + SECTOR).min(from.len()).min(to.len());
    if start < end {
        to[start..end].copy_from_slice(&from[start..end]);
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.alive()?;
        state.opened += 1;
        let number = state.opened;
        let honest = !matches!(state.syncs, Syncs::Lying(prefix) if name.starts_with(prefix));
        state.files.entry(name.to_owned()).or_insert_with(|| Content { number, honest, ..Content::default() });
        let number = state.files.get(name).map_or(0, |content| content.number);
        Ok(Arc::new(SimulatedFile { state: Arc::clone(&self.state), number }))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        let state = self.state.lock();
        state.alive()?;
        Ok(state.files.contains_key(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.alive()?;
        state.renamed.push((from.to_owned(), to.to_owned()));
        state.rename(from, to);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.alive()?;
        if state.is_cut_now() {
            state.cut_power();
        } else {
            state.renamed.clear();
        }
        state.alive()
    }
}

struct SimulatedFile {
    state: Arc<Mutex<State>>,
    number: u64,
}

impl std::fmt::Debug for SimulatedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file {}", self.number)
    }
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn content(&mut self, number: u64) -> io::Result<&mut Content> {
        self.alive()?;
        let content = self.files.values_mut().find(|content| content.number == number);
        content.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Counts the syncs down to the one at which the power goes.
    fn is_cut_now(&mut self) -> bool {
        match &mut self.syncs_left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().content(self.number)?.seen.len() as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        let from = state.content(self.number)?.seen.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        let content = state.content(self.number)?;
        let (start, end) = (offset as usize, offset as usize + data.len());
        if end > content.seen.len() {
            content.seen.resize(end, 0);
            content.lengths.push(end);
        }
        content.seen[start..end].copy_from_slice(data);
        content.unsynced.extend(start / SECTOR..end.div_ceil(SECTOR));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        let content = state.content(self.number)?;
        let before = content.seen.len();
        content.seen.resize(len as usize, 0);
        content.lengths.push(len as usize);
        content.unsynced.extend(before.min(len as usize) / SECTOR..before.max(len as usize).div_ceil(SECTOR));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.alive()?;
        if state.is_cut_now() {
            state.cut_power();
            return state.alive();
        }
        let content = state.content(self.number)?;
        if content.honest {
            let len = content.seen.len();
            content.durable.resize(len, 0);
            content.lengths.clear();
            for sector in std::mem::take(&mut content.unsynced) {
                copy_sector(&content.seen, &mut content.durable, sector);
            }
        }
        Ok(())
    }
}
