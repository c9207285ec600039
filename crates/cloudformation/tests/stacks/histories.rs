//! Random histories of one stack: after every operation the cloud holds exactly what the stack says.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::{Just, ProptestConfig, Strategy, prop, prop_oneof, proptest};
use serde_json::{Map, Value, json};

use crate::support::{Lab, thing};

/// A resource: its value, what replaces it, and which of the resources before it it refers to.
type Part = (u8, u8, Vec<bool>);

#[derive(Clone, Debug)]
struct Round {
    parts: BTreeMap<u8, Part>,
    failing: Option<(&'static str, u8)>,
}

fn round() -> impl Strategy<Value = Round> {
    let part = (0_u8..3, 0_u8..2, prop::collection::vec(prop::bool::weighted(0.3), 6));
    let parts = prop::collection::btree_map(0_u8..6, part, 1..6);
    let verb = prop_oneof![Just("create"), Just("update")];
    (parts, prop::option::of((verb, 0_u8..6))).prop_map(|(parts, failing)| Round { parts, failing })
}

fn template(parts: &BTreeMap<u8, Part>) -> Value {
    let mut resources = Map::new();
    for (at, (value, kind, links)) in parts {
        let before = parts.keys().zip(links).filter(|(other, linked)| *other < at && **linked);
        let links: Vec<Value> = before.map(|(other, _)| json!({"Ref": format!("R{other}")})).collect();
        let properties = json!({"Value": value, "Kind": kind, "Link": links});
        resources.insert(format!("R{at}"), thing(properties));
    }
    json!({ "Resources": resources })
}

fn wanted(parts: &BTreeMap<u8, Part>) -> Vec<(String, Value)> {
    parts.iter().map(|(at, (value, _, _))| (format!("R{at}"), json!(value))).collect()
}

/// Every link of every thing names a thing that is there.
fn links_hold(lab: &Lab) -> bool {
    let things = lab.cloud.things.lock();
    things.values().all(|thing| {
        let links = thing.properties.get("Link").and_then(Value::as_array).cloned().unwrap_or_default();
        links.iter().all(|link| link.as_str().is_some_and(|name| things.contains_key(name)))
    })
}

async fn live(rounds: Vec<Round>) {
    let lab = Lab::new();
    let mut parts: Option<BTreeMap<u8, Part>> = None;
    for round in rounds {
        let before = lab.cloud.things.lock().clone();
        if let Some((verb, at)) = round.failing {
            lab.cloud.fail(&format!("{verb} R{at}"));
        }
        let Some(old) = &parts else {
            let status = lab.create(&template(&round.parts)).await.unwrap().stack_status;
            lab.cloud.heal();
            if status == "CREATE_COMPLETE" {
                assert_eq!(lab.cloud.values(), wanted(&round.parts));
                parts = Some(round.parts);
            } else {
                assert_eq!((status, lab.cloud.names().len()), ("ROLLBACK_COMPLETE", 0));
                lab.delete("app").await.unwrap();
            }
            continue;
        };
        match lab.update(&template(&round.parts)).await {
            Err(refused) => {
                assert_eq!(refused, "ValidationError No updates are to be performed.");
                assert_eq!(template(&round.parts), template(old));
            }
            Ok(stack) => {
                lab.cloud.heal();
                let mut status = stack.stack_status;
                if status == "UPDATE_ROLLBACK_FAILED" {
                    let input = serde_json::from_value(json!({"StackName": "app"})).unwrap();
                    Arc::clone(&lab.service).continue_update_rollback(lab.call(), input).await.unwrap();
                    status = lab.view("app").await.unwrap().stack_status;
                }
                if status == "UPDATE_COMPLETE" {
                    assert_eq!(lab.cloud.values(), wanted(&round.parts));
                    parts = Some(round.parts);
                } else {
                    assert_eq!(status, "UPDATE_ROLLBACK_COMPLETE");
                    assert_eq!(*lab.cloud.things.lock(), before);
                }
            }
        }
        lab.cloud.heal();
        assert!(links_hold(&lab));
    }
    if parts.is_some() {
        assert_eq!(lab.delete("app").await.unwrap().stack_status, "DELETE_COMPLETE");
    }
    assert_eq!(lab.cloud.names(), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_cloud_holds_what_the_stack_says(rounds in prop::collection::vec(round(), 1..7)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(live(rounds));
    }
}
