//! Dialogs: always at the same place, the answer always at the bottom.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use crate::engine::{DrillTerms, TAKE_OVER};
use crate::host::where_its_key_is_read;
use crate::runbook::model::Driver;
use crate::tui::model::Run;
use crate::tui::model::dialog::{Dialog, Field, Kind, Menu, Purpose, Stage, TakeOver, Text};
use crate::tui::page::Extent;
use crate::tui::text;
use crate::tui::theme::{Role, mode_style};

use super::flow::{WHY, flow_content};
use super::{keys_line, list, place, put};

/// The widest a dialog gets.
const WIDTH: u16 = 76;

/// What a dialog shows, apart from where.
pub(super) struct Content {
    pub title: String,
    /// Scrolls.
    pub body: Vec<Line<'static>>,
    /// Always visible.
    pub foot: Vec<Line<'static>>,
    /// Column and row of the cursor within the foot.
    pub cursor: Option<(u16, u16)>,
}

pub(super) fn draw(
    run: &Run,
    dialog: &Dialog,
    buffer: &mut Buffer,
    area: Rect,
) -> (Extent, Option<Position>) {
    let width = area.width.saturating_sub(2).min(WIDTH);
    let inside = usize::from(width.saturating_sub(4));
    let content = content(run, dialog, inside);
    let wanted = content.body.len() + content.foot.len() + 3;
    let height = u16::try_from(wanted).unwrap_or(u16::MAX).min(area.height);
    let outer = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let inner = frame(run, &content.title, buffer, outer);
    // One row stays empty between what is read and what is answered.
    let foot_rows = u16::try_from(content.foot.len())
        .unwrap_or(0)
        .min(inner.height);
    let body = Rect {
        height: inner.height.saturating_sub(foot_rows + 1),
        ..inner
    };
    let extent = Extent {
        lines: content.body.len(),
        rows: usize::from(body.height),
    };
    list(buffer, body, &content.body, dialog.scroll);
    let foot = Rect {
        y: inner.bottom() - foot_rows,
        height: foot_rows,
        ..inner
    };
    let skipped = content.foot.len() - usize::from(foot_rows);
    list(buffer, foot, &content.foot, skipped);
    if extent.lines > extent.rows && body.height > 0 {
        let gap = Rect {
            y: body.bottom(),
            height: 1,
            ..inner
        };
        let more = format!("[PgUp] [PgDn] {}", place(extent, dialog.scroll));
        put(buffer, gap, &Line::styled(more, Role::Warn.style()));
    }
    let cursor = content.cursor.and_then(|(x, y)| {
        let y = usize::from(y).checked_sub(skipped)?;
        Some(Position {
            x: foot.x + x,
            y: foot.y + u16::try_from(y).ok()?,
        })
    });
    (extent, cursor)
}

/// Draws the dialog's frame; the place within it.
fn frame(run: &Run, title: &str, buffer: &mut Buffer, outer: Rect) -> Rect {
    Clear.render(outer, buffer);
    let title = text::clean(title);
    let room = usize::from(outer.width).saturating_sub(4);
    let block = Block::bordered()
        .border_type(BorderType::Double)
        .title(Line::styled(
            format!(" {} ", text::cut(&title, room)),
            Role::Strong.style(),
        ))
        .title_bottom(
            Line::styled(
                format!(" {} ", run.state.heading(Some(run.plan.mode))),
                mode_style(run.plan.mode),
            )
            .right_aligned(),
        );
    let inner = block.inner(outer);
    block.render(outer, buffer);
    Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    }
}

/// The keys where something is typed.
const TYPED: &[(&str, &str)] = &[("Enter", "accept"), ("Esc", "no, back")];

/// The keys that count in the dialog.
pub(super) fn keys(run: &Run) -> Line<'static> {
    let pairs: &[(&str, &str)] = match run.ui.dialog.as_ref().map(|dialog| &dialog.kind) {
        Some(Kind::Menu(menu)) if menu.at.is_none() => &[("Up/Down", "choose"), ("Esc", "not now")],
        Some(Kind::Menu(_)) => &[
            ("Enter", "do it"),
            ("Up/Down", "choose"),
            ("Esc", "no, back"),
        ],
        Some(Kind::Flow(flow)) => match flow.stage() {
            Some(Stage::Pick { .. }) => &[
                ("Enter", "take it"),
                ("Up/Down", "move"),
                ("Esc", "no, back"),
            ],
            Some(Stage::YesNo { why: None, .. }) => &[
                ("Enter", "go on"),
                ("y", "yes"),
                ("n", "no"),
                ("Esc", "not now"),
            ],
            Some(Stage::Choose { .. }) => &[
                ("Enter", "go on"),
                ("Space", "tick"),
                ("Up/Down", "move"),
                ("Esc", "no, back"),
            ],
            _ => TYPED,
        },
        _ => TYPED,
    };
    let parts = pairs.iter().enumerate().map(|(at, (key, label))| {
        let words = format!("[{key}] {label}");
        let role = if at == 0 && *key == "Enter" {
            Role::Chosen
        } else {
            Role::Plain
        };
        (Line::styled(words, role.style()), true)
    });
    keys_line(parts.collect(), usize::MAX)
}

fn content(run: &Run, dialog: &Dialog, width: usize) -> Content {
    match &dialog.kind {
        Kind::Text(text) => text_content(run, text, width),
        Kind::Menu(menu) => menu_content(menu, width),
        Kind::Flow(flow) => flow_content(run, flow, width),
        Kind::HostKey(key) => host_key_content(run, key, width),
        Kind::TakeOver(taking) => take_over_content(run, taking, width),
    }
}

pub(super) fn paragraphs<'a>(
    width: usize,
    texts: impl IntoIterator<Item = (Role, &'a str)>,
) -> Vec<Line<'static>> {
    texts
        .into_iter()
        .flat_map(|(role, words)| {
            text::wrap(words, width)
                .into_iter()
                .map(move |line| Line::styled(line, role.style()))
        })
        .collect()
}

pub(super) fn title_of(run: &Run, step: usize) -> &str {
    run.plan
        .steps
        .get(step)
        .map_or("", |step| step.title.as_str())
}

/// The line that is typed into, and what is wrong with it.
pub(super) fn field(content: &mut Content, prompt: &str, field: &Field, width: usize) {
    for line in text::wrap(prompt, width) {
        content.foot.push(Line::styled(line, Role::Strong.style()));
    }
    let (line, x) = input_line(field, width, false);
    content.cursor = Some((x, u16::try_from(content.foot.len()).unwrap_or(0)));
    content.foot.push(line);
    error(content, field.error.as_deref(), width);
}

pub(super) fn error(content: &mut Content, error: Option<&str>, width: usize) {
    for line in error
        .map(|error| text::wrap(error, width))
        .unwrap_or_default()
    {
        content.foot.push(Line::styled(line, Role::Bad.style()));
    }
}

/// A text field as it is drawn, and the column of its cursor.
pub(in crate::tui) fn input_line(
    field: &Field,
    width: usize,
    secret: bool,
) -> (Line<'static>, u16) {
    let room = width.saturating_sub(3);
    let before = field.input.visual_cursor();
    let hidden = before.saturating_sub(room);
    let value = if secret {
        "*".repeat(field.input.value().chars().count())
    } else {
        text::clean(field.input.value()).into_owned()
    };
    let mut skipped = 0;
    let visible: String = value
        .chars()
        .skip_while(|c| {
            let skip = skipped < hidden;
            skipped += if skip {
                text::width(c.encode_utf8(&mut [0; 4]))
            } else {
                0
            };
            skip
        })
        .collect();
    let x = if secret {
        field.input.cursor().saturating_sub(hidden)
    } else {
        before - hidden
    };
    let line = Line::from(vec![
        Span::styled("> ", Role::Key.style()),
        Span::raw(text::cut(&visible, room + 1)),
    ]);
    (line, u16::try_from(x.min(room) + 2).unwrap_or(2))
}

fn text_content(run: &Run, dialog: &Text, width: usize) -> Content {
    let (title, words, prompt) = match dialog.purpose {
        Purpose::Skip(step) => (
            format!("Skip: {}", title_of(run, step)),
            "Nothing is sent. What comes after it goes on as if it were done; the report lists it.",
            "Why is it left out?",
        ),
        Purpose::ByHand(step) => (
            format!("Done by hand: {}", title_of(run, step)),
            "It counts as done on your word; the report says so.",
            "What did you see that shows it is done?",
        ),
        Purpose::Decline(step, _) => (
            title_of(run, step).to_owned(),
            "Your answer is no. The step fails with what you write, nothing is sent for it, and you choose the way on.",
            WHY,
        ),
        Purpose::Note(step) => (
            format!("Note on: {}", title_of(run, step)),
            "Journalled with your name and the time.",
            "What should be remembered?",
        ),
        Purpose::Update => (
            "Tell those who wait".to_owned(),
            "Journalled, and in the report's timeline. Send the same words to them your usual way.",
            "How do things stand?",
        ),
        Purpose::Shell(step, _) => (
            format!("A shell for: {}", title_of(run, step)),
            "Lifeboat does not record what is typed there; the report says that somebody was in. Nothing new starts until you are back, then the step looks again and waits for you.",
            "What is it for?",
        ),
        Purpose::LeaveEnding(chapter) => (
            format!("Leave the {chapter}"),
            "Nothing of it was done. The run then stands as before it was begun, and every way to end it is open again. Journalled, and in the report.",
            "Why is it left?",
        ),
        Purpose::Abort => (
            "Abort the drill".to_owned(),
            "What runs is stopped between two commands, nothing else begins, and the drill is not gone on with. What it made stays for inspection, until its cleanup. Its copies never go live, but their disks can be what a live restore starts from: in an emergency `lifeboat cleanup --keep-disks`, then `lifeboat run --from-drill`.",
            "Why does it end?",
        ),
        Purpose::Search => ("Search the log".to_owned(), "", "What for?"),
    };
    let terms = run.terms().filter(|_| dialog.purpose == Purpose::Abort);
    let terms = terms.map(DrillTerms::in_words).unwrap_or_default();
    let said = [(Role::Plain, words), (Role::Strong, terms.as_str())];
    let body = paragraphs(
        width,
        said.into_iter().filter(|(_, words)| !words.is_empty()),
    );
    let mut content = Content {
        title,
        body,
        foot: Vec::new(),
        cursor: None,
    };
    field(&mut content, prompt, &dialog.field, width);
    content
}

fn take_over_content(run: &Run, taking: &TakeOver, width: usize) -> Content {
    let mut content = Content {
        title: "Take the run over".to_owned(),
        body: taking
            .brief
            .iter()
            .flat_map(|line| text::wrap_labelled(line, width))
            .map(Line::raw)
            .collect(),
        foot: Vec::new(),
        cursor: None,
    };
    let outgoing = &run.state.people.operator;
    if taking.name_given {
        let prompt = format!("{}, type: {TAKE_OVER}", taking.name.value());
        field(&mut content, &prompt, &taking.phrase, width);
    } else {
        let prompt = format!("{outgoing} offers the run. Who takes it? Your name");
        field(&mut content, &prompt, &taking.name, width);
    }
    content
}

fn menu_content(menu: &Menu, width: usize) -> Content {
    let body = paragraphs(
        width,
        menu.body.iter().map(|text| (Role::Plain, text.as_str())),
    );
    let mut content = Content {
        title: menu.title.clone(),
        body,
        foot: Vec::new(),
        cursor: None,
    };
    for (at, item) in menu.items.iter().enumerate() {
        let chosen = menu.at == Some(at);
        let marker = if chosen { "▸ " } else { "  " };
        let key = item.key.map(|key| format!("[{key}] ")).unwrap_or_default();
        let help = item.disabled.as_ref().unwrap_or(&item.help);
        let help = if help.is_empty() {
            String::new()
        } else {
            format!("  {}", text::clean(help))
        };
        let label = format!("{marker}{key}{}", text::clean(&item.label));
        let role = match (&item.disabled, chosen) {
            (Some(_), _) => Role::Dim,
            (None, true) => Role::Chosen,
            (None, false) => Role::Plain,
        };
        let rest = width.saturating_sub(text::width(&label));
        content.foot.push(Line::from(vec![
            Span::styled(text::cut(&label, width), role.style()),
            Span::styled(text::cut(&help, rest), Role::Dim.style()),
        ]));
    }
    error(&mut content, menu.error.as_deref(), width);
    content
}

fn host_key_content(
    run: &Run,
    dialog: &crate::tui::model::dialog::HostKey,
    width: usize,
) -> Content {
    let key = run.unknown_key(&dialog.host);
    let changed = key.is_some_and(|key| !key.known.is_empty());
    let title = if changed {
        format!("{} shows ANOTHER host key than before", dialog.host)
    } else {
        format!("{} shows a host key that is not known", dialog.host)
    };
    let driver = run.runbook.hosts.get(&dialog.host).map(|host| host.driver);
    let place = where_its_key_is_read(driver);
    let mut texts = Vec::new();
    if let Some(key) = key {
        texts.push((Role::Plain, "shown now:".to_owned()));
        texts.push((Role::Strong, format!("{} {}", key.key_type, key.shown)));
        if changed {
            texts.push((Role::Plain, "known:".to_owned()));
            texts.extend(key.known.iter().map(|known| (Role::Strong, known.clone())));
            texts.push((
                Role::Warn,
                "A reinstalled host changes its key. So does somebody who stands between."
                    .to_owned(),
            ));
        }
        texts.push((
            Role::Plain,
            format!("To go on, {place}, and type its first eight characters after SHA256:. Do not copy them from here."),
        ));
    }
    let body = paragraphs(
        width,
        texts.iter().map(|(role, text)| (*role, text.as_str())),
    );
    let mut content = Content {
        title,
        body,
        foot: Vec::new(),
        cursor: None,
    };
    field(
        &mut content,
        match driver {
            Some(Driver::Esxi) => "As read on the host's own console",
            _ => "As read at that machine",
        },
        &dialog.field,
        width,
    );
    content
}
