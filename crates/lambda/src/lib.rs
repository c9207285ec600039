//! AWS Lambda: functions as local processes.
//!
//! A function is a package with a program named `bootstrap` that speaks the Runtime API (`provided.al2`, `provided.al2023`). It
//! runs in a *sandbox*: one process a concurrent invocation, reused while it lasts, with an environment, a session, a temporary
//! folder, limits and a log stream of its own. Synchronous invocations answer their callers; asynchronous ones are effects that
//! [`cauce_delivery`] carries, with Lambda's own retries, destinations and dead letters.
//!
//! # Limits
//! [`ZIP_DIRECT_BYTES_MAX`], [`UNZIPPED_BYTES_MAX`], [`ENTRIES_MAX`], [`PAYLOAD_BYTES_MAX`], [`EVENT_BYTES_MAX`],
//! [`ENVIRONMENT_BYTES_MAX`], [`POLICY_BYTES_MAX`], [`REQUEST_BYTES_MAX`], and those of [`LambdaOptions`].
//!
//! # Invariants
//! - A function sees nothing of the server's environment, and with Landlock nothing of its files.
//! - What a function started ends with it: at its timeout, its exit, the stop of its sandbox, and the death of the server.
//! - A function that writes without end, hangs or crashes costs other functions nothing; the memory held for it is bounded.
//! - No log line waits on the way of an invocation's answer; an asynchronous invocation is recorded as done only after its lines
//!   were handed over.
//! - A package is durable before the function that uses it is.
//!
//! # What differs from AWS
//! - `/tmp` is the machine's, shared by all functions, unless [`LambdaOptions::writable`] leaves it out; `TMPDIR` is the
//!   sandbox's own. `/var/task` does not exist: `LAMBDA_TASK_ROOT` and the working folder say where the package is.
//! - With Landlock a function reads of `/proc` only what is its own first process's; its children do not read their own.
//! - Memory is watched ten times a second rather than limited by the kernel; what is allocated faster than that is seen late.
//! - The rate at which concurrency grows is not limited.
//! - An EFS access point is a folder below [`LambdaOptions::dir`], mounted where the kernel lets the server make mount namespaces.
//!
//! # Deliberately absent
//! Managed runtimes, layers, images, extensions, SnapStart, provisioned concurrency, function URLs, event source mappings of
//! brokers: their operations are unknown here, their parameters are refused by name.

mod alias;
mod api;
mod asynchronous;
mod concurrency;
mod configuration;
mod error;
mod event_invoke;
mod file_system;
mod fleet;
mod flight;
mod function;
mod invoke;
mod keys;
mod launcher;
mod location;
mod mapping;
mod meters;
mod model;
mod name;
mod package;
mod permission;
mod resources;
mod sandbox;
mod service;
mod tag;
mod version;

pub use api::{INFO, REQUEST_BYTES_MAX, api};
pub use configuration::{ENVIRONMENT_BYTES_MAX, RUNTIMES};
pub use error::{Error, Throttle};
pub use invoke::{EVENT_BYTES_MAX, PAYLOAD_BYTES_MAX};
pub use launcher::{LAUNCH_ARGUMENT, launch};
pub use package::{ENTRIES_MAX, PackageError, UNZIPPED_BYTES_MAX, ZIP_DIRECT_BYTES_MAX};
pub use permission::POLICY_BYTES_MAX;
pub use resources::resource_types;
pub use sandbox::spawner::Launcher;
pub use service::{Lambda, LambdaOptions, LambdaPorts};
