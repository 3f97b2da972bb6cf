//! Restore points of machines whose files are restored, not their disks.

use super::catalogue::points_for;
use super::flaw::Flaw;
use super::layout::{Dated, PointKind};
use super::point::Point;
use super::source::Folder;
use crate::error::Fault;
use crate::runbook::model::PointChoice;

/// The restore points of such a machine, newest first, as [`points_for`] gives them. Which of its files are wanted is the business of
/// whatever restores them: a tool's point has none here, and what the tool calls it as its path.
///
/// # Errors
/// As of [`points_for`].
pub async fn points_of_files(
    backup: &Folder,
    vm: &str,
    wanted: &[PointChoice],
) -> Result<Vec<Point>, Fault> {
    if let Folder::Stream(stream) = backup {
        let times = stream.join(vm).times().await?;
        let point = |(stamp, id)| Point {
            stamp,
            dated: Dated::Name,
            kind: PointKind::Plain,
            name: stamp.to_string(),
            path: id,
            files: Vec::new(),
            logs: Vec::new(),
            left_behind: Vec::new(),
            verified: false,
            renamed: Vec::new(),
            remarks: Vec::new(),
            flaws: Vec::new(),
        };
        return Ok(times.into_iter().map(point).collect());
    }
    let mut points = points_for(backup, vm, wanted).await?;
    // Files of a machine are no VM: that there is no .vmx among them is no flaw.
    let is_flaw = |flaw: &Flaw| !matches!(flaw, Flaw::NotOneVmx { names } if names.is_empty());
    for point in &mut points {
        point.flaws.retain(is_flaw);
    }
    Ok(points)
}
