//! CloudWatch metrics through their public Rust API: every operation as the JSON protocol calls it, without HTTP.

// Modules under `cfg(test)`, so that the lints know everything here for a test.
#[cfg(test)]
mod harness;
#[cfg(test)]
mod storage;
