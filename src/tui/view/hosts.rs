//! Host panes: what is known of each host, and how old that is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::names::HostName;
use crate::telemetry::{HostFigures, LinkState, VmFigures};
use crate::tui::model::Run;
use crate::tui::page::Extent;
use crate::tui::text;
use crate::tui::theme::{Role, link};

use super::{list, pane, put, rule, spans};

/// Figures of a host that is asked every five seconds are marked when they are older than this.
const STALE: i64 = 20;
/// Seconds without an answer after which such a host is not called up.
const SILENT: i64 = 12;

/// All hosts, one below the other.
pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect) -> Extent {
    let width = usize::from(area.width.saturating_sub(1));
    let order = run.host_order();
    // Where all panes do not fit with everything, each gives its VMs and volumes less room.
    let full: Vec<Line<'static>> = panes(run, &order, width, usize::MAX);
    let rows = usize::from(area.height.saturating_sub(1));
    let lines = if full.len() > rows && run.ui.pane != 3 {
        panes(run, &order, width, (rows / order.len().max(1)).max(2))
    } else {
        full
    };
    let focused = run.ui.pane == 3;
    let offset = if focused {
        run.ui.offset.unwrap_or(0)
    } else {
        0
    };
    let note = if lines.len() > rows {
        super::place(
            Extent {
                lines: lines.len(),
                rows,
            },
            offset,
        )
    } else {
        String::new()
    };
    let inner = pane(buffer, area, 3, "hosts", &note, focused);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(1),
        ..inner
    };
    list(buffer, inner, &lines, offset)
}

fn panes(run: &Run, order: &[&HostName], width: usize, most: usize) -> Vec<Line<'static>> {
    order
        .iter()
        .flat_map(|host| {
            let mut lines = host_lines(run, host, width);
            lines.truncate(most);
            lines
        })
        .collect()
}

/// One line for each host, for a screen without room for panes.
pub(super) fn lines(run: &Run, buffer: &mut Buffer, area: Rect) {
    rule(buffer, area, "[3] hosts", "", Role::Strong.style());
    for (host, y) in run.host_order().into_iter().zip(area.y + 1..area.bottom()) {
        let row = Rect {
            x: area.x + 1,
            y,
            width: area.width.saturating_sub(1),
            height: 1,
        };
        let Some(figures) = run.hosts.get(host) else {
            put(
                buffer,
                row,
                &spans([(Role::Host, host.as_str()), (Role::Dim, "  not asked yet")]),
            );
            continue;
        };
        let mut line = head(run, host, Some(figures), 0);
        let load = load(figures);
        let vms: Vec<String> = figures
            .vms
            .iter()
            .map(|vm| format!("{} {}", vm.vm, vm.power))
            .collect();
        let slow = slow(figures).unwrap_or_default();
        for part in [slow, load, vms.join(", ")] {
            if !part.is_empty() {
                line.spans
                    .push(Span::raw(format!("  {}", text::clean(&part))));
            }
        }
        put(buffer, row, &line);
    }
}

/// Name, link, round trip and the age of it all.
fn head(run: &Run, host: &HostName, figures: Option<&HostFigures>, width: usize) -> Line<'static> {
    let silent = figures.is_some_and(|figures| is_silent(run, figures));
    let (word, role) = match figures.map(|figures| figures.link).unwrap_or_default() {
        LinkState::Up if silent => ("silent", Role::Warn),
        state => link(state),
    };
    let mut parts = vec![(Role::Host, host.to_string()), (role, format!("  {word}"))];
    let answers = figures
        .is_some_and(|figures| !silent && matches!(figures.link, LinkState::Up | LinkState::Slow));
    if let Some(trip) = figures
        .filter(|figures| figures.slow_call.is_none())
        .and_then(|figures| figures.round_trip)
        .filter(|_| answers)
    {
        parts.push((Role::Plain, format!("  {}", text::round_trip(trip))));
    }
    let (role, age) = age(run, figures);
    let used: usize = parts.iter().map(|(_, part)| text::width(part)).sum();
    let gap = width
        .saturating_sub(used + text::width(&age))
        .max(if age.is_empty() { 0 } else { 2 });
    parts.push((Role::Plain, " ".repeat(gap)));
    parts.push((role, age));
    spans(parts.iter().map(|(role, part)| (*role, part.as_str())))
}

fn age(run: &Run, figures: Option<&HostFigures>) -> (Role, String) {
    let Some(at) = figures.and_then(|figures| figures.answered) else {
        return (Role::Dim, String::new());
    };
    match text::seconds(at, run.now.wall) {
        s if figures.is_some_and(|figures| is_stale(run, figures)) => (
            Role::Warn,
            format!("stale {}", text::short(s.unsigned_abs())),
        ),
        s => (Role::Dim, format!("{}s ago", s.max(0))),
    }
}

/// What a call takes where that is long.
fn slow(figures: &HostFigures) -> Option<String> {
    let call = figures
        .slow_call
        .filter(|_| figures.link == LinkState::Slow)?;
    let call = text::round_trip(call);
    Some(format!("a call takes {call}: steps take longer"))
}

fn load(figures: &HostFigures) -> String {
    let mut parts = Vec::new();
    if let Some(cpu) = figures.cpu_percent {
        parts.push(format!("cpu {cpu}%"));
    }
    if let Some((used, all)) = figures.memory {
        parts.push(format!("mem {}", text::share(used, all)));
    }
    parts.join("  ")
}

/// Its last look has not come back for longer than two of them should take.
fn is_silent(run: &Run, figures: &HostFigures) -> bool {
    is_older(run, figures, SILENT)
}

fn is_stale(run: &Run, figures: &HostFigures) -> bool {
    is_older(run, figures, STALE)
}

/// Whether the last answer is older than this many seconds. A host that answers slowly is asked less
/// often.
fn is_older(run: &Run, figures: &HostFigures, seconds: i64) -> bool {
    let took = figures.poll_took.unwrap_or_default();
    let of_slow = took.saturating_mul(10).as_secs().cast_signed();
    let patience = seconds.max(of_slow);
    let answered = figures.answered;
    answered.is_some_and(|at| text::seconds(at, run.now.wall) > patience)
}

/// The most important first, so that a small pane loses the rest.
fn host_lines(run: &Run, host: &HostName, width: usize) -> Vec<Line<'static>> {
    let figures = run.hosts.get(host);
    let mut lines = vec![head(run, host, figures, width)];
    let Some(figures) = figures else { return lines };
    let plain = if is_stale(run, figures) {
        Role::Dim
    } else {
        Role::Plain
    };
    let mut say = |role: Role, words: &str| {
        for line in text::wrap(words, width.saturating_sub(2)) {
            lines.push(spans([(role, format!("  {line}").as_str())]));
        }
    };
    if let Some(trouble) = &figures.trouble {
        say(Role::Bad, trouble);
    }
    if let Some(slow) = slow(figures) {
        say(Role::Warn, &slow);
    }
    // A question first: it is what somebody waits for.
    let (asking, others): (Vec<_>, Vec<_>) = figures.vms.iter().partition(|vm| vm.question);
    for vm in asking.into_iter().chain(others) {
        let role = if vm.question { Role::Warn } else { plain };
        say(role, &vm_words(vm));
    }
    for (label, free, all) in &figures.volumes {
        let tight = *all > 0 && free.saturating_mul(10) < *all;
        let role = if tight { Role::Warn } else { plain };
        let percent = u128::from(*free) * 100 / u128::from((*all).max(1));
        say(
            role,
            &format!("{label}  {} free, {percent}%", text::bytes(*free)),
        );
    }
    for (role, words) in [(plain, load(figures)), (Role::Dim, product(figures))] {
        if !words.is_empty() {
            say(role, &words);
        }
    }
    lines
}

fn product(figures: &HostFigures) -> String {
    let mut words = figures.product.clone();
    if let Some(uptime) = figures.uptime {
        let gap = if words.is_empty() { "" } else { "  " };
        words.push_str(&format!("{gap}up {}", text::short(uptime.as_secs())));
    }
    words
}

fn vm_words(vm: &VmFigures) -> String {
    let question = if vm.question { "  question!" } else { "" };
    let guest = if vm.guest.is_empty() {
        String::new()
    } else {
        format!("  {}", vm.guest)
    };
    format!("{}  {}{question}{guest}", vm.vm, vm.power)
}

/// One host on the whole screen, with the commands it got.
pub(super) fn zoom(run: &Run, buffer: &mut Buffer, area: Rect, at: usize) -> Extent {
    let order = run.host_order();
    let Some(host) = order.get(at).copied() else {
        return Extent::default();
    };
    let width = usize::from(area.width.saturating_sub(2));
    let mut lines = host_lines(run, host, width.min(70));
    if let Some(known) = run.runbook.hosts.get(host) {
        let words = format!(
            "  {}@{}  {:?}  site {}",
            known.user, known.address, known.driver, known.site
        );
        lines.insert(1, spans([(Role::Dim, words.to_lowercase().as_str())]));
        for (note, at) in known.notes.iter().zip(2..) {
            let words = format!("  {}", text::clean(note));
            lines.insert(at, spans([(Role::Dim, words.as_str())]));
        }
    }
    if let Some(took) = run.hosts.get(host).and_then(|figures| figures.poll_took) {
        let words = format!("  the last look took {}", text::round_trip(took));
        lines.push(spans([(Role::Dim, words.as_str())]));
    }
    let title = format!("host {}/{}  {host}", at + 1, order.len());
    let heading = Rect { height: 1, ..area };
    rule(
        buffer,
        heading,
        &title,
        "[Left] [Right] other hosts  [Esc] back",
        Role::Strong.style(),
    );
    let most = usize::from(area.height) / 2;
    let top = u16::try_from(lines.len().min(most)).unwrap_or(0);
    let facts = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(1),
        height: top,
    };
    list(buffer, facts, &lines, 0);
    let below = Rect {
        y: facts.bottom(),
        height: area.bottom().saturating_sub(facts.bottom()),
        ..area
    };
    super::log::of_host(run, buffer, below, host)
}
