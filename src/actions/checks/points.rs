//! Looking at the restore points of a VM.

use std::time::Duration;

use crate::actions::context::Ctx;
use crate::actions::moving;
use crate::actions::words::span;
use crate::clock::to_second;
use crate::engine::Fact;
use crate::names::{BackupName, VmName};
use crate::runbook::model::{Mode, PointChoice};
use crate::transfer::{self, Point, choose};

use super::Looked;

/// What stands between a point and its age.
pub(super) const TAKEN: &str = " was taken ";

pub(super) async fn point(
    ctx: &Ctx,
    vm: &str,
    backup: Option<&BackupName>,
    most: Option<Duration>,
) -> Looked {
    let name = VmName::from(vm);
    let backup = backup_of(ctx, &name, backup)?;
    let Some(most) = most.or_else(|| ctx.runbook.rpo(&name)) else {
        return Err("the runbook gives it no RPO and the check no age".to_owned());
    };
    let point = newest(ctx, &name, backup).await?;
    let info = ctx.state.info.as_ref();
    let until = info.and_then(|info| info.outage_at);
    let (until, of) = match until {
        Some(outage) if ctx.mode != Mode::Drill => (outage, "before the outage"),
        _ => (ctx.clock.now(), "ago"),
    };
    let old = Duration::try_from(point.stamp.age_at(until)).unwrap_or_default();
    let said = format!("{}{TAKEN}{} {of}", point.name, span(old));
    if old <= most { Ok(said) } else { Err(said) }
}

/// Whether a VM that moved is backed up where it runs now, and the fact that it is.
pub(super) async fn protected_again(
    ctx: &Ctx,
    vm: &str,
    backup: Option<&BackupName>,
) -> Result<(String, Option<Fact>), String> {
    let vm = VmName::from(vm);
    let backup = backup_of(ctx, &vm, backup)?;
    let not_looked = |why: &str| Ok((format!("not looked at: {why}"), None));
    match ctx.mode {
        Mode::Drill => return not_looked("nothing backs up what a drill brought up"),
        Mode::Practice => return not_looked("the simulated site makes no backups"),
        Mode::Failover | Mode::Planned | Mode::Failback => {}
    }
    let Some(moved) = ctx.state.moved_at(&vm) else {
        return Err("this run has not moved it".to_owned());
    };
    let point = newest(ctx, &vm, backup).await?;
    let at = to_second(moved);
    let old = point.stamp.age_at(moved);
    if old.is_positive() {
        let before = span(Duration::try_from(old).unwrap_or_default());
        return Err(format!(
            "{}, the newest in {backup}, was taken {before} before it moved at {at}",
            point.name
        ));
    }
    let said = format!(
        "{} in {backup} was taken since it moved at {at}",
        point.name
    );
    let fact = Fact::ProtectedAgain {
        vm,
        backup: backup.clone(),
        point: point.name,
    };
    Ok((said, Some(fact)))
}

/// The newest sound point of a VM in a backup.
async fn newest(ctx: &Ctx, vm: &VmName, backup: &BackupName) -> Result<Point, String> {
    let Some(described) = ctx.runbook.backups.get(backup) else {
        return Err(format!("the runbook has no backup {backup}"));
    };
    let folder = moving::source(ctx, described, vm).map_err(|fault| fault.what)?;
    let points = if ctx.runbook.is_restored_by_file(vm) {
        transfer::points_of_files(&folder, vm.as_str(), &[]).await
    } else {
        transfer::points(&folder, vm.as_str()).await
    };
    let points = points.map_err(|fault| fault.what)?;
    let chosen = choose(&points, &PointChoice::Latest).map_err(|why| why.to_string())?;
    Ok(chosen.point.clone())
}

/// The backup that is given, or the VM's own.
fn backup_of<'b>(
    ctx: &'b Ctx,
    vm: &VmName,
    given: Option<&'b BackupName>,
) -> Result<&'b BackupName, String> {
    let own = || ctx.runbook.vms.get(vm)?.backup.as_ref();
    let backup = given.or_else(own);
    backup.ok_or_else(|| "the runbook gives it no backup".to_owned())
}
