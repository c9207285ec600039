//! PartiQL: statements, made into the reads and writes of the other operations. A statement is parsed, bound to the table that it
//! names, and from there on it is a `Query`, a `Scan`, a write or a transaction like any other.
//!
//! `WHERE` that equals the whole key reads one item; one that equals partition keys queries them; any other scans.
//!
//! AWS: Developer Guide, *PartiQL - a SQL-compatible query language for Amazon DynamoDB*.

mod access;
mod batch;
mod condition;
mod key;
mod keyword;
mod parser;
mod plan;
mod refusal;
#[cfg(test)]
mod round_trip;
mod select;
mod statement;
mod syntax;
mod terms;
mod token;
mod transaction;
mod value;

pub use batch::BATCH_STATEMENTS_MAX;
pub use key::READS_MAX;
pub use parser::DEPTH_MAX;
pub use statement::STATEMENT_CHARS_MAX;
