//! The screens. A screen is a pure function of what is known: messages go in, commands come out,
//! and the view draws the model into cells; only the guard and one loop know a terminal.
//!
//! ```text
//!  keys, paste ──┐                        ┌─> Cmd::Send ──> the engine
//!  updates ──────┼─> Msg ─> update(model) ┼─> Cmd::Ring, Redraw
//!  clock ────────┘             │          └─> Cmd::Leave
//!                              └─> view(model) ─> cells ─> theme ─> terminal
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | `page`, `terminal` | the loop, and the guard that gives the terminal back |
//! | `shell` | a person's own shell on a host, for which the screen steps aside |
//! | `keys`, `theme` | every binding, colour and sign, as tables |
//! | `model`, `update`, `view` | the run screen |
//! | `home`, `form`, `pager` | the small screens, each in one file |
//!
//! The step card is the confirmation: what it shows is what is sent, for the attempt it shows, and
//! only after it has been on screen to its last line.

#[cfg(test)]
mod fixture;
mod form;
mod home;
mod keys;
mod model;
mod page;
mod pager;
mod shell;
#[cfg(test)]
mod svg;
mod terminal;
mod text;
mod theme;
mod update;
mod view;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::engine::{OperatorInput, RunResult};
use crate::runner::{RunHandle, Update};

pub use form::{Check, Form, FormField};
pub use home::{FinishedRun, Home, HomeChoice, RunbookEntry, UnfinishedRun};
pub use page::Screen;
pub use text::wrap;
pub use theme::{ColourLevel, Theme};

/// How long a journal may take to be closed after the terminal is gone.
const CLOSING: Duration = Duration::from_secs(10);

/// How a run was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunExit {
    /// The run goes on some other time.
    pub detached: bool,
    /// How it ended, if it did.
    pub finished: Option<RunResult>,
}

impl Screen {
    /// Shows home until something is chosen. A signal chooses [`HomeChoice::Quit`].
    ///
    /// # Errors
    /// The terminal cannot be read or written.
    pub async fn home(&mut self, home: Home) -> io::Result<HomeChoice> {
        let mut page = home::HomePage::new(home, self.now());
        self.show(&mut page, None).await
    }

    /// Asks for values, by the key of their field; `None` if the person gives up or a signal came.
    ///
    /// # Errors
    /// The terminal cannot be read or written.
    pub async fn form(&mut self, form: Form) -> io::Result<Option<BTreeMap<String, String>>> {
        self.show(&mut form::FormPage::new(form), None).await
    }

    /// Shows a text until it is closed.
    ///
    /// # Errors
    /// The terminal cannot be read or written.
    pub async fn pager(&mut self, title: &str, text: &str) -> io::Result<()> {
        self.show(&mut pager::Pager::new(title, text), None).await
    }

    /// Shows a run that another console drives, or that is over, until the person leaves.
    ///
    /// # Errors
    /// The terminal cannot be read or written.
    pub async fn watch(&mut self, mut handle: RunHandle) -> io::Result<RunExit> {
        let mut run = model::Run::new(&handle, "", self.now());
        run.watching = true;
        handle.past = Vec::new();
        self.show(&mut run, Some(&mut handle)).await
    }

    /// Shows a run until the person leaves it, or it has ended and is left. Leaving is told to the
    /// engine and waits for the journal to be closed; so does a terminal that goes away.
    ///
    /// # Errors
    /// The terminal cannot be read or written; the run was told to stop and can be resumed.
    pub async fn run(&mut self, mut handle: RunHandle, operator: &str) -> io::Result<RunExit> {
        let mut run = model::Run::new(&handle, operator, self.now());
        // Folded; the journal has it.
        handle.past = Vec::new();
        let shown = self.show(&mut run, Some(&mut handle)).await;
        if shown.is_err() {
            let why = "the terminal is gone".to_owned();
            if handle.inputs.send(OperatorInput::Detach { why }).is_ok() {
                let closed = async {
                    while let Some(update) = handle.updates.recv().await {
                        if matches!(update, Update::Ended { .. }) {
                            break;
                        }
                    }
                };
                // Late is as good as closed: the journal is whole after every line.
                let _ = tokio::time::timeout(CLOSING, closed).await;
            }
        }
        shown
    }
}
