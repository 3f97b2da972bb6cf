//! The way from an action to the runner: what it asks for, and how it ends early.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Fact, Question};
use crate::error::Fault;
use crate::hypervisor::shell;
use crate::journal::Intent;
use crate::names::{HostName, OpId};

/// The way from an action to the runner.
#[derive(Clone, Debug)]
pub struct Link {
    requests: mpsc::UnboundedSender<Request>,
    /// Facts that this action kept, beside those of the state that it was started with.
    kept: Arc<Mutex<Vec<Fact>>>,
    /// Writes for which it got a licence, each with its host.
    sent: Arc<Mutex<Vec<String>>>,
}

/// What an action asks of the runner.
#[derive(Debug)]
pub enum Request {
    /// A licence for one write.
    Intend {
        /// Where to.
        host: HostName,
        /// The line, secrets masked.
        command: String,
        /// File data at absolute offsets.
        bulk: bool,
        /// Gets the licence once its line is on disk; dropped if the action is stale.
        reply: oneshot::Sender<Intent>,
    },
    /// A write's process is known.
    Started {
        /// Which write.
        op: OpId,
        /// Its process on the host.
        pid: u32,
    },
    /// A write ended.
    Finished {
        /// Which write.
        op: OpId,
        /// Exit status.
        exit: i32,
        /// Milliseconds from sending.
        took_ms: u64,
        /// SHA-256 of what it printed.
        output_sha256: Option<String>,
    },
    /// A write's connection died.
    Lost {
        /// Which write.
        op: OpId,
        /// What was seen.
        why: String,
    },
    /// A granted write never left.
    NotSent {
        /// Which write.
        op: OpId,
        /// Why.
        why: String,
    },
    /// Something worth keeping.
    Fact {
        /// What.
        fact: Box<Fact>,
        /// Told once it is on disk.
        reply: oneshot::Sender<()>,
    },
    /// A VM's question.
    Ask {
        /// What.
        question: Box<Question>,
        /// Gets the chosen label.
        reply: oneshot::Sender<String>,
    },
    /// How far it is (not journalled).
    Progress(Progress),
}

/// How far a step is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// What is going on: `sending sql01-flat.vmdk`, `checking`, `waiting for tools`.
    pub doing: String,
    /// How far the file at work is, where there are several: `25% of 128.0 MiB`.
    pub file: Option<String>,
    /// Bytes done, of all files together.
    pub done: u64,
    /// Bytes to do; 0 where nothing is counted.
    pub total: u64,
    /// Bytes a second, of late.
    pub rate: u64,
    /// When it will be done as things go.
    pub eta: Option<Timestamp>,
}

impl Progress {
    /// What is going on, and how far the file at work is.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.file {
            Some(file) => format!("{} ({file})", self.doing),
            None => self.doing.clone(),
        }
    }
}

/// How an action ends early.
#[derive(Clone, Debug, PartialEq)]
pub enum ActError {
    /// It did not work; the world is known.
    Failed(Fault),
    /// Only a person can go on.
    Held {
        /// Why.
        fault: Box<Fault>,
        /// Ways on, in words.
        remedies: Vec<String>,
    },
    /// A write was lost; that has been recorded.
    Lost,
    /// The run no longer waits for this action.
    Stale,
}

impl fmt::Display for ActError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(fault) => write!(f, "{}; {}", fault.what, fault.next),
            Self::Held { fault, .. } => write!(f, "{}; {}", fault.what, fault.next),
            Self::Lost => f.write_str("a command was lost"),
            Self::Stale => f.write_str("the run no longer waits for this action"),
        }
    }
}

impl From<Fault> for ActError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl Link {
    /// A link into the given channel.
    #[must_use]
    pub fn new(requests: mpsc::UnboundedSender<Request>) -> Self {
        Self {
            requests,
            kept: Arc::default(),
            sent: Arc::default(),
        }
    }

    /// Asks for the licence to send one write; it comes once the intent is on disk.
    ///
    /// # Errors
    /// [`ActError::Stale`] if the run no longer waits for this action.
    pub async fn intend(
        &self,
        host: &HostName,
        command: String,
        bulk: bool,
    ) -> Result<Intent, ActError> {
        let (reply, granted) = oneshot::channel();
        let shown = format!("{} on {host}", shell::in_short(&command));
        let host = host.clone();
        self.send(Request::Intend {
            host,
            command,
            bulk,
            reply,
        })?;
        let intent = granted.await.map_err(|_| ActError::Stale)?;
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(shown);
        Ok(intent)
    }

    /// Writes that may have left over this link, in words.
    pub(super) fn sent(&self) -> Vec<String> {
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Records a fact and waits until it is on disk.
    ///
    /// # Errors
    /// [`ActError::Stale`] if the run no longer waits for this action.
    pub async fn fact(&self, fact: Fact) -> Result<(), ActError> {
        let (reply, kept) = oneshot::channel();
        self.send(Request::Fact {
            fact: Box::new(fact.clone()),
            reply,
        })?;
        kept.await.map_err(|_| ActError::Stale)?;
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(fact);
        Ok(())
    }

    /// Facts that were kept over this link.
    pub(super) fn kept(&self) -> Vec<Fact> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Shows a VM's question and waits for the label that is chosen.
    ///
    /// # Errors
    /// [`ActError::Stale`] if the run no longer waits for this action.
    pub async fn ask(&self, question: Question) -> Result<String, ActError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Ask {
            question: Box::new(question),
            reply,
        })?;
        answer.await.map_err(|_| ActError::Stale)
    }

    /// Reports how a write went, or how far the step is.
    ///
    /// # Errors
    /// [`ActError::Stale`] if the run no longer waits for this action.
    pub fn send(&self, request: Request) -> Result<(), ActError> {
        self.requests.send(request).map_err(|_| ActError::Stale)
    }
}
