//! The names that a run gives to files of its own: each tells whose it is, and what for.

use super::RunId;

/// What the name of an original ends with that had to make room for a copy.
pub const ORIGINAL: &str = "original";
/// What the name of a .vmx ends with as it was before an edit.
pub const BEFORE: &str = "before";
/// What the name of a file ends with that gave its name back to the one of before.
pub const UNDONE: &str = "undone";
/// Ends of names, numbers aside, under which a run keeps files of before.
pub const KEPT: [&str; 2] = [ORIGINAL, BEFORE];

impl RunId {
    /// What stands in every name that the run gives to a file for itself.
    #[must_use]
    pub fn mark(&self) -> String {
        format!(".lifeboat-{self}-")
    }
}

/// The names under which a run puts one file aside, time after time: the first has no number, each
/// later one has its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asides(String);

impl Asides {
    /// The names for a file, which end with `what`.
    #[must_use]
    pub fn of(file: &str, run: &RunId, what: &str) -> Self {
        Self(format!("{file}{}{what}", run.mark()))
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let numbered = (2_u32..).map(|number| format!("{}{number}", self.0));
        std::iter::once(self.0.clone()).chain(numbered)
    }

    /// The first that nothing has.
    #[must_use]
    pub fn free(&self, is_taken: impl Fn(&str) -> bool) -> String {
        let free = self.names().find(|name| !is_taken(name));
        free.unwrap_or_default()
    }

    /// The last that was given.
    #[must_use]
    pub fn last(&self, is_there: impl Fn(&str) -> bool) -> Option<String> {
        self.names().take_while(|name| is_there(name)).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_a_file_is_put_aside_it_gets_the_next_name() {
        let asides = Asides::of("a b.vmx", &"r1".into(), BEFORE);
        let mut there: Vec<String> = Vec::new();
        for wanted in ["before", "before2", "before3"] {
            let free = asides.free(|name| there.iter().any(|known| known == name));
            assert_eq!(free, format!("a b.vmx.lifeboat-r1-{wanted}"));
            there.push(free);
            let last = asides.last(|name| there.iter().any(|known| known == name));
            assert_eq!(last.as_ref(), there.last());
        }
        assert_eq!(asides.last(|_| false), None);
        let of_another = Asides::of("a b.vmx", &"r2".into(), BEFORE);
        assert_eq!(
            of_another.last(|name| there.iter().any(|known| known == name)),
            None
        );
    }
}
