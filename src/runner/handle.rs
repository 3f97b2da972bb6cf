//! The two ends that a screen, or the headless printer, holds of a run.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::actions::Progress;
use crate::engine::{Entry, OperatorInput};
use crate::error::Fault;
use crate::host::Hosts;
use crate::names::{HostName, RunId, StepId};
use crate::plan::Plan;
use crate::runbook::model::Runbook;
use crate::telemetry::{HostFigures, RefusedKey};

/// A run under way: what a person decides goes in, what happens comes out.
pub struct RunHandle {
    /// Its id.
    pub run: RunId,
    /// Its folder.
    pub dir: PathBuf,
    /// What commands need behind its id for them to look in that folder.
    pub elsewhere: String,
    /// Its steps, in order.
    pub plan: Arc<Plan>,
    /// The frozen runbook.
    pub runbook: Arc<Runbook>,
    /// Everything that was on disk when this handle was made; updates follow on from here.
    pub past: Vec<Arc<Entry>>,
    /// Its hosts, for a person's own shell; none where the run is only watched.
    pub hosts: Option<Hosts>,
    /// For decisions. Never blocks.
    pub inputs: mpsc::UnboundedSender<OperatorInput>,
    /// What happens. Ends after [`Update::Ended`].
    pub updates: mpsc::UnboundedReceiver<Update>,
}

/// Something happened in the run.
#[derive(Clone, Debug)]
pub enum Update {
    /// An event, already on disk.
    Entry(Arc<Entry>),
    /// Something that is worth seeing now and not worth keeping.
    Live(Live),
    /// Nothing more can go on without a decision (a headless run ends here).
    Stuck {
        /// Steps that wait for one, in plan order.
        waiting: Vec<StepId>,
    },
    /// The runner has stopped; the journal is closed.
    Ended {
        /// The journal's head hash.
        head: String,
        /// Why it stopped, where that was not on purpose (a journal that cannot be written).
        fault: Option<Fault>,
    },
}

/// Something worth seeing now.
#[derive(Clone, Debug)]
pub enum Live {
    /// A line that a host printed, sanitised and redacted.
    Output {
        /// Which host.
        host: HostName,
        /// The line.
        line: String,
        /// It replaces the line before it (a progress line ended by a carriage return).
        replaces: bool,
    },
    /// A command was sent to a host (reads too).
    Sent {
        /// Which host.
        host: HostName,
        /// The line, secrets masked.
        command: String,
        /// Whether it changes something.
        write: bool,
    },
    /// A command ended; `None` where no exit status came.
    CommandEnded {
        /// Which host.
        host: HostName,
        /// Its exit status.
        status: Option<i32>,
    },
    /// How far a step is.
    Progress {
        /// Which step.
        step: StepId,
        /// How far.
        progress: Progress,
    },
    /// A host pane has new figures.
    Host(Box<HostFigures>),
    /// The host's key is unknown or changed: the way on is to type the first eight characters.
    HostKey(RefusedKey),
    /// Something about the console itself, to be seen at once.
    Banner(String),
}
