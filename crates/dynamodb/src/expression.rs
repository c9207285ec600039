//! Expressions: conditions, filters, key conditions, projections and updates.
//!
//! An expression is parsed as it is written, checked for what is wrong whatever its placeholders stand for, and compiled with
//! them into a tree that needs neither text nor placeholders any more: the legacy parameters can be compiled into the same trees.
//! Errors are those of AWS, in its order: syntax, then reserved words and functions in the order of the text, then placeholders,
//! operands and their types.
//!
//! AWS: Developer Guide, *Using expressions in DynamoDB*.

mod check;
mod condition;
mod error;
mod key_condition;
mod legacy;
mod parser;
mod path;
mod path_tree;
mod placeholders;
mod projection;
mod reserved;
mod syntax;
mod token;
mod update;

pub use condition::{Condition, IN_OPERANDS_MAX, Operand, parse_condition};
pub use error::{ExpressionError, ExpressionKind, KeyReason, PlaceholderMap, Reason};
pub use key_condition::{Key, KeyCondition, KeyTest, parse_key_condition};
pub use legacy::{
    ConditionalOperator, LegacyAction, LegacyCondition, LegacyConditions, LegacyOperator, LegacyReason, LegacyUpdate,
    legacy_conditions, legacy_key_conditions, legacy_projection, legacy_updates, refuse_mixed,
};
pub use parser::{DEPTH_MAX, EXPRESSION_BYTES_MAX, OPERATORS_MAX};
pub use path::{PATH_STEPS_MAX, Path, Step};
pub use placeholders::{PLACEHOLDER_BYTES_MAX, PLACEHOLDERS_BYTES_MAX, Placeholders};
pub use projection::{Projection, parse_projection};
pub use token::Comparator;
pub use update::{Change, Operand as UpdateOperand, Update, Updated, at_paths, parse_update};
