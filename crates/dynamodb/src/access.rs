//! What policies are told of a request: the condition keys of DynamoDB.
//!
//! AWS: Developer Guide, *Using IAM policy conditions for fine-grained access control*. The owner of the account is not limited
//! by policies, so for it nothing is worked out. An expression that cannot be read is refused by the operation itself, so here
//! it may be passed over.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::{Call, Principal};

use crate::expression::{
    ExpressionKind, KeyCondition, LegacyConditions, Path, Placeholders, legacy_key_conditions, parse_condition,
    parse_key_condition, parse_projection, parse_update,
};
use crate::keys;
use crate::request::{Names, Values, table_id};
use crate::service::DynamoDb;
use crate::value::{AttributeValue, Given, Item};

/// Condition keys with their values.
pub(crate) type Context = Vec<(String, Vec<String>)>;

/// What stands for a partition key that is not known: no item has an empty one, so no policy about keys allows it.
const UNKNOWN: &str = "";

/// The expressions of a request.
#[derive(Default)]
pub(crate) struct Expressions<'a> {
    pub(crate) key_condition: Option<&'a str>,
    pub(crate) condition: Option<&'a str>,
    pub(crate) filter: Option<&'a str>,
    pub(crate) projection: Option<&'a str>,
    pub(crate) update: Option<&'a str>,
    pub(crate) names: Option<&'a Names>,
    pub(crate) values: Option<&'a Values>,
}

/// What a request touches of one table.
#[derive(Default)]
pub(crate) struct Touched {
    items: Vec<Item>,
    attributes: BTreeSet<String>,
    /// The partition that a query reads.
    partition: Option<AttributeValue>,
}

impl Touched {
    /// What touches these items, or any if there are none, and these attributes.
    pub(crate) fn of(items: Vec<Item>, attributes: impl IntoIterator<Item = String>) -> Touched {
        Touched { items, attributes: attributes.into_iter().collect(), partition: None }
    }

    /// Adds a key, or an item that is to be put.
    pub(crate) fn item(mut self, given: &Given<Item>) -> Touched {
        if let Ok(item) = given.clone().checked() {
            self.attributes.extend(item.keys().cloned());
            self.items.push(item);
        }
        self
    }

    /// Adds what expressions name; `hash` is the attribute of the partition key of what is read.
    pub(crate) fn expressions(mut self, given: &Expressions<'_>, hash: Option<&str>) -> Touched {
        let names = given.names.cloned().flatten();
        let values = given.values.cloned().flatten();
        let Ok(mut placeholders) = Placeholders::new(names, values) else { return self };
        if let Some(update) = given.update.and_then(|text| parse_update(text, &mut placeholders).ok()) {
            self.paths(update.paths());
        }
        for (kind, text) in [(ExpressionKind::Condition, given.condition), (ExpressionKind::Filter, given.filter)] {
            let condition = text.and_then(|text| parse_condition(kind, text, &mut placeholders).ok());
            self.paths(condition.iter().flat_map(|condition| condition.paths()));
        }
        if let Some(projection) = given.projection.and_then(|text| parse_projection(text, &mut placeholders).ok()) {
            self.paths(projection.paths());
        }
        let condition = given.key_condition.and_then(|text| parse_key_condition(text, &mut placeholders).ok());
        if let Some(condition) = condition {
            self.key_condition(&condition, hash);
        }
        self
    }

    /// Adds the attributes that a parameter of the time before expressions names.
    pub(crate) fn names<'n>(mut self, names: impl IntoIterator<Item = &'n String>) -> Touched {
        self.attributes.extend(names.into_iter().cloned());
        self
    }

    /// Adds what `KeyConditions` name.
    pub(crate) fn key_conditions(mut self, given: Option<&LegacyConditions>, hash: Option<&str>) -> Touched {
        if let Some(condition) = given.and_then(|given| legacy_key_conditions(given.clone()).ok()) {
            self.key_condition(&condition, hash);
        }
        self
    }

    fn key_condition(&mut self, condition: &KeyCondition, hash: Option<&str>) {
        self.attributes.extend(condition.attributes().map(str::to_owned));
        self.partition = hash.and_then(|hash| condition.equal_to(hash)).cloned();
    }

    fn paths<'p>(&mut self, paths: impl IntoIterator<Item = &'p Path>) {
        self.attributes.extend(paths.into_iter().map(|path| path.attribute.clone()));
    }
}

/// A request that policies are told of.
pub(crate) trait Told {
    /// The condition keys of the request.
    fn context(&self, tables: &DynamoDb, call: &Call) -> Context;
}

/// What policies are told of a query or scan.
pub(crate) struct ReadTold<'a> {
    /// The table, and the index if one is read.
    pub(crate) source: (&'a str, Option<&'a str>),
    pub(crate) select: Option<&'a str>,
    pub(crate) capacity: Option<&'a str>,
    pub(crate) key_conditions: Option<&'a LegacyConditions>,
    pub(crate) filter: Option<&'a LegacyConditions>,
    pub(crate) attributes: Option<&'a Vec<String>>,
    pub(crate) expressions: Expressions<'a>,
}

/// Tells policies of requests, for the declaration of an operation.
pub(crate) fn told<I: Told>(tables: &Arc<DynamoDb>) -> impl Fn(&Call, &I) -> Context + Send + Sync + 'static {
    let tables = Arc::clone(tables);
    move |call, input| input.context(&tables, call)
}

/// The text by which policies name a partition key.
fn text(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => text.clone(),
        AttributeValue::N(number) => number.to_string(),
        AttributeValue::B(bytes) => STANDARD.encode(bytes),
        _ => UNKNOWN.to_owned(),
    }
}

impl DynamoDb {
    /// The condition keys of a request; `touched` says for the name of a partition key what it touches of which table.
    pub(crate) fn context<'a>(
        &self,
        call: &Call,
        tables: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        touched: impl Fn(&str, Option<&str>) -> Touched,
        choices: &[(&str, Option<&str>)],
    ) -> Context {
        if matches!(*call.principal, Principal::Root { .. }) {
            return Context::new();
        }
        let (mut leading, mut attributes) = (BTreeSet::new(), BTreeSet::new());
        for (name, index) in tables {
            let hash = self.partition_key(call, name, index);
            let touched = touched(name, hash.as_deref());
            attributes.extend(touched.attributes);
            let of = |item: &Item| hash.as_ref().and_then(|hash| item.get(hash)).map(text);
            leading.extend(touched.items.iter().map(|item| of(item).unwrap_or_else(|| UNKNOWN.to_owned())));
            leading.extend(touched.partition.iter().map(text));
            if touched.items.is_empty() && touched.partition.is_none() {
                leading.insert(UNKNOWN.to_owned());
            }
        }
        let mut context = vec![
            ("dynamodb:LeadingKeys".to_owned(), leading.into_iter().collect()),
            ("dynamodb:Attributes".to_owned(), attributes.into_iter().collect()),
        ];
        let chosen = choices.iter().filter_map(|(key, value)| Some(((*key).to_owned(), vec![(*value)?.to_owned()])));
        context.extend(chosen);
        context
    }

    /// The condition keys of a query or scan.
    pub(crate) fn read_context(&self, call: &Call, read: &ReadTold<'_>) -> Context {
        let filter = read.filter.into_iter().flat_map(|filter| filter.keys());
        let names: Vec<&String> = filter.chain(read.attributes.into_iter().flatten()).collect();
        let touched = |_: &str, hash: Option<&str>| {
            let touched = Touched::default().expressions(&read.expressions, hash);
            touched.key_conditions(read.key_conditions, hash).names(names.iter().copied())
        };
        let projected = read.expressions.projection.is_some() || read.attributes.is_some();
        let selected = select(read.select, projected, read.source.1.is_some());
        let choices = [
            ("dynamodb:Select", Some(selected)),
            ("dynamodb:ReturnConsumedCapacity", Some(read.capacity.unwrap_or("NONE"))),
        ];
        self.context(call, [read.source], touched, &choices)
    }

    /// The attribute of the partition key of a table or index, as it is known without asking the store.
    fn partition_key(&self, call: &Call, name: &str, index: Option<&str>) -> Option<String> {
        let table = self.catalog.hint(&keys::table(&table_id(call, name).ok()?))?;
        match index {
            Some(index) => table.index(index).map(|index| index.key.hash.name.clone()),
            None => Some(table.key.hash.name.clone()),
        }
    }
}

/// What is selected, in the words of `Select`, of a read that does not say.
pub(crate) fn select(given: Option<&str>, projection: bool, index: bool) -> &str {
    match (given, projection, index) {
        (Some(given), ..) => given,
        (None, true, _) => "SPECIFIC_ATTRIBUTES",
        (None, false, true) => "ALL_PROJECTED_ATTRIBUTES",
        (None, false, false) => "ALL_ATTRIBUTES",
    }
}
