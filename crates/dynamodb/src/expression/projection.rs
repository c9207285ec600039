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
    shape: Shape,
}

/// What becomes of the parts.
#[derive(Clone, Debug)]
enum Shape {
    /// They stay where they are.
    Tree(BTreeMap<String, PathTree<()>>),
    /// Each is an attribute of its own, of this name.
    Columns(Vec<String>),
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
        Ok(Projection { paths, shape: Shape::Tree(tree) })
    }

    /// The parts at these paths, each as an attribute that is named as its path ends: what PartiQL selects.
    ///
    /// # Errors
    /// The name that two paths end with.
    pub fn columns(paths: Vec<Path>) -> Result<Projection, String> {
        let mut names: Vec<String> = Vec::with_capacity(paths.len());
        for path in &paths {
            let name = path.column();
            if names.contains(&name) {
                return Err(name);
            }
            names.push(name);
        }
        Ok(Projection { paths, shape: Shape::Columns(names) })
    }

    /// The paths, in the order in which they are written.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// What `item` has of it. Elements of lists close up.
    pub fn project(&self, item: &Item) -> Item {
        match &self.shape {
            Shape::Tree(tree) => project_map(tree, item),
            Shape::Columns(names) => {
                let columns = names.iter().zip(&self.paths);
                columns.filter_map(|(name, path)| Some((name.clone(), path.find(item)?.clone()))).collect()
            }
        }
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
