//! What classes have in common: a network that cannot tell a ringneck snake from a night snake is sure of a snake.
//!
//! [`GroupTree`] is a file of groups; [`Groups`] are those of a network's classes. A group's probability is the sum over
//! the set of its classes: a class that two ways lead to counts once.

mod answer;
mod class_set;
mod of_classes;
mod tree;

pub use answer::{GroupProbability, Sure, SureAt};
pub use class_set::{ClassSet, WithinError};
pub use of_classes::{Group, Groups, GroupsError};
pub use tree::{GroupTree, MAX_BYTES, ParseGroupsError};
