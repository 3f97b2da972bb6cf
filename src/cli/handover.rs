//! Taking a run over at a console of one's own: the brief on screen, a name and a phrase.

use jiff::Timestamp;

use crate::engine::{RunState, TAKE_OVER, is_same_person, takes_over};
use crate::error::Fault;
use crate::report::{self, Standing};
use crate::runner::Resumption;
use crate::tui::FormField;

use super::console::Console;
use super::exit::{Exit, Failure};
use super::forms;
use super::past::Past;

/// Who takes the run up. Where somebody offers to hand it over, the person at this console says
/// whether they are the one who takes it; nobody else goes on with it.
///
/// # Errors
/// Status 4 where the run is offered and nobody here takes it.
pub(super) async fn take_over(
    console: &mut Console,
    past: &Past,
    takes_over: bool,
) -> Result<Resumption, Failure> {
    let state = past.state();
    let mut up = Resumption {
        operator: console.settings.operator.clone(),
        console: console.settings.console.clone(),
        takes_over,
        corrected: None,
        opens: None,
        home: Vec::new(),
    };
    let Some(offer) = &state.people.offer else {
        return Ok(up);
    };
    if console.act.headless {
        let keeps = is_same_person(&offer.by, &up.operator);
        if takes_over || keeps {
            return Ok(up);
        }
        return Err(Failure::of(Exit::Resumable, &waits(past, &offer.by)));
    }
    let lines = brief(past, &state);
    let mut filled = forms::show(
        console,
        format!("{} offers to hand this run over", offer.by),
        lines,
        fields(&state, &up.operator),
    )
    .await?;
    if let Some(name) = filled.remove(NAME) {
        up.takes_over = !is_same_person(&name, &offer.by);
        name.trim().clone_into(&mut console.settings.operator);
        up.operator.clone_from(&console.settings.operator);
    }
    Ok(up)
}

const NAME: &str = "name";
const PHRASE: &str = "phrase";

/// The brief of a run as it lies there.
pub(super) fn brief(past: &Past, state: &RunState) -> Vec<String> {
    report::brief_text(&Standing {
        plan: &past.plan,
        state,
        now: Timestamp::now(),
        left: &|_| None,
    })
}

fn fields(state: &RunState, operator: &str) -> Vec<FormField> {
    let offers = state.people.offer.as_ref().map_or("", |offer| &offer.by);
    let help = format!("{offers} keeps it by typing their own name");
    vec![
        FormField {
            default: if is_same_person(operator, offers) {
                String::new()
            } else {
                operator.to_owned()
            },
            help,
            ..FormField::new(NAME, "Who has it from here on? Your name")
        },
        FormField {
            help: "you are accountable from then on".to_owned(),
            check: Box::new(|typed| {
                if takes_over(typed) {
                    Ok(())
                } else {
                    Err(format!("type: {TAKE_OVER}"))
                }
            }),
            ..FormField::new(PHRASE, format!("Type: {TAKE_OVER}"))
        },
    ]
}

fn waits(past: &Past, by: &str) -> Fault {
    Fault::new(
        format!("{by} offers to hand this run over, and nobody here has taken it"),
        past.folder.id.as_str(),
        format!("{by} is accountable until somebody does; the run is as it was"),
        "take it with --take-over and --operator NAME, or go on as the one who offers it",
    )
}
