//! Which step waits for which, and an order in which one person can walk them.
//!
//! - A phase begins when everything of the phase before is over.
//! - In a phase with `for_each`, the steps of one VM are a chain, and chains run side by side. In a
//!   phase without, the steps follow one another as they stand: nobody expects the command below a
//!   question to run before it is answered.
//! - Across the chains of a phase, `power_on` waits for the last `ready` (without one, the last
//!   `power_on`) of each VM that it needs, and of each VM with the next smaller priority number, so that
//!   a smaller number means *serves* earlier. `shut_down` and `power_off` wait, the other way round, for the
//!   last such step of the VMs that need it, and of those with the next larger number.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::expand::Expanded;
use super::{ActionSpec, PlanError, Step};
use crate::names::VmName;
use crate::runbook::model::Runbook;

/// The runbook's VMs in the order in which an operator walks them: by priority, then what is needed
/// before what needs it, then as in the file.
pub(super) fn vm_order(runbook: &Runbook) -> Vec<VmName> {
    let index_of = |name: &VmName| runbook.vms.get_index_of(name);
    let mut waits: Vec<usize> = vec![0; runbook.vms.len()];
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); runbook.vms.len()];
    for (index, vm) in runbook.vms.values().enumerate() {
        for need in vm.needs.iter().filter_map(index_of) {
            needed_by[need].push(index);
            waits[index] += 1;
        }
    }
    let key = |index: usize| (runbook.vms[index].priority, index);
    let mut free: BTreeSet<(u8, usize)> = (0..waits.len())
        .filter(|index| waits[*index] == 0)
        .map(key)
        .collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some((_, index)) = free.pop_first() {
        order.extend(runbook.vms.get_index(index).map(|(name, _)| name.clone()));
        for next in &needed_by[index] {
            waits[*next] -= 1;
            if waits[*next] == 0 {
                free.insert(key(*next));
            }
        }
    }
    order
}

/// Sets every step's `after` and puts the steps in order.
pub(super) fn order(
    runbook: &Runbook,
    mut expanded: Vec<Expanded>,
) -> Result<Vec<Step>, PlanError> {
    let order = vm_order(runbook);
    let ranks: HashMap<&VmName, usize> = order
        .iter()
        .enumerate()
        .map(|(rank, vm)| (vm, rank))
        .collect();
    let rank_of = |step: &Step| {
        step.subject
            .vm()
            .and_then(|vm| ranks.get(vm))
            .map_or(0, |rank| rank + 1)
    };
    // Stable: the steps of one VM, and those of a phase that is not repeated, stay as they stand.
    expanded.sort_by_key(|one| (one.phase, if one.repeated { rank_of(&one.step) } else { 0 }));

    let mut after: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); expanded.len()];
    let mut barrier: Vec<usize> = Vec::new();
    let mut start = 0;
    for phase in expanded.chunk_by(|one, next| one.phase == next.phase) {
        let range = start..start + phase.len();
        start = range.end;
        chains(phase, range.start, &mut after);
        across_chains(runbook, phase, range.start, &mut after);
        for index in range.clone() {
            if after[index].is_empty() {
                after[index].extend(&barrier);
            }
        }
        let waited_for: BTreeSet<usize> = range.clone().flat_map(|i| after[i].clone()).collect();
        barrier = range.filter(|index| !waited_for.contains(index)).collect();
    }
    let walk = walk(&expanded, &after)?;
    Ok(renumber(expanded, &after, &walk))
}

/// Each step after the one before it in its chain.
fn chains(phase: &[Expanded], start: usize, after: &mut [BTreeSet<usize>]) {
    for (index, pair) in phase.windows(2).enumerate() {
        let [one, next] = pair else { continue };
        if !next.repeated || one.step.subject == next.step.subject {
            after[start + index + 1].insert(start + index);
        }
    }
}

/// What `needs` and `priority` add within a phase that is repeated for each VM.
fn across_chains(
    runbook: &Runbook,
    phase: &[Expanded],
    start: usize,
    after: &mut [BTreeSet<usize>],
) {
    if !phase.iter().any(|one| one.repeated) {
        return;
    }
    let last = |wanted: fn(&ActionSpec) -> bool| -> BTreeMap<&VmName, usize> {
        let found = phase
            .iter()
            .enumerate()
            .filter(|(_, one)| wanted(&one.step.action));
        found
            .filter_map(|(index, one)| Some((one.step.subject.vm()?, start + index)))
            .collect()
    };
    let mut serves = last(|action| matches!(action, ActionSpec::PowerOn { .. }));
    let powered: Vec<&VmName> = serves.keys().copied().collect();
    for (vm, ready) in last(|action| matches!(action, ActionSpec::Ready { .. })) {
        if let Some(serves) = serves.get_mut(vm) {
            *serves = (*serves).max(ready);
        }
    }
    let stopped = last(|action| {
        matches!(
            action,
            ActionSpec::ShutDown { .. } | ActionSpec::PowerOff { .. }
        )
    });
    let starts_after = neighbours(runbook, &powered, Direction::Starts);
    let stopping: Vec<&VmName> = stopped.keys().copied().collect();
    let stops_after = neighbours(runbook, &stopping, Direction::Stops);
    for (index, one) in phase.iter().enumerate() {
        let (waits, ends) = match &one.step.action {
            ActionSpec::PowerOn { vm } => (starts_after.get(vm), &serves),
            ActionSpec::ShutDown { vm } | ActionSpec::PowerOff { vm } => {
                (stops_after.get(vm), &stopped)
            }
            _ => continue,
        };
        for vm in waits.into_iter().flatten() {
            after[start + index].extend(ends.get(vm));
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Starts,
    Stops,
}

/// For each VM of a phase, those of the same phase that come right before it. The VMs of one priority
/// wait for those of the next one only; the rest follows from that.
fn neighbours<'r>(
    runbook: &'r Runbook,
    vms: &[&'r VmName],
    direction: Direction,
) -> BTreeMap<&'r VmName, BTreeSet<&'r VmName>> {
    let mut groups: BTreeMap<u8, Vec<&VmName>> = BTreeMap::new();
    let mut before: BTreeMap<&VmName, BTreeSet<&VmName>> = BTreeMap::new();
    for name in vms.iter().copied() {
        let Some(vm) = runbook.vms.get(name) else {
            continue;
        };
        groups.entry(vm.priority).or_default().push(name);
        for need in vms.iter().copied().filter(|need| vm.needs.contains(need)) {
            let (later, earlier) = if direction == Direction::Starts {
                (name, need)
            } else {
                (need, name)
            };
            before.entry(later).or_default().insert(earlier);
        }
    }
    let mut groups: Vec<Vec<&VmName>> = groups.into_values().collect();
    if direction == Direction::Stops {
        groups.reverse();
    }
    for pair in groups.windows(2) {
        let [earlier, later] = pair else { continue };
        for vm in later {
            before.entry(*vm).or_default().extend(earlier);
        }
    }
    before
}

/// A topological order that stays with a VM as long as it can, and else takes the first step of the
/// list that is free.
fn walk(expanded: &[Expanded], after: &[BTreeSet<usize>]) -> Result<Vec<usize>, PlanError> {
    let mut waits: Vec<usize> = after.iter().map(BTreeSet::len).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (index, after) in after.iter().enumerate() {
        for earlier in after {
            followers[*earlier].push(index);
        }
    }
    let mut free: BTreeSet<usize> = (0..waits.len())
        .filter(|index| waits[*index] == 0)
        .collect();
    let mut walk = Vec::with_capacity(waits.len());
    let mut next = free.pop_first();
    while let Some(index) = next {
        walk.push(index);
        for follower in &followers[index] {
            waits[*follower] -= 1;
            if waits[*follower] == 0 {
                free.insert(*follower);
            }
        }
        next = if free.remove(&(index + 1)) {
            Some(index + 1)
        } else {
            free.pop_first()
        };
    }
    if walk.len() == waits.len() {
        return Ok(walk);
    }
    let stuck = expanded.iter().zip(&waits).filter(|(_, waits)| **waits > 0);
    let (one, _) = stuck.clone().next().ok_or(PlanError::Empty)?;
    Err(PlanError::Circle {
        line: one.step.line,
        steps: stuck.map(|(one, _)| one.step.id.clone()).collect(),
    })
}

/// The steps in the order of the walk, with `after` in its terms.
fn renumber(expanded: Vec<Expanded>, after: &[BTreeSet<usize>], walk: &[usize]) -> Vec<Step> {
    let mut position = vec![0; walk.len()];
    for (at, index) in walk.iter().enumerate() {
        position[*index] = at;
    }
    let mut steps: Vec<(usize, Step)> = Vec::with_capacity(walk.len());
    for (index, one) in expanded.into_iter().enumerate() {
        let mut step = one.step;
        step.after = after[index]
            .iter()
            .map(|earlier| position[*earlier])
            .collect();
        step.after.sort_unstable();
        steps.push((position[index], step));
    }
    steps.sort_by_key(|(position, _)| *position);
    steps.into_iter().map(|(_, step)| step).collect()
}
