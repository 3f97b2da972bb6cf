//! `grep`: basic, extended and fixed patterns.

use regex_lite::{Regex, RegexBuilder};

use super::{Call, Outcome};

/// A basic regular expression in the spelling of extended ones.
pub(super) fn extended(basic: &str) -> String {
    let mut done = String::new();
    let mut chars = basic.chars().peekable();
    let mut at_start = true;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) => done.push(c),
                Some('<' | '>') => done.push_str("\\b"),
                Some(c) => {
                    done.push('\\');
                    done.push(c);
                }
                None => done.push_str("\\\\"),
            },
            '(' | ')' | '{' | '}' | '|' | '+' | '?' => {
                done.push('\\');
                done.push(c);
            }
            '*' if at_start => done.push_str("\\*"),
            '[' => {
                done.push_str(&class(&mut chars));
            }
            _ => done.push(c),
        }
        at_start = false;
    }
    done
}

/// Copies a bracket expression, in which nothing is special, after its `[`.
fn class(chars: &mut std::iter::Peekable<std::str::Chars>) -> String {
    let mut done = "[".to_owned();
    let mut first = true;
    while let Some(c) = chars.next() {
        match c {
            '^' if first && done == "[" => {
                done.push('^');
                continue;
            }
            ']' if !first => {
                done.push(']');
                return done;
            }
            '[' if chars.peek() == Some(&':') => {
                done.push('[');
                for c in chars.by_ref() {
                    done.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '\\' | '[' | ']' => {
                done.push('\\');
                done.push(c);
            }
            _ => done.push(c),
        }
        first = false;
    }
    done.push(']');
    done
}

/// A compiled pattern of the given dialect.
///
/// # Errors
/// A message.
pub(super) fn compile(
    pattern: &str,
    extended_syntax: bool,
    ignore_case: bool,
) -> Result<Regex, String> {
    let pattern = if extended_syntax {
        pattern.to_owned()
    } else {
        extended(pattern)
    };
    RegexBuilder::new(&pattern)
        .case_insensitive(ignore_case)
        .build()
        .map_err(|error| format!("bad regex '{pattern}': {error}"))
}

/// `grep [-EFivqcnlowhH] [-e P] [-m N] PATTERN [files]`
pub(super) fn grep(call: &mut Call) -> Outcome {
    let mut options = match call.options("EFivqcnlowxhHsrR", "emABC") {
        Ok(options) => options,
        Err(_) => return Ok(2),
    };
    let mut patterns: Vec<String> = options.all('e').into_iter().map(str::to_owned).collect();
    if patterns.is_empty() {
        if options.operands.is_empty() {
            call.fail("no pattern");
            return Ok(2);
        }
        patterns.push(options.operands.remove(0));
    }
    let fixed = options.has('F') || call.name == "fgrep";
    let extended_syntax = options.has('E') || call.name == "egrep";
    let mut regexes = Vec::new();
    for line in patterns.iter().flat_map(|pattern| pattern.split('\n')) {
        let mut pattern = if fixed {
            regex_lite::escape(line)
        } else if extended_syntax {
            line.to_owned()
        } else {
            extended(line)
        };
        if options.has('w') {
            pattern = format!("\\b(?:{pattern})\\b");
        }
        if options.has('x') {
            pattern = format!("^(?:{pattern})$");
        }
        match compile(&pattern, true, options.has('i')) {
            Ok(regex) => regexes.push(regex),
            Err(message) => {
                call.fail(&message);
                return Ok(2);
            }
        }
    }
    let most: usize = options
        .value('m')
        .and_then(|m| m.parse().ok())
        .unwrap_or(usize::MAX);
    let after: usize = options
        .value('A')
        .or(options.value('C'))
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let many = (options.operands.len() > 1 && !options.has('h')) || options.has('H');
    let (texts, problems) = call.texts(&options.operands)?;
    let mut found_any = false;
    for (name, bytes) in texts {
        call.check()?;
        let name = if name == "-" {
            "(standard input)".to_owned()
        } else {
            name
        };
        let prefix = if many {
            format!("{name}:")
        } else {
            String::new()
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut count = 0;
        let mut trailing = 0;
        for (number, line) in text.lines().enumerate() {
            let hit = regexes.iter().any(|regex| regex.is_match(line)) != options.has('v');
            if !hit || count >= most {
                if trailing > 0 {
                    trailing -= 1;
                    call.out(&format!("{prefix}{line}\n"))?;
                }
                continue;
            }
            count += 1;
            found_any = true;
            if options.has('q') {
                return Ok(0);
            }
            if options.has('c') || options.has('l') {
                continue;
            }
            trailing = after;
            let number = if options.has('n') {
                format!("{}:", number + 1)
            } else {
                String::new()
            };
            if options.has('o') {
                for regex in &regexes {
                    for part in regex.find_iter(line) {
                        call.out(&format!("{prefix}{number}{}\n", part.as_str()))?;
                    }
                }
            } else {
                call.out(&format!("{prefix}{number}{line}\n"))?;
            }
        }
        if options.has('c') {
            call.out(&format!("{prefix}{count}\n"))?;
        }
        if options.has('l') && count > 0 {
            call.out(&format!("{name}\n"))?;
        }
    }
    Ok(if problems != 0 && !found_any {
        2
    } else {
        i32::from(!found_any)
    })
}
