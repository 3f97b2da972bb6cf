//! `sed`: `s///`, `p`, `d`, `q`, with line and pattern addresses.

use regex_lite::Regex;

use super::grep::compile;
use super::{Call, Outcome};

enum Address {
    Line(usize),
    Last,
    Pattern(Regex),
}

enum Action {
    Replace {
        regex: Regex,
        with: String,
        global: bool,
        print: bool,
    },
    Print,
    Delete,
    Quit,
}

struct Step {
    from: Option<Address>,
    to: Option<Address>,
    negated: bool,
    action: Action,
    inside: bool,
}

/// `sed [-n] [-E|-r] [-i] [-e SCRIPT] SCRIPT [files]`
pub(super) fn sed(call: &mut Call) -> Outcome {
    let mut options = match call.options("nErsi", "e") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let mut script = options.all('e').join("\n");
    if script.is_empty() {
        if options.operands.is_empty() {
            return Ok(call.fail("no script"));
        }
        script = options.operands.remove(0);
    }
    let extended = options.has('E') || options.has('r');
    let mut steps = match parse(&script, extended) {
        Ok(steps) => steps,
        Err(message) => return Ok(call.fail(&message)),
    };
    let (texts, status) = call.texts(&options.operands)?;
    if !options.has('i') {
        let all: Vec<u8> = texts.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let edited = edit(&String::from_utf8_lossy(&all), &mut steps, options.has('n'));
        call.out(&edited)?;
        return Ok(status);
    }
    for (name, bytes) in texts {
        let edited = edit(
            &String::from_utf8_lossy(&bytes),
            &mut steps,
            options.has('n'),
        );
        let mode = crate::sim::vfs::WriteMode {
            truncate: true,
            ..Default::default()
        };
        let written = call
            .host
            .vfs
            .open_write(&call.path(&name), mode)
            .and_then(|(mut file, _)| std::io::Write::write_all(&mut file, edited.as_bytes()));
        if let Err(error) = written {
            return Ok(call.fail_on(&name, &error));
        }
    }
    Ok(status)
}

fn edit(text: &str, steps: &mut [Step], quiet: bool) -> String {
    let mut done = String::new();
    let ends = text.is_empty() || text.ends_with('\n');
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let mut line = (*line).to_owned();
        let last = index + 1 == lines.len();
        let newline = if last && !ends { "" } else { "\n" };
        let mut deleted = false;
        let mut quit = false;
        for step in steps.iter_mut() {
            if !step.selects(index + 1, last, &line) {
                continue;
            }
            match &step.action {
                Action::Replace {
                    regex,
                    with,
                    global,
                    print,
                } => {
                    if regex.is_match(&line) {
                        line = if *global {
                            regex.replace_all(&line, with.as_str()).into_owned()
                        } else {
                            regex.replace(&line, with.as_str()).into_owned()
                        };
                        if *print {
                            done.push_str(&line);
                            done.push('\n');
                        }
                    }
                }
                Action::Print => {
                    done.push_str(&line);
                    done.push('\n');
                }
                Action::Delete => {
                    deleted = true;
                    break;
                }
                Action::Quit => {
                    quit = true;
                    break;
                }
            }
        }
        if !deleted && !quiet {
            done.push_str(&line);
            done.push_str(newline);
        }
        if quit {
            break;
        }
    }
    done
}

impl Step {
    fn selects(&mut self, number: usize, last: bool, line: &str) -> bool {
        let fits = |address: &Address| match address {
            Address::Line(wanted) => *wanted == number,
            Address::Last => last,
            Address::Pattern(regex) => regex.is_match(line),
        };
        let selected = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(from), None) => fits(from),
            (Some(from), Some(to)) => {
                if self.inside {
                    self.inside = !fits(to);
                    true
                } else if fits(from) {
                    self.inside = !matches!(to, Address::Line(end) if *end <= number);
                    true
                } else {
                    false
                }
            }
        };
        selected != self.negated
    }
}

fn parse(script: &str, extended: bool) -> Result<Vec<Step>, String> {
    let mut chars = script.chars().peekable();
    let mut steps = Vec::new();
    loop {
        while chars.peek().is_some_and(|c| c.is_whitespace() || *c == ';') {
            chars.next();
        }
        if chars.peek().is_none() {
            return Ok(steps);
        }
        let from = address(&mut chars, extended)?;
        let to = if from.is_some() && chars.peek() == Some(&',') {
            chars.next();
            address(&mut chars, extended)?
        } else {
            None
        };
        while chars.peek() == Some(&' ') {
            chars.next();
        }
        let negated = chars.next_if_eq(&'!').is_some();
        let action = match chars.next() {
            Some('p') => Action::Print,
            Some('d') => Action::Delete,
            Some('q') => Action::Quit,
            Some('s') => {
                let mark = chars
                    .next()
                    .ok_or("bad format in substitution expression")?;
                let pattern = until(&mut chars, mark)?;
                let with = until(&mut chars, mark)?;
                let flags: String =
                    std::iter::from_fn(|| chars.next_if(|c| c.is_ascii_alphanumeric())).collect();
                let regex = compile(&pattern, extended, flags.contains(['i', 'I']))?;
                Action::Replace {
                    regex,
                    with: replacement(&with),
                    global: flags.contains('g'),
                    print: flags.contains('p'),
                }
            }
            Some(other) => return Err(format!("unsupported command {other}")),
            None => return Err("missing command".to_owned()),
        };
        steps.push(Step {
            from,
            to,
            negated,
            action,
            inside: false,
        });
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn address(chars: &mut Chars, extended: bool) -> Result<Option<Address>, String> {
    match chars.peek() {
        Some('$') => {
            chars.next();
            Ok(Some(Address::Last))
        }
        Some('/') => {
            chars.next();
            let pattern = until(chars, '/')?;
            Ok(Some(Address::Pattern(compile(&pattern, extended, false)?)))
        }
        Some(c) if c.is_ascii_digit() => {
            let digits: String =
                std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).collect();
            Ok(Some(Address::Line(digits.parse().unwrap_or(0))))
        }
        _ => Ok(None),
    }
}

/// Text up to the next unescaped mark; an escaped mark stands for itself.
fn until(chars: &mut Chars, mark: char) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c == mark {
            return Ok(text);
        }
        if c == '\\' {
            match chars.next() {
                Some(escaped) if escaped == mark => text.push(mark),
                Some(escaped) => {
                    text.push('\\');
                    text.push(escaped);
                }
                None => break,
            }
        } else {
            text.push(c);
        }
    }
    Err("unterminated expression".to_owned())
}

/// `&` and `\1` in the spelling of the regex library.
fn replacement(text: &str) -> String {
    let mut done = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '&' => done.push_str("${0}"),
            '$' => done.push_str("$$"),
            '\\' => match chars.next() {
                Some(digit) if digit.is_ascii_digit() => done.push_str(&format!("${{{digit}}}")),
                Some('n') => done.push('\n'),
                Some('t') => done.push('\t'),
                Some(other) => done.push(other),
                None => done.push('\\'),
            },
            _ => done.push(c),
        }
    }
    done
}
