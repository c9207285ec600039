//! An S3 over a store in memory and a folder of its own, and requests to it as short texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Verdict};
use cauce_core::{
    Account, Arn, Call, Env, ManualClock, Principal, Region, SeededEntropy, ServiceError, Timestamp, Trace,
};
use cauce_s3::{Body, Payload, S3, S3Options};
use cauce_store::Db;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parking_lot::Mutex;
use tempfile::TempDir;

/// A question as the policies heard it: action and resource.
pub(crate) type Asked = (String, String);

/// Allows everything but what it is told to deny, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct Policies {
    pub(crate) denied: Mutex<Vec<String>>,
    pub(crate) asked: Mutex<Vec<Asked>>,
}

#[async_trait]
impl Identity for Policies {
    async fn access_key(&self, _: &str) -> Result<Option<AccessKey>, ServiceError> {
        Ok(None)
    }

    async fn assume_role(&self, _: &Arn, _: &str, _: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("no roles here"))
    }

    async fn explain(&self, _: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
        self.asked.lock().push((access.action.to_owned(), access.resource.to_owned()));
        let denied = self.denied.lock().iter().any(|action| action == access.action);
        if denied {
            let why = format!("because no identity-based policy allows the {} action", access.action);
            return Ok(Verdict::Denied(why));
        }
        Ok(Verdict::Allowed("everything".to_owned()))
    }
}

/// The service under test.
pub(crate) struct Harness {
    pub(crate) s3: Arc<S3>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) clock: ManualClock,
    pub(crate) db: Db,
    pub(crate) dir: Arc<TempDir>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The text of the first element of that name.
    pub(crate) fn element(&self, name: &str) -> String {
        self.elements(name).into_iter().next().unwrap_or_default()
    }

    /// The texts of all elements of that name.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let opening = format!("<{name}>");
        let parts = text.split(&opening).skip(1);
        parts.map(|part| part.split("</").next().unwrap_or_default().replace("&quot;", "\"")).collect()
    }
}

pub(crate) fn call() -> Call {
    let env = Env::new(ManualClock::new(Timestamp::from_secs(1_795_320_000)), SeededEntropy::new(3));
    let mut call = Call::from_service(
        &env,
        "test",
        None,
        Account::DEFAULT,
        Region::default(),
        Trace::start(env.now(), env.entropy()),
    );
    let root = Principal::Root { account: Account::DEFAULT, access_key_id: "test".to_owned() };
    call.principal = Arc::new(root);
    call.host = "127.0.0.1:4566".into();
    call
}

impl Harness {
    pub(crate) async fn new() -> Harness {
        Harness::over(Db::memory(), Arc::new(tempfile::tempdir().unwrap()), 1).await
    }

    /// Another start over the same store and folder.
    pub(crate) async fn over(db: Db, dir: Arc<TempDir>, seed: u64) -> Harness {
        let clock = ManualClock::new(Timestamp::from_secs(1_795_320_000));
        let env = Env::new(clock.clone(), SeededEntropy::new(seed));
        let policies = Arc::new(Policies::default());
        let options = S3Options { dir: dir.path().to_owned() };
        let s3 = S3::open(db.clone(), env, Arc::clone(&policies) as Arc<dyn Identity>, options).await.unwrap();
        Harness { s3, policies, clock, db, dir }
    }

    /// A harness with the bucket `b01`.
    pub(crate) async fn with_bucket() -> Harness {
        let harness = Harness::new().await;
        harness.ok("PUT /b01", b"").await;
        harness
    }

    /// Sends `METHOD URI` followed by lines of headers; `Content-Length` is added.
    pub(crate) async fn send(&self, request: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send_as(call(), request, Body::from_bytes(body.as_ref().to_vec()), body.as_ref().len()).await
    }

    pub(crate) async fn send_as(&self, call: Call, request: &str, body: Body, bytes: usize) -> Answer {
        let mut lines = request.lines();
        let (method, uri) = lines.next().unwrap().split_once(' ').unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("content-length", HeaderValue::from(bytes));
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            let name = HeaderName::from_bytes(name.trim().to_ascii_lowercase().as_bytes()).unwrap();
            headers.insert(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = self.s3.respond(call, &method, uri, headers, body).await;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), String::from_utf8(value.as_bytes().to_vec()).unwrap()));
        let headers = headers.collect();
        let body = match response.into_body() {
            Payload::Whole(bytes) => bytes.to_vec(),
            Payload::Stream(mut stream) => {
                let mut whole = Vec::new();
                while let Some(piece) = stream.next().await {
                    whole.extend_from_slice(&piece.unwrap());
                }
                whole
            }
        };
        Answer { status, headers, body }
    }

    /// Sends, and wants success.
    pub(crate) async fn ok(&self, request: &str, body: impl AsRef<[u8]>) -> Answer {
        let answer = self.send(request, body).await;
        assert!(answer.status < 300, "{request}: {} {}", answer.status, answer.text());
        answer
    }

    /// Sends, and wants this status and error code.
    pub(crate) async fn refused(&self, request: &str, body: impl AsRef<[u8]>, status: u16, code: &str) -> Answer {
        let answer = self.send(request, body).await;
        let got = (answer.status, answer.element("Code"));
        assert_eq!(got, (status, code.to_owned()), "{request}: {}", answer.text());
        answer
    }

    /// The names of all files in the folder, staged ones too.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        for folder in std::fs::read_dir(self.dir.path()).unwrap() {
            for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
                names.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        names
    }

    /// Waits until there are so many files: those that are dropped go after the answer.
    pub(crate) async fn files_become(&self, count: usize) {
        for _ in 0..100_000 {
            if self.files().len() == count {
                return;
            }
            tokio::task::spawn_blocking(|| ()).await.unwrap();
        }
        panic!("{} files, expected {count}", self.files().len());
    }
}

/// The MD5 of `bytes` in hex, as an entity tag.
pub(crate) fn etag(bytes: &[u8]) -> String {
    use md5::Digest as _;
    format!("\"{}\"", hex::encode(md5::Md5::digest(bytes)))
}
