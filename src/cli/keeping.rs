//! `lifeboat cleanup DRILL --keep-disks`: a drill taken down for an emergency, its disks kept for the
//! live restore to start from.

use crate::engine::{Closing, Opening, opening};
use crate::error::Fault;

use super::args::EndArgs;
use super::console::{Conclusion, Console};
use super::ending::walk;
use super::exit::Failure;
use super::leaving::{Asked, why};
use super::past::Past;
use super::resume::free;

/// Opens that cleanup, or goes on with it, and walks it.
///
/// # Errors
/// Status 3 where there are no disks to keep, or another ending was begun; 4 where nobody says why.
pub(super) async fn keep_disks(
    console: &mut Console,
    args: &EndArgs,
) -> Result<Conclusion, Failure> {
    let past = Past::read(free(console.store.find(&args.run)?)?)?.whole()?;
    let run = &past.folder.id;
    let keeping = match opening(Closing::KEEPING, run, &past.state()) {
        Opening::New | Opening::AfterLeaving => {
            let asked = Asked {
                title: format!("Go live from the disks of drill {run}"),
                intro: "The drill is cleaned up, but the folders with its disks stay. A live run then sends \
                        only what differs from them; its copies do not go live."
                    .to_owned(),
                prompt: "Why are its disks kept?".to_owned(),
                unasked: "nothing was begun; the drill is as it was",
                unsaid: Fault::new(
                    "nobody said why its disks are kept",
                    format!("run {run}"),
                    "the drill is as it was; nothing was sent to any host",
                    "give --reason TEXT",
                ),
            };
            Some(why(console, args, asked).await?)
        }
        _ => None,
    };
    walk(console, Closing::KEEPING, args, past, keeping).await
}
