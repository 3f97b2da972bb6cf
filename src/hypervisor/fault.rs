//! What can go wrong between a command and the value that was wanted from it.

use crate::error::Fault;
use crate::hypervisor::esxi::Vmid;

/// Why a host's reply is not the wanted value. Texts are excerpts of what the host said: bounded,
/// on one line, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverFault {
    /// `vim-cmd` or `esxcli` could not reach the host's management agent, though SSH works.
    #[error("the management agent (hostd) does not answer: {text}")]
    HostdDown {
        /// What the tool said.
        text: String,
    },
    /// `vim.fault.NotFound`, `vmodl.fault.ManagedObjectNotFound`: the host knows no such thing.
    #[error("not found: {message}")]
    NotFound {
        /// The fault's `msg`.
        message: String,
    },
    /// `vim.fault.AlreadyExists`: the file is in the inventory, perhaps as an invalid entry.
    #[error("already in the inventory: {message}")]
    AlreadyExists {
        /// The existing entry's id, where the fault names it.
        vmid: Option<Vmid>,
        /// The fault's `msg`.
        message: String,
    },
    /// `vim.fault.InvalidPowerState`: not possible in the state that the VM is in.
    #[error("not possible while {existing}: {message}")]
    PowerState {
        /// The state that the VM is in, as the host spells it, e.g. `poweredOn`.
        existing: String,
        /// The fault's `msg`.
        message: String,
    },
    /// Any other fault that hostd named.
    #[error("{name}: {message}")]
    Refused {
        /// Its type, e.g. `vim.fault.ToolsUnavailable`.
        name: String,
        /// The fault's `msg`.
        message: String,
    },
    /// The command said that it failed, in no form that is known better.
    #[error("exit status {status}: {text}")]
    Failed {
        /// Exit status; 0 is possible, because these tools print failures with it.
        status: i32,
        /// What it said.
        text: String,
    },
    /// The host has no such program, or not in a form that can be used.
    #[error("{tool} is missing on this host or cannot be used: {text}")]
    ToolMissing {
        /// The program.
        tool: String,
        /// What the shell said.
        text: String,
    },
    /// The reply does not have the shape that it must have to be believed.
    #[error("{what} could not be read from the reply: {found}")]
    Unexpected {
        /// What was wanted, e.g. `the power state`.
        what: &'static str,
        /// What came instead.
        found: String,
    },
    /// More came than was kept, so that the end of the reply is not known.
    #[error("the reply is longer than {limit} bytes and was cut")]
    Cut {
        /// Bytes that were kept.
        limit: usize,
    },
}

impl DriverFault {
    /// The fault for a person: `doing` names the deed (`registering sql01`), `place` the host,
    /// `state` what things are like now.
    #[must_use]
    pub fn fault(&self, doing: &str, place: impl Into<String>, state: impl Into<String>) -> Fault {
        let fault = Fault::new(
            format!("{doing} failed: {self}"),
            place,
            state,
            self.next_move(),
        );
        if self.is_passing() {
            fault.passing()
        } else {
            fault
        }
    }

    /// Whether the same command may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::HostdDown { .. })
    }

    /// The next move for the operator, in the imperative.
    #[must_use]
    pub fn next_move(&self) -> String {
        match self {
            Self::HostdDown { .. } => {
                "SSH works, so wait a minute and retry; if it stays so, run /etc/init.d/hostd \
                 restart on the host (not services.sh restart: it ends SSH too)"
            }
            Self::NotFound { .. } => {
                "look whether the VM is still registered and its files are where the runbook says, \
                 then retry"
            }
            Self::AlreadyExists { .. } => {
                "look at the existing entry (it may be invalid); unregister it if it is stale, \
                 then retry"
            }
            Self::PowerState { .. } => "read the power state again, then decide",
            Self::Refused { name, .. } if name.ends_with(".ToolsUnavailable") => {
                "the guest's tools do not run, so it cannot be asked to shut down: power it off, \
                 or shut it down from inside"
            }
            Self::Refused { name, .. } if name.ends_with(".NoPermission") => {
                "log in as a user with the right to do this, or leave lockdown mode"
            }
            Self::Refused { .. } => "look at the VM's vmware.log and /var/log/hostd.log",
            Self::Failed { text, .. } if is_full(text) => {
                "free space on that volume or choose another, then retry"
            }
            Self::Failed { text, .. } if is_locked(text) => {
                "find out which host holds the lock (vmkfstools -D) and whether the VM runs there"
            }
            Self::Failed { text, .. } if is_missing(text) => {
                "see that this datastore or folder is there under exactly this name: mount or make it, or \
                 correct the name in the runbook (lifeboat resume --runbook); then retry"
            }
            Self::Failed { .. } => "read what the host said, mend it there, then retry",
            Self::ToolMissing { .. } => "install it there, or choose another host for this",
            Self::Unexpected { .. } => {
                "look at the full output of this step; if the host is of a version that is not \
                 known here, do the step by hand and record it"
            }
            Self::Cut { .. } => "look on the host itself; the answer was too long to be trusted",
        }
        .to_owned()
    }
}

/// Texts of a full volume: `vmkfstools` of 4.x and 5.x (captured; the second stands in ghettoVCB's
/// README) and the C library.
fn is_full(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("no space left")
        || text.contains("not enough space on the file system")
        || text.contains("disk quota exceeded")
}

/// Texts of a place that is not there.
fn is_missing(text: &str) -> bool {
    text.to_ascii_lowercase()
        .contains("no such file or directory")
}

/// Texts of a file that another host or process holds.
fn is_locked(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("failed to lock") || text.contains("device or resource busy")
}
