//! Who caused what: the trace that a request carries into everything it sets off.
//!
//! The text form is X-Ray's (`Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`), because functions
//! and SDKs hand it on unasked: AWS X-Ray Developer Guide, "Tracing header".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Entropy, Timestamp};

/// The id of a whole causal tree: seconds of its start and 96 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TraceId(pub u128);

/// The id of one step in a causal tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpanId(pub u64);

/// Where in a causal tree something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The tree.
    pub root: TraceId,
    /// This step.
    pub span: SpanId,
    /// The step that caused this one; `None` at the root.
    pub parent: Option<SpanId>,
}

impl Trace {
    /// The first step of a new tree.
    pub fn start(now: Timestamp, entropy: &dyn Entropy) -> Trace {
        let mut random = [0; 16];
        entropy.fill(&mut random);
        let seconds = u128::from(u32::try_from(now.as_secs()).unwrap_or(u32::MAX));
        let root = (seconds << 96) | (u128::from_le_bytes(random) >> 32);
        Trace { root: TraceId(root), span: SpanId(entropy.u64()), parent: None }
    }

    /// A new step caused by this one.
    #[must_use]
    pub fn child(&self, entropy: &dyn Entropy) -> Trace {
        Trace { root: self.root, span: SpanId(entropy.u64()), parent: Some(self.span) }
    }

    /// The step that a request with this tracing header is: a child of the header's parent.
    pub fn from_header(header: &str, entropy: &dyn Entropy) -> Option<Trace> {
        let mut root = None;
        let mut parent = None;
        for part in header.split(';') {
            match part.trim().split_once('=') {
                Some(("Root", id)) => root = id.parse().ok(),
                Some(("Parent", id)) => parent = id.parse().ok(),
                _ => {}
            }
        }
        Some(Trace { root: root?, span: SpanId(entropy.u64()), parent })
    }

    /// The header by which this step names itself as the parent of what follows.
    pub fn header(&self) -> String {
        format!("Root={};Parent={};Sampled=1", self.root, self.span)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1-{:08x}-{:024x}", self.0 >> 96, self.0 & ((1 << 96) - 1))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no trace or span id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a trace id: expected 1-8 hex digits-24 hex digits, or 16 hex digits for a span")]
pub struct TraceIdError;

impl FromStr for TraceId {
    type Err = TraceIdError;

    fn from_str(s: &str) -> Result<TraceId, TraceIdError> {
        let mut parts = s.splitn(3, '-');
        let (Some("1"), Some(time), Some(random)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(TraceIdError);
        };
        let hex = |text: &str, len: usize| {
            let good = text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
            good.then(|| u128::from_str_radix(text, 16).ok()).flatten().ok_or(TraceIdError)
        };
        Ok(TraceId((hex(time, 8)? << 96) | hex(random, 24)?))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SpanId {
    type Err = TraceIdError;

    fn from_str(s: &str) -> Result<SpanId, TraceIdError> {
        if s.len() != 16 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(TraceIdError);
        }
        u64::from_str_radix(s, 16).map(SpanId).map_err(|_| TraceIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::Trace;
    use crate::{SeededEntropy, Timestamp};

    #[test]
    fn a_header_carries_the_tree_on() {
        let entropy = SeededEntropy::new(1);
        let first = Trace::start(Timestamp::from_secs(0x5759_e988), &entropy);
        let next = Trace::from_header(&first.header(), &entropy).unwrap();
        assert_eq!((next.root, next.parent), (first.root, Some(first.span)));
        assert!(first.root.to_string().starts_with("1-5759e988-"));
        for bad in ["", "Root=1-5-5", "Root=2-5759e988-bd862e3fe1be46a994272793", "Parent=53995c3f42cd8ad8"] {
            assert_eq!(Trace::from_header(bad, &entropy), None, "{bad}");
        }
    }
}
