//! Words to fields: parameters, substitutions, splitting, patterns.

use std::sync::{Arc, Mutex, PoisonError};

use super::ast::{List, Piece, Word};
use super::pattern::{self, Marked};
use super::{Flow, Shell, arithmetic};
use crate::sim::stdio::Sink;
use crate::sim::vfs::absolute;

/// How much a command substitution may hold.
const MAX_CAPTURE: usize = 64 << 20;

/// A field under construction: its characters, and whether anything (even an empty quoted string)
/// makes it a field.
#[derive(Default)]
struct Field {
    marks: Vec<Marked>,
    real: bool,
}

impl Shell {
    /// Expands words to fields, with splitting and patterns.
    ///
    /// # Errors
    /// [`Flow`] from a substitution, or `Exit` for `${name:?}`.
    pub(super) fn fields(&mut self, words: &[Word]) -> Result<Vec<String>, Flow> {
        let mut all = Vec::new();
        for word in words {
            for field in self.split_word(word)? {
                self.glob(&field, &mut all);
            }
        }
        Ok(all)
    }

    /// Expands a word to one string, without splitting.
    ///
    /// # Errors
    /// As [`Self::fields`].
    pub(super) fn string(&mut self, word: &Word) -> Result<String, Flow> {
        Ok(self.marked(word)?.into_iter().map(|(c, _)| c).collect())
    }

    /// Expands a word to a pattern, quoted characters marked.
    ///
    /// # Errors
    /// As [`Self::fields`].
    pub(super) fn marked(&mut self, word: &Word) -> Result<Vec<Marked>, Flow> {
        let mut marks = Vec::new();
        for piece in word {
            let (text, quoted) = match piece {
                Piece::Text { text, quoted } => (text.clone(), *quoted),
                Piece::Parameter {
                    name,
                    operation,
                    quoted,
                } => (
                    self.parameter(name, operation.as_ref())?
                        .unwrap_or_default(),
                    *quoted,
                ),
                Piece::Command { list, quoted } => (self.capture(list)?, *quoted),
                Piece::Arithmetic { expression, quoted } => (self.arithmetic(expression)?, *quoted),
            };
            marks.extend(text.chars().map(|c| (c, quoted)));
        }
        Ok(marks)
    }

    fn split_word(&mut self, word: &Word) -> Result<Vec<Vec<Marked>>, Flow> {
        let mut fields = Vec::new();
        let mut field = Field::default();
        for (index, piece) in word.iter().enumerate() {
            match piece {
                Piece::Text { text, quoted } => {
                    let text = if index == 0 && !quoted {
                        self.tilde(text)
                    } else {
                        text.clone()
                    };
                    field.real |= *quoted || !text.is_empty();
                    field.marks.extend(text.chars().map(|c| (c, *quoted)));
                }
                Piece::Parameter {
                    name,
                    operation: None,
                    quoted: true,
                } if name == "@" => {
                    for (i, arg) in self.args.clone().iter().enumerate() {
                        if i > 0 {
                            fields.push(std::mem::take(&mut field).marks);
                        }
                        field.real = true;
                        field.marks.extend(arg.chars().map(|c| (c, true)));
                    }
                }
                Piece::Parameter {
                    name,
                    operation: None,
                    quoted: false,
                } if name == "@" || name == "*" => {
                    for (i, arg) in self.args.clone().iter().enumerate() {
                        if i > 0 {
                            finish(&mut field, &mut fields);
                        }
                        self.split_text(arg, &mut field, &mut fields);
                    }
                }
                Piece::Parameter { quoted: true, .. }
                | Piece::Command { quoted: true, .. }
                | Piece::Arithmetic { quoted: true, .. } => {
                    field.real = true;
                    field.marks.extend(self.marked(&vec![piece.clone()])?);
                }
                _ => {
                    let marks = self.marked(&vec![piece.clone()])?;
                    if marks.iter().any(|(_, quoted)| *quoted) {
                        field.real = true;
                        field.marks.extend(marks);
                    } else {
                        let text: String = marks.into_iter().map(|(c, _)| c).collect();
                        self.split_text(&text, &mut field, &mut fields);
                    }
                }
            }
        }
        finish(&mut field, &mut fields);
        Ok(fields)
    }

    fn split_text(&self, text: &str, field: &mut Field, fields: &mut Vec<Vec<Marked>>) {
        let separators = self.variables.get("IFS").map_or(" \t\n", String::as_str);
        let mut in_gap = false;
        for c in text.chars() {
            if separators.contains(c) {
                if !c.is_whitespace() && (in_gap || !field.real) {
                    field.real = true;
                }
                finish(field, fields);
                in_gap = !c.is_whitespace();
            } else {
                in_gap = false;
                field.real = true;
                field.marks.push((c, false));
            }
        }
    }

    fn tilde(&self, text: &str) -> String {
        match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                format!(
                    "{}{rest}",
                    self.variables.get("HOME").map_or("/", String::as_str)
                )
            }
            _ => text.to_owned(),
        }
    }

    /// The value of a parameter; `None` where it is not set.
    fn value(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.status.to_string()),
            "$" => Some(self.process.pid.to_string()),
            "#" => Some(self.args.len().to_string()),
            "!" => self.last_background.map(|pid| pid.to_string()),
            "-" => Some(if self.stop_on_error { "e" } else { "" }.to_owned()),
            "@" | "*" => (!self.args.is_empty()).then(|| self.args.join(" ")),
            "0" => Some(self.name.clone()),
            _ => match name.parse::<usize>() {
                Ok(index) => self.args.get(index.wrapping_sub(1)).cloned(),
                Err(_) => self.variables.get(name).cloned(),
            },
        }
    }

    fn parameter(
        &mut self,
        name: &str,
        operation: Option<&(String, Word)>,
    ) -> Result<Option<String>, Flow> {
        let value = self.value(name);
        let Some((operation, word)) = operation else {
            return Ok(value);
        };
        let colon = operation.starts_with(':');
        let given = value.clone().filter(|value| !(colon && value.is_empty()));
        match operation.trim_start_matches(':') {
            "length" => Ok(Some(value.unwrap_or_default().chars().count().to_string())),
            "-" => match given {
                Some(value) => Ok(Some(value)),
                None => self.string(word).map(Some),
            },
            "=" => match given {
                Some(value) => Ok(Some(value)),
                None => {
                    let value = self.string(word)?;
                    self.variables.insert(name.to_owned(), value.clone());
                    Ok(Some(value))
                }
            },
            "+" => match given {
                Some(_) => self.string(word).map(Some),
                None => Ok(None),
            },
            "?" => match given {
                Some(value) => Ok(Some(value)),
                None => {
                    let text = self.string(word)?;
                    let text = if text.is_empty() {
                        "parameter not set".to_owned()
                    } else {
                        text
                    };
                    self.complain(&format!("{}: {name}: {text}\n", self.name));
                    Err(Flow::Exit(2))
                }
            },
            cut => {
                let pattern = self.marked(word)?;
                let value = value.unwrap_or_default();
                let (suffix, longest) = (cut.starts_with('%'), cut.len() == 2);
                Ok(Some(pattern::trim(&value, &pattern, suffix, longest)))
            }
        }
    }

    fn capture(&mut self, list: &List) -> Result<String, Flow> {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let mut inner = self.nested()?;
        inner.stdio.stdout = Sink::Capture(Arc::clone(&buffer));
        self.status = inner.run_apart(list)?;
        self.substituted = Some(self.status);
        drop(inner);
        let mut bytes = std::mem::take(&mut *buffer.lock().unwrap_or_else(PoisonError::into_inner));
        bytes.truncate(MAX_CAPTURE);
        while bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn arithmetic(&mut self, expression: &Word) -> Result<String, Flow> {
        let text = self.string(expression)?;
        let variable = |name: &str| self.value(name).unwrap_or_default();
        match arithmetic::evaluate(&text, &variable) {
            Ok(value) => Ok(value.to_string()),
            Err(message) => {
                self.complain(&format!("{}: {message}\n", self.name));
                Err(Flow::Exit(2))
            }
        }
    }

    /// Appends the paths that fit, or the word itself where none does.
    fn glob(&self, field: &[Marked], all: &mut Vec<String>) {
        let plain: String = field.iter().map(|(c, _)| c).collect();
        if !pattern::is_pattern(field) {
            all.push(plain);
            return;
        }
        let rooted = plain.starts_with('/');
        let mut found = vec![if rooted {
            "/".to_owned()
        } else {
            String::new()
        }];
        let parts: Vec<&[Marked]> = field
            .split(|(c, _)| *c == '/')
            .filter(|part| !part.is_empty())
            .collect();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            let mut next = Vec::new();
            for base in &found {
                self.glob_part(base, part, last, &mut next);
            }
            found = next;
        }
        if found.is_empty() {
            all.push(plain);
        } else {
            all.extend(found);
        }
    }

    fn glob_part(&self, base: &str, part: &[Marked], last: bool, next: &mut Vec<String>) {
        let joined = |name: &str| {
            if base.is_empty() || base.ends_with('/') {
                format!("{base}{name}")
            } else {
                format!("{base}/{name}")
            }
        };
        let literal: String = part.iter().map(|(c, _)| c).collect();
        if !pattern::is_pattern(part) {
            let path = joined(&literal);
            if self
                .host
                .vfs
                .metadata(&absolute(&self.folder, &path), false)
                .is_ok()
            {
                next.push(path);
            }
            return;
        }
        let names = self
            .host
            .vfs
            .names(&absolute(&self.folder, base))
            .unwrap_or_default();
        for name in names {
            let text: Vec<char> = name.chars().collect();
            if (!name.starts_with('.') || literal.starts_with('.')) && pattern::fits(part, &text) {
                let path = joined(&name);
                let inside = absolute(&self.folder, &path);
                if last
                    || self
                        .host
                        .vfs
                        .metadata(&inside, true)
                        .is_ok_and(|meta| meta.is_dir())
                {
                    next.push(path);
                }
            }
        }
    }
}

fn finish(field: &mut Field, fields: &mut Vec<Vec<Marked>>) {
    let done = std::mem::take(field);
    if done.real {
        fields.push(done.marks);
    }
}
