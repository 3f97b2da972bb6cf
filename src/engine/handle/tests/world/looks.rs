//! What actions see at the sites, and what they make of it.

use std::collections::VecDeque;

use indexmap::IndexMap;

use super::super::*;
use super::jobs::Act;
use super::shapes::{HOSTS, Kind, VMS, asked};
use super::site::{Evidence, Site, Write};
use super::{Mischief, World};
use crate::engine::{Answer, AttestRequest, Fact, Prompt};
use crate::error::Fault;
use crate::names::VmName;

/// The key of the question which of two copies lives.
pub(super) const LIVES: &str = "lives";
/// The sites by name, the one of before first.
pub(super) const SITES: [&str; 2] = ["London", "Leeds"];

/// What an action made of a look.
pub(super) struct Seen {
    pub(super) answer: ProbeAnswer,
    /// What there is to keep where nothing is left to do.
    pub(super) settle: Vec<Fact>,
    /// What there is to do.
    pub(super) acts: VecDeque<Act>,
}

impl Seen {
    pub(super) fn done(settle: Vec<Fact>) -> Self {
        Self {
            answer: already(),
            settle,
            acts: VecDeque::new(),
        }
    }

    pub(super) fn needed(what: &str, acts: impl IntoIterator<Item = Act>) -> Self {
        let mut answer = needed();
        if let Verdict::Needed(proposal) = &mut answer.verdict {
            proposal.then = what.to_owned();
        }
        Self {
            answer,
            settle: Vec::new(),
            acts: acts.into_iter().collect(),
        }
    }

    fn blocked(way_on: &str) -> Self {
        let mut seen = Self::done(Vec::new());
        seen.answer.verdict = Verdict::Blocked {
            fault: Fault::default(),
            remedies: vec![way_on.to_owned()],
        };
        seen
    }

    /// The same of what may pass by itself.
    fn blocked_for_now(way_on: &str) -> Self {
        let mut seen = Self::blocked(way_on);
        if let Verdict::Blocked { fault, .. } = &mut seen.answer.verdict {
            fault.passing = true;
        }
        seen
    }

    pub(super) fn proposal(&mut self) -> Option<&mut Proposal> {
        match &mut self.answer.verdict {
            Verdict::Needed(proposal) => Some(proposal),
            _ => None,
        }
    }

    fn vouch(&mut self) {
        if let Some(proposal) = self.proposal() {
            proposal.attest = Some(AttestRequest {
                vm: Some("vm".into()),
                statement: "it does not run there".to_owned(),
                evidence: Vec::new(),
            });
        }
    }
}

impl World {
    /// The time as the console's clock has it.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + self.millis).unwrap_or_default()
    }

    /// What the action of a step sees; `said` is what was confirmed, while it acts.
    pub(super) fn look(&mut self, step: usize, said: Option<&Confirmation>) -> Seen {
        let work = self.shape.work[step].clone();
        let mut seen = match work.kind {
            Kind::Prompt | Kind::Agree => Seen::needed("declared", []),
            Kind::Back => self.look_back(step),
            Kind::Fence => self.look_at_home(step, said),
            Kind::PowerOn => self.look_at_start(step, said),
            Kind::Copy | Kind::Write => {
                let missing = self.missing(step);
                if missing.is_empty() {
                    Seen::done(Vec::new())
                } else {
                    Seen::needed("do", missing)
                }
            }
        };
        let acts = matches!(work.kind, Kind::Copy | Kind::Write | Kind::PowerOn);
        let no_undo = !acts || self.dice.one_in(5);
        if let Some(proposal) = seen.proposal() {
            if no_undo {
                proposal.undo = None;
            }
            if work.kind == Kind::Prompt {
                proposal.ask = asked();
            }
            let acts = matches!(work.kind, Kind::Copy | Kind::Write);
            if acts && said.is_none() && self.mischief(Mischief::Fail, 25) {
                return Seen::blocked("look at it");
            }
        }
        self.guard(step, seen)
    }

    fn missing(&self, step: usize) -> Vec<Act> {
        let missing = Site::full(self.shape, step) & !self.site.bits[step];
        let parts = (0..self.shape.work[step].parts).filter(|part| missing & (1 << part) != 0);
        parts.map(|part| Act::Send(Write::Set(part))).collect()
    }

    /// As `fence` does.
    fn look_at_home(&mut self, step: usize, said: Option<&Confirmation>) -> Seen {
        let vm = self.shape.work[step].vm;
        let (home, here) = (self.site.homes[vm], self.site.runs_here(self.shape, vm));
        self.watch.owners.fence_looked(vm, self.coverage.inputs);
        if home.runs && !home.dark {
            if here {
                return self.look_at_split(vm, said);
            }
            if self.lives_at_home(vm) {
                return Seen::done(vec![self.evidence(vm)]);
            }
            let mut seen = Seen::needed("stop", self.stop(vm, HOSTS[vm], Write::StopHome));
            if let Some(proposal) = seen.proposal() {
                proposal.typed = Some(VMS[vm].to_owned());
            }
            return seen;
        }
        if home.look() == Evidence::Contradicts && !here {
            return Seen::blocked_for_now("find out which machine answers");
        }
        let vouched = self.is_vouched(vm, said);
        if home.dark && !vouched {
            let mut seen = Seen::needed("vouch", [Act::Keep(self.attested(vm))]);
            seen.vouch();
            return seen;
        }
        if !home.dark {
            self.watch.owners.off(vm, self.coverage.inputs);
        }
        let mut settle = vec![self.evidence(vm)];
        let stopped = self.stopped(vm, HOSTS[vm]);
        let known = self.folded.facts.iter().any(|found| {
            found.step.as_ref() == Some(&self.shape.plan.steps[step].id)
                && matches!(found.fact, Fact::Stopped { .. })
        });
        if !home.dark && !known {
            settle.push(stopped);
        }
        Seen::done(settle)
    }

    /// It runs at both sites: a person chooses.
    fn look_at_split(&mut self, vm: usize, said: Option<&Confirmation>) -> Seen {
        let lives = said.and_then(|said| match said.answers.get(LIVES)? {
            Answer::Chosen(chosen) => chosen.first().cloned(),
            Answer::Value(_) => None,
        });
        let mut acts = VecDeque::new();
        if let (Some(lives), Some(start)) = (&lives, self.shape.starts[vm]) {
            acts.push_back(Act::Keep(Fact::SurvivorChosen {
                vm: VMS[vm].into(),
                site: lives.clone(),
                by: "alice".to_owned(),
            }));
            let here = HOSTS[self.shape.work[start].host];
            acts.extend(if *lives == SITES[0] {
                self.stop(vm, here, Write::StopHere)
            } else {
                self.stop(vm, HOSTS[vm], Write::StopHome)
            });
        }
        let mut seen = Seen::needed("split", acts);
        if let Some(proposal) = seen.proposal() {
            proposal.typed = Some(VMS[vm].to_owned());
            let lives = Prompt::Choose {
                options: SITES.map(str::to_owned).to_vec(),
                at_least: 1,
            };
            proposal.ask = IndexMap::from([(LIVES.to_owned(), lives)]);
        }
        seen
    }

    /// As `power_on` does.
    fn look_at_start(&mut self, step: usize, said: Option<&Confirmation>) -> Seen {
        let work = self.shape.work[step].clone();
        let (vm, host) = (work.vm, HOSTS[work.host]);
        let missing = self.missing(step);
        if self.site.runs_here(self.shape, vm) {
            if !missing.is_empty() {
                return Seen::needed("do", missing);
            }
            let known = self.folded.started_on(&VMS[vm].into());
            let settle = known.is_none().then(|| Fact::PoweredOn {
                vm: VMS[vm].into(),
                host: host.into(),
            });
            return Seen::done(settle.into_iter().collect());
        }
        let vouched = self.is_vouched(vm, said);
        let begun = self.site.begun[vm];
        let home = self.site.homes[vm];
        let evidence = if begun { home.told() } else { home.look() };
        if evidence == Evidence::Contradicts {
            return Seen::blocked("fence it");
        }
        let mut acts = VecDeque::new();
        if said.is_some_and(|said| said.attest.is_some()) {
            acts.push_back(Act::Keep(self.attested(vm)));
        }
        acts.push_back(Act::Keep(self.evidence(vm)));
        let what = if begun {
            let rest = missing
                .into_iter()
                .filter(|act| *act != Act::Send(Write::Set(0)));
            acts.extend([Act::SeeThrough].into_iter().chain(rest));
            "see it through"
        } else {
            acts.extend(missing);
            "do"
        };
        let mut seen = Seen::needed(what, acts);
        if evidence == Evidence::Partial && !vouched {
            seen.vouch();
        }
        if evidence == Evidence::Whole {
            self.watch.owners.off(vm, self.coverage.inputs);
        }
        seen
    }

    fn stop(&self, vm: usize, host: &str, write: Write) -> Vec<Act> {
        let wanted = Fact::StopWanted {
            vm: VMS[vm].into(),
            host: host.into(),
            vmx: String::new(),
        };
        vec![
            Act::Keep(wanted),
            Act::Send(write),
            Act::SeeOff(write),
            Act::Keep(self.stopped(vm, host)),
        ]
    }

    pub(super) fn stopped(&self, vm: usize, host: &str) -> Fact {
        Fact::Stopped {
            vm: VMS[vm].into(),
            host: host.into(),
            how: "powered off".to_owned(),
            at: self.now(),
        }
    }

    fn attested(&self, vm: usize) -> Fact {
        Fact::Attested {
            vm: VMS[vm].into(),
            by: "alice".to_owned(),
            words: "I saw it off".to_owned(),
            statement: "it does not run there".to_owned(),
        }
    }

    fn evidence(&self, vm: usize) -> Fact {
        let home = self.site.homes[vm];
        Fact::OwnershipEvidence {
            vm: VMS[vm].into(),
            lines: Vec::new(),
            whole: home.look() == Evidence::Whole,
            silent: home.dark.then(|| HOSTS[vm].into()).into_iter().collect(),
            at: self.now(),
        }
    }

    /// Whether somebody vouched for it, now or before, and nothing has spoken against that since.
    fn is_vouched(&self, vm: usize, said: Option<&Confirmation>) -> bool {
        let name: VmName = VMS[vm].into();
        let now = said.is_some_and(|said| said.attest.is_some());
        let mut words = self.folded.facts_of(|fact| match fact {
            Fact::Attested { vm, .. } if *vm == name => Some(true),
            Fact::HostReturned { running, .. } if running.contains(&name) => Some(false),
            Fact::SplitBrain { vm, .. } | Fact::RunsElsewhere { vm, .. } if *vm == name => {
                Some(false)
            }
            _ => None,
        });
        now || words.next().unwrap_or(false)
    }

    fn lives_at_home(&self, vm: usize) -> bool {
        let name: VmName = VMS[vm].into();
        let mut words = self.folded.facts_of(|fact| match fact {
            Fact::SurvivorChosen { vm, site, .. } if *vm == name => Some(site == SITES[0]),
            Fact::SplitBrain { vm, .. } if *vm == name => Some(false),
            _ => None,
        });
        words.next().unwrap_or(false)
    }
}
