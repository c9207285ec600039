//! How finely time is kept, by age. AWS: API reference, *GetMetricData*, "Amazon CloudWatch retains metric data as follows".

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// How finely time is kept. The numbers are written into keys: never to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Tier {
    /// Points of a second, of metrics stored with `StorageResolution` 1.
    Second = 0,
    /// Points of a minute.
    Minute = 1,
    /// Points of five minutes.
    FiveMinutes = 2,
    /// Points of an hour.
    Hour = 3,
}

impl Tier {
    /// From the finest to the coarsest.
    pub(crate) const ALL: [Tier; 4] = [Tier::Second, Tier::Minute, Tier::FiveMinutes, Tier::Hour];

    /// What a point of it covers, in seconds.
    pub(crate) const fn seconds(self) -> i64 {
        match self {
            Tier::Second => 1,
            Tier::Minute => MINUTE_S,
            Tier::FiveMinutes => 5 * MINUTE_S,
            Tier::Hour => HOUR_S,
        }
    }

    /// How long its points are kept, in seconds.
    pub(crate) const fn kept_s(self) -> i64 {
        match self {
            Tier::Second => 3 * HOUR_S,
            Tier::Minute => 15 * DAY_S,
            Tier::FiveMinutes => 63 * DAY_S,
            Tier::Hour => 455 * DAY_S,
        }
    }

    /// Into which its points are rolled up; after the last they are gone.
    pub(crate) const fn next(self) -> Option<Tier> {
        match self {
            Tier::Second => Some(Tier::Minute),
            Tier::Minute => Some(Tier::FiveMinutes),
            Tier::FiveMinutes => Some(Tier::Hour),
            Tier::Hour => None,
        }
    }

    /// The point in which a moment lies: its first second.
    pub(crate) const fn point_of(self, at_s: i64) -> i64 {
        at_s - at_s.rem_euclid(self.seconds())
    }

    /// The oldest point that is kept whole at `now_s`: what is before it is rolled up.
    pub(crate) const fn kept_from(self, now_s: i64) -> i64 {
        // Whole points of the next tier are rolled up, so that none is split between two.
        match self.next() {
            Some(next) => next.point_of(now_s - self.kept_s()),
            None => self.point_of(now_s - self.kept_s()),
        }
    }
}

/// The start of a range, rounded down as CloudWatch does by its age; a period below a minute counts as it is.
pub(crate) fn rounded_start(start_s: i64, now_s: i64, period_s: i64) -> i64 {
    let tier = match now_s - start_s {
        age if age < Tier::Minute.kept_s() => Tier::Minute,
        age if age < Tier::FiveMinutes.kept_s() => Tier::FiveMinutes,
        _ => Tier::Hour,
    };
    if tier == Tier::Minute && period_s < MINUTE_S {
        return start_s - start_s.rem_euclid(period_s.max(1));
    }
    tier.point_of(start_s)
}

/// Whether a period is one that can be asked for.
pub(crate) fn is_period(period_s: i64) -> bool {
    matches!(period_s, 1 | 5 | 10 | 20 | 30) || (period_s > 0 && period_s % MINUTE_S == 0)
}

#[cfg(test)]
mod tests {
    use super::{DAY_S, Tier, is_period, rounded_start};

    #[test]
    fn starts_are_rounded_by_their_age() {
        let now = 1_800_000_000;
        let check = |age: i64, period: i64, expect: i64| {
            let start = now - age;
            assert_eq!(start - rounded_start(start, now, period), expect, "{age} {period}");
        };
        check(27, 60, 33);
        check(27, 10, 3);
        check(27, 1, 0);
        check(15 * DAY_S - 27, 60, 27);
        check(15 * DAY_S + 33, 60, 267);
        check(63 * DAY_S + 33, 60, 3_567);
    }

    #[test]
    fn points_are_rolled_up_whole() {
        let now = 1_800_000_059;
        assert_eq!(Tier::Second.kept_from(now), now - 59 - 3 * 3_600);
        assert_eq!(Tier::Hour.next(), None);
        assert!(Tier::ALL.iter().all(|tier| tier.next().is_none_or(|next| tier.kept_from(now) % next.seconds() == 0)));
    }

    #[test]
    fn periods() {
        assert!([1, 5, 10, 20, 30, 60, 120, 86_400].into_iter().all(is_period));
        assert!(![0, -60, 2, 15, 59, 61, 90].into_iter().any(is_period));
    }
}
