//! Stacks.

mod change;
pub mod limits;
pub mod sam;
pub mod template;
