//! Walks through lists and maps that remember, when something is wrong, where they were.

use std::borrow::Cow;
use std::vec::IntoIter;

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::{DecodeError, Document};

pub(super) struct SeqWalk<'a> {
    list: IntoIter<Document<'a>>,
    /// Elements are counted from 1, as AWS counts them in messages.
    at: usize,
}

impl<'a> SeqWalk<'a> {
    pub(super) fn new(list: Vec<Document<'a>>) -> SeqWalk<'a> {
        SeqWalk { list: list.into_iter(), at: 0 }
    }
}

impl<'de> SeqAccess<'de> for SeqWalk<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some(element) = self.list.next() else { return Ok(None) };
        self.at += 1;
        let place = || Cow::Owned(format!("{}.member", self.at));
        seed.deserialize(element).map(Some).map_err(|error| error.within(place()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.list.len())
    }
}

pub(super) struct MapWalk<'a> {
    map: IntoIter<(Cow<'a, str>, Document<'a>)>,
    value: Option<(Cow<'a, str>, Document<'a>)>,
}

impl<'a> MapWalk<'a> {
    pub(super) fn new(map: Vec<(Cow<'a, str>, Document<'a>)>) -> MapWalk<'a> {
        MapWalk { map: map.into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for MapWalk<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        // A member that is null is a member that is not there.
        let Some((key, value)) = self.map.find(|(_, value)| *value != Document::Null) else { return Ok(None) };
        let read = seed.deserialize(CowStrDeserializer::<DecodeError>::new(key.clone()));
        self.value = Some((key, value));
        read.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let Some((key, value)) = self.value.take() else {
            return Err(serde::de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(value).map_err(|error| error.within(Cow::Owned(key.into_owned())))
    }
}
