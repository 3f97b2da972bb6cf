//! `ls`, `stat`, `du`.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use jiff::Timestamp;

use super::{Call, Outcome};
use crate::sim::vfs::reason;

/// `drwxr-xr-x` and the like.
pub(super) fn mode_text(meta: &Metadata) -> String {
    let kind = if meta.is_dir() {
        'd'
    } else if meta.is_symlink() {
        'l'
    } else {
        '-'
    };
    let mode = meta.permissions().mode();
    let mut text = String::from(kind);
    for shift in [6, 3, 0] {
        let bits = (mode >> shift) & 7;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(if bits & 1 != 0 { 'x' } else { '-' });
    }
    text
}

fn date_text(meta: &Metadata) -> String {
    let Ok(time) = Timestamp::from_second(meta.mtime()) else {
        return "Jan  1  1970".to_owned();
    };
    let old = (Timestamp::now().as_second() - meta.mtime()).abs() > 182 * 86400;
    time.strftime(if old { "%b %e  %Y" } else { "%b %e %H:%M" })
        .to_string()
}

/// `ls [-1aAdlntrSh] [paths]`
pub(super) fn ls(call: &mut Call) -> Outcome {
    let options = match call.options("1aAdlntrSihLF", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let long = options.has('l') || options.has('n');
    let paths = if options.operands.is_empty() {
        vec![".".to_owned()]
    } else {
        options.operands.clone()
    };
    let mut status = 0;
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for path in &paths {
        // A link named on the command line is followed unless the long form shows it.
        match call
            .host
            .vfs
            .metadata(&call.path(path), !long || path.ends_with('/'))
        {
            Ok(meta) if meta.is_dir() && !options.has('d') => folders.push(path.clone()),
            Ok(meta) => files.push((path.clone(), meta)),
            Err(error) => status = call.fail_on(path, &error),
        }
    }
    let sort = |entries: &mut Vec<(String, Metadata)>| {
        if options.has('t') {
            entries.sort_by_key(|(_, meta)| std::cmp::Reverse((meta.mtime(), meta.mtime_nsec())));
        } else if options.has('S') {
            entries.sort_by_key(|(_, meta)| std::cmp::Reverse(meta.len()));
        }
        if options.has('r') {
            entries.reverse();
        }
    };
    sort(&mut files);
    print(call, &files, long, "")?;
    for (index, folder) in folders.iter().enumerate() {
        if paths.len() > 1 {
            let gap = if index > 0 || !files.is_empty() {
                "\n"
            } else {
                ""
            };
            call.out(&format!("{gap}{folder}:\n"))?;
        }
        let path = call.path(folder);
        let mut names = match call.host.vfs.names(&path) {
            Ok(names) => names,
            Err(error) => {
                status = call.fail_on(folder, &error);
                continue;
            }
        };
        if options.has('a') {
            names.splice(0..0, [".".to_owned(), "..".to_owned()]);
        } else if !options.has('A') {
            names.retain(|name| !name.starts_with('.'));
        }
        let mut entries = Vec::new();
        for name in names {
            let inner = format!("{path}/{name}");
            if let Ok(meta) = call.host.vfs.metadata(&inner, options.has('L')) {
                entries.push((name, meta));
            }
        }
        sort(&mut entries);
        if long {
            let blocks: u64 = entries.iter().map(|(_, meta)| meta.blocks() / 2).sum();
            call.out(&format!("total {blocks}\n"))?;
        }
        print(call, &entries, long, &path)?;
    }
    Ok(status)
}

fn print(
    call: &Call,
    entries: &[(String, Metadata)],
    long: bool,
    folder: &str,
) -> Result<(), super::Halt> {
    for (name, meta) in entries {
        if !long {
            call.out(&format!("{name}\n"))?;
            continue;
        }
        let link = if meta.is_symlink() {
            let inner = if folder.is_empty() {
                call.path(name)
            } else {
                format!("{folder}/{name}")
            };
            let real = call.host.vfs.real(&inner, false).ok();
            let target = real.and_then(|real| std::fs::read_link(real).ok());
            target
                .map(|target| format!(" -> {}", target.to_string_lossy()))
                .unwrap_or_default()
        } else {
            String::new()
        };
        // As in the capture of an 8.0.2 host: a size of more than nine digits pushes the column.
        call.out(&format!(
            "{}    1 root     root     {:>9} {} {name}{link}\n",
            mode_text(meta),
            meta.len(),
            date_text(meta)
        ))?;
    }
    Ok(())
}

/// `stat [-L] [-c FORMAT] paths`
pub(super) fn stat(call: &mut Call) -> Outcome {
    let options = match call.options("Lt", "c") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let mut status = 0;
    for path in &options.operands {
        let meta = match call.host.vfs.metadata(&call.path(path), options.has('L')) {
            Ok(meta) => meta,
            Err(error) => {
                status = call.fail(&format!("can't stat '{path}': {}", reason(&error)));
                continue;
            }
        };
        let format = options.value('c').unwrap_or(
            "  File: %n\n  Size: %s\tBlocks: %b\tIO Block: 4096\t%F\nAccess: (%a/%A)\tUid: (%u/%U)\tGid: (%g/%G)\nModify: %y",
        );
        call.out(&format!("{}\n", stat_text(format, path, &meta)))?;
    }
    Ok(status)
}

fn stat_text(format: &str, path: &str, meta: &Metadata) -> String {
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push_str(path),
            Some('N') => text.push_str(&format!("'{path}'")),
            Some('s') => text.push_str(&meta.len().to_string()),
            Some('Y') => text.push_str(&meta.mtime().to_string()),
            Some('X') => text.push_str(&meta.atime().to_string()),
            Some('Z') => text.push_str(&meta.ctime().to_string()),
            Some('y') => text.push_str(
                &Timestamp::from_second(meta.mtime())
                    .map(|time| time.strftime("%Y-%m-%d %H:%M:%S.000000000").to_string())
                    .unwrap_or_default(),
            ),
            Some('b') => text.push_str(&meta.blocks().to_string()),
            Some('B') => text.push_str("512"),
            Some('o') => text.push_str("4096"),
            Some('a') => text.push_str(&format!("{:o}", meta.mode() & 0o7777)),
            Some('A') => text.push_str(&mode_text(meta)),
            Some('f') => text.push_str(&format!("{:x}", meta.mode())),
            Some('i') => text.push_str(&meta.ino().to_string()),
            Some('h') => text.push_str(&meta.nlink().to_string()),
            Some('u' | 'g') => text.push('0'),
            Some('U' | 'G') => text.push_str("root"),
            Some('F') => text.push_str(if meta.is_dir() {
                "directory"
            } else if meta.is_symlink() {
                "symbolic link"
            } else if meta.len() == 0 {
                "regular empty file"
            } else {
                "regular file"
            }),
            Some('%') => text.push('%'),
            Some(other) => text.push(other),
            None => text.push('%'),
        }
    }
    text
}

/// `du [-akshm] [paths]`
pub(super) fn du(call: &mut Call) -> Outcome {
    let options = match call.options("akshmc", "d") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let paths = if options.operands.is_empty() {
        vec![".".to_owned()]
    } else {
        options.operands.clone()
    };
    let show = |blocks: u64| {
        if options.has('h') {
            human(blocks * 512)
        } else if options.has('m') {
            blocks.div_ceil(2048).to_string()
        } else {
            blocks.div_ceil(2).to_string()
        }
    };
    let mut status = 0;
    for path in &paths {
        let mut lines = Vec::new();
        match walk(call, &call.path(path), path, options.has('a'), &mut lines) {
            Ok(_) => {
                if options.has('s') {
                    lines = lines.pop().into_iter().collect();
                }
                for (blocks, name) in lines {
                    call.out(&format!("{}\t{name}\n", show(blocks)))?;
                }
            }
            Err(error) => status = call.fail_on(path, &error),
        }
    }
    Ok(status)
}

fn walk(
    call: &Call,
    path: &str,
    shown: &str,
    files: bool,
    lines: &mut Vec<(u64, String)>,
) -> std::io::Result<u64> {
    let meta = call.host.vfs.metadata(path, false)?;
    let mut blocks = meta.blocks();
    if !meta.is_dir() {
        lines.push((blocks, shown.to_owned()));
        return Ok(blocks);
    }
    for name in call.host.vfs.names(path)? {
        let (inner, label) = (format!("{path}/{name}"), format!("{shown}/{name}"));
        let mut inside = Vec::new();
        blocks += walk(call, &inner, &label, files, &mut inside)?;
        if !files
            && call
                .host
                .vfs
                .metadata(&inner, false)
                .is_ok_and(|meta| !meta.is_dir())
        {
            inside.clear();
        }
        lines.append(&mut inside);
    }
    lines.push((blocks, shown.to_owned()));
    Ok(blocks)
}

/// Bytes as BusyBox shows them: one decimal, `K M G T`.
pub(super) fn human(bytes: u64) -> String {
    let mut value = bytes as f64 / 1024.0;
    if bytes < 1024 {
        return bytes.to_string();
    }
    for unit in ["K", "M", "G"] {
        if value < 1024.0 {
            return format!("{value:.1}{unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1}T")
}
