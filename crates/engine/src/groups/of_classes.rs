//! The groups of a network's classes.

use std::collections::HashMap;

use super::tree::{GroupTree, Node};

/// The groups of a network's classes; none where the classes have no ids.
#[derive(Clone, Debug)]
pub struct Groups {
    groups: Vec<Group>,
    /// `[classes]`: the groups right above each.
    parents: Vec<Vec<usize>>,
    /// Classes by the id of a group or class, and by the name of a group that is shown.
    by_name: HashMap<String, Vec<usize>>,
}

/// A group with at least one class.
#[derive(Clone, Debug)]
pub struct Group {
    /// As the file of groups writes it.
    pub id: String,
    /// What it is called.
    pub label: String,
    /// Whether answers may name it.
    pub is_shown: bool,
    /// Places of its parents, which stand before it.
    pub parents: Vec<usize>,
    /// All classes under it, each once, in ascending order.
    pub classes: Vec<usize>,
}

/// More groups than answers could be made from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the groups of all classes are more than {most} together: leave some out", most = Groups::MOST_MEMBERS)]
pub struct GroupsError;

impl Groups {
    /// ImageNet has 11,000.
    const MOST_MEMBERS: usize = 1_000_000;

    /// The groups in `tree` of the classes whose ids are `ids`, in the order of the network's output. An empty id,
    /// or one that is not in the tree, has no groups; a class may be a group of the tree.
    ///
    /// # Errors
    /// [`GroupsError`] when they are too many.
    pub fn new<'a>(
        tree: &GroupTree,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<Self, GroupsError> {
        let ids: Vec<&str> = ids.collect();
        let nodes: HashMap<&str, usize> =
            tree.nodes.iter().enumerate().map(|(at, node)| (node.id.as_str(), at)).collect();
        let own: Vec<Option<usize>> = ids.iter().map(|id| nodes.get(id).copied()).collect();
        let members = members(&tree.nodes, &own)?;
        let (groups, places) = used_groups(&tree.nodes, members);
        let right_above = |own: &Option<usize>| match own {
            Some(node) if places[*node].is_some() => places[*node].into_iter().collect(),
            Some(node) => tree.nodes[*node].parents.iter().filter_map(|at| places[*at]).collect(),
            None => Vec::new(),
        };
        let parents = own.iter().map(right_above).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (class, id) in ids.iter().enumerate().filter(|(_, id)| !id.is_empty()) {
            by_name.entry((*id).to_owned()).or_default().push(class);
        }
        for group in &groups {
            by_name.insert(group.id.clone(), group.classes.clone());
            if group.is_shown {
                by_name.insert(group.label.clone(), group.classes.clone());
            }
        }
        Ok(Self { groups, parents, by_name })
    }

    /// All groups, parents before children.
    pub fn as_slice(&self) -> &[Group] {
        &self.groups
    }

    /// The number of the network's classes.
    pub fn classes(&self) -> usize {
        self.parents.len()
    }

    /// The groups right above a class.
    pub fn above(&self, class: usize) -> impl Iterator<Item = &Group> {
        self.parents.get(class).into_iter().flatten().map(|&place| &self.groups[place])
    }

    /// The classes under what has this id or shown name.
    pub(super) fn classes_of(&self, name: &str) -> Option<&[usize]> {
        self.by_name.get(name).map(Vec::as_slice)
    }
}

/// For each node, the classes at or under it, in ascending order; `own` is the node of each class.
fn members(nodes: &[Node], own: &[Option<usize>]) -> Result<Vec<Vec<usize>>, GroupsError> {
    let mut members = vec![Vec::new(); nodes.len()];
    let mut count = 0;
    for (class, own) in own.iter().enumerate() {
        let mut waiting: Vec<usize> = own.iter().copied().collect();
        while let Some(node) = waiting.pop() {
            // Classes come in order: the last one is this class if there are two ways to the node.
            if members[node].last() == Some(&class) {
                continue;
            }
            members[node].push(class);
            count += 1;
            if count > Groups::MOST_MEMBERS {
                return Err(GroupsError);
            }
            waiting.extend(&nodes[node].parents);
        }
    }
    Ok(members)
}

/// The groups that have classes, and the place of each node among them.
fn used_groups(nodes: &[Node], members: Vec<Vec<usize>>) -> (Vec<Group>, Vec<Option<usize>>) {
    let mut groups = Vec::new();
    let mut places = vec![None; nodes.len()];
    for (at, (node, classes)) in nodes.iter().zip(members).enumerate() {
        let Some(name) = node.name.as_ref().filter(|_| !classes.is_empty()) else { continue };
        places[at] = Some(groups.len());
        groups.push(Group {
            id: node.id.clone(),
            label: name.label.clone(),
            is_shown: name.is_shown,
            parents: node.parents.iter().filter_map(|parent| places[*parent]).collect(),
            classes,
        });
    }
    (groups, places)
}
