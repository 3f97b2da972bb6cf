//! Text to a tree of commands.

use std::sync::{Arc, OnceLock};

use super::ast::{Command, Item, Kind, List, Piece, Pipeline, Redirection, Target, Word};

/// What does not parse; its text is what ash says.
#[derive(Debug, PartialEq)]
pub(crate) struct SyntaxError(pub(crate) String);

type Parsed<T> = Result<T, SyntaxError>;

/// A here-document whose lines are still to come.
struct Pending {
    delimiter: String,
    verbatim: bool,
    strip_tabs: bool,
    text: Arc<OnceLock<Word>>,
}

mod word;

struct Parser {
    text: Vec<char>,
    at: usize,
    pending: Vec<Pending>,
    depth: usize,
}

const RESERVED: [&str; 13] = [
    "then", "else", "elif", "fi", "do", "done", "esac", "}", "in", "if", "while", "until", "for",
];
const MAX_DEPTH: usize = 60;

/// Parses a whole script.
///
/// # Errors
/// The first thing that does not parse.
pub(crate) fn parse(script: &str) -> Parsed<List> {
    let mut parser = Parser {
        text: script.chars().collect(),
        at: 0,
        pending: Vec::new(),
        depth: 0,
    };
    let list = parser.list(&[])?;
    match parser.peek() {
        None => Ok(list),
        Some(found) => Err(unexpected(&found.to_string())),
    }
}

fn unexpected(found: &str) -> SyntaxError {
    SyntaxError(format!("syntax error: unexpected \"{found}\""))
}

fn unterminated(what: &str) -> SyntaxError {
    SyntaxError(format!("syntax error: unterminated {what}"))
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn starts(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(i, c)| self.text.get(self.at + i) == Some(&c))
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.starts(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('\\') if self.text.get(self.at + 1) == Some(&'\n') => self.at += 2,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Blanks, newlines and comments; a newline brings the pending here-documents.
    fn gap(&mut self) -> Parsed<()> {
        loop {
            self.blanks();
            if self.peek() != Some('\n') {
                return Ok(());
            }
            self.newline()?;
        }
    }

    fn newline(&mut self) -> Parsed<()> {
        self.at += 1;
        for pending in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            loop {
                if self.at >= self.text.len() {
                    break;
                }
                let end = (self.at..self.text.len())
                    .find(|i| self.text.get(*i) == Some(&'\n'))
                    .unwrap_or(self.text.len());
                let line: String = self
                    .text
                    .get(self.at..end)
                    .unwrap_or_default()
                    .iter()
                    .collect();
                self.at = (end + 1).min(self.text.len());
                let line = if pending.strip_tabs {
                    line.trim_start_matches('\t').to_owned()
                } else {
                    line
                };
                if line == pending.delimiter {
                    break;
                }
                body.push_str(&line);
                body.push('\n');
            }
            let word = if pending.verbatim {
                vec![Piece::Text {
                    text: body,
                    quoted: true,
                }]
            } else {
                let mut inner = Parser {
                    text: body.chars().collect(),
                    at: 0,
                    pending: Vec::new(),
                    depth: self.depth + 1,
                };
                inner.double_quoted(None)?
            };
            let _ = pending.text.set(word);
        }
        Ok(())
    }

    /// The reserved word that stands here, if one does.
    fn reserved(&self) -> Option<&'static str> {
        RESERVED
            .iter()
            .copied()
            .chain(["case", "{", "!"])
            .find(|word| {
                self.starts(word)
                    && self
                        .text
                        .get(self.at + word.chars().count())
                        .is_none_or(|c| {
                            matches!(
                                c,
                                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>'
                            )
                        })
            })
    }

    fn list(&mut self, stop: &[&str]) -> Parsed<List> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SyntaxError("syntax error: nested too deeply".to_owned()));
        }
        let mut items = List::new();
        loop {
            self.gap()?;
            match self.peek() {
                None | Some(')') => break,
                Some(';') if self.starts(";;") => break,
                _ => {}
            }
            if let Some(word) = self.reserved() {
                if stop.contains(&word) {
                    break;
                }
                if RESERVED.get(..8).is_some_and(|list| list.contains(&word)) {
                    return Err(unexpected(word));
                }
            }
            let mut item = self.and_or()?;
            self.blanks();
            match self.peek() {
                Some('&') => {
                    self.at += 1;
                    item.background = true;
                }
                Some(';') if !self.starts(";;") => self.at += 1,
                _ => {}
            }
            items.push(item);
            self.blanks();
            match self.peek() {
                None | Some('\n' | ')' | ';') => {}
                _ => continue,
            }
        }
        self.depth -= 1;
        Ok(items)
    }

    fn and_or(&mut self) -> Parsed<Item> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let and = if self.eat("&&") {
                true
            } else if self.eat("||") {
                false
            } else {
                return Ok(Item {
                    first,
                    rest,
                    background: false,
                });
            };
            self.gap()?;
            rest.push((and, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        self.blanks();
        let negated = self.reserved() == Some("!");
        if negated {
            self.at += 1;
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            if self.starts("||") || !self.eat("|") {
                return Ok(Pipeline { negated, commands });
            }
            self.gap()?;
            commands.push(self.command()?);
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        self.blanks();
        let kind = match self.reserved() {
            Some("if") => self.if_clause()?,
            Some("while") => self.loop_clause(true)?,
            Some("until") => self.loop_clause(false)?,
            Some("for") => self.for_clause()?,
            Some("case") => self.case_clause()?,
            Some("{") => {
                self.at += 1;
                let list = self.list(&["}"])?;
                self.word_here("}")?;
                Kind::Group(list)
            }
            _ if self.peek() == Some('(') => {
                self.at += 1;
                let list = self.list(&[])?;
                if !self.eat(")") {
                    return Err(unterminated("subshell"));
                }
                Kind::Subshell(list)
            }
            _ => return self.simple(),
        };
        let mut redirections = Vec::new();
        while let Some(redirection) = self.redirection()? {
            redirections.push(redirection);
        }
        Ok(Command { kind, redirections })
    }

    fn word_here(&mut self, word: &'static str) -> Parsed<()> {
        self.gap()?;
        if self.reserved() == Some(word) {
            self.at += word.chars().count();
            return Ok(());
        }
        match self.peek() {
            None => Err(SyntaxError(format!(
                "syntax error: unexpected end of file (expecting \"{word}\")"
            ))),
            Some(c) => Err(SyntaxError(format!(
                "syntax error: unexpected \"{c}\" (expecting \"{word}\")"
            ))),
        }
    }

    fn if_clause(&mut self) -> Parsed<Kind> {
        self.word_here("if")?;
        let mut branches = Vec::new();
        loop {
            let condition = self.list(&["then"])?;
            self.word_here("then")?;
            branches.push((condition, self.list(&["elif", "else", "fi"])?));
            match self.reserved() {
                Some("elif") => self.at += 4,
                Some("else") => {
                    self.at += 4;
                    let otherwise = self.list(&["fi"])?;
                    self.word_here("fi")?;
                    return Ok(Kind::If(branches, otherwise));
                }
                _ => {
                    self.word_here("fi")?;
                    return Ok(Kind::If(branches, List::new()));
                }
            }
        }
    }

    fn loop_clause(&mut self, wanted: bool) -> Parsed<Kind> {
        self.at += 5;
        let condition = self.list(&["do"])?;
        self.word_here("do")?;
        let body = self.list(&["done"])?;
        self.word_here("done")?;
        Ok(Kind::Loop(wanted, condition, body))
    }

    fn for_clause(&mut self) -> Parsed<Kind> {
        self.at += 3;
        self.blanks();
        let name = self.name();
        if name.is_empty() {
            return Err(unexpected("for"));
        }
        self.gap()?;
        let mut words = None;
        if self.reserved() == Some("in") {
            self.at += 2;
            let mut list = Vec::new();
            loop {
                self.blanks();
                match self.peek() {
                    None | Some('\n' | ';') => break,
                    _ => list.push(self.word()?),
                }
            }
            words = Some(list);
        }
        self.blanks();
        self.eat(";");
        self.word_here("do")?;
        let body = self.list(&["done"])?;
        self.word_here("done")?;
        Ok(Kind::For(name, words, body))
    }

    fn case_clause(&mut self) -> Parsed<Kind> {
        self.at += 4;
        self.blanks();
        let subject = self.word()?;
        self.word_here("in")?;
        let mut arms = Vec::new();
        loop {
            self.gap()?;
            if self.reserved() == Some("esac") {
                self.at += 4;
                return Ok(Kind::Case(subject, arms));
            }
            if self.peek().is_none() {
                return Err(unterminated("case"));
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.word()?);
                self.blanks();
                if !self.eat("|") {
                    break;
                }
            }
            if !self.eat(")") {
                return Err(unterminated("case pattern"));
            }
            let body = self.list(&["esac"])?;
            arms.push((patterns, body));
            self.eat(";;");
        }
    }

    fn simple(&mut self) -> Parsed<Command> {
        let mut assignments = Vec::new();
        let mut words = Vec::new();
        let mut redirections = Vec::new();
        loop {
            self.blanks();
            if let Some(redirection) = self.redirection()? {
                redirections.push(redirection);
                continue;
            }
            match self.peek() {
                None | Some('\n' | ';' | '&' | '|' | ')') => break,
                Some('(') => return Err(unexpected("(")),
                _ => {}
            }
            let start = self.at;
            let name = self.name();
            if words.is_empty() && !name.is_empty() && self.peek() == Some('=') {
                self.at += 1;
                assignments.push((name, self.word()?));
            } else {
                self.at = start;
                words.push(self.word()?);
            }
        }
        if assignments.is_empty() && words.is_empty() && redirections.is_empty() {
            return Err(match self.peek() {
                None => SyntaxError("syntax error: unexpected end of file".to_owned()),
                Some(found) => unexpected(&found.to_string()),
            });
        }
        Ok(Command {
            kind: Kind::Simple { assignments, words },
            redirections,
        })
    }

    fn redirection(&mut self) -> Parsed<Option<Redirection>> {
        self.blanks();
        let digit = self.peek().and_then(|c| c.to_digit(10));
        let next = self.text.get(self.at + 1).copied();
        let explicit = digit.filter(|_| matches!(next, Some('<' | '>')));
        let sign = if explicit.is_some() {
            next
        } else {
            self.peek()
        };
        if !matches!(sign, Some('<' | '>')) {
            return Ok(None);
        }
        if explicit.is_some() {
            self.at += 1;
        }
        let target: fn(Word) -> Target;
        let default;
        if self.eat("<<") {
            let strip_tabs = self.eat("-");
            self.blanks();
            let word = self.word()?;
            if word.is_empty() {
                return Err(SyntaxError(
                    "syntax error: unexpected redirection".to_owned(),
                ));
            }
            let verbatim = word
                .iter()
                .any(|p| matches!(p, Piece::Text { quoted: true, .. }));
            let delimiter = word
                .iter()
                .map(|p| {
                    if let Piece::Text { text, .. } = p {
                        text.as_str()
                    } else {
                        ""
                    }
                })
                .collect();
            let text = Arc::new(OnceLock::new());
            self.pending.push(Pending {
                delimiter,
                verbatim,
                strip_tabs,
                text: Arc::clone(&text),
            });
            return Ok(Some(Redirection {
                fd: explicit.unwrap_or(0),
                target: Target::Here(text),
            }));
        } else if self.eat("<&") {
            (target, default) = (Target::Same, 0);
        } else if self.eat("<") {
            (target, default) = (Target::Read, 0);
        } else if self.eat(">>") {
            (target, default) = (Target::Append, 1);
        } else if self.eat(">&") {
            (target, default) = (Target::Same, 1);
        } else if self.eat(">|") || self.eat(">") {
            (target, default) = (Target::Write, 1);
        } else {
            return Ok(None);
        }
        self.blanks();
        let word = self.word()?;
        if word.is_empty() {
            return Err(SyntaxError(
                "syntax error: unexpected redirection".to_owned(),
            ));
        }
        Ok(Some(Redirection {
            fd: explicit.unwrap_or(default),
            target: target(word),
        }))
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if c == '_' || c.is_ascii_alphabetic() || (!name.is_empty() && c.is_ascii_digit()) {
                name.push(c);
                self.at += 1;
            } else {
                break;
            }
        }
        name
    }
}
