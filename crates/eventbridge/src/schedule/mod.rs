//! `rate(...)` and `cron(...)`: when a scheduled rule ticks.
//!
//! AWS: EventBridge User Guide, "Creating a rule that runs on a schedule". Times are UTC, to the minute.

mod timer;

use cauce_core::Timestamp;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

pub(crate) use timer::{TICK_ROW, run, tick_of};

/// A parsed schedule expression.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// Every so many microseconds.
    Rate(i64),
    /// At the minutes that a cron expression names.
    Cron(Box<Cron>),
}

const MINUTE_US: i64 = 60_000_000;

impl Schedule {
    /// Reads an expression; `None` if it is not one that AWS accepts.
    pub(crate) fn parse(expression: &str) -> Option<Schedule> {
        let (kind, rest) = expression.trim().split_once('(')?;
        let inside = rest.strip_suffix(')')?;
        match kind {
            "rate" => rate(inside),
            "cron" => cron(inside),
            _ => None,
        }
    }

    /// The first tick after `after`. A rate counts from `anchor`, the moment the schedule was set.
    pub(crate) fn next(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Rate(every_us) => {
                let passed = after.as_micros().saturating_sub(anchor.as_micros()).max(0) / every_us;
                Some(Timestamp::from_micros(anchor.as_micros() + (passed + 1) * every_us))
            }
            Schedule::Cron(cron) => {
                let from = after.to_jiff().to_zoned(TimeZone::UTC);
                let next = cron.find_next_occurrence(&from, false).ok()?;
                Some(Timestamp::from_jiff(next.timestamp()))
            }
        }
    }
}

/// `5 minutes`: a positive number and a unit, singular for one and plural for more.
fn rate(inside: &str) -> Option<Schedule> {
    let (number, unit) = inside.trim().split_once(' ')?;
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i64 = number.parse().ok().filter(|n| (1..=1_000_000).contains(n))?;
    let minutes = match (number, unit.trim()) {
        (1, "minute") | (2.., "minutes") => 1,
        (1, "hour") | (2.., "hours") => 60,
        (1, "day") | (2.., "days") => 24 * 60,
        _ => return None,
    };
    Some(Schedule::Rate(number * minutes * MINUTE_US))
}

/// Exactly six fields, of which exactly one of day-of-month and day-of-week is `?`.
fn cron(inside: &str) -> Option<Schedule> {
    let fields: Vec<&str> = inside.split_whitespace().collect();
    let [_, _, day_of_month, _, day_of_week, _] = fields.as_slice() else { return None };
    if (*day_of_month == "?") == (*day_of_week == "?") {
        return None;
    }
    let known = |b: u8| b.is_ascii_alphanumeric() || b"*,-/?#".contains(&b);
    if fields.iter().any(|field| !field.bytes().all(known)) {
        return None;
    }
    // croner's sixth and seventh fields are seconds (first) and year (last); a minute-granular expression ticks at second 0.
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        .alternative_weekdays(true)
        .sloppy_ranges(true)
        .build();
    parser.parse(&format!("0 {}", fields.join(" "))).ok().map(|cron| Schedule::Cron(Box::new(cron)))
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;

    use super::Schedule;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn check(expression: &str, after: &str, expect: &[&str]) {
        let schedule = Schedule::parse(expression).unwrap_or_else(|| panic!("{expression} is refused"));
        let mut now = at(after);
        for next in expect {
            now = schedule.next(at("2026-01-01T00:00:30Z"), now).unwrap();
            assert_eq!(now.iso_secs(), *next, "{expression}");
        }
    }

    #[test]
    fn rates_count_from_their_beginning() {
        check("rate(1 minute)", "2026-01-01T00:00:30Z", &["2026-01-01T00:01:30Z", "2026-01-01T00:02:30Z"]);
        check("rate(5 minutes)", "2026-01-01T00:04:00Z", &["2026-01-01T00:05:30Z"]);
        check("rate(2 hours)", "2026-01-01T01:00:00Z", &["2026-01-01T02:00:30Z"]);
        check("rate(7 days)", "2026-01-01T01:00:00Z", &["2026-01-08T00:00:30Z"]);
    }

    #[test]
    fn cron_as_the_user_guide_shows_it() {
        let now = "2026-03-06T12:00:00Z"; // a Friday
        check("cron(0 10 * * ? *)", now, &["2026-03-07T10:00:00Z", "2026-03-08T10:00:00Z"]);
        check("cron(15 12 * * ? *)", now, &["2026-03-06T12:15:00Z"]);
        check("cron(0 18 ? * MON-FRI *)", now, &["2026-03-06T18:00:00Z", "2026-03-09T18:00:00Z"]);
        check("cron(0 8 1 * ? *)", now, &["2026-04-01T08:00:00Z"]);
        check("cron(0/15 * * * ? *)", now, &["2026-03-06T12:15:00Z", "2026-03-06T12:30:00Z"]);
        check("cron(0/5 8-17 ? * 2-6 *)", "2026-03-06T17:55:00Z", &["2026-03-09T08:00:00Z"]);
        check("cron(0 9 ? * 2#1 *)", now, &["2026-04-06T09:00:00Z"]);
        check("cron(0 9 L * ? *)", now, &["2026-03-31T09:00:00Z"]);
        check("cron(0 9 ? * 6L *)", now, &["2026-03-27T09:00:00Z"]);
        check("cron(0 0 3W * ? *)", "2026-10-01T00:00:00Z", &["2026-10-02T00:00:00Z"]);
        check("cron(0 12 * * ? 2027)", now, &["2027-01-01T12:00:00Z"]);
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        for bad in [
            "",
            "rate",
            "rate()",
            "rate(5)",
            "rate(0 minutes)",
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(-1 minutes)",
            "rate(1.5 hours)",
            "rate(5 seconds)",
            "rate(+5 minutes)",
            "cron(* * * * *)",
            "cron(* * * * * *)",
            "cron(* * ? * ? *)",
            "cron(0 18 ? * MON-FRI)",
            "cron(60 * * * ? *)",
            "cron(0 24 * * ? *)",
            "cron(0 0 32 * ? *)",
            "cron(0 0 ? * 8 *)",
            "at(2026-01-01T00:00:00)",
            "cron(0 0 * * ? * *)",
            "cron(0 0 * * ? @)",
        ] {
            assert!(Schedule::parse(bad).is_none(), "{bad} is accepted");
        }
    }
}
