//! CloudWatch Logs through its public Rust API: every operation as the JSON protocol calls it, without HTTP.

// Modules under `cfg(test)`, so that the lints know everything here for a test.
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod filter;
#[cfg(test)]
mod get;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod put;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod removal;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod tags;
