//! Sizes as AWS counts them: for the item limit and consumed capacity.
//!
//! AWS: Developer Guide, *DynamoDB item sizes and formats*.

use super::{AttributeValue, Item};
use crate::number::Number;

/// What a map or list costs beside its elements, in bytes.
const DOCUMENT_BYTES: usize = 3;

/// What each element of a map or list costs beside itself, in bytes.
const ELEMENT_BYTES: usize = 1;

/// The size of an item in bytes: names in UTF-8 and values.
pub fn item_size_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

impl AttributeValue {
    /// Its size in bytes as AWS counts it.
    pub fn size_bytes(&self) -> usize {
        match self {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(number) => number_bytes(number),
            AttributeValue::B(bytes) => bytes.len(),
            AttributeValue::Bool(_) | AttributeValue::Null => 1,
            AttributeValue::M(map) => DOCUMENT_BYTES + item_size_bytes(map) + ELEMENT_BYTES * map.len(),
            AttributeValue::L(list) => {
                DOCUMENT_BYTES + list.iter().map(|value| value.size_bytes() + ELEMENT_BYTES).sum::<usize>()
            }
            AttributeValue::Ss(set) => set.iter().map(String::len).sum(),
            AttributeValue::Ns(set) => set.iter().map(number_bytes).sum(),
            AttributeValue::Bs(set) => set.iter().map(|bytes| bytes.len()).sum(),
        }
    }
}

/// A byte for two significant digits on either side of the point, one for the exponent, one for a minus: measured on AWS, where
/// `3.14159` costs a byte more than `314159`, and zero nothing but the exponent.
fn number_bytes(number: &Number) -> usize {
    let (whole, fraction) = number.digits_around_point();
    let sign = usize::from(*number < Number::ZERO);
    (whole.div_ceil(2) + fraction.div_ceil(2)) as usize + 1 + sign
}

#[cfg(test)]
mod tests {
    use crate::value::{AttributeValue, Item, item_size_bytes};

    fn check(json: &str, bytes: usize) {
        let value: AttributeValue = serde_json::from_str(json).unwrap();
        assert_eq!(value.size_bytes(), bytes, "{json}");
    }

    #[test]
    fn sizes_are_those_of_the_developer_guide() {
        check(r#"{"S":""}"#, 0);
        check(r#"{"S":"añb"}"#, 4);
        check(r#"{"B":"AQID"}"#, 3);
        check(r#"{"N":"0"}"#, 1);
        check(r#"{"N":"1.5"}"#, 3);
        check(r#"{"N":"3.14159"}"#, 5);
        check(r#"{"N":"100.5"}"#, 4);
        check(r#"{"N":"0.15"}"#, 2);
        check(r#"{"N":"0.0000001"}"#, 2);
        check(r#"{"N":"1010"}"#, 3);
        check(r#"{"N":"1E125"}"#, 2);
        check(r#"{"N":"12"}"#, 2);
        check(r#"{"N":"120000"}"#, 2);
        check(r#"{"N":"-12"}"#, 3);
        check(r#"{"N":"123"}"#, 3);
        check(&format!(r#"{{"N":"{}"}}"#, "9".repeat(38)), 20);
        check(r#"{"BOOL":false}"#, 1);
        check(r#"{"NULL":true}"#, 1);
        check(r#"{"SS":["ab","c"]}"#, 3);
        check(r#"{"NS":["1","22"]}"#, 4);
        check(r#"{"BS":["AQID","AQ=="]}"#, 4);
        check(r#"{"L":[]}"#, 3);
        check(r#"{"M":{}}"#, 3);
        check(r#"{"L":[{"S":"ab"},{"BOOL":true}]}"#, 3 + 2 + 1 + 1 + 1);
        check(r#"{"M":{"key":{"S":"ab"}}}"#, 3 + 3 + 2 + 1);
        let item: Item = serde_json::from_str(r#"{"id":{"S":"abc"},"n":{"N":"5"}}"#).unwrap();
        assert_eq!(item_size_bytes(&item), 2 + 3 + 1 + 2);
    }
}
