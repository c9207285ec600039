//! The only source of chance.

use std::cell::RefCell;

use parking_lot::Mutex;

/// Draws random bytes; everything that needs chance takes it from here, so that a failing simulation repeats from its seed.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);

    /// A random 64-bit number.
    fn u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number below `bound` (0 if `bound` is 0), with a bias below 2^-32 for bounds below 2^32.
    fn below(&self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.u64()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// A random (version 4) UUID in its usual text form.
    fn uuid(&self) -> String {
        let mut b = [0; 16];
        self.fill(&mut b);
        let n = u128::from_be_bytes(b);
        let n = (n & !(0xF << 76)) | (0x4 << 76);
        let n = (n & !(0x3 << 62)) | (0x2 << 62);
        let hex = format!("{n:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("");
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }

    /// `len` characters drawn from `alphabet` (ASCII).
    fn text(&self, alphabet: &[u8], len: usize) -> String {
        let bound = u64::try_from(alphabet.len()).unwrap_or(0);
        let draw = || usize::try_from(self.below(bound)).ok().and_then(|i| alphabet.get(i));
        (0..len).filter_map(|_| draw()).map(|&b| char::from(b)).collect()
    }
}

/// The operating system's random source, read in pieces of [`POOL_BYTES`] for each thread: every request draws several small
/// ids, and a system call for each of them costs more than the rest of making one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

/// How many bytes a thread reads ahead.
const POOL_BYTES: usize = 1_024;

/// Bytes read ahead; those from `next` on are unused.
struct Pool {
    bytes: [u8; POOL_BYTES],
    next: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], next: POOL_BYTES }) };
}

fn fill_from_system(bytes: &mut [u8]) {
    if let Err(cause) = getrandom::fill(bytes) {
        // Without randomness no credential or id is safe; there is nothing to go on with.
        eprintln!("cauce: the system's random source failed: {cause}");
        std::process::abort();
    }
}

impl Pool {
    fn take(&mut self, wanted: &mut [u8]) {
        if self.bytes.len() - self.next < wanted.len() {
            fill_from_system(&mut self.bytes);
            self.next = 0;
        }
        for (to, from) in wanted.iter_mut().zip(self.bytes.iter_mut().skip(self.next)) {
            // What was handed out is not kept.
            *to = std::mem::take(from);
        }
        self.next += wanted.len();
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > POOL_BYTES / 8 {
            return fill_from_system(bytes);
        }
        POOL.with_borrow_mut(|pool| pool.take(bytes));
    }
}

/// A repeatable sequence (SplitMix64) for tests and simulations. Not for secrets.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> SeededEntropy {
        SeededEntropy(Mutex::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock();
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            for (to, from) in chunk.iter_mut().zip(z.to_le_bytes()) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Entropy, SeededEntropy, SystemEntropy};

    #[test]
    fn the_system_never_repeats_itself() {
        let drawn: BTreeSet<u128> =
            (0..10_000).map(|_| (u128::from(SystemEntropy.u64()) << 64) | u128::from(SystemEntropy.u64())).collect();
        assert_eq!(drawn.len(), 10_000);
        let mut long = [0; 300];
        SystemEntropy.fill(&mut long);
        assert!(long.iter().filter(|&&b| b == 0).count() < 50);
    }

    #[test]
    fn a_seed_repeats_and_a_uuid_is_version_4() {
        let (a, b) = (SeededEntropy::new(7), SeededEntropy::new(7));
        assert_eq!(a.u64(), b.u64());
        let uuid = a.uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&uuid.as_bytes()[19]));
        assert!((0..1000).all(|_| a.below(10) < 10));
        assert_eq!(a.text(b"ab", 40).len(), 40);
    }
}
