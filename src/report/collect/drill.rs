//! What is to be said of a drill that other runs have not.

use crate::engine::Fact;
use crate::names::VmName;
use crate::report::Run;
use crate::report::document::StatementKind as Kind;
use crate::report::prose::plain;
use crate::report::text::{duration, length, time};

use super::statements::Said;

/// `by bob at …: why`; `None` where it was not aborted.
pub(super) fn aborted(run: &Run<'_>) -> Option<String> {
    let aborted = run.state.people.aborted.as_ref()?;
    let at = time(aborted.at);
    Some(format!("by {} at {at}: {}", aborted.by, aborted.text))
}

/// What has to be looked into, in words.
pub(super) fn findings(run: &Run<'_>) -> Vec<String> {
    let aborted = aborted(run).map(|words| format!("the drill was aborted {words}"));
    aborted.into_iter().chain(passed_limit(run)).collect()
}

fn passed_limit(run: &Run<'_>) -> Option<String> {
    let state = &run.state;
    let limit = length(run.info.drill.as_ref()?.limit_s?)?;
    let took = state.own_part_ended()?.duration_since(state.started?);
    (took > limit).then(|| {
        let (took, limit) = (duration(took), duration(limit));
        format!("the drill took {took}, its limit was {limit}")
    })
}

/// What kept the VMs apart, and what could not be shown in there.
pub(super) fn statements(run: &Run<'_>, all: &mut Said) {
    for vm in &run.plan.vms {
        isolation(run, vm, all);
    }
    for found in &run.state.facts {
        if let Fact::RungNotProvable { vm, rung } = &found.fact {
            let said = format!(
                "Not provable in a drill, for {vm}: {rung}. Nothing outside reaches into the isolation."
            );
            all.say(Kind::NotProvable, plain(said));
        }
    }
}

/// What was last seen to keep a VM apart.
fn isolation(run: &Run<'_>, vm: &VmName, all: &mut Said) {
    let mut seen = run.state.facts_of(|fact| match fact {
        Fact::IsolationSeen {
            vm: of,
            host,
            lines,
            at,
        } if of == vm => Some((host, lines, at)),
        _ => None,
    });
    match seen.next() {
        Some((host, lines, at)) => {
            let (lines, at) = (lines.join("; "), time(*at));
            let said = format!("{vm} was kept apart on {host}, as seen at {at}: {lines}.");
            all.say(Kind::Isolated, plain(said));
        }
        None if run.state.started_on(vm).is_some() => {
            let said = format!("Nothing shows that {vm} was kept apart.");
            all.say(Kind::NotIsolated, plain(said));
        }
        None => {}
    }
}
