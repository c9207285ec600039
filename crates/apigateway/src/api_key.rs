//! API keys.
//!
//! AWS: API Gateway Developer Guide, "Usage plans and API keys for REST APIs".

use std::sync::Arc;

use bytes::Bytes;
use cauce_core::Call;
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::Deserialize;

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{ApiKey, Texts};
use crate::page::{Page, Wanted};
use crate::patch::{ADD_REMOVE, Op, Patch, PatchOperation, REPLACE, Supported, apply};
use crate::rest_api::check_description;
use crate::service::{ApiGateway, Located, at};
use crate::tag::check_tags;
use crate::usage_plan::PLANS_PER_KEY_MAX;

/// API keys of an account in a region. AWS: 10,000.
pub(crate) const API_KEYS_MAX: usize = 10_000;
/// How long the value of a key must be, in characters.
pub(crate) const KEY_CHARS_MIN: usize = 20;
/// How long the value of a key may be, in characters.
pub(crate) const KEY_CHARS_MAX: usize = 128;
/// How long the name of a key may be, in characters.
pub(crate) const NAME_CHARS_MAX: usize = 1_024;
/// What values that are made up consist of.
const VALUE_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A stage that a key was for before there were usage plans.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StageKey {
    rest_api_id: String,
    stage_name: String,
}

/// AWS: *CreateApiKey*.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateApiKey {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) enabled: Option<bool>,
    pub(crate) generate_distinct_id: Option<bool>,
    pub(crate) value: Option<String>,
    pub(crate) stage_keys: Option<Vec<StageKey>>,
    pub(crate) customer_id: Option<String>,
    pub(crate) tags: Option<Texts>,
}

impl Input for CreateApiKey {}

impl CreateApiKey {
    /// `API/STAGE` of each stage that is named.
    pub(crate) fn stage_names(&self) -> Vec<String> {
        let stages = self.stage_keys.iter().flatten();
        stages.map(|stage| format!("{}/{}", stage.rest_api_id, stage.stage_name)).collect()
    }
}

impl Located for CreateApiKey {
    fn location(&self) -> String {
        "/apikeys".to_owned()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneApiKey {
    key_id: String,
    include_value: Option<bool>,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneApiKey {}

impl Located for OneApiKey {
    fn location(&self) -> String {
        format!("/apikeys/{}", self.key_id)
    }
}

/// AWS: *GetApiKeys*.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GetApiKeys {
    position: Option<String>,
    limit: Option<i64>,
    name: Option<String>,
    customer_id: Option<String>,
    include_values: Option<bool>,
}

impl Input for GetApiKeys {}

impl Located for GetApiKeys {
    fn location(&self) -> String {
        "/apikeys".to_owned()
    }
}

pub(crate) fn no_key() -> Error {
    Error::missing("Invalid API Key identifier specified")
}

pub(crate) fn check_name(name: Option<&str>) -> Result<(), Error> {
    match name.map(|name| name.chars().count()) {
        Some(count) if count > NAME_CHARS_MAX => {
            Err(Error::bad(format!("API Key name must have at most {NAME_CHARS_MAX} characters")))
        }
        _ => Ok(()),
    }
}

pub(crate) fn check_value(value: &str) -> Result<(), Error> {
    match value.chars().count() {
        count if count < KEY_CHARS_MIN => {
            Err(Error::bad(format!("API Key value should be at least {KEY_CHARS_MIN} characters")))
        }
        count if count > KEY_CHARS_MAX => {
            Err(Error::bad(format!("API Key value should be at most {KEY_CHARS_MAX} characters")))
        }
        // It must be able to stand in a header.
        _ if !value.bytes().all(|b| b.is_ascii_graphic()) => {
            Err(Error::bad("API Key value contains invalid characters"))
        }
        _ => Ok(()),
    }
}

impl ApiGateway {
    pub(crate) async fn create_api_key(self: Arc<Self>, call: Call, input: CreateApiKey) -> Result<ApiKey, Error> {
        let id = self.new_id();
        check_tags(&input.tags.clone().unwrap_or_default())?;
        self.make_api_key(&call, id, &input).await
    }

    /// Makes a key under this id.
    pub(crate) async fn make_api_key(
        self: &Arc<Self>,
        call: &Call,
        id: String,
        input: &CreateApiKey,
    ) -> Result<ApiKey, Error> {
        check_description(input.description.as_deref())?;
        check_name(input.name.as_deref())?;
        let made_up = || self.env.entropy().text(VALUE_ALPHABET, 40);
        let value = input.value.clone().filter(|value| !value.is_empty()).unwrap_or_else(made_up);
        check_value(&value)?;
        let now = self.env.now();
        let key = ApiKey {
            // Without a distinct id the value is the id, as in the time before keys had values of their own.
            id: if input.generate_distinct_id == Some(false) && input.value.is_some() { value.clone() } else { id },
            value: Some(value.clone()),
            name: input.name.clone(),
            customer_id: input.customer_id.clone(),
            description: input.description.clone(),
            enabled: input.enabled.unwrap_or(false),
            created_date: now,
            last_updated_date: now,
            stage_keys: input.stage_names(),
            tags: input.tags.clone().unwrap_or_default(),
        };
        let place = Place::of(call);
        self.db
            .transact(async |tx| {
                let by_value = keys::api_key_value(&place, &value);
                if tx.get(&by_value).await?.is_some() || tx.get(&keys::api_key(&place, &key.id)).await?.is_some() {
                    return Err(Error::conflict("API Key already exists"));
                }
                if tx.snapshot_range(RangeReq::new(keys::api_keys(&place), API_KEYS_MAX)).await?.len() >= API_KEYS_MAX {
                    return Err(Error::limit("API keys", API_KEYS_MAX));
                }
                tx.set(by_value, Bytes::copy_from_slice(key.id.as_bytes()));
                tx.set_record(keys::api_key(&place, &key.id), &key)?;
                Ok(())
            })
            .await?;
        Ok(key)
    }

    pub(crate) async fn api_key(&self, tx: &Tx, place: &Place, id: &str) -> Result<ApiKey, Error> {
        tx.get_record::<ApiKey>(&keys::api_key(place, id)).await?.ok_or_else(no_key)
    }

    pub(crate) async fn get_api_key(self: Arc<Self>, call: Call, input: OneApiKey) -> Result<ApiKey, Error> {
        let mut key = self.api_key(&self.db.begin(), &Place::of(&call), &input.key_id).await?;
        if input.include_value != Some(true) {
            key.value = None;
        }
        Ok(key)
    }

    pub(crate) async fn get_api_keys(self: Arc<Self>, call: Call, input: GetApiKeys) -> Result<Page<ApiKey>, Error> {
        let (place, wanted) = (Place::of(&call), Wanted { position: input.position, limit: input.limit });
        let mut rows = Vec::new();
        let mut request = RangeReq::new(keys::api_keys(&place), API_KEYS_MAX);
        loop {
            let page = self.db.range(request.clone()).await?;
            let last = page.rows.last().map(|row| row.key.clone());
            rows.extend(page.rows);
            match last.filter(|_| page.more) {
                Some(last) => request = request.after(&last),
                None => break,
            }
        }
        let mut all: Vec<ApiKey> = rows.iter().map(decode_row).collect::<Result<_, _>>()?;
        all.retain(|key| {
            let named =
                input.name.as_ref().is_none_or(|start| key.name.as_deref().unwrap_or_default().starts_with(start));
            named && (input.customer_id.is_none() || key.customer_id == input.customer_id)
        });
        if input.include_values != Some(true) {
            all.iter_mut().for_each(|key| key.value = None);
        }
        wanted.page(all.iter().map(|key| (key.id.as_str(), key.clone())))
    }

    pub(crate) async fn update_api_key(self: Arc<Self>, call: Call, input: OneApiKey) -> Result<ApiKey, Error> {
        self.change_api_key(&call, &input.key_id, |key| apply(key, &input.patch_operations, PATCHES, patch_key)).await
    }

    /// Changes a key; its value stays.
    pub(crate) async fn change_api_key(
        self: &Arc<Self>,
        call: &Call,
        id: &str,
        change: impl Fn(&mut ApiKey) -> Result<(), Error>,
    ) -> Result<ApiKey, Error> {
        let (place, now) = (Place::of(call), self.env.now());
        let mut key = self
            .db
            .transact(async |tx| {
                let mut key = self.api_key(&tx, &place, id).await?;
                change(&mut key)?;
                check_name(key.name.as_deref())?;
                check_description(key.description.as_deref())?;
                key.last_updated_date = now;
                tx.set_record(keys::api_key(&place, id), &key)?;
                self.grants_change(&tx, &place);
                Ok::<_, Error>(key)
            })
            .await?;
        key.value = None;
        Ok(key)
    }

    pub(crate) async fn delete_api_key(self: Arc<Self>, call: Call, input: OneApiKey) -> Result<(), Error> {
        self.drop_api_key(&call, &input.key_id).await
    }

    /// Removes a key, from its usage plans too.
    pub(crate) async fn drop_api_key(self: &Arc<Self>, call: &Call, id: &str) -> Result<(), Error> {
        let place = Place::of(call);
        self.db
            .transact(async |tx| {
                let key = self.api_key(&tx, &place, id).await?;
                for row in tx.range(RangeReq::new(keys::key_plans(&place, id), PLANS_PER_KEY_MAX)).await? {
                    tx.clear(keys::plan_key(&place, &keys::plan_of(&row.key)?, id));
                    tx.clear(row.key);
                }
                tx.clear(keys::api_key_value(&place, key.value.as_deref().unwrap_or_default()));
                tx.clear(keys::api_key(&place, id));
                self.grants_change(&tx, &place);
                Ok(())
            })
            .await
    }
}

fn patch_key(key: &mut ApiKey, patch: &Patch<'_>) -> Result<(), Error> {
    match patch.template {
        "/name" => key.name = patch.optional(),
        "/description" => key.description = patch.optional(),
        "/customerId" => key.customer_id = patch.optional(),
        "/enabled" => key.enabled = patch.flag()?,
        _ => {
            let stage = patch.text()?;
            key.stage_keys.retain(|have| *have != stage);
            if patch.op == Op::Add {
                key.stage_keys.push(stage);
            }
        }
    }
    Ok(())
}

const PATCHES: Supported = &[
    ("/customerId", REPLACE),
    ("/description", REPLACE),
    ("/enabled", REPLACE),
    ("/name", REPLACE),
    ("/stages", ADD_REMOVE),
];

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    const ONE: &str = "/apikeys/{keyId}";
    api.operation(at(Operation::new("CreateApiKey", G::create_api_key), HttpMethod::POST, "/apikeys", 201))
        .operation(
            at(Operation::new("GetApiKeys", G::get_api_keys), HttpMethod::GET, "/apikeys", 200)
                .query("position", "position")
                .query("limit", "limit")
                .query("name", "name")
                .query("customerId", "customerId")
                .query("includeValues", "includeValues"),
        )
        .operation(
            at(Operation::new("GetApiKey", G::get_api_key), HttpMethod::GET, ONE, 200)
                .query("includeValue", "includeValue"),
        )
        .operation(at(Operation::new("UpdateApiKey", G::update_api_key), HttpMethod::PATCH, ONE, 200))
        .operation(at(Operation::new("DeleteApiKey", G::delete_api_key), HttpMethod::DELETE, ONE, 202))
}
