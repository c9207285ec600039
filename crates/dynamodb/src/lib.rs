//! DynamoDB: tables, items, indexes, transactions.

pub mod expression;
mod number;
mod value;

pub use number::{NUMBER_BYTES_MAX, NUMBER_DIGITS_MAX, NUMBER_EXPONENT_MAX, NUMBER_EXPONENT_MIN, Number, NumberError};
pub use value::{
    AttributeValue, Given, GivenError, ITEM_BYTES_MAX, Item, NESTING_MAX, ValueError, ValueType, decode_item,
    encode_item, item_size_bytes,
};
