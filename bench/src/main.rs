//! What Cauce measures itself with: the released program, from outside, beside the bare limit of the same machine.
//!
//! `cargo xtask bench [SUBJECT...] [--output json]`. Every subject prints one table. A figure means little alone, since machines
//! differ and have good and bad minutes: what it is compared with is measured in turns with it, in the same run.
//!
//! # Deliberately absent
//! Assertions: a benchmark is no test. Warm-up by waiting: what is warm is said and made so.

mod connection;
mod crates;
mod deployment;
mod disk;
mod echo;
mod events;
mod gateway;
mod invoke;
mod items;
mod load;
mod notifier;
mod process;
mod programs;
mod queues;
mod report;
mod samples;
mod server;
mod socket;
mod start;
mod tables;
mod throughput;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::programs::Programs;
use crate::report::{Report, Table};

#[derive(Debug, Parser)]
#[command(name = "bench", about = "Measures the released program")]
struct Arguments {
    /// What to measure; everything without any
    #[arg(value_enum)]
    subjects: Vec<Subject>,
    /// How the tables are printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// A tenth of the samples: whether it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Serve the bare echo that others are compared with (the program starts itself so)
    #[arg(long, hide = true)]
    echo: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// From the start of the process to the first answer, and what it takes while idle
    Start,
    /// From PutEvents to the function that has logged the event
    Events,
    /// Warm and cold invocations of an empty function
    Invoke,
    /// Requests to a deployed REST API
    Gateway,
    /// Durable PutEvents a second
    Throughput,
    /// Messages in and out of queues, short ones and long ones
    Queues,
    /// Items of tables: put, get, query, transactions
    Items,
    /// Tables of a thousand and a million items; what streams, recovery and indexes cost
    Tables,
    /// The benchmarks of the store, the event patterns and the front door
    Crates,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.echo { echo::serve() } else { run(&arguments) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let subjects: &[Subject] =
        if arguments.subjects.is_empty() { Subject::value_variants() } else { &arguments.subjects };
    let programs = Programs::build()?;
    let mut report = Report::default();
    for subject in subjects {
        let mut show = |table: Table| {
            if arguments.output == Output::Text {
                println!("{table}");
            }
            report.add(table);
        };
        match subject {
            Subject::Start => start::measure(&programs, arguments.quick).map(&mut show)?,
            Subject::Events => events::measure(&programs, arguments.quick).map(&mut show)?,
            Subject::Invoke => invoke::measure(&programs, arguments.quick).map(&mut show)?,
            Subject::Gateway => gateway::measure(&programs, arguments.quick).map(&mut show)?,
            Subject::Throughput => throughput::measure(&programs, arguments.quick).map(&mut show)?,
            Subject::Queues => queues::measure(&programs, arguments.quick)?.into_iter().for_each(&mut show),
            Subject::Items => items::measure(&programs, arguments.quick).map(&mut show)?,
            Subject::Tables => tables::measure(&programs, arguments.quick)?.into_iter().for_each(&mut show),
            // Their tables are their own; mixed with JSON they would be neither.
            Subject::Crates if arguments.output == Output::Json => {
                eprintln!("bench: the crates' benchmarks print text only")
            }
            Subject::Crates => crates::measure(&programs)?,
        }
    }
    if arguments.output == Output::Json {
        println!("{}", report.json());
    }
    Ok(())
}
