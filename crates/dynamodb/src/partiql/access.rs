//! What policies are asked and told of a statement.
//!
//! AWS: Developer Guide, *IAM security policies with PartiQL for DynamoDB*.

use cauce_core::Call;

use super::plan::{Kind, Reads, Write};
use super::statement::Prepared;
use super::syntax::Returning;
use crate::access::{Touched, select};
use crate::change::Action;
use crate::error::Error;
use crate::expression::{Condition, Path, Projection, Update};
use crate::model::{KeySchema, index_arn, table_arn};
use crate::service::DynamoDb;
use crate::value::Item;

/// What a statement touches, as far as it is known.
#[derive(Default)]
pub(super) struct Reach {
    items: Vec<Item>,
    attributes: Vec<String>,
    /// Whether it reads everything.
    scans: bool,
    projected: bool,
}

fn names<'p>(paths: impl IntoIterator<Item = &'p Path>) -> impl Iterator<Item = String> {
    paths.into_iter().map(|path| path.attribute.clone())
}

impl Reach {
    /// What is not known may be everything.
    pub(super) fn unknown() -> Reach {
        Reach { scans: true, ..Reach::default() }
    }

    pub(super) fn of_reads(reads: &Reads, key: &KeySchema) -> Reach {
        let item = |part: &super::key::Part| Item::from([(key.hash.name.clone(), (*part.hash).clone())]);
        let mut attributes: Vec<String> = names(reads.filter.iter().flat_map(Condition::paths)).collect();
        attributes.extend(names(reads.projection.iter().flat_map(Projection::paths)));
        Reach {
            items: reads.parts.iter().flatten().map(item).collect(),
            attributes,
            scans: reads.parts.is_none(),
            projected: reads.projection.is_some(),
        }
    }

    pub(super) fn of_item(key: &Item, projection: Option<&Projection>) -> Reach {
        let mut attributes: Vec<String> = key.keys().cloned().collect();
        attributes.extend(names(projection.into_iter().flat_map(Projection::paths)));
        Reach { items: vec![key.clone()], attributes, scans: false, projected: projection.is_some() }
    }

    pub(super) fn of_write(write: &Write) -> Reach {
        let mut attributes: Vec<String> = names(write.change.condition.iter().flat_map(Condition::paths)).collect();
        let item = match &write.change.action {
            Action::Put(item) => Item::clone(item),
            Action::Update { key, update } => {
                attributes.extend(names(update.iter().flat_map(Update::paths)));
                key.clone()
            }
            Action::Delete { key } | Action::Check { key } => key.clone(),
        };
        attributes.extend(item.keys().cloned());
        Reach { items: vec![item], attributes, scans: false, projected: false }
    }
}

/// `RETURNING` in the words of `ReturnValues`.
fn return_values(returning: Option<Returning>) -> &'static str {
    match returning {
        None => "NONE",
        Some(Returning { modified: false, new: false }) => "ALL_OLD",
        Some(Returning { modified: false, new: true }) => "ALL_NEW",
        Some(Returning { modified: true, new: false }) => "UPDATED_OLD",
        Some(Returning { modified: true, new: true }) => "UPDATED_NEW",
    }
}

impl DynamoDb {
    /// Refuses a caller who may not run the statement. `enclosing` is the operation of several statements that it is part of.
    pub(super) async fn may_run(
        &self,
        call: &Call,
        prepared: &Prepared,
        reach: &Reach,
        enclosing: Option<&'static str>,
    ) -> Result<(), Error> {
        let kind = Kind::of(&prepared.statement);
        let source = prepared.statement.source();
        let index = source.index.as_deref();
        let arn = match index {
            Some(index) => index_arn(&prepared.id, index),
            None => table_arn(&prepared.id),
        };
        let touched = |_: &str, _: Option<&str>| Touched::of(reach.items.clone(), reach.attributes.clone());
        let reading = matches!(kind, Kind::Select | Kind::Exists);
        let choices = [
            ("dynamodb:FullTableScan", reading.then_some(if reach.scans { "true" } else { "false" })),
            ("dynamodb:Select", reading.then(|| select(None, reach.projected, index.is_some()))),
            ("dynamodb:ReturnValues", (!reading).then(|| return_values(prepared.statement.returning()))),
            ("dynamodb:EnclosingOperation", enclosing),
        ];
        let context = self.context(call, [(source.table.as_str(), index)], touched, &choices);
        Ok(self.may(call, kind.action(), &arn, context).await?)
    }
}
