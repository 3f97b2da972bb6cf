//! What stands at the head of a report: what was vouched for instead of proven, and what was not
//! looked at.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::engine::{Chapter, Fact, FoundFact, Stage, Status};
use crate::names::VmName;
use crate::plan::ActionSpec;
use crate::report::Run;
use crate::report::document::{Statement, StatementKind as Kind};
use crate::report::objectives::{came_to_nothing, is_of};
use crate::report::prose::{Text, code, plain, strong};
use crate::report::text::{duration, time};
use crate::runbook::model::{Mode, Section};

use super::{drill, seeded, unverified};

/// Everything that was not proven, kind by kind.
pub(super) fn statements(run: &Run<'_>) -> Vec<Statement> {
    let mut all = Said(Vec::new());
    splits(run, &mut all);
    seen_of_splits(run, &mut all);
    attestations(run, &mut all);
    locks(run, &mut all);
    if run.plan.mode == Mode::Drill {
        drill::statements(run, &mut all);
    } else {
        unfenced(run, &mut all);
        unprobed_addresses(run, &mut all);
        unprotected(run, &mut all);
    }
    shells(run, &mut all);
    points(run, &mut all);
    unverified::statements(run, &mut all);
    seeded::statements(run, &mut all);
    for (vm, needed) in &run.plan.left_out {
        let said = format!(
            "{vm} needs {needed}, which was left out of this run by choice; the need counted as met."
        );
        all.say(Kind::LeftOut, plain(said));
    }
    for (host, fingerprint) in &run.state.trusted {
        let said = plain(format!(
            "The key of {host} was accepted for this run by a person: "
        ));
        all.say(Kind::KeyAccepted, said.code(fingerprint).plain("."));
    }
    for (at, seconds) in &run.state.clock_jumps {
        let said = format!(
            "The console's clock stood {seconds} s before the journal's last line when the run was taken up again at {}.",
            time(*at)
        );
        all.say(Kind::ClockJump, plain(said));
    }
    for (host, ahead) in &run.info.clocks_off {
        let off = SignedDuration::from_secs(ahead.saturating_abs());
        let way = if *ahead > 0 { "ahead of" } else { "behind" };
        let said = format!(
            "The clock of {host} was {} {way} the console's before the start: times that it told are off by that, and ages that rest on them.",
            duration(off)
        );
        all.say(Kind::ClockOff, plain(said));
    }
    all.0.sort_by_key(|said| said.kind);
    all.0
}

pub(super) struct Said(Vec<Statement>);

impl Said {
    pub(super) fn say(&mut self, kind: Kind, text: Text) {
        self.0.push(Statement { kind, text });
    }
}

/// VMs that run at both sites, before anything else.
fn splits(run: &Run<'_>, all: &mut Said) {
    let stage = Stage::of(&run.state);
    for split in run.state.splits() {
        let next = match &stage {
            _ if stage.is_being_committed() => {
                "Shut one copy down on its host: the commit that was begun waits for that."
            }
            Stage::SplitBefore(Chapter::Rollback | Chapter::Cleanup, _) => {
                "Go on with what was begun, which stops the run's own copy; or leave that, and shut the other one down."
            }
            Stage::SplitIn(..) => "What was begun stops the run's own copy: go on with it.",
            Stage::RecoveryRequired(_) => "Choose in its fence step which copy lives.",
            _ => "Shut one copy down on its host, or roll the run back.",
        };
        let words = format!(": {}. {next}", split.in_words());
        let said = strong("Recovery required (split brain)").plain(words);
        all.say(Kind::SplitBrain, said);
    }
}

/// What was seen of VMs at two sites, or meant one, as it was seen.
fn seen_of_splits(run: &Run<'_>, all: &mut Said) {
    let mut split = BTreeSet::new();
    // As what a failback took home is whenever the run is taken up.
    let is_told_again = |index: usize, fact: &Fact| {
        let mut since = run.state.facts.iter().skip(index + 1);
        since.any(|found| found.fact == *fact)
    };
    for (index, FoundFact { at, fact, .. }) in run.state.facts.iter().enumerate() {
        let (kind, said) = match fact {
            Fact::SplitBrain { vm, started, also } => {
                split.insert(vm);
                (
                    Kind::SplitBrain,
                    format!("Split brain: {vm} was seen running on {started} and on {also}"),
                )
            }
            Fact::SplitBrainEnded { vm, how } => (
                Kind::SplitBrain,
                format!("{vm} ran at one site again: {how}"),
            ),
            Fact::TakenHome(taken)
                if split.iter().any(|vm| taken.holds(vm)) && !is_told_again(index, fact) =>
            {
                (Kind::SplitBrain, taken.in_words())
            }
            Fact::SurvivorChosen { vm, site, by } => (
                Kind::SplitBrain,
                format!("{by} chose that {vm} lives in {site}"),
            ),
            Fact::HostReturned { host, .. } => (
                Kind::HostReturned,
                format!("{host}, silent before, answered again and was asked what it runs"),
            ),
            Fact::RunsElsewhere { vm, host } => (
                Kind::RunsElsewhere,
                format!("{vm} was seen running on {host} before it was started here"),
            ),
            Fact::Contradicted {
                statement, seen, ..
            } => (
                Kind::RunsElsewhere,
                format!("What was vouched for ({statement}) did not hold: {seen}, seen"),
            ),
            _ => continue,
        };
        all.say(kind, plain(format!("{said} at {}.", time(*at))));
    }
}

fn attestations(run: &Run<'_>, all: &mut Said) {
    for FoundFact { at, step, fact } in &run.state.facts {
        let Fact::Attested {
            vm,
            by,
            words,
            statement,
        } = fact
        else {
            continue;
        };
        let step = step
            .as_ref()
            .map_or_else(|| plain("no step"), |step| code(step.as_str()));
        let said = strong("Attested, not proven")
            .plain(format!(
                ", for {vm}: {statement}. {by} vouched for it at {} (",
                time(*at)
            ))
            .then(step)
            .plain("): ")
            .quoted(words);
        all.say(Kind::Attested, said);
    }
}

/// Locks of other runs that a person had broken, and own ones that still lie on hosts.
fn locks(run: &Run<'_>, all: &mut Said) {
    for FoundFact { at, fact, .. } in &run.state.facts {
        if let Fact::LockBroken {
            vm,
            host,
            holder,
            by,
            reason,
            ..
        } = fact
        {
            let said = strong("Another run's lock was broken")
                .plain(format!(
                    ": {} was held by {holder}. {by} took it over at {}: ",
                    Fact::locked(vm.as_ref(), host),
                    time(*at)
                ))
                .quoted(reason);
            all.say(Kind::LockBroken, said);
        }
    }
    // A practice's hosts are gone with it.
    if run.state.finished.is_some() && run.plan.mode != Mode::Practice {
        locks_left(run, all);
    }
}

fn locks_left(run: &Run<'_>, all: &mut Said) {
    for fact in run.state.locks() {
        if let Fact::LockWanted { vm, host, path } = fact {
            let kept = vm.as_ref().map_or(host.as_str(), VmName::as_str);
            let said = plain(format!(
                "The lock of this run on {kept} could not be given back: "
            ))
            .code(path)
            .plain(format!(" on {host} keeps other runs from it. "))
            .code(run.typed("resume"))
            .plain(" tries again.");
            all.say(Kind::LockLeft, said);
        }
    }
}

/// VMs that were brought up although nothing showed that their other copy is off.
fn unfenced(run: &Run<'_>, all: &mut Said) {
    let fences = |vm, section| {
        run.plan.steps.iter().filter(move |step| {
            is_of(&step.id, section)
                && matches!(&step.action, ActionSpec::Fence { vm: fenced } if fenced == vm)
        })
    };
    for step in &run.plan.steps {
        let ActionSpec::PowerOn { vm } = &step.action else {
            continue;
        };
        // On the way home `shut_down` stops the other copy.
        if !is_of(&step.id, Section::Failover) || run.state.status(&step.id) == Status::Waiting {
            continue;
        }
        let mut of_vm = fences(vm, Section::Failover).peekable();
        if of_vm.peek().is_none() {
            let said = format!("{vm} was not fenced: the runbook has no such step for it.");
            all.say(Kind::NotFenced, plain(said));
        }
        for fence in of_vm {
            let how = match run.state.status(&fence.id) {
                Status::Done | Status::AlreadyDone => continue,
                other => other.as_str(),
            };
            let said = plain(format!("{vm} was not fenced: "))
                .code(fence.id.as_str())
                .plain(format!(" is {how}."));
            all.say(Kind::NotFenced, said);
        }
    }
}

/// VMs that nobody has seen backed up since they moved, once all of the run's own steps are settled.
fn unprotected(run: &Run<'_>, all: &mut Said) {
    if run.state.own_end.is_none() {
        return;
    }
    for open in run.state.unprotected() {
        let said = format!("{}.", open.in_full());
        all.say(Kind::NotProtected, plain(said));
    }
}

/// Shells that people had on hosts: what they did there is known to them alone.
fn shells(run: &Run<'_>, all: &mut Said) {
    for shell in &run.state.people.shells {
        let length = match shell.closed {
            Some(closed) if shell.ended => {
                format!("for {}", duration(closed.duration_since(shell.opened)))
            }
            Some(_) => "until the console died or later".to_owned(),
            None => "which is open".to_owned(),
        };
        let said = format!(
            "{} had a shell on {} from {} {length}: {}. Changes made in a shell are not recorded.",
            shell.by,
            shell.host,
            time(shell.opened),
            shell.reason
        );
        all.say(Kind::Shell, plain(said));
    }
}

/// Restore points that a person chose instead of the runbook's, then those of which something is
/// believed and not known.
fn points(run: &Run<'_>, all: &mut Said) {
    for found in &run.state.facts {
        if let Some((_, said)) = picked(found) {
            all.say(Kind::PointPicked, said);
        }
    }
    for found in &run.state.facts {
        match &found.fact {
            Fact::PointChosen {
                vm,
                stamp,
                backup,
                verified: false,
                ..
            } => {
                let said = format!(
                    "Source unverified: the restore point {stamp} of {backup} for {vm} has no recorded sums; its files were compared with what was read from them."
                );
                all.say(Kind::SourceUnverified, plain(said));
            }
            // What was quiesced is what the runbook says: nothing here proves it.
            Fact::FilesChosen {
                vm,
                host,
                backup,
                stamp,
                quiesced,
                ..
            } => {
                let status = found.step.as_ref().map(|step| run.state.status(step));
                let came = match status.filter(|status| came_to_nothing(*status)) {
                    None => format!("Files of {vm} were restored into {host}"),
                    Some(status) => format!(
                        "Files of {vm} were to be restored into {host}, and that step is {},",
                        status.as_str()
                    ),
                };
                let said = plain(format!(
                    "{came} from point {stamp} of {backup}; quiesced when it was taken, as the runbook states and nobody proved: "
                ))
                .quoted(quiesced);
                all.say(Kind::StatedQuiesced, said);
            }
            _ => {}
        }
    }
}

/// Who took another restore point than the runbook's, in a sentence.
pub(super) fn picked(found: &FoundFact) -> Option<(&str, Text)> {
    let Fact::PointPicked {
        vm,
        point,
        by,
        instead_of,
        why,
    } = &found.fact
    else {
        return None;
    };
    let said = plain(format!("{by} chose the restore point "))
        .code(point)
        .plain(format!(
            " for {vm} at {}, instead of {instead_of}. ",
            time(found.at)
        ));
    let said = if why.is_empty() {
        said.plain("No reason was given.")
    } else {
        said.quoted(why)
    };
    Some((by, said))
}

fn unprobed_addresses(run: &Run<'_>, all: &mut Said) {
    for vm in &run.plan.vms {
        let Some(described) = run.runbook.vms.get(vm) else {
            continue;
        };
        for name in described.blind_adapters() {
            all.say(Kind::NotProbed, unknown_address(run, vm, name));
        }
        for (name, adapter) in &described.adapters {
            if !adapter.duplicate_probe {
                let said = plain(format!(
                    "No duplicate-address probe for {name} of {vm}: the runbook says "
                ))
                .code("duplicate_probe: none")
                .plain(".");
                all.say(Kind::NotProbed, said);
            }
        }
    }
}

/// Nobody could ask who has the address of this adapter, and what came of that.
fn unknown_address(run: &Run<'_>, vm: &VmName, name: &str) -> Text {
    let decided = run
        .state
        .facts
        .iter()
        .rev()
        .find_map(|found| match &found.fact {
            Fact::ConnectionDecided {
                vm: of, adapter, ..
            } if of == vm && adapter == name => Some((found.at, found.fact.connection()?)),
            _ => None,
        });
    plain(match decided {
        Some((at, said)) => format!(
            "No duplicate-address probe: {said} at {}. Its .vmx keeps it disconnected at the next start.",
            time(at)
        ),
        None => format!("No duplicate-address probe for {name} of {vm}: its address is not known."),
    })
}
