//! The paths that patterns look at, as a tree of names.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// No node, no path.
pub(crate) const NONE: u32 = u32::MAX;

/// The node of the event itself.
pub(crate) const ROOT: u32 = 0;

/// Children above this number are found by hash, up to it one after the other.
const LINEAR_CHILDREN_MAX: usize = 16;

/// A step down the tree.
#[derive(Clone, Debug)]
struct Child {
    /// The first eight bytes of the name, zeros behind a shorter one: nearly always enough to tell names apart.
    head: u64,
    name: Box<[u8]>,
    node: u32,
}

#[derive(Clone, Debug, Default)]
struct Node {
    children: Vec<Child>,
    /// The same children by name, kept when there are many.
    hashed: HashMap<Box<[u8]>, u32, RandomState>,
    /// Some child has children, so that names with dots may lead further down.
    nested: bool,
    path: Option<u32>,
    parent: u32,
}

#[derive(Clone, Debug)]
struct Path {
    name: Box<str>,
    node: u32,
    uses: u32,
}

/// The tree. Paths are counted by use: one that no pattern asks for any more costs no event anything.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    nodes: Vec<Node>,
    free_nodes: Vec<u32>,
    paths: Vec<Path>,
    free_paths: Vec<u32>,
    by_name: HashMap<Box<str>, u32, RandomState>,
}

impl Default for Paths {
    fn default() -> Self {
        let root = Node { parent: NONE, ..Node::default() };
        Self {
            nodes: vec![root],
            free_nodes: Vec::new(),
            paths: Vec::new(),
            free_paths: Vec::new(),
            by_name: HashMap::default(),
        }
    }
}

/// The first eight bytes of a name.
#[inline]
fn head(name: &[u8]) -> u64 {
    if let Some(first) = name.get(..8).and_then(|first| <[u8; 8]>::try_from(first).ok()) {
        return u64::from_le_bytes(first);
    }
    name.iter().rev().fold(0, |head, byte| head << 8 | u64::from(*byte))
}

impl Paths {
    /// How many numbers for paths there are; all are below.
    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    /// The names of a path joined by dots.
    pub(crate) fn name(&self, path: u32) -> &str {
        self.paths.get(path as usize).map_or("", |path| &path.name)
    }

    /// The number of the path `name`, used once more.
    pub(crate) fn add(&mut self, name: &str) -> u32 {
        if let Some(&path) = self.by_name.get(name) {
            if let Some(path) = self.paths.get_mut(path as usize) {
                path.uses += 1;
            }
            return path;
        }
        let mut node = ROOT;
        for step in name.split('.') {
            node = self.find(node, step.as_bytes()).unwrap_or_else(|| self.add_child(node, step.as_bytes()));
        }
        let entry = Path { name: name.into(), node, uses: 1 };
        let path = match self.free_paths.pop() {
            Some(path) => {
                if let Some(slot) = self.paths.get_mut(path as usize) {
                    *slot = entry;
                }
                path
            }
            None => {
                self.paths.push(entry);
                (self.paths.len() - 1) as u32
            }
        };
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.path = Some(path);
        }
        self.by_name.insert(name.into(), path);
        path
    }

    /// The path is used once less. Returns whether that was its last use; its number may then be given out again.
    pub(crate) fn remove(&mut self, path: u32) -> bool {
        let Some(entry) = self.paths.get_mut(path as usize) else { return false };
        entry.uses = entry.uses.saturating_sub(1);
        if entry.uses > 0 {
            return false;
        }
        let mut node = entry.node;
        self.by_name.remove(&entry.name);
        self.free_paths.push(path);
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.path = None;
        }
        while node != ROOT && self.nodes.get(node as usize).is_some_and(|n| n.path.is_none() && n.children.is_empty()) {
            node = self.remove_node(node);
        }
        true
    }

    /// Takes an empty node out of its parent, which is returned.
    fn remove_node(&mut self, node: u32) -> u32 {
        let parent = self.nodes.get(node as usize).map_or(ROOT, |n| n.parent);
        self.free_nodes.push(node);
        let mut nested = false;
        let grandparent = if let Some(n) = self.nodes.get_mut(parent as usize) {
            if let Some(at) = n.children.iter().position(|child| child.node == node) {
                let child = n.children.swap_remove(at);
                n.hashed.remove(&child.name);
            }
            nested = n.children.is_empty();
            n.parent
        } else {
            NONE
        };
        if nested && grandparent != NONE {
            self.note_nested(grandparent);
        }
        parent
    }

    /// Looks again whether some child of `node` has children.
    fn note_nested(&mut self, node: u32) {
        let Some(children) = self.nodes.get(node as usize).map(|n| &n.children) else { return };
        let nested = children.iter().any(|c| self.has_children(c.node));
        if let Some(n) = self.nodes.get_mut(node as usize) {
            n.nested = nested;
        }
    }

    fn add_child(&mut self, parent: u32, name: &[u8]) -> u32 {
        let entry = Node { parent, ..Node::default() };
        let node = match self.free_nodes.pop() {
            Some(node) => {
                if let Some(slot) = self.nodes.get_mut(node as usize) {
                    *slot = entry;
                }
                node
            }
            None => {
                self.nodes.push(entry);
                (self.nodes.len() - 1) as u32
            }
        };
        let mut grandparent = NONE;
        if let Some(n) = self.nodes.get_mut(parent as usize) {
            n.children.push(Child { head: head(name), name: name.into(), node });
            if !n.hashed.is_empty() {
                n.hashed.insert(name.into(), node);
            } else if n.children.len() > LINEAR_CHILDREN_MAX {
                n.hashed.extend(n.children.iter().map(|c| (c.name.clone(), c.node)));
            }
            grandparent = n.parent;
        }
        if let Some(n) = self.nodes.get_mut(grandparent as usize) {
            n.nested = true;
        }
        node
    }

    /// The child of `node` called `name`.
    #[inline]
    pub(crate) fn find(&self, node: u32, name: &[u8]) -> Option<u32> {
        let node = self.nodes.get(node as usize)?;
        if node.hashed.is_empty() {
            let head = head(name);
            let same = |child: &&Child| {
                child.head == head && child.name.len() == name.len() && (name.len() <= 8 || *child.name == *name)
            };
            return node.children.iter().find(same).map(|child| child.node);
        }
        node.hashed.get(name).copied()
    }

    /// The node that a name in an event leads to: a child, or further down if the name has dots.
    #[inline]
    pub(crate) fn follow(&self, node: u32, name: &[u8]) -> Option<u32> {
        if let Some(child) = self.find(node, name) {
            return Some(child);
        }
        if !self.nodes.get(node as usize)?.nested || memchr::memchr(b'.', name).is_none() {
            return None;
        }
        name.split(|byte| *byte == b'.').try_fold(node, |node, step| self.find(node, step))
    }

    /// The path that ends at `node`.
    #[inline]
    pub(crate) fn path_at(&self, node: u32) -> Option<u32> {
        self.nodes.get(node as usize)?.path
    }

    #[inline]
    pub(crate) fn has_children(&self, node: u32) -> bool {
        self.nodes.get(node as usize).is_some_and(|node| !node.children.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{Paths, ROOT};

    #[test]
    fn a_path_lives_as_long_as_it_is_used() {
        let mut paths = Paths::default();
        let deep = paths.add("a.b.c");
        assert_eq!(paths.add("a.b.c"), deep);
        let shallow = paths.add("a");
        assert_eq!(paths.follow(ROOT, b"a.b.c").and_then(|node| paths.path_at(node)), Some(deep));
        assert!(!paths.remove(deep));
        assert!(paths.remove(deep));
        assert_eq!(paths.follow(ROOT, b"a.b"), None);
        assert_eq!(paths.find(ROOT, b"a").and_then(|node| paths.path_at(node)), Some(shallow));
        for i in 0..100 {
            paths.add(&format!("name{i}"));
        }
        assert!(paths.find(ROOT, b"name77").is_some());
        assert!(paths.find(ROOT, b"name777").is_none());
        assert_eq!(paths.name(shallow), "a");
    }
}
