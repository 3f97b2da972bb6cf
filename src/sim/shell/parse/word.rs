//! Words: quotes, parameters, substitutions.

use super::{Parsed, Parser, SyntaxError, unexpected, unterminated};
use crate::sim::shell::ast::{Piece, Word};

impl Parser {
    /// A word up to an unquoted blank or operator.
    pub(super) fn word(&mut self) -> Parsed<Word> {
        let mut word = Word::new();
        let mut plain = String::new();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\'' => {
                    flush(&mut word, &mut plain, false);
                    self.at += 1;
                    let start = self.at;
                    while self.peek().is_some_and(|c| c != '\'') {
                        self.at += 1;
                    }
                    let text = self
                        .text
                        .get(start..self.at)
                        .unwrap_or_default()
                        .iter()
                        .collect();
                    if !self.eat("'") {
                        return Err(unterminated("quoted string"));
                    }
                    word.push(Piece::Text { text, quoted: true });
                }
                '"' => {
                    flush(&mut word, &mut plain, false);
                    self.at += 1;
                    let inner = self.double_quoted(Some('"'))?;
                    if inner.is_empty() {
                        word.push(Piece::Text {
                            text: String::new(),
                            quoted: true,
                        });
                    }
                    word.extend(inner);
                }
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => self.at += 1,
                        Some(escaped) => {
                            flush(&mut word, &mut plain, false);
                            word.push(Piece::Text {
                                text: escaped.to_string(),
                                quoted: true,
                            });
                            self.at += 1;
                        }
                        None => plain.push('\\'),
                    }
                }
                '$' | '`' => {
                    flush(&mut word, &mut plain, false);
                    match self.substitution(false)? {
                        Some(piece) => word.push(piece),
                        None => plain.push('$'),
                    }
                }
                _ => {
                    plain.push(c);
                    self.at += 1;
                }
            }
        }
        flush(&mut word, &mut plain, false);
        Ok(word)
    }

    /// Up to the closing quote, or to the end of a here-document.
    pub(super) fn double_quoted(&mut self, end: Option<char>) -> Parsed<Word> {
        let mut word = Word::new();
        let mut plain = String::new();
        loop {
            let Some(c) = self.peek() else {
                if end.is_some() {
                    return Err(unterminated("quoted string"));
                }
                break;
            };
            if Some(c) == end {
                self.at += 1;
                break;
            }
            match c {
                '\\' => {
                    let next = self.text.get(self.at + 1).copied();
                    match next {
                        Some('\n') => {}
                        Some(n @ ('$' | '`' | '\\')) => plain.push(n),
                        Some('"') if end.is_some() => plain.push('"'),
                        Some(n) => {
                            plain.push('\\');
                            plain.push(n);
                        }
                        None => plain.push('\\'),
                    }
                    self.at = (self.at + 2).min(self.text.len());
                }
                '$' | '`' => {
                    flush(&mut word, &mut plain, true);
                    match self.substitution(true)? {
                        Some(piece) => word.push(piece),
                        None => plain.push('$'),
                    }
                }
                _ => {
                    plain.push(c);
                    self.at += 1;
                }
            }
        }
        flush(&mut word, &mut plain, true);
        Ok(word)
    }

    /// What a `$` or backquote begins; `None` for a lone `$`.
    fn substitution(&mut self, quoted: bool) -> Parsed<Option<Piece>> {
        if self.eat("`") {
            let mut script = String::new();
            loop {
                match self.peek() {
                    None => return Err(unterminated("backquote")),
                    Some('`') => break,
                    Some('\\') if matches!(self.text.get(self.at + 1), Some('`' | '\\' | '$')) => {
                        script.extend(self.text.get(self.at + 1));
                        self.at += 2;
                    }
                    Some(c) => {
                        script.push(c);
                        self.at += 1;
                    }
                }
            }
            self.at += 1;
            let mut inner = Parser {
                text: script.chars().collect(),
                at: 0,
                pending: Vec::new(),
                depth: self.depth,
            };
            return Ok(Some(Piece::Command {
                list: inner.list(&[])?,
                quoted,
            }));
        }
        self.at += 1;
        if self.eat("((") {
            let mut inner = Parser {
                text: self.until_double_close()?,
                at: 0,
                pending: Vec::new(),
                depth: self.depth,
            };
            return Ok(Some(Piece::Arithmetic {
                expression: inner.double_quoted(None)?,
                quoted,
            }));
        }
        if self.eat("(") {
            let list = self.list(&[])?;
            if !self.eat(")") {
                return Err(unterminated("command substitution"));
            }
            return Ok(Some(Piece::Command { list, quoted }));
        }
        if self.eat("{") {
            return self.braced(quoted).map(Some);
        }
        if let Some(c) = self
            .peek()
            .filter(|c| c.is_ascii_digit() || "@*#?$!-".contains(*c))
        {
            self.at += 1;
            return Ok(Some(Piece::Parameter {
                name: c.to_string(),
                operation: None,
                quoted,
            }));
        }
        let name = self.name();
        if name.is_empty() {
            return Ok(None);
        }
        Ok(Some(Piece::Parameter {
            name,
            operation: None,
            quoted,
        }))
    }

    fn until_double_close(&mut self) -> Parsed<Vec<char>> {
        let mut depth = 0;
        let start = self.at;
        while let Some(c) = self.peek() {
            match c {
                '(' => depth += 1,
                ')' if depth == 0 => {
                    let text = self.text.get(start..self.at).unwrap_or_default().to_vec();
                    return if self.eat("))") {
                        Ok(text)
                    } else {
                        Err(unexpected(")"))
                    };
                }
                ')' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        Err(unterminated("arithmetic"))
    }

    fn braced(&mut self, quoted: bool) -> Parsed<Piece> {
        let length = self.starts("#") && !self.starts("#}");
        if length {
            self.at += 1;
        }
        let mut name = self.name();
        if name.is_empty() {
            while let Some(c) = self.peek().filter(char::is_ascii_digit) {
                name.push(c);
                self.at += 1;
            }
        }
        if name.is_empty() {
            name = self
                .peek()
                .filter(|c| "@*#?$!-".contains(*c))
                .map(String::from)
                .unwrap_or_default();
            self.at += name.len();
        }
        if name.is_empty() {
            return Err(SyntaxError("syntax error: bad substitution".to_owned()));
        }
        if length {
            return if self.eat("}") {
                Ok(Piece::Parameter {
                    name,
                    operation: Some(("length".into(), vec![])),
                    quoted,
                })
            } else {
                Err(SyntaxError("syntax error: bad substitution".to_owned()))
            };
        }
        if self.eat("}") {
            return Ok(Piece::Parameter {
                name,
                operation: None,
                quoted,
            });
        }
        let operation = [
            ":-", ":=", ":+", ":?", "##", "%%", "-", "=", "+", "?", "#", "%",
        ]
        .into_iter()
        .find(|op| self.eat(op));
        let Some(operation) = operation else {
            return Err(SyntaxError("syntax error: bad substitution".to_owned()));
        };
        let mut word = Word::new();
        let mut plain = String::new();
        loop {
            match self.peek() {
                None => return Err(unterminated("parameter")),
                Some('}') => break,
                Some('\'') if !quoted => {
                    flush(&mut word, &mut plain, quoted);
                    self.at += 1;
                    let start = self.at;
                    while self.peek().is_some_and(|c| c != '\'') {
                        self.at += 1;
                    }
                    let text = self
                        .text
                        .get(start..self.at)
                        .unwrap_or_default()
                        .iter()
                        .collect();
                    self.eat("'");
                    word.push(Piece::Text { text, quoted: true });
                }
                Some('"') => {
                    flush(&mut word, &mut plain, quoted);
                    self.at += 1;
                    word.extend(self.double_quoted(Some('"'))?);
                }
                Some('\\') => {
                    flush(&mut word, &mut plain, quoted);
                    let text = self
                        .text
                        .get(self.at + 1)
                        .map(char::to_string)
                        .unwrap_or_default();
                    word.push(Piece::Text { text, quoted: true });
                    self.at = (self.at + 2).min(self.text.len());
                }
                Some('$' | '`') => {
                    flush(&mut word, &mut plain, quoted);
                    match self.substitution(quoted)? {
                        Some(piece) => word.push(piece),
                        None => plain.push('$'),
                    }
                }
                Some(c) => {
                    plain.push(c);
                    self.at += 1;
                }
            }
        }
        flush(&mut word, &mut plain, quoted);
        self.at += 1;
        Ok(Piece::Parameter {
            name,
            operation: Some((operation.to_owned(), word)),
            quoted,
        })
    }
}

fn flush(word: &mut Word, plain: &mut String, quoted: bool) {
    if !plain.is_empty() {
        word.push(Piece::Text {
            text: std::mem::take(plain),
            quoted,
        });
    }
}
