//! Where everything in a YAML text stands: an index from values to bytes, built from parser events.
//!
//! It is built before any value is: second documents, deep nesting, duplicate keys and aliases that
//! multiply are found here, where counting them costs nothing. Aliases are counted, never expanded.

mod builder;

use std::ops::Range;

use indexmap::IndexMap;

use super::Limits;
use super::diagnostics::{Label, Problems};
use builder::Builder;

/// A value in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(usize);

#[derive(Debug)]
struct Node {
    kind: Kind,
    span: Range<usize>,
    /// The key that it is the value of.
    key: Option<NodeId>,
    /// How many nodes it makes once aliases are expanded.
    size: u64,
}

#[derive(Debug)]
enum Kind {
    Scalar,
    Seq(Vec<NodeId>),
    Map {
        own: IndexMap<String, (NodeId, NodeId)>,
        merged: Vec<NodeId>,
    },
    Alias(NodeId),
}

/// The index.
#[derive(Debug)]
pub(super) struct Places<'t> {
    text: &'t str,
    nodes: Vec<Node>,
    line_starts: Vec<usize>,
    root: Option<NodeId>,
    /// Whether any mapping merges another (`<<`).
    pub(super) has_merges: bool,
}

impl<'t> Places<'t> {
    /// Reads the text's structure. `None` means that its values must not be read at all; the reason
    /// is among the problems.
    pub(super) fn index(text: &'t str, limits: &Limits, problems: &mut Problems) -> Option<Self> {
        let places = Self {
            text,
            nodes: Vec::new(),
            line_starts: std::iter::once(0)
                .chain(
                    text.bytes()
                        .enumerate()
                        .filter(|(_, b)| *b == b'\n')
                        .map(|(i, _)| i + 1),
                )
                .collect(),
            root: None,
            has_merges: false,
        };
        Builder::new(places, limits, problems).run()
    }

    /// The document's outermost value.
    pub(super) fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// The value of a key, through aliases and merges.
    pub(super) fn child(&self, node: NodeId, key: &str) -> Option<NodeId> {
        self.entry(node, key, 0).map(|(_, value)| value)
    }

    /// The key itself.
    pub(super) fn key(&self, node: NodeId, key: &str) -> Option<NodeId> {
        self.entry(node, key, 0).map(|(key, _)| key)
    }

    fn entry(&self, node: NodeId, key: &str, depth: usize) -> Option<(NodeId, NodeId)> {
        // Merges of merges are bounded by the number of mappings; this bounds silly chains of them.
        if depth > 32 {
            return None;
        }
        match &self.node(self.target(node)).kind {
            Kind::Map { own, merged } => own.get(key).copied().or_else(|| {
                merged
                    .iter()
                    .find_map(|merged| self.entry(*merged, key, depth + 1))
            }),
            _ => None,
        }
    }

    /// The item at a position, through aliases.
    pub(super) fn item(&self, node: NodeId, index: usize) -> Option<NodeId> {
        match &self.node(self.target(node)).kind {
            Kind::Seq(items) => items.get(index).copied(),
            _ => None,
        }
    }

    /// The item of a list that is this word, quoted or not.
    pub(super) fn item_named(&self, list: NodeId, word: &str) -> Option<NodeId> {
        let Kind::Seq(items) = &self.node(self.target(list)).kind else {
            return None;
        };
        let is_word = |item: &NodeId| {
            self.source(self.target(*item))
                .trim()
                .trim_matches(['"', '\''])
                == word
        };
        items.iter().copied().find(is_word)
    }

    /// How many entries a collection has, without those that merges bring.
    pub(super) fn len(&self, node: NodeId) -> usize {
        match &self.node(self.target(node)).kind {
            Kind::Map { own, .. } => own.len(),
            Kind::Seq(items) => items.len(),
            Kind::Scalar | Kind::Alias(_) => 0,
        }
    }

    fn target(&self, node: NodeId) -> NodeId {
        match self.node(node).kind {
            Kind::Alias(target) => target,
            _ => node,
        }
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// What a message about this value points at: a scalar or alias itself, and for a collection
    /// the key that holds it, else its first character.
    pub(super) fn span(&self, id: NodeId) -> Range<usize> {
        let node = self.node(id);
        match (&node.kind, node.key) {
            (Kind::Scalar | Kind::Alias(_), _) if !node.span.is_empty() => node.span.clone(),
            (_, Some(key)) => self.node(key).span.clone(),
            _ => self.one_character(node.span.start),
        }
    }

    /// The bytes of a value as written, quotes included.
    pub(super) fn source(&self, id: NodeId) -> &'t str {
        &self.text[self.node(id).span.clone()]
    }

    /// Where a value begins, as written.
    pub(super) fn start(&self, id: NodeId) -> usize {
        self.node(id).span.start
    }

    /// The line on which a value begins, from 1.
    pub(super) fn line(&self, id: NodeId) -> usize {
        self.line_at(self.start(id))
    }

    /// The character at a byte that another parser named.
    pub(super) fn near(&self, at: usize) -> Range<usize> {
        let boundary = (0..=at.min(self.text.len()))
            .rev()
            .find(|at| self.text.is_char_boundary(*at));
        self.one_character(boundary.unwrap_or(0))
    }

    fn line_at(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// A label at a value.
    pub(super) fn label(&self, id: NodeId, text: impl Into<String>) -> Label {
        Label {
            span: self.span(id),
            text: text.into(),
            ..Label::default()
        }
    }

    fn one_character(&self, at: usize) -> Range<usize> {
        let length = self.text[at..]
            .chars()
            .next()
            .filter(|c| *c != '\n')
            .map_or(0, char::len_utf8);
        at..at + length
    }
}
