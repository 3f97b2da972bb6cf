//! What the run left on hosts, by its ledger: what it made, renamed aside, took away, started and
//! stopped, and what is in doubt of that. What a rollback or a cleanup saw gone is not there any more.

use std::collections::BTreeMap;

use crate::engine::{Fact, Item, Ledger, Thing, folder_of};
use crate::names::HostName;
use crate::plan::PlacedFile;
use crate::report::Run;
use crate::report::document::Residue;
use crate::report::prose::{Text, plain};

/// Everything that a person may look for on hosts after the run, site by site, and the old files of
/// which the run's folder has copies.
pub(super) fn residue(run: &Run<'_>) -> Vec<Residue> {
    let ledger = Ledger::of(&run.state);
    let standing: Vec<&Item> = ledger.standing().collect();
    let files = files(&standing);
    let (cut_off, standing): (Vec<&Item>, Vec<&Item>) = standing
        .into_iter()
        .partition(|item| matches!(item.thing, Thing::Workfiles(_)));
    let left = standing.iter().filter_map(|item| {
        let text = match &item.thing {
            Thing::File(file) => match files.get(&(&item.host, folder_of(&file.path))) {
                Some((1, _)) | None => words(item),
                // Told with the first of them.
                Some((_, first)) if *first != file.path => return None,
                Some((count, _)) => plain(format!("{count} files in ")).code(folder_of(&file.path)),
            },
            Thing::Original { path, aside, .. } if !ledger.is_of_before(item) => {
                plain("the run's own earlier ")
                    .code(path)
                    .plain(", renamed to ")
                    .code(aside)
            }
            _ => words(item),
        };
        Some((&item.host, text))
    });
    let copies = run.state.facts.iter().filter_map(|found| copy(&found.fact));
    let facts = &run.state.facts;
    let put_back = facts.iter().filter_map(|found| put_back(run, &found.fact));
    let mut all: Vec<Residue> = left
        .chain(put_back)
        .chain(work_files(&cut_off))
        .chain(copies)
        .map(|(host, text)| Residue {
            site: site_of(run, host),
            host: host.clone(),
            text,
        })
        .collect();
    all.sort_by(|a, b| (&a.site, &a.host).cmp(&(&b.site, &b.host)));
    all
}

fn site_of(run: &Run<'_>, host: &HostName) -> String {
    let site = run.runbook.hosts.get(host).map(|host| &host.site);
    site.and_then(|site| run.runbook.sites.get(site))
        .map_or_else(String::new, |site| site.title.clone())
}

/// The placed files of each folder: how many, and the first of them.
fn files<'a>(standing: &[&'a Item]) -> BTreeMap<(&'a HostName, &'a str), (usize, &'a str)> {
    let mut files = BTreeMap::new();
    for item in standing {
        if let Thing::File(PlacedFile { path, .. }) = &item.thing {
            let (count, _) = files
                .entry((&item.host, folder_of(path)))
                .or_insert((0, path.as_str()));
            *count += 1;
        }
    }
    files
}

/// Work files, of which nobody knows before somebody looks whether a transfer left some: one line for
/// each host.
fn work_files<'a>(items: &[&'a Item]) -> Vec<(&'a HostName, Text)> {
    let mut folders: BTreeMap<&HostName, Vec<&str>> = BTreeMap::new();
    for item in items {
        if let Thing::Workfiles(folder) = &item.thing {
            folders.entry(&item.host).or_default().push(folder);
        }
    }
    let told = folders.into_iter().map(|(host, folders)| {
        let lead = plain("work files of the run, where a transfer was cut off, in ");
        let text = folders
            .iter()
            .enumerate()
            .fold(lead, |text, (index, folder)| {
                let text = if index == 0 { text } else { text.plain(", ") };
                text.code(*folder)
            });
        (host, text)
    });
    told.collect()
}

/// An item in the ledger's own words, its paths set apart.
fn words(item: &Item) -> Text {
    let text = match &item.thing {
        Thing::Folder(path) => plain("folder ").code(path),
        Thing::File(file) => plain("file ").code(&file.path),
        Thing::Original { path, aside, .. } => plain("original ")
            .code(path)
            .plain(", renamed to ")
            .code(aside),
        _ => plain(item.what()),
    };
    if item.announced {
        text.plain(" (announced, not seen)")
    } else if item.kept {
        text.plain(" (kept for going live)")
    } else {
        text
    }
}

/// The autostart entry that another run took away and this one put back.
fn put_back<'a>(run: &Run<'_>, fact: &'a Fact) -> Option<(&'a HostName, Text)> {
    let Fact::AutostartRestored { vm, host } = fact else {
        return None;
    };
    let is_own = run.state.facts.iter().any(|found| {
        matches!(&found.fact, Fact::AutostartRemoved { vm: of, host: on, .. } if of == vm && on == host)
    });
    (!is_own).then(|| (host, plain(format!("autostart entry of {vm}, put back"))))
}

/// A file of a host that was changed, and is kept in the run's folder as it was.
fn copy(fact: &Fact) -> Option<(&HostName, Text)> {
    let Fact::ConfigKept {
        host,
        path,
        copy,
        sha256,
        ..
    } = fact
    else {
        return None;
    };
    let text = plain("the old ")
        .code(path)
        .plain(" is in the run's folder as ")
        .code(copy)
        .plain(" (SHA-256 ")
        .code(sha256)
        .plain(")");
    Some((host, text))
}
