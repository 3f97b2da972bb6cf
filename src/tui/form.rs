//! A form: values that are asked before a run starts. Secrets are masked.

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
use super::view::{hint, input_line, keys_line, put, rule};

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

    /// Its texts and fields below each other.
    fn laid(&self, width: usize) -> Laid {
        let mut lines = Vec::new();
        for paragraph in &self.form.intro {
            let wrapped = text::wrap_labelled(paragraph, width).into_iter();
            lines.extend(wrapped.map(Line::raw));
        }
        let mut cursor = (0, 0);
        let mut shown = 0..0;
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
        }
    }
}

/// The lines of a form, the cursor's column and line, and the lines of the field that is asked.
struct Laid {
    lines: Vec<Line<'static>>,
    cursor: (u16, usize),
    shown: std::ops::Range<usize>,
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
            Msg::Key(key) => match keys::lookup(keys::FORM, &key) {
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
        rule(buffer, top, &self.form.title, "", Role::Strong.style());
        let width = usize::from(area.width.saturating_sub(2).min(super::view::WIDEST_TEXT));
        let Laid {
            lines,
            cursor,
            shown,
        } = self.laid(width);
        let rows = usize::from(body.height);
        let extent = Extent {
            lines: lines.len(),
            rows,
        };
        // All of the field that is asked now, and its line before anything else.
        let offset = shown.end.saturating_sub(rows).min(cursor.1);
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
        let parts = keys::FORM
            .iter()
            .map(|binding| hint(binding, binding.label, true))
            .collect();
        put(buffer, bottom, &keys_line(parts, usize::from(bottom.width)));
        let y = body.y + u16::try_from(cursor.1 - offset).unwrap_or(0);
        let visible = y < body.bottom() && !self.values.is_empty();
        let cursor = visible.then_some(Position {
            x: body.x + 1 + cursor.0,
            y,
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
        parse(keys).into_iter().find_map(|key| {
            match page.update(Now::default(), Msg::Key(key)).pop() {
                Some(Cmd::Leave(values)) => Some(values),
                _ => None,
            }
        })
    }

    fn shot(page: &FormPage, size: (u16, u16)) -> String {
        let mut buffer = bare(size);
        page.view(&mut buffer);
        FULL.degrade(&mut buffer);
        text(&buffer)
    }

    #[test]
    fn a_form_is_filled_field_by_field() {
        let mut page = page();
        assert_eq!(press(&mut page, "4711<Enter>"), None);
        insta::assert_snapshot!("form-wrong", shot(&page, (80, 24)));
        // The first field is still asked.
        page.values[0].input.reset();
        assert_eq!(press(&mut page, "INC000001<Enter>s p<Enter>"), None);
        let shown = shot(&page, (80, 24));
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
        assert!(shot(&page, (80, 24)).contains("what you typed is dropped"));
        assert_eq!(press(&mut page, "0<Esc>"), None, "it was gone on with");
        assert_eq!(page.value(0), "INC0");
        assert_eq!(press(&mut page, "<Esc>"), Some(None));
    }

    #[test]
    fn a_small_window_shows_the_field_that_is_asked() {
        let mut page = page();
        press(&mut page, "<Down><Down>");
        for height in 3..12 {
            let shown = shot(&page, (40, height));
            assert!(shown.contains("2026-01-02"), "{height}: {shown}");
        }
        for size in [(1, 1), (2, 2), (3, 40), (200, 3)] {
            shot(&page, size);
        }
    }

    #[test]
    fn neither_debug_nor_the_screen_tells_a_secret() {
        let mut page = page();
        press(&mut page, "INC<Enter>hunter2");
        assert!(!format!("{:?}", page.form).contains("hunter2"));
        assert!(!shot(&page, (80, 24)).contains("hunter2"));
    }
}
