//! `confirm` and `note`: what only people can answer. No host is asked.

use indexmap::IndexMap;

use crate::engine::{
    Confirmation, Consent, Performed, ProbeAnswer, Proposal, is_same_person, judge,
};
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
        let second = confirmation.second.as_deref().unwrap_or_default().trim();
        if second.is_empty() {
            return Err("a second person has to confirm it".into());
        }
        if is_same_person(second, &confirmation.by) {
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
        let said = judge(ask, confirmation.answers.get(key));
        let said = said.map_err(|why| format!("{key}: {why}"))?;
        evidence.push(format!("{key}: {said}"));
    }
    Ok(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Answer;

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
    fn what_was_answered_is_kept_in_words_and_what_is_missing_is_told() {
        let prompt = "Ticket".to_owned();
        let ticket = Ask::Value {
            prompt,
            pattern: None,
        };
        let asked = IndexMap::from([("ticket".to_owned(), ticket)]);
        let given = [("ticket", Answer::Value("INC000001".into()))];
        let evidence = check(&confirmation(None, &given), 1, &asked).unwrap();
        assert_eq!(evidence[1], "ticket: INC000001");
        let why = check(&confirmation(None, &[]), 1, &asked).unwrap_err();
        assert!(why.starts_with("ticket: "), "{why}");
    }
}
