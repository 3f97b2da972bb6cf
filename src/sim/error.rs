//! Why a simulated site cannot be.

use std::io;
use std::path::PathBuf;

/// Why a simulated site cannot be started or used.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The folder holds something that is no simulated site.
    #[error("{dir} holds files that are not a simulated site's: choose an empty or new folder")]
    ForeignFolder {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds a site that was made from another runbook.
    #[error("the simulated site in {dir} has no host {host}: it was made from another runbook")]
    OtherRunbook {
        /// The folder.
        dir: PathBuf,
        /// A host of the runbook that the site does not have.
        host: String,
    },
    /// A file of the site cannot be read or written.
    #[error("{what} of the simulated site in {dir}: {source}")]
    Files {
        /// What was being done.
        what: &'static str,
        /// The folder.
        dir: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A loopback port cannot be had.
    #[error("no loopback port for {what}: {source}")]
    Port {
        /// Which host or guest.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The runbook cannot be written with the site's addresses.
    #[error("the runbook cannot be rewritten for the simulated site: {0}")]
    Emit(String),
    /// There is no such host.
    #[error("the simulated site has no host {0}")]
    UnknownHost(String),
}
