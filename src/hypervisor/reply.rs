//! What every reply is checked for before anything in it is believed.

use crate::host::Output;
use crate::host::sanitise::sanitise;
use crate::hypervisor::DriverFault;

/// Longest excerpt of a host's text in a fault, in characters.
const EXCERPT: usize = 300;

/// A text of a host for people: without escape sequences and control characters. Paths and names
/// that are sent back to the host stay as they are.
pub(in crate::hypervisor) fn shown(text: &str) -> String {
    // A carriage return must not make what stands before it disappear.
    sanitise(text.replace('\r', "\n").as_bytes())
}

/// A bounded excerpt on one line: runs of blanks and line ends become one blank.
pub(in crate::hypervisor) fn excerpt(text: &str) -> String {
    let enough: String = text.chars().take(EXCERPT * 20).collect();
    let text = shown(&enough);
    let mut short = String::new();
    let mut length = 0;
    for word in text.split(|c: char| c.is_control() || c.is_whitespace()) {
        if word.is_empty() {
            continue;
        }
        if !short.is_empty() {
            short.push(' ');
            length += 1;
        }
        for character in word.chars() {
            if length >= EXCERPT {
                short.push('…');
                return short;
            }
            short.push(character);
            length += 1;
        }
    }
    short
}

/// What the command said, stderr first because that is where most tools complain.
pub(in crate::hypervisor) fn said(output: &Output) -> String {
    let stderr = excerpt(&output.error_text());
    if !stderr.is_empty() {
        return stderr;
    }
    let stdout = excerpt(&output.text());
    if stdout.is_empty() {
        "it said nothing".to_owned()
    } else {
        stdout
    }
}

/// Refuses a reply of which the end is not known.
pub(in crate::hypervisor) fn whole(output: &Output) -> Result<(), DriverFault> {
    if output.truncated {
        return Err(DriverFault::Cut {
            limit: output.stdout.len().max(output.stderr.len()),
        });
    }
    Ok(())
}

/// Refuses a non-zero status; 127 means that the shell found no such program (POSIX).
pub(in crate::hypervisor) fn succeeded(output: &Output, tool: &str) -> Result<(), DriverFault> {
    match output.status {
        0 => Ok(()),
        127 => Err(DriverFault::ToolMissing {
            tool: tool.to_owned(),
            text: said(output),
        }),
        status => Err(DriverFault::Failed {
            status,
            text: said(output),
        }),
    }
}

/// A reply that is not understood.
pub(in crate::hypervisor) fn unexpected(what: &'static str, found: &str) -> DriverFault {
    let found = excerpt(found);
    DriverFault::Unexpected {
        what,
        found: if found.is_empty() {
            "nothing came".to_owned()
        } else {
            found
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_plain_and_on_one_line() {
        assert_eq!(excerpt("a\r\n\tb  \u{1b}[31mred\u{1b}[0m\0"), "a b red");
        for width in [1, 2, 3, 7, 299, 300, 301, 9000] {
            let text = format!("{} ", "x".repeat(width)).repeat(400);
            let length = excerpt(&text).chars().count();
            assert!(
                (EXCERPT..=EXCERPT + 2).contains(&length),
                "{width}: {length}"
            );
        }
    }

    #[test]
    fn what_was_said_prefers_stderr_and_is_never_nothing() {
        let output = |stdout: &str, stderr: &str| Output {
            stdout: stdout.into(),
            stderr: stderr.into(),
            ..Output::default()
        };
        assert_eq!(said(&output("out", "err")), "err");
        assert_eq!(said(&output("out", "\n")), "out");
        assert_eq!(said(&output("", "")), "it said nothing");
    }
}
