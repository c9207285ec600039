//! From the start of the process to the first answered request, and what an idle server takes.

use std::time::Duration;

use anyhow::Result;

use crate::process::{Usage, processor_time};
use crate::programs::Programs;
use crate::report::Table;
use crate::samples::Samples;
use crate::server::{Server, copy};
use crate::throughput::fill;

/// When an idle server is looked at.
const IDLE_AFTER: Duration = Duration::from_secs(2);

/// Events that a used data folder has seen.
const EVENTS: u64 = 20_000;

pub(crate) fn measure(programs: &Programs, quick: bool) -> Result<Table> {
    let (starts, events) = if quick { (3, 500) } else { (20, EVENTS) };
    let used_folder = programs.folder()?;
    let used = used_folder.path().join("used");
    fill(programs, &used, events)?;
    let mut table = Table::new(
        "Start: from the start of the process to the first signed answer (GetCallerIdentity)",
        &["p50 ms", "max ms", "processor ms", "resident MiB", "anonymous MiB", "threads"],
    );
    let (mut empty_starts, mut used_starts) = (Starts::default(), Starts::default());
    for _ in 0..starts {
        let folder = programs.folder()?;
        empty_starts.add(programs, &folder.path().join("data"))?;
        let data = folder.path().join("used");
        copy(&used, &data)?;
        used_starts.add(programs, &data)?;
    }
    let folder = programs.folder()?;
    table.row("empty data folder", empty_starts.row(idle(programs, &folder.path().join("data"))?));
    table.row("used data folder, killed before", used_starts.row(idle(programs, &used)?));
    table.note(format!(
        "{starts} starts each, in turns; the used folder has seen {events} events in batches of 10, and its log is replayed"
    ));
    table.note("resident and anonymous memory and threads: 2 s after the start, without a request");
    Ok(table)
}

#[derive(Default)]
struct Starts {
    took: Samples,
    processor: Samples,
}

impl Starts {
    fn add(&mut self, programs: &Programs, data: &std::path::Path) -> Result<()> {
        let server = Server::start(&programs.cauce, data)?;
        server.connect()?.call(&server.no_operation()?)?;
        self.took.add(server.began.elapsed());
        self.processor.add(processor_time(server.pid())?);
        Ok(())
    }

    fn row(&self, idle: Usage) -> Vec<Option<f64>> {
        let ms = |us: f64| Some(us / 1_000.0);
        let memory = [Some(idle.resident_mib), Some(idle.anonymous_mib), Some(idle.threads)];
        let took = [ms(self.took.p50()), ms(self.took.at(1.0)), ms(self.processor.p50())];
        took.into_iter().chain(memory).collect()
    }
}

fn idle(programs: &Programs, data: &std::path::Path) -> Result<Usage> {
    let server = Server::start(&programs.cauce, data)?;
    std::thread::sleep(IDLE_AFTER);
    Usage::of(server.pid())
}
