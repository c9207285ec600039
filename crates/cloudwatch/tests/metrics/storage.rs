//! What is put is kept, rolled up, limited, listed and read.

use std::time::Duration;

use crate::harness::{START, World};
use cauce_cloudwatch::metrics::MetricsOptions;
use cauce_core::ports::{Metric, Metrics as _};
use cauce_core::{Account, Region};
use serde_json::{Value, json};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn datum(value: f64, at_s: i64) -> Value {
    json!({ "MetricName": "M", "Value": value, "Timestamp": at_s })
}

/// Times and sums of the metric `M` in periods of a length.
async fn sums(world: &World, start_s: i64, end_s: i64, period_s: i64) -> Vec<(i64, f64)> {
    let question = json!({
        "Namespace": "n", "MetricName": "M", "Statistics": ["Sum"],
        "StartTime": start_s, "EndTime": end_s, "Period": period_s,
    });
    let answer = world.ok("GetMetricStatistics", question).await;
    let point = |point: &Value| (point["Timestamp"].as_i64().unwrap(), point["Sum"].as_f64().unwrap());
    answer["Datapoints"].as_array().unwrap().iter().map(point).collect()
}

#[tokio::test]
async fn points_are_rolled_up_as_they_age_and_none_is_lost() {
    let world = World::new().await;
    let put = |value: f64, at_s: i64| {
        let fine = json!({ "MetricName": "M", "Value": value, "Timestamp": at_s, "StorageResolution": 1 });
        json!({ "Namespace": "n", "MetricData": [fine] })
    };
    for second in 0..120 {
        world.ok("PutMetricData", put(1.0, START + second)).await;
    }
    let all = (START, START + 10 * MINUTE);
    assert_eq!(sums(&world, all.0, all.1, 1).await.len(), 120);
    assert_eq!(sums(&world, all.0, all.1, 60).await, [(START, 60.0), (START + MINUTE, 60.0)]);
    for (age, rows, coarsest) in [(4 * HOUR, 2, 60), (16 * DAY, 1, 300), (64 * DAY, 1, HOUR)] {
        let since = world.env.now().as_secs();
        world.clock.advance(Duration::from_secs((START + age - since).unsigned_abs()));
        world.metrics.roll_up().await.unwrap();
        assert_eq!(world.points().await, rows, "{age}");
        // Finer than it is kept there is nothing; as it is kept there is all.
        let start = START - START.rem_euclid(coarsest);
        assert_eq!(sums(&world, START, START + 20 * MINUTE, 1).await.len(), 0, "{age}");
        let found: f64 = sums(&world, start, start + HOUR, coarsest).await.iter().map(|(_, sum)| sum).sum();
        assert!((found - 120.0).abs() < 1e-9, "{age}: {found}");
    }
    world.clock.advance(Duration::from_secs(400 * 86_400));
    world.metrics.roll_up().await.unwrap();
    assert_eq!((world.points().await, world.rows().await), (0, 0));
}

#[tokio::test]
async fn a_roll_up_under_way_changes_no_answer() {
    let world = World::new().await;
    for minute in 0..30 {
        let put = json!({ "Namespace": "n", "MetricData": [datum(1.0, START + minute * MINUTE)] });
        world.ok("PutMetricData", put).await;
    }
    world.clock.advance(Duration::from_secs(15 * 86_400 + 10 * 60));
    let (rolling, reading) = tokio::join!(world.metrics.roll_up(), async {
        let mut found = Vec::new();
        for _ in 0..20 {
            let sums = sums(&world, START, START + HOUR, 300).await;
            found.push(sums.iter().map(|(_, sum)| sum).sum::<f64>());
            tokio::task::yield_now().await;
        }
        found
    });
    rolling.unwrap();
    assert!(reading.iter().all(|sum| (sum - 30.0).abs() < 1e-9), "{reading:?}");
}

#[tokio::test]
async fn writers_of_one_metric_never_conflict() {
    let world = World::new().await;
    let writers = (0..200).map(|_| {
        world.ok("PutMetricData", json!({ "Namespace": "n", "MetricData": [datum(1.0, START), datum(2.0, START)] }))
    });
    futures_util::future::join_all(writers).await;
    assert_eq!(sums(&world, START, START + HOUR, 60).await, [(START, 600.0)]);
    // All that came while a commit was under way went together.
    assert!(world.commits() < 50, "{}", world.commits());
}

#[tokio::test]
async fn what_is_not_stored_is_not_acknowledged() {
    let world = World::new().await;
    world.ok("PutMetricData", json!({ "Namespace": "n", "MetricData": [datum(1.0, START)] })).await;
    world.allow_commits(0);
    let refused = world.call("PutMetricData", json!({ "Namespace": "n", "MetricData": [datum(1.0, START)] })).await;
    assert_eq!(refused.unwrap_err().code(), "InternalServiceFault");
    world.allow_commits(usize::MAX);
    assert_eq!(sums(&world, START, START + HOUR, 60).await, [(START, 1.0)]);
    world.ok("PutMetricData", json!({ "Namespace": "n", "MetricData": [datum(1.0, START)] })).await;
    assert_eq!(sums(&world, START, START + HOUR, 60).await, [(START, 2.0)]);
}

#[tokio::test]
async fn metrics_are_limited_and_the_limit_says_so() {
    let world = World::with(MetricsOptions { metrics_max: 3, ..MetricsOptions::default() }).await;
    let put = |names: &[&str]| {
        let data: Vec<Value> = names.iter().map(|name| json!({ "MetricName": name, "Value": 1 })).collect();
        json!({ "Namespace": "n", "MetricData": data })
    };
    world.ok("PutMetricData", put(&["a", "b"])).await;
    let refused = world.call("PutMetricData", put(&["b", "c", "d"])).await.unwrap_err();
    assert_eq!((refused.code(), refused.query_code()), ("LimitExceededFault", "LimitExceeded"));
    assert_eq!(refused.message(), "This server keeps at most 3 metrics");
    // Nothing of it is stored, and what fits still does.
    world.ok("PutMetricData", put(&["c"])).await;
    world.ok("PutMetricData", put(&["a"])).await;
    let listed = world.ok("ListMetrics", json!({ "Namespace": "n" })).await;
    assert_eq!(listed["Metrics"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_services_record_is_stored_with_a_flush() {
    let world = World::new().await;
    let meter = |name: &str| {
        world.metrics.meter(Metric {
            account: Account::DEFAULT,
            region: Region::default(),
            namespace: "n".to_owned(),
            name: name.to_owned(),
            dimensions: Vec::new(),
            unit: "Count",
        })
    };
    let (held, dropped) = (meter("M"), meter("M"));
    (0..10).for_each(|_| held.count());
    dropped.count();
    drop(dropped);
    assert_eq!(sums(&world, START, START + HOUR, 60).await, []);
    let before = world.commits();
    world.metrics.flush(world.env.now()).await;
    assert_eq!(sums(&world, START, START + HOUR, 60).await, [(START, 11.0)]);
    assert_eq!(world.commits(), before + 1);
    // Nothing new, nothing written; what is recorded later is added.
    world.metrics.flush(world.env.now()).await;
    assert_eq!(world.commits(), before + 1);
    held.count();
    world.metrics.flush(world.env.now()).await;
    assert_eq!(sums(&world, START, START + HOUR, 60).await, [(START, 12.0)]);
    let text = world.metrics.exposition();
    assert!(text.contains("# TYPE cauce_n_m_total counter\n"), "{text}");
    assert!(text.contains("cauce_n_m_total{account=\"000000000000\",region=\"us-east-1\"} 12\n"), "{text}");
}

#[tokio::test]
async fn metrics_without_samples_for_two_weeks_are_not_listed() {
    let world = World::new().await;
    world.ok("PutMetricData", json!({ "Namespace": "n", "MetricData": [datum(1.0, START)] })).await;
    let listed = async |recent: bool| {
        let question = if recent { json!({ "RecentlyActive": "PT3H" }) } else { json!({}) };
        world.ok("ListMetrics", question).await["Metrics"].as_array().unwrap().len()
    };
    assert_eq!((listed(true).await, listed(false).await), (1, 1));
    world.clock.advance(Duration::from_secs(4 * 3_600));
    assert_eq!((listed(true).await, listed(false).await), (0, 1));
    world.clock.advance(Duration::from_secs(14 * 86_400));
    assert_eq!((listed(true).await, listed(false).await), (0, 0));
    let now = world.env.now().as_secs();
    world.ok("PutMetricData", json!({ "Namespace": "n", "MetricData": [datum(1.0, now)] })).await;
    assert_eq!((listed(true).await, listed(false).await), (1, 1));
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let world = World::new().await;
    world.ok("PutMetricData", json!({ "Namespace": "n", "MetricData": [datum(1.0, START)] })).await;
    let world = world.again().await;
    world.ok("PutMetricData", json!({ "Namespace": "n", "MetricData": [datum(2.0, START)] })).await;
    assert_eq!(sums(&world, START, START + HOUR, 60).await, [(START, 3.0)]);
    assert_eq!(world.rows().await, 1);
}
