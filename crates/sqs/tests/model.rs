//! Random histories against a model: what a queue may do at each moment, and what it must have done in the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};
use serde_json::{Value, json};
use world::World;

const VISIBILITY_S: u64 = 30;

#[derive(Clone, Debug)]
enum Step {
    /// To one of three groups.
    Send(u8),
    SendAgain,
    Receive(u8),
    /// The n-th last reception, whatever has become of it.
    Delete(usize),
    Hide(usize, u64),
    Wait(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0_u8..3).prop_map(Step::Send),
        1 => Just(Step::SendAgain),
        5 => (1_u8..5).prop_map(Step::Receive),
        4 => (0_usize..6).prop_map(Step::Delete),
        2 => (0_usize..6, 0_u64..60).prop_map(|(which, timeout)| Step::Hide(which, timeout)),
        3 => (1_u64..40).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..60)
}

/// A message as the model knows it.
#[derive(Clone, Debug)]
struct Known {
    group: u8,
    /// Hidden until this second.
    hidden_until: u64,
    receives: u64,
    handle: String,
}

/// A queue as AWS describes it.
struct Model {
    fifo: bool,
    now: u64,
    /// Messages that exist, by their number, which is their body.
    messages: BTreeMap<u64, Known>,
    sent: u64,
    /// When the last message was sent, and to which group.
    sent_at: u64,
    last_group: u8,
    /// Every reception: which message, under which handle.
    receptions: Vec<(u64, String)>,
}

impl Model {
    /// Whether `body` may be received now, given what was taken before it in the same reception.
    fn may_receive(&self, body: u64, taken: &BTreeSet<u64>) -> bool {
        let Some(message) = self.messages.get(&body) else { return false };
        if message.hidden_until > self.now {
            return false;
        }
        let mut group = self.messages.iter().filter(|(_, other)| other.group == message.group);
        !self.fifo
            || group
                .all(|(number, other)| taken.contains(number) || (other.hidden_until <= self.now && *number >= body))
    }

    /// How many messages a reception that asks for all of them gives.
    fn receivable(&self) -> usize {
        let mut taken = BTreeSet::new();
        for body in self.messages.keys() {
            if self.may_receive(*body, &taken) {
                taken.insert(*body);
            }
        }
        taken.len()
    }

    /// The reception that a step means, if its handle is that of the message's last reception.
    fn reception(&self, which: usize) -> Option<(u64, String, bool)> {
        let index = self.receptions.len().checked_sub(which + 1)?;
        let (body, handle) = self.receptions[index].clone();
        let last = self.messages.get(&body).is_some_and(|message| message.handle == handle);
        Some((body, handle, last))
    }
}

async fn run(fifo: bool, steps: Vec<Step>) {
    let mut w = World::new().await;
    let (name, attributes) = if fifo { ("q.fifo", json!({ "FifoQueue": "true" })) } else { ("q", json!({})) };
    let url = w.queue(name, attributes).await;
    let mut m =
        Model { fifo, now: 0, messages: BTreeMap::new(), sent: 0, sent_at: 0, last_group: 0, receptions: Vec::new() };
    let mut seed = 1;
    for step in steps {
        match step {
            Step::Send(group) => {
                m.sent += 1;
                (m.sent_at, m.last_group) = (m.now, group);
                send(&w, &m, &url).await;
                m.messages.insert(m.sent, Known { group, hidden_until: 0, receives: 0, handle: String::new() });
            }
            // Within five minutes, a FIFO queue takes it for the same message; a standard queue knows no such thing.
            Step::SendAgain if fifo && m.sent > 0 && m.now < m.sent_at + 300 => send(&w, &m, &url).await,
            Step::SendAgain => {}
            Step::Receive(max) => receive(&w, &mut m, &url, usize::from(max)).await,
            Step::Delete(which) => {
                let Some((body, handle, last)) = m.reception(which) else { continue };
                let hidden = m.messages.get(&body).is_some_and(|message| message.hidden_until > m.now);
                let found = w.ask("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": handle })).await;
                let gone = !m.messages.contains_key(&body);
                assert_eq!(found.is_ok(), !fifo || gone || (last && hidden), "{found:?}");
                if last && found.is_ok() {
                    m.messages.remove(&body);
                }
            }
            Step::Hide(which, timeout) => {
                let Some((body, handle, last)) = m.reception(which) else { continue };
                let input = json!({ "QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": timeout });
                let found = w.ask("ChangeMessageVisibility", input).await;
                let now = m.now;
                match m.messages.get_mut(&body).filter(|message| last && message.hidden_until > now) {
                    Some(message) => {
                        assert!(found.is_ok(), "{found:?}");
                        message.hidden_until = now + timeout;
                    }
                    None => assert!(found.is_err(), "{found:?}"),
                }
            }
            Step::Wait(seconds) => {
                w.advance(seconds);
                m.now += seconds;
            }
            Step::Restart => {
                seed += 1;
                // A start takes time, and numbers of messages are drawn from the clock: of messages that are gone the store knows
                // nothing, so within the same microsecond a number would be drawn again.
                w.advance(1);
                m.now += 1;
                w = w.restart(seed).await;
            }
        }
        let hidden = m.messages.values().filter(|message| message.hidden_until > m.now).count() as u64;
        assert_eq!(w.counts(&url).await, [m.messages.len() as u64 - hidden, hidden, 0]);
    }
    // In the end everything that was not deleted is there.
    w.advance(100);
    m.now += 100;
    while !m.messages.is_empty() {
        let before = m.receptions.len();
        receive(&w, &mut m, &url, 10).await;
        for (body, handle) in m.receptions.split_off(before) {
            w.must("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": handle })).await;
            m.messages.remove(&body);
        }
    }
    assert_eq!((w.receive(&url).await.len(), w.counts(&url).await), (0, [0, 0, 0]));
}

async fn send(w: &World, m: &Model, url: &str) {
    let body = m.sent.to_string();
    match m.fifo {
        true => drop(w.send_to_group(url, &m.last_group.to_string(), &body).await),
        false => drop(w.send(url, &body).await),
    }
}

async fn receive(w: &World, m: &mut Model, url: &str, max: usize) {
    let expected = m.receivable().min(max);
    let found = w.receive_with(url, json!({ "MaxNumberOfMessages": max, "VisibilityTimeout": VISIBILITY_S })).await;
    assert_eq!(found.len(), expected, "{found:?}");
    let mut taken = BTreeSet::new();
    for message in &found {
        let body: u64 = message["Body"].as_str().unwrap().parse().unwrap();
        assert!(m.may_receive(body, &taken), "{body} out of turn in {found:?}");
        taken.insert(body);
    }
    for message in &found {
        let body: u64 = message["Body"].as_str().unwrap().parse().unwrap();
        let handle = message["ReceiptHandle"].as_str().unwrap().to_owned();
        let known = m.messages.get_mut(&body).unwrap();
        known.receives += 1;
        (known.hidden_until, known.handle) = (m.now + VISIBILITY_S, handle.clone());
        assert_eq!(message["Attributes"]["ApproximateReceiveCount"], Value::from(known.receives.to_string()));
        m.receptions.push((body, handle));
    }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_standard_queue_does_what_the_model_does(steps in steps()) {
        block_on(run(false, steps));
    }

    #[test]
    fn a_fifo_queue_does_what_the_model_does(steps in steps()) {
        block_on(run(true, steps));
    }
}
