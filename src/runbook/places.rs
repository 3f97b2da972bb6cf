//! Where everything in a YAML text stands: an index from values to bytes, built from parser events.
//!
//! It is built before any value is: second documents, deep nesting, duplicate keys and aliases that
//! multiply are found here, where counting them costs nothing. Aliases are counted, never expanded.

use std::ops::Range;

use indexmap::IndexMap;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::Limits;
use super::diagnostics::{Diagnostic, Label, Problems, visible};

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
        Builder {
            places,
            open: Vec::new(),
            anchors: IndexMap::new(),
            expanded: 0,
            limits,
            problems,
        }
        .run()
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
        self.position(self.start(id)).0
    }

    /// The character at a byte that another parser named.
    pub(super) fn near(&self, at: usize) -> Range<usize> {
        self.one_character(self.text.floor_char_boundary(at))
    }

    fn one_character(&self, at: usize) -> Range<usize> {
        let length = self.text[at..]
            .chars()
            .next()
            .filter(|c| *c != '\n')
            .map_or(0, char::len_utf8);
        at..at + length
    }

    /// Line and column (in characters), both from 1.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= at);
        let start = self.line_starts[line - 1];
        (line, self.text[start..at].chars().count() + 1)
    }

    /// A problem at these bytes.
    pub(super) fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let (line, column) = self.position(span.start);
        Diagnostic {
            line,
            column,
            message: message.into(),
            hint: None,
            labels: Vec::new(),
            span,
        }
    }

    /// A label at a value.
    pub(super) fn label(&self, span: Range<usize>, text: impl Into<String>) -> Label {
        let (line, column) = self.position(span.start);
        Label {
            line,
            column,
            text: text.into(),
            span,
        }
    }
}

/// A collection whose end has not been seen.
struct Open {
    node: NodeId,
    /// The key that waits for its value.
    key: Option<(String, NodeId)>,
}

struct Builder<'t, 'p> {
    places: Places<'t>,
    open: Vec<Open>,
    anchors: IndexMap<usize, NodeId>,
    /// How many values all aliases so far stand for.
    expanded: u64,
    limits: &'p Limits,
    problems: &'p mut Problems,
}

/// Reading ends here; the reason has been reported.
struct Stop;

impl<'t> Builder<'t, '_> {
    fn run(mut self) -> Option<Places<'t>> {
        let mut bytes = ByteOffsets::new(self.places.text);
        let mut parser = Parser::new_from_str(self.places.text);
        while let Some(event) = parser.next_event() {
            let outcome = match event {
                Ok((event, span)) => self.event(event, bytes.range(span)),
                Err(error) => Err(self.syntax(&error, &mut bytes)),
            };
            if outcome.is_err() {
                return None;
            }
        }
        Some(self.places)
    }

    fn event(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(_) if self.places.root.is_some() => Err(self.stop(
                span,
                "a second document begins here",
                "one file holds one runbook: move what follows `---` to a file of its own",
            )),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span)?;
                let node = self.add(Kind::Scalar, span);
                self.anchor(anchor, node);
                self.place(node, Some((&text, style)))
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span)?;
                self.begin(Kind::Seq(Vec::new()), anchor, span)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span)?;
                self.begin(
                    Kind::Map {
                        own: IndexMap::new(),
                        merged: Vec::new(),
                    },
                    anchor,
                    span,
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn add(&mut self, kind: Kind, span: Range<usize>) -> NodeId {
        let id = NodeId(self.places.nodes.len());
        self.places.nodes.push(Node {
            kind,
            span,
            key: None,
            size: 1,
        });
        id
    }

    fn anchor(&mut self, anchor: usize, node: NodeId) {
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
    }

    fn begin(&mut self, kind: Kind, anchor: usize, span: Range<usize>) -> Result<(), Stop> {
        if self.open.len() >= self.limits.depth {
            let message = format!("nested deeper than {} levels", self.limits.depth);
            return Err(self.stop(span, &message, "a runbook needs fewer than ten"));
        }
        let node = self.add(kind, span);
        self.anchor(anchor, node);
        self.open.push(Open { node, key: None });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stop> {
        match self.open.pop() {
            Some(open) => self.place(open.node, None),
            None => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, span: Range<usize>) -> Result<(), Stop> {
        let target = self.anchors.get(&anchor).copied();
        let Some(target) = target.filter(|t| !self.open.iter().any(|open| open.node == *t)) else {
            return Err(self.stop(span, "an alias that stands inside its own anchor", ""));
        };
        let size = self.places.node(target).size;
        self.expanded = self.expanded.saturating_add(size);
        if self.expanded > self.limits.alias_values {
            let limit = self.limits.alias_values;
            let message = format!("aliases that expand to more than {limit} values");
            return Err(self.stop(
                span,
                &message,
                "write out what is meant, or use fewer `*aliases`",
            ));
        }
        let node = self.add(Kind::Alias(target), span);
        self.places.nodes[node.0].size = size;
        self.place(node, None)
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, node: NodeId, scalar: Option<(&str, ScalarStyle)>) -> Result<(), Stop> {
        let Some(open) = self.open.last_mut() else {
            self.places.root = Some(node);
            return Ok(());
        };
        let parent = open.node;
        let size = self.places.nodes[node.0].size;
        let total = &mut self.places.nodes[parent.0].size;
        *total = total.saturating_add(size);
        match &mut self.places.nodes[parent.0].kind {
            Kind::Seq(items) => items.push(node),
            Kind::Map { own, .. } => match (open.key.take(), scalar) {
                (Some((name, key)), _) if name == "<<" => {
                    self.places.nodes[node.0].key = Some(key);
                    return self.merge(parent, node);
                }
                (Some((name, key)), _) => {
                    let first = own.get(&name).map(|(first, _)| *first);
                    if first.is_none() {
                        own.insert(name.clone(), (key, node));
                    }
                    self.places.nodes[node.0].key = Some(key);
                    if let Some(first) = first {
                        self.duplicate(&name, first, key);
                    }
                }
                (None, Some((text, _))) => open.key = Some((text.to_owned(), node)),
                (None, None) => {
                    let span = self.places.span(node);
                    return Err(self.stop(span, "a key that is not plain text", ""));
                }
            },
            Kind::Scalar | Kind::Alias(_) => {}
        }
        Ok(())
    }

    /// `<<: *a` or `<<: [*a, *b]`.
    fn merge(&mut self, parent: NodeId, node: NodeId) -> Result<(), Stop> {
        let several = match &self.places.node(node).kind {
            Kind::Seq(items) => items.clone(),
            _ => vec![node],
        };
        for one in &several {
            let target = self.places.target(*one);
            if !matches!(self.places.node(target).kind, Kind::Map { .. }) {
                let span = self.places.span(*one);
                return Err(self.stop(span, "`<<` merges a mapping, and this is none", ""));
            }
        }
        if let Kind::Map { merged, .. } = &mut self.places.nodes[parent.0].kind {
            merged.extend(several);
        }
        self.places.has_merges = true;
        Ok(())
    }

    fn duplicate(&mut self, name: &str, first: NodeId, second: NodeId) {
        let mut problem = self.places.problem(
            self.places.span(second),
            format!("the key `{}` is given twice", visible(name)),
        );
        problem.labels.push(
            self.places
                .label(self.places.span(first), "first given here"),
        );
        problem.hint = Some("remove one of them, or rename it".to_owned());
        self.problems.push(problem);
    }

    fn refuse_tag(&mut self, tagged: bool, span: &Range<usize>) -> Result<(), Stop> {
        if tagged {
            let hint = "remove the word that begins with `!`, or quote the text";
            return Err(self.stop(span.clone(), "YAML tags are not part of the format", hint));
        }
        Ok(())
    }

    fn stop(&mut self, span: Range<usize>, message: &str, hint: &str) -> Stop {
        let mut problem = self.places.problem(span, message);
        problem.hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.problems.push(problem);
        Stop
    }

    fn syntax(&mut self, error: &ScanError, bytes: &mut ByteOffsets<'_>) -> Stop {
        let at = bytes.at(error.marker().index());
        let start = self.places.line_starts[self.places.position(at).0 - 1];
        let line = self.places.text[start..].lines().next().unwrap_or_default();
        let indent = &line[..line.len() - line.trim_start().len()];
        let (at, hint) = match indent.find('\t') {
            Some(tab) => (start + tab, "YAML indents with spaces: replace the tab"),
            None => (at, syntax_hint(line)),
        };
        let message = format!("not valid YAML: {}", error.info());
        self.stop(self.places.one_character(at), &message, hint)
    }
}

/// The mistakes that most often stand on a line which does not parse.
fn syntax_hint(line: &str) -> &'static str {
    if line.contains("${") {
        "put quotes around what holds `${…}`"
    } else if line.contains(": ") {
        "look for a missing quote, a missing space after a colon, or a wrong indentation"
    } else {
        ""
    }
}

/// Turns the parser's character counts into bytes. Asked in nearly ascending order, it only walks
/// the distance.
struct ByteOffsets<'t> {
    text: &'t str,
    ascii: bool,
    character: usize,
    byte: usize,
}

impl<'t> ByteOffsets<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            ascii: text.is_ascii(),
            character: 0,
            byte: 0,
        }
    }

    fn range(&mut self, span: Span) -> Range<usize> {
        let start = self.at(span.start.index());
        let end = self.at(span.end.index()).max(start);
        start..end
    }

    fn at(&mut self, character: usize) -> usize {
        if self.ascii {
            return character.min(self.text.len());
        }
        while self.character > character {
            let step = self.text[..self.byte]
                .chars()
                .next_back()
                .map_or(0, char::len_utf8);
            self.byte -= step;
            self.character -= 1;
        }
        while self.character < character {
            let Some(next) = self.text[self.byte..].chars().next() else {
                break;
            };
            self.byte += next.len_utf8();
            self.character += 1;
        }
        self.byte
    }
}
