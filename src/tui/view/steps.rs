//! The tree of steps.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::engine::Status;
use crate::tui::model::Run;
use crate::tui::model::outline::{self, Group};
use crate::tui::text;
use crate::tui::theme::{Role, glyph, status_role};

use super::{pane, put};

/// Columns for the word or time at the right.
const RIGHT: usize = 9;

/// One row of the tree.
enum Row<'a> {
    Phase(&'a str, (usize, usize)),
    /// A VM's heading; whether its steps are below.
    Vm(&'a Group, bool),
    Step(usize, usize),
}

pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect) {
    let (over, all) = run.counts();
    let inner = pane(
        buffer,
        area,
        1,
        "steps",
        &format!("{over}/{all}"),
        run.ui.pane == 1,
    );
    let rows = usize::from(inner.height);
    let tree = tree(run, rows);
    let at = tree.iter().position(|row| match row {
        Row::Step(index, _) => *index == run.ui.shown,
        Row::Vm(group, false) => group.steps.contains(&run.ui.shown),
        _ => false,
    });
    let top = at
        .unwrap_or(0)
        .saturating_sub(rows / 2)
        .min(tree.len().saturating_sub(rows));
    let width = usize::from(inner.width);
    for (row, y) in tree.iter().skip(top).zip(inner.y..inner.bottom()) {
        put(
            buffer,
            Rect {
                y,
                height: 1,
                ..inner
            },
            &line(run, row, width),
        );
    }
}

/// All rows if they fit; else only the VM with the shown step is unfolded.
fn tree(run: &Run, rows: usize) -> Vec<Row<'_>> {
    let unfolded = unfold(run, |_| true);
    if unfolded.len() <= rows {
        return unfolded;
    }
    unfold(run, |group| group.steps.contains(&run.ui.shown))
}

fn unfold(run: &Run, open: impl Fn(&Group) -> bool) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for phase in &run.outline.phases {
        let steps = || phase.groups.iter().flat_map(|group| &group.steps);
        let over = steps().filter(|step| run.status(**step).is_met()).count();
        rows.push(Row::Phase(&phase.title, (over, steps().count())));
        for group in &phase.groups {
            if !group.has_heading() {
                rows.extend(group.steps.iter().map(|step| Row::Step(*step, 2)));
                continue;
            }
            let open = open(group);
            rows.push(Row::Vm(group, open));
            if open {
                rows.extend(group.steps.iter().map(|step| Row::Step(*step, 4)));
            }
        }
    }
    rows
}

fn line(run: &Run, row: &Row<'_>, width: usize) -> Line<'static> {
    match row {
        Row::Phase(title, (over, all)) => {
            let role = if over == all { Role::Dim } else { Role::Strong };
            columns(
                width,
                0,
                "",
                title,
                &format!("{over}/{all}"),
                role.style(),
                role,
            )
        }
        Row::Vm(group, open) => vm_line(run, group, *open, width),
        Row::Step(step, indent) => step_line(run, *step, *indent, width),
    }
}

/// The step of a VM that tells most about it: what needs a person, else what is under way, else
/// what is next.
fn telling(run: &Run, steps: &[usize]) -> Option<usize> {
    let find = |pick: &dyn Fn(usize) -> bool| steps.iter().copied().find(|step| pick(*step));
    find(&|step| run.needs_person(step))
        .or_else(|| find(&|step| run.status(step).is_active()))
        .or_else(|| find(&|step| run.status(step) == Status::Failed))
        .or_else(|| find(&|step| !run.status(step).is_met()))
}

fn vm_line(run: &Run, group: &Group, open: bool, width: usize) -> Line<'static> {
    let name = group
        .vm
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let over = group
        .steps
        .iter()
        .filter(|step| run.status(**step).is_met())
        .count();
    let count = format!("{over}/{}", group.steps.len());
    if open {
        return columns(
            width,
            2,
            "▾",
            &name,
            &count,
            Role::Strong.style(),
            Role::Dim,
        );
    }
    match telling(run, &group.steps) {
        Some(step) if run.status(step) != Status::Waiting || over > 0 => {
            let verb = outline::short_title(&run.plan.steps[step]);
            let role = status_role(run.status(step));
            let name = format!("{name}  {verb}");
            columns(
                width,
                2,
                glyph(run.status(step)),
                &name,
                &right(run, step),
                role.style(),
                role,
            )
        }
        Some(_) => columns(
            width,
            2,
            glyph(Status::Waiting),
            &name,
            &count,
            Role::Dim.style(),
            Role::Dim,
        ),
        None if group
            .steps
            .iter()
            .any(|step| run.status(*step) == Status::Skipped) =>
        {
            let role = status_role(Status::Skipped);
            columns(
                width,
                2,
                glyph(Status::Skipped),
                &name,
                "skipped",
                role.style(),
                role,
            )
        }
        None => columns(
            width,
            2,
            glyph(Status::Done),
            &name,
            &count,
            Role::Good.style(),
            Role::Dim,
        ),
    }
}

fn step_line(run: &Run, index: usize, indent: usize, width: usize) -> Line<'static> {
    let Some(step) = run.plan.steps.get(index) else {
        return Line::default();
    };
    let status = run.status(index);
    let title = if indent > 2 {
        outline::short_title(step)
    } else {
        &step.title
    };
    let title = title.replace('_', " ");
    let role = status_role(status);
    let style = if run.needs_person(index) {
        Role::Strong.style()
    } else {
        Style::new()
    };
    let style = if matches!(status, Status::Waiting) {
        Role::Dim.style()
    } else {
        style
    };
    let mut line = columns(
        width,
        indent,
        glyph(status),
        &title,
        &right(run, index),
        style,
        role,
    );
    if index == run.ui.shown {
        line = line.patch_style(Role::Chosen.style());
    }
    line
}

/// The word or time at the right of a step.
fn right(run: &Run, index: usize) -> String {
    let status = run.status(index);
    let known = run.known(index);
    match status {
        Status::Waiting => String::new(),
        Status::Asking => "needs you".to_owned(),
        Status::Running | Status::Undoing | Status::Probing => {
            if known.is_some_and(|known| known.question.is_some()) {
                return "question!".to_owned();
            }
            match run.progress.get(&index) {
                Some(progress) if progress.total > 0 => {
                    format!(
                        "{}%",
                        u128::from(progress.done) * 100 / u128::from(progress.total)
                    )
                }
                _ => match known.and_then(|known| known.since) {
                    Some(since) if status != Status::Probing => {
                        text::took(text::seconds(since, run.now.wall))
                    }
                    _ => "looking".to_owned(),
                },
            }
        }
        Status::Done => known
            .and_then(|known| {
                Some(text::took(text::seconds(
                    known.confirmed_at.or(known.started)?,
                    known.ended?,
                )))
            })
            .unwrap_or_default(),
        Status::AlreadyDone => "already".to_owned(),
        Status::ByHand => "by hand".to_owned(),
        Status::InDoubt
        | Status::Stopping
        | Status::Held
        | Status::Skipped
        | Status::Failed
        | Status::Undone => status.as_str().to_owned(),
    }
}

fn columns(
    width: usize,
    indent: usize,
    sign: &str,
    name: &str,
    right: &str,
    style: Style,
    role: Role,
) -> Line<'static> {
    let name = text::clean(name);
    let sign = if sign.is_empty() {
        String::new()
    } else {
        format!("{sign} ")
    };
    let right = text::cut(right, RIGHT);
    let lead = " ".repeat(indent + 1);
    let used = indent + 1 + text::width(&sign) + text::width(&right) + 2;
    let name = text::fit(&name, width.saturating_sub(used));
    Line::from(vec![
        Span::raw(lead),
        Span::styled(sign, role.style()),
        Span::styled(name, style),
        Span::styled(format!(" {right} "), role.style()),
    ])
}
