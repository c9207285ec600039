//! Products: what they are, and what of a request is one.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// The most characters of a code.
pub const CODE_CHARS_MAX: usize = 64;

/// The most characters of a name.
pub const NAME_CHARS_MAX: usize = 256;

/// The highest price, in cents.
pub const PRICE_CENTS_MAX: i64 = 100_000_000_000;

/// The greatest id: what every client reads exactly.
pub const ID_MAX: i64 = 9_007_199_254_740_991;

/// An amount of money, which is exact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cents(pub i64);

impl Cents {
    /// As it is shown: `19.9` are 1,990 cents.
    pub fn in_units(self) -> f64 {
        self.0 as f64 / 100.0
    }
}

impl Serialize for Cents {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.in_units())
    }
}

/// A product.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Product {
    /// From 1 on.
    pub id: i64,
    /// What the trade calls it.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// What it costs.
    pub price: Cents,
}

/// Why something is no product.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn refused<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(why.into()))
}

/// The id that is part of a path.
pub fn id_of_path(text: &str) -> Result<i64, Refusal> {
    // What `parse` takes beyond digits, a plus sign, is no id of ours.
    let id = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    id.filter(|id| (1..=ID_MAX).contains(id))
        .map_or_else(|| refused(format!("id must be an integer from 1 to {ID_MAX}")), Ok)
}

impl Product {
    /// Reads what a client sends. `of_path` is the id that the path names, which the body may then leave out.
    pub fn read(body: Option<&str>, of_path: Option<i64>) -> Result<Product, Refusal> {
        let Ok(Value::Object(members)) = serde_json::from_str(body.unwrap_or_default()) else {
            return refused("the body must be a JSON object");
        };
        let known = ["id", "code", "name", "price"];
        if let Some(unknown) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return refused(format!("{unknown} is not a member of a product; those are {}", known.join(", ")));
        }
        let id = match (members.get("id"), of_path) {
            (None, Some(id)) => id,
            (None, None) => return refused("id is missing"),
            (Some(id), of_path) => {
                let number = id.as_i64().filter(|id| (1..=ID_MAX).contains(id));
                let Some(number) = number else { return refused(format!("id must be an integer from 1 to {ID_MAX}")) };
                if of_path.is_some_and(|id| id != number) {
                    return refused("id must be that of the path");
                }
                number
            }
        };
        Ok(Product {
            id,
            code: text(&members, "code", CODE_CHARS_MAX)?,
            name: text(&members, "name", NAME_CHARS_MAX)?,
            price: price(&members)?,
        })
    }
}

fn text(members: &Map<String, Value>, name: &str, chars_max: usize) -> Result<String, Refusal> {
    match members.get(name) {
        None => refused(format!("{name} is missing")),
        Some(Value::String(text)) if text.trim().is_empty() => refused(format!("{name} must not be empty")),
        Some(Value::String(text)) if text.chars().count() > chars_max => {
            refused(format!("{name} must not have more than {chars_max} characters"))
        }
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => refused(format!("{name} must be a string")),
    }
}

fn price(members: &Map<String, Value>) -> Result<Cents, Refusal> {
    let Some(price) = members.get("price") else { return refused("price is missing") };
    let Some(units) = price.as_f64() else { return refused("price must be a number") };
    let cents = (units * 100.0).round();
    if !(0.0..=PRICE_CENTS_MAX as f64).contains(&cents) {
        return refused(format!("price must be from 0 to {}", PRICE_CENTS_MAX / 100));
    }
    // Amounts this small are whole numbers of cents exactly; two decimals and back is the same double.
    let cents = Cents(cents as i64);
    if cents.in_units() != units {
        return refused("price must have no more than two decimals");
    }
    Ok(cents)
}

#[cfg(test)]
mod tests {
    use super::{CODE_CHARS_MAX, Cents, Product, id_of_path};

    fn why(body: &str, of_path: Option<i64>) -> String {
        Product::read(Some(body), of_path).map_or_else(|refusal| refusal.to_string(), |product| format!("{product:?}"))
    }

    #[test]
    fn a_product_is_read_and_shown() {
        let body = r#"{"id":5,"code":"TV-1","name":"Television","price":999.9}"#;
        let product = Product::read(Some(body), None).unwrap();
        assert_eq!((product.id, product.price), (5, Cents(99_990)));
        assert_eq!(serde_json::to_string(&product).ok().as_deref(), Some(body));
        assert_eq!(Product::read(Some(r#"{"code":"TV-1","name":"Television","price":999.9}"#), Some(5)), Ok(product));
    }

    #[test]
    fn what_is_no_product_is_refused() {
        for (body, expect) in [
            ("", "the body must be a JSON object"),
            ("[]", "the body must be a JSON object"),
            (r#"{"code":"a","name":"b","price":1}"#, "id is missing"),
            (r#"{"id":"5","code":"a","name":"b","price":1}"#, "id must be an integer from 1 to 9007199254740991"),
            (r#"{"id":5.5,"code":"a","name":"b","price":1}"#, "id must be an integer from 1 to 9007199254740991"),
            (r#"{"id":0,"code":"a","name":"b","price":1}"#, "id must be an integer from 1 to 9007199254740991"),
            (r#"{"id":5,"name":"b","price":1}"#, "code is missing"),
            (r#"{"id":5,"code":"","name":"b","price":1}"#, "code must not be empty"),
            (r#"{"id":5,"code":" ","name":"b","price":1}"#, "code must not be empty"),
            (r#"{"id":5,"code":"a","name":7,"price":1}"#, "name must be a string"),
            (r#"{"id":5,"code":"a","name":"b"}"#, "price is missing"),
            (r#"{"id":5,"code":"a","name":"b","price":"1"}"#, "price must be a number"),
            (r#"{"id":5,"code":"a","name":"b","price":-1}"#, "price must be from 0 to 1000000000"),
            (r#"{"id":5,"code":"a","name":"b","price":1.005}"#, "price must have no more than two decimals"),
            (
                r#"{"id":5,"code":"a","name":"b","price":1,"colour":"red"}"#,
                "colour is not a member of a product; those are id, code, name, price",
            ),
        ] {
            assert_eq!(why(body, None), expect, "{body}");
        }
        let long = format!(r#"{{"id":5,"code":"{}","name":"b","price":1}}"#, "x".repeat(CODE_CHARS_MAX + 1));
        assert_eq!(why(&long, None), "code must not have more than 64 characters");
        assert_eq!(why(r#"{"id":6,"code":"a","name":"b","price":1}"#, Some(5)), "id must be that of the path");
    }

    #[test]
    fn every_price_in_cents_is_exact() {
        for cents in [0, 1, 7, 29, 115, 1_990, 99_999_999_999, 100_000_000_000] {
            let body = format!(r#"{{"code":"a","name":"b","price":{}}}"#, Cents(cents).in_units());
            assert_eq!(Product::read(Some(&body), Some(1)).map(|product| product.price), Ok(Cents(cents)));
        }
    }

    #[test]
    fn ids_of_paths_are_numbers() {
        assert_eq!(id_of_path("5"), Ok(5));
        for bad in ["", "five", "+5", "-5", "0", "5.0", "99999999999999999999"] {
            assert!(id_of_path(bad).is_err(), "{bad}");
        }
    }
}
