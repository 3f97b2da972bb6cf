//! The first and the last lines: where the run stands against the clock, and what can be pressed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::engine::{CommitWindow, DrillTerms, Split};
use crate::runbook::model::{Mode, Section};
use crate::tui::keys::{Action, Binding};
use crate::tui::model::{Enter, Page, Run};
use crate::tui::page::Extent;
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

/// What the person should know now: the most urgent thing first.
pub(super) fn status(run: &Run, buffer: &mut Buffer, area: Rect) {
    let more = run
        .waiting_for_person()
        .filter(|step| *step != run.ui.shown)
        .count();
    let (role, words) = if let Some((toast, _)) = &run.ui.toast {
        (Role::Warn, toast.clone())
    } else if run.leaving.is_some() {
        (
            Role::Warn,
            "leaving: waiting for the journal to be closed".to_owned(),
        )
    } else if let Some(fault) = run.end.as_ref().and_then(|end| end.fault.as_ref()) {
        let next = if fault.next.is_empty() {
            "resume it"
        } else {
            &fault.next
        };
        (
            Role::Bad,
            format!("the run stopped: {}; next: {next}", fault.what),
        )
    } else if let Some(banner) = run.ui.banners.back() {
        const SEEN: &str = "  [Esc] seen";
        let room = usize::from(area.width).saturating_sub(1 + SEEN.len());
        (Role::Bad, format!("{}{SEEN}", text::cut(banner, room)))
    } else if let Some(key) = run.host_keys.front() {
        (
            Role::Bad,
            format!("{} shows a host key that is not accepted", key.host),
        )
    } else if let Some(words) = update_due(run) {
        (Role::Warn, words)
    } else if run.state.paused {
        (
            Role::Warn,
            "paused: nothing new starts; [a] continues".to_owned(),
        )
    } else if more > 0 {
        let verb = if more == 1 {
            "step needs"
        } else {
            "steps need"
        };
        (Role::Warn, format!("{more} more {verb} you: [n]"))
    } else if run.stuck {
        (
            Role::Warn,
            "nothing else can go on until this is decided".to_owned(),
        )
    } else {
        let terms = run.terms().filter(|_| !run.is_over());
        (
            Role::Dim,
            terms.map(DrillTerms::in_words).unwrap_or_default(),
        )
    };
    let words = text::clean(&words).into_owned();
    put(
        buffer,
        area,
        &Line::styled(format!(" {words}"), role.style()),
    );
    countdown(run, buffer, area, text::width(&words));
}

/// That an update is due, until it is posted.
fn update_due(run: &Run) -> Option<String> {
    let late = text::seconds(run.update_due()?, run.now.wall);
    (late >= 0).then(|| "those who wait are due an update: [t]".to_owned())
}

/// How long until the next update is due, at the right end, where there is room.
fn countdown(run: &Run, buffer: &mut Buffer, area: Rect, taken: usize) {
    let Some(left) = run
        .update_due()
        .map(|due| text::seconds(run.now.wall, due))
        .filter(|left| *left > 0)
    else {
        return;
    };
    let words = format!("update in {}:{:02} [t]", left / 60, left % 60);
    let width = text::width(&words);
    let Some(gap) = usize::from(area.width)
        .checked_sub(width + 1)
        .filter(|gap| *gap > taken + 2)
    else {
        return;
    };
    let place = Rect {
        x: area.x + u16::try_from(gap).unwrap_or(0),
        width: u16::try_from(width).unwrap_or(0),
        ..area
    };
    put(buffer, place, &Line::styled(words, Role::Dim.style()));
}

/// The keys that count now, the next one highlighted.
pub(super) fn keys(run: &Run, buffer: &mut Buffer, area: Rect, card: Option<Extent>) {
    if run.ui.dialog.is_some() {
        let line = super::dialog::keys(run);
        put(buffer, area, &line);
        return;
    }
    let mut parts = Vec::new();
    let hints = run.bindings().filter(|binding| binding.hint);
    for binding in hints.filter(|binding| !(run.watching && binding.action.decides())) {
        let enabled = run.why_not(binding.action).is_none();
        // A no where nothing is asked would only be in the way.
        let is_far = run.ui.page != Page::Main || binding.action == Action::Decline;
        if !enabled && is_far {
            continue;
        }
        match binding.action {
            Action::Act => parts.push(enter_part(run, card)),
            Action::Pace => {
                let label = format!("pace: {}", run.state.pace.as_str());
                parts.push(hint(binding, &label, enabled));
            }
            Action::Pause if run.state.paused => parts.push(hint(binding, "continue", enabled)),
            _ => parts.push(hint(binding, binding.label, enabled)),
        }
    }
    put(buffer, area, &keys_line(parts, usize::from(area.width)));
}

/// What Enter does, or why it does nothing yet.
fn enter_part(run: &Run, card: Option<Extent>) -> (Line<'static>, bool) {
    let act = run.enter_seeing(card);
    let (style, words) = match &act {
        Enter::Confirm(Some(left)) | Enter::Fill(Some(left)) => {
            let tenths = left.as_millis().div_ceil(100);
            (
                Role::Dim,
                format!(" armed in {}.{} s ", tenths / 10, tenths % 10),
            )
        }
        Enter::Nothing if run.watching => (Role::Plain, " [q] stop watching ".to_owned()),
        Enter::Nothing => (Role::Dim, " nothing to press ".to_owned()),
        act => (Role::Chosen, format!(" [Enter] {} ", run.enter_label(act))),
    };
    (Line::styled(words, style.style()), true)
}

/// One hint, and whether the key does something now.
pub(in crate::tui) fn hint<A>(
    binding: &Binding<A>,
    label: &str,
    enabled: bool,
) -> (Line<'static>, bool) {
    let key = binding
        .keys
        .first()
        .map(|press| press.name())
        .unwrap_or_default();
    let (key_role, role) = if enabled {
        (Role::Key, Role::Plain)
    } else {
        (Role::Dim, Role::Dim)
    };
    let line = Line::from(vec![
        Span::styled(format!("[{key}]"), key_role.style()),
        Span::styled(format!(" {label}"), role.style()),
    ]);
    (line, enabled)
}

/// Hints in a line. Where room is short, first those that do nothing now give way, then the last
/// ones; the first and the last (help) stay.
pub(in crate::tui) fn keys_line(
    mut parts: Vec<(Line<'static>, bool)>,
    width: usize,
) -> Line<'static> {
    let total = |parts: &[(Line<'_>, bool)]| {
        parts
            .iter()
            .map(|(line, _)| line.width() + 2)
            .sum::<usize>()
    };
    while total(&parts) > width && parts.len() > 2 {
        let dead = parts.iter().rposition(|(_, enabled)| !enabled);
        parts.remove(dead.unwrap_or(parts.len() - 2));
    }
    let mut spans = vec![Span::raw(" ")];
    for (line, _) in parts {
        spans.extend(line.spans.into_iter().map(|span| {
            let style = line.style.patch(span.style);
            span.style(style)
        }));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}
