//! Programs that only print: `echo`, `printf`, `pwd`, `seq`, `basename`, `dirname`.

use super::{Call, Outcome};

/// `echo [-n] [-e] words`
pub(super) fn echo(call: &mut Call) -> Outcome {
    let mut newline = true;
    let mut escapes = false;
    let mut args = call.args.as_slice();
    while let Some((first, rest)) = args.split_first() {
        match first.as_str() {
            "-n" => newline = false,
            "-e" => escapes = true,
            "-ne" | "-en" => (newline, escapes) = (false, true),
            _ => break,
        }
        args = rest;
    }
    let mut text = args.join(" ");
    if escapes {
        text = unescape(&text);
    }
    if newline {
        text.push('\n');
    }
    call.out(&text)?;
    Ok(0)
}

/// Backslash escapes as in `printf` formats.
fn unescape(text: &str) -> String {
    let mut done = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            done.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => done.push('\n'),
            Some('t') => done.push('\t'),
            Some('r') => done.push('\r'),
            Some('a') => done.push('\x07'),
            Some('\\') => done.push('\\'),
            Some('0') => {
                let mut value = 0;
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) {
                    value = (value * 8 + digit) & 0xff;
                    chars.next();
                }
                done.extend(char::from_u32(value));
            }
            Some(other) => {
                done.push('\\');
                done.push(other);
            }
            None => done.push('\\'),
        }
    }
    done
}

/// `printf FORMAT [args]`; the format is used again while arguments are left.
pub(super) fn printf(call: &mut Call) -> Outcome {
    let Some((format, args)) = call.args.split_first() else {
        return Ok(call.fail("usage: printf FORMAT [ARG]..."));
    };
    let format = unescape(format);
    let mut args = args.iter();
    let mut text = String::new();
    let mut status = 0;
    loop {
        let before = args.len();
        status |= format_once(&format, &mut args, &mut text);
        if args.len() == 0 || args.len() == before {
            break;
        }
    }
    call.out(&text)?;
    Ok(status)
}

fn format_once(format: &str, args: &mut std::slice::Iter<String>, text: &mut String) -> i32 {
    let mut status = 0;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let (mut left, mut zero, mut width, mut precision) = (false, false, 0_usize, None);
        while let Some(flag) = chars.peek().filter(|c| "-0+ #".contains(**c)) {
            left |= *flag == '-';
            zero |= *flag == '0';
            chars.next();
        }
        while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
            width = (width * 10 + digit as usize).min(4096);
            chars.next();
        }
        if chars.peek() == Some(&'.') {
            chars.next();
            let mut value = 0;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                value = (value * 10 + digit as usize).min(4096);
                chars.next();
            }
            precision = Some(value);
        }
        let kind = chars.next();
        let item = match kind {
            Some('%') => {
                text.push('%');
                continue;
            }
            Some('s') => args.next().cloned().unwrap_or_default(),
            Some('b') => unescape(args.next().map_or("", String::as_str)),
            Some('c') => args
                .next()
                .and_then(|arg| arg.chars().next())
                .map(String::from)
                .unwrap_or_default(),
            Some(kind @ ('d' | 'i' | 'u' | 'x' | 'X' | 'o')) => {
                let arg = args.next().map_or("0", String::as_str);
                let value: i64 = arg.trim().parse().unwrap_or_else(|_| {
                    status = 1;
                    0
                });
                match kind {
                    'x' => format!("{value:x}"),
                    'X' => format!("{value:X}"),
                    'o' => format!("{value:o}"),
                    _ => value.to_string(),
                }
            }
            Some(other) => {
                text.push('%');
                text.push(other);
                continue;
            }
            None => {
                text.push('%');
                continue;
            }
        };
        let item: String = match (kind, precision) {
            (Some('s' | 'b'), Some(most)) => item.chars().take(most).collect(),
            _ => item,
        };
        match (left, zero && kind != Some('s')) {
            (true, _) => text.push_str(&format!("{item:<width$}")),
            (false, true) => text.push_str(&format!("{item:0>width$}")),
            (false, false) => text.push_str(&format!("{item:>width$}")),
        }
    }
    status
}

/// `pwd`
pub(super) fn pwd(call: &mut Call) -> Outcome {
    call.out(&format!("{}\n", call.folder))?;
    Ok(0)
}

/// `seq [first] last`
pub(super) fn seq(call: &mut Call) -> Outcome {
    let numbers: Vec<i64> = call
        .args
        .iter()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] if *step != 0 => (*first, *step, *last),
        _ => return Ok(call.fail("usage: seq [FIRST] LAST")),
    };
    let mut value = first;
    while (step > 0 && value <= last) || (step < 0 && value >= last) {
        call.out(&format!("{value}\n"))?;
        value += step;
    }
    Ok(0)
}

/// `basename path [suffix]`
pub(super) fn basename(call: &mut Call) -> Outcome {
    let Some(path) = call.args.first() else {
        return Ok(call.fail("missing operand"));
    };
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or("/");
    let suffix = call.args.get(1).map_or("", String::as_str);
    let name = name
        .strip_suffix(suffix)
        .filter(|rest| !rest.is_empty())
        .unwrap_or(name);
    call.out(&format!("{name}\n"))?;
    Ok(0)
}

/// `dirname path`
pub(super) fn dirname(call: &mut Call) -> Outcome {
    let Some(path) = call.args.first() else {
        return Ok(call.fail("missing operand"));
    };
    let folder = match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None if path.starts_with('/') => "/",
        None => ".",
    };
    call.out(&format!("{folder}\n"))?;
    Ok(0)
}
