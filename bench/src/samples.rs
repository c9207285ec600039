//! Durations and what they say together.

use std::time::{Duration, Instant};

/// Durations, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, duration: Duration) {
        self.0.push(duration.as_secs_f64() * 1e6);
    }

    pub(crate) fn extend(&mut self, others: Samples) {
        self.0.extend(others.0);
    }

    /// Runs `work` and keeps how long it took.
    pub(crate) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.add(began.elapsed());
        done
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value below which this part (0 to 1) of all lies; 0 without samples.
    pub(crate) fn at(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let index = (part * (sorted.len().saturating_sub(1)) as f64).round() as usize;
        sorted.get(index).copied().unwrap_or(0.0)
    }

    pub(crate) fn p50(&self) -> f64 {
        self.at(0.5)
    }

    /// p50, p99 and the longest, as a table's row begins.
    pub(crate) fn row(&self) -> Vec<Option<f64>> {
        vec![Some(self.p50()), Some(self.at(0.99)), Some(self.at(1.0))]
    }
}

/// The median of a few figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}
