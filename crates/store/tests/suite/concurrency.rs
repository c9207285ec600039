//! Many at once: what a strictly serializable store makes impossible.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cauce_core::{Entropy, SeededEntropy};
use cauce_store::{Db, StoreError, Tx};
use tokio::task::JoinHandle;

use super::{Subject, bytes, muts, range, set, text};

async fn number(tx: &Tx, key: &str) -> Result<i64, StoreError> {
    Ok(tx.get(&bytes(key)).await?.map_or(0, |val| text(&val).parse().unwrap()))
}

async fn all(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

fn spawn<F, Fut>(subject: &Subject, tasks: u64, work: F) -> Vec<JoinHandle<()>>
where
    F: Fn(Db, u64) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let db = subject.db();
    (0..tasks).map(|task| tokio::spawn(work(db.clone(), task))).collect()
}

pub(crate) async fn counters_lose_nothing(subject: Subject) {
    let tasks = spawn(&subject, 32, |db, _| async move {
        for _ in 0..15 {
            db.transact(async |tx| {
                let count = number(&tx, "count").await?;
                tx.set("count", (count + 1).to_string());
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        }
    });
    all(tasks).await;
    assert_eq!(subject.get("count").await.unwrap().val, bytes("480"));
}

pub(crate) async fn transfers_keep_the_sum(subject: Subject) {
    const ACCOUNTS: u64 = 8;
    let open = (0..ACCOUNTS).map(|account| set(&format!("acc{account}"), "100"));
    subject.store.commit(muts(open)).await.unwrap();
    let tasks = spawn(&subject, 16, |db, task| async move {
        let chance = SeededEntropy::new(task);
        for _ in 0..25 {
            let (from, to) = (chance.below(ACCOUNTS), chance.below(ACCOUNTS));
            let amount = chance.below(60) as i64;
            let moved: Result<(), StoreError> = db
                .transact(async |tx| {
                    let (from, to) = (format!("acc{from}"), format!("acc{to}"));
                    let balance = number(&tx, &from).await?;
                    if balance < amount {
                        return Err(StoreError::Invalid("not enough".to_owned()));
                    }
                    tx.set(from, (balance - amount).to_string());
                    let balance = number(&tx, &to).await?;
                    tx.set(to, (balance + amount).to_string());
                    Ok(())
                })
                .await;
            assert!(matches!(moved, Ok(()) | Err(StoreError::Invalid(_))), "{moved:?}");
            let rows = db.range(range("acc", "acd", 20)).await.unwrap().rows;
            let balances = rows.iter().map(|row| text(&row.val).parse::<i64>().unwrap());
            assert!(balances.clone().all(|balance| balance >= 0));
            assert_eq!(balances.sum::<i64>(), 800);
        }
    });
    all(tasks).await;
}

/// Of two doctors on call, one may leave; each looks at the other's row and changes only the own one.
pub(crate) async fn write_skew_is_impossible(subject: Subject) {
    for _ in 0..30 {
        subject.store.commit(muts([set("on1", "yes"), set("on2", "yes")])).await.unwrap();
        let tasks = spawn(&subject, 2, |db, task| async move {
            db.transact(async |tx| {
                let on_call = tx.range(range("on", "oo", 9)).await?;
                let others = on_call.iter().filter(|row| row.val == "yes").count();
                if others == 2 {
                    tx.set(format!("on{}", task + 1), "no");
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        });
        all(tasks).await;
        let rows = subject.all().await;
        assert_eq!(rows.iter().filter(|(_, on_call)| on_call == "yes").count(), 1);
    }
}

pub(crate) async fn queues_deliver_once(subject: Subject) {
    const MESSAGES: usize = 120;
    let fill = (0..MESSAGES).map(|number| set(&format!("q{number:03}"), ""));
    subject.store.commit(muts(fill)).await.unwrap();
    let taken = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let tasks = spawn(&subject, 8, |db, _| {
        let taken = Arc::clone(&taken);
        async move {
            loop {
                let head = db
                    .transact(async |tx| {
                        let head = tx.range(range("q", "r", 1)).await?.into_iter().next().map(|row| row.key);
                        if let Some(head) = &head {
                            tx.clear(head.clone());
                        }
                        Ok::<_, StoreError>(head)
                    })
                    .await
                    .unwrap();
                let Some(head) = head else { break };
                taken.lock().push(head);
            }
        }
    });
    all(tasks).await;
    let mut taken = std::mem::take(&mut *taken.lock());
    assert_eq!(taken.len(), MESSAGES);
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), MESSAGES);
}

pub(crate) async fn readers_never_see_half_a_commit(subject: Subject) {
    let writers = spawn(&subject, 4, |db, task| async move {
        for round in 0..40 {
            let val = format!("{task}.{round}");
            let rows = ["p1", "p2", "p3"].map(|key| set(key, &val));
            db.store().commit(muts(rows)).await.unwrap();
        }
    });
    let readers = spawn(&subject, 4, |db, _| async move {
        for round in 0..200 {
            let vals = if round % 2 == 0 {
                db.range(range("p", "q", 9)).await.unwrap().rows.into_iter().map(|row| row.val).collect::<Vec<_>>()
            } else {
                db.transact(async |tx| {
                    let mut vals = Vec::new();
                    for key in ["p1", "p2", "p3"] {
                        vals.extend(tx.get(&bytes(key)).await?);
                    }
                    Ok::<_, StoreError>(vals)
                })
                .await
                .unwrap()
            };
            assert!(vals.is_empty() || (vals.len() == 3 && vals.iter().all(|val| *val == vals[0])), "{vals:?}");
            tokio::task::yield_now().await;
        }
    });
    all(writers).await;
    all(readers).await;
}

/// A read that begins after an answer sees what was answered, whoever got the answer.
pub(crate) async fn reads_see_what_was_answered(subject: Subject) {
    let answered = Arc::new(AtomicI64::new(0));
    let writer = {
        let (store, answered) = (Arc::clone(&subject.store), Arc::clone(&answered));
        tokio::spawn(async move {
            for round in 1..=300 {
                store.commit(muts([set("x", &round.to_string())])).await.unwrap();
                answered.store(round, Ordering::SeqCst);
            }
        })
    };
    let readers = spawn(&subject, 3, |db, _| {
        let answered = Arc::clone(&answered);
        async move {
            while answered.load(Ordering::SeqCst) < 300 {
                let before = answered.load(Ordering::SeqCst);
                let seen = db.get_bytes(&bytes("x")).await.unwrap().map_or(0, |val| text(&val).parse().unwrap());
                assert!(seen >= before, "{before} was answered, {seen} is read");
                tokio::task::yield_now().await;
            }
        }
    });
    writer.await.unwrap();
    all(readers).await;
}
