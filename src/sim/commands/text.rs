//! Programs on lines: `cat`, `head`, `tail`, `wc`, `sort`, `uniq`, `cut`, `tr`, `tee`.

use std::io::{Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Call, Halt, Outcome, or_stdin};
use crate::sim::stdio::{OutFile, Sink, Source};
use crate::sim::vfs::WriteMode;

/// `cat [files]`
pub(super) fn cat(call: &mut Call) -> Outcome {
    let options = match call.options("u", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let files = options.files();
    let mut status = 0;
    let mut buffer = vec![0; 128 << 10];
    for file in &files {
        let source = match call.source(file) {
            Ok(source) => source,
            Err(error) => {
                status = call.fail(&format!(
                    "can't open '{file}': {}",
                    crate::sim::vfs::reason(&error)
                ));
                continue;
            }
        };
        loop {
            let count = call.read_from(&source, &mut buffer)?;
            if count == 0 {
                break;
            }
            call.out_bytes(buffer.get(..count).unwrap_or_default())?;
        }
    }
    Ok(status)
}

/// A count option: `-n 5`, `-n5`, `-5`, `-c 5`, and for `tail` also `+5`.
fn counted(call: &Call) -> Result<(char, String, Vec<String>), i32> {
    let mut kind = 'n';
    let mut count = "10".to_owned();
    let mut files = Vec::new();
    let mut args = call.args.iter();
    while let Some(arg) = args.next() {
        match arg.strip_prefix('-') {
            Some("q") => {}
            Some(rest) if rest.starts_with(['n', 'c']) => {
                kind = rest.chars().next().unwrap_or('n');
                let value = rest.get(1..).unwrap_or_default();
                count = if value.is_empty() {
                    args.next().cloned().unwrap_or_default()
                } else {
                    value.to_owned()
                };
            }
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => count = rest.to_owned(),
            Some(rest) if !rest.is_empty() => {
                return Err(call.fail(&format!("invalid option -- '{rest}'")));
            }
            _ => files.push(arg.clone()),
        }
    }
    if count.trim_start_matches(['+', '-']).parse::<u64>().is_err() {
        return Err(call.fail(&format!("invalid number '{count}'")));
    }
    Ok((kind, count, or_stdin(files)))
}

/// `head [-n N | -c N] [files]`
pub(super) fn head(call: &mut Call) -> Outcome {
    let (kind, count, files) = match counted(call) {
        Ok(parsed) => parsed,
        Err(status) => return Ok(status),
    };
    let count: usize = count.parse().unwrap_or(10);
    let many = files.len() > 1;
    let mut status = 0;
    for file in &files {
        let source = match call.source(file) {
            Ok(source) => source,
            Err(error) => {
                status = call.fail_on(file, &error);
                continue;
            }
        };
        if many {
            call.out(&format!("==> {file} <==\n"))?;
        }
        let mut left = count;
        let mut buffer = vec![0; 8 << 10];
        while left > 0 {
            let most = if kind == 'c' {
                left.min(buffer.len())
            } else {
                buffer.len()
            };
            let read = call.read_from(&source, buffer.get_mut(..most).unwrap_or_default())?;
            if read == 0 {
                break;
            }
            let chunk = buffer.get(..read).unwrap_or_default();
            let keep = if kind == 'c' {
                left -= read;
                read
            } else {
                let mut end = read;
                for (i, byte) in chunk.iter().enumerate() {
                    if *byte == b'\n' {
                        left -= 1;
                        if left == 0 {
                            end = i + 1;
                            break;
                        }
                    }
                }
                end
            };
            call.out_bytes(chunk.get(..keep).unwrap_or_default())?;
        }
    }
    Ok(status)
}

/// `tail [-n N | -n +N | -c N] [files]`
pub(super) fn tail(call: &mut Call) -> Outcome {
    let (kind, count, files) = match counted(call) {
        Ok(parsed) => parsed,
        Err(status) => return Ok(status),
    };
    let number: usize = count.trim_start_matches(['+', '-']).parse().unwrap_or(10);
    let mut status = 0;
    for file in &files {
        let source = match call.source(file) {
            Ok(source) => source,
            Err(error) => {
                status = call.fail_on(file, &error);
                continue;
            }
        };
        if let (Source::File(file), 'c', false) = (&source, kind, count.starts_with('+')) {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let length = file.metadata().map(|meta| meta.len()).unwrap_or(0);
            let _ = file.seek(SeekFrom::Start(length.saturating_sub(number as u64)));
        }
        if kind == 'c' && count.starts_with('+') {
            pass_on(call, &source, number.saturating_sub(1))?;
            continue;
        }
        let bytes = call.read_all(&source)?;
        let start = match (kind, count.starts_with('+')) {
            ('c', _) => bytes.len().saturating_sub(number),
            (_, true) => line_starts(&bytes)
                .nth(number.saturating_sub(1))
                .unwrap_or(bytes.len()),
            (_, false) => {
                let starts: Vec<usize> = line_starts(&bytes).collect();
                starts
                    .get(starts.len().saturating_sub(number))
                    .copied()
                    .unwrap_or(bytes.len())
            }
        };
        call.out_bytes(bytes.get(start..).unwrap_or_default())?;
    }
    Ok(status)
}

/// Everything behind the first `skip` bytes, however much it is.
fn pass_on(call: &Call, source: &Source, mut skip: usize) -> Result<(), Halt> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = call.read_from(source, &mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let dropped = skip.min(count);
        skip -= dropped;
        call.out_bytes(buffer.get(dropped..count).unwrap_or_default())?;
    }
}

fn line_starts(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let after = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(i, _)| i + 1);
    std::iter::once(0)
        .chain(after)
        .filter(|start| *start < bytes.len())
}

/// `wc [-lwc] [files]`
pub(super) fn wc(call: &mut Call) -> Outcome {
    let options = match call.options("lwc", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let chosen: Vec<char> = "lwc"
        .chars()
        .filter(|letter| options.has(*letter))
        .collect();
    let shown = if chosen.is_empty() {
        vec!['l', 'w', 'c']
    } else {
        chosen
    };
    let (texts, status) = call.texts(&options.operands)?;
    for (name, bytes) in texts {
        let mut parts = Vec::new();
        for kind in &shown {
            let value = match kind {
                'l' => bytes.iter().filter(|byte| **byte == b'\n').count(),
                'w' => String::from_utf8_lossy(&bytes).split_whitespace().count(),
                _ => bytes.len(),
            };
            parts.push(if shown.len() == 1 {
                value.to_string()
            } else {
                format!("{value:>9}")
            });
        }
        let name = if options.operands.is_empty() {
            String::new()
        } else {
            format!(" {name}")
        };
        call.out(&format!("{}{name}\n", parts.join(" ")))?;
    }
    Ok(status)
}

fn lines(texts: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (_, bytes) in texts {
        lines.extend(String::from_utf8_lossy(bytes).lines().map(str::to_owned));
    }
    lines
}

/// `sort [-rnu] [-k N] [-t C] [files]`
pub(super) fn sort(call: &mut Call) -> Outcome {
    let options = match call.options("rnu", "kt") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let (texts, status) = call.texts(&options.operands)?;
    let mut lines = lines(&texts);
    let column: usize = options
        .value('k')
        .and_then(|k| k.split([',', '.', 'n', 'r']).next()?.parse().ok())
        .unwrap_or(0);
    let separator = options.value('t').and_then(|t| t.chars().next());
    let numeric = options.has('n') || options.value('k').is_some_and(|k| k.contains('n'));
    let key = |line: &String| -> String {
        if column == 0 {
            return line.clone();
        }
        let fields: Vec<&str> = match separator {
            Some(c) => line.split(c).collect(),
            None => line.split_whitespace().collect(),
        };
        fields
            .get(column - 1..)
            .map(|rest| rest.join(" "))
            .unwrap_or_default()
    };
    lines.sort_by(|a, b| {
        let (left, right) = (key(a), key(b));
        if numeric {
            number(&left).total_cmp(&number(&right))
        } else {
            left.cmp(&right)
        }
        .then_with(|| a.cmp(b))
    });
    if options.has('r') {
        lines.reverse();
    }
    if options.has('u') {
        lines.dedup();
    }
    for line in lines {
        call.out(&format!("{line}\n"))?;
    }
    Ok(status)
}

fn number(text: &str) -> f64 {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-')
        .unwrap_or(text.len());
    text.get(..end)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0.0)
}

/// `uniq [-c] [-d]`
pub(super) fn uniq(call: &mut Call) -> Outcome {
    let options = match call.options("cdu", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let (texts, status) = call.texts(&options.operands)?;
    let mut groups: Vec<(String, usize)> = Vec::new();
    for line in lines(&texts) {
        match groups.last_mut() {
            Some((last, count)) if *last == line => *count += 1,
            _ => groups.push((line, 1)),
        }
    }
    for (line, count) in groups {
        if (options.has('d') && count == 1) || (options.has('u') && count > 1) {
            continue;
        }
        let text = if options.has('c') {
            format!("{count:>7} {line}\n")
        } else {
            format!("{line}\n")
        };
        call.out(&text)?;
    }
    Ok(status)
}

/// `cut -d C -f LIST`, `cut -c LIST`
pub(super) fn cut(call: &mut Call) -> Outcome {
    let options = match call.options("s", "dfcb") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let by_char = options.value('c').or(options.value('b'));
    let Some(list) = options.value('f').or(by_char) else {
        return Ok(call.fail("expected a list of bytes, characters, or fields"));
    };
    let ranges: Vec<(usize, usize)> = list
        .split(',')
        .filter_map(|part| match part.split_once('-') {
            None => part.parse().ok().map(|n: usize| (n, n)),
            Some((low, high)) => {
                let low = if low.is_empty() { 1 } else { low.parse().ok()? };
                Some((
                    low,
                    if high.is_empty() {
                        usize::MAX
                    } else {
                        high.parse().ok()?
                    },
                ))
            }
        })
        .collect();
    let wanted = |index: usize| {
        ranges
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&(index + 1)))
    };
    let delimiter = options
        .value('d')
        .and_then(|d| d.chars().next())
        .unwrap_or('\t');
    let (texts, status) = call.texts(&options.operands)?;
    for line in lines(&texts) {
        let kept = if by_char.is_some() {
            line.chars()
                .enumerate()
                .filter(|(i, _)| wanted(*i))
                .map(|(_, c)| c)
                .collect()
        } else if !line.contains(delimiter) {
            if options.has('s') {
                continue;
            }
            line
        } else {
            let fields: Vec<&str> = line
                .split(delimiter)
                .enumerate()
                .filter(|(i, _)| wanted(*i))
                .map(|(_, f)| f)
                .collect();
            fields.join(&delimiter.to_string())
        };
        call.out(&format!("{kept}\n"))?;
    }
    Ok(status)
}

/// `tr [-d] [-s] SET [SET]`
pub(super) fn tr(call: &mut Call) -> Outcome {
    let options = match call.options("dsc", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let from = set(options.operands.first().map_or("", String::as_str));
    let to = set(options.operands.get(1).map_or("", String::as_str));
    let bytes = call.read_all(&call.stdio.stdin)?;
    let mut done = String::new();
    let mut last = None;
    for c in String::from_utf8_lossy(&bytes).chars() {
        let place = from.iter().position(|f| *f == c);
        let hit = place.is_some() != options.has('c');
        if options.has('d') {
            if !hit {
                done.push(c);
            }
            continue;
        }
        let new = match place {
            _ if !hit => c,
            Some(place) => to.get(place).or(to.last()).copied().unwrap_or(c),
            None => to.last().copied().unwrap_or(c),
        };
        if options.has('s') && hit && last == Some(new) {
            continue;
        }
        last = if hit { Some(new) } else { None };
        done.push(new);
    }
    call.out(&done)?;
    Ok(0)
}

fn set(text: &str) -> Vec<char> {
    let text = match text {
        "[:upper:]" => "A-Z",
        "[:lower:]" => "a-z",
        "[:digit:]" => "0-9",
        "[:space:]" => " \t\n\r",
        other => other,
    };
    let mut chars = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let c = match (c, rest.peek()) {
            ('\\', Some('n')) => {
                rest.next();
                '\n'
            }
            ('\\', Some('t')) => {
                rest.next();
                '\t'
            }
            ('\\', Some('r')) => {
                rest.next();
                '\r'
            }
            ('\\', Some('0')) => {
                while rest.peek().is_some_and(|c| c.is_digit(8)) {
                    rest.next();
                }
                '\0'
            }
            ('\\', Some('\\')) => {
                rest.next();
                '\\'
            }
            (c, _) => c,
        };
        if rest.peek() == Some(&'-') {
            let mut ahead = rest.clone();
            ahead.next();
            if let Some(high) = ahead.next() {
                chars.extend(c..=high);
                rest = ahead;
                continue;
            }
        }
        chars.push(c);
    }
    chars
}

/// `tee [-a] files`
pub(super) fn tee(call: &mut Call) -> Outcome {
    let options = match call.options("a", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let append = options.has('a');
    let mut sinks = Vec::new();
    let mut status = 0;
    for file in &options.operands {
        let mode = WriteMode {
            append,
            truncate: !append,
            ..WriteMode::default()
        };
        match call.host.vfs.open_write(&call.path(file), mode) {
            Ok((opened, real)) => sinks.push(Sink::File(Arc::new(OutFile {
                file: Mutex::new(opened),
                real,
                vfs: Arc::clone(&call.host.vfs),
            }))),
            Err(error) => status = call.fail_on(file, &error),
        }
    }
    let mut buffer = vec![0; 32 << 10];
    loop {
        let count = call.input(&mut buffer)?;
        if count == 0 {
            return Ok(status);
        }
        let chunk = buffer.get(..count).unwrap_or_default();
        call.out_bytes(chunk)?;
        let killed = || call.process.killed().is_some();
        for sink in &sinks {
            if let Err(error) = sink.write_all(chunk, &killed) {
                status = call.fail_on("write error", &error);
            }
        }
    }
}
