//! What is told of every operation.

use serde::{Deserialize, Serialize};

/// What was done.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// A product was put into the catalogue.
    Created,
    /// Somebody looked at a product.
    Read,
    /// A product was changed.
    Updated,
    /// A product was taken out of the catalogue.
    Deleted,
    /// Somebody looked at the catalogue.
    Listed,
}

impl Kind {
    /// As events call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Created => "CREATED",
            Kind::Read => "READ",
            Kind::Updated => "UPDATED",
            Kind::Deleted => "DELETED",
            Kind::Listed => "LISTED",
        }
    }
}

/// What stands for the catalogue itself, where products have ids from 1 on.
pub const CATALOGUE_ID: i64 = 0;

/// Its code.
pub const CATALOGUE_CODE: &str = "*";

/// Something that happened to a product.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Event {
    /// The product.
    pub id: i64,
    /// Its code.
    pub code: String,
    /// What was done to it.
    pub event: Kind,
    /// Who did it: the id of their API key.
    pub user: String,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// The request that did it.
    pub request: String,
}

impl Event {
    /// The event's place among those of its product: by time, and never that of another event.
    pub fn place(&self) -> String {
        // Thirteen digits last until the year 2286; without the zeros, texts would not sort as numbers do.
        format!("{:013}#{}", self.time, self.request)
    }

    /// When the event may go, in seconds since 1970.
    pub fn expires_s(&self, kept_s: i64) -> i64 {
        (self.time / 1_000).saturating_add(kept_s)
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Kind};

    fn event(time: i64, request: &str) -> Event {
        let (code, user) = ("TV-1".to_owned(), "k1".to_owned());
        Event { id: 5, code, event: Kind::Created, user, time, request: request.to_owned() }
    }

    #[test]
    fn an_event_is_what_is_documented_to_the_byte() {
        let expect = r#"{"id":5,"code":"TV-1","event":"CREATED","user":"k1","time":1707484820000,"request":"r"}"#;
        assert_eq!(serde_json::to_string(&event(1_707_484_820_000, "r")).ok().as_deref(), Some(expect));
    }

    #[test]
    fn the_same_words_everywhere() {
        for kind in [Kind::Created, Kind::Read, Kind::Updated, Kind::Deleted, Kind::Listed] {
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.name().into()));
        }
    }

    #[test]
    fn places_sort_by_time() {
        let places =
            [event(999, "z"), event(1_000, "b"), event(1_000, "c"), event(1_707_484_820_000, "a")].map(|e| e.place());
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn an_event_expires_after_its_time() {
        assert_eq!(event(1_500, "r").expires_s(10), 11);
        assert_eq!(event(1_500, "r").expires_s(i64::MAX), i64::MAX);
    }
}
