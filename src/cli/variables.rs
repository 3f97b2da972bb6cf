//! Values for a runbook's variables, from wherever they were given before the start.

use std::collections::BTreeMap;

use crate::names::VariableName;
use crate::runbook::model::Runbook;

use super::answers::{Answers, check_variable};
use super::exit::Failure;

/// Where values come from, the first that has one wins.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    /// `--set NAME=VALUE`.
    pub(super) set: &'a [(String, String)],
    /// The answers file.
    pub(super) answers: &'a Answers,
    /// The run that a failback takes back.
    pub(super) before: Option<&'a BTreeMap<VariableName, String>>,
    /// Take each variable's example: nothing is real.
    pub(super) examples: bool,
}

/// The values that are known, and the variables that nobody has given one yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) known: BTreeMap<VariableName, String>,
    pub(super) missing: Vec<VariableName>,
}

/// Gathers the values of all variables that are not secret.
///
/// # Errors
/// Status 2 for a name that the runbook does not have, a secret in the open, a value that does not
/// match its pattern.
pub(super) fn gather(runbook: &Runbook, sources: &Sources<'_>) -> Result<Values, Failure> {
    let mut set = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, value) in sources.set {
        if let Err(problem) = check_variable(runbook, name, value) {
            problems.push(problem);
        }
        set.insert(name.as_str(), value);
    }
    if !problems.is_empty() {
        return Err(Failure::list("--set", &problems));
    }
    let mut values = Values::default();
    for (name, variable) in runbook
        .variables
        .iter()
        .filter(|(_, variable)| !variable.secret)
    {
        let before = sources.before.and_then(|before| before.get(name));
        let example = variable.example.as_ref().filter(|_| sources.examples);
        let value = set
            .get(name.as_str())
            .copied()
            .or_else(|| sources.answers.variables.get(name))
            .or(before)
            .or(example)
            .or(variable.default.as_ref());
        match value {
            Some(value) => {
                values.known.insert(name.clone(), value.clone());
            }
            None => values.missing.push(name.clone()),
        }
    }
    Ok(values)
}

impl Values {
    /// All values; one that nobody gave has its name as a stand-in.
    pub(super) fn with_stand_ins(self) -> BTreeMap<VariableName, String> {
        let unknown = self.missing.into_iter().map(|name| {
            let stand_in = format!("\u{2039}{name}\u{203a}");
            (name, stand_in)
        });
        self.known.into_iter().chain(unknown).collect()
    }

    /// All values, where nobody can be asked for the missing ones.
    pub(super) fn complete(self) -> Result<BTreeMap<VariableName, String>, Failure> {
        let Some(name) = self.missing.first() else {
            return Ok(self.known);
        };
        let all: Vec<&str> = self.missing.iter().map(VariableName::as_str).collect();
        Err(Failure::invalid(
            format!("no value was given for {}", all.join(", ")),
            "the runbook's variables",
            format!("give --set {name}=VALUE, or `variables` in an answers file (--answers FILE)"),
        ))
    }
}

/// Splits `NAME=VALUE`.
pub(super) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("say NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;
    use crate::cli::load::load_bundled;

    fn pairs(text: &[&str]) -> Vec<(String, String)> {
        text.iter().map(|text| parse_pair(text).unwrap()).collect()
    }

    fn gathered(set: &[&str], answers: &Answers, examples: bool) -> Result<Values, Failure> {
        let runbook = load_bundled().unwrap().runbook;
        let before = None;
        gather(
            &runbook,
            &Sources {
                set: &pairs(set),
                answers,
                before,
                examples,
            },
        )
    }

    #[test]
    fn flags_win_over_answers_and_those_over_examples() {
        let ticket = |values: Values| values.known.get("ticket").cloned();
        let mut answers = Answers::default();
        assert_eq!(
            ticket(gathered(&[], &answers, true).unwrap()).as_deref(),
            Some("INC000001")
        );
        answers
            .variables
            .insert("ticket".into(), "INC000002".to_owned());
        assert_eq!(
            ticket(gathered(&[], &answers, true).unwrap()).as_deref(),
            Some("INC000002")
        );
        let set = gathered(&["ticket=INC000003"], &answers, true).unwrap();
        assert_eq!(ticket(set).as_deref(), Some("INC000003"));
    }

    #[test]
    fn what_is_missing_is_named_with_the_way_to_give_it() {
        let values = gathered(&[], &Answers::default(), false).unwrap();
        assert_eq!(values.missing, [VariableName::from("ticket")]);
        let failure = values.complete().unwrap_err();
        assert_eq!(failure.exit, Exit::Invalid);
        assert!(
            failure.text.contains("--set ticket=VALUE"),
            "{}",
            failure.text
        );
    }

    #[test]
    fn unknown_names_secrets_and_misfits_are_refused() {
        for (set, part) in [
            ("nothing=1", "no variable `nothing`"),
            ("esxi_password=hunter2", "is a secret"),
            ("ticket=12", "does not match"),
        ] {
            let failure = gathered(&[set], &Answers::default(), false).unwrap_err();
            assert_eq!(failure.exit, Exit::Invalid);
            assert!(failure.text.contains(part), "{}", failure.text);
            assert!(!failure.text.contains("hunter2"));
        }
        assert!(parse_pair("=x").is_err() && parse_pair("x").is_err());
    }
}
