//! What lies on the disks of a simulated VM: seeded data with holes, in generations that differ in
//! a few places, as backups of one disk do.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::esxi::boot_sector;
use super::seed::Draw;

/// Data comes in pieces of at least this many bytes.
const PIECE: u64 = 64 << 10;
/// The share of pieces that hold data, in percent.
const FILLED: u64 = 30;
/// The share of filled pieces that change from one generation to the next, in percent.
const CHANGED: u64 = 4;

/// One disk at one time.
pub(super) struct Disk<'a> {
    /// The site's seed.
    pub(super) seed: u64,
    /// The guest whose disk it is.
    pub(super) guest: &'a str,
    /// 0 is the system disk.
    pub(super) index: usize,
    /// Its size in bytes.
    pub(super) bytes: u64,
    /// 0 is the oldest.
    pub(super) generation: u64,
}

impl Disk<'_> {
    /// Writes the flat file, sparse.
    ///
    /// # Errors
    /// As the file system's.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)?;
        file.set_len(self.bytes)?;
        let piece = PIECE.max((self.bytes / 4096) & !4095);
        let label = |what: &str, at: u64| format!("disk {} {} {what} {at}", self.guest, self.index);
        for number in 1..self.bytes.div_ceil(piece) {
            let at = number * piece;
            if Draw::new(self.seed, &label("filled", number)).below(100) >= FILLED {
                continue;
            }
            // The newest generation in which this piece was written.
            let written = (1..=self.generation)
                .rev()
                .find(|generation| {
                    let what = format!("changed {generation}");
                    Draw::new(self.seed, &label(&what, number)).below(100) < CHANGED
                })
                .unwrap_or(0);
            let length = usize::try_from(piece.min(self.bytes - at)).unwrap_or(0);
            let what = format!("data {written}");
            file.write_all_at(
                &Draw::new(self.seed, &label(&what, number)).bytes(length),
                at,
            )?;
        }
        // The first piece is the guest's own: what it boots from, and where it writes its diary.
        if self.index == 0 {
            file.write_all_at(&boot_sector(self.guest), 0)?;
        }
        Ok(())
    }
}
