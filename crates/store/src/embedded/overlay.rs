//! What was committed since the index was last written: rows in memory, laid over those of the index.
//!
//! Four layers, the newest on top: the batch being decided, the active overlay, the frozen overlay that a checkpoint is writing
//! into the index, the index as of the last checkpoint. A row is what the topmost layer says that knows its key.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

use super::index::IndexSnapshot;
use crate::contract::{Bytes, Row, Version};
use crate::error::StoreError;
use crate::state::{Rows, RowsMut};

/// What a layer says of a key.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) version: Version,
    /// `None`: the row was removed.
    pub(super) val: Option<Bytes>,
}

/// One layer.
#[derive(Debug, Clone, Default)]
pub(super) struct Overlay {
    rows: BTreeMap<Bytes, Written>,
}

impl Overlay {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Written)> {
        self.rows.iter()
    }

    fn insert(&mut self, key: Bytes, written: Written) {
        self.rows.insert(key, written);
    }

    /// Puts a newer layer on top of this one, and makes them one.
    pub(super) fn absorb(&mut self, newer: Overlay) {
        if self.is_empty() {
            *self = newer;
            return;
        }
        for (key, written) in newer.rows {
            self.insert(key, written);
        }
    }

    fn range(&self, start: &[u8], end: &[u8], reverse: bool) -> Box<dyn Iterator<Item = (&Bytes, &Written)> + '_> {
        let range = self.rows.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)));
        if reverse { Box::new(range.rev()) } else { Box::new(range) }
    }
}

/// Layers as one, to read from.
#[derive(Clone, Copy)]
pub(super) struct Layers<'a> {
    pub(super) active: &'a Overlay,
    pub(super) frozen: Option<&'a Overlay>,
    pub(super) base: &'a IndexSnapshot,
}

impl Layers<'_> {
    fn get_below(&self, top: Option<&Overlay>, key: &[u8]) -> Result<Option<Row>, StoreError> {
        let overlays = [top, Some(self.active), self.frozen];
        match overlays.into_iter().flatten().find_map(|overlay| overlay.rows.get_key_value(key)) {
            Some((key, written)) => Ok(row(key, written)),
            None => self.base.get(key),
        }
    }

    fn version_below(&self, top: Option<&Overlay>, key: &[u8]) -> Result<Version, StoreError> {
        let overlays = [top, Some(self.active), self.frozen];
        match overlays.into_iter().flatten().find_map(|overlay| overlay.rows.get(key)) {
            Some(written) if written.val.is_some() => Ok(written.version),
            Some(_) => Ok(Version::ABSENT),
            None => self.base.version(key),
        }
    }

    fn scan_below(
        &self,
        top: Option<&Overlay>,
        (start, end): (&[u8], &[u8]),
        reverse: bool,
        visit: &mut dyn FnMut(Row) -> bool,
    ) -> Result<(), StoreError> {
        // A range that is not one is empty here, but a panic for the map.
        if start >= end {
            return Ok(());
        }
        let overlays = [top, Some(self.active), self.frozen];
        let overlays = overlays.into_iter().flatten().filter(|overlay| !overlay.is_empty());
        let mut overlays: Vec<Peekable<_>> =
            overlays.map(|overlay| overlay.range(start, end, reverse).peekable()).collect();
        let mut base = self.base.walk(start, end, reverse)?;
        let comes_before = |a: &[u8], b: &[u8]| if reverse { a > b } else { a < b };
        loop {
            let mut next: Option<(&Bytes, &Written)> = None;
            for overlay in &mut overlays {
                if let Some((key, written)) = overlay.peek()
                    // Of equal keys the first is kept: the one on top.
                    && next.is_none_or(|(found, _)| comes_before(key, found))
                {
                    next = Some((key, written));
                }
            }
            let found = match next {
                None => base.take()?,
                Some((key, _)) if base.key().is_some_and(|below| comes_before(below, key)) => base.take()?,
                Some((key, written)) => {
                    if base.key() == Some(key) {
                        base.skip()?;
                    }
                    for overlay in &mut overlays {
                        overlay.next_if(|(other, _)| *other == key);
                    }
                    let Some(row) = row(key, written) else { continue };
                    Some(row)
                }
            };
            let Some(found) = found else { return Ok(()) };
            if !visit(found) {
                return Ok(());
            }
        }
    }
}

fn row(key: &Bytes, written: &Written) -> Option<Row> {
    let val = written.val.clone()?;
    Some(Row { key: key.clone(), val, version: written.version })
}

impl Rows for Layers<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Row>, StoreError> {
        self.get_below(None, key)
    }

    fn version(&self, key: &[u8]) -> Result<Version, StoreError> {
        self.version_below(None, key)
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(Row) -> bool,
    ) -> Result<(), StoreError> {
        self.scan_below(None, (start, end), reverse, visit)
    }
}

/// A layer being written, on top of others.
pub(super) struct Batch<'a> {
    pub(super) written: Overlay,
    pub(super) below: Layers<'a>,
}

impl Rows for Batch<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Row>, StoreError> {
        self.below.get_below(Some(&self.written), key)
    }

    fn version(&self, key: &[u8]) -> Result<Version, StoreError> {
        self.below.version_below(Some(&self.written), key)
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(Row) -> bool,
    ) -> Result<(), StoreError> {
        self.below.scan_below(Some(&self.written), (start, end), reverse, visit)
    }
}

impl RowsMut for Batch<'_> {
    fn put(&mut self, key: &Bytes, val: &Bytes, version: Version) -> Result<(), StoreError> {
        self.written.insert(key.clone(), Written { version, val: Some(val.clone()) });
        Ok(())
    }

    fn remove(&mut self, key: &Bytes) -> Result<(), StoreError> {
        self.written.insert(key.clone(), Written { version: Version::ABSENT, val: None });
        Ok(())
    }

    fn remove_range(&mut self, start: &[u8], end: &[u8]) -> Result<(), StoreError> {
        let mut keys = Vec::new();
        self.scan(start, end, false, &mut |row| {
            keys.push(row.key);
            true
        })?;
        keys.iter().try_for_each(|key| self.remove(key))
    }
}
