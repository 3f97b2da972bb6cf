//! Restore points and the ways of bringing their files to a host.
//!
//! The invariant: a file gets its final name, the `.vmx` last of all, only after the destination's
//! own sum equals the source's; until then it lies beside it under a name that carries the run's id.
//! Where the host can, it takes that sum while the file arrives (`follow`); a source that nobody
//! recorded a sum of is summed while it is read to be sent (`reading`). Small files go by one command
//! each, which writes, proves and names them (`small`).
//! Nothing that this run did not make is overwritten or deleted.
//!
//! Where a disk of the same name and size is there, or was left in another folder for that (`seed`),
//! the new one is made from a clone of it, and only the blocks that differ travel.
//!
//! No record of progress is kept: after a dropped link or a crash both ends are asked for the sums
//! of stretches, and what the destination proves to have is not sent again. The way through:
//! [`points`] and [`choose`](choose()), a [`Delivery`], its [`glance`](Delivery::glance),
//! [`preview`](Delivery::preview) and [`bring`](Delivery::bring), which announces each write through
//! [`Writes`].

mod backup;
mod blocks;
mod bring;
mod bulk;
mod by_file;
mod catalogue;
mod chain;
mod choose;
mod clone;
mod compare;
mod convert;
mod deliver;
mod flaw;
mod follow;
mod grade;
mod layout;
mod observe;
mod own_files;
mod patch;
mod point;
mod pour;
mod preview;
mod progress;
mod ranges;
mod reading;
mod seed;
mod shelf;
mod size;
mod small;
mod source;
mod staging;
mod stream;
mod sums;
mod survey;
mod target;
mod together;
mod writes;

#[cfg(test)]
mod tests;

pub use backup::tool_secrets;
pub use by_file::points_of_files;
pub use catalogue::{newest_vmx, points, points_for, vmx_of};
pub use choose::{Chosen, NoPoint, choose};
pub use deliver::{Against, Delivery, Item, Landed, Landing, Mover};
pub use flaw::Flaw;
pub use grade::Grade;
pub use layout::{Dated, PointKind, Stamp};
pub use observe::{Observed, Standing};
pub use own_files::{VmFiles, vm_files, vm_files_on};
pub use patch::{Base, Whole};
pub use point::{Point, PointFile};
pub use progress::{Phase, Progress, Tell};
pub use seed::{Seed, Seeds};
pub use size::size;
pub use source::Folder;
pub use stream::{RunsOn, Stream};
pub use sums::{ParseSumError, Sum, SumsError, is_plain_name, parse_sums};
pub use survey::{Survey, Takes};
pub use target::{Patience, SummedBy, Target};
pub use writes::{Corrupt, TransferError, Writes, Written};
