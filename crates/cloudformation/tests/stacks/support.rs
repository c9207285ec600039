//! A cloud in memory that fails and hangs on demand, and the service on top of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_cloudformation::{
    CloudFormation, DescribeInput, Error, EventView, Ports, References, StackEvents, StackRequest, StackStatusChange,
    StackView,
};
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Objects, Verdict};
use cauce_core::{
    Account, Arn, Call, CreateRequest, DeleteRequest, Env, ManualClock, Principal, Property, Provisioned, Region,
    RequestId, ResourceSchema, ResourceType, SeededEntropy, ServiceError, Timestamp, Trace, UpdateRequest,
};
use cauce_store::{Db, StoreError, Tx};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};

/// A thing in the cloud.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Thing {
    pub properties: Map<String, Value>,
    pub logical_id: String,
}

/// Where the program ends: at the n-th call, before or after its effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub at_call: usize,
    pub after_effect: bool,
}

#[derive(Default)]
pub(crate) struct Cloud {
    pub things: Mutex<BTreeMap<String, Thing>>,
    /// `create Logical`, `update Logical`, `delete Logical`, in the order in which they came.
    pub calls: Mutex<Vec<String>>,
    /// Calls that fail.
    pub failing: Mutex<BTreeSet<String>>,
    /// Calls that wait until they are taken out of here.
    pub held: Mutex<BTreeSet<String>>,
    pub released: Notify,
    pub crash: Mutex<Option<Crash>>,
    /// Says true when the crash has come.
    pub crashed: Option<watch::Sender<bool>>,
    pub statuses: Mutex<Vec<String>>,
    pub principals: Mutex<BTreeSet<String>>,
}

impl Cloud {
    pub(crate) fn new() -> Arc<Cloud> {
        Arc::new(Cloud { crashed: Some(watch::channel(false).0), ..Cloud::default() })
    }

    pub(crate) fn fail(&self, call: &str) {
        self.failing.lock().insert(call.to_owned());
    }

    pub(crate) fn heal(&self) {
        self.failing.lock().clear();
    }

    pub(crate) fn hold(&self, call: &str) {
        self.held.lock().insert(call.to_owned());
    }

    pub(crate) fn release(&self) {
        self.held.lock().clear();
        self.released.notify_waiters();
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.things.lock().keys().cloned().collect()
    }

    /// What there is, by logical id, with the property `Value`.
    pub(crate) fn values(&self) -> Vec<(String, Value)> {
        let mut out: Vec<(String, Value)> = self
            .things
            .lock()
            .values()
            .map(|thing| (thing.logical_id.clone(), thing.properties.get("Value").cloned().unwrap_or_default()))
            .collect();
        out.sort_by_key(|(id, value)| (id.clone(), value.to_string()));
        out
    }

    pub(crate) fn taken_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock())
    }

    async fn enter(&self, call: &str, principal: &Call) -> Result<(), ServiceError> {
        self.calls.lock().push(call.to_owned());
        self.principals.lock().insert(principal.principal.to_string());
        self.crash_here(false).await;
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if !self.held.lock().contains(call) {
                break;
            }
            released.await;
        }
        if self.failing.lock().contains(call) {
            return Err(ServiceError::new(400, "InvalidRequest", format!("{call} is not possible")));
        }
        Ok(())
    }

    async fn crash_here(&self, after_effect: bool) {
        let crash = *self.crash.lock();
        let Some(crash) = crash else { return };
        if crash.after_effect == after_effect && self.calls.lock().len() > crash.at_call {
            if let Some(crashed) = &self.crashed {
                crashed.send_replace(true);
            }
            std::future::pending::<()>().await;
        }
    }
}

const PROPERTIES: &[Property] = &[
    Property::optional("Name").replaces(),
    Property::optional("Kind").replaces(),
    Property::optional("Value"),
    Property::optional("Link"),
    Property::optional("Secret"),
];

static THING: ResourceSchema = ResourceSchema {
    type_name: "Fake::Cloud::Thing",
    properties: PROPERTIES,
    name_property: Some("Name"),
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn", "Value"],
};

static ROLE: ResourceSchema = ResourceSchema {
    type_name: "AWS::IAM::Role",
    properties: &[
        Property::optional("RoleName").replaces(),
        Property::required("AssumeRolePolicyDocument"),
        Property::optional("ManagedPolicyArns"),
        Property::optional("Policies"),
        Property::optional("Tags"),
    ],
    name_property: Some("RoleName"),
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn"],
};

static FUNCTION: ResourceSchema = ResourceSchema {
    type_name: "AWS::Lambda::Function",
    properties: &[
        Property::required("Code"),
        Property::required("Role"),
        Property::optional("Handler"),
        Property::optional("Runtime"),
        Property::optional("Tags"),
        Property::optional("Timeout"),
    ],
    name_property: Some("FunctionName"),
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn"],
};

pub(crate) struct Kind {
    schema: &'static ResourceSchema,
    cloud: Arc<Cloud>,
}

fn provisioned(physical_id: &str, properties: &Map<String, Value>) -> Provisioned {
    let mut attributes = Map::new();
    attributes.insert("Arn".to_owned(), format!("arn:fake:{physical_id}").into());
    attributes.insert("Value".to_owned(), properties.get("Value").cloned().unwrap_or_default());
    Provisioned { physical_id: physical_id.to_owned(), attributes }
}

#[async_trait]
impl ResourceType for Kind {
    fn schema(&self) -> &'static ResourceSchema {
        self.schema
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.cloud.enter(&format!("create {}", request.logical_id), call).await?;
        let given = self.schema.name_property.and_then(|name| request.properties.get(name)).and_then(Value::as_str);
        let name = given.unwrap_or(&request.generated_name).to_owned();
        {
            let mut things = self.cloud.things.lock();
            if let Some(found) = things.get(&name)
                && found.logical_id != request.logical_id
            {
                return Err(ServiceError::new(400, "AlreadyExists", format!("{name} already exists")));
            }
            let thing = Thing { properties: request.properties.clone(), logical_id: request.logical_id };
            things.insert(name.clone(), thing);
        }
        self.cloud.crash_here(true).await;
        Ok(provisioned(&name, &request.properties))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        self.cloud.enter(&format!("update {}", request.logical_id), call).await?;
        match self.cloud.things.lock().get_mut(&request.physical_id) {
            Some(thing) => thing.properties.clone_from(&request.properties),
            None => return Err(ServiceError::new(404, "NotFound", format!("{} does not exist", request.physical_id))),
        }
        self.cloud.crash_here(true).await;
        Ok(provisioned(&request.physical_id, &request.properties))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let logical_id = self.cloud.things.lock().get(&request.physical_id).map(|thing| thing.logical_id.clone());
        self.cloud.enter(&format!("delete {}", logical_id.unwrap_or_default()), call).await?;
        self.cloud.things.lock().remove(&request.physical_id);
        self.cloud.crash_here(true).await;
        Ok(())
    }
}

/// Everyone may do everything; one role exists.
struct Everyone;

pub(crate) const ROLE_ARN: &str = "arn:aws:iam::000000000000:role/deployer";

#[async_trait]
impl Identity for Everyone {
    async fn access_key(&self, _id: &str) -> Result<Option<AccessKey>, ServiceError> {
        let principal = Principal::Session {
            arn: "arn:aws:sts::000000000000:assumed-role/deployer/AWSCloudFormation".parse().unwrap(),
            role: ROLE_ARN.parse().unwrap(),
            id: "AROA:AWSCloudFormation".to_owned(),
            access_key_id: "ASIA".to_owned(),
        };
        Ok(Some(AccessKey { secret: String::new(), session_token: None, principal, expires: None }))
    }

    async fn assume_role(&self, role: &Arn, _service: &str, _session: &str) -> Result<Credentials, ServiceError> {
        if role.as_str() != ROLE_ARN {
            return Err(ServiceError::access_denied(format!("{role} cannot be assumed")));
        }
        Ok(Credentials {
            access_key_id: "ASIA".to_owned(),
            secret_access_key: String::new(),
            session_token: String::new(),
            expires: Timestamp::from_secs(0),
        })
    }

    async fn explain(&self, _call: &Call, _access: &Access<'_>) -> Result<Verdict, ServiceError> {
        Ok(Verdict::Allowed("everyone".to_owned()))
    }
}

#[derive(Default)]
pub(crate) struct Bucket(pub(crate) Mutex<BTreeMap<String, String>>);

#[async_trait]
impl Objects for Bucket {
    async fn read(
        &self,
        _call: &Call,
        bucket: &str,
        key: &str,
        _version: Option<&str>,
        _bytes_max: usize,
    ) -> Result<Bytes, ServiceError> {
        let found = self.0.lock().get(&format!("{bucket}/{key}")).cloned();
        found.map(Bytes::from).ok_or_else(|| ServiceError::new(404, "NoSuchKey", "The specified key does not exist."))
    }
}

struct Outside;

#[async_trait]
impl References for Outside {
    async fn ssm_parameter(
        &self,
        _call: &Call,
        name: &str,
        _version: Option<&str>,
        _secure: bool,
    ) -> Result<String, ServiceError> {
        match name {
            "/version" => Ok("21".to_owned()),
            other => Err(ServiceError::new(400, "ParameterNotFound", format!("{other} is not there"))),
        }
    }

    async fn secret(
        &self,
        _call: &Call,
        _id: &str,
        _stage: Option<&str>,
        _version: Option<&str>,
    ) -> Result<String, ServiceError> {
        Ok(json!({"password": "hunter2"}).to_string())
    }
}

struct Listener(Arc<Cloud>);

#[async_trait]
impl StackEvents for Listener {
    async fn status_changed(&self, tx: &Tx, _call: &Call, change: &StackStatusChange) -> Result<(), StoreError> {
        let (cloud, status) = (Arc::clone(&self.0), change.status.clone());
        tx.on_commit(move || cloud.statuses.lock().push(status));
        Ok(())
    }
}

pub(crate) struct Lab {
    pub db: Db,
    pub clock: ManualClock,
    pub env: Env,
    pub cloud: Arc<Cloud>,
    pub bucket: Arc<Bucket>,
    pub service: Arc<CloudFormation>,
}

impl Lab {
    pub(crate) fn new() -> Lab {
        let clock = ManualClock::new(Timestamp::from_secs(1_700_000_000));
        let env = Env::new(clock.clone(), SeededEntropy::new(7));
        let (db, cloud, bucket) = (Db::memory(), Cloud::new(), Arc::new(Bucket::default()));
        let service = open(&db, &env, &cloud, &bucket);
        Lab { db, clock, env, cloud, bucket, service }
    }

    /// As if the program had been killed and started again.
    pub(crate) async fn restart(&mut self) -> usize {
        self.service.stop();
        self.service = open(&self.db, &self.env, &self.cloud, &self.bucket);
        self.service.resume().await.unwrap()
    }

    pub(crate) fn call(&self) -> Call {
        let account = Account::DEFAULT;
        let now = self.env.now();
        Call {
            account,
            region: Region::default(),
            principal: Arc::new(Principal::Root { account, access_key_id: "test".to_owned() }),
            request_id: RequestId::random(self.env.entropy()),
            trace: Trace::start(now, self.env.entropy()),
            received: now,
            deadline: now + std::time::Duration::from_secs(60),
            source_ip: None,
            host: "127.0.0.1:4566".into(),
            secure: true,
        }
    }

    pub(crate) async fn create(&self, template: &Value) -> Result<StackView, String> {
        self.create_with(request(template)).await
    }

    pub(crate) async fn create_with(&self, request: StackRequest) -> Result<StackView, String> {
        let made = Arc::clone(&self.service).create_stack(self.call(), request).await.map_err(shown)?;
        self.service.settled(&self.call(), &made.stack_id).await.map_err(shown)
    }

    pub(crate) async fn update(&self, template: &Value) -> Result<StackView, String> {
        self.update_with(request(template)).await
    }

    pub(crate) async fn update_with(&self, request: StackRequest) -> Result<StackView, String> {
        let made = Arc::clone(&self.service).update_stack(self.call(), request).await.map_err(shown)?;
        self.service.settled(&self.call(), &made.stack_id).await.map_err(shown)
    }

    pub(crate) async fn delete(&self, stack: &str) -> Result<StackView, String> {
        let id = self.view(stack).await?.stack_id;
        Arc::clone(&self.service).delete_stack(self.call(), delete(stack)).await.map_err(shown)?;
        self.service.settled(&self.call(), &id).await.map_err(shown)
    }

    pub(crate) async fn view(&self, stack: &str) -> Result<StackView, String> {
        let input = DescribeInput { stack_name: Some(stack.to_owned()), next_token: None };
        let described = Arc::clone(&self.service).describe_stacks(self.call(), input).await.map_err(shown)?;
        Ok(described.stacks.into_iter().next().unwrap())
    }

    /// The events of a stack, oldest first.
    pub(crate) async fn events(&self, stack: &str) -> Vec<EventView> {
        let mut input = DescribeInput { stack_name: Some(stack.to_owned()), next_token: None };
        let mut out = Vec::new();
        loop {
            let page = Arc::clone(&self.service).describe_stack_events(self.call(), input.clone()).await.unwrap();
            out.extend(page.stack_events);
            input.next_token = page.next_token;
            if input.next_token.is_none() {
                out.reverse();
                return out;
            }
        }
    }

    /// `Logical STATUS` of every event, oldest first.
    pub(crate) async fn story(&self, stack: &str) -> Vec<String> {
        let events = self.events(stack).await;
        events.iter().map(|event| format!("{} {}", event.logical_resource_id, event.resource_status)).collect()
    }
}

fn open(db: &Db, env: &Env, cloud: &Arc<Cloud>, bucket: &Arc<Bucket>) -> Arc<CloudFormation> {
    let kind = |schema| Arc::new(Kind { schema, cloud: Arc::clone(cloud) }) as Arc<dyn ResourceType>;
    let ports = Ports {
        objects: Arc::clone(bucket) as Arc<dyn Objects>,
        identity: Arc::new(Everyone),
        references: Arc::new(Outside),
        events: Arc::new(Listener(Arc::clone(cloud))),
    };
    CloudFormation::open(db.clone(), env.clone(), vec![kind(&THING), kind(&ROLE), kind(&FUNCTION)], ports)
}

pub(crate) fn shown(error: Error) -> String {
    let error = ServiceError::from(error);
    format!("{} {}", error.code(), error.message())
}

pub(crate) fn request(template: &Value) -> StackRequest {
    StackRequest { stack_name: "app".to_owned(), template_body: Some(template.to_string()), ..StackRequest::default() }
}

pub(crate) fn delete(stack: &str) -> cauce_cloudformation::DeleteStackInput {
    serde_json::from_value(json!({ "StackName": stack })).unwrap()
}

/// A thing of a template.
pub(crate) fn thing(properties: Value) -> Value {
    json!({"Type": "Fake::Cloud::Thing", "Properties": properties})
}

pub(crate) fn stack_of(resources: Value) -> Value {
    json!({ "Resources": resources })
}
