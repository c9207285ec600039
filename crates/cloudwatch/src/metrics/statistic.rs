//! Statistics: the five, percentiles, and what is computed from a part of the values. AWS: *CloudWatch User Guide*,
//! "CloudWatch statistics definitions".

use cauce_core::Distribution;

/// A statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Statistic {
    SampleCount,
    Sum,
    Average,
    Minimum,
    Maximum,
    /// The value below which so many percent of the samples are.
    Percentile(f64),
    /// Of the samples within bounds.
    Trimmed(Trimmed, Bound, Bound),
}

/// What is computed of the samples within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trimmed {
    /// Their mean.
    Mean,
    /// The mean of all, those outside counted as if they were at the bounds.
    Winsorized,
    /// How many there are.
    Count,
    /// Their sum.
    Sum,
    /// How many percent of all they are.
    Rank,
}

/// One end of what is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// Everything.
    Open,
    /// After so many percent of the samples.
    Percent(f64),
    /// At this value.
    Value(f64),
}

impl Statistic {
    /// Reads `Sum`, `p99.9`, `tm90`, `TM(10%:90%)`, `PR(:100)`, `IQM`, ...
    pub(crate) fn parse(text: &str) -> Option<Statistic> {
        Some(match text {
            "SampleCount" => Statistic::SampleCount,
            "Sum" => Statistic::Sum,
            "Average" => Statistic::Average,
            "Minimum" => Statistic::Minimum,
            "Maximum" => Statistic::Maximum,
            other => return Statistic::extended(other),
        })
    }

    /// Reads any statistic but the five.
    pub(crate) fn extended(text: &str) -> Option<Statistic> {
        let lower = text.to_ascii_lowercase();
        if lower == "iqm" {
            return Some(Statistic::Trimmed(Trimmed::Mean, Bound::Percent(25.0), Bound::Percent(75.0)));
        }
        if let Some(rank) = lower.strip_prefix('p').and_then(percent) {
            return Some(Statistic::Percentile(rank));
        }
        let kinds = [
            ("tm", Trimmed::Mean),
            ("wm", Trimmed::Winsorized),
            ("tc", Trimmed::Count),
            ("ts", Trimmed::Sum),
            ("pr", Trimmed::Rank),
        ];
        let (kind, rest) = kinds.into_iter().find_map(|(name, kind)| Some((kind, lower.strip_prefix(name)?)))?;
        if let Some(bounds) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            let (low, high) = bounds.split_once(':')?;
            let (low, high) = (Bound::parse(low)?, Bound::parse(high)?);
            return Bound::go_together(low, high, kind).then_some(Statistic::Trimmed(kind, low, high));
        }
        // `tm90` is short for `TM(:90%)`; ranks have no short form.
        let high = percent(rest).filter(|_| kind != Trimmed::Rank)?;
        Some(Statistic::Trimmed(kind, Bound::Open, Bound::Percent(high)))
    }

    /// Its value; none if there are no samples, or not enough is known of them.
    pub(crate) fn of(self, samples: &Distribution) -> Option<f64> {
        if samples.is_empty() {
            return None;
        }
        Some(match self {
            Statistic::SampleCount => samples.count(),
            Statistic::Sum => samples.sum(),
            Statistic::Average => samples.sum() / samples.count(),
            Statistic::Minimum => samples.min(),
            Statistic::Maximum => samples.max(),
            Statistic::Percentile(rank) => percentile(&samples.values()?, rank)?,
            Statistic::Trimmed(kind, low, high) => return trimmed(&samples.values()?, kind, low, high),
        })
    }
}

/// A number between 0 and 100 with at most ten digits after the point.
fn percent(text: &str) -> Option<f64> {
    let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    if digits > 10 || text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent))
}

impl Bound {
    fn parse(text: &str) -> Option<Bound> {
        match text.trim() {
            "" => Some(Bound::Open),
            text => match text.strip_suffix('%') {
                Some(text) => percent(text).map(Bound::Percent),
                None => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Bound::Value),
            },
        }
    }

    /// Both in percent or both values, the lower one first; a rank is between values.
    fn go_together(low: Bound, high: Bound, kind: Trimmed) -> bool {
        match (low, high) {
            (Bound::Open, Bound::Open) => false,
            (Bound::Percent(low), Bound::Percent(high)) => low < high && kind != Trimmed::Rank,
            (Bound::Value(low), Bound::Value(high)) => low < high,
            (Bound::Percent(_), Bound::Open) | (Bound::Open, Bound::Percent(_)) => kind != Trimmed::Rank,
            (Bound::Value(_), Bound::Open) | (Bound::Open, Bound::Value(_)) => true,
            (Bound::Percent(_), Bound::Value(_)) | (Bound::Value(_), Bound::Percent(_)) => false,
        }
    }
}

/// The smallest value below or at which `rank` percent of the samples are.
fn percentile(values: &[(f64, f64)], rank: f64) -> Option<f64> {
    let total: f64 = values.iter().map(|(_, times)| times).sum();
    let wanted = total * rank / 100.0;
    let mut so_far = 0.0;
    for (value, times) in values {
        so_far += times;
        // Sums of fractions are not exact; a billionth of a sample is none.
        if so_far >= wanted - total * 1e-9 && so_far > 0.0 {
            return Some(*value);
        }
    }
    values.last().map(|(value, _)| *value)
}

/// How much of each value lies within bounds, beside how much lies below them.
fn within(values: &[(f64, f64)], low: Bound, high: Bound) -> Vec<(f64, f64)> {
    let total: f64 = values.iter().map(|(_, times)| times).sum();
    let rank = |bound: Bound, open: f64| match bound {
        Bound::Percent(percent) => total * percent / 100.0,
        Bound::Open | Bound::Value(_) => open,
    };
    let (from, to) = (rank(low, 0.0), rank(high, total));
    let mut so_far = 0.0;
    let mut kept = Vec::with_capacity(values.len());
    for (value, times) in values {
        let (begin, end) = (so_far, so_far + times);
        so_far = end;
        let above = !matches!(low, Bound::Value(low) if *value <= low);
        let below = !matches!(high, Bound::Value(high) if *value > high);
        let part = end.min(to) - begin.max(from);
        kept.push((*value, if above && below { part.max(0.0) } else { 0.0 }));
    }
    kept
}

fn trimmed(values: &[(f64, f64)], kind: Trimmed, low: Bound, high: Bound) -> Option<f64> {
    let kept = within(values, low, high);
    let count: f64 = kept.iter().map(|(_, times)| times).sum();
    let sum: f64 = kept.iter().map(|(value, times)| value * times).sum();
    let total: f64 = values.iter().map(|(_, times)| times).sum();
    match kind {
        Trimmed::Count => Some(count),
        Trimmed::Sum => Some(sum),
        Trimmed::Rank => Some(100.0 * count / total),
        Trimmed::Mean => (count > 0.0).then(|| sum / count),
        Trimmed::Winsorized => {
            let inside = || kept.iter().filter(|(_, times)| *times > 0.0).map(|(value, _)| *value);
            let edge = |bound: Bound, inner: Option<f64>| match bound {
                Bound::Value(value) => Some(value),
                Bound::Open | Bound::Percent(_) => inner,
            };
            let (floor, ceiling) = (edge(low, inside().next())?, edge(high, inside().next_back())?);
            let clamped = values.iter().map(|(value, times)| value.max(floor).min(ceiling) * times);
            Some(clamped.sum::<f64>() / total)
        }
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::Distribution;

    use super::Statistic;

    fn one_to_ten() -> Distribution {
        let mut samples = Distribution::default();
        (1..=10).for_each(|value| samples.add(f64::from(value), 1.0));
        samples
    }

    #[test]
    fn statistics_have_their_values() {
        let check = |text: &str, expect: f64| {
            let statistic = Statistic::parse(text).unwrap_or_else(|| panic!("{text}"));
            let got = statistic.of(&one_to_ten()).unwrap_or_else(|| panic!("{text}"));
            assert!((got - expect).abs() < 1e-9, "{text}: {got}, expected {expect}");
        };
        check("SampleCount", 10.0);
        check("Sum", 55.0);
        check("Average", 5.5);
        check("Minimum", 1.0);
        check("Maximum", 10.0);
        check("p0", 1.0);
        check("p50", 5.0);
        check("p90", 9.0);
        check("P90.1", 10.0);
        check("p100", 10.0);
        check("tm90", 5.0);
        check("TM(10%:90%)", 5.5);
        check("TM(80%:)", 9.5);
        check("TM(2:5)", 4.0);
        check("tm(2:)", 6.5);
        check("iqm", 5.5);
        check("IQM", 5.5);
        check("wm90", (45.0 + 9.0) / 10.0);
        check("WM(20%:80%)", (3.0 * 3.0 + 4.0 + 5.0 + 6.0 + 7.0 + 3.0 * 8.0) / 10.0);
        check("TC(2:5)", 3.0);
        check("tc50", 5.0);
        check("TS(80%:)", 19.0);
        check("ts10", 1.0);
        check("PR(:3)", 30.0);
        check("PR(3:)", 70.0);
        check("PR(2:4)", 20.0);
    }

    #[test]
    fn what_is_no_statistic_is_none() {
        for text in [
            "",
            "sum",
            "p",
            "p101",
            "p-1",
            "pp9",
            "p1e1",
            "p99.12345678901",
            "tm",
            "tm101",
            "TM(:)",
            "TM()",
            "TM(1:2",
            "TM(90%:10%)",
            "TM(5:5)",
            "TM(10%:5)",
            "pr90",
            "PR(10%:90%)",
            "PR(:NaN)",
            "xx90",
            "IQM(1:2)",
            "p٣",
        ] {
            assert_eq!(Statistic::parse(text), None, "{text}");
        }
        assert_eq!(Statistic::extended("Sum"), None);
    }

    #[test]
    fn what_is_not_known_has_no_value() {
        let of = |text: &str, samples: &Distribution| Statistic::parse(text).unwrap().of(samples);
        assert_eq!(of("Sum", &Distribution::default()), None);
        let set = Distribution::of_statistics(3.0, 6.0, 1.0, 3.0);
        assert_eq!((of("Average", &set), of("p50", &set), of("TC(:2)", &set)), (Some(2.0), None, None));
        assert_eq!(of("p50", &Distribution::of(-1.0, 1.0)), None);
        assert_eq!((of("TM(20:30)", &one_to_ten()), of("TC(20:30)", &one_to_ten())), (None, Some(0.0)));
    }
}
