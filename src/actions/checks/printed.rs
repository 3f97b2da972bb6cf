//! What commands of the runbook print, and whether it is as expected.

use std::time::Duration;

use regex_lite::Regex;

use crate::actions::context::Ctx;
use crate::actions::words::{one_line, size};
use crate::host::{HostCommand, Lane, Output, sanitise};
use crate::names::HostName;
use crate::runbook::model::{Expect, Look};

use super::Looked;

/// The longest part of an output that is repeated in a line.
const SHOWN: usize = 120;

/// What a command says that ends with status 0.
pub(super) async fn output(ctx: &Ctx, look: &Look, patience: Duration) -> Result<Output, String> {
    answer(ctx, &look.host, &asking(look, patience)).await
}

pub(super) fn asking(look: &Look, patience: Duration) -> HostCommand {
    HostCommand::read(look.argv.clone()).deadline(patience)
}

pub(super) async fn answer(
    ctx: &Ctx,
    name: &HostName,
    command: &HostCommand,
) -> Result<Output, String> {
    let host = ctx.host(name).map_err(|fault| fault.what)?;
    let output = host.read(Lane::Control, command).await;
    let output = output.map_err(|error| error.fault(name).what)?;
    if output.status == 0 {
        return Ok(output);
    }
    let complaint = sanitise::sanitise(&output.stderr);
    let said = if complaint.trim().is_empty() {
        printed(&output)
    } else {
        complaint
    };
    Err(format!("status {}: {}", output.status, short(&said)))
}

/// What was printed, without the white space around it.
pub(super) fn printed(output: &Output) -> String {
    sanitise::sanitise(&output.stdout).trim().to_owned()
}

/// The same, if all of it was kept: its end may be what matters.
pub(super) fn whole(output: &Output) -> Looked {
    if output.truncated {
        let kept = size(output.stdout.len() as u64);
        return Err(format!("it printed more than the {kept} that are kept"));
    }
    Ok(printed(output))
}

pub(super) fn judge(text: &str, expect: &Expect) -> Looked {
    let said = short(text);
    let passed = match expect {
        Expect::Success => true,
        Expect::Equals(wanted) => text == wanted.trim(),
        Expect::Matches(pattern) => Regex::new(pattern).is_ok_and(|regex| regex.is_match(text)),
        Expect::Within { at_least, at_most } => {
            let Some(number) = first_number(text) else {
                return Err(format!("no number in it: {said}"));
            };
            at_least.is_none_or(|least| number >= least)
                && at_most.is_none_or(|most| number <= most)
        }
    };
    if passed { Ok(said) } else { Err(said) }
}

/// The first number in a text: `3` of `lag: 3 s`.
fn first_number(text: &str) -> Option<f64> {
    let starts = |c: char| c.is_ascii_digit();
    let at = text.find(starts)?;
    let sign = if text[..at].ends_with('-') { -1.0 } else { 1.0 };
    let rest = &text[at..];
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(rest.len());
    let digits = rest[..end].trim_end_matches('.');
    digits.parse::<f64>().ok().map(|number| sign * number)
}

pub(super) async fn compare(ctx: &Ctx, both: &[Look; 2], patience: Duration) -> Looked {
    let [one, other] = both;
    let told = |look: &Look, looked: Result<Output, String>| {
        let text = looked.and_then(|output| whole(&output));
        text.map_err(|why| format!("{} could not be asked: {why}", look.host))
    };
    let left = told(one, output(ctx, one, patience).await)?;
    let right = told(other, output(ctx, other, patience).await)?;
    if left == right {
        return Ok(format!("both print {}", short(&left)));
    }
    Err(format!(
        "{} prints {}, {} prints {}",
        one.host,
        short(&left),
        other.host,
        short(&right)
    ))
}

/// A value that somebody can type: one line of it, and not a long one.
pub(super) fn comparable(text: String) -> Looked {
    match (text.lines().count(), text.chars().count()) {
        (0, _) => Err("it printed nothing".to_owned()),
        (1, ..=SHOWN) => Ok(text),
        (1, long) => Err(format!(
            "it printed a line of {long} characters; to be compared it is one of at most {SHOWN}"
        )),
        (lines, _) => Err(format!(
            "it printed {lines} lines; to be compared it is one, of at most {SHOWN} characters"
        )),
    }
}

/// What was printed, in a line that can be read.
fn short(text: &str) -> String {
    one_line(text, SHOWN).unwrap_or_else(|| "nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_judged_as_the_runbook_expects() {
        let within = |at_least, at_most| Expect::Within { at_least, at_most };
        for (text, expect, passes) in [
            ("", Expect::Success, true),
            ("15.2", Expect::Equals(" 15.2 ".into()), true),
            ("15.20", Expect::Equals("15.2".into()), false),
            ("state: ok", Expect::Matches("ok$".into()), true),
            ("lag: 3 s", within(None, Some(5.0)), true),
            ("lag: 5.5 s", within(None, Some(5.0)), false),
            ("-2", within(Some(-3.0), Some(-1.0)), true),
            ("7.", within(Some(7.0), Some(7.0)), true),
            ("none", within(None, Some(5.0)), false),
        ] {
            assert_eq!(judge(text, &expect).is_ok(), passes, "{text:?} {expect:?}");
        }
    }

    #[test]
    fn only_a_line_that_can_be_typed_is_compared() {
        assert_eq!(comparable("14".into()).as_deref(), Ok("14"));
        for (text, why) in [
            (String::new(), "nothing"),
            ("1417\n1418".into(), "2 lines"),
            ("7".repeat(SHOWN + 1), "121 characters"),
        ] {
            let told = comparable(text).unwrap_err();
            assert!(told.contains(why) && !told.contains("141"), "{told}");
        }
    }
}
