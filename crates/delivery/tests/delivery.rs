//! The engine's promises, in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cauce_core::{Account, Arn, Env, ManualClock, Region, SeededEntropy, ServiceError, Timestamp, Trace};
use cauce_delivery::lineage::{self, Fate};
use cauce_delivery::{
    Acceptance, Backoff, Delivery, Effect, EffectId, HOPS_MAX, LANE_ROWS_MAX, Outcome, Policy, Target, dead_letters,
};
use cauce_store::{Db, Owner, StoreError, Tx};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// What the target that performs effects does with them.
type Behaviour = Box<dyn Fn(&Effect, u32) -> Option<Outcome> + Send + Sync>;

/// A target that tells the test of each attempt; `None` from its behaviour hangs for ever.
struct Probe {
    behaviour: Behaviour,
    attempts: mpsc::UnboundedSender<(String, u32)>,
}

#[async_trait]
impl Target for Probe {
    async fn accept(&self, _tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        match effect.attribute("refuse") {
            Some(message) => Err(ServiceError::new(403, "NO_PERMISSIONS", message)),
            None => Ok(Acceptance::Later(None)),
        }
    }

    async fn perform(&self, _id: EffectId, effect: &Effect, attempt: u32) -> Outcome {
        let outcome = (self.behaviour)(effect, attempt);
        let _ = self.attempts.send((String::from_utf8_lossy(&effect.payload).into_owned(), attempt));
        match outcome {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }

    fn rest(&self, effect: &Effect) -> Duration {
        Duration::from_millis(effect.attribute("rest").map_or(0, |ms| ms.parse().unwrap()))
    }
}

/// A target in the same store: every effect becomes a row.
struct Rows;

#[async_trait]
impl Target for Rows {
    async fn accept(&self, tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        tx.set(
            format!("row/{}", String::from_utf8_lossy(&effect.payload)),
            serde_json::to_vec(&effect.attributes).unwrap(),
        );
        Ok(Acceptance::Taken)
    }

    async fn perform(&self, _id: EffectId, _effect: &Effect, _attempt: u32) -> Outcome {
        unreachable!("it takes effects at once")
    }
}

struct World {
    db: Db,
    env: Env,
    clock: ManualClock,
    delivery: Delivery,
    attempts: mpsc::UnboundedReceiver<(String, u32)>,
}

fn done() -> Option<Outcome> {
    Some(Outcome::Done { detail: String::new() })
}

fn fail() -> Option<Outcome> {
    Some(Outcome::Retry { code: "Boom".into(), reason: "it broke".into(), counts: true })
}

impl World {
    async fn new(behaviour: impl Fn(&Effect, u32) -> Option<Outcome> + Send + Sync + 'static) -> World {
        World::on(Db::memory(), ManualClock::new(Timestamp::from_secs(1_700_000_000)), 1, behaviour).await
    }

    async fn on(
        db: Db,
        clock: ManualClock,
        seed: u64,
        behaviour: impl Fn(&Effect, u32) -> Option<Outcome> + Send + Sync + 'static,
    ) -> World {
        let env = Env::new(clock.clone(), SeededEntropy::new(seed));
        let owner = Owner::acquire_all(&db, "test").await.unwrap();
        let delivery = Delivery::new(db.clone(), env.clone(), owner);
        let (sender, attempts) = mpsc::unbounded_channel();
        delivery.register("lambda", Arc::new(Probe { behaviour: Box::new(behaviour), attempts: sender }));
        delivery.register("sqs", Arc::new(Rows));
        delivery.start().await.unwrap();
        World { db, env, clock, delivery, attempts }
    }

    fn effect(&self, target: &str, payload: &str) -> Effect {
        Effect {
            target: arn(target),
            cause: "test".into(),
            service: "events.amazonaws.com".into(),
            source: Some(arn("events:rule/r")),
            account: Account::DEFAULT,
            region: Region::default(),
            trace: Trace::start(self.env.now(), self.env.entropy()),
            policy: Policy::eventbridge(),
            attributes: vec![],
            hops: 0,
            payload: payload.to_owned().into(),
        }
    }

    async fn send(&self, effect: Effect) {
        let delivery = &self.delivery;
        self.db.transact(async |tx| delivery.send(&tx, effect.clone()).await).await.unwrap();
    }

    /// Lets time pass, second by second, until `done` says so.
    async fn until<T>(&mut self, mut done: impl AsyncFnMut(&mut World) -> Option<T>) -> T {
        for _ in 0..200_000 {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            if let Some(found) = done(self).await {
                return found;
            }
            self.clock.advance(Duration::from_secs(1));
        }
        panic!("it did not happen within two days");
    }

    async fn attempt(&mut self) -> (String, u32) {
        self.until(async |w: &mut World| w.attempts.try_recv().ok()).await
    }

    /// Waits until nothing is left to do anywhere.
    async fn settled(&mut self) {
        self.until(async |w: &mut World| w.delivery.lanes().is_empty().then_some(())).await;
    }

    async fn row(&self, name: &str) -> Option<String> {
        let key = format!("row/{name}").into();
        self.db.get_bytes(&key).await.unwrap().map(|row| String::from_utf8_lossy(&row).into_owned())
    }
}

fn arn(target: &str) -> Arn {
    let (service, resource) = target.split_once(':').unwrap();
    Arn::new(service, &Region::default(), Account::DEFAULT, resource)
}

#[tokio::test]
async fn an_effect_happens_if_and_only_if_its_transaction_commits() {
    let mut w = World::new(|_, _| done()).await;
    let (delivery, effect) = (w.delivery.clone(), w.effect("lambda:function:f", "never"));
    let aborted = w.db.transact(async |tx| {
        delivery.send(&tx, effect.clone()).await.unwrap();
        Err::<(), _>(StoreError::Invalid("no".into()))
    });
    aborted.await.unwrap_err();
    w.send(w.effect("lambda:function:f", "yes")).await;
    assert_eq!(w.attempt().await, ("yes".into(), 1));
    w.settled().await;
    assert!(w.attempts.try_recv().is_err());
}

#[tokio::test]
async fn a_target_in_the_store_takes_the_effect_at_once() {
    let w = World::new(|_, _| done()).await;
    w.send(w.effect("sqs:queue", "a")).await;
    assert_eq!(w.row("a").await.unwrap(), "[]");
    assert!(w.delivery.lanes().is_empty());
}

#[tokio::test]
async fn a_failing_target_is_tried_as_often_as_the_policy_says_and_then_dead_lettered() {
    let mut w = World::new(|_, _| fail()).await;
    let mut effect = w.effect("lambda:function:f", "x");
    effect.policy = Policy { retries_max: 3, backoff: Backoff::Fixed(vec![60_000]), ..Policy::eventbridge() };
    let (root, began) = (effect.trace.root, w.env.now());
    w.send(effect.clone()).await;
    for attempt in 1..=4 {
        assert_eq!(w.attempt().await, ("x".into(), attempt));
    }
    w.settled().await;
    assert!(w.env.now().since(began) >= Duration::from_secs(180));
    let kept = dead_letters(&w.db).await.unwrap();
    assert_eq!((kept.len(), kept[0].code.as_str()), (1, "Boom"));
    assert_eq!(kept[0].reason, "it broke (all 3 retries failed)");
    let steps = lineage::tree(&w.db, root).await.unwrap();
    assert_eq!(steps.len(), 1);
    assert!(matches!(&steps[0].fate, Fate::DeadLettered { queue: None, .. }), "{steps:?}");

    effect.policy.dead_letter = Some(arn("sqs:dlq"));
    effect.payload = "y".into();
    w.send(effect).await;
    w.until(async |w: &mut World| w.row("y").await).await;
    let attributes: BTreeMap<String, String> =
        serde_json::from_str::<Vec<(String, String)>>(&w.row("y").await.unwrap()).unwrap().into_iter().collect();
    assert_eq!(attributes["message-attribute/ERROR_CODE/String"], "Boom");
    assert_eq!(attributes["message-attribute/RETRY_ATTEMPTS/String"], "3");
    assert_eq!(attributes["message-attribute/RULE_ARN/String"], arn("events:rule/r").to_string());
    assert_eq!(dead_letters(&w.db).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_target_refuses_is_dead_lettered_in_the_same_transaction() {
    let w = World::new(|_, _| done()).await;
    let mut effect = w.effect("lambda:function:f", "x");
    effect.attributes.push(("refuse".into(), "not for you".into()));
    w.send(effect).await;
    w.send(w.effect("kinesis:stream/s", "z")).await;
    let kept = dead_letters(&w.db).await.unwrap();
    let codes: Vec<_> = kept.iter().map(|l| (l.code.as_str(), l.reason.as_str())).collect();
    let nobody = format!("nothing here takes effects on {}", arn("kinesis:stream/s"));
    assert_eq!(codes, [("NO_PERMISSIONS", "not for you"), ("NO_RESOURCE", nobody.as_str())]);
}

#[tokio::test]
async fn a_loop_ends() {
    let w = World::new(|_, _| done()).await;
    let mut effect = w.effect("lambda:function:f", "x");
    effect.hops = HOPS_MAX + 1;
    w.send(effect).await;
    assert_eq!(dead_letters(&w.db).await.unwrap()[0].code, "LOOP_DETECTED");
}

#[tokio::test]
async fn a_hanging_target_delays_no_other_and_a_panicking_one_has_failed() {
    let mut w = World::new(|effect, attempt| match effect.target.resource() {
        "function:hangs" => None,
        "function:panics" if attempt == 1 => panic!("a bug in a target"),
        _ => done(),
    })
    .await;
    for n in 0..200 {
        w.send(w.effect("lambda:function:hangs", &format!("hangs{n}"))).await;
    }
    w.send(w.effect("lambda:function:works", "works")).await;
    w.send(w.effect("lambda:function:panics", "panics")).await;
    let mut seen = BTreeSet::new();
    while !(seen.contains("works") && seen.contains("panics")) {
        seen.insert(w.attempt().await.0);
    }
    // The lane of the hanging target has its limit in flight and the rest waiting.
    let lanes: BTreeMap<_, _> = w.delivery.lanes().into_iter().collect();
    let hanging = lanes[arn("lambda:function:hangs").as_str()];
    assert_eq!((hanging.in_flight, hanging.waiting), (64, 136));
}

#[tokio::test]
async fn being_throttled_is_waited_out() {
    let throttled = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&throttled);
    let mut w = World::new(move |_, _| {
        if count.fetch_add(1, Ordering::SeqCst) < 20 {
            return Some(Outcome::Retry { code: "TooManyRequests".into(), reason: "later".into(), counts: false });
        }
        done()
    })
    .await;
    let effect = Effect { policy: Policy::asynchronous_invocation(), ..w.effect("lambda:function:f", "x") };
    w.send(effect).await;
    w.settled().await;
    assert_eq!(throttled.load(Ordering::SeqCst), 21);
    assert!(dead_letters(&w.db).await.unwrap().is_empty());
}

#[tokio::test]
async fn more_than_memory_holds_waits_in_the_store_and_none_is_lost_or_repeated() {
    let mut w = World::new(|_, _| done()).await;
    let total = LANE_ROWS_MAX * 3 + 7;
    let (delivery, template) = (w.delivery.clone(), w.effect("lambda:function:f", ""));
    for chunk in (0..total).collect::<Vec<_>>().chunks(500) {
        w.db.transact(async |tx| {
            for n in chunk {
                delivery.send(&tx, Effect { payload: n.to_string().into(), ..template.clone() }).await.unwrap();
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    }
    w.settled().await;
    let mut seen = BTreeMap::new();
    while let Ok((payload, _)) = w.attempts.try_recv() {
        *seen.entry(payload).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), total);
    assert!(seen.values().all(|&n| n == 1));
}

/// Random failures, throttling and restarts: every effect ends delivered at least once or among the dead letters, and the
/// lineage knows which. A seed that fails here fails again.
#[tokio::test]
async fn nothing_is_lost_whatever_fails_and_whenever_it_restarts() {
    for seed in 0..60 {
        simulate(seed).await;
    }
}

async fn simulate(seed: u64) {
    use cauce_core::Entropy as _;
    let (db, clock) = (Db::memory(), ManualClock::new(Timestamp::from_secs(1_700_000_000)));
    let chance = Arc::new(SeededEntropy::new(seed));
    let delivered = Arc::new(Mutex::new(BTreeSet::new()));
    let open = async || {
        let ids = chance.u64();
        let (chance, delivered) = (Arc::clone(&chance), Arc::clone(&delivered));
        // Each run draws its own ids, as after a real restart.
        World::on(db.clone(), clock.clone(), ids, move |effect, _| {
            let counts = match chance.below(10) {
                0..5 => {
                    delivered.lock().insert(String::from_utf8_lossy(&effect.payload).into_owned());
                    return done();
                }
                n => n < 8,
            };
            Some(Outcome::Retry { code: "X".into(), reason: "x".into(), counts })
        })
        .await
    };
    let mut w = open().await;
    let mut sent = BTreeMap::new();
    for n in 0..100 {
        let name = n.to_string();
        let mut effect = w.effect(&format!("lambda:function:f{}", chance.below(5)), &name);
        effect.policy = Policy::asynchronous_invocation();
        sent.insert(name, effect.trace.root);
        w.send(effect).await;
        for _ in 0..chance.below(5) {
            tokio::task::yield_now().await;
        }
        w.clock.advance(Duration::from_secs(chance.below(30)));
        if chance.below(15) == 0 {
            w.delivery.stop();
            w = open().await;
        }
    }
    w.settled().await;
    let dead: BTreeSet<String> = dead_letters(&db)
        .await
        .unwrap()
        .iter()
        .map(|l| String::from_utf8_lossy(&l.effect.payload).into_owned())
        .collect();
    for (name, root) in sent {
        let steps = lineage::tree(&db, root).await.unwrap();
        match &steps[0].fate {
            Fate::Delivered { .. } => {
                assert!(delivered.lock().contains(&name), "seed {seed}: {name} was never performed")
            }
            Fate::DeadLettered { .. } => assert!(dead.contains(&name), "seed {seed}: {name} is lost"),
            other => panic!("seed {seed}: {name} is still {other:?}"),
        }
    }
}

#[tokio::test]
async fn lineage_is_found_by_request_and_swept_when_old() {
    let mut w = World::new(|_, _| done()).await;
    let effect = w.effect("sqs:queue", "a");
    let step = lineage::Step {
        trace: effect.trace,
        at: w.env.now(),
        ended: Some(w.env.now()),
        what: "events:PutEvents".into(),
        to: "default".into(),
        request_id: Some(cauce_core::RequestId::from_text("req-1")),
        fate: Fate::Done,
        detail: String::new(),
    };
    w.db.transact(async |tx| lineage::record(&tx, &step)).await.unwrap();
    let noted = lineage::Step {
        request_id: Some(cauce_core::RequestId::from_text("req-2")),
        trace: Trace::start(w.env.now(), w.env.entropy()),
        ..step.clone()
    };
    w.delivery.note(noted.clone());
    let db = w.db.clone();
    let root = w.until(async |w: &mut World| lineage::tree_of_request(&db, "req-2", w.env.now()).await.unwrap()).await;
    assert_eq!(lineage::tree(&w.db, root).await.unwrap(), [noted]);
    let found = lineage::tree_of_request(&w.db, "req-1", w.env.now()).await.unwrap();
    assert_eq!(found, Some(effect.trace.root));
    assert_eq!(lineage::tree(&w.db, effect.trace.root).await.unwrap(), [step]);
    let root = effect.trace.root;
    w.until(async |w: &mut World| lineage::tree(&w.db, root).await.unwrap().is_empty().then_some(())).await;
    assert!(w.env.now().since(Timestamp::from_secs(1_700_000_000)) >= lineage::KEPT);
}

#[tokio::test]
async fn a_lane_rests_between_attempts_and_no_other_waits_for_it() {
    let mut w = World::new(|_, _| done()).await;
    let resting = |w: &World, payload: &str| {
        let attributes = vec![("rest".to_owned(), "250".to_owned())];
        Effect { attributes, ..w.effect("lambda:function:slow", payload) }
    };
    async fn attempted(w: &mut World) -> Vec<String> {
        for _ in 0..500 {
            tokio::task::yield_now().await;
        }
        std::iter::from_fn(|| w.attempts.try_recv().ok()).map(|(payload, _)| payload).collect()
    }
    for n in 0..3 {
        w.send(resting(&w, &format!("s{n}"))).await;
        w.send(w.effect("lambda:function:quick", &format!("q{n}"))).await;
    }
    let mut first = attempted(&mut w).await;
    first.sort();
    assert_eq!(first, ["q0", "q1", "q2", "s0"]);
    for n in 1..3 {
        w.clock.advance(Duration::from_millis(249));
        assert_eq!(attempted(&mut w).await, [""; 0]);
        w.clock.advance(Duration::from_millis(1));
        assert_eq!(attempted(&mut w).await, [format!("s{n}")]);
    }
    // A lane that has nothing left rests all the same.
    w.send(resting(&w, "s3")).await;
    assert_eq!(attempted(&mut w).await, [""; 0]);
    w.clock.advance(Duration::from_millis(250));
    assert_eq!(attempted(&mut w).await, ["s3"]);
    w.settled().await;
}
