//! The first page: how it went, what was not proven, objectives against actuals, findings.

use crate::engine::FindingsStatement;
use crate::names;
use crate::report::document::{Document, Graded, RunHead, Tone};
use crate::report::objectives::Grade;
use crate::report::prose::{Text, code, plain, strong};
use crate::report::text::{duration, length, time};
use crate::runbook::model::Mode;

use super::objectives::objectives;
use super::{Cell, Kind, Page, Section, Table, Tile, listed, tabled};

pub(super) fn page(document: &Document, sections: Vec<Section>) -> Page {
    let run = &document.run;
    Page {
        mode: run.heading.clone(),
        title: run.title.clone(),
        way: format!("{} \u{2192} {}", run.from, run.to),
        verdict: verdict(document),
        tone: document.result.tone,
        tiles: tiles(document),
        facts: facts(document),
        sections,
    }
}

fn verdict(document: &Document) -> Text {
    let result = &document.result;
    let words = if result.tone == Tone::Bad {
        strong(&result.state)
    } else {
        plain(&result.state)
    };
    if result.finished {
        words.plain(format!(
            ": {} steps done, {} by hand, {} skipped, {} failed",
            result.done, result.by_hand, result.skipped, result.failed
        ))
    } else {
        words.plain(format!(
            ", {}: {} steps done, {} by hand, {} skipped, {} failed, {} open",
            result.detail, result.done, result.by_hand, result.skipped, result.failed, result.open
        ))
    }
}

fn tiles(document: &Document) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let sets = || document.objectives.iter().filter(|row| row.vm.is_none());
    let several = sets().count() > 1;
    for set in sets() {
        let name = if several {
            format!("RTO, {}", set.section)
        } else {
            "RTO actual".to_owned()
        };
        tiles.push(figure(name, &set.rto, "not reached"));
    }
    if let Some(worst) = worst_rpo(document) {
        let mut tile = figure("RPO, worst VM".to_owned(), &worst, "not known");
        let vms = document.objectives.iter().filter(|row| row.vm.is_some());
        let unknown = vms.filter(|row| row.rpo.actual.is_none()).count();
        if unknown > 0 && worst.actual.is_some() {
            tile.note.push_str(&format!("; of {unknown} not known"));
            if tile.tone == Tone::Good {
                tile.tone = Tone::Warn;
            }
        }
        tiles.push(tile);
    }
    let vouched = document
        .statements
        .iter()
        .filter(|said| said.kind.tone() != Tone::Plain)
        .count();
    // What is not over may still bring some.
    let none = if document.result.finished {
        "none"
    } else {
        "none so far"
    };
    let tone = clean(document);
    tiles.push(counted("Vouched for or not fenced", vouched, (tone, none)));
    tiles.push(found(document, (tone, none)));
    tiles
}

/// What the run itself found and what its people stated: a drill that is closed with a finding must
/// not show none.
fn found(document: &Document, none: (Tone, &str)) -> Tile {
    let found = document.findings.len();
    let stated = document
        .stated
        .as_ref()
        .map_or(0, |stated| stated.findings.len());
    let mut tile = counted("Findings", found + stated, none);
    if stated > 0 {
        tile.note = format!("{found} of the run itself, {stated} stated by people");
    }
    tile
}

fn figure(label: String, measure: &Graded, unknown: &str) -> Tile {
    let objective = measure.objective.map(duration);
    Tile {
        label,
        value: measure.actual.map_or_else(|| unknown.to_owned(), duration),
        note: match (objective, measure.grade) {
            (Some(objective), Some(grade)) => format!("{grade} (objective {objective})"),
            (Some(objective), None) => format!("objective {objective}"),
            (None, _) => "no objective".to_owned(),
        },
        tone: tone(measure.grade),
    }
}

fn counted(label: &str, count: usize, none: (Tone, &str)) -> Tile {
    let (tone, note) = if count == 0 {
        none
    } else {
        (Tone::Warn, "see below")
    };
    Tile {
        label: label.to_owned(),
        value: count.to_string(),
        note: note.to_owned(),
        tone,
    }
}

/// How good it is that there is nothing: only at the end.
fn clean(document: &Document) -> Tone {
    if document.result.finished {
        Tone::Good
    } else {
        Tone::Plain
    }
}

/// The worst grade of the VMs' RPO, of those the longest.
fn worst_rpo(document: &Document) -> Option<Graded> {
    document
        .objectives
        .iter()
        .filter(|row| row.vm.is_some())
        .map(|row| row.rpo)
        .max_by_key(|rpo| (rpo.grade, rpo.actual))
}

pub(super) fn tone(grade: Option<Grade>) -> Tone {
    match grade {
        None => Tone::Plain,
        Some(Grade::Within) => Tone::Good,
        Some(Grade::UpToTwice) => Tone::Warn,
        Some(Grade::UpToFourTimes | Grade::Beyond) => Tone::Bad,
    }
}

fn facts(document: &Document) -> Vec<(String, Text)> {
    let run = &document.run;
    let mut operator = format!("{} on {}", run.operator, run.console);
    if run.accountable != run.operator {
        operator.push_str(&format!("; {} had it last", run.accountable));
    }
    let mut facts = vec![
        (
            "Run".to_owned(),
            code(run.id.as_str())
                .plain(" of runbook ")
                .code(&run.runbook),
        ),
        ("Operator".to_owned(), plain(operator)),
    ];
    let mut add = |label: &str, text: Text| facts.push((label.to_owned(), text));
    if let (Some(began), Some(last), Some(took)) = (run.began, run.last, run.took) {
        let word = if document.result.finished {
            "ended"
        } else {
            "last line"
        };
        let said = format!(
            "began {}, {word} {}, {}",
            time(began),
            time(last),
            duration(took)
        );
        add("Time", plain(said));
    }
    if let Some(outage) = run.outage_at {
        let why = run
            .outage_reason
            .as_ref()
            .map_or_else(String::new, |why| format!(" ({why})"));
        let label = match run.mode {
            Some(Mode::Planned) => "Service stopped",
            Some(Mode::Drill) => "Counted as lost",
            _ => "Service lost",
        };
        add(label, plain(format!("{}{why}", time(outage))));
    }
    choices(run, &mut add);
    if let Some(next) = &document.result.next {
        add("Next", code(next));
    }
    add(
        "Journal",
        plain(format!("{} lines, head ", document.integrity.lines)).code(&document.integrity.head),
    );
    let frozen = document.run.corrections.last();
    let sum = frozen.map_or(&document.integrity.runbook_sha256, |last| &last.sha256);
    add("Runbook", plain("SHA-256 ").code(sum));
    if !document.evidence.is_empty() {
        let said = format!(
            "{} files in the run's folder, each with its SHA-256 under Evidence",
            document.evidence.len()
        );
        add("Evidence", plain(said));
    }
    facts
}

/// What was chosen for this run, and what came over it.
fn choices(run: &RunHead, add: &mut impl FnMut(&str, Text)) {
    if let Some(terms) = &run.drill {
        add("Terms", plain(terms.in_words()));
        let limit = terms.limit_s.and_then(length);
        let none = || "none".to_owned();
        add("Limit", plain(limit.map_or_else(none, duration)));
    }
    if let Some(window) = &run.window {
        add("Commit or roll back", plain(&window.words));
    }
    if let Some(parent) = &run.parent {
        let said = code(parent.run.as_str())
            .plain(", whose journal ended in ")
            .code(&parent.head);
        add("Takes back", plain("run ").then(said));
        for words in &parent.words {
            add("Of that run", plain(words));
        }
    }
    for correction in &run.corrections {
        let said = code(&correction.file)
            .plain(format!(" since {}: SHA-256 ", time(correction.at)))
            .code(&correction.sha256)
            .plain(", plan ")
            .code(&correction.plan);
        add("Corrected runbook", said);
    }
    if !run.only.is_empty() {
        let only = names::listed(&run.only);
        let said = format!("{only} (the other VMs' steps are not in this run)");
        add("Selection", plain(said));
    }
    for (name, value) in &run.variables {
        add(name.as_str(), plain(value));
    }
    match run.resumes {
        0 => {}
        1 => add("Taken up again", plain("once")),
        times => add("Taken up again", plain(format!("{times} times"))),
    }
}

pub(super) fn sections(document: &Document) -> Vec<Section> {
    let statements = document
        .statements
        .iter()
        .map(|said| (said.kind.tone(), said.text.clone()))
        .collect();
    let findings = document
        .findings
        .iter()
        .map(|finding| {
            let mut text = finding.text.clone();
            if let Some(next) = &finding.next {
                text = text.plain(format!("; next: {next}"));
            }
            (Tone::Warn, text)
        })
        .collect();
    let overrides = document
        .overrides
        .iter()
        .map(|one| (Tone::Plain, one.text.clone()))
        .collect();
    vec![
        listed(
            "Statements",
            "What was vouched for instead of proven, what was not fenced, and what could not be looked at.",
            statements,
            Some((clean(document), "Nothing had to be vouched for.")),
        ),
        objectives(document),
        listed("Findings", "", findings, Some((clean(document), "None."))),
        stated(document),
        listed("Overrides", "", overrides, None),
        deviations(document),
    ]
}

/// By what a drill is closed.
fn stated(document: &Document) -> Section {
    let heading = "Findings stated by the drill's people";
    let Some(FindingsStatement {
        at,
        by,
        findings,
        unstated,
    }) = &document.stated
    else {
        let missing = document.stated_by.iter().map(|command| {
            let words = plain("Not stated yet, so the drill is not closed: ").code(command);
            (Tone::Warn, words)
        });
        return listed(heading, "", missing.collect(), None);
    };
    let mut lead = format!("Stated by {by} at {}", time(*at));
    if !unstated.is_empty() {
        lead += "; nobody stated what the run itself showed: ";
        lead += &unstated.join("; ");
    }
    lead.push('.');
    let items = findings
        .iter()
        .map(|finding| (Tone::Warn, plain(finding.in_words())))
        .collect();
    listed(
        heading,
        &lead,
        items,
        Some((Tone::Good, "That there were none.")),
    )
}

fn deviations(document: &Document) -> Section {
    let rows = document
        .deviations
        .iter()
        .map(|one| {
            let off = one.took - one.usually;
            let (word, tone) = if off.is_negative() {
                ("shorter", Tone::Plain)
            } else {
                ("longer", Tone::Warn)
            };
            vec![
                code(one.step.as_str()).into(),
                duration(one.usually).into(),
                duration(one.took).into(),
                Cell {
                    text: plain(format!("{} {word}", duration(off.abs()))),
                    tone,
                    used: None,
                },
            ]
        })
        .collect();
    tabled(
        "Expected times",
        "Steps that took clearly longer or shorter than the runbook says they usually do.",
        Table {
            caption: "Steps that took clearly longer or shorter than usual".to_owned(),
            columns: vec![
                ("step", Kind::Code),
                ("usually", Kind::Figure),
                ("took", Kind::Figure),
                ("difference", Kind::Figure),
            ],
            rows,
        },
    )
}
