//! `dd`, as BusyBox spells it.

use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Instant;

use super::{Call, Outcome};
use crate::sim::stdio::Source;
use crate::sim::vfs::{WriteMode, reason};

/// A size with the suffix that BusyBox knows: `c w b k K M G`, `kB` and the like in thousands.
pub(super) fn size(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let factor: u64 = match suffix {
        "" | "c" => 1,
        "w" => 2,
        "b" => 512,
        "k" | "K" => 1 << 10,
        "kD" | "kB" | "KB" => 1000,
        "M" | "m" => 1 << 20,
        "MB" | "MD" => 1_000_000,
        "G" | "g" => 1 << 30,
        "GB" | "GD" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

struct Plan {
    input: Option<String>,
    output: Option<String>,
    block: u64,
    count: Option<u64>,
    skip: u64,
    seek: u64,
    keep: bool,
    sync: bool,
}

fn plan(call: &Call) -> Result<Plan, i32> {
    let mut plan = Plan {
        input: None,
        output: None,
        block: 512,
        count: None,
        skip: 0,
        seek: 0,
        keep: false,
        sync: false,
    };
    for arg in &call.args {
        let Some((key, value)) = arg.split_once('=') else {
            return Err(call.fail(&format!("unknown operand {arg}")));
        };
        let number = || size(value).ok_or_else(|| call.fail(&format!("invalid number '{value}'")));
        match key {
            "if" => plan.input = Some(value.to_owned()),
            "of" => plan.output = Some(value.to_owned()),
            "bs" => plan.block = number()?,
            "count" => plan.count = Some(number()?),
            "skip" => plan.skip = number()?,
            "seek" => plan.seek = number()?,
            "status" => {}
            "conv" => {
                for word in value.split(',') {
                    match word {
                        "notrunc" => plan.keep = true,
                        "fsync" => plan.sync = true,
                        "noerror" | "sync" => {}
                        _ => {
                            return Err(call.fail(&format!("invalid argument '{value}' to 'conv'")));
                        }
                    }
                }
            }
            _ => return Err(call.fail(&format!("unknown operand {arg}"))),
        }
    }
    if plan.block == 0 || plan.block > 256 << 20 {
        return Err(call.fail("invalid number for bs"));
    }
    Ok(plan)
}

/// `dd if= of= bs= count= skip= seek= conv=notrunc,fsync`
pub(super) fn dd(call: &mut Call) -> Outcome {
    let plan = match plan(call) {
        Ok(plan) => plan,
        Err(status) => return Ok(status),
    };
    let begun = Instant::now();
    let input = plan.input.as_deref().unwrap_or("-");
    let source = match call.source(input) {
        Ok(source) => source,
        Err(error) => return Ok(call.fail(&format!("can't open '{input}': {}", reason(&error)))),
    };
    let mut output = None;
    if let Some(path) = &plan.output
        && path != "/dev/null"
    {
        let mode = WriteMode {
            truncate: !plan.keep && plan.seek == 0,
            ..WriteMode::default()
        };
        match call.host.vfs.open_write(&call.path(path), mode) {
            Ok((mut file, real)) => {
                let start = plan.seek.saturating_mul(plan.block);
                let placed = if plan.keep || plan.seek == 0 {
                    Ok(())
                } else {
                    file.set_len(start)
                };
                if let Err(error) =
                    placed.and_then(|()| file.seek(SeekFrom::Start(start)).map(|_| ()))
                {
                    return Ok(call.fail_on(path, &error));
                }
                output = Some((file, real));
            }
            Err(error) => return Ok(call.fail(&format!("can't open '{path}': {}", reason(&error)))),
        }
    }
    skip(call, &source, plan.skip.saturating_mul(plan.block))?;
    let mut buffer = vec![0; usize::try_from(plan.block).unwrap_or(512)];
    let (mut full, mut partial, mut bytes) = (0_u64, 0_u64, 0_u64);
    while plan.count.is_none_or(|count| full + partial < count) {
        // One read a block: from a pipe a block may be partial, as on a real host.
        let read = call.read_from(&source, &mut buffer)?;
        if read == 0 {
            break;
        }
        if read as u64 == plan.block {
            full += 1
        } else {
            partial += 1
        }
        let chunk = buffer.get(..read).unwrap_or_default();
        match &mut output {
            Some((file, real)) => {
                let written = call
                    .host
                    .vfs
                    .make_room(real, read as u64)
                    .and_then(|()| file.write_all(chunk));
                if let Err(error) = written {
                    let path = plan.output.as_deref().unwrap_or_default();
                    return Ok(call.fail(&format!("error writing '{path}': {}", reason(&error))));
                }
            }
            None if plan.output.is_none() => call.out_bytes(chunk)?,
            None => {}
        }
        bytes += read as u64;
    }
    if let (true, Some((file, _))) = (plan.sync, &output)
        && let Err(error) = file.sync_all()
    {
        return Ok(call.fail(&format!("fsync: {}", reason(&error))));
    }
    let seconds = begun.elapsed().as_secs_f64().max(0.000_001);
    call.err(&format!(
        "{full}+{partial} records in\n{full}+{partial} records out\n"
    ));
    call.err(&format!(
        "{bytes} bytes ({}B) copied, {seconds:.6} seconds, {}B/s\n",
        human(bytes as f64),
        human(bytes as f64 / seconds)
    ));
    Ok(0)
}

fn skip(call: &Call, source: &Source, bytes: u64) -> Result<(), super::Halt> {
    if let Source::File(file) = source {
        let mut file = file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = file.seek(SeekFrom::Current(i64::try_from(bytes).unwrap_or(i64::MAX)));
        return Ok(());
    }
    let mut left = bytes;
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = call.read_from(source, buffer.get_mut(..most).unwrap_or_default())?;
        if read == 0 {
            break;
        }
        left -= read as u64;
    }
    Ok(())
}

fn human(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["", "K", "M", "G"] {
        if value < 1024.0 {
            return format!("{value:.1}{unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1}T")
}

/// Reads until the buffer is full or the file ends.
pub(super) fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let read = file.read(buffer.get_mut(done..).unwrap_or_default())?;
        if read == 0 {
            break;
        }
        done += read;
    }
    Ok(done)
}
