//! Random changes of a table, and restores of it to moments in between while more is written: each shows what a model, a plain map
//! remembered for every second, shows for that second. On one store whose service starts again now and then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cauce_store::{Db, Key, Kind, RangeReq};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use world::World;

/// When the world begins, in seconds.
const BEGIN_S: u64 = 1_800_000_000;

const HISTORY: u16 = 0x0A60;
const HISTORY_MOMENT: u16 = 0x0A61;
const COPY: u16 = 0x0A65;

/// How many rows the store has of a kind.
async fn rows(db: &Db, kind: u16) -> usize {
    db.range(RangeReq::new(Key::new(Kind::new(kind)).prefix_range(), 20_000)).await.unwrap().rows.len()
}

type Model = BTreeMap<(u8, u8), u16>;

#[derive(Clone, Debug)]
enum Step {
    Put {
        at: (u8, u8),
        x: u16,
    },
    Delete {
        at: (u8, u8),
    },
    Transact {
        puts: Vec<((u8, u8), u16)>,
    },
    /// A second passes.
    Tick,
    /// The worker gets on for some turns, and is killed.
    Work {
        turns: u8,
    },
    /// A restore to the second that this is a share of, in 256ths, of the time since recovery was enabled.
    Restore {
        share: u8,
    },
    Backup,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || (0u8..3, 0u8..4);
    let step = prop_oneof![
        8 => (place(), 0u16..999).prop_map(|(at, x)| Step::Put { at, x }),
        3 => place().prop_map(|at| Step::Delete { at }),
        2 => proptest::collection::btree_map(place(), 0u16..999, 1..4)
            .prop_map(|puts| Step::Transact { puts: puts.into_iter().collect() }),
        3 => Just(Step::Tick),
        2 => (1u8..60).prop_map(|turns| Step::Work { turns }),
        1 => proptest::num::u8::ANY.prop_map(|share| Step::Restore { share }),
        1 => Just(Step::Backup),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..60)
}

fn key((p, n): (u8, u8)) -> Value {
    json!({ "id": { "S": format!("p{p}") }, "n": { "N": n.to_string() } })
}

fn item(at: (u8, u8), x: u16) -> Value {
    let mut item = key(at);
    item["x"] = json!({ "N": x.to_string() });
    item["g"] = json!({ "S": format!("g{}", x % 3) });
    item
}

/// What is to be found in a table that is being made.
struct Expected {
    table: String,
    model: Model,
}

struct Run {
    world: World,
    db: Db,
    now: u64,
    model: Model,
    /// The table at the end of each second.
    seconds: BTreeMap<u64, Model>,
    expected: Vec<Expected>,
    backups: Vec<(String, Model)>,
}

impl Run {
    async fn begin() -> Run {
        let db = Db::memory();
        let world = World::on(&db).await;
        world
            .ok(
                "CreateTable",
                json!({
                    "TableName": "table", "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [
                        { "AttributeName": "id", "AttributeType": "S" }, { "AttributeName": "n", "AttributeType": "N" },
                        { "AttributeName": "g", "AttributeType": "S" },
                    ],
                    "KeySchema": [
                        { "AttributeName": "id", "KeyType": "HASH" }, { "AttributeName": "n", "KeyType": "RANGE" },
                    ],
                    "GlobalSecondaryIndexes": [{
                        "IndexName": "by-g", "KeySchema": [{ "AttributeName": "g", "KeyType": "HASH" }],
                        "Projection": { "ProjectionType": "KEYS_ONLY" },
                    }],
                }),
            )
            .await;
        let mut run = Run {
            world,
            db,
            now: BEGIN_S,
            model: Model::new(),
            seconds: BTreeMap::new(),
            expected: Vec::new(),
            backups: Vec::new(),
        };
        // Items from before recovery was enabled have no history.
        for n in 0..3 {
            run.put((0, n), 7).await;
        }
        let specification = json!({ "PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": 1 });
        let input = json!({ "TableName": "table", "PointInTimeRecoverySpecification": specification });
        run.world.ok("UpdateContinuousBackups", input).await;
        run.tick();
        run
    }

    fn tick(&mut self) {
        self.world.clock.advance(Duration::from_secs(1));
        self.now += 1;
        // A change in a second that has just begun is not in the table at its beginning.
        self.seconds.insert(self.now, self.model.clone());
    }

    async fn put(&mut self, at: (u8, u8), x: u16) {
        // The clock stands still between ticks: a moment within the second, not at its very beginning.
        self.world.clock.advance(Duration::from_micros(1));
        self.world.ok("PutItem", json!({ "TableName": "table", "Item": item(at, x) })).await;
        self.model.insert(at, x);
    }

    async fn restore(&mut self, second: u64) {
        let table = format!("restored-{}", self.expected.len());
        let input = json!({ "SourceTableName": "table", "TargetTableName": table, "RestoreDateTime": second });
        let made = self.world.ok("RestoreTableToPointInTime", input).await;
        assert_eq!(made["TableDescription"]["TableStatus"], "CREATING");
        self.expected.push(Expected { table, model: self.seconds[&second].clone() });
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Put { at, x } => self.put(at, x).await,
            Step::Delete { at } => {
                self.world.clock.advance(Duration::from_micros(1));
                self.world.ok("DeleteItem", json!({ "TableName": "table", "Key": key(at) })).await;
                self.model.remove(&at);
            }
            Step::Transact { puts } => {
                self.world.clock.advance(Duration::from_micros(1));
                let put = |(at, x): &((u8, u8), u16)| json!({ "Put": { "TableName": "table", "Item": item(*at, *x) } });
                let actions: Vec<Value> = puts.iter().map(put).collect();
                self.world.ok("TransactWriteItems", json!({ "TransactItems": actions })).await;
                self.model.extend(puts);
            }
            Step::Tick => self.tick(),
            Step::Work { turns } => self.work(turns).await,
            Step::Restore { share } => {
                let first = BEGIN_S + 1;
                let second = first + (self.now - first) * u64::from(share) / 255;
                self.restore(second).await;
            }
            Step::Backup => {
                let input = json!({ "TableName": "table", "BackupName": format!("backup-{}", self.backups.len()) });
                let made = self.world.ok("CreateBackup", input).await;
                let arn = made["BackupDetails"]["BackupArn"].as_str().unwrap().to_owned();
                self.backups.push((arn, self.model.clone()));
            }
            Step::Restart => {
                let begun = Duration::from_secs(self.now - BEGIN_S);
                self.world = World::on(&self.db).await;
                self.world.clock.advance(begun);
            }
        }
    }

    async fn work(&self, turns: u8) {
        let worker = tokio::spawn(cauce_dynamodb::run(Arc::clone(&self.world.tables)));
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        worker.abort();
        drop(worker.await);
    }

    /// Lets the worker go on until there are no rows of a kind any more.
    async fn settle(&self, kind: u16) {
        let worker = tokio::spawn(cauce_dynamodb::run(Arc::clone(&self.world.tables)));
        while rows(&self.db, kind).await > 0 {
            tokio::task::yield_now().await;
        }
        worker.abort();
        drop(worker.await);
    }

    async fn compare(&self, table: &str, model: &Model) {
        let described = self.world.ok("DescribeTable", json!({ "TableName": table })).await["Table"].clone();
        assert_eq!(described["TableStatus"], "ACTIVE", "{table}");
        assert_eq!(described["ItemCount"], model.len(), "{table}");
        let found = self.world.ok("Scan", json!({ "TableName": table })).await;
        let mut items = found["Items"].as_array().unwrap().clone();
        let mut wanted: Vec<Value> = model.iter().map(|(at, x)| item(*at, *x)).collect();
        items.sort_by_key(Value::to_string);
        wanted.sort_by_key(Value::to_string);
        assert_eq!(items, wanted, "{table}");
        let index = self.world.ok("Scan", json!({ "TableName": table, "IndexName": "by-g", "Select": "COUNT" })).await;
        assert_eq!(index["Count"], model.len(), "{table}");
    }

    async fn end(mut self) {
        self.settle(COPY).await;
        for (n, (arn, model)) in std::mem::take(&mut self.backups).into_iter().enumerate() {
            let table = format!("from-backup-{n}");
            self.world.ok("RestoreTableFromBackup", json!({ "TargetTableName": table, "BackupArn": arn })).await;
            self.expected.push(Expected { table, model });
        }
        self.restore(self.now).await;
        self.settle(COPY).await;
        for expected in &self.expected {
            self.compare(&expected.table, &expected.model).await;
        }
        self.compare("table", &self.model).await;
        // Beyond the window nothing is kept, and what is gone cannot be asked for.
        self.world.clock.advance(Duration::from_secs(2 * 24 * 3_600));
        self.settle(HISTORY).await;
        assert_eq!(rows(&self.db, HISTORY_MOMENT).await, 0);
        let input = json!({
            "SourceTableName": "table", "TargetTableName": "too-late", "RestoreDateTime": BEGIN_S + 1,
        });
        let refused = self.world.call("RestoreTableToPointInTime", input).await.unwrap_err();
        assert_eq!(refused.code(), "InvalidRestoreTimeException");
    }
}

#[tokio::test]
async fn backups_of_one_millisecond_are_two() {
    let mut run = Run::begin().await;
    for x in [801, 802] {
        // The clock goes back, and the same is drawn again.
        run.take(Step::Restart).await;
        run.put((0, 1), x).await;
        run.take(Step::Backup).await;
    }
    assert_ne!(run.backups[0].0, run.backups[1].0);
    run.end().await;
}

#[test]
fn what_is_restored_is_what_a_model_shows() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
    runner
        .run(&steps(), |steps| {
            runtime.block_on(async {
                let mut run = Run::begin().await;
                for step in steps {
                    run.take(step).await;
                }
                run.end().await;
            });
            Ok(())
        })
        .unwrap();
}
