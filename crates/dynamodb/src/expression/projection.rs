//! Projections: the parts of an item that a reader wants.

use std::collections::BTreeMap;

use super::error::{ExpressionError, ExpressionKind};
use super::parser;
use super::path::Path;
use super::path_tree::PathTree;
use super::placeholders::{Placeholders, check_path};
use crate::value::{AttributeValue, Item};

/// A projection, ready to be applied.
#[derive(Clone, Debug)]
pub struct Projection {
    paths: Vec<Path>,
    tree: BTreeMap<String, PathTree<()>>,
}

/// Parses a `ProjectionExpression`.
///
/// # Errors
/// [`ExpressionError::Invalid`], among others for paths that overlap.
pub fn parse_projection(text: &str, placeholders: &mut Placeholders) -> Result<Projection, ExpressionError> {
    let invalid = |reason| ExpressionError::Invalid { kind: ExpressionKind::Projection, reason };
    let written = parser::projection(text)?;
    written.iter().try_for_each(check_path).map_err(invalid)?;
    let paths: Vec<Path> =
        written.iter().map(|path| placeholders.path(path)).collect::<Result<_, _>>().map_err(invalid)?;
    Projection::of(paths)
}

impl Projection {
    /// The projection to these paths.
    ///
    /// # Errors
    /// [`ExpressionError::Invalid`] if they overlap or conflict.
    pub fn of(paths: Vec<Path>) -> Result<Projection, ExpressionError> {
        let tree = PathTree::of(paths.iter().map(|path| (path.clone(), ())).collect())
            .map_err(|reason| ExpressionError::Invalid { kind: ExpressionKind::Projection, reason })?;
        Ok(Projection { paths, tree })
    }

    /// The paths, in the order in which they are written.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// What `item` has of it. Elements of lists close up.
    pub fn project(&self, item: &Item) -> Item {
        project_map(&self.tree, item)
    }
}

fn project_map(tree: &BTreeMap<String, PathTree<()>>, map: &Item) -> Item {
    let found = tree.iter().filter_map(|(name, below)| Some((name.clone(), project(below, map.get(name)?)?)));
    found.collect()
}

fn project(tree: &PathTree<()>, value: &AttributeValue) -> Option<AttributeValue> {
    match (tree, value) {
        (PathTree::Leaf(()), value) => Some(value.clone()),
        (PathTree::Map(tree), AttributeValue::M(map)) => {
            Some(project_map(tree, map)).filter(|map| !map.is_empty()).map(AttributeValue::M)
        }
        (PathTree::List(tree), AttributeValue::L(list)) => {
            let found = tree.iter().filter_map(|(index, below)| project(below, list.get(*index)?));
            Some(found.collect::<Vec<_>>()).filter(|list| !list.is_empty()).map(AttributeValue::L)
        }
        _ => None,
    }
}
