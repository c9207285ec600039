//! Requests to a deployed REST API, beside what they cost without it.

use anyhow::Result;
use bytes::Bytes;
use http::{Method, Request};

use crate::connection::Prepared;
use crate::deployment::Deployment;
use crate::echo::Echo;
use crate::process::processor_time;
use crate::programs::Programs;
use crate::report::Table;
use crate::samples::Samples;
use crate::server::Server;

const ROUNDS: usize = 5;

/// What takes turns.
const PARTS: [&str; 4] =
    ["bare HTTP echo", "MOCK integration", "direct Invoke of the function", "function behind a proxy"];

pub(crate) fn measure(programs: &Programs, quick: bool) -> Result<Table> {
    let calls = if quick { 100 } else { 1_000 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = programs.folder()?;
    let server = Server::start(&programs.cauce, &folder.path().join("data"))?;
    let echo = Echo::start(&programs.own)?;
    let api = runtime.block_on(async {
        let deployment = Deployment::new(&server.client, &programs.function).await?;
        deployment.function("proxied", "proxy", &serde_json::json!({})).await?;
        deployment.rest_api("proxied").await
    })?;
    let get = |path: &str| -> Result<Prepared> {
        let request = Request::builder().method(Method::GET).uri(format!("/_apis/{api}/bench/{path}"));
        let request = request.header("host", server.address.to_string()).header("accept", "application/json");
        Prepared::new(request.body(Bytes::new())?)
    };
    let (mock, proxied) = (get("mock")?, get("function")?);
    let mut connection = server.connect()?;
    let (mut echoed, ping) = echo.connect(2)?;
    let mut samples: [Samples; PARTS.len()] = Default::default();
    let mut processor = [0.0; PARTS.len()];
    for _ in 0..ROUNDS {
        let invocation = server.invocation("proxied")?;
        // Whatever is cold here is warmed and not counted.
        for warmed in [&mock, &invocation, &proxied] {
            connection.call(warmed)?;
        }
        let requests = [(&ping, true), (&mock, false), (&invocation, false), (&proxied, false)];
        for (((request, bare), samples), processor) in requests.into_iter().zip(&mut samples).zip(&mut processor) {
            let (to, pid) = if bare { (&mut echoed, echo.pid()) } else { (&mut connection, server.pid()) };
            let began = processor_time(pid)?;
            for _ in 0..calls {
                samples.time(|| to.call(request).map(drop))?;
            }
            *processor += processor_time(pid)?.saturating_sub(began).as_secs_f64();
        }
    }
    Ok(table(&samples, processor, calls))
}

fn table(samples: &[Samples; PARTS.len()], processor: [f64; PARTS.len()], calls: usize) -> Table {
    let columns = &["p50 µs", "p99 µs", "max µs", "× echo", "over Invoke µs", "server processor µs"];
    let mut table = Table::new("Gateway: requests to a deployed REST API", columns);
    let [echo, _, invoke, _] = samples;
    let counted = (ROUNDS * calls) as f64;
    for ((name, samples), seconds) in PARTS.into_iter().zip(samples).zip(processor) {
        let mut row = samples.row();
        let p50 = samples.p50();
        row.extend([Some(p50 / echo.p50()), Some(p50 - invoke.p50()), Some(seconds * 1e6 / counted)]);
        table.row(name, row);
    }
    table.note(format!("{ROUNDS} rounds in turns of {calls} calls each on one connection, one at a time"));
    table.note(
        "requests to the API are not signed, those to the function are: beforehand, and the server verifies every one",
    );
    table
}
