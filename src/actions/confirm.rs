//! `confirm` and `note`: what only people can answer. No host is asked.

use indexmap::IndexMap;
use regex_lite::Regex;

use crate::engine::{Answer, Confirmation, Consent, Performed, ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::runbook::model::Ask;

use super::answer::needed;
use super::context::Ctx;

/// The prompt as it waits for somebody.
pub(super) fn ask(question: &str, ask: &IndexMap<String, Ask>) -> ProbeAnswer {
    let proposal = Proposal {
        changes: vec![question.to_owned()],
        then: "the answer stands in the journal and in the report".into(),
        ask: ask
            .iter()
            .map(|(key, ask)| (key.clone(), ask.clone()))
            .collect(),
        ..Proposal::default()
    };
    needed("this is for people to answer", proposal)
}

/// Checks what was answered and turns it into evidence.
pub(super) fn perform(ctx: &Ctx, question: &str, ask: &IndexMap<String, Ask>) -> Performed {
    let checked = match &ctx.confirmation {
        None => Err("nobody answered it".to_owned()),
        Some(confirmation) => check(confirmation, ctx.step.people, ask),
    };
    match checked {
        Ok(evidence) => Performed::Done { evidence },
        Err(why) => Performed::Failed(Fault::new(
            format!("{question:?} was not answered as the runbook asks: {why}"),
            ctx.step.id.as_str(),
            "nothing was sent to any host",
            "answer it again",
        )),
    }
}

/// A remark was seen.
pub(super) fn noted(ctx: &Ctx, text: &str) -> Performed {
    let mut evidence = vec![text.to_owned()];
    evidence.extend(
        ctx.confirmation
            .as_ref()
            .map(|reader| format!("read by {}", reader.by)),
    );
    Performed::Done { evidence }
}

/// The remark as it waits to be read.
pub(super) fn note(text: &str) -> ProbeAnswer {
    let proposal = Proposal {
        changes: vec![text.to_owned()],
        then: "it stands in the journal as read".into(),
        ..Proposal::default()
    };
    needed("a remark", proposal)
}

/// Evidence from a confirmation, or what is missing in it.
fn check(
    confirmation: &Confirmation,
    people: u8,
    ask: &IndexMap<String, Ask>,
) -> Result<Vec<String>, String> {
    let mut who = confirmation.by.clone();
    if people > 1 {
        let second = confirmation
            .second
            .as_deref()
            .map(str::trim)
            .unwrap_or_default();
        if second.is_empty() {
            return Err("a second person has to confirm it".into());
        }
        if second.to_lowercase() == confirmation.by.trim().to_lowercase() {
            return Err(format!("{second} cannot be both persons"));
        }
        who = format!("{who} and {second}");
    }
    let how = match confirmation.how {
        Consent::Person => "at the terminal",
        Consent::Pace => "by the chosen pace",
        Consent::Yes => "by --yes",
        Consent::Answers => "by the answers file",
        Consent::Agreed => "with the rest",
    };
    let mut evidence = vec![format!("confirmed by {who}, {how}")];
    for (key, ask) in ask {
        evidence.push(format!(
            "{key}: {}",
            answer(confirmation.answers.get(key), ask)?
        ));
    }
    Ok(evidence)
}

fn answer(answer: Option<&Answer>, ask: &Ask) -> Result<String, String> {
    match (ask, answer) {
        (Ask::Choose { options, at_least }, Some(Answer::Chosen(chosen))) => {
            if let Some(strange) = chosen.iter().find(|choice| !options.contains(choice)) {
                return Err(format!("{strange:?} is not one of {}", options.join(", ")));
            }
            let chosen: Vec<&str> = options
                .iter()
                .filter(|o| chosen.contains(o))
                .map(String::as_str)
                .collect();
            if chosen.len() < *at_least {
                return Err(format!("{} of {} are needed", at_least, options.join(", ")));
            }
            Ok(chosen.join(", "))
        }
        (Ask::Value { prompt, pattern }, Some(Answer::Value(value))) => {
            let value = value.trim();
            if value.is_empty() {
                return Err(format!("{prompt} is empty"));
            }
            match pattern {
                Some(pattern) if !matches_whole(pattern, value) => {
                    Err(format!("{prompt}: {value:?} does not match {pattern}"))
                }
                _ => Ok(value.to_owned()),
            }
        }
        (Ask::Choose { options, at_least }, _) => {
            Err(format!("{at_least} of {} are needed", options.join(", ")))
        }
        (Ask::Value { prompt, .. }, _) => Err(format!("{prompt} is missing")),
    }
}

/// Whether the whole value matches; a pattern that does not compile matches nothing.
fn matches_whole(pattern: &str, value: &str) -> bool {
    Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmation(second: Option<&str>, answers: &[(&str, Answer)]) -> Confirmation {
        Confirmation {
            by: "alice".into(),
            second: second.map(str::to_owned),
            typed: None,
            attest: None,
            answers: answers
                .iter()
                .map(|(key, a)| ((*key).to_owned(), a.clone()))
                .collect(),
            how: Consent::Person,
        }
    }

    fn chosen(choices: &[&str]) -> Answer {
        Answer::Chosen(choices.iter().map(|c| (*c).to_owned()).collect())
    }

    #[test]
    fn two_people_are_two() {
        let none = IndexMap::new();
        assert!(check(&confirmation(None, &[]), 1, &none).is_ok());
        assert!(check(&confirmation(None, &[]), 2, &none).is_err());
        assert!(check(&confirmation(Some(" Alice "), &[]), 2, &none).is_err());
        let evidence = check(&confirmation(Some("bob"), &[]), 2, &none).unwrap();
        assert_eq!(evidence, ["confirmed by alice and bob, at the terminal"]);
    }

    #[test]
    fn choices_are_counted_once_and_only_those_offered() {
        let options = ["power", "network", "building"].map(str::to_owned).to_vec();
        let asked = IndexMap::from([(
            "signs".into(),
            Ask::Choose {
                options,
                at_least: 2,
            },
        )]);
        let check = |answers: &[(&str, Answer)]| check(&confirmation(None, answers), 1, &asked);
        let evidence = check(&[("signs", chosen(&["network", "power"]))]).unwrap();
        assert_eq!(evidence[1], "signs: power, network");
        for wrong in [
            chosen(&["power", "power"]),
            chosen(&["power"]),
            chosen(&["power", "weather"]),
            Answer::Value("power".into()),
        ] {
            assert!(check(&[("signs", wrong)]).is_err());
        }
        assert!(check(&[]).is_err());
    }

    #[test]
    fn a_value_matches_its_pattern_as_a_whole() {
        let ask = Ask::Value {
            prompt: "Ticket".into(),
            pattern: Some("INC[0-9]{6}|none".into()),
        };
        let value = |text: &str| answer(Some(&Answer::Value(text.into())), &ask);
        assert_eq!(value(" INC000001 ").unwrap(), "INC000001");
        for wrong in ["", "INC0000012", "xnone", "INC000001 or so"] {
            assert!(value(wrong).is_err(), "{wrong}");
        }
    }
}
