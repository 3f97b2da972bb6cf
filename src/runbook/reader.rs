//! Reading values and their places together: each problem is reported where it stands, and reading
//! goes on after it.

use std::time::Duration;

use indexmap::IndexSet;
use serde_yaml::{Mapping, Value};

use super::diagnostics::{Diagnostic, Problems, visible};
use super::places::{NodeId, Places};
use super::values;

/// A value and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) value: &'a Value,
    pub(super) node: NodeId,
}

/// What keys a mapping may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// With its article: `a host`.
    pub(super) what: &'static str,
    pub(super) required: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
    /// Further optional ones, where shapes have most in common.
    pub(super) also: &'static [&'static str],
    /// Whether keys that start with `x-` may hold anything, as a home for anchors.
    pub(super) extensible: bool,
}

impl Shape {
    /// A shape with these keys and no others.
    pub(super) const fn new(
        what: &'static str,
        required: &'static [&'static str],
        optional: &'static [&'static str],
    ) -> Self {
        Self {
            what,
            required,
            optional,
            also: &[],
            extensible: false,
        }
    }

    pub(super) fn known(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.required
            .iter()
            .chain(self.optional)
            .chain(self.also)
            .copied()
    }
}

/// The keys of a mapping, checked against its shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    mapping: &'a Mapping,
    node: NodeId,
    places: &'a Places<'a>,
}

impl<'a> Fields<'a> {
    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<At<'a>> {
        let value = self.mapping.get(key)?;
        Some(At {
            value,
            node: self.places.child(self.node, key).unwrap_or(self.node),
        })
    }

    /// The place of a key.
    pub(super) fn key(&self, key: &str) -> NodeId {
        self.places.key(self.node, key).unwrap_or(self.node)
    }
}

/// One entry of a mapping whose keys are names.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: String,
    pub(super) key: NodeId,
    pub(super) at: At<'a>,
}

/// Reads typed values and gathers what is wrong with them.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) places: &'a Places<'a>,
    pub(super) problems: Problems,
}

impl<'a> Reader<'a> {
    pub(super) fn new(places: &'a Places<'a>, problems: Problems) -> Self {
        Self { places, problems }
    }

    /// Reports a problem at a value.
    pub(super) fn report(&mut self, node: NodeId, message: impl Into<String>, hint: &str) {
        let problem = self.at(node, message);
        self.push(problem, hint);
    }

    /// A problem at a value, to be completed with labels and pushed.
    pub(super) fn at(&self, node: NodeId, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(self.places.span(node), message)
    }

    pub(super) fn push(&mut self, mut problem: Diagnostic, hint: &str) {
        problem.hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.problems.push(problem);
    }

    /// Reports a word that is none of those that may stand there; once, wherever else it stands.
    pub(super) fn unknown<'c>(
        &mut self,
        node: NodeId,
        kind: &str,
        word: &str,
        known: impl IntoIterator<Item = &'c str>,
    ) {
        let hint = if self.problems.is_full() {
            String::new()
        } else {
            did_you_mean(word, known)
        };
        let mut problem = self.at(node, format!("unknown {kind} `{}`", visible(word)));
        problem.hint = (!hint.is_empty()).then_some(hint);
        self.problems.push_once(problem);
    }

    /// Reports a key that is none of those that a mapping may have.
    pub(super) fn unknown_key<'c>(
        &mut self,
        node: NodeId,
        kind: &str,
        key: &str,
        place: &str,
        known: impl IntoIterator<Item = &'c str>,
    ) {
        let hint = if self.problems.is_full() {
            String::new()
        } else {
            did_you_mean(key, known)
        };
        self.report(
            node,
            format!("unknown {kind} `{}` in {place}", visible(key)),
            &hint,
        );
    }

    /// Reports a word of the format that this version does not serve.
    pub(super) fn later(&mut self, node: NodeId, kind: &str, word: &str) {
        let message = format!("the {kind} `{word}` is not in this version of Lifeboat");
        self.report(
            node,
            message,
            "it is part of the format and comes with a later version",
        );
    }

    /// A mapping with the keys of a shape.
    pub(super) fn fields(&mut self, at: At<'a>, shape: &Shape) -> Option<Fields<'a>> {
        let mapping = self.mapping(at, shape.what)?;
        for (key, _) in mapping {
            let Some(key) = self.key_text(at.node, key) else {
                continue;
            };
            if shape.known().any(|known| known == key) {
                continue;
            }
            if shape.extensible && key.starts_with("x-") {
                continue;
            }
            let node = self.places.key(at.node, key).unwrap_or(at.node);
            self.unknown_key(node, "key", key, shape.what, shape.known());
        }
        for key in shape.required {
            if !mapping.contains_key(key) {
                let message = format!("{} needs the key `{key}`", shape.what);
                self.report(at.node, message, "");
            }
        }
        Some(Fields {
            mapping,
            node: at.node,
            places: self.places,
        })
    }

    /// A mapping whatever its keys.
    pub(super) fn mapping(&mut self, at: At<'a>, what: &str) -> Option<&'a Mapping> {
        if let Value::Mapping(mapping) = at.value {
            return Some(mapping);
        }
        let message = format!("expected {what} as a mapping, found {}", kind_of(at.value));
        self.report(
            at.node,
            message,
            "write it as `key: value` lines, indented, or as { key: value }",
        );
        None
    }

    /// A mapping whose keys are names that the file gives.
    pub(super) fn entries(&mut self, at: At<'a>, what: &str) -> Vec<Entry<'a>> {
        let Some(mapping) = self.mapping(at, what) else {
            return Vec::new();
        };
        let mut entries = Vec::with_capacity(mapping.len());
        for (key, value) in mapping {
            let Some(name) = self.key_text(at.node, key) else {
                continue;
            };
            let node = self.places.child(at.node, name).unwrap_or(at.node);
            let key = self.places.key(at.node, name).unwrap_or(at.node);
            entries.push(Entry {
                name: name.to_owned(),
                key,
                at: At { value, node },
            });
        }
        entries
    }

    fn key_text(&mut self, parent: NodeId, key: &'a Value) -> Option<&'a str> {
        if let Value::String(text) = key {
            return Some(text);
        }
        let written = serde_yaml::to_string(key).unwrap_or_default();
        let node = self
            .places
            .key(parent, written.trim_end())
            .unwrap_or(parent);
        let message = format!(
            "a key must be text, and YAML reads this as {}",
            kind_of(key)
        );
        self.report(node, message, "put it in quotes");
        None
    }

    /// A list.
    pub(super) fn list(&mut self, at: At<'a>, what: &str) -> Option<Vec<At<'a>>> {
        let Value::Sequence(items) = at.value else {
            let message = format!("expected a list of {what}, found {}", kind_of(at.value));
            self.report(
                at.node,
                message,
                "write [one, two], or one to a line after `- `",
            );
            return None;
        };
        let places = self.places;
        let at_item = |(index, value)| At {
            value,
            node: places.item(at.node, index).unwrap_or(at.node),
        };
        Some(items.iter().enumerate().map(at_item).collect())
    }

    /// The name of something that the file declares elsewhere.
    pub(super) fn reference<T: From<String>>(
        &mut self,
        at: At<'a>,
        kind: &str,
        known: &IndexSet<String>,
    ) -> Option<T> {
        let word = self.text(at)?;
        if known.contains(&word) {
            return Some(T::from(word));
        }
        self.unknown(at.node, kind, &word, known.iter().map(String::as_str));
        None
    }

    /// Text of any content but `${…}`, which is replaced in steps alone.
    pub(super) fn text(&mut self, at: At<'a>) -> Option<String> {
        let text = self.raw_text(at)?;
        if text.contains("${") {
            let hint = "values are put in place of `${…}` in steps, and in `auth: password`";
            self.report(at.node, "`${…}` is not replaced here", hint);
            return None;
        }
        Some(text.to_owned())
    }

    /// Text as it stands.
    pub(super) fn raw_text(&mut self, at: At<'a>) -> Option<&'a str> {
        match at.value {
            Value::String(text) if text.trim().is_empty() => {
                self.report(at.node, "this text is empty", "");
                None
            }
            Value::String(text) => Some(text),
            other => {
                let message = format!("expected text, found {}", kind_of(other));
                let scalar = !matches!(other, Value::Null | Value::Sequence(_) | Value::Mapping(_));
                let hint = if scalar {
                    format!(
                        "put it in quotes: \"{}\"",
                        visible(self.places.source(at.node))
                    )
                } else {
                    String::new()
                };
                self.report(at.node, message, &hint);
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, at: At<'a>, what: &str, least: u64, most: u64) -> Option<u64> {
        if let Some(number) = at.value.as_u64().filter(|n| (least..=most).contains(n)) {
            return Some(number);
        }
        let found = match at.value {
            Value::Number(number) => format!("{number}"),
            other => kind_of(other).to_owned(),
        };
        let message = format!("{what} is a whole number from {least} to {most}, found {found}");
        self.report(at.node, message, "");
        None
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, at: At<'a>) -> Option<bool> {
        if let Value::Bool(flag) = at.value {
            return Some(*flag);
        }
        let message = format!("expected true or false, found {}", kind_of(at.value));
        self.report(at.node, message, "");
        None
    }

    /// A duration of more than nothing, such as `90s` or `1h 30m`.
    pub(super) fn duration(&mut self, at: At<'a>) -> Option<Duration> {
        let parsed = match at.value {
            Value::String(text) => values::parse_duration(text),
            Value::Number(number) => Err(format!("the number {number} has no unit")),
            other => Err(format!("expected a duration, found {}", kind_of(other))),
        };
        match parsed {
            Ok(duration) if !duration.is_zero() => return Some(duration),
            Ok(_) => self.report(
                at.node,
                "a duration of nothing",
                "write for example 30s, 5m or 4h",
            ),
            Err(message) => {
                self.report(
                    at.node,
                    message,
                    "write for example 30s, 5m, 4h, 90d or \"1h 30m\"",
                );
            }
        }
        None
    }

    /// One word of a fixed set.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        at: At<'a>,
        what: &str,
        words: &[(&str, T)],
        later: &[&str],
    ) -> Option<T> {
        let word = self.raw_text(at)?;
        if let Some((_, value)) = words.iter().find(|(known, _)| *known == word) {
            return Some(*value);
        }
        if later.contains(&word) {
            self.later(at.node, what, word);
        } else {
            self.unknown(at.node, what, word, words.iter().map(|(known, _)| *known));
        }
        None
    }
}

/// What a value is, for people.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        Value::Tagged(_) => "a tagged value",
    }
}

/// `did you mean lee-esx1?`, else the choices if they are few, else nothing.
pub(super) fn did_you_mean<'c>(word: &str, known: impl IntoIterator<Item = &'c str>) -> String {
    const LONGEST: usize = 64;
    const MOST: usize = 2_000;
    let known: Vec<&str> = known.into_iter().take(MOST).collect();
    if word.len() <= LONGEST {
        let lower = word.to_lowercase();
        let far = (word.chars().count() / 3).max(1);
        let nearest = known
            .iter()
            .filter(|candidate| candidate.len().abs_diff(word.len()) <= far)
            .map(|candidate| {
                (
                    strsim::osa_distance(&lower, &candidate.to_lowercase()),
                    *candidate,
                )
            })
            .filter(|(distance, _)| *distance <= far)
            .min_by_key(|(distance, _)| *distance);
        if let Some((_, candidate)) = nearest {
            return format!("did you mean `{candidate}`?");
        }
    }
    match known.as_slice() {
        [] => String::new(),
        [only] => format!("there is only `{only}`"),
        few if few.len() <= 14 => format!("there are: {}", few.join(", ")),
        _ => String::new(),
    }
}
