//! One line of the ledger: a thing, where it is, and what became of it.

use std::fmt;

use jiff::Timestamp;

use crate::engine::fact::AutostartEntry;
use crate::names::{HostName, StepId, VmName};
use crate::plan::PlacedFile;

/// Something that the run made or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A folder that was made.
    Folder(String),
    /// A file that was placed.
    File(PlacedFile),
    /// A file of before the run that was renamed aside.
    Original {
        /// Its name before.
        path: String,
        /// Its name now.
        aside: String,
        /// Its size when it was renamed, where that was noted.
        bytes: Option<u64>,
    },
    /// Files under names of the run's own, in a folder: what is half done.
    Workfiles(String),
    /// A VM that was entered into the inventory, by its .vmx.
    Registered(String),
    /// A VM that was taken out of the inventory; by its .vmx where the run had stopped it there.
    Unregistered(Option<String>),
    /// A VM that was started.
    Started,
    /// A VM that ran and was stopped, by its .vmx.
    Stopped(String),
    /// An expendable VM that ran and was stopped to free capacity, by its .vmx.
    Freed(String),
    /// An autostart entry that was taken away.
    Autostart(AutostartEntry),
    /// A port group that was made.
    PortGroup {
        /// Its name.
        name: String,
        /// On which switch.
        vswitch: String,
    },
    /// A virtual switch that was made.
    Vswitch(String),
}

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Where.
    pub host: HostName,
    /// Of which VM, where it is one's.
    pub vm: Option<VmName>,
    /// What.
    pub thing: Thing,
    /// Since when.
    pub since: Timestamp,
    /// By which step.
    pub step: Option<StepId>,
    /// A command was announced for it, and nothing was seen of it yet.
    pub announced: bool,
    /// A drill's cleanup left it where it is, for a live restore to start from.
    pub kept: bool,
    /// When it was seen gone again, or given back.
    pub gone: Option<Timestamp>,
}

impl Item {
    /// What it is, in the ledger's words: [`Fact::Gone`](crate::engine::Fact::Gone) speaks of it by them.
    #[must_use]
    pub fn what(&self) -> String {
        let vm = self.vm.as_ref().map_or("", |vm| vm.as_str());
        match &self.thing {
            Thing::Folder(path) => format!("folder {path}"),
            Thing::File(file) => format!("file {}", file.path),
            Thing::Original { path, aside, .. } => {
                format!("original {path}, renamed to {}", name_of(aside))
            }
            Thing::Workfiles(folder) => format!("work files of the run in {folder}"),
            Thing::Registered(vmx) => format!("{vm} registered from {vmx}"),
            Thing::Unregistered(_) => format!("{vm} taken out of the inventory"),
            Thing::Started => format!("{vm} powered on"),
            Thing::Stopped(_) => format!("{vm} stopped"),
            Thing::Freed(vmx) => format!("{vm} ({vmx}) stopped to free capacity"),
            Thing::Autostart(_) => format!("autostart entry of {vm}, taken away"),
            Thing::PortGroup { name, vswitch } => format!("port group {name} on {vswitch}"),
            Thing::Vswitch(name) => format!("virtual switch {name}"),
        }
    }

    /// It stands as the run left it.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.gone.is_none()
    }

    /// The folder that it lies in, or is, where it is one or a file.
    pub(super) fn place(&self) -> Option<&str> {
        match &self.thing {
            Thing::Folder(folder) | Thing::Workfiles(folder) => Some(folder),
            Thing::File(PlacedFile { path, .. }) | Thing::Original { aside: path, .. } => {
                Some(folder_of(path))
            }
            _ => None,
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.host == other.host && self.vm == other.vm && self.what() == other.what()
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doubt = if self.announced {
            " (announced, not seen)"
        } else {
            ""
        };
        let kept = if self.kept {
            " (kept for going live)"
        } else {
            ""
        };
        write!(f, "{}: {}{doubt}{kept}", self.host, self.what())
    }
}

/// What a path is in; nothing for a bare name.
#[must_use]
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last part of a path.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
