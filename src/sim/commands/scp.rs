//! The far end of `scp`: `scp -t` takes files, `scp -f` sends them.

use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use super::{Call, Halt, Outcome};
use crate::sim::vfs::{WriteMode, reason};

/// `scp [-prd] -t PATH`, `scp [-prd] -f PATHS`
pub(super) fn scp(call: &mut Call) -> Outcome {
    let options = match call.options("tfprdvq", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    if options.has('t') {
        let Some(target) = options.operands.first() else {
            return Ok(call.fail("missing path"));
        };
        let target = call.path(target);
        call.out_bytes(&[0])?;
        let folder = call
            .host
            .vfs
            .metadata(&target, true)
            .is_ok_and(|meta| meta.is_dir());
        if options.has('d') && !folder {
            return fatal(call, &format!("{target}: Not a directory"));
        }
        return receive(call, &target, folder, options.has('r'));
    }
    if options.has('f') {
        if ack(call)?.is_some() {
            return Ok(1);
        }
        let mut status = 0;
        for path in &options.operands {
            status |= send(
                call,
                &call.path(path),
                path,
                options.has('r'),
                options.has('p'),
            )?;
        }
        return Ok(status);
    }
    Ok(call.fail("only the far end of a copy can be run here"))
}

fn fatal(call: &Call, text: &str) -> Outcome {
    call.out_bytes(format!("\x01scp: {text}\n").as_bytes())?;
    Ok(1)
}

/// Reads an answer: `None` is fine, else its text.
fn ack(call: &Call) -> Result<Option<String>, Halt> {
    let mut byte = [0];
    if call.input(&mut byte)? == 0 {
        return Ok(Some("lost connection".to_owned()));
    }
    if byte == [0] {
        return Ok(None);
    }
    Ok(Some(line(call)?.unwrap_or_default()))
}

fn line(call: &Call) -> Result<Option<String>, Halt> {
    let mut text = Vec::new();
    let mut byte = [0];
    loop {
        if call.input(&mut byte)? == 0 {
            return Ok((!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned()));
        }
        if byte == *b"\n" {
            return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
        }
        if text.len() < 8192 {
            text.extend_from_slice(&byte);
        }
    }
}

fn receive(call: &Call, target: &str, folder: bool, recursive: bool) -> Outcome {
    let mut times = None;
    while let Some(message) = line(call)? {
        let (kind, rest) = message.split_at(message.len().min(1));
        match kind {
            "T" => {
                times = rest
                    .split_whitespace()
                    .next()
                    .and_then(|text| text.parse::<u64>().ok());
                call.out_bytes(&[0])?;
            }
            "E" => {
                call.out_bytes(&[0])?;
                return Ok(0);
            }
            "C" | "D" => {
                let mut parts = rest.splitn(3, ' ');
                let mode = parts
                    .next()
                    .and_then(|text| u32::from_str_radix(text, 8).ok());
                let size = parts.next().and_then(|text| text.parse::<u64>().ok());
                let (Some(mode), Some(size), Some(name)) = (mode, size, parts.next()) else {
                    return fatal(call, "protocol error: bad header");
                };
                if name.is_empty() || name.contains('/') || name == ".." {
                    return fatal(call, "protocol error: unexpected filename");
                }
                let path = if folder {
                    format!("{target}/{name}")
                } else {
                    target.to_owned()
                };
                let status = if kind == "D" {
                    if !recursive {
                        return fatal(call, "received directory without -r");
                    }
                    if !call.host.vfs.exists(&path)
                        && let Err(error) = call
                            .host
                            .vfs
                            .real(&path, true)
                            .and_then(std::fs::create_dir)
                    {
                        return fatal(call, &format!("{path}: {}", reason(&error)));
                    }
                    call.out_bytes(&[0])?;
                    receive(call, &path, true, true)?
                } else {
                    receive_file(call, &path, mode, size, times.take())?
                };
                if status != 0 {
                    return Ok(status);
                }
            }
            "\x01" | "\x02" => call.err(&format!("{rest}\n")),
            _ => return fatal(call, "protocol error: unexpected message"),
        }
    }
    Ok(0)
}

fn receive_file(call: &Call, path: &str, mode: u32, size: u64, time: Option<u64>) -> Outcome {
    let opened = call.host.vfs.open_write(
        path,
        WriteMode {
            truncate: true,
            ..WriteMode::default()
        },
    );
    let (mut file, real) = match opened {
        Ok(opened) => opened,
        Err(error) => return fatal(call, &format!("{path}: {}", reason(&error))),
    };
    call.out_bytes(&[0])?;
    let mut buffer = vec![0; 256 << 10];
    let mut left = size;
    let mut problem: Option<io::Error> = None;
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = call.input(buffer.get_mut(..most).unwrap_or_default())?;
        if read == 0 {
            return Ok(1);
        }
        left -= read as u64;
        if problem.is_none() {
            let chunk = buffer.get(..read).unwrap_or_default();
            let written = call
                .host
                .vfs
                .make_room(&real, read as u64)
                .and_then(|()| file.write_all(chunk));
            problem = written.err();
        }
    }
    let finished = std::fs::set_permissions(&real, std::fs::Permissions::from_mode(mode & 0o7777));
    let finished = finished.and_then(|()| match time {
        Some(seconds) => file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
        None => Ok(()),
    });
    // libssh2 sends no closing NUL when the size is reached; OpenSSH does.
    if let Some(text) = ack(call)?
        && text != "lost connection"
    {
        call.err(&format!("{text}\n"));
        return Ok(1);
    }
    match problem.or(finished.err()) {
        Some(error) => fatal(call, &format!("{path}: {}", reason(&error))),
        None => {
            call.out_bytes(&[0])?;
            Ok(0)
        }
    }
}

fn send(call: &Call, path: &str, shown: &str, recursive: bool, keep: bool) -> Outcome {
    let meta = match call.host.vfs.metadata(path, true) {
        Ok(meta) => meta,
        Err(error) => return fatal(call, &format!("{shown}: {}", reason(&error))),
    };
    let name = shown
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(shown);
    let mode = meta.mode() & 0o7777;
    if keep {
        call.out(&format!("T{} 0 {} 0\n", meta.mtime(), meta.atime()))?;
        if ack(call)?.is_some() {
            return Ok(1);
        }
    }
    if meta.is_dir() {
        if !recursive {
            return fatal(call, &format!("{shown}: not a regular file"));
        }
        call.out(&format!("D{mode:04o} 0 {name}\n"))?;
        if ack(call)?.is_some() {
            return Ok(1);
        }
        let mut status = 0;
        for inner in call.host.vfs.names(path).unwrap_or_default() {
            status |= send(call, &format!("{path}/{inner}"), &inner, true, keep)?;
        }
        call.out("E\n")?;
        ack(call)?;
        return Ok(status);
    }
    let mut file = match call.host.vfs.open(path) {
        Ok(file) => file,
        Err(error) => return fatal(call, &format!("{shown}: {}", reason(&error))),
    };
    call.out(&format!("C{mode:04o} {} {name}\n", meta.len()))?;
    if ack(call)?.is_some() {
        return Ok(1);
    }
    let mut left = meta.len();
    let mut buffer = vec![0; 128 << 10];
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        match file.read(buffer.get_mut(..most).unwrap_or_default()) {
            Ok(0) => return fatal(call, &format!("{shown}: file changed size")),
            Ok(read) => {
                call.out_bytes(buffer.get(..read).unwrap_or_default())?;
                left -= read as u64;
            }
            Err(error) => return fatal(call, &format!("{shown}: {}", reason(&error))),
        }
    }
    call.out_bytes(&[0])?;
    Ok(i32::from(ack(call)?.is_some()))
}
