//! Stacks.

mod change;
pub mod limits;
pub mod template;
