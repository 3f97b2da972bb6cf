//! What is looked at before a failover or a failback starts: the same findings as `lifeboat check`, over
//! the sessions that the run then uses, so that no login is tried twice.
//!
//! At a terminal what was found is shown and confirmed, a blocker with a reason. Without a person it
//! is printed and the run starts: a VM that is not ready must not hold up the others, and each step
//! looks again before it does anything. Either way the journal keeps it as a remark.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Despite, OperatorInput};
use crate::host::Hosts;
use crate::names::HostName;
use crate::plan::Plan;
use crate::readiness::{Finding, Severity, judge, look};
use crate::runbook::Loaded;
use crate::runbook::model::Runbook;
use crate::tui::FormField;

use super::check;
use super::console::Console;
use super::exit::Failure;
use super::forms;

const REASON: &str = "reason";

/// What the look leaves for the journal.
#[derive(Default)]
pub(super) struct Looked {
    /// What was found that anybody has to do something about.
    pub(super) remark: Option<OperatorInput>,
    /// Hosts whose clocks are off, with the seconds by which each is ahead.
    pub(super) clocks_off: BTreeMap<HostName, i64>,
    /// Blockers over which it starts.
    pub(super) despite: Option<Despite>,
}

/// Looks, and shows what was found.
pub(super) async fn look_first(
    console: &mut Console,
    loaded: &Loaded,
    plan: &Plan,
    reached: &Runbook,
    hosts: &Hosts,
) -> Result<Looked, Failure> {
    let task = check::task(console, loaded, Arc::new(reached.clone()), plan)?;
    let by_hand = !console.act.headless;
    if by_hand {
        // What comes in the meantime stands under each other.
        console.close_screen();
        say("looking at the hosts before the start (Ctrl-C leaves; nothing was started)");
    }
    let tell = |host: &HostName, took: Duration, opened: bool| {
        if by_hand {
            say(&check::answered(host, took, opened));
        }
    };
    let seen = look(&task, hosts, &tell).await;
    let clocks_off = seen.clocks_off();
    let mut found = check::cleaned(hosts, judge(&task, &seen));
    found.retain(|finding| finding.severity != Severity::Note);
    if found.is_empty() {
        return Ok(Looked {
            clocks_off,
            ..Looked::default()
        });
    }
    let reason = if by_hand {
        confirm(console, &found).await?
    } else {
        say(&format!("before the start: {}", check::verdict(&found)));
        found.iter().for_each(|finding| say(&line(finding)));
        String::new()
    };
    let remark = OperatorInput::Note {
        step: None,
        by: console.settings.operator.clone(),
        text: remark(&found, &reason),
    };
    Ok(Looked {
        remark: Some(remark),
        clocks_off,
        despite: despite(&found, reason),
    })
}

/// Shows what was found and asks whether to go on all the same.
async fn confirm(console: &mut Console, found: &[Finding]) -> Result<String, Failure> {
    let is_blocked = found.iter().any(is_blocker);
    let mut intro: Vec<String> = found.iter().map(line).collect();
    intro.push("Esc leaves: nothing was started. Each step looks again before it acts.".to_owned());
    let field = if is_blocked {
        FormField {
            help: "it stands in the journal".to_owned(),
            ..FormField::new(REASON, "Why start all the same?")
        }
    } else {
        FormField {
            help: "may stay empty; Enter starts".to_owned(),
            check: Box::new(|_| Ok(())),
            ..FormField::new(REASON, "Start? A remark for the journal")
        }
    };
    let title = format!("Before the start: {}", check::verdict(found));
    let mut filled = forms::show(console, title, intro, vec![field]).await?;
    Ok(filled.remove(REASON).unwrap_or_default())
}

/// A finding in one paragraph.
fn line(finding: &Finding) -> String {
    let fault = &finding.fault;
    format!(
        "{}: {}: {} (next: {})",
        finding.severity.as_str(),
        fault.place,
        fault.what,
        fault.next
    )
}

/// Blockers, if there are any, and why it starts all the same.
fn despite(found: &[Finding], reason: String) -> Option<Despite> {
    let blockers = found.iter().filter(|finding| is_blocker(finding));
    let blockers: Vec<String> = blockers.map(place_and_what).collect();
    (!blockers.is_empty()).then_some(Despite { blockers, reason })
}

fn is_blocker(finding: &Finding) -> bool {
    finding.severity == Severity::Blocker
}

fn place_and_what(finding: &Finding) -> String {
    format!("{}: {}", finding.fault.place, finding.fault.what)
}

fn remark(found: &[Finding], reason: &str) -> String {
    let what =
        |finding: &Finding| format!("{} {}", finding.severity.as_str(), place_and_what(finding));
    let whats: Vec<String> = found.iter().map(what).collect();
    let why = if reason.is_empty() {
        String::new()
    } else {
        format!(" (started all the same: {reason})")
    };
    format!("found before the start: {}{why}", whats.join(" | "))
}

/// Nobody need read it.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    #[test]
    fn the_remark_names_what_was_found_and_why_it_was_started() {
        let found = [Finding {
            key: "host/lee-esx1/reach".to_owned(),
            severity: Severity::Blocker,
            vms: vec!["sql01".into()],
            fault: Fault::new("it is silent", "lee-esx1", "", "switch it on"),
        }];
        assert_eq!(
            remark(&found, "its console works"),
            "found before the start: blocker lee-esx1: it is silent (started all the same: its console works)"
        );
        assert_eq!(
            line(&found[0]),
            "blocker: lee-esx1: it is silent (next: switch it on)"
        );
        let over = despite(&found, "its console works".to_owned()).unwrap();
        assert_eq!(over.blockers, ["lee-esx1: it is silent"]);
        let warning = Finding {
            severity: Severity::Warning,
            ..found[0].clone()
        };
        assert_eq!(despite(&[warning], String::new()), None);
    }
}
