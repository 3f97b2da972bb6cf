//! Bugs that the simulator must find. They are compiled into this crate's own unit tests and into
//! nothing else: no build that anybody else makes has them, and there is no switch to forget.

/// The command that answers a VM's question in the seeded worlds.
pub(in crate::engine) const ANSWER: &str = "answer";

/// A bug to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Bug {
    /// A write is granted before its intent is recorded.
    RecordAfterRun,
    /// After a loss the step acts again at once.
    NoProbeAfterLoss,
    /// What passed while a step acted lets it act again at once.
    NoProbeAfterCut,
    /// A lost command is taken for gone without being stopped.
    LostNotStopped,
    /// A confirmation counts for whatever attempt stands now.
    OldConfirmation,
    /// A timer that no longer counts is obeyed.
    StaleTimer,
    /// A person may leave out a step while a write of it is in doubt.
    SkipInDoubt,
    /// A pace confirms what only a person can vouch for.
    PaceVouches,
    /// Exit status 0 turns a step green.
    ExitIsProof,
    /// The result of an earlier attempt is taken for this one's.
    OldResult,
    /// A step begins when one of those before it is met, not all.
    AnyBefore,
    /// What a person wanted taken back is done again by a rule.
    UndoForgotten,
    /// What rests on a step that is not settled any more goes on.
    NotRecalled,
    /// A step is taken back while a command of it may still take effect.
    UndoInDoubt,
    /// VMs are started whatever the watch of the other site has seen.
    PowerOnNotHeld,
    /// An answer lets a start go on whatever the watch of the other site has seen.
    AnswerNotHeld,
    /// A start is taken back, and begins anew, while its command may still take effect.
    StartForgotten,
    /// What a console told before it died does not let the fences look again.
    ToldNotAsked,
    /// What a host said counts, however long ago it was asked.
    OldPoll,
    /// An action looks at a lock and takes whoever owns it for its own run.
    LockIgnored,
    /// A run is taken back while a command of it may still take effect.
    FrozenInDoubt,
    /// A step of a run that is being ended looks again, and what it would do can be confirmed.
    FrozenGoesOn,
    /// A run ends without giving back what it holds.
    ClosedAtOnce,
}

impl Bug {
    /// All of them.
    pub(in crate::engine) const ALL: [Self; 23] = [
        Self::RecordAfterRun,
        Self::NoProbeAfterLoss,
        Self::NoProbeAfterCut,
        Self::LostNotStopped,
        Self::OldConfirmation,
        Self::StaleTimer,
        Self::SkipInDoubt,
        Self::PaceVouches,
        Self::ExitIsProof,
        Self::OldResult,
        Self::AnyBefore,
        Self::UndoForgotten,
        Self::NotRecalled,
        Self::UndoInDoubt,
        Self::PowerOnNotHeld,
        Self::AnswerNotHeld,
        Self::StartForgotten,
        Self::ToldNotAsked,
        Self::OldPoll,
        Self::LockIgnored,
        Self::ClosedAtOnce,
        Self::FrozenInDoubt,
        Self::FrozenGoesOn,
    ];
}
