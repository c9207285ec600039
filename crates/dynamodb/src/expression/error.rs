//! Why an expression is refused, in AWS's words. Everything here is a `ValidationException`.

use std::fmt;

use super::legacy::LegacyReason;
use super::path::Path;
use crate::number::NumberError;
use crate::value::{AttributeValue, GivenError, ValueError, ValueType};

/// The parameter that an expression is given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpressionKind {
    /// `ConditionExpression`.
    Condition,
    /// `FilterExpression`.
    Filter,
    /// `KeyConditionExpression`.
    KeyCondition,
    /// `ProjectionExpression`.
    Projection,
    /// `UpdateExpression`.
    Update,
}

impl ExpressionKind {
    /// The name of the parameter.
    pub fn name(self) -> &'static str {
        match self {
            ExpressionKind::Condition => "ConditionExpression",
            ExpressionKind::Filter => "FilterExpression",
            ExpressionKind::KeyCondition => "KeyConditionExpression",
            ExpressionKind::Projection => "ProjectionExpression",
            ExpressionKind::Update => "UpdateExpression",
        }
    }
}

impl fmt::Display for ExpressionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The map of a request that placeholders are given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceholderMap {
    /// `ExpressionAttributeNames`.
    Names,
    /// `ExpressionAttributeValues`.
    Values,
}

impl fmt::Display for PlaceholderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlaceholderMap::Names => "ExpressionAttributeNames",
            PlaceholderMap::Values => "ExpressionAttributeValues",
        })
    }
}

/// Why an expression, or what it makes of an item, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// The expression itself is wrong.
    #[error("Invalid {kind}: {reason}")]
    Invalid {
        /// Which expression.
        kind: ExpressionKind,
        /// What is wrong with it.
        reason: Reason,
    },
    /// A map of placeholders without any.
    #[error("{0} must not be empty")]
    NoPlaceholders(PlaceholderMap),
    /// Names in a request without expressions.
    #[error("ExpressionAttributeNames can only be specified when using expressions")]
    NamesWithoutExpressions,
    /// Values in a request without the expressions that could use them, which are named.
    #[error(
        "ExpressionAttributeValues can only be specified when using expressions: {} {} null",
        .0.join(" and "),
        if .0.len() == 1 { "is" } else { "are" }
    )]
    ValuesWithoutExpressions(Vec<&'static str>),
    /// A placeholder that is none.
    #[error("{map} contains invalid key: Syntax error; key: \"{key}\"")]
    PlaceholderSyntax {
        /// Where it stands.
        map: PlaceholderMap,
        /// The placeholder.
        key: String,
    },
    /// A placeholder longer than `PLACEHOLDER_BYTES_MAX`.
    #[error(
        "{map} contains invalid key: The expression attribute map contains a key that is too long; size of key: {bytes}"
    )]
    PlaceholderLength {
        /// Where it stands.
        map: PlaceholderMap,
        /// Its length in bytes.
        bytes: usize,
    },
    /// More than `PLACEHOLDERS_BYTES_MAX` of names or values.
    #[error("{0} exceeds max size")]
    PlaceholdersSize(PlaceholderMap),
    /// A placeholder for no name.
    #[error("ExpressionAttributeNames contains invalid value: Empty attribute name for key {0}")]
    EmptyName(String),
    /// A placeholder for a value that AWS refuses.
    #[error("ExpressionAttributeValues contains invalid value: {error} for key {key}")]
    InvalidValue {
        /// The placeholder.
        key: String,
        /// What is wrong with the value.
        error: ValueError,
    },
    /// Placeholders that no expression uses.
    #[error("Value provided in {map} unused in expressions: keys: {{{}}}", .keys.join(", "))]
    Unused {
        /// Where they stand.
        map: PlaceholderMap,
        /// The placeholders.
        keys: Vec<String>,
    },
    /// Something other than conditions on keys in a `KeyConditionExpression`.
    #[error(transparent)]
    Key(#[from] KeyReason),
    /// A parameter of the time before expressions is wrong.
    #[error(transparent)]
    Legacy(#[from] LegacyReason),
    /// A value of such a parameter is refused.
    #[error(transparent)]
    Value(#[from] GivenError),
    /// An operand is a path to nothing.
    #[error("The provided expression refers to an attribute that does not exist in the item")]
    MissingAttribute,
    /// What an attribute holds does not suit the operation.
    #[error("An operand in the update expression has an incorrect data type")]
    OperandType,
    /// A path into what is no map or list.
    #[error("The document path provided in the update expression is invalid for update")]
    Path,
    /// A sum that is no number of DynamoDB's.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The updated item nests too deep.
    #[error(transparent)]
    Nesting(ValueError),
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No text.
    #[error("The expression can not be empty;")]
    Empty,
    /// Longer than `EXPRESSION_BYTES_MAX`.
    #[error("Expression size has exceeded the maximum allowed size; expression size: {0}")]
    Size(usize),
    /// More than `OPERATORS_MAX`.
    #[error("The expression contains too many operators; operator count: {0}")]
    Operators(usize),
    /// Deeper than `DEPTH_MAX`.
    #[error("The expression nests too deep; maximum nesting: {0}")]
    Depth(usize),
    /// No expression.
    #[error("Syntax error; token: \"{token}\", near: \"{near}\"")]
    Syntax {
        /// What cannot stand where it stands.
        token: String,
        /// From the token before to the one after.
        near: String,
    },
    /// `((x))`.
    #[error("The expression has redundant parentheses;")]
    RedundantParentheses,
    /// A name that needs a placeholder.
    #[error("Attribute name is a reserved keyword; reserved keyword: {0}")]
    Reserved(String),
    /// An index beyond `i32::MAX`.
    #[error("List index is not within the allowable range; index: [{0}]")]
    ListIndex(String),
    /// A path of more than 32 steps.
    #[error("The document path has too many nesting levels; nesting levels: {0}")]
    PathLevels(usize),
    /// A function that does not exist.
    #[error("Invalid function name; function: {0}")]
    UnknownFunction(String),
    /// A function of conditions in an update.
    #[error("The function is not allowed in an update expression; function: {0}")]
    NotInUpdates(String),
    /// A function of updates in a condition.
    #[error("The function is not allowed in a condition expression; function: {0}")]
    NotInConditions(String),
    /// A function that is no operand, or none that is a condition.
    #[error("The function is not allowed to be used this way in an expression; function: {0}")]
    MisusedFunction(String),
    /// Too many operands or too few.
    #[error(
        "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {count}"
    )]
    OperandCount {
        /// The function.
        name: String,
        /// How many it was given.
        count: usize,
    },
    /// More than `IN_OPERANDS_MAX`.
    #[error("The IN operator is provided with too many operands; number of operands: {0}")]
    InOperands(usize),
    /// Something else where a path must stand.
    #[error("Operator or function requires a document path; operator or function: {0}")]
    NeedsPath(&'static str),
    /// A value of a type that the operator does not take.
    #[error("Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}")]
    OperandType {
        /// The operator or function.
        operator: &'static str,
        /// The type's name.
        kind: &'static str,
    },
    /// A value that cannot be added or deleted.
    #[error("Incorrect operand type for operator or function; operator: {section}, operand type: {}, typeSet: ALLOWED_FOR_{section}_OPERAND", .kind.long_name())]
    SectionOperandType {
        /// `ADD` or `DELETE`.
        section: &'static str,
        /// The value's type.
        kind: ValueType,
    },
    /// `attribute_type` with a type that does not exist.
    #[error("Invalid attribute type name found; type: {0}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}")]
    TypeName(String),
    /// A path compared with itself.
    #[error(
        "The first operand must be distinct from the remaining operands for this operator or function; operator: {operator}, first operand: {path}"
    )]
    SameOperand {
        /// The operator or function.
        operator: &'static str,
        /// The operand.
        path: Path,
    },
    /// `BETWEEN` a text and a number.
    #[error("The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: {}, upper bound operand: {}", Bound(.0), Bound(.1))]
    BoundTypes(Box<AttributeValue>, Box<AttributeValue>),
    /// `BETWEEN` 2 and 1.
    #[error("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: {}, upper bound operand: {}", Bound(.0), Bound(.1))]
    BoundOrder(Box<AttributeValue>, Box<AttributeValue>),
    /// `#name` without a name.
    #[error("An expression attribute name used in the document path is not defined; attribute name: {0}")]
    UndefinedName(String),
    /// `:value` without a value.
    #[error("An expression attribute value used in expression is not defined; attribute value: {0}")]
    UndefinedValue(String),
    /// A section twice.
    #[error("The \"{0}\" section can only be used once in an update expression;")]
    RepeatedSection(&'static str),
    /// A path twice, or one within another.
    #[error(
        "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {0}, path two: {1}"
    )]
    Overlap(Path, Path),
    /// One attribute as a map and as a list.
    #[error(
        "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: {0}, path two: {1}"
    )]
    Conflict(Path, Path),
}

/// Why a condition is none on the keys of a table or index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyReason {
    /// Not one of `=`, `<`, `<=`, `>`, `>=`, `BETWEEN`, `begins_with`, `AND`.
    #[error("Invalid operator used in KeyConditionExpression: {0}")]
    Operator(&'static str),
    /// A function as an operand.
    #[error("KeyConditionExpressions cannot contain nested operations")]
    NestedOperation,
    /// A key compared with an attribute.
    #[error("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")]
    SeveralNames,
    /// A path into a key.
    #[error("KeyConditionExpressions cannot have conditions on nested attributes")]
    NestedAttribute,
    /// A value compared with a value.
    #[error("Invalid condition in KeyConditionExpression: No key attribute specified")]
    NoName,
    /// A value where the key must stand.
    #[error(
        "Invalid condition in KeyConditionExpression: {0} operator must have the key attribute as its first operand"
    )]
    FirstOperand(&'static str),
    /// Two conditions on one key.
    #[error("KeyConditionExpressions must only contain one condition per key")]
    Twice,
    /// No condition on a key that needs one.
    #[error("Query condition missed key schema element: {0}")]
    Missed(String),
    /// Anything but equality of the partition key, or a condition on what is no key.
    #[error("Query key condition not supported")]
    Unsupported,
    /// A value of another type than the key's.
    #[error("One or more parameter values were invalid: Condition parameter type does not match schema type")]
    Type,
    /// An empty value, which no key has.
    #[error(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {key}"
    )]
    Empty {
        /// `string` or `binary`.
        kind: &'static str,
        /// The key attribute.
        key: String,
    },
}

/// A bound of `BETWEEN` as AWS prints it.
struct Bound<'a>(&'a AttributeValue);

impl fmt::Display for Bound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            AttributeValue::S(text) => write!(f, "AttributeValue: {{S:{text}}}"),
            AttributeValue::N(number) => write!(f, "AttributeValue: {{N:{number}}}"),
            AttributeValue::B(bytes) => {
                let len = bytes.len();
                write!(f, "AttributeValue: {{B:java.nio.HeapByteBuffer[pos=0 lim={len} cap={len}]}}")
            }
            other => write!(f, "AttributeValue: {{{}}}", other.kind().name()),
        }
    }
}
