//! Keys within a dialog.

use crossterm::event::{KeyCode, KeyEvent};

use crate::engine::{self, Confirmation, Consent, OperatorInput, PeopleInput, TAKE_OVER};
use crate::plan::Step;
use crate::tui::keys;
use crate::tui::model::dialog::{
    About, Choice, Dialog, HostKey, Kind, Menu, Purpose, TakeOver, Text,
};
use crate::tui::model::{Page, Run, armed_after};

use super::Cmd;
use super::flow::press_flow;

/// Characters of a host key that a person types.
const KEY_START: usize = 8;

/// What came of a key in a dialog.
pub(super) enum Outcome {
    /// It stays open.
    Open,
    /// It is over.
    Close,
    /// It is over, and this is to be done.
    Send(OperatorInput),
    /// This is to be done, and it stays open.
    SendAndStay(OperatorInput),
    /// It is over, and something else follows from its choice.
    Chosen(Choice),
}

pub(super) fn press(run: &mut Run, key: KeyEvent, cmds: &mut Vec<Cmd>) {
    let Some(mut dialog) = run.ui.dialog.take() else {
        return;
    };
    if dialog.field_mut().is_some_and(|field| field.edit(&key)) {
        run.ui.dialog = Some(dialog);
        return;
    }
    if scrolls(run, &mut dialog, key) {
        run.ui.dialog = Some(dialog);
        return;
    }
    if key.code == KeyCode::Esc {
        escape(run, dialog);
        return;
    }
    let too_early = !run.dialog_is_armed(&dialog);
    if too_early && key.code == KeyCode::Enter {
        dialog.since = dialog.since.map(|_| run.now.mono);
        run.say("too early: read it first");
        run.ui.dialog = Some(dialog);
        return;
    }
    let outcome = match &mut dialog.kind {
        Kind::Text(text) => submit_text(run, text, key),
        Kind::Flow(flow) => press_flow(run, flow, key),
        Kind::Menu(menu) => press_menu(run, menu, key, too_early),
        Kind::HostKey(host_key) => submit_host_key(run, host_key, key),
        Kind::TakeOver(taking) => submit_take_over(run, taking, key),
    };
    match outcome {
        Outcome::Open => run.ui.dialog = Some(dialog),
        Outcome::Close => {}
        Outcome::SendAndStay(input) => {
            cmds.push(Cmd::Send(input));
            run.ui.dialog = Some(dialog);
        }
        Outcome::Send(input) => {
            if matches!(input, OperatorInput::Confirm { .. }) {
                run.ui.card.since = Some(run.now.mono);
            }
            if !matches!(input, OperatorInput::Note { .. } | OperatorInput::People(_)) {
                run.ui.follow = true;
            }
            cmds.push(Cmd::Send(input));
        }
        Outcome::Chosen(choice) => choose(run, &dialog, choice, cmds),
    }
}

impl Run {
    /// Whether a dialog that opened by itself, or decides something, has been on screen long
    /// enough. What is typed is kept, however soon it came, so that fast typists lose nothing; but an
    /// Enter that comes with it ends nothing that nobody can have read.
    fn dialog_is_armed(&self, dialog: &Dialog) -> bool {
        let disruptive = match &dialog.kind {
            Kind::Menu(menu) => matches!(menu.about, About::Question(..)),
            Kind::Flow(flow) => {
                return flow.stage().is_some_and(|stage| !stage.is_picked())
                    || self.armed(dialog, false);
            }
            Kind::Text(text) => return !text.purpose.decides() || self.armed(dialog, false),
            // Nothing but the right words does anything there.
            Kind::HostKey(_) | Kind::TakeOver(_) => return true,
        };
        self.armed(dialog, disruptive)
    }

    fn armed(&self, dialog: &Dialog, disruptive: bool) -> bool {
        dialog
            .since
            .is_some_and(|since| self.now.mono >= since + armed_after(disruptive))
    }
}

impl Run {
    /// The name that was typed where nothing asked for it: its first letter is the key that opened
    /// this dialog, and the rest stands in it.
    fn name_typed_blind(&self, purpose: Purpose, words: &str) -> Option<String> {
        let opened_by = purpose.action()?;
        let binding = keys::RUN.iter().find(|row| row.action == opened_by)?;
        let name = binding.keys.first()?.name() + words;
        let is_asked_for =
            |step: &Step| step.subject.as_str() == name || step.typed.as_ref() == Some(&name);
        self.plan.steps.iter().any(is_asked_for).then_some(name)
    }
}

/// Scrolling the text above the answer.
fn scrolls(run: &Run, dialog: &mut Dialog, key: KeyEvent) -> bool {
    let seen = run.ui.seen.dialog;
    let page = seen.rows.saturating_sub(1).max(1);
    dialog.scroll = match key.code {
        KeyCode::PageUp => dialog.scroll.saturating_sub(page),
        KeyCode::PageDown => (dialog.scroll + page).min(seen.last_offset()),
        _ => return false,
    };
    true
}

/// Esc means no; what has to be answered some time can be opened again with Enter.
fn escape(run: &mut Run, dialog: Dialog) {
    match dialog.kind {
        Kind::Menu(Menu {
            about: About::Question(step, _, id),
            ..
        }) => {
            run.ui.dismissed.insert((step, id));
            run.say("the question still waits for its answer: Enter opens it again");
        }
        Kind::HostKey(dialog) => {
            run.set_key_aside(&dialog.host);
            run.say("the host stays refused: [i] opens this again");
        }
        Kind::Flow(mut flow) => {
            if flow.goes_back() {
                run.ui.dialog = Some(Dialog::new(Kind::Flow(flow)));
            }
        }
        Kind::Menu(_) | Kind::Text(_) | Kind::TakeOver(_) => {}
    }
}

fn submit_text(run: &mut Run, text: &mut Text, key: KeyEvent) -> Outcome {
    if key.code != KeyCode::Enter {
        return Outcome::Open;
    }
    let words = text.field.value().to_owned();
    if text.purpose == Purpose::Search {
        run.ui.search = words.to_lowercase();
        run.jump_to_match(false);
        return Outcome::Close;
    }
    if words.is_empty() {
        text.field.error = Some("this cannot stay empty; Esc gives up".to_owned());
        return Outcome::Open;
    }
    if let Some(name) = run.name_typed_blind(text.purpose, &words) {
        text.field.error = Some(format!(
            "{name} is a name, not a reason: Esc goes back, and Enter on the card asks for it"
        ));
        return Outcome::Open;
    }
    if let Purpose::LeaveEnding(chapter) = text.purpose
        && run.state.leavable().is_none()
    {
        text.field.error = Some(format!("something of the {chapter} was done by now"));
        return Outcome::Open;
    }
    meant(run, &text.purpose, words).map_or(Outcome::Close, Outcome::Send)
}

/// What the words are for; nothing where that step is not there.
fn meant(run: &Run, purpose: &Purpose, words: String) -> Option<OperatorInput> {
    let by = run.operator.clone();
    let id = |step: usize| run.plan.steps.get(step).map(|step| step.id.clone());
    match *purpose {
        Purpose::Skip(step) => id(step).map(|step| OperatorInput::Skip {
            step,
            by,
            reason: words,
        }),
        Purpose::ByHand(step) => id(step).map(|step| OperatorInput::ByHand {
            step,
            by,
            evidence: words,
        }),
        Purpose::Decline(step, attempt) => id(step).map(|step| OperatorInput::Confirm {
            step,
            attempt,
            confirmation: Confirmation {
                decline: Some(words),
                ..run.confirmation()
            },
        }),
        Purpose::Note(step) => Some(OperatorInput::Note {
            step: id(step),
            by,
            text: words,
        }),
        Purpose::Update => Some(OperatorInput::People(PeopleInput::Update {
            by,
            text: words,
        })),
        Purpose::Shell(step, at) => {
            let planned = run.plan.steps.get(step);
            let host = planned.and_then(|step| step.hosts.get(at)).cloned();
            id(step).zip(host).map(|(step, host)| {
                OperatorInput::People(PeopleInput::OpenShell {
                    step,
                    host,
                    by,
                    reason: words,
                })
            })
        }
        Purpose::LeaveEnding(chapter) => Some(OperatorInput::People(PeopleInput::LeaveEnding {
            chapter,
            by,
            reason: words,
        })),
        Purpose::Abort => Some(OperatorInput::People(PeopleInput::Abort { by, why: words })),
        Purpose::Search => None,
    }
}

fn press_menu(run: &mut Run, menu: &mut Menu, key: KeyEvent, too_early: bool) -> Outcome {
    let last = menu.items.len().saturating_sub(1);
    let direct = |c: char| menu.items.iter().position(|item| item.key == Some(c));
    let pick = match key.code {
        KeyCode::Up | KeyCode::BackTab => {
            menu.at = Some(menu.at.map_or(last, |at| at.saturating_sub(1)));
            return Outcome::Open;
        }
        KeyCode::Down | KeyCode::Tab => {
            menu.at = Some(menu.at.map_or(0, |at| (at + 1).min(last)));
            return Outcome::Open;
        }
        KeyCode::Char(digit @ '1'..='9') => {
            let index = usize::from(digit as u8 - b'1');
            if index <= last {
                menu.at = Some(index);
            }
            return Outcome::Open;
        }
        KeyCode::Char(c) => match direct(c) {
            Some(_) if too_early => {
                run.say("too early: read it first");
                return Outcome::Open;
            }
            Some(index) => index,
            None => return Outcome::Open,
        },
        KeyCode::Enter => match menu.at {
            Some(index) => index,
            None => {
                menu.error = Some("choose an answer first".to_owned());
                return Outcome::Open;
            }
        },
        _ => return Outcome::Open,
    };
    let Some(item) = menu.items.get(pick) else {
        return Outcome::Open;
    };
    if let Some(why) = &item.disabled {
        menu.error = Some(why.clone());
        return Outcome::Open;
    }
    Outcome::Chosen(item.choice.clone())
}

fn choose(run: &mut Run, dialog: &Dialog, choice: Choice, cmds: &mut Vec<Cmd>) {
    let by = run.operator.clone();
    let input = match choice {
        Choice::Retry(scope) => OperatorInput::Retry { scope, by },
        Choice::Pace(pace) => return cmds.push(run.set_pace(pace)),
        Choice::Open(action) => return run.act(action, cmds),
        Choice::People(input) => return cmds.push(Cmd::Send(OperatorInput::People(input))),
        Choice::TakeOver => return run.ui.dialog = Some(run.take_over_dialog()),
        Choice::Shell(step, at) => return run.ask(Purpose::Shell(step, at)),
        Choice::Correct => return run.ui.dialog = Some(run.correct_menu()),
        Choice::Undo(step) => match run.plan.steps.get(step) {
            Some(step) => OperatorInput::Undo {
                step: step.id.clone(),
                by,
            },
            None => return,
        },
        Choice::Answer(label) => {
            let Kind::Menu(Menu {
                about: About::Question(step, attempt, id),
                ..
            }) = &dialog.kind
            else {
                return;
            };
            // It stays closed while the answer is on its way.
            run.ui.dismissed.insert((*step, id.clone()));
            let Some(step) = run.plan.steps.get(*step) else {
                return;
            };
            OperatorInput::AnswerQuestion {
                step: step.id.clone(),
                attempt: *attempt,
                label,
                by,
                how: Consent::Person,
            }
        }
        Choice::Leave => {
            let why = format!("{by} left");
            run.detach(why)
        }
        Choice::LeaveEnding(chapter) => return run.ask(Purpose::LeaveEnding(chapter)),
        Choice::Close => return,
    };
    run.ui.follow = true;
    run.ui.page = Page::Main;
    cmds.push(Cmd::Send(input));
}

/// A name, then the phrase: the two keys of a hand-over are two people's.
fn submit_take_over(run: &Run, taking: &mut TakeOver, key: KeyEvent) -> Outcome {
    if key.code != KeyCode::Enter {
        return Outcome::Open;
    }
    let by = taking.name.value().to_owned();
    if !taking.name_given {
        taking.name.error = run.state.people.why_not_taken_by(&by);
        taking.name_given = taking.name.error.is_none();
        return Outcome::Open;
    }
    if !engine::takes_over(taking.phrase.value()) {
        taking.phrase.error = Some(format!("type: {TAKE_OVER}"));
        return Outcome::Open;
    }
    Outcome::Send(OperatorInput::People(PeopleInput::TakeOver { by }))
}

fn submit_host_key(run: &mut Run, dialog: &mut HostKey, key: KeyEvent) -> Outcome {
    if key.code != KeyCode::Enter {
        return Outcome::Open;
    }
    let Some(fingerprint) = run.unknown_key(&dialog.host).map(|key| key.shown.clone()) else {
        return Outcome::Close;
    };
    let typed = dialog.field.value().trim_start_matches("SHA256:");
    let start = fingerprint.trim_start_matches("SHA256:");
    if typed.chars().count() < KEY_START {
        dialog.field.error = Some(format!(
            "type the first {KEY_START} characters after SHA256:"
        ));
        return Outcome::Open;
    }
    if !start.starts_with(typed) {
        dialog.field.error = Some(
            "that is not the key this host showed: do not go on, somebody may stand between"
                .to_owned(),
        );
        return Outcome::Open;
    }
    run.forget_key(&dialog.host);
    let host = dialog.host.clone();
    Outcome::Send(OperatorInput::TrustHost {
        host,
        fingerprint,
        by: run.operator.clone(),
    })
}
