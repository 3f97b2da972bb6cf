//! What a prompt asks, and what an answer to it is worth: one rule for the screen, the answers file, the
//! engine and the prompt's own step.

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use crate::engine::Answer;

/// One thing that a prompt asks for, as it is shown: what was looked at for it stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prompt {
    /// Tick some of these.
    Choose {
        /// What there is to tick.
        options: Vec<String>,
        /// How many at least.
        at_least: usize,
    },
    /// Type a value.
    Value {
        /// What to type.
        prompt: String,
        /// A regular expression for the whole value.
        pattern: Option<String>,
    },
    /// Say yes to a statement.
    Acknowledge {
        /// The statement.
        statement: String,
    },
    /// Write what shows that something is so.
    Evidence {
        /// What is to be shown.
        prompt: String,
    },
    /// Read a value that has to be the printed one, which is not shown.
    Compare {
        /// What to read.
        prompt: String,
        /// What prints it, in words.
        by: String,
        /// What it printed; `None` where nobody asked it yet.
        printed: Option<String>,
    },
    /// Judge what was seen.
    Check {
        /// What is to be judged.
        prompt: String,
        /// What was seen; `None` where nobody looked yet.
        seen: Option<String>,
    },
}

/// An answer, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is what is wanted.
    Holds(String),
    /// It is not, and that fails the step.
    Fails(String),
}

/// What is answered to a statement.
pub const YES: &str = "yes";
/// The other answer to a statement.
pub const NO: &str = "no";

impl Prompt {
    /// The question to whoever answers, where it has one beside its key.
    #[must_use]
    pub fn question(&self) -> Option<&str> {
        match self {
            Self::Choose { .. } => None,
            Self::Value { prompt, .. }
            | Self::Evidence { prompt }
            | Self::Compare { prompt, .. }
            | Self::Check { prompt, .. }
            | Self::Acknowledge { statement: prompt } => Some(prompt),
        }
    }

    /// What counts as an answer, in words.
    #[must_use]
    pub fn wants(&self) -> String {
        match self {
            Self::Choose { at_least, .. } => format!("at least {at_least} ticked"),
            Self::Value { pattern, .. } => match pattern {
                Some(pattern) => format!("it has to look like {pattern}"),
                None => "in your words".to_owned(),
            },
            Self::Evidence { .. } => "what you saw, in your words".to_owned(),
            Self::Compare { by, .. } => format!("it is compared with what {by} printed"),
            Self::Acknowledge { .. } | Self::Check { .. } => "yes or no".to_owned(),
        }
    }

    /// Whether it is answered with yes or no; a no needs a reason beside it.
    #[must_use]
    pub fn is_yes_or_no(&self) -> bool {
        matches!(self, Self::Acknowledge { .. } | Self::Check { .. })
    }
}

/// What an answer to this question is worth.
///
/// # Errors
/// What is missing or wrong, as it is shown to whoever answers.
pub fn judge(asked: &Prompt, answer: Option<&Answer>) -> Result<Judged, String> {
    match asked {
        Prompt::Choose { options, at_least } => {
            let chosen = match answer {
                Some(Answer::Chosen(chosen)) => chosen.as_slice(),
                Some(Answer::Value(_)) | None => &[],
            };
            choose(options, *at_least, chosen).map(Judged::Holds)
        }
        Prompt::Value { pattern, .. } => {
            value(typed(answer)?, pattern.as_deref()).map(Judged::Holds)
        }
        Prompt::Evidence { .. } => Ok(Judged::Holds(typed(answer)?.to_owned())),
        Prompt::Acknowledge { statement } => yes_or_no(typed(answer)?, statement),
        Prompt::Check { prompt, seen } => {
            let seen = seen.as_deref().ok_or("nobody has looked yet")?;
            yes_or_no(typed(answer)?, &format!("{prompt} ({seen})"))
        }
        Prompt::Compare { by, printed, .. } => {
            let printed = printed
                .as_deref()
                .ok_or("there is nothing to compare with")?;
            let read = typed(answer)?;
            Ok(if read == printed.trim() {
                Judged::Holds(format!("{read}, as {by} printed"))
            } else {
                Judged::Fails(format!("{read} was read, and {by} printed something else"))
            })
        }
    }
}

/// A YAML `yes` and a `true` are the same word to many.
fn yes_or_no(said: &str, to: &str) -> Result<Judged, String> {
    match said.to_lowercase().as_str() {
        YES | "true" => Ok(Judged::Holds(format!("{YES}: {to}"))),
        NO | "false" => Ok(Judged::Fails(format!("{NO}: {to}"))),
        _ => Err("answer yes or no".to_owned()),
    }
}

/// What was typed, which is not nothing.
fn typed(answer: Option<&Answer>) -> Result<&str, String> {
    match answer {
        Some(Answer::Value(value)) if !value.trim().is_empty() => Ok(value.trim()),
        _ => Err("this cannot stay empty".to_owned()),
    }
}

/// Each choice counts once, and in the order in which they are offered.
fn choose(options: &[String], at_least: usize, chosen: &[String]) -> Result<String, String> {
    let all = || options.join(", ");
    if let Some(strange) = chosen.iter().find(|choice| !options.contains(choice)) {
        return Err(format!("{strange} is not one of {}", all()));
    }
    let counted = options.iter().filter(|option| chosen.contains(option));
    let counted: Vec<&str> = counted.map(String::as_str).collect();
    if counted.len() < at_least {
        return Err(format!("choose at least {at_least} of {}", all()));
    }
    Ok(counted.join(", "))
}

/// A value matches its pattern as a whole.
fn value(value: &str, pattern: Option<&str>) -> Result<String, String> {
    let Some(pattern) = pattern else {
        return Ok(value.to_owned());
    };
    match Regex::new(&format!("^(?:{pattern})$")) {
        Ok(regex) if regex.is_match(value) => Ok(value.to_owned()),
        Ok(_) => Err(format!("it has to look like {pattern}")),
        Err(_) => Err(format!("the runbook's pattern {pattern} cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(asked: &Prompt, answer: Option<&Answer>) -> Option<String> {
        match judge(asked, answer) {
            Ok(Judged::Holds(said)) => Some(said),
            Ok(Judged::Fails(_)) | Err(_) => None,
        }
    }

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    fn chosen(list: &[&str]) -> Answer {
        Answer::Chosen(words(list))
    }

    #[test]
    fn choices_are_counted_once_and_only_those_offered() {
        let signs = Prompt::Choose {
            options: words(&["power", "network", "building"]),
            at_least: 2,
        };
        let both = chosen(&["network", "power"]);
        assert_eq!(holds(&signs, Some(&both)).unwrap(), "power, network");
        for wrong in [
            chosen(&["power", "power"]),
            chosen(&["power"]),
            chosen(&["power", "network", "weather"]),
            Answer::Value("power".into()),
        ] {
            judge(&signs, Some(&wrong)).unwrap_err();
        }
        judge(&signs, None).unwrap_err();
    }

    #[test]
    fn a_value_matches_its_pattern_as_a_whole() {
        let ticket = Prompt::Value {
            prompt: "Ticket".into(),
            pattern: Some("INC[0-9]{6}|none".into()),
        };
        let said = |text: &str| judge(&ticket, Some(&Answer::Value(text.into())));
        assert_eq!(said(" INC000001 "), Ok(Judged::Holds("INC000001".into())));
        for wrong in ["", " ", "INC0000012", "xnone", "INC000001 or so"] {
            said(wrong).unwrap_err();
        }
        let broken = Prompt::Value {
            prompt: "Ticket".into(),
            pattern: Some("(".into()),
        };
        let why = judge(&broken, Some(&Answer::Value("x".into()))).unwrap_err();
        assert!(why.contains("pattern"), "{why}");
    }

    #[test]
    fn a_statement_is_answered_with_yes_or_no_and_no_fails() {
        let statement = "London answers nobody".to_owned();
        let statement = Prompt::Acknowledge { statement };
        let said = |text: &str| judge(&statement, Some(&Answer::Value(text.into())));
        for yes in ["yes", " Yes", "true"] {
            let words = "yes: London answers nobody".to_owned();
            assert_eq!(said(yes), Ok(Judged::Holds(words)), "{yes}");
        }
        for no in ["no", "No ", "false"] {
            assert!(matches!(said(no), Ok(Judged::Fails(_))), "{no}");
        }
        for neither in ["", "perhaps", "y"] {
            said(neither).unwrap_err();
        }
        judge(&statement, None).unwrap_err();
    }

    #[test]
    fn what_is_judged_or_compared_was_looked_at() {
        let compare = |printed: Option<&str>| Prompt::Compare {
            prompt: "Open orders on the screen".into(),
            by: "wc on lee-bk1".into(),
            printed: printed.map(str::to_owned),
        };
        let answer = Answer::Value(" 14 ".into());
        let said = |printed| judge(&compare(printed), Some(&answer));
        let same = "14, as wc on lee-bk1 printed".to_owned();
        assert_eq!(said(Some("14")), Ok(Judged::Holds(same)));
        let other = "14 was read, and wc on lee-bk1 printed something else".to_owned();
        assert_eq!(said(Some("12")), Ok(Judged::Fails(other)));
        said(None).unwrap_err();
        let check = |seen: Option<&str>| Prompt::Check {
            prompt: "Is that last night's?".into(),
            seen: seen.map(str::to_owned),
        };
        let yes = Answer::Value(YES.into());
        let words = "yes: Is that last night's? (taken 6h ago)".to_owned();
        let seen = judge(&check(Some("taken 6h ago")), Some(&yes));
        assert_eq!(seen, Ok(Judged::Holds(words)));
        judge(&check(None), Some(&yes)).unwrap_err();
    }

    proptest! {
        /// However they were ticked: what is accepted is enough of what is offered, and nothing else is.
        #[test]
        fn ticks_are_judged_by_what_is_offered(
            offered in 1usize..6,
            at_least in 0usize..6,
            ticked in proptest::collection::vec(0usize..8, 0..8),
        ) {
            let name = |index: &usize| format!("sign {index}");
            let ask = Prompt::Choose { options: (0..offered).map(|index| name(&index)).collect(), at_least };
            let answer = Answer::Chosen(ticked.iter().map(name).collect());
            let known: std::collections::BTreeSet<usize> = ticked.iter().copied().collect();
            let enough = known.iter().all(|index| *index < offered) && known.len() >= at_least;
            let said = known.iter().map(name).collect::<Vec<_>>().join(", ");
            prop_assert_eq!(holds(&ask, Some(&answer)), enough.then_some(said));
        }

        /// What people type around a value makes no difference, and an empty one is none.
        #[test]
        fn blanks_around_a_value_do_not_count(value in "[ a-z]{0,6}", before in " {0,2}", after in " {0,2}") {
            let ask = Prompt::Value { prompt: String::new(), pattern: None };
            let typed = Answer::Value(format!("{before}{value}{after}"));
            let accepted = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            prop_assert_eq!(holds(&ask, Some(&typed)), accepted);
        }
    }
}
