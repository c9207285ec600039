//! Values as rows and keys.

use cauce_dynamodb::{AttributeValue, Item, decode_item, encode_item};
use proptest::{prop_assert_eq, proptest};

use crate::generate::{item, value};

proptest! {
    #[test]
    fn rows_round_trip(item in item()) {
        prop_assert_eq!(decode_item(&encode_item(&item)).unwrap(), item);
    }

    #[test]
    fn json_round_trips(value in value()) {
        let json = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(serde_json::from_str::<AttributeValue>(&json).unwrap(), value);
    }

    #[test]
    fn keys_round_trip(value in value()) {
        if let Some(bytes) = value.key_bytes() {
            prop_assert_eq!(AttributeValue::from_key_bytes(value.kind(), &bytes), Some(value.clone()));
        }
    }

    #[test]
    fn reading_any_bytes_does_no_harm(mut row in proptest::collection::vec(0_u8..12, 0..60)) {
        row.insert(0, 1);
        drop(decode_item(&row));
    }
}

#[test]
fn layouts_stay_as_they_are() {
    let check = |json: &str, row: &[u8]| {
        let item: Item = serde_json::from_str(json).unwrap();
        assert_eq!(encode_item(&item).as_ref(), row, "{json}");
        assert_eq!(decode_item(row).unwrap(), item);
    };
    check("{}", &[1, 0]);
    check(r#"{"b":{"S":"xy"},"a":{"N":"1"}}"#, &[1, 2, 1, b'a', 2, 3, 3, 130, 11, 1, b'b', 1, 2, b'x', b'y']);
    check(r#"{"a":{"L":[{"BOOL":true},{"BOOL":false},{"NULL":true}]}}"#, &[1, 1, 1, b'a', 8, 3, 5, 4, 6]);
    check(r#"{"a":{"M":{"b":{"B":"AQ=="}}}}"#, &[1, 1, 1, b'a', 7, 1, 1, b'b', 3, 1, 1]);
    check(
        r#"{"a":{"SS":["x"]},"b":{"NS":["0"]},"c":{"BS":[""]}}"#,
        &[1, 3, 1, b'a', 9, 1, 1, b'x', 1, b'b', 10, 1, 1, 2, 1, b'c', 11, 1, 0],
    );
}

#[test]
fn what_was_not_written_so_is_refused() {
    for row in [&[][..], &[2, 0], &[1], &[1, 1], &[1, 0, 0], &[1, 1, 1, b'a', 99], &[1, 1, 1, b'a', 2, 1, 9]] {
        assert!(decode_item(row).is_err(), "{row:?}");
    }
    let deep = [vec![1, 1, 1, b'a'], [8, 1].repeat(100_000), vec![6]].concat();
    assert!(decode_item(&deep).is_err());
    // A count that promises more than there is allocates nothing for it.
    assert!(decode_item(&[1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1, b'a']).is_err());
}
