//! Transactions of cash machines: what they are, and how they become events.
//!
//! The binaries are thin: `atm-producer` puts transactions on an event bus, `atm-consumer` logs whatever event it is given.

use serde::{Deserialize, Serialize};

/// The source of the events, by which rules may tell them from others.
pub const SOURCE: &str = "custom.myATMapp";

/// The type of the events' details.
pub const DETAIL_TYPE: &str = "transaction";

/// How many events one PutEvents request may carry.
pub const BATCH_MAX: usize = 10;

/// One transaction at a cash machine. Member names are those of the event's detail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// `withdrawal`, `deposit`, ...
    pub action: String,
    /// The machine: state, city, number, for example `NY-NYC-001`.
    pub location: String,
    /// In dollars.
    pub amount: serde_json::Number,
    /// `approved`, `denied`, ...
    pub result: String,
    /// Unique.
    pub transaction_id: String,
    /// Whether the card was there.
    pub card_present: bool,
    /// The bank that owns the machine.
    pub partner_bank: String,
    /// What is left on the account, in dollars.
    pub remaining_funds: serde_json::Number,
}

/// What the producer is invoked with.
#[derive(Debug, Default, Deserialize)]
pub struct Request {
    /// The transactions to put; without it, [`sample`].
    pub transactions: Option<Vec<Transaction>>,
}

/// What the producer answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The ids of the events, in the order of the transactions.
    pub event_ids: Vec<String>,
}

/// Three transactions of one day: two approved, two in New York, one denied.
pub fn sample() -> Vec<Transaction> {
    let transaction = |location: &str, amount: u32, result: &str, id: &str, funds: f64| Transaction {
        action: "withdrawal".to_owned(),
        location: location.to_owned(),
        amount: amount.into(),
        result: result.to_owned(),
        transaction_id: id.to_owned(),
        card_present: true,
        partner_bank: "Example Bank".to_owned(),
        remaining_funds: serde_json::Number::from_f64(funds).unwrap_or_else(|| 0.into()),
    };
    vec![
        transaction("MA-BOS-01", 300, "approved", "123456", 722.34),
        transaction("NY-NYC-001", 20, "approved", "123457", 212.52),
        transaction("NY-NYC-002", 60, "denied", "123458", 5.77),
    ]
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn the_sample_reads_as_the_event_is_documented() {
        let first = serde_json::to_value(&sample()[0]).ok();
        let expect = serde_json::json!({
            "action": "withdrawal", "location": "MA-BOS-01", "amount": 300, "result": "approved", "transactionId": "123456",
            "cardPresent": true, "partnerBank": "Example Bank", "remainingFunds": 722.34,
        });
        assert_eq!(first, Some(expect));
    }
}
