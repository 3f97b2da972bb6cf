//! How a run stands, for somebody who takes it over or waits for news. Pure, and short: the report
//! has the rest.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::engine::{Confirmation, Fact, RunInfo, RunState, Status, StepState, needs_person};
use crate::names::StepId;
use crate::plan::{Plan, Step};
use crate::runbook::model::Section;

use super::text::duration;

/// One line of a brief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BriefLine {
    /// A word for what it is about; empty where it goes on with the line before.
    pub label: &'static str,
    /// What there is to know.
    pub text: String,
}

/// What a brief is made from. `left` tells how long a step will go on, where somebody measures it.
pub struct Standing<'a> {
    /// The steps.
    pub plan: &'a Plan,
    /// Where they stand.
    pub state: &'a RunState,
    /// The time.
    pub now: Timestamp,
    /// How long a step will go on, where it is known better than by its `usually`.
    pub left: &'a dyn Fn(&StepId) -> Option<Duration>,
}

/// The run in at most 20 lines: what is done, what runs and until when, what comes next,
/// what was taken on trust, what was decided and what is open.
#[must_use]
pub fn brief(standing: &Standing<'_>) -> Vec<BriefLine> {
    let mut lines = Vec::new();
    let mut group = |label: &'static str, most: usize, texts: Vec<String>| {
        for (at, text) in capped(texts, most).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            lines.push(BriefLine { label, text });
        }
    };
    group("run", 2, identity(standing));
    group("risk", 4, risks(standing));
    group("needs", 3, waiting(standing));
    group("running", 2, running(standing));
    group("next", 1, next(standing, 3).into_iter().collect());
    group("done", 3, done(standing));
    group("decided", 2, decided(standing));
    group("told", 1, told(standing));
    group("note", 2, notes(standing));
    lines
}

/// The same as plain lines.
#[must_use]
pub fn brief_text(standing: &Standing<'_>) -> Vec<String> {
    let lines = brief(standing).into_iter();
    lines
        .map(|line| format!("{:<10} {}", line.label, line.text))
        .collect()
}

/// One line for those who wait: what is done, what runs and until when, what comes next.
#[must_use]
pub fn status_line(standing: &Standing<'_>) -> String {
    let (met, all) = counts(standing);
    let mut parts = vec![format!("{met} of {all} steps done")];
    parts.extend(running(standing).into_iter().take(2));
    let waits = waiting(standing);
    match &waits[..] {
        [] => {}
        [one] => parts.push(one.clone()),
        several => parts.push(format!("{} steps need a decision", several.len())),
    }
    if let Some(next) = next(standing, 1) {
        parts.push(format!("next {next}"));
    }
    parts.join("; ")
}

fn counts(standing: &Standing<'_>) -> (usize, usize) {
    let steps = standing.plan.open_steps();
    let met = steps
        .iter()
        .filter(|step| standing.state.status(&step.id).is_met());
    (met.count(), steps.len())
}

/// At most `most` texts; the last says how many more there are, and the newest stand first.
fn capped(mut texts: Vec<String>, most: usize) -> Vec<String> {
    let more = texts.len().saturating_sub(most);
    if more > 0 {
        texts.truncate(most);
        if let Some(last) = texts.last_mut() {
            last.push_str(&format!("; and {more} more"));
        }
    }
    texts
}

fn identity(standing: &Standing<'_>) -> Vec<String> {
    let Some(info) = &standing.state.info else {
        return Vec::new();
    };
    let state = standing.state;
    let mode = state.heading(info.mode);
    let (met, all) = counts(standing);
    let people = &state.people;
    let mut who = match &people.offer {
        Some(offer) => format!(
            "{} has it and offers it since {}",
            people.operator,
            minute(offer.at)
        ),
        None => format!("{} has it", people.operator),
    };
    if state.paused {
        who.push_str("; paused: nothing new starts");
    }
    if let Some(terms) = &info.drill {
        who.push_str(&format!("; {}", terms.in_words()));
    }
    vec![
        format!(
            "{mode} {} ({}), {met} of {all} steps done",
            info.runbook,
            info.way()
        ),
        format!("{who}; {}", against_the_clock(standing, info)),
    ]
}

/// The clock of the RTO: it runs until every VM serves.
fn against_the_clock(standing: &Standing<'_>, info: &RunInfo) -> String {
    let (plan, state) = (standing.plan, standing.state);
    let Some(from) = state.counts_from() else {
        return "nothing is stopped yet".to_owned();
    };
    let served = state.all_served_at(&plan.vms);
    let served = served.filter(|_| plan.section == Section::Failover);
    let spent = served.unwrap_or(standing.now).duration_since(from);
    let clock = match served {
        Some(_) => format!("served in {}", duration(spent)),
        None => format!("T+{}", duration(spent)),
    };
    let Some(rto) = info.rto_s.and_then(|rto| i64::try_from(rto).ok()) else {
        return clock;
    };
    let left = SignedDuration::from_secs(rto) - spent;
    if left.is_negative() {
        format!("{clock}, RTO missed by {}", duration(left.abs()))
    } else if served.is_some() {
        format!("{clock}, within the RTO")
    } else {
        format!("{clock}, {} left of the RTO", duration(left))
    }
}

/// What stands on somebody's word, and what is not as it should be.
fn risks(standing: &Standing<'_>) -> Vec<String> {
    let state = standing.state;
    let mut risks: Vec<String> = state
        .splits()
        .iter()
        .map(|split| format!("SPLIT BRAIN: {}", split.in_words()))
        .collect();
    let told = standing.plan.vms.iter();
    let told = told.filter_map(|vm| state.told_against(vm));
    let told = told.filter(|found| !matches!(found.fact, Fact::SplitBrain { .. }));
    for alarm in told.filter_map(|found| found.fact.alarm()) {
        // One host may have been silent about several.
        if !risks.contains(&alarm) {
            risks.push(alarm);
        }
    }
    for op in state
        .unsettled_ops()
        .map(|(_, op)| op)
        .filter(|op| !op.bulk)
    {
        if op.status == crate::engine::OpStatus::Lost {
            risks.push(format!("a lost command on {} may still act", op.host));
        }
    }
    for found in state.facts.iter().rev() {
        if let Fact::Attested { vm, by, words, .. } = &found.fact {
            risks.push(format!("{vm} attested, not proven, by {by}: {words}"));
        }
    }
    for (step, known) in settled(standing) {
        let words = known.evidence.first().map_or("", String::as_str);
        let by = known.settled_by.as_deref().unwrap_or_default();
        match known.status {
            Status::Skipped => risks.push(format!("{} skipped by {by}: {words}", step.title)),
            Status::ByHand => risks.push(format!("{} by hand, {by}: {words}", step.title)),
            _ => {}
        }
    }
    for step in standing.plan.open_steps() {
        let known = state.steps.get(&step.id);
        let is_left = known.is_some_and(|known| known.status.is_passed_over(step))
            && !needs_person(standing.plan, state, step);
        if let Some(known) = known.filter(|_| is_left) {
            let why = known.fault.as_ref().map_or("", |fault| &fault.what);
            let title = &step.title;
            risks.push(format!(
                "{title} failed, and the run goes on without it: {why}"
            ));
        }
    }
    let shells = state.people.shells.iter().rev();
    risks.extend(shells.map(|shell| {
        format!(
            "{} had a shell on {} ({}); changes made there are not recorded",
            shell.by, shell.host, shell.reason
        )
    }));
    risks
}

/// Steps that wait for a person, in the plan's order.
fn waiting(standing: &Standing<'_>) -> Vec<String> {
    let mut waits = Vec::new();
    for step in standing.plan.open_steps() {
        let Some(known) = standing.state.steps.get(&step.id) else {
            continue;
        };
        if let Some(question) = &known.question {
            waits.push(format!("{}: {} asks", step.title, question.asker()));
        } else if needs_person(standing.plan, standing.state, step) {
            let why = known
                .fault
                .as_ref()
                .map_or(String::new(), |fault| format!(": {}", fault.what));
            waits.push(format!("{} {}{why}", step.title, known.status.as_str()));
        }
    }
    waits
}

fn running(standing: &Standing<'_>) -> Vec<String> {
    let mut running = Vec::new();
    for step in &standing.plan.steps {
        let Some(known) = standing.state.steps.get(&step.id) else {
            continue;
        };
        if !known.status.is_active() || known.question.is_some() {
            continue;
        }
        let from = known.confirmed_at.or(known.since);
        let since = from.map_or(String::new(), |from| {
            format!(" for {}", duration(standing.now.duration_since(from)))
        });
        let eta = eta(standing, step, known).map_or(String::new(), |eta| format!(", {eta}"));
        running.push(format!(
            "{} {}{since}{eta}",
            step.title,
            known.status.as_str()
        ));
    }
    running
}

/// When a step will be over, as measured, else as it usually takes.
fn eta(standing: &Standing<'_>, step: &Step, known: &StepState) -> Option<String> {
    let measured = (standing.left)(&step.id).and_then(|left| SignedDuration::try_from(left).ok());
    let left = match measured {
        Some(left) => left,
        None => {
            let usually = SignedDuration::try_from(step.usually?).ok()?;
            usually - standing.now.duration_since(known.confirmed_at?)
        }
    };
    if left.is_negative() {
        return Some(format!("{} later than usual", duration(left.abs())));
    }
    let until = standing.now.checked_add(left).ok()?;
    Some(format!("until about {}", minute(until)))
}

/// The next steps that have not begun, in one line: in an ending its own, for those of the run that it
/// ends are not walked any more.
fn next(standing: &Standing<'_>, most: usize) -> Option<String> {
    let open = standing.plan.open_steps().iter();
    let waiting = open
        .filter(|step| standing.state.status(&step.id) == Status::Waiting)
        .take(most)
        .map(|step| step.title.as_str());
    let titles: Vec<&str> = waiting.collect();
    (!titles.is_empty()).then(|| titles.join(", then "))
}

/// Settled steps, the newest first.
fn settled<'a>(standing: &Standing<'a>) -> Vec<(&'a Step, &'a StepState)> {
    let (plan, state) = (standing.plan, standing.state);
    let mut settled: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| Some((step, state.steps.get(&step.id)?)))
        .filter(|(_, known)| known.status.is_met())
        .collect();
    settled.sort_by_key(|(_, known)| std::cmp::Reverse(known.ended));
    settled
}

fn done(standing: &Standing<'_>) -> Vec<String> {
    let by_itself = |known: &StepState| !matches!(known.status, Status::Skipped | Status::ByHand);
    settled(standing)
        .into_iter()
        .filter(|(_, known)| by_itself(known))
        .map(|(step, known)| {
            let ended = known.ended.map_or(String::new(), minute);
            let took = known
                .confirmed_at
                .zip(known.ended)
                .map_or(String::new(), |(from, to)| {
                    format!(" ({})", duration(to.duration_since(from)))
                });
            format!("{ended} {}{took}", step.title)
        })
        .collect()
}

/// Answers and attestations that people gave, the newest first.
fn decided(standing: &Standing<'_>) -> Vec<String> {
    let mut decided: Vec<_> = standing
        .plan
        .steps
        .iter()
        .filter_map(|step| Some((step, standing.state.steps.get(&step.id)?)))
        .filter_map(|(step, known)| {
            let said = answers(known.confirmation.as_deref()?);
            (!said.is_empty()).then_some((step, known.confirmed_at, said, known))
        })
        .collect();
    decided.sort_by_key(|(_, at, _, _)| std::cmp::Reverse(*at));
    let who = |known: &StepState| {
        let confirmation = known.confirmation.as_deref();
        confirmation.map_or(String::new(), |confirmation| confirmation.by.clone())
    };
    decided
        .into_iter()
        .map(|(step, at, said, known)| {
            let at = at.map_or(String::new(), minute);
            format!("{at} {}, {}: {said}", who(known), step.title)
        })
        .collect()
}

fn answers(confirmation: &Confirmation) -> String {
    let said = confirmation.answers.iter();
    let said = said.map(|(key, answer)| format!("{key} {answer}"));
    said.collect::<Vec<_>>().join("; ")
}

fn told(standing: &Standing<'_>) -> Vec<String> {
    let updates = standing.state.people.updates.last();
    updates
        .map(|update| format!("{} by {}: {}", minute(update.at), update.by, update.text))
        .into_iter()
        .collect()
}

fn notes(standing: &Standing<'_>) -> Vec<String> {
    let notes = standing.state.notes.iter().rev();
    notes
        .map(|note| format!("{} {}: {}", minute(note.at), note.by, note.text))
        .collect()
}

/// The time of day to the minute, UTC.
fn minute(at: Timestamp) -> String {
    at.strftime("%H:%MZ").to_string()
}
