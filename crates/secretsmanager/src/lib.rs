//! Secrets Manager: secrets and their versions.
