//! What a probe asks, in words.

use crate::runbook::model::{Expect, Look, Probe, VmSign, Young};

use crate::actions::words::span;
use crate::host::HostCommand;

/// What a probe asks, in words.
pub(in crate::actions) fn in_words(probe: &Probe) -> String {
    match probe {
        Probe::Vm { vm, site, sign } => {
            let there = site.as_ref().map(|site| format!(" in {site}"));
            let sign = match sign {
                VmSign::On => "runs",
                VmSign::Off => "does not run",
                VmSign::Tools => "has its tools running",
                VmSign::Ready => "serves",
            };
            format!("{vm} {sign}{}", there.unwrap_or_default())
        }
        Probe::Tcp { host, port, .. } => {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{host}{port} accepts connections")
        }
        Probe::Http { url, status, .. } => format!("{url} answers {status}"),
        Probe::Command { look, expect } => {
            let of = line(look);
            match expect {
                Expect::Success => format!("{of} ends with status 0"),
                Expect::Equals(text) => format!("{of} prints {text}"),
                Expect::Matches(pattern) => format!("{of} prints something like {pattern}"),
                Expect::Within { at_least, at_most } => format!(
                    "{of} prints a number of {}",
                    match (at_least, at_most) {
                        (Some(least), Some(most)) => format!("{least} to {most}"),
                        (Some(least), None) => format!("at least {least}"),
                        (None, Some(most)) => format!("at most {most}"),
                        (None, None) => "any size".to_owned(),
                    }
                ),
            }
        }
        Probe::Compare(both) => {
            let [one, other] = both.as_ref();
            format!("{} and {} print the same", line(one), line(other))
        }
        Probe::Point { vm, backup, young } => {
            let of = backup.as_ref().map(|backup| format!(" in {backup}"));
            let of = of.unwrap_or_default();
            let young = match young {
                Young::Within(None) => "is not older than its RPO".to_owned(),
                Young::Within(Some(age)) => format!("is not older than {}", span(*age)),
                Young::SinceMove => "was taken since it moved".to_owned(),
            };
            format!("the newest sound restore point of {vm}{of} {young}")
        }
        Probe::Attested { what, every, .. } => {
            format!("{what}, at least every {}", span(*every))
        }
    }
}

/// A command of the runbook and where it runs.
pub(in crate::actions) fn line(look: &Look) -> String {
    let line = HostCommand::read(look.argv.clone()).line();
    format!("{line} on {}", look.host)
}
