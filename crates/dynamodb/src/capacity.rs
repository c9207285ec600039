//! Consumed capacity.
//!
//! AWS: DynamoDB Developer Guide, *DynamoDB read and write operations* and *Provisioned capacity mode*.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::index::Written;
use crate::model::{Index, Scope, Table};

/// What one read unit reads, in bytes.
pub const READ_UNIT_BYTES: usize = 4 * 1024;

/// What one write unit writes, in bytes.
pub const WRITE_UNIT_BYTES: usize = 1024;

/// How much the caller wants to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    #[default]
    None,
    Total,
    Indexes,
}

impl Wanted {
    pub(crate) fn of(text: Option<&str>) -> Wanted {
        match text {
            Some("TOTAL") => Wanted::Total,
            Some("INDEXES") => Wanted::Indexes,
            _ => Wanted::None,
        }
    }
}

/// How a read is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Half.
    Eventual,
    Consistent,
    /// Twice.
    Transactional,
}

impl Rate {
    pub(crate) fn of(consistent: Option<bool>) -> Rate {
        if consistent == Some(true) { Rate::Consistent } else { Rate::Eventual }
    }
}

/// The units of reading so many bytes at once; nothing costs as much as a little.
pub(crate) fn read_units(bytes: usize, rate: Rate) -> f64 {
    let units = whole(bytes.div_ceil(READ_UNIT_BYTES).max(1));
    match rate {
        Rate::Eventual => units / 2.0,
        Rate::Consistent => units,
        Rate::Transactional => units * 2.0,
    }
}

/// The units of writing so many bytes at once.
pub(crate) fn write_units(bytes: usize) -> f64 {
    whole(bytes.div_ceil(WRITE_UNIT_BYTES).max(1))
}

fn whole(units: usize) -> f64 {
    u32::try_from(units).map_or(f64::MAX, f64::from)
}

/// Units spent on a table and its indexes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spent {
    pub(crate) table: f64,
    pub(crate) local: BTreeMap<String, f64>,
    pub(crate) global: BTreeMap<String, f64>,
}

impl Spent {
    pub(crate) fn on_table(units: f64) -> Spent {
        Spent { table: units, ..Spent::default() }
    }

    pub(crate) fn add_index(&mut self, index: &Index, units: f64) {
        let of_scope = match index.scope {
            Scope::Local => &mut self.local,
            Scope::Global => &mut self.global,
        };
        *of_scope.entry(index.name.clone()).or_default() += units;
    }

    /// What a change of an item cost: `bytes` is the larger of its two sizes.
    pub(crate) fn of_write(table: &Table, bytes: usize, written: &Written) -> Spent {
        let mut spent = Spent::on_table(write_units(bytes));
        for (id, sizes) in written {
            if let Some(index) = table.indexes.iter().find(|index| index.id == *id) {
                spent.add_index(index, sizes.iter().map(|bytes| write_units(*bytes)).sum());
            }
        }
        spent
    }

    pub(crate) fn add(&mut self, other: &Spent) {
        self.table += other.table;
        for (mine, theirs) in [(&mut self.local, &other.local), (&mut self.global, &other.global)] {
            theirs.iter().for_each(|(name, units)| *mine.entry(name.clone()).or_default() += units);
        }
    }

    /// Twice as much, for transactions.
    pub(crate) fn doubled(mut self) -> Spent {
        let again = self.clone();
        self.add(&again);
        self
    }

    pub(crate) fn total(&self) -> f64 {
        self.table + self.local.values().sum::<f64>() + self.global.values().sum::<f64>()
    }

    /// As the caller wants to hear it.
    pub(crate) fn tell(&self, table: &str, wanted: Wanted, kind: Kind) -> Option<ConsumedCapacity> {
        if wanted == Wanted::None {
            return None;
        }
        let map = |units: &BTreeMap<String, f64>| {
            let shown = !units.is_empty() && wanted == Wanted::Indexes;
            shown.then(|| units.iter().map(|(name, units)| (name.clone(), kind.capacity(*units))).collect())
        };
        Some(ConsumedCapacity {
            table_name: table.to_owned(),
            total: kind.capacity(self.total()),
            table: (wanted == Wanted::Indexes).then(|| kind.capacity(self.table)),
            local_secondary_indexes: map(&self.local),
            global_secondary_indexes: map(&self.global),
        })
    }
}

/// Which of the figures the answer names besides the sum: transactions name the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    TransactionRead,
    TransactionWrite,
}

impl Kind {
    fn capacity(self, units: f64) -> Capacity {
        Capacity {
            capacity_units: units,
            read_capacity_units: (self == Kind::TransactionRead).then_some(units),
            write_capacity_units: (self == Kind::TransactionWrite).then_some(units),
        }
    }
}

/// AWS: API Reference, *Capacity*.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Capacity {
    capacity_units: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_capacity_units: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_capacity_units: Option<f64>,
}

/// AWS: API Reference, *ConsumedCapacity*.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConsumedCapacity {
    table_name: String,
    #[serde(flatten)]
    total: Capacity,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<Capacity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_secondary_indexes: Option<BTreeMap<String, Capacity>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    global_secondary_indexes: Option<BTreeMap<String, Capacity>>,
}
