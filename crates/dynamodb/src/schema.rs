//! What a request says of a table's keys and indexes, checked as AWS checks it.
//!
//! AWS: API Reference, *CreateTable*; Developer Guide, *Service, account, and table quotas*.

use std::collections::BTreeSet;

use cauce_core::Violations;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::model::{BillingMode, Index, KeyAttribute, KeySchema, KeyType, Projection, Scope, Throughput};
use crate::request::validate_name;

/// How many local secondary indexes a table may have.
pub const LOCAL_INDEXES_MAX: usize = 5;

/// How many global secondary indexes a table may have.
pub const GLOBAL_INDEXES_MAX: usize = 20;

/// How many attributes the projections of all indexes of a table may name together.
pub const PROJECTED_ATTRIBUTES_MAX: usize = 100;

/// The most capacity units that may be asked for.
pub const CAPACITY_UNITS_MAX: i64 = 1_000_000_000_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KeySchemaElement {
    pub(crate) attribute_name: String,
    pub(crate) key_type: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttributeDefinition {
    pub(crate) attribute_name: String,
    pub(crate) attribute_type: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProjectionWish {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) projection_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) non_key_attributes: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ThroughputWish {
    pub(crate) read_capacity_units: i64,
    pub(crate) write_capacity_units: i64,
}

/// An index to be made, local or global.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct IndexWish {
    pub(crate) index_name: String,
    pub(crate) key_schema: Vec<KeySchemaElement>,
    pub(crate) projection: ProjectionWish,
    pub(crate) provisioned_throughput: Option<ThroughputWish>,
}

pub(crate) fn validate_key_schema(v: &mut Violations, schema: &[KeySchemaElement]) {
    v.count("keySchema", schema.len(), 1, 2);
    for (n, element) in schema.iter().enumerate() {
        v.within(format!("keySchema.{}.member", n + 1), |v| {
            v.length("attributeName", &element.attribute_name, 1, 255);
            v.one_of("keyType", &element.key_type, &["HASH", "RANGE"]);
        });
    }
}

pub(crate) fn validate_definitions(v: &mut Violations, definitions: &[AttributeDefinition]) {
    for (n, definition) in definitions.iter().enumerate() {
        v.within(format!("attributeDefinitions.{}.member", n + 1), |v| {
            v.length("attributeName", &definition.attribute_name, 1, 255);
            v.one_of("attributeType", &definition.attribute_type, &["B", "N", "S"]);
        });
    }
}

pub(crate) fn validate_throughput(v: &mut Violations, wish: Option<&ThroughputWish>) {
    let Some(wish) = wish else { return };
    v.within("provisionedThroughput", |v| {
        v.range("writeCapacityUnits", wish.write_capacity_units, 1, i64::MAX);
        v.range("readCapacityUnits", wish.read_capacity_units, 1, i64::MAX);
    });
}

pub(crate) fn validate_index_wish(v: &mut Violations, wish: &IndexWish) {
    validate_name(v, "indexName", &wish.index_name);
    validate_key_schema(v, &wish.key_schema);
    v.within("projection", |v| {
        if let Some(kind) = &wish.projection.projection_type {
            v.one_of("projectionType", kind, &["ALL", "INCLUDE", "KEYS_ONLY"]);
        }
        if let Some(names) = &wish.projection.non_key_attributes {
            v.count("nonKeyAttributes", names.len(), 1, 20);
            names.iter().for_each(|name| v.length("nonKeyAttributes.member", name, 1, 255));
        }
    });
    validate_throughput(v, wish.provisioned_throughput.as_ref());
}

/// The definitions of attributes, each name once.
pub(crate) fn definitions(wishes: &[AttributeDefinition]) -> Result<Vec<KeyAttribute>, Error> {
    let mut definitions: Vec<KeyAttribute> = Vec::with_capacity(wishes.len());
    for wish in wishes {
        if definitions.iter().any(|known| known.name == wish.attribute_name) {
            return Err(Error::invalid(format!(
                "Cannot have two attributes with the same name: {}",
                wish.attribute_name
            )));
        }
        let kind = KeyType::of_name(&wish.attribute_type).ok_or_else(|| Error::invalid("Unknown AttributeType"))?;
        definitions.push(KeyAttribute { name: wish.attribute_name.clone(), kind });
    }
    Ok(definitions)
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", names.collect::<Vec<_>>().join(", "))
}

/// The key that a schema describes.
pub(crate) fn key_schema(
    elements: &[KeySchemaElement],
    definitions: &[KeyAttribute],
    of_index: bool,
) -> Result<KeySchema, Error> {
    let (Some(hash), range) = (elements.first(), elements.get(1)) else {
        return Err(Error::invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    };
    if !of_index && elements.len() > definitions.len() {
        return Err(Error::invalid("Invalid KeySchema: Some index key attribute have no definition"));
    }
    let keys = || list(elements.iter().map(|element| element.attribute_name.as_str()));
    let defined = |element: &KeySchemaElement| {
        let found = definitions.iter().find(|definition| definition.name == element.attribute_name).cloned();
        found.ok_or_else(|| {
            Error::values(format!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: {}, AttributeDefinitions: {}",
                keys(),
                list(definitions.iter().map(|definition| definition.name.as_str()))
            ))
        })
    };
    let key = KeySchema { hash: defined(hash)?, range: range.map(defined).transpose()? };
    if range.is_some_and(|range| range.attribute_name == hash.attribute_name) {
        return Err(Error::invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name"));
    }
    if hash.key_type != "HASH" {
        return Err(Error::invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    }
    if range.is_some_and(|range| range.key_type != "RANGE") {
        return Err(Error::invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"));
    }
    Ok(key)
}

/// Refuses definitions of attributes that are part of no key.
pub(crate) fn check_all_used<'a>(
    definitions: &[KeyAttribute],
    table: &KeySchema,
    indexes: impl Iterator<Item = &'a KeySchema>,
) -> Result<(), Error> {
    let mut used: BTreeSet<&str> = table.attributes().map(|attribute| attribute.name.as_str()).collect();
    let before = used.len();
    let mut with_indexes = false;
    for key in indexes {
        with_indexes = true;
        used.extend(key.attributes().map(|attribute| attribute.name.as_str()));
    }
    let all_used = definitions.iter().all(|definition| used.contains(definition.name.as_str()));
    match (all_used, with_indexes) {
        (true, _) => Ok(()),
        (false, false) if before != definitions.len() => Err(Error::values(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in \
             AttributeDefinitions",
        )),
        (false, _) => Err(Error::values(format!(
            "Some AttributeDefinitions are not used. AttributeDefinitions: {}, keys used: {}",
            list(definitions.iter().map(|definition| definition.name.as_str())),
            list(used.into_iter())
        ))),
    }
}

fn projection(wish: &ProjectionWish) -> Result<Projection, Error> {
    let kind = wish.projection_type.as_deref();
    match (kind, &wish.non_key_attributes) {
        (None, _) => Err(Error::values("Unknown ProjectionType: null")),
        (Some("INCLUDE"), None) => {
            Err(Error::values("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"))
        }
        (Some("INCLUDE"), Some(names)) => Ok(Projection::Include(names.iter().cloned().collect())),
        (Some(kind), Some(_)) => {
            Err(Error::values(format!("ProjectionType is {kind}, but NonKeyAttributes is specified")))
        }
        (Some("KEYS_ONLY"), None) => Ok(Projection::KeysOnly),
        (Some(_), None) => Ok(Projection::All),
    }
}

/// An index that a request wishes, with the number `id`.
pub(crate) fn index(
    wish: &IndexWish,
    scope: Scope,
    table: &KeySchema,
    definitions: &[KeyAttribute],
    id: u32,
) -> Result<Index, Error> {
    let name = &wish.index_name;
    let key = key_schema(&wish.key_schema, definitions, true)?;
    if scope == Scope::Local {
        if key.range.is_none() {
            return Err(Error::values(format!("Index KeySchema does not have a range key for index: {name}")));
        }
        if key.hash != table.hash {
            return Err(Error::values(format!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index hash \
                 key: {}, table hash key: {}",
                key.hash.name, table.hash.name
            )));
        }
    }
    Ok(Index {
        id,
        name: name.clone(),
        scope,
        key,
        projection: projection(&wish.projection)?,
        throughput: Throughput::default(),
        backfilling: false,
    })
}

/// Refuses indexes that are too many, or of the same name.
pub(crate) fn check_indexes(indexes: &[Index]) -> Result<(), Error> {
    let count = |scope| indexes.iter().filter(|index| index.scope == scope).count();
    if count(Scope::Local) > LOCAL_INDEXES_MAX {
        return Err(Error::values(format!(
            "Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL_INDEXES_MAX}"
        )));
    }
    if count(Scope::Global) > GLOBAL_INDEXES_MAX {
        return Err(Error::values(format!(
            "GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_INDEXES_MAX}"
        )));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = indexes.iter().find(|index| !names.insert(&index.name)) {
        return Err(Error::values(format!("Duplicate index name: {}", twice.name)));
    }
    let projected = indexes.iter().map(|index| match &index.projection {
        Projection::Include(names) => names.len(),
        _ => 0,
    });
    let projected: usize = projected.sum();
    if projected > PROJECTED_ATTRIBUTES_MAX {
        return Err(Error::values(format!(
            "The total number of projected attributes {projected} exceeds the limit of {PROJECTED_ATTRIBUTES_MAX}"
        )));
    }
    Ok(())
}

/// The throughput of a table or, with its name, of an index, as it goes with the billing mode.
pub(crate) fn throughput(
    wish: Option<&ThroughputWish>,
    billing: BillingMode,
    index: Option<&str>,
) -> Result<Throughput, Error> {
    match (wish, billing, index) {
        (None, BillingMode::PayPerRequest, _) => Ok(Throughput::default()),
        (Some(_), BillingMode::PayPerRequest, None) => Err(Error::values(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (Some(_), BillingMode::PayPerRequest, Some(index)) => Err(Error::values(format!(
            "ProvisionedThroughput should not be specified for index: {index} when BillingMode is PAY_PER_REQUEST"
        ))),
        (None, BillingMode::Provisioned, None) => Err(Error::values(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
        (None, BillingMode::Provisioned, Some(index)) => {
            Err(Error::values(format!("ProvisionedThroughput is not specified for index: {index}")))
        }
        (Some(wish), BillingMode::Provisioned, index) => {
            for (name, units) in
                [("ReadCapacityUnits", wish.read_capacity_units), ("WriteCapacityUnits", wish.write_capacity_units)]
            {
                if units > CAPACITY_UNITS_MAX {
                    let of_index = index.map(|index| format!(" for index {index}")).unwrap_or_default();
                    return Err(Error::invalid(format!("Given value {units} for {name} is out of bounds{of_index}")));
                }
            }
            Ok(Throughput { read: wish.read_capacity_units, write: wish.write_capacity_units })
        }
    }
}
