//! The first lines: which run this is, and where it stands against the clock.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::engine::{CommitWindow, Split};
use crate::runbook::model::{Mode, Section};
use crate::tui::model::Run;
use crate::tui::text;
use crate::tui::theme::{Role, mode_style};

use super::put;

/// Cells of the bar against the objective; fewer in a drill, which has a limit beside it.
const BAR: u64 = 16;
const SHORT_BAR: u64 = 8;

type Part = (Style, String);

pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let identity = identity(run);
    let clocks = clocks(run);
    let watching = "watching, read only";
    let who = match &run.state.people.offer {
        Some(offer) => {
            let offers = format!("{} offers it [o]", text::clean(&offer.by));
            let words = if run.watching {
                format!("{watching}; {offers}")
            } else {
                offers
            };
            (Role::Warn.style(), words)
        }
        None if run.watching => (Role::Warn.style(), watching.to_owned()),
        None => (Role::Dim.style(), run.operator.clone()),
    };
    if area.height > 1 {
        put(
            buffer,
            Rect { height: 1, ..area },
            &spread(&identity, &[who], width),
        );
        let below = Rect {
            y: area.y + 1,
            height: 1,
            ..area
        };
        put(buffer, below, &spread(&clocks, &[counts(run)], width));
    } else {
        let mut right = clocks;
        right.extend([counts(run), who]);
        put(buffer, area, &spread(&identity, &right, width));
    }
}

/// Parts on the left and on the right; the last ones give way where there is no room.
fn spread(left: &[Part], right: &[Part], width: usize) -> Line<'static> {
    let len = |parts: &[Part]| {
        parts
            .iter()
            .map(|(_, part)| text::width(part) + 2)
            .sum::<usize>()
    };
    let (mut left, mut right) = (left.to_vec(), right.to_vec());
    while len(&left) + len(&right) > width && left.len() + right.len() > 1 {
        if right.len() > 1 || left.len() == 1 {
            right.pop()
        } else {
            left.pop()
        };
    }
    let gap = width.saturating_sub(len(&left) + len(&right));
    let mut spans = Vec::new();
    let mut add = |parts: Vec<Part>| {
        for (style, part) in parts {
            spans.extend([Span::raw(" "), Span::styled(part, style), Span::raw(" ")]);
        }
    };
    add(left);
    add(vec![(Style::new(), " ".repeat(gap.saturating_sub(2)))]);
    add(right);
    Line::from(spans)
}

fn identity(run: &Run) -> Vec<Part> {
    let mode = run.plan.mode;
    let mut parts = vec![(
        mode_style(mode),
        format!(" {} ", run.state.heading(Some(run.plan.mode))),
    )];
    if let Some(info) = &run.state.info {
        let [protected, recovery] = info.sites.each_ref().map(|site| text::clean(site));
        let home = run.shown().map_or(mode == Mode::Failback, |_| {
            run.plan
                .steps
                .get(run.ui.current)
                .is_some_and(|step| step.id.section() == Section::Failback.as_str())
        });
        let way = if home {
            format!("{recovery} -> {protected}")
        } else {
            format!("{protected} -> {recovery}")
        };
        parts.push((Role::Strong.style(), way));
        parts.push((Role::Plain.style(), text::clean(&info.runbook).into_owned()));
    }
    parts
}

fn counts(run: &Run) -> Part {
    let (over, all) = run.counts();
    let waiting = run.waiting_for_person().count();
    match waiting {
        0 if run.state.paused => (Role::Warn.style(), format!("paused {over}/{all}")),
        0 => (Role::Plain.style(), format!("steps {over}/{all}")),
        n if run.watching => (
            Role::Plain.style(),
            format!("steps {over}/{all}, {n} to decide"),
        ),
        1 => (
            Role::Warn.style(),
            format!("steps {over}/{all}, 1 needs you"),
        ),
        n => (
            Role::Warn.style(),
            format!("steps {over}/{all}, {n} need you"),
        ),
    }
}

/// Seconds since service was lost, and the word before them: the clock stops when every VM serves.
fn since_outage(run: &Run) -> Option<(i64, &'static str)> {
    let from = run.state.counts_from()?;
    let last = run.state.all_served_at(&run.plan.vms);
    let (until, word) = match (last, run.state.finished_at) {
        (Some(last), _) if run.plan.section == Section::Failover => (last, "served in "),
        (_, Some(end)) => (end, "ended after "),
        _ => (run.now.wall, "T+"),
    };
    Some((text::seconds(from, until), word))
}

fn clocks(run: &Run) -> Vec<Part> {
    let mut parts = Vec::new();
    let splits = run.state.splits();
    if !splits.is_empty() {
        let vms: Vec<&str> = splits.iter().map(|split| split.vm.as_str()).collect();
        let words = format!("{}: {}", Split::ALARM, vms.join(", "));
        parts.push((Role::Bad.style(), words));
    }
    let Some((seconds, word)) = since_outage(run) else {
        return parts;
    };
    parts.push((
        Role::Strong.style(),
        format!("{word}{}", text::clock(seconds)),
    ));
    parts.extend(limit(run));
    parts.extend(decide(run));
    if let Some(rto) = run
        .state
        .info
        .as_ref()
        .and_then(|info| info.rto_s)
        .filter(|rto| *rto > 0)
    {
        let cells_in_all = if run.terms().is_some() {
            SHORT_BAR
        } else {
            BAR
        };
        let spent = u64::try_from(seconds).unwrap_or(0);
        let full = (spent.saturating_mul(cells_in_all) / rto).min(cells_in_all);
        let role = match spent.saturating_mul(100) / rto {
            ..75 => Role::Good,
            75..=100 => Role::Warn,
            _ => Role::Bad,
        };
        let cells = |sign: &str, count: u64| sign.repeat(usize::try_from(count).unwrap_or(0));
        let bar = format!("[{}{}]", cells("█", full), cells("░", cells_in_all - full));
        let missed = if spent > rto { " missed" } else { "" };
        parts.push((
            role.style(),
            format!("RTO {}{missed} {bar}", text::short(rto)),
        ));
    }
    match pace(run) {
        None => {}
        Some(0) => parts.push((Role::Plain.style(), "on pace".to_owned())),
        Some(behind) => {
            let role = if behind > 60 { Role::Warn } else { Role::Plain };
            let sign = if behind < 0 { "-" } else { "+" };
            parts.push((
                role.style(),
                format!("pace {sign}{}", text::short(behind.unsigned_abs())),
            ));
        }
    }
    parts
}

/// How long a drill may still take.
fn limit(run: &Run) -> Option<Part> {
    let limit = run.terms()?.limit_s?;
    let until = run.state.own_part_ended().unwrap_or(run.now.wall);
    let spent = u64::try_from(text::seconds(run.state.started?, until)).unwrap_or(0);
    let (role, words) = match limit.checked_sub(spent) {
        Some(left) if left * 4 > limit => (Role::Plain, format!("{} left", text::short(left))),
        Some(left) => (Role::Warn, format!("{} left", text::short(left))),
        None => (
            Role::Bad,
            format!("passed by {}", text::short(spent - limit)),
        ),
    };
    Some((role.style(), format!("limit {words}")))
}

/// How long there still is to decide what becomes of a run that is over.
fn decide(run: &Run) -> Option<Part> {
    let left = CommitWindow::of(&run.state)?.left(run.now.wall)?;
    let length = text::short(left.as_secs().unsigned_abs());
    Some(if left.is_negative() {
        (Role::Bad.style(), format!("decision overdue by {length}"))
    } else {
        (Role::Warn.style(), format!("decide in {length}"))
    })
}

/// Seconds by which the steps that say how long they usually take were slower than that.
fn pace(run: &Run) -> Option<i64> {
    let mut sum = None;
    for (index, step) in run.plan.steps.iter().enumerate() {
        let Some(usually) = step.usually else {
            continue;
        };
        let Some(known) = run.known(index) else {
            continue;
        };
        let Some(from) = known.confirmed_at else {
            continue;
        };
        let usually = i64::try_from(usually.as_secs()).unwrap_or(i64::MAX);
        let late = match known.ended {
            Some(ended) if known.status.is_met() => text::seconds(from, ended) - usually,
            None if known.status.is_active() => {
                (text::seconds(from, run.now.wall) - usually).max(0)
            }
            _ => continue,
        };
        sum = Some(sum.unwrap_or(0) + late);
    }
    sum
}
