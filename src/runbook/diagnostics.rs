//! What is wrong with a runbook file, as data and as text with carets.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// A line longer than this is named, but not shown.
const LONGEST_SHOWN_LINE: usize = 400;
/// Further places of one mistake that are named.
const NAMED: usize = 8;

/// One problem and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostic {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, a lower-case fragment.
    pub message: String,
    /// The next move, where there is an obvious one.
    pub hint: Option<String>,
    /// Other places that take part (`first given here`).
    pub labels: Vec<Label>,
    /// The bytes of the file that it is about.
    pub span: Range<usize>,
    /// Further places of the same mistake.
    pub(super) more: usize,
}

impl Diagnostic {
    /// A problem at these bytes; line and column follow from them (see [`Diagnostics::new`]).
    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            ..Self::default()
        }
    }
}

/// A second place that a problem is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What that place has to do with it.
    pub text: String,
    /// The bytes of the file.
    pub span: Range<usize>,
}

/// Every problem of one file, in the order of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// What the file is called in messages.
    pub path: String,
    /// The problems; at least one.
    pub list: Vec<Diagnostic>,
    /// How many more there are than [`super::Limits::problems`] lets through.
    pub left_off: usize,
    source: String,
}

impl Diagnostics {
    /// Sorts the problems and works out their lines and columns, which is too slow to be done for
    /// those that are only counted.
    pub(super) fn new(path: &str, source: &str, mut problems: Problems) -> Self {
        problems
            .list
            .sort_by_key(|problem| (problem.span.start, problem.span.end));
        let newlines = source
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n');
        let starts: Vec<usize> = std::iter::once(0)
            .chain(newlines.map(|(index, _)| index + 1))
            .collect();
        let position = |at: usize| {
            let line = starts.partition_point(|start| *start <= at);
            (line, source[starts[line - 1]..at].chars().count() + 1)
        };
        for problem in &mut problems.list {
            (problem.line, problem.column) = position(problem.span.start);
            for label in &mut problem.labels {
                (label.line, label.column) = position(label.span.start);
            }
            if problem.more > 0 {
                let more = format!("the same stands in {} more places", problem.more);
                problem.hint = Some(match problem.hint.take() {
                    Some(hint) => format!("{hint} ({more})"),
                    None => more,
                });
            }
        }
        Self {
            path: path.to_owned(),
            list: problems.list,
            left_off: problems.left_off,
            source: source.to_owned(),
        }
    }

    /// How many problems there are, those left off included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len() + self.left_off
    }

    /// All problems as text: `file:line:column`, the line with a caret, the hint. Ends in a line
    /// feed. Control characters of the file never reach the result.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut out = String::new();
        for problem in &self.list {
            out.push_str(&renderer.render(&[self.group(problem)]));
            out.push_str("\n\n");
        }
        let count = self.count();
        let problems = if count == 1 { "problem" } else { "problems" };
        out.push_str(&format!("{}: {count} {problems}", safe(&self.path)));
        if self.left_off > 0 {
            out.push_str(&format!(", the first {} shown", self.list.len()));
        }
        out.push('\n');
        out
    }

    fn group<'a>(&'a self, problem: &'a Diagnostic) -> Group<'a> {
        let mut group = Group::with_title(Level::ERROR.primary_title(problem.message.as_str()));
        if self.can_show(problem) {
            group = group.element(self.snippet(problem));
        } else {
            group = group.element(
                Origin::path(safe(&self.path))
                    .line(problem.line)
                    .char_column(problem.column),
            );
        }
        match &problem.hint {
            Some(hint) => group.element(Level::HELP.message(hint.as_str())),
            None => group,
        }
    }

    /// The lines that matter, so that a report's cost does not grow with the file.
    fn snippet<'a>(
        &'a self,
        problem: &'a Diagnostic,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let mut first = problem.span.start;
        let mut last = problem.span.end;
        for label in &problem.labels {
            first = first.min(label.span.start);
            last = last.max(label.span.end);
        }
        let from = self.line_start(first);
        let to = self.line_end(last);
        let line = problem
            .labels
            .iter()
            .map(|label| label.line)
            .fold(problem.line, usize::min);
        let shift = |span: &Range<usize>| span.start - from..span.end - from;
        let primary = AnnotationKind::Primary.span(shift(&problem.span));
        let others = problem.labels.iter().map(|label| {
            AnnotationKind::Context
                .span(shift(&label.span))
                .label(label.text.as_str())
        });
        Snippet::source(&self.source[from..to])
            .path(safe(&self.path))
            .line_start(line)
            .annotation(primary)
            .annotations(others)
    }

    fn can_show(&self, problem: &Diagnostic) -> bool {
        let short = |at: usize| self.line_end(at) - self.line_start(at) <= LONGEST_SHOWN_LINE;
        !self.source.is_empty()
            && short(problem.span.start)
            && problem.labels.iter().all(|label| short(label.span.start))
    }

    fn line_start(&self, at: usize) -> usize {
        self.source[..at]
            .rfind('\n')
            .map_or(0, |newline| newline + 1)
    }

    fn line_end(&self, at: usize) -> usize {
        self.source[at..]
            .find('\n')
            .map_or(self.source.len(), |newline| at + newline)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// Problems as they are found. Beyond the limit they are only counted.
#[derive(Debug)]
pub(super) struct Problems {
    list: Vec<Diagnostic>,
    left_off: usize,
    /// What is told once, by its words.
    told: HashMap<String, Told>,
    limit: usize,
}

/// A mistake that is told once.
#[derive(Debug)]
struct Told {
    /// Where it stands in the list; `None` where it is only counted.
    at: Option<usize>,
    /// The places that are known already: what a merge brings is read at each place that merges it.
    places: HashSet<Range<usize>>,
}

impl Problems {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            list: Vec::new(),
            left_off: 0,
            told: HashMap::new(),
            limit: limit.max(1),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.list.len() + self.left_off
    }

    /// Whether further ones are only counted, so that nobody need look for hints.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= self.limit
    }

    /// One mistake that is made in many places is one problem, which names the others, each once.
    pub(super) fn push_once(&mut self, problem: Diagnostic) {
        let Some(told) = self.told.get_mut(&problem.message) else {
            let at = (!self.is_full()).then_some(self.list.len());
            let places = HashSet::from([problem.span.clone()]);
            self.told
                .insert(problem.message.clone(), Told { at, places });
            self.push(problem);
            return;
        };
        let Some(known) = told.at.and_then(|at| self.list.get_mut(at)) else {
            return;
        };
        if !told.places.insert(problem.span.clone()) {
            return;
        }
        if known.labels.len() < NAMED {
            known.labels.push(Label {
                text: "and here".to_owned(),
                span: problem.span,
                ..Label::default()
            });
        } else {
            known.more += 1;
        }
    }

    /// Names from the file may be part of any text, so every text is made safe here.
    pub(super) fn push(&mut self, mut problem: Diagnostic) {
        const LONGEST: usize = 300;
        if self.is_full() {
            self.left_off += 1;
            return;
        }
        problem.message = shortened(&problem.message, LONGEST);
        problem.hint = problem.hint.map(|hint| shortened(&hint, LONGEST));
        for label in &mut problem.labels {
            label.text = shortened(&label.text, LONGEST);
        }
        self.list.push(problem);
    }
}

/// A word of the file for a message: safe, and at most 60 characters.
pub(super) fn visible(text: &str) -> String {
    shortened(text, 60)
}

fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => safe(&text[..end]) + "…",
        None => safe(text),
    }
}

/// Without characters that steer a terminal or the direction of text.
fn safe(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if steers(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 10_000;

    fn unknown(word: usize, at: usize) -> Diagnostic {
        Diagnostic::at(at..at + 1, format!("unknown host `h{word}`"))
    }

    #[test]
    fn one_mistake_names_each_of_its_places_once() {
        let mut problems = Problems::new(3);
        // An anchor that is merged three times is read as often.
        for at in (0..MANY).flat_map(|at| [at; 3]) {
            problems.push_once(unknown(0, at));
        }
        assert_eq!(problems.count(), 1);
        let labels = &problems.list[0].labels;
        let places: Vec<_> = labels.iter().map(|label| label.span.start).collect();
        assert_eq!(places, Vec::from_iter(1..=NAMED));
        assert_eq!(problems.list[0].more, MANY - 1 - NAMED);
    }

    #[test]
    fn each_of_many_mistakes_counts_once_shown_or_not() {
        for limit in [3, 2 * MANY] {
            let mut problems = Problems::new(limit);
            for word in (0..MANY).chain(0..MANY) {
                problems.push_once(unknown(word, word));
            }
            assert_eq!(problems.count(), MANY);
            assert_eq!(problems.list.len(), limit.min(MANY));
            assert!(problems.list.iter().all(|one| one.labels.is_empty()));
        }
    }
}
