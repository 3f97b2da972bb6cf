//! `${…}` in the texts of steps.
//!
//! Known are the runbook's variables, `vm` (in phases with `for_each`: the VM at hand) and `mode`
//! (`practice`, `failover` …). `$${` stands for a plain `${`. There is nothing else: no defaults,
//! no nesting, no expressions.

use std::ops::Range;

/// Names that a runbook cannot give to a variable of its own.
pub const BUILT_IN: [&str; 2] = ["vm", "mode"];

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part<'t> {
    /// Stands as it is.
    Plain(&'t str),
    /// A name to be replaced, and the bytes of its `${name}`.
    Name(&'t str, Range<usize>),
}

/// A `${` that is never closed, or that holds no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Where its `${` begins, in bytes.
    pub(crate) at: usize,
}

/// Splits a text at its `${…}`.
pub(crate) fn parts(text: &str) -> Result<Vec<Part<'_>>, Malformed> {
    let mut parts = Vec::new();
    let mut done = 0;
    while let Some(found) = text[done..].find("${") {
        let at = done + found;
        if text[done..at].ends_with('$') {
            // `$${`: the text up to the first dollar, then a literal `${`.
            parts.push(Part::Plain(&text[done..at - 1]));
            parts.push(Part::Plain("${"));
            done = at + 2;
            continue;
        }
        let Some(length) = text[at + 2..].find('}') else {
            return Err(Malformed { at });
        };
        let name = &text[at + 2..at + 2 + length];
        if !is_variable_name(name) {
            return Err(Malformed { at });
        }
        parts.push(Part::Plain(&text[done..at]));
        done = at + 2 + length + 1;
        parts.push(Part::Name(name, at..done));
    }
    parts.push(Part::Plain(&text[done..]));
    Ok(parts)
}

/// Puts values in place of names. An unknown name is the error.
pub(crate) fn fill<'v>(
    text: &str,
    value_of: impl Fn(&str) -> Option<&'v str>,
) -> Result<String, String> {
    if !text.contains("${") {
        return Ok(text.to_owned());
    }
    let parts = parts(text).map_err(|malformed| text[malformed.at..].to_owned())?;
    let mut filled = String::with_capacity(text.len());
    for part in parts {
        match part {
            Part::Plain(plain) => filled.push_str(plain),
            Part::Name(name, _) => filled.push_str(value_of(name).ok_or_else(|| name.to_owned())?),
        }
    }
    Ok(filled)
}

/// Lower-case letters, digits and underscores, a letter first: also a safe name in an environment.
pub(crate) fn is_variable_name(name: &str) -> bool {
    name.len() <= 60
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_escapes_are_not() {
        let value = |name: &str| (name == "vm").then_some("sql01");
        assert_eq!(fill("on ${vm}: ${vm}", value).unwrap(), "on sql01: sql01");
        assert_eq!(fill("$${vm} costs $5", value).unwrap(), "${vm} costs $5");
        assert_eq!(fill("${other}", value).unwrap_err(), "other");
    }

    #[test]
    fn malformed_ones_are_found() {
        for (text, at) in [
            ("${", 0),
            ("a ${vm", 2),
            ("${}", 0),
            ("${a b}", 0),
            ("x${vm.name}", 1),
        ] {
            assert_eq!(parts(text).unwrap_err(), Malformed { at }, "{text}");
        }
    }
}
