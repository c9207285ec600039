//! Many connections that do the same thing for a while.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::connection::Connection;
use crate::process::processor_time;
use crate::samples::{Samples, median};
use crate::server::Server;

/// What came of the rounds of one case.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    per_second: Vec<f64>,
    processor: Vec<f64>,
    samples: Samples,
}

impl Figures {
    /// Units a second: the median of the rounds.
    pub(crate) fn per_second(&self) -> f64 {
        median(self.per_second.clone())
    }

    /// Microseconds of the process's processor time a unit: the median of the rounds.
    pub(crate) fn processor(&self) -> f64 {
        median(self.processor.clone())
    }

    /// The duration of each turn.
    pub(crate) fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Units a second, p50, p99, processor time a unit, and how many times the units a second of `beside`, if there is one.
    pub(crate) fn row(&self, beside: Option<f64>) -> Vec<Option<f64>> {
        let (per_second, samples) = (self.per_second(), &self.samples);
        let own = [per_second, samples.p50(), samples.at(0.99), self.processor()];
        own.into_iter().map(Some).chain([beside.map(|beside| per_second / beside)]).collect()
    }
}

/// Runs one round against the process `pid`: every connection takes turns at `work` for as long as `span`, as fast as it can. `work` is told which connection it is
/// and which turn, and says how many units it has done.
///
/// # Errors
/// The first of a turn.
pub(crate) fn round(
    opened: Vec<Connection>,
    pid: u32,
    span: Duration,
    figures: &mut Figures,
    work: impl Fn(&mut Connection, usize, u64) -> Result<u64> + Sync,
) -> Result<()> {
    let before = processor_time(pid)?;
    let began = Instant::now();
    let done: Result<Vec<(u64, Samples)>> = std::thread::scope(|scope| {
        let send = |(number, mut connection): (usize, Connection)| {
            let work = &work;
            scope.spawn(move || -> Result<(u64, Samples)> {
                let (mut units, mut samples, mut turn) = (0, Samples::default(), 0);
                while began.elapsed() < span {
                    units += samples.time(|| work(&mut connection, number, turn))?;
                    turn += 1;
                }
                Ok((units, samples))
            })
        };
        let senders: Vec<_> = opened.into_iter().enumerate().map(send).collect();
        let join = |sender: std::thread::ScopedJoinHandle<'_, Result<(u64, Samples)>>| match sender.join() {
            Ok(done) => done,
            Err(_) => bail!("a sender has panicked"),
        };
        senders.into_iter().map(join).collect()
    });
    let took = began.elapsed().as_secs_f64();
    let processor = processor_time(pid)?.saturating_sub(before);
    let mut units = 0;
    for (more, samples) in done? {
        units += more;
        figures.samples.extend(samples);
    }
    figures.per_second.push(units as f64 / took);
    figures.processor.push(processor.as_secs_f64() * 1e6 / units.max(1) as f64);
    Ok(())
}

/// How many connections fill what is measured beforehand.
const FILLERS: u64 = 16;

/// Does `work` for each turn once, over several connections.
///
/// # Errors
/// The first of a turn.
pub(crate) fn fill(
    server: &Server,
    turns: u64,
    work: impl Fn(&mut Connection, u64) -> Result<()> + Sync,
) -> Result<()> {
    std::thread::scope(|scope| {
        let begin = |filler: u64| {
            let work = &work;
            scope.spawn(move || -> Result<()> {
                let mut connection = server.connect()?;
                (filler..turns).step_by(FILLERS as usize).try_for_each(|turn| work(&mut connection, turn))
            })
        };
        let fillers: Vec<_> = (0..FILLERS).map(begin).collect();
        fillers.into_iter().try_for_each(|filler| match filler.join() {
            Ok(filled) => filled,
            Err(_) => bail!("a filler has panicked"),
        })
    })
}

/// So many connections to the server.
///
/// # Errors
/// If it does not listen.
pub(crate) fn connect(server: &Server, connections: usize) -> Result<Vec<Connection>> {
    (0..connections).map(|_| server.connect()).collect()
}
