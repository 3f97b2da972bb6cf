//! A form: values that are asked before a run starts. Secrets are masked. What stands above the first of
//! them is read before anything is answered: as on the step card, Enter reads on until all was on screen.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;
use tui_input::Input;
use zeroize::Zeroize;

use super::keys::{self, FormAction};
use super::model::dialog::Field;
use super::page::{Cmd, Extent, Msg, Now, Page, Seen};
use super::text;
use super::theme::Role;
use super::view::{WIDEST_TEXT, hint, input_line, keys_line, place, put, rule};

/// Says what is wrong with a value.
pub type Check = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// Values to be asked, all on one page.
#[derive(Debug, Default)]
pub struct Form {
    /// What it is for.
    pub title: String,
    /// What to know before answering, a paragraph each.
    pub intro: Vec<String>,
    /// What is asked, in order.
    pub fields: Vec<FormField>,
}

/// One value.
pub struct FormField {
    /// Under which name the value is returned.
    pub key: String,
    /// What is asked.
    pub prompt: String,
    /// More about it, or an example.
    pub help: String,
    /// Stands in the field at first.
    pub default: String,
    /// Masked on screen; the field is overwritten when the form closes.
    pub secret: bool,
    /// Says what is wrong with a value; it gets it without blanks around it, secrets as typed.
    pub check: Check,
}

impl FormField {
    /// A field that must not stay empty.
    pub fn new(key: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            prompt: prompt.into(),
            help: String::new(),
            default: String::new(),
            secret: false,
            check: Box::new(|value| {
                if value.is_empty() {
                    Err("this cannot stay empty".to_owned())
                } else {
                    Ok(())
                }
            }),
        }
    }
}

impl fmt::Debug for FormField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormField")
            .field("key", &self.key)
            .field("secret", &self.secret)
            .finish()
    }
}

/// The screen of a [`Form`].
pub(super) struct FormPage {
    form: Form,
    values: Vec<Field>,
    at: usize,
    /// First line shown; none while the field that is asked is followed.
    scroll: Option<usize>,
    /// Lines that have been on screen, from the first without a gap.
    read_to: usize,
    /// What of the last frame could be seen.
    seen: Seen,
    /// Leaving was asked for where something is typed: it was asked whether to drop that.
    leaving: bool,
}

impl Drop for FormPage {
    fn drop(&mut self) {
        for field in &mut self.values {
            wipe(&mut field.input);
        }
    }
}

fn wipe(input: &mut Input) {
    input.value_and_reset().zeroize();
}

impl FormPage {
    pub(super) fn new(form: Form) -> Self {
        let values = form
            .fields
            .iter()
            .map(|field| Field {
                input: Input::new(field.default.clone()),
                error: None,
            })
            .collect();
        Self {
            form,
            values,
            at: 0,
            scroll: Some(0),
            read_to: 0,
            seen: Seen::default(),
            leaving: false,
        }
    }

    fn value(&self, index: usize) -> &str {
        match (self.form.fields.get(index), self.values.get(index)) {
            (Some(field), Some(value)) if field.secret => value.input.value(),
            (_, Some(value)) => value.value(),
            (_, None) => "",
        }
    }

    /// Whether something stands in it that was not there from the beginning.
    fn is_filled(&self) -> bool {
        let mut fields = self.form.fields.iter().enumerate();
        fields.any(|(index, field)| self.value(index) != field.default)
    }

    /// Asks once before it drops what was typed; whether it is to be left.
    fn leaves(&mut self) -> bool {
        if self.leaving || !self.is_filled() {
            return true;
        }
        self.leaving = true;
        self.scroll = None;
        if let Some(field) = self.values.get_mut(self.at) {
            field.error = Some("what you typed is dropped: again, if you mean it".to_owned());
        }
        false
    }

    /// Checks a field, and says in the form what is wrong.
    fn passes(&mut self, index: usize) -> bool {
        let Some(field) = self.form.fields.get(index) else {
            return true;
        };
        let error = (field.check)(self.value(index)).err();
        let passes = error.is_none();
        if let Some(value) = self.values.get_mut(index) {
            value.error = error;
        }
        passes
    }

    /// On to the next field, or out of the form once all pass.
    fn accept(&mut self) -> Option<BTreeMap<String, String>> {
        if !self.passes(self.at) {
            return None;
        }
        if self.at + 1 < self.values.len() {
            self.at += 1;
            return None;
        }
        if let Some(wrong) = (0..self.values.len()).find(|index| !self.passes(*index)) {
            self.at = wrong;
            return None;
        }
        let pair =
            |(index, field): (usize, &FormField)| (field.key.clone(), self.value(index).to_owned());
        Some(self.form.fields.iter().enumerate().map(pair).collect())
    }

    /// Its texts and fields as a screen this wide shows them.
    fn laid_in(&self, area: Rect) -> Laid {
        self.laid(usize::from(area.width.saturating_sub(2).min(WIDEST_TEXT)))
    }

    /// The first line shown.
    fn offset(&self, laid: &Laid, extent: Extent) -> usize {
        match self.scroll {
            Some(scroll) => scroll.min(extent.last_offset()),
            // All of the field that is asked now, and its line before anything else.
            None => laid
                .shown
                .end
                .saturating_sub(extent.rows)
                .min(laid.cursor.1),
        }
    }

    /// Keeps what of it has been on screen; in another size its lines are others.
    fn painted(&mut self, seen: Seen) {
        if seen.area != self.seen.area {
            self.read_to = 0;
        }
        let offset = self.offset(&self.laid_in(seen.area), seen.list);
        self.read_to = self.read_with(offset, seen.list.rows);
        self.seen = seen;
    }

    /// How far it has been read once these rows are on screen, too.
    fn read_with(&self, offset: usize, rows: usize) -> usize {
        if offset > self.read_to {
            return self.read_to;
        }
        self.read_to.max(offset + rows)
    }

    /// Whether all that stands above the first answer has been on screen.
    fn is_read(&self) -> bool {
        self.read_to >= self.laid_in(self.seen.area).to_read
    }

    /// Shows what comes next of what was not on screen yet.
    fn read_on(&mut self) {
        self.scroll = Some(self.read_to.saturating_sub(1));
    }

    /// A page up or down, the last line of one being the first of the next.
    fn turn(&mut self, down: bool) {
        let extent = self.seen.list;
        let page = extent.rows.saturating_sub(1).max(1);
        let offset = self.offset(&self.laid_in(self.seen.area), extent);
        self.scroll = Some(if down {
            (offset + page).min(extent.last_offset())
        } else {
            offset.saturating_sub(page)
        });
    }

    /// What can be pressed: Enter as it is now, the keys that scroll only where there is more.
    fn hints(&self, extent: Extent, is_read: bool) -> Vec<(Line<'static>, bool)> {
        let scrolls = |action| matches!(action, FormAction::PageUp | FormAction::PageDown);
        let more = extent.lines > extent.rows;
        let shown = keys::FORM
            .iter()
            .filter(|binding| more || !scrolls(binding.action));
        shown
            .map(|binding| match binding.action {
                FormAction::Accept if !is_read => hint(binding, "read on", true),
                _ => hint(binding, binding.label, true),
            })
            .collect()
    }

    /// Its texts and fields below each other.
    fn laid(&self, width: usize) -> Laid {
        let mut lines = Vec::new();
        for paragraph in &self.form.intro {
            let wrapped = text::wrap_labelled(paragraph, width).into_iter();
            lines.extend(wrapped.map(Line::raw));
        }
        let mut cursor = (0, 0);
        let mut shown = 0..0;
        let mut to_read = 0;
        for (index, (field, value)) in self.form.fields.iter().zip(&self.values).enumerate() {
            lines.push(Line::default());
            let from = lines.len();
            let role = if index == self.at {
                Role::Strong
            } else {
                Role::Plain
            };
            let prompts = text::wrap(&field.prompt, width).into_iter();
            lines.extend(prompts.map(|line| Line::styled(line, role.style())));
            let (line, x) = input_line(value, width, field.secret);
            let y = lines.len();
            lines.push(line);
            if index == 0 {
                to_read = lines.len();
            }
            let notes = [
                (Role::Bad, value.error.as_deref()),
                (Role::Dim, Some(field.help.as_str())),
            ];
            for (role, note) in notes {
                let note = note.filter(|note| !note.is_empty());
                let notes = note.map(|note| text::wrap(note, width)).unwrap_or_default();
                lines.extend(
                    notes
                        .into_iter()
                        .map(|line| Line::styled(line, role.style())),
                );
            }
            if index == self.at {
                cursor = (x, y);
                shown = from..lines.len();
            }
        }
        Laid {
            lines,
            cursor,
            shown,
            to_read,
        }
    }
}

/// The lines of a form, the cursor's column and line, the lines of the field that is asked, and how many
/// lines there are down to the first field's answer.
struct Laid {
    lines: Vec<Line<'static>>,
    cursor: (u16, usize),
    shown: std::ops::Range<usize>,
    to_read: usize,
}

impl Page for FormPage {
    type Exit = Option<BTreeMap<String, String>>;

    fn update(&mut self, _: Now, msg: Msg) -> Vec<Cmd<Self::Exit>> {
        match msg {
            Msg::Ending(_) => return vec![Cmd::Leave(None)],
            Msg::Paste(pasted) => {
                if let Some(field) = self.values.get_mut(self.at) {
                    field.paste(&pasted);
                }
            }
            Msg::Painted(seen) => {
                self.painted(seen);
                return Vec::new();
            }
            Msg::Key(key) => match keys::lookup(keys::FORM, &key) {
                Some(action @ (FormAction::PageUp | FormAction::PageDown)) => {
                    self.turn(action == FormAction::PageDown);
                    return Vec::new();
                }
                Some(FormAction::Accept) if !self.is_read() => {
                    self.read_on();
                    return Vec::new();
                }
                Some(FormAction::Accept) => {
                    if let Some(values) = self.accept() {
                        return vec![Cmd::Leave(Some(values))];
                    }
                }
                Some(FormAction::Next) => {
                    self.at = (self.at + 1).min(self.values.len().saturating_sub(1));
                }
                Some(FormAction::Previous) => self.at = self.at.saturating_sub(1),
                Some(FormAction::Cancel) if self.leaves() => return vec![Cmd::Leave(None)],
                Some(FormAction::Cancel) => return Vec::new(),
                None => {
                    if let Some(field) = self.values.get_mut(self.at) {
                        field.edit(&key);
                    }
                }
            },
            _ => return Vec::new(),
        }
        self.leaving = false;
        // Whatever is typed or gone to is to be seen.
        self.scroll = None;
        Vec::new()
    }

    fn view(&self, buffer: &mut Buffer) -> Seen {
        let area = *buffer.area();
        let [top, body, bottom] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(area);
        let laid = self.laid_in(area);
        let extent = Extent {
            lines: laid.lines.len(),
            rows: usize::from(body.height),
        };
        let offset = self.offset(&laid, extent);
        let is_read = self.read_with(offset, extent.rows) >= laid.to_read;
        let Laid { lines, cursor, .. } = laid;
        let title = Role::Strong.style();
        rule(buffer, top, &self.form.title, &place(extent, offset), title);
        for (line, y) in lines.iter().skip(offset).zip(body.y..body.bottom()) {
            put(
                buffer,
                Rect {
                    x: body.x + 1,
                    y,
                    width: body.width.saturating_sub(1),
                    height: 1,
                },
                line,
            );
        }
        let hints = keys_line(self.hints(extent, is_read), usize::from(bottom.width));
        put(buffer, bottom, &hints);
        let row = cursor.1.checked_sub(offset);
        let row = row.filter(|row| *row < extent.rows && !self.values.is_empty());
        let cursor = row.map(|row| Position {
            x: body.x + 1 + cursor.0,
            y: body.y + u16::try_from(row).unwrap_or(0),
        });
        Seen {
            area,
            list: extent,
            cursor,
            ..Seen::default()
        }
    }

    fn title(&self) -> String {
        format!("Lifeboat - {}", self.form.title)
    }

    fn wake(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture::{FULL, bare, parse, text};

    const SMALL: (u16, u16) = (80, 24);

    fn page() -> FormPage {
        let mut ticket = FormField::new("ticket", "Incident ticket");
        ticket.help = "for example INC000001".to_owned();
        ticket.check = Box::new(|value| {
            if value.starts_with("INC") {
                Ok(())
            } else {
                Err("it has to look like INC[0-9]{6}".to_owned())
            }
        });
        let mut password = FormField::new("root_password", "ESXi root password");
        password.secret = true;
        let mut outage = FormField::new("outage_at", "When was service lost?");
        outage.default = "2026-01-02T03:04:05Z".to_owned();
        FormPage::new(Form {
            title: "Before the run starts".to_owned(),
            intro: vec!["Asked once, then frozen for the run.".to_owned()],
            fields: vec![ticket, password, outage],
        })
    }

    fn press(page: &mut FormPage, keys: &str) -> Option<Option<BTreeMap<String, String>>> {
        press_at(page, SMALL, keys)
    }

    fn press_at(
        page: &mut FormPage,
        size: (u16, u16),
        keys: &str,
    ) -> Option<Option<BTreeMap<String, String>>> {
        shot(page, size);
        parse(keys).into_iter().find_map(|key| {
            let left = page.update(Now::default(), Msg::Key(key)).pop();
            shot(page, size);
            match left {
                Some(Cmd::Leave(values)) => Some(values),
                _ => None,
            }
        })
    }

    fn shot(page: &mut FormPage, size: (u16, u16)) -> String {
        let mut buffer = bare(size);
        let seen = page.view(&mut buffer);
        page.update(Now::default(), Msg::Painted(seen));
        FULL.degrade(&mut buffer);
        text(&buffer)
    }

    /// As many findings as do not fit on a small screen, and whether to start all the same.
    fn blocked() -> FormPage {
        let finding = |n: u32| {
            let what = "a folder of that name holds files that no run has put there and that are in the way";
            format!(
                "blocker {n}: vm{n:02}: {what} (next: move them away, or give this VM another folder in the runbook)"
            )
        };
        FormPage::new(Form {
            title: "Before the start: NOT READY: 15 blockers".to_owned(),
            intro: (1..=15).map(finding).collect(),
            fields: vec![FormField::new("reason", "Why start all the same?")],
        })
    }

    #[test]
    fn what_does_not_fit_is_read_from_its_top_before_the_answer_counts() {
        let mut page = blocked();
        insta::assert_snapshot!("form-unread", shot(&mut page, SMALL));
        // A reason that is typed at once shows the field, and still leads back to what was not read.
        assert_eq!(press(&mut page, "the site is dark"), None);
        assert!(shot(&mut page, SMALL).contains("> the site is dark"));
        assert_eq!(press(&mut page, "<Enter>"), None);
        let mut shown = shot(&mut page, SMALL);
        for _ in 0..9 {
            if shown.contains("[Enter] read on") {
                assert_eq!(press(&mut page, "<Enter>"), None);
                shown = shot(&mut page, SMALL);
            }
        }
        assert!(shown.contains("blocker 15"), "{shown}");
        let values = press(&mut page, "<Enter>").flatten().unwrap();
        assert_eq!(values["reason"], "the site is dark");
    }

    #[test]
    fn a_long_form_is_scrolled_and_another_size_is_read_anew() {
        let mut page = blocked();
        press(&mut page, "<PgDn><PgDn>");
        assert!(shot(&mut page, SMALL).contains("Why start"), "its end");
        assert_eq!(press(&mut page, "<PgUp><PgUp>"), None);
        assert!(shot(&mut page, SMALL).contains("blocker 1:"), "its top");
        assert!(page.is_read());
        shot(&mut page, (60, 16));
        assert!(!page.is_read());
    }

    #[test]
    fn a_form_is_filled_field_by_field() {
        let mut page = page();
        assert_eq!(press(&mut page, "4711<Enter>"), None);
        insta::assert_snapshot!("form-wrong", shot(&mut page, SMALL));
        // The first field is still asked.
        page.values[0].input.reset();
        assert_eq!(press(&mut page, "INC000001<Enter>s p<Enter>"), None);
        let shown = shot(&mut page, SMALL);
        assert!(shown.contains("> ***") && !shown.contains("s p"), "{shown}");
        let values = press(&mut page, "<Enter>").flatten().unwrap();
        assert_eq!(values["ticket"], "INC000001");
        assert_eq!(values["root_password"], "s p");
        assert_eq!(values["outage_at"], "2026-01-02T03:04:05Z");
    }

    #[test]
    fn a_field_that_was_passed_over_is_asked_again_and_esc_gives_up() {
        let mut page = page();
        assert_eq!(press(&mut page, "<Down><Down><Enter>"), None);
        assert_eq!(page.at, 0);
        assert_eq!(press(&mut page, "<Esc>"), Some(None));
    }

    #[test]
    fn what_was_typed_is_not_dropped_by_one_esc() {
        let mut page = page();
        assert_eq!(press(&mut page, "INC<Esc>"), None);
        assert!(shot(&mut page, SMALL).contains("what you typed is dropped"));
        assert_eq!(press(&mut page, "0<Esc>"), None, "it was gone on with");
        assert_eq!(page.value(0), "INC0");
        assert_eq!(press(&mut page, "<Esc>"), Some(None));
    }

    #[test]
    fn a_small_window_shows_the_field_that_is_asked() {
        let mut page = page();
        press(&mut page, "<Down><Down>");
        for height in 3..12 {
            let shown = shot(&mut page, (40, height));
            assert!(shown.contains("2026-01-02"), "{height}: {shown}");
        }
        for size in [(1, 1), (2, 2), (3, 40), (200, 3)] {
            shot(&mut page, size);
        }
    }

    #[test]
    fn neither_debug_nor_the_screen_tells_a_secret() {
        let mut page = page();
        press(&mut page, "INC<Enter>hunter2");
        assert!(!format!("{:?}", page.form).contains("hunter2"));
        assert!(!shot(&mut page, SMALL).contains("hunter2"));
    }
}
