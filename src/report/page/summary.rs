//! The first page: how it went, what was not proven, objectives against actuals, findings.

use crate::names::VmName;
use crate::report::document::{Document, Graded, Objective, RunHead, Tone};
use crate::report::legs;
use crate::report::objectives::Grade;
use crate::report::prose::{Text, code, plain, strong};
use crate::report::text::{duration, time};
use crate::runbook::model::Mode;

use super::{Block, Cell, Kind, Page, Section, Table, Tile, listed, tabled};

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
        words.plain(format!(", {}", result.detail))
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
        tiles.push(figure("RPO, worst VM".to_owned(), &worst, "not known"));
    }
    let vouched = document
        .statements
        .iter()
        .filter(|said| said.kind.tone() != Tone::Plain)
        .count();
    tiles.push(counted(
        "Vouched for or not fenced",
        vouched,
        "all was proven",
    ));
    tiles.push(counted("Findings", document.findings.len(), "none"));
    tiles
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

fn counted(label: &str, count: usize, none: &str) -> Tile {
    Tile {
        label: label.to_owned(),
        value: count.to_string(),
        note: if count == 0 { none } else { "see below" }.to_owned(),
        tone: if count == 0 { Tone::Good } else { Tone::Warn },
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
    let mut facts = vec![
        (
            "Run".to_owned(),
            code(run.id.as_str())
                .plain(" of runbook ")
                .code(&run.runbook),
        ),
        (
            "Operator".to_owned(),
            plain(format!("{} on {}", run.operator, run.console)),
        ),
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
        let only: Vec<_> = run.only.iter().map(VmName::as_str).collect();
        let said = format!(
            "{} (the other VMs' steps are not in this run)",
            only.join(", ")
        );
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
            Some((Tone::Good, "Nothing had to be vouched for.")),
        ),
        objectives(document),
        listed("Findings", "", findings, Some((Tone::Good, "None."))),
        listed("Overrides", "", overrides, None),
        deviations(document),
    ]
}

fn objectives(document: &Document) -> Section {
    let rows = document.objectives.iter().map(objective).collect();
    let table = Table {
        caption: "Objectives against actuals".to_owned(),
        columns: vec![
            ("half", Kind::Name),
            ("VM", Kind::Name),
            ("RTO", Kind::Figure),
            ("actual", Kind::Figure),
            ("RTO grade", Kind::Figure),
            ("RPO", Kind::Figure),
            ("actual", Kind::Figure),
            ("RPO grade", Kind::Figure),
            ("data from", Kind::Words),
            ("serves since", Kind::Figure),
        ],
        rows,
    };
    let mut section = tabled(
        "Objectives",
        "RTO actual: from the loss of service until the last rung of ready passed, the network's part included. RPO actual: from the restore point to the loss of service.",
        table,
    );
    let legs: Vec<_> = document
        .objectives
        .iter()
        .filter(|row| !row.legs.is_empty())
        .map(went)
        .collect();
    if !legs.is_empty() {
        let mut columns = vec![("half", Kind::Name), ("VM", Kind::Name)];
        columns.extend(legs::PARTS.map(|part| (part, Kind::Figure)));
        columns.push(("RTO actual", Kind::Figure));
        section
            .blocks
            .push(Block::Heading("Where the time went".to_owned()));
        section.blocks.push(Block::Table(Table {
            caption: "From the loss of service to service, part by part".to_owned(),
            columns,
            rows: legs,
        }));
    }
    section
}

fn objective(row: &Objective) -> Vec<Cell> {
    let wanted = |measure: &Graded| {
        measure
            .objective
            .map_or_else(|| "none".to_owned(), duration)
    };
    let actual = |measure: &Graded| Cell {
        text: plain(
            measure
                .actual
                .map_or_else(|| "not reached".to_owned(), duration),
        ),
        used: used(measure),
        tone: tone(measure.grade),
    };
    let grade = |measure: &Graded| Cell {
        text: plain(
            measure
                .grade
                .map_or_else(String::new, |grade| grade.to_string()),
        ),
        tone: tone(measure.grade),
        used: None,
    };
    let name = row
        .vm
        .as_ref()
        .map_or_else(|| strong("the set"), |vm| plain(vm.as_str()));
    // Each VM has its own objective; the set's worst says nothing about one that has another.
    let rpo = if row.vm.is_some() {
        wanted(&row.rpo)
    } else {
        String::new()
    };
    vec![
        row.section.to_string().into(),
        name.into(),
        wanted(&row.rto).into(),
        actual(&row.rto),
        grade(&row.rto),
        rpo.into(),
        actual(&row.rpo),
        grade(&row.rpo),
        row.data_from.clone().into(),
        row.serves_at.map_or_else(String::new, time).into(),
    ]
}

fn used(measure: &Graded) -> Option<u32> {
    let (objective, actual) = (measure.objective?, measure.actual?);
    let percent = actual.as_millis() * 100 / objective.as_millis().max(1);
    u32::try_from(percent).ok()
}

fn went(row: &Objective) -> Vec<Cell> {
    let took = |part: &str| {
        let leg = row.legs.iter().find(|leg| leg.what == part);
        leg.map_or_else(String::new, |leg| duration(leg.took))
    };
    let mut cells: Vec<Cell> = vec![
        row.section.to_string().into(),
        row.vm.as_ref().map_or("", VmName::as_str).into(),
    ];
    cells.extend(legs::PARTS.iter().map(|part| Cell::from(took(part))));
    cells.push(row.rto.actual.map_or_else(String::new, duration).into());
    cells
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
