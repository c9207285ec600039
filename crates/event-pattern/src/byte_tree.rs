//! A tree of byte strings that finds all stored strings a text begins with, in one walk down.

use crate::postings::{Posting, Postings};

const ROOT: u32 = 0;

/// Bytes of a label that are kept in the node.
const SHORT_BYTES: usize = 14;

/// The bytes from a node's parent down to it. Nearly all are short, and reading them where the node is saves a look into memory that is far
/// away, which is what a walk through a large tree costs.
#[derive(Clone, Debug)]
enum Label {
    Short(u8, [u8; SHORT_BYTES]),
    Long(Box<[u8]>),
}

impl Default for Label {
    fn default() -> Self {
        Self::Short(0, [0; SHORT_BYTES])
    }
}

impl From<&[u8]> for Label {
    fn from(bytes: &[u8]) -> Self {
        let mut short = [0; SHORT_BYTES];
        match short.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                Self::Short(bytes.len() as u8, short)
            }
            None => Self::Long(bytes.into()),
        }
    }
}

impl Label {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// The first byte is in the parent's list too.
    label: Label,
    /// First bytes of the labels below, sorted, with their nodes.
    children: Vec<(u8, u32)>,
    postings: Postings,
}

/// The tree: a radix tree, whose walk costs no more than the text is long, however many strings there are.
#[derive(Clone, Debug)]
pub(crate) struct ByteTree {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Strings stored, counted by posting.
    len: usize,
}

impl Default for ByteTree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], free: Vec::new(), len: 0 }
    }
}

impl ByteTree {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn child(&self, node: u32, byte: u8) -> Option<u32> {
        let children = &self.nodes.get(node as usize)?.children;
        let at = children.binary_search_by_key(&byte, |(first, _)| *first).ok()?;
        children.get(at).map(|(_, child)| *child)
    }

    /// Calls `visit` with the postings of every stored string that `text` begins with.
    #[inline]
    pub(crate) fn walk(&self, text: &[u8], mut visit: impl FnMut(&Postings)) {
        if self.len == 0 {
            return;
        }
        let (mut at, mut rest) = (ROOT, text);
        while let Some(node) = self.nodes.get(at as usize) {
            let Some(below) = rest.strip_prefix(node.label.bytes()) else { return };
            if !node.postings.is_empty() {
                visit(&node.postings);
            }
            rest = below;
            let Some(next) = rest.first().and_then(|byte| self.child(at, *byte)) else { return };
            at = next;
        }
    }

    /// The postings of exactly `key`.
    pub(crate) fn count(&self, key: &[u8]) -> usize {
        self.node_of(key).and_then(|node| self.nodes.get(node as usize)).map_or(0, |node| node.postings.len())
    }

    fn node_of(&self, key: &[u8]) -> Option<u32> {
        let (mut at, mut rest) = (ROOT, key);
        loop {
            rest = rest.strip_prefix(self.nodes.get(at as usize)?.label.bytes())?;
            match rest.first() {
                None => return Some(at),
                Some(byte) => at = self.child(at, *byte)?,
            }
        }
    }

    pub(crate) fn add(&mut self, key: &[u8], posting: Posting) {
        self.len += 1;
        let (mut at, mut rest) = (ROOT, key);
        while let Some(first) = rest.first().copied() {
            let Some(child) = self.child(at, first) else {
                let leaf = self.new_node(Node { label: rest.into(), ..Node::default() });
                self.link(at, first, leaf);
                at = leaf;
                break;
            };
            let label = self.nodes.get(child as usize).map(|node| node.label.clone()).unwrap_or_default();
            let common = label.bytes().iter().zip(rest).take_while(|(a, b)| a == b).count();
            at = if common < label.bytes().len() { self.split(at, child, common) } else { child };
            rest = rest.get(common..).unwrap_or_default();
        }
        if let Some(node) = self.nodes.get_mut(at as usize) {
            node.postings.add(posting);
        }
    }

    /// Puts a node between `parent` and `child` after the first `common` bytes of the child's label.
    fn split(&mut self, parent: u32, child: u32, common: usize) -> u32 {
        let Some(node) = self.nodes.get_mut(child as usize) else { return parent };
        let label = std::mem::take(&mut node.label);
        let (above, below) = label.bytes().split_at_checked(common).unwrap_or((label.bytes(), &[]));
        node.label = below.into();
        let first_below = below.first().copied().unwrap_or_default();
        let first_above = above.first().copied().unwrap_or_default();
        let middle =
            self.new_node(Node { label: above.into(), children: vec![(first_below, child)], ..Node::default() });
        self.link(parent, first_above, middle);
        middle
    }

    /// Makes `child` the one below `parent` that begins with `first`.
    fn link(&mut self, parent: u32, first: u8, child: u32) {
        let Some(node) = self.nodes.get_mut(parent as usize) else { return };
        match node.children.binary_search_by_key(&first, |(byte, _)| *byte) {
            Ok(at) => {
                if let Some(entry) = node.children.get_mut(at) {
                    entry.1 = child;
                }
            }
            Err(at) => node.children.insert(at, (first, child)),
        }
    }

    fn new_node(&mut self, node: Node) -> u32 {
        if let Some(at) = self.free.pop()
            && let Some(slot) = self.nodes.get_mut(at as usize)
        {
            *slot = node;
            return at;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    /// Takes one posting of `branch` under `key` out. Nodes that only joined others together stay until they have no child.
    pub(crate) fn remove(&mut self, key: &[u8], branch: u32) {
        let Some(node) = self.node_of(key).and_then(|node| self.nodes.get_mut(node as usize)) else { return };
        let before = node.postings.len();
        node.postings.remove(branch);
        self.len -= before - node.postings.len();
        self.prune(key);
    }

    /// Removes the nodes on the way to `key` that lead nowhere any more, from the lowest up.
    fn prune(&mut self, key: &[u8]) {
        let mut way: Vec<(u32, u8)> = Vec::new();
        let (mut at, mut rest) = (ROOT, key);
        while let Some(first) = rest.first().copied() {
            let Some(child) = self.child(at, first) else { break };
            let length = self.nodes.get(child as usize).map_or(0, |node| node.label.bytes().len());
            way.push((at, first));
            rest = rest.get(length..).unwrap_or_default();
            at = child;
        }
        while let Some((parent, first)) = way.pop() {
            let Some(child) = self.child(parent, first) else { return };
            let useless =
                self.nodes.get(child as usize).is_some_and(|n| n.postings.is_empty() && n.children.is_empty());
            if !useless {
                return;
            }
            if let Some(node) = self.nodes.get_mut(parent as usize) {
                node.children.retain(|(byte, _)| *byte != first);
            }
            self.free.push(child);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ByteTree;
    use crate::postings::Posting;

    fn found(tree: &ByteTree, text: &str) -> Vec<u32> {
        let mut found = Vec::new();
        tree.walk(text.as_bytes(), |postings| found.extend(postings.as_slice().iter().map(|p| p.branch())));
        found.sort_unstable();
        found
    }

    #[test]
    fn every_beginning_is_found_until_it_is_removed() {
        let keys = ["", "a", "abc", "abd", "ab", "b", "abcdef", "a", "xyz", "xyw"];
        let mut tree = ByteTree::default();
        for (branch, key) in keys.iter().enumerate() {
            tree.add(key.as_bytes(), Posting::new(branch as u32, true));
        }
        assert_eq!(found(&tree, "abcde"), [0, 1, 2, 4, 7]);
        assert_eq!(found(&tree, "abcdef"), [0, 1, 2, 4, 6, 7]);
        assert_eq!(found(&tree, ""), [0]);
        assert_eq!(found(&tree, "xy"), [0]);
        assert_eq!(found(&tree, "xyz"), [0, 8]);
        assert_eq!(tree.count(b"a"), 2);
        for (branch, key) in keys.iter().enumerate() {
            tree.remove(key.as_bytes(), branch as u32);
            assert!(!found(&tree, "abcdef xyz").contains(&(branch as u32)));
        }
        assert!(tree.is_empty());
        assert_eq!(tree.free.len() + 1, tree.nodes.len());
    }

    proptest::proptest! {
        /// Against a plain list, with so many strings that the tree is deep and wide, and with removals.
        #[test]
        fn large_trees_find_what_a_list_finds(
            keys in proptest::collection::vec("[ab]{0,12}|[a-z]{0,3}|(abc){0,9}[x-z]{0,20}", 1..300),
            texts in proptest::collection::vec("[ab]{0,14}|[a-z]{0,4}|(abc){0,9}[x-z]{0,22}", 1..40),
        ) {
            let mut tree = ByteTree::default();
            for (branch, key) in keys.iter().enumerate() {
                tree.add(key.as_bytes(), Posting::new(branch as u32, true));
            }
            for kept in [0, keys.len() / 2, keys.len()] {
                for (branch, key) in keys.iter().enumerate().take(kept) {
                    tree.remove(key.as_bytes(), branch as u32);
                }
                for text in keys.iter().chain(&texts) {
                    let expect: Vec<u32> = keys.iter().enumerate().skip(kept).filter(|(_, key)| text.starts_with(*key)).map(|(b, _)| b as u32).collect();
                    proptest::prop_assert_eq!(found(&tree, text), expect);
                }
            }
            proptest::prop_assert!(tree.is_empty());
        }
    }
}
