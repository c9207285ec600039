//! IAM and STS through their operations, without HTTP.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod roles;
