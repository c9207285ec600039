//! A fresh service on a store in memory, and short ways to ask it.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::ports::{Access, Identity, Verdict};
use cauce_core::{Account, Call, Env, ManualClock, Principal, Region, SeededEntropy, Timestamp, Trace};
use cauce_iam::{Iam, IamOptions, api, sts_api};
use cauce_store::Db;
use cauce_wire::Api;
use serde_json::Value;

/// The account of the tests.
pub(crate) const ACCOUNT: &str = "111111111111";

/// A service with its clock.
pub(crate) struct Bench {
    pub(crate) db: Db,
    pub(crate) iam: Arc<Iam>,
    pub(crate) clock: ManualClock,
    pub(crate) env: Env,
    identity: Arc<dyn Identity>,
    api: Api<Iam>,
    sts: Api<Iam>,
}

impl Bench {
    pub(crate) async fn new() -> Bench {
        Bench::on(Db::memory(), ManualClock::new(Timestamp::from_secs(1_760_000_000)), 1).await
    }

    async fn on(db: Db, clock: ManualClock, seed: u64) -> Bench {
        let env = Env::new(clock.clone(), SeededEntropy::new(seed));
        let account: Account = ACCOUNT.parse().unwrap();
        let options = IamOptions { account, root_access_key_id: "root-key".into(), root_secret: "root-secret".into() };
        let iam = Iam::open(db.clone(), env.clone(), options).await.unwrap();
        let (api, sts) = (api(&iam), sts_api(&iam));
        Bench { db, clock, env, identity: Arc::clone(&iam) as Arc<dyn Identity>, iam, api, sts }
    }

    /// The same store under a new process.
    pub(crate) async fn restarted(&self) -> Bench {
        Bench::on(self.db.clone(), self.clock.clone(), 2).await
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn call(&self, principal: Principal) -> Call {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let account = ACCOUNT.parse().unwrap();
        let call = Call::from_service(&self.env, "test", None, account, Region::default(), trace);
        Call { principal: Arc::new(principal), source_ip: Some("127.0.0.1".parse().unwrap()), ..call }
    }

    pub(crate) fn root(&self) -> Principal {
        Principal::Root { account: ACCOUNT.parse().unwrap(), access_key_id: "root-key".into() }
    }

    /// Does an operation of IAM or STS as `principal`; the error as `code: message`.
    pub(crate) async fn ask_as(&self, principal: Principal, operation: &str, input: Value) -> Result<Value, String> {
        let api = if ["AssumeRole", "GetCallerIdentity", "GetAccessKeyInfo"].contains(&operation) {
            &self.sts
        } else {
            &self.api
        };
        let body = serde_json::to_vec(&input).unwrap();
        let answer = api.call_json(&self.identity, operation, self.call(principal), &body).await;
        let answer = answer.map_err(|e| format!("{}: {}", e.query_code(), e.message()))?;
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() })
    }

    pub(crate) async fn ask(&self, operation: &str, input: Value) -> Value {
        let shown = input.to_string();
        let answer = self.ask_as(self.root(), operation, input).await;
        answer.unwrap_or_else(|e| panic!("{operation} {shown}: {e}"))
    }

    pub(crate) async fn refused(&self, operation: &str, input: Value, expect: &str) {
        let found = self.ask_as(self.root(), operation, input).await;
        assert_eq!(found, Err(expect.to_owned()), "{operation}");
    }

    /// What the policies say to `principal` doing `action` to `resource`: empty, or the reason of the refusal.
    pub(crate) async fn verdict(&self, principal: &Principal, action: &str, resource: &str) -> String {
        let access = Access { action, resource, ..Access::default() };
        match self.iam.explain(&self.call(principal.clone()), &access).await.unwrap() {
            Verdict::Allowed(_) => String::new(),
            Verdict::Denied(why) => why,
        }
    }

    /// Who signs with these credentials, as an operation answers them.
    pub(crate) async fn who(&self, credentials: &Value) -> Option<Principal> {
        let token = credentials["SessionToken"].as_str();
        let id = credentials["AccessKeyId"].as_str().unwrap();
        let key = self.iam.presented_key(id, token).await.unwrap()?;
        assert_eq!(Some(key.secret.as_str()), credentials["SecretAccessKey"].as_str());
        Some(key.principal)
    }
}

/// A trust policy for this `Principal` element.
pub(crate) fn trust(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#
    )
}

/// An identity policy that allows `action` on `resource`.
pub(crate) fn allow(action: &str, resource: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}]}}"#
    )
}

/// As [`allow`], but denies.
pub(crate) fn deny(action: &str, resource: &str) -> String {
    allow(action, resource).replace("Allow", "Deny")
}

/// The functions of AWS Lambda.
pub(crate) const LAMBDA: &str = r#"{"Service":"lambda.amazonaws.com"}"#;
/// Everybody of the account.
pub(crate) const OWN_ACCOUNT: &str = r#"{"AWS":"111111111111"}"#;
