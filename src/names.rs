//! Names that people see: each is its own type, so that a host is never taken for a VM.
//!
//! `Display` prints exactly what a user wrote or reads. None of these types validates; that is the
//! task of [`crate::runbook`], which is the only place where names enter from outside.

pub mod own;

use std::fmt;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $type {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// A step's id, `section/phase-slug/subject/verb[.n]`.
    StepId
);
impl StepId {
    /// `failover`, `failback`, or the chapter that ends a run.
    #[must_use]
    pub fn section(&self) -> &str {
        self.part(0)
    }

    /// The slug of its phase.
    #[must_use]
    pub fn phase(&self) -> &str {
        self.part(1)
    }

    /// What it is about: a VM, a host, or `-`.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.part(2)
    }

    /// What it does, without the number that tells it from others like it.
    #[must_use]
    pub fn verb(&self) -> &str {
        let verb = self.part(3);
        verb.split_once('.').map_or(verb, |(verb, _)| verb)
    }

    fn part(&self, at: usize) -> &str {
        self.0.split('/').nth(at).unwrap_or_default()
    }
}

name!(
    /// A host as the runbook calls it, e.g. `lee-esx1`.
    HostName
);
name!(
    /// A virtual machine (or a physical server) as the runbook calls it, e.g. `sql01`.
    VmName
);
name!(
    /// A site as the runbook calls it, e.g. `leeds`.
    SiteName
);
name!(
    /// A network as the runbook calls it, e.g. `production`.
    NetworkName
);
name!(
    /// A place of restore points as the runbook calls it, e.g. `nightly`.
    BackupName
);
name!(
    /// A runbook variable, e.g. `ticket`.
    VariableName
);
name!(
    /// A run's id, sortable by time, e.g. `20260102-030405-k7qd`. It names the run's folder.
    RunId
);

/// A command of ours up to the id of the run that it is about. It ends where its sentence or its line
/// does: a full stop in a file's name has no space behind it.
static COMMAND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let command = r"lifeboat [a-z](?:[^`;,:.\n]|\.[^`;,:\s])*?\b[0-9]{8}-[0-9]{6}-[0-9a-z]{4}\b";
    Regex::new(command).ok()
});

/// Words with commands that name runs, with options behind each id: ` --state DIR` where the runs are
/// kept elsewhere.
#[must_use]
pub fn in_commands(words: &str, options: &str) -> String {
    let Some(command) = COMMAND.as_ref().filter(|_| !options.is_empty()) else {
        return words.to_owned();
    };
    let mut typed = String::new();
    let mut rest = 0;
    for found in command.find_iter(words) {
        typed.push_str(&words[rest..found.end()]);
        if !words[found.end()..].starts_with(options) {
            typed.push_str(options);
        }
        rest = found.end();
    }
    typed + &words[rest..]
}

/// Names, one after the other: `sql01, web01`.
#[must_use]
pub fn listed<T: fmt::Display>(names: &[T]) -> String {
    let words: Vec<String> = names.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// The how-manieth try of a step, from 1 on. A confirmation holds for one attempt only.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Attempt(pub u32);

impl Attempt {
    /// The first attempt.
    pub const FIRST: Self = Self(1);

    /// The attempt after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One write that left, or was about to leave, for a host; unique within a run.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct OpId(pub u64);

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_state_folder_behind_each_run_and_other_words_do_not() {
        let drill = "20260102-030405-k7qd";
        let typed = |words: &str| in_commands(&words.replace("RUN", drill), " --state /srv/dr");
        let shown = |words: &str| words.replace("RUN", drill);
        for (words, wanted) in [
            (
                "drill RUN left it, `lifeboat cleanup RUN` removes it",
                "drill RUN left it, `lifeboat cleanup RUN --state /srv/dr` removes it",
            ),
            (
                "lifeboat cleanup RUN --keep-disks, then lifeboat run /srv/x.yaml --from-drill RUN",
                "lifeboat cleanup RUN --state /srv/dr --keep-disks, then lifeboat run /srv/x.yaml --from-drill RUN --state /srv/dr",
            ),
            (
                "there: lifeboat watch --hosts RUN; then drill RUN",
                "there: lifeboat watch --hosts RUN --state /srv/dr; then drill RUN",
            ),
            (
                "`lifeboat runs` lists them, drill RUN too",
                "`lifeboat runs` lists them, drill RUN too",
            ),
            (
                "look with lifeboat runs. Drill RUN is there",
                "look with lifeboat runs. Drill RUN is there",
            ),
            (
                "look with lifeboat runs\ndrill RUN is there",
                "look with lifeboat runs\ndrill RUN is there",
            ),
            (
                "lifeboat resume --runbook ../dr/x.v2.yaml RUN. Then look.",
                "lifeboat resume --runbook ../dr/x.v2.yaml RUN --state /srv/dr. Then look.",
            ),
        ] {
            let once = typed(words);
            assert_eq!(once, shown(wanted));
            assert_eq!(typed(&once), once, "a second time");
        }
        assert_eq!(
            in_commands(&shown("lifeboat resume RUN"), ""),
            shown("lifeboat resume RUN")
        );
    }
}
