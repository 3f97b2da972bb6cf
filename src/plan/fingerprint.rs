//! A sum over what a plan does, so that a resumed run can tell whether it is still the same plan.

use sha2::{Digest, Sha256};

use super::{ActionSpec, Step};
use crate::runbook::model::{Ask, CommandLine, CommandSpec, DeclaredEffect, PointChoice, SiteRole};

/// SHA-256 over ids, actions, sites and order, lower-case hex. Titles and reasons may change without
/// changing it. It is written field by field, so that it does not depend on how a compiler prints.
pub(super) fn fingerprint(steps: &[Step]) -> String {
    let mut sum = Words(Sha256::new());
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
    }
    sum.0
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

struct Words(Sha256);

impl Words {
    /// A word with its length, so that no two lists of words are equal by chance.
    fn word(&mut self, word: &str) {
        self.count(word.len());
        self.0.update(word.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn words(&mut self, words: &[String]) {
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
            ActionSpec::Command(command) => self.command(command),
            ActionSpec::Fence { .. }
            | ActionSpec::Replicate { .. }
            | ActionSpec::Register { .. }
            | ActionSpec::Network { .. }
            | ActionSpec::PowerOn { .. }
            | ActionSpec::Ready { .. }
            | ActionSpec::ShutDown { .. }
            | ActionSpec::CopyBack { .. }
            | ActionSpec::Unregister { .. } => {}
        }
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
            Ask::Value { prompt, pattern } => {
                self.word("value");
                self.word(prompt);
                self.word(pattern.as_deref().unwrap_or_default());
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
