//! The keys of the home screen.

use crossterm::event::KeyCode;

use super::{Binding, char, ctrl, hint, on, row};

/// What keys do at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum HomeAction {
    /// The highlighted default.
    Act,
    /// Practise.
    Practice,
    /// A drill beside production.
    Drill,
    /// The real thing.
    Run,
    /// The way home.
    Failback,
    /// What the run did stays.
    Commit,
    /// What the run did is taken back.
    Rollback,
    /// What the run made is removed.
    Cleanup,
    /// An ending that was begun is left.
    LeaveEnding,
    /// Read the report.
    Report,
    /// What the keys do.
    Help,
    /// Up.
    Up,
    /// Down.
    Down,
    /// Leave.
    Quit,
}

/// Keys of home.
pub(in crate::tui) const HOME: &[Binding<HomeAction>] = &[
    hint(
        HomeAction::Act,
        &[on(KeyCode::Enter)],
        "open",
        "What is highlighted: resume an unfinished run, open a runbook or a report.",
    ),
    hint(
        HomeAction::Practice,
        &[char('p')],
        "practice",
        "Practise with this runbook on a simulated site.",
    ),
    hint(
        HomeAction::Drill,
        &[char('d')],
        "drill",
        "Drill this runbook beside production, in isolation; the protected site is left alone.",
    ),
    hint(
        HomeAction::Run,
        &[char('r')],
        "failover",
        "Run this runbook for real, on a drill from its disks; every step is shown before it is sent.",
    ),
    hint(
        HomeAction::Failback,
        &[char('b')],
        "fail back",
        "Bring the VMs of this run, or this runbook, home.",
    ),
    hint(
        HomeAction::Commit,
        &[char('c')],
        "commit",
        "What this run did stays; it shows what is deleted, and asks.",
    ),
    hint(
        HomeAction::Rollback,
        &[char('u')],
        "roll back",
        "Take back what this run did, step by step.",
    ),
    hint(
        HomeAction::Cleanup,
        &[char('x')],
        "clean up",
        "Remove what this run made; it shows the list, and asks.",
    ),
    hint(
        HomeAction::LeaveEnding,
        &[char('l')],
        "leave",
        "Leave an ending of which nothing was done, with a reason.",
    ),
    hint(
        HomeAction::Report,
        &[char('v')],
        "report",
        "Read this run's report.",
    ),
    hint(
        HomeAction::Help,
        &[char('?')],
        "help",
        "What each key does.",
    ),
    row(
        HomeAction::Up,
        &[on(KeyCode::Up), char('k')],
        "up",
        "Move up.",
    ),
    row(
        HomeAction::Down,
        &[on(KeyCode::Down), char('j')],
        "down",
        "Move down.",
    ),
    hint(
        HomeAction::Quit,
        &[char('q'), on(KeyCode::Esc), ctrl('c')],
        "quit",
        "Leave; nothing is running.",
    ),
];
