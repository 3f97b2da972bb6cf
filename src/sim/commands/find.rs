//! `find`, the tests joined by "and".

use super::{Call, Halt, Outcome};
use crate::sim::shell::pattern::{active, fits};

enum Test {
    Name(String, bool),
    Path(String),
    Kind(char),
    Empty,
}

/// `find [paths] [-maxdepth N] [-mindepth N] [-name P] [-iname P] [-path P] [-type T] [-print]`
pub(super) fn find(call: &mut Call) -> Outcome {
    let mut paths = Vec::new();
    let mut tests: Vec<(bool, Test)> = Vec::new();
    let (mut deepest, mut shallowest) = (usize::MAX, 0);
    let mut end = '\n';
    let mut negated = false;
    let args = call.args.clone();
    let mut args = args.iter().peekable();
    while let Some(path) = args.next_if(|arg| !arg.starts_with('-') && *arg != "!") {
        paths.push(path.clone());
    }
    while let Some(arg) = args.next() {
        let mut value = || args.next().cloned().unwrap_or_default();
        let test = match arg.as_str() {
            "!" | "-not" => {
                negated = true;
                continue;
            }
            "-maxdepth" => {
                deepest = value().parse().unwrap_or(usize::MAX);
                continue;
            }
            "-mindepth" => {
                shallowest = value().parse().unwrap_or(0);
                continue;
            }
            "-print" | "-a" => continue,
            "-print0" => {
                end = '\0';
                continue;
            }
            "-name" => Test::Name(value(), false),
            "-iname" => Test::Name(value(), true),
            "-path" => Test::Path(value()),
            "-type" => Test::Kind(value().chars().next().unwrap_or('f')),
            "-empty" => Test::Empty,
            other => return Ok(call.fail(&format!("unrecognized: {other}"))),
        };
        tests.push((negated, test));
        negated = false;
    }
    if paths.is_empty() {
        paths.push(".".to_owned());
    }
    let search = Search {
        call,
        tests,
        deepest,
        shallowest,
        end,
    };
    let mut status = 0;
    for path in &paths {
        status |= search.visit(&call.path(path), path, 0)?;
    }
    Ok(status)
}

struct Search<'a> {
    call: &'a Call,
    tests: Vec<(bool, Test)>,
    deepest: usize,
    shallowest: usize,
    end: char,
}

impl Search<'_> {
    fn visit(&self, path: &str, shown: &str, depth: usize) -> Result<i32, Halt> {
        self.call.check()?;
        let meta = match self.call.host.vfs.metadata(path, false) {
            Ok(meta) => meta,
            Err(error) => return Ok(self.call.fail_on(shown, &error)),
        };
        let name = shown
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or(shown);
        let selected = self.tests.iter().all(|(negated, test)| {
            let hit = match test {
                Test::Name(pattern, false) => matches(pattern, name),
                Test::Name(pattern, true) => matches(&pattern.to_lowercase(), &name.to_lowercase()),
                Test::Path(pattern) => matches(pattern, shown),
                Test::Kind('d') => meta.is_dir(),
                Test::Kind('l') => meta.is_symlink(),
                Test::Kind(_) => meta.is_file(),
                Test::Empty => meta.is_file() && meta.len() == 0,
            };
            hit != *negated
        });
        if selected && depth >= self.shallowest {
            self.call.out(&format!("{shown}{}", self.end))?;
        }
        let mut status = 0;
        if meta.is_dir() && depth < self.deepest {
            for name in self.call.host.vfs.names(path).unwrap_or_default() {
                let label = format!("{}/{name}", shown.trim_end_matches('/'));
                status |= self.visit(&format!("{path}/{name}"), &label, depth + 1)?;
            }
        }
        Ok(status)
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    fits(&active(pattern), &text.chars().collect::<Vec<_>>())
}
