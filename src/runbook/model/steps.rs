//! Phases and steps, as written.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::VmName;

use super::{Challenge, SiteRole, Verb};

/// A group of steps under one heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// As the heading reads.
    pub name: String,
    /// Whether and over what its steps are repeated.
    pub for_each: ForEach,
    /// In the file's order.
    pub steps: Vec<StepSpec>,
}

/// What a phase is repeated over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ForEach {
    /// Its steps stand once.
    #[default]
    Once,
    /// Every VM that is neither expendable nor a pattern.
    Vms,
    /// Those of one tier.
    Tier(u32),
    /// Those named.
    List(Vec<VmName>),
}

/// A step as written; `${vm}` and variables are still in its strings.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSpec {
    /// What it does.
    pub verb: Verb,
    /// A title of its own.
    pub name: Option<String>,
    /// Why it is there.
    pub why: Option<String>,
    /// More for the person at the console.
    pub text: Option<String>,
    /// How long it may take; `None` is the verb's default.
    pub timeout: Option<Duration>,
    /// How often a clean failure is tried again without asking.
    pub retries: u32,
    /// What a failure means for the rest.
    pub on_failure: OnFailure,
    /// How long it usually takes.
    pub usually: Option<Duration>,
    /// Modes it belongs to; empty means all.
    pub modes: Vec<Mode>,
    /// Waits for a person whatever the pace.
    pub gate: bool,
    /// A word to type before it runs.
    pub typed: Option<String>,
    /// How many people confirm it (1 or 2).
    pub people: u8,
    /// What the second of them is asked by the first.
    pub challenge: Option<Challenge>,
    /// Line of the runbook where it begins, from 1.
    pub line: usize,
}

/// What a failed step means for the rest of its chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// A person decides; what does not depend on it goes on.
    #[default]
    Ask,
    /// Nothing new starts until a person decides.
    Stop,
    /// It is recorded as failed and its chain goes on.
    Continue,
}

/// How a run is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything is simulated.
    Practice,
    /// Isolated, without touching production.
    Drill,
    /// The real thing.
    Failover,
    /// The source is alive and shut down in order.
    Planned,
    /// The way home.
    Failback,
}

impl Mode {
    /// The word on screens, in the journal and in runbooks.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Practice => "practice",
            Self::Drill => "drill",
            Self::Failover => "failover",
            Self::Planned => "planned",
            Self::Failback => "failback",
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The two halves of a runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// The way out: steps act on the recovery site.
    Failover,
    /// The way home: steps act on the protected site.
    Failback,
}

impl Section {
    /// The runbook's key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
        }
    }

    /// The role of the site where VMs come up in this section.
    #[must_use]
    pub fn target(self) -> SiteRole {
        match self {
            Self::Failover => SiteRole::Recovery,
            Self::Failback => SiteRole::Protected,
        }
    }

    /// The role of the site where they ran before.
    #[must_use]
    pub fn source(self) -> SiteRole {
        self.target().other()
    }
}

impl std::fmt::Display for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
