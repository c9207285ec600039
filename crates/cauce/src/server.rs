//! The wiring: which service answers which question of which other, in which order they begin and end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cauce_apigateway::{ApiGateway, ApiGatewayPorts, Gateway};
use cauce_cloudformation::{CloudFormation, Ports};
use cauce_cloudwatch::logs::{self, Logs, LogsOptions};
use cauce_cloudwatch::metrics::{self, Metrics, MetricsOptions};
use cauce_core::Env;
use cauce_core::ports::{self, Identity};
use cauce_delivery::Delivery;
use cauce_dynamodb::{DynamoDb, DynamoDbOptions, StreamFeed};
use cauce_eventbridge::scheduler::{self, Scheduler, UniversalTarget};
use cauce_eventbridge::{BusTarget, EventBridge};
use cauce_iam::{Iam, IamOptions};
use cauce_lambda::{Lambda, LambdaOptions, LambdaPorts, Launcher};
use cauce_pipes::{Pipes, PipesPorts};
use cauce_s3::{S3, S3Options};
use cauce_secretsmanager::SecretsManager;
use cauce_sns::{Site, Sns, SnsOptions, SnsTarget};
use cauce_sqs::{QueuePoller, QueueTarget, Sqs, SqsOptions};
use cauce_ssm::ParameterStore;
use cauce_store::{Db, EmbeddedOptions, LEASE_RENEWED_EVERY, Owner};
use cauce_wire::{Front, FrontOptions};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::{self, Admin};
use crate::config::Config;
use crate::exposition::Exposition;
use crate::measured;
use crate::outbound::Outbound;
use crate::references::Stored;
use crate::services::LateServices;
use crate::stack_events::StackEvents;

/// The name of the one node that owns an embedded store.
const NODE: &str = "local";

/// How long functions may go on after shutdown has begun.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    front: JoinHandle<std::io::Result<()>>,
    workers: Vec<JoinHandle<()>>,
    /// Ends by itself: what it has taken from the meters and not yet stored is nowhere else.
    flusher: JoinHandle<()>,
    delivery: Delivery,
    lambda: Arc<Lambda>,
    pipes: Arc<Pipes>,
    metrics: Arc<Metrics>,
    owner: Owner,
}

/// Whether a start failed only because the address is taken.
pub(crate) fn is_address_in_use(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::AddrInUse)
}

/// Completes once `stop` says so.
fn stopped(stop: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + 'static {
    let mut stop = stop.subscribe();
    async move {
        // The sender lives as long as the server; if it is gone, so is the reason to go on.
        let _ = stop.wait_for(|stop| *stop).await;
    }
}

impl Server {
    /// Opens the data folder and begins to serve.
    ///
    /// # Errors
    /// If the address is taken or the data cannot be opened.
    pub(crate) async fn start(config: &Config) -> Result<Server> {
        // Functions run as the same user: without this they could read the root key out of `/proc/PID/environ`.
        nix::sys::prctl::set_dumpable(false).context("cannot hide this process from its functions")?;
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let env = Env::system();
        let stop = watch::Sender::new(false);
        let services = Arc::new(LateServices::default());
        let http: Arc<dyn ports::Http> = Arc::new(Outbound::default());

        let store = config.data.join("store");
        let db = tokio::task::spawn_blocking(move || Db::open(&store, EmbeddedOptions::default())).await?;
        let db = db.with_context(|| format!("cannot open the data in {}", config.data.display()))?;
        let owner = Owner::acquire_all(&db, NODE).await?;
        let delivery = Delivery::new(db.clone(), env.clone(), owner.clone());

        let iam_options = IamOptions {
            account: config.account,
            root_access_key_id: config.root.access_key_id.clone(),
            root_secret: config.root.secret_access_key.clone(),
        };
        let iam = Iam::open(db.clone(), env.clone(), iam_options).await?;
        let identity: Arc<dyn Identity> = iam.clone();
        let metrics = Metrics::open(db.clone(), env.clone(), owner.clone(), MetricsOptions::default()).await?;
        let logs_options = LogsOptions { metrics: Some(metrics.clone()), ..LogsOptions::default() };
        let logs = Logs::open(db.clone(), env.clone(), owner.clone(), logs_options);
        let s3 =
            S3::open(db.clone(), env.clone(), identity.clone(), S3Options { dir: config.data.join("objects") }).await?;
        let lambda = open_lambda(config, address, &db, &env, &identity, &logs, &s3, &delivery).await?;
        let events = EventBridge::open(db.clone(), env.clone(), delivery.clone(), identity.clone());
        let scheduler = Scheduler::open(db.clone(), env.clone(), delivery.clone(), identity.clone(), services.clone());
        let sns_options = SnsOptions { endpoint: endpoint(address) };
        let sns = Sns::open(db.clone(), env.clone(), delivery.clone(), identity.clone(), sns_options);
        let secrets = SecretsManager::open(db.clone(), env.clone(), identity.clone());
        let parameters = ParameterStore::open(db.clone(), env.clone(), identity.clone());
        let table_options = DynamoDbOptions { stream_retention: config.stream_retention };
        let tables = DynamoDb::open(table_options, db.clone(), env.clone(), owner.clone(), identity.clone()).await?;
        tables.connect(services.clone());
        delivery.register("lambda", lambda.target());
        delivery.register("events", Arc::new(BusTarget::new(events.clone())));
        delivery.register("scheduler", Arc::new(UniversalTarget::new(scheduler.clone())));
        delivery.register("sns", Arc::new(SnsTarget::new(sns.clone(), http.clone())));

        let gateway_ports = ApiGatewayPorts {
            identity: identity.clone(),
            functions: lambda.clone(),
            services: services.clone(),
            http: http.clone(),
            logs: logs.clone(),
        };
        let gateway = ApiGateway::open(db.clone(), env.clone(), gateway_ports);
        let pipes_ports = PipesPorts {
            identity: identity.clone(),
            functions: lambda.clone(),
            services: services.clone(),
            logs: logs.clone(),
            delivery: delivery.clone(),
        };
        let pipes = Pipes::open(db.clone(), env.clone(), pipes_ports);
        let sqs = Sqs::open(SqsOptions::default(), db.clone(), env.clone(), owner.clone(), identity.clone());
        delivery.register("sqs", Arc::new(QueueTarget::new(sqs.clone())));
        let meters: Arc<dyn ports::Metrics> = metrics.clone();
        measured::count_ends(&delivery, &meters, &lambda);
        lambda.measure(meters.clone());
        events.measure(meters.clone());
        sns.measure(meters.clone());
        sqs.measure(meters.clone());
        s3.measure(meters.clone());
        gateway.measure(meters.clone());
        tables.measure(&meters);
        pipes.measure(&meters);
        let queues: Arc<dyn ports::Queues> = Arc::new(QueuePoller::new(sqs.clone()));

        let types = [
            cauce_iam::resource_types(&iam),
            logs::resource_types(&logs, &identity),
            cauce_s3::resource_types(&s3),
            cauce_lambda::resource_types(&lambda),
            cauce_eventbridge::resource_types(&events),
            cauce_sqs::resource_types(&sqs),
            scheduler::resource_types(&scheduler),
            cauce_sns::resource_types(&sns),
            cauce_dynamodb::resource_types(&tables),
            cauce_secretsmanager::resource_types(&secrets),
            cauce_ssm::resource_types(&parameters),
            cauce_apigateway::resource_types(&gateway),
            cauce_pipes::resource_types(&pipes),
        ];
        let ports = Ports {
            objects: s3.clone(),
            references: Arc::new(Stored::new(parameters.clone(), secrets.clone(), identity.clone())),
            events: Arc::new(StackEvents(events.clone())),
            identity: identity.clone(),
        };
        let stacks = CloudFormation::open(db.clone(), env.clone(), types.concat(), ports);

        let admin = Admin { db: db.clone(), env: env.clone(), delivery: delivery.clone(), events: events.clone() };
        let front = Front::new(FrontOptions::default(), identity, env)
            .api(admin::api(admin))
            .api(cauce_iam::api(&iam))
            .api(cauce_iam::sts_api(&iam))
            .api(logs::api(logs.clone()))
            .api(metrics::api(metrics.clone()))
            .api(cauce_lambda::api(lambda.clone()))
            .api(cauce_eventbridge::api(events.clone()))
            .api(scheduler::api(scheduler.clone()))
            .api(cauce_sns::api(sns.clone()))
            .api(cauce_dynamodb::api(tables.clone()))
            .api(cauce_dynamodb::streams_api(tables.clone()))
            .api(cauce_secretsmanager::api(secrets.clone()))
            .api(cauce_ssm::api(parameters))
            .api(cauce_apigateway::api(gateway.clone()))
            .api(cauce_sqs::api(sqs.clone()))
            .api(cauce_pipes::api(pipes.clone()))
            .api(cauce_cloudformation::api(stacks.clone()))
            .raw(Arc::new(Gateway::new(gateway)))
            .raw(Arc::new(Site::new(sns.clone())))
            .raw(Arc::new(Exposition::new(metrics.clone())))
            .raw(s3.clone())
            .build();
        services.open(front.clone());

        delivery.start().await?;
        stacks.resume().await?;
        cauce_sqs::resume_moves(&sqs).await?;
        let streams: Arc<dyn ports::Streams> = Arc::new(StreamFeed::new(tables.clone()));
        lambda.start_mappings(queues.clone(), streams.clone(), owner.clone()).await?;
        pipes.start(queues, streams, owner.clone()).await?;
        let workers = vec![
            tokio::spawn(renew(owner.clone())),
            tokio::spawn(cauce_eventbridge::run_schedules(events)),
            tokio::spawn(scheduler::run(scheduler)),
            tokio::spawn(cauce_dynamodb::run(tables)),
            tokio::spawn(s3.clone().run_lifecycle()),
            tokio::spawn(secrets.run_deletions()),
            tokio::spawn(cauce_sqs::run_sweeps(sqs.clone())),
            tokio::spawn(cauce_sqs::run_gauges(sqs)),
            tokio::spawn(cauce_sns::run_sweeps(sns)),
            tokio::spawn(logs.worker(stopped(&stop))),
            tokio::spawn(metrics.clone().worker(stopped(&stop))),
        ];
        let flusher = tokio::spawn(metrics.clone().flusher(stopped(&stop)));
        let front = tokio::spawn(front.serve(listener, stopped(&stop)));
        Ok(Server { address, stop, front, workers, flusher, delivery, lambda, pipes, metrics, owner })
    }

    /// Where it is reached: by address, since clients resolve `localhost` differently.
    pub(crate) fn endpoint(&self) -> String {
        endpoint(self.address)
    }

    /// Serves until it is told to stop: SIGINT or SIGTERM.
    pub(crate) async fn wait(self) -> Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
        self.stop().await
    }

    /// Ends in order: no new requests, those under way answered, functions ended, leases given back.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        self.front.await??;
        self.delivery.stop();
        // What they have under way may still need functions.
        if tokio::time::timeout(DRAIN_MAX, self.pipes.drain()).await.is_err() {
            tracing::warn!("pipes still work after {} s; their batches come again", DRAIN_MAX.as_secs());
        }
        if tokio::time::timeout(DRAIN_MAX, self.lambda.drain()).await.is_err() {
            tracing::warn!("functions still work after {} s; ending them", DRAIN_MAX.as_secs());
        }
        self.lambda.shutdown().await;
        for worker in &self.workers {
            worker.abort();
        }
        self.flusher.await?;
        // What happened since.
        self.metrics.flush(cauce_core::Env::system().now()).await;
        self.owner.release().await?;
        Ok(())
    }
}

fn endpoint(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("http://127.0.0.1:{}", address.port()),
        false => format!("http://{address}"),
    }
}

#[expect(clippy::too_many_arguments, reason = "a function is the one thing that needs everything")]
async fn open_lambda(
    config: &Config,
    address: SocketAddr,
    db: &Db,
    env: &Env,
    identity: &Arc<dyn Identity>,
    logs: &Arc<Logs>,
    s3: &Arc<S3>,
    delivery: &Delivery,
) -> Result<Arc<Lambda>> {
    let launcher = Launcher::own_program().context("cannot find this program's own file")?;
    let mut options = LambdaOptions::new(config.data.join("functions"), endpoint(address), launcher);
    if let Some(max) = config.sandboxes_max {
        options.concurrency_max = max;
    }
    let logs: Arc<dyn ports::Logs> = logs.clone();
    let objects: Arc<dyn ports::Objects> = s3.clone();
    let ports = LambdaPorts { identity: identity.clone(), logs, objects, delivery: delivery.clone() };
    Ok(Lambda::open(db.clone(), env.clone(), options, ports).await?)
}

/// Keeps the leases of this node.
async fn renew(owner: Owner) {
    loop {
        tokio::time::sleep(LEASE_RENEWED_EVERY).await;
        if let Err(error) = owner.renew().await {
            tracing::error!(%error, "leases cannot be renewed; trying again");
        }
    }
}
