//! Some of a network's classes, as a client names them.

use super::Groups;

/// Some of a network's classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSet(Box<[bool]>);

impl ClassSet {
    /// Whether a class is one of them.
    pub fn contains(&self, class: usize) -> bool {
        self.0.get(class).copied().unwrap_or(false)
    }
}

/// Why a text names no classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WithinError {
    /// It names nothing, or more than [`Groups::MOST_NAMES`].
    Count,
    /// It has a name that is neither the id of a class or a group nor the name of a group that is shown.
    Unknown(String),
}

impl Groups {
    /// The most names that [`within`](Self::within) takes.
    pub const MOST_NAMES: usize = 100;

    /// The classes under the groups and classes that `names` lists, separated by commas: ids, or names of groups that are
    /// shown.
    ///
    /// # Errors
    /// [`WithinError`].
    pub fn within(&self, names: &str) -> Result<ClassSet, WithinError> {
        if names.split(',').count() > Self::MOST_NAMES || names.trim().is_empty() {
            return Err(WithinError::Count);
        }
        let mut set = vec![false; self.classes()];
        for name in names.split(',').map(str::trim) {
            let classes =
                self.classes_of(name).ok_or_else(|| WithinError::Unknown(name.to_owned()))?;
            classes.iter().for_each(|&class| set[class] = true);
        }
        Ok(ClassSet(set.into()))
    }
}
