//! Numbers: text, order, sums.

use cauce_dynamodb::{AttributeValue, NUMBER_BYTES_MAX, Number, NumberError};
use num_bigint::BigInt;
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::generate::{number, parts, text};

fn number_of(text: &str) -> Number {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn texts_become_the_plain_text_that_aws_answers() {
    let check = |given: &str, stored: &str| assert_eq!(number_of(given).to_string(), stored, "{given}");
    for (given, stored) in [
        ("0", "0"),
        ("-0", "0"),
        ("+0.000", "0"),
        ("0e1000", "0"),
        ("+5", "5"),
        ("00042", "42"),
        ("1.0", "1"),
        ("3.1400", "3.14"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1.e5", "100000"),
        ("1.5E+3", "1500"),
        ("+1e-2", "0.01"),
        ("-17.4E37", "-174000000000000000000000000000000000000"),
        ("0.0012300", "0.00123"),
        ("-120.50", "-120.5"),
        ("10000000000000000000000000000000000000000000", "10000000000000000000000000000000000000000000"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("0.12345678901234567890123456789012345678000", "0.12345678901234567890123456789012345678"),
    ] {
        check(given, stored);
    }
    let nines = "9".repeat(38);
    check("9.9999999999999999999999999999999999999E+125", &format!("{nines}{}", "0".repeat(88)));
    check("-9.9999999999999999999999999999999999999E+125", &format!("-{nines}{}", "0".repeat(88)));
    check("1E-130", &format!("0.{}1", "0".repeat(129)));
    check("-1.5E-130", &format!("-0.{}15", "0".repeat(129)));
}

#[test]
fn what_is_no_number_is_refused() {
    for given in [
        "+e2",
        "e2",
        "+1+2",
        "1+2",
        "+1.2.3",
        "1.2.3",
        "++5",
        "+-5",
        "-+5",
        "+",
        "-",
        "1e",
        "1e+",
        "1e-",
        ".",
        "-.",
        "1.2e3.4",
        "0x5",
        "NaN",
        "-NaN",
        "Infinity",
        "-Infinity",
        "1_000",
        " 5",
        "5 ",
        "1 5",
        "dog",
        "１",
        "1e5x",
        "1,5",
    ] {
        assert_eq!(given.parse::<Number>(), Err(NumberError::Syntax(given.to_owned())));
    }
    assert_eq!("".parse::<Number>(), Err(NumberError::Empty));
    let message = |given: &str| given.parse::<Number>().unwrap_err().to_string();
    assert_eq!(message("dog"), "The parameter cannot be converted to a numeric value: dog");
    assert_eq!(message(""), "The parameter cannot be converted to a numeric value");
}

#[test]
fn what_is_too_large_small_or_long_is_refused() {
    let long = "1".repeat(39);
    for (given, refused) in [
        ("1e126", NumberError::Overflow),
        ("11e125", NumberError::Overflow),
        ("-1e126", NumberError::Overflow),
        ("1.0e100000000", NumberError::Overflow),
        ("1e99999999999999999999999999", NumberError::Overflow),
        ("1e-131", NumberError::Underflow),
        ("0.9e-130", NumberError::Underflow),
        ("-1e-99999999999999999999999999", NumberError::Underflow),
        (&long, NumberError::Precision),
        (&format!("0.{long}"), NumberError::Precision),
        (&format!("{long}e-100"), NumberError::Precision),
        (&format!("1{}1", "0".repeat(37)), NumberError::Precision),
        (&format!("{long}e100"), NumberError::Overflow),
        (&format!("0.{long}e-200"), NumberError::Underflow),
        (&format!("{long}x"), NumberError::Syntax(format!("{long}x"))),
    ] {
        assert_eq!(given.parse::<Number>(), Err(refused), "{given}");
    }
    let zeros = "0".repeat(100_000);
    assert_eq!(number_of(&format!("{zeros}1.{zeros}")), Number::from(1));
    assert_eq!(number_of(&format!("0.{zeros}1e100001")), Number::from(1));
}

#[test]
fn sums_are_exact_or_refused() {
    let check = |a: &str, b: &str, sum: &str| {
        assert_eq!((number_of(a) + number_of(b)).unwrap(), number_of(sum), "{a} + {b}");
        assert_eq!((number_of(sum) - number_of(b)).unwrap(), number_of(a), "{sum} - {b}");
    };
    check("1", "10000000000000000000000", "10000000000000000000001");
    check("0.1", "0.2", "0.3");
    check("1e-130", "1e-130", "2e-130");
    check("1e125", "1e88", "1.0000000000000000000000000000000000001e125");
    check("99999999999999999999999999999999999999", "1", "1e38");
    check("5", "-5", "0");
    let refused = |a: &str, b: &str, error: NumberError| {
        assert_eq!(number_of(a) + number_of(b), Err(error.clone()), "{a} + {b}");
        assert_eq!(number_of(b) + number_of(a), Err(error), "{b} + {a}");
    };
    refused("9e125", "9e125", NumberError::Overflow);
    refused("-9e125", "-9e125", NumberError::Overflow);
    refused("1e50", "1", NumberError::Overflow);
    refused("1e50", "-1", NumberError::Overflow);
    refused("1e125", "1e-130", NumberError::Overflow);
    refused("9.9999999999999999999999999999999999999e125", "1e88", NumberError::Overflow);
    refused("1.1e-130", "-1e-130", NumberError::Underflow);
}

#[test]
fn layouts_stay_as_they_are() {
    let check = |given: &str, bytes: &[u8]| {
        let mut written = Vec::new();
        number_of(given).put_key_bytes(&mut written);
        assert_eq!(written, bytes, "{given}");
        assert_eq!(Number::from_key_bytes(bytes), Some(number_of(given)));
    };
    check("0", &[2]);
    check("1", &[3, 130, 11]);
    check("-1", &[1, !130, !11, 0xFF]);
    check("123", &[3, 132, 13, 31]);
    check("-0.05", &[1, !128, !51, 0xFF]);
    check("1e-130", &[3, 0, 11]);
    check("9e125", &[3, 255, 91]);
    for wrong in
        [&[][..], &[0], &[1], &[3], &[3, 1], &[3, 1, 0], &[3, 1, 1], &[3, 1, 2], &[3, 1, 11, 1], &[3, 1, 102], &[2, 1]]
    {
        assert_eq!(Number::from_key_bytes(wrong), None, "{wrong:?}");
    }
}

/// Digits and scale as an integer in units of 1e-167, small enough for any scale that [`parts`] makes.
fn oracle((negative, digits, scale): (bool, u128, i32)) -> BigInt {
    let digits = BigInt::from(digits) * BigInt::from(10).pow((scale + 167).unsigned_abs());
    if negative { -digits } else { digits }
}

proptest! {
    #[test]
    fn sums_agree_with_integers_of_any_size(a in parts(), b in parts()) {
        let (Ok(x), Ok(y)) = (text(a).parse::<Number>(), text(b).parse::<Number>()) else { return Ok(()) };
        for (result, expected) in [(x + y, oracle(a) + oracle(b)), (x - y, oracle(a) - oracle(b))] {
            let exact = format!("{expected}e-167").parse::<Number>();
            match (result, exact) {
                (Ok(result), Ok(exact)) => prop_assert_eq!(result, exact),
                (Err(NumberError::Overflow), Err(NumberError::Precision | NumberError::Overflow)) => {}
                (Err(NumberError::Underflow), Err(NumberError::Underflow)) => {}
                (result, exact) => prop_assert!(false, "{:?} instead of {:?}", result, exact),
            }
        }
    }

    #[test]
    fn order_of_numbers_is_order_of_values_and_of_bytes(a in number(), b in number(), c in parts(), d in parts()) {
        let bytes = |n: Number| AttributeValue::N(n).key_bytes().unwrap().into_owned();
        prop_assert_eq!(a.cmp(&b), bytes(a).cmp(&bytes(b)));
        prop_assert!(bytes(a).len() <= NUMBER_BYTES_MAX);
        prop_assert_eq!(Number::from_key_bytes(&bytes(a)), Some(a));
        if let (Ok(x), Ok(y)) = (text(c).parse::<Number>(), text(d).parse::<Number>()) {
            prop_assert_eq!(x.cmp(&y), oracle(c).cmp(&oracle(d)));
            prop_assert_eq!(x.cmp(&y), bytes(x).cmp(&bytes(y)));
        }
    }

    #[test]
    fn the_text_of_a_number_is_that_number(a in number()) {
        let text = a.to_string();
        prop_assert_eq!(text.parse::<Number>(), Ok(a));
        prop_assert_eq!(number_of(&text).to_string(), text);
    }

    #[test]
    fn any_text_is_a_number_or_refused(text in "[-+]?[0-9.eE+x-]{0,60}") {
        if let Ok(number) = text.parse::<Number>() {
            prop_assert!(text.parse::<f64>().is_ok());
            prop_assert_eq!(number_of(&number.to_string()), number);
        }
    }

    #[test]
    fn any_bytes_are_a_number_or_refused(bytes in proptest::collection::vec(0_u8.., 0..26)) {
        if let Some(number) = Number::from_key_bytes(&bytes) {
            prop_assert_eq!(AttributeValue::N(number).key_bytes().unwrap().into_owned(), bytes);
        }
    }
}
