//! `df`: by volume on ESXi, by mount point elsewhere.

use super::listing::human;
use super::{Call, Outcome};
use crate::sim::host::Volume;

/// `df [-h] [-k] [-P] [paths]`
pub(super) fn df(call: &mut Call) -> Outcome {
    let options = match call.options("hkPmTa", "B") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let mut shown: Vec<&Volume> = Vec::new();
    let mut status = 0;
    for path in &options.operands {
        match call.host.vfs.real(&call.path(path), true) {
            Ok(real) if real.exists() => shown.extend(call.host.volume_of(&real)),
            _ => status = call.fail(&format!("{path}: can't find mount point")),
        }
    }
    if options.operands.is_empty() {
        shown = call
            .host
            .volumes
            .iter()
            .filter(|volume| !volume.hidden)
            .collect();
    }
    let esxi = call.host.esxi.is_some();
    let unit = |bytes: u64| {
        if options.has('h') {
            human(bytes)
        } else if options.has('k') || options.has('P') || !esxi {
            (bytes / 1024).to_string()
        } else {
            bytes.to_string()
        }
    };
    let mut rows = Vec::new();
    for volume in &shown {
        let (size, free) = call.host.space(volume);
        let used = size.saturating_sub(free);
        let percent = (used * 100).div_ceil(size.max(1));
        let source = if esxi {
            call.host.kind_of(volume).to_owned()
        } else {
            volume.uuid.clone()
        };
        rows.push((
            source,
            unit(size),
            unit(used),
            unit(free),
            format!("{percent}%"),
            volume.mount(),
        ));
    }
    if esxi {
        // Layout of `df -h` on 6.5 as captured; plain `df` and `-k` only widen the numbers.
        let wide = if options.has('h') { 8 } else { 14 };
        let kind = rows
            .iter()
            .map(|row| row.0.len())
            .max()
            .unwrap_or(0)
            .max(10);
        let head = if options.has('h') {
            "Size"
        } else if options.has('k') {
            "1k-blocks"
        } else {
            "Bytes"
        };
        call.out(&format!(
            "{:<kind$} {head:>w1$} {:>w2$} {:>9} {:>4} Mounted on\n",
            "Filesystem",
            "Used",
            "Available",
            "Use%",
            w1 = wide - 2,
            w2 = wide - 2,
        ))?;
        for (source, size, used, free, percent, mount) in rows {
            call.out(&format!(
                "{source:<kind$} {size:>w1$} {used:>w2$} {free:>9} {percent:>4} {mount}\n",
                w1 = wide - 2,
                w2 = wide - 2,
            ))?;
        }
        return Ok(status);
    }
    let head = if options.has('h') {
        "Size"
    } else {
        "1K-blocks"
    };
    call.out(&format!(
        "{:<20} {head:>10} {:>9} {:>9} {:>4} Mounted on\n",
        "Filesystem", "Used", "Available", "Use%"
    ))?;
    for (source, size, used, free, percent, mount) in rows {
        call.out(&format!(
            "{source:<20} {size:>10} {used:>9} {free:>9} {percent:>4} {mount}\n"
        ))?;
    }
    Ok(status)
}
