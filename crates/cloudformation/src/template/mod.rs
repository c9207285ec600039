//! Templates: from text to resolved properties. Everything here is pure.

mod cidr;
mod condition;
mod declaration;
mod document;
mod error;
mod function;
pub mod graph;
mod parameter;
mod reference;
mod substitution;
#[cfg(test)]
mod tests;

pub use condition::{check_rules, conditions};
pub use declaration::{
    DeletionPolicy, LANGUAGE_EXTENSIONS, OutputDeclaration, ResourceDeclaration, Template, transforms,
};
pub use document::{Aliases, parse};
pub use error::TemplateError;
pub use function::{Evaluator, KNOWN_AFTER_APPLY, NoResources, PSEUDO_PARAMETERS, Pseudo, World};
pub use parameter::{
    GivenParameter, ParameterDeclaration, ParameterKind, bind, declarations, reference_value, scalar_text,
};
pub use reference::{Reference, visit};
