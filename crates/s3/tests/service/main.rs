//! S3 through its public Rust API, over a store in memory and a folder of its own.

#[cfg(test)]
mod buckets;
#[cfg(test)]
mod door;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod multipart;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod versions;
