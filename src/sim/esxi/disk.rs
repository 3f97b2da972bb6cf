//! `vmkfstools`: clone, create, delete, rename, check, locks, space.

mod facts;

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;

use self::facts::{blocks, consistent, locks, space};
use crate::sim::commands::{Call, CopyError, Halt, Outcome, copy_sparse};
use crate::sim::hosted::Hosted;
use crate::sim::seed::Draw;
use crate::sim::vfs::{WriteMode, reason};
use crate::sim::vmx::{Format, descriptor, extents};
use crate::vmfiles::{Descriptor, Runnable};

struct Request {
    action: Option<(char, String)>,
    operand: Option<String>,
    format: String,
    quiet_args: Vec<String>,
}

fn parse(args: &[String]) -> Option<Request> {
    let mut request = Request {
        action: None,
        operand: None,
        format: "zeroedthick".into(),
        quiet_args: Vec::new(),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-i" | "--clonevirtualdisk" => request.action = Some(('i', args.next()?.clone())),
            "-c" | "--createvirtualdisk" => request.action = Some(('c', args.next()?.clone())),
            "-E" | "--renamevirtualdisk" => request.action = Some(('E', args.next()?.clone())),
            "-U" | "--deletevirtualdisk" => request.action = Some(('U', String::new())),
            "-e" | "--chainConsistent" => request.action = Some(('e', String::new())),
            "-D" => request.action = Some(('D', String::new())),
            "-P" | "-Ph" | "-hP" | "--queryfs" => request.action = Some(('P', String::new())),
            "-t0" => request.action = Some(('t', String::new())),
            "-h" => {}
            "-d" | "--diskformat" => request.format = args.next()?.clone(),
            "-a" | "-v" | "-W" => request.quiet_args.push(args.next()?.clone()),
            flag if flag.starts_with('-') => return None,
            _ => request.operand = Some(arg.clone()),
        }
    }
    Some(request)
}

/// `vmkfstools -i SRC [-d FORMAT] DST | -c SIZE DST | -U | -E OLD NEW | -e | -D | -Ph | -t0`
pub(super) fn vmkfstools(call: &mut Call) -> Outcome {
    let Some(request) = parse(&call.args) else {
        call.err("vmkfstools: unknown option. Try -h.\n");
        return Ok(1);
    };
    let (Some((action, value)), Some(operand)) = (&request.action, &request.operand) else {
        call.err("No command or path was given. Extra arguments at the end of the command line.\n");
        return Ok(1);
    };
    if !matches!(
        request.format.as_str(),
        "thin" | "zeroedthick" | "eagerzeroedthick"
    ) {
        call.err(&format!("Invalid disk format '{}'.\n", request.format));
        return Ok(1);
    }
    match action {
        'i' => clone(call, value, operand, &request.format),
        'c' => create(call, value, operand, &request.format),
        'E' => rename(call, value, operand),
        'U' => delete(call, operand),
        'e' => consistent(call, operand),
        'D' => locks(call, operand),
        't' => blocks(call, operand),
        _ => space(call, operand),
    }
}

/// The descriptor's text and the path of its only extent, with the extent's size.
fn open_disk(call: &Call, path: &str) -> Result<(String, String, u64), String> {
    let missing = |file: &str| {
        format!("Failed to open '{file}': The system cannot find the file specified (25).")
    };
    let text = call.host.vfs.read_text(path).map_err(|_| missing(path))?;
    let parts = extents(&text);
    let [part] = parts.as_slice() else {
        return Err(format!(
            "Failed to open '{path}': The file specified is not a virtual disk (15)."
        ));
    };
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let flat = format!("{folder}/{}", part.file);
    match call.host.vfs.metadata(&flat, true) {
        Err(_) => Err(missing(&flat)),
        Ok(meta) if meta.len() != part.bytes => Err(format!(
            "Failed to open '{path}': The specified virtual disk needs repair (14)."
        )),
        Ok(_) => Ok((text, flat, part.bytes)),
    }
}

/// What goes on standard output even if nobody reads it any more: a clone goes on to its end.
fn say(call: &Call, text: &str) -> Result<(), Halt> {
    match call.out(text) {
        Err(killed @ Halt::Killed(_)) => Err(killed),
        _ => Ok(()),
    }
}

fn flat_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{}-flat.vmdk", name.trim_end_matches(".vmdk"))
}

fn describe(format: &str) -> Format {
    if format == "thin" {
        Format::Thin
    } else {
        Format::Thick
    }
}

/// What a clone reads, and how much of it: a disk of the host's own kind, or a hosted one.
fn open_source(call: &Call, path: &str) -> Result<(Box<dyn Read>, u64), String> {
    let failed = |path: &str, said: &str| format!("Failed to open '{path}': {said}.");
    let mut head = Vec::new();
    let opened = call.host.vfs.open(path);
    let read = opened.and_then(|file| file.take(Descriptor::PREFIX as u64).read_to_end(&mut head));
    if read.is_err() {
        return Err(failed(
            path,
            "The system cannot find the file specified (25)",
        ));
    }
    let Ok(disk) = Descriptor::parse(&head) else {
        return Err(failed(
            path,
            "The file specified is not a virtual disk (15)",
        ));
    };
    if disk.runnable() != Runnable::AfterConversion {
        let (_, flat, bytes) = open_disk(call, path)?;
        let file = call.host.vfs.open(&flat);
        let file = file.map_err(|_| failed(path, "Failed to lock the file (16392)"))?;
        return Ok((Box::new(file), bytes));
    }
    let loaded = call
        .host
        .esxi
        .as_ref()
        .is_some_and(|esxi| esxi.multiextent.load(std::sync::atomic::Ordering::Acquire));
    // Without the module that puts the pieces together, a host finds no disk.
    if disk.is_split() && !loaded {
        return Err(failed(
            path,
            "The system cannot find the file specified (25)",
        ));
    }
    let hosted = Hosted::open(&call.host.vfs, path, &disk);
    let hosted = hosted.map_err(|why| failed(&why.path, why.said))?;
    let bytes = hosted.capacity();
    Ok((Box::new(hosted), bytes))
}

fn clone(call: &mut Call, from: &str, to: &str, format: &str) -> Outcome {
    let (source_path, target_path) = (call.path(from), call.path(to));
    let (mut source, bytes) = match open_source(call, &source_path) {
        Ok(source) => source,
        Err(text) => {
            call.err(&format!("{text}\n"));
            return Ok(255);
        }
    };
    if call.host.vfs.exists(&target_path) {
        call.err("Failed to clone disk: The file already exists (39).\n");
        return Ok(255);
    }
    let word = if format == "thin" {
        "thin-provisioned"
    } else {
        format
    };
    say(
        call,
        &format!("Destination disk format: VMFS {word}\nCloning disk '{from}'...\n"),
    )?;
    let folder = target_path
        .rsplit_once('/')
        .map_or("/", |(folder, _)| folder)
        .to_owned();
    let target_flat = format!("{folder}/{}", flat_name(&target_path));
    let opened = call.host.vfs.open_write(
        &target_flat,
        WriteMode {
            truncate: true,
            new: true,
            ..WriteMode::default()
        },
    );
    let (mut target, real) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            call.err(&format!(
                "Failed to clone disk : {} ({}).\n",
                reason(&error),
                code(&error)
            ));
            return Ok(255);
        }
    };
    let breaks_at = call.host.esxi.as_ref().map_or(0, |esxi| {
        esxi.faults
            .clone_breaks_at
            .load(std::sync::atomic::Ordering::Acquire)
    });
    let mut shown = None;
    let (output, errors) = (&*call, &*call);
    let mut progress = |percent: u64| -> Result<(), CopyError> {
        if shown != Some(percent) && percent < 100 {
            shown = Some(percent);
            // Each report overwrites the last one; only the final one ends its line.
            say(output, &format!("\rClone: {percent}% done.")).map_err(CopyError::Halt)?;
        }
        if breaks_at > 0 && percent >= u64::from(breaks_at) {
            return Err(CopyError::Read(std::io::Error::other("Input/output error")));
        }
        Ok(())
    };
    let copied = copy_sparse(
        errors,
        &mut *source,
        (&mut target, &real),
        bytes,
        &mut progress,
    );
    match copied {
        Ok(()) => {}
        Err(CopyError::Halt(halt)) => return Err(halt),
        Err(CopyError::Read(error) | CopyError::Write(error)) => {
            let _ = call.host.vfs.remove(&target_flat);
            // Glued to the progress, as captured.
            return not_cloned(call, &error);
        }
    }
    if describe(format) == Format::Thick
        && let Err(error) = allocate(call, &mut target, &real, bytes)
    {
        let _ = call.host.vfs.remove(&target_flat);
        return not_cloned(call, &error);
    }
    write_descriptor(call, &target_path, bytes, format)?;
    set_private(call, &target_flat);
    say(call, "\rClone: 100% done.\n")?;
    Ok(0)
}

fn not_cloned(call: &Call, error: &std::io::Error) -> Outcome {
    say(
        call,
        &format!(
            "Failed to clone disk : {} ({}).\n",
            reason(error),
            code(error)
        ),
    )?;
    Ok(255)
}

/// The status in brackets: VMkernel's number for a full datastore, else an input/output error's.
fn code(error: &std::io::Error) -> u32 {
    if error.raw_os_error() == Some(28) {
        1_835_017
    } else {
        327_682
    }
}

/// A thick disk takes all its blocks: its holes are filled.
fn allocate(
    call: &Call,
    target: &mut std::fs::File,
    real: &std::path::Path,
    bytes: u64,
) -> std::io::Result<()> {
    let taken = target.metadata()?.blocks() * 512;
    call.host.vfs.make_room(real, bytes.saturating_sub(taken))?;
    let mut reader = std::fs::File::open(real)?;
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    while at < bytes {
        let count = std::io::Read::read(&mut reader, &mut buffer)?;
        if count == 0 {
            break;
        }
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.iter().all(|byte| *byte == 0) {
            target.seek(SeekFrom::Start(at))?;
            target.write_all(chunk)?;
        }
        at += count as u64;
    }
    Ok(())
}

fn write_descriptor(call: &Call, path: &str, bytes: u64, format: &str) -> Result<(), Halt> {
    let seed = call.host.esxi.as_ref().map_or(0, |esxi| esxi.identity.seed);
    let mut draw = Draw::new(seed, &format!("{path} {}", jiff::Timestamp::now()));
    let cid = u32::try_from(draw.below(0xffff_fffe)).unwrap_or(1).max(1);
    let text = descriptor(
        &flat_name(path),
        bytes,
        cid,
        &draw.vmx_uuid(),
        describe(format),
    );
    let mode = WriteMode {
        truncate: true,
        ..WriteMode::default()
    };
    match call
        .host
        .vfs
        .open_write(path, mode)
        .and_then(|(mut file, _)| file.write_all(text.as_bytes()))
    {
        Ok(()) => {
            set_private(call, path);
            Ok(())
        }
        Err(error) => Err(Halt::Output(error)),
    }
}

fn set_private(call: &Call, path: &str) {
    use std::os::unix::fs::PermissionsExt;
    if let Ok(real) = call.host.vfs.real(path, true) {
        let _ = std::fs::set_permissions(real, std::fs::Permissions::from_mode(0o600));
    }
}

fn create(call: &mut Call, size: &str, to: &str, format: &str) -> Outcome {
    let end = size
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(size.len());
    let (digits, unit) = size.split_at(end);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "s" => 512,
        _ => 0,
    };
    let bytes = digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .unwrap_or(0)
        & !511;
    let path = call.path(to);
    if bytes == 0 {
        call.err(&format!("Invalid size '{size}'.\n"));
        return Ok(255);
    }
    if call.host.vfs.exists(&path) {
        call.err("Failed to create virtual disk: The file already exists (39).\n");
        return Ok(255);
    }
    let folder = path
        .rsplit_once('/')
        .map_or("/", |(folder, _)| folder)
        .to_owned();
    let flat = format!("{folder}/{}", flat_name(&path));
    let made = call
        .host
        .vfs
        .open_write(
            &flat,
            WriteMode {
                new: true,
                ..WriteMode::default()
            },
        )
        .and_then(|(mut file, real)| {
            file.set_len(bytes)?;
            if describe(format) == Format::Thick {
                allocate(call, &mut file, &real, bytes)
            } else {
                Ok(())
            }
        });
    if let Err(error) = made {
        let _ = call.host.vfs.remove(&flat);
        call.err(&format!(
            "Failed to create virtual disk: {} ({}).\n",
            reason(&error),
            code(&error)
        ));
        return Ok(255);
    }
    write_descriptor(call, &path, bytes, format)?;
    set_private(call, &flat);
    let head = if format == "eagerzeroedthick" {
        format!("Creating disk '{to}' and zeroing it out...\n")
    } else {
        String::new()
    };
    say(call, &format!("{head}Create: 100% done.\n"))?;
    Ok(0)
}

fn delete(call: &mut Call, path: &str) -> Outcome {
    let path = call.path(path);
    let removed = match open_disk(call, &path) {
        Ok((_, flat, _)) => call
            .host
            .vfs
            .remove(&flat)
            .and_then(|()| call.host.vfs.remove(&path)),
        Err(text) => {
            call.err(&format!("{text}\n"));
            return Ok(255);
        }
    };
    match removed {
        Ok(()) => Ok(0),
        Err(_) => {
            call.err("Failed to delete virtual disk: Failed to lock the file (16392).\n");
            Ok(255)
        }
    }
}

fn rename(call: &mut Call, from: &str, to: &str) -> Outcome {
    let (from, to) = (call.path(from), call.path(to));
    let (text, flat, _) = match open_disk(call, &from) {
        Ok(disk) => disk,
        Err(text) => {
            call.err(&format!("{text}\n"));
            return Ok(255);
        }
    };
    if call.host.vfs.exists(&to) {
        call.err("Failed to rename disk: The file already exists (39).\n");
        return Ok(255);
    }
    let folder = to
        .rsplit_once('/')
        .map_or("/", |(folder, _)| folder)
        .to_owned();
    let old = flat.rsplit('/').next().unwrap_or_default().to_owned();
    let new = flat_name(&to);
    let renamed = call
        .host
        .vfs
        .rename(&flat, &format!("{folder}/{new}"))
        .and_then(|()| {
            call.host.vfs.rename(&from, &to)?;
            let (mut file, _) = call.host.vfs.open_write(
                &to,
                WriteMode {
                    truncate: true,
                    ..WriteMode::default()
                },
            )?;
            file.write_all(
                text.replace(&format!("\"{old}\""), &format!("\"{new}\""))
                    .as_bytes(),
            )
        });
    match renamed {
        Ok(()) => Ok(0),
        Err(error) => {
            call.err(&format!(
                "Failed to rename disk: {} ({}).\n",
                reason(&error),
                code(&error)
            ));
            Ok(255)
        }
    }
}
