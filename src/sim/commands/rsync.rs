//! `rsync`, as far as runbooks bring the files of a machine to another with it: whole trees, by
//! content, over ssh.
//!
//! The other side is a host of the site, by its name or address; it has to be up. Its files are read
//! and written where they lie, as its own rsync would.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{Call, Outcome};
use crate::sim::vfs::absolute;

/// What is transferred, or would be.
#[derive(Default)]
struct Wanted {
    archive: bool,
    by_content: bool,
    delete: bool,
}

/// A side: the real path of its folder or file, and whether it is meant by what is in it.
struct Side {
    real: PathBuf,
    shown: String,
    contents: bool,
}

/// What a tree holds below its root.
type Tree = BTreeMap<PathBuf, Entry>;

enum Entry {
    Folder,
    /// With its size.
    File(u64),
    /// With what it leads to, as written.
    Link(PathBuf),
}

/// `rsync -a [-c] [--delete] FROM TO`, either of them `[user@]host:path`.
pub(super) fn rsync(call: &mut Call) -> Outcome {
    let (wanted, operands) = match options(call) {
        Ok(parsed) => parsed,
        Err(status) => return Ok(status),
    };
    let [from, to] = operands.as_slice() else {
        call.err("rsync error: syntax or usage error (code 1) at main.c(1760) [client=3.2.7]\n");
        return Ok(1);
    };
    let (from, to) = match (side(call, from), side(call, to)) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(status), _) | (_, Err(status)) => return Ok(status),
    };
    if !from.real.exists() {
        call.err(&format!(
            "rsync: [sender] link_stat \"{}\" failed: No such file or directory (2)\n\
             rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1338) [sender=3.2.7]\n",
            from.shown
        ));
        return Ok(23);
    }
    match transfer(call, &wanted, &from, &to) {
        Ok(()) => Ok(0),
        Err(error) => {
            call.err(&format!(
                "rsync: [receiver] write failed on \"{}\": {error}\n\
                 rsync error: error in file IO (code 11) at receiver.c(378) [receiver=3.2.7]\n",
                to.shown
            ));
            Ok(11)
        }
    }
}

fn options(call: &Call) -> Result<(Wanted, Vec<String>), i32> {
    let mut wanted = Wanted::default();
    let mut operands = Vec::new();
    for arg in &call.args {
        let unknown = || {
            call.err(&format!(
                "rsync: {arg}: unknown option\n\
                 rsync error: syntax or usage error (code 1) at main.c(1760) [client=3.2.7]\n"
            ));
            1
        };
        match arg.as_str() {
            "--archive" => wanted.archive = true,
            "--checksum" => wanted.by_content = true,
            "--delete" => wanted.delete = true,
            _ if arg.starts_with("--") => return Err(unknown()),
            _ => match arg.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                None => operands.push(arg.clone()),
                Some(letters) => {
                    for letter in letters.chars() {
                        match letter {
                            'a' | 'r' => wanted.archive = true,
                            'c' => wanted.by_content = true,
                            'q' | 'z' => {}
                            _ => return Err(unknown()),
                        }
                    }
                }
            },
        }
    }
    Ok((wanted, operands))
}

/// Where a side lies. A host that does not answer is what ssh says of it.
fn side(call: &Call, written: &str) -> Result<Side, i32> {
    let remote = written
        .split_once(':')
        .filter(|(host, _)| !host.is_empty() && !host.contains('/'));
    let contents = written.ends_with('/');
    let (real, shown) = match remote {
        None => {
            let path = call.path(written);
            (call.host.vfs.real(&path, true), path)
        }
        Some((host, path)) => {
            let host = host.rsplit('@').next().unwrap_or(host);
            let path = absolute("/", path);
            let Some(vfs) = call.host.network.files_of(host) else {
                call.err(&format!(
                    "ssh: connect to host {host} port 22: Connection refused\n\
                     rsync: connection unexpectedly closed (0 bytes received so far) [Receiver]\n\
                     rsync error: unexplained error (code 255) at io.c(231) [Receiver=3.2.7]\n"
                ));
                return Err(255);
            };
            (vfs.real(&path, true), path)
        }
    };
    match real {
        Ok(real) => Ok(Side {
            real,
            shown,
            contents,
        }),
        Err(error) => Err(call.fail_on(&shown, &error)),
    }
}

fn transfer(call: &Call, wanted: &Wanted, from: &Side, to: &Side) -> io::Result<()> {
    let name = from.real.file_name().map(PathBuf::from).unwrap_or_default();
    // `FROM/` is what is in it, `FROM` the folder or file itself.
    let (base, prefix) = if from.contents {
        (from.real.clone(), PathBuf::new())
    } else {
        let parent = from.real.parent().map(Path::to_owned);
        (parent.unwrap_or_default(), name)
    };
    let mut tree = Tree::new();
    walk(&base, &prefix, wanted.archive, &mut tree)?;
    if wanted.delete {
        let mut there = Tree::new();
        let root = to.real.join(&prefix);
        if fs::symlink_metadata(&root).is_ok_and(|found| found.is_dir()) {
            walk(&to.real, &prefix, true, &mut there)?;
        }
        // What lies deepest goes first.
        let gone = there.iter().rev();
        for (path, entry) in gone.filter(|(path, _)| !tree.contains_key(*path)) {
            let path = to.real.join(path);
            match entry {
                Entry::Folder => fs::remove_dir(path)?,
                Entry::File(_) | Entry::Link(_) => fs::remove_file(path)?,
            }
        }
    }
    if !to.real.is_dir() {
        fs::create_dir(&to.real)?;
    }
    // A folder comes before what is in it, so nothing is written through a link in its place.
    for (path, entry) in &tree {
        let (source, target) = (base.join(path), to.real.join(path));
        match entry {
            Entry::Folder => make_folder(&target)?,
            Entry::File(bytes) => {
                if !is_same(&source, &target, *bytes, wanted.by_content)? {
                    copy(call, &source, &target)?;
                }
            }
            Entry::Link(leads_to) => {
                make_way(&target)?;
                symlink(leads_to, &target)?;
            }
        }
    }
    Ok(())
}

/// Everything at or below `path` in `base`. No link is followed: it leads somewhere else on the
/// console's own machine than on the simulated one.
fn walk(base: &Path, path: &Path, recursive: bool, tree: &mut Tree) -> io::Result<()> {
    let real = base.join(path);
    let metadata = fs::symlink_metadata(&real)?;
    if metadata.is_symlink() {
        tree.insert(path.to_owned(), Entry::Link(fs::read_link(&real)?));
    } else if metadata.is_file() {
        tree.insert(path.to_owned(), Entry::File(metadata.len()));
    } else if metadata.is_dir() {
        tree.insert(path.to_owned(), Entry::Folder);
        if recursive {
            for entry in fs::read_dir(&real)? {
                walk(base, &path.join(entry?.file_name()), true, tree)?;
            }
        }
    }
    Ok(())
}

/// Makes a folder, in place of a file or a link if one is there.
fn make_folder(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    make_way(path)?;
    fs::create_dir(path)
}

/// Removes a file or a link, if one is there.
fn make_way(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// As rsync sees it: by size and time, or by content.
fn is_same(source: &Path, target: &Path, bytes: u64, by_content: bool) -> io::Result<bool> {
    let Ok(there) = fs::symlink_metadata(target) else {
        return Ok(false);
    };
    if !there.is_file() || there.len() != bytes {
        return Ok(false);
    }
    if by_content {
        return Ok(fs::read(source)? == fs::read(target)?);
    }
    Ok(fs::metadata(source)?.modified()? == there.modified()?)
}

/// Under another name first, as rsync does it, so that no file is ever half there; times come along.
fn copy(call: &Call, source: &Path, target: &Path) -> io::Result<()> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let beside = target.with_file_name(format!(".{name}.{:06}", call.process.pid));
    make_way(&beside)?;
    fs::copy(source, &beside)?;
    let modified = fs::metadata(source)?.modified()?;
    fs::File::options()
        .append(true)
        .open(&beside)?
        .set_modified(modified)?;
    fs::rename(&beside, target)
}
