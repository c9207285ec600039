//! Tables, for people and for programs.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::process::load;

/// The figures of one subject.
#[derive(Debug)]
pub(crate) struct Table {
    subject: &'static str,
    columns: &'static [&'static str],
    rows: Vec<(String, Vec<Option<f64>>)>,
    notes: Vec<String>,
    load_before: f64,
}

impl Table {
    /// A table whose columns name their units.
    pub(crate) fn new(subject: &'static str, columns: &'static [&'static str]) -> Table {
        Table { subject, columns, rows: Vec::new(), notes: Vec::new(), load_before: load() }
    }

    /// A row; `None` where a column does not apply.
    pub(crate) fn row(&mut self, name: impl Into<String>, figures: Vec<Option<f64>>) {
        self.rows.push((name.into(), figures));
    }

    /// What a reader must know besides.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn json(&self) -> Value {
        let row = |(name, figures): &(String, Vec<Option<f64>>)| {
            let mut row = Map::new();
            row.insert("name".to_owned(), name.clone().into());
            for (column, figure) in self.columns.iter().zip(figures) {
                row.insert((*column).to_owned(), figure.map_or(Value::Null, Value::from));
            }
            Value::Object(row)
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        json!({ "subject": self.subject, "rows": rows, "notes": self.notes, "load": [self.load_before, load()] })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_width = self.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let width = |column: &str| column.chars().count().max(9);
        writeln!(f, "\n{} (load {:.1} before, {:.1} after)", self.subject, self.load_before, load())?;
        write!(f, "{:name_width$}", "")?;
        for column in self.columns {
            write!(f, "  {column:>0$}", width(column))?;
        }
        writeln!(f)?;
        for (name, figures) in &self.rows {
            write!(f, "{name:name_width$}")?;
            for (column, figure) in self.columns.iter().zip(figures) {
                let text = figure.map_or_else(String::new, shown);
                write!(f, "  {text:>0$}", width(column))?;
            }
            writeln!(f)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "- {note}"))
    }
}

/// Three significant figures, or all before the point.
fn shown(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        ..10.0 => format!("{figure:.2}"),
        10.0..100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    tables: Vec<Value>,
}

impl Report {
    pub(crate) fn add(&mut self, table: Table) {
        self.tables.push(table.json());
    }

    /// `[{"subject", "rows": [{"name", COLUMN...}], "notes", "load": [before, after]}]`
    pub(crate) fn json(self) -> Value {
        Value::Array(self.tables)
    }
}
