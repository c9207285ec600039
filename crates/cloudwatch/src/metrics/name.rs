//! What a metric is called.

use cauce_core::{Account, Region};
use serde::{Deserialize, Serialize};

/// A dimension's name and value, as the API has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Dimension {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What a metric is called. Metrics that differ in a dimension have nothing to do with each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MetricName {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// In the order of their names.
    pub(crate) dimensions: Vec<Dimension>,
}

impl MetricName {
    pub(crate) fn new(
        account: Account,
        region: &Region,
        namespace: &str,
        name: &str,
        mut dimensions: Vec<Dimension>,
    ) -> MetricName {
        dimensions.sort();
        MetricName {
            account,
            region: region.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions,
        }
    }

    /// The value of a dimension.
    pub(crate) fn dimension(&self, name: &str) -> Option<&str> {
        self.dimensions.iter().find(|dimension| dimension.name == name).map(|dimension| dimension.value.as_str())
    }

    /// How much memory it takes, in bytes, more or less.
    pub(crate) fn weight(&self) -> usize {
        let dimensions = self.dimensions.iter().map(|dimension| dimension.name.len() + dimension.value.len() + 48);
        self.namespace.len() + self.name.len() + dimensions.sum::<usize>() + 96
    }
}
