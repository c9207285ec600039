//! Warm and cold invocations of an empty function, beside what a call costs without us.

use anyhow::Result;

use crate::deployment::Deployment;
use crate::echo::Echo;
use crate::process::processor_time;
use crate::programs::Programs;
use crate::report::Table;
use crate::samples::Samples;
use crate::server::Server;
use crate::socket::BareFunction;

const ROUNDS: usize = 5;

pub(crate) fn measure(programs: &Programs, quick: bool) -> Result<Table> {
    let (calls, colds) = if quick { (100, 2) } else { (1_000, 16) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = programs.folder()?;
    let server = Server::start(&programs.cauce, &folder.path().join("data"))?;
    let echo = Echo::start(&programs.own)?;
    let mut bare = BareFunction::start(&programs.function, folder.path())?;
    let deployment = runtime.block_on(async {
        let deployment = Deployment::new(&server.client, &programs.function).await?;
        deployment.function("empty", "empty", &serde_json::json!({})).await?;
        anyhow::Ok(deployment)
    })?;
    let mut connection = server.connect()?;
    let (mut echoed, ping) = echo.connect(2)?;
    let mut samples: [Samples; 5] = Default::default();
    let mut processor = [0.0; 2];
    for round in 0..ROUNDS {
        let (invocation, nothing) = (server.invocation("empty")?, server.no_operation()?);
        // Whatever is cold here is warmed and not counted.
        connection.call(&invocation)?;
        let [socket, echoes, nothings, warm, cold] = &mut samples;
        for _ in 0..calls {
            socket.time(|| bare.call(b"{}").map(drop))?;
        }
        for _ in 0..calls {
            echoes.time(|| echoed.call(&ping).map(drop))?;
        }
        let [before_nothing, before_warm] = &mut processor;
        let began = processor_time(server.pid())?;
        for _ in 0..calls {
            nothings.time(|| connection.call(&nothing).map(drop))?;
        }
        let between = processor_time(server.pid())?;
        for _ in 0..calls {
            warm.time(|| connection.call(&invocation).map(drop))?;
        }
        *before_nothing += between.saturating_sub(began).as_secs_f64();
        *before_warm += processor_time(server.pid())?.saturating_sub(between).as_secs_f64();
        for n in 0..colds {
            runtime.block_on(deployment.change("empty", round * colds + n))?;
            cold.time(|| connection.call(&invocation).map(drop))?;
        }
    }
    Ok(table(&samples, processor, calls))
}

fn table(samples: &[Samples; 5], processor: [f64; 2], calls: usize) -> Table {
    let columns = &["p50 µs", "p99 µs", "max µs", "× bare socket", "over it µs", "server processor µs"];
    let mut table = Table::new("Invoke: an empty function, called synchronously", columns);
    let [socket, echoes, nothings, warm, cold] = samples;
    let row = |samples: &Samples, processor: Option<f64>| {
        let mut row = samples.row();
        let (p50, bare) = (samples.p50(), socket.p50());
        row.extend([Some(p50 / bare), Some(p50 - bare), processor]);
        row
    };
    let counted = (ROUNDS * calls) as f64;
    let [nothing, invocation] = processor.map(|seconds| Some(seconds * 1e6 / counted));
    table.row("bare Unix socket to the same program", row(socket, None));
    table.row("bare HTTP echo", row(echoes, None));
    table.row("signed no-operation", row(nothings, nothing));
    table.row("warm Invoke", row(warm, invocation));
    table.row("cold Invoke", row(cold, None));
    table.note(format!(
        "{ROUNDS} rounds in turns of {calls} calls each on one connection, one at a time; {} cold starts, each after a change of \
         the configuration",
        cold.len()
    ));
    table.note("requests are signed beforehand; the server verifies every one");
    table
}
