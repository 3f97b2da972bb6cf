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

const SCRIPTS: [Script; 10] = [
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
#[must_use]
pub fn script(text: &str) -> Option<&'static Script> {
    SCRIPTS.iter().find(|script| script.text == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_that_a_script_takes_is_spoken_of() {
        for script in SCRIPTS {
            for value in ["$1", "$2", "$3"] {
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
