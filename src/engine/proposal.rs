//! What a step would do, what it asks, and what people answer.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::names::{HostName, VmName};
use crate::plan::Risk;

use super::asked::Prompt;

/// What an action saw, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeAnswer {
    /// What was seen, in a line: `not registered (getallvms)`.
    pub found: String,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing is left to do.
    AlreadyDone {
        /// What shows it.
        evidence: Vec<String>,
    },
    /// This is what is missing.
    Needed(Box<Proposal>),
    /// It must not or cannot be done as things are.
    Blocked {
        /// Why.
        fault: Fault,
        /// Ways on, in words.
        remedies: Vec<String>,
    },
}

/// What an action would do: the step card is made of this, and it is what a person confirms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// What changes, in words, one thing a line; a diff's lines begin with `-` or `+`.
    pub changes: Vec<String>,
    /// Every command, in order, as it will be sent.
    pub commands: Vec<ShownCommand>,
    /// What will be seen when it is done.
    pub then: String,
    /// How it is taken back; `None` where it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undo: Option<String>,
    /// The risk as things are (never lower than the plan's).
    pub risk: Option<Risk>,
    /// A word to type, e.g. the VM's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub typed: Option<String>,
    /// An attestation to type: what could not be proven, evidence first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attest: Option<AttestRequest>,
    /// What a prompt asks for, in order.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub ask: IndexMap<String, Prompt>,
    /// Something that may be chosen otherwise than it is proposed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub choice: Option<Choice>,
}

/// One of several, of which one is proposed: the restore point. Another one is taken by answering
/// under its key; that changes the proposal, which is then shown anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The key of the answer: `point`.
    pub key: String,
    /// What is chosen, in words: `the restore point`.
    pub of: String,
    /// What there is, the likeliest first.
    pub options: Vec<ChoiceOption>,
    /// What this proposal is made of; `None` where somebody has to choose first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub taken: Option<String>,
}

/// One of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceOption {
    /// What the answer says; no other option has it.
    pub name: String,
    /// What to know of it, in a line.
    pub about: String,
    /// Why it cannot be taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unusable: Option<String>,
}

impl Choice {
    /// The key under which an answer says why another one was taken.
    pub const WHY: &'static str = "why";

    /// The name that an answer gives, if it gives one.
    #[must_use]
    pub fn answered<'a>(&self, answers: &'a BTreeMap<String, Answer>) -> Option<&'a str> {
        match answers.get(&self.key)? {
            Answer::Value(name) => Some(name.trim()),
            Answer::Chosen(names) => match names.as_slice() {
                [name] => Some(name.trim()),
                _ => Some(""),
            },
        }
    }

    /// What speaks against these answers; `None` if they can be taken.
    #[must_use]
    pub fn gap(&self, answers: &BTreeMap<String, Answer>) -> Option<String> {
        /// More than anybody reads in one line.
        const SHOWN: usize = 5;
        let usable = || {
            let names = self.options.iter().filter(|one| one.unusable.is_none());
            let names: Vec<&str> = names.map(|one| one.name.as_str()).take(SHOWN).collect();
            names.join(", ")
        };
        let Some(name) = self.answered(answers) else {
            let open = self.taken.is_none();
            return open.then(|| format!("choose {}: {}", self.of, usable()));
        };
        match self.options.iter().find(|one| one.name == name) {
            None => Some(format!("{name:?} is none of {}", usable())),
            Some(one) => {
                let why = one.unusable.as_ref()?;
                Some(format!(
                    "{name} cannot be taken: {why}; there is {}",
                    usable()
                ))
            }
        }
    }
}

/// A command as a person sees it before it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownCommand {
    /// Where; the console's own work has no host.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<HostName>,
    /// The line, secrets masked; what is not known yet stands as `‹vmid of sql01›`.
    pub line: String,
    /// Whether it changes something.
    pub write: bool,
}

/// What cannot be proven and has to be vouched for by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestRequest {
    /// For which VM, alone; none where it is about a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<VmName>,
    /// What is asked: `sql01 does not run in London`.
    pub statement: String,
    /// The evidence there is and is not, one line each.
    pub evidence: Vec<String>,
}

/// On whose behalf something was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consent {
    /// A person, at the terminal, for this step.
    Person,
    /// The pace that a person chose.
    Pace,
    /// `--yes`.
    Yes,
    /// The answers file.
    Answers,
    /// The answer to the question about everything that the run is ended by.
    Agreed,
}

/// A confirmation; it holds for one attempt of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Who.
    pub by: String,
    /// The second person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub second: Option<String>,
    /// The word that was typed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub typed: Option<String>,
    /// The attestation, in the person's words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attest: Option<String>,
    /// What the second person answered to the challenge; what is kept says only that it was the
    /// agreed answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub response: Option<String>,
    /// Why the answer is no, in words; it is yes without them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decline: Option<String>,
    /// Answers to what a prompt asks for, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub answers: BTreeMap<String, Answer>,
    /// On whose behalf.
    pub how: Consent,
}

impl Confirmation {
    /// One that says yes and nothing else.
    #[must_use]
    pub fn plain(by: impl Into<String>, how: Consent) -> Self {
        Self {
            by: by.into(),
            second: None,
            typed: None,
            attest: None,
            response: None,
            decline: None,
            answers: BTreeMap::new(),
            how,
        }
    }
}

/// An answer to one thing that a prompt asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// What was ticked.
    Chosen(Vec<String>),
    /// What was typed.
    Value(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(chosen) => f.write_str(&chosen.join(", ")),
            Self::Value(value) => f.write_str(value),
        }
    }
}

/// A question in the middle of a step: a VM's, or whether a command that nothing verifies worked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The VM that asks; `None` where a command asks to be judged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vm: Option<VmName>,
    /// On which host.
    pub host: HostName,
    /// The host's id of it.
    pub id: String,
    /// Its text.
    pub text: String,
    /// The labels to choose from.
    pub choices: Vec<String>,
    /// The label that Lifeboat would choose, if it knows this question; never guessed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub suggested: Option<String>,
    /// Why that one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

impl Question {
    /// The answer that a command which nothing verifies worked.
    pub const WORKED: &str = "It worked";
    /// The answer that it did not.
    pub const FAILED: &str = "It did not work";

    /// Who asks, for people.
    #[must_use]
    pub fn asker(&self) -> String {
        match &self.vm {
            Some(vm) => format!("{vm} on {}", self.host),
            None => format!("the command on {}", self.host),
        }
    }
}
