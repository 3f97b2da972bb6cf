//! What the scripts do, in words, for whoever reads a command before it is sent.

use super::{block_sums, changes, run_lock, sums};

/// A script that is sent again and again, with other values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// A word or two to call it by.
    pub name: &'static str,
    /// What it does with `$1` …, as the end of a sentence.
    pub does: &'static str,
    /// Its text.
    pub text: &'static str,
}

const SCRIPTS: [Script; 12] = [
    Script {
        name: "make file",
        does: "makes $1 if it is missing, $2 bytes long, mode $3; writes no data",
        text: changes::MAKE_FILE,
    },
    Script {
        name: "copy",
        does: "copies $1 to $2 unless something has that name; zeros become holes",
        text: changes::COPY_SPARSE,
    },
    Script {
        name: "rename",
        does: "renames $1 to $2 unless something has that name",
        text: changes::RENAME,
    },
    Script {
        name: "remove file",
        does: "removes $1, never a folder; $2 is where it lies",
        text: changes::REMOVE,
    },
    Script {
        name: "remove folder",
        does: "removes the folder $1 if it is empty",
        text: changes::REMOVE_FOLDER,
    },
    Script {
        name: "lock",
        does: "makes the folder $1 unless it exists, and names $2 its owner; inside the lock of \
               another run only while $3 owns that",
        text: run_lock::TAKE,
    },
    Script {
        name: "unlock",
        does: "removes the lock $1 if $2 owns it, up to the folder $3",
        text: run_lock::RELEASE,
    },
    Script {
        name: "put",
        does: "writes its standard input to $1, mode $2, and prints the SHA-256 of what is there then",
        text: sums::PUT,
    },
    Script {
        name: "place",
        does: "writes its standard input to $1, mode $2; if its SHA-256 is $3 then, renames it to $4 unless \
               something has that name",
        text: sums::PLACE,
    },
    Script {
        name: "sum",
        does: "prints the SHA-256 of $1",
        text: sums::SHA256,
    },
    Script {
        name: "sum as it arrives",
        does: "prints the SHA-256 of $1; its standard input says how much of it has arrived",
        text: sums::SHA256_ARRIVING,
    },
    Script {
        name: "sum blocks",
        does: "prints the SHA-256 of blocks of $1, $2 bytes each; its standard input says which",
        text: block_sums::BLOCK_SUMS,
    },
];

/// The script with this text.
fn script(text: &str) -> Option<&'static Script> {
    SCRIPTS.iter().find(|script| script.text == text)
}

impl Script {
    /// What stands for it in a line: `‹lock›`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("‹{}›", self.name)
    }

    /// The command up to its values, as it is sent.
    #[must_use]
    pub fn opening(&self) -> String {
        shell_words::join(["sh", "-c", self.text, "_"])
    }
}

/// The script that a line runs, and its values as they stand there.
#[must_use]
pub fn folded(line: &str) -> Option<(&'static Script, &str)> {
    let words = shell_words::split(line).ok()?;
    let [sh, dash_c, text, ..] = words.as_slice() else {
        return None;
    };
    if sh != "sh" || dash_c != "-c" {
        return None;
    }
    let script = script(text)?;
    let values = line.strip_prefix(&script.opening())?.strip_prefix(' ')?;
    Some((script, values))
}

/// A line in short: a script of Lifeboat's by its label, with its values; any other line as it is.
#[must_use]
pub fn in_short(line: &str) -> String {
    match folded(line) {
        Some((script, values)) => format!("{} {values}", script.label()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_short_and_its_script_are_the_whole_line() {
        let line =
            crate::hypervisor::shell::take_lock("/vmfs/volumes/d/x y", "lifeboat-lock r").line();
        let short = in_short(&line);
        assert_eq!(short, "‹lock› '/vmfs/volumes/d/x y' 'lifeboat-lock r'");
        let (script, _) = folded(&line).unwrap();
        assert_eq!(short.replacen(&script.label(), &script.opening(), 1), line);
        for own in [
            "sh -c 'logger \"$1\"' _ done",
            "vim-cmd vmsvc/power.on 3",
            "sh -c '",
        ] {
            assert_eq!(in_short(own), own);
        }
    }

    #[test]
    fn every_value_that_a_script_takes_is_spoken_of() {
        for script in SCRIPTS {
            for value in ["$1", "$2", "$3", "$4"] {
                assert_eq!(
                    script.text.contains(value),
                    script.does.contains(value),
                    "{value} of {}",
                    script.name
                );
            }
        }
    }
}
