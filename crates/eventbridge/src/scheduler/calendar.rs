//! When a schedule happens: `at(...)`, `rate(...)` and `cron(...)` in a time zone.
//!
//! AWS: EventBridge Scheduler User Guide, "Schedule types". A moment that daylight saving time leaves out is skipped; one that
//! it repeats happens once.

use cauce_core::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::schedule::Schedule;

/// How many moments that a time zone leaves out or repeats are passed over in a row: every minute of a repeated day and more.
const PASSED_OVER_MAX: usize = 2_000;

/// A parsed expression in its time zone.
pub(crate) struct Calendar {
    when: When,
    zone: TimeZone,
}

enum When {
    Once(DateTime),
    Repeating(Schedule),
}

impl Calendar {
    /// Reads an expression and the name of a time zone.
    ///
    /// # Errors
    /// The message that AWS answers.
    pub(crate) fn parse(expression: &str, zone: &str) -> Result<Calendar, String> {
        let invalid = || format!("Invalid Schedule Expression {expression}.");
        let inside = expression.strip_prefix("at(").and_then(|rest| rest.strip_suffix(')'));
        let when = match inside {
            Some(inside) => When::Once(moment(inside).ok_or_else(invalid)?),
            None => When::Repeating(Schedule::parse(expression).ok_or_else(invalid)?),
        };
        let unknown = |_| format!("Invalid Schedule Expression Timezone {zone}.");
        let zone = if zone == "UTC" { TimeZone::UTC } else { TimeZone::get(zone).map_err(unknown)? };
        Ok(Calendar { when, zone })
    }

    /// Whether it happens once only.
    pub(crate) fn is_once(&self) -> bool {
        matches!(self.when, When::Once(_))
    }

    /// The first occurrence at `from` or later. A rate counts from `anchor`, itself the first occurrence.
    pub(crate) fn at_or_after(&self, anchor: Timestamp, from: Timestamp) -> Option<Timestamp> {
        let before = Timestamp::from_micros(from.as_micros().saturating_sub(1));
        match &self.when {
            When::Once(at) => self.instant(*at).filter(|instant| *instant >= from),
            When::Repeating(Schedule::Rate(_)) if from <= anchor => Some(anchor),
            When::Repeating(rate @ Schedule::Rate(_)) => rate.next(anchor, before),
            When::Repeating(cron @ Schedule::Cron(_)) => self.next_of_cron(cron, before),
        }
    }

    /// The expression is followed on the clock of the wall, taken for UTC, and each moment found is looked up in the zone.
    fn next_of_cron(&self, cron: &Schedule, after: Timestamp) -> Option<Timestamp> {
        let wall = self.zone.to_datetime(after.to_jiff());
        let mut wall = Timestamp::from_jiff(wall.to_zoned(TimeZone::UTC).ok()?.timestamp());
        for _ in 0..PASSED_OVER_MAX {
            wall = cron.next(Timestamp::EPOCH, wall)?;
            let instant = self.instant(TimeZone::UTC.to_datetime(wall.to_jiff()));
            if let Some(instant) = instant.filter(|instant| *instant > after) {
                return Some(instant);
            }
        }
        None
    }

    /// The instant of a time on the wall: none if the zone leaves it out, the first if it repeats it.
    fn instant(&self, wall: DateTime) -> Option<Timestamp> {
        let offset = match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, .. } => before,
            AmbiguousOffset::Gap { .. } => return None,
        };
        Some(Timestamp::from_jiff(offset.to_timestamp(wall).ok()?))
    }
}

/// `yyyy-mm-ddThh:mm:ss`, and nothing else that a parser of times may take.
fn moment(inside: &str) -> Option<DateTime> {
    let shape = inside.bytes().zip(b"dddd-dd-ddTdd:dd:dd");
    let fits =
        inside.len() == 19 && shape.into_iter().all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == *s });
    fits.then(|| inside.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;

    use super::Calendar;

    fn check(expression: &str, zone: &str, from: &str, expect: &[&str]) {
        let calendar = Calendar::parse(expression, zone).unwrap();
        let anchor = Timestamp::parse("2026-01-01T00:00:30Z").unwrap();
        let mut from = Timestamp::parse(from).unwrap();
        for next in expect {
            let found = calendar.at_or_after(anchor, from).unwrap();
            assert_eq!(found.iso_secs(), *next, "{expression} in {zone}");
            from = Timestamp::from_micros(found.as_micros() + 1);
        }
    }

    #[test]
    fn once() {
        let calendar = Calendar::parse("at(2026-05-01T08:00:00)", "America/Bogota").unwrap();
        let at = Timestamp::parse("2026-05-01T13:00:00Z").unwrap();
        assert_eq!(calendar.at_or_after(at, Timestamp::EPOCH), Some(at));
        assert_eq!(calendar.at_or_after(at, at), Some(at));
        assert_eq!(calendar.at_or_after(at, Timestamp::from_micros(at.as_micros() + 1)), None);
    }

    #[test]
    fn a_rate_begins_with_its_anchor() {
        let expect = ["2026-01-01T00:00:30Z", "2026-01-01T00:05:30Z", "2026-01-01T00:10:30Z"];
        check("rate(5 minutes)", "UTC", "2025-12-31T00:00:00Z", &expect);
        check("rate(5 minutes)", "UTC", "2026-01-01T00:05:30Z", &expect[1..]);
        check(
            "rate(1 days)".replace("1 days", "1 day").as_str(),
            "Europe/Madrid",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T00:00:30Z", "2026-03-30T00:00:30Z"],
        );
    }

    #[test]
    fn a_clock_that_is_put_forward_and_back() {
        // Madrid: 02:00 to 03:00 on 2026-03-29 does not exist, 02:00 to 03:00 on 2026-10-25 comes twice.
        let every_day = "cron(30 2 * * ? *)";
        check(every_day, "Europe/Madrid", "2026-03-28T00:00:00Z", &["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"]);
        check(every_day, "Europe/Madrid", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let half_hours = "cron(0/30 * * * ? *)";
        check(half_hours, "Europe/Madrid", "2026-10-25T00:20:00Z", &["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"]);
        assert_eq!(
            Calendar::parse("at(2026-03-29T02:30:00)", "Europe/Madrid")
                .unwrap()
                .at_or_after(Timestamp::EPOCH, Timestamp::EPOCH),
            None
        );
    }

    #[test]
    fn what_is_refused() {
        for bad in [
            "at(2026-05-01)",
            "at(2026-05-01T08:00)",
            "at(2026-13-01T08:00:00)",
            "at(2026-05-01T08:00:00Z)",
            "at()",
            "rate(1 week)",
            "",
        ] {
            let refused = Calendar::parse(bad, "UTC").err();
            assert_eq!(refused, Some(format!("Invalid Schedule Expression {bad}.")));
        }
        assert!(Calendar::parse("rate(1 minute)", "Mars/Olympus").is_err());
    }
}
