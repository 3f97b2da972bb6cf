//! Everything behind the first page: the timeline, steps, decisions, commands, files, integrity.

use crate::hypervisor::shell::{self, Script};
use crate::report::CHECK;
use crate::report::document::{Document, Step, Tone};
use crate::report::prose::{Text, code, plain};
use crate::report::text::{bytes, clock, duration, time};

use super::{Block, Cell, Kind, Section, Table, listed, tabled};

pub(super) fn sections(document: &Document) -> Vec<Section> {
    vec![
        timeline(document),
        residue(document),
        steps(document),
        failed_attempts(document),
        decisions(document),
        commands(document),
        files(document),
        notes(document),
        evidence(document),
        integrity(document),
    ]
}

fn timeline(document: &Document) -> Section {
    let blocks = if document.timeline.lanes.is_empty() {
        Vec::new()
    } else {
        vec![Block::Timeline(document.timeline.clone())]
    };
    Section {
        heading: "Timeline",
        lead: String::new(),
        blocks,
    }
}

fn residue(document: &Document) -> Section {
    let rows = document
        .residue
        .iter()
        .map(|left| {
            vec![
                left.site.as_str().into(),
                left.host.as_str().into(),
                left.text.clone().into(),
            ]
        })
        .collect();
    tabled(
        "Left behind",
        "What stands on hosts of both sites as the run left it: made, renamed aside, taken away, started or stopped.",
        Table {
            caption: "What the run left on hosts".to_owned(),
            columns: vec![
                ("site", Kind::Name),
                ("host", Kind::Name),
                ("what", Kind::Code),
            ],
            rows,
        },
    )
}

/// How long a step took; of one that looked again, from its first beginning on.
fn took(step: &Step) -> String {
    let took = step.took.map_or_else(String::new, duration);
    match step.again_at {
        Some(again) if step.took.is_some() => {
            format!("{took} in all; again from {}", time(again))
        }
        _ => took,
    }
}

fn steps(document: &Document) -> Section {
    let mut blocks = Vec::new();
    for phase in &document.phases {
        let heading = format!("{}: {}", phase.section, phase.phase);
        let rows = phase
            .steps
            .iter()
            .map(|step| {
                vec![
                    code(step.id.as_str()).into(),
                    Cell {
                        text: plain(step.state),
                        tone: step.tone,
                        used: None,
                    },
                    step.attempts.to_string().into(),
                    step.began.map_or_else(String::new, time).into(),
                    took(step).into(),
                    step.seen.as_str().into(),
                ]
            })
            .collect();
        blocks.push(Block::Heading(heading.clone()));
        blocks.push(Block::Table(Table {
            caption: format!("Steps of {heading}"),
            columns: vec![
                ("step", Kind::Code),
                ("state", Kind::Figure),
                ("attempts", Kind::Figure),
                ("began", Kind::Figure),
                ("took", Kind::Figure),
                ("seen", Kind::Words),
            ],
            rows,
        }));
    }
    Section {
        heading: "Steps",
        lead: String::new(),
        blocks,
    }
}

fn step_of(step: Option<&crate::names::StepId>) -> Text {
    step.map_or_else(Text::default, |step| code(step.as_str()))
}

fn decisions(document: &Document) -> Section {
    let rows = document
        .decisions
        .iter()
        .map(|one| {
            vec![
                clock(one.at, document.run.began).into(),
                one.who.as_str().into(),
                one.what.clone().into(),
                step_of(one.step.as_ref()).into(),
            ]
        })
        .collect();
    tabled(
        "Decisions",
        "",
        Table {
            caption: "Who decided what, and why".to_owned(),
            columns: vec![
                ("time", Kind::Figure),
                ("who", Kind::Name),
                ("decision", Kind::Words),
                ("step", Kind::Code),
            ],
            rows,
        },
    )
}

fn failed_attempts(document: &Document) -> Section {
    let rows = document
        .failed_attempts
        .iter()
        .map(|one| {
            vec![
                code(one.step.as_str()).into(),
                one.attempt.to_string().into(),
                clock(one.at, document.run.began).into(),
                one.what.as_str().into(),
                one.place.as_str().into(),
                one.state.as_str().into(),
                one.became.as_str().into(),
            ]
        })
        .collect();
    tabled(
        "Failed attempts",
        "Attempts that did not bring their step about, in order of time.",
        Table {
            caption: "Attempts that did not bring their step about".to_owned(),
            columns: vec![
                ("step", Kind::Code),
                ("attempt", Kind::Figure),
                ("when", Kind::Figure),
                ("what", Kind::Words),
                ("where", Kind::Words),
                ("state then", Kind::Words),
                ("what became of it", Kind::Words),
            ],
            rows,
        },
    )
}

/// Scripts of Lifeboat's stand in the table by their names, and once below it as they are sent.
fn commands(document: &Document) -> Section {
    let mut scripts: Vec<&Script> = Vec::new();
    for one in &document.commands {
        if let Some((script, _)) = shell::folded(&one.command)
            && !scripts.contains(&script)
        {
            scripts.push(script);
        }
    }
    let rows = document
        .commands
        .iter()
        .map(|one| {
            let sum = one.output_sha256.as_deref().map(code).unwrap_or_default();
            vec![
                clock(one.at, document.run.began).into(),
                one.host.as_str().into(),
                code(shell::in_short(&one.command)).into(),
                Cell {
                    text: plain(&one.outcome),
                    tone: if one.exit == Some(0) {
                        Tone::Plain
                    } else {
                        Tone::Warn
                    },
                    used: None,
                },
                one.took.map_or_else(String::new, duration).into(),
                sum.into(),
            ]
        })
        .collect();
    let mut section = tabled(
        "Commands",
        "Every command that could change something, as it was sent; an exit status alone proves nothing.",
        Table {
            caption: "Commands that could change something".to_owned(),
            columns: vec![
                ("time", Kind::Figure),
                ("host", Kind::Name),
                ("command", Kind::Code),
                ("outcome", Kind::Name),
                ("took", Kind::Figure),
                ("SHA-256 of its output", Kind::Sum),
            ],
            rows,
        },
    );
    for script in scripts {
        let words = format!(
            "{} stands for the lines below it, and {}",
            script.label(),
            script.does
        );
        section
            .blocks
            .push(Block::Items(vec![(Tone::Plain, plain(words))]));
        section.blocks.push(Block::Script(script.opening()));
    }
    section
}

fn files(document: &Document) -> Section {
    let rows = document
        .files
        .iter()
        .map(|file| {
            vec![
                file.vm.as_str().into(),
                file.host.as_str().into(),
                code(&file.path).into(),
                bytes(file.bytes).into(),
                code(&file.sha256).into(),
                file.proof.as_str().into(),
            ]
        })
        .collect();
    tabled(
        "Files",
        "",
        Table {
            caption: "Files that stand under their final names".to_owned(),
            columns: vec![
                ("VM", Kind::Name),
                ("host", Kind::Name),
                ("file", Kind::Code),
                ("size", Kind::Figure),
                ("SHA-256", Kind::Sum),
                ("proven by", Kind::Words),
            ],
            rows,
        },
    )
}

fn notes(document: &Document) -> Section {
    let items = document
        .notes
        .iter()
        .map(|note| {
            let said = plain(format!("{}, {}", time(note.at), note.by));
            let said = match &note.step {
                Some(step) => said.plain(" (").code(step.as_str()).plain(")"),
                None => said,
            };
            (Tone::Plain, said.plain(format!(": {}", note.text)))
        })
        .collect();
    listed("Notes", "", items, None)
}

fn evidence(document: &Document) -> Section {
    let rows = document
        .evidence
        .iter()
        .map(|file| {
            let sum = file.sha256.as_deref();
            vec![
                code(&file.path).into(),
                file.bytes.map_or_else(String::new, bytes).into(),
                sum.map_or_else(|| plain("could not be read"), code).into(),
            ]
        })
        .collect();
    tabled(
        "Evidence",
        "The run's folder as it was when this was written, beside the reports themselves. It holds no secret and can be passed on as a whole.",
        Table {
            caption: "Files of the run's folder".to_owned(),
            columns: vec![
                ("file", Kind::Code),
                ("size", Kind::Figure),
                ("SHA-256", Kind::Sum),
            ],
            rows,
        },
    )
}

fn integrity(document: &Document) -> Section {
    let integrity = &document.integrity;
    let items = [
        plain(format!("Journal: {} lines, head hash ", integrity.lines)).code(&integrity.head),
        plain("Runbook: SHA-256 ").code(&integrity.runbook_sha256),
        plain("Plan: ").code(&integrity.plan),
        plain(format!("Written by Lifeboat {}", integrity.written_by)),
        plain("Check it with ")
            .code(format!("lifeboat verify {}", document.run.id))
            .plain(", or in the run's folder with a shell alone; it prints the head hash:"),
    ];
    Section {
        heading: "Integrity",
        lead: String::new(),
        blocks: vec![
            Block::Items(items.map(|item| (Tone::Plain, item)).to_vec()),
            Block::Script(CHECK.to_owned()),
        ],
    }
}
