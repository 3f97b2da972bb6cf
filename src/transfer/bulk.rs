//! Bringing one file's bytes to the target, however often the link drops.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::compare::Lacking;
use super::deliver::Item;
use super::follow::Follow;
use super::pour::{PourEnd, Poured};
use super::progress::Phase;
use super::ranges::{Zeros, join, length, split, whole};
use super::reading::Wanted;
use super::size::size;
use super::source::Folder;
use super::sums::Sum;
use super::target::{SummedBy, Work};
use super::writes::{Corrupt, TransferError, Writes, Written};
use crate::error::Fault;
use crate::host::{FileAccess, HostError, RemoteFile};
use crate::names::OpId;

/// One file on its way.
pub(super) struct Bulk<'a, W> {
    pub(super) work: &'a Work<W>,
    /// The file where it comes from.
    pub(super) source: Folder,
    /// Which file.
    pub(super) item: &'a Item,
    /// What it must come to.
    pub(super) wanted: Wanted,
}

/// What arrived.
struct Proof {
    sum: Sum,
    by: SummedBy,
    /// It was summed while it arrived.
    along: bool,
}

/// How a session over which data was sent came to its end.
enum End {
    /// Everything arrived.
    Done,
    /// The link dropped. Up to `offered` was handed to it; `stored` says that this is proven to
    /// have arrived.
    Broken {
        offered: u64,
        stored: bool,
        /// One way over which data was sent did not break.
        beside_broke: bool,
        why: HostError,
    },
}

impl<W: Writes> Bulk<'_, W> {
    /// Makes the target's temporary file equal to the source, and proves it. With `fresh` nothing
    /// of it is there yet.
    pub(super) async fn bring(&self, fresh: bool) -> Result<(Sum, SummedBy), TransferError> {
        let lacking = if fresh {
            Lacking {
                holes: whole(self.item.bytes),
                ..Lacking::default()
            }
        } else {
            self.lacking(&whole(self.item.bytes)).await?
        };
        let mut follow = Follow::default();
        // What is sent later must not be summed before.
        let first = lacking.holes.first().map(|hole| hole.start);
        let until = first.unwrap_or(self.item.bytes);
        self.pump(lacking.others, Zeros::All, until, &mut follow)
            .await?;
        self.pump(lacking.holes, Zeros::None, self.item.bytes, &mut follow)
            .await?;
        let proof = self.prove(follow).await?;
        let wanted = self.wanted_sum().await?;
        if proof.sum == wanted {
            return Ok((wanted, proof.by));
        }
        // Either the source is not what it should be, or something went wrong on the way.
        let lacking = self.lacking(&whole(self.item.bytes)).await?.all();
        if lacking.is_empty() {
            let proof = self.once_more(proof, wanted).await?;
            if proof.sum == wanted {
                return Ok((wanted, proof.by));
            }
            return Err(self.not_the_wanted_one(wanted, proof.sum));
        }
        let mut follow = Follow::default();
        self.pump(lacking, Zeros::All, self.item.bytes, &mut follow)
            .await?;
        let proof = self.prove(follow).await?;
        let proof = self.once_more(proof, wanted).await?;
        if proof.sum == wanted {
            Ok((wanted, proof.by))
        } else {
            Err(self.arrived_wrong(wanted, proof.sum).into())
        }
    }

    async fn prove(&self, follow: Follow) -> Result<Proof, Fault> {
        self.work.meter.settle(self.item.bytes, 0, Instant::now());
        self.work.meter.phase(Phase::Proving, Instant::now());
        if let Some((sum, by)) = follow.finish(self.work).await {
            let along = true;
            return Ok(Proof { sum, by, along });
        }
        self.sum_of_all().await
    }

    /// The same, with a sum of the whole file where only one that was taken along the way, which
    /// skips what the host says is a hole, speaks against it.
    async fn once_more(&self, proof: Proof, wanted: Sum) -> Result<Proof, Fault> {
        if proof.along && proof.sum != wanted {
            self.sum_of_all().await
        } else {
            Ok(proof)
        }
    }

    async fn sum_of_all(&self) -> Result<Proof, Fault> {
        let (sum, by) = self.work.sum(&self.part(), self.item.bytes).await?;
        let along = false;
        Ok(Proof { sum, by, along })
    }

    pub(super) fn part(&self) -> String {
        self.work.to.part_name(&self.item.name)
    }

    /// Sends stretches, over as many sessions as it takes. Nothing that is proven to be there is
    /// sent again, and only such zeros as are wanted. The destination sums along, up to `until` at
    /// most.
    async fn pump(
        &self,
        mut todo: Vec<Range<u64>>,
        zeros: Zeros,
        until: u64,
        follow: &mut Follow,
    ) -> Result<(), TransferError> {
        let patience = self.work.patience;
        let mut wait = patience.first;
        let mut waited = Duration::ZERO;
        let mut alone = false;
        while !todo.is_empty() {
            self.work.meter.phase(Phase::Sending, Instant::now());
            let End::Broken {
                offered,
                stored,
                beside_broke,
                why,
            } = self.session(&todo, zeros, until, follow, alone).await?
            else {
                return Ok(());
            };
            // Something on the way may let one through, and no more.
            alone |= beside_broke;
            if waited >= patience.total {
                return Err(self.gave_up(&why, length(&todo)).into());
            }
            self.work.meter.phase(Phase::Reconnecting, Instant::now());
            tokio::time::sleep(wait).await;
            let left = length(&todo);
            let (before, behind) = split(&todo, offered);
            let mut again = if stored {
                Vec::new()
            } else {
                self.lacking(&before).await?.all()
            };
            again.extend(behind);
            todo = join(again);
            if length(&todo) < left {
                (wait, waited) = (patience.first, Duration::ZERO);
            } else {
                waited += wait;
                wait = (wait * 2).min(patience.longest);
            }
        }
        Ok(())
    }

    /// One session's worth of data, announced as one write.
    async fn session(
        &self,
        todo: &[Range<u64>],
        zeros: Zeros,
        until: u64,
        follow: &mut Follow,
        alone: bool,
    ) -> Result<End, TransferError> {
        let (op, file) = match self.open(todo).await? {
            Ok(opened) => opened,
            Err(why) => {
                return Ok(End::Broken {
                    offered: todo.first().map_or(0, |range| range.start),
                    stored: true,
                    beside_broke: false,
                    why,
                });
            }
        };
        if file.confirmed(0).is_some() {
            follow.start(self.work, &self.part(), self.item.bytes).await;
        }
        let poured = self.pour(file, todo, zeros, until, follow, alone).await;
        self.close(op, poured, follow).await
    }

    /// Announces the data and opens its file; the inner error is a link that may come back.
    async fn open(
        &self,
        todo: &[Range<u64>],
    ) -> Result<Result<(OpId, RemoteFile), HostError>, TransferError> {
        let (writes, to) = (&self.work.writes, &self.work.to);
        let shown = to.announce(&self.part(), length(todo));
        let intent = writes.intend(to.host.name(), shown, true).await?;
        let op = intent.op();
        let (path, access) = (to.path(&self.part()), FileAccess::Write(intent));
        let opened = to.host.open_file(to.lane, &path, access);
        let error = match opened.await {
            Ok(file) => return Ok(Ok((op, file))),
            Err(error) => error,
        };
        writes
            .finished(op, Written::NotSent(error.to_string()))
            .await?;
        if error.passing() {
            return Ok(Err(error));
        }
        Err(self.refused(&error, 0).await.into())
    }

    /// Tells what became of the data that was announced.
    async fn close(
        &self,
        op: OpId,
        poured: Poured,
        follow: &mut Follow,
    ) -> Result<End, TransferError> {
        let writes = &self.work.writes;
        match poured.end {
            PourEnd::All => {
                writes.finished(op, Written::Sent(poured.bytes)).await?;
                Ok(End::Done)
            }
            PourEnd::SourceLost(why) => {
                writes.finished(op, Written::Sent(poured.bytes)).await?;
                Ok(End::Broken {
                    offered: poured.offered,
                    stored: true,
                    beside_broke: false,
                    why,
                })
            }
            PourEnd::SourceFailed(fault) => {
                writes.finished(op, Written::Sent(poured.bytes)).await?;
                Err(fault.into())
            }
            PourEnd::TargetLost(why) => {
                // A host that went down may have lost what it had confirmed.
                follow.forget();
                writes.lost(op, why.to_string()).await?;
                Ok(End::Broken {
                    offered: poured.offered,
                    stored: false,
                    beside_broke: poured.beside_broke,
                    why,
                })
            }
            PourEnd::TargetFailed(why) => {
                writes
                    .finished(op, Written::Failed(why.to_string()))
                    .await?;
                Err(self.refused(&why, poured.bytes).await.into())
            }
        }
    }

    fn state(&self) -> String {
        format!(
            "what arrived of it stays in {} as {}",
            self.work.to.folder,
            self.part()
        )
    }

    async fn refused(&self, why: &HostError, sent: u64) -> Fault {
        let to = &self.work.to;
        let mut fault = why.fault(to.host.name());
        fault.what = format!("writing {} failed: {why}", self.item.name);
        fault.place = to.place();
        fault.state = format!("{} went out in this session; {}", size(sent), self.state());
        if matches!(why, HostError::File { .. }) {
            let room = match self.work.free().await {
                Some(free) => format!("{} free on that volume; ", size(free)),
                None => String::new(),
            };
            fault.next = format!(
                "{room}the file needs {} in all: make room if it is full, or correct the permissions, then retry (what is \
                 proven is not sent again)",
                size(self.item.bytes)
            );
        }
        fault
    }

    fn gave_up(&self, why: &HostError, left: u64) -> Fault {
        Fault::new(
            format!("sending {} stalled: {why}", self.item.name),
            self.work.to.place(),
            format!("{} not proven there; {}", size(left), self.state()),
            "see to the link or the host, then retry: what is proven is not sent again. Where something on the way lets commands \
             through and no further session for data, say `bulk_session: false` at the host in the runbook",
        )
        .passing()
    }

    /// Everything arrived as it lies at the source, and that is not what it should be.
    fn not_the_wanted_one(&self, wanted: Sum, sum: Sum) -> TransferError {
        if self.item.recorded {
            let (place, state) = (self.source.place(), self.state());
            Corrupt::of(&self.item.name, (sum, wanted), place, state)
        } else {
            self.changed(wanted, sum).into()
        }
    }

    pub(super) fn changed(&self, wanted: Sum, sum: Sum) -> Fault {
        Fault::new(
            format!(
                "{} changed while it was copied: its sum was {wanted}, now it is {sum}",
                self.item.name
            ),
            self.source.place(),
            self.state(),
            "make sure that the VM is off and nothing writes to its files, then retry",
        )
    }

    fn arrived_wrong(&self, wanted: Sum, sum: Sum) -> Fault {
        Fault::new(
            format!(
                "{} did not arrive as it was sent, twice: its sum is {sum} instead of {wanted}",
                self.item.name
            ),
            self.work.to.place(),
            self.state(),
            "suspect memory or storage of that host: check them, or restore to another host",
        )
    }
}
