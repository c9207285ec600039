//! What continues a listing: opaque to clients, and checked when it comes back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cauce_core::Violations;
use cauce_store::{RecordError, RowReader, RowWriter};

const VERSION: u8 = 1;
/// The longest token looked at, in bytes: a name of 512 characters of 4 bytes in base64, and a bit.
const TOKEN_BYTES_MAX: usize = 4_096;

/// The last moment an event can have, in milliseconds: its id has 15 digits for it.
pub(crate) const TIMESTAMP_MS_MAX: i64 = 999_999_999_999_999;

/// Where an event stands among all events of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) timestamp_ms: i64,
    pub(crate) sequence: u64,
    pub(crate) stream: u64,
}

impl Place {
    /// Before all events of this millisecond.
    pub(crate) fn start_of(timestamp_ms: i64) -> Place {
        Place { timestamp_ms: timestamp_ms.clamp(0, TIMESTAMP_MS_MAX), sequence: 0, stream: 0 }
    }

    /// After all events before this millisecond.
    pub(crate) fn just_before(timestamp_ms: i64) -> Place {
        Place { timestamp_ms: timestamp_ms.saturating_sub(1), sequence: u64::MAX, stream: u64::MAX }
    }

    /// The place before this one in its stream.
    pub(crate) fn previous(self) -> Place {
        match self.sequence.checked_sub(1) {
            Some(sequence) => Place { sequence, ..self },
            None => Place::just_before(self.timestamp_ms),
        }
    }

    /// What orders the events of one stream.
    pub(crate) fn same_stream_order(self) -> (i64, u64) {
        (self.timestamp_ms, self.sequence)
    }

    /// The event's id: 56 digits, the same whenever and however the event is read, and no other event's.
    pub(crate) fn event_id(self) -> String {
        format!("3{:015}{:020}{:020}", self.timestamp_ms, self.sequence, self.stream)
    }

    fn of_event_id(text: &str) -> Option<Place> {
        let digits =
            text.strip_prefix('3').filter(|rest| rest.len() == 55 && rest.bytes().all(|b| b.is_ascii_digit()))?;
        let part = |from: usize, to: usize| digits.get(from..to);
        Some(Place {
            timestamp_ms: part(0, 15)?.parse().ok()?,
            sequence: part(15, 35)?.parse().ok()?,
            stream: part(35, 55)?.parse().ok()?,
        })
    }
}

/// The next step through one stream, as `GetLogEvents` says it: `f/...` towards newer events, `b/...` towards older ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Events after this place.
    Forward(Place),
    /// Events before this place.
    Backward(Place),
}

impl Direction {
    pub(crate) fn encode(self) -> String {
        match self {
            Direction::Forward(place) => format!("f/{}/s", place.event_id()),
            Direction::Backward(place) => format!("b/{}/s", place.event_id()),
        }
    }

    pub(crate) fn decode(text: &str) -> Option<Direction> {
        let text = text.strip_suffix("/s")?;
        let place = |rest| Place::of_event_id(rest);
        text.strip_prefix("f/")
            .and_then(place)
            .map(Direction::Forward)
            .or_else(|| text.strip_prefix("b/").and_then(place).map(Direction::Backward))
    }
}

/// What the `nextToken` of a listing stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// After this name.
    Name(String),
    /// After this stream in the order of last events; -1 for a stream that never had one.
    LastEvent { last_ms: i64, name: String },
    /// After this event of this group.
    Event { group: u64, place: Place },
}

impl Token {
    pub(crate) fn encode(&self) -> String {
        let mut row = RowWriter::new(VERSION);
        match self {
            Token::Name(name) => row.u8(1).str(name),
            Token::LastEvent { last_ms, name } => row.u8(2).u64(last_ms.cast_unsigned()).str(name),
            Token::Event { group, place } => {
                row.u8(3).u64(*group).u64(place.timestamp_ms.cast_unsigned()).u64(place.sequence).u64(place.stream)
            }
        };
        URL_SAFE_NO_PAD.encode(row.finish())
    }

    pub(crate) fn decode(text: &str) -> Option<Token> {
        let bytes = URL_SAFE_NO_PAD.decode(text.get(..).filter(|text| text.len() <= TOKEN_BYTES_MAX)?).ok()?;
        Token::read(&bytes).ok()
    }

    fn read(bytes: &[u8]) -> Result<Token, RecordError> {
        let (version, mut row) = RowReader::new(bytes)?;
        if version != VERSION {
            return Err(RecordError::Version { found: version, written: VERSION });
        }
        let token = match row.u8()? {
            1 => Token::Name(row.str()?.to_owned()),
            2 => Token::LastEvent { last_ms: row.u64()?.cast_signed(), name: row.str()?.to_owned() },
            3 => {
                let (group, timestamp_ms) = (row.u64()?, row.u64()?.cast_signed());
                Token::Event { group, place: Place { timestamp_ms, sequence: row.u64()?, stream: row.u64()? } }
            }
            other => return Err(RecordError::Payload(format!("token of sort {other}"))),
        };
        row.end().map(|()| token)
    }
}

/// A token's length as the model constrains it.
pub(crate) fn validate(v: &mut Violations, token: Option<&str>) {
    if let Some("") = token {
        v.length("nextToken", "", 1, TOKEN_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{Direction, Place, Token};

    proptest! {
        #[test]
        fn tokens_come_back(ts in 0..999_999_999_999_999_i64, sequence in any::<u64>(), stream in any::<u64>(), name in ".{0,20}") {
            let place = Place { timestamp_ms: ts, sequence, stream };
            for direction in [Direction::Forward(place), Direction::Backward(place)] {
                prop_assert_eq!(Direction::decode(&direction.encode()), Some(direction));
            }
            prop_assert_eq!(place.event_id().len(), 56);
            for token in [Token::Name(name.clone()), Token::LastEvent { last_ms: ts, name }, Token::Event { group: stream, place }] {
                prop_assert_eq!(Token::decode(&token.encode()), Some(token));
            }
        }

        #[test]
        fn what_is_no_token_is_refused(text in ".{0,70}") {
            prop_assert!(Direction::decode(&text).is_none());
            prop_assert!(Token::decode(&["~", text.as_str()].concat()).is_none());
        }
    }
}
