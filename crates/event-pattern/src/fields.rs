//! What the scan of one event found at the paths that matter.

use crate::number::{Number, NumberKey};
use crate::operator::Value;

/// No further field.
const END: u32 = u32::MAX;

/// Not in an array.
pub(crate) const NO_ITEM: u32 = u32::MAX;

/// The context outside every array.
pub(crate) const OUTSIDE: u32 = 0;

/// Where the content of a field stands.
#[derive(Clone, Copy, Debug)]
enum Content {
    /// Bytes of the event.
    Text(u32, u32),
    /// Bytes of [`Fields::unescaped`].
    Unescaped(u32, u32),
    /// Bytes of the event, and a place in [`Fields::numbers`].
    Number(u32, u32, u32),
    True,
    False,
    Null,
}

/// A value at a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) path: u32,
    content: Content,
    /// Which elements of which arrays it is inside of.
    pub(crate) context: u32,
    /// Its own place in an array that it stands in directly.
    pub(crate) item: u32,
    next: u32,
}

/// An element of an array that is itself an object or array: the fields inside of it belong together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    /// The element around the array, [`OUTSIDE`] if there is none.
    pub(crate) parent: u32,
    /// A number for the array, unique in the event.
    pub(crate) array: u32,
    /// Which element.
    pub(crate) index: u32,
    /// Names between the root and the array.
    pub(crate) level: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    event: u64,
    first: u32,
    last: u32,
}

/// The fields of one event. Kept from event to event, so that matching takes no memory from the system once it has run for a while.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// A number for the event. A chain with another is from an event before, so that nothing needs to be cleared.
    event: u64,
    chains: Vec<Chain>,
    fields: Vec<Field>,
    contexts: Vec<Context>,
    numbers: Vec<NumberKey>,
    unescaped: Vec<u8>,
    arrays: u32,
}

impl Fields {
    /// Forgets the event before.
    pub(crate) fn reset(&mut self, paths: usize) {
        self.event += 1;
        if self.chains.len() < paths {
            self.chains.resize(paths, Chain::default());
        }
        self.fields.clear();
        self.contexts.clear();
        self.contexts.push(Context { parent: OUTSIDE, array: u32::MAX, index: 0, level: 0 });
        self.numbers.clear();
        self.unescaped.clear();
        self.arrays = 0;
    }

    pub(crate) fn new_array(&mut self) -> u32 {
        self.arrays += 1;
        self.arrays - 1
    }

    pub(crate) fn new_context(&mut self, context: Context) -> u32 {
        self.contexts.push(context);
        (self.contexts.len() - 1) as u32
    }

    #[inline]
    fn push(&mut self, path: u32, content: Content, context: u32, item: u32) {
        let at = self.fields.len() as u32;
        self.fields.push(Field { path, content, context, item, next: END });
        let Some(chain) = self.chains.get_mut(path as usize) else { return };
        if chain.event == self.event {
            if let Some(last) = self.fields.get_mut(chain.last as usize) {
                last.next = at;
            }
            chain.last = at;
        } else {
            *chain = Chain { event: self.event, first: at, last: at };
        }
    }

    /// A text from `start` to `end` of the event, without its quotes.
    #[inline]
    pub(crate) fn push_text(&mut self, path: u32, (start, end): (usize, usize), context: u32, item: u32) {
        self.push(path, Content::Text(start as u32, end as u32), context, item);
    }

    /// A text with escapes.
    pub(crate) fn push_escaped(&mut self, path: u32, raw: &[u8], context: u32, item: u32) {
        let start = self.unescaped.len() as u32;
        crate::json::unescape(raw, &mut self.unescaped);
        let end = self.unescaped.len() as u32;
        self.push(path, Content::Unescaped(start, end), context, item);
    }

    /// A number or literal from `start` to `end` of the event.
    pub(crate) fn push_scalar(
        &mut self,
        path: u32,
        event: &[u8],
        (start, end): (usize, usize),
        context: u32,
        item: u32,
    ) {
        let text = event.get(start..end).unwrap_or_default();
        let content = match text.first() {
            Some(b't') => Content::True,
            Some(b'f') => Content::False,
            Some(b'n') => Content::Null,
            _ => {
                self.numbers.push(Number::parse(text).key);
                Content::Number(start as u32, end as u32, (self.numbers.len() - 1) as u32)
            }
        };
        self.push(path, content, context, item);
    }

    /// Nothing was found inside an element of an array, so every field goes with every other.
    pub(crate) fn flat(&self) -> bool {
        self.contexts.len() <= 1
    }

    pub(crate) fn context(&self, context: u32) -> Option<&Context> {
        if context == OUTSIDE { None } else { self.contexts.get(context as usize) }
    }

    /// All fields in the order of the event.
    pub(crate) fn all(&self) -> &[Field] {
        &self.fields
    }

    /// Whether anything stands at `path`.
    #[inline]
    pub(crate) fn has(&self, path: u32) -> bool {
        self.chains.get(path as usize).is_some_and(|chain| chain.event == self.event)
    }

    /// Exactly one field stands at `path`.
    #[inline]
    pub(crate) fn single(&self, path: u32) -> bool {
        self.chains.get(path as usize).is_some_and(|chain| chain.event == self.event && chain.first == chain.last)
    }

    /// The fields at `path` in the order of the event.
    #[inline]
    pub(crate) fn at(&self, path: u32) -> impl Iterator<Item = &Field> {
        let mut next = match self.chains.get(path as usize) {
            Some(chain) if chain.event == self.event => chain.first,
            _ => END,
        };
        std::iter::from_fn(move || {
            let field = self.fields.get(next as usize)?;
            next = field.next;
            Some(field)
        })
    }

    /// The value of a field of `event`, which must be the one that was scanned.
    #[inline]
    pub(crate) fn value<'a>(&'a self, event: &'a [u8], field: &Field) -> Value<'a> {
        let part = |bytes: &'a [u8], start: u32, end: u32| bytes.get(start as usize..end as usize).unwrap_or_default();
        match field.content {
            Content::Text(start, end) => Value::Text(part(event, start, end)),
            Content::Unescaped(start, end) => Value::Text(part(&self.unescaped, start, end)),
            Content::Number(start, end, key) => {
                let key = self.numbers.get(key as usize).copied().unwrap_or(NumberKey::LOWEST);
                Value::Number(part(event, start, end), key)
            }
            Content::True => Value::True,
            Content::False => Value::False,
            Content::Null => Value::Null,
        }
    }
}
