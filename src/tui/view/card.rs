//! The step card: why, what will be sent, what was found, what follows, how it is taken back. It
//! is the confirmation, so nothing on it is ever cut: what does not fit is scrolled to, and scripts
//! of Lifeboat's own are one key away.

mod before;
mod words;

#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::actions::Progress;
use crate::engine::{OpStatus, Proposal, Status, StepState};
use crate::hypervisor::shell;
use crate::plan::{ActionSpec, Risk, Step};
use crate::tui::model::Run;
use crate::tui::model::dialog::Stage;
use crate::tui::page::Extent;
use crate::tui::text;
use crate::tui::theme::{Role, glyph, status_role};

use super::frame::{beside_label, under_label};
pub(super) use words::no_undo;
use words::{risk, why};

use super::{commands, labelled, list, pane, put, text_width};

/// Cells of a progress bar.
const BAR: u64 = 24;
/// Columns that a title's key and edges take of the text's width.
const TITLE_EDGE: usize = 6;

pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect) -> Extent {
    let Some(step) = run.shown() else {
        let inner = pane(buffer, area, 2, "no steps", "", true);
        put(buffer, inner, &Line::raw(" This plan has no steps."));
        return Extent::default();
    };
    let title = title(run, step);
    let lines = lines(run, step, text_width(area).saturating_sub(2));
    let content = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(1),
        height: area.height.saturating_sub(1),
    };
    let extent = Extent {
        lines: lines.len(),
        rows: usize::from(content.height),
    };
    let scroll = run.ui.card.scroll.min(extent.last_offset());
    let note = if extent.lines > extent.rows {
        super::place(extent, scroll)
    } else {
        run.risk(run.ui.shown).as_str().to_owned()
    };
    pane(buffer, area, 2, &title, &note, run.ui.pane == 2);
    list(buffer, content, &lines, scroll);
    if scroll < extent.last_offset() {
        let asking = run.status(run.ui.shown) == Status::Asking;
        let key = if asking { "[Enter] reads on" } else { "[PgDn]" };
        let back = if run.ui.seen.card_alone {
            ", [1] shows the steps"
        } else {
            ""
        };
        let more = format!(
            "↓ {} more lines: {key}{back}",
            extent.last_offset() - scroll + 1
        );
        let last = Rect {
            y: area.bottom().saturating_sub(1),
            height: 1,
            ..content
        };
        let line = Line::styled(
            text::fit(&more, usize::from(last.width)),
            Role::Warn.style(),
        );
        put(buffer, last, &line);
        // The marker covers the last row, so one line more has to be scrolled to.
        return Extent {
            lines: extent.lines + 1,
            rows: extent.rows,
        };
    }
    extent
}

/// Its number is one of those that the header counts: an ending's steps are counted by themselves.
fn title(run: &Run, step: &Step) -> String {
    let (frozen, all) = (run.plan.frozen, run.plan.steps.len());
    let (number, of) = match run.ui.shown.checked_sub(frozen) {
        Some(of_ending) => (of_ending + 1, all - frozen),
        None => (run.ui.shown + 1, frozen),
    };
    format!("step {number}/{of}  {}", step.title)
}

/// Whether the card is shown alone: it waits for a person who has to read all of it, and is read
/// in fewer pages than in `beside`, its place among the other panes. Hosts give way to a card that
/// would take more than two pages there.
pub(super) fn is_alone(run: &Run, whole: Rect, beside: Rect, hides_hosts: bool) -> bool {
    let asking = run.status(run.ui.shown) == Status::Asking;
    if !asking || run.ui.card.beside || run.ui.pane > 2 {
        return false;
    }
    let pages = |area: Rect| height(run, area.width).div_ceil(area.height.max(1));
    pages(beside) > pages(whole) && (!hides_hosts || pages(beside) > 2)
}

/// Rows that the card would fill, with its title.
pub(super) fn height(run: &Run, width: u16) -> u16 {
    let area = Rect {
        width,
        ..Rect::default()
    };
    let width = text_width(area).saturating_sub(2);
    let lines = run.shown().map_or(0, |step| lines(run, step, width).len());
    u16::try_from(lines + 1).unwrap_or(u16::MAX)
}

fn lines(run: &Run, step: &Step, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let index = run.ui.shown;
    let known = run.known(index);
    state_line(run, step, known, width, &mut lines);
    if let Some(known) = known.filter(|known| known.fault.is_some()) {
        fault(&mut lines, width, known);
        if is_tried_again(known) {
            let words =
                "it may pass, and is looked at again by itself; a person is asked if it lasts";
            labelled(&mut lines, width, "again", Role::Busy, words);
        }
    }
    if let Some(known) = known.filter(|known| known.status == Status::Asking) {
        before::draw(&mut lines, width, known);
    }
    if run.status(index) == Status::Waiting {
        before::waits(run, &mut lines, width, step);
    }
    purpose(run, &mut lines, width, step);
    if let Some(progress) = run.progress.get(&index) {
        self::progress(&mut lines, width, progress, run);
    }
    match known {
        Some(known) => {
            if let Some(question) = &known.question {
                let asks = format!("{}: {}", question.asker(), question.text);
                labelled(&mut lines, width, "asks", Role::Warn, &asks);
            }
            deed(run, &mut lines, width, step, known);
        }
        None => before_it_begins(run, &mut lines, width, step),
    }
    if !run.status(index).is_met() {
        before_it_is_met(run, &mut lines, width, step);
    }
    lines
}

/// What it is, and why it is there.
fn purpose(run: &Run, lines: &mut Vec<Line<'static>>, width: usize, step: &Step) {
    let is_asked = matches!(step.action, ActionSpec::Confirm { .. });
    if !is_asked && text::width(&title(run, step)) + TITLE_EDGE > width {
        labelled(lines, width, "step", Role::Strong, &step.title);
    }
    open_writes(run, lines, width, run.ui.shown);
    if let ActionSpec::Confirm { question, .. } = &step.action {
        labelled(lines, width, "asks", Role::Strong, question);
    }
    if let ActionSpec::Note { text } = &step.action {
        labelled(lines, width, "note", Role::Strong, text);
    }
    let why = step.why.as_deref().unwrap_or(why(&step.action));
    labelled(lines, width, "why", Role::Plain, why);
    let text = step.text.as_deref().unwrap_or_default();
    labelled(lines, width, "text", Role::Plain, text);
}

/// What is sent, what was found, what follows, and what came of it.
fn deed(run: &Run, lines: &mut Vec<Line<'static>>, width: usize, step: &Step, known: &StepState) {
    if let Some(proposal) = &known.proposal {
        changes(lines, width, step, proposal);
        let label = match known.status {
            // Sent or not, the step is settled otherwise.
            Status::Skipped | Status::ByHand => "shown",
            status if status.is_met() => "sent",
            _ => "now",
        };
        commands::draw(lines, width, proposal, label, run.ui.card.exact);
    }
    found(run, lines, width, known);
    if let Some(proposal) = &known.proposal {
        labelled(lines, width, "then", Role::Plain, &proposal.then);
        let undo = proposal.undo.as_deref();
        if undo.is_some() || run.risk(run.ui.shown) > Risk::Read {
            let undo = undo.unwrap_or(no_undo(Some(&step.action)));
            labelled(lines, width, "undo", Role::Plain, undo);
        }
    }
    outcome(lines, width, known);
}

/// What it risks, what its confirmation needs, and how long it takes.
fn before_it_is_met(run: &Run, lines: &mut Vec<Line<'static>>, width: usize, step: &Step) {
    let index = run.ui.shown;
    labelled(
        lines,
        width,
        "risk",
        Role::Plain,
        risk(run.risk(index), &step.action),
    );
    needs(run, lines, width, index);
    let proposal = run.known(index).and_then(|known| known.proposal.as_ref());
    if let Some(choice) = proposal.and_then(|proposal| proposal.choice.as_ref())
        && run.status(index) == Status::Asking
        && choice.taken.is_some()
    {
        let others = choice.options.len().saturating_sub(1);
        let words = format!("[c] another of {others} for {}", choice.of);
        labelled(lines, width, "or", Role::Plain, &words);
    }
    if let Some(usually) = step.usually {
        let usually = text::short(usually.as_secs());
        labelled(lines, width, "usually", Role::Dim, &usually);
    }
}

/// How it stands, in a second line where one is too narrow.
fn state_line(
    run: &Run,
    step: &Step,
    known: Option<&StepState>,
    width: usize,
    lines: &mut Vec<Line<'static>>,
) {
    let status = run.status(run.ui.shown);
    let role = status_role(status);
    let mut parts = vec![Span::styled(
        format!("{} {}", glyph(status), status.as_str()),
        role.style(),
    )];
    let mut add = |words: String| parts.push(Span::styled(words, Role::Dim.style()));
    if let Some(since) = known.and_then(|known| known.since) {
        add(format!("  since {}Z", text::time(since)));
        if status.is_active() {
            add(format!(
                ", for {}",
                text::took(text::seconds(since, run.now.wall))
            ));
        }
    }
    let mut more = String::new();
    if let Some(known) = known.filter(|known| known.attempt.0 > 1) {
        more.push_str(&format!("  attempt {}", known.attempt));
    }
    if step.gate {
        more.push_str("  gate");
    }
    let first = Line::from(parts);
    let room = width.saturating_sub(first.width());
    lines.push(first);
    let more = Span::styled(more, Role::Dim.style());
    match lines.last_mut() {
        Some(first) if more.width() <= room => first.push_span(more),
        _ => lines.push(Line::from(more)),
    }
}

/// Whether a step that met what may pass looks again without anybody's word.
fn is_tried_again(known: &StepState) -> bool {
    let passes = known.fault.as_ref().is_some_and(|fault| fault.passing);
    passes && matches!(known.status, Status::Waiting | Status::Probing)
}

fn fault(lines: &mut Vec<Line<'static>>, width: usize, known: &StepState) {
    let Some(fault) = &known.fault else { return };
    labelled(lines, width, "wrong", Role::Bad, &fault.what);
    labelled(lines, width, "where", Role::Plain, &fault.place);
    labelled(lines, width, "state", Role::Plain, &fault.state);
    labelled(lines, width, "next", Role::Strong, &fault.next);
    for remedy in &known.remedies {
        labelled(lines, width, "way on", Role::Plain, remedy);
    }
}

fn progress(lines: &mut Vec<Line<'static>>, width: usize, progress: &Progress, run: &Run) {
    labelled(lines, width, "doing", Role::Busy, &progress.in_words());
    if progress.total == 0 {
        return;
    }
    let share = |of: u64| {
        u64::try_from(
            u128::from(progress.done.min(progress.total)) * u128::from(of)
                / u128::from(progress.total),
        )
        .unwrap_or(of)
    };
    let full = share(BAR);
    let cells = |sign: &str, count: u64| sign.repeat(usize::try_from(count).unwrap_or(0));
    let bar = format!(
        "[{}{}] {}%",
        cells("█", full),
        cells("░", BAR - full),
        share(100)
    );
    let mut rate = format!(
        "{} of {}",
        text::bytes(progress.done),
        text::bytes(progress.total)
    );
    if progress.rate > 0 {
        rate.push_str(&format!(", {}/s", text::bytes(progress.rate)));
    }
    if let Some(eta) = progress.eta {
        let left = text::seconds(run.now.wall, eta).max(0).unsigned_abs();
        rate.push_str(&format!(", about {} left", text::short(left)));
    }
    under_label(lines, "", [(Role::Busy, bar)]);
    labelled(lines, width, "", Role::Plain, &rate);
}

/// In words, before the commands; the question of a prompt stands above already.
fn changes(lines: &mut Vec<Line<'static>>, width: usize, step: &Step, proposal: &Proposal) {
    let room = beside_label(width);
    let texts = proposal
        .changes
        .iter()
        .filter(|change| **change != step.title)
        .flat_map(|change| {
            let role = match change.as_bytes().first() {
                Some(b'-') => Role::Bad,
                Some(b'+') => Role::Good,
                _ => Role::Plain,
            };
            text::wrap(change, room)
                .into_iter()
                .map(move |line| (role, line))
        });
    under_label(lines, "changes", texts);
}

fn found(run: &Run, lines: &mut Vec<Line<'static>>, width: usize, known: &StepState) {
    if known.found.is_empty() {
        return;
    }
    let age = match (known.status, known.since) {
        (Status::Asking, Some(since)) => format!(" ({})", text::ago(since, run.now.wall)),
        _ => String::new(),
    };
    labelled(
        lines,
        width,
        "found",
        Role::Plain,
        &format!("{}{age}", known.found),
    );
}

/// Writes of this step that may still take effect: what a person looks for while nothing moves.
fn open_writes(run: &Run, lines: &mut Vec<Line<'static>>, width: usize, index: usize) {
    let Some(step) = run.plan.steps.get(index) else {
        return;
    };
    for (id, op) in run
        .state
        .unsettled_ops()
        .filter(|(_, op)| op.step == step.id)
    {
        let (role, word) = match op.status {
            OpStatus::Lost => (Role::Warn, "lost"),
            _ => (Role::Busy, "under way"),
        };
        let pid = op
            .pid
            .map(|pid| format!(", process {pid}"))
            .unwrap_or_default();
        let line = format!(
            "{} on {} (write {id}{pid}), {word} since {}",
            shell::in_short(&op.command),
            op.host,
            text::time(op.intended)
        );
        labelled(lines, width, "write", role, &line);
    }
}

fn outcome(lines: &mut Vec<Line<'static>>, width: usize, known: &StepState) {
    let label = match known.status {
        Status::Done | Status::AlreadyDone | Status::Undone => "seen",
        Status::ByHand => "by hand",
        Status::Skipped => "reason",
        _ => "",
    };
    if !label.is_empty() {
        for (at, line) in known.evidence.iter().enumerate() {
            labelled(
                lines,
                width,
                if at == 0 { label } else { "" },
                Role::Plain,
                line,
            );
        }
    }
    if let Some(by) = &known.settled_by {
        labelled(lines, width, "by", Role::Plain, by);
    } else if let Some(confirmation) = &known.confirmation {
        let second = confirmation
            .second
            .as_ref()
            .map(|name| format!(" and {name}"));
        let by = format!("{}{}", confirmation.by, second.unwrap_or_default());
        labelled(lines, width, "by", Role::Plain, &by);
    }
    if let (Some(from), Some(to)) = (known.confirmed_at.or(known.started), known.ended) {
        labelled(
            lines,
            width,
            "took",
            Role::Plain,
            &text::took(text::seconds(from, to)),
        );
    }
}

fn before_it_begins(run: &Run, lines: &mut Vec<Line<'static>>, width: usize, step: &Step) {
    let before = step
        .after
        .iter()
        .filter_map(|index| run.plan.steps.get(*index).map(|s| (*index, s)));
    let open: Vec<&str> = before
        .filter(|(index, _)| !run.status(*index).is_met())
        .map(|(_, s)| s.title.as_str())
        .collect();
    let words = match open.len() {
        0 => "looks at the host when its turn comes, then shows each command here".to_owned(),
        n if n > 4 => format!("{} and {} more", open[..4].join(", "), n - 4),
        _ => open.join(", "),
    };
    labelled(
        lines,
        width,
        if open.is_empty() { "now" } else { "after" },
        Role::Plain,
        &words,
    );
    let hosts: Vec<&str> = step.hosts.iter().map(|host| host.as_str()).collect();
    labelled(lines, width, "hosts", Role::Plain, &hosts.join(", "));
}

/// What the confirmation will ask for, so that nobody is surprised by it.
fn needs(run: &Run, lines: &mut Vec<Line<'static>>, width: usize, index: usize) {
    for stage in run.stages(index) {
        let words = match stage {
            Stage::Choose { key, ask, .. } => format!("{key}: {}", ask.wants()),
            Stage::Pick { choice, .. } => format!("{}, chosen", choice.of),
            Stage::Value { key, ask, .. } => ask.question().unwrap_or(&key).to_owned(),
            Stage::YesNo { key, ask, .. } => {
                format!("yes or no: {}", ask.question().unwrap_or(&key))
            }
            Stage::Attest { request, .. } => {
                let found = run.known(index).map_or("", |known| known.found.as_str());
                let unsaid = request
                    .evidence
                    .iter()
                    .filter(|line| !found.contains(*line));
                for line in unsaid {
                    labelled(lines, width, "known", Role::Plain, line);
                }
                format!("your word that {}", request.statement)
            }
            Stage::Typed { word, .. } => format!("{word}, typed"),
            Stage::Second { .. } => "a second person's name".to_owned(),
            Stage::Response { .. } => match run.known(index).map_or(0, |known| known.refused) {
                0 => "that person's answer to a challenge".to_owned(),
                refused => format!("that person's answer to a challenge ({refused} refused)"),
            },
        };
        labelled(lines, width, "needs", Role::Warn, &words);
    }
}
