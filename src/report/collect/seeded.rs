//! What a drill's disks gave to a failover: which were kept, and how much they left to send.

use std::collections::BTreeMap;

use crate::engine::{Fact, FromDrill};
use crate::names::VmName;
use crate::report::Run;
use crate::report::document::StatementKind as Kind;
use crate::report::prose::plain;
use crate::report::text::{bytes, time};

use super::statements::Said;

/// What is to be said of it, on either side.
pub(super) fn statements(run: &Run<'_>, all: &mut Said) {
    if let Some(from) = &run.info.from_drill {
        started_from(run, from, all);
    }
    let kept = run.state.chapters.iter();
    for opened in kept.filter(|opened| opened.keeping.is_some()) {
        let why = opened.keeping.as_deref().unwrap_or_default();
        let (by, at) = (&opened.by, time(opened.at));
        let said = format!(
            "{by} had the disks of this drill kept at {at} for a live restore to start from: {why}. Its copies do not \
             go live."
        );
        all.say(Kind::DisksKept, plain(said));
    }
}

fn started_from(run: &Run<'_>, from: &FromDrill, all: &mut Said) {
    let mut sent: BTreeMap<&VmName, (u64, u64)> = BTreeMap::new();
    for found in &run.state.facts {
        if let Fact::Seeded {
            vm,
            bytes,
            sent: of,
            ..
        } = &found.fact
        {
            let sums = sent.entry(vm).or_default();
            sums.0 = sums.0.saturating_add(*of);
            sums.1 = sums.1.saturating_add(*bytes);
        }
    }
    let each: Vec<String> = sent
        .into_iter()
        .map(|(vm, (sent, whole))| format!("{vm}: {} of {} sent", bytes(sent), bytes(whole)))
        .collect();
    let each = if each.is_empty() {
        "no disk was made from them".to_owned()
    } else {
        each.join("; ")
    };
    let said = plain("The run started from the disks that drill ")
        .code(from.run.as_str())
        .plain(" had kept (journal head ")
        .code(&from.head)
        .plain(format!(
            "): {each}. Every file was proven by the sum of its restore point."
        ));
    all.say(Kind::Seeded, said);
}
