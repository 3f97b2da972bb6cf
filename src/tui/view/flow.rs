//! One thing after the other that a confirmation needs, each as a dialog.

use ratatui::text::{Line, Span};

use crate::engine::{AttestRequest, Choice, Prompt};
use crate::plan::Step;
use crate::runbook::model::{Challenge, Mode};
use crate::tui::model::Run;
use crate::tui::model::dialog::{Field, Flow, Stage};
use crate::tui::text;
use crate::tui::theme::Role;

use super::card::no_undo;
use super::dialog::{Content, error, field, paragraphs, title_of};

/// What is asked of whoever says no.
pub(super) const WHY: &str = "Why not?";

pub(super) fn flow_content(run: &Run, flow: &Flow, width: usize) -> Content {
    let step = title_of(run, flow.step);
    let title = match flow.stages.len() {
        1 => step.to_owned(),
        n => format!("{step}  ({} of {n})", flow.at + 1),
    };
    let mut content = Content {
        title,
        body: Vec::new(),
        foot: Vec::new(),
        cursor: None,
    };
    let Some(stage) = flow.stage() else {
        return content;
    };
    match stage {
        Stage::Choose {
            key,
            ask,
            options,
            at,
            error: wrong,
        } => {
            let words = format!("{key}: tick what you have seen yourself ({}).", ask.wants());
            content.body = paragraphs(width, [(Role::Plain, words.as_str())]);
            content.foot.extend(ticks(options, *at, width));
            error(&mut content, wrong.as_deref(), width);
        }
        Stage::Pick {
            choice,
            at,
            error: wrong,
        } => pick_content(choice, *at, wrong.as_deref(), width, &mut content),
        Stage::Value {
            key,
            ask,
            field: typed,
        } => value_content(run, flow, (key, ask), typed, width, &mut content),
        Stage::Attest {
            request,
            field: typed,
        } => attest_content(request, typed, width, &mut content),
        Stage::Typed { word, field: typed } => {
            let texts = what_follows(run, flow);
            let texts = texts.iter().map(|(role, text)| (*role, text.as_str()));
            content.body = paragraphs(width, texts);
            let prompt = format!("To let it go on, type: {word}");
            field(&mut content, &prompt, typed, width);
        }
        Stage::Second { field: typed } => {
            let words = format!(
                "{} is at the keys. This step needs a second person who agrees.",
                run.operator
            );
            content.body = paragraphs(width, [(Role::Plain, words.as_str())]);
            field(&mut content, "The second person's name", typed, width);
        }
        Stage::Response {
            challenge,
            field: typed,
        } => response_content(run, flow, challenge, typed, width, &mut content),
        Stage::YesNo {
            ask,
            yes,
            why,
            error: wrong,
            ..
        } => yes_no_content(
            ask,
            *yes,
            why.as_ref(),
            wrong.as_deref(),
            width,
            &mut content,
        ),
    }
    content
}

fn ticks(
    options: &[(String, bool)],
    at: usize,
    width: usize,
) -> impl Iterator<Item = Line<'static>> {
    let options = options.iter().enumerate();
    options.map(move |(index, (option, ticked))| {
        let mark = if *ticked { "[x]" } else { "[ ]" };
        let words = text::cut(&text::clean(&format!("{mark} {option}")), width);
        let role = if index == at {
            Role::Chosen
        } else {
            Role::Plain
        };
        Line::styled(words, role.style())
    })
}

fn value_content(
    run: &Run,
    flow: &Flow,
    (key, ask): (&str, &Prompt),
    typed: &Field,
    width: usize,
    content: &mut Content,
) {
    let wants = ask.wants();
    let mut texts = vec![(Role::Dim, wants.as_str())];
    let told = in_practice(run, flow.step, |step| match ask {
        Prompt::Compare { printed, .. } => printed.as_deref(),
        _ => step.example(key),
    });
    texts.extend(told.as_deref().map(|told| (Role::Strong, told)));
    content.body = paragraphs(width, texts);
    field(content, ask.question().unwrap_or(key), typed, width);
}

fn attest_content(request: &AttestRequest, typed: &Field, width: usize, content: &mut Content) {
    let mut texts = vec![(Role::Strong, "What is known, and what is not:")];
    let evidence = request.evidence.iter();
    texts.extend(evidence.map(|line| (Role::Plain, line.as_str())));
    let asks = format!("Lifeboat could not prove that {}.", request.statement);
    texts.extend([(Role::Plain, " "), (Role::Warn, asks.as_str())]);
    texts.push((
        Role::Plain,
        "Your words stand first in the report. They hold for this VM alone.",
    ));
    content.body = paragraphs(width, texts);
    let prompt = format!("How do you know that {}?", request.statement);
    field(content, &prompt, typed, width);
}

/// What a typed word lets happen, and how it is taken back.
fn what_follows(run: &Run, flow: &Flow) -> Vec<(Role, String)> {
    let known = run.known(flow.step);
    let Some(proposal) = known.and_then(|known| known.proposal.as_ref()) else {
        return Vec::new();
    };
    let changes = proposal.changes.iter();
    let mut texts: Vec<_> = changes
        .map(|change| (Role::Plain, change.clone()))
        .collect();
    let commands = proposal.commands.iter();
    let sent = match commands.filter(|command| command.write).count() {
        0 => None,
        1 => Some("the command that the card shows is sent".to_owned()),
        n => Some(format!(
            "the {n} changing commands that the card shows are sent"
        )),
    };
    texts.extend(sent.map(|sent| (Role::Strong, sent)));
    let undo = proposal.undo.as_deref();
    let undo =
        undo.unwrap_or_else(|| no_undo(run.plan.steps.get(flow.step).map(|step| &step.action)));
    texts.push((Role::Plain, format!("undo: {undo}")));
    texts
}

fn response_content(
    run: &Run,
    flow: &Flow,
    challenge: &Challenge,
    typed: &Field,
    width: usize,
    content: &mut Content,
) {
    let second = flow.confirmation.second.as_deref().unwrap_or_default();
    let reads = format!("{} reads aloud:", run.operator);
    let wrong = "Another answer than the agreed one is recorded and refused";
    let wrong = match run.known(flow.step).map_or(0, |known| known.refused) {
        0 => format!("{wrong}."),
        refused => format!("{wrong}: {refused} so far."),
    };
    let mut texts = vec![
        (Role::Plain, reads.as_str()),
        (Role::Strong, challenge.say.as_str()),
        (Role::Plain, wrong.as_str()),
    ];
    let told = in_practice(run, flow.step, |_| Some(&challenge.response));
    texts.extend(told.as_deref().map(|told| (Role::Strong, told)));
    content.body = paragraphs(width, texts);
    field(content, &format!("{second} answers"), typed, width);
}

/// Who practises alone has nobody to ask, and no other console to read it on.
fn in_practice<'a>(
    run: &'a Run,
    step: usize,
    answer: impl FnOnce(&'a Step) -> Option<&'a str>,
) -> Option<String> {
    let step = run.plan.steps.get(step)?;
    let answer = answer(step).filter(|_| run.plan.mode == Mode::Practice)?;
    Some(format!("In practice the answer is: {answer}"))
}

fn yes_no_content(
    ask: &Prompt,
    yes: Option<bool>,
    why: Option<&Field>,
    wrong: Option<&str>,
    width: usize,
    content: &mut Content,
) {
    let mut texts = vec![(Role::Strong, ask.question().unwrap_or_default())];
    if let Prompt::Check {
        seen: Some(seen), ..
    } = ask
    {
        texts.extend([(Role::Plain, "Seen:"), (Role::Plain, seen.as_str())]);
    }
    content.body = paragraphs(width, texts);
    if let Some(typed) = why {
        return field(content, WHY, typed, width);
    }
    for (answer, words) in [
        (true, "[y] yes"),
        (false, "[n] no: it fails, with a reason"),
    ] {
        let (marker, role) = if yes == Some(answer) {
            ("▸ ", Role::Chosen)
        } else {
            ("  ", Role::Plain)
        };
        let words = text::cut(&format!("{marker}{words}"), width);
        content.foot.push(Line::styled(words, role.style()));
    }
    error(content, wrong, width);
}

/// What is known of the highlighted one stands above the list, where there is room for all of it.
fn pick_content(
    choice: &Choice,
    at: usize,
    wrong: Option<&str>,
    width: usize,
    content: &mut Content,
) {
    /// Rows of the list; it is scrolled within them.
    const ROWS: usize = 8;
    let proposed = match &choice.taken {
        Some(taken) => format!("Proposed is {taken}. Nothing is sent before its card was shown."),
        None => "What the runbook names cannot be taken. Nothing is sent before a card was shown."
            .to_owned(),
    };
    let mut texts = vec![(Role::Dim, proposed)];
    if let Some(one) = choice.options.get(at) {
        texts.push((Role::Strong, one.name.clone()));
        texts.push((Role::Plain, one.about.clone()));
        texts.extend(one.unusable.iter().map(|why| (Role::Bad, why.clone())));
    }
    content.body = paragraphs(
        width,
        texts.iter().map(|(role, text)| (*role, text.as_str())),
    );
    let first = at.saturating_sub(ROWS / 2);
    let first = first.min(choice.options.len().saturating_sub(ROWS));
    for (index, one) in choice.options.iter().enumerate().skip(first).take(ROWS) {
        let marker = if index == at { "▸ " } else { "  " };
        let label = format!("{marker}{}", text::clean(&one.name));
        let role = match (&one.unusable, index == at) {
            (_, true) => Role::Chosen,
            (Some(_), false) => Role::Dim,
            (None, false) => Role::Plain,
        };
        let about = format!("  {}", text::clean(&one.about));
        let rest = width.saturating_sub(text::width(&label));
        content.foot.push(Line::from(vec![
            Span::styled(text::cut(&label, width), role.style()),
            Span::styled(text::cut(&about, rest), Role::Dim.style()),
        ]));
    }
    error(content, wrong, width);
}
