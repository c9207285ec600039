//! The service: what it owns, how it is opened and closed, and how it finds a function.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cauce_core::ports::{Identity, Logs, Objects};
use cauce_core::{Env, ServiceError};
use cauce_delivery::Delivery;
use cauce_sources::{Crews, Sources};
use cauce_store::{Bytes, Db, RangeReq, RowCodec, StoreError, Tx, decode_row};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::asynchronous::Answers;
use crate::error::Error;
use crate::fleet::{Fleet, FleetLimits};
use crate::keys;
use crate::mapping::MappingKey;
use crate::meters::Meters;
use crate::model::{AliasRecord, Deployment, EventInvokeRecord, FunctionRecord, PolicyRecord, VersionRecord};
use crate::name::{FunctionName, FunctionRef, LATEST};
use crate::package::{PackageStore, names_from};
use crate::sandbox::Host;
use crate::sandbox::process_tree;
use crate::sandbox::spawner::{Launcher, Spawner};

/// Rows read at once from the store.
const ROWS_MAX: usize = 500;

/// Functions whose deployment is kept at hand; beyond that all are forgotten and read again.
const DEPLOYMENTS_MAX: usize = 10_000;

/// How the service runs.
#[derive(Clone, Debug)]
pub struct LambdaOptions {
    /// The folder for packages and sandboxes. Belongs to this service alone.
    pub dir: PathBuf,
    /// Where functions find the server: `http://127.0.0.1:4566`.
    pub endpoint_url: String,
    /// The program that becomes a sandbox: see [`launch`](crate::launch).
    pub launcher: Launcher,
    /// The most invocations at once, and so the most processes. AWS's quota for an account is 1,000.
    pub concurrency_max: u32,
    /// How long a sandbox without work is kept.
    pub idle_max: Duration,
    /// Whether functions may touch only the system (reading), their package (reading), their temporary folder and
    /// [`writable`](LambdaOptions::writable). Needs Landlock (Linux 5.13 or later); without it functions are not restricted.
    pub confine: bool,
    /// What functions may write besides their own temporary folder. `/tmp` by default, where they expect to: it is the
    /// machine's own, shared by all functions, while `TMPDIR` is the sandbox's.
    pub writable: Vec<PathBuf>,
}

impl LambdaOptions {
    /// The defaults for a server that keeps its data in `dir` and is reached at `endpoint_url`, launched by `launcher`.
    pub fn new(dir: impl Into<PathBuf>, endpoint_url: impl Into<String>, launcher: Launcher) -> LambdaOptions {
        LambdaOptions {
            dir: dir.into(),
            endpoint_url: endpoint_url.into(),
            launcher,
            concurrency_max: 1_000,
            idle_max: Duration::from_secs(600),
            confine: true,
            writable: vec![PathBuf::from("/tmp")],
        }
    }
}

/// What the service asks of others.
#[derive(Clone)]
pub struct LambdaPorts {
    /// Roles and policies.
    pub identity: Arc<dyn Identity>,
    /// Where log lines go.
    pub logs: Arc<dyn Logs>,
    /// Where packages are uploaded.
    pub objects: Arc<dyn Objects>,
    /// Carries asynchronous invocations.
    pub delivery: Delivery,
}

/// AWS Lambda on one server.
pub struct Lambda {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) ports: LambdaPorts,
    pub(crate) packages: Arc<PackageStore>,
    pub(crate) fleet: Arc<Fleet>,
    /// What functions answered to asynchronous invocations, until that is recorded.
    pub(crate) answers: Answers,
    /// Who works for event source mappings.
    pub(crate) crews: Crews<MappingKey>,
    pub(crate) meters: Meters,
    /// Where their batches come from, once [`Lambda::start_mappings`] has said so.
    pub(crate) sources: OnceLock<Sources>,
    deployments: RwLock<Deployments>,
    /// One collection of unused packages at a time.
    collecting: Mutex<bool>,
}

/// Deployments by ARN as called.
#[derive(Default)]
struct Deployments {
    by_arn: HashMap<String, Arc<Deployment>>,
    /// Grows with every change of any function.
    changes: u64,
}

impl Lambda {
    /// Opens the service: ends what functions of an earlier run left behind, and removes unused packages.
    ///
    /// # Errors
    /// When the folder or the store cannot be read.
    pub async fn open(
        db: Db,
        env: Env,
        options: LambdaOptions,
        ports: LambdaPorts,
    ) -> Result<Arc<Lambda>, ServiceError> {
        let io = |cause: std::io::Error| ServiceError::internal(cause);
        std::fs::create_dir_all(&options.dir).map_err(io)?;
        let dir = options.dir.canonicalize().map_err(io)?;
        let packages = Arc::new(PackageStore::open(&dir.join("packages"), names_from(&env)).map_err(io)?);
        let task_roots = format!("{}/", packages.task_roots().display());
        let temporary = dir.join("tmp");
        let (roots, old) = (task_roots.clone(), temporary.clone());
        let cleared = tokio::task::spawn_blocking(move || {
            process_tree::end_orphans(&roots);
            if old.exists() { std::fs::remove_dir_all(old) } else { Ok(()) }
        });
        cleared.await.map_err(ServiceError::internal)?.map_err(io)?;

        let host = Host {
            env: env.clone(),
            identity: Arc::clone(&ports.identity),
            logs: Arc::clone(&ports.logs),
            packages: Arc::clone(&packages),
            spawner: Spawner::new(&options.launcher, task_roots).map_err(io)?,
            launcher: options.launcher.program.clone(),
            temporary,
            file_systems: dir.join("file-systems"),
            endpoint_url: options.endpoint_url,
            closing: watch::Sender::new(false),
            writers: watch::Sender::new(0),
            confined_to: options.confine.then_some(options.writable),
        };
        let limits = FleetLimits { concurrency_max: options.concurrency_max.max(1), idle_max: options.idle_max };
        let lambda = Arc::new(Lambda {
            db,
            env,
            ports,
            packages,
            fleet: Fleet::new(Arc::new(host), limits),
            answers: Answers::default(),
            crews: Crews::default(),
            sources: OnceLock::new(),
            meters: Meters::default(),
            deployments: RwLock::default(),
            collecting: Mutex::new(false),
        });
        lambda.sum_reserved().await?;
        lambda.collect().await?;
        Ok(lambda)
    }

    /// Takes no more invocations and completes when those under way have ended.
    /// What event source mappings have taken is deleted from its queues when its invocation has ended.
    pub async fn drain(&self) {
        self.crews.stop_all();
        self.fleet.close();
        self.fleet.landed().await;
        self.crews.all_ended().await;
    }

    /// Stops all sandboxes, those that work included; completes when their processes are gone and their log lines are handed
    /// over. [`Lambda::drain`] comes first in an orderly end.
    pub async fn shutdown(&self) {
        self.crews.stop_all();
        self.fleet.close();
        self.fleet.clear().await;
    }

    /// How many sandboxes exist, idle or working.
    pub fn sandboxes(&self) -> u32 {
        self.fleet.live()
    }

    /// What to run for `reference`, from memory if it is known.
    ///
    /// Every change goes through [`Lambda::changed`], which forgets; with several nodes on one store that will have to be
    /// told to the others.
    pub(crate) async fn deployment(&self, reference: &FunctionRef) -> Result<Arc<Deployment>, Error> {
        let arn = reference.arn();
        let changes = {
            let known = self.deployments.read();
            if let Some(found) = known.by_arn.get(arn.as_str()) {
                return Ok(Arc::clone(found));
            }
            known.changes
        };
        let tx = self.db.begin();
        let deployment = Arc::new(read_deployment(&tx, reference).await?);
        let mut known = self.deployments.write();
        // What was read before a change must not be remembered after it.
        if known.changes == changes {
            if known.by_arn.len() >= DEPLOYMENTS_MAX {
                known.by_arn.clear();
            }
            known.by_arn.insert(arn.to_string(), Arc::clone(&deployment));
        }
        Ok(deployment)
    }

    /// Forgets what is known of a function, after a change of it was committed.
    pub(crate) fn changed(&self, name: &FunctionName) {
        let arn = name.arn();
        let qualified = format!("{arn}:");
        let mut known = self.deployments.write();
        known.changes += 1;
        known.by_arn.retain(|key, _| key != arn.as_str() && !key.starts_with(&qualified));
    }

    /// Tells the fleet how much concurrency is reserved altogether.
    pub(crate) async fn sum_reserved(&self) -> Result<u32, Error> {
        let mut sum: u32 = 0;
        for (_, record) in self.all::<FunctionRecord>(keys::all_functions()).await? {
            sum = sum.saturating_add(record.reserved_concurrency.unwrap_or(0));
        }
        self.fleet.set_reserved(sum);
        Ok(sum)
    }

    /// Removes packages that no function and no version uses.
    pub(crate) async fn collect(&self) -> Result<(), Error> {
        if std::mem::replace(&mut *self.collecting.lock(), true) {
            return Ok(());
        }
        let result = self.collect_now().await;
        *self.collecting.lock() = false;
        result
    }

    async fn collect_now(&self) -> Result<(), Error> {
        self.packages.begin_collection();
        let mut used = BTreeSet::new();
        for (_, record) in self.all::<FunctionRecord>(keys::all_functions()).await? {
            used.insert(record.latest.code.package);
        }
        for (_, record) in self.all::<VersionRecord>(keys::all_versions()).await? {
            used.insert(record.configuration.code.package);
        }
        self.packages.collect(used).await.map_err(|cause| Error::Service(ServiceError::internal(cause)))
    }

    /// Every record of a range, read page by page.
    pub(crate) async fn all<R: RowCodec>(&self, range: keys::Range) -> Result<Vec<(Bytes, R)>, StoreError> {
        let mut found = Vec::new();
        let mut request = RangeReq::new(range, ROWS_MAX);
        loop {
            let page = self.db.range(request.clone()).await?;
            for row in &page.rows {
                found.push((row.key.clone(), decode_row(row)?));
            }
            match page.rows.last() {
                Some(last) if page.more => request = request.after(&last.key),
                _ => return Ok(found),
            }
        }
    }
}

/// Reads everything of a function, version or alias that an invocation needs.
async fn read_deployment(tx: &Tx, reference: &FunctionRef) -> Result<Deployment, Error> {
    let name = &reference.function;
    let missing = || Error::no_function(&reference.arn());
    let function: FunctionRecord = tx.get_record(&keys::function(name)).await?.ok_or_else(missing)?;
    let qualifier = reference.qualifier_or_latest();
    let policy_of = reference.qualifier.as_deref().filter(|q| *q != LATEST).unwrap_or("");
    let policy: Option<PolicyRecord> = tx.get_record(&keys::policy(name, policy_of)).await?;
    let event_invoke: Option<EventInvokeRecord> = tx.get_record(&keys::event_invoke(name, qualifier)).await?;
    let mut plans = Vec::new();
    let (role, dead_letter);
    if qualifier == LATEST {
        plans.push((1.0, Arc::new(function.latest.plan(name, LATEST))));
        (role, dead_letter) = (function.latest.role, function.latest.dead_letter);
    } else {
        let mut versions = vec![(1.0, qualifier.to_owned())];
        if qualifier.parse::<u64>().is_err() {
            let alias: AliasRecord = tx.get_record(&keys::alias(name, qualifier)).await?.ok_or_else(missing)?;
            versions = vec![(1.0, alias.version)];
            versions.extend(alias.weights.into_iter().map(|(version, weight)| (weight, version)));
        }
        let mut first = None;
        for (weight, version) in versions {
            let configuration = if version == LATEST {
                function.latest.clone()
            } else {
                let number = version.parse().map_err(|_| missing())?;
                let found: Option<VersionRecord> = tx.get_record(&keys::version(name, number)).await?;
                found.ok_or_else(missing)?.configuration
            };
            plans.push((weight, Arc::new(configuration.plan(name, &version))));
            first.get_or_insert((configuration.role, configuration.dead_letter));
        }
        (role, dead_letter) = first.ok_or_else(missing)?;
    }
    Ok(Deployment {
        plans,
        reserved_concurrency: function.reserved_concurrency,
        role,
        dead_letter,
        event_invoke,
        policy: policy.filter(|p| !p.statements.is_empty()).map(|p| p.document()),
    })
}
