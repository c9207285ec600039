//! Events a second against the number of rules: `cargo bench -p cauce-event-pattern [--bench matching]`.
//!
//! Each figure is the best of several rounds on one thread, by the time that the thread really ran (where Linux tells it), because other
//! programs may use the machine at the same time; what can be compared between machines is the ratio to `serde_json::from_slice::<serde_json::Value>` of the same events.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark stops at the first surprise"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use cauce_event_pattern::{Matcher, Pattern, SharedMatcher};

const EVENTS: usize = 2000;
const ROUND_MIN: Duration = Duration::from_millis(250);
const ROUNDS: usize = 7;

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

const SOURCES: [&str; 8] = [
    "aws.ec2",
    "aws.s3",
    "com.acme.orders",
    "com.acme.billing",
    "com.acme.shipping",
    "aws.ecs",
    "com.acme.users",
    "com.acme.search",
];
const STATES: [&str; 6] = ["running", "pending", "stopped", "terminated", "failed", "shipped"];
const REGIONS: [&str; 5] = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1"];

/// An event of about 700 bytes: the envelope of EventBridge around an order.
fn event(dice: &mut Dice, number: usize) -> String {
    let region = REGIONS[dice.below(5)];
    let (order, customer) = (dice.below(200_000), dice.below(200_000));
    format!(
        concat!(
            r#"{{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-{:012x}","detail-type":"Order {}","source":"{}","account":"{:012}","#,
            r#""time":"2026-{:02}-{:02}T16:24:{:02}Z","region":"{}","resources":["arn:aws:ec2:{}:123456789012:instance/i-{:017x}"],"#,
            r#""detail":{{"order-id":"order-{}","customer":{{"id":"customer-{}","email":"user{}@mail{}.example.com","tier":"{}"}},"#,
            r#""state":"{}","total":{}.{:02},"quantity":{},"source-ip":"10.{}.{}.{}","path":"/shop/{}/items/{}/invoice.pdf","#,
            r#""items":[{{"sku":"SKU-{}","price":{}}},{{"sku":"SKU-{}","price":{}}}],"#,
            r#""note":"Leave the parcel with the neighbour if nobody answers the door, please","express":{},"coupon":null}}}}"#
        ),
        number,
        dice.below(40),
        SOURCES[dice.below(8)],
        dice.below(1000),
        1 + dice.below(12),
        1 + dice.below(28),
        dice.below(60),
        region,
        region,
        dice.below(1 << 40),
        order,
        customer,
        customer,
        dice.below(1000),
        ["gold", "silver", "basic"][dice.below(3)],
        STATES[dice.below(6)],
        dice.below(100_000),
        dice.below(100),
        dice.below(100),
        dice.below(256),
        dice.below(256),
        dice.below(256),
        dice.below(5000),
        dice.below(100),
        dice.below(100_000),
        dice.below(1000),
        dice.below(100_000),
        dice.below(1000),
        dice.below(2) == 0,
    )
}

/// The rule `number` of a bus with rules of every operator: each is specific, as rules of a large bus are.
fn mixed_rule(dice: &mut Dice, number: usize) -> String {
    let id = dice.below(200_000);
    match number % 12 {
        0 => format!(r#"{{"source":["{}"],"detail":{{"order-id":["order-{id}"]}}}}"#, SOURCES[dice.below(8)]),
        1 => format!(
            r#"{{"detail":{{"customer":{{"id":["customer-{id}","customer-{}"]}},"state":["failed"]}}}}"#,
            dice.below(200_000)
        ),
        2 => format!(r#"{{"detail":{{"customer":{{"email":[{{"prefix":"user{id}@"}}]}}}}}}"#),
        3 => format!(r#"{{"resources":[{{"suffix":"{:06x}"}}],"region":["us-east-1"]}}"#, dice.below(1 << 24)),
        4 => {
            let low = dice.below(100_000);
            format!(
                r#"{{"detail":{{"total":[{{"numeric":[">=",{low},"<",{low}.5]}}],"state":[{{"anything-but":["failed"]}}]}}}}"#
            )
        }
        5 => format!(
            r#"{{"detail":{{"path":[{{"wildcard":"/shop/{}/items/{}/*.pdf"}}]}}}}"#,
            dice.below(5000),
            dice.below(100)
        ),
        6 => format!(
            r#"{{"detail":{{"source-ip":[{{"cidr":"10.{}.{}.0/24"}}],"express":[true]}}}}"#,
            dice.below(256),
            dice.below(256)
        ),
        7 => format!(r#"{{"detail":{{"order-id":[{{"equals-ignore-case":"ORDER-{id}"}}]}}}}"#),
        8 => format!(
            r#"{{"detail":{{"items":{{"sku":["SKU-{}"],"price":[{{"numeric":["<",500]}}]}}}}}}"#,
            dice.below(100_000)
        ),
        9 => format!(
            r#"{{"$or":[{{"detail":{{"order-id":["order-{id}"]}}}},{{"detail":{{"customer":{{"id":["customer-{id}"]}}}}}}],"source":[{{"prefix":"com."}}]}}"#
        ),
        10 => format!(
            r#"{{"detail":{{"customer":{{"email":[{{"suffix":"{}@mail{}.example.com"}}],"tier":["gold"]}},"coupon":[{{"exists":true}}]}}}}"#,
            dice.below(100),
            dice.below(1000)
        ),
        _ => format!(
            r#"{{"detail":{{"missing":[{{"exists":false}}],"customer":{{"id":[{{"wildcard":"*mer-{id}"}}]}},"state":[{{"anything-but":{{"prefix":"term"}}}}]}}}}"#
        ),
    }
}

/// A rule that one of 240 events matches, and that hundreds of others share each condition with.
fn common_rule(dice: &mut Dice, _: usize) -> String {
    format!(
        r#"{{"source":["{}"],"region":["{}"],"detail":{{"state":["{}"]}}}}"#,
        SOURCES[dice.below(8)],
        REGIONS[dice.below(5)],
        STATES[dice.below(6)]
    )
}

/// The same with a fourth condition that sets the rules apart.
fn weak_rule(dice: &mut Dice, number: usize) -> String {
    let rule = common_rule(dice, number);
    let own = format!(r#","total":[{{"numeric":[">",{}.{:03}]}}]}}}}"#, dice.below(100_000), dice.below(1000));
    rule.trim_end_matches('}').to_owned() + &own
}

type MakeRule = fn(&mut Dice, usize) -> String;

/// Time that this thread has run on a processor, or simply time where that is not known.
fn thread_time(start: Instant) -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = schedule.as_deref().and_then(|text| text.split(' ').next()).and_then(|text| text.parse().ok());
    nanoseconds.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Times `work` on all events. Events a second, best round.
fn events_per_second(events: &[String], mut work: impl FnMut(&[u8])) -> f64 {
    let mut best = 0f64;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let ran = thread_time(start);
        let mut done = 0;
        while start.elapsed() < ROUND_MIN {
            for event in events {
                work(event.as_bytes());
            }
            done += events.len();
        }
        best = best.max(done as f64 / (thread_time(start) - ran).as_secs_f64());
    }
    best
}

struct Row {
    trusted: f64,
    checked: f64,
    matches_per_event: f64,
    add: Duration,
}

/// Builds a matcher of the `rules` and runs the events against it.
fn run(events: &[String], rules: &[Pattern]) -> Row {
    let mut matcher: Matcher<u32> = Matcher::new();
    let start = Instant::now();
    for (number, rule) in rules.iter().enumerate() {
        matcher.add(number as u32, rule);
    }
    let add = start.elapsed() / rules.len() as u32;
    let mut matched = Vec::new();
    for event in events {
        matcher.matches(event.as_bytes(), &mut matched).unwrap();
    }
    let matches_per_event = matched.len() as f64 / events.len() as f64;
    let trusted = events_per_second(events, |event| {
        matched.clear();
        matcher.matches_trusted(event, &mut matched).unwrap();
        black_box(&matched);
    });
    let checked = events_per_second(events, |event| {
        matched.clear();
        matcher.matches(event, &mut matched).unwrap();
        black_box(&matched);
    });
    Row { trusted, checked, matches_per_event, add }
}

fn print_row(name: &str, row: &Row, bytes: f64, serde: f64) {
    println!(
        "| {name} | {:>9.0} | {:>5.0} | {:>5.2} | {:>9.0} | {:>8.2} | {:>6.1} |",
        row.trusted,
        row.trusted * bytes / 1e6,
        row.trusted / serde,
        row.checked,
        row.matches_per_event,
        row.add.as_nanos() as f64 / 1e3,
    );
}

fn parse_all(count: usize, mut rule: impl FnMut(&mut Dice, usize) -> String) -> Vec<Pattern> {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    (0..count)
        .map(|number| {
            let text = rule(&mut dice, number);
            Pattern::parse(&text).unwrap_or_else(|refused| panic!("{refused}"))
        })
        .collect()
}

/// Rules that are all of one kind, and bad for an index.
fn adversarial(events: &[String], bytes: f64, serde: f64) {
    let kinds: [(&str, MakeRule); 8] = [
        ("prefix, one inside the other", |dice, _| {
            format!(r#"{{"detail":{{"note":[{{"prefix":"Leave the parcel with{}"}}]}}}}"#, dice.below(100_000))
        }),
        ("suffix", |dice, _| {
            format!(r#"{{"detail":{{"path":[{{"suffix":"{}/invoice.pdf"}}]}}}}"#, dice.below(100_000))
        }),
        ("numeric > n, two conditions", |dice, _| {
            format!(
                r#"{{"detail":{{"total":[{{"numeric":[">",{}]}}],"quantity":[{{"numeric":["<",{}]}}]}}}}"#,
                99_000 + dice.below(1000),
                dice.below(20)
            )
        }),
        ("numeric ranges", |dice, _| {
            let low = dice.below(100_000);
            format!(r#"{{"detail":{{"total":[{{"numeric":[">",{low},"<=",{}]}}]}}}}"#, low + 10)
        }),
        ("wildcard *n*", |dice, _| {
            format!(r#"{{"detail":{{"path":[{{"wildcard":"*/{}/*"}}]}}}}"#, dice.below(100_000))
        }),
        ("wildcard, same ends", |dice, _| {
            format!(r#"{{"detail":{{"path":[{{"wildcard":"/shop/*/items/{}/*.pdf"}}]}}}}"#, 100 + dice.below(100_000))
        }),
        ("anything-but, never matching", |dice, _| {
            format!(
                r#"{{"detail":{{"state":[{{"anything-but":["{}"]}}],"order-id":[{{"anything-but":{{"prefix":"order-"}}}}]}}}}"#,
                STATES[dice.below(6)]
            )
        }),
        ("anything-but, all matching", |dice, _| {
            format!(r#"{{"detail":{{"order-id":[{{"anything-but":"order-{}"}}]}}}}"#, dice.below(200_000))
        }),
    ];
    for (name, rule) in kinds {
        let row = run(events, &parse_all(10_000, rule));
        print_row(&format!("{name:<32}"), &row, bytes, serde);
    }
}

fn main() {
    // `cargo test --benches` runs this too; it is no test.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let events: Vec<String> = (0..EVENTS).map(|number| event(&mut dice, number)).collect();
    let bytes = events.iter().map(String::len).sum::<usize>() as f64 / events.len() as f64;
    println!("events of {bytes:.0} bytes on average, one thread, best of {ROUNDS} rounds\n");
    let serde = events_per_second(&events, |event| {
        black_box(serde_json::from_slice::<serde_json::Value>(event).unwrap());
    });
    let validate = events_per_second(&events, |event| cauce_event_pattern::validate(black_box(event)).unwrap());
    println!("serde_json::Value: {serde:.0} events/s, {:.0} MB/s", serde * bytes / 1e6);
    println!("validate:          {validate:.0} events/s, {:.0} MB/s\n", validate * bytes / 1e6);
    println!("| rules, mixed operators | events/s |  MB/s | / serde | checked/s | matches/event | us/add |");
    println!("|---|---|---|---|---|---|---|");
    for count in [1, 100, 1000, 10_000, 100_000] {
        let row = run(&events, &parse_all(count, mixed_rule));
        print_row(&format!("{count:>7}"), &row, bytes, serde);
    }
    println!("\n| common values, many rules equal | events/s |  MB/s | / serde | checked/s | matches/event | us/add |");
    println!("|---|---|---|---|---|---|---|");
    for count in [100, 10_000, 100_000] {
        print_row(&format!("{count:>7}"), &run(&events, &parse_all(count, common_rule)), bytes, serde);
    }
    println!(
        "\n| common values, all rules different | events/s |  MB/s | / serde | checked/s | matches/event | us/add |"
    );
    println!("|---|---|---|---|---|---|---|");
    for count in [100, 10_000, 100_000] {
        print_row(&format!("{count:>7}"), &run(&events, &parse_all(count, weak_rule)), bytes, serde);
    }
    if quick {
        return;
    }
    println!("\n| 10,000 rules of one kind | events/s |  MB/s | / serde | checked/s | matches/event | us/add |");
    println!("|---|---|---|---|---|---|---|");
    adversarial(&events, bytes, serde);

    let patterns = parse_all(100_000, mixed_rule);
    let mut matcher: Matcher<u32> = Matcher::new();
    for (number, rule) in patterns.iter().enumerate() {
        matcher.add(number as u32, rule);
    }
    let shared = SharedMatcher::from_matcher(matcher);
    let start = Instant::now();
    for number in 0..1000u32 {
        shared.remove(&number);
        shared.add(number, &patterns[number as usize]);
    }
    println!(
        "\nremoving and adding one rule of 100,000 while others may match: {:.1} us",
        start.elapsed().as_secs_f64() * 1e3
    );
}
