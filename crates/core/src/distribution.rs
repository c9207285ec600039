//! How the samples of a metric are spread: count, sum, extremes, and as much of the values as percentiles need.

use std::cmp::Ordering;

/// Up to this many different values are kept as they are.
pub const EXACT_VALUES_MAX: usize = 128;
/// Beyond them values are put into buckets that grow by a factor; what a bucket stands for is at most this far, relatively, from
/// any value in it.
pub const RELATIVE_ERROR: f64 = 0.01;
/// The most buckets; beyond them the smallest values share one.
pub const BUCKETS_MAX: usize = 1_024;

/// By how much a bucket's upper end is larger than its lower one.
const GROWTH: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);

/// What is known of the values themselves.
#[derive(Clone, Debug, PartialEq)]
pub enum Spread {
    /// Every value with how often it occurred, smallest first.
    Exact(Vec<(f64, f64)>),
    /// How often zero occurred, and each bucket with its count, smallest first. Bucket `n` holds the values above
    /// `GROWTH^(n-1)` up to and with `GROWTH^n`.
    Buckets {
        /// How often zero occurred.
        zeros: f64,
        /// Number and count.
        buckets: Vec<(i32, f64)>,
    },
    /// Nothing: there was a negative value, or a set of statistics without its values.
    Unknown,
}

/// Samples of a metric, merged. Merging commutes, so the order in which parts come together does not matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    count: f64,
    sum: f64,
    min: f64,
    max: f64,
    spread: Spread,
}

impl Default for Distribution {
    fn default() -> Distribution {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Distribution { count: 0.0, sum: 0.0, min, max, spread: Spread::Exact(Vec::new()) }
    }
}

impl Distribution {
    /// One value that occurred `times` times.
    pub fn of(value: f64, times: f64) -> Distribution {
        let mut one = Distribution::default();
        one.add(value, times);
        one
    }

    /// A set of statistics. Its values are known only if they are all the same.
    pub fn of_statistics(count: f64, sum: f64, min: f64, max: f64) -> Distribution {
        if min == max {
            return Distribution { sum, ..Distribution::of(min, count) };
        }
        Distribution { count, sum, min, max, spread: Spread::Unknown }
    }

    /// What [`Distribution::spread`] and the four figures of another were.
    pub fn from_parts(count: f64, sum: f64, min: f64, max: f64, spread: Spread) -> Distribution {
        Distribution { count, sum, min, max, spread }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.count == 0.0
    }

    /// How many samples.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The smallest; infinite if there is none.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The largest; negative infinity if there is none.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// What is known of the values.
    pub fn spread(&self) -> &Spread {
        &self.spread
    }

    /// Adds a value that occurred `times` times. Not a number, infinite, or no times: nothing.
    pub fn add(&mut self, value: f64, times: f64) {
        if !value.is_finite() || times.is_nan() || times <= 0.0 {
            return;
        }
        self.count += times;
        self.sum += value * times;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.spread.add(value, times);
    }

    /// Adds all samples of another.
    pub fn merge(&mut self, other: &Distribution) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        match (&mut self.spread, &other.spread) {
            (_, Spread::Unknown) => self.spread = Spread::Unknown,
            (Spread::Unknown, _) => {}
            (spread, Spread::Exact(values)) => values.iter().for_each(|(value, times)| spread.add(*value, *times)),
            (spread, Spread::Buckets { zeros, buckets }) => {
                spread.coarsen();
                spread.add(0.0, *zeros);
                buckets.iter().for_each(|(number, times)| spread.add_bucket(*number, *times));
            }
        }
    }

    /// The values with how often each occurred, smallest first, as far as they are known: exact up to [`EXACT_VALUES_MAX`]
    /// different ones, else within [`RELATIVE_ERROR`]. None if nothing is known of them.
    pub fn values(&self) -> Option<Vec<(f64, f64)>> {
        match &self.spread {
            Spread::Unknown => None,
            Spread::Exact(values) => Some(values.clone()),
            Spread::Buckets { zeros, buckets } => {
                let zero = (*zeros > 0.0).then_some((0.0, *zeros));
                // The middle of a bucket as far as relative errors go, but no value is beyond the extremes.
                let middle = |number: i32| 2.0 * GROWTH.powi(number) / (GROWTH + 1.0);
                let rest = buckets.iter().map(|(number, times)| (middle(*number).clamp(self.min, self.max), *times));
                Some(zero.into_iter().chain(rest).collect())
            }
        }
    }
}

/// The bucket of a value above zero.
fn bucket_of(value: f64) -> i32 {
    // Doubles above zero lie between 2^-1074 and 2^1024, so this is between -53,000 and 51,000.
    (value.ln() / GROWTH.ln()).ceil() as i32
}

impl Spread {
    fn add(&mut self, value: f64, times: f64) {
        if value < 0.0 {
            *self = Spread::Unknown;
        }
        match self {
            Spread::Unknown => {}
            Spread::Exact(values) => {
                let at = values.binary_search_by(|(known, _)| known.partial_cmp(&value).unwrap_or(Ordering::Equal));
                match at {
                    Ok(at) => values.get_mut(at).into_iter().for_each(|(_, known)| *known += times),
                    Err(at) if values.len() < EXACT_VALUES_MAX => values.insert(at, (value, times)),
                    Err(_) => {
                        self.coarsen();
                        self.add(value, times);
                    }
                }
            }
            Spread::Buckets { zeros, .. } if value == 0.0 => *zeros += times,
            Spread::Buckets { .. } => self.add_bucket(bucket_of(value), times),
        }
    }

    /// Puts exact values into buckets.
    fn coarsen(&mut self) {
        if let Spread::Exact(values) = self {
            let values = std::mem::take(values);
            *self = Spread::Buckets { zeros: 0.0, buckets: Vec::new() };
            values.into_iter().for_each(|(value, times)| self.add(value, times));
        }
    }

    fn add_bucket(&mut self, number: i32, times: f64) {
        let Spread::Buckets { buckets, .. } = self else { return };
        match buckets.binary_search_by_key(&number, |(known, _)| *known) {
            Ok(at) => buckets.get_mut(at).into_iter().for_each(|(_, known)| *known += times),
            Err(at) => buckets.insert(at, (number, times)),
        }
        if buckets.len() > BUCKETS_MAX {
            // Who asks for percentiles asks for the high ones.
            let (_, lowest) = buckets.remove(0);
            buckets.first_mut().into_iter().for_each(|(_, times)| *times += lowest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::{BUCKETS_MAX, Distribution, EXACT_VALUES_MAX, RELATIVE_ERROR, Spread};

    #[test]
    fn few_values_stay_as_they_are() {
        let mut spread = Distribution::of(3.0, 1.0);
        spread.add(1.0, 2.0);
        spread.add(3.0, 1.5);
        spread.add(f64::NAN, 1.0);
        spread.add(f64::INFINITY, 1.0);
        spread.add(7.0, 0.0);
        assert_eq!((spread.count(), spread.sum(), spread.min(), spread.max()), (4.5, 9.5, 1.0, 3.0));
        assert_eq!(spread.values(), Some(vec![(1.0, 2.0), (3.0, 2.5)]));
    }

    #[test]
    fn what_has_no_values_says_so() {
        assert_eq!(Distribution::of(-1.0, 1.0).values(), None);
        assert_eq!(Distribution::of_statistics(4.0, 10.0, 1.0, 4.0).values(), None);
        assert_eq!(Distribution::of_statistics(4.0, 8.0, 2.0, 2.0).values(), Some(vec![(2.0, 4.0)]));
        let mut known = Distribution::of(1.0, 1.0);
        known.merge(&Distribution::of(-1.0, 1.0));
        known.add(1.0, 1.0);
        assert_eq!((known.values(), known.count(), known.sum()), (None, 3.0, 1.0));
    }

    #[test]
    fn memory_is_bounded() {
        let mut spread = Distribution::default();
        for exponent in -1_000..1_000 {
            spread.add(2f64.powi(exponent), 1.0);
        }
        let Spread::Buckets { buckets, .. } = spread.spread() else { panic!("{spread:?}") };
        assert_eq!(buckets.len(), BUCKETS_MAX);
        assert_eq!(spread.count(), 2_000.0);
        assert_eq!(buckets.iter().map(|(_, times)| times).sum::<f64>(), 2_000.0);
    }

    proptest! {
        #[test]
        fn parts_make_the_whole_in_any_order(values in proptest::collection::vec((0u32..5_000, 1u8..4), 1..400), cut in 0usize..400) {
            let cut = cut.min(values.len());
            let spread = |part: &[(u32, u8)]| {
                let mut all = Distribution::default();
                part.iter().for_each(|(value, times)| all.add(f64::from(*value), f64::from(*times)));
                all
            };
            let (mut left, mut right) = (spread(&values[..cut]), spread(&values[cut..]));
            let (first, second) = (left.clone(), right.clone());
            left.merge(&second);
            right.merge(&first);
            prop_assert_eq!(&left, &right);
            prop_assert_eq!((left.count(), left.min(), left.max()), {
                let whole = spread(&values);
                (whole.count(), whole.min(), whole.max())
            });
            // Whatever is shown for a value is near it.
            let mut exact: Vec<f64> = values.iter().flat_map(|(v, n)| std::iter::repeat_n(f64::from(*v), usize::from(*n))).collect();
            exact.sort_by(f64::total_cmp);
            let shown: Vec<f64> = left.values().unwrap().into_iter().flat_map(|(v, n)| std::iter::repeat_n(v, n as usize)).collect();
            prop_assert_eq!(shown.len(), exact.len());
            let distinct = { let mut all = exact.clone(); all.dedup(); all.len() };
            let allowed = if distinct <= EXACT_VALUES_MAX && left.values().unwrap().len() == distinct { RELATIVE_ERROR } else { RELATIVE_ERROR * 1.001 };
            for (shown, exact) in shown.iter().zip(&exact) {
                prop_assert!((shown - exact).abs() <= exact * allowed, "{} for {}", shown, exact);
            }
        }
    }
}
