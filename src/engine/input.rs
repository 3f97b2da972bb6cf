//! What can happen to the engine.

use crate::error::Fault;
use jiff::Timestamp;

use crate::names::{Attempt, HostName, OpId, StepId, VmName};
use crate::runbook::model::SiteRole;

use super::effect::TimerId;
use super::fact::Fact;
use crate::engine::{
    Chapter, Confirmation, Consent, Pace, ProbeAnswer, Question, RunEvent, RunInfo, StopOutcome,
};

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The run starts.
    Start(Box<RunInfo>),
    /// A console takes the run up again.
    Resume {
        /// Who.
        operator: String,
        /// On which machine.
        console: String,
        /// Seconds by which the wall clock stands before the last line, if it does.
        clock_back_s: Option<i64>,
        /// What they take it up with, recorded before anything begins: a hand-over that is taken,
        /// a corrected runbook.
        with: Vec<RunEvent>,
    },
    /// A person, or an answers file on a person's behalf, decided something.
    Operator(OperatorInput),
    /// A probe ended.
    Probed {
        /// Of which step.
        step: StepId,
        /// Of which attempt.
        attempt: Attempt,
        /// What it saw.
        answer: Result<ProbeAnswer, Fault>,
    },
    /// An action wants to send a write.
    WriteWanted {
        /// Which step's; no name while the run is being closed.
        step: StepId,
        /// Which attempt's.
        attempt: Attempt,
        /// By which the runner finds the waiting action again.
        ticket: u64,
        /// Where to.
        host: HostName,
        /// The line, secrets masked.
        command: String,
        /// File data at absolute offsets.
        bulk: bool,
    },
    /// What the run held on hosts is given back, or cannot be just now.
    Closed,
    /// The write's process is known.
    WriteStarted {
        /// Which write.
        op: OpId,
        /// Its process on the host.
        pid: u32,
    },
    /// The write ended.
    WriteFinished {
        /// Which write.
        op: OpId,
        /// Exit status.
        exit: i32,
        /// Milliseconds from sending.
        took_ms: u64,
        /// SHA-256 of what it printed.
        output_sha256: Option<String>,
    },
    /// The connection died under the write.
    WriteLost {
        /// Which write.
        op: OpId,
        /// What was seen.
        why: String,
    },
    /// The write was granted and did not leave.
    WriteNotSent {
        /// Which write.
        op: OpId,
        /// Why.
        why: String,
    },
    /// An action found something worth keeping.
    FactFound {
        /// Which step's.
        step: StepId,
        /// Which attempt's.
        attempt: Attempt,
        /// By which the runner finds the waiting action again.
        ticket: u64,
        /// What.
        fact: Fact,
    },
    /// A VM asks something.
    Questioned {
        /// Which step's action waits.
        step: StepId,
        /// Which attempt's.
        attempt: Attempt,
        /// What.
        question: Question,
    },
    /// An action ended.
    Performed {
        /// Of which step.
        step: StepId,
        /// Of which attempt.
        attempt: Attempt,
        /// How.
        result: Performed,
    },
    /// The attempt to stop a lost write ended.
    Stopped {
        /// Of which step.
        step: StepId,
        /// Of which attempt.
        attempt: Attempt,
        /// Which write.
        op: OpId,
        /// How it is known that it cannot take effect any more, or why it is not.
        outcome: Result<StopOutcome, Fault>,
    },
    /// A host was asked by a poll what it runs.
    HostSeen {
        /// Which host.
        host: HostName,
        /// The role of its site.
        role: SiteRole,
        /// When the poll began.
        asked: Timestamp,
        /// The run's VMs that run there; `None`: it did not answer in full.
        running: Option<Vec<VmName>>,
    },
    /// A timer ran out.
    Timer(TimerId),
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Performed {
    /// It acted and then saw that it is done.
    Done {
        /// What it saw.
        evidence: Vec<String>,
    },
    /// Right before acting, things were not as confirmed: ask again.
    Changed(Box<ProbeAnswer>),
    /// It did not work.
    Failed(Fault),
    /// It did not work and trying again cannot help: a person decides.
    Held {
        /// Why.
        fault: Fault,
        /// Ways on, in words.
        remedies: Vec<String>,
    },
    /// A write of it was lost (its `WriteLost` came before this).
    Lost,
    /// It was taken back (answer to [`super::Effect::Undo`]).
    Undone {
        /// What it saw.
        evidence: Vec<String>,
    },
}

/// What a person can decide.
#[derive(Clone, Debug, PartialEq)]
pub enum OperatorInput {
    /// Let a step go on. Holds for the attempt that was on screen, and for no other.
    Confirm {
        /// Which step.
        step: StepId,
        /// The attempt that was shown.
        attempt: Attempt,
        /// What was confirmed and by whom.
        confirmation: Confirmation,
    },
    /// Leave a step out.
    Skip {
        /// Which step.
        step: StepId,
        /// Who.
        by: String,
        /// Why; not empty.
        reason: String,
    },
    /// It was done outside Lifeboat.
    ByHand {
        /// Which step.
        step: StepId,
        /// Who.
        by: String,
        /// What they saw; not empty.
        evidence: String,
    },
    /// Try again what failed or is held.
    Retry {
        /// What.
        scope: RetryScope,
        /// Who.
        by: String,
    },
    /// Take a settled step back.
    Undo {
        /// Which step.
        step: StepId,
        /// Who.
        by: String,
    },
    /// Answer a VM's question.
    AnswerQuestion {
        /// Which step's action waits.
        step: StepId,
        /// The attempt that was shown.
        attempt: Attempt,
        /// The choice's label, as asked.
        label: String,
        /// Who.
        by: String,
        /// On whose behalf.
        how: Consent,
    },
    /// Nobody will answer what this step asks (headless): it does not hold up others.
    NoAnswer {
        /// Which step.
        step: StepId,
    },
    /// Start nothing new.
    Pause {
        /// Who.
        by: String,
    },
    /// Start things again.
    Continue {
        /// Who.
        by: String,
    },
    /// Change the pace.
    SetPace {
        /// To what.
        pace: Pace,
        /// Who.
        by: String,
    },
    /// A remark.
    Note {
        /// About which step, if one.
        step: Option<StepId>,
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// Accept a host key for this run.
    TrustHost {
        /// Which host.
        host: HostName,
        /// `SHA256:…`, its first characters typed by a person.
        fingerprint: String,
        /// Who.
        by: String,
    },
    /// Something beside the steps.
    People(PeopleInput),
    /// Leave; the run can be resumed.
    Detach {
        /// Why.
        why: String,
    },
}

/// What to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryScope {
    /// One step.
    Step(StepId),
    /// Everything failed or held of the VM that this step is about.
    VmOf(StepId),
    /// Everything failed or held.
    AllFailed,
}

/// What people do beside the steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeopleInput {
    /// Offer to hand the run over.
    Offer {
        /// Who.
        by: String,
    },
    /// Keep it after all.
    Withdraw {
        /// Who.
        by: String,
    },
    /// Take it over; not by whoever offers it.
    TakeOver {
        /// Who.
        by: String,
    },
    /// Tell those who wait how things stand.
    Update {
        /// Who.
        by: String,
        /// What; not empty.
        text: String,
    },
    /// A shell is to be opened on a host. Nothing new starts until it is closed.
    OpenShell {
        /// For which step.
        step: StepId,
        /// Where.
        host: HostName,
        /// Who.
        by: String,
        /// What for; not empty.
        reason: String,
    },
    /// It is closed.
    CloseShell {
        /// Who had it.
        by: String,
    },
    /// Leave an ending of which nothing was done: the console leaves, and the run is as before it.
    LeaveEnding {
        /// Which one.
        chapter: Chapter,
        /// Who.
        by: String,
        /// Why; not empty.
        reason: String,
    },
    /// End a drill early: the console leaves, and what the drill made waits for its cleanup.
    Abort {
        /// Who.
        by: String,
        /// Why; not empty.
        why: String,
    },
}
