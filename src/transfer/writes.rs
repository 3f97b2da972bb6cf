//! How a transfer announces what it is about to write, and says what became of it.

use std::future::Future;

use super::deliver::Landed;
use super::sums::Sum;
use crate::error::Fault;
use crate::host::{Host, HostCommand, Lane, Output, WriteError};
use crate::journal::Intent;
use crate::names::{HostName, OpId};

/// The journal's side of a transfer: the runner implements it.
///
/// Bulk data is one write per file and session; each command (mkdir, rename …) is one of its own.
pub trait Writes: Send + Sync + 'static {
    /// Puts on disk that this is about to be sent, and returns the licence to send it. `bulk` is
    /// file data at absolute offsets, which is harmless if it arrives late.
    fn intend(
        &self,
        host: &HostName,
        shown: String,
        bulk: bool,
    ) -> impl Future<Output = Result<Intent, Fault>> + Send;

    /// A command has become this process on its host.
    fn started(&self, op: OpId, pid: u32);

    /// Records what became of a write.
    fn finished(
        &self,
        op: OpId,
        outcome: Written,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Records that a file has its final name.
    fn landed(&self, file: &Landed) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Records that nobody knows what became of a write. Bulk data goes on by itself afterwards,
    /// because it is compared with the source first; after a command the transfer ends.
    fn lost(&self, op: OpId, why: String) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// A command ran to its end.
    Ran(Output),
    /// Bulk data arrived: so many bytes.
    Sent(u64),
    /// It is proven that it did not leave.
    NotSent(String),
    /// The host said that it failed; part of it may have taken effect, nothing of it goes on.
    Failed(String),
}

/// Why a transfer ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// It failed. What was proven stays where it is and is not sent again.
    #[error("{0}")]
    Failed(Fault),
    /// A file of the restore point has another sum than was recorded with the point.
    #[error("{}", .0.fault)]
    Corrupt(Box<Corrupt>),
    /// The outcome of a command is unknown: it must be stopped and looked for before anything else.
    #[error("{fault}")]
    Lost {
        /// Which write.
        op: OpId,
        /// In words.
        fault: Fault,
    },
}

/// A file whose sum is not the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Its name.
    pub file: String,
    /// What it comes to.
    pub sum: Sum,
    /// What was recorded.
    pub recorded: Sum,
    /// In words.
    pub fault: Fault,
}

impl Corrupt {
    /// What is said of a file of a restore point that lies at `place` and came to `sum`.
    pub(super) fn of(
        file: &str,
        (sum, recorded): (Sum, Sum),
        place: String,
        state: String,
    ) -> TransferError {
        let what = format!(
            "{file} is corrupt in its restore point: its sum is {sum}, recorded is {recorded}"
        );
        let next = "choose another restore point, or mend this one, then retry";
        TransferError::Corrupt(Box::new(Self {
            file: file.to_owned(),
            sum,
            recorded,
            fault: Fault::new(what, place, state, next),
        }))
    }
}

impl From<Fault> for TransferError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl TransferError {
    /// In words.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Failed(fault) | Self::Lost { fault, .. } => fault,
            Self::Corrupt(found) => &found.fault,
        }
    }
}

/// Announces a command, sends it and records its end. Any exit status is an end.
///
/// # Errors
/// [`TransferError::Lost`] if the connection died under it.
pub(super) async fn send<W: Writes>(
    writes: &std::sync::Arc<W>,
    host: &Host,
    lane: Lane,
    command: &HostCommand,
) -> Result<Output, TransferError> {
    let intent = writes.intend(host.name(), command.line(), false).await?;
    let op = intent.op();
    let starting = writes.clone();
    let sent = host
        .write(lane, command, intent, move |pid| starting.started(op, pid))
        .await;
    match sent {
        Ok(output) => {
            writes.finished(op, Written::Ran(output.clone())).await?;
            Ok(output)
        }
        Err(error) => {
            let fault = error.fault(host.name());
            match &error {
                WriteError::NotSent(cause) => {
                    writes
                        .finished(op, Written::NotSent(cause.to_string()))
                        .await?;
                }
                WriteError::Failed(cause) => {
                    writes
                        .finished(op, Written::Failed(cause.to_string()))
                        .await?;
                }
                WriteError::Lost { cause, .. } => {
                    writes.lost(op, cause.to_string()).await?;
                    return Err(TransferError::Lost { op, fault });
                }
            }
            Err(fault.into())
        }
    }
}
