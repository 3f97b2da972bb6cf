//! What an announced command is for, where that is something that outlives its step. The drivers
//! write these lines.

use super::folder_of;
use super::reply::Reply;
use crate::names::own::KEPT;

/// What a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// A VM is entered into the inventory, by its .vmx.
    Register(String),
    /// A VM is taken out of the inventory.
    Unregister,
    /// A VM is started.
    PowerOn,
    /// A port group is made.
    PortGroup {
        /// Its name.
        name: String,
        /// On which switch.
        vswitch: String,
    },
    /// A virtual switch is made.
    Vswitch(String),
    /// A file makes room under a name of this run's.
    Aside {
        /// Its name.
        path: String,
        /// The name that it gets.
        aside: String,
    },
    /// A file comes to lie under this name of the run's own.
    Work(String),
    /// This name of the run's own is free afterwards, and so is every name below it: what lies there
    /// gets another, or is removed.
    Settled {
        /// The name.
        path: String,
        /// What the command prints where it is so.
        reply: Reply,
    },
    /// A file comes to lie under its final name, by way of one of this run's own.
    Final(String),
    /// What arrived whole under a name of this run's own gets its final one.
    Named {
        /// The final name.
        path: String,
        /// The name that it had.
        part: String,
        /// What the command prints where it did so.
        reply: Reply,
    },
}

impl Announced {
    /// Whether it is about a name of the run's own alone.
    pub(super) fn is_of_work(&self) -> bool {
        matches!(self, Self::Work(_) | Self::Settled { .. })
    }
}

/// What a command line is for; nothing for most of them.
pub(super) fn of(command: &str, mark: &str) -> Vec<Announced> {
    let words = shell_words::split(command).unwrap_or_default();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["vim-cmd", "solo/registervm", vmx, ..] => vec![Announced::Register((*vmx).to_owned())],
        ["vim-cmd", "vmsvc/unregister", _] => vec![Announced::Unregister],
        ["vim-cmd", "vmsvc/power.on", _] => vec![Announced::PowerOn],
        ["esxcli", "network", "vswitch", "standard", rest @ ..] => {
            switches(rest).into_iter().collect()
        }
        words => files(words, mark),
    }
}

/// Whether a name of a run's own is that of a file of before the run.
fn is_kept(name: &str, mark: &str) -> bool {
    let suffix = name.split_once(mark).map_or("", |(_, suffix)| suffix);
    KEPT.iter().any(|kept| suffix.starts_with(kept))
}

fn files(words: &[&str], mark: &str) -> Vec<Announced> {
    let mut found: Vec<Announced> = Vec::new();
    if let [.., path, aside] = words
        && aside
            .strip_prefix(path)
            .is_some_and(|end| end.starts_with(mark))
        && is_kept(aside, mark)
    {
        found.push(Announced::Aside {
            path: (*path).to_owned(),
            aside: (*aside).to_owned(),
        });
    }
    let names = words.iter().filter(|word| word.starts_with('/'));
    // Nothing comes to lie where something is removed.
    for word in names.filter(|_| removed(words).is_none()) {
        let work = Announced::Work((*word).to_owned());
        if word.contains(mark) && !is_kept(word, mark) && !found.contains(&work) {
            found.push(work);
        }
    }
    found.extend(settled(words, mark));
    found.extend(finals(words, mark).into_iter().map(Announced::Final));
    found.extend(named(words, mark));
    found
}

/// What a command removes: a file from its folder, or a folder.
fn removed<'a>(words: &[&'a str]) -> Option<&'a str> {
    match words {
        ["sh", "-c", _, _, file, folder] => (*folder == folder_of(file)).then_some(file),
        ["sh", "-c", script, _, folder] => script.contains("rmdir").then_some(folder),
        _ => None,
    }
}

/// A file that gets another name by a command.
struct Move<'a> {
    from: &'a str,
    to: &'a str,
    reply: Reply,
}

impl<'a> Move<'a> {
    fn of(words: &[&'a str]) -> Option<Self> {
        let (from, to, reply) = match words {
            ["sh", "-c", script, _, from, to] if script.contains("mv") => {
                (from, to, Reply::Renamed)
            }
            ["sh", "-c", script, _, from, _, _, to] if script.contains("mv") => {
                (from, to, Reply::Placed)
            }
            ["vmkfstools", "-E", from, to] => (from, to, Reply::None),
            _ => return None,
        };
        Some(Self { from, to, reply })
    }
}

/// The data of a disk that is renamed by its descriptor.
fn data_of(disk: &str) -> String {
    format!("{}-flat.vmdk", disk.trim_end_matches(".vmdk"))
}

/// The files that get their final names by a command: a disk goes with its data.
fn named(words: &[&str], mark: &str) -> Vec<Announced> {
    let Some(Move { from, to, reply }) = Move::of(words) else {
        return Vec::new();
    };
    let end = from.rsplit_once(mark).map_or("", |(_, end)| end);
    if !end.starts_with("part") || !to.starts_with('/') || to.contains(mark) {
        return Vec::new();
    }
    let named = |path: String, part: String| Announced::Named { path, part, reply };
    let mut found = vec![named(to.to_owned(), from.to_owned())];
    if words.first() == Some(&"vmkfstools") {
        found.push(named(data_of(to), data_of(from)));
    }
    found
}

/// The names of this run's own that are free once a command has done what it is for.
fn settled(words: &[&str], mark: &str) -> Vec<Announced> {
    let moved = Move::of(words).map(|Move { from, reply, .. }| (from, reply));
    let removed = || Some((removed(words)?, Reply::Removed));
    let Some((name, reply)) = moved.or_else(removed) else {
        return Vec::new();
    };
    if !name.starts_with('/') || !name.contains(mark) || is_kept(name, mark) {
        return Vec::new();
    }
    let mut names = vec![name.to_owned()];
    if words.first() == Some(&"vmkfstools") && name.ends_with(".vmdk") {
        // A disk goes with its data.
        names.push(data_of(name));
    }
    let settled = |path| Announced::Settled { path, reply };
    names.into_iter().map(settled).collect()
}

/// The final names of the files that a command has in hand.
fn finals(words: &[&str], mark: &str) -> Vec<String> {
    let own = |word: &&&str| word.starts_with('/') && word.contains(mark) && !is_kept(word, mark);
    let mut found = Vec::new();
    for word in words.iter().filter(own) {
        // A clone's name has the mark before its end: `x.lifeboat-run-part.vmdk`, and brings its data.
        if let Some((before, after)) = word.rsplit_once(mark)
            && let Some(end) = after.strip_prefix("part")
        {
            found.push(format!("{before}{end}"));
            if end == ".vmdk" {
                found.push(format!("{before}-flat.vmdk"));
            }
        }
    }
    if let [before @ .., last] = words
        && last.starts_with('/')
        && !last.contains(mark)
        && before.iter().any(|word| own(&word))
    {
        found.push((*last).to_owned());
    }
    found
}

fn switches(words: &[&str]) -> Option<Announced> {
    match words {
        ["portgroup", "add", rest @ ..] => Some(Announced::PortGroup {
            name: option(rest, "-p", "--portgroup-name")?,
            vswitch: option(rest, "-v", "--vswitch-name")?,
        }),
        ["add", rest @ ..] => Some(Announced::Vswitch(option(rest, "-v", "--vswitch-name")?)),
        _ => None,
    }
}

/// The value of an option, in either of its forms.
fn option(words: &[&str], short: &str, long: &str) -> Option<String> {
    let at = words
        .iter()
        .position(|word| *word == short || *word == long);
    if let Some(at) = at {
        return words.get(at + 1).map(|value| (*value).to_owned());
    }
    let prefix = format!("{long}=");
    let joined = words.iter().find_map(|word| word.strip_prefix(&prefix));
    joined.map(str::to_owned)
}
