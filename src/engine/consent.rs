//! What a confirmation has to hold: the same rules for the screen, the answers file and the engine
//! itself.

use std::fmt;

use crate::plan::{ActionSpec, Close, Plan, Risk, Step};

use super::asked::{Judged, judge};
use super::people::is_same_person;
use super::state::RunState;
use super::step::Status;
use crate::engine::{Confirmation, Consent, Pace, Proposal};

/// Something that a confirmation still lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The word to type.
    Typed(String),
    /// An attestation in words.
    Attestation,
    /// A second person, other than the first.
    SecondPerson,
    /// That person's answer to the challenge, or another one.
    Response,
    /// The reason of a no.
    Reason,
    /// A no where nothing is asked that has one.
    NothingToDecline,
    /// An answer under this key, and what is wrong with it.
    Answer(String, String),
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Typed(word) => write!(f, "type {word}"),
            Self::Attestation => f.write_str("attest in words what could not be proven"),
            Self::SecondPerson => f.write_str("name a second person, other than the first"),
            Self::Response => f.write_str("the second person has to answer the challenge"),
            Self::Reason => f.write_str("say why not (`decline`)"),
            Self::NothingToDecline => {
                f.write_str("nobody is asked for a yes or no here: it can be skipped")
            }
            Self::Answer(key, why) => write!(f, "{key}: {why}"),
        }
    }
}

/// The word that has to be typed for this step as things are.
#[must_use]
pub fn typed_word<'a>(step: &'a Step, proposal: &'a Proposal) -> Option<&'a str> {
    proposal.typed.as_deref().or(step.typed.as_deref())
}

/// The risk of a step as things are: never lower than the plan's.
#[must_use]
pub fn risk(step: &Step, proposal: &Proposal) -> Risk {
    let found = proposal.risk.unwrap_or(step.risk).max(step.risk);
    if typed_word(step, proposal).is_some() {
        Risk::Typed
    } else {
        found
    }
}

/// What the confirmation lacks for this step.
#[must_use]
pub fn confirmation_gaps(
    step: &Step,
    proposal: &Proposal,
    confirmation: &Confirmation,
) -> Vec<Gap> {
    let is_blank =
        |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    if objection(proposal, confirmation).is_some() {
        return if !can_decline(step) {
            vec![Gap::NothingToDecline]
        } else if is_blank(&confirmation.decline) && says_no(proposal, confirmation) {
            vec![Gap::Reason]
        } else {
            Vec::new()
        };
    }
    let mut gaps = Vec::new();
    if let Some(word) = typed_word(step, proposal)
        && confirmation.typed.as_deref().map(str::trim) != Some(word)
    {
        gaps.push(Gap::Typed(word.to_owned()));
    }
    if proposal.attest.is_some() && is_blank(&confirmation.attest) {
        gaps.push(Gap::Attestation);
    }
    if step.people > 1
        && (is_blank(&confirmation.second)
            || is_same_person(
                confirmation.second.as_deref().unwrap_or_default(),
                &confirmation.by,
            ))
    {
        gaps.push(Gap::SecondPerson);
    }
    for (key, ask) in &proposal.ask {
        if let Err(why) = judge(ask, confirmation.answers.get(key)) {
            gaps.push(Gap::Answer(key.clone(), why));
        }
    }
    if let Some(challenge) = &step.challenge {
        let said = confirmation.response.as_deref();
        if !said.is_some_and(|said| challenge.is_met_by(said)) {
            gaps.push(Gap::Response);
        }
    }
    if let Some(choice) = &proposal.choice
        && let Some(why) = choice.gap(&confirmation.answers)
    {
        gaps.push(Gap::Answer(choice.key.clone(), why));
    }
    gaps
}

/// What speaks against letting the step go on, in the words of whoever answers: a no, or an answer
/// that does not hold. It fails the step.
#[must_use]
pub fn objection(proposal: &Proposal, confirmation: &Confirmation) -> Option<String> {
    let no = confirmation.decline.iter();
    let words = no.map(|words| words.trim().to_owned());
    let answers = proposal.ask.iter().filter_map(|(key, asked)| {
        match judge(asked, confirmation.answers.get(key)) {
            Ok(Judged::Fails(said)) => Some(format!("{key}: {said}")),
            Ok(Judged::Holds(_)) | Err(_) => None,
        }
    });
    let all: Vec<String> = words.chain(answers).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Whether the answer is a no, for which somebody has a reason; another value than was printed is not.
fn says_no(proposal: &Proposal, confirmation: &Confirmation) -> bool {
    confirmation.decline.is_some()
        || proposal.ask.iter().any(|(key, asked)| {
            let said = judge(asked, confirmation.answers.get(key));
            asked.is_yes_or_no() && matches!(said, Ok(Judged::Fails(_)))
        })
}

/// Whether people are asked something by this step that can be answered with no.
#[must_use]
pub fn can_decline(step: &Step) -> bool {
    let asks = matches!(
        step.action,
        ActionSpec::Confirm { .. } | ActionSpec::HandOff(_)
    );
    asks || step.gate || step.people > 1
}

/// What is kept in place of the agreed response to a challenge: it is asked for again, at other VMs
/// and after a retry, and whoever could read it would answer for a second person.
const AS_AGREED: &str = "as agreed";

/// The confirmation as it is kept.
pub(super) fn to_keep(step: &Step, mut confirmation: Confirmation) -> Confirmation {
    if let (Some(challenge), Some(said)) = (&step.challenge, &mut confirmation.response)
        && challenge.is_met_by(said)
    {
        AS_AGREED.clone_into(said);
    }
    confirmation
}

/// Whether all that a confirmation lacks is another answer to the challenge than the one it has.
#[must_use]
pub fn is_wrong_response(gaps: &[Gap], confirmation: &Confirmation) -> bool {
    gaps == [Gap::Response] && confirmation.response.is_some()
}

/// Whether this step waits for a person at the given pace, whoever could answer.
#[must_use]
pub fn waits_for_person(plan: &Plan, state: &RunState, step: &Step, proposal: &Proposal) -> bool {
    let always = step.gate
        || step.people > 1
        || matches!(step.action, ActionSpec::Confirm { .. })
        || !proposal.ask.is_empty()
        || proposal.attest.is_some()
        || proposal
            .choice
            .as_ref()
            .is_some_and(|choice| choice.taken.is_none())
        || typed_word(step, proposal).is_some()
        || state
            .steps
            .get(&step.id)
            .is_some_and(|known| known.had_shell);
    always
        || match state.pace {
            Pace::Step => true,
            Pace::Phase => !phase_is_open(plan, state, step),
            Pace::Auto => false,
        }
}

fn phase_is_open(plan: &Plan, state: &RunState, step: &Step) -> bool {
    plan.steps
        .iter()
        .filter(|other| other.phase == step.phase && other.id.section() == step.id.section())
        .filter_map(|other| state.steps.get(&other.id))
        .any(|other| other.confirmation.is_some())
}

/// Who agreed to everything that the run is ended by; `None` where nobody was asked, or not yet.
#[must_use]
pub(super) fn agreed_by(plan: &Plan, state: &RunState) -> Option<String> {
    let asks = |step: &&Step| matches!(step.action, ActionSpec::Close(Close::Agree { .. }));
    let asked = plan.open_steps().iter().find(asks)?;
    let known = state.steps.get(&asked.id)?;
    let agreed = known.status == Status::Done;
    let confirmation = known.confirmation.as_deref().filter(|_| agreed)?;
    Some(confirmation.by.clone())
}

/// Whether a yes to everything covers this step as things are.
#[must_use]
pub(super) fn is_covered(step: &Step, proposal: &Proposal) -> bool {
    matches!(
        step.action,
        ActionSpec::Close(_) | ActionSpec::ReturnCapacity { .. } | ActionSpec::Note { .. }
    ) && confirmation_gaps(step, proposal, &Confirmation::plain("", Consent::Agreed)).is_empty()
}
