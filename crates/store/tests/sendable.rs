//! Transactions as service crates write them: inside `async_trait` methods, spawned tasks and boxed futures, borrowing whatever
//! is around. That this file compiles is the test; the assertions are a bonus.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_store::{Bytes, Db, Key, Kind, StoreError, Tx};

const NOTE: Kind = Kind::new(0x7001);

#[derive(Debug, PartialEq, thiserror::Error)]
enum NoteError {
    #[error("there is no note {0}")]
    NotFound(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[async_trait]
trait Notes: Send + Sync {
    async fn append(&self, names: &[String], text: &str) -> Result<usize, NoteError>;
}

struct Service {
    db: Db,
    prefix: String,
}

fn key(prefix: &str, name: &str) -> Bytes {
    Key::new(NOTE).str(prefix).str(name).build()
}

async fn append_one(tx: &Tx, key: &Bytes, text: &str, seen: &mut Vec<Bytes>) -> Result<usize, NoteError> {
    let mut note = tx.get(key).await?.ok_or_else(|| NoteError::NotFound(format!("{key:?}")))?.to_vec();
    note.extend_from_slice(text.as_bytes());
    let len = note.len();
    tx.set(key.clone(), note);
    seen.push(key.clone());
    Ok(len)
}

#[async_trait]
impl Notes for Service {
    async fn append(&self, names: &[String], text: &str) -> Result<usize, NoteError> {
        let suffix = String::from("!");
        self.db
            .transact(async |tx| {
                let mut seen = Vec::new();
                let mut total = 0;
                for name in names {
                    total += append_one(&tx, &key(&self.prefix, name), text, &mut seen).await?;
                    total += append_one(&tx, &key(&self.prefix, name), &suffix, &mut seen).await?;
                }
                Ok(total)
            })
            .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_are_sendable() {
    let db = Db::memory();
    let service: Arc<dyn Notes> = Arc::new(Service { db: db.clone(), prefix: "p".to_owned() });
    let missing = service.append(&["a".to_owned()], "x").await;
    assert!(matches!(missing, Err(NoteError::NotFound(_))));

    let name = String::from("a");
    let writer = db.clone();
    tokio::spawn(async move {
        let name = &name;
        writer
            .transact(async |tx| {
                tx.set(key("p", name), "");
                Ok::<_, StoreError>(())
            })
            .await
    })
    .await
    .unwrap()
    .unwrap();

    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let service = Arc::clone(&service);
            tokio::spawn(async move { service.append(&["a".to_owned()], "x").await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(db.get_bytes(&key("p", "a")).await.unwrap().unwrap().len(), 40);
}
