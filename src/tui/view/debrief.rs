//! How the run went: objectives, what a person decided, what is left to know.

use std::time::Duration;

use jiff::SignedDuration;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::engine::{CommitWindow, Fact, FoundFact, Stage, Status, going_live};
use crate::names::{VmName, in_commands};
use crate::report::{self, decide_by};
use crate::runbook::model::Section;
use crate::tui::model::Run;
use crate::tui::page::Extent;
use crate::tui::text;
use crate::tui::theme::Role;

use super::frame::named;
use super::{labelled, sheet, text_width};

pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect) -> Extent {
    let width = text_width(area).saturating_sub(2);
    let lines = lines(run, width);
    sheet(run, buffer, area, "debrief", "", &lines)
}

fn lines(run: &Run, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    stopped(run, &mut lines, width);
    ahead(run, &mut lines, width);
    if let Some(result) = &run.state.finished {
        let clean = result.is_clean();
        let role = if clean { Role::Good } else { Role::Warn };
        let words = format!(
            "{} done, {} by hand, {} skipped, {} failed",
            result.done, result.by_hand, result.skipped, result.failed
        );
        labelled(&mut lines, width, "steps", role, &words);
    }
    if let (Some(from), Some(to)) = (run.state.started, run.state.finished_at) {
        labelled(
            &mut lines,
            width,
            "took",
            Role::Plain,
            &text::clock(text::seconds(from, to)),
        );
    }
    objectives(run, &mut lines, width);
    attested(run, &mut lines, width);
    decided(run, &mut lines, width);
    for (vm, needed) in &run.plan.left_out {
        let words = format!("{vm} needs {needed}, which this run left out by choice");
        labelled(&mut lines, width, "note", Role::Warn, &words);
    }
    for (_, seconds) in &run.state.clock_jumps {
        let words =
            format!("the console's clock stood {seconds} s before the last line at a resume");
        labelled(&mut lines, width, "clock", Role::Warn, &words);
    }
    for note in &run.state.notes {
        labelled(
            &mut lines,
            width,
            "note",
            Role::Plain,
            &format!("{} by {}", note.text, note.by),
        );
    }
    lines.push(Line::default());
    match run.end.as_ref().map(|end| end.head.as_str()) {
        Some("") => {}
        Some(head) => labelled(&mut lines, width, "head", Role::Dim, head),
        None => labelled(
            &mut lines,
            width,
            "head",
            Role::Dim,
            "the journal is being closed",
        ),
    }
    labelled(
        &mut lines,
        width,
        "report",
        Role::Plain,
        &format!("lifeboat report {}{}", run.run, run.elsewhere),
    );
    lines
}

/// Where a run that is over stands, and the ways on.
fn ahead(run: &Run, lines: &mut Vec<Line<'static>>, width: usize) {
    let state = &run.state;
    if state.finished.is_none() {
        return;
    }
    let stage = Stage::of(state);
    labelled(lines, width, "state", Role::Strong, &stage.words());
    let window = CommitWindow::of(state);
    if let Some(words) = window.and_then(|window| decide_by(&window, run.now.wall)) {
        labelled(lines, width, "window", Role::Warn, &words);
    }
    if stage == Stage::FindingsDue && !run.watching {
        let words = "leave this screen, and say what was learnt";
        labelled(lines, width, "next", Role::Strong, words);
        lines.push(Line::default());
        return;
    }
    let mode = state.info.as_ref().and_then(|info| info.mode);
    let ways = stage.ways(&run.run, mode).into_iter();
    for way in ways.map(|way| way.with(&run.elsewhere)) {
        labelled(lines, width, "next", Role::Plain, &way.to_string());
    }
    if let Some(words) = going_live(&run.run, state) {
        let words = in_commands(&words, &run.elsewhere);
        labelled(lines, width, "live", Role::Plain, &words);
    }
    lines.push(Line::default());
}

/// Why the run stopped before its end.
fn stopped(run: &Run, lines: &mut Vec<Line<'static>>, width: usize) {
    if run.state.finished.is_some() {
        return;
    }
    match run.end.as_ref().and_then(|end| end.fault.as_ref()) {
        Some(fault) => {
            labelled(lines, width, "wrong", Role::Bad, &fault.what);
            labelled(lines, width, "where", Role::Plain, &fault.place);
            labelled(lines, width, "state", Role::Plain, &fault.state);
            labelled(lines, width, "next", Role::Strong, &fault.next);
        }
        None if run.state.detached => {
            let left = match &run.state.people.offer {
                Some(offer) => format!("{} left the run, and offers it", text::clean(&offer.by)),
                None => "the console that held the run left it".to_owned(),
            };
            labelled(lines, width, "left", Role::Warn, &left);
        }
        None => {
            let wrong = "the runner stopped without a word";
            labelled(lines, width, "wrong", Role::Bad, wrong);
        }
    }
    let resume = format!("nothing that is in the journal is lost: {}", run.way_on());
    labelled(lines, width, "resume", Role::Plain, &resume);
    lines.push(Line::default());
}

fn of_section(run: &Run, section: Section) -> impl DoubleEndedIterator<Item = &FoundFact> {
    run.state.facts.iter().filter(move |found| {
        found
            .step
            .as_ref()
            .is_some_and(|id| id.section() == section.as_str())
    })
}

/// RTO and RPO actual against what was asked for, VM by VM.
fn objectives(run: &Run, lines: &mut Vec<Line<'static>>, width: usize) {
    let sections = match &run.state.info {
        Some(info) if !info.sections.is_empty() => info.sections.clone(),
        _ => vec![run.plan.section],
    };
    for section in sections {
        lines.push(Line::default());
        lines.push(Line::styled(
            format!("{section}: each VM"),
            Role::Strong.style(),
        ));
        let rows = run.plan.vms.iter().map(|vm| {
            let (role, words) = match section {
                Section::Failover => failover(run, vm),
                Section::Failback => failback(run, vm),
            };
            (vm.to_string(), role, words)
        });
        named(lines, width, rows);
    }
    lines.push(Line::default());
}

fn failover(run: &Run, vm: &VmName) -> (Role, String) {
    let serves = of_section(run, Section::Failover)
        .find(|found| matches!(&found.fact, Fact::Serves { vm: served } if served == vm));
    let outage = run.state.service_lost().or(run.state.started);
    let (Some(serves), Some(outage)) = (serves, outage) else {
        return (Role::Bad, "was not seen to serve".to_owned());
    };
    let mut role = Role::Good;
    let rto = text::seconds(outage, serves.at);
    let mut words = format!("RTO {}", text::clock(rto));
    if let Some(objective) = run.runbook.rto(vm) {
        let (met, verdict) = against(rto, objective);
        words.push_str(&verdict);
        role = if met { role } else { Role::Bad };
    }
    let point = of_section(run, Section::Failover)
        .rev()
        .find_map(|found| match &found.fact {
            Fact::PointChosen {
                vm: of,
                taken,
                verified,
                ..
            } if of == vm => Some((*taken, *verified)),
            _ => None,
        });
    if let Some((taken, verified)) = point {
        let until = run.state.wrote_until(vm).unwrap_or(outage);
        let rpo = text::seconds(taken, until);
        words.push_str(&format!("; RPO {}", text::short(rpo.max(0).unsigned_abs())));
        if let Some(objective) = run.runbook.rpo(vm) {
            let (met, verdict) = against(rpo, objective);
            words.push_str(&verdict);
            role = if met { role } else { Role::Bad };
        }
        if !verified {
            words.push_str("; source unverified");
        }
    }
    (role, words)
}

fn failback(run: &Run, vm: &VmName) -> (Role, String) {
    let mut serves = None;
    let mut stopped = None;
    for found in of_section(run, Section::Failback) {
        match &found.fact {
            Fact::Serves { vm: of } if of == vm => serves = Some(found.at),
            Fact::Stopped { vm: of, at, .. } if of == vm => stopped = stopped.or(Some(*at)),
            _ => {}
        }
    }
    match (serves, stopped) {
        (Some(serves), Some(stopped)) => {
            let down = text::clock(text::seconds(stopped, serves));
            (
                Role::Good,
                format!("serves at home, {down} after it was stopped"),
            )
        }
        (Some(_), None) => (Role::Good, "serves at home".to_owned()),
        (None, _) => (Role::Bad, "was not seen to serve at home".to_owned()),
    }
}

/// Whether so many seconds keep an objective, in words that go on after them; by how much it was missed
/// may be less than the two of them show.
fn against(actual: i64, objective: Duration) -> (bool, String) {
    let actual = Duration::from_secs(u64::try_from(actual).unwrap_or(0));
    let of = text::short(objective.as_secs());
    match actual.checked_sub(objective) {
        None | Some(Duration::ZERO) => (true, format!(" of {of}, met")),
        Some(over) => {
            let over = SignedDuration::try_from(over).unwrap_or(SignedDuration::MAX);
            (
                false,
                format!(" of {of}, MISSED by {}", report::duration(over)),
            )
        }
    }
}

fn attested(run: &Run, lines: &mut Vec<Line<'static>>, width: usize) {
    for found in &run.state.facts {
        if let Fact::Attested {
            by,
            words,
            statement,
            ..
        } = &found.fact
        {
            let words = format!("{by} attested that {statement}: {words}");
            labelled(lines, width, "word", Role::Warn, &words);
        }
    }
}

/// Steps that a person settled otherwise than by letting them run.
fn decided(run: &Run, lines: &mut Vec<Line<'static>>, width: usize) {
    for (index, step) in run.plan.steps.iter().enumerate() {
        let status = run.status(index);
        let (label, role) = match status {
            Status::Skipped => ("skipped", Role::Warn),
            Status::Failed => ("failed", Role::Bad),
            Status::ByHand => ("by hand", Role::Plain),
            Status::Undone => ("undone", Role::Plain),
            _ => continue,
        };
        let Some(known) = run.known(index) else {
            continue;
        };
        let why = known.fault.as_ref().map(|fault| fault.what.clone());
        let why = why.unwrap_or_else(|| known.evidence.join("; "));
        let by = known
            .settled_by
            .as_ref()
            .map(|by| format!(" ({by})"))
            .unwrap_or_default();
        labelled(
            lines,
            width,
            label,
            role,
            &format!("{}: {why}{by}", step.title),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_that_was_missed_by_little_does_not_look_met() {
        let day = Duration::from_secs(86_400);
        assert_eq!(against(86_400, day), (true, " of 1d, met".to_owned()));
        let missed = against(86_400 + 9 * 3_600, day);
        assert_eq!(missed, (false, " of 1d, MISSED by 9h 00m".to_owned()));
        let missed = against(86_401, day);
        assert_eq!(missed, (false, " of 1d, MISSED by 1.0 s".to_owned()));
    }
}
