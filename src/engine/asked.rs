//! What an answer is worth to what was asked: one rule for the screen, the answers file, the engine and
//! the prompt's own step.

use regex_lite::Regex;

use crate::engine::Answer;
use crate::runbook::model::Ask;

/// The answer in words if it is one to this question, else what it lacks.
///
/// # Errors
/// What is missing or wrong, as it is shown to whoever answers.
pub fn judge(ask: &Ask, answer: Option<&Answer>) -> Result<String, String> {
    match ask {
        Ask::Choose { options, at_least } => {
            let chosen = match answer {
                Some(Answer::Chosen(chosen)) => chosen.as_slice(),
                Some(Answer::Value(_)) | None => &[],
            };
            choose(options, *at_least, chosen)
        }
        Ask::Value { pattern, .. } => value(typed(answer)?, pattern.as_deref()),
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

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    fn chosen(list: &[&str]) -> Answer {
        Answer::Chosen(words(list))
    }

    #[test]
    fn choices_are_counted_once_and_only_those_offered() {
        let signs = Ask::Choose {
            options: words(&["power", "network", "building"]),
            at_least: 2,
        };
        let both = chosen(&["network", "power"]);
        assert_eq!(judge(&signs, Some(&both)).unwrap(), "power, network");
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
        let ticket = Ask::Value {
            prompt: "Ticket".into(),
            pattern: Some("INC[0-9]{6}|none".into()),
        };
        let said = |text: &str| judge(&ticket, Some(&Answer::Value(text.into())));
        assert_eq!(said(" INC000001 ").unwrap(), "INC000001");
        for wrong in ["", " ", "INC0000012", "xnone", "INC000001 or so"] {
            said(wrong).unwrap_err();
        }
        let broken = Ask::Value {
            prompt: "Ticket".into(),
            pattern: Some("(".into()),
        };
        let why = judge(&broken, Some(&Answer::Value("x".into()))).unwrap_err();
        assert!(why.contains("pattern"), "{why}");
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
            let ask = Ask::Choose { options: (0..offered).map(|index| name(&index)).collect(), at_least };
            let answer = Answer::Chosen(ticked.iter().map(name).collect());
            let known: std::collections::BTreeSet<usize> = ticked.iter().copied().collect();
            let holds = known.iter().all(|index| *index < offered) && known.len() >= at_least;
            let said = known.iter().map(name).collect::<Vec<_>>().join(", ");
            prop_assert_eq!(judge(&ask, Some(&answer)).ok(), holds.then_some(said));
        }

        /// What people type around a value makes no difference, and an empty one is none.
        #[test]
        fn blanks_around_a_value_do_not_count(value in "[ a-z]{0,6}", before in " {0,2}", after in " {0,2}") {
            let ask = Ask::Value { prompt: String::new(), pattern: None };
            let typed = Answer::Value(format!("{before}{value}{after}"));
            let accepted = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            prop_assert_eq!(judge(&ask, Some(&typed)).ok(), accepted);
        }
    }
}
