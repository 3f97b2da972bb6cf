//! Who has the run, what they told others, and what they did beside its steps: a fold over its events.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::names::{HostName, StepId, VariableName};
use crate::runbook::model::spoken;

use super::event::{Entry, RunEvent};
use super::finding::FindingsStatement;
use super::state::{Note, RunState};
use super::step::Status;

/// What the incoming person types to take a run over.
pub const TAKE_OVER: &str = "I have control";

/// What concerns people rather than steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct People {
    /// Who is accountable for what happens now.
    pub operator: String,
    /// A hand-over that nobody has taken yet.
    pub offer: Option<Offer>,
    /// What those who wait were told, in order.
    pub updates: Vec<Note>,
    /// Corrected runbooks, in order; the last one is in force.
    pub corrections: Vec<Correction>,
    /// Shells on hosts, in order.
    pub shells: Vec<Visit>,
    /// That a drill was ended early, and why.
    pub aborted: Option<Note>,
    /// What a drill's people stated to have learnt.
    pub findings: Option<FindingsStatement>,
}

/// An offer to hand the run over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// When.
    pub at: Timestamp,
    /// Who offers.
    pub by: String,
}

/// A runbook that replaced the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Fingerprint of the plan made from it.
    pub plan: String,
    /// Its name in the run's folder.
    pub file: String,
    /// Values of variables that it brought.
    pub variables: BTreeMap<VariableName, String>,
}

/// A shell that somebody had on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// About which step.
    pub step: Option<StepId>,
    /// Where.
    pub host: HostName,
    /// Who.
    pub by: String,
    /// What for.
    pub reason: String,
    /// Since when.
    pub opened: Timestamp,
    /// Until when; `None` while it is open.
    pub closed: Option<Timestamp>,
    /// Its end was written down; it was not where the console died under it.
    pub ended: bool,
}

impl People {
    /// The shell that is open at the console.
    #[must_use]
    pub fn shell(&self) -> Option<&Visit> {
        self.shells.last().filter(|visit| visit.closed.is_none())
    }

    /// When those who wait were told something last.
    #[must_use]
    pub fn told_at(&self) -> Option<Timestamp> {
        self.updates.last().map(|update| update.at)
    }

    /// Why `who` cannot take the run over; `None` if they can.
    #[must_use]
    pub fn why_not_taken_by(&self, who: &str) -> Option<String> {
        match &self.offer {
            None => Some("nobody offers to hand this run over".to_owned()),
            Some(_) if who.trim().is_empty() => Some("type your name".to_owned()),
            Some(offer) if is_same_person(who, &offer.by) => {
                Some(format!("{} offers it: somebody else takes it", offer.by))
            }
            Some(_) => None,
        }
    }

    /// Takes one more event in; the step whose shell ended with it, if one did.
    pub(super) fn apply(&mut self, entry: &Entry) -> Option<StepId> {
        match &entry.event {
            RunEvent::RunStarted(info) => self.operator.clone_from(&info.operator),
            RunEvent::RunResumed { operator, .. } => {
                self.operator.clone_from(operator);
                let withdrawn = |offer: &Offer| is_same_person(&offer.by, operator);
                self.offer = self.offer.take().filter(|offer| !withdrawn(offer));
                return self.leave_shell(entry.at, false);
            }
            RunEvent::HandoverOffered { by } => {
                let (at, by) = (entry.at, by.clone());
                self.offer = Some(Offer { at, by });
            }
            RunEvent::HandoverWithdrawn { .. } => self.offer = None,
            RunEvent::HandoverTaken { by, .. } => {
                self.operator.clone_from(by);
                self.offer = None;
            }
            RunEvent::UpdatePosted { by, text } => self.updates.push(Note {
                at: entry.at,
                by: by.clone(),
                text: text.clone(),
                step: None,
            }),
            RunEvent::RunbookCorrected {
                by,
                reason,
                sha256,
                plan,
                file,
                variables,
            } => self.corrections.push(Correction {
                at: entry.at,
                by: by.clone(),
                reason: reason.clone(),
                sha256: sha256.clone(),
                plan: plan.clone(),
                file: file.clone(),
                variables: variables.clone(),
            }),
            RunEvent::ShellOpened { host, by, reason } => self.shells.push(Visit {
                step: entry.step.clone(),
                host: host.clone(),
                by: by.clone(),
                reason: reason.clone(),
                opened: entry.at,
                closed: None,
                ended: false,
            }),
            RunEvent::ShellClosed { .. } => return self.leave_shell(entry.at, true),
            RunEvent::DrillAborted { by, why } => {
                self.aborted = Some(Note {
                    at: entry.at,
                    by: by.clone(),
                    text: why.clone(),
                    step: None,
                });
            }
            RunEvent::FindingsStated {
                by,
                findings,
                unstated,
            } => {
                self.findings = Some(FindingsStatement {
                    at: entry.at,
                    by: by.clone(),
                    findings: findings.clone(),
                    unstated: unstated.clone(),
                });
            }
            _ => {}
        }
        None
    }

    /// The shell that is open, if one is, ended at the latest now.
    fn leave_shell(&mut self, at: Timestamp, ended: bool) -> Option<StepId> {
        let open = self.shells.last_mut()?;
        if open.closed.is_some() {
            return None;
        }
        open.closed = Some(at);
        open.ended = ended;
        open.step.clone()
    }
}

/// The runbook that a run goes by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce<'a> {
    /// Its name in the run's folder; `None` is the one that was frozen at the start.
    pub file: Option<&'a str>,
    /// SHA-256 of the file.
    pub sha256: &'a str,
    /// Fingerprint of the plan made from it, with the steps by which the run is ended.
    pub plan: &'a str,
}

impl RunState {
    /// The runbook that the run goes by; `None` before its first event.
    #[must_use]
    pub fn runbook_in_force(&self) -> Option<InForce<'_>> {
        let info = self.info.as_ref()?;
        let known = match self.people.corrections.last() {
            None => InForce {
                file: None,
                sha256: &info.runbook_sha256,
                plan: &info.plan,
            },
            Some(correction) => InForce {
                file: Some(&correction.file),
                sha256: &correction.sha256,
                plan: &correction.plan,
            },
        };
        // The steps of a chapter follow those of the runbook.
        let plan = self.chapter().map_or(known.plan, |opened| &opened.plan);
        Some(InForce { plan, ..known })
    }

    /// The values of the run's variables, those of corrected runbooks too.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<VariableName, String> {
        let mut all = self
            .info
            .as_ref()
            .map(|info| info.variables.clone())
            .unwrap_or_default();
        for correction in &self.people.corrections {
            all.extend(correction.variables.clone());
        }
        all
    }

    /// Whether a step is behind the run, so that a corrected runbook may not change what it means:
    /// it is settled, or something was sent for it and not taken back. A lock is not what a step is
    /// about: it is given back wherever it lies.
    #[must_use]
    pub fn stands(&self, id: &StepId) -> bool {
        match self.status(id) {
            status if status.is_met() => true,
            Status::Undone => false,
            _ => {
                let mut own = self.ops.values().filter(|op| op.step == *id);
                own.any(|op| op.may_have_acted() && !self.is_about_lock(op))
            }
        }
    }
}

/// Whether these are the words with which a run is taken over; case does not count.
#[must_use]
pub fn takes_over(typed: &str) -> bool {
    typed.trim().eq_ignore_ascii_case(TAKE_OVER)
}

/// Whether two names mean the same person: case and blanks do not make another one.
#[must_use]
pub fn is_same_person(one: &str, other: &str) -> bool {
    spoken(one) == spoken(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Fact, RunInfo, RunState};
    use crate::names::OpId;

    #[test]
    fn case_and_blanks_make_no_other_person() {
        assert!(is_same_person("alice smith", " Alice  Smith"));
        assert!(!is_same_person("alice smith", "alice smithson"));
    }

    fn fold(events: impl IntoIterator<Item = RunEvent>) -> RunState {
        let mut state = RunState::default();
        for event in events {
            state.tell("failover/recover/sql01/register", event);
        }
        state
    }

    fn started() -> RunEvent {
        RunEvent::RunStarted(Box::new(RunInfo {
            operator: "alice".to_owned(),
            ..RunInfo::default()
        }))
    }

    fn resumed(operator: &str) -> RunEvent {
        RunEvent::RunResumed {
            operator: operator.to_owned(),
            console: "noc-4".to_owned(),
            clock_back_s: None,
        }
    }

    fn offered() -> RunEvent {
        let by = "alice".to_owned();
        RunEvent::HandoverOffered { by }
    }

    #[test]
    fn the_outgoing_person_stays_accountable_until_another_takes_over() {
        let state = fold([started(), offered()]);
        assert_eq!(state.people.operator, "alice");
        for not in ["alice", " Alice ", "", "  "] {
            assert!(state.people.why_not_taken_by(not).is_some(), "{not:?}");
        }
        assert_eq!(state.people.why_not_taken_by("bob"), None);
        let taken = RunEvent::HandoverTaken {
            from: "alice".to_owned(),
            by: "bob".to_owned(),
        };
        let state = fold([started(), offered(), taken]);
        assert_eq!(state.people.operator, "bob");
        assert_eq!(state.people.offer, None);
        assert!(state.people.why_not_taken_by("carol").is_some());
    }

    #[test]
    fn a_step_that_only_took_its_lock_may_still_mean_something_else() {
        let (step, lock) = (
            "failover/recover/sql01/register".into(),
            "/vmfs/volumes/d/.lifeboat-lock-sql01",
        );
        let wanted = || {
            RunEvent::FactFound(Fact::LockWanted {
                vm: Some("sql01".into()),
                host: "lee-esx1".into(),
                path: lock.to_owned(),
            })
        };
        let sent = |words: &str| {
            let op = OpId(u64::try_from(words.len()).unwrap());
            let intended = RunEvent::WriteIntended {
                op,
                host: "lee-esx1".into(),
                command: words.to_owned(),
                bulk: false,
            };
            let finished = RunEvent::WriteFinished {
                op,
                exit: 1,
                took_ms: 20,
                output_sha256: None,
            };
            [intended, finished]
        };
        let locking = format!("sh -c 'mkdir \"$1\"' _ {lock} owner");
        let [began, ended] = sent(&locking);
        let state = fold([started(), wanted(), began, ended]);
        assert!(!state.stands(&step), "it locked, and no more");
        for other in [
            "vim-cmd solo/registervm /vmfs/volumes/d/sql01/sql01.vmx".to_owned(),
            format!("touch {lock}2"),
        ] {
            let [began, ended] = sent(&other);
            let state = fold([started(), wanted(), began, ended]);
            assert!(state.stands(&step), "{other}");
        }
    }

    #[test]
    fn an_offer_outlives_the_console_and_falls_when_its_maker_comes_back() {
        let left = RunEvent::RunDetached {
            why: "alice left".to_owned(),
        };
        let state = fold([started(), offered(), left.clone(), resumed("bob")]);
        assert!(state.people.offer.is_some());
        let state = fold([started(), offered(), left, resumed("ALICE")]);
        assert_eq!(state.people.offer, None);
    }

    #[test]
    fn a_console_that_died_leaves_no_shell_open_and_the_step_knows() {
        let opened = || RunEvent::ShellOpened {
            host: "lee-esx1".into(),
            by: "alice".to_owned(),
            reason: "the datastore is full".to_owned(),
        };
        let step = "failover/recover/sql01/register".into();
        let state = fold([started(), opened()]);
        assert_eq!(
            state.people.shell().map(|shell| shell.by.as_str()),
            Some("alice")
        );
        assert!(!state.step(&step).had_shell);
        let state = fold([started(), opened(), resumed("alice")]);
        assert_eq!(state.people.shell(), None);
        assert!(!state.people.shells[0].ended);
        assert!(state.step(&step).had_shell);
        let closed = RunEvent::ShellClosed {
            by: "alice".to_owned(),
        };
        let state = fold([started(), opened(), closed]);
        assert!(state.people.shells[0].ended);
        assert!(state.step(&step).had_shell);
    }
}
