//! Builds the index from the parser's events, and refuses what must not be read.

use std::ops::Range;

use indexmap::IndexMap;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{Kind, Node, NodeId, Places};
use crate::runbook::Limits;
use crate::runbook::diagnostics::{Diagnostic, Problems, visible};

/// A collection whose end has not been seen.
struct Open {
    node: NodeId,
    /// The key that waits for its value.
    key: Option<(String, NodeId)>,
}

pub(super) struct Builder<'t, 'p> {
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

impl<'t, 'p> Builder<'t, 'p> {
    pub(super) fn new(places: Places<'t>, limits: &'p Limits, problems: &'p mut Problems) -> Self {
        Self {
            places,
            open: Vec::new(),
            anchors: IndexMap::new(),
            expanded: 0,
            limits,
            problems,
        }
    }

    pub(super) fn run(mut self) -> Option<Places<'t>> {
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
            return Err(self.too_deep(span));
        }
        let node = self.add(kind, span);
        self.anchor(anchor, node);
        self.open.push(Open { node, key: None });
        Ok(())
    }

    fn too_deep(&mut self, span: Range<usize>) -> Stop {
        let message = format!("nested deeper than {} levels", self.limits.depth);
        self.stop(span, &message, "a runbook needs fewer than ten")
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
        let message = format!("the key `{}` is given twice", visible(name));
        let mut problem = Diagnostic::at(self.places.span(second), message);
        problem
            .labels
            .push(self.places.label(first, "first given here"));
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
        let mut problem = Diagnostic::at(span, message);
        problem.hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.problems.push(problem);
        Stop
    }

    fn syntax(&mut self, error: &ScanError, bytes: &mut ByteOffsets<'_>) -> Stop {
        let at = bytes.at(error.marker().index());
        // The parser reads ahead in `[` and `{`, and may meet a limit of its own first.
        if error.info().contains("recursion limit") {
            return self.too_deep(self.places.one_character(at));
        }
        let start = self.places.line_starts[self.places.line_at(at) - 1];
        let line = self.places.text[start..].lines().next().unwrap_or_default();
        let indent = &line[..line.len() - line.trim_start().len()];
        let (at, hint) = match indent.find('\t') {
            Some(tab) => (start + tab, "YAML indents with spaces: replace the tab"),
            None => (at, syntax_hint(line, error.info())),
        };
        let message = format!("not valid YAML: {}", error.info());
        self.stop(self.places.one_character(at), &message, hint)
    }
}

/// The mistakes that most often stand on a line which does not parse.
fn syntax_hint(line: &str, info: &str) -> &'static str {
    if info.contains("anchor") {
        "`*name` repeats what `&name` marked before; quote text that begins with `*` or `&`"
    } else if line.contains("${") {
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
