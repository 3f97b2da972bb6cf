//! Every VM against every phase.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::engine::Status;
use crate::names::VmName;
use crate::tui::model::Run;
use crate::tui::model::outline::{Phase, short_title};
use crate::tui::page::Extent;
use crate::tui::text;
use crate::tui::theme::{Role, glyph, status_role};

use super::{put, rule};

/// Columns of a VM's name.
const NAME: usize = 16;
/// Columns of a cell, at least.
const CELL: usize = 18;

pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect) -> Extent {
    let heading = Rect { height: 1, ..area };
    rule(
        buffer,
        heading,
        "VMs and phases",
        "[Enter] go to the VM  [Esc] back",
        Role::Strong.style(),
    );
    let width = usize::from(area.width);
    let fit = (width.saturating_sub(NAME + 1) / CELL).max(1);
    let phases = &shown(run, fit)[..];
    let cell = (width.saturating_sub(NAME + 1) / phases.len().max(1)).min(36);

    let below = Rect {
        y: area.y + 1,
        height: 1,
        ..area
    };
    put(buffer, below, &head(phases, cell));

    let rows = usize::from(area.height.saturating_sub(2));
    let extent = Extent {
        lines: run.plan.vms.len(),
        rows,
    };
    let top = (run.ui.row + 1).saturating_sub(rows);
    for (at, (vm, y)) in run
        .plan
        .vms
        .iter()
        .enumerate()
        .skip(top)
        .zip(area.y + 2..area.bottom())
        .map(|((at, vm), y)| (at, (vm, y)))
    {
        let mut line = row(run, vm, phases, cell);
        if at == run.ui.row {
            line = line.patch_style(Role::Chosen.style());
        }
        put(
            buffer,
            Rect {
                y,
                height: 1,
                ..area
            },
            &line,
        );
    }
    extent
}

/// So many of the phases that touch VMs: those around the step that is next, where not all fit.
fn shown(run: &Run, fit: usize) -> Vec<&Phase> {
    let touches = |phase: &&Phase| phase.groups.iter().any(|group| group.vm.is_some());
    let phases: Vec<&Phase> = run.outline.phases.iter().filter(touches).collect();
    let next = phases.iter().position(|phase| {
        let mut groups = phase.groups.iter();
        groups.any(|group| group.steps.contains(&run.ui.current))
    });
    let first = next
        .unwrap_or(0)
        .saturating_sub(fit / 2)
        .min(phases.len().saturating_sub(fit));
    phases.into_iter().skip(first).take(fit).collect()
}

fn head(phases: &[&Phase], cell: usize) -> Line<'static> {
    let mut spans = vec![Span::raw(format!(" {}", text::fit("VM", NAME)))];
    spans.extend(phases.iter().map(|phase| {
        let title = text::cut(&text::clean(&phase.title), cell - 1);
        Span::styled(text::fit(&title, cell), Role::Dim.style())
    }));
    Line::from(spans)
}

fn row(run: &Run, vm: &VmName, phases: &[&Phase], cell: usize) -> Line<'static> {
    let mut spans = vec![Span::styled(
        format!(" {} ", text::fit(&text::clean(vm.as_str()), NAME - 1)),
        Role::Strong.style(),
    )];
    for phase in phases {
        let group = phase
            .groups
            .iter()
            .find(|group| group.vm.as_ref() == Some(vm));
        let (style, words) = group.map_or((Role::Dim.style(), "-".to_owned()), |group| {
            summary(run, &group.steps)
        });
        spans.push(Span::styled(
            text::fit(&words, cell.saturating_sub(1)),
            style,
        ));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

/// The sign and count of a VM's steps in one phase, and what it is at.
fn summary(run: &Run, steps: &[usize]) -> (Style, String) {
    let over = steps
        .iter()
        .filter(|step| run.status(**step).is_met())
        .count();
    let count = format!("{over}/{}", steps.len());
    let find = |pick: &dyn Fn(usize) -> bool| steps.iter().copied().find(|step| pick(*step));
    let telling = find(&|step| run.needs_person(step))
        .or_else(|| find(&|step| run.status(step).is_active()))
        .or_else(|| find(&|step| run.status(step) == Status::Failed));
    let Some(step) = telling else {
        let status = if over == steps.len() {
            Status::Done
        } else {
            Status::Waiting
        };
        return (
            status_role(status).style(),
            format!("{} {count}", glyph(status)),
        );
    };
    let status = run.status(step);
    let verb = run
        .plan
        .steps
        .get(step)
        .map(|step| short_title(step).replace('_', " "));
    let percent = run
        .progress
        .get(&step)
        .filter(|progress| progress.total > 0)
        .map(|progress| {
            format!(
                " {}%",
                u128::from(progress.done) * 100 / u128::from(progress.total)
            )
        });
    let words = format!(
        "{} {count} {}{}",
        glyph(status),
        text::clean(&verb.unwrap_or_default()),
        percent.unwrap_or_default()
    );
    (status_role(status).style(), words)
}
