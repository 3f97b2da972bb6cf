//! Which files of a transfer were made from a drill's disks, and how many bytes that left to send.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::{Fact, Op};
use crate::names::RunId;
use crate::transfer::{Delivery, Landed, Landing, Seeds, Target};

use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;

/// What is kept of the seeds of one transfer.
pub(super) struct Seeded {
    drill: Option<RunId>,
    seeds: Seeds,
    /// Files for which a clone was announced, with the bytes that earlier attempts announced to write
    /// since.
    cloned: Mutex<BTreeMap<String, u64>>,
    /// Bytes that went over the wire so far in this attempt.
    sent: Arc<AtomicU64>,
    /// The same when the last file had landed.
    before: AtomicU64,
}

impl Seeded {
    /// For a transfer that counts what it sends.
    pub fn new(ctx: &Ctx, delivery: &Delivery, sent: Arc<AtomicU64>) -> Self {
        let info = ctx.state.info.as_ref();
        let drill = info.and_then(|info| info.from_drill.as_ref());
        let seeded = Self {
            drill: drill.map(|drill| drill.run.clone()),
            // What a copy starts from is the VM's own disk at another place.
            seeds: match delivery.landing {
                Landing::Fresh => delivery.seeds.clone(),
                Landing::Patch | Landing::InPlace => Seeds::new(),
            },
            cloned: Mutex::default(),
            sent,
            before: AtomicU64::default(),
        };
        let own = |op: &&Op| op.step == ctx.step.id && op.may_have_acted();
        for op in ctx.state.ops.values().filter(own) {
            seeded.announced(&op.command);
            for (name, bytes) in seeded.known().iter_mut() {
                *bytes = bytes.saturating_add(announced_of(op, &delivery.to, name));
            }
        }
        seeded
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.cloned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command is announced: it may clone a seed, and what was written of the file before is lost.
    pub fn announced(&self, command: &str) {
        let words = shell_words::split(command).unwrap_or_default();
        let is_of = |descriptor: &String| words.contains(descriptor);
        let cloned = self
            .seeds
            .iter()
            .filter(|(_, seed)| is_of(&seed.descriptor));
        self.known()
            .extend(cloned.map(|(name, _)| (name.clone(), 0)));
    }

    /// A file has its final name: keeps what was sent of it, if it was made from a drill's disk.
    ///
    /// # Errors
    /// The run no longer waits for this action.
    pub async fn landed(&self, ctx: &Ctx, at: &VmAt, file: &Landed) -> Result<(), ActError> {
        let sent = self.sent.load(Ordering::Relaxed);
        let before = self.before.swap(sent, Ordering::Relaxed);
        let earlier = self.known().get(&file.name).copied();
        let Some((drill, earlier)) = self.drill.clone().zip(earlier) else {
            return Ok(());
        };
        let fact = Fact::Seeded {
            vm: at.vm.clone(),
            host: at.host.clone(),
            drill,
            file: file.name.clone(),
            bytes: file.bytes,
            sent: earlier.saturating_add(sent.saturating_sub(before)),
        };
        let same = |kept: &Fact| matches!(kept, Fact::Seeded { vm, file: of, .. } if *vm == at.vm && *of == file.name);
        ctx.keep_once(fact, same).await
    }
}

/// Bytes of a file that a command announced to write.
fn announced_of(op: &Op, to: &Target, name: &str) -> u64 {
    let end = format!(" bytes to {}", to.path(&to.part_name(name)));
    let words = op.command.strip_prefix("write up to ");
    let bytes = words.and_then(|words| words.strip_suffix(&end)?.parse().ok());
    bytes.unwrap_or_default()
}
