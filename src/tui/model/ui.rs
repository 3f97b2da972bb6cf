//! Where the person is on the screen.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::Status;
use crate::names::{Attempt, HostName};
use crate::tui::page::Seen;

use super::dialog::Dialog;
use super::log::Filter;

/// What fills the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::tui) enum Page {
    /// Steps, card, hosts, output.
    #[default]
    Main,
    /// Every VM against every phase.
    Grid,
    /// One host.
    Host(usize),
    /// The log.
    Log,
    /// Keys.
    Help,
    /// How the run stands.
    Brief,
    /// How the run went.
    Debrief,
}

/// Where the person is.
#[derive(Debug)]
pub(in crate::tui) struct Ui {
    /// What fills the screen.
    pub page: Page,
    /// The pane in use: 1 steps, 2 card, 3 hosts, 4 output.
    pub pane: u8,
    /// The step that is shown, as an index of the plan.
    pub shown: usize,
    /// The step that is next, as an index of the plan.
    pub current: usize,
    /// Whether `shown` goes where `current` goes.
    pub follow: bool,
    /// The step card.
    pub card: Card,
    /// First line of the list, log or page that scrolls; `None` is the end of a log.
    pub offset: Option<usize>,
    /// The grid's row.
    pub row: usize,
    /// What the log shows.
    pub filter: Filter,
    /// What the log is searched for, lower case.
    pub search: String,
    /// A dialog.
    pub dialog: Option<Dialog>,
    /// Questions whose dialog the person has closed: step and the host's id.
    pub dismissed: BTreeSet<(usize, String)>,
    /// Fences of VMs at both sites that were put first, as they asked.
    pub put_first: BTreeSet<(usize, Attempt)>,
    /// A remark of the screen itself, and until when.
    pub toast: Option<(String, Duration)>,
    /// Remarks that stay until Esc.
    pub banners: VecDeque<String>,
    /// What of the last frame could be seen.
    pub seen: Seen,
    /// When a key was last pressed.
    pub last_key: Duration,
    /// A key was pressed since the screen opened.
    pub touched: bool,
    /// When Ctrl-C was pressed once.
    pub interrupted: Option<Duration>,
    /// Since when a person is needed.
    pub needed: Option<Duration>,
    /// The bell was rung for it.
    pub rung: bool,
    /// Something happened for which a person is rung at once, whoever is at the keys.
    pub alarm: bool,
    /// The update for which the bell was rung.
    pub update_rung: Option<Timestamp>,
    /// A host that a shell is to be opened on now.
    pub shell: Option<HostName>,
    /// The debrief has opened itself.
    pub debriefed: bool,
}

/// The step card as it is on screen.
#[derive(Debug, Default)]
pub(in crate::tui) struct Card {
    /// What it shows; another step, attempt or status is another card.
    pub key: (usize, Attempt, Status),
    /// When it was first drawn, or a key last pressed too early.
    pub since: Option<Duration>,
    /// First line shown.
    pub scroll: usize,
    /// Lines that have been on screen.
    pub read_to: usize,
    /// The person wants the other panes beside it, however long it is.
    pub beside: bool,
    /// The scripts of its commands stand whole.
    pub exact: bool,
}

impl Ui {
    /// On the steps, following the run.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            page: Page::Main,
            pane: 1,
            shown: 0,
            current: 0,
            follow: true,
            card: Card::default(),
            offset: None,
            row: 0,
            filter: Filter::All,
            search: String::new(),
            dialog: None,
            dismissed: BTreeSet::new(),
            put_first: BTreeSet::new(),
            toast: None,
            banners: VecDeque::new(),
            seen: Seen::default(),
            last_key: now,
            touched: false,
            interrupted: None,
            needed: None,
            rung: false,
            alarm: false,
            update_rung: None,
            shell: None,
            debriefed: false,
        }
    }
}
