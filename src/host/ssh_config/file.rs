//! From files to lines: words, quotes, comments, `Include`.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::host::sanitise::visible;

/// As OpenSSH has it.
const MAX_DEPTH: usize = 16;
/// More than any person's configuration; what is beyond is said, not read.
const MAX_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 256;

/// One line with something in it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// In lower case.
    pub(super) keyword: String,
    pub(super) words: Vec<String>,
    /// `~/.ssh/config:12`.
    pub(super) at: String,
    /// The files of an `Include`.
    pub(super) included: Vec<Vec<Line>>,
}

pub(super) struct Reader<'a> {
    home: &'a Path,
    folder: &'a Path,
    problems: &'a mut Vec<String>,
    files: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(home: &'a Path, folder: &'a Path, problems: &'a mut Vec<String>) -> Self {
        Self {
            home,
            folder,
            problems,
            files: 0,
        }
    }

    /// The lines of a file; none, and a problem, where it cannot be read.
    pub(super) fn read(&mut self, path: &Path, depth: usize) -> Vec<Line> {
        let shown = shown(path, self.home);
        self.files += 1;
        if depth > MAX_DEPTH || self.files > MAX_FILES {
            self.problem(format!("{shown}: not read, too many files are included"));
            return Vec::new();
        }
        let text = match read_text(path) {
            Ok(Some(text)) => text,
            Ok(None) => return Vec::new(),
            Err(why) => {
                self.problem(format!("{shown}: not read, {why}"));
                return Vec::new();
            }
        };
        let mut lines = Vec::new();
        for (number, text) in text.lines().enumerate() {
            let at = format!("{shown}:{}", number + 1);
            let Some((keyword, words)) = split(text) else {
                continue;
            };
            let Some(words) = words else {
                self.problem(format!("{at}: not read, a quote is not closed"));
                continue;
            };
            let included = if keyword == "include" {
                self.include(&words, depth)
            } else {
                Vec::new()
            };
            lines.push(Line {
                keyword,
                words,
                at,
                included,
            });
        }
        lines
    }

    fn include(&mut self, patterns: &[String], depth: usize) -> Vec<Vec<Line>> {
        let mut files = Vec::new();
        for pattern in patterns {
            let path = match pattern.strip_prefix("~/") {
                Some(rest) => self.home.join(rest),
                None => self.folder.join(pattern),
            };
            for path in matching(&path) {
                files.push(self.read(&path, depth + 1));
            }
        }
        files
    }

    fn problem(&mut self, text: String) {
        if !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }
}

/// `None` where there is no such file.
fn read_text(path: &Path) -> Result<Option<String>, String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let about = file.metadata().map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is not a file".to_owned());
    }
    // Whoever can write it decides where logins go; OpenSSH refuses it as well.
    if about.mode() & 0o022 != 0 {
        return Err("others may write to it (chmod go-w)".to_owned());
    }
    if about.len() > MAX_BYTES {
        return Err("it is larger than 1 MiB".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// `~/.ssh/config` for a file in the operator's home.
fn shown(path: &Path, home: &Path) -> String {
    let text = match path.strip_prefix(home) {
        Ok(rest) if home != Path::new("") => format!("~/{}", rest.display()),
        _ => path.display().to_string(),
    };
    visible(&text)
}

/// The files that a path with `*` and `?` names, in order.
fn matching(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        found = found
            .iter()
            .flat_map(|folder| {
                let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .filter(|entry| {
                        let file = entry.file_name().to_string_lossy().into_owned();
                        let hidden = file.starts_with('.') && !name.starts_with('.');
                        !hidden && super::lookup::matches_pattern(&name, &file)
                    })
                    .map(|entry| entry.path())
                    .collect();
                names.sort();
                names
            })
            .take(MAX_FILES)
            .collect();
    }
    found
}

/// Keyword and words of a line; `None` for one that says nothing, no words for one whose quotes are
/// not closed.
fn split(line: &str) -> Option<(String, Option<Vec<String>>)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Some((
        keyword.trim_matches('"').to_ascii_lowercase(),
        words(rest.trim()),
    ))
}

/// Words as OpenSSH splits them: quotes of both kinds, `\` before a quote, a space or itself, and
/// a comment at the end.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\\', _)
                if rest.peek().is_some_and(|next| {
                    matches!(next, '"' | '\'' | '\\') || (*next == ' ' && quote.is_none())
                }) =>
            {
                word.get_or_insert_default().extend(rest.next());
            }
            (_, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (_, None) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
