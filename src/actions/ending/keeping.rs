//! A folder of a drill that stays with its disks: what a live restore starts from.

use crate::engine::{Fact, ProbeAnswer};
use crate::error::Fault;
use crate::plan::Close;
use crate::vmfiles::FileKind;

use super::super::answer::{blocked, done};
use super::super::context::Ctx;
use super::super::link::ActError;
use super::super::words::{count, size};
use super::LEFT;
use super::files::{EndFiles, Seen};

impl EndFiles<'_> {
    /// It stays once nothing can run from it any more; nothing is sent for that.
    pub(super) fn keep(&self, seen: &Seen) -> ProbeAnswer {
        let folder = self.at.folder_path();
        if !seen.folder {
            let found = format!("{folder} is not there: nothing of it can be kept");
            return done(found.clone(), vec![found]);
        }
        if let Some(answer) = seen.unlisted.blocks(&self.at, LEFT) {
            return answer;
        }
        if !seen.registered.is_empty() || seen.unlisted.invalid.is_some() {
            let fault = Fault::new(
                format!("a VM is registered from {folder}, so its disks may change"),
                self.at.host.as_str(),
                "they are not kept for going live; nothing was removed",
                "unregister it first (retry that step, or by hand), then retry",
            );
            return blocked(fault.what.clone(), fault, &[LEFT]);
        }
        let mark = seen.run.mark();
        let disks = seen.entries.iter().filter_map(|(name, stat)| {
            let own = FileKind::of(name) == FileKind::Extent && !name.contains(&mark);
            own.then_some(stat.map_or(0, |stat| stat.size))
        });
        let disks: Vec<u64> = disks.collect();
        let bytes = disks
            .iter()
            .fold(0, |sum: u64, disk| sum.saturating_add(*disk));
        let found = format!(
            "{} ({}) in {folder}; no VM is registered from there",
            count(disks.len(), "disk"),
            size(bytes)
        );
        let until = "kept for a live restore to start from, until `lifeboat cleanup` deletes them";
        done(found.clone(), vec![found, until.to_owned()])
    }

    /// Keeps that the folder stays.
    pub(super) async fn tell_kept(&self, ctx: &Ctx, seen: Option<&Seen>) -> Result<(), ActError> {
        let Close::KeepDisks { vm, host, folder } = self.close else {
            return Ok(());
        };
        if !seen.is_some_and(|seen| seen.folder) {
            return Ok(());
        }
        let fact = Fact::DisksKept {
            vm: vm.clone(),
            host: host.clone(),
            folder: folder.clone(),
        };
        let same = fact.clone();
        ctx.keep_once(fact, |kept| *kept == same).await
    }
}
