//! Dialogs: what they ask, and how far the answer is.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

use crate::engine::{
    self, AttestRequest, Chapter, Confirmation, Pace, PeopleInput, Prompt, RetryScope,
};
use crate::names::{Attempt, HostName};
use crate::runbook::model::Challenge;
use crate::tui::keys::Action;
use crate::tui::text::{LONGEST_INPUT, clean, is_unsafe};

/// A dialog over the screen.
#[derive(Debug)]
pub(in crate::tui) struct Dialog {
    /// What it asks.
    pub kind: Kind,
    /// First line of its text that is shown.
    pub scroll: usize,
    /// When it was first drawn; a key pressed before that was not meant for it.
    pub since: Option<Duration>,
}

impl Dialog {
    pub(in crate::tui) fn new(kind: Kind) -> Self {
        Self {
            kind,
            scroll: 0,
            since: None,
        }
    }

    /// The field that typed characters go to.
    pub(in crate::tui) fn field_mut(&mut self) -> Option<&mut Field> {
        match &mut self.kind {
            Kind::Text(text) => Some(&mut text.field),
            Kind::HostKey(key) => Some(&mut key.field),
            Kind::TakeOver(taking) => Some(if taking.name_given {
                &mut taking.phrase
            } else {
                &mut taking.name
            }),
            Kind::Flow(flow) => match flow.stages.get_mut(flow.at)? {
                Stage::Choose { .. } | Stage::Pick { .. } => None,
                Stage::YesNo { why, .. } => why.as_mut(),
                Stage::Value { field, .. }
                | Stage::Attest { field, .. }
                | Stage::Typed { field, .. }
                | Stage::Second { field }
                | Stage::Response { field, .. } => Some(field),
            },
            Kind::Menu(_) => None,
        }
    }
}

/// What a dialog asks.
#[derive(Debug)]
pub(in crate::tui) enum Kind {
    /// One line of text.
    Text(Text),
    /// Everything that a step's confirmation needs, one thing after the other.
    Flow(Flow),
    /// One of several ways.
    Menu(Menu),
    /// The beginning of a host key.
    HostKey(HostKey),
    /// Who takes the run over.
    TakeOver(TakeOver),
}

/// A line of text and what is wrong with it.
#[derive(Debug, Default)]
pub(in crate::tui) struct Field {
    /// What was typed.
    pub input: Input,
    /// Why it was not accepted.
    pub error: Option<String>,
}

impl Field {
    /// What was typed, without blanks around it.
    pub(in crate::tui) fn value(&self) -> &str {
        self.input.value().trim()
    }

    /// Takes a key that edits the line; false if it does not.
    pub(in crate::tui) fn edit(&mut self, key: &KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let typed = !ctrl && !key.modifiers.contains(KeyModifiers::ALT);
        let request = match key.code {
            KeyCode::Char('a') if ctrl => InputRequest::GoToStart,
            KeyCode::Char('e') if ctrl => InputRequest::GoToEnd,
            KeyCode::Char('u') if ctrl => InputRequest::DeleteFromStart,
            KeyCode::Char('k') if ctrl => InputRequest::DeleteTillEnd,
            KeyCode::Char('w') if ctrl => InputRequest::DeletePrevWord,
            KeyCode::Char(c) if typed && !is_unsafe(c) => InputRequest::InsertChar(c),
            KeyCode::Backspace => InputRequest::DeletePrevChar,
            KeyCode::Delete => InputRequest::DeleteNextChar,
            KeyCode::Left if ctrl => InputRequest::GoToPrevWord,
            KeyCode::Right if ctrl => InputRequest::GoToNextWord,
            KeyCode::Left => InputRequest::GoToPrevChar,
            KeyCode::Right => InputRequest::GoToNextChar,
            KeyCode::Home => InputRequest::GoToStart,
            KeyCode::End => InputRequest::GoToEnd,
            _ => return false,
        };
        self.input.handle(request);
        self.error = None;
        true
    }

    /// Takes pasted text, as one line.
    pub(in crate::tui) fn paste(&mut self, pasted: &str) {
        for c in clean(pasted.trim()).chars().take(LONGEST_INPUT) {
            self.input.handle(InputRequest::InsertChar(c));
        }
        self.error = None;
    }
}

/// One line of text.
#[derive(Debug)]
pub(in crate::tui) struct Text {
    /// What for.
    pub purpose: Purpose,
    /// The line.
    pub field: Field,
}

/// What a line of text is for. Steps are indexes into the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Purpose {
    /// The reason for leaving a step out.
    Skip(usize),
    /// What was seen of a step that was done by hand.
    ByHand(usize),
    /// Why the answer to this attempt at a step is no.
    Decline(usize, Attempt),
    /// A remark, about a step.
    Note(usize),
    /// What those who wait are told.
    Update,
    /// The reason for a shell on a step's host, by its place among the step's hosts.
    Shell(usize, usize),
    /// The reason for ending a drill early.
    Abort,
    /// The reason for leaving an ending of which nothing was done.
    LeaveEnding(Chapter),
    /// A search in the log.
    Search,
}

impl Purpose {
    /// Whether something becomes of the step or the run, beside what is remembered.
    pub(in crate::tui) fn decides(self) -> bool {
        !matches!(self, Self::Search | Self::Note(_) | Self::Update)
    }

    /// What opens it with one key.
    pub(in crate::tui) fn action(self) -> Option<Action> {
        match self {
            Self::Skip(_) => Some(Action::Skip),
            Self::ByHand(_) => Some(Action::ByHand),
            Self::Decline(..) => Some(Action::Decline),
            Self::Note(_) => Some(Action::Note),
            Self::Update => Some(Action::Update),
            Self::Abort => Some(Action::Abort),
            Self::Search => Some(Action::Search),
            Self::Shell(..) | Self::LeaveEnding(_) => None,
        }
    }
}

/// Everything that a confirmation needs.
#[derive(Debug)]
pub(in crate::tui) struct Flow {
    /// Which step.
    pub step: usize,
    /// The attempt that is confirmed.
    pub attempt: Attempt,
    /// What is asked, in order.
    pub stages: Vec<Stage>,
    /// Which of them is on screen.
    pub at: usize,
    /// What has been answered so far.
    pub confirmation: Confirmation,
}

impl Flow {
    /// What is on screen.
    pub(in crate::tui) fn stage(&self) -> Option<&Stage> {
        self.stages.get(self.at)
    }

    /// Goes one question back, from the reason of a no to its own; false at the first.
    pub(in crate::tui) fn goes_back(&mut self) -> bool {
        if let Some(Stage::YesNo { why, .. }) = self.stages.get_mut(self.at)
            && why.take().is_some()
        {
            return true;
        }
        let back = self.at.checked_sub(1);
        self.at = back.unwrap_or_default();
        back.is_some()
    }
}

/// One thing that a confirmation needs.
#[derive(Debug)]
pub(in crate::tui) enum Stage {
    /// Tick some.
    Choose {
        /// Under which key the answer goes.
        key: String,
        /// What is asked.
        ask: Prompt,
        /// What there is, and what is ticked.
        options: Vec<(String, bool)>,
        /// Where the cursor is.
        at: usize,
        /// What is wrong.
        error: Option<String>,
    },
    /// Take one of several. The step's card then shows what follows from it, to be confirmed.
    Pick {
        /// What there is.
        choice: engine::Choice,
        /// Where the cursor is.
        at: usize,
        /// What is wrong.
        error: Option<String>,
    },
    /// Type a value.
    Value {
        /// Under which key the answer goes.
        key: String,
        /// What is asked.
        ask: Prompt,
        /// The value.
        field: Field,
    },
    /// Vouch for something, in words.
    Attest {
        /// For what.
        request: AttestRequest,
        /// The words.
        field: Field,
    },
    /// Type a word.
    Typed {
        /// Which.
        word: String,
        /// What was typed.
        field: Field,
    },
    /// Say yes or no.
    YesNo {
        /// Under which key the answer goes.
        key: String,
        /// What is asked.
        ask: Prompt,
        /// The highlighted answer; none is suggested.
        yes: Option<bool>,
        /// Why not, once it is no.
        why: Option<Field>,
        /// What is wrong.
        error: Option<String>,
    },
    /// The second person's name.
    Second {
        /// The name.
        field: Field,
    },
    /// That person's answer to what the first reads aloud.
    Response {
        /// What is read, and what has to be answered; only the first is shown.
        challenge: Challenge,
        /// The answer.
        field: Field,
    },
}

impl Stage {
    /// Whether one key answers it, or a few: nothing is typed.
    pub(in crate::tui) fn is_picked(&self) -> bool {
        matches!(
            self,
            Self::Choose { .. } | Self::Pick { .. } | Self::YesNo { why: None, .. }
        )
    }
}

/// One of several ways.
#[derive(Debug)]
pub(in crate::tui) struct Menu {
    /// What it is about; a menu about something that is over closes itself.
    pub about: About,
    /// Heading.
    pub title: String,
    /// What to know before choosing, one paragraph each.
    pub body: Vec<String>,
    /// The ways.
    pub items: Vec<Item>,
    /// The highlighted one; none where nothing is suggested.
    pub at: Option<usize>,
    /// Why the choice was not accepted.
    pub error: Option<String>,
}

/// What a menu is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) enum About {
    /// A step that failed or is held.
    Trouble(usize, Attempt),
    /// A VM's question, by the host's id of it.
    Question(usize, Attempt, String),
    /// Anything else.
    Anything,
}

/// One way of a menu.
#[derive(Debug)]
pub(in crate::tui) struct Item {
    /// A letter that chooses it at once, as on the screen beneath.
    pub key: Option<char>,
    /// A few words.
    pub label: String,
    /// What it means.
    pub help: String,
    /// What it does.
    pub choice: Choice,
    /// Why it cannot be chosen.
    pub disabled: Option<String>,
}

/// What a way of a menu does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Choice {
    /// Try again.
    Retry(RetryScope),
    /// Set the pace.
    Pace(Pace),
    /// As if the key of this action were pressed.
    Open(Action),
    /// Take the step back.
    Undo(usize),
    /// Answer a question with this label.
    Answer(String),
    /// Something beside the steps.
    People(PeopleInput),
    /// Ask who takes the run over.
    TakeOver,
    /// Ask for the reason of a shell on a step's host.
    Shell(usize, usize),
    /// Say how the runbook is corrected.
    Correct,
    /// Leave the run.
    Leave,
    /// Ask why an ending is left of which nothing was done.
    LeaveEnding(Chapter),
    /// Nothing.
    Close,
}

/// The beginning of a host key.
#[derive(Debug)]
pub(in crate::tui) struct HostKey {
    /// Whose.
    pub host: HostName,
    /// The eight characters.
    pub field: Field,
}

/// Who takes the run over, and the phrase with which they do.
#[derive(Debug, Default)]
pub(in crate::tui) struct TakeOver {
    /// How the run stood when it was opened.
    pub brief: Vec<String>,
    /// The incoming person's name.
    pub name: Field,
    /// It was accepted: the phrase is next.
    pub name_given: bool,
    /// The phrase.
    pub phrase: Field,
}
