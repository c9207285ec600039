//! What an import reads: items out of the lines of DynamoDB JSON, or out of the records of CSV.
//!
//! AWS: Developer Guide, *Amazon S3 import formats for DynamoDB*.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::model::{KeyAttribute, KeyType};
use crate::value::{AttributeValue, Given, Item};

/// The longest line, in bytes: an item of 400 KB, whose bytes base64 makes longer, with room for its JSON.
pub(crate) const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The form of what is imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Format {
    Json,
    Csv { delimiter: char, header: Option<Vec<String>> },
}

/// Cuts text that comes in parts into lines, or into records of CSV, whose quoted fields may have line breaks.
#[derive(Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
    /// How far `rest` has been looked at, and whether that is within quotes.
    looked: usize,
    quoted: bool,
}

impl Lines {
    /// Takes bytes in, and gives out the lines that are complete with them; none of them is empty.
    pub(crate) fn take(&mut self, part: &[u8], csv: bool) -> Vec<Vec<u8>> {
        self.rest.extend_from_slice(part);
        let mut lines = Vec::new();
        let mut begin = 0;
        for (at, byte) in self.rest.iter().enumerate().skip(self.looked) {
            self.quoted ^= csv && *byte == b'"';
            if *byte == b'\n' && !self.quoted {
                lines.extend(self.rest.get(begin..at).map(<[u8]>::to_vec));
                begin = at + 1;
            }
        }
        self.rest.drain(..begin);
        self.looked = self.rest.len();
        lines.into_iter().map(trimmed).filter(|line| !line.is_empty()).collect()
    }

    /// How many bytes wait for the end of their line.
    pub(crate) fn waiting(&self) -> usize {
        self.rest.len()
    }

    /// The last line, which need not end.
    pub(crate) fn last(self) -> Option<Vec<u8>> {
        Some(trimmed(self.rest)).filter(|line| !line.is_empty())
    }
}

fn trimmed(mut line: Vec<u8>) -> Vec<u8> {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    line
}

/// The item of a line of DynamoDB JSON.
pub(crate) fn json_item(line: &[u8]) -> Result<Item, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Line {
        item: Given<Item>,
    }
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    line.item.checked().map_err(|error| error.to_string())
}

/// The fields of a record of CSV.
pub(crate) fn csv_fields(record: &[u8], delimiter: char) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(record).map_err(|error| error.to_string())?;
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted || field.is_empty() => quoted = !quoted,
            c if c == delimiter && !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    if quoted {
        return Err("a quoted field does not end".to_owned());
    }
    fields.push(field);
    Ok(fields)
}

/// The item of a record: what is part of a key has the key's type, all else is text; an empty field is no attribute.
pub(crate) fn csv_item(fields: Vec<String>, header: &[String], keys: &[KeyAttribute]) -> Result<Item, String> {
    if fields.len() > header.len() {
        return Err(format!("a record has {} fields, the header {}", fields.len(), header.len()));
    }
    let named = header.iter().zip(fields).filter(|(_, field)| !field.is_empty());
    let typed = |(name, field): (&String, String)| {
        let kind = keys.iter().find(|key| key.name == *name).map_or(KeyType::S, |key| key.kind);
        let value = match kind {
            KeyType::S => AttributeValue::S(field),
            KeyType::N => AttributeValue::N(field.parse().map_err(|error| format!("{name}: {error}"))?),
            KeyType::B => {
                AttributeValue::B(STANDARD.decode(&field).map_err(|error| format!("{name}: {error}"))?.into())
            }
        };
        Ok((name.clone(), value))
    };
    named.map(typed).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_parts_are() {
        let text = b"one\r\ntwo \"a\nb\"\n\nthree";
        for csv in [false, true] {
            for cut in 0..text.len() {
                let mut lines = Lines::default();
                let (first, second) = text.split_at(cut);
                let mut found = lines.take(first, csv);
                found.extend(lines.take(second, csv));
                found.extend(lines.last());
                let expected: &[&[u8]] =
                    if csv { &[b"one", b"two \"a\nb\"", b"three"] } else { &[b"one", b"two \"a", b"b\"", b"three"] };
                assert_eq!(found, expected, "{cut}");
            }
        }
    }

    #[test]
    fn records_have_fields() {
        let check = |text: &str, expected: &[&str]| assert_eq!(csv_fields(text.as_bytes(), ',').unwrap(), expected);
        check("a,b,", &["a", "b", ""]);
        check("\"a,\"\"b\"\"\",c d", &["a,\"b\"", "c d"]);
        check("\"a\nb\"", &["a\nb"]);
        assert!(csv_fields(b"\"a", ',').is_err() && csv_fields(b"\xff", ',').is_err());
    }

    #[test]
    fn records_are_items() {
        let keys = [KeyAttribute { name: "n".to_owned(), kind: KeyType::N }];
        let header = ["n".to_owned(), "s".to_owned(), "t".to_owned()];
        let fields = |list: &[&str]| list.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>();
        let item = csv_item(fields(&["1.50", "1.50", ""]), &header, &keys).unwrap();
        assert_eq!(serde_json::to_string(&item).unwrap(), r#"{"n":{"N":"1.5"},"s":{"S":"1.50"}}"#);
        assert!(csv_item(fields(&["x"]), &header, &keys).is_err());
        assert!(csv_item(fields(&["1", "2", "3", "4"]), &header, &keys).is_err());
        assert!(json_item(br#"{"Item":{"a":{"N":"x"}}}"#).is_err());
        assert_eq!(json_item(br#"{"Item":{"a":{"N":"1"}}}"#).unwrap().len(), 1);
    }
}
