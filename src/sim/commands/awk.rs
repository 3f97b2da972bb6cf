//! `awk`, as far as operators use it on one line: `[/re/] {print $1, $NF}` with `-F`.

use super::grep::compile;
use super::{Call, Outcome};

/// `awk [-F SEP] '[/re/ | NR==N | NR>N] {print …}' [files]`
pub(super) fn awk(call: &mut Call) -> Outcome {
    let mut options = match call.options("", "Fv") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    if options.operands.is_empty() {
        return Ok(call.fail("no program"));
    }
    let program = options.operands.remove(0);
    let Some((condition, items)) = parse(&program) else {
        return Ok(call.fail(&format!("this program is beyond the simulator: {program}")));
    };
    let separator = options.value('F').map(str::to_owned);
    let (texts, status) = call.texts(&options.operands)?;
    let mut number = 0;
    for (_, bytes) in texts {
        for line in String::from_utf8_lossy(&bytes).lines() {
            number += 1;
            let fields: Vec<&str> = match separator.as_deref() {
                None | Some(" ") => line.split_whitespace().collect(),
                Some(separator) => line.split(separator).collect(),
            };
            let selected = match &condition {
                Condition::Always => true,
                Condition::Pattern(pattern) => match compile(pattern, true, false) {
                    Ok(regex) => regex.is_match(line),
                    Err(message) => return Ok(call.fail(&message)),
                },
                Condition::Line(wanted) => number == *wanted,
                Condition::After(wanted) => number > *wanted,
            };
            if !selected {
                continue;
            }
            let mut text = String::new();
            for item in &items {
                match item {
                    Item::Text(literal) => text.push_str(literal),
                    Item::Field(0) => text.push_str(line),
                    Item::Field(index) => text.push_str(fields.get(index - 1).unwrap_or(&"")),
                    Item::Last => text.push_str(fields.last().unwrap_or(&"")),
                    Item::Number => text.push_str(&number.to_string()),
                    Item::Count => text.push_str(&fields.len().to_string()),
                }
            }
            text.push('\n');
            call.out(&text)?;
        }
    }
    Ok(status)
}

enum Condition {
    Always,
    Pattern(String),
    Line(usize),
    After(usize),
}

enum Item {
    Text(String),
    Field(usize),
    Last,
    Number,
    Count,
}

fn parse(program: &str) -> Option<(Condition, Vec<Item>)> {
    let program = program.trim();
    let (condition, body) = match program.find('{') {
        Some(open) => (
            program.get(..open)?,
            program.get(open + 1..)?.trim_end().strip_suffix('}')?,
        ),
        None => (program, "print"),
    };
    let condition = condition.trim();
    let condition = if condition.is_empty() {
        Condition::Always
    } else if let Some(pattern) = condition
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'))
    {
        Condition::Pattern(pattern.to_owned())
    } else {
        let bare: String = condition.chars().filter(|c| !c.is_whitespace()).collect();
        if let Some(number) = bare.strip_prefix("NR==") {
            Condition::Line(number.parse().ok()?)
        } else {
            Condition::After(bare.strip_prefix("NR>")?.parse().ok()?)
        }
    };
    let body = body.trim().trim_end_matches(';').trim();
    let rest = body.strip_prefix("print")?;
    if rest.trim().is_empty() {
        return Some((condition, vec![Item::Field(0)]));
    }
    items(rest).map(|items| (condition, items))
}

fn items(text: &str) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            ',' => items.push(Item::Text(" ".to_owned())),
            '"' => {
                let mut literal = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            't' => literal.push('\t'),
                            'n' => literal.push('\n'),
                            other => literal.push(other),
                        },
                        other => literal.push(other),
                    }
                }
                items.push(Item::Text(literal));
            }
            '$' => {
                let name: String =
                    std::iter::from_fn(|| chars.next_if(|c| c.is_ascii_alphanumeric())).collect();
                items.push(if name == "NF" {
                    Item::Last
                } else {
                    Item::Field(name.parse().ok()?)
                });
            }
            'N' => match chars.next()? {
                'R' => items.push(Item::Number),
                'F' => items.push(Item::Count),
                _ => return None,
            },
            _ => return None,
        }
    }
    Some(items)
}
