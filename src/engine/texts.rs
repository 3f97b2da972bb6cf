//! The texts for people in what happens to the engine: what hosts and people said, in words.
//!
//! Everything that a run keeps or shows comes out of an [`Input`], so whoever hands inputs in can
//! clean all of it in one place. Names, paths, ids and sums by which things are found again are no
//! texts: they stay as they are.

use crate::error::Fault;

use super::asked::Prompt;
use super::event::{Despite, DrillTerms, RunEvent};
use super::fact::Fact;
use super::input::{Input, OperatorInput, PeopleInput, Performed};
use super::proposal::{Answer, Confirmation, ProbeAnswer, Proposal, Question, Verdict};

/// Makes a text fit to be kept and shown.
pub type Clean<'a> = &'a dyn Fn(&str) -> String;

impl Input {
    /// The same input with every text for people passed through `clean`.
    #[must_use]
    pub fn cleaned(mut self, clean: Clean<'_>) -> Self {
        match &mut self {
            Self::Start(info) => {
                each(&mut info.outage_reason, clean);
                if let Some(Despite { blockers, reason }) = &mut info.despite {
                    each(blockers, clean);
                    one(reason, clean);
                }
                if let Some(DrillTerms {
                    abort, abort_key, ..
                }) = &mut info.drill
                {
                    each([abort, abort_key], clean);
                }
            }
            Self::Probed { answer, .. } => match answer {
                Ok(answer) => answer.clean(clean),
                Err(fault) => fault_texts(fault, clean),
            },
            Self::WriteWanted { command, .. } => one(command, clean),
            Self::WriteLost { why, .. } | Self::WriteNotSent { why, .. } => one(why, clean),
            Self::FactFound { fact, .. } => fact.clean(clean),
            Self::Questioned { question, .. } => question.clean(clean),
            Self::Performed { result, .. } => result.clean(clean),
            Self::Stopped { outcome, .. } => {
                if let Err(fault) = outcome {
                    fault_texts(fault, clean);
                }
            }
            Self::Operator(decision) => decision.clean(clean),
            Self::Resume { with, .. } => {
                for event in with {
                    if let RunEvent::RunbookCorrected { reason, .. } = event {
                        one(reason, clean);
                    }
                }
            }
            Self::Closed
            | Self::WriteStarted { .. }
            | Self::WriteFinished { .. }
            | Self::HostSeen { .. }
            | Self::Timer(_) => {}
        }
        self
    }
}

impl Proposal {
    /// The same proposal with every text for people passed through `clean`.
    #[must_use]
    pub fn cleaned(mut self, clean: Clean<'_>) -> Self {
        self.clean(clean);
        self
    }

    fn clean(&mut self, clean: Clean<'_>) {
        each(&mut self.changes, clean);
        each(self.commands.iter_mut().map(|shown| &mut shown.line), clean);
        one(&mut self.then, clean);
        each(&mut self.undo, clean);
        if let Some(attest) = &mut self.attest {
            one(&mut attest.statement, clean);
            each(&mut attest.evidence, clean);
        }
        for asked in self.ask.values_mut() {
            match asked {
                Prompt::Compare { printed: text, .. } | Prompt::Check { seen: text, .. } => {
                    each(text, clean);
                }
                Prompt::Choose { .. }
                | Prompt::Value { .. }
                | Prompt::Acknowledge { .. }
                | Prompt::Evidence { .. } => {}
            }
        }
        if let Some(choice) = &mut self.choice {
            one(&mut choice.of, clean);
            for option in &mut choice.options {
                one(&mut option.about, clean);
                each(&mut option.unusable, clean);
            }
        }
    }
}

impl ProbeAnswer {
    fn clean(&mut self, clean: Clean<'_>) {
        one(&mut self.found, clean);
        match &mut self.verdict {
            Verdict::AlreadyDone { evidence } => each(evidence, clean),
            Verdict::Needed(proposal) => proposal.clean(clean),
            Verdict::Blocked { fault, remedies } => {
                fault_texts(fault, clean);
                each(remedies, clean);
            }
        }
    }
}

impl Performed {
    fn clean(&mut self, clean: Clean<'_>) {
        match self {
            Self::Done { evidence } | Self::Undone { evidence } => each(evidence, clean),
            Self::Changed(answer) => answer.clean(clean),
            Self::Failed(fault) => fault_texts(fault, clean),
            Self::Held { fault, remedies } => {
                fault_texts(fault, clean);
                each(remedies, clean);
            }
            Self::Lost => {}
        }
    }
}

impl Question {
    /// The labels stay: an answer is found again by its label.
    fn clean(&mut self, clean: Clean<'_>) {
        one(&mut self.text, clean);
        each(&mut self.why, clean);
    }
}

impl Fact {
    fn clean(&mut self, clean: Clean<'_>) {
        match self {
            Self::FilePlaced { proof: text, .. }
            | Self::Stopped { how: text, .. }
            | Self::ShutdownUnheeded { why: text, .. }
            | Self::CapacityFreed { how: text, .. }
            | Self::FilesChosen { quiesced: text, .. }
            | Self::PointPicked { why: text, .. }
            | Self::SplitBrainEnded { how: text, .. }
            | Self::RanSinceCopied { seen: text, .. }
            | Self::LockReleased { how: text, .. }
            | Self::AddressProbed { by: text, .. } => one(text, clean),
            Self::OwnershipEvidence { lines, .. } | Self::IsolationSeen { lines, .. } => {
                each(lines, clean)
            }
            Self::Attested {
                words, statement, ..
            } => each([words, statement], clean),
            Self::Contradicted {
                statement, seen, ..
            } => each([statement, seen], clean),
            Self::RungReached { rung, seen, .. } => each([rung, seen], clean),
            Self::RungNotProvable { rung: text, .. } | Self::ProtectedAgain { point: text, .. } => {
                one(text, clean);
            }
            Self::LockBroken { holder, reason, .. } => each([holder, reason], clean),
            Self::DatastoreSeen { .. }
            | Self::PointChosen { .. }
            | Self::PointCorrupt { .. }
            | Self::FolderMade { .. }
            | Self::WaitBegan { .. }
            | Self::HandedOff { .. }
            | Self::LockWanted { .. }
            | Self::RoomCounted { .. }
            | Self::OriginalKept { .. }
            | Self::ConfigKept { .. }
            | Self::ConfigRead { .. }
            | Self::Registered { .. }
            | Self::PortGroupMade { .. }
            | Self::VswitchMade { .. }
            | Self::AdapterJoined { .. }
            | Self::AutostartRemoved { .. }
            | Self::AutostartRestored { .. }
            | Self::StopWanted { .. }
            | Self::Gone { .. }
            | Self::DisksKept { .. }
            | Self::Seeded { .. }
            | Self::HostReturned { .. }
            | Self::SplitBrain { .. }
            | Self::TakenHome(_)
            | Self::SurvivorChosen { .. }
            | Self::ConnectionDecided { .. }
            | Self::PoweredOn { .. }
            | Self::RunsElsewhere { .. }
            | Self::CopyBegan { .. }
            | Self::CopiedAtRest { .. }
            | Self::Serves { .. } => {}
        }
    }
}

impl OperatorInput {
    fn clean(&mut self, clean: Clean<'_>) {
        match self {
            Self::Confirm { confirmation, .. } => confirmation.clean(clean),
            Self::Skip { reason: text, .. }
            | Self::ByHand { evidence: text, .. }
            | Self::Note { text, .. }
            | Self::People(
                PeopleInput::Update { text, .. }
                | PeopleInput::OpenShell { reason: text, .. }
                | PeopleInput::LeaveEnding { reason: text, .. }
                | PeopleInput::Abort { why: text, .. },
            )
            | Self::Detach { why: text } => one(text, clean),
            Self::Retry { .. }
            | Self::Undo { .. }
            | Self::AnswerQuestion { .. }
            | Self::NoAnswer { .. }
            | Self::Pause { .. }
            | Self::Continue { .. }
            | Self::SetPace { .. }
            | Self::TrustHost { .. }
            | Self::People(_) => {}
        }
    }
}

impl Confirmation {
    fn clean(&mut self, clean: Clean<'_>) {
        let Self {
            second,
            attest,
            response,
            decline,
            ..
        } = self;
        each(
            [second, attest, response, decline].into_iter().flatten(),
            clean,
        );
        for answer in self.answers.values_mut() {
            if let Answer::Value(text) = answer {
                one(text, clean);
            }
        }
    }
}

fn fault_texts(fault: &mut Fault, clean: Clean<'_>) {
    let Fault {
        what,
        place,
        state,
        next,
        passing: _,
    } = fault;
    each([what, place, state, next], clean);
}

fn one(text: &mut String, clean: Clean<'_>) {
    *text = clean(text);
}

fn each<'t>(texts: impl IntoIterator<Item = &'t mut String>, clean: Clean<'_>) {
    texts.into_iter().for_each(|text| one(text, clean));
}

#[cfg(test)]
mod tests;
