//! Reading the points of a metric, gathered into periods.

use std::collections::BTreeMap;

use cauce_core::Distribution;
use cauce_store::{RangeReq, ReadReq, StoreError};

use super::error::MetricsError;
use super::keys;
use super::lane::read_point;
use super::registry::Known;
use super::service::Metrics;
use super::tier::{Tier, rounded_start};
use super::unit::Unit;

/// Points read at a time.
const PAGE_ROWS: usize = 10_000;

/// Which part of time is asked for, and how it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first second, rounded as CloudWatch rounds it.
    pub(crate) start_s: i64,
    /// The first second that is not asked for any more.
    pub(crate) end_s: i64,
    pub(crate) period_s: i64,
}

impl Window {
    pub(crate) fn new(start_s: i64, end_s: i64, now_s: i64, period_s: i64) -> Window {
        Window { start_s: rounded_start(start_s, now_s, period_s), end_s, period_s }
    }

    /// The start of the period in which a second lies.
    pub(crate) fn period_of(&self, at_s: i64) -> i64 {
        at_s - (at_s - self.start_s).rem_euclid(self.period_s)
    }

    /// How many periods it has.
    pub(crate) fn periods(&self) -> i64 {
        let length = self.end_s - self.start_s;
        if length <= 0 { 0 } else { (length - 1) / self.period_s + 1 }
    }
}

/// What lies in each period, by its start and the unit of the samples.
pub(crate) type Periods = BTreeMap<(i64, Unit), Distribution>;

impl Metrics {
    /// What a metric has in a window; of one unit only if one is given.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn periods(
        &self,
        known: &Known,
        window: Window,
        unit: Option<Unit>,
    ) -> Result<Periods, MetricsError> {
        let mut periods = Periods::new();
        let range =
            |tier: Tier| RangeReq::new(keys::points_between(known.id, tier, window.start_s, window.end_s), PAGE_ROWS);
        let mut ranges: Vec<RangeReq> = tiers(known, window.period_s).map(range).collect();
        // The first pages of all tiers are of one snapshot: nothing is seen twice or not at all because it is being rolled up.
        while !ranges.is_empty() {
            let answer = self.db.read(ReadReq { gets: Vec::new(), ranges: ranges.clone() }).await?;
            let mut left = Vec::new();
            for (request, page) in ranges.into_iter().zip(answer.ranges) {
                for row in &page.rows {
                    let corrupt = |reason: String| StoreError::Corrupt { key: row.key.clone(), reason };
                    let (at_s, of) = keys::read_point(&row.key).map_err(|error| corrupt(error.to_string()))?;
                    let of = of.ok_or_else(|| corrupt("no such unit".to_owned()))?;
                    if unit.is_none_or(|unit| unit == of) {
                        let samples = read_point(&row.key, &row.val)?;
                        periods.entry((window.period_of(at_s), of)).or_default().merge(&samples);
                    }
                }
                if let (true, Some(last)) = (page.more, page.rows.last()) {
                    left.push(request.after(&last.key));
                }
            }
            ranges = left;
        }
        Ok(periods)
    }
}

/// The tiers whose points are fine enough for a period. What a metric of whole minutes has is shown at its minute whatever the
/// period is, as CloudWatch does.
fn tiers(known: &Known, period_s: i64) -> impl Iterator<Item = Tier> {
    let coarse_minutes = !known.is_fine();
    Tier::ALL.into_iter().filter(move |tier| tier.seconds() <= period_s || (*tier == Tier::Minute && coarse_minutes))
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn periods_begin_with_the_window() {
        let window = Window { start_s: 120, end_s: 721, period_s: 300 };
        assert_eq!(window.periods(), 3);
        assert_eq!([120, 419, 420, 719].map(|at| window.period_of(at)), [120, 120, 420, 420]);
        assert_eq!(Window { end_s: 120, ..window }.periods(), 0);
        assert_eq!(Window { end_s: 0, ..window }.periods(), 0);
        assert_eq!(Window { end_s: 420, ..window }.periods(), 1);
    }
}
