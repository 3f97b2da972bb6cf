//! Keys within a dialog that asks for what a confirmation needs.

use crossterm::event::{KeyCode, KeyEvent};

use crate::engine::{
    self, Answer, Confirmation, NO, OperatorInput, Prompt, YES, is_same_person, judge, objection,
};
use crate::runbook::model::Challenge;
use crate::tui::model::Run;
use crate::tui::model::dialog::{Field, Flow, Stage};

use super::dialog::Outcome;

/// What a key did to a stage.
enum Pressed {
    /// It is not answered yet.
    Open,
    /// It is answered.
    Answered,
    /// It was answered otherwise than agreed: that is told, and it is asked again.
    Refused,
}

pub(super) fn press_flow(run: &Run, flow: &mut Flow, key: KeyEvent) -> Outcome {
    let Flow {
        stages,
        at,
        confirmation,
        ..
    } = flow;
    let Some(stage) = stages.get_mut(*at) else {
        return Outcome::Close;
    };
    match press_stage(stage, key, &run.operator, confirmation) {
        Pressed::Open => return Outcome::Open,
        Pressed::Refused => return send(run, flow).map_or(Outcome::Close, Outcome::SendAndStay),
        Pressed::Answered => *at += 1,
    }
    // A no, or an answer that does not hold, is all that is to be said.
    let proposal = run.known(flow.step);
    let proposal = proposal.and_then(|known| known.proposal.as_deref());
    let ends = proposal.is_some_and(|shown| objection(shown, confirmation).is_some());
    if *at < stages.len() && !ends {
        return Outcome::Open;
    }
    send(run, flow).map_or(Outcome::Close, Outcome::Send)
}

fn press_stage(
    stage: &mut Stage,
    key: KeyEvent,
    operator: &str,
    confirmation: &mut Confirmation,
) -> Pressed {
    let answers = &mut confirmation.answers;
    let answered = match stage {
        Stage::Choose {
            key: name,
            ask,
            options,
            at,
            error,
        } => press_choice(key, ask, options, at, error)
            .map(|answer| drop(answers.insert(name.clone(), answer))),
        Stage::YesNo {
            key: name,
            yes,
            why,
            error,
            ..
        } => press_yes_no(key, yes, why, error).map(|said| {
            let word = if said.is_none() { YES } else { NO };
            answers.insert(name.clone(), Answer::Value(word.to_owned()));
            confirmation.decline = said;
        }),
        Stage::Pick { choice, at, error } => press_pick(key, choice, at, error)
            .map(|name| drop(answers.insert(choice.key.clone(), Answer::Value(name)))),
        _ if key.code != KeyCode::Enter => None,
        Stage::Value {
            key: name,
            ask,
            field,
        } => {
            let holds = |value: &str| judge(ask, Some(&Answer::Value(value.to_owned()))).map(drop);
            accept(field, holds)
                .map(|value| drop(answers.insert(name.clone(), Answer::Value(value))))
        }
        Stage::Attest { field, .. } => {
            accept(field, |_| Ok(())).map(|words| confirmation.attest = Some(words))
        }
        Stage::Typed { word, field } => {
            accept(field, |typed| is_word(typed, word)).map(|word| confirmation.typed = Some(word))
        }
        Stage::Second { field } => accept(field, |name| is_another(name, operator))
            .map(|name| confirmation.second = Some(name)),
        Stage::Response { challenge, field } => return respond(challenge, field, confirmation),
    };
    answered.map_or(Pressed::Open, |()| Pressed::Answered)
}

fn is_word(typed: &str, word: &str) -> Result<(), String> {
    if typed == word {
        return Ok(());
    }
    Err(format!("that is not {word}"))
}

fn is_another(name: &str, operator: &str) -> Result<(), String> {
    if !is_same_person(name, operator) {
        return Ok(());
    }
    Err(format!(
        "the second person cannot be {operator}, who is at the keys"
    ))
}

fn respond(challenge: &Challenge, field: &mut Field, confirmation: &mut Confirmation) -> Pressed {
    let Some(said) = accept(field, |_| Ok(())) else {
        return Pressed::Open;
    };
    let met = challenge.is_met_by(&said);
    confirmation.response = Some(said);
    if met {
        return Pressed::Answered;
    }
    field.input.reset();
    field.error = Some("that is not the response".to_owned());
    Pressed::Refused
}

/// What has been answered so far, on its way to the engine.
fn send(run: &Run, flow: &Flow) -> Option<OperatorInput> {
    let step = run.plan.steps.get(flow.step)?;
    Some(OperatorInput::Confirm {
        step: step.id.clone(),
        attempt: flow.attempt,
        confirmation: flow.confirmation.clone(),
    })
}

/// Yes, or no with its reason: `Some(None)` and `Some(Some(reason))` once it is said.
fn press_yes_no(
    key: KeyEvent,
    yes: &mut Option<bool>,
    why: &mut Option<Field>,
    error: &mut Option<String>,
) -> Option<Option<String>> {
    if let Some(field) = why {
        return match key.code {
            KeyCode::Enter => accept(field, |_| Ok(())).map(Some),
            _ => None,
        };
    }
    match key.code {
        KeyCode::Up | KeyCode::Char('y' | 'k') => *yes = Some(true),
        KeyCode::Down | KeyCode::Char('n' | 'j') => *yes = Some(false),
        KeyCode::Enter => match yes {
            Some(true) => return Some(None),
            Some(false) => *why = Some(Field::default()),
            None => {
                *error = Some("say y or n first".to_owned());
                return None;
            }
        },
        _ => return None,
    }
    *error = None;
    None
}

/// Moves within a list of ticks; what is ticked once it is answered.
fn press_choice(
    key: KeyEvent,
    ask: &Prompt,
    options: &mut [(String, bool)],
    at: &mut usize,
    error: &mut Option<String>,
) -> Option<Answer> {
    let last = options.len().saturating_sub(1);
    match key.code {
        KeyCode::Up | KeyCode::Char('k') => *at = at.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => *at = (*at + 1).min(last),
        KeyCode::Char(' ' | 'x') => {
            *error = None;
            if let Some((_, ticked)) = options.get_mut(*at) {
                *ticked = !*ticked;
            }
        }
        KeyCode::Char(digit @ '1'..='9') => {
            let index = usize::from(digit as u8 - b'1');
            if let Some((_, ticked)) = options.get_mut(index) {
                *error = None;
                *ticked = !*ticked;
                *at = index;
            }
        }
        KeyCode::Enter => {
            let chosen = options.iter().filter(|(_, ticked)| *ticked);
            let chosen = Answer::Chosen(chosen.map(|(name, _)| name.clone()).collect());
            *error = judge(ask, Some(&chosen)).err();
            return error.is_none().then_some(chosen);
        }
        _ => {}
    }
    None
}

/// Moves within a list of which one is taken; its name once it is.
fn press_pick(
    key: KeyEvent,
    choice: &engine::Choice,
    at: &mut usize,
    error: &mut Option<String>,
) -> Option<String> {
    let last = choice.options.len().saturating_sub(1);
    match key.code {
        KeyCode::Up | KeyCode::Char('k') => *at = at.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => *at = (*at + 1).min(last),
        KeyCode::Home => *at = 0,
        KeyCode::End => *at = last,
        KeyCode::Enter => {
            let one = choice.options.get(*at)?;
            *error = match &one.unusable {
                Some(_) => Some("this one cannot be taken".to_owned()),
                None if choice.taken.as_ref() == Some(&one.name) => {
                    Some("this one is on the card already: Esc goes back to it".to_owned())
                }
                None => return Some(one.name.clone()),
            };
            return None;
        }
        _ => return None,
    }
    *error = None;
    None
}

/// The field's value, if it is not empty and passes.
fn accept(field: &mut Field, check: impl FnOnce(&str) -> Result<(), String>) -> Option<String> {
    let value = field.value().to_owned();
    let checked = if value.is_empty() {
        Err("this cannot stay empty; Esc gives up".to_owned())
    } else {
        check(&value)
    };
    field.error = checked.err();
    field.error.is_none().then_some(value)
}
