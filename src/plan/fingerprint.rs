//! A sum over what a plan does, so that a resumed run can tell whether it is still the same plan.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{ActionSpec, Step};
use crate::digest;
use crate::names::HostName;
use crate::runbook::model::{
    Ask, CommandLine, CommandSpec, DeclaredEffect, Expect, Look, PointChoice, Probe, SiteRole,
    VmSign, WaitSpec, Young,
};

/// SHA-256 over ids, actions, sites and order, lower-case hex. Titles and reasons may change without
/// changing it. It is written field by field, so that it does not depend on how a compiler prints.
pub(super) fn fingerprint(steps: &[Step]) -> String {
    let mut sum = Words::default();
    for step in steps {
        sum.word(step.id.as_str());
        sum.word(match step.side {
            SiteRole::Protected => "protected",
            SiteRole::Recovery => "recovery",
        });
        sum.count(step.after.len());
        for after in &step.after {
            sum.count(*after);
        }
        sum.action(&step.action);
        if let Some(vmx) = &step.vmx {
            sum.word(vmx);
        }
    }
    sum.finish()
}

#[derive(Default)]
pub(super) struct Words(Sha256);

impl Words {
    pub(super) fn finish(self) -> String {
        digest::finish(self.0)
    }

    /// A word with its length, so that no two lists of words are equal by chance.
    pub(super) fn word(&mut self, word: &str) {
        self.count(word.len());
        self.0.update(word.as_bytes());
    }

    pub(super) fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    pub(super) fn words(&mut self, words: &[String]) {
        self.count(words.len());
        for word in words {
            self.word(word);
        }
    }

    fn action(&mut self, action: &ActionSpec) {
        self.word(action.verb());
        self.word(action.vm().map_or("", |vm| vm.as_str()));
        match action {
            ActionSpec::Confirm { question, ask } => {
                self.word(question);
                self.count(ask.len());
                for (key, ask) in ask {
                    self.word(key);
                    self.ask(ask);
                }
            }
            ActionSpec::Note { text } => self.word(text),
            ActionSpec::Restore { point, logs, .. } => {
                self.point(point);
                if *logs {
                    self.word("logs");
                }
            }
            ActionSpec::RestoreFiles {
                from,
                quiesced,
                command,
                ..
            } => {
                self.point(from);
                self.word(quiesced);
                self.command(command);
            }
            ActionSpec::Command(command) | ActionSpec::Local(command) => self.command(command),
            ActionSpec::Wait(wait) => self.wait(wait),
            ActionSpec::Check(probes) => {
                self.count(probes.len());
                for probe in probes {
                    self.probe(probe);
                }
            }
            ActionSpec::HandOff(given) => {
                self.word(&given.to);
                self.word(&given.ask);
                self.span(given.every);
                self.count(usize::from(given.verify.is_some()));
                if let Some(probe) = &given.verify {
                    self.probe(probe);
                }
            }
            ActionSpec::FreeCapacity { vms } | ActionSpec::ReturnCapacity { vms } => {
                self.count(vms.len());
                for vm in vms {
                    self.word(vm.as_str());
                }
            }
            ActionSpec::Close(close) => close.sum(self),
            ActionSpec::Fence { .. }
            | ActionSpec::Replicate { .. }
            | ActionSpec::Register { .. }
            | ActionSpec::Network { .. }
            | ActionSpec::PowerOn { .. }
            | ActionSpec::Ready { .. }
            | ActionSpec::ShutDown { .. }
            | ActionSpec::PowerOff { .. }
            | ActionSpec::CopyBack { .. }
            | ActionSpec::Unregister { .. } => {}
        }
    }

    fn span(&mut self, span: Duration) {
        self.word(&span.as_millis().to_string());
    }

    fn wait(&mut self, wait: &WaitSpec) {
        match wait {
            WaitSpec::Span(span) => self.span(*span),
            WaitSpec::Until(time) => self.words(&["until".to_owned(), time.clone()]),
            WaitSpec::For { probe, every } => {
                self.probe(probe);
                self.span(*every);
            }
        }
    }

    fn probe(&mut self, probe: &Probe) {
        let asker =
            |from: &Option<HostName>| from.as_ref().map_or("", |host| host.as_str()).to_owned();
        match probe {
            Probe::Vm { vm, site, sign } => {
                let sign = match sign {
                    VmSign::On => "on",
                    VmSign::Off => "off",
                    VmSign::Tools => "tools",
                    VmSign::Ready => "ready",
                };
                let site = site.as_ref().map_or("", |site| site.as_str());
                self.words(&["vm", vm, site, sign].map(str::to_owned));
            }
            Probe::Tcp { host, port, from } => {
                self.words(&[
                    "tcp".to_owned(),
                    host.clone(),
                    port.map(|port| port.to_string()).unwrap_or_default(),
                    asker(from),
                ]);
            }
            Probe::Http { url, status, from } => {
                self.words(&[
                    "http".to_owned(),
                    url.clone(),
                    status.to_string(),
                    asker(from),
                ]);
            }
            Probe::Command { look, expect } => {
                self.look(look);
                self.words(&match expect {
                    Expect::Success => vec!["success".to_owned()],
                    Expect::Equals(text) => vec!["equals".to_owned(), text.clone()],
                    Expect::Matches(text) => vec!["matches".to_owned(), text.clone()],
                    Expect::Within { at_least, at_most } => {
                        vec![format!("{at_least:?}"), format!("{at_most:?}")]
                    }
                });
            }
            Probe::Compare(both) => {
                self.word("compare");
                both.iter().for_each(|look| self.look(look));
            }
            Probe::Point { vm, backup, young } => {
                self.words(&["point".to_owned(), vm.clone()]);
                if let Some(backup) = backup {
                    self.words(&["in".to_owned(), backup.to_string()]);
                }
                match young {
                    Young::Within(age) => self.span(age.unwrap_or_default()),
                    Young::SinceMove => self.word("since move"),
                }
            }
            Probe::Attested {
                what,
                dated,
                by,
                every,
            } => {
                let by = by.clone().unwrap_or_default();
                self.words(&["attested".to_owned(), what.clone(), dated.clone(), by]);
                self.span(*every);
            }
        }
    }

    fn look(&mut self, look: &Look) {
        self.word(look.host.as_str());
        self.words(&look.argv);
    }

    fn point(&mut self, point: &PointChoice) {
        match point {
            PointChoice::Latest => self.word("latest"),
            PointChoice::Stamp(stamp) => self.words(&["stamp".to_owned(), stamp.clone()]),
            PointChoice::Before(time) => self.words(&["before".to_owned(), time.clone()]),
        }
    }

    fn ask(&mut self, ask: &Ask) {
        match ask {
            Ask::Choose { options, at_least } => {
                self.word("choose");
                self.words(options);
                self.count(*at_least);
            }
            Ask::Value {
                prompt, pattern, ..
            } => {
                self.word("value");
                self.word(prompt);
                self.word(pattern.as_deref().unwrap_or_default());
            }
            Ask::Acknowledge { statement } => {
                self.word("acknowledge");
                self.word(statement);
            }
            Ask::Evidence { prompt } => {
                self.word("evidence");
                self.word(prompt);
            }
            Ask::Compare { prompt, with } => {
                self.word("compare");
                self.word(prompt);
                self.probe(with);
            }
            Ask::Check { prompt, probe } => {
                self.word("check");
                self.word(prompt);
                self.probe(probe);
            }
        }
    }

    fn command(&mut self, command: &CommandSpec) {
        self.word(command.host.as_str());
        match &command.line {
            CommandLine::Argv(words) => self.words(words),
            CommandLine::Sh(script) => self.word(script),
        }
        self.word(match command.effect {
            DeclaredEffect::Read => "read",
            DeclaredEffect::Write => "write",
            DeclaredEffect::Disruptive => "disruptive",
        });
        for optional in [&command.done_if, &command.verify] {
            self.words(optional.as_deref().unwrap_or_default());
        }
        for (name, value) in &command.environment {
            self.word(name);
            self.word(value);
        }
    }
}
