//! An order as a client sends it, checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many lines an order may have.
pub const LINES_MAX: usize = 100;

/// How much of one product an order may ask for.
pub const QUANTITY_MAX: i64 = 1_000_000;

/// How long an idempotency key may be, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// An amount of money in cents: exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

impl Cents {
    /// The amount in whole units, as answers show it: `3000.0`.
    ///
    /// Two decimals of a floating point number are exact as long as the cents are below 2^53.
    pub fn in_units(self) -> f64 {
        self.0 as f64 / 100.0
    }
}

/// How much of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which product.
    pub id_product: i64,
    /// How many of it: 1 to [`QUANTITY_MAX`].
    pub quantity: i64,
}

/// An order that may be placed if client and products exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    /// Who orders.
    pub id_client: i64,
    /// What: each product once, in the order of their ids, so that whoever locks them locks them in the same order.
    pub lines: Vec<Line>,
    /// What the client calls this attempt: the same key is the same order, however often it is sent.
    pub idempotency_key: Option<String>,
}

/// Why an order was not placed, in words for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request is not what it should be.
    Malformed(String),
    /// It names what does not exist.
    Unknown(String),
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Malformed(_) => 400,
            Refusal::Unknown(_) => 404,
        }
    }

    /// The words.
    pub fn message(&self) -> &str {
        match self {
            Refusal::Malformed(message) | Refusal::Unknown(message) => message,
        }
    }
}

impl OrderRequest {
    /// Reads `{"id_client":1,"products":[{"id_product":1,"quantity":1}]}`. Lines of the same product become one.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], saying what is wrong.
    pub fn parse(body: &[u8], idempotency_key: Option<&str>) -> Result<OrderRequest, Refusal> {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return refuse("the body must be JSON") };
        let Some(body) = body.as_object() else { return refuse("the body must be a JSON object") };
        let id_client = integer(body.get("id_client"), "id_client")?;
        let Some(products) = body.get("products").and_then(Value::as_array) else {
            return refuse("products must be a list");
        };
        if products.is_empty() {
            return refuse("products must not be empty");
        }
        if products.len() > LINES_MAX {
            return refuse(format!("products must have at most {LINES_MAX} entries"));
        }
        let mut lines: BTreeMap<i64, i64> = BTreeMap::new();
        for (n, line) in products.iter().enumerate() {
            let id_product = integer(line.get("id_product"), &format!("products[{n}].id_product"))?;
            let quantity = integer(line.get("quantity"), &format!("products[{n}].quantity"))?;
            if !(1..=QUANTITY_MAX).contains(&quantity) {
                return refuse(format!("products[{n}].quantity must be between 1 and {QUANTITY_MAX}"));
            }
            let sum = lines.entry(id_product).or_default();
            *sum += quantity;
            if *sum > QUANTITY_MAX {
                return refuse(format!("product {id_product} is asked for more than {QUANTITY_MAX} times"));
            }
        }
        if idempotency_key.is_some_and(|key| key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX) {
            return refuse(format!("Idempotency-Key must have between 1 and {IDEMPOTENCY_KEY_BYTES_MAX} bytes"));
        }
        let lines = lines.into_iter().map(|(id_product, quantity)| Line { id_product, quantity }).collect();
        Ok(OrderRequest { id_client, lines, idempotency_key: idempotency_key.map(str::to_owned) })
    }
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Malformed(message.into()))
}

fn integer(value: Option<&Value>, name: &str) -> Result<i64, Refusal> {
    match value.and_then(Value::as_i64) {
        Some(number) => Ok(number),
        None => refuse(format!("{name} must be an integer")),
    }
}

/// What an order costs, given what each of its lines costs apiece.
///
/// # Errors
/// [`Refusal::Malformed`] if no 64 bits of cents can hold it.
pub fn total(lines: &[Line], prices: &[Cents]) -> Result<Cents, Refusal> {
    let mut total: i64 = 0;
    for (line, price) in lines.iter().zip(prices) {
        let sum = price.0.checked_mul(line.quantity).and_then(|amount| total.checked_add(amount));
        match sum {
            Some(sum) => total = sum,
            None => return refuse("the order is worth more than can be counted"),
        }
    }
    Ok(Cents(total))
}

#[cfg(test)]
mod tests {
    use super::{Cents, Line, OrderRequest, QUANTITY_MAX, Refusal, total};

    fn check(body: &str, expect: Result<(i64, &[(i64, i64)]), &str>) {
        match (OrderRequest::parse(body.as_bytes(), None), expect) {
            (Ok(order), Ok((client, lines))) => {
                let found: Vec<(i64, i64)> = order.lines.iter().map(|l| (l.id_product, l.quantity)).collect();
                assert_eq!((order.id_client, found.as_slice()), (client, lines), "{body}");
            }
            (Err(refusal), Err(message)) => {
                assert_eq!((refusal.status(), refusal.message()), (400, message), "{body}");
            }
            (found, expect) => assert!(false, "{body}: {found:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn an_order_is_read_as_documented() {
        check(
            r#"{"id_client":1,"products":[{"id_product":1,"quantity":1},{"id_product":2,"quantity":3}]}"#,
            Ok((1, &[(1, 1), (2, 3)])),
        );
        check(
            r#"{"id_client":2,"products":[{"id_product":3,"quantity":1},{"id_product":1,"quantity":2},{"id_product":3,"quantity":4}]}"#,
            Ok((2, &[(1, 2), (3, 5)])),
        );
    }

    #[test]
    fn what_is_no_order_is_refused() {
        check("", Err("the body must be JSON"));
        check("{", Err("the body must be JSON"));
        check("[]", Err("the body must be a JSON object"));
        check("{}", Err("id_client must be an integer"));
        check(r#"{"id_client":"1","products":[]}"#, Err("id_client must be an integer"));
        check(r#"{"id_client":1.5,"products":[]}"#, Err("id_client must be an integer"));
        check(r#"{"id_client":1}"#, Err("products must be a list"));
        check(r#"{"id_client":1,"products":{}}"#, Err("products must be a list"));
        check(r#"{"id_client":1,"products":[]}"#, Err("products must not be empty"));
        check(r#"{"id_client":1,"products":[7]}"#, Err("products[0].id_product must be an integer"));
        check(r#"{"id_client":1,"products":[{"id_product":1}]}"#, Err("products[0].quantity must be an integer"));
        for quantity in ["0", "-1", "1000001"] {
            let line = format!(r#"{{"id_client":1,"products":[{{"id_product":1,"quantity":{quantity}}}]}}"#);
            check(&line, Err("products[0].quantity must be between 1 and 1000000"));
        }
        let line = format!(r#"{{"id_product":1,"quantity":{QUANTITY_MAX}}}"#);
        let twice = format!(r#"{{"id_client":1,"products":[{line},{line}]}}"#);
        check(&twice, Err("product 1 is asked for more than 1000000 times"));
        let many = vec![r#"{"id_product":1,"quantity":1}"#; 101].join(",");
        check(&format!(r#"{{"id_client":1,"products":[{many}]}}"#), Err("products must have at most 100 entries"));
    }

    #[test]
    fn an_idempotency_key_has_a_length() {
        let body = br#"{"id_client":1,"products":[{"id_product":1,"quantity":1}]}"#;
        assert!(OrderRequest::parse(body, Some("k")).is_ok());
        for key in [String::new(), "k".repeat(256)] {
            assert!(matches!(OrderRequest::parse(body, Some(&key)), Err(Refusal::Malformed(_))));
        }
    }

    #[test]
    fn totals_are_exact_or_refused() {
        let lines = [Line { id_product: 1, quantity: 1 }, Line { id_product: 2, quantity: 3 }];
        assert_eq!(total(&lines, &[Cents(150_000), Cents(50_000)]), Ok(Cents(300_000)));
        assert!(total(&lines, &[Cents(i64::MAX), Cents(1)]).is_err());
        assert!(total(&lines, &[Cents(1), Cents(i64::MAX)]).is_err());
        assert_eq!(serde_json::to_string(&Cents(300_000).in_units()).ok().as_deref(), Some("3000.0"));
        assert_eq!(serde_json::to_string(&Cents(10).in_units()).ok().as_deref(), Some("0.1"));
    }
}
