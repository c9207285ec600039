//! One pass over the bytes of an event that stops only at the paths that matter.

use crate::error::EventError;
use crate::fields::{Context, Fields, NO_ITEM, OUTSIDE};
use crate::json::{plain_end, space, structure};
use crate::limits::{EVENT_BYTES_MAX, EVENT_DEPTH_MAX};
use crate::paths::{Paths, ROOT};

/// Finds the fields of `event` at `paths`.
///
/// Whatever no path leads to is stepped over without being read, so faults there stay unseen; [`crate::validate`] finds them.
///
/// # Errors
/// If the event is no object, or so broken that its fields cannot be told apart.
pub(crate) fn scan(event: &[u8], paths: &Paths, fields: &mut Fields) -> Result<(), EventError> {
    if event.len() > EVENT_BYTES_MAX {
        return Err(EventError::TooLarge { bytes: event.len(), bytes_max: EVENT_BYTES_MAX });
    }
    fields.reset(paths.len());
    let at = space(event, 0);
    match event.get(at) {
        Some(b'{') => {}
        Some(b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9') => return Err(EventError::NotObject),
        _ => return Err(EventError::NotJson { offset: at, expected: "an object" }),
    }
    Scan { event, paths, fields, depth: 0, name: Vec::new() }
        .object(at + 1, Spot { node: ROOT, context: OUTSIDE, level: 0 })?;
    Ok(())
}

/// Where in the tree of paths and in which arrays the scan is.
#[derive(Clone, Copy)]
struct Spot {
    node: u32,
    context: u32,
    /// Names from the root.
    level: u32,
}

struct Scan<'a> {
    event: &'a [u8],
    paths: &'a Paths,
    fields: &'a mut Fields,
    depth: u32,
    /// A name with escapes, resolved.
    name: Vec<u8>,
}

impl Scan<'_> {
    fn fault<T>(&self, at: usize, expected: &'static str) -> Result<T, EventError> {
        Err(EventError::NotJson { offset: at.min(self.event.len()), expected })
    }

    fn deeper(&mut self) -> Result<(), EventError> {
        self.depth += 1;
        if self.depth > EVENT_DEPTH_MAX { Err(EventError::TooDeep { depth_max: EVENT_DEPTH_MAX }) } else { Ok(()) }
    }

    /// The entries of an object whose brace is behind. Returns what is behind its end.
    fn object(&mut self, mut at: usize, spot: Spot) -> Result<usize, EventError> {
        self.deeper()?;
        loop {
            at = space(self.event, at);
            match self.event.get(at) {
                Some(b'"') => {}
                Some(b',') => {
                    at += 1;
                    continue;
                }
                Some(b'}') => break,
                _ => return self.fault(at, "a name"),
            }
            let start = at + 1;
            let (end, escaped) = self.text_end(start)?;
            at = space(self.event, end + 1);
            if self.event.get(at) != Some(&b':') {
                return self.fault(at, "a colon");
            }
            at = space(self.event, at + 1);
            let name = self.event.get(start..end).unwrap_or_default();
            let node = if escaped {
                self.name.clear();
                crate::json::unescape(name, &mut self.name);
                self.paths.follow(spot.node, &self.name)
            } else {
                self.paths.follow(spot.node, name)
            };
            at = match node {
                None => self.skip(at)?,
                Some(node) => {
                    let mut level = spot.level + 1;
                    if name.contains(&b'.') {
                        level += name.iter().filter(|byte| **byte == b'.').count() as u32;
                    }
                    self.value(at, Spot { node, context: spot.context, level })?
                }
            };
        }
        self.depth -= 1;
        Ok(at + 1)
    }

    /// A value some path leads to or through.
    #[inline]
    fn value(&mut self, at: usize, spot: Spot) -> Result<usize, EventError> {
        match self.event.get(at) {
            Some(b'{') if self.paths.has_children(spot.node) => self.object(at + 1, spot),
            Some(b'{') => self.skip(at),
            Some(b'[') => self.array(at + 1, spot),
            _ => self.scalar(at, spot, NO_ITEM),
        }
    }

    /// The elements of an array whose bracket is behind. Returns what is behind its end.
    fn array(&mut self, mut at: usize, spot: Spot) -> Result<usize, EventError> {
        self.deeper()?;
        let array = self.fields.new_array();
        let nested = self.paths.has_children(spot.node);
        let mut index = 0;
        loop {
            at = space(self.event, at);
            at = match self.event.get(at) {
                Some(b']') => break,
                Some(b',') => {
                    index += 1;
                    at + 1
                }
                Some(b'{') if !nested => self.skip(at)?,
                Some(open @ (b'{' | b'[')) => {
                    let context = Context { parent: spot.context, array, index, level: spot.level };
                    let spot = Spot { context: self.fields.new_context(context), ..spot };
                    if *open == b'{' { self.object(at + 1, spot)? } else { self.array(at + 1, spot)? }
                }
                _ => self.scalar(at, spot, index)?,
            };
        }
        self.depth -= 1;
        Ok(at + 1)
    }

    /// A text, number or literal.
    #[inline]
    fn scalar(&mut self, at: usize, spot: Spot, item: u32) -> Result<usize, EventError> {
        let path = self.paths.path_at(spot.node);
        if self.event.get(at) == Some(&b'"') {
            let start = at + 1;
            let (end, escaped) = self.text_end(start)?;
            if let Some(path) = path {
                if escaped {
                    let raw = self.event.get(start..end).unwrap_or_default();
                    self.fields.push_escaped(path, raw, spot.context, item);
                } else {
                    self.fields.push_text(path, (start, end), spot.context, item);
                }
            }
            return Ok(end + 1);
        }
        let end = self.word_end(at)?;
        if let Some(path) = path {
            self.fields.push_scalar(path, self.event, (at, end), spot.context, item);
        }
        Ok(end)
    }

    /// Where the text that starts at `at` ends, and whether it has escapes.
    #[inline]
    fn text_end(&self, mut at: usize) -> Result<(usize, bool), EventError> {
        let mut escaped = false;
        loop {
            at = plain_end(self.event, at);
            match self.event.get(at) {
                Some(b'"') => return Ok((at, escaped)),
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(_) => return self.fault(at, "no control character"),
                None => return self.fault(at, "a closing quote"),
            }
        }
    }

    /// Where the number or literal that starts at `at` ends.
    #[inline]
    fn word_end(&self, at: usize) -> Result<usize, EventError> {
        let rest = self.event.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')).count();
        if length == 0 { self.fault(at, "a value") } else { Ok(at + length) }
    }

    /// Steps over a value.
    #[inline]
    fn skip(&self, at: usize) -> Result<usize, EventError> {
        match self.event.get(at) {
            Some(b'"') => Ok(self.text_end(at + 1)?.0 + 1),
            Some(b'{' | b'[') => self.skip_nested(at + 1),
            _ => self.word_end(at),
        }
    }

    /// Steps over an object or array whose bracket is behind, minding quotes and brackets only.
    fn skip_nested(&self, mut at: usize) -> Result<usize, EventError> {
        let mut depth = 1u32;
        while depth > 0 {
            at = structure(self.event, at);
            match self.event.get(at) {
                Some(b'"') => at = self.text_end(at + 1)?.0,
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth -= 1,
                Some(_) => {}
                None => return self.fault(at, "a closing bracket"),
            }
            at += 1;
        }
        Ok(at)
    }
}
