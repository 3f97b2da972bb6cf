//! Objectives against actuals, VM by VM and for the set.

use crate::names::VmName;
use crate::report::document::{Document, Graded, Objective};
use crate::report::legs;
use crate::report::prose::{plain, strong};
use crate::report::text::{duration, time};

use super::summary::tone;
use super::{Block, Cell, Kind, Section, Table, tabled};

/// Objectives against actuals, and where the time went.
pub(super) fn objectives(document: &Document) -> Section {
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
    let actual = |measure: &Graded, unknown: &str| Cell {
        text: plain(measure.actual.map_or_else(|| unknown.to_owned(), duration)),
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
        actual(&row.rto, "not reached"),
        grade(&row.rto),
        rpo.into(),
        actual(&row.rpo, "not known"),
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
