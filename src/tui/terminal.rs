//! The terminal guard: every mode that is set is undone, on drop and when the thread that draws
//! panics. Signals are the event loop's, which ends by dropping this.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::style::{Print, force_color_output};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use tokio::sync::mpsc;

use super::text;
use super::theme::Theme;

/// Whether modes are set that have to be undone.
static MODES_SET: AtomicBool = AtomicBool::new(false);
/// Whether the window title was saved on the terminal's own stack.
static TITLE_SAVED: AtomicBool = AtomicBool::new(false);

type Hook = dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static;

/// The terminal in the modes of a full-screen program.
pub(super) struct Guard {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    theme: Theme,
    title: String,
    previous_hook: Arc<Hook>,
    /// What panicked on other threads.
    pub panics: mpsc::UnboundedReceiver<String>,
}

impl Guard {
    /// Takes the terminal over. The thread that calls this is the one that draws.
    pub(super) fn open(theme: Theme) -> io::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "standard input and output are not a terminal; use --headless",
            ));
        }
        // Otherwise crossterm writes resets under NO_COLOR that take bold and reverse along.
        force_color_output(true);
        let (report, panics) = mpsc::unbounded_channel();
        let previous_hook: Arc<Hook> = Arc::from(std::panic::take_hook());
        std::panic::set_hook(hook(
            std::thread::current().id(),
            Arc::clone(&previous_hook),
            report,
        ));
        let terminal = take_over(theme).inspect_err(|_| {
            undo_modes();
            put_hook_back(&previous_hook);
        })?;
        Ok(Self {
            terminal,
            theme,
            title: String::new(),
            previous_hook,
            panics,
        })
    }

    /// Draws one frame inside a synchronised update and names the window.
    pub(super) fn draw<T>(
        &mut self,
        title: &str,
        view: impl FnOnce(&mut Buffer) -> (T, Option<Position>),
    ) -> io::Result<T> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        if self.theme.title && title != self.title {
            title.clone_into(&mut self.title);
            queue!(self.terminal.backend_mut(), SetTitle(text::clean(title)))?;
        }
        let mut seen = None;
        let theme = self.theme;
        self.terminal.draw(|frame| {
            let (painted, cursor) = view(frame.buffer_mut());
            theme.degrade(frame.buffer_mut());
            if let Some(cursor) = cursor {
                frame.set_cursor_position(cursor);
            }
            seen = Some(painted);
        })?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        seen.ok_or_else(|| io::Error::other("the frame was not drawn"))
    }

    /// The next frame is drawn from nothing.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Gives the screen to something else; the keys stay raw.
    pub(super) fn step_aside(&mut self) -> io::Result<()> {
        execute!(
            self.terminal.backend_mut(),
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        )
    }

    /// Takes the screen back, in whatever modes it was left.
    pub(super) fn step_back(&mut self) -> io::Result<()> {
        // Soft reset; mouse reports and bracketed paste off.
        const CALM: &str = "\u{1b}[!p\u{1b}[?1000;1002;1003;1006l\u{1b}[?2004l\u{1b}[0m";
        execute!(
            self.terminal.backend_mut(),
            Print(CALM),
            EnterAlternateScreen,
            EnableBracketedPaste,
            Clear(ClearType::All),
            cursor::Hide
        )?;
        // An empty frame, as the screen is now. (To clear the terminal would ask where the cursor is,
        // and the answer might meet another reader.)
        self.terminal.draw(|_| {})?;
        Ok(())
    }

    /// Rings.
    pub(super) fn bell(&mut self) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), Print('\u{7}'))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // What is still buffered must not reach the screen that comes back.
        let _ = Backend::flush(self.terminal.backend_mut());
        undo_modes();
        put_hook_back(&self.previous_hook);
    }
}

fn take_over(theme: Theme) -> io::Result<Terminal<CrosstermBackend<BufWriter<Stdout>>>> {
    enable_raw_mode()?;
    MODES_SET.store(true, Ordering::SeqCst);
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
    if theme.title {
        TITLE_SAVED.store(true, Ordering::SeqCst);
        queue!(out, Print("\u{1b}[22;2t"))?;
    }
    // A console that was killed leaves its screen, and this one begins on that.
    execute!(
        out,
        EnterAlternateScreen,
        Clear(ClearType::All),
        EnableBracketedPaste,
        cursor::Hide
    )?;
    Terminal::new(CrosstermBackend::new(out))
}

/// Undoes every mode that was set, once.
fn undo_modes() {
    if !MODES_SET.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = queue!(
        out,
        EndSynchronizedUpdate,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    if TITLE_SAVED.swap(false, Ordering::SeqCst) {
        let _ = queue!(out, Print("\u{1b}[23;2t"));
    }
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// A panicking thread may not change the hook; the one that stays then does no harm.
fn put_hook_back(previous: &Arc<Hook>) {
    if !std::thread::panicking() {
        let previous = Arc::clone(previous);
        drop(std::panic::take_hook());
        std::panic::set_hook(Box::new(move |info| previous(info)));
    }
}

/// A panic of the thread that draws gives the terminal back before it is printed. Any other
/// thread's would tear the screen apart: it is logged and becomes a banner.
fn hook(
    drawing: ThreadId,
    previous: Arc<Hook>,
    report: mpsc::UnboundedSender<String>,
) -> Box<Hook> {
    Box::new(move |info| {
        if std::thread::current().id() == drawing || !MODES_SET.load(Ordering::SeqCst) {
            undo_modes();
            previous(info);
        } else {
            tracing::error!(panic = %info, "a task panicked");
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let _ = report.send(place);
        }
    })
}

#[cfg(test)]
mod tests;
