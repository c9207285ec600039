//! A moment, in microseconds since the Unix epoch.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC with microsecond resolution.
///
/// On the wire a timestamp is a number of seconds in JSON and CBOR and an ISO 8601 text in XML. It serializes as a newtype
/// named [`Timestamp::WIRE_NAME`] around the number of seconds, so that a serializer of a format that wants another form can
/// tell it from a plain number. It deserializes from either form.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The serde newtype name by which XML serializers recognise a timestamp.
    pub const WIRE_NAME: &'static str = "$cauce::Timestamp";
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// The moment this many microseconds after the epoch.
    pub const fn from_micros(us: i64) -> Timestamp {
        Timestamp(us)
    }

    /// The moment this many milliseconds after the epoch.
    pub const fn from_millis(ms: i64) -> Timestamp {
        Timestamp(ms.saturating_mul(1_000))
    }

    /// The moment this many seconds after the epoch.
    pub const fn from_secs(s: i64) -> Timestamp {
        Timestamp(s.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same moment as a `jiff` one; clamped to the years `jiff` knows.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// The moment a `jiff` timestamp names.
    pub fn from_jiff(t: jiff::Timestamp) -> Timestamp {
        Timestamp(t.as_microsecond())
    }

    /// `2026-11-22T02:49:55Z`, whole seconds: the form of EventBridge envelopes.
    pub fn iso_secs(self) -> String {
        self.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// `2026-11-22T02:49:55.123Z`: the form of the query protocol.
    pub fn iso_millis(self) -> String {
        self.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }

    /// Reads ISO 8601 (`2026-11-22T02:49:55.123Z`, offsets allowed) or a number of seconds.
    pub fn parse(text: &str) -> Option<Timestamp> {
        if let Ok(t) = text.parse::<jiff::Timestamp>() {
            return Some(Timestamp::from_jiff(t));
        }
        text.parse::<f64>().ok().and_then(Timestamp::from_secs_f64)
    }

    /// The moment this many seconds (with a fraction) after the epoch; `None` if not finite or out of range.
    pub fn from_secs_f64(s: f64) -> Option<Timestamp> {
        let us = (s * 1e6).round();
        // The range is checked on the line above the cast, so the cast cannot saturate silently.
        (us.is_finite() && us.abs() < 9.0e18).then_some(Timestamp(us as i64))
    }

    /// Seconds since the epoch to the millisecond, as the JSON of services writes times that are no more exact.
    pub fn secs_of_millis(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium are exact in a double")]
        let millis = self.as_millis() as f64;
        millis / 1_000.0
    }

    fn secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, d: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, d: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso_millis())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_jiff(), f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A whole number prints as an integer: strict clients read both, people prefer the shorter.
        if self.0 % 1_000_000 == 0 {
            serializer.serialize_newtype_struct(Self::WIRE_NAME, &self.as_secs())
        } else {
            serializer.serialize_newtype_struct(Self::WIRE_NAME, &self.secs_f64())
        }
    }
}

struct TimestampVisitor;

impl<'de> Visitor<'de> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a timestamp: seconds since the epoch or ISO 8601")
    }

    fn visit_i64<E: serde::de::Error>(self, s: i64) -> Result<Timestamp, E> {
        Ok(Timestamp::from_secs(s))
    }

    fn visit_u64<E: serde::de::Error>(self, s: u64) -> Result<Timestamp, E> {
        i64::try_from(s).map(Timestamp::from_secs).map_err(|_| E::custom("timestamp out of range"))
    }

    fn visit_f64<E: serde::de::Error>(self, s: f64) -> Result<Timestamp, E> {
        Timestamp::from_secs_f64(s).ok_or_else(|| E::custom("timestamp out of range"))
    }

    fn visit_str<E: serde::de::Error>(self, s: &str) -> Result<Timestamp, E> {
        Timestamp::parse(s).ok_or_else(|| E::custom("not a timestamp"))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Timestamp, D::Error> {
        deserializer.deserialize_any(TimestampVisitor)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        deserializer.deserialize_any(TimestampVisitor).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn reads_and_prints_every_form() {
        let t = Timestamp::from_micros(1_700_000_000_250_000);
        assert_eq!(serde_json::to_string(&t).unwrap(), "1700000000.25");
        assert_eq!(serde_json::to_string(&Timestamp::from_secs(5)).unwrap(), "5");
        assert_eq!(serde_json::from_str::<Timestamp>("1700000000.25").unwrap(), t);
        assert_eq!(serde_json::from_str::<Timestamp>("\"2023-11-14T22:13:20.250Z\"").unwrap(), t);
        assert_eq!(t.iso_millis(), "2023-11-14T22:13:20.250Z");
        assert_eq!(t.iso_secs(), "2023-11-14T22:13:20Z");
        assert!(serde_json::from_str::<Timestamp>("1e300").is_err());
    }
}
